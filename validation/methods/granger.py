"""Granger causality: whether the past of one neuron adds to what the past of all others predicts."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.preprocessing import StandardScaler

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from synapsnet.wording import counted
from validation.methods.base import activity_of, lagged, targets
from validation.methods.significance import with_z, z_of_log_p

SPIKE_HISTORY_S, CALCIUM_FRAMES = 0.02, 1  # chosen on the development network
MAX_LAGS = 10  # the cost grows with their square
CHUNK = 20_000
RIDGE = 1e-9  # share of the variance; keeps silent neurons from making the regression singular
SMALLEST = 1e-200  # below, F's distribution function is about to underflow


class Granger:
    """Conditional Granger causality: F-test of all lags of a neuron in a VAR of all; O(T N^2 p^2 + N^3 p^3).

    Granger 1969, Econometrica 37:424; Geweke 1984, J Am Stat Assoc 79:907, for conditioning on the others. The weight
    is Geweke's measure, the logarithm of the ratio of residual variances without and with the neuron's past, with the
    sign of the sum of its coefficients; the score is the normal deviate with the p-value of the F-test. For calcium,
    of the deconvolved activity.

    Parameters
    ----------
    n_lags : int, optional
        Default: 20 ms of spikes, 1 frame of calcium.
    """

    def __init__(self, n_lags: int | None = None) -> None:
        self.n_lags = n_lags

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If there are fewer steps than coefficients.
        """
        order = self.n_lags or _default_order(recording)
        values, segments = StandardScaler().fit_transform(activity_of(recording)), recording.segments
        df = sum(max(b - a - order, 0) for a, b in segments) - values.shape[1] * order - 1
        if df < 1:
            raise InputError(
                f"Granger causality of {values.shape[1]} neurons at {order} lags needs at least "
                f"{counted(1 - df, 'more step')}; record longer or choose fewer neurons."
            )
        f, direction = _f_statistics(values, segments, order, df)
        z = z_of_log_p(_log_p(f, order, df))
        return with_z(direction * np.log1p(order * f / df), z, unit="log ratio of variances")


def _default_order(recording: Recording) -> int:
    if recording.modality == "calcium":
        return CALCIUM_FRAMES
    return min(max(round(SPIKE_HISTORY_S / recording.dt_s), 1), MAX_LAGS)


def _f_statistics(
    values: FloatArray, segments: list[tuple[int, int]], order: int, df: int
) -> tuple[FloatArray, FloatArray]:
    """(N, N) F statistics of all lags of a neuron, and the signs of the sums of their coefficients."""
    n = values.shape[1]
    covariance, across, total = _moments(values, segments, order)
    covariance[np.diag_indices_from(covariance)] += RIDGE * (df + order * n)
    inverse = np.linalg.inv(covariance)
    coefficient = inverse @ across  # (p N, post)
    residual = (total - np.einsum("kn,kn->n", coefficient, across)) / df
    coefficient, inverse = coefficient.reshape(order, n, n), inverse.reshape(order, n, order, n)
    own = np.linalg.inv(np.einsum("ajbj->jab", inverse))  # (N, p, p) of the lags of each neuron, given all else
    wald = np.einsum("aji,jab,bji->ij", coefficient, own, coefficient, optimize=True)
    scale = np.where(residual > RIDGE, order * residual, np.inf)[:, None]  # no evidence where nothing varies
    return np.maximum(wald / scale, 0), np.sign(coefficient.sum(axis=0).T)


def _moments(
    values: FloatArray, segments: list[tuple[int, int]], order: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums over steps, means taken off: past with past (p N, p N), past with present (p N, N), present squared (N,)."""
    n = values.shape[1]
    products = np.zeros((n * (order + 1),) * 2)
    sums, n_steps = np.zeros(len(products)), 0
    # Pieces overlap by the past, so that every step is predicted once and only a piece is in double precision.
    pieces = [(k, min(k + CHUNK + order, b)) for a, b in segments for k in range(a, b - order, CHUNK)]
    for piece in pieces:
        past, present = lagged(values, [piece], order), targets(values, [piece], order)
        both = np.hstack([past.reshape(len(past), -1), present]).astype(np.float64)
        products += both.T @ both
        sums += both.sum(axis=0)
        n_steps += len(both)
    products -= np.outer(sums, sums) / n_steps
    return products[:-n, :-n], products[:-n, -n:], np.diagonal(products)[-n:]


def _log_p(f: FloatArray, order: int, df: int) -> FloatArray:
    """Logarithm of the p-value of F, also where the p-value itself is 0 in double precision."""
    p = stats.f.sf(f, order, df)
    far = np.maximum(f, 1.0)
    hazard = (order + df) / 2 * order / (df + order * far) - (order / 2 - 1) / far  # of the density, in its tail
    tail = stats.f.logpdf(far, order, df) - np.log(np.maximum(hazard, SMALLEST))
    return np.where(p > SMALLEST, np.log(np.maximum(p, SMALLEST)), tail)
