"""The report's tables of scores: methods by metrics, every number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.numbers import format_duration, format_interval, format_number, is_defined
from validation.metrics.glossary import BITS, CONNECTIVITY_METRICS, FORECAST_METRICS, Metric
from validation.metrics.results import Estimate, RunResults


@dataclass(frozen=True)
class Cell:
    """A printed number; `value` in full precision is what sorting goes by (None sorts last)."""

    text: str
    interval: str = ""
    value: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One method's numbers."""

    method: str
    label: str
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """Methods by metrics; `chance` is a last row that does not take part in sorting."""

    caption: str
    columns: Sequence[Metric]
    rows: list[Row]
    chance: list[Cell] | None = None


def connectivity_table(results: RunResults) -> Table | None:
    """Recovery of the true connectome, or None without ground truth."""
    if results.truth is None or not results.scores.connectivity:
        return None
    metrics = [m for m in CONNECTIVITY_METRICS if m.shown]
    columns = [[getattr(s, m.field) for s in results.scores.connectivity] for m in metrics]
    chance = [results.scores.edge_density if m.field == "auprc" else m.chance for m in metrics]
    return Table(
        "Recovery of the true connections, self-connections excluded",
        metrics,
        _rows(results, [s.method for s in results.scores.connectivity], metrics, columns),
        [Cell("" if value is None else format_number(value)) for value in chance],
    )


def forecast_table(results: RunResults, index: int) -> Table:
    """Forecasting of held-out data at the `index`-th horizon; bits per spike only at the first."""
    scores = results.scores.forecast
    metrics = [m for m in FORECAST_METRICS if m.shown]
    columns: list[list[Estimate | None]] = [[getattr(s, m.field)[index] for s in scores] for m in metrics]
    if index == 0 and results.modality == "spikes":
        metrics.append(BITS)
        columns.append([s.bits_per_spike for s in scores])
    steps = scores[0].horizon_steps[index]
    return Table(
        f"Forecasts {horizon_text(steps, results.dt_s)} ahead on held-out data",
        metrics,
        _rows(results, [s.method for s in scores], metrics, columns),
    )


def timing_table(results: RunResults) -> Table:
    """Seconds that each method took."""
    metric = Metric("seconds", "seconds", "Wall-clock time to fit.", lower_is_better=True)
    rows = [
        Row(method, results.labels.get(method, method), [Cell(format_number(seconds), value=seconds)])
        for method, seconds in results.scores.seconds.items()
    ]
    return Table(f"Time to fit on {results.device.upper()}", [metric], rows)


def horizon_text(steps: int, dt_s: float) -> str:
    """A horizon in steps and time, for example `16 steps (80 ms)`."""
    return f"{steps} step{'s' if steps > 1 else ''} ({format_duration(steps * dt_s)})"


def _rows(
    results: RunResults,
    methods: Sequence[str],
    metrics: Sequence[Metric],
    columns: Sequence[Sequence[Estimate | None]],
) -> list[Row]:
    """Transpose columns of estimates into rows of cells, the best of each column marked."""
    best = []
    for metric, column in zip(metrics, columns, strict=True):
        values = [e.value for e in column if e is not None and is_defined(e.value)]
        best.append((min if metric.lower_is_better else max)(values, default=None))
    return [
        Row(
            method,
            results.labels.get(method, method),
            [estimate_cell(c[k], b) for c, b in zip(columns, best, strict=True)],
        )
        for k, method in enumerate(methods)
    ]


def estimate_cell(estimate: Estimate | None, best: float | None = None) -> Cell:
    """An estimate with its interval; `best` is the value of the column's best."""
    if estimate is None or not is_defined(estimate.value):
        return Cell(format_number(None))
    return Cell(format_number(estimate.value), format_interval(estimate), estimate.value, estimate.value == best)
