"""What a method is: a class with `infer`, or with `fit` and `forecast`, or with both.

A new method is one file here and one line in `validation.methods.METHODS`.
"""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from synapsnet.connectome import Connectome
from synapsnet.deconvolution import deconvolve
from synapsnet.recording import Recording


@runtime_checkable
class Method(Protocol):
    """Infers who is connected to whom."""

    def infer(self, recording: Recording) -> Connectome:
        """Signed evidence for each connection, `[post, pre]`; `Connectome.scores` is what is ranked.

        The recording comes without its ground truth.
        """
        ...


@runtime_checkable
class Forecaster(Protocol):
    """Forecasts activity."""

    def fit(self, recording: Recording) -> Self:
        """Learn from a recording."""
        ...

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        """(H, T, N) array: `[h - 1, t]` is the forecast of step t made with everything up to step t - h.

        NaN where that is not within the epoch or has not enough history.
        """
        ...


def activity_of(recording: Recording) -> npt.NDArray[np.float32]:
    """(T, N) activity from which to infer connectivity: spike counts, or deconvolved calcium."""
    return deconvolve(recording) if recording.modality == "calcium" else recording.values


def lagged(values: npt.NDArray[np.float32], segments: list[tuple[int, int]], order: int) -> npt.NDArray[np.float32]:
    """(R, order, N) values at lags 1..order of each step with at least `order` steps before it in its epoch."""
    return np.concatenate(
        [
            np.stack([values[a + order - lag : b - lag] for lag in range(1, order + 1)], axis=1)
            for a, b in segments
            if b - a > order
        ]
        or [np.zeros((0, order, values.shape[1]), np.float32)]
    )


def targets(values: npt.NDArray[np.float32], segments: list[tuple[int, int]], order: int) -> npt.NDArray[np.float32]:
    """(R, N) the steps whose past `lagged` gives."""
    return np.concatenate([values[a + order : b] for a, b in segments])


def align(
    steps: list[npt.NDArray[np.float32]], result: npt.NDArray[np.float32], start: int, stop: int, order: int
) -> None:
    """Write roll-outs of one epoch into `result`, which is aligned by the step that is forecast.

    Parameters
    ----------
    steps : H arrays (R, N)
        Forecasts 1..H steps after each of the R pasts that end at steps start + order - 1 ..
    result : (H, T, N) array, changed in place
    start, stop : int
        Rows of the epoch.
    order : int
        Length of a past.
    """
    for h, forecast in enumerate(steps):
        first = start + order + h
        if first < stop:
            result[h, first:stop] = forecast[: stop - first]
