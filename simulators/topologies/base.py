"""What a topology is: who is connected to whom, for neurons of any model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import model_validator

from simulators.connectivity import weigh
from simulators.units import MILLI, NotNegative
from synapsnet.parameters import Parameters
from synapsnet.recording import Connectome, FloatArray

BoolArray = npt.NDArray[np.bool_]


class Topology(Parameters, ABC):
    """Base class of all topologies: validated parameters that draw a connectome.

    To add one, subclass this in a file of its own and list it in `simulators.topologies.TOPOLOGIES`.

    Parameters
    ----------
    weight_sigma : float
        Standard deviation of the logarithm of the weights (lognormal, with the presynaptic neuron's mean).
    shortest_delay_ms, longest_delay_ms : float
        Delays are uniform between these.
    """

    name: ClassVar[str]

    weight_sigma: NotNegative = 0.5
    shortest_delay_ms: NotNegative = 1.0
    longest_delay_ms: NotNegative = 3.0

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" in vars(cls):
            cls.title = f"topology {cls.name!r}"

    @model_validator(mode="after")
    def _delays_are_a_range(self) -> Self:
        if self.shortest_delay_ms > self.longest_delay_ms:
            raise ValueError(
                f"The shortest delay, {self.shortest_delay_ms} ms, must not exceed the longest, "
                f"{self.longest_delay_ms} ms"
            )
        return self

    def arrange(self, neurons: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The neuron table with the positions or names that the topology gives; the types stay as they are."""
        return neurons

    @abstractmethod
    def adjacency(self, neurons: pd.DataFrame, rng: np.random.Generator) -> BoolArray:
        """(N, N) `[post, pre]`: who is connected. The diagonal is ignored.

        Raises
        ------
        InputError
            If there is no such network of these neurons.
        """

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        """Draw the connectome.

        Parameters
        ----------
        neurons : DataFrame with N rows
            With the positions and names of `arrange`.
        strength_mv : (N,) array
            Mean weight of the outgoing connections of each neuron; negative for inhibitory neurons.
        rng : numpy Generator
        """
        return weigh(
            self.adjacency(neurons, rng),
            strength_mv,
            rng,
            weight_sigma=self.weight_sigma,
            delay_range_s=self.delay_range_s,
        )

    @property
    def delay_range_s(self) -> tuple[float, float]:
        return self.shortest_delay_ms * MILLI, self.longest_delay_ms * MILLI
