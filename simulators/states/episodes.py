"""Groups of neurons that are silent for minutes and then active for seconds."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from simulators.inputs import STEP_S
from simulators.states.base import State, alternating, followed, lognormal
from simulators.units import NotNegative, Positive, Probability
from synapsnet.array_types import FloatArray
from synapsnet.limits import require_memory


class Episodes(State):
    """Neurons take part in rare episodes of strong activity, each together with its group.

    This is what two-photon microscopes see in cortex: cells that are silent for a long time and then active for
    seconds, together with others. Pauses are exponential, durations lognormal. Tune the rates (`--set
    rates.median_hz=1`), so that the neurons are silent in between.

    Parameters
    ----------
    size_mv : float
        Mean over neurons of the depolarisation during an episode.
    spread : float
        Standard deviation of its logarithm.
    n_groups : int
        Every neuron is in one group, drawn at random.
    participating : float
        Fraction of the neurons that have episodes.
    pause_s, active_s : float
        Mean time between two episodes of a group, and mean duration of an episode.
    active_spread : float
        Standard deviation of the logarithm of the duration of an episode.
    onset_s : float
        Time constant with which an episode begins and ends.
    """

    name: ClassVar[str] = "episodes"

    size_mv: NotNegative = 10.0
    spread: NotNegative = 0.3
    n_groups: Annotated[int, Field(ge=1)] = 10
    participating: Probability = 1.0
    pause_s: Positive = 60.0
    active_s: Positive = 4.0
    active_spread: NotNegative = 0.5
    onset_s: Positive = 0.2

    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        require_memory(16.0 * n_steps * self.n_groups, f"Episodes of {self.n_groups} groups", "take fewer groups")
        return np.stack([self._one_group(n_steps, child_rng) for child_rng in rng.spawn(self.n_groups)], axis=1)

    def weight_mv(self, drive_mv: FloatArray, rng: np.random.Generator) -> FloatArray:
        n = len(drive_mv)
        size = lognormal(self.size_mv, self.spread, n, rng) * (rng.random(n) < self.participating)
        return size[:, None] * (rng.integers(self.n_groups, size=n)[:, None] == np.arange(self.n_groups))

    def _one_group(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        n_episodes = int(n_steps * STEP_S / (self.pause_s + self.active_s) * 2) + 30
        pauses_s = rng.exponential(self.pause_s, n_episodes)
        active_s = lognormal(self.active_s, self.active_spread, n_episodes, rng)
        return followed(alternating(np.stack([pauses_s, active_s], axis=1).ravel(), n_steps), self.onset_s)
