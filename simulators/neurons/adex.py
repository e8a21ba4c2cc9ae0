"""Adaptive exponential integrate-and-fire neurons (AdEx; Brette & Gerstner 2005, J Neurophysiol 94:3637).

With synaptic currents that decay exponentially, and private Gaussian noise::

    dv/dt = (rest - v + slope exp((v - threshold)/slope) - z/leak + drive + external + I)/tau + noise sqrt(2/tau) xi
    dz/dt = (a (v - rest) - z)/tau_adaptation          tau = capacitance/leak
    dI/dt = -I/tau_syn                                 I jumps when a presynaptic spike arrives

A spike resets v to rest and adds b to z. Regular-spiking neurons adapt; fast-spiking ones have a = b = 0. Weights are
the peak of the postsynaptic potential that a single spike causes at rest; `drive` and `noise` are the depolarisation
and the standard deviation that v would have without adaptation and spikes.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from simulators.base import Network
from simulators.model import Model
from simulators.neurons.lif import psp_peak
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Edges

NANO, PICO = 1e-9, 1e-12

EQUATIONS = """
dv/dt = (rest - v + slope*exp((v - threshold)/slope) - z/leak + drive + external + I)/tau
        + noise*sqrt(2/tau)*xi : volt (unless refractory)
dz/dt = (a*(v - rest) - z)/tau_adaptation : amp
dI/dt = -I/tau_syn : volt
a : siemens (constant)
b : amp (constant)
drive : volt (constant)
noise : volt (constant)
"""
SPIKE_ABOVE_THRESHOLD = 5.0  # in units of the slope: from there the upstroke takes less than a step of 0.1 ms


class AdexNetwork(Network):
    """What all AdEx networks share; the defaults are the neuron of Brette & Gerstner 2005.

    Parameters
    ----------
    noise_mv : float
        Standard deviation of the free membrane potential.
    capacitance_pf, leak_ns : float
    rest_mv : float
        Also the reset.
    threshold_mv, slope_mv : float
        Where the upstroke of a spike begins, and how sharply.
    adaptation_ns, adaptation_step_pa : float
        Adaptation of regular-spiking neurons: a, its coupling to the membrane potential, and b, its increment per
        spike.
    tau_adaptation_ms : float
    tau_syn_ms, refractory_ms : float
        Our choice; in the paper, synapses are measured conductances and there is no refractory time.
    """

    noise_mv: NotNegative = 4.0
    capacitance_pf: Positive = 281.0
    leak_ns: Positive = 30.0
    rest_mv: float = -70.6
    threshold_mv: float = -50.4
    slope_mv: Positive = 2.0
    adaptation_ns: NotNegative = 4.0
    adaptation_step_pa: NotNegative = 80.5
    tau_adaptation_ms: Positive = 144.0
    tau_syn_ms: Positive = 5.0
    refractory_ms: NotNegative = 2.0

    @abstractmethod
    def drive(self) -> FloatArray:
        """(N,) mean input of each neuron: its depolarisation in mV without adaptation, synapses and spikes."""

    @abstractmethod
    def adapting(self) -> npt.NDArray[np.bool_]:
        """(N,) which neurons are regular-spiking; the others are fast-spiking."""

    @property
    def tau_ms(self) -> float:
        """Time constant of the membrane."""
        return self.capacitance_pf / self.leak_ns

    def model(self) -> Model:
        return Model(
            equations=EQUATIONS,
            threshold=f"v > threshold + {SPIKE_ABOVE_THRESHOLD}*slope",
            reset="v = rest; z += b",
            on_pre="I_post += w",
            constants={
                "tau": (self.tau_ms * MILLI, "second"),
                "tau_syn": (self.tau_syn_ms * MILLI, "second"),
                "tau_adaptation": (self.tau_adaptation_ms * MILLI, "second"),
                "leak": (self.leak_ns * NANO, "siemens"),
                "rest": (self.rest_mv * MILLI, "volt"),
                "threshold": (self.threshold_mv * MILLI, "volt"),
                "slope": (self.slope_mv * MILLI, "volt"),
            },
            refractory=f"{self.refractory_ms}*ms",
            dt_s=self.dt_ms * MILLI,
        )

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        drive, adapting = self.drive() * MILLI, self.adapting()
        return {
            "v": rng.uniform(self.rest_mv, self.threshold_mv, len(drive)) * MILLI,  # so that they do not start in step
            "a": adapting * self.adaptation_ns * NANO,
            "b": adapting * self.adaptation_step_pa * PICO,
            "drive": drive,
            "noise": np.full(len(drive), self.noise_mv * MILLI),
        }

    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        return {"w": edges.weight * MILLI / psp_peak(self.tau_ms, self.tau_syn_ms)}
