"""The leaderboard: methods by settings with intervals over seeds, ranks, cost against fidelity, and curves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from reports.leaderboard_figures import cost_figure, curve_figure, static_figure
from reports.numbers import format_interval, format_number, is_defined
from reports.page import Panel, flat, render_page
from reports.palette import method_styles
from reports.tables import CONNECTIVITY_METRICS, Cell, Metric, Row, Table
from synapsnet.errors import InputError
from synapsnet.files import atomic_path, write_text
from validation.benchmark.standing import (
    CEILING,
    RANKED,
    averages,
    contestants,
    curves,
    failures,
    lead,
    ranks,
    scores,
    shares_of_ceiling,
    units,
)
from validation.methods import BOUNDS, LABELS
from validation.results import Estimate

RANK = Metric(
    "rank",
    "rank",
    "By mean AUPRC over all networks and seeds, a failed unit counting as 0; the interval is that of the rank if other "
    "ones had been drawn.",
    lower_is_better=True,
)
OF_CEILING = Metric(
    "of_ceiling",
    "of the ceiling",
    "AUPRC over that of the attainable ceiling on the same recording: what an efficient estimator would reach that "
    "knew the right model.",
)
SECONDS = Metric("seconds", "seconds", "Mean wall time of the inference, on one thread.", lower_is_better=True)
PEAK = Metric("peak_mib", "peak MiB", "Largest memory of a process, imports included.", lower_is_better=True)
FAILED = Metric("failed", "failed", "Units in which it raised, ran out of time or died.", lower_is_better=True)

AHEAD = Metric(
    "difference",
    "ahead by",
    "How much more AUPRC the first method has, on average over networks and seeds, a failed unit counting as 0; the "
    "interval is of this pair alone.",
    lower_is_better=True,
)
P_VALUE = Metric(
    "p_holm",
    "p",
    "Of Wilcoxon's signed-rank test of these differences, corrected for all pairs of methods (Holm 1979); with few "
    "networks and seeds it cannot be small.",
    lower_is_better=True,
)
PAIRED = Metric("n", "networks × seeds", "How many differences there are, each averaged over the observations.")
LEVEL = 0.05  # of p, for what is called significant

FIGURE_SUFFIXES = (".svg", ".png", ".pdf")

Cells = dict[str, Cell]  # by method


@dataclass(frozen=True)
class Leaderboard:
    """What a table of results comes to.

    Attributes
    ----------
    results : DataFrame
        See `validation.benchmark.table`.
    labels : dict of method -> str
        How to print each, the best first and bounds last.
    standing : Table
        Methods by rank, metrics averaged over settings, and costs.
    by_setting : dict of metric -> Table
        Settings by methods.
    failures : DataFrame
        See `validation.benchmark.standing.failures`.
    lead : DataFrame, optional
        See `validation.benchmark.standing.lead`; a single method has nobody to lead.
    """

    results: pd.DataFrame
    labels: dict[str, str]
    standing: Table
    by_setting: dict[str, Table]
    failures: pd.DataFrame
    lead: pd.DataFrame | None

    @property
    def verdict(self) -> str:
        """Who leads, and whom by more than chance; nothing to say of a single method."""
        if self.lead is None:
            return ""
        ahead = self.lead.loc[self.lead["p_holm"] < LEVEL, "other"]
        return f"{self.lead['method'].iloc[0]} leads; significantly ahead of: {', '.join(ahead) or 'none'}."


def leaderboard(results: pd.DataFrame) -> Leaderboard:
    """The leaderboard of a table of results.

    Raises
    ------
    InputError
        If no unit succeeded.
    """
    if not (results["status"] == "ok").any():
        reason = results["reason"].iloc[0] if len(results) else "there are no units"
        raise InputError(f"No unit of the benchmark succeeded, so there is nothing to rank; first reason: {reason}.")
    methods, ranking = _ranking(contestants(results))
    labels = {method: LABELS.get(method, method.rpartition(":")[2]) for method in methods}
    labels |= {method: f"{LABELS[method]} (bound)" for method in BOUNDS if (results["method"] == method).any()}
    metrics = [metric for metric in CONNECTIVITY_METRICS if (results["metric"] == metric.field).any()]
    return Leaderboard(
        results=results,
        labels=labels,
        standing=_standing(results, labels, [metric for metric in metrics if metric.shown], ranking),
        by_setting={metric.name: _by_setting(results, labels, metric) for metric in metrics},
        failures=failures(results),
        lead=lead(results) if ranking else None,
    )


def write_page(board: Leaderboard, path: str | Path, title: str = "Leaderboard") -> None:
    """Write the page, one self-contained HTML file."""
    write_text(path, render(board, title))


def write_figure(board: Leaderboard, path: str | Path) -> None:
    """Write the main figure for print or for a README: SVG, PNG or PDF, by its suffix.

    Raises
    ------
    InputError
        If the suffix is none of these.
    """
    path = Path(path)
    if path.suffix not in FIGURE_SUFFIXES:
        raise InputError(f"A figure must be named {', '.join('*' + s for s in FIGURE_SUFFIXES)}; got {path}.")
    figure = static_figure(scores(board.results), averages(board.results), units(board.results), board.labels)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)


def render(board: Leaderboard, title: str = "Leaderboard") -> str:
    """The page as text; the same results make the same text."""
    results = board.results
    styles = method_styles(board.labels)
    return render_page(
        "leaderboard.html",
        title=title,
        facts=_facts(results),
        standing=board.standing,
        lead=None if board.lead is None else _lead(board.lead, board.labels),
        bounded=any(method in BOUNDS for method in board.labels),
        by_setting=board.by_setting,
        panels=list(_panels(board)),
        failures=board.failures.assign(method=board.failures["method"].map(board.labels)).to_dict("records"),
        styles=styles,
        labels=board.labels,
        glossary=[*board.standing.columns, AHEAD, P_VALUE, PAIRED],
        setup=list(flat(json.loads(results["versions"].iloc[0]))),
    )


def _facts(results: pd.DataFrame) -> dict[str, str]:
    run = units(results)
    return {
        "Methods": str(contestants(run)["method"].nunique()),
        "Settings": str(len(run[["network", "observation"]].drop_duplicates())),
        "Seeds": str(run["seed"].nunique()),
        "Units": f"{len(run)}, of which {(run['status'] != 'ok').sum()} failed",
    }


def _panels(board: Leaderboard) -> Iterator[Panel]:
    styles = method_styles(board.labels)
    points = {"all settings": averages(board.results)}
    points |= {str(name): rows for name, rows in scores(board.results).groupby("setting", sort=False)}
    ceiling = " The dashed line is the ceiling." if CEILING in board.labels else ""
    yield Panel(
        "Cost against fidelity",
        "Up is better, left is cheaper: mean wall time of the inference on one thread, and AUPRC with its 95% interval "
        f"over seeds.{ceiling}",
        {
            name: cost_figure(rows, units(board.results), styles, board.labels, name if "setting" in rows else None)
            for name, rows in points.items()
        },
        choice="In",
    )
    by_axis: dict[str, dict[str, pd.DataFrame]] = {}
    for curve in curves(board.results):
        by_axis.setdefault(curve.axis, {})[curve.base] = curve.points
    for axis, bases in by_axis.items():
        yield Panel(
            axis[0].upper() + axis[1:],
            f"AUPRC with 95% intervals over seeds; all else is as in {' or '.join(bases)}.{ceiling}",
            {base: curve_figure(points, axis, styles, board.labels) for base, points in bases.items()},
            choice="In",
        )


def _ranking(results: pd.DataFrame) -> tuple[list[str], Cells]:
    """The methods, the best first, and their ranks; of a single one there is none."""
    methods = list(dict.fromkeys(results["method"]))
    if len(methods) < 2:
        return methods, {}
    table = ranks(results)
    return table["method"].tolist(), {
        row["method"]: _cell(Estimate(value=row["rank"], low=row["rank_low"], high=row["rank_high"]))
        for row in table.to_dict("records")
    }


def _standing(results: pd.DataFrame, labels: dict[str, str], metrics: Sequence[Metric], ranking: Cells) -> Table:
    run = units(results).groupby("method")
    columns: list[tuple[Metric, Cells]] = [(RANK, ranking)] if ranking else []
    for metric in metrics:
        columns.append((metric, _estimates(averages(results, metric.field), "method")))
        if metric.field == RANKED and CEILING in labels:
            columns.append((OF_CEILING, _estimates(shares_of_ceiling(results), "method")))
    columns += [
        (SECONDS, {str(m): _cell(_exact(value)) for m, value in run["seconds"].mean().items()}),
        (PEAK, {str(m): _cell(_exact(value)) for m, value in run["peak_mib"].max().items()}),
        (FAILED, {str(m): _count((status != "ok").sum()) for m, status in run["status"]}),
    ]
    marked = [_marked(labels, cells, metric.lower_is_better) for metric, cells in columns]
    return Table(
        "Methods over all settings: means, with 95% intervals over seeds",
        [metric for metric, _ in columns],
        [Row(m, label, [cells[k] for cells in marked]) for k, (m, label) in enumerate(labels.items())],
    )


def _by_setting(results: pd.DataFrame, labels: dict[str, str], metric: Metric) -> Table:
    rows = []
    for setting, found in scores(results, metric.field).groupby("setting", sort=False):
        marked = _marked(labels, _estimates(found, "method"), metric.lower_is_better)
        rows.append(Row(str(setting), str(setting), marked))
    columns = [Metric(m, label, metric.meaning, metric.lower_is_better) for m, label in labels.items()]
    return Table(f"{metric.name} by setting, with 95% intervals over seeds", columns, rows)


def _lead(tests: pd.DataFrame, labels: dict[str, str]) -> Table:
    rows = [
        Row(
            row["other"],
            labels[row["other"]],
            [
                _cell(Estimate(value=row["difference"], low=row["low"], high=row["high"])),
                _cell(_exact(row["p_holm"])),
                _count(row["n"]),
            ],
        )
        for row in tests.to_dict("records")
    ]
    return Table(f"{labels[tests['method'].iloc[0]]} against each other method", [AHEAD, P_VALUE, PAIRED], rows)


def _estimates(found: pd.DataFrame, by: str) -> Cells:
    return {
        str(row[by]): _cell(Estimate(value=row["value"], low=row["low"], high=row["high"]))
        for row in found.to_dict("records")
    }


def _exact(value: float) -> Estimate:
    return Estimate(value=value, low=float("nan"), high=float("nan"))


def _count(n: int) -> Cell:
    return Cell(str(n), value=n)


def _cell(estimate: Estimate | None) -> Cell:
    if estimate is None or not is_defined(estimate.value):
        return Cell(format_number(None))
    return Cell(format_number(estimate.value), format_interval(estimate), estimate.value)


def _marked(methods: Iterable[str], cells: Cells, lower_is_better: bool) -> list[Cell]:
    """A cell for each method, the best one of a contestant marked."""
    known = {m: cell.value for m, cell in cells.items() if m not in BOUNDS and cell.value is not None}
    best = (min if lower_is_better else max)(known.values(), default=None)
    return [replace(cells.get(m, _cell(None)), best=m in known and known[m] == best) for m in methods]
