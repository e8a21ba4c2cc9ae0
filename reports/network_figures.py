"""The inferred network: groups of neurons with similar connections, a map, and a list of the most certain ones."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from scipy.cluster.hierarchy import fcluster, linkage

from reports.exports import edge_table
from reports.figures import INK, axis_style, base_layout
from reports.numbers import format_number, is_defined
from reports.tables import Cell, Row, Table
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from validation.metrics.glossary import Metric

MAX_EDGES = 200  # more of them hide each other
MAX_LISTED = 25
MAX_MARKED = 1000  # neurons of a map; of more, only those that its connections lead from or to
MOST_CLUSTERED = 2000  # neurons: the time grows with their cube
MAX_CLUSTERS, LEAST_IN_CLUSTER = 8, 5
AXES = ("x_um", "y_um", "z_um")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "pentagon", "star", "hexagon", "cross")
NEURON_PX, END_PX = 10, 9  # marks of a neuron, and of the end of a connection
# As textbooks draw them, so that no colour is needed: an arrow excites, a bar inhibits
LOOKS = {
    "excites (arrow)": (1, "178,24,43", "solid", "arrow"),
    "inhibits (bar)": (-1, "33,102,172", "5px,3px", "line-ew-open"),
}
EDGE_METRICS = (
    Metric("weight", "weight", "Positive excites, negative inhibits."),
    Metric("standard_error", "standard error", "Standard error of the weight.", True),
    Metric("local_fdr", "probably absent", "Probability that there is no connection.", True),
    Metric("delay_s", "delay (ms)", "From the presynaptic spike to its effect."),
)


def cluster_names(scores: FloatArray) -> list[str]:
    """Groups of neurons with similar inputs and outputs, "cluster 1" the largest.

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
    """Neurons at their positions, and at most `MAX_EDGES` of the connections reported between them, the most certain.

    Parameters
    ----------
    connectome : Connectome
        Inferred, with standard errors.
    neurons : DataFrame with N rows
        See `synapsnet.recording.neuron_table`; those without position are left out.
    axes : two columns of it
        See `plane`.
    """
    pre, post, position = surest(connectome, neurons, axes)
    placed = np.isfinite(position).all(axis=1)
    weight = connectome.weight[post, pre]
    figure = go.Figure(layout=base_layout(hovermode="closest"))
    ids = [escape(str(name)) for name in neurons["id"]]
    for name, (sign, color, dash, symbol) in LOOKS.items():
        of_sign = np.sign(weight) == sign
        start, stop = position[pre[of_sign]], position[post[of_sign]]
        lines = np.stack([start, stop, np.full_like(start, np.nan)], axis=1).reshape(-1, 2)
        labels = [
            f"{ids[a]} → {ids[b]}: {w:.3g}"
            for a, b, w in zip(pre[of_sign], post[of_sign], weight[of_sign], strict=True)
        ]
        figure.add_scatter(
            x=lines[:, 0],
            y=lines[:, 1],
            mode="lines+markers",
            line={"color": f"rgba({color},0.6)", "dash": dash, "width": 1},
            # Only where a connection ends, turned along it, at the border of the neuron's own mark
            marker={
                "symbol": symbol,
                "size": [0, END_PX, 0] * len(labels),
                "angleref": "previous",
                "standoff": [0, NEURON_PX / 2 + 1, 0] * len(labels),
                "color": f"rgb({color})",
                "line": {"color": f"rgb({color})", "width": 2 if symbol.endswith("open") else 0},
            },
            name=name,
            text=[text for label in labels for text in ("", label, "")],
            hoverinfo=["skip", "text", "skip"] * len(labels),
        )
    types = neurons["cell_type"].astype(str).to_numpy()
    marked = placed if len(neurons) <= MAX_MARKED else np.isin(np.arange(len(neurons)), [pre, post])
    for k, kind in enumerate(dict.fromkeys(types[marked])):
        rows = np.flatnonzero(marked & (types == kind))
        figure.add_scatter(
            x=position[rows, 0],
            y=position[rows, 1],
            mode="markers",
            marker={
                "color": INK,
                "symbol": f"{SYMBOLS[k % len(SYMBOLS)]}-open",
                "size": NEURON_PX,
                "line": {"width": 1.5},
            },
            name=escape(kind),
            text=[ids[row] for row in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(axis_style(f"{axes[0][0]} (µm)", showgrid=False, zeroline=False, constrain="domain"))
    figure.update_yaxes(
        axis_style(f"{axes[1][0]} (µm)", showgrid=False, zeroline=False, scaleanchor="x", constrain="domain")
    )
    return figure


def surest_table(connectome: Connectome, neurons: pd.DataFrame) -> Table:
    """The connections with the strongest evidence, at most `MAX_LISTED`, with delays if any are known."""
    edges = edge_table(connectome, neurons, most=MAX_LISTED).head(MAX_LISTED)
    metrics = [m for m in EDGE_METRICS if m.field != "delay_s" or edges["delay_s"].notna().any()]
    rows = [
        Row("", f"{edge['pre']} → {edge['post']}", [_number(edge[m.field], m.field) for m in metrics])
        for edge in edges.to_dict("records")
    ]
    return Table(f"The {len(rows)} pairs with most evidence, presynaptic → postsynaptic", metrics, rows)


def surest(
    connectome: Connectome, neurons: pd.DataFrame, axes: tuple[str, str]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """The connections that a map shows, and the positions of all neurons.

    Parameters
    ----------
    connectome, neurons, axes : see `map_figure`

    Returns
    -------
    pre, post : (E,) arrays
        Connections reported between neurons with a position, the most certain first, at most `MAX_EDGES`.
    position : (N, 2) array
        In µm; NaN where it is not known.
    """
    position = neurons[list(axes)].fillna({axis: 0.0 for axis in axes if neurons[axis].isna().all()}).to_numpy(float)
    placed = np.isfinite(position).all(axis=1)
    post, pre, _ = connectome.reported()
    shown = placed[post] & placed[pre]
    post, pre = post[shown], pre[shown]
    order = np.lexsort((pre, post, -np.abs(connectome.scores_of(post, pre))))[:MAX_EDGES]
    return pre[order], post[order], position


def _number(value: float, field: str) -> Cell:
    shown = 1e3 * value if field == "delay_s" else value
    return Cell(format_number(shown), value=shown if is_defined(shown) else None)
