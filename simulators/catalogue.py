"""What there is to simulate and to observe, in words, from the code itself."""

from __future__ import annotations

import inspect
from typing import Any

from simulators.inputs import Inputs
from simulators.networks import NETWORKS
from simulators.observation import INDICATORS, observe_calcium, observe_spikes
from simulators.plasticity import PLASTICITY
from simulators.rates import Rates
from simulators.states import STATES
from simulators.topologies import TOPOLOGIES
from synapsnet.errors import unknown_name
from synapsnet.parameters import Parameters

KINDS: dict[str, dict[str, Any]] = {
    "networks (simulate --network)": dict(NETWORKS),
    "topologies (simulate --topology)": dict(TOPOLOGIES),
    "inputs (simulate --set inputs.NAME=VALUE)": {"inputs": Inputs},
    "states (simulate --state)": dict(STATES),
    "rates (simulate --set rates.NAME=VALUE)": {"rates": Rates},
    "plasticity (simulate --plasticity)": dict(PLASTICITY),
    "observation (observe --as)": {"calcium": observe_calcium, "spikes": observe_spikes},
}


def entries() -> dict[str, dict[str, str]]:
    """The first line of everything's docstring, by kind and name."""
    listed = {
        kind: {name: _text(thing).split("\n")[0] for name, thing in things.items()} for kind, things in KINDS.items()
    }
    listed["indicators (observe --as calcium --indicator)"] = {
        name: f"peak dF/F {indicator.peak:g} for one spike, {indicator.time_to_peak_s * 1e3:.0f} ms after it"
        for name, indicator in INDICATORS.items()
    }
    return listed


def explain(name: str) -> str:
    """The docstring of a network, topology or observation model, and the defaults of its parameters.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    things = {name: thing for things in KINDS.values() for name, thing in things.items()}
    if name not in things:
        raise unknown_name("entry", name, things)
    thing = things[name]
    if not (isinstance(thing, type) and issubclass(thing, Parameters)):
        return _text(thing)
    inherited = [
        base for base in thing.__mro__[1:] if issubclass(base, Parameters) and "Parameters\n---" in _text(base)
    ]
    parts = [_text(thing), *(_parameters(base) for base in inherited)]
    defaults = "\n".join(
        f"{field} = {info.get_default(call_default_factory=True)}" for field, info in thing.model_fields.items()
    )
    return "\n\n".join([*parts, "Defaults\n--------\n" + defaults])


def keyword_parameters(function: Any) -> list[str]:
    """Names of the parameters that are given by name."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _text(thing: Any) -> str:
    """The docstring, not that of a base class."""
    return inspect.cleandoc(thing.__doc__ or "")


def _parameters(base: type) -> str:
    section = _text(base).partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    return f"Parameters of {base.__name__}\n{section}"
