"""Ways in which connectivity changes while a network is simulated, by the name that the command line uses."""

from __future__ import annotations

from typing import Any

from simulators.plasticity.base import Plasticity
from simulators.plasticity.rewiring import Rewiring
from simulators.plasticity.stdp import Stdp
from synapsnet.errors import InputError, unknown_name

PLASTICITY: dict[str, type[Plasticity]] = {kind.name: kind for kind in (Rewiring, Stdp)}

__all__ = ["PLASTICITY", "Plasticity", "Rewiring", "Stdp", "plasticity"]


def plasticity(described: Plasticity | str | dict[str, Any]) -> Plasticity:
    """Plasticity from its name, or from a dictionary of its `name` and parameters.

    Raises
    ------
    InputError
        If there is none of that name, or a parameter is unusable.
    """
    if isinstance(described, Plasticity):
        return described
    parameters = {"name": described} if isinstance(described, str) else dict(described)
    name = parameters.pop("name", None)
    if name is None:
        raise InputError(f"Plasticity needs a name; there are {', '.join(PLASTICITY)}.")
    if name not in PLASTICITY:
        raise unknown_name("plasticity", str(name), PLASTICITY)
    return PLASTICITY[name](**parameters)
