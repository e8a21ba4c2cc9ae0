"""A gain that all neurons share and that changes from trial to trial."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulators.inputs import STEP_S
from simulators.states.base import State
from simulators.units import NotNegative, Positive
from synapsnet.array_types import FloatArray


class TrialGain(State):
    """Drive and stimuli are multiplied by a gain that is drawn anew for each trial.

    The shared part of the gain fluctuations that make responses to one stimulus more variable than Poisson (Goris,
    Movshon & Simoncelli 2014, Nat Neurosci 17:858). The gain is lognormal with a mean of 1.

    Parameters
    ----------
    sigma : float
        Standard deviation of the logarithm of the gain.
    trial_s : float
        Duration of a trial; that of the inputs' stimuli, where there are any, is `stimulus_off_s + stimulus_on_s`.
    """

    name: ClassVar[str] = "trial-gain"
    multiplies: ClassVar[bool] = True

    sigma: NotNegative = 0.2
    trial_s: Positive = 1.0

    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        trial = ((np.arange(n_steps) + 0.5) * STEP_S / self.trial_s).astype(int)
        gain = rng.lognormal(-(self.sigma**2) / 2, self.sigma, int(trial[-1]) + 1)
        return (gain - 1)[trial, None]

    def weight_mv(self, drive_mv: FloatArray, rng: np.random.Generator) -> FloatArray:
        return drive_mv[:, None]
