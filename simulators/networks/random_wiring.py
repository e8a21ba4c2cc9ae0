"""Excitatory and inhibitory neurons connected at random (Erdos-Renyi): the wiring of networks of any neuron model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from simulators.base import Network
from simulators.delays import DelayRange
from simulators.topologies import ErdosRenyi
from simulators.units import NotNegative, Probability
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table


class RandomlyWired(DelayRange, Network):
    """What networks of two randomly connected populations share.

    Parameters
    ----------
    n_neurons : int
    excitatory_fraction : float
        Fraction of the neurons that are excitatory; they come first.
    connection_probability : float
        Probability of each ordered pair of neurons.
    epsp_mv, ipsp_mv : float
        Mean size of an excitatory and an inhibitory postsynaptic potential; weights are lognormal.
    weight_sigma : float
        Standard deviation of the logarithm of the weights.
    The others are those of `DelayRange`.
    """

    n_neurons: int = Field(100, ge=2)
    excitatory_fraction: Probability = 0.8
    connection_probability: Probability = 0.1
    epsp_mv: NotNegative = 0.7
    ipsp_mv: NotNegative = 2.8
    weight_sigma: NotNegative = 0.5

    def neurons(self) -> pd.DataFrame:
        types = np.where(self.excitatory(), "excitatory", "inhibitory")
        return neuron_table(self.n_neurons, cell_type=types.tolist())

    def strength_mv(self) -> FloatArray:
        return np.where(self.excitatory(), self.epsp_mv, -self.ipsp_mv)

    def connect(self, rng: np.random.Generator) -> Connectome:
        return ErdosRenyi(
            probability=self.connection_probability,
            weight_sigma=self.weight_sigma,
            shortest_delay_ms=self.shortest_delay_ms,
            longest_delay_ms=self.longest_delay_ms,
        ).connect(self.neurons(), self.strength_mv(), rng)

    def excitatory(self) -> npt.NDArray[np.bool_]:
        """(N,) which neurons are excitatory."""
        return np.arange(self.n_neurons) < round(self.excitatory_fraction * self.n_neurons)
