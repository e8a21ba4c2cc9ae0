"""Sparsely connected excitatory and inhibitory LIF neurons with external Poisson input (Brunel 2000).

Brunel, N. (2000), J Comput Neurosci 8:183, model A, where both types of neurons have the same parameters::

    tau dv/dt = -v        spike at v >= threshold, then v stays at the reset for the refractory time

Each neuron gets C_E excitatory inputs that raise v by J, C_I = C_E / 4 inhibitory ones that lower it by g J, all with
the same delay, and external spikes of size J, a Poisson process of rate C_E nu_ext. nu_thr is the external rate that
would bring the mean v to threshold: C_E nu_thr = threshold / (J tau).

Four regimes, at the parameters of figure 8, with the mean rates and global frequencies of the simulations in table 1:

    g    nu_ext/nu_thr                                              rate       global frequency
    3        2         SR, synchronous regular                      near the largest possible
    6        4         SI, synchronous irregular, fast              60.7 Hz    180 Hz
    5        2         AI, asynchronous irregular                   37.7 Hz
    4.5      0.9       SI, synchronous irregular, slow              5.5 Hz     22 Hz

The paper has 12,500 neurons with C_E = 1,000 and J = 0.1 mV. With fewer inputs, J C_E is kept, and with it the mean
input at the same g and nu_ext/nu_thr; its fluctuations grow as 1/sqrt(C_E), which raises low rates, makes spike
trains more irregular and blurs the oscillations. Measured in 1 s (mean rate, mean CV of intervals, peak of the
spectrum of the population rate):

    neurons  connection_probability  C_E   SR              SI fast             AI              SI slow
    2,500    0.2                     400   312 Hz, 0.00    60 Hz, 1.1, 170 Hz  42 Hz, 0.73     11 Hz, 0.67, 27 Hz
    5,000    0.1                     400   312 Hz, 0.01    60 Hz, 1.1, 160 Hz  42 Hz, 0.74     11 Hz, 0.68, 27 Hz
    2,500    0.1 (the default)       200   311 Hz, 0.03    64 Hz, 1.6, 180 Hz  48 Hz, 1.2      20 Hz, 0.91, 35 Hz
    1,250    0.1                     100   307 Hz, 0.08    78 Hz, 2.1, none    63 Hz, 1.8      32 Hz, 1.4, none
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from simulators.base import Network
from simulators.model import Model
from simulators.units import MILLI, NotNegative, Positive, Probability
from simulators.wiring import lowest, weigh
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome, Edges
from synapsnet.recording import neuron_table

EXCITATORY_FRACTION = 0.8

EQUATIONS = """
dv/dt = (external - v)/tau : volt (unless refractory)
epsp : volt (constant)
external_rate : hertz (constant)
"""


class Brunel(Network):
    """Model A of Brunel 2000; by default in the asynchronous irregular regime at a fifth of the paper's size.

    Parameters
    ----------
    n_neurons : int
        80% excitatory, the first ones, and 20% inhibitory.
    connection_probability : float
        In-degrees C_E and C_I as a fraction of the excitatory and of the inhibitory neurons; the same for all neurons.
    summed_epsp_mv : float
        J C_E: all excitatory inputs at once.
    g : float
        Size of an inhibitory potential over that of an excitatory one.
    external_ratio : float
        nu_ext/nu_thr.
    tau_ms : float
        Time constant of the membrane.
    threshold_mv, reset_mv : float
        Above rest, which is 0.
    refractory_ms, delay_ms : float
    """

    name: ClassVar[str] = "brunel"

    n_neurons: int = Field(2500, ge=2)
    connection_probability: Probability = 0.1
    summed_epsp_mv: Positive = 100.0
    g: NotNegative = 5.0
    external_ratio: NotNegative = 2.0
    tau_ms: Positive = 20.0
    threshold_mv: Positive = 20.0
    reset_mv: float = 10.0
    refractory_ms: NotNegative = 2.0
    delay_ms: NotNegative = 1.5

    @model_validator(mode="after")
    def _is_a_network(self) -> Self:
        if not self.reset_mv < self.threshold_mv:
            raise ValueError(f"The reset, {self.reset_mv} mV, must lie below the threshold, {self.threshold_mv} mV")
        n_excitatory, n_inhibitory = self._sizes()
        c_excitatory, c_inhibitory = self.in_degrees()
        if not (1 <= c_excitatory < n_excitatory and 1 <= c_inhibitory < n_inhibitory):
            raise ValueError(
                f"Each neuron needs at least one input of each type and at most one from each other neuron; "
                f"{self.n_neurons} neurons and a connection_probability of {self.connection_probability} give "
                f"{c_excitatory} of {n_excitatory} excitatory and {c_inhibitory} of {n_inhibitory} inhibitory ones"
            )
        return self

    def in_degrees(self) -> tuple[int, int]:
        """C_E and C_I."""
        n_excitatory, n_inhibitory = self._sizes()
        return round(self.connection_probability * n_excitatory), round(self.connection_probability * n_inhibitory)

    def epsp_mv(self) -> float:
        """J."""
        return self.summed_epsp_mv / self.in_degrees()[0]

    def neurons(self) -> pd.DataFrame:
        n_excitatory, n_inhibitory = self._sizes()
        return neuron_table(self.n_neurons, cell_type=["excitatory"] * n_excitatory + ["inhibitory"] * n_inhibitory)

    def strength_mv(self) -> FloatArray:
        return np.repeat([self.epsp_mv(), -self.g * self.epsp_mv()], self._sizes())

    def connect(self, rng: np.random.Generator) -> Connectome:
        lot = rng.random((self.n_neurons, self.n_neurons))
        np.fill_diagonal(lot, np.inf)
        by_type = zip(np.split(lot, [self._sizes()[0]], axis=1), self.in_degrees(), strict=True)
        connected = np.hstack([lowest(candidates, degree) for candidates, degree in by_type])
        delay_s = self.delay_ms * MILLI
        return weigh(connected, self.strength_mv(), rng, weight_sigma=0.0, delay_range_s=(delay_s, delay_s))

    def model(self) -> Model:
        return Model(
            equations=EQUATIONS,
            threshold="v >= threshold",
            reset="v = reset",
            on_pre="v_post += w",
            each_step="v += epsp*poisson(external_rate*dt)",
            constants={
                "tau": (self.tau_ms * MILLI, "second"),
                "threshold": (self.threshold_mv * MILLI, "volt"),
                "reset": (self.reset_mv * MILLI, "volt"),
            },
            refractory=f"{self.refractory_ms}*ms",
            dt_s=self.dt_ms * MILLI,
        )

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        epsp, threshold, tau = self.epsp_mv() * MILLI, self.threshold_mv * MILLI, self.tau_ms * MILLI
        return {
            "v": rng.uniform(0, threshold, self.n_neurons),  # so that they do not start in step
            "epsp": np.full(self.n_neurons, epsp),
            "external_rate": np.full(self.n_neurons, self.external_ratio * threshold / (epsp * tau)),
        }

    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        return {"w": edges.weight * MILLI}

    def _sizes(self) -> tuple[int, int]:
        """Numbers of excitatory and inhibitory neurons."""
        n_excitatory = round(EXCITATORY_FRACTION * self.n_neurons)
        return n_excitatory, self.n_neurons - n_excitatory
