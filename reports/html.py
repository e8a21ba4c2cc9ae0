"""One self-contained HTML page from scored runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reports.assessment import Assessed, assessed
from reports.details import Details
from reports.exports import unique_names
from reports.figures import Styles
from reports.neuron_view import Activity, neuron_data
from reports.numbers import format_duration, format_number
from reports.page import Panel, flat, render_page
from reports.palette import MODEL, method_styles
from reports.panels import connectivity_panels, forecast_panels, weight_text
from reports.summary import Statement, summarise
from reports.tables import Table, connectivity_table, forecast_table, timing_table
from synapsnet.errors import InputError
from synapsnet.files import write_text
from validation.metrics.glossary import BITS, CONNECTIVITY_METRICS, FORECAST_METRICS
from validation.metrics.results import RunResults


@dataclass(frozen=True)
class NeuronView:
    """What the template needs for the view of one neuron."""

    names: list[str]
    data: Markup
    about_weights: str
    activity: Activity | None


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
        Details of each run; default none of any.

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
        Details of each run; default none of any.

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
    assessment = None if more.assessment is None else assessed(more.assessment, more.parts)
    statements = [] if assessment is None else assessment.statements
    if assessment is None or run.truth is not None:
        statements += summarise(run, n_reported=assessment is None)
    horizons = run.scores.forecast[0].horizon_steps if run.scores.forecast else []
    return Section(
        anchor=anchor,
        title=run.title,
        facts=_facts(run),
        statements=statements,
        assessed=assessment,
        connectivity=list(connectivity_panels(run, styles)),
        connectivity_scores=connectivity_table(run),
        neurons=_neurons(run, more),
        forecasts=list(forecast_panels(run, styles)),
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
    return NeuronView(unique_names(run.neurons), data, weight_text(model.unit), more.activity)
