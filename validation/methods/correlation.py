"""Correlation of each neuron with every other, in the same step or some steps before."""

from __future__ import annotations

import numpy as np

from synapsnet.array_types import Float32Array
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.base import activity_of, lagged, targets

SMALLEST = 1e-6  # share of the variance that a perfect correlation leaves, by rounding


class Correlation:
    """Pearson correlation at zero lag; for calcium, of the deconvolved activity; O(T N^2).

    What most studies call functional connectivity. It has no direction: both directions of a pair get the same score.
    Its standard error is that of independent steps.
    """

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        values = activity_of(recording)
        return _correlation(values, values)


class LaggedCorrelation:
    """Pearson correlation of `x_post(t)` with `x_pre(t - lag)`; for calcium, of the deconvolved activity; O(T N^2).

    The oldest and simplest comparator with a direction. Its standard error is that of independent steps.

    Parameters
    ----------
    lag : int
        In steps, 1 or more.
    """

    def __init__(self, lag: int = 1) -> None:
        self.lag = lag

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        values, segments = activity_of(recording), recording.segments
        return _correlation(targets(values, segments, self.lag), lagged(values, segments, self.lag)[:, -1])


def _correlation(after: Float32Array, before: Float32Array) -> Connectome:
    after, before = after - after.mean(axis=0), before - before.mean(axis=0)
    spread = np.outer(np.linalg.norm(after, axis=0), np.linalg.norm(before, axis=0))
    correlation = np.divide(after.T @ before, spread, out=np.zeros_like(spread), where=spread > 0)
    np.fill_diagonal(correlation, 0)
    error = np.sqrt((1 - correlation**2).clip(min=SMALLEST) / max(len(after) - 2, 1))
    return Connectome(correlation, standard_error=error, unit="correlation")
