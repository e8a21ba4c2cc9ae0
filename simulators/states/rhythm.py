"""A rhythm that all neurons share, whose power and frequency fluctuate: gamma and theta."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulators.inputs import STEP_S
from simulators.ornstein_uhlenbeck import ornstein_uhlenbeck
from simulators.states.base import State, lognormal
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import FloatArray

WANDER_S = 0.2


class Rhythm(State):
    """A shared rhythm; each neuron follows it with a strength and a preferred phase of its own.

    The amplitude is that of narrow-band noise: it comes and goes in bouts of about `bout_ms`, as that of gamma does in
    visual cortex (Burns, Xing & Shapley 2011, J Neurosci 31:9658); the frequency wanders.

    Parameters
    ----------
    size_mv : float
        Mean over neurons of the root mean square amplitude; it is lognormal over neurons.
    spread : float
        Standard deviation of its logarithm.
    frequency_hz : float
    wander : float
        Standard deviation of the frequency, as a fraction of it.
    bout_ms : float
        Correlation time of the amplitude.
    phase_spread : float
        Standard deviation over neurons of the preferred phase, in radians.
    """

    size_mv: NotNegative = 2.5
    spread: NotNegative = 0.3
    frequency_hz: Positive = 40.0
    wander: NotNegative = 0.08
    bout_ms: Positive = 150.0
    phase_spread: NotNegative = 0.5

    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        for_frequency, for_cosine, for_sine = rng.spawn(3)
        frequency_hz = self.frequency_hz * (
            1 + self.wander * ornstein_uhlenbeck(n_steps, STEP_S / WANDER_S, for_frequency)
        )
        carrier = np.exp(2j * np.pi * np.cumsum(frequency_hz) * STEP_S)
        step = STEP_S / (self.bout_ms * MILLI)
        cosine, sine = (ornstein_uhlenbeck(n_steps, step, child_rng) for child_rng in (for_cosine, for_sine))
        oscillation = (cosine + 1j * sine) * carrier  # each part has a standard deviation of 1
        return np.stack([oscillation.real, oscillation.imag], axis=1)

    def weight_mv(self, drive_mv: FloatArray, rng: np.random.Generator) -> FloatArray:
        n = len(drive_mv)
        size, phase = lognormal(self.size_mv, self.spread, n, rng), self.phase_spread * rng.standard_normal(n)
        return size[:, None] * np.stack([np.cos(phase), np.sin(phase)], axis=1)


class Gamma(Rhythm):
    """A shared gamma rhythm of fluctuating power. Parameters are those of `Rhythm`."""

    name: ClassVar[str] = "gamma"


class Theta(Rhythm):
    """A shared theta rhythm of fluctuating power. Parameters are those of `Rhythm`."""

    name: ClassVar[str] = "theta"

    frequency_hz: Positive = 8.0
    bout_ms: Positive = 600.0
    phase_spread: NotNegative = 0.8
