"""Networks with known connectivity, by the name that the command line uses."""

from __future__ import annotations

from simulators.base import Network
from simulators.model import Model
from simulators.networks.adex import Adex
from simulators.networks.brunel import Brunel
from simulators.networks.cell_types import LifCellTypes
from simulators.networks.coba import Coba, CobaSmall
from simulators.networks.cobahh import Cobahh, CobahhSmall
from simulators.networks.cortex import Cortex
from simulators.networks.izhikevich import Izhikevich
from simulators.networks.lif import LifBursting, LifConnectome, LifRandom
from simulators.networks.microcircuit import Microcircuit
from simulators.networks.ring_attractor import RingAttractor
from simulators.networks.v1 import V1Layer23
from synapsnet.errors import unknown_name

_ALL: tuple[type[Network], ...] = (
    LifRandom,
    LifBursting,
    LifCellTypes,
    Adex,
    Izhikevich,
    V1Layer23,
    Cortex,
    Microcircuit,
    RingAttractor,
    Brunel,
    Coba,
    CobaSmall,
    Cobahh,
    CobahhSmall,
)
NETWORKS: dict[str, type[Network]] = {network.name: network for network in _ALL}

__all__ = [
    "NETWORKS",
    "Adex",
    "Brunel",
    "Coba",
    "CobaSmall",
    "Cobahh",
    "CobahhSmall",
    "Cortex",
    "Izhikevich",
    "LifBursting",
    "LifCellTypes",
    "LifConnectome",
    "LifRandom",
    "Microcircuit",
    "Model",
    "Network",
    "RingAttractor",
    "V1Layer23",
    "network_class",
]


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
