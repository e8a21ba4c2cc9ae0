"""A ring whose neurons inhibit those at some distance: strong recurrence makes bumps of activity.

After the networks of Das & Fiete 2020, Nat Neurosci 23:1286, who show that methods infer connections along the bump
that are not there once recurrence is strong. The profile and the LIF neurons are our choice.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from simulators.delays import DelayRange
from simulators.neurons.lif import LifNetwork, psp_peak
from simulators.units import MILLI, NotNegative, Positive, Probability
from simulators.wiring import weigh
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table


class RingAttractor(DelayRange, LifNetwork):
    """Inhibitory LIF neurons on a ring, each connected to those on its flanks and to none nearer or farther.

    All are driven alike. With `strength` near 0 they fire alike; with growing strength, neighbours fire together and
    silence the flanks: bumps, whose places noise moves. Neighbours within a bump are never connected.

    Parameters
    ----------
    n_neurons : int
    strength : float
        Recurrent strength: factor of all weights. The drive follows, so that a network that stayed uniform would fire
        as fast at any strength.
    ipsp_mv : float
        Size of an inhibitory potential at a strength of 1.
    nearest, farthest : float
        The flank, as a fraction of the ring: how far apart neurons are connected.
    weight_sigma : float
        Standard deviation of the logarithm of the weights.
    uncoupled_mv, uniform_hz : float
        Drive without connections, and the rate whose inhibition the drive makes up for.
    The others are those of `DelayRange` and `LifNetwork`.
    """

    name: ClassVar[str] = "ring-attractor"

    n_neurons: int = Field(100, ge=8)
    strength: NotNegative = 1.0
    ipsp_mv: NotNegative = 1.5
    nearest: Probability = 0.1
    farthest: Probability = 0.25
    weight_sigma: NotNegative = 0.2
    uncoupled_mv: float = 9.0
    uniform_hz: Positive = 8.0

    @model_validator(mode="after")
    def _is_a_flank(self) -> Self:
        if not self.nearest < self.farthest <= 0.5:
            raise ValueError(
                f"A flank begins nearer than it ends, and ends within half the ring; "
                f"got {self.nearest} to {self.farthest}"
            )
        return self

    def neurons(self) -> pd.DataFrame:
        return neuron_table(self.n_neurons, cell_type=["inhibitory"] * self.n_neurons)

    def place(self, rng: np.random.Generator) -> FloatArray:
        angle = 2 * np.pi * np.arange(self.n_neurons) / self.n_neurons
        radius_um = 25.0 * self.n_neurons / (2 * np.pi)
        return radius_um * np.stack([np.cos(angle), np.sin(angle), np.zeros(self.n_neurons)], axis=1)

    def strength_mv(self) -> FloatArray:
        return np.full(self.n_neurons, -self.strength * self.ipsp_mv)

    def connect(self, rng: np.random.Generator) -> Connectome:
        distance = self.distance()
        flank = (distance > self.nearest) & (distance <= self.farthest)
        return weigh(flank, self.strength_mv(), rng, weight_sigma=self.weight_sigma, delay_range_s=self.delay_range_s)

    def drive(self) -> FloatArray:
        inputs = int(((self.distance()[0] > self.nearest) & (self.distance()[0] <= self.farthest)).sum())
        area_s = self.tau_syn_ms * MILLI / psp_peak(self.tau_ms, self.tau_syn_ms)  # of a potential, over its peak
        return np.full(
            self.n_neurons, self.uncoupled_mv + self.strength * self.ipsp_mv * inputs * self.uniform_hz * area_s
        )

    def distance(self) -> FloatArray:
        """(N, N) distance along the ring, as a fraction of it: 0 to 0.5."""
        apart = np.abs(np.subtract.outer(np.arange(self.n_neurons), np.arange(self.n_neurons))) / self.n_neurons
        return np.minimum(apart, 1 - apart)
