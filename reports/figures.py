"""Figures of connectivity, and the look that all figures share; each is one panel that the page arranges.

Matrices are drawn `[post, pre]`: rows are postsynaptic, columns presynaptic neurons. All names come
from files, so they are escaped before plotly, which renders a subset of HTML, sees them.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from sklearn.metrics import precision_recall_curve

from reports.numbers import format_number
from reports.palette import MethodStyle
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from validation.metrics.results import RunResults

Styles = dict[str, MethodStyle]

MAX_ROWS = 400  # of a matrix: more than a screen has pixels for; keeps the page small
MAX_CURVE_POINTS = 500
INK, GRID = "#1b1f24", "#e4e7eb"
# Blue (inhibitory) over white (none) to red (excitatory). Only the red end is dark, so that greyscale tells the ends
# apart; the strokes of `_strokes` show the sign of the shades between.
DIVERGING = [[0.0, "#3a86c8"], [0.25, "#9ecae1"], [0.5, "#ffffff"], [0.75, "#d6604d"], [1.0, "#67001f"]]
STROKE = "#053061"
MAX_STROKED = 64  # neurons; strokes in smaller cells hide their shade
LEAST_STROKED = 0.1  # of the scale; weaker cells are all but white
MAX_NAMED, MAX_NAME = 20, 6  # neurons whose names fit beside a matrix, and characters of each


def base_layout(**changes: Any) -> dict[str, Any]:
    """The look that all figures share."""
    return {
        "template": "none",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK},
        "margin": {"l": 56, "r": 16, "t": 30, "b": 48},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "hoverlabel": {"namelength": -1},
        "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0, "itemwidth": 40},
        "modebar": {"bgcolor": "rgba(255,255,255,0.7)", "color": "#8a9099", "activecolor": INK},
    } | changes


def axis_style(title: str, **more: Any) -> dict[str, Any]:
    """The look that all axes share."""
    look = {
        "gridcolor": GRID,
        "zerolinecolor": "#9aa1a9",
        "linecolor": "#9aa1a9",
        "ticks": "outside",
        "ticklen": 4,
        "automargin": True,
        "title": {"text": title, "standoff": 8},
    }
    return look | more


def method_label(results: RunResults, method: str) -> str:
    """The method's printed name, safe inside a figure."""
    return escape(results.labels.get(method, method))


def neuron_name(cell_type: object, name: object) -> str:
    """A neuron as text that is not escaped yet, for example `excitatory neuron 7`; an unknown type is not named."""
    return f"neuron {name}" if cell_type == "unknown" else f"{cell_type} neuron {name}"


def line_style(style: MethodStyle, width: float | None = None) -> dict[str, Any]:
    """How plotly draws a method's line."""
    return {"color": style.color, "dash": style.dash, "width": width or style.width}


def marker_style(style: MethodStyle) -> dict[str, Any]:
    """How plotly draws a method's markers."""
    return {"symbol": style.symbol, "color": style.color, "size": 7}


def cell_type_order(neurons: pd.DataFrame, by: str = "cell_type") -> npt.NDArray[np.int64]:
    """Indices of the neurons by cell type, excitatory types first and unknown last.

    Parameters
    ----------
    neurons : DataFrame
    by : str
        Another column to go by.
    """

    def rank(group: str) -> tuple[int, str]:
        name = group.lower()
        excitatory = by == "cell_type" and name.startswith(("e", "pyr", "glut", "rs"))
        return (0 if excitatory else 2 if name == "unknown" else 1, name)

    ranks = {name: k for k, name in enumerate(sorted(neurons[by].unique(), key=rank))}
    return np.argsort(neurons[by].map(ranks).to_numpy(), kind="stable")


def in_rows(neurons: pd.DataFrame, by: str = "cell_type") -> list[npt.NDArray[np.int64]]:
    """The neurons of each row of a matrix, in `cell_type_order`: one, or, of many neurons, several of one group."""
    order = cell_type_order(neurons, by)
    groups = neurons[by].to_numpy()[order]
    parts = np.split(order, np.flatnonzero(groups[1:] != groups[:-1]) + 1)
    per_row = max(1.0, len(order) / MAX_ROWS)
    return [row for part in parts for row in np.array_split(part, max(1, round(len(part) / per_row)))]


def means_of_rows(matrix: FloatArray, rows: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
    """(R, R) means of a matrix over the pairs of different neurons of two rows; NaN where there is none."""
    sums = np.stack([matrix[row].sum(axis=0, dtype=np.float64) for row in rows])
    sizes = np.array([len(row) for row in rows])
    sums = np.add.reduceat(sums[:, np.concatenate(rows)], np.cumsum(sizes) - sizes, axis=1)
    sums -= np.diag([np.diagonal(matrix)[row].sum() for row in rows])
    n_pairs = np.outer(sizes, sizes) - np.diag(sizes)
    means = np.divide(sums, n_pairs, out=np.full(sums.shape, np.nan), where=n_pairs > 0)
    return means.astype(np.float32)


def matrix_figure(matrix: FloatArray, neurons: pd.DataFrame, color_title: str, by: str = "cell_type") -> go.Figure:
    """Heat map of a connectivity matrix, neurons ordered by group.

    Parameters
    ----------
    matrix : (N, N) array, `[post, pre]`
        The diagonal is left blank. Of more than `MAX_ROWS` neurons, cells are means over pairs (`in_rows`). Colours
        saturate at the 99th percentile of the absolute values. Negative cells are struck through where there are at
        most `MAX_STROKED` neurons.
    neurons : DataFrame with N rows
        Columns `id` and `by`.
    color_title : str
        Name (and unit) of the values.
    by : str
        Column that groups the neurons.
    """
    rows = in_rows(neurons, by)
    first = np.array([row[0] for row in rows])
    types, ids = neurons[by].to_numpy()[first], neurons["id"].to_numpy()
    # The position keeps labels unique; a category axis would merge neurons of one name.
    names = [
        escape(f"{neuron_name(kind, ids[row[0]])} (#{row[0]})" + (f" and {len(row) - 1} more" if len(row) > 1 else ""))
        for kind, row in zip(types, rows, strict=True)
    ]
    values = means_of_rows(matrix, rows)
    size = np.abs(values[np.isfinite(values)])
    limit = float(np.percentile(size, 99)) or float(size.max()) or 1.0
    color_title = color_title if len(rows) == len(neurons) else f"mean {color_title}"

    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=names,
            zmin=-limit,
            zmax=limit,
            colorscale=DIVERGING,
            hoverongaps=False,
            # Below, so that matrices side by side have one size whatever their colour bars' labels.
            colorbar={
                "title": {"text": f"← inhibits    excites →<br>{escape(color_title)}", "side": "bottom"},
                "orientation": "h",
                "y": -0.14,
                "yanchor": "top",
                "thickness": 10,
                "outlinewidth": 0,
            },
            hovertemplate="pre %{x}<br>post %{y}<br><b>%{z:.3g}</b><extra></extra>",
        ),
        base_layout(
            plot_bgcolor="#d5d9de",  # the diagonal, where nothing is drawn
            margin={"l": 54, "r": 8, "t": 30, "b": 44},
            uirevision="keep",  # the zoom survives a change of method
        ),
    )
    borders = np.flatnonzero(types[1:] != types[:-1]) + 0.5
    ticks, labels = _ticks(types, borders, ids[first])
    shared = {"tickvals": ticks, "ticktext": labels, "ticks": "", "showgrid": False, "constrain": "domain"}
    figure.update_xaxes(axis_style("presynaptic", **shared))
    figure.update_yaxes(axis_style("postsynaptic", **shared, autorange="reversed", scaleanchor="x", tickangle=-90))
    for border in borders:
        figure.add_vline(border, line={"color": INK, "width": 1})
        figure.add_hline(border, line={"color": INK, "width": 1})
    if len(values) <= MAX_STROKED and (path := _strokes(values < -LEAST_STROKED * limit)):
        figure.add_shape(type="path", path=path, line={"color": STROKE, "width": 1})
    return figure


def _ticks(
    types: npt.NDArray[np.object_], borders: FloatArray, ids: npt.NDArray[np.object_]
) -> tuple[list[float], list[str]]:
    """Where the axes of a matrix are labelled, and how: by group, or by neuron where no group is known."""
    if set(types) != {"unknown"}:
        edges = [-0.5, *borders, len(types) - 0.5]
        ticks = [(a + b) / 2 for a, b in pairwise(edges) if b - a >= 0.05 * len(types)]
        return ticks, [escape(str(types[int(t)])) for t in ticks]
    names = [str(name) for name in ids]
    if len(names) > MAX_NAMED or max(map(len, names)) > MAX_NAME:
        return [], []
    return [float(k) for k in range(len(names))], [escape(name) for name in names]


def _strokes(cells: npt.NDArray[np.bool_]) -> str:
    """A diagonal through each of the cells of a matrix, as an SVG path."""
    return "".join(f"M{x - 0.5},{y + 0.5}L{x + 0.5},{y - 0.5}" for y, x in np.argwhere(cells))


def precision_recall(truth: Connectome, inferred: Connectome) -> tuple[FloatArray, FloatArray]:
    """Recall and precision of the ranking by `|scores|` of pairs that are known, at most `MAX_CURVE_POINTS` each."""
    pairs = truth.pairs
    precision, recall, _ = precision_recall_curve(
        truth.adjacency[pairs], np.abs(inferred.scores[pairs]), drop_intermediate=True
    )
    # The last point (recall 0, precision 1) is a convention, not a measurement.
    precision, recall = precision[:-1], recall[:-1]
    kept = np.unique(np.linspace(0, len(recall) - 1, MAX_CURVE_POINTS).round().astype(int))
    return recall[kept].astype(np.float32), precision[kept].astype(np.float32)


def precision_recall_figure(results: RunResults, styles: Styles) -> go.Figure:
    """Precision-recall curves of all methods, chance level dashed. Needs ground truth."""
    assert results.truth is not None
    chance = float(results.truth.adjacency.sum() / results.truth.pairs.sum())
    figure = go.Figure(layout=base_layout())
    for method, inferred in results.inferred.items():
        recall, precision = precision_recall(results.truth, inferred)
        figure.add_scatter(
            x=recall,
            y=precision,
            name=method_label(results, method),
            line=line_style(styles[method]),
            mode="lines" if len(recall) > 1 else "markers",
            marker=marker_style(styles[method]),
            hovertemplate="recall %{x:.3f}, precision %{y:.3f}",
        )
    figure.add_hline(
        chance,
        line={"color": INK, "width": 1, "dash": "dash"},
        annotation_text=f"chance {format_number(chance)}",
        annotation_position="top left",  # where curves are high
    )
    figure.update_xaxes(axis_style("recall", range=[0, 1.005]))
    figure.update_yaxes(axis_style("precision", range=[0, 1.02]))
    return figure
