"""Figures of an assessment: recovery from matched simulations, agreement of parts, responses to light."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from reports.figures import INK, FloatArray, axis_style, base_layout
from validation.assessment.results import Comparison, Matched, MatchedFit, Perturbation, Scenario

# Apart in greyscale by their marks and dashes
LOOKS = (("#0072B2", "circle", "solid"), ("#D55E00", "square", "7px,3px"), ("#009E73", "triangle-up", "2px,3px"))
MAX_POINTS = 3_000
ROW_PX = 62
AROUND_ALL, AROUND_ONE = 1.2, 4.0  # factors by which the axis of lengths goes beyond them, and beyond a single one
BESIDE = 0.03  # scenarios of one length, side by side on the logarithmic axis


def matched_figure(matched: Matched, names: Sequence[str]) -> go.Figure:
    """AUPRC in matched simulations over the length of the recording.

    Parameters
    ----------
    matched : Matched
        With at least one scenario.
    names : sequence of str
        Names of its scenarios.
    """
    figure = go.Figure(layout=base_layout(height=400))
    own = next((now.duration_s for scenario in matched.scenarios if (now := scenario.at()) is not None), None)
    for k, (scenario, name) in enumerate(zip(matched.scenarios, names, strict=True)):
        fits = [fit for fit in matched.fits if fit.visible_fraction == scenario.visible_fraction]
        _add_scenario(figure, scenario, fits, name, k)
    chance = float(np.mean([score.density for scenario in matched.scenarios for score in scenario.scores]))
    figure.add_hline(
        chance,
        line={"color": INK, "width": 1, "dash": "2px,3px"},
        annotation_text=f"guessing {chance:.2f}",
        annotation_position="bottom right",
    )
    ticks = sorted({score.duration_s / 60 for scenario in matched.scenarios for score in scenario.scores})
    if own is not None:
        figure.add_vline(own / 60, line={"color": INK, "width": 1})
        side, shift = ("right", -4) if len(ticks) > 1 and own / 60 == ticks[-1] else ("left", 4)
        figure.add_annotation(
            x=np.log10(own / 60), y=1, yref="paper", text="your recording", showarrow=False, xanchor=side, xshift=shift
        )
    labels = [f"{tick:.3g}" for tick in ticks]
    beyond = AROUND_ONE if len(ticks) == 1 else AROUND_ALL
    limits = np.log10([ticks[0] / beyond, ticks[-1] * beyond]).tolist()
    figure.update_xaxes(
        axis_style("length of the recording (min)", type="log", tickvals=ticks, ticktext=labels, range=limits)
    )
    figure.update_yaxes(axis_style("AUPRC", range=[0, 1.02]))
    return figure


def agreement_figure(comparisons: Sequence[Comparison], names: Sequence[str], of_matched: Sequence[float]) -> go.Figure:
    """Correlation of weights from two parts of a recording, one row for each pair of parts.

    Parameters
    ----------
    comparisons : sequence of Comparison
    names : sequence of str
        Names of the pairs.
    of_matched : sequence of float
        The same for odd and even blocks of matched simulations; drawn in the first row.
    """
    figure = go.Figure(layout=base_layout(height=150 + ROW_PX * len(comparisons)))
    null = [(r, k) for k, each in enumerate(comparisons) for r in each.null_weight_correlation]
    found = [(e, k) for k, each in enumerate(comparisons) if (e := each.weight_correlation) is not None]
    value, low, high = np.array([(e.value, e.low, e.high) for e, _ in found]).reshape(-1, 3).T
    drawn = {
        "shifted in time": (*_columns(null), "x-thin-open", "#5c5c5c", {}),
        "matched simulations": (list(of_matched), [0.2] * len(of_matched), "diamond-open", "#D55E00", {}),
        "this recording": (
            value.tolist(),
            [k for _, k in found],
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


def light_figure(found: Perturbation) -> go.Figure:
    """Responses to light against those that connectivity predicts, a mark for each neuron that light does not drive."""
    figure = go.Figure(layout=base_layout(height=400))
    figure.add_scatter(
        x=found.predicted,
        y=found.measured,
        mode="markers",
        marker={"color": "rgba(0,114,178,0.6)", "size": 7},
        text=[escape(name) for name in found.targets],
        hovertemplate="neuron %{text}: predicted %{x:.3g}, measured %{y:.3g}<extra></extra>",
    )
    figure.add_hline(0, line={"color": INK, "width": 1, "dash": "2px,3px"})
    figure.add_vline(0, line={"color": INK, "width": 1, "dash": "2px,3px"})
    figure.update_layout(showlegend=False)
    figure.update_xaxes(axis_style("predicted change of log rate"))
    figure.update_yaxes(axis_style("measured (rate − baseline) / (rate + baseline)", range=[-1.05, 1.05]))
    return figure


def _add_scenario(figure: go.Figure, scenario: Scenario, fits: Sequence[MatchedFit], name: str, k: int) -> None:
    """Means of the k-th scenario with their intervals, and its single networks."""
    color, symbol, dash = LOOKS[k % len(LOOKS)]
    minutes = {score.length: (1 + BESIDE * k) * score.duration_s / 60 for score in scenario.scores}
    single = [(minutes[fit.length], fit.auprc) for fit in fits if fit.auprc is not None and fit.length in minutes]
    value, low, high = np.array([(s.auprc.value, s.auprc.low, s.auprc.high) for s in scenario.scores]).T
    figure.add_scatter(
        x=[x for x, _ in single],
        y=[y for _, y in single],
        mode="markers",
        marker={"color": color, "symbol": f"{symbol}-open", "size": 5},
        hovertemplate="one network: %{y:.3f}<extra></extra>",
        legendgroup=name,
        showlegend=False,
    )
    figure.add_scatter(
        x=list(minutes.values()),
        y=value,
        error_y={"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low},
        name=escape(name),
        legendgroup=name,
        mode="lines+markers",
        line={"color": color, "dash": dash, "width": 2.5},
        marker={"color": color, "symbol": symbol, "size": 9},
        customdata=np.column_stack([low, high]),
        hovertemplate="%{x:.3g} min: <b>%{y:.3f}</b> [%{customdata[0]:.3f}, %{customdata[1]:.3f}]",
    )


def _columns(points: list[tuple[float, int]]) -> tuple[list[float], list[int]]:
    return [x for x, _ in points], [y for _, y in points]


def _least(null: list[tuple[float, int]], low: FloatArray) -> list[float]:
    """The leftmost of what is drawn."""
    drawn = [*(r for r, _ in null), *low.tolist()]
    return [min(drawn, default=0.0) - 0.05]
