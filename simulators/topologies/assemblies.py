"""Clustered assemblies: excitatory neurons connect more often and more strongly to those of their own assembly.

Litwin-Kumar & Doiron 2012, Nat Neurosci 15:1498: 50 clusters of 80 excitatory neurons, 1,000 inhibitory ones; mean
connection probability 0.2 among excitatory neurons and 0.5 for all other pairs; R_EE = 2.5, weights within a cluster
1.9 times those between clusters. Then the activity of a cluster switches slowly between low and high.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from simulators.topologies.base import UniformDelays
from simulators.units import Positive, Probability
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError


class Assemblies(UniformDelays):
    """Assemblies of excitatory neurons, of equal size and in the order of the table; inhibition is uniform.

    The defaults are the paper's except for the number of assemblies.

    Parameters
    ----------
    n_assemblies : int
    r_ee : float
        Probability of a connection within an assembly over that between assemblies.
    weight_factor : float
        Mean weight of a connection within an assembly over that between assemblies.
    probability : float
        Mean over all pairs of excitatory neurons, whatever `r_ee` is.
    other_probability : float
        Probability of a connection from or to an inhibitory neuron.
    The others are those of `UniformDelays`.
    """

    name: ClassVar[str] = "assemblies"

    n_assemblies: int = Field(4, ge=2)
    r_ee: Positive = 2.5
    weight_factor: Positive = 1.9
    probability: Probability = 0.2
    other_probability: Probability = 0.5

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        excitatory = np.flatnonzero(strength_mv > 0)
        n, n_excitatory = len(neurons), len(excitatory)
        if n_excitatory < self.n_assemblies:
            raise InputError(
                f"The topology 'assemblies' needs at least {self.n_assemblies} excitatory neurons for "
                f"{self.n_assemblies} assemblies; got {n_excitatory}. Lower n_assemblies or simulate more neurons."
            )
        assembly = np.full(n, -1)
        assembly[excitatory] = np.arange(n_excitatory) * self.n_assemblies // n_excitatory
        within = (assembly[:, None] == assembly) & (assembly >= 0)
        np.fill_diagonal(within, False)
        fraction_within = within.sum() / (n_excitatory * (n_excitatory - 1))
        between_probability = self.probability / (1 + fraction_within * (self.r_ee - 1))
        within_probability = self.r_ee * between_probability
        if max(within_probability, between_probability) > 1:
            raise InputError(
                f"With r_ee {self.r_ee} and a mean probability of {self.probability} the assemblies would need a "
                f"probability of {max(within_probability, between_probability):.3g}; lower r_ee or probability."
            )
        chance = np.full((n, n), self.other_probability, np.float32)
        chance[np.ix_(excitatory, excitatory)] = between_probability
        chance[within] = within_probability
        connected = rng.random((n, n)) < chance
        mean_mv = np.where(within, np.float32(self.weight_factor), np.float32(1))
        mean_mv *= strength_mv
        return self.weigh(connected, mean_mv, rng)
