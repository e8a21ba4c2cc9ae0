"""Ways in which connectivity changes while a network is simulated, by the name that the command line uses."""

from __future__ import annotations

from typing import Any

from simulators.named import by_name
from simulators.plasticity.base import Plasticity
from simulators.plasticity.rewiring import Rewiring
from simulators.plasticity.stdp import Stdp

PLASTICITY: dict[str, type[Plasticity]] = {kind.name: kind for kind in (Rewiring, Stdp)}

__all__ = ["PLASTICITY", "Plasticity", "Rewiring", "Stdp", "plasticity"]


def plasticity(described: Plasticity | str | dict[str, Any]) -> Plasticity:
    """Plasticity from its name, or from a dictionary of its `name` and parameters.

    Raises
    ------
    InputError
        If there is none of that name, or a parameter is unusable.
    """
    return by_name(described, Plasticity, PLASTICITY, "Plasticity")
