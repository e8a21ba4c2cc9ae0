"""One self-contained HTML page from scored runs: it opens from a disk, a mail or a web server, offline.

Plotly's script is inlined once, the figures' data lie in the page as JSON, and the page's own content
security policy forbids every request, so that nothing can be fetched by accident.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from reports.figures import MAX_NEURONS, Styles, matrix_figure, precision_recall_figure
from reports.forecast_figures import forecast_figure, horizon_figure
from reports.numbers import format_duration, format_number
from reports.palette import ABLATION, MODEL, method_styles
from reports.summary import Statement, summarise
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
from validation.results import RunResults

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Panel:
    """A figure on the page: one plot, or several of which the reader chooses one."""

    title: str
    caption: str
    plots: dict[str, go.Figure]  # by the text of the choice
    shape: str = "wide"  # how the style sheet sizes it


@dataclass(frozen=True)
class Section:
    """One run as the template lays it out."""

    anchor: str
    title: str
    facts: dict[str, str]
    statements: list[Statement]
    scores: Table | None
    forecasts: list[Table]
    timing: Table
    setup: list[tuple[str, str]]
    interval: str
    matrices: list[Panel] = field(default_factory=list)
    curves: list[Panel] = field(default_factory=list)
    horizons: list[Panel] = field(default_factory=list)
    examples: list[Panel] = field(default_factory=list)


def render(results: Sequence[RunResults], title: str) -> str:
    """The page as text.

    Parameters
    ----------
    results : sequence of RunResults
        One section each, in this order.
    title : str

    Raises
    ------
    InputError
        If there are no results.
    """
    if not results:
        raise InputError("A report needs at least one scored run; got none. Score a run first.")
    styles = method_styles(method for run in results for method in _methods(run))
    sections = [_section(run, styles, f"run-{k}") for k, run in enumerate(results, start=1)]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    figures: dict[str, go.Figure] = {}

    def embed(panel: Panel) -> list[tuple[str, str]]:
        """Keep the panel's plots for the script; their keys and the texts that choose them."""
        keys = []
        for text, figure in panel.plots.items():
            keys.append((f"figure-{len(figures) + 1}", text))
            figures[keys[-1][0]] = figure
        return keys

    environment.globals["embed"] = embed
    page = environment.get_template("report.html").render(
        title=title,
        sections=sections,
        styles=styles,
        glossary=[*CONNECTIVITY_METRICS, *FORECAST_METRICS, BITS],
        css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "report.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        figures=lambda: _script_json(figures),  # called after all panels were embedded
    )
    return page


def write_report(results: Sequence[RunResults], path: str | Path, title: str = "SynapsNet report") -> None:
    """Write the page to `path`, whole or not at all.

    Raises
    ------
    InputError
        If there are no results, or `path` cannot be written to.
    """
    write_text(path, render(results, title))


def _script_json(figures: Mapping[str, go.Figure]) -> Markup:
    """Figures as JSON that cannot end the script element it lies in."""
    entries = (f"{json.dumps(key)}: {figure.to_json()}" for key, figure in figures.items())
    return Markup("{" + ",\n".join(entries).replace("<", "\\u003c") + "}")


def _methods(run: RunResults) -> Iterator[str]:
    yield from run.inferred
    yield from (scores.method for scores in run.scores.forecast)


def _section(run: RunResults, styles: Styles, anchor: str) -> Section:
    duration = format_duration(run.n_steps * run.dt_s)
    facts = {
        "recording": run.modality,
        "neurons": ", ".join(f"{n} {kind}" for kind, n in run.neurons["cell_type"].value_counts(sort=False).items()),
        "length": f"{duration} in {run.n_steps:,} steps of {format_duration(run.dt_s)}",
    }
    if run.scores.n_edges is not None and run.scores.edge_density is not None:
        facts["true connections"] = f"{run.scores.n_edges:,} ({format_number(100 * run.scores.edge_density)}% of pairs)"
    horizons = run.scores.forecast[0].horizon_steps if run.scores.forecast else []
    return Section(
        anchor=anchor,
        title=run.title,
        facts=facts,
        statements=summarise(run),
        scores=connectivity_table(run),
        forecasts=[forecast_table(run, k) for k in dict.fromkeys((0, len(horizons) - 1))] if horizons else [],
        timing=timing_table(run),
        setup=list(_flat(run.setup)),
        interval=run.scores.interval,
        **_panels(run, styles),
    )


def _panels(run: RunResults, styles: Styles) -> dict[str, list[Panel]]:
    shown = f" {MAX_NEURONS} of {run.n_neurons} neurons are shown." if run.n_neurons > MAX_NEURONS else ""
    ...
