"""Confidence intervals by the bootstrap, computed from sums.

Independent units are resampled with replacement: postsynaptic neurons for connectivity, blocks of time
for forecasts. A resample is stored as how often it holds each unit, so that any score that depends on sums over
units follows from one product, counts @ sums, and no data is copied per resample. Row 0 of the counts is the
data as they are, so the score itself comes out beside its resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.errors import InputError
from validation.metrics.results import Estimate

# Below this fraction of the sum of squares, a sum of squared deviations is rounding: the numbers are constant.
_ROUNDING = 1e-10
BLOCK_ENTRIES = 2_000_000


def draw_counts(n_units: int, n_resamples: int, seed: int) -> Float64Array:
    """How often each unit is drawn, for the data themselves and for every resample.

    Parameters
    ----------
    n_units : int
    n_resamples : int
        0 for no intervals.
    seed : int

    Returns
    -------
    (1 + n_resamples, n_units) array
        The first row is all ones; each other row sums to `n_units`.

    Raises
    ------
    InputError
        If `n_resamples` is negative.
    """
    if n_resamples < 0:
        raise InputError(f"The number of bootstrap resamples must not be negative; got {n_resamples}.")
    drawn = np.random.default_rng(seed).multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples)
    return np.concatenate([np.ones((1, n_units)), drawn.astype(np.float64)])


def estimate(values: npt.NDArray[np.floating[Any]]) -> Estimate:
    """A score and its 95% percentile interval (Efron and Tibshirani 1993, chapter 13).

    Parameters
    ----------
    values : (1 + n_resamples,) array
        The score on the data, then on each resample. Resamples in which it is not defined (NaN) are
        left out.

    Returns
    -------
    Estimate
        NaN limits if the score is not defined, on the data or on any resample.
    """
    value, resampled = float(values[0]), values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or not len(resampled):
        return Estimate(value=value, low=float("nan"), high=float("nan"))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high))


def ratio(numerator: Float64Array, denominator: Float64Array) -> Float64Array:
    """Quotient of two arrays of one shape, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)


def deviation(n: Float64Array, total: Float64Array, squares: Float64Array) -> Float64Array:
    """Sum of squared deviations from the mean, exactly 0 where only rounding is left of it.

    Parameters
    ----------
    n, total, squares : arrays that broadcast
        Number of values, their sum and the sum of their squares. Take the sums after subtracting any
        one of the values: a large common offset would cost precision.
    """
    result = squares - ratio(total**2, np.broadcast_to(n, total.shape))
    return np.where(result > _ROUNDING * squares, result, 0.0)


def pearson(
    n: Float64Array, x: Float64Array, y: Float64Array, xx: Float64Array, yy: Float64Array, xy: Float64Array
) -> Float64Array:
    """Pearson correlation from sums, NaN where x or y is constant; see `deviation` for the offset."""
    covariance = xy - ratio(x * y, np.broadcast_to(n, x.shape))
    return np.clip(ratio(covariance, np.sqrt(deviation(n, x, xx)) * np.sqrt(deviation(n, y, yy))), -1, 1)


def fraction(right: npt.NDArray[Any], among: npt.NDArray[np.bool_], counts: Float64Array) -> Float64Array:
    """(R,) fraction of the entries `among` that are `right` (0 to 1), of (units, entries) arrays; NaN without any."""
    return ratio(counts @ np.sum(right, axis=1, where=among), counts @ among.sum(axis=1))


def correlation(x: FloatArray, y: FloatArray, among: npt.NDArray[np.bool_], counts: Float64Array) -> Float64Array:
    """(R,) Pearson correlation of the entries `among` of two (units, entries) arrays; NaN where one is constant."""
    if not among.any():
        return np.full(len(counts), np.nan)
    first = np.unravel_index(among.argmax(), among.shape)
    sums = np.zeros((6, len(x)))
    for rows in row_blocks(x.shape):
        here = among[rows]
        a, b = (np.where(here, np.subtract(v[rows], v[first], dtype=np.float64), 0.0) for v in (x, y))
        sums[:, rows] = [values.sum(axis=1) for values in (here, a, b, a * a, b * b, a * b)]
    return pearson(*(counts @ row for row in sums))


def row_blocks(shape: tuple[int, ...]) -> list[slice]:
    """The rows of an array, a few at a time where there are many: what is made of them takes little memory then."""
    at_once = max(1, BLOCK_ENTRIES // max(shape[1], 1))
    return [slice(start, start + at_once) for start in range(0, shape[0], at_once)]


def optional(values: Float64Array) -> Estimate | None:
    """Like `estimate`, but None where the score is not defined on the data."""
    return None if np.isnan(values[0]) else estimate(values)
