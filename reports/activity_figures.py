"""Figures of activity: rasters, distributions, traces; names come from files and are escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import pynapple as nap
from plotly.subplots import make_subplots

from reports.figures import GRID, INK, axis_style, base_layout
from reports.numbers import format_number
from synapsnet.array_types import FloatArray

# Dark and light within a family, so that types stay apart in greyscale: warm for those that excite, cold for others
WARM = ("#a63603", "#e6762b", "#7f2704", "#fdae6b")
COLD = ("#08519c", "#4aa5c4", "#54278f", "#8aa6d6")
NEUTRAL = ("#4a5058", "#8a9099")
N_BINS = 40
MAX_SPIKES = 20_000  # as many as a browser draws without a delay
RATE_BIN_S = 0.02
ROW_PX = 84
TRACE_PX = 62
BAR_AT = 1.4  # above the first trace, whose baseline is 0 and whose height is about 1


def raster_figure(
    spike_times: nap.TsGroup, types: Sequence[str], colors: Mapping[str, str], window_s: float = 4.0
) -> go.Figure:
    """Spikes in the middle of the longest epoch, one row per neuron, and below them the population rate.

    Parameters
    ----------
    spike_times : TsGroup of N neurons
        In the order in which they are drawn, from the top.
    types : N names
        Neurons of one type lie together.
    colors : dict of type -> colour
    window_s : float
        Shown at most; less where there are more than `MAX_SPIKES`.
    """
    start, stop = _middle(spike_times.time_support, window_s)
    trains = [t[(t >= start) & (t < stop)] for t in (spike_times[k].times() for k in spike_times.index)]
    if (n := sum(map(len, trains))) > MAX_SPIKES:
        stop = start + (stop - start) * MAX_SPIKES / n
        trains = [t[t < stop] for t in trains]
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.8, 0.2], vertical_spacing=0.04)
    kinds = np.asarray(types)
    for kind in dict.fromkeys(types):
        rows = np.flatnonzero(kinds == kind)
        x = np.concatenate([trains[k] for k in rows]).repeat(3)
        y = np.concatenate([np.full(len(trains[k]), k) for k in rows]).repeat(3).astype(float)
        y[0::3] -= 0.4
        y[1::3] += 0.4
        y[2::3] = np.nan  # the pen is lifted between spikes
        figure.add_scatter(
            x=np.round(x, 4),
            y=y,
            mode="lines",
            line={"width": 1, "color": colors[kind]},
            name=escape(kind),
            hoverinfo="skip",
            row=1,
            col=1,
        )
    counts, edges = np.histogram(np.concatenate(trains), np.arange(start, stop + RATE_BIN_S / 2, RATE_BIN_S))
    figure.add_scatter(
        x=np.round(edges[:-1], 4),
        y=np.round(counts / RATE_BIN_S / len(trains), 3),
        mode="lines",
        line={"color": INK, "width": 1, "shape": "hv"},
        fill="tozeroy",
        fillcolor=GRID,
        hovertemplate="%{y:.3g} Hz<extra></extra>",
        row=2,
        col=1,
    )
    figure.update_layout(base_layout(showlegend=False, height=max(420, min(760, 260 + 3 * len(trains)))))
    figure.update_xaxes(axis_style("", range=[start, stop], showgrid=False, zeroline=False))
    figure.update_xaxes(title_text="time (s)", row=2, col=1)
    middles = [float(np.flatnonzero(kinds == kind).mean()) for kind in dict.fromkeys(types)]
    labels = [escape(kind) for kind in dict.fromkeys(types)]
    figure.update_yaxes(
        axis_style(
            "",
            range=[len(trains) - 0.3, -0.7],
            tickvals=middles,
            ticktext=labels,
            ticks="",
            showgrid=False,
            zeroline=False,
        ),
        row=1,
        col=1,
    )
    figure.update_yaxes(axis_style("rate (Hz)", rangemode="tozero", nticks=3), row=2, col=1)
    return figure


def distribution_figure(groups: Mapping[str, FloatArray], title: str, colors: Mapping[str, str]) -> go.Figure:
    """A histogram for each group, one above the other on one axis; the line is the median.

    Parameters
    ----------
    groups : dict of name -> values
        NaN are left out. Each row has its own height: shapes compare, not numbers. What lies beyond the 0.5th and
        99.5th percentile of all groups is counted in the outermost bins.
    title : str
        Title of the axis.
    colors : dict of name -> colour
    """
    finite = {name: values[np.isfinite(values)] for name, values in groups.items()}
    ranges = [np.percentile(values, [0.5, 99.5]) for values in finite.values() if len(values)] or [np.array([0.0, 1.0])]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, N_BINS + 1)
    figure = make_subplots(rows=len(finite), shared_xaxes=True, vertical_spacing=_gap(len(finite)))
    for row, (name, values) in enumerate(finite.items(), start=1):
        counts = np.histogram(np.clip(values, low, high), edges)[0]
        median = float(np.median(values)) if len(values) else np.nan
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            marker={"color": colors[name], "line": {"width": 0.5, "color": "#fff"}},
            hovertemplate="%{x:.3g}: <b>%{y}</b><extra></extra>",
            row=row,
            col=1,
        )
        if len(values):
            figure.add_vline(median, line={"color": INK, "width": 1.5, "dash": "dot"}, row=row, col=1)
        _label_row(figure, row, f"<b>{escape(name)}</b>  n = {len(values):,}, median {format_number(median)}")
    figure.update_layout(base_layout(showlegend=False, bargap=0, height=max(260, ROW_PX * len(finite) + 90)))
    figure.update_xaxes(axis_style("", range=[low, high], showgrid=False, zeroline=False, ticks=""))
    figure.update_xaxes(title_text=title, ticks="outside", row=len(finite), col=1)
    figure.update_yaxes(
        axis_style("", showgrid=False, zeroline=False, showticklabels=False, ticks="", rangemode="tozero")
    )
    return figure


def trace_figure(
    values: FloatArray, time_s: FloatArray, labels: Sequence[str], colors: Sequence[str], unit: str
) -> go.Figure:
    """Traces below each other, all in one scale, with a bar that says what it is.

    Parameters
    ----------
    values : (T, K) array
    time_s : (T,) array
    labels, colors : K names and K colours
    unit : str
        Unit of the values.
    """
    resting = values - np.percentile(values, 8, axis=0)
    spacing = float(np.percentile(resting.max(axis=0), 75)) or 1.0
    figure = go.Figure(layout=base_layout(showlegend=False, height=TRACE_PX * (len(labels) + 1.5)))
    for k, (label, color) in enumerate(zip(labels, colors, strict=True)):
        figure.add_scatter(
            x=np.round(time_s, 3),
            y=np.round(resting[:, k] / spacing - k, 4),
            mode="lines",
            line={"color": color, "width": 1.3},
            hovertemplate=escape(label) + "<extra></extra>",
        )
    size = float(f"{spacing / 2:.0e}")
    bar = {"type": "line", "xref": "paper", "x0": 1, "x1": 1, "y0": BAR_AT, "y1": BAR_AT + size / spacing}
    figure.add_shape(bar | {"line": {"color": INK, "width": 3}})
    figure.add_annotation(
        text=f"{size:g} {escape(unit)}",
        xref="paper",
        yref="y",
        x=0.99,
        y=BAR_AT + size / spacing / 2,
        xanchor="right",
        showarrow=False,
    )
    figure.update_xaxes(axis_style("time (s)", showgrid=False, zeroline=False))
    figure.update_yaxes(
        axis_style(
            "",
            range=[0.4 - len(labels), 2.0],
            tickvals=[-k for k in range(len(labels))],
            ticktext=[escape(label) for label in labels],
            ticks="",
            showgrid=False,
            zeroline=False,
        )
    )
    return figure


def lines_figure(time_s: FloatArray, values: FloatArray, names: Sequence[str]) -> go.Figure:
    """A row for each variable over time."""
    figure = make_subplots(rows=len(names), shared_xaxes=True, vertical_spacing=_gap(len(names)))
    for row, name in enumerate(names, start=1):
        figure.add_scatter(
            x=np.round(time_s, 3),
            y=values[:, row - 1],
            mode="lines",
            line={"color": INK, "width": 1.2},
            fill="tozeroy",
            fillcolor=GRID,
            hovertemplate="%{y:.3g}<extra>" + escape(name) + "</extra>",
            row=row,
            col=1,
        )
        _label_row(figure, row, f"<b>{escape(name)}</b>")
    figure.update_layout(base_layout(showlegend=False, height=max(220, ROW_PX * len(names) + 80)))
    figure.update_xaxes(axis_style("", showgrid=False, zeroline=False, ticks=""))
    figure.update_xaxes(title_text="time (s)", ticks="outside", row=len(names), col=1)
    figure.update_yaxes(axis_style("", nticks=3, zeroline=False))
    return figure


def curve_figure(
    curves: Mapping[str, tuple[FloatArray, FloatArray]], x_title: str, y_title: str, colors: Mapping[str, str]
) -> go.Figure:
    """Lines over one axis, each of its own dash."""
    figure = go.Figure(layout=base_layout(height=340))
    dashes = ("solid", "7px,3px", "2px,3px")
    for k, (name, (x, y)) in enumerate(curves.items()):
        figure.add_scatter(
            x=np.round(x, 4),
            y=np.round(y, 4),
            name=escape(name),
            mode="lines",
            line={"color": colors[name], "width": 2.5, "dash": dashes[k % 3]},
        )
    figure.update_xaxes(axis_style(x_title))
    figure.update_yaxes(axis_style(y_title))
    return figure


def type_colors(
    types: Sequence[str], excites: npt.NDArray[np.bool_], inhibits: npt.NDArray[np.bool_]
) -> dict[str, str]:
    """A colour for each type: warm if its neurons excite, cold if they inhibit, grey if neither or both."""
    kinds = np.asarray(types)
    used = {WARM: 0, COLD: 0, NEUTRAL: 0}
    colors = {}
    for kind in dict.fromkeys(types):
        warm, cold = bool(excites[kinds == kind].any()), bool(inhibits[kinds == kind].any())
        family = NEUTRAL if warm == cold else WARM if warm else COLD
        colors[kind] = family[used[family] % len(family)]
        used[family] += 1
    return colors


def _gap(n_rows: int) -> float:
    """Room between the rows of a figure for their labels, as a part of its height."""
    return float(0.28 / n_rows**1.2)


def _label_row(figure: go.Figure, row: int, text: str) -> None:
    number = "" if row == 1 else str(row)
    figure.add_annotation(
        text=text,
        xref=f"x{number} domain",
        yref=f"y{number} domain",
        x=0,
        y=1,
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"size": 12},
    )


def _middle(epochs: nap.IntervalSet, window_s: float) -> tuple[float, float]:
    """The middle of the longest epoch."""
    k = int(np.argmax(epochs.end - epochs.start))
    start, end = float(epochs.start[k]), float(epochs.end[k])
    spare = max(end - start - window_s, 0.0) / 2
    return start + spare, end - spare
