"""Who is connected to whom, for neurons of any model, by the name that the command line uses."""

from __future__ import annotations

from typing import Any

from simulators.topologies.base import Topology
from simulators.topologies.erdos_renyi import ErdosRenyi
from synapsnet.errors import InputError, unknown_name

TOPOLOGIES: dict[str, type[Topology]] = {topology.name: topology for topology in (ErdosRenyi,)}

__all__ = ["TOPOLOGIES", "ErdosRenyi", "Topology", "topology"]


def topology(described: Topology | str | dict[str, Any]) -> Topology:
    """A topology from its name, or from a dictionary of its `name` and parameters.

    Raises
    ------
    InputError
        If there is none of that name, or a parameter is unusable.
    """
    if isinstance(described, Topology):
        return described
    parameters = {"name": described} if isinstance(described, str) else dict(described)
    name = parameters.pop("name", None)
    if name is None:
        raise InputError(f"A topology needs a name; there are {', '.join(TOPOLOGIES)}.")
    if name not in TOPOLOGIES:
        raise unknown_name("topology", name, TOPOLOGIES)
    return TOPOLOGIES[name](**parameters)
