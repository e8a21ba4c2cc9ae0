"""The forecasts that every other one has to beat: the mean, and the last value."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from synapsnet.recording import Recording


class Mean:
    """Always forecasts each neuron's mean in the recording that was fitted; O(T N)."""

    def fit(self, recording: Recording) -> Self:
        self.mean_ = recording.values.mean(axis=0, dtype=np.float64).astype(np.float32)
        return self

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        """See `validation.methods.base.Forecaster`."""
        return np.broadcast_to(self.mean_, (horizon, *recording.values.shape))


class CopyLast:
    """Forecasts the last known value; O(T N)."""

    def fit(self, recording: Recording) -> Self:
        return self

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        """See `validation.methods.base.Forecaster`."""
        values = recording.values
        result = np.full((horizon, *values.shape), np.nan, np.float32)
        for start, stop in recording.segments:
            for h in range(1, min(horizon, stop - start - 1) + 1):
                result[h - 1, start + h : stop] = values[start : stop - h]
        return result
