"""What a table of results says: scores over seeds, ranks and costs; `curves` has what a suite varies.

A setting is a network under an observation, by their labels in the suite. Bounds, which know the truth, are no
contestants: they are neither ranked nor compared.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from validation.methods import BOUNDS
from validation.metrics.paired_tests import fraction_interval, paired_tests, rank_stability, seed_interval

RANKED = "auprc"
FRACTIONS = (  # metrics that lie between 0 and 1
    *("auprc", "auroc", "signed_auprc", "signed_auroc", "precision_at_k", "sign_accuracy", "direction_accuracy", "f1"),
    *("false_discovery_rate", "false_positive_rate", "p_value_distance", "ei_accuracy", "ei_auroc", "effective_auprc"),
)
CEILING = "ceiling"  # of `BOUNDS`, the one that `shares_of_ceiling` refers to
SETTING = ["network", "observation"]
CASE = ["network", "observation", "method", "seed"]
RECORDING = ["network", "observation", "seed"]
DRAWN = ("network", "seed")  # what is drawn anew; all observations of it belong together


def settings(table: pd.DataFrame) -> pd.Series:
    """The setting of each row."""
    return table["network"] + ", " + table["observation"]


def defined(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that have a value of a metric."""
    return table[(table["metric"] == metric) & table["value"].notna()]


def contestants(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of methods that take part."""
    return table[~table["method"].isin(BOUNDS)]


def balanced(table: pd.DataFrame) -> pd.DataFrame:
    """What methods can be compared on as a whole: settings that all contestants have, seeds that all of these have.

    A suite may leave a slow method out of long recordings, or draw more seeds of some settings. A method that failed
    has a setting nevertheless. If nothing is common, everything is returned.
    """
    run = contestants(cases(table))
    n_methods = run.groupby(SETTING)["method"].nunique()
    common = n_methods.index[n_methods == run["method"].nunique()]
    rows = table[pd.MultiIndex.from_frame(table[SETTING]).isin(common)]
    seeds = [set(group["seed"]) for _, group in rows.groupby([*SETTING, "method"])]
    kept = rows[rows["seed"].isin(set.intersection(*seeds) if seeds else ())]
    return table if kept.empty else kept


def scores(table: pd.DataFrame, metric: str = RANKED) -> pd.DataFrame:
    """Mean over seeds of a metric, network by network: `setting`, `method`, `value`, `low`, `high`, `n`."""
    return _by_setting(defined(table, metric), fraction=metric in FRACTIONS)


def averages(table: pd.DataFrame, metric: str = RANKED) -> pd.DataFrame:
    """Mean over settings of a metric, and its interval over seeds: `method`, `value`, `low`, `high`, `n`."""
    return _over_settings(defined(table, metric), fraction=metric in FRACTIONS)


def shares_of_ceiling(table: pd.DataFrame) -> pd.DataFrame:
    """`averages` of what each contestant reaches of the ceiling's `RANKED` on the same recording."""
    rows = defined(table, RANKED)
    ceiling = rows.loc[rows["method"] == CEILING, [*RECORDING, "value"]]
    paired = contestants(rows).merge(ceiling, on=RECORDING, suffixes=("", "_ceiling"))
    return _over_settings(paired.assign(value=paired["value"] / paired["value_ceiling"]))


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank of each contestant by `RANKED` and how it would vary with other simulations: see `rank_stability`.

    What is drawn anew is a network and a seed; all observations of it belong together. A case in which a method failed
    counts as 0; recordings in which nothing is connected do not count.
    """
    return rank_stability(_ranked(table), RANKED, units=DRAWN)


def lead(table: pd.DataFrame) -> pd.DataFrame:
    """The contestant that ranks first against each other one, by rank: see `paired_tests`.

    Statistical units are those of `ranks`. P-values are corrected for all pairs of contestants, not only for those
    shown, because the same scores decide which one is first.
    """
    order = ranks(table)["method"].tolist()
    by_rank = _ranked(table).sort_values("method", key=lambda names: names.map(order.index), kind="stable")
    tests = paired_tests(by_rank, RANKED, units=DRAWN)
    return tests[tests["method"] == order[0]]


def differences(table: pd.DataFrame, of: str) -> pd.DataFrame:
    """How much more `RANKED` than the method `of` each other one has on the same recording; columns as in `scores`.

    The interval is of this pair alone, over seeds; a recording on which either of the two failed does not count.
    """
    rows = defined(table, RANKED)
    paired = rows.merge(rows.loc[rows["method"] == of, [*RECORDING, "value"]], on=RECORDING, suffixes=("", "_of"))
    others = paired[paired["method"] != of]
    return _by_setting(others.assign(value=others["value"] - others["value_of"]))


def cases(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each case: `CASE`, `seconds`, `peak_mib`, `status`, `reason`."""
    return table.drop_duplicates(CASE)[[*CASE, "seconds", "peak_mib", "status", "reason"]]


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each reason why a method failed: `method`, `setting`, `status`, `reason`, `seeds` (how many)."""
    all_cases = cases(table)
    failed = all_cases.loc[all_cases["status"] != "ok"]
    groups = failed.assign(setting=settings(failed)).groupby(["method", "setting", "status", "reason"], sort=False)
    return groups.size().rename("seeds").reset_index()


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each case of a contestant, with `RANKED`, 0 if it failed; none where nothing is connected."""
    scored = defined(table, RANKED)[[*CASE, "value"]].rename(columns={"value": RANKED})
    rows = cases(contestants(table)).merge(scored, "left", CASE)
    undefined = rows.loc[(rows["status"] == "ok") & rows[RANKED].isna(), RECORDING]
    without = pd.MultiIndex.from_frame(rows[RECORDING]).isin(pd.MultiIndex.from_frame(undefined))
    return rows[~without].fillna({RANKED: 0.0})


def _by_setting(rows: pd.DataFrame, *, fraction: bool = False) -> pd.DataFrame:
    rows = rows.iloc[np.argsort(pd.factorize(rows["network"])[0], kind="stable")]
    return over_seeds(rows.assign(setting=settings(rows)), ["setting", "method"], fraction=fraction)


def _over_settings(rows: pd.DataFrame, *, fraction: bool = False) -> pd.DataFrame:
    per_seed = rows.groupby(["method", "seed"], sort=False)["value"].mean()
    return over_seeds(per_seed.reset_index(), ["method"], fraction=fraction)


def over_seeds(table: pd.DataFrame, by: list[str], *, fraction: bool = False) -> pd.DataFrame:
    """Mean of each group's values and its interval: the columns `by`, `value`, `low`, `high`, `n`.

    By Student's t; that of a `fraction` stays between 0 and 1.
    """
    interval = fraction_interval if fraction else seed_interval
    groups = table.groupby(by, sort=False)["value"]
    rows = [dict(zip(by, key, strict=True)) | dict(interval(x.to_numpy(float))) | {"n": len(x)} for key, x in groups]
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "n"])
