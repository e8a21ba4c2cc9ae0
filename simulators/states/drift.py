"""Slow drift: over minutes some neurons fire more and others less."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from simulators.inputs import STEP_S
from simulators.ornstein_uhlenbeck import ornstein_uhlenbeck
from simulators.states.base import State
from simulators.units import NotNegative, Positive
from synapsnet.array_types import FloatArray


class Drift(State):
    """Rates drift over minutes.

    A few independent Ornstein-Uhlenbeck processes, which every neuron follows with a sign and strength of its own.

    Parameters
    ----------
    size_mv : float
        Standard deviation of a neuron's drift.
    time_s : float
        Correlation time.
    n_components : int
        How many processes there are: with one, all neurons drift together or against each other; with many, each on
        its own.
    """

    name: ClassVar[str] = "drift"

    size_mv: NotNegative = 2.0
    time_s: Positive = 120.0
    n_components: Annotated[int, Field(ge=1)] = 4

    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        return np.stack(
            [
                ornstein_uhlenbeck(n_steps, STEP_S / self.time_s, child_rng)
                for child_rng in rng.spawn(self.n_components)
            ],
            1,
        )

    def weight_mv(self, drive_mv: FloatArray, rng: np.random.Generator) -> FloatArray:
        return self.size_mv / np.sqrt(self.n_components) * rng.standard_normal((len(drive_mv), self.n_components))
