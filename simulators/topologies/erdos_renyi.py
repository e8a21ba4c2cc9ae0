"""Every ordered pair is connected independently with the same probability (Erdos & Renyi 1959)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from simulators.topologies.base import UniformDelays
from simulators.units import Probability
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome


class ErdosRenyi(UniformDelays):
    """Connections at random.

    Parameters
    ----------
    probability : float
        Probability of each ordered pair of neurons.
    The others are those of `UniformDelays`.
    """

    name: ClassVar[str] = "erdos-renyi"

    probability: Probability = 0.1

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        connected = rng.random((len(neurons), len(neurons))) < self.probability
        return self.weigh(connected, strength_mv, rng)
