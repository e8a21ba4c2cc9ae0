"""Known connections from elsewhere: another simulator, paired recordings, electron microscopy.

Given as `--truth FILE` on the command line, `[truth]` in a sidecar file, or `truth` of a recording in a suite. The file
is one of

- a table (.csv, .tsv, .parquet) with a row for each connection: columns `pre` and `post` (ids of neurons), and where
  they are known `weight` and `delay_ms` or `delay_s`; an array of 2 or 3 columns (pre, post, weight) is read likewise;
- a matrix of all neurons in their order (.npy, .npz, .mat, or text: .txt, .dat, .csv), with its orientation stated;
- SONATA edges (.h5);
- the synapses of MICrONS, with a table of coregistration (`synapsnet.io.coregistration`).

A weight of NaN says that the pair was not tested.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io.coregistration import tested_pairs
from synapsnet.io.reader import Notify
from synapsnet.io.truth_files import Orientation, load_connections
from synapsnet.parameters import Parameters
from synapsnet.recording import Recording
from synapsnet.wording import counted, listed

ELSEWHERE = "a.u."  # unit of the weights of a truth that was read from a file of its own; simulators know theirs
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
        Whether positive weights mean excitation. Default: yes if there are negative ones.
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
        """The same, with the paths of its files in this folder."""
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
    content = load_connections(
        path, key=truth.key, delay_key=truth.delay_key, orientation=truth.orientation, notify=notify
    )
    if truth.coregistration is not None:
        if not isinstance(content, pd.DataFrame):
            raise InputError(f"{path} must be a table of synapses to go with {truth.coregistration}.")
        scan, units = (truth.session, truth.scan_idx), [str(name) for name in recording.neurons["id"]]
        content = tested_pairs(content, folder / truth.coregistration, units, scan, notify=notify)
        truth = truth.model_copy(update={"unlisted": "unknown"})
    if isinstance(content, pd.DataFrame):
        weight, delay_s = _of_pairs(content, [str(name) for name in recording.neurons["id"]], truth, path, notify)
    else:
        weight, delay_s = _oriented(*content, recording.n_neurons, truth, path, notify)
    if np.isinf(weight).any():
        raise InputError(f"The connections in {path} are infinite in places; use NaN for pairs that were not tested.")
    if delay_s is not None and (delay_s < 0).any():
        raise InputError(f"{path} has delays below 0; a spike cannot arrive before it was sent: correct them.")
    known = np.isfinite(weight)
    if not known[~np.eye(len(weight), dtype=bool)].any():
        raise InputError(
            f"{path} says nothing about any pair of neurons; give the weights of the pairs that were tested."
        )
    loops = int(np.count_nonzero(np.diagonal(np.where(known, weight, 0))))
    np.fill_diagonal(known, True)
    weight = np.where(known & ~np.eye(len(weight), dtype=bool), weight, 0.0)
    if loops:
        notify(f"Left out: {counted(loops, 'self-connection')} of {path.name}, which are never scored.")
    if not known.all():
        untested = counted(int(np.count_nonzero(~known)), "pair")
        notify(f"Not tested in {path.name}: {untested}; scores are over the others.")
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
        unit=ELSEWHERE,
    )
    return replace(recording, connectome=connectome)


def _of_pairs(
    pairs: pd.DataFrame, ids: list[str], truth: Truth, path: Path, notify: Notify
) -> tuple[Float64Array, Float64Array | None]:
    """Matrices `[post, pre]` from a table of pairs, NaN where a pair was not tested."""
    if "pre_population" in pairs and any("/" in name for name in ids):  # as the reader of SONATA's spikes names them
        for end in ("pre", "post"):
            pairs[end] = pairs[f"{end}_population"] + "/" + pairs[end]
    if pairs[["pre", "post"]].isna().any(axis=None):
        raise InputError(f"{path} has connections with one end blank; give the ids of both neurons.")
    row = {name: k for k, name in enumerate(ids)}
    if len(row) < len(ids):
        raise InputError(f"Neurons of the recording share ids, so {path.name} cannot say which are connected.")
    unknown = [name for name in dict.fromkeys([*pairs["pre"], *pairs["post"]]) if name not in row]
    if unknown and truth.unrecorded == "refuse":
        raise InputError(
            f"{path} has connections of neurons that the recording lacks, {listed(unknown)}; its own are {listed(ids)}."
            " Correct the ids, or leave these connections out: --truth-read unrecorded=leave-out."
        )
    among = pairs["pre"].isin(row) & pairs["post"].isin(row)
    if unknown:
        notify(
            f"{np.count_nonzero(~among)} of {len(pairs)} connections in {path.name} left out: of neurons not recorded."
        )
    pairs = pairs[among]
    if pairs.empty:
        raise InputError(f"{path} lists no pair of the recording's neurons, {listed(ids)}; check the ids.")
    if pairs.duplicated(["pre", "post"]).any():
        if truth.duplicates == "refuse":
            first = pairs[pairs.duplicated(["pre", "post"])].iloc[0]
            raise InputError(
                f"{path} lists the pair {first['pre']} to {first['post']} more than once; leave one row, or sum "
                "synapses: --truth-read duplicates=sum."
            )
        columns: dict[str, Any] = {"weight": lambda values: values.sum(skipna=False), "delay_s": "mean"}
        present = {name: how for name, how in columns.items() if name in pairs}
        pairs = pairs.groupby(["pre", "post"], sort=False, as_index=False).agg(present)
    post, pre = pairs["post"].map(row).to_numpy(int), pairs["pre"].map(row).to_numpy(int)
    weight = np.full((len(ids), len(ids)), np.nan if truth.unlisted == "unknown" else 0.0)
    weight[post, pre] = pairs["weight"]
    if "delay_s" not in pairs or pairs["delay_s"].isna().all():
        return weight, None
    delay_s = np.full(weight.shape, np.nan)
    delay_s[post, pre] = pairs["delay_s"]
    return weight, delay_s


def _oriented(
    weight: Float64Array, delay_ms: Float64Array | None, n_neurons: int, truth: Truth, path: Path, notify: Notify
) -> tuple[Float64Array, Float64Array | None]:
    """Matrices `[post, pre]`; refused if their signs contradict the stated orientation."""
    for matrix in (weight, *([] if delay_ms is None else [delay_ms])):
        if matrix.shape != (n_neurons, n_neurons):
            raise InputError(
                f"The matrix in {path} must have a row and a column for each of the {n_neurons} neurons that are read; "
                f"it has the shape {matrix.shape}. Give the matrix of these neurons, or a table of pairs by their ids."
            )
    if truth.orientation is None:
        raise InputError(f"The orientation of the matrix in {path} is not stated; {STATE_IT}.")
    if truth.orientation == "pre-post":
        weight, delay_ms = weight.T, None if delay_ms is None else delay_ms.T
    mixed, turned = _mixed(weight), _mixed(weight.T)
    if mixed and not turned:
        raise InputError(
            f"The matrix in {path} contradicts {truth.orientation}: {counted(mixed, 'neuron')} would both excite and "
            "inhibit, and none in the other orientation (Dale's principle); change --orientation, or the matrix."
        )
    if mixed and turned:
        notify(
            f"Warning: in {path.name} {counted(mixed, 'neuron')} would both excite and inhibit, and {turned} in the "
            "other orientation, so signs cannot confirm the orientation (Dale's principle); check it."
        )
    return weight, None if delay_ms is None else delay_ms * 1e-3


def _mixed(weight: Float64Array) -> int:
    """How many neurons send connections of both signs."""
    pairs = np.where(np.eye(len(weight), dtype=bool), 0, weight)
    return int(((pairs > 0).any(axis=0) & (pairs < 0).any(axis=0)).sum())
