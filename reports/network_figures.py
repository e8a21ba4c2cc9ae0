"""The inferred network: groups of neurons that are connected alike, a map, and a list of the surest connections."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from scipy.cluster.hierarchy import fcluster, linkage

from reports.exports import edge_table
from reports.figures import INK, FloatArray, axis_style, base_layout
from reports.numbers import format_number, is_defined
from reports.tables import Cell, Metric, Row, Table
from synapsnet.recording import Connectome

MAX_EDGES = 200  # more of them hide each other
MAX_LISTED = 25
MAX_CLUSTERS, LEAST_IN_CLUSTER = 8, 5
AXES = ("x_um", "y_um", "z_um")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "pentagon", "star", "hexagon", "cross")
ARRIVES = 0.85  # of the way to the postsynaptic neuron: where the mark of a connection lies
EDGE_METRICS = (
    Metric("weight", "weight", "Positive excites, negative inhibits."),
    Metric("standard_error", "standard error", "Of the weight.", True),
    Metric("local_fdr", "probably absent", "Probability that there is no connection.", True),
    Metric("delay_s", "delay (ms)", "From the presynaptic spike to its effect."),
)


def cluster_names(scores: FloatArray) -> list[str]:
    """Groups of neurons that send and receive alike, "cluster 1" the largest.

    Ward's method (1963, J Am Stat Assoc 58:236) on what each neuron receives and sends.

    Parameters
    ----------
    scores : (N, N) array, `[post, pre]`
    """
    n = len(scores)
    profiles = np.hstack([scores, scores.T])
    n_clusters = max(1, min(MAX_CLUSTERS, n // LEAST_IN_CLUSTER))
    member = fcluster(linkage(profiles, "ward"), n_clusters, "maxclust")
    by_size = np.argsort(-np.bincount(member)[1:], kind="stable") + 1
    return [f"cluster {1 + int(np.flatnonzero(by_size == k)[0])}" for k in member]


def plane(neurons: pd.DataFrame) -> tuple[str, str] | None:
    """The two axes along which positions differ most; None where fewer than 2 neurons have different ones."""
    spans = {axis: float(np.ptp(known)) if len(known := neurons[axis].dropna()) > 1 else 0.0 for axis in AXES}
    if max(spans.values()) == 0:
        return None
    across, along = sorted(sorted(AXES, key=lambda axis: -spans[axis])[:2])
    return across, along


def map_figure(connectome: Connectome, neurons: pd.DataFrame, axes: tuple[str, str]) -> go.Figure:
    """Neurons where they lie, and at most `MAX_EDGES` of the connections reported between them, the surest.

    Parameters
    ----------
    connectome : Connectome
        Inferred, with standard errors.
    neurons : DataFrame with N rows
        See `synapsnet.recording.neuron_table`; those without position are left out.
    axes : two columns of it
        See `plane`.
    """
    position = neurons[list(axes)].fillna({axis: 0.0 for axis in axes if neurons[axis].isna().all()}).to_numpy(float)
    placed = np.isfinite(position).all(axis=1)
    pre, post = _surest(connectome, placed)
    weight = connectome.weight[post, pre]
    figure = go.Figure(layout=base_layout(height=620, hovermode="closest"))
    looks = {
        "excites": (weight > 0, "#b2182b", "solid", "circle"),
        "inhibits": (weight < 0, "#2166ac", "5px,3px", "square-open"),
    }
    ids = [escape(str(name)) for name in neurons["id"]]
    for name, (chosen, color, dash, symbol) in looks.items():
        start, stop = position[pre[chosen]], position[post[chosen]]
        lines = np.stack([start, stop, np.full_like(start, np.nan)], axis=1).reshape(-1, 2)
        figure.add_scatter(
            x=lines[:, 0],
            y=lines[:, 1],
            mode="lines",
            line={"color": color, "dash": dash, "width": 1},
            opacity=0.5,
            name=name,
            legendgroup=name,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=(start + ARRIVES * (stop - start))[:, 0],
            y=(start + ARRIVES * (stop - start))[:, 1],
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 5},
            text=[f"{ids[a]} → {ids[b]}" for a, b in zip(pre[chosen], post[chosen], strict=True)],
            customdata=weight[chosen],
            hovertemplate="%{text}: %{customdata:.3g}<extra></extra>",
            legendgroup=name,
            showlegend=False,
        )
    types = neurons["cell_type"].astype(str).to_numpy()
    for k, kind in enumerate(dict.fromkeys(types[placed])):
        rows = np.flatnonzero(placed & (types == kind))
        figure.add_scatter(
            x=position[rows, 0],
            y=position[rows, 1],
            mode="markers",
            marker={"color": INK, "symbol": f"{SYMBOLS[k % len(SYMBOLS)]}-open", "size": 10, "line": {"width": 1.5}},
            name=escape(kind),
            text=[ids[row] for row in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(axis_style(f"{axes[0][0]} (µm)", showgrid=False, zeroline=False))
    figure.update_yaxes(axis_style(f"{axes[1][0]} (µm)", showgrid=False, zeroline=False, scaleanchor="x"))
    return figure


def surest_table(connectome: Connectome, neurons: pd.DataFrame) -> Table:
    """The connections with most evidence, at most `MAX_LISTED`."""
    edges = edge_table(connectome, neurons).head(MAX_LISTED)
    rows = [
        Row("", f"{edge['pre']} → {edge['post']}", [_number(edge[m.field], m.field) for m in EDGE_METRICS])
        for edge in edges.to_dict("records")
    ]
    return Table(f"The {len(rows)} pairs with most evidence, presynaptic → postsynaptic", EDGE_METRICS, rows)


def _surest(connectome: Connectome, placed: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], ...]:
    """(E,) presynaptic and postsynaptic neurons of the reported connections between neurons that are placed."""
    post, pre = np.nonzero(connectome.significant() & np.outer(placed, placed))
    order = np.argsort(-np.abs(connectome.scores[post, pre]), kind="stable")[:MAX_EDGES]
    return pre[order], post[order]


def _number(value: float, field: str) -> Cell:
    shown = 1e3 * value if field == "delay_s" else value
    return Cell(format_number(shown), value=shown if is_defined(shown) else None)
