"""Known connections from elsewhere: another simulator, paired recordings, electron microscopy.

`--truth FILE` on the command line, `[truth]` in a sidecar file, `truth` of a recording in a suite. A file is one of

- a table (.csv, .tsv, .parquet) with a row for each connection: columns `pre` and `post` (ids of neurons), and where
  they are known `weight` and `delay_ms` or `delay_s`; an array of 2 or 3 columns (pre, post, weight) is read likewise;
- a matrix of all neurons in their order (.npy, .npz, .mat, or text: .txt, .dat, .csv), whose orientation is stated;
- SONATA edges (.h5);
- the synapses of MICrONS, with a table of coregistration (`synapsnet.io.coregistration`).

A weight of NaN says that the pair was not tested.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.coregistration import tested_pairs, whole_ids
from synapsnet.io.hdf5 import opened
from synapsnet.io.mat import load_mat
from synapsnet.io.npy import load_npy, load_npz
from synapsnet.io.reader import Notify
from synapsnet.io.table_files import PARQUET, TEXT, load_whole
from synapsnet.io.text import read_text
from synapsnet.parameters import Parameters
from synapsnet.recording import Connectome, Recording

Orientation = Literal["pre-post", "post-pre"]
Matrix = npt.NDArray[np.float64]

# Column names in tables, in SONATA and in the synapses of MICrONS.
PRE = ("pre", "pre_id", "source", "source_id", "source_node_id", "pre_pt_root_id", "pre_root_id", "presynaptic")
POST = ("post", "post_id", "target", "target_id", "target_node_id", "post_pt_root_id", "post_root_id", "postsynaptic")
WEIGHT = ("weight", "syn_weight", "w", "size", "n_synapses", "syn_count")
DELAY = {"delay_s": 1.0, "delay_ms": 1e-3, "delay": 1e-3}
BLANK = ("", "nan", "na", "null", "none")
STATE_IT = "say which axis is the presynaptic one: --orientation post-pre for [post, pre], pre-post for [pre, post]"


class Truth(Parameters):
    """The file of known connections, and what it does not state itself.

    Parameters
    ----------
    file : str
    key : str, optional
        Name of the array in a .npz or .mat file (in structs with dots, `data.SWM`), or of the edge population.
    orientation : {"pre-post", "post-pre"}, optional
        Order of the axes of a matrix, or of the first two columns of an array of pairs (default pre-post).
    delay_key : str, optional
        Name of another array of the file, with delays in milliseconds.
    signed : bool, optional
        Whether positive weights mean excitation. Default: if there are negative ones, too.
    unlisted : {"absent", "unknown"}
        What it means that a table does not list a pair: not connected, or not tested.
    unrecorded : {"refuse", "leave-out"}
        What to do with connections of neurons that are not in the recording.
    duplicates : {"refuse", "sum"}
        What to do with pairs that a table lists more than once; synapses are to be summed.
    coregistration : str, optional
        For synapses between cells in electron microscopy: the table that says which cells were recorded.
    session, scan_idx : int, optional
        Which scan of that table was recorded, if it is of several.
    """

    title: ClassVar[str] = "the ground truth"
    file: str
    key: str | None = None
    orientation: Orientation | None = None
    delay_key: str | None = None
    signed: bool | None = None
    unlisted: Literal["absent", "unknown"] = "absent"
    unrecorded: Literal["refuse", "leave-out"] = "refuse"
    duplicates: Literal["refuse", "sum"] = "refuse"
    coregistration: str | None = None
    session: int | None = None
    scan_idx: int | None = None

    def within(self, folder: Path) -> Truth:
        """The same with its files in a folder."""
        other = None if self.coregistration is None else str(folder / self.coregistration)
        return self.model_copy(update={"file": str(folder / self.file), "coregistration": other})


def with_truth(recording: Recording, truth: Truth, folder: Path, *, notify: Notify) -> Recording:
    """Add the known connections among its neurons to a recording.

    Parameters
    ----------
    recording : Recording
        As its reader returns it: a matrix must have a row for each of its neurons.
    truth : Truth
    folder : Path
        The folder that the path of the file is relative to.
    notify : callable
        Receives a line for every assumption made and everything dropped.

    Raises
    ------
    InputError
        If the recording has a ground truth already, the file is missing, damaged or in no known layout, or its content
        does not fit the recording or contradicts itself.
    """
    path = folder / truth.file
    if recording.connectome is not None:
        raise InputError(f"The recording holds its ground truth already; leave out {path} (--truth).")
    found = _load(path, truth, notify)
    if truth.coregistration is not None:
        if not isinstance(found, pd.DataFrame):
            raise InputError(f"{path} must be a table of synapses to go with {truth.coregistration}.")
        scan, units = (truth.session, truth.scan_idx), [str(name) for name in recording.neurons["id"]]
        found = tested_pairs(found, folder / truth.coregistration, units, scan, notify=notify)
        truth = truth.model_copy(update={"unlisted": "unknown"})
    if isinstance(found, pd.DataFrame):
        weight, delay_s = _of_pairs(found, [str(name) for name in recording.neurons["id"]], truth, path, notify)
    else:
        weight, delay_s = _oriented(*found, recording.n_neurons, truth, path, notify)
    if np.isinf(weight).any():
        raise InputError(f"The connections in {path} are infinite in places; use NaN for pairs that were not tested.")
    if delay_s is not None and (delay_s < 0).any():
        raise InputError(f"{path} has delays below 0; a spike cannot arrive before it was sent: correct them.")
    known = np.isfinite(weight)
    if not known[~np.eye(len(weight), dtype=bool)].any():
        raise InputError(f"{path} says of no pair of neurons whether it is connected; give the weight of those tested.")
    loops = np.count_nonzero(np.diagonal(np.where(known, weight, 0)))
    np.fill_diagonal(known, True)
    weight = np.where(known & ~np.eye(len(weight), dtype=bool), weight, 0.0)
    if loops:
        notify(f"{loops} self-connections of {path.name} are left out: they are never scored.")
    if not known.all():
        notify(f"{np.count_nonzero(~known)} pairs of {path.name} were not tested; scores are over the others.")
    signed = bool((weight < 0).any()) if truth.signed is None else truth.signed
    if truth.signed is None and not signed and weight.any():
        notify(
            f"{path.name} has no negative weights, so signs and weights are not scored (--truth-read signed=true if "
            "all its connections excite)."
        )
    connectome = Connectome(
        weight,
        delay_s=None if delay_s is None else np.where(weight != 0, delay_s, np.nan),
        known=None if known.all() else known,
        signed=signed,
        unit="a.u.",
    )
    return replace(recording, connectome=connectome)


def _load(path: Path, truth: Truth, notify: Notify) -> pd.DataFrame | tuple[Matrix, Matrix | None]:
    """A table with columns pre, post, weight and possibly delay_s, or a matrix of weights and possibly of delays."""
    if not path.is_file():
        raise InputError(f"The ground truth {path} is no file; check the path (--truth).")
    if path.suffix in (".h5", ".hdf5"):
        return _sonata(path, truth, notify)
    if path.suffix in (*TEXT, *PARQUET):
        table, below, _ = load_whole(path)
        if below:
            rows = "; ".join(", ".join(row) for row in below)
            notify(f"Below the header of {path.name} {rows} is taken to be a part of it.")
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
        weight = _numbers(_array(arrays, truth.key, path), path)
        delay = None if truth.delay_key is None else _numbers(_array(arrays, truth.delay_key, path), path)
    elif path.suffix in (".txt", ".dat"):
        weight, delay = _text_matrix(path), None
    else:
        raise InputError(
            f"{path} is of no kind that connections are read from; expected .csv, .tsv, .parquet, .npy, .npz, .mat, "
            ".txt, .dat or SONATA's .h5."
        )
    square = weight.shape[0] == weight.shape[1]
    if not square and weight.shape[1] in (2, 3):
        return _bare_pairs(weight, truth, notify)
    return weight, delay


def _sonata(path: Path, truth: Truth, notify: Notify) -> pd.DataFrame:
    """Edges of one population or of all; each is a synapse, and those of one pair are summed."""
    tables = []
    with opened(path) as file:
        if "edges" not in file:
            raise InputError(f"{path} has no /edges: give SONATA edges, or another kind of file with its own suffix.")
        names = [truth.key] if truth.key else list(file["edges"])
        if absent := [name for name in names if name not in file["edges"]]:
            raise InputError(f"{path} has no edges {absent[0]}; it has {', '.join(file['edges'])}.")
        for name in names:
            edges = file["edges"][name]
            try:
                sources, targets = edges["source_node_id"], edges["target_node_id"]
                table = pd.DataFrame({"pre": sources[:].astype(str), "post": targets[:].astype(str)})
            except KeyError as error:
                raise InputError(f"/edges/{name} in {path} lacks source or target ids; it is no whole file.") from error
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


def _synapses(edges: Any, path: Path, n_edges: int) -> tuple[Matrix, Matrix]:
    """Weight and delay of each edge, or else of its type, as in SONATA; 1 and NaN if neither is given."""
    found: dict[str, Matrix] = {}
    group = edges.get("0", {})
    types_file = path.with_name(path.name.replace("edges", "edge_types")).with_suffix(".csv")
    types = pd.read_csv(types_file, sep=r"\s+") if types_file.is_file() else pd.DataFrame()
    for name, fallback in (("syn_weight", 1.0), ("delay", np.nan), ("nsyns", 1.0)):
        if name in group:
            found[name] = np.asarray(group[name][:], float)
        elif name in types and "edge_type_id" in edges and "edge_type_id" in types:
            by_type = pd.to_numeric(types.set_index("edge_type_id")[name], errors="coerce")
            values = by_type.reindex(edges["edge_type_id"][:]).to_numpy(float)
            found[name] = np.where(np.isfinite(values), values, fallback)
        else:
            found[name] = np.full(n_edges, fallback)
    return found["syn_weight"] * found["nsyns"], found["delay"] * 1e-3


def _named(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with our own column names."""
    pre, post, weight = (_column(table, names) for names in (PRE, POST, WEIGHT))
    pairs = pd.DataFrame({"pre": whole_ids(table[pre], path), "post": whole_ids(table[post], path)})
    pairs["weight"] = 1.0 if weight is None else _column_of_numbers(table[weight], path)
    delay = _column(table, tuple(DELAY))
    if delay is not None:
        pairs["delay_s"] = _column_of_numbers(table[delay], path) * DELAY[delay.strip().lower()]
    return pairs


def _column_of_numbers(column: pd.Series, path: Path) -> Matrix:
    """(P,) its numbers, NaN where it is blank."""
    numbers = pd.to_numeric(column, errors="coerce")
    words = column[numbers.isna() & column.notna()].astype(str).str.strip()
    if (wrong := words[~words.str.lower().isin(BLANK)]).any():
        raise InputError(f"The column {column.name} of {path} must hold numbers; it holds {wrong.iloc[0]!r}.")
    return numbers.to_numpy(float)


def _column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    lower = {str(name).strip().lower(): str(name) for name in table.columns}
    return next((lower[name] for name in names if name in lower), None)


def _bare_pairs(array: Matrix, truth: Truth, notify: Notify) -> pd.DataFrame:
    pre, post = (0, 1) if truth.orientation != "post-pre" else (1, 0)
    if truth.orientation is None:
        notify(f"The columns of {truth.key or truth.file} are taken to be pre, post, weight (--orientation).")
    file = Path(truth.file)
    ends = {name: whole_ids(pd.Series(array[:, k]), file) for name, k in (("pre", pre), ("post", post))}
    pairs = pd.DataFrame(ends)
    return pairs.assign(weight=array[:, 2] if array.shape[1] == 3 else 1.0)


def _of_pairs(
    pairs: pd.DataFrame, ids: list[str], truth: Truth, path: Path, notify: Notify
) -> tuple[Matrix, Matrix | None]:
    """Matrices `[post, pre]` from a table of pairs, NaN where a pair was not tested."""
    if "pre_population" in pairs and any("/" in name for name in ids):  # as the reader of SONATA's spikes names them
        for end in ("pre", "post"):
            pairs[end] = pairs[f"{end}_population"] + "/" + pairs[end]
    if pairs[["pre", "post"]].isna().any(axis=None):
        raise InputError(f"{path} has connections of which an end is blank; give the ids of both neurons.")
    row = {name: k for k, name in enumerate(ids)}
    if len(row) < len(ids):
        raise InputError(f"Neurons of the recording share ids, so {path.name} cannot say which are connected.")
    unknown = [name for name in dict.fromkeys([*pairs["pre"], *pairs["post"]]) if name not in row]
    if unknown and truth.unrecorded == "refuse":
        raise InputError(
            f"{path} has connections of neurons that the recording lacks, {_some(unknown)}; its own are {_some(ids)}. "
            "Correct the ids, or leave these connections out: --truth-read unrecorded=leave-out."
        )
    among = pairs["pre"].isin(row) & pairs["post"].isin(row)
    if unknown:
        notify(f"{np.count_nonzero(~among)} of {len(pairs)} connections of {path.name} are of neurons not recorded.")
    pairs = pairs[among]
    if pairs.empty:
        raise InputError(f"{path} lists no pair of the recording's neurons, {_some(ids)}; check the ids.")
    if pairs.duplicated(["pre", "post"]).any():
        if truth.duplicates == "refuse":
            first = pairs[pairs.duplicated(["pre", "post"])].iloc[0]
            raise InputError(
                f"{path} lists the pair {first['pre']} to {first['post']} more than once; leave one row, or sum "
                "synapses: --truth-read duplicates=sum."
            )
        columns: dict[str, Any] = {"weight": lambda values: values.sum(skipna=False), "delay_s": "mean"}
        chosen = {name: how for name, how in columns.items() if name in pairs}
        pairs = pairs.groupby(["pre", "post"], sort=False, as_index=False).agg(chosen)
    post, pre = pairs["post"].map(row).to_numpy(int), pairs["pre"].map(row).to_numpy(int)
    weight = np.full((len(ids), len(ids)), np.nan if truth.unlisted == "unknown" else 0.0)
    weight[post, pre] = pairs["weight"]
    if "delay_s" not in pairs or pairs["delay_s"].isna().all():
        return weight, None
    delay_s = np.full(weight.shape, np.nan)
    delay_s[post, pre] = pairs["delay_s"]
    return weight, delay_s


def _oriented(
    weight: Matrix, delay_ms: Matrix | None, n_neurons: int, truth: Truth, path: Path, notify: Notify
) -> tuple[Matrix, Matrix | None]:
    """Matrices `[post, pre]`; refused if their signs contradict the stated orientation."""
    for matrix in (weight, *([] if delay_ms is None else [delay_ms])):
        if matrix.shape != (n_neurons, n_neurons):
            raise InputError(
                f"The matrix in {path} must have a row and a column for each of the {n_neurons} neurons that are read; "
                f"it has the shape {matrix.shape}. Give the one of these neurons, or a table of pairs by their ids."
            )
    if truth.orientation is None:
        raise InputError(f"The orientation of the matrix in {path} is not stated; {STATE_IT}.")
    if truth.orientation == "pre-post":
        weight, delay_ms = weight.T, None if delay_ms is None else delay_ms.T
    mixed, turned = _mixed(weight), _mixed(weight.T)
    if mixed and not turned:
        raise InputError(
            f"The matrix in {path} contradicts {truth.orientation}: {mixed} of the neurons would excite and inhibit, "
            "and in the other orientation none does (Dale's principle); turn --orientation, or the matrix."
        )
    if mixed and turned:
        notify(
            f"Warning: in {path.name} {mixed} of the neurons excite and inhibit, and {turned} in the other one, "
            "so that signs cannot confirm the orientation (Dale's principle); check it."
        )
    return weight, None if delay_ms is None else delay_ms * 1e-3


def _mixed(weight: Matrix) -> int:
    """How many neurons send connections of both signs."""
    pairs = np.where(np.eye(len(weight), dtype=bool), 0, weight)
    return int(((pairs > 0).any(axis=0) & (pairs < 0).any(axis=0)).sum())


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


def _text_matrix(path: Path) -> Matrix:
    rows = [line.replace(",", " ").replace(";", " ").split() for line in read_text(path).splitlines()]
    rows = [row for row in rows if row and not row[0].startswith(("#", "%"))]
    if not rows:
        raise InputError(f"{path} is empty; export it again.")
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path} is no matrix: its rows have different lengths; export it again.")
    return _numbers(np.array(rows), path)


def _numbers(array: Any, path: Path) -> Matrix:
    try:
        numbers = np.asarray(array.todense() if hasattr(array, "todense") else array).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"The connections in {path} must be numbers; other values were found.") from error
    if numbers.ndim != 2 or not numbers.size:
        raise InputError(f"The connections in {path} must be a matrix or pairs; got {numbers.ndim} dimensions.")
    return numbers


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
