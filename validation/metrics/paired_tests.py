"""Comparing methods over many simulations: intervals, paired tests and the stability of a ranking.

All functions take a table with a row for each method and unit, where a statistical unit is one network, observation
and seed. Methods are compared on the same units only, so that a hard network counts against all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError, unknown_name
from validation.metrics.results import Estimate

UNITS = ("network", "observation", "seed")
Interval = Literal["t", "bca"]
Test = Literal["wilcoxon", "t"]


def seed_interval(values: Sequence[float] | Float64Array, method: Interval = "t", *, seed: int = 0) -> Estimate:
    """The mean of a score over seeds with its 95% confidence interval.

    Parameters
    ----------
    values : one for each seed
        NaN are left out.
    method : {"t", "bca"}
        Student's t, right for normally distributed scores and about right for others even with 3 to 10 seeds; or the
        bias-corrected and accelerated bootstrap (Efron 1987, J Am Stat Assoc 82:171), which follows skewed scores and
        stays within their range but is too narrow for fewer than about 20.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Estimate
        NaN without values; NaN limits with only one.

    Raises
    ------
    InputError
        If the method is not known.
    """
    if method not in get_args(Interval):
        raise unknown_name("interval", method, get_args(Interval))
    defined = np.asarray(values, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    mean = float(defined.mean()) if len(defined) else float("nan")
    if len(defined) < 2:
        return Estimate(value=mean, low=float("nan"), high=float("nan"))
    if np.ptp(defined) == 0:
        return Estimate(value=mean, low=mean, high=mean)
    if method == "t":
        low, high = stats.t.interval(0.95, len(defined) - 1, loc=mean, scale=stats.sem(defined))
    else:
        low, high = stats.bootstrap(
            (defined,), np.mean, method="BCa", random_state=np.random.default_rng(seed)
        ).confidence_interval
    return Estimate(value=mean, low=float(low), high=float(high))


def fraction_interval(values: Sequence[float] | Float64Array) -> Estimate:
    """The mean over seeds of a score between 0 and 1, with a 95% confidence interval that stays between 0 and 1.

    Student's t of the arcsine of the square root, whose variance does not depend on the mean (Freeman & Tukey 1950, Ann
    Math Stat 21:607); the limits are transformed back.

    Parameters
    ----------
    values : one for each seed
        NaN are left out.

    Returns
    -------
    Estimate
        NaN without values; NaN limits with only one.
    """
    defined = np.asarray(values, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    angle = seed_interval(np.arcsin(np.sqrt(defined.clip(0, 1))))
    low, high = (np.sin(np.clip(limit, 0, np.pi / 2)) ** 2 for limit in (angle.low, angle.high))
    return Estimate(value=float(defined.mean()) if len(defined) else float("nan"), low=float(low), high=float(high))


def paired_tests(
    scores: pd.DataFrame,
    metric: str,
    *,
    units: Sequence[str] = UNITS,
    test: Test = "wilcoxon",
) -> pd.DataFrame:
    """Compare every two methods on the units that both have a score of.

    P-values are two-sided and corrected for the number of pairs of methods (Holm 1979, Scand J Stat 6:65). They take
    units to be independent. Observations of one and the same simulation are not: to compare methods over simulations,
    leave "observation" out of `units`, and scores are averaged within each unit first.

    Parameters
    ----------
    scores : DataFrame
        With the columns "method", `units` and `metric`; NaN where a method failed, which leaves the unit out.
    metric : str
        Name of the column of scores.
    units : names of columns
    test : {"wilcoxon", "t"}
        Wilcoxon's signed-rank test, whose p-value cannot be below 2 / 2^n (0.06 for 5 units), or a paired t-test, which
        takes differences to be normally distributed.

    Returns
    -------
    DataFrame
        A row for each pair of methods, with the columns "method", "other", "n" (units), "difference" (mean of method
        less other), "low", "high" (its 95% interval by Student's t), "p_value" and "p_holm". NaN with fewer than 2
        units.

    Raises
    ------
    InputError
        If a column is missing, the test is not known, or there are fewer than two methods.
    """
    if test not in get_args(Test):
        raise unknown_name("test", test, get_args(Test))
    table = _by_unit(scores, metric, units)
    rows = []
    for method, other in combinations(table.columns, 2):
        difference = (table[method] - table[other]).dropna().to_numpy(dtype=np.float64)
        interval = seed_interval(difference)
        rows.append((method, other, len(difference), interval.value, interval.low, interval.high, _p(difference, test)))
    result = pd.DataFrame(rows, columns=["method", "other", "n", "difference", "low", "high", "p_value"])
    return result.assign(p_holm=holm(result["p_value"].to_numpy(dtype=np.float64)))


def holm(p_values: Float64Array) -> Float64Array:
    """P-values corrected by the step-down method of Holm 1979; NaN stay NaN and do not count."""
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]  # NaN sort last
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return corrected


def rank_stability(
    scores: pd.DataFrame,
    metric: str,
    *,
    units: Sequence[str] = UNITS,
    lower_is_better: bool = False,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How much a ranking of methods by mean score would vary with other simulations: a bootstrap over units.

    Parameters
    ----------
    scores, metric, units
        See `paired_tests`. Only units of which all methods have a score are used.
    lower_is_better : bool
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        A row for each method, the best first: "method", "n" (units), "mean", "rank" (1 is the best; ties share the
        mean of their ranks), "rank_low", "rank_high" (95% percentile interval), "first" (fraction of resamples in
        which it ranks first, split in ties).

    Raises
    ------
    InputError
        If a column is missing, there are fewer than two methods, no unit has a score by all methods, or there are no
        resamples.
    """
    if n_resamples < 1:
        raise InputError(f"The stability of a ranking needs at least 1 resample; got {n_resamples}.")
    table = _by_unit(scores, metric, units).dropna()
    if table.empty:
        raise InputError(f"No unit has a value of {metric!r} by every method; leave out methods that failed.")
    values = table.to_numpy(dtype=np.float64)
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    means = np.round(np.vstack([np.ones(n), counts]) @ values / n, 12)  # equal methods tie in spite of rounding
    ranks = stats.rankdata(means if lower_is_better else -means, axis=1)
    best = means == (means.min if lower_is_better else means.max)(axis=1, keepdims=True)
    low, high = np.percentile(ranks[1:], [2.5, 97.5], axis=0)
    return (
        pd.DataFrame(
            {
                "method": table.columns,
                "n": n,
                "mean": values.mean(axis=0),
                "rank": ranks[0],
                "rank_low": low,
                "rank_high": high,
                "first": (best / best.sum(axis=1, keepdims=True))[1:].mean(axis=0),
            }
        )
        .sort_values("rank", kind="stable")
        .reset_index(drop=True)
    )


def _by_unit(scores: pd.DataFrame, metric: str, units: Sequence[str]) -> pd.DataFrame:
    """Units by methods, in their order of appearance."""
    missing = [name for name in ("method", metric, *units) if name not in scores.columns]
    if missing:
        raise InputError(
            f"The table of scores lacks the column {missing[0]!r}; it has {', '.join(map(str, scores.columns))}."
        )
    methods = list(dict.fromkeys(scores["method"]))
    if len(methods) < 2:
        raise InputError(f"A comparison needs at least two methods; got {', '.join(methods) or 'none'}.")
    cells = scores.groupby([*units, "method"], dropna=False, sort=False)[metric]
    return cells.agg(lambda values: values.mean(skipna=False)).unstack("method").reindex(columns=methods)


def _p(difference: Float64Array, test: Test) -> float:
    if len(difference) < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    if test == "wilcoxon":
        return float(stats.wilcoxon(difference).pvalue)
    return float(stats.ttest_1samp(difference, 0.0).pvalue) if np.ptp(difference) > 0 else 0.0
