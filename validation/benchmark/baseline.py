"""Regression baselines: a method's scores on a suite, which a later version must not fall below.

A later version is worse if its scores are significantly lower on the same networks, observations and seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy import stats

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError, border, unknown_name
from synapsnet.files import write_text
from validation.metrics.paired_tests import seed_interval
from validation.metrics.results import Estimate

# Metrics that a baseline guards, and whether higher is better (1) or worse (-1). Other metrics are redundant.
GUARDED = {
    "auprc": 1,
    "auroc": 1,
    "signed_auroc": 1,
    "sign_accuracy": 1,
    "weight_correlation": 1,
    "direction_accuracy": 1,
    "mcc": 1,
    "p_value_distance": -1,
    "delay_error_s": -1,
}
FALSE_DISCOVERY_RATE = 0.05
EVERYWHERE = "all settings"


class Setting(BaseModel):
    """A network under an observation: what it was, and the scores by metric and seed.

    A seed for which the method failed has no scores.
    """

    network: dict[str, Any]
    observation: dict[str, Any]
    scores: dict[str, dict[int, float]]


class Baseline(BaseModel):
    """Scores of one method on a suite, by setting ("network, observation")."""

    method: str
    versions: dict[str, str]
    settings: dict[str, Setting]


@dataclass(frozen=True)
class Change:
    """How much better (positive) a metric has become in a setting, with the 95% interval over its cases.

    `n` counts the cases, `lost` those that have no score any more; `worse` says whether the change is a
    significant loss.
    """

    setting: str
    metric: str
    change: Estimate
    n: int
    lost: int
    worse: bool

    def __str__(self) -> str:
        if self.lost:
            return f"{self.metric} on {self.setting}: {self.lost} of {self.n} cases have no score any more"
        change = self.change
        interval = f" [{change.low:+.3g}, {change.high:+.3g}]" if self.n > 1 else ""
        return f"{self.metric} on {self.setting}: {change.value:+.3g}{interval} over {self.n} cases"


def make_baseline(table: pd.DataFrame, method: str) -> Baseline:
    """What a later version of `method` must not fall below.

    Parameters
    ----------
    table : DataFrame
        Results of a suite, see `validation.benchmark.table`.
    method : str

    Raises
    ------
    InputError
        If the results do not hold the method.
    """
    return Baseline(
        method=method,
        versions=json.loads(_of_method(table, method)["versions"].iloc[0]),
        settings=_settings(table, method),
    )


def save_baseline(baseline: Baseline, path: str | Path) -> None:
    """Write it as JSON, whole or not at all."""
    write_text(path, baseline.model_dump_json(indent=1))


def load_baseline(path: str | Path) -> Baseline:
    """A baseline from its file.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    if not Path(path).is_file():
        raise InputError(f"There is no baseline {path}; make one with `synapsnet baseline save`.")
    with border(f"{path} is no baseline; make it again with `synapsnet baseline save`"):
        return Baseline.model_validate_json(Path(path).read_bytes())


def compare(table: pd.DataFrame, baseline: Baseline) -> list[Change]:
    """How each guarded metric has changed, in each setting and over all of them.

    A change is worse if a one-sided paired t-test says so at a false discovery rate of 5% (Benjamini & Hochberg 1995, J
    R Stat Soc B 57:289) among all changes. A case that had a score and has none now is worse, too. A method
    that still does the same does not change at all.

    Parameters
    ----------
    table : DataFrame
        Results of the same suite.
    baseline : Baseline

    Returns
    -------
    list of Change

    Raises
    ------
    InputError
        If the results lack the method, a setting or a seed, or a setting is not what it was.
    """
    now = _settings(table, baseline.method)
    for label, then in baseline.settings.items():
        if label not in now:
            raise InputError(
                f"The results lack {label}, which the baseline holds; run the suite that it was made with."
            )
        if then.network != now[label].network or then.observation != now[label].observation:
            raise InputError(f"{label} has other settings than when the baseline was made; make the baseline again.")
    seeds = _of_method(table, baseline.method)
    have = set(zip(seeds["network"] + ", " + seeds["observation"], seeds["seed"], strict=True))
    changes: list[tuple[str, str, Float64Array]] = []
    for metric, sign in GUARDED.items():
        everywhere: list[float] = []
        for label, then in baseline.settings.items():
            before, after = then.scores.get(metric, {}), now[label].scores.get(metric, {})
            for seed in before:
                if (label, seed) not in have:
                    raise InputError(f"The results lack seed {seed} of {label}; run the suite of the baseline.")
            gained = [sign * (after[seed] - value) if seed in after else -np.inf for seed, value in before.items()]
            changes.append((label, metric, np.array(gained)))
            everywhere += gained
        changes.append((EVERYWHERE, metric, np.array(everywhere)))
    return _judged([change for change in changes if len(change[2])])


def _judged(changes: list[tuple[str, str, Float64Array]]) -> list[Change]:
    rejected = stats.false_discovery_control([_p_value(gained) for _, _, gained in changes]) <= FALSE_DISCOVERY_RATE
    judged = []
    for (setting, metric, gained), worse in zip(changes, rejected, strict=True):
        finite = gained[np.isfinite(gained)]
        judged.append(
            Change(setting, metric, seed_interval(finite), len(gained), len(gained) - len(finite), bool(worse))
        )
    return judged


def _p_value(gained: Float64Array) -> float:
    """P-value of a one-sided paired t-test for a loss: 0 if a score is gone, 1 for a single case."""
    if np.isinf(gained).any():
        return 0.0
    if len(gained) < 2:
        return 1.0
    if gained.min() == gained.max():
        return float(gained[0] >= 0)
    return float(stats.ttest_1samp(gained, 0.0, alternative="less").pvalue)


def _of_method(table: pd.DataFrame, method: str) -> pd.DataFrame:
    rows = table[table["method"] == method]
    if rows.empty:
        raise unknown_name("method in the results", method, sorted(set(table["method"])))
    return rows


def _settings(table: pd.DataFrame, method: str) -> dict[str, Setting]:
    settings = {}
    for (network, observation), rows in _of_method(table, method).groupby(["network", "observation"], sort=False):
        guarded = rows[rows["metric"].isin(list(GUARDED)) & rows["value"].notna()]
        settings[f"{network}, {observation}"] = Setting(
            network=json.loads(rows["network_spec"].iloc[0]),
            observation=json.loads(rows["observation_spec"].iloc[0]),
            scores={
                str(metric): dict(zip(scores["seed"].astype(int), scores["value"], strict=True))
                for metric, scores in guarded.groupby("metric")
            },
        )
    return settings
