"""Leaky integrate-and-fire neurons with conductance synapses.

The membrane of `simulators.neurons.conductance` with private Gaussian noise; a spike at v > threshold, after which v
stays at rest for the refractory time.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from simulators.model import Model
from simulators.neurons.conductance import ON_PRE, SYNAPSES, ConductanceNetwork
from simulators.units import MILLI, NotNegative

EQUATIONS = (
    """
dv/dt = (rest - v + drive + external + ge*(excitatory_reversal - v) + gi*(inhibitory_reversal - v))/tau
    + noise*sqrt(2/tau)*xi : volt (unless refractory)
"""
    + SYNAPSES
)


class ConductanceLifNetwork(ConductanceNetwork):
    """What all networks of conductance-based LIF neurons share.

    Parameters
    ----------
    threshold_mv : float
        Rest is also the reset.
    refractory_ms : float
    The others are those of `ConductanceNetwork`.
    """

    threshold_mv: float = -50.0
    refractory_ms: NotNegative = 5.0

    @model_validator(mode="after")
    def _threshold_above_rest(self) -> Self:
        if self.threshold_mv <= self.rest_mv:
            raise ValueError(f"The threshold, {self.threshold_mv} mV, must lie above rest, {self.rest_mv} mV")
        return self

    def model(self) -> Model:
        return Model(
            equations=EQUATIONS,
            threshold="v > threshold",
            reset="v = rest",
            on_pre=ON_PRE,
            synapse="w : 1",
            constants=self.constants() | {"threshold": (self.threshold_mv * MILLI, "volt")},
            refractory=f"{self.refractory_ms}*ms",
            dt_s=self.dt_ms * MILLI,
        )
