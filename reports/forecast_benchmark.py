"""Tables of a suite of forecasts, as Markdown: skills by recording and horizon, and over recordings."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.numbers import format_estimate, format_number
from reports.palette import ABLATION, MODEL
from synapsnet.errors import InputError
from validation.benchmark.forecasts import HORIZONS, skills
from validation.benchmark.ranking import cases
from validation.methods import label
from validation.metrics.paired_tests import paired_tests
from validation.metrics.results import Estimate

VARIANT = f"{MODEL}-"  # how the names of SynapsNet's ablations begin
UNITS = ("network", "observation", "seed")


def forecast_tables(results: pd.DataFrame) -> str:
    """Skill over the mean by recording and horizon, then by how much SynapsNet is ahead over all recordings.

    Raises
    ------
    InputError
        If the methods do not include SynapsNet and the mean.
    """
    skill_table = skills(results, MODEL)
    if skill_table.empty:
        raise InputError(
            f"Forecasts are compared with {MODEL}'s by their skill over the mean; run {MODEL} and the mean."
        )
    return "\n".join([*_by_recording(skill_table), "", *_over_recordings(skill_table, results)]) + "\n"


def _by_recording(skill_table: pd.DataFrame) -> Iterator[str]:
    names = [str(name) for name in skill_table["method"].unique() if name != "mean"]
    names.sort(key=lambda name: name != MODEL)
    columns = [label(name) for name in names]
    yield f"| recording | steps | {' | '.join(columns)} | SynapsNet less the best other | less W = 0 |"
    yield "|---" * (len(columns) + 4) + "|"
    for (network, _, _, horizon), group in skill_table.groupby([*UNITS, "horizon"], sort=False):
        skill = {str(name): float(value) for name, value in zip(group["method"], group["skill"], strict=True)}
        differences = (group[key].astype(float) for key in ("ahead", "low", "high"))
        ahead = {
            str(name): Estimate(value=value, low=low, high=high)
            for name, value, low, high in zip(group["method"], *differences, strict=True)
        }
        others = {name: value for name, value in skill.items() if not name.startswith(VARIANT) and name != MODEL}
        first = max({MODEL: skill[MODEL], **others}.items(), key=lambda item: item[1])[0]
        best = max(others, key=lambda name: others[name])
        cells = [_cell(skill.get(name), name == first) for name in names]
        cells += [format_estimate(ahead[name]) if name in ahead else "–" for name in (best, ABLATION)]
        yield f"| {network} | {horizon} | {' | '.join(cells)} |"


def _cell(skill: float | None, first: bool) -> str:
    text = "–" if skill is None else format_number(skill)
    return f"**{text}**" if first else text


def _over_recordings(skill_table: pd.DataFrame, results: pd.DataFrame) -> Iterator[str]:
    seconds = cases(results).groupby("method")["seconds"].mean()
    steps = [horizon for horizon in HORIZONS if (skill_table["horizon"] == horizon).any()]
    yield f"| SynapsNet less | {' | '.join(f'{h} steps' for h in steps)} | recordings | seconds to fit |"
    yield "|---" * (len(steps) + 3) + "|"
    tests = {h: _tests(skill_table[skill_table["horizon"] == h]) for h in steps}
    for name in dict.fromkeys(skill_table["method"]):
        if name == MODEL:
            continue
        rows = [tests[h].loc[name] if name in tests[h].index else None for h in steps]
        cells = ["–" if row is None else _tested(row) for row in rows]
        n = max((int(row["n"]) for row in rows if row is not None), default=0)
        yield f"| {label(str(name))} | {' | '.join(cells)} | {n} | {seconds[name]:.3g} |"
    yield f"| *SynapsNet itself* | {' | '.join('' for _ in steps)} | | {seconds[MODEL]:.3g} |"


def _tests(skill_table: pd.DataFrame) -> pd.DataFrame:
    """Paired tests of SynapsNet against each other method, by its name."""
    first = skill_table.sort_values("method", key=lambda names: names != MODEL, kind="stable")
    tests = paired_tests(first, "skill", units=UNITS)
    return tests[tests["method"] == MODEL].set_index("other")


def _tested(row: pd.Series) -> str:
    difference = Estimate(value=row["difference"], low=row["low"], high=row["high"])
    return f"{format_estimate(difference)}, p = {row['p_value']:.2g}"
