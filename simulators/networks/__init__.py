"""Networks with known connectivity, by the name that the command line uses."""

from __future__ import annotations

from simulators.base import Model, Network
from simulators.networks.cell_types import LifCellTypes
from simulators.networks.lif import LifConnectome, LifRandom
from synapsnet.errors import unknown_name

NETWORKS: dict[str, type[Network]] = {network.name: network for network in (LifRandom, LifCellTypes)}

__all__ = ["NETWORKS", "LifCellTypes", "LifConnectome", "LifRandom", "Model", "Network", "network_class"]


def network_class(name: str) -> type[Network]:
    """The network registered under `name`.

    Raises
    ------
    InputError
        If there is none; the sentence offers the nearest name.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    raise unknown_name("network", name, NETWORKS)
