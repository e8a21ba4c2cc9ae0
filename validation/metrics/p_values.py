"""Are a method's errors as large as it says: what its p-values do where there is no connection.

Pairs that are not connected are not independent in a connected network, and a method may rightly find that B follows
A through others. So these scores ask whether "significant" can be read as "connected", not whether a test is exact.
"""

from __future__ import annotations

from scipy.stats import kstest

from synapsnet.recording import BoolArray, Float64Array
from validation.metrics.bootstrap import share

LEVEL = 0.05


def false_positive_rate(p_values: Float64Array, absent: BoolArray, counts: Float64Array) -> Float64Array:
    """(R,) share of the absent pairs with a p-value below 5%, which is what it should be.

    Parameters
    ----------
    p_values : (N, N - 1) array
    absent : (N, N - 1) bool array
    counts : (R, N) array
    """
    return share(p_values < LEVEL, absent, counts)


def p_value_distance(p_values: Float64Array) -> float:
    """Kolmogorov-Smirnov distance of the p-values of absent pairs from the uniform distribution: 0 is calibrated.

    NaN if there are no absent pairs. It comes without an interval, since resampling inflates a distance.
    """
    return float(kstest(p_values, "uniform").statistic) if p_values.size else float("nan")
