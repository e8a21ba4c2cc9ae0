"""What figures show, as tables: for those who cannot see them, and for those who want the numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from reports.figures import neuron_name, precision_recall
from reports.forecast_figures import MAX_STEPS_SHOWN
from reports.network_figures import MAX_LISTED, surest
from reports.numbers import format_number, is_defined
from reports.tables import Cell, Row, Table, estimate_cell, horizon_text
from synapsnet.connectome import Connectome
from validation.metrics.glossary import Metric
from validation.metrics.results import Estimate, ForecastScores, RunResults

N_INTERVALS = 20
RECALLS = (0.1, 0.25, 0.5, 0.75, 0.9)


def true_table(truth: Connectome, neurons: pd.DataFrame) -> Table:
    """The strongest of the true connections, at most `MAX_LISTED`.

    Parameters
    ----------
    truth : Connectome
    neurons : DataFrame with N rows
    """
    post, pre = np.nonzero(truth.adjacency)
    order = np.argsort(-np.abs(truth.weight[post, pre]), kind="stable")[:MAX_LISTED]
    ids = neurons["id"].astype(str).to_numpy()
    rows = [
        Row("", f"{ids[a]} → {ids[b]}", [_number(truth.weight[b, a])])
        for a, b in zip(pre[order], post[order], strict=True)
    ]
    column = Metric("", f"weight ({truth.unit})", "Positive excites, negative inhibits.")
    return Table(f"{len(rows)} of the {len(pre)} true connections, the strongest", [column], rows)


def map_table(connectome: Connectome, neurons: pd.DataFrame, axes: tuple[str, str]) -> Table:
    """The connections of `reports.network_figures.map_figure`, the surest first, at most `MAX_LISTED`.

    Parameters
    ----------
    connectome : Connectome
        Inferred, with standard errors.
    neurons : DataFrame with N rows
    axes : two columns of it
    """
    pre, post, position = surest(connectome, neurons, axes)
    across, along = (axis[0] for axis in axes)
    columns = [
        Metric("weight", "weight", "Positive excites, negative inhibits."),
        Metric("distance", "distance (µm)", "Between the two neurons, in the plane of the map.", True),
        *(Metric("", f"{end} {axis} (µm)", "Where it lies.") for end in ("from", "to") for axis in (across, along)),
    ]
    rows = []
    for a, b in zip(pre[:MAX_LISTED], post[:MAX_LISTED], strict=True):
        distance = float(np.hypot(*(position[b] - position[a])))
        numbers = (connectome.weight[b, a], distance, *position[a], *position[b])
        rows.append(Row("", f"{neurons['id'].iloc[a]} → {neurons['id'].iloc[b]}", [_number(x) for x in numbers]))
    return Table(f"{len(rows)} of the {len(pre)} connections of the map, the surest", columns, rows)


def example_table(results: RunResults, horizon_steps: int, method: str) -> Table:
    """Held-out activity at first sight of `reports.forecast_figures.forecast_figure`, and a method's forecasts of it.

    Parameters
    ----------
    results : RunResults
        With an example.
    horizon_steps : int
    method : str
        One with forecasts so far ahead.

    Returns
    -------
    Table
        A row for each of at most `N_INTERVALS` intervals: numbers of spikes, or means of a trace.
    """
    example = results.example
    assert example is not None
    n_steps = min(len(example.time_s), MAX_STEPS_SHOWN)
    starts = np.arange(0, n_steps, -(-n_steps // N_INTERVALS))
    label = results.labels.get(method, method)
    columns, values = [], []
    shown = results.neurons.iloc[example.neurons]
    what = "Number of spikes" if results.modality == "spikes" else "Mean"
    for k, name in enumerate(map(neuron_name, shown["cell_type"], shown["id"])):
        for of, series in (("observed", example.observed), (label, example.predicted[method][horizon_steps])):
            columns.append(Metric("", f"{name}, {of}", f"{what} in the interval."))
            values.append([_pooled(part, results.modality) for part in np.split(series[:n_steps, k], starts[1:])])
    rows = [
        Row("", f"{example.time_s[start]:.2f}\u00a0s", [_number(column[k]) for column in values])
        for k, start in enumerate(starts)
    ]
    caption = f"{what} in intervals from the time given, and as forecast {horizon_text(horizon_steps, results.dt_s)}"
    return Table(f"{caption} ahead", columns, rows)


def horizon_table(results: RunResults, pick: Callable[[ForecastScores], list[Estimate]], title: str) -> Table:
    """A forecasting score of all methods at all horizons.

    Parameters
    ----------
    pick : function of ForecastScores
        Which score.
    title : str
        Its name.
    """
    scores = results.scores.forecast
    columns = [
        Metric("", horizon_text(steps, results.dt_s), f"So far ahead: {title}.") for steps in scores[0].horizon_steps
    ]
    rows = [Row(s.method, results.labels.get(s.method, s.method), [estimate_cell(e) for e in pick(s)]) for s in scores]
    return Table(f"{title[0].upper()}{title[1:]} by how far ahead a forecast was made", columns, rows)


def precision_recall_table(results: RunResults) -> Table:
    """Precision of all methods where they first reach a recall. Needs ground truth."""
    assert results.truth is not None
    columns = [Metric("", f"at recall {recall:g}", f"Precision where recall reaches {recall:g}.") for recall in RECALLS]
    rows = []
    for method, inferred in results.inferred.items():
        recall, precision = precision_recall(results.truth, inferred)
        best = [precision[recall >= least].max() for least in RECALLS]
        rows.append(Row(method, results.labels.get(method, method), [_number(float(x)) for x in best]))
    return Table("Best precision at this recall or a higher one", columns, rows)


def _pooled(values: np.ndarray, modality: str) -> float:
    """The number of spikes, or the mean of a trace; NaN where nothing was forecast."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan")
    return float(finite.sum() if modality == "spikes" else finite.mean())


def _number(value: float) -> Cell:
    whole = float(value).is_integer() and abs(value) < 1000
    text = f"{value:z.0f}".replace("-", "−") if whole else format_number(value)
    return Cell(text, value=float(value) if is_defined(value) else None)
