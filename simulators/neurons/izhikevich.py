"""Izhikevich's simple model of spiking neurons (Izhikevich 2003, IEEE Trans Neural Netw 14:1569).

With voltages in mV and time in ms::

    dv/dt = 0.04 v^2 + 5 v + 140 - u + leak (drive + external) + noise sqrt(2 leak) xi
    du/dt = a (b v - u)                       v = c and u = u + d at v >= 30; v jumps when a spike arrives

`leak` is the slope of -dv/dt at rest, so that `drive` and `noise` mean what they mean in the other models: the
depolarisation and the standard deviation that a passive membrane would have. Weights are the jumps of v.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from simulators.base import Network
from simulators.model import Model
from simulators.units import MILLI
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Edges

EQUATIONS = """
dv/dt = (0.04*v**2/mV + 5*v + 140*mV - u)/ms + leak*(drive + external) + noise*sqrt(2*leak)*xi : volt
du/dt = a*(b*v - u) : volt
a : Hz (constant)
b : 1 (constant)
c : volt (constant)
d : volt (constant)
leak : Hz (constant)
drive : volt (constant)
noise : volt (constant)
"""


@dataclass(frozen=True)
class Cells:
    """Parameters of N neurons, in the units of the paper (mV and ms).

    Attributes
    ----------
    a, b : (N,) arrays
        How fast, and how strongly, the recovery u follows v.
    c, d : (N,) arrays
        Reset of v, and what a spike adds to u.
    """

    a: FloatArray
    b: FloatArray
    c: FloatArray
    d: FloatArray

    @property
    def rest_mv(self) -> FloatArray:
        """(N,) potential where v and u stand still: the lower root of 0.04 v^2 + (5 - b) v + 140 = 0."""
        return (self.b - 5 - np.sqrt((5 - self.b) ** 2 - 4 * 0.04 * 140)) / 0.08

    @property
    def leak(self) -> FloatArray:
        """(N,) slope of -dv/dt at rest, in 1/ms."""
        return -(0.08 * self.rest_mv + 5)


class IzhikevichNetwork(Network):
    """What all Izhikevich networks share."""

    @abstractmethod
    def cells(self, rng: np.random.Generator) -> Cells:
        """Draw the neurons' parameters."""

    @abstractmethod
    def drive(self) -> FloatArray:
        """(N,) mean input of each neuron: the depolarisation in mV of a passive membrane."""

    @abstractmethod
    def thalamic_noise(self) -> FloatArray:
        """(N,) noise in the unit of the paper: the standard deviation in mV of what each ms adds to v."""

    def model(self) -> Model:
        return Model(
            equations=EQUATIONS,
            threshold="v >= 30*mV",
            reset="v = c; u += d",
            on_pre="v_post += w",
            dt_s=self.dt_ms * MILLI,
        )

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        cells = self.cells(rng)
        return {
            "v": cells.rest_mv * MILLI,
            "u": cells.b * cells.rest_mv * MILLI,
            "a": cells.a / MILLI,
            "b": cells.b,
            "c": cells.c * MILLI,
            "d": cells.d * MILLI,
            "leak": cells.leak / MILLI,
            "drive": self.drive() * MILLI,
            "noise": self.thalamic_noise() / np.sqrt(2 * cells.leak) * MILLI,
        }

    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        return {"w": edges.weight * MILLI}
