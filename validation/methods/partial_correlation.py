"""Correlation of a neuron with the past of another, given all others: from the inverse of a covariance matrix.

At zero lag, partial correlation has no direction. So the covariance is that of two steps that follow each other,
of 2 N variables, and the partial correlation that of `x_post(t)` and `x_pre(t - 1)` given everything else in both.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.covariance import graphical_lasso
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods.base import activity_of, lagged, targets

RIDGES = (0.0, 0.01, 0.1, 1.0)  # share of the variance; strongly correlated activity needs one
SMALLEST = 1e-12  # share of the variance that a perfect correlation leaves, by rounding


class PartialCorrelation:
    """Partial correlation across one step, ridge penalty; for calcium, deconvolved; O(T N^2 + N^3).

    The standard error is that of a partial correlation of independent steps (Fisher 1924, Metron 3:329). Ledoit and
    Wolf's shrinkage does not suit this: activity of neurons is so nearly uncorrelated that it leaves nothing.

    Parameters
    ----------
    penalty : float
        Penalty of the ridge, on z-scored activity; matters for recordings of few steps only.
    """

    def __init__(self, penalty: float = 100.0) -> None:
        self.penalty = penalty

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        steps = _two_steps(recording)
        n_steps, n_variables = steps.shape
        ridge = self.penalty / n_steps * np.eye(n_variables)
        correlation = _across(np.linalg.inv(_covariance(steps) + ridge))
        error = np.sqrt((1 - correlation**2).clip(min=SMALLEST) / max(n_steps - n_variables, 1))
        return Connectome(correlation, standard_error=error, unit="partial correlation")


class GraphicalLasso:
    """Partial correlation across one step, of which most are exactly zero; for calcium, deconvolved; O(T N^2 + N^3).

    Friedman, Hastie & Tibshirani 2008, Biostatistics 9:432. No standard errors.

    Parameters
    ----------
    penalty : float
        In standard errors of a correlation of independent steps. One is our choice, made on the development network:
        half of the pairs get a score, and the ranking is best or close to it, for spikes and calcium.
    """

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = penalty

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If the activity is so correlated that the solver fails.
        """
        steps = _two_steps(recording)
        precision = _sparse_precision(_covariance(steps), self.penalty / np.sqrt(len(steps)))
        return Connectome(_across(precision), unit="partial correlation")


def _two_steps(recording: Recording) -> FloatArray:
    """(R, 2 N) z-scored activity in each step, and in the step before."""
    values, segments = activity_of(recording), recording.segments
    pair = np.hstack([targets(values, segments, 1), lagged(values, segments, 1)[:, 0]])
    return np.asarray(StandardScaler(copy=False).fit_transform(pair))


def _covariance(steps: FloatArray) -> FloatArray:
    """Covariance of z-scores; a neuron that is silent gets a variance of one too."""
    result = (steps.T @ steps).astype(np.float64) / len(steps)
    np.fill_diagonal(result, 1.0)
    return result


def _sparse_precision(covariance: FloatArray, penalty: float) -> FloatArray:
    """Inverse of a covariance by the graphical lasso, with the first of `RIDGES` on the diagonal that it can solve."""
    identity = np.eye(len(covariance))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # nearly solved is good enough to rank
        for ridge in RIDGES:
            try:
                return np.asarray(graphical_lasso(covariance + ridge * identity, penalty)[1])
            except FloatingPointError:
                continue
    raise InputError("The graphical lasso finds no solution: activity is too correlated; choose another method.")


def _across(precision: FloatArray) -> FloatArray:
    """(N, N) partial correlation of the first N variables with the others, without self-connections."""
    n = len(precision) // 2
    scale = np.sqrt(np.diagonal(precision))
    result = (-precision / np.outer(scale, scale))[:n, n:]
    np.fill_diagonal(result, 0)
    return result
