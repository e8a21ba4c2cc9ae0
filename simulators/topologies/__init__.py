"""Who is connected to whom, for neurons of any model, by the name that the command line uses."""

from __future__ import annotations

from typing import Any

from simulators.named import by_name
from simulators.topologies.assemblies import Assemblies
from simulators.topologies.base import Topology
from simulators.topologies.chain import Chain
from simulators.topologies.distance_dependent import DistanceDependent
from simulators.topologies.erdos_renyi import ErdosRenyi
from simulators.topologies.fixed_in_degree import FixedInDegree
from simulators.topologies.motifs import Motifs
from simulators.topologies.ring import Ring
from simulators.topologies.small_world import SmallWorld

TOPOLOGIES: dict[str, type[Topology]] = {
    topology.name: topology
    for topology in (ErdosRenyi, FixedInDegree, DistanceDependent, SmallWorld, Ring, Assemblies, Chain, Motifs)
}

__all__ = [
    "TOPOLOGIES",
    "Assemblies",
    "Chain",
    "DistanceDependent",
    "ErdosRenyi",
    "FixedInDegree",
    "Motifs",
    "Ring",
    "SmallWorld",
    "Topology",
    "topology",
]


def topology(described: Topology | str | dict[str, Any]) -> Topology:
    """A topology from its name, or from a dictionary of its `name` and parameters.

    Raises
    ------
    InputError
        If there is none of that name, or a parameter is unusable.
    """
    return by_name(described, Topology, TOPOLOGIES, "A topology")
