"""Feed-forward chain: layers of excitatory neurons, each of which excites the next one (synfire chain).

Diesmann, Gewaltig & Aertsen 1999, Nature 402:529: groups of 100 neurons, all of them connected to all of the next
group. A volley of enough spikes, synchronous enough, travels through such a chain; a weaker one dies out.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from simulators.topologies.base import UniformDelays
from simulators.units import Probability
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError


class Chain(UniformDelays):
    """Layers of equal size of the excitatory neurons, in the order of the table; the others are unconnected.

    Parameters
    ----------
    n_layers : int
    probability : float
        Probability of a connection from a neuron to one of the next layer.
    The others are those of `UniformDelays`.
    """

    name: ClassVar[str] = "chain"

    n_layers: int = Field(10, ge=2)
    probability: Probability = 1.0

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        excitatory = np.flatnonzero(strength_mv > 0)
        n, n_excitatory = len(neurons), len(excitatory)
        if n_excitatory < self.n_layers:
            raise InputError(
                f"The topology 'chain' needs at least {self.n_layers} excitatory neurons for {self.n_layers} layers; "
                f"got {n_excitatory}. Lower n_layers or simulate more neurons."
            )
        layer = np.full(n, -2)  # adjacent to no layer
        layer[excitatory] = np.arange(n_excitatory) * self.n_layers // n_excitatory
        connected = rng.random((n, n)) < self.probability
        connected &= layer[:, None] == layer + 1
        return self.weigh(connected, strength_mv, rng)
