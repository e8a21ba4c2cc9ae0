"""What a table of results says: scores over seeds, ranks, costs, and curves over what a suite varies.

A setting is a network under an observation, by their labels in the suite. Bounds, which know the truth, are no
contestants: they are neither ranked nor compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validation.comparison import paired_tests, rank_stability, seed_interval
from validation.methods import BOUNDS

RANKED = "auprc"
CEILING = "ceiling"  # of `BOUNDS`, the one that shares are of
# What is drawn along an axis: its title, and where it is in the specification of the network or of the observation.
AXES = {
    "recording length (s)": ("observation_spec", ("duration_s",)),
    "fraction of the neurons recorded": ("observation_spec", ("visible",)),
    "noise level of the calcium traces": ("observation_spec", ("noise_level",)),
    "shared fraction of the noise input": ("network_spec", ("inputs", "shared_fraction")),
}
UNIT = ["network", "observation", "method", "seed"]
RECORDING = ["network", "observation", "seed"]
DRAWN = ("network", "seed")  # what is drawn anew; all observations of it belong together


@dataclass(frozen=True)
class Curve:
    """One thing varies, all else is equal.

    Attributes
    ----------
    axis : str
        Title, a key of `AXES`.
    base : str
        The first setting on it, "network, observation".
    points : DataFrame
        `method`, `x`, `value`, `low`, `high`, `n`, by increasing x.
    """

    axis: str
    base: str
    points: pd.DataFrame


def settings(table: pd.DataFrame) -> pd.Series:
    """The setting of each row."""
    return table["network"] + ", " + table["observation"]


def contestants(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of methods that take part."""
    return table[~table["method"].isin(list(BOUNDS))]


def scores(table: pd.DataFrame, metric: str = RANKED) -> pd.DataFrame:
    """Mean over seeds of a metric, network by network: `setting`, `method`, `value`, `low`, `high`, `n`."""
    rows = _defined(table, metric)
    rows = rows.iloc[np.argsort(pd.factorize(rows["network"])[0], kind="stable")]
    return over_seeds(rows.assign(setting=settings(rows)), ["setting", "method"])


def averages(table: pd.DataFrame, metric: str = RANKED) -> pd.DataFrame:
    """Mean over settings of a metric, and its interval over seeds: `method`, `value`, `low`, `high`, `n`."""
    return _over_settings(_defined(table, metric))


def shares_of_ceiling(table: pd.DataFrame) -> pd.DataFrame:
    """`averages` of what each contestant reaches of the ceiling's `RANKED` on the same recording."""
    rows = _defined(table, RANKED)
    ceiling = rows.loc[rows["method"] == CEILING, [*RECORDING, "value"]]
    paired = contestants(rows).merge(ceiling, on=RECORDING, suffixes=("", "_ceiling"))
    return _over_settings(paired.assign(value=paired["value"] / paired["value_ceiling"]))


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank of each contestant by `RANKED` and how it would vary with other simulations: see `rank_stability`.

    What is drawn anew is a network and a seed; all observations of it belong together. A unit in which a method failed
    counts as 0.
    """
    return rank_stability(_ranked(table), RANKED, units=DRAWN)


def lead(table: pd.DataFrame) -> pd.DataFrame:
    """The contestant that ranks first against each other one, by rank: see `paired_tests`.

    Units are those of `ranks`. P-values are corrected for all pairs of contestants, not only for those shown: which one
    is first, the same scores decide.
    """
    order = ranks(table)["method"].tolist()
    by_rank = _ranked(table).sort_values("method", key=lambda names: names.map(order.index), kind="stable")
    tests = paired_tests(by_rank, RANKED, units=DRAWN)
    return tests[tests["method"] == order[0]]


def units(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each unit: `UNIT`, `seconds`, `peak_mib`, `status`, `reason`."""
    return table.drop_duplicates(UNIT)[[*UNIT, "seconds", "peak_mib", "status", "reason"]]


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each reason why a method failed: `method`, `setting`, `status`, `reason`, `seeds` (how many)."""
    all_units = units(table)
    failed = all_units.loc[all_units["status"] != "ok"]
    groups = failed.assign(setting=settings(failed)).groupby(["method", "setting", "status", "reason"], sort=False)
    return groups.size().rename("seeds").reset_index()


def curves(table: pd.DataFrame, metric: str = RANKED) -> Iterator[Curve]:
    """Everything that the suite varies by itself, among `AXES`."""
    rows = _defined(table, metric)
    for axis, (column, path) in AXES.items():
        taken = {text: _taken(text, path) for text in rows[column].unique()}
        varied = rows.assign(x=rows[column].map(lambda text, taken=taken: taken[text][0]))
        varied[column] = rows[column].map(lambda text, taken=taken: taken[text][1])
        for _, group in varied[varied["x"].notna()].groupby(["network_spec", "observation_spec"], sort=False):
            if group["x"].nunique() > 1:
                points = over_seeds(group.sort_values("x", kind="stable"), ["method", "x"])
                yield Curve(axis, settings(group).iloc[0], points)


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each unit of a contestant, with `RANKED`."""
    found = _defined(table, RANKED)[[*UNIT, "value"]].rename(columns={"value": RANKED})
    return units(contestants(table)).merge(found, "left", UNIT).fillna({RANKED: 0.0})


def _over_settings(rows: pd.DataFrame) -> pd.DataFrame:
    per_seed = rows.groupby(["method", "seed"], sort=False)["value"].mean()
    return over_seeds(per_seed.reset_index(), ["method"])


def _defined(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    return table[(table["metric"] == metric) & table["value"].notna()]


def _taken(text: str, path: tuple[str, ...]) -> tuple[float | None, str]:
    """A value out of a specification in JSON, and the specification without it."""
    spec: dict[str, Any] = json.loads(text)
    owner = spec
    for name in path[:-1]:
        owner = owner.get(name, {})
    return owner.pop(path[-1], None), json.dumps(spec, sort_keys=True)


def over_seeds(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean of each group's values and its interval by Student's t: the columns `by`, `value`, `low`, `high`, `n`."""
    groups = table.groupby(by, sort=False)["value"]
    rows = [
        dict(zip(by, key, strict=True)) | dict(seed_interval(x.to_numpy(float))) | {"n": len(x)} for key, x in groups
    ]
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "n"])
