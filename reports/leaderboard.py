"""The leaderboard: methods by settings with intervals over seeds, ranks, cost against fidelity, and curves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.leaderboard_figures import cost_figure, curve_figure, static_curves, static_figure
from reports.leaderboard_tables import (
    AHEAD,
    LESS,
    LOSS,
    MORE,
    P_VALUE,
    PAIRED,
    LossTable,
    difference_table,
    fidelity_table,
    lead_table,
    loss_table,
    peer_tables,
    setting_table,
    standing_table,
)
from reports.page import Panel, flat, render_page
from reports.palette import MODEL, method_styles
from reports.tables import Table
from synapsnet.errors import InputError
from synapsnet.files import atomic_path, write_text
from validation.benchmark.curves import Curve, curves
from validation.benchmark.ranking import (
    CEILING,
    RANKED,
    averages,
    balanced,
    cases,
    contestants,
    defined,
    failures,
    lead,
    ranks,
    scores,
)
from validation.methods import BOUNDS, label
from validation.metrics.glossary import CONNECTIVITY_METRICS, RESPONSE_METRICS

FIGURE_SUFFIXES = (".svg", ".png", ".pdf")
LEVEL = 0.05  # of p, for what is called significant


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
        Methods by rank, metrics averaged over settings, and costs; of what is `balanced`.
    by_setting : dict of metric -> Table
        Settings by methods.
    differences : Table, optional
        Settings by methods: AUPRC less that of SynapsNet, or of the first where that took no part. None as `lead`.
    curves : list of Curve
        What varies by itself, see `validation.benchmark.curves`.
    losses : list of LossTable
        For each curve what is lost along it; empty where `lead` is None.
    failures : DataFrame
        See `validation.benchmark.ranking.failures`.
    lead : DataFrame, optional
        See `validation.benchmark.ranking.lead`; None for a single method, and where nothing is connected.
    """

    results: pd.DataFrame
    labels: dict[str, str]
    standing: Table
    by_setting: dict[str, Table]
    differences: Table | None
    curves: list[Curve]
    losses: list[LossTable]
    failures: pd.DataFrame
    lead: pd.DataFrame | None

    @property
    def verdict(self) -> str:
        """Who leads, and over whom by more than chance; empty where nothing is ranked."""
        if self.lead is None:
            return ""
        ahead = self.lead.loc[self.lead["p_holm"] < LEVEL, "other"]
        return f"{self.lead['method'].iloc[0]} leads; significantly ahead of: {', '.join(ahead) or 'none'}."


def leaderboard(results: pd.DataFrame) -> Leaderboard:
    """The leaderboard of a table of results.

    Raises
    ------
    InputError
        If no case succeeded.
    """
    if not (results["status"] == "ok").any():
        reason = results["reason"].iloc[0] if len(results) else "there are no cases"
        raise InputError(f"No case of the benchmark succeeded, so there is nothing to rank; first reason: {reason}.")
    fair = balanced(results)
    methods = list(dict.fromkeys(contestants(results)["method"]))
    ranking = ranks(fair) if len(methods) > 1 and len(defined(contestants(fair), RANKED)) else None
    ordered = methods if ranking is None else ranking["method"].tolist()
    labels = {method: label(method) for method in ordered}
    labels |= {method: f"{label(method)} (bound)" for method in BOUNDS if (results["method"] == method).any()}
    everything = (*CONNECTIVITY_METRICS, *RESPONSE_METRICS)
    metrics = [metric for metric in everything if (results["metric"] == metric.field).any()]
    reference, drawn = MODEL if MODEL in labels else ordered[0], list(curves(results))
    return Leaderboard(
        results=results,
        labels=labels,
        standing=standing_table(fair, labels, [metric for metric in metrics if metric.shown], ranking),
        by_setting={metric.name: setting_table(results, labels, metric) for metric in metrics},
        differences=None if ranking is None else difference_table(results, labels, reference),
        curves=drawn,
        losses=[] if ranking is None else [loss_table(curve, labels, reference) for curve in drawn],
        failures=failures(results),
        lead=None if ranking is None else lead(fair),
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
    everywhere = averages(balanced(board.results))
    _write(static_figure(scores(board.results), everywhere, cases(board.results), board.labels), Path(path))


def write_curves(board: Leaderboard, path: str | Path) -> None:
    """Write the curves over what the suite varies: SVG, PNG or PDF, by the suffix.

    Raises
    ------
    InputError
        If the suffix is none of these, or nothing varies by itself.
    """
    if not board.curves:
        raise InputError(
            "No two settings of these results differ in a single number only, so there are no curves; run a suite that "
            "has some, for example `synapsnet benchmark curves`."
        )
    _write(static_curves(board.curves, board.labels), Path(path))


def write_markdown(board: Leaderboard, path: str | Path) -> None:
    """Write settings by methods as a Markdown table: AUPRC / realised FDR, see `fidelity_table`."""
    write_text(path, fidelity_table(board.results, board.labels))


def _write(figure: Figure, path: Path) -> None:
    if path.suffix not in FIGURE_SUFFIXES:
        raise InputError(f"A figure must be named {', '.join('*' + s for s in FIGURE_SUFFIXES)}; got {path}.")
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
        lead=None if board.lead is None else lead_table(board.lead, board.labels),
        bounded=any(method in BOUNDS for method in board.labels),
        by_setting=board.by_setting,
        differences=board.differences,
        peers=peer_tables(results, board.labels),
        losses=board.losses,
        panels=list(_panels(board)),
        failures=board.failures.assign(method=board.failures["method"].map(board.labels)).to_dict("records"),
        styles=styles,
        labels=board.labels,
        glossary=[*board.standing.columns, AHEAD, P_VALUE, PAIRED, LESS, LOSS, MORE],
        setup=list(flat(json.loads(results["versions"].iloc[0]))),
    )


def _facts(results: pd.DataFrame) -> dict[str, str]:
    run = cases(results)
    return {
        "Methods": str(contestants(run)["method"].nunique()),
        "Settings": str(len(run[["network", "observation"]].drop_duplicates())),
        "Seeds": str(run["seed"].nunique()),
        "Cases": f"{len(run)}, of which {(run['status'] != 'ok').sum()} failed",
    }


def _panels(board: Leaderboard) -> Iterator[Panel]:
    styles = method_styles(board.labels)
    points = {"all settings": averages(balanced(board.results))}
    points |= {str(name): rows for name, rows in scores(board.results).groupby("setting", sort=False)}
    ceiling = " The dashed line is the ceiling." if CEILING in board.labels else ""
    yield Panel(
        "Cost against fidelity",
        "Up is better, left is cheaper: mean wall time of the inference on one thread, and AUPRC with its 95% interval "
        f"over seeds.{ceiling}",
        {
            name: cost_figure(rows, cases(board.results), styles, board.labels, name if "setting" in rows else None)
            for name, rows in points.items()
        },
        choice="In",
    )
    by_title: dict[str, dict[str, Curve]] = {}
    for curve in board.curves:
        by_title.setdefault(curve.title, {})[curve.base] = curve
    for title, bases in by_title.items():
        yield Panel(
            title[0].upper() + title[1:],
            f"AUPRC with 95% intervals over seeds; all else is as in {' or '.join(bases)}.{ceiling}",
            {base: curve_figure(curve, styles, board.labels) for base, curve in bases.items()},
            choice="In",
        )
