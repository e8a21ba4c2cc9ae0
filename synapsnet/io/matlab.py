"""MATLAB files that no specific program laid out: spike times in cells, lists of spikes, or a matrix of activity.

A cell array (or a field of an array of structs) with the spike times of one unit per cell is found by its name and
content, at any depth of nested structs. A matrix is read like a NumPy array.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.arrays import recording_of_arrays
from synapsnet.io.mat import Variables, load_mat
from synapsnet.io.npy import Array
from synapsnet.io.plausible import in_order
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import recording_of_trains
from synapsnet.io.spike_lists import list_pair, recording_of_lists
from synapsnet.io.units import SECONDS
from synapsnet.recording import Modality, Recording, neuron_table

LAYOUT = "a MATLAB file (.mat) with spike times in cells, or a matrix of activity"

SPIKES = re.compile(r"spike|spk|train|times|(^|_)ts(_|$)", re.IGNORECASE)
UNIT = re.compile(r"_(s|ms|us)$", re.IGNORECASE)
DURATION = re.compile(r"^(recording_?(time|length|duration)|duration|t_?stop)(_(s|ms|us))?$", re.IGNORECASE)
NAMES = ("uid", "id", "ids", "unit_id", "unit_ids", "cluid", "cluster_id", "name", "names", "label")


def recognises(path: Path) -> bool:
    """Whether `path` is a MATLAB file, judged by its name."""
    return path.is_file() and path.suffix == ".mat"


def read(
    path: Path,
    *,
    notify: Notify,
    key: str | None = None,
    bin_s: float | None = None,
    time_unit: str | None = None,
    label: str | None = None,
    dt_s: float | None = None,
    fs_hz: float | None = None,
    modality: Modality | None = None,
    transpose: bool = False,
    deconvolved: bool | None = None,
) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    key : str, optional
        Name of the cell array or matrix; in structs with dots (`data.TS_ms`). Default: the one that is named like
        spikes, else the only one; cell arrays come before matrices.
    bin_s : float, default 0.005
        Bin in seconds for spike times.
    time_unit : str, optional
        Unit of spike times: `s`, `ms`, `us` or `samples`. Default: as the name says (`TS_ms`), or samples if times are
        whole numbers and `fs_hz` is given, else seconds.
    label : str, optional
        Labels of the units to keep, if the file has labels.
    dt_s, fs_hz, modality, deconvolved
        For a matrix, see `synapsnet.io.arrays`. For spike times, `fs_hz` is the number of samples per second.
    transpose : bool
        A matrix is neurons x time, as one with more columns than rows is always taken to be.

    Raises
    ------
    InputError
        If the file is damaged, or holds neither spike times nor a matrix, or cells of units x trials.
    """
    variables = dict(_flat(load_mat(path)))
    name = _spikes(variables, key)
    metadata = {"source": path.name, "reader": "matlab"} | ({} if key is None else {"key": key})
    metadata |= {} if time_unit is None else {"time_unit": time_unit}
    if name is not None:
        if isinstance(variables[name], np.ndarray):
            raise InputError(
                f"Spike times must be in one cell for each unit; {name} in {path} has {_kind(variables[name])}, as for "
                "units x trials: join the trials of each unit on one clock, or save the counts as a matrix trials x "
                "neurons x bins."
            )
        return _from_cells(variables, name, bin_s, time_unit, fs_hz, label, notify, metadata)
    numbers = {name: np.asarray(v) for name, v in variables.items() if isinstance(v, np.ndarray | int | float)}
    arrays: dict[str, Array] = {name: array for name, array in numbers.items() if array.dtype.kind in "iufb"}
    if key is None and list_pair({name: array.shape for name, array in arrays.items()}) is not None:
        return recording_of_lists(
            arrays, bin_s=bin_s, time_unit=time_unit, fs_hz=fs_hz, label=label, notify=notify, metadata=metadata
        )
    if key not in (None, *arrays) or not any(array.ndim > 1 and min(array.shape) > 1 for array in arrays.values()):
        held = ", ".join(f"{name} ({_kind(value)})" for name, value in variables.items()) or "nothing that can be read"
        raise InputError(
            f"{path} holds neither spike times in cells, one for each unit, nor a full matrix of activity"
            f"{'' if key is None else f', called {key}'}, but {held}; save them so, or as .npz or .csv."
        )
    for name, array in arrays.items():
        if array.ndim == 2 and array.shape[1] > array.shape[0] > 1 and not transpose:
            arrays[name] = array.T
    matrix, recording = recording_of_arrays(
        arrays,
        path,
        key=key,
        dt_s=dt_s,
        fs_hz=fs_hz,
        modality=modality,
        transpose=transpose,
        deconvolved=deconvolved,
        time_unit=time_unit,
        label=label,
        notify=notify,
    )
    if not np.array_equal(variables[matrix], arrays[matrix]):
        notify(f"{matrix} is read as neurons x time, because it has more columns than rows.")
    return recording


def _flat(variables: Variables, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Variables, and the fields of structs by names with dots."""
    for name, value in variables.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
            yield from ((field, item) for field, item in value.items() if isinstance(item, int | float))  # a rate
        else:
            yield f"{prefix}{name}", value


def _spikes(variables: Variables, key: str | None) -> str | None:
    """Name of the cell array of spike times; None where there is none."""
    candidates = [name for name, value in variables.items() if _is_cells(value) and _are_trains(value)]
    if key is not None:
        return next((name for name in candidates if key in (name, _last(name))), None)
    candidates = [name for name in candidates if SPIKES.search(_last(name))] or candidates
    if len(candidates) > 1:
        raise InputError(f"Several cell arrays may be spike times: {', '.join(candidates)}; choose one (--key).")
    return next(iter(candidates), None)


def _is_cells(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object)


def _kind(value: Any) -> str:
    """What a variable is, for messages."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, list):
        return f"{len(value)} cells{' of cells' if any(map(_is_cells, value)) else ''}"
    shape = " x ".join(map(str, np.shape(value))) or "a number"
    return f"{shape} cells" if _is_cells(value) else f"sparse, {shape}" if hasattr(value, "tocsc") else shape


def _are_trains(array: Any) -> bool:
    """Whether every cell is a list of increasing numbers, and some list has more than one."""
    cells = array if isinstance(array, list) else list(array.reshape(-1))
    try:
        trains = [np.asarray(cell, float).reshape(-1) for cell in cells]
    except (TypeError, ValueError):
        return False
    flat = all(np.ndim(cell) < 2 or 1 in np.shape(cell) or not np.size(cell) for cell in cells)
    return flat and len(trains) > 1 and max(map(len, trains)) > 1 and all((np.diff(t) >= 0).all() for t in trains)


def _from_cells(
    variables: Variables,
    name: str,
    bin_s: float | None,
    time_unit: str | None,
    fs_hz: float | None,
    label: str | None,
    notify: Notify,
    metadata: dict[str, Any],
) -> Recording:
    cells, stated = variables[name], UNIT.search(name)
    trains = [np.asarray(cell, float).reshape(-1) for cell in cells]
    whole = fs_hz is not None and not any((train % 1 != 0).any() for train in trains)
    unit = time_unit or (stated[1].lower() if stated else "samples" if whole else "s")
    seconds = SECONDS | ({"samples": 1 / fs_hz} if fs_hz is not None and fs_hz > 0 else {})
    if unit not in seconds:
        raise InputError(f"time_unit must be s, ms or us, or samples with their rate (--fs); got {unit!r}.")
    notify(f"{name} is read as the spike times of {len(cells)} units, in {unit} (--read time_unit=...).")
    trains = in_order([train * seconds[unit] for train in trains], notify)
    beside = {
        _last(other): list(np.asarray(value, object).reshape(-1))
        for other, value in variables.items()
        if other != name and other.rpartition(".")[0] == name.rpartition(".")[0] and _is_column(value, len(cells))
    }
    ids = next((beside[n] for n in beside if n.lower() in NAMES and len(set(map(str, beside[n]))) == len(cells)), None)
    return recording_of_trains(
        trains,
        neuron_table(len(cells), ids=[str(k) for k in (range(len(cells)) if ids is None else ids)]),
        pd.DataFrame({n: values for n, values in beside.items() if values is not ids}, index=range(len(cells))),
        observed=_duration(variables, trains, notify),
        bin_s=bin_s,
        label=label,
        notify=notify,
        metadata=metadata,
    )


def _is_column(value: Any, length: int) -> bool:
    """Whether it is one text or number per unit."""
    if isinstance(value, list):
        return len(value) == length and all(isinstance(item, str) or np.size(item) == 1 for item in value)
    return isinstance(value, np.ndarray) and not _is_cells(value) and value.size == length


def _duration(variables: Variables, trains: list[Any], notify: Notify) -> float | None:
    for name, value in variables.items():
        named = DURATION.match(_last(name))
        if named and isinstance(value, np.ndarray | int | float) and np.size(value) == 1:
            seconds = float(np.asarray(value).item()) * SECONDS[(named[4] or "s").lower()]
            if seconds >= max(train[-1] for train in trains if len(train)):
                return seconds
            notify(f"{name} ({seconds:g} s) is not used: there are spikes after it.")
    return None


def _last(name: str) -> str:
    return name.rpartition(".")[2]
