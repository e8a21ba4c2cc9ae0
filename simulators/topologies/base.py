"""What a topology is: who is connected to whom, for neurons of any model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd

from simulators.delays import DelayRange
from simulators.named import Named
from simulators.units import NotNegative
from simulators.wiring import weigh
from synapsnet.array_types import BoolArray, FloatArray
from synapsnet.connectome import Connectome


class Topology(Named, ABC):
    """Base class of all topologies: validated parameters that draw a connectome.

    To add one, subclass this (or `UniformDelays`) in a file of its own and list it in
    `simulators.topologies.TOPOLOGIES`.

    Parameters
    ----------
    weight_sigma : float
        Standard deviation of the logarithm of the weights (lognormal, with the presynaptic neuron's mean).
    """

    kind: ClassVar[str] = "topology"

    weight_sigma: NotNegative = 0.5

    def arrange(self, neurons: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The neuron table with the positions or names that the topology gives; the types stay as they are.

        Raises
        ------
        InputError
            If there is no such network of these neurons.
        """
        return neurons

    @abstractmethod
    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        """Draw the connectome.

        Parameters
        ----------
        neurons : DataFrame with N rows
            With the positions and names of `arrange`.
        strength_mv : (N,) array
            Mean weight of the outgoing connections of each neuron. Excitatory neurons have a positive one,
            inhibitory neurons a negative one; those of zero have no outgoing connections.
        rng : numpy Generator

        Raises
        ------
        InputError
            If there is no such network of these neurons.
        """


class UniformDelays(DelayRange, Topology):
    """Base class of the topologies whose delays do not depend on who is connected to whom.

    Parameters
    ----------
    weight_sigma : float
        See `Topology`.
    The others are those of `DelayRange`.
    """

    def weigh(self, connected: BoolArray, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        """Weights and delays for these connections; `strength_mv` is (N,), or (N, N) for a mean of each pair."""
        return weigh(
            connected,
            strength_mv,
            rng,
            weight_sigma=self.weight_sigma,
            delay_range_s=self.delay_range_s,
        )
