"""The figures of a run, each with its caption and its numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import plotly.graph_objects as go

from reports.figure_tables import example_table, horizon_table, map_table, precision_recall_table, true_table
from reports.figures import MAX_ROWS, MAX_STROKED, Styles, matrix_figure, precision_recall_figure
from reports.forecast_figures import forecast_figure, horizon_figure
from reports.network_figures import (
    MAX_EDGES,
    MAX_MARKED,
    MOST_CLUSTERED,
    cluster_names,
    map_figure,
    plane,
    surest_table,
)
from reports.page import Panel
from reports.palette import MODEL
from reports.summary import best_forecaster
from reports.tables import horizon_text
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from validation.metrics.results import RunResults

WEIGHTS = {
    "log odds per presynaptic spike": "A weight of 0.7 doubles the odds of a spike in the postsynaptic neuron, summed "
    "over the whole effect of one presynaptic spike; −0.7 halves them.",
    "log rate per presynaptic spike": "A weight of 0.7 doubles the rate of the postsynaptic neuron, summed over the "
    "whole effect of one presynaptic spike; −0.7 halves it.",
    "SD per SD": "A weight of 0.1: if the presynaptic neuron's activity rises by one standard deviation (SD), the "
    "postsynaptic neuron's follows by 0.1 of its own.",
}


def weight_text(unit: str) -> str:
    """The meaning of a weight in this unit; empty for units of other methods."""
    return WEIGHTS.get(unit, "")


def connectivity_panels(run: RunResults, styles: Styles) -> Iterator[Panel]:
    """The matrices, the map of the network where positions are known, and precision and recall where the truth is."""
    reading = (
        "Each column is a presynaptic neuron, each row a postsynaptic one, ordered by cell type, area or "
        "cluster of neurons with similar connections (lines); red excites, blue inhibits. A column of one colour is a "
        "neuron that only excites or only inhibits."
    )
    if run.n_neurons <= MAX_STROKED:
        reading += " Cells that inhibit are struck through."
    if run.n_neurons > MAX_ROWS:
        reading += (
            f" There are {run.n_neurons:,} neurons: a cell is the mean over the pairs of about "
            f"{run.n_neurons / MAX_ROWS:.2g} neurons with as many. Single neurons are below."
        )
    comparison = f"{reading} The true connections are not known, so no pattern here is proof of one."
    if run.truth is not None:
        comparison = (
            "The same neurons in the same order. Dots where the true matrix is white are false connections, white "
            "where it has dots are missed ones. Each method has its own scale: compare patterns, not shades."
        )
        yield Panel(
            "True connectivity",
            reading,
            {"": matrix_figure(run.truth.weight, run.neurons, f"weight ({run.truth.unit})")},
            shape="matrix",
            table=true_table(run.truth, run.neurons),
            of="connection",
        )
    if run.inferred:
        yield from _inferred_panels(run, comparison)
    if run.truth is not None and run.truth.adjacency.any() and run.inferred:
        yield Panel(
            "Precision and recall",
            "All pairs ranked by absolute score, the most certain first. From left to right a method reports "
            "more pairs: recall is the fraction of true connections among them, precision the fraction of them that "
            "are true. Higher is better; the dashed line is guessing.",
            {"": precision_recall_figure(run, styles)},
            shape="wide",
            table=precision_recall_table(run),
            of="method",
        )


def _inferred_panels(run: RunResults, caption: str) -> Iterator[Panel]:
    """The matrices of all methods, in all orders of SynapsNet's, and its map."""
    plots = {}
    for method in sorted(run.inferred, key=lambda method: method != MODEL):
        name, drawn = run.labels.get(method, method), _drawn(run.inferred[method], run.neurons)
        plots[name] = matrix_figure(*drawn)
        if method == MODEL:
            plots |= {f"{name}, by {by}": figure for by, figure in _other_orders(run.inferred[method], run.neurons)}
    model = run.inferred.get(MODEL)
    model = None if model is None or model.standard_error is None else model
    yield Panel(
        "Inferred connectivity",
        caption,
        plots,
        choice="Inferred by",
        shape="matrix",
        table=None if model is None else surest_table(model, run.neurons),
        of="connection",
    )
    if model is not None and (axes := plane(run.neurons)) is not None:
        yield Panel(
            "Map of the network",
            f"{_marked(run.neurons)} at their positions, marked by cell type. Lines are the connections that SynapsNet "
            f"reports, at most the {MAX_EDGES} with the strongest evidence, and end at the postsynaptic neuron: solid "
            "ones with an arrow excite, dashed ones with a bar inhibit. Point at an end to read it.",
            {"": map_figure(model, run.neurons, axes)},
            shape="map",
            table=map_table(model, run.neurons, axes),
            of="connection",
        )


def forecast_panels(run: RunResults, styles: Styles) -> Iterator[Panel]:
    """Forecasts over held-out data, and their scores over the horizon."""
    if run.example is not None and run.example.predicted:
        example = run.example
        steps = sorted({step for horizons in example.predicted.values() for step in horizons})
        shown = {MODEL, best_forecaster(run)} & set(example.predicted) or set(example.predicted)
        drawn = "bars are spikes, lines expected counts" if run.modality == "spikes" else "the black line is the data"
        yield Panel(
            "Forecasts over held-out data",
            f"Each point of a forecast was made the chosen time before it; {drawn}. Good forecasts rise before or with "
            "the activity; far ahead they flatten towards the mean. Tick the methods to show, drag to move in time.",
            {horizon_text(step, run.dt_s): forecast_figure(run, styles, step, shown) for step in steps},
            choice="Made ahead by",
            shape="tall",
            table=example_table(run, steps[0], MODEL if MODEL in shown else min(shown)),
            of="from",
        )
    if run.scores.forecast:
        yield Panel(
            "Skill over the horizon",
            "Fraction by which the error of always forecasting each neuron's mean is reduced: 1 is perfect, at 0 the "
            "forecast is no better than the mean. The bands are 95% intervals; methods whose bands overlap may not "
            "differ.",
            {"": horizon_figure(run, styles, lambda scores: scores.skill_over_mean, "skill over mean")},
            table=horizon_table(run, lambda scores: scores.skill_over_mean, "skill over mean"),
            of="method",
        )
        yield Panel(
            "Error and correlation over the horizon",
            "The same forecasts by other measures: correlation (higher is better) ignores scale and offset, the mean "
            "squared error (MSE, lower is better) does not. Constant forecasts have no correlation.",
            {
                "correlation": horizon_figure(run, styles, lambda scores: scores.correlation, "correlation"),
                "MSE": horizon_figure(run, styles, lambda scores: scores.mse, "mean squared error"),
            },
            choice="Show",
            table=horizon_table(run, lambda scores: scores.correlation, "correlation"),
            of="method",
        )


def _marked(neurons: pd.DataFrame) -> str:
    return "Neurons" if len(neurons) <= MAX_MARKED else "Neurons that these connections lead from or to,"


def _other_orders(inferred: Connectome, neurons: pd.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """The matrix ordered by area, where areas are known, and by groups that are connected alike."""
    values, _, title = _drawn(inferred, neurons)
    if neurons["area"].nunique() > 1:
        yield "area", matrix_figure(values, neurons, title, by="area")
    if len(neurons) > MOST_CLUSTERED:
        return
    groups = neurons.assign(cluster=cluster_names(inferred.scores))
    if groups["cluster"].nunique() > 1:
        yield "cluster", matrix_figure(values, groups, title, by="cluster")


def _drawn(inferred: Connectome, neurons: pd.DataFrame) -> tuple[FloatArray, pd.DataFrame, str]:
    """What is drawn of a connectome: weights that are estimated with a prior as they are, others over their error."""
    if inferred.local_fdr is None and inferred.standard_error is not None:
        return inferred.scores, neurons, "weight / standard error"
    return inferred.weight, neurons, f"weight ({inferred.unit})"
