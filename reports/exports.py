"""Inferred connectivity for other tools: a table, a graph, and a copy of the recording that holds it.

edges.csv        every pair of neurons, or the million surest; for a spreadsheet, R or pandas
network.graphml  the neurons and the connections that are reported; for Cytoscape, Gephi, igraph or networkx
results.nwb      see `synapsnet.io.nwb_inferred.add_inferred`

GraphML: Brandes et al. 2002, Graph Drawing, LNCS 2265:501.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.connectome import MOST_PAIRS, Connectome
from synapsnet.errors import InputError
from synapsnet.files import atomic_path, make_folder, write_text
from synapsnet.io.nwb_inferred import add_inferred
from synapsnet.io.reread import find_neurons, read_again
from synapsnet.recording import has_little_data
from synapsnet.run import RECORDING, Run

EDGES, GRAPH, NWB = "edges.csv", "network.graphml", "results.nwb"
NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
# What XML 1.0 cannot hold, escaped or not
UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_exports(run: Run, folder: str | Path, *, fdr: float = 0.05, recording: str | Path | None = None) -> None:
    """Write what SynapsNet inferred into a folder, which is made if it is not there.

    Parameters
    ----------
    run : Run
    folder : path
    fdr : float
        False discovery rate of what is reported.
    recording : path, optional
        NWB file that the run was fitted to, or to a part of, of which a copy gets the results; default the run's own.

    Raises
    ------
    InputError
        If the rate is not in (0, 1), the folder cannot be written to, or the recording is no NWB file, not the one that
        the run was fitted to, or holds results already.
    """
    folder, neurons = Path(folder), run.recording.neurons
    connectome = run.models["synapsnet"].connectivity_
    edges = edge_table(connectome, neurons, fdr, has_little_data(run.recording))
    if recording is not None:
        _refuse_another(Path(recording), run)
    make_folder(folder)
    add_inferred(recording or run.folder / RECORDING, folder / NWB, connectome, neurons)  # first: it may be refused
    with atomic_path(folder / EDGES) as path:
        edges.to_csv(path, index=False)
    write_text(folder / GRAPH, graphml(edges[edges["reported"]], neurons))


def edge_table(
    connectome: Connectome,
    neurons: pd.DataFrame,
    fdr: float = 0.05,
    little_data: npt.ArrayLike | None = None,
    most: int = MOST_PAIRS,
) -> pd.DataFrame:
    """Ordered pairs of different neurons, the surest first: all, or the surest of them.

    Parameters
    ----------
    connectome : Connectome
        Inferred, with standard errors.
    neurons : DataFrame with N rows
        See `synapsnet.recording.neuron_table`.
    fdr : float
        False discovery rate of what is reported.
    little_data : (N,) bool array, optional
        Neurons of which too little is known to believe p-values, see `synapsnet.recording.has_little_data`.
    most : int
        Number of pairs; more only if more are reported.

    Returns
    -------
    DataFrame
        `pre` and `post` (ids of neurons), `weight` (in `Connectome.unit`), `standard_error`, `p_value`, `q_value` (the
        least false discovery rate at which the pair is reported), `local_fdr` (probability that there is no
        connection), `delay_s`, `reported`, and `little_data`: of one of the two neurons. NaN where the connectome does
        not hold it.

    Raises
    ------
    InputError
        If the rate is not in (0, 1) or standard errors are not known.
    """
    names = np.array(unique_names(neurons), dtype=object)
    post, pre = connectome.surest(max(most, len(connectome.reported(fdr)[0])))
    known = connectome.values_of(post, pre)
    if "p_value" not in known:
        known["p_value"] = connectome.p_values[post, pre]
    values = {
        name: known.get(name, np.nan)
        for name in ("weight", "standard_error", "p_value", "q_value", "local_fdr", "delay_s")
    }
    values["q_value"] = connectome.q_values_of(post, pre)
    values["reported"] = values["q_value"] <= fdr
    scarce = np.zeros(connectome.n_neurons, bool) if little_data is None else np.asarray(little_data, bool)
    values["little_data"] = scarce[post] | scarce[pre]
    return pd.DataFrame({"pre": names[pre], "post": names[post]} | values)


def graphml(edges: pd.DataFrame, neurons: pd.DataFrame) -> str:
    """A directed graph of all neurons and the given connections.

    Parameters
    ----------
    edges : DataFrame
        Rows of `edge_table`.
    neurons : DataFrame with N rows
        Columns become attributes; what is not known is left out.
    """
    root = ElementTree.Element("graphml", xmlns=NAMESPACE)
    measures = [name for name in edges.columns if name not in ("pre", "post", "reported", "little_data")]
    _declare(root, "node", neurons)
    _declare(root, "edge", edges[measures])
    graph = ElementTree.SubElement(root, "graph", edgedefault="directed")
    nodes = {name: f"n{k}" for k, name in enumerate(unique_names(neurons))}
    for node, row in zip(nodes.values(), neurons.to_dict("records"), strict=True):
        _fill(ElementTree.SubElement(graph, "node", id=node), "node", row)
    for row in edges.to_dict("records"):
        ends = {"source": nodes[row["pre"]], "target": nodes[row["post"]]}
        _fill(ElementTree.SubElement(graph, "edge", ends), "edge", {name: row[name] for name in measures})
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _refuse_another(path: Path, run: Run) -> None:
    """Refuse a file that the run was not fitted to: the results would be put beside other neurons."""
    if path.suffix != ".nwb":
        raise InputError(f"Results go into a copy of an NWB file (*.nwb); got {path}.")
    find_neurons(path, read_again(path, run.recording, behaviour="none"), run.recording)


def unique_names(neurons: pd.DataFrame) -> list[str]:
    """The neurons' ids, with their row behind them, `id#row`, if any two are the same."""
    ids = neurons["id"].astype(str)
    return ids.tolist() if ids.is_unique else [f"{name}#{k}" for k, name in enumerate(ids)]


def _declare(root: ElementTree.Element, of: str, table: pd.DataFrame) -> None:
    for name, column in table.items():
        kind = "double" if pd.api.types.is_numeric_dtype(column) else "string"
        facts = {"id": f"{of}-{name}", "for": of, "attr.name": str(name), "attr.type": kind}
        ElementTree.SubElement(root, "key", facts)


def _fill(element: ElementTree.Element, of: str, values: dict[Hashable, Any]) -> None:
    for name, value in values.items():
        if not pd.isna(value):
            data = ElementTree.SubElement(element, "data", key=f"{of}-{name}")
            data.text = UNWRITABLE.sub("\ufffd", str(value))
