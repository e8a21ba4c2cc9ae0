"""The report's tables of scores: methods by metrics, every number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.numbers import format_duration, format_interval, format_number, is_defined
from validation.results import Estimate, RunResults


@dataclass(frozen=True)
class Metric:
    """A column: the field of the scores it shows, its printed name, and what it means."""

    field: str
    name: str
    meaning: str
    lower_is_better: bool = False
    chance: float | None = None


CONNECTIVITY_METRICS = (
    Metric(
        "auprc",
        "AUPRC",
        "Area under the precision-recall curve (average precision), pairs ranked by absolute score: 1 if every true "
        "connection ranks above every absent one; chance is the share of pairs that are connected.",
    ),
    Metric(
        "auroc",
        "AUROC",
        "Area under the receiver operating characteristic: the chance that a true connection has a larger absolute "
        "score than an absent pair, ties counting half.",
        chance=0.5,
    ),
    Metric(
        "signed_auroc",
        "signed AUROC",
        "Mean of two AUROCs: excitatory connections against all other pairs ranked by score, and inhibitory "
        "connections against all other pairs ranked by minus the score.",
        chance=0.5,
    ),
    Metric(
        "sign_accuracy",
        "sign accuracy",
        "Share of the true connections whose score has the right sign; a score of 0 counts as wrong.",
    ),
    Metric(
        "weight_correlation",
        "weight r",
        "Pearson correlation of true and inferred weight over all pairs, absent ones included.",
        chance=0.0,
    ),
    Metric(
        "direction_accuracy",
        "direction",
        "Among pairs connected in one direction only, the share whose absolute score is larger in that direction than "
        "in the reverse one, ties counting half.",
        chance=0.5,
    ),
)
FORECAST_METRICS = (
    Metric(
        "mse",
        "MSE",
        "Mean squared error over held-out steps and neurons, in squared units of the activity; lower is better.",
        lower_is_better=True,
    ),
    Metric(
        "r2",
        "R²",
        "1 − squared error / variance of each neuron, averaged over neurons; 0 for a forecast as good as the neuron's "
        "held-out mean, negative for a worse one. Neurons without held-out variance are left out.",
    ),
    Metric(
        "correlation",
        "correlation",
        "Pearson correlation of forecast and observation over time per neuron, averaged over the neurons that have "
        "one; none for a constant forecast.",
    ),
    Metric("skill_over_mean", "skill over mean", "1 − MSE / MSE of always forecasting each neuron's mean in training."),
    Metric("skill_over_copy", "skill over copy", "1 − MSE / MSE of copying the last observed value."),
)
BITS = Metric(
    "bits_per_spike",
    "bits/spike",
    "Gain in Poisson log likelihood over each neuron's mean rate in training, one step ahead, summed over neurons and "
    "divided by the number of held-out spikes, in bits. Forecasts are clipped below at 0.0001 spikes per bin.",
)


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
    columns = [[getattr(s, m.field) for s in results.scores.connectivity] for m in CONNECTIVITY_METRICS]
    chance = [results.scores.edge_density if m.field == "auprc" else m.chance for m in CONNECTIVITY_METRICS]
    return Table(
        "Recovery of the true connections, self-connections excluded",
        CONNECTIVITY_METRICS,
        _rows(results, [s.method for s in results.scores.connectivity], CONNECTIVITY_METRICS, columns),
        [Cell("" if value is None else format_number(value)) for value in chance],
    )


def forecast_table(results: RunResults, index: int) -> Table:
    """Forecasting of held-out data at the `index`-th horizon; bits per spike only at the first."""
    scores = results.scores.forecast
    metrics: tuple[Metric, ...] = FORECAST_METRICS
    columns: list[list[Estimate | None]] = [[getattr(s, m.field)[index] for s in scores] for m in metrics]
    if index == 0 and results.modality == "spikes":
        metrics = (*metrics, BITS)
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
        Row(method, results.labels.get(method, method), [_cell(c[k], b) for c, b in zip(columns, best, strict=True)])
        for k, method in enumerate(methods)
    ]


def _cell(estimate: Estimate | None, best: float | None) -> Cell:
    if estimate is None or not is_defined(estimate.value):
        return Cell(format_number(None))
    return Cell(format_number(estimate.value), format_interval(estimate), estimate.value, estimate.value == best)
