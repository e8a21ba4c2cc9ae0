"""Curves over what a suite varies by itself, and how much of a score is lost along them.

A curve asks how a method degrades: fewer neurons recorded, more shared input, more noise, a shorter recording. It is
drawn with its chance level and with the attainable ceiling, if that is among the methods; what the ceiling loses, no
method can keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from validation.benchmark.ranking import CASE, RANKED, RECORDING, defined, over_seeds, settings
from validation.metrics.paired_tests import seed_interval


class Axis(NamedTuple):
    """What is drawn along an axis.

    Attributes
    ----------
    column : str
        The specification, of the network or of the observation, that holds it.
    path : tuple of str
        Where it is in there.
    more_is_easier : bool
        Which end asks the least of a method; losses are counted from there.
    scale : float
        From the specification's unit to that of the title.
    logarithmic : bool
    """

    column: str
    path: tuple[str, ...]
    more_is_easier: bool
    scale: float = 1.0
    logarithmic: bool = False


AXES = {  # by title
    "recording length (min)": Axis("observation_spec", ("duration_s",), True, scale=1 / 60, logarithmic=True),
    "fraction of the neurons recorded": Axis("observation_spec", ("visible",), True),
    "noise level of the calcium traces": Axis("observation_spec", ("noise_level",), False),
    "shared fraction of the noise input": Axis("network_spec", ("inputs", "shared_fraction"), False),
}
COLUMNS = ["method", "x", "n", "value", "low", "high", "more", "more_low", "more_high"]  # of `losses`


@dataclass(frozen=True)
class Curve:
    """One thing varies, all else is equal.

    Attributes
    ----------
    title : str
        Title of the axis, a key of `AXES`.
    base : str
        The first setting on it, "network, observation".
    cases : DataFrame
        `method`, `seed`, `x`, `value` (`RANKED`), by increasing x.
    points : DataFrame
        Their means over seeds: `method`, `x`, `value`, `low`, `high`, `n`.
    chance : DataFrame
        `x`, `value`: the mean fraction of pairs that are connected; empty if the results do not say.
    """

    title: str
    base: str
    cases: pd.DataFrame
    points: pd.DataFrame
    chance: pd.DataFrame

    @property
    def axis(self) -> Axis:
        """What varies."""
        return AXES[self.title]


def curves(table: pd.DataFrame) -> Iterator[Curve]:
    """Everything that the suite varies by itself, among `AXES`; for the columns, see `validation.benchmark.table`."""
    rows = defined(table, RANKED).merge(_chance(table), "left", RECORDING)
    for title, axis in AXES.items():
        taken = {text: _taken(text, axis.path) for text in rows[axis.column].unique()}
        varied = rows.assign(x=rows[axis.column].map({text: x for text, (x, _) in taken.items()}))
        varied[axis.column] = rows[axis.column].map({text: rest for text, (_, rest) in taken.items()})
        for _, group in varied[varied["x"].notna()].groupby(["network_spec", "observation_spec"], sort=False):
            if group["x"].nunique() > 1:
                base = settings(group).iloc[0]
                cases = group.assign(x=group["x"] * axis.scale).sort_values("x", kind="stable")
                yield Curve(
                    title,
                    base,
                    cases[["method", "seed", "x", "value"]],
                    over_seeds(cases, ["method", "x"], fraction=True),
                    cases.groupby("x")["chance"].mean().dropna().rename("value").reset_index(),
                )


def losses(curve: Curve, reference: str) -> pd.DataFrame:
    """Fraction of its score that each method loses between a curve's easiest point and the harder ones.

    The easiest point is the first that all methods have. The loss is 1 - score / score at that point, of the same
    method and seed, so that the draw of the network cancels; so it does in the comparison with the reference. Seeds
    without either of the scores are left out.

    Parameters
    ----------
    curve : Curve
    reference : str
        The method that the losses of the others are compared with.

    Returns
    -------
    DataFrame
        `method`, `x` (from the easier to the harder), `n` (seeds), `value`, `low`, `high` (the loss and its 95%
        interval over them); and `more`, `more_low`, `more_high`: how much more than the reference it loses on the same
        seeds, NaN for the reference itself.
    """
    scores = curve.cases.pivot_table(index="method", columns=["x", "seed"], values="value", sort=False)
    n_methods = curve.cases.groupby("x")["method"].nunique()
    shared = n_methods.index[n_methods == len(scores)]
    if shared.empty:
        return pd.DataFrame(columns=COLUMNS)
    easiest = (max if curve.axis.more_is_easier else min)(shared)
    harder = [x for x in n_methods.index if (x < easiest) == curve.axis.more_is_easier and x != easiest]
    nothing = pd.Series(dtype=float)
    rows = []
    for x in sorted(harder, reverse=curve.axis.more_is_easier):
        lost = (1 - scores[x] / scores[easiest]).T
        of_reference = lost.get(reference, nothing)
        for method, own in lost.items():
            loss = seed_interval(own.to_numpy())
            more = seed_interval((own - (nothing if method == reference else of_reference)).to_numpy())
            numbers = [n for estimate in (loss, more) for n in (estimate.value, estimate.low, estimate.high)]
            rows.append((method, x, own.count(), *numbers))
    return pd.DataFrame(rows, columns=COLUMNS)


def _chance(table: pd.DataFrame) -> pd.DataFrame:
    """`RECORDING` and `chance`: the fraction of pairs that are connected, which is AUPRC over its lift."""
    lift = defined(table, "auprc_lift")[[*CASE, "value"]]
    both = defined(table, RANKED).merge(lift, on=CASE, suffixes=("", "_lift"))
    both = both.assign(chance=both["value"] / both["value_lift"])
    return both.groupby(RECORDING, sort=False)["chance"].first().reset_index()


def _taken(text: str, path: tuple[str, ...]) -> tuple[float | None, str]:
    """A value out of a specification in JSON, and the specification without it."""
    spec: dict[str, Any] = json.loads(text)
    owner = spec
    for name in path[:-1]:
        owner = owner.get(name, {})
    return owner.pop(path[-1], None), json.dumps(spec, sort_keys=True)
