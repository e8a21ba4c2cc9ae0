"""Every ordered pair is connected independently with the same probability (Erdos & Renyi 1959)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from simulators.topologies.base import BoolArray, Topology
from simulators.units import Probability


class ErdosRenyi(Topology):
    """Connections at random.

    Parameters
    ----------
    probability : float
        Of each ordered pair of neurons.
    The others are those of `Topology`.
    """

    name: ClassVar[str] = "erdos-renyi"

    probability: Probability = 0.1

    def adjacency(self, neurons: pd.DataFrame, rng: np.random.Generator) -> BoolArray:
        return rng.random((len(neurons), len(neurons))) < self.probability
