"""The cortical microcircuit of Potjans & Diesmann 2014 (Cereb Cortex 24:785), scaled down.

Four layers, each with an excitatory and an inhibitory population of LIF neurons, under 1 mm^2 of cortex: 77,169 neurons
at full scale, which this module is not meant for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from simulators.model import Model
from simulators.neurons.lif import LifNetwork, psp_peak
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
EXCITATORY = np.array([name.endswith("E") for name in POPULATIONS])

# From the paper's tables of parameters
SIZE = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
EXTERNAL_INPUTS = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
# Probability that there is at least one synapse, [post, pre]
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
# Mean rates of the full model: those of its reference implementation in NEST, example Potjans_2014, network_params.py
FULL_RATE_HZ = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])

RELATIVE_WEIGHT_SD = 0.1
DELAY_MS, RELATIVE_DELAY_SD = np.where(EXCITATORY, 1.5, 0.75), 0.5

# Upper and lower border of each layer in micrometres below the pia; not in the paper, our choice
DEPTH_UM = {"L23": (100.0, 500.0), "L4": (500.0, 700.0), "L5": (700.0, 1100.0), "L6": (1100.0, 1500.0)}

# Expected number of synapses from one neuron to another, and of a neuron's inputs from each population
SYNAPSES_PER_PAIR = -np.log(1 - PROBABILITY)
INPUTS = SYNAPSES_PER_PAIR * SIZE


class Microcircuit(LifNetwork):
    """The microcircuit with fewer neurons, each with fewer and stronger inputs.

    The missing part of a neuron's input is replaced by a constant current and Gaussian noise, so that mean and variance
    are those of the full model at its rates. With `weight_scale = 1/sqrt(k_scale)` no variance is missing: the scaling
    of van Albada, Helias & Diesmann 2015, PLoS Comput Biol 11:e1004490. In networks this small, inhibitory potentials
    are then so large that the rates fall far below the full model's (at scale 0.02 to 4 Hz and less); weaker weights
    keep them. Correlations are not those of the full model either way.

    At the defaults, 771 neurons with weights of 0.75 and -3 mV, each population fires within 25% of its rate in the
    full model, except L23E: 0.6 Hz instead of 0.9.

    Differences from the paper: pairs have one connection or none, with the expected number of synapses; membrane
    potentials start anywhere between rest and threshold.

    Parameters
    ----------
    scale : float
        Number of neurons, as a fraction of the full model's.
    k_scale : float
        Number of inputs of a neuron, as a fraction of the full model's. The same as `scale`: the paper's connection
        probabilities.
    weight_scale : float
        Weights, as a multiple of the full model's.
    epsp_mv : float
        Mean peak of an excitatory postsynaptic potential at full scale; from L4E to L23E it is twice this.
    inhibition : float
        How much stronger inhibitory weights are.
    external_rate_hz : float
        Rate of each of a neuron's inputs from outside: independent Poisson processes, as many as in the full model.
    The others are those of `LifNetwork`, with the paper's values; `noise_mv` comes on top.
    """

    name: ClassVar[str] = "microcircuit"

    noise_mv: NotNegative = 0.0
    tau_ms: Positive = 10.0
    tau_syn_ms: Positive = 0.5

    scale: float = Field(0.01, gt=0, le=0.2)
    k_scale: float = Field(0.01, gt=0, le=1)
    weight_scale: Positive = 5.0
    epsp_mv: Positive = 0.15
    inhibition: Positive = 4.0
    external_rate_hz: NotNegative = 8.0

    @model_validator(mode="after")
    def _can_be_scaled(self) -> Self:
        most_inputs, strongest = self.scale / SYNAPSES_PER_PAIR.max(), self.k_scale**-0.5
        if self.k_scale > most_inputs:
            raise ValueError(
                f"There are too few neurons for so many inputs: at scale {self.scale}, k_scale must not exceed "
                f"{most_inputs:.4f}; got {self.k_scale}"
            )
        if self.weight_scale > strongest * (1 + 1e-6):
            raise ValueError(
                f"The weights must not cause more variance than in the full model: at k_scale {self.k_scale}, "
                f"weight_scale must not exceed 1/sqrt(k_scale), {strongest:.4f}; got {self.weight_scale}"
            )
        return self

    def neurons(self) -> pd.DataFrame:
        return neuron_table(len(self._population()), cell_type=np.array(POPULATIONS)[self._population()].tolist())

    def place(self, rng: np.random.Generator) -> FloatArray:
        """(N, 3) positions in micrometres: at random within each layer, as dense as the full model; z is depth."""
        side_um = 1000.0 * np.sqrt(self.scale)
        kinds = self.neurons()["cell_type"]
        borders = np.array([DEPTH_UM[kind[:-1]] for kind in kinds])
        return np.column_stack([rng.uniform(0, side_um, (len(kinds), 2)), rng.uniform(borders[:, 0], borders[:, 1])])

    def strength_mv(self) -> FloatArray:
        of_population = self.weight_scale * np.median(self._full_weight_mv(), axis=0)  # leaves out L4E to L23E
        return of_population[self._population()]

    def connect(self, rng: np.random.Generator) -> Connectome:
        population = self._population()
        pairs = np.ix_(population, population)
        chance = (SYNAPSES_PER_PAIR * self.k_scale / self.scale)[pairs]
        absent = rng.random(chance.shape) >= chance
        np.fill_diagonal(absent, True)
        mean_mv = self.weight_scale * self._full_weight_mv()[pairs]
        weight = rng.normal(mean_mv, RELATIVE_WEIGHT_SD * np.abs(mean_mv))
        mean_ms = np.broadcast_to(DELAY_MS[population], weight.shape)
        delay_ms = np.maximum(rng.normal(mean_ms, RELATIVE_DELAY_SD * mean_ms), self.dt_ms)
        weight[absent], delay_ms[absent] = 0.0, np.nan
        return Connectome(weight=weight, delay_s=delay_ms * MILLI, unit="mV")

    def drive(self) -> FloatArray:
        """(N,) mean in mV of the missing inputs."""
        mean_mv = (self._full_jump_mv() * INPUTS * FULL_RATE_HZ).sum(axis=1) * self.tau_syn_ms * MILLI
        return ((1 - self.k_scale * self.weight_scale) * mean_mv)[self._population()]

    def missing_noise(self) -> FloatArray:
        """(N,) standard deviation in mV that the missing inputs would give the free membrane potential."""
        step_mv = self._full_jump_mv() * self.tau_syn_ms / self.tau_ms
        variance = (step_mv**2 * INPUTS * FULL_RATE_HZ).sum(axis=1) * self.tau_ms * MILLI / 2
        missing = max(0.0, 1 - self.k_scale * self.weight_scale**2)
        return np.sqrt(missing * variance)[self._population()]

    def model(self) -> Model:
        lif = super().model()
        jump = self.epsp_mv * MILLI / psp_peak(self.tau_ms, self.tau_syn_ms)
        return replace(
            lif,
            equations=lif.equations + "external_rate : Hz (constant)\n",
            each_step="I += external_jump*poisson(external_rate*dt)",
            constants=lif.constants | {"external_jump": (jump, "volt")},
        )

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        return super().neuron_values(rng) | {
            "noise": np.hypot(self.noise_mv, self.missing_noise()) * MILLI,
            "external_rate": self.external_rate_hz * EXTERNAL_INPUTS[self._population()],
        }

    def _population(self) -> IndexArray:
        """(N,) index of each neuron's population."""
        return np.repeat(np.arange(len(SIZE)), np.maximum(np.round(self.scale * SIZE).astype(int), 1))

    def _full_weight_mv(self) -> FloatArray:
        """(8, 8) mean weights at full scale, `[post, pre]`."""
        weight = np.tile(np.where(EXCITATORY, self.epsp_mv, -self.inhibition * self.epsp_mv), (len(SIZE), 1))
        weight[POPULATIONS.index("L23E"), POPULATIONS.index("L4E")] *= 2
        return weight

    def _full_jump_mv(self) -> FloatArray:
        """(8, 8) what a spike adds to I at full scale."""
        return self._full_weight_mv() / psp_peak(self.tau_ms, self.tau_syn_ms)
