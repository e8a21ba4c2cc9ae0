"""Conductance synapses, and how the size of a postsynaptic potential becomes a conductance.

A spike opens a conductance that decays exponentially and pulls the membrane towards its reversal potential::

    tau dv/dt = rest - v + ge (excitatory_reversal - v) + gi (inhibitory_reversal - v) + ...
    dge/dt = -ge/tau_e,    dgi/dt = -gi/tau_i

Conductances are in units of the leak conductance. The weight of a connection is the peak of the potential that one
spike causes in a passive membrane at rest. It grows less than the conductance does, and never past the reversal
potential: an open channel also shunts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Self

import numpy as np
from pydantic import model_validator
from scipy.integrate import solve_ivp

from simulators.base import Network
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Edges

LARGEST = 50.0  # leak conductances; steps of 0.1 ms are stable while less than 8 such synapses are open

SYNAPSES = """
dge/dt = -ge/tau_e : 1
dgi/dt = -gi/tau_i : 1
drive : volt (constant)
noise : volt (constant)
"""
# The sign of the weight says which conductance opens.
ON_PRE = "ge_post += w*int(w > 0)\ngi_post -= w*int(w < 0)"


def psp_peak(opened: FloatArray, tau_ms: float, tau_syn_ms: float) -> FloatArray:
    """Peak of the postsynaptic potential as a fraction of the distance to the reversal potential.

    Parameters
    ----------
    opened : (M,) array
        The conductance that one spike opens, in units of the leak conductance.
    tau_ms, tau_syn_ms : float
        Time constants of the membrane at rest and of the conductance.
    """
    # The peak comes within the longer time constant: without a shunt at tau ln(r)/(r - 1), r = tau / tau_syn, and
    # earlier with one.
    times_ms = np.linspace(0, max(tau_ms, tau_syn_ms), 1001)
    solution = solve_ivp(
        lambda t, u: (opened * np.exp(-t / tau_syn_ms) * (1 - u) - u) / tau_ms,
        (0, times_ms[-1]),
        np.zeros(len(opened)),
        t_eval=times_ms,
        rtol=1e-6,
        atol=1e-9,
    )
    return np.asarray(solution.y.max(axis=1))


def conductance(weight_mv: FloatArray, driving_mv: float, tau_ms: float, tau_syn_ms: float) -> FloatArray:
    """The inverse of `psp_peak`: what a spike must open for a potential of `weight_mv`.

    Parameters
    ----------
    weight_mv : (E,) array
        Sizes of potentials, 0 or more. Those that would take more than `LARGEST` get that.
    driving_mv : float
        Distance from rest to the reversal potential, positive.
    tau_ms, tau_syn_ms : float
        As for `psp_peak`.
    """
    opened, peak = _table(tau_ms, tau_syn_ms)
    fraction = np.minimum(weight_mv / driving_mv, peak[-1])
    return np.asarray(fraction * np.interp(fraction, peak, opened / peak))


@lru_cache
def _table(tau_ms: float, tau_syn_ms: float) -> tuple[FloatArray, FloatArray]:
    opened = np.geomspace(1e-3, LARGEST, 300)
    return opened, psp_peak(opened, tau_ms, tau_syn_ms)


class ConductanceNetwork(Network):
    """What all networks with conductance synapses share.

    Parameters
    ----------
    drive_mv : float
        Constant input: how far it alone would take the passive membrane from rest.
    noise_mv : float
        Standard deviation that private white noise alone would give the passive membrane.
    rest_mv : float
        Reversal potential of the leak.
    excitatory_reversal_mv, inhibitory_reversal_mv : float
    tau_ms, tau_e_ms, tau_i_ms : float
        Time constants of the membrane at rest, and of the excitatory and the inhibitory conductance.
    """

    drive_mv: float = 0.0
    noise_mv: NotNegative = 0.0
    rest_mv: float = -60.0
    excitatory_reversal_mv: float = 0.0
    inhibitory_reversal_mv: float = -80.0
    tau_ms: Positive = 20.0
    tau_e_ms: Positive = 5.0
    tau_i_ms: Positive = 10.0

    @model_validator(mode="after")
    def _rest_lies_between_the_reversals(self) -> Self:
        if not self.inhibitory_reversal_mv < self.rest_mv < self.excitatory_reversal_mv:
            raise ValueError(
                f"Rest, {self.rest_mv} mV, must lie between the reversal potential of inhibition, "
                f"{self.inhibitory_reversal_mv} mV, and that of excitation, {self.excitatory_reversal_mv} mV"
            )
        return self

    def constants(self) -> dict[str, tuple[float, str]]:
        """Those of the membrane and of the synapses, for `Model.constants`."""
        return {
            "rest": (self.rest_mv * MILLI, "volt"),
            "excitatory_reversal": (self.excitatory_reversal_mv * MILLI, "volt"),
            "inhibitory_reversal": (self.inhibitory_reversal_mv * MILLI, "volt"),
            "tau": (self.tau_ms * MILLI, "second"),
            "tau_e": (self.tau_e_ms * MILLI, "second"),
            "tau_i": (self.tau_i_ms * MILLI, "second"),
        }

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """The start is that of Brian's implementation of the benchmarks: as if the network had been active.

        Conductances are 4 +- 1.5 and 20 +- 12 times the leak's, never negative.
        """
        n = len(self.neurons())
        return {
            "v": (self.rest_mv + rng.normal(-5, 5, n)) * MILLI,
            "ge": np.maximum(rng.normal(4, 1.5, n), 0),
            "gi": np.maximum(rng.normal(20, 12, n), 0),
            "drive": np.full(n, self.drive_mv * MILLI),
            "noise": np.full(n, self.noise_mv * MILLI),
        }

    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        weight = edges.weight
        excitation = conductance(
            np.maximum(weight, 0), self.excitatory_reversal_mv - self.rest_mv, self.tau_ms, self.tau_e_ms
        )
        inhibition = conductance(
            np.maximum(-weight, 0), self.rest_mv - self.inhibitory_reversal_mv, self.tau_ms, self.tau_i_ms
        )
        return {"w": excitation - inhibition}
