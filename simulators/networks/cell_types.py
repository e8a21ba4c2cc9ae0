"""LIF neurons of three cortical cell types whose wiring depends on both types.

The tables below are made up for a small network: they follow the qualitative pattern of mouse cortex (sparse weak
excitation among excitatory neurons; Pvalb neurons inhibit everybody, themselves included, strongly and nearby; Sst
neurons inhibit the others but hardly each other) and are not measurements.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from simulators.neurons.lif import LifNetwork
from simulators.units import Probability
from simulators.wiring import cell_type_blocks
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table

CELL_TYPES = ("excitatory", "Pvalb", "Sst")

# [postsynaptic type][presynaptic type]
PROBABILITY = {
    "excitatory": {"excitatory": 0.08, "Pvalb": 0.30, "Sst": 0.20},
    "Pvalb": {"excitatory": 0.20, "Pvalb": 0.30, "Sst": 0.20},
    "Sst": {"excitatory": 0.15, "Pvalb": 0.05, "Sst": 0.02},
}
# Mean peak of the postsynaptic potential in mV
STRENGTH_MV = {
    "excitatory": {"excitatory": 0.7, "Pvalb": -2.5, "Sst": -1.5},
    "Pvalb": {"excitatory": 1.0, "Pvalb": -2.0, "Sst": -1.5},
    "Sst": {"excitatory": 0.8, "Pvalb": -1.0, "Sst": -0.5},
}
# The potential in mV where a neuron would rest without synapses
DRIVE_MV = {"excitatory": 8.0, "Pvalb": 9.0, "Sst": 8.0}


class LifCellTypes(LifNetwork):
    """Excitatory, Pvalb and Sst LIF neurons.

    Parameters
    ----------
    n_neurons : int
    pvalb_fraction, sst_fraction : float
        The other neurons, which come first, are excitatory.
    The others are those of `LifNetwork`.
    """

    name: ClassVar[str] = "lif-cell-types"

    n_neurons: int = Field(100, ge=3)
    pvalb_fraction: Probability = 0.1
    sst_fraction: Probability = 0.1

    @model_validator(mode="after")
    def _fractions_are_parts(self) -> LifCellTypes:
        if self.pvalb_fraction + self.sst_fraction > 1:
            raise ValueError(
                f"The fractions of Pvalb and Sst neurons must not exceed 1 together; "
                f"got {self.pvalb_fraction} and {self.sst_fraction}"
            )
        return self

    def neurons(self) -> pd.DataFrame:
        return neuron_table(self.n_neurons, cell_type=self._types())

    def strength_mv(self) -> FloatArray:
        own = {kind: np.mean([row[kind] for row in STRENGTH_MV.values()]) for kind in CELL_TYPES}
        return np.array([own[kind] for kind in self._types()])

    def connect(self, rng: np.random.Generator) -> Connectome:
        return cell_type_blocks(self._types(), PROBABILITY, STRENGTH_MV, rng)

    def drive(self) -> FloatArray:
        return np.array([DRIVE_MV[kind] for kind in self._types()])

    def _types(self) -> list[str]:
        n_pvalb = round(self.pvalb_fraction * self.n_neurons)
        n_sst = min(round(self.sst_fraction * self.n_neurons), self.n_neurons - n_pvalb)  # both may round up
        n_excitatory = self.n_neurons - n_pvalb - n_sst
        return ["excitatory"] * n_excitatory + ["Pvalb"] * n_pvalb + ["Sst"] * n_sst
