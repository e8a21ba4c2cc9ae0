"""A user's own Brian2 network as a simulation with ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from simulators.spike_trains import spike_trains
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation, neuron_table

WEIGHT = "w"


def from_brian(
    network: Any,
    *,
    duration_s: float,
    weights: Mapping[str, str] | str = WEIGHT,
    cell_type: Mapping[str, str] | None = None,
    position_um: FloatArray | None = None,
    seed: int = 0,
) -> Simulation:
    """Run a Brian2 network of your own and keep its spikes and its connectivity.

    All `NeuronGroup`s that can fire are recorded, one after the other in the order of their names; all `Synapses`
    among them are the ground truth. Inputs such as a `PoissonGroup`, and their synapses, take part but are not
    recorded. The network runs on Brian2's current device, `cpp_standalone` included.

    Parameters
    ----------
    network : brian2.Network
    duration_s : float
        Biological time.
    weights : dict of the name of a `Synapses` object -> name of its weight, or one name for all
        The variable whose value is the weight; "-w" for synapses whose positive `w` inhibits. Weights
        in volts become mV, others keep their SI value; all must have one dimension. Several synapses from one neuron
        to another add up, and the delay of the first, in the order of names, is kept.
    cell_type : dict of the name of a group -> cell type, optional
        Default: the name of the group.
    position_um : (N, 3) array, optional
    seed : int
        Seed of Brian2's random numbers during the run; those drawn before, as for the connections, are your own.

    Raises
    ------
    InputError
        If the network has no neurons that fire, Brian2 cannot run it (`cpp_standalone` runs once), or a weight does not
        exist or is not of the dimension of the others.
    """
    import brian2 as b2

    groups = [group for group in _objects(network, b2.NeuronGroup) if "spike" in group.events]
    if not groups:
        raise InputError("A Brian2 network needs a NeuronGroup with a threshold; this one has none that can fire.")
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise InputError(f"The duration must be a positive number of seconds; got {duration_s}.")
    start_s = float(network.t / b2.second)
    monitors = [b2.SpikeMonitor(group) for group in groups]
    network.add(monitors)
    b2.seed(seed)
    try:
        network.run(duration_s * b2.second)
    except (b2.BrianObjectException, b2.DimensionMismatchError, RuntimeError) as error:
        raise InputError(f"Brian2 cannot run this network: {_cause(error)}") from error

    first = dict(zip((group.name for group in groups), np.cumsum([0, *(len(g) for g in groups)]), strict=False))
    n_neurons = sum(len(group) for group in groups)
    spikes = [
        (np.asarray(m.i) + first[g.name], np.asarray(m.t / b2.second)) for g, m in zip(groups, monitors, strict=True)
    ]
    neuron, time_s = (np.concatenate(parts) for parts in zip(*spikes, strict=True))
    types = [(cell_type or {}).get(group.name, group.name) for group in groups for _ in range(len(group))]
    return Simulation(
        spike_times=spike_trains(neuron, time_s - start_s, n_neurons, duration_s),
        neurons=neuron_table(n_neurons, cell_type=types, position_um=position_um),
        connectome=_connectome(network, first, n_neurons, weights),
        metadata={
            "network": network.name,
            "duration_s": float(duration_s),
            "seed": int(seed),
            "versions": {package: version(package) for package in ("synapsnet", "brian2", "numpy")},
        },
    )


def _objects(network: Any, kind: type) -> list[Any]:
    """All of a kind in the network, in the order of their names."""
    return sorted((item for item in network.objects if isinstance(item, kind)), key=lambda item: item.name)


def _connectome(network: Any, first: Mapping[str, int], n_neurons: int, weights: Mapping[str, str] | str) -> Connectome:
    """The synapses among the recorded groups, which begin at `first`, summed for each pair of neurons."""
    import brian2 as b2

    weight = np.zeros((n_neurons, n_neurons))
    delay_s = np.full((n_neurons, n_neurons), np.nan)
    dimensions: dict[str, Any] = {}
    for synapses in _objects(network, b2.Synapses):
        ends = [_place(group, first) for group in (synapses.source, synapses.target)]
        if None in ends:
            continue
        pre, post = np.asarray(synapses.i) + ends[0], np.asarray(synapses.j) + ends[1]
        described = weights if isinstance(weights, str) else weights.get(synapses.name, WEIGHT)
        name = described.removeprefix("-")
        if name not in synapses.variables:
            raise InputError(
                f"The Synapses {synapses.name!r} have no variable {name!r} that could be their weight; "
                f"name it in weights, for example weights={{{synapses.name!r}: 'w'}}."
            )
        values = getattr(synapses, name)
        values = values[:] if synapses.variables[name].array else values
        dimensions[synapses.name] = b2.get_dimensions(values)
        sign = -1.0 if described.startswith("-") else 1.0
        np.add.at(weight, (post, pre), sign * np.asarray(values, float))
        new = np.isnan(delay_s[post, pre])
        delay_s[post[new], pre[new]] = np.broadcast_to(_delay_s(synapses), pre.shape)[new]
    if len(set(dimensions.values())) > 1:
        listed = ", ".join(f"{name}: {_unit(dimension)}" for name, dimension in dimensions.items())
        raise InputError(f"All weights must be of one unit to be added up and compared; got {listed}.")
    np.fill_diagonal(weight, 0.0)
    np.fill_diagonal(delay_s, np.nan)
    dimension = next(iter(dimensions.values()), b2.volt.dim)
    if dimension == b2.volt.dim:
        return Connectome(weight * 1e3, delay_s=delay_s, unit="mV")
    return Connectome(weight, delay_s=delay_s, unit=_unit(dimension))


def _unit(dimension: Any) -> str:
    import brian2 as b2

    return "1" if dimension.is_dimensionless else str(b2.get_unit(dimension))


def _delay_s(synapses: Any) -> FloatArray:
    """Delay of what a presynaptic spike does; 0 where it does nothing, as at a gap junction."""
    return np.asarray(synapses.delay[:], float) if hasattr(synapses, "pre") else np.zeros(1)


def _place(group: Any, first: Mapping[str, int]) -> int | None:
    """Row of the first neuron of a group or subgroup; None if it is not recorded."""
    start = first.get(getattr(group, "source", group).name)
    return None if start is None else start + getattr(group, "start", 0)


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
