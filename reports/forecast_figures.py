"""Figures of forecasting: scores over the horizon, and forecasts drawn over held-out data."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reports.figures import INK, Styles, axis_style, base_layout, line_style, marker_style, method_label, neuron_name
from reports.numbers import format_duration, format_number
from synapsnet.array_types import FloatArray
from validation.metrics.results import Estimate, ForecastScores, RunResults

MAX_STEPS_SHOWN = 300  # at first sight; the rest is a drag away
ROW_PX = 120


def horizon_figure(
    results: RunResults, styles: Styles, pick: Callable[[ForecastScores], list[Estimate]], title: str
) -> go.Figure:
    """A forecasting score of all methods over the horizon, with shaded 95% intervals.

    Parameters
    ----------
    pick : function of ForecastScores
        Which score, for example `lambda scores: scores.skill_over_mean`.
    title : str
        Name of the score.
    """
    figure = go.Figure(layout=base_layout())
    levels: dict[str, FloatArray] = {}
    for scores in results.scores.forecast:
        steps = np.asarray(scores.horizon_steps, dtype=float)
        value, low, high = np.array([(e.value, e.low, e.high) for e in pick(scores)], dtype=float).T
        if not np.isfinite(value).any():
            continue  # the mean, for example, has no correlation
        style, name = styles[scores.method], method_label(results, scores.method)
        levels[name] = value
        banded = np.isfinite(low) & np.isfinite(high)
        figure.add_scatter(
            x=np.concatenate([steps[banded], steps[banded][::-1]]),
            y=np.concatenate([high[banded], low[banded][::-1]]),
            fill="toself",
            fillcolor=style.faded(0.15),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            legendgroup=name,
            showlegend=False,
        )
        figure.add_scatter(
            x=steps,
            y=value,
            name=name,
            legendgroup=name,
            mode="lines+markers",
            line=line_style(style),
            marker=marker_style(style),
            customdata=np.column_stack([low, high]),
            hovertemplate="%{x} steps: <b>%{y:.3g}</b> [%{customdata[0]:.3g}, %{customdata[1]:.3g}]",
        )
    ticks = sorted({step for scores in results.scores.forecast for step in scores.horizon_steps})
    figure.update_xaxes(axis_style(f"steps ahead (of {format_duration(results.dt_s)})", type="log", tickvals=ticks))
    figure.update_yaxes(axis_style(title))
    _keep_readable(figure, levels)
    return figure


def _keep_readable(figure: go.Figure, levels: dict[str, FloatArray]) -> None:
    """Keep a method far below zero (copying sparse spikes) from flattening all others; say who is cut off."""
    top = max((float(np.nanmax(value)) for value in levels.values()), default=0.0)
    cut = {name: float(np.nanmin(value)) for name, value in levels.items() if np.nanmin(value) < -max(top, 0.02)}
    kept = [value for name, value in levels.items() if name not in cut]
    if not cut or not kept:
        return
    low = min(min(float(np.nanmin(value)) for value in kept), 0.0)
    pad = 0.1 * (max(top, 0.02) - low)
    figure.update_yaxes(range=[low - 2 * pad, top + pad])
    figure.add_annotation(
        text="↓ below: " + ", ".join(f"{name} (down to {format_number(value)})" for name, value in cut.items()),
        xref="paper",
        yref="paper",
        x=0.01,
        y=0.01,
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 11},
        bgcolor="rgba(255,255,255,0.8)",
    )


def forecast_figure(results: RunResults, styles: Styles, horizon_steps: int, shown: set[str]) -> go.Figure:
    """Forecasts made `horizon_steps` before, drawn over held-out data, one row per neuron.

    Spikes are bars on the left axis; expected counts are lines on the right axis, because in fine
    bins they are a small fraction of a spike. Methods outside `shown` are a click on the legend away.
    """
    example = results.example
    assert example is not None
    spikes = results.modality == "spikes"
    neurons = results.neurons.iloc[example.neurons]
    rows = len(neurons)
    figure = make_subplots(
        rows,
        1,
        shared_xaxes=True,
        vertical_spacing=0.22 / rows,
        specs=[[{"secondary_y": spikes}]] * rows,
        subplot_titles=[escape(neuron_name(a, b)) for a, b in zip(neurons["cell_type"], neurons["id"], strict=True)],
    )
    time = example.time_s.astype(np.float32)
    for row in range(1, rows + 1):
        observed = example.observed[:, row - 1].astype(np.float32)
        look = {"name": "observed", "legendgroup": "observed", "showlegend": row == 1}
        if spikes:
            grey = {"color": "#b4bac1", "line": {"color": "#b4bac1", "width": 1}}
            fired = observed > 0
            figure.add_bar(x=time[fired], y=observed[fired], width=results.dt_s, marker=grey, row=row, col=1, **look)
        else:
            figure.add_scatter(x=time, y=observed, line={"color": INK, "width": 1.2}, row=row, col=1, **look)
        for method, horizons in example.predicted.items():
            if horizon_steps in horizons:
                name = method_label(results, method)
                figure.add_scatter(
                    x=time,
                    y=horizons[horizon_steps][:, row - 1].astype(np.float32),
                    name=name,
                    legendgroup=name,
                    showlegend=row == 1,
                    visible=True if method in shown else "legendonly",
                    mode="lines",
                    line=line_style(styles[method], width=1.8),
                    row=row,
                    col=1,
                    **({"secondary_y": True} if spikes else {}),
                )
    figure.update_annotations(x=0, xanchor="left", font={"size": 12})
    figure.update_layout(base_layout(height=rows * ROW_PX + 130, bargap=0, dragmode="pan", uirevision="keep"))
    figure.update_layout(margin_t=50)  # the buttons must not cover the first neuron's name
    last = time[min(len(time), MAX_STEPS_SHOWN) - 1]
    figure.update_xaxes(axis_style("", range=[float(time[0]), float(last)], domain=[0, 1]))
    figure.update_xaxes(title_text="time (s)", row=rows, col=1)
    figure.update_yaxes(axis_style("activity", nticks=4, fixedrange=True))
    if spikes:
        most = max(1, int(example.observed.max()))
        figure.update_yaxes(
            axis_style("spikes", tickvals=[0, most], range=[0, 1.05 * most], showgrid=False), secondary_y=False
        )
        figure.update_yaxes(
            axis_style("expected", rangemode="tozero", nticks=4, tickmode="auto", showgrid=False), secondary_y=True
        )
    return figure
