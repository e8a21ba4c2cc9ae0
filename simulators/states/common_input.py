"""An input that all neurons share and nobody records."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulators.inputs import STEP_S
from simulators.ornstein_uhlenbeck import ornstein_uhlenbeck
from simulators.states.base import SameSign
from simulators.units import MILLI, Positive
from synapsnet.array_types import FloatArray


class CommonInput(SameSign):
    """Shared noise of any speed, an Ornstein-Uhlenbeck process.

    It comes in addition to each neuron's own noise; `inputs.shared_fraction` takes it from there. For fast and slow
    input at once, give two names: `states.fast.name=common-input`, `states.slow.name=common-input`.

    Parameters
    ----------
    size_mv : float
        Mean over neurons of its standard deviation.
    time_ms : float
        Correlation time.
    The others are those of `SameSign`.
    """

    name: ClassVar[str] = "common-input"

    size_mv: Positive = 2.0
    time_ms: Positive = 10.0

    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        return ornstein_uhlenbeck(n_steps, STEP_S / (self.time_ms * MILLI), rng)[:, None]
