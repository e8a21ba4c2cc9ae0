"""Tables of the leaderboard: methods by rank, by setting, against a reference, and what they lose along curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from reports.numbers import format_interval, format_number, is_defined
from reports.tables import Cell, Row, Table
from validation.benchmark.curves import Curve, losses
from validation.benchmark.published import Peers, peers
from validation.benchmark.ranking import (
    CEILING,
    RANKED,
    averages,
    cases,
    differences,
    scores,
    settings,
    shares_of_ceiling,
)
from validation.methods import BOUNDS
from validation.metrics.glossary import CONNECTIVITY_METRICS, Metric
from validation.metrics.results import Estimate

RANK = Metric(
    "rank",
    "rank",
    "By mean AUPRC over all connected networks and seeds, a failed case counting as 0; the interval is that of the "
    "rank if other ones had been drawn.",
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
FAILED = Metric("failed", "failed", "Cases in which it raised, ran out of time or died.", lower_is_better=True)

AHEAD = Metric(
    "difference",
    "ahead by",
    "How much more AUPRC the first method has, on average over connected networks and seeds, a failed case counting as "
    "0; the interval is of this pair alone.",
    lower_is_better=True,
)
P_VALUE = Metric(
    "p_holm",
    "p",
    "P-value of Wilcoxon's signed-rank test of these differences, corrected for all pairs of methods (Holm 1979); with "
    "few networks and seeds it cannot be small.",
    lower_is_better=True,
)
PAIRED = Metric("n", "networks × seeds", "How many differences there are, each averaged over the observations.")
LOSS = Metric(
    "loss",
    "loss of AUPRC",
    "1 - AUPRC / AUPRC at the easiest point of the curve, of the same method and seed: the whole population, no shared "
    "input, the least noise, the longest recording that all methods have. What is at chance has nothing to lose.",
    lower_is_better=True,
)
MORE = Metric(
    "more",
    "more than the first",
    "How much more of its AUPRC a method loses than the one it is compared with, paired by seed; above 0 it degrades "
    "faster.",
)
SOURCE = Metric("source", "where", "Computed here, or published by others for the same file, with their settings.")
LESS = Metric(
    "less",
    "AUPRC less that of another",
    "On the same recordings; the interval over seeds is of this pair alone.",
)

Cells = dict[str, Cell]  # by method


@dataclass(frozen=True)
class LossTable(Table):
    """What is lost along a curve.

    Attributes
    ----------
    verdict : str
        At each point, which methods lose more than the reference, and which less; what the 95% interval of a pair
        leaves open is not called a difference, and bounds are no contestants.
    """

    verdict: str = ""


def standing_table(
    results: pd.DataFrame, labels: dict[str, str], metrics: Sequence[Metric], ranking: pd.DataFrame | None
) -> Table:
    """Methods by metrics averaged over settings, and costs.

    Parameters
    ----------
    results : DataFrame
    labels : dict of method -> str
    metrics : sequence of Metric
    ranking : DataFrame or None
        See `validation.benchmark.ranking.ranks`.
    """
    run = cases(results).groupby("method")
    columns: list[tuple[Metric, Cells]] = []
    if ranking is not None:
        columns.append((RANK, _estimates(ranking, "rank", "rank_low", "rank_high")))
    for metric in metrics:
        columns.append((metric, _estimates(averages(results, metric.field))))
        if metric.field == RANKED and CEILING in labels:
            columns.append((OF_CEILING, _estimates(shares_of_ceiling(results))))
    columns += [
        (SECONDS, {str(m): _number(value) for m, value in run["seconds"].mean().items()}),
        (PEAK, {str(m): _number(value) for m, value in run["peak_mib"].max().items()}),
        (FAILED, {str(m): _count((status != "ok").sum()) for m, status in run["status"]}),
    ]
    marked = [_marked(labels, cells, metric.lower_is_better) for metric, cells in columns]
    return Table(
        "Methods over all settings: means, with 95% intervals over seeds",
        [metric for metric, _ in columns],
        [Row(m, label, [cells[k] for cells in marked]) for k, (m, label) in enumerate(labels.items())],
    )


def setting_table(results: pd.DataFrame, labels: dict[str, str], metric: Metric) -> Table:
    """Settings by methods: one metric."""
    rows = []
    for setting, of_setting in scores(results, metric.field).groupby("setting", sort=False):
        rows.append(Row(str(setting), str(setting), _marked(labels, _estimates(of_setting), metric.lower_is_better)))
    columns = [Metric(m, label, metric.meaning, metric.lower_is_better) for m, label in labels.items()]
    return Table(f"{metric.name} by setting, with 95% intervals over seeds", columns, rows)


def fidelity_table(results: pd.DataFrame, labels: dict[str, str]) -> str:
    """Settings by methods in Markdown: AUPRC / realised FDR, the fraction of reported pairs that are false.

    The best AUPRC of a contestant is bold. Where nothing is connected the number of pairs that are reported stands in
    place of both; a dash where a method took no part, failed, or says nothing of significance. A last row has seconds.
    """
    tables = {name: scores(results, name) for name in (RANKED, "false_discovery_rate", "n_reported")}
    by_cell = {
        name: {(row["setting"], row["method"]): row["value"] for row in rows.to_dict("records")}
        for name, rows in tables.items()
    }
    lines = [f"| AUPRC / realised FDR | {' | '.join(labels.values())} |", "|---" * (len(labels) + 1) + "|"]
    for setting in dict.fromkeys(settings(results)):
        auprc = {method: by_cell[RANKED].get((setting, method)) for method in labels}
        able = [value for method, value in auprc.items() if value is not None and method not in BOUNDS]
        best = max(able, default=None)
        cells = []
        for method, value in auprc.items():
            reported = by_cell["n_reported"].get((setting, method))
            if value is None:
                cells.append("–" if reported is None or best is not None else f"{reported:.0f} reported")
                continue
            false = by_cell["false_discovery_rate"].get((setting, method))
            shown = f"**{value:.3f}**" if value == best else f"{value:.3f}"
            cells.append(f"{shown} / {'–' if false is None or not reported else f'{false:.0%}'}")
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    seconds = cases(results).groupby("method")["seconds"].mean()
    lines.append(f"| seconds | {' | '.join(format_number(seconds.get(method)) for method in labels)} |")
    for group in peers(results):
        values = ", ".join(f"{name} {value:.3f}" for name, value in group.published.values.items())
        name = _metric(group.published.metric).name
        lines += [
            "",
            f"Published by others for {group.setting}, not computed here: {name} {values} "
            f"({group.published.citation}).",
        ]
    return "\n".join([*lines, ""])


def peer_tables(results: pd.DataFrame, labels: dict[str, str]) -> list[Table]:
    """For each setting of which others published something: their methods and ours by the metric, the best first."""
    return [_peer_table(results, labels, group) for group in peers(results)]


def _peer_table(results: pd.DataFrame, labels: dict[str, str], of: Peers) -> Table:
    metric = _metric(of.published.metric)
    values = scores(results, metric.field)
    ours = _estimates(values[values["setting"] == of.setting])
    rows = [Row(method, labels[method], [cell, Cell("here")]) for method, cell in ours.items() if method in labels]
    rows += [
        Row(f"published-{name}", name, [_number(value), Cell("published")])
        for name, value in of.published.values.items()
    ]
    rows.sort(key=lambda row: row.cells[0].value or 0.0, reverse=not metric.lower_is_better)
    return Table(f"{of.setting}: {metric.name}, here and published. {of.published.citation}", [metric, SOURCE], rows)


def _metric(field: str) -> Metric:
    return next(metric for metric in CONNECTIVITY_METRICS if metric.field == field)


def difference_table(results: pd.DataFrame, labels: dict[str, str], reference: str) -> Table:
    """Settings by methods: how much more AUPRC each has than the reference, on the same recordings."""
    others = [method for method in labels if method != reference]
    rows = []
    for setting, by_method in differences(results, reference).groupby("setting", sort=False):
        cells = _estimates(by_method)
        rows.append(Row(str(setting), str(setting), [cells.get(method, _number(None)) for method in others]))
    columns = [replace(LESS, field=method, name=labels[method]) for method in others]
    caption = f"AUPRC less that of {labels[reference]} by setting, paired by seed, with 95% intervals"
    return Table(caption, columns, rows)


def lead_table(tests: pd.DataFrame, labels: dict[str, str]) -> Table:
    """The first against each other method, see `validation.benchmark.ranking.lead`."""
    cells = _estimates(tests, "difference", key="other")
    rows = [
        Row(row["other"], labels[row["other"]], [cells[row["other"]], _number(row["p_holm"]), _count(row["n"])])
        for row in tests.to_dict("records")
    ]
    return Table(f"{labels[tests['method'].iloc[0]]} against each other method", [AHEAD, P_VALUE, PAIRED], rows)


def loss_table(curve: Curve, labels: dict[str, str], reference: str) -> LossTable:
    """Methods by the points of a curve: what is lost, and how much more than by the reference."""
    lost_fractions = losses(curve, reference)
    columns: list[Metric] = []
    cells: dict[str, list[Cell]] = {method: [] for method in labels if method in set(lost_fractions["method"])}
    sentences = []
    for x, at_point in lost_fractions.groupby("x", sort=False):
        columns += [
            replace(LOSS, field=f"loss-{x:g}", name=f"at {x:.3g}"),
            replace(MORE, field=f"more-{x:g}", name=f"more than {labels[reference]}"),
        ]
        lost = _marked(cells, _estimates(at_point), lower_is_better=True)
        more = _estimates(at_point, "more", "more_low", "more_high")
        for (method, row), cell in zip(cells.items(), lost, strict=True):
            row += [cell, more[method]]
        others = at_point[~at_point["method"].isin(BOUNDS)]
        faster, slower = others["more_low"] > 0, others["more_high"] < 0
        sentences.append(
            f"At {x:.3g} these lose significantly more of their AUPRC than {labels[reference]}: "
            f"{_named(others[faster], labels)}; these less: {_named(others[slower], labels)}."
        )
    return LossTable(
        f"Share of AUPRC lost: {curve.title}, else as in {curve.base}",
        columns,
        [Row(method, labels[method], row) for method, row in cells.items()],
        verdict=" ".join(sentences),
    )


def _named(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    return ", ".join(labels[method].replace(",", "") for method in rows["method"]) or "none"


def _estimates(
    table: pd.DataFrame, value: str = "value", low: str = "low", high: str = "high", *, key: str = "method"
) -> Cells:
    """A cell for each row."""
    return {
        str(row[key]): _cell(Estimate(value=row[value], low=row[low], high=row[high]))
        for row in table.to_dict("records")
    }


def _cell(estimate: Estimate) -> Cell:
    if not is_defined(estimate.value):
        return Cell(format_number(None))
    return Cell(format_number(estimate.value), format_interval(estimate), estimate.value)


def _number(value: float | None) -> Cell:
    nan = float("nan")
    return _cell(Estimate(value=nan if value is None else value, low=nan, high=nan))


def _count(n: int) -> Cell:
    return Cell(str(n), value=n)


def _marked(methods: Iterable[str], cells: Cells, lower_is_better: bool) -> list[Cell]:
    """A cell for each method, the best one of a contestant marked."""
    contestants = {m: cell.value for m, cell in cells.items() if m not in BOUNDS and cell.value is not None}
    best = (min if lower_is_better else max)(contestants.values(), default=None)
    return [replace(cells.get(m, _number(None)), best=m in contestants and contestants[m] == best) for m in methods]
