"""One self-contained HTML page from scored runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from reports.assessment import Assessed, assessed
from reports.details import Details
from reports.exports import unique_names
from reports.figures import MAX_NEURONS, FloatArray, Styles, matrix_figure, precision_recall_figure
from reports.forecast_figures import forecast_figure, horizon_figure
from reports.network_figures import MAX_EDGES, cluster_names, map_figure, plane, surest_table
from reports.neuron_view import neuron_data
from reports.numbers import format_duration, format_number
from reports.page import Panel, flat, render_page
from reports.palette import MODEL, method_styles
from reports.summary import Statement, best_forecaster, summarise
from reports.tables import (
    BITS,
    CONNECTIVITY_METRICS,
    FORECAST_METRICS,
    Table,
    connectivity_table,
    forecast_table,
    horizon_text,
    timing_table,
)
from synapsnet.errors import InputError
from synapsnet.files import write_text
from synapsnet.recording import Connectome
from validation.results import RunResults


@dataclass(frozen=True)
class NeuronView:
    """What the template needs for the view of one neuron."""

    names: list[str]
    data: Markup
    has_activity: bool


@dataclass(frozen=True)
class Section:
    """One run as the template lays it out."""

    anchor: str
    title: str
    facts: dict[str, str]
    statements: list[Statement]
    assessed: Assessed | None
    connectivity: list[Panel]
    connectivity_scores: Table | None
    neurons: NeuronView | None
    forecasts: list[Panel]
    forecast_scores: list[Table]
    timing: Table
    setup: list[tuple[str, str]]
    interval: str
    n_seeds: int


def render(results: Sequence[RunResults], title: str, details: Sequence[Details] = ()) -> str:
    """The page as text; the same results make the same text.

    Parameters
    ----------
    results : sequence of RunResults
        One section each, in this order.
    title : str
    details : sequence of Details
        Of each run; default none of any.

    Raises
    ------
    InputError
        If there are no results.
    """
    if not results:
        raise InputError("A report needs at least one scored run; got none. Score a run first.")
    styles = method_styles(method for run in results for method in _methods(run))
    return render_page(
        "report.html",
        title=title,
        sections=[
            _section(run, more, styles, f"run-{k}")
            for k, (run, more) in enumerate(zip(results, details or [Details()] * len(results), strict=True), start=1)
        ],
        styles=styles,
        glossary=[metric for metric in (*CONNECTIVITY_METRICS, *FORECAST_METRICS, BITS) if metric.shown],
    )


def write_report(
    results: Sequence[RunResults],
    path: str | Path,
    title: str = "SynapsNet report",
    details: Sequence[Details] = (),
) -> None:
    """Write the page to `path`, whole or not at all.

    Parameters
    ----------
    results : sequence of RunResults
        One section each, in this order.
    path : str or Path
    title : str
    details : sequence of Details
        Of each run; default none of any.

    Raises
    ------
    InputError
        If there are no results, or `path` cannot be written to.
    """
    write_text(path, render(results, title, details))


def _methods(run: RunResults) -> Iterator[str]:
    yield from run.inferred
    yield from (scores.method for scores in run.scores.forecast)
    yield from run.example.predicted if run.example else ()


def _section(run: RunResults, more: Details, styles: Styles, anchor: str) -> Section:
    found = None if more.assessment is None else assessed(more.assessment, more.parts)
    statements = [] if found is None else found.statements
    if found is None or run.truth is not None:
        statements += summarise(run)
    horizons = run.scores.forecast[0].horizon_steps if run.scores.forecast else []
    return Section(
        anchor=anchor,
        title=run.title,
        facts=_facts(run),
        statements=statements,
        assessed=found,
        connectivity=list(_connectivity_panels(run, styles)),
        connectivity_scores=connectivity_table(run),
        neurons=_neurons(run, more),
        forecasts=list(_forecast_panels(run, styles)),
        forecast_scores=[forecast_table(run, k) for k in sorted({0, len(horizons) - 1})] if horizons else [],
        timing=timing_table(run),
        setup=list(flat(run.setup)),
        interval=run.scores.interval,
        n_seeds=run.scores.n_seeds,
    )


def _facts(run: RunResults) -> dict[str, str]:
    kinds = run.neurons["cell_type"].value_counts(sort=False)
    by_kind = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    facts = {
        "Recording": run.modality,
        "Neurons": f"{run.n_neurons}: {by_kind}" if len(kinds) > 1 else f"{run.n_neurons}",
        "Length": f"{format_duration(run.n_steps * run.dt_s)} ({run.n_steps:,} steps of {format_duration(run.dt_s)})",
    }
    if run.scores.n_edges is not None and run.scores.edge_density is not None:
        percent = format_number(100 * run.scores.edge_density)
        facts["True connections"] = f"{run.scores.n_edges:,} ({percent}% of all directed pairs)"
    return facts


def _neurons(run: RunResults, more: Details) -> NeuronView | None:
    """The view of one neuron; None where SynapsNet inferred nothing."""
    model = run.inferred.get(MODEL)
    if model is None or model.standard_error is None:
        return None
    data = neuron_data(model, run.neurons, more.activity)
    return NeuronView(unique_names(run.neurons), data, has_activity=more.activity is not None)


def _connectivity_panels(run: RunResults, styles: Styles) -> Iterator[Panel]:
    reading = (
        "Each column is a sending neuron, each row a receiving one, ordered by cell type, or as chosen by area or by "
        "cluster of neurons that are connected alike (lines); red excites, blue inhibits. A column of one colour is a "
        "neuron that only excites or only inhibits."
    )
    if run.n_neurons > MAX_NEURONS:
        reading += f" {MAX_NEURONS} of the {run.n_neurons} neurons are shown."
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
        )
    if run.inferred:
        methods = sorted(run.inferred, key=lambda method: method != MODEL)
        plots = {}
        for method in methods:
            name, drawn = run.labels.get(method, method), _drawn(run.inferred[method], run.neurons)
            plots[name] = matrix_figure(*drawn)
            if method == MODEL:
                plots |= {f"{name}, by {by}": figure for by, figure in _other_orders(run.inferred[method], run.neurons)}
        model = run.inferred.get(MODEL)
        listed = model is not None and model.standard_error is not None
        yield Panel(
            "Inferred connectivity",
            comparison,
            plots,
            choice="Inferred by",
            shape="matrix",
            table=surest_table(model, run.neurons) if model is not None and listed else None,
            of="connection",
        )
        if model is not None and listed and (axes := plane(run.neurons)) is not None:
            yield Panel(
                "Map of the network",
                f"Neurons where they lie, their marks by cell type. Lines are the connections that SynapsNet reports, "
                f"at most the {MAX_EDGES} with most evidence; the small mark on each is near the receiving neuron. "
                "Solid lines with dots excite, dashed ones with squares inhibit. Point at a mark to read it.",
                {"": map_figure(model, run.neurons, axes)},
                shape="tall",
            )
    if run.truth is not None and run.truth.adjacency.any() and run.inferred:
        yield Panel(
            "Precision and recall",
            "All pairs ranked by the size of their score, the surest first. From left to right a method reports more "
            "pairs: recall is the share of the true connections among them, precision the share of them that are true. "
            "Higher is better; the dashed line is guessing.",
            {"": precision_recall_figure(run, styles)},
            shape="wide",
        )


def _forecast_panels(run: RunResults, styles: Styles) -> Iterator[Panel]:
    if run.example is not None and run.example.predicted:
        example = run.example
        steps = sorted({step for horizons in example.predicted.values() for step in horizons})
        shown = {MODEL, best_forecaster(run)} & set(example.predicted) or set(example.predicted)
        drawn = "bars are spikes, lines expected counts" if run.modality == "spikes" else "the black line is the data"
        yield Panel(
            "Forecasts over held-out data",
            f"Each point of a forecast was made the chosen time before it; {drawn}. Good forecasts rise before or with "
            "the activity; far ahead they flatten towards the mean. Click a name in the legend to show or hide a "
            "method, drag to move in time.",
            {horizon_text(step, run.dt_s): forecast_figure(run, styles, step, shown) for step in steps},
            choice="Made ahead by",
            shape="tall",
        )
    if run.scores.forecast:
        yield Panel(
            "Skill over the horizon",
            "How much of the error of always forecasting each neuron's mean is avoided: 1 is perfect, at 0 the "
            "forecast is worth no more than the mean. The bands are 95% intervals; methods whose bands overlap may not "
            "differ.",
            {"": horizon_figure(run, styles, lambda scores: scores.skill_over_mean, "skill over mean")},
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
        )


def _other_orders(inferred: Connectome, neurons: pd.DataFrame) -> Iterator[tuple[str, go.Figure]]:
    """The matrix ordered by area, where areas are known, and by groups that are connected alike."""
    values, _, title = _drawn(inferred, neurons)
    if neurons["area"].nunique() > 1:
        yield "area", matrix_figure(values, neurons, title, by="area")
    groups = neurons.assign(cluster=cluster_names(inferred.scores))
    if groups["cluster"].nunique() > 1:
        yield "cluster", matrix_figure(values, groups, title, by="cluster")


def _drawn(inferred: Connectome, neurons: pd.DataFrame) -> tuple[FloatArray, pd.DataFrame, str]:
    """What is drawn of a connectome: weights that are estimated with a prior as they are, others over their error."""
    if inferred.local_fdr is None and inferred.standard_error is not None:
        return inferred.scores, neurons, "weight / standard error"
    return inferred.weight, neurons, f"weight ({inferred.unit})"
