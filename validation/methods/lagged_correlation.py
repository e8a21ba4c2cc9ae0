"""Correlation of each neuron with every other one step before."""

from __future__ import annotations

import numpy as np

from synapsnet.recording import Connectome, Recording
from validation.methods.base import drive, lagged, targets


class LaggedCorrelation:
    """Pearson correlation of `x_post(t)` with `x_pre(t - lag)`; for calcium, of the deconvolved drive.

    The oldest and simplest comparator; O(T N^2). Its standard error is that of independent steps.

    Parameters
    ----------
    lag : int
        In steps.
    """

    def __init__(self, lag: int = 1) -> None:
        self.lag = lag

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        values = drive(recording)
        segments = recording.segments
        after, before = targets(values, segments, self.lag), lagged(values, segments, self.lag)[:, -1]
        after, before = after - after.mean(axis=0), before - before.mean(axis=0)
        spread = np.outer(np.linalg.norm(after, axis=0), np.linalg.norm(before, axis=0))
        correlation = np.divide(after.T @ before, spread, out=np.zeros_like(spread), where=spread > 0)
        np.fill_diagonal(correlation, 0)
        error = np.sqrt((1 - correlation**2) / max(len(after) - 2, 1))
        return Connectome(correlation, standard_error=error, unit="correlation")
