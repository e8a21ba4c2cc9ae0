"""Files of known connections: a table of pairs, or a matrix, from any of the formats of `synapsnet.io.truth`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.coregistration import whole_ids
from synapsnet.io.hdf5 import opened
from synapsnet.io.mat import load_mat
from synapsnet.io.npy import load_npy, load_npz
from synapsnet.io.reader import Notify
from synapsnet.io.table_files import PARQUET, TEXT, load_whole
from synapsnet.io.text import read_text

Orientation = Literal["pre-post", "post-pre"]

# Column names in tables, in SONATA and in the synapses of MICrONS.
PRE = ("pre", "pre_id", "source", "source_id", "source_node_id", "pre_pt_root_id", "pre_root_id", "presynaptic")
POST = ("post", "post_id", "target", "target_id", "target_node_id", "post_pt_root_id", "post_root_id", "postsynaptic")
WEIGHT = ("weight", "syn_weight", "w", "size", "n_synapses", "syn_count")
DELAY = {"delay_s": 1.0, "delay_ms": 1e-3, "delay": 1e-3}
BLANK = ("", "nan", "na", "null", "none")


def load_connections(
    path: Path, *, key: str | None, delay_key: str | None, orientation: Orientation | None, notify: Notify
) -> pd.DataFrame | tuple[Float64Array, Float64Array | None]:
    """A table with columns pre, post, weight and possibly delay_s, or a matrix of weights and possibly of delays.

    Parameters
    ----------
    path : Path
    key, delay_key, orientation
        See `synapsnet.io.truth.Truth`.
    notify : callable
        Receives a line for every assumption made.

    Raises
    ------
    InputError
        If the file is missing, damaged or in no known layout.
    """
    if not path.is_file():
        raise InputError(f"The ground truth {path} is not a file; check the path (--truth).")
    if path.suffix in (".h5", ".hdf5"):
        return _sonata(path, key, notify)
    if path.suffix in (*TEXT, *PARQUET):
        table, below, _, numbered = load_whole(path)
        if numbered:
            notify(f"The first row of {path.name} numbers its columns, and is taken to be the header.")
        if below:
            rows = "; ".join(", ".join(row) for row in below)
            notify(f"The header of {path.name} is taken to go on with {rows}.")
        if (_column(table, PRE) is None) != (_column(table, POST) is None):
            raise InputError(
                f"{path} names only one end of its connections; it needs columns pre and post, and has "
                f"{', '.join(table.columns)}."
            )
        if _column(table, PRE) is not None:
            return _named(table, path)
        weight, delay = _numbers(table.to_numpy(), path), None
    elif path.suffix == ".npy":
        weight, delay = _numbers(load_npy(path), path), None
    elif path.suffix in (".npz", ".mat"):
        arrays = load_npz(path) if path.suffix == ".npz" else dict(_flat(load_mat(path)))
        weight = _numbers(_array(arrays, key, path), path)
        delay = None if delay_key is None else _numbers(_array(arrays, delay_key, path), path)
    elif path.suffix in (".txt", ".dat"):
        weight, delay = _text_matrix(path), None
    else:
        raise InputError(
            f"Connections are not read from files such as {path}; expected .csv, .tsv, .parquet, .npy, .npz, .mat, "
            ".txt, .dat or SONATA's .h5."
        )
    square = weight.shape[0] == weight.shape[1]
    if not square and weight.shape[1] in (2, 3):
        return _bare_pairs(weight, orientation, path, notify)
    return weight, delay


def _sonata(path: Path, key: str | None, notify: Notify) -> pd.DataFrame:
    """Edges of one population or of all; each is a synapse, and those of one pair are summed."""
    tables = []
    with opened(path) as file:
        if "edges" not in file:
            raise InputError(f"{path} has no /edges: give SONATA edges, or another kind of file with its own suffix.")
        names = [key] if key else list(file["edges"])
        if absent := [name for name in names if name not in file["edges"]]:
            raise InputError(f"{path} has no edges {absent[0]}; it has {', '.join(file['edges'])}.")
        for name in names:
            edges = file["edges"][name]
            try:
                sources, targets = edges["source_node_id"], edges["target_node_id"]
                table = pd.DataFrame({"pre": sources[:].astype(str), "post": targets[:].astype(str)})
            except KeyError as error:
                raise InputError(
                    f"/edges/{name} in {path} lacks source or target ids; it is not a whole file."
                ) from error
            table["pre_population"] = _population(sources)
            table["post_population"] = _population(targets)
            table["weight"], table["delay_s"] = _synapses(edges, path, len(table))
            tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    ends = ["pre_population", "pre", "post_population", "post"]
    summed = table.groupby(ends, sort=False, as_index=False).agg({"weight": "sum", "delay_s": "mean"})
    if len(summed) < len(table):
        notify(f"{path.name}: the synapses of a pair are summed, {len(table)} to {len(summed)} connections.")
    return summed


def _population(ids: Any) -> str:
    name = ids.attrs.get("node_population", "")
    return name.decode() if isinstance(name, bytes) else str(name)


def _synapses(edges: Any, path: Path, n_edges: int) -> tuple[Float64Array, Float64Array]:
    """Weight and delay of each edge, or else of its type, as in SONATA; 1 and NaN if neither is given."""
    values_by_name: dict[str, Float64Array] = {}
    group = edges.get("0", {})
    types_file = path.with_name(path.name.replace("edges", "edge_types")).with_suffix(".csv")
    types = pd.read_csv(types_file, sep=r"\s+") if types_file.is_file() else pd.DataFrame()
    for name, fallback in (("syn_weight", 1.0), ("delay", np.nan), ("nsyns", 1.0)):
        if name in group:
            values_by_name[name] = np.asarray(group[name][:], float)
        elif name in types and "edge_type_id" in edges and "edge_type_id" in types:
            by_type = pd.to_numeric(types.set_index("edge_type_id")[name], errors="coerce")
            values = by_type.reindex(edges["edge_type_id"][:]).to_numpy(float)
            values_by_name[name] = np.where(np.isfinite(values), values, fallback)
        else:
            values_by_name[name] = np.full(n_edges, fallback)
    return values_by_name["syn_weight"] * values_by_name["nsyns"], values_by_name["delay"] * 1e-3


def _named(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with our own column names."""
    pre, post, weight = (_column(table, names) for names in (PRE, POST, WEIGHT))
    pairs = pd.DataFrame({"pre": whole_ids(table[pre], path), "post": whole_ids(table[post], path)})
    pairs["weight"] = 1.0 if weight is None else _column_of_numbers(table[weight], path)
    delay = _column(table, tuple(DELAY))
    if delay is not None:
        pairs["delay_s"] = _column_of_numbers(table[delay], path) * DELAY[delay.strip().lower()]
    return pairs


def _column_of_numbers(column: pd.Series, path: Path) -> Float64Array:
    """(P,) its numbers, NaN where it is blank."""
    numbers = pd.to_numeric(column, errors="coerce")
    words = column[numbers.isna() & column.notna()].astype(str).str.strip()
    if (wrong := words[~words.str.lower().isin(BLANK)]).any():
        raise InputError(f"The column {column.name} of {path} must hold numbers; it holds {wrong.iloc[0]!r}.")
    return numbers.to_numpy(float)


def _column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    lower = {str(name).strip().lower(): str(name) for name in table.columns}
    return next((lower[name] for name in names if name in lower), None)


def _bare_pairs(array: Float64Array, orientation: Orientation | None, path: Path, notify: Notify) -> pd.DataFrame:
    """A table of pairs from an array of 2 or 3 columns."""
    pre, post = (0, 1) if orientation != "post-pre" else (1, 0)
    if orientation is None:
        notify(f"The columns of {path.name} are taken to be pre, post, weight (--orientation).")
    ends = {name: whole_ids(pd.Series(array[:, k]), path) for name, k in (("pre", pre), ("post", post))}
    return pd.DataFrame(ends).assign(weight=array[:, 2] if array.shape[1] == 3 else 1.0)


def _array(arrays: dict[str, Any], key: str | None, path: Path) -> Any:
    """The array of that name; without a name, the only one that can be a matrix."""
    able = [name for name, array in arrays.items() if getattr(array, "ndim", 0) == 2 and min(array.shape) > 1]
    if key is None and len(able) == 1:
        return arrays[able[0]]
    if key is None or arrays.get(key) is None:
        named = f"no array {key}" if key else "several arrays" if able else "no matrix"
        raise InputError(f"{path} has {named}; choose one of {', '.join(able) or 'none'} (--truth-read key=NAME).")
    return arrays[key]


def _flat(variables: dict[str, Any], prefix: str = "") -> Any:
    """Fields of structs, by dotted names."""
    for name, value in variables.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text_matrix(path: Path) -> Float64Array:
    rows = [line.replace(",", " ").replace(";", " ").split() for line in read_text(path).splitlines()]
    rows = [row for row in rows if row and not row[0].startswith(("#", "%"))]
    if not rows:
        raise InputError(f"{path} is empty; export it again.")
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path} is not a matrix: its rows have different lengths; export it again.")
    return _numbers(np.array(rows), path)


def _numbers(array: Any, path: Path) -> Float64Array:
    try:
        numbers = np.asarray(array.todense() if hasattr(array, "todense") else array).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"The connections in {path} must be numbers; other values were found.") from error
    if numbers.ndim != 2 or not numbers.size:
        raise InputError(f"The connections in {path} must be a matrix or pairs; got {numbers.ndim} dimensions.")
    return numbers
