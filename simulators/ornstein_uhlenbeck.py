"""The Ornstein-Uhlenbeck process: noise that forgets exponentially."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from synapsnet.array_types import FloatArray


def ornstein_uhlenbeck(n_steps: int, step: float, rng: np.random.Generator) -> FloatArray:
    """(n_steps,) stationary process of standard deviation 1 in steps of `step` correlation times."""
    keep = np.exp(-step)
    shocks = np.sqrt(1 - keep**2) * rng.standard_normal(n_steps)
    shocks[0] = rng.standard_normal()  # starts in its stationary distribution
    return lfilter([1.0], [1.0, -keep], shocks)
