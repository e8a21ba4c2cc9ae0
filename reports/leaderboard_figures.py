"""Figures of the leaderboard: scores by setting, cost against fidelity, and curves over what a suite varies."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures import GRID, INK, Styles, axis_style, base_layout, line_style, marker_style
from reports.palette import MethodStyle, method_styles
from validation.benchmark.curves import Curve
from validation.benchmark.ranking import CEILING
from validation.methods import BOUNDS

SCORE = "AUPRC"
CHANCE = "chance"
DASHED = (0, (3, 2))
SYMBOLS = {  # of plotly, in matplotlib; those named "-open" are not filled
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "star": "*",
    "pentagon": "p",
    "x": "X",
    "triangle-down": "v",
}


def cost_figure(
    points: pd.DataFrame, cases: pd.DataFrame, styles: Styles, labels: dict[str, str], setting: str | None = None
) -> go.Figure:
    """Score of each method over the time it takes; the ceiling is a line.

    Parameters
    ----------
    points : DataFrame
        `method`, `value`, `low`, `high`.
    cases : DataFrame
        See `validation.benchmark.ranking.cases`.
    styles, labels : dict by method
    setting : str, optional
        Only this one's cases count for the time.
    """
    figure = go.Figure(layout=base_layout(showlegend=True))
    seconds = _seconds(cases, setting)
    rows = {row["method"]: row for row in points.to_dict("records")}
    for method, label in labels.items():
        if method not in rows or method in BOUNDS:
            continue
        row, name = rows[method], escape(label)
        figure.add_scatter(
            x=[seconds[method]],
            y=[row["value"]],
            error_y=_error_bars(row["value"], row["low"], row["high"], styles[method].color),
            name=name,
            mode="markers",
            cliponaxis=False,
            marker=marker_style(styles[method]) | {"size": 10},
            hovertemplate=f"{name}: <b>%{{y:.3g}}</b> in %{{x:.3g}} s<extra></extra>",
        )
    if CEILING in rows:
        figure.add_hline(
            rows[CEILING]["value"], line=line_style(styles[CEILING]), name=escape(labels[CEILING]), showlegend=True
        )
    figure.update_xaxes(axis_style("seconds per recording", type="log", dtick=1))
    figure.update_yaxes(axis_style(SCORE))
    return figure


def curve_figure(curve: Curve, styles: Styles, labels: dict[str, str]) -> go.Figure:
    """Score of each method over what varies, of the ceiling and of chance.

    Parameters
    ----------
    curve : Curve
    styles, labels : dict by method
    """
    figure = go.Figure(layout=base_layout())
    for method, label in labels.items():
        line = curve.points[curve.points["method"] == method]
        if line.empty or (method in BOUNDS and method != CEILING):
            continue
        figure.add_scatter(
            x=line["x"],
            y=line["value"],
            error_y=_error_bars(line["value"], line["low"], line["high"], styles[method].faded(0.5)),
            name=escape(label),
            mode="lines" if method == CEILING else "lines+markers",
            line=line_style(styles[method]),
            marker=marker_style(styles[method]),
            hovertemplate="%{x:.3g}: <b>%{y:.3g}</b>",
        )
    if len(curve.chance):
        figure.add_scatter(
            x=curve.chance["x"],
            y=curve.chance["value"],
            name=CHANCE,
            mode="lines",
            line={"color": INK, "dash": "dot", "width": 1},
            hovertemplate="%{x:.3g}: <b>%{y:.3g}</b>",
        )
    ticks = sorted(curve.points["x"].unique())
    scale = {"type": "log"} if curve.axis.logarithmic else {}
    text = [f"{x:.3g}" for x in ticks]
    figure.update_xaxes(axis_style(curve.title, tickvals=ticks, ticktext=text, **scale))
    figure.update_yaxes(axis_style(SCORE))
    return figure


def static_figure(
    by_setting: pd.DataFrame, everywhere: pd.DataFrame, cases: pd.DataFrame, labels: dict[str, str]
) -> Figure:
    """Scores by setting beside cost against fidelity, for print; the ceiling is a dashed line.

    Parameters
    ----------
    by_setting : DataFrame
        `setting`, `method`, `value`, `low`, `high`.
    everywhere : DataFrame
        The same without `setting`, over all of them.
    cases : DataFrame
        See `validation.benchmark.ranking.cases`.
    labels : dict of method -> str
    """
    styles = method_styles(labels)
    names = list(dict.fromkeys(by_setting["setting"]))[::-1]  # the first on top
    seconds = _seconds(cases)
    drawn = [method for method in labels if method not in BOUNDS]
    with rc_context({"font.size": 9}):
        height = max(3.0, len(names) * max(0.35, 0.1 + 0.055 * len(drawn)))  # so that markers touch at most
        figure = Figure(figsize=(10, 1.8 + height), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for k, method in enumerate(drawn):
            look = _look(styles[method])
            rows = by_setting[by_setting["method"] == method]
            offset = 0.8 * (0.5 - (k + 0.5) / len(drawn))
            place = np.array([names.index(name) for name in rows["setting"]]) + offset
            left.errorbar(rows["value"], place, xerr=_half_widths(rows), markersize=4, label=labels[method], **look)
            mean = everywhere[everywhere["method"] == method]
            if len(mean):
                right.errorbar([seconds[method]], mean["value"], yerr=_half_widths(mean), markersize=7, **look)
        if CEILING in labels:
            look = {"color": styles[CEILING].color, "linestyle": DASHED, "label": labels[CEILING]}
            rows = by_setting[by_setting["method"] == CEILING]
            place = np.array([names.index(name) for name in rows["setting"]])
            left.vlines(rows["value"], place - 0.45, place + 0.45, **look)
            for value in everywhere.loc[everywhere["method"] == CEILING, "value"]:
                right.axhline(value, **look)
        for k in range(0, len(names), 2):  # bands: which markers belong together
            left.axhspan(k - 0.5, k + 0.5, color=GRID, alpha=0.4, linewidth=0, zorder=0)
        left.set(xlabel=f"{SCORE}, 95% intervals over seeds", yticks=range(len(names)), yticklabels=names)
        left.set_ylim(-0.5, len(names) - 0.5)
        right.set(xlabel="seconds per recording, on one thread", ylabel=f"{SCORE} over all settings", xscale="log")
        order = list(labels.values())
        handles = sorted(left.get_legend_handles_labels()[0], key=lambda handle: order.index(handle.get_label()))
        figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
        left.grid(color=GRID, axis="x")
        right.grid(color=GRID)
        for axes in (left, right):
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        return figure


def static_curves(curves: Sequence[Curve], labels: dict[str, str]) -> Figure:
    """Curves side by side for print, a column for each thing that varies; the ceiling is dashed, chance dotted.

    Parameters
    ----------
    curves : sequence of Curve
        At least one.
    labels : dict of method -> str
    """
    styles = method_styles(labels)
    titles = list(dict.fromkeys(curve.title for curve in curves))
    columns = [[curve for curve in curves if curve.title == title] for title in titles]
    n_rows = max(map(len, columns))
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(0.6 + 3.4 * len(columns), 1.0 + 2.6 * n_rows), layout="constrained")
        grid = figure.subplots(n_rows, len(columns), squeeze=False, sharey=True)
        for place, column in zip(grid.T, columns, strict=True):
            for axes in place[len(column) :]:
                axes.set_visible(False)
            for axes, curve in zip(place, column, strict=False):
                _draw_curve(axes, curve, styles, labels)
        for axes in grid[:, 0]:
            axes.set_ylabel(SCORE)
            axes.set_ylim(0, 1.02)
        shown: dict[str, Artist] = {}
        for axes in figure.axes:
            shown |= {str(handle.get_label()): handle for handle in axes.get_legend_handles_labels()[0]}
        order = [name for name in (*labels.values(), CHANCE) if name in shown]
        figure.legend(handles=[shown[name] for name in order], loc="outside upper center", ncols=4, frameon=False)
        return figure


def _draw_curve(axes: Axes, curve: Curve, styles: Styles, labels: dict[str, str]) -> None:
    """One panel of `static_curves`."""
    for method, label in labels.items():
        line = curve.points[curve.points["method"] == method]
        if line.empty or (method in BOUNDS and method != CEILING):
            continue
        look = _look(styles[method]) | {"linestyle": "-", "markersize": 4, "capsize": 2}
        if method == CEILING:
            look |= {"linestyle": DASHED, "marker": "none"}
        axes.errorbar(line["x"], line["value"], yerr=_half_widths(line), label=label, **look)
    if len(curve.chance):
        axes.plot(curve.chance["x"], curve.chance["value"], color=INK, linestyle=":", linewidth=1, label=CHANCE)
    ticks = sorted(curve.points["x"].unique())
    if curve.axis.logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(ticks, [f"{x:.3g}" for x in ticks])
    axes.set_xlabel(curve.title)
    axes.set_title(curve.base, fontsize=9)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _look(style: MethodStyle) -> dict[str, Any]:
    """How matplotlib draws a method's markers."""
    name = style.symbol.removesuffix("-open")
    look: dict[str, Any] = {"color": style.color, "marker": SYMBOLS.get(name, "o"), "linestyle": "none"}
    return look | {"elinewidth": 1} | ({"markerfacecolor": "white"} if name != style.symbol else {})


def _seconds(cases: pd.DataFrame, setting: str | None = None) -> dict[str, float]:
    """Mean time by method."""
    if setting is not None:
        cases = cases[cases["network"] + ", " + cases["observation"] == setting]
    return dict(cases.groupby("method")["seconds"].mean())


def _half_widths(rows: pd.DataFrame) -> np.ndarray:
    """(2, K) from each value to its limits; 0 where there is none."""
    return np.nan_to_num(np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float))


def _error_bars(value: object, low: object, high: object, color: str) -> dict[str, object]:
    value, low, high = (np.atleast_1d(np.asarray(x, dtype=float)) for x in (value, low, high))
    return {"array": high - value, "arrayminus": value - low, "color": color, "thickness": 1.5, "width": 3}
