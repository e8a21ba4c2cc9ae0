"""Figures of the leaderboard: scores by setting, cost against fidelity, and curves over what a suite varies."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib import rc_context
from matplotlib.figure import Figure

from reports.figures import GRID, Styles, axis_style, base_layout, line_style, marker_style
from reports.palette import method_styles

SCORE = "AUPRC"
SYMBOLS = {  # of plotly, in matplotlib
    "circle": "o",
    "circle-open": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "star": "*",
    "pentagon": "p",
}


def cost_figure(
    points: pd.DataFrame, units: pd.DataFrame, styles: Styles, labels: dict[str, str], setting: str | None = None
) -> go.Figure:
    """Score of each method over the time it takes.

    Parameters
    ----------
    points : DataFrame
        `method`, `value`, `low`, `high`.
    units : DataFrame
        See `validation.benchmark.standing.units`.
    styles, labels : dict by method
    setting : str, optional
        Only this one's units count for the time.
    """
    figure = go.Figure(layout=base_layout(showlegend=False))
    seconds = _seconds(units, setting)
    for row in points.to_dict("records"):
        name = escape(labels[row["method"]])
        figure.add_scatter(
            x=[seconds[row["method"]]],
            y=[row["value"]],
            error_y=_error_bars(row["value"], row["low"], row["high"], styles[row["method"]].color),
            mode="markers+text",
            text=[name],
            textposition="top center",
            cliponaxis=False,
            marker=marker_style(styles[row["method"]]) | {"size": 10},
            hovertemplate=f"{name}: <b>%{{y:.3g}}</b> in %{{x:.3g}} s<extra></extra>",
        )
    figure.update_xaxes(axis_style("seconds per recording", type="log", dtick=1))
    figure.update_yaxes(axis_style(SCORE))
    return figure


def curve_figure(points: pd.DataFrame, axis: str, styles: Styles, labels: dict[str, str]) -> go.Figure:
    """Score of each method over what varies.

    Parameters
    ----------
    points : DataFrame
        `method`, `x`, `value`, `low`, `high`.
    axis : str
        Title of x.
    styles, labels : dict by method
    """
    figure = go.Figure(layout=base_layout())
    for method, label in labels.items():
        line = points[points["method"] == method]
        if line.empty:
            continue
        figure.add_scatter(
            x=line["x"],
            y=line["value"],
            error_y=_error_bars(line["value"], line["low"], line["high"], styles[method].faded(0.5)),
            name=escape(label),
            mode="lines+markers",
            line=line_style(styles[method]),
            marker=marker_style(styles[method]),
            hovertemplate="%{x:.3g}: <b>%{y:.3g}</b>",
        )
    figure.update_xaxes(axis_style(axis, tickvals=sorted(points["x"].unique())))
    figure.update_yaxes(axis_style(SCORE))
    return figure


def static_figure(
    by_setting: pd.DataFrame, everywhere: pd.DataFrame, units: pd.DataFrame, labels: dict[str, str]
) -> Figure:
    """Scores by setting beside cost against fidelity, for print.

    Parameters
    ----------
    by_setting : DataFrame
        `setting`, `method`, `value`, `low`, `high`.
    everywhere : DataFrame
        The same without `setting`, over all of them.
    units : DataFrame
        See `validation.benchmark.standing.units`.
    labels : dict of method -> str
    """
    styles = method_styles(labels)
    names = list(dict.fromkeys(by_setting["setting"]))[::-1]  # the first on top
    seconds = _seconds(units)
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(10, 1.8 + 0.35 * max(len(names), 6)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for k, (method, label) in enumerate(labels.items()):
            look = {
                "color": styles[method].color,
                "marker": SYMBOLS.get(styles[method].symbol, "o"),
                "linestyle": "none",
            }
            rows = by_setting[by_setting["method"] == method]
            offset = 0.6 * (0.5 - (k + 0.5) / len(labels))
            height = np.array([names.index(name) for name in rows["setting"]]) + offset
            left.errorbar(rows["value"], height, xerr=_half_widths(rows), markersize=4, label=label, **look)
            for row in everywhere[everywhere["method"] == method].to_dict("records"):
                half = _half_widths(pd.DataFrame([row]))
                right.errorbar(seconds[method], row["value"], yerr=half, markersize=6, **look)
                right.annotate(label, (seconds[method], row["value"]), (4, 4), textcoords="offset points")
        left.set(xlabel=f"{SCORE}, 95% intervals over seeds", yticks=range(len(names)), yticklabels=names)
        right.set(xlabel="seconds per recording, on one thread", ylabel=f"{SCORE} over all settings", xscale="log")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
        for axes in (left, right):
            axes.grid(color=GRID)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        return figure


def _seconds(units: pd.DataFrame, setting: str | None = None) -> dict[str, float]:
    """Mean time by method."""
    if setting is not None:
        units = units[units["network"] + ", " + units["observation"] == setting]
    return dict(units.groupby("method")["seconds"].mean())


def _half_widths(rows: pd.DataFrame) -> np.ndarray:
    """(2, K) from each value to its limits; 0 where there is none."""
    return np.nan_to_num(np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float))


def _error_bars(value: object, low: object, high: object, color: str) -> dict[str, object]:
    value, low, high = (np.atleast_1d(np.asarray(x, dtype=float)) for x in (value, low, high))
    return {"array": high - value, "arrayminus": value - low, "color": color, "thickness": 1.5, "width": 3}
