"""Calibration of a method's p-values on pairs without a connection.

Unconnected pairs are not independent in a connected network, and a method may correctly find that B follows A through
other neurons. So these scores test whether "significant" means "connected", not whether a test is exact.
"""

from __future__ import annotations

from scipy.stats import kstest

from synapsnet.array_types import BoolArray, Float64Array
from validation.metrics.bootstrap import fraction

LEVEL = 0.05


def false_positive_rate(p_values: Float64Array, absent: BoolArray, counts: Float64Array) -> Float64Array:
    """(R,) fraction of unconnected pairs with a p-value below 5%; should be 5%.

    Parameters
    ----------
    p_values : (N, N - 1) array
    absent : (N, N - 1) bool array
    counts : (R, N) array
    """
    return fraction(p_values < LEVEL, absent, counts)


def p_value_distance(p_values: Float64Array) -> float:
    """Kolmogorov-Smirnov distance of the p-values of absent pairs from the uniform distribution: 0 is calibrated.

    NaN if there are no absent pairs. It comes without an interval, since resampling inflates a distance.
    """
    return float(kstest(p_values, "uniform").statistic) if p_values.size else float("nan")
