"""Figures of an assessment: what is expected of the connectivity, agreement of parts, responses to light."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from reports.figures import INK, axis_style, base_layout
from synapsnet.array_types import FloatArray
from validation.assessment.results import Comparison, Expected, Perturbation
from validation.metrics.results import Estimate

BLUE = "#0072B2"
MAX_POINTS = 3_000
ROW_PX = 62
AROUND = 1.5  # factor by which logarithmic axes go beyond what is drawn


def recovery_figure(expected: Expected, duration_s: float) -> go.Figure:
    """Expected AUPRC over the length of the recording.

    Parameters
    ----------
    expected : Expected
    duration_s : float
        Length of the recording.
    """
    figure = go.Figure(layout=base_layout(height=400))
    minutes = [duration_s / 60, expected.longer.duration_s / 60]
    _add_estimates(figure, minutes, [expected.auprc, expected.longer.auprc], "%{x:.3g} min")
    _add_chance(figure, expected.density.value, f"guessing {expected.density.value:.2f}")
    figure.add_vline(minutes[0], line={"color": INK, "width": 1})
    figure.add_annotation(
        x=np.log10(minutes[0]), y=1, yref="paper", text="your recording", showarrow=False, xanchor="left", xshift=4
    )
    figure.update_xaxes(_logarithmic("length of the recording (min)", minutes, ".3g"))
    figure.update_yaxes(axis_style("AUPRC", range=[0, 1.02]))
    return figure


def thresholds_figure(expected: Expected) -> go.Figure:
    """Rate of false discoveries in networks like this over the nominal one; on the dotted line they are equal."""
    figure = go.Figure(layout=base_layout(height=400))
    nominal = [threshold.nominal for threshold in expected.thresholds]
    _add_estimates(figure, nominal, [threshold.rate for threshold in expected.thresholds], "nominal %{x}")
    figure.add_scatter(
        x=nominal, y=nominal, mode="lines", line={"color": INK, "width": 1, "dash": "2px,3px"}, hoverinfo="skip"
    )
    figure.update_xaxes(_logarithmic("nominal rate of false discoveries", nominal, ".1%"))
    figure.update_yaxes(axis_style("fraction that is false", range=[0, 1.02]))
    return figure


def agreement_figure(comparisons: Sequence[Comparison], names: Sequence[str]) -> go.Figure:
    """Correlation of weights from two parts of a recording, one row for each pair of parts.

    Parameters
    ----------
    comparisons : sequence of Comparison
    names : sequence of str
        Names of the pairs.
    """
    figure = go.Figure(layout=base_layout(height=150 + ROW_PX * len(comparisons)))
    null = [(r, k) for k, comparison in enumerate(comparisons) for r in comparison.null_weight_correlation]
    correlations = [
        (e, k) for k, comparison in enumerate(comparisons) if (e := comparison.weight_correlation) is not None
    ]
    value, low, high = np.array([(e.value, e.low, e.high) for e, _ in correlations]).reshape(-1, 3).T
    drawn = {
        "shifted in time": (*_columns(null), "x-thin-open", "#5c5c5c", {}),
        "this recording": (
            value.tolist(),
            [k for _, k in correlations],
            "circle",
            "#0072B2",
            {"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low},
        ),
    }
    for name, (x, y, symbol, color, error) in drawn.items():
        if x:
            marker = {"symbol": symbol, "color": color, "size": 9, "line": {"width": 1.5, "color": color}}
            hover = "%{x:.3f}<extra>" + name + "</extra>"
            figure.add_scatter(x=x, y=y, mode="markers", name=name, marker=marker, error_x=error, hovertemplate=hover)
    rows = list(range(len(comparisons)))
    labels = [escape(name) for name in names]
    limits = [-0.5, len(comparisons) - 0.4]
    figure.update_yaxes(axis_style("", tickvals=rows, ticktext=labels, range=limits[::-1], showgrid=False))
    figure.update_xaxes(axis_style("correlation of weights", range=[min(-0.1, *_least(null, low)), 1.02]))
    return figure


def weights_figure(first: FloatArray, second: FloatArray, parts: tuple[str, str]) -> go.Figure:
    """Weights from one part of the recording against those from another, a mark for each pair of neurons.

    Parameters
    ----------
    first, second : (N, N) arrays, `[post, pre]`
    parts : two names

    Notes
    -----
    If there are many pairs, only every n-th is drawn, in the order of their weights.
    """
    pairs = ~np.eye(len(first), dtype=bool)
    order = np.argsort(first[pairs], kind="stable")
    order = order[np.unique(np.linspace(0, len(order) - 1, MAX_POINTS).round().astype(int))]
    x, y = first[pairs][order], second[pairs][order]
    figure = go.Figure(layout=base_layout(height=400))
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"color": "rgba(0,114,178,0.5)", "size": 5},
        hovertemplate="%{x:.3g}, %{y:.3g}<extra></extra>",
    )
    ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": INK, "width": 1, "dash": "4px,4px"}, hoverinfo="skip"
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(axis_style(f"weight, {escape(parts[0])}"))
    figure.update_yaxes(axis_style(f"weight, {escape(parts[1])}"))
    return figure


def light_figure(perturbation: Perturbation) -> go.Figure:
    """Responses to light against those that connectivity predicts, a mark for each neuron that light does not drive."""
    figure = go.Figure(layout=base_layout(height=400))
    figure.add_scatter(
        x=perturbation.predicted,
        y=perturbation.measured,
        mode="markers",
        marker={"color": "rgba(0,114,178,0.6)", "size": 7},
        text=[escape(name) for name in perturbation.targets],
        hovertemplate="neuron %{text}: predicted %{x:.3g}, measured %{y:.3g}<extra></extra>",
    )
    figure.add_hline(0, line={"color": INK, "width": 1, "dash": "2px,3px"})
    figure.add_vline(0, line={"color": INK, "width": 1, "dash": "2px,3px"})
    figure.update_layout(showlegend=False)
    figure.update_xaxes(axis_style("predicted change of log rate"))
    figure.update_yaxes(axis_style("measured (rate − baseline) / (rate + baseline)", range=[-1.05, 1.05]))
    return figure


def _add_estimates(figure: go.Figure, x: list[float], estimates: list[Estimate], where: str) -> None:
    """Values with their intervals, joined by a line."""
    value, low, high = np.array([(estimate.value, estimate.low, estimate.high) for estimate in estimates]).T
    figure.add_scatter(
        x=x,
        y=value,
        error_y={"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low},
        mode="lines+markers",
        line={"color": BLUE, "width": 2.5},
        marker={"color": BLUE, "size": 9},
        customdata=np.column_stack([low, high]),
        hovertemplate=where + ": <b>%{y:.3f}</b> [%{customdata[0]:.3f}, %{customdata[1]:.3f}]<extra></extra>",
    )
    figure.update_layout(showlegend=False)


def _logarithmic(title: str, at: list[float], form: str) -> dict[str, Any]:
    """An axis with ticks at these increasing values, in this format."""
    limits = np.log10([at[0] / AROUND, at[-1] * AROUND]).tolist()
    labels = [f"{tick:{form}}" for tick in at]
    return axis_style(title, type="log", tickvals=at, ticktext=labels, range=limits)


def _add_chance(figure: go.Figure, chance: float, text: str) -> None:
    figure.add_hline(
        chance,
        line={"color": INK, "width": 1, "dash": "2px,3px"},
        annotation_text=text,
        annotation_position="bottom right",
    )


def _columns(points: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [x for x, _ in points], [y for _, y in points]


def _least(null: list[tuple[float, int]], low: FloatArray) -> list[float]:
    """The leftmost of what is drawn."""
    drawn = [*(r for r, _ in null), *low.tolist()]
    return [min(drawn, default=0.0) - 0.05]
