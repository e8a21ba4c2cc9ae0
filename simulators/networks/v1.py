"""Layer 2/3 of mouse primary visual cortex: excitatory, Pvalb, Sst and Vip neurons with short-term plasticity.

Everything about connections comes from the Allen Institute's synaptic physiology data (Campagnola et al. 2022, Science
375:eabj5861), except where the tables say otherwise. The neurons are simple: LIF, with one membrane for all types.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from simulators.model import Model
from simulators.neurons.lif import LifNetwork
from simulators.units import MILLI, NotNegative, Probability
from simulators.wiring import cell_type_blocks
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome, Edges
from synapsnet.recording import neuron_table

# All tables are [postsynaptic type][presynaptic type]
CELL_TYPES = ("excitatory", "Pvalb", "Sst", "Vip")

# p_max of figure 2B for layer 2/3: the probability that two neighbours are connected, corrected for what slicing and
# detection miss. Read from the tables of the Allen Institute's model of V1, which took them from the paper
# (github.com/AllenInstitute/biorealistic-v1-model, v1_conn_props_March28_2023.json); excitatory to Pvalb, excitatory
# to Vip and Vip to excitatory are also in the paper's text.
PROBABILITY = {
    "excitatory": {"excitatory": 0.11, "Pvalb": 0.65, "Sst": 0.42, "Vip": 0.11},
    "Pvalb": {"excitatory": 0.79, "Pvalb": 0.79, "Sst": 0.44, "Vip": 0.04},
    "Sst": {"excitatory": 0.76, "Pvalb": 0.28, "Sst": 0.17, "Vip": 0.49},
    "Vip": {"excitatory": 0.38, "Pvalb": 0.0, "Sst": 0.92, "Vip": 0.05},
}

# Median amplitude in mV of postsynaptic potentials after rest, over all layers: medians of the paper's public data,
# release 2.1 (as tabulated in github.com/TomRichner/SpikingStableRecurrentNonlinearNetsB, metrics_long.csv). Within
# 0.04 mV of the medians in the paper's text: excitatory to Pvalb 0.41, to Sst 0.08, to Vip 0.45. Vip to excitatory is
# the median of two connections.
STRENGTH_MV = {
    "excitatory": {"excitatory": 0.21, "Pvalb": -0.46, "Sst": -0.17, "Vip": -0.06},
    "Pvalb": {"excitatory": 0.44, "Pvalb": -0.46, "Sst": -0.16, "Vip": -0.13},
    "Sst": {"excitatory": 0.073, "Pvalb": -0.44, "Sst": -0.15, "Vip": -0.16},
    "Vip": {"excitatory": 0.47, "Pvalb": -0.25, "Sst": -0.16, "Vip": -0.10},
}


class ShortTerm(NamedTuple):
    """Parameters of short-term plasticity (Tsodyks, Pawelzik & Markram 1998, Neural Comput 10:821).

    The use of resources at the first spike, and the time constants in ms of recovery and of facilitation.
    """

    use: float
    recovery_ms: float
    facilitation_ms: float


# Our fit of the model to two medians of the same data: how much the amplitude has changed by the 6th to 8th spike of a
# train at 50 Hz, and how much of that is left 250 ms later. Two numbers do not determine three parameters: of those
# that fit, these are the nearest to 0.2, 200 ms and 100 ms. Vip to excitatory, measured twice, has Vip to Pvalb's.
SHORT_TERM = {
    "excitatory": {
        "excitatory": ShortTerm(0.24, 162, 104),
        "Pvalb": ShortTerm(0.24, 189, 101),
        "Sst": ShortTerm(0.23, 109, 263),
        "Vip": ShortTerm(0.18, 152, 109),
    },
    "Pvalb": {
        "excitatory": ShortTerm(0.19, 144, 113),
        "Pvalb": ShortTerm(0.25, 174, 102),
        "Sst": ShortTerm(0.23, 118, 142),
        "Vip": ShortTerm(0.18, 152, 109),
    },
    "Sst": {
        "excitatory": ShortTerm(0.062, 132, 227),
        "Pvalb": ShortTerm(0.25, 136, 111),
        "Sst": ShortTerm(0.23, 118, 141),
        "Vip": ShortTerm(0.13, 131, 158),
    },
    "Vip": {
        "excitatory": ShortTerm(0.14, 125, 181),
        "Pvalb": ShortTerm(0.19, 243, 98),
        "Sst": ShortTerm(0.057, 126, 285),
        "Vip": ShortTerm(0.12, 146, 122),
    },
}

# The potential in mV where a neuron would rest without synapses; our choice, for the rates of `V1Layer23`
DRIVE_MV = {"excitatory": 7.5, "Pvalb": 7.0, "Sst": 8.5, "Vip": 6.0}

DELAY_RANGE_S = (0.9e-3, 1.9e-3)  # the medians of the types' latencies in the same data

SYNAPSE = """
w : volt
use : 1
recovery : second (constant)
facilitation : second (constant)
du/dt = -u/facilitation : 1 (event-driven)
dx/dt = (1 - x)/recovery : 1 (event-driven)
"""
ON_PRE = """
u += use*(1 - u)
I_post += w*u*x/use
x -= u*x
"""


class V1Layer23(LifNetwork):
    """Four cell types of mouse V1 layer 2/3 with measured connections and short-term plasticity.

    A weight is the peak of the first postsynaptic potential after rest; later ones depend on the spikes before.
    Neurons are connected as neighbours are, whatever their distance. Electrical synapses are left out.
    Excitatory neurons fire at about 2.4 Hz, Sst and Vip neurons at about 6.5 Hz and Pvalb neurons at about 11 Hz. The
    rates are our choice; the order, excitatory neurons least and Pvalb neurons most, is that of the barrel cortex of
    awake mice (Kiritani et al. 2023, PLoS One 18:e0287174).

    Parameters
    ----------
    n_neurons : int
    pvalb_fraction, sst_fraction, vip_fraction : float
        The other neurons, which come first, are excitatory. The defaults make a fifth of the neurons inhibitory, 40%
        of them Pvalb, 30% Sst and 30% Vip; in cortex the last 30% are all neurons with the receptor 5HT3a, of which
        Vip neurons are a part (Tremblay, Lee & Rudy 2016, Neuron 91:260).
    weight_sigma : float
        Standard deviation of the logarithm of the weights, whose median is measured. Our choice.
    The others are those of `LifNetwork`.
    """

    name: ClassVar[str] = "v1"

    n_neurons: int = Field(200, ge=4)
    pvalb_fraction: Probability = 0.08
    sst_fraction: Probability = 0.06
    vip_fraction: Probability = 0.06
    weight_sigma: NotNegative = 0.6

    @model_validator(mode="after")
    def _fractions_are_parts(self) -> Self:
        fractions = self.pvalb_fraction, self.sst_fraction, self.vip_fraction
        if sum(fractions) > 1:
            raise ValueError(
                "The fractions of Pvalb, Sst and Vip neurons must not exceed 1 together; "
                f"got {fractions[0]}, {fractions[1]} and {fractions[2]}"
            )
        return self

    def neurons(self) -> pd.DataFrame:
        return neuron_table(self.n_neurons, cell_type=self._types())

    def strength_mv(self) -> FloatArray:
        of_type = {kind: np.mean([row[kind] for row in STRENGTH_MV.values()]) for kind in CELL_TYPES}
        return self._mean_over_median() * np.array([of_type[kind] for kind in self._types()])

    def connect(self, rng: np.random.Generator) -> Connectome:
        factor = self._mean_over_median()
        strength = {post: {pre: factor * mv for pre, mv in row.items()} for post, row in STRENGTH_MV.items()}
        return cell_type_blocks(
            self._types(), PROBABILITY, strength, rng, weight_sigma=self.weight_sigma, delay_range_s=DELAY_RANGE_S
        )

    def drive(self) -> FloatArray:
        return np.array([DRIVE_MV[kind] for kind in self._types()])

    def model(self) -> Model:
        return replace(super().model(), synapse=SYNAPSE, on_pre=ON_PRE)

    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        table = np.array([[SHORT_TERM[to][of] for of in CELL_TYPES] for to in CELL_TYPES])
        index = np.array([CELL_TYPES.index(kind) for kind in self._types()])
        use, recovery_ms, facilitation_ms = table[index[edges.post], index[edges.pre]].T
        return super().synapse_values(edges) | {
            "use": use,
            "recovery": recovery_ms * MILLI,
            "facilitation": facilitation_ms * MILLI,
            "x": np.ones(len(edges.pre)),
        }

    def _mean_over_median(self) -> float:
        """Mean over median of the weights: tables hold medians, `weigh` takes means."""
        return float(np.exp(self.weight_sigma**2 / 2))

    def _types(self) -> list[str]:
        borders = np.cumsum([self.pvalb_fraction, self.sst_fraction, self.vip_fraction])
        counts = np.diff(np.round(borders * self.n_neurons).astype(int), prepend=0)
        others = [kind for kind, count in zip(CELL_TYPES[1:], counts, strict=True) for _ in range(count)]
        return ["excitatory"] * (self.n_neurons - len(others)) + others
