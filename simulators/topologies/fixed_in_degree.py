"""Every neuron has the same number of presynaptic partners, drawn at random.

The convention of balanced network models since Brunel 2000, J Comput Neurosci 8:183: no neuron is quiet or busy
because it happens to have few or many inputs.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from simulators.topologies.base import UniformDelays
from simulators.wiring import lowest
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError


class FixedInDegree(UniformDelays):
    """The same number of inputs to each neuron, from different neurons of any type.

    Parameters
    ----------
    in_degree : int
        Presynaptic partners of each neuron.
    The others are those of `UniformDelays`.
    """

    name: ClassVar[str] = "fixed-in-degree"

    in_degree: int = Field(10, ge=1)

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        n = len(neurons)
        if self.in_degree >= n:
            raise InputError(
                f"The topology 'fixed-in-degree' needs more than {self.in_degree} neurons for an in-degree of "
                f"{self.in_degree}; got {n}. Lower in_degree or simulate more neurons."
            )
        lot = rng.random((n, n))
        np.fill_diagonal(lot, np.inf)
        return self.weigh(lowest(lot, self.in_degree), strength_mv, rng)
