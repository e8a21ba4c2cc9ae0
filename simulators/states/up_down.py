"""Up and down states: the whole population is depolarised and silent in turn, without a rhythm."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulators.inputs import STEP_S
from simulators.states.base import SameSign, alternating, followed
from simulators.units import Positive
from synapsnet.array_types import FloatArray


class UpDown(SameSign):
    """Up and down states, a semi-Markov process: the durations of both are gamma-distributed and independent.

    In rats under urethane both durations are so variable that there is no rhythm (Jercog et al. 2017, eLife 6:e22425);
    over sleep and levels of anaesthesia there are 0.1 to 4 cycles per second (Torao-Angosto et al. 2021, Front Syst
    Neurosci 15:609645). The defaults, about one cycle per second and a coefficient of variation of 0.7, are our choice
    within this range.

    Parameters
    ----------
    size_mv : float
        Distance from down to up. The input has a mean of 0: up states raise it, down states lower it.
    up_s, down_s : float
        Mean durations.
    shape : float
        Shape of the gamma distributions: 1 is exponential, large values are regular; the coefficient of variation is
        `1 / sqrt(shape)`.
    transition_ms : float
        Time constant with which the input follows.
    The others are those of `SameSign`.
    """

    name: ClassVar[str] = "up-down"

    size_mv: Positive = 6.0
    up_s: Positive = 0.5
    down_s: Positive = 0.4
    shape: Positive = 2.0
    transition_ms: Positive = 15.0

    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        up_share = self.up_s / (self.up_s + self.down_s)
        n_cycles = int(n_steps * STEP_S / (self.up_s + self.down_s) * 2) + 50
        durations_s = rng.gamma(self.shape, np.array([self.down_s, self.up_s]) / self.shape, (n_cycles, 2)).ravel()
        if rng.random() < up_share:  # as often up at the start as later
            durations_s[0] = 0.0
        return followed(alternating(durations_s, n_steps) - up_share, self.transition_ms * 1e-3)[:, None]
