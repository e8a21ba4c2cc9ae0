"""Leaky integrate-and-fire neurons with current synapses.

Mean input and private Gaussian noise make each neuron fire::

    dv/dt = (drive + external - v + I)/tau + noise sqrt(2/tau) xi     spike at v > threshold, then v = 0 for 2 ms
    dI/dt = -I/tau_syn                                               I jumps when a presynaptic spike arrives

`noise` is the standard deviation that v would have without a threshold. Weights are the peak of the postsynaptic
potential that a single spike causes. Where neurons adapt, each spike raises a by `adaptation_step`, a decays with
tau_adaptation, and a is subtracted from the drive.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np

from simulators.base import Network
from simulators.model import Model
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Edges

EQUATIONS = """
dv/dt = (drive + external - v + I)/tau + noise*sqrt(2/tau)*xi : volt (unless refractory)
dI/dt = -I/tau_syn : volt
drive : volt (constant)
noise : volt (constant)
"""
ADAPTATION = """
da/dt = -a/tau_adaptation : volt
adaptation_step : volt (constant)
"""


def psp_peak(tau_ms: float, tau_syn_ms: float) -> float:
    """Peak of the postsynaptic potential when I jumps by 1.

    The membrane's response to an exponential current is a difference of two exponentials; with
    r = tau / tau_syn its peak is r^(-r / (r - 1)), which tends to 1/e where they are equal.
    """
    r = tau_ms / tau_syn_ms
    return float(np.exp(-1) if np.isclose(r, 1) else r ** (-r / (r - 1)))


class LifNetwork(Network):
    """What all LIF networks share: the neuron, and how a weight in mV becomes a current.

    Parameters
    ----------
    noise_mv : float
        Standard deviation of the free membrane potential.
    threshold_mv : float
        Above rest, which is 0 and also the reset.
    tau_ms, tau_syn_ms : float
        Time constants of the membrane and of the synaptic current.
    refractory_ms : float
    adaptation_mv : float
        How much each spike of a neuron lowers its drive; 0 for neurons that do not adapt.
    tau_adaptation_ms : float
        Time constant with which the drive recovers.
    """

    noise_mv: NotNegative = 4.0
    threshold_mv: Positive = 15.0
    tau_ms: Positive = 20.0
    tau_syn_ms: Positive = 5.0
    refractory_ms: NotNegative = 2.0
    adaptation_mv: NotNegative = 0.0
    tau_adaptation_ms: Positive = 150.0

    @abstractmethod
    def drive(self) -> FloatArray:
        """(N,) mean input of each neuron: the potential in mV where it would rest without synapses."""

    def adaptation_steps_mv(self) -> FloatArray:
        """(N,) how much a spike of each neuron lowers its drive."""
        return np.full(len(self.drive()), self.adaptation_mv)

    def model(self) -> Model:
        plain = Model(
            equations=EQUATIONS,
            threshold="v > threshold",
            reset="v = 0*volt",
            on_pre="I_post += w",
            constants={
                "tau": (self.tau_ms * MILLI, "second"),
                "tau_syn": (self.tau_syn_ms * MILLI, "second"),
                "threshold": (self.threshold_mv * MILLI, "volt"),
            },
            refractory=f"{self.refractory_ms}*ms",
            dt_s=self.dt_ms * MILLI,
        )
        if not self.adaptation_mv:
            return plain
        return replace(
            plain,
            equations=EQUATIONS.replace("external - v", "external - v - a") + ADAPTATION,
            reset="v = 0*volt; a += adaptation_step",
            constants=plain.constants | {"tau_adaptation": (self.tau_adaptation_ms * MILLI, "second")},
        )

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        drive = self.drive() * MILLI
        return {
            "v": rng.uniform(0, self.threshold_mv * MILLI, len(drive)),  # so that they do not start in step
            "drive": drive,
            "noise": np.full(len(drive), self.noise_mv * MILLI),
        } | ({"adaptation_step": self.adaptation_steps_mv() * MILLI} if self.adaptation_mv else {})

    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        return {"w": edges.weight * MILLI / psp_peak(self.tau_ms, self.tau_syn_ms)}
