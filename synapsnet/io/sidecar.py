"""A small TOML file beside a recording that adds what the recording itself does not state.

`session.toml` beside `session.npz`, or `recording.toml` in a folder. Everything in it is optional:

    file = "activity.npy"          # in recording.toml: the file of the folder that is read; default the folder itself
    unit = "dF/F"                  # unit of the activity, for the record
    area = "VISp"                  # area of all neurons
    cell_type = "excitatory"
    neurons = "neurons.csv"        # a table with columns among id, cell_type, area, x_um, y_um, z_um,
                                   # trough_to_peak_ms

    [read]                         # options of the reader, by name; options given elsewhere take precedence
    fs_hz = 6.0

    [[behaviour]]                  # repeatable; on the recording's clock, with its own samples
    file = "running.csv"           # or .tsv, .parquet, .npz, .npy
    times = "time"                 # its column or array of times, or another .npy file; or fs_hz and start_s
    time_unit = "ms"
    columns = ["speed"]            # default all others

    [truth]                        # known connections, see `synapsnet.io.truth`
    file = "connections.csv"       # a table of pairs, a matrix or SONATA edges
    orientation = "post-pre"       # if it is a matrix
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from synapsnet.errors import InputError, border
from synapsnet.io.clock import Signal, with_behaviour
from synapsnet.io.npy import Array, load_npy, load_npz
from synapsnet.io.reader import Notify
from synapsnet.io.table_files import load_table
from synapsnet.io.text import read_text
from synapsnet.io.truth import Truth, with_truth
from synapsnet.io.units import SECONDS
from synapsnet.parameters import Parameters
from synapsnet.recording import NEURON_COLUMNS, TROUGH_TO_PEAK, Recording
from synapsnet.wording import counted

FOLDER_NAME = "recording.toml"
UNITS = {"_um": "micrometres", "_ms": "milliseconds"}


class BehaviourFile(Parameters):
    """A `[[behaviour]]` entry: a file with variables and their clock."""

    title: ClassVar[str] = "a [[behaviour]]"
    file: str
    times: str | None = None
    fs_hz: float | None = Field(default=None, gt=0)
    start_s: float = 0.0
    time_unit: Literal["s", "ms", "us"] = "s"
    columns: tuple[str, ...] = ()


class Sidecar(Parameters):
    """Content of a sidecar file; see the module."""

    title: ClassVar[str] = "the sidecar file"
    file: str | None = None
    unit: str | None = None
    area: str | None = None
    cell_type: str | None = None
    neurons: str | None = None
    read: dict[str, Any] = Field(default_factory=dict)
    behaviour: tuple[BehaviourFile, ...] = ()
    truth: Truth | None = None


def find_sidecar(path: Path) -> Path | None:
    """The sidecar file of a recording, if there is one."""
    if path.is_dir():
        own = path / FOLDER_NAME
        return own if own.is_file() else None
    own, shared = path.with_suffix(".toml"), path.parent / FOLDER_NAME
    if own != path and own.is_file():
        return own
    return shared if shared.is_file() and load_sidecar(shared).file == path.name else None


def load_sidecar(path: Path) -> Sidecar:
    """Read a sidecar file.

    Raises
    ------
    InputError
        If it is not TOML, has unknown entries, or names a file outside its folder.
    """
    try:
        with border(f"{path} is not valid TOML"):
            sidecar = Sidecar(**tomllib.loads(read_text(path)))
        _require_inside(sidecar)
        return sidecar
    except InputError as error:
        raise InputError(f"{path}: {error} Correct it, or rename it if it does not describe the recording.") from error


def _require_inside(sidecar: Sidecar) -> None:
    """Refuse files outside the sidecar's folder: it may come from elsewhere, and must not make us read other files."""
    of_behaviour = [name for entry in sidecar.behaviour for name in (entry.file, entry.times)]
    for name in filter(None, (sidecar.file, sidecar.neurons, *of_behaviour)):
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise InputError(f"It names {name}, which lies outside its folder; put that file beside it.")


def complete(recording: Recording, sidecar: Sidecar, folder: Path, *, notify: Notify) -> Recording:
    """The recording with the neurons, behaviour, ground truth and unit that its sidecar file describes.

    Parameters
    ----------
    recording : Recording
    sidecar : Sidecar
    folder : Path
        The folder of the sidecar file and of the files that it names.
    notify : callable

    Raises
    ------
    InputError
        If a file is missing or damaged, or does not fit the recording.
    """
    neurons = recording.neurons.copy()
    for name in ("area", "cell_type"):
        if (value := getattr(sidecar, name)) is not None:
            neurons[name] = value
    if sidecar.neurons is not None:
        neurons = _with_table(neurons, folder / sidecar.neurons, notify)
    unit = {} if sidecar.unit is None else {"unit": sidecar.unit}
    recording = replace(recording, neurons=neurons, metadata=recording.metadata | unit)
    signals = [signal for entry in sidecar.behaviour for signal in _signals(entry, folder)]
    recording = with_behaviour(recording, signals, notify=notify)
    return recording if sidecar.truth is None else with_truth(recording, sidecar.truth, folder, notify=notify)


def _with_table(neurons: pd.DataFrame, path: Path, notify: Notify) -> pd.DataFrame:
    """The neuron table with the columns of a file, whose rows are matched by `id` or else by order."""
    table = load_table(path)
    used = [name for name in (*NEURON_COLUMNS, TROUGH_TO_PEAK) if name in table]
    if left_out := [str(name) for name in table if name not in used]:
        notify(f"Not used of {path.name}: {', '.join(left_out)}.")
    ids = table["id"].astype(str) if "id" in table else None
    if ids is not None and ids.is_unique and neurons["id"].isin(ids).all():
        table = table.set_index(ids).loc[neurons["id"]].reset_index(drop=True)
        used.remove("id")
    elif len(table) != len(neurons):
        raise InputError(
            f"{path} must have a row for each of the {len(neurons)} neurons, or a column id with all of theirs; "
            f"got {counted(len(table), 'row')}."
        )
    else:
        notify(f"{path.name}: its rows are taken to be the neurons in their order.")
    for name in used:
        if name.endswith(tuple(UNITS)):
            if not pd.api.types.is_numeric_dtype(table[name]):
                raise InputError(f"The column {name} of {path} must be numbers, in {UNITS[name[-3:]]}.")
            if name == TROUGH_TO_PEAK and (table[name] <= 0).any():
                raise InputError(f"The column {name} of {path} must be positive, or empty where it is not known.")
            neurons[name] = table[name].to_numpy(float)
        else:
            neurons[name] = table[name].astype(str).to_numpy()
    return neurons


def _signals(entry: BehaviourFile, folder: Path) -> list[Signal]:
    path = folder / entry.file
    columns = _columns(path)
    times_s = _times(entry, columns, folder, path)
    names = entry.columns or tuple(name for name in columns if name != entry.times)
    if absent := [name for name in names if name not in columns]:
        raise InputError(f"{path} has no {', '.join(absent)}; it has {', '.join(columns)}.")
    for name in names:
        if columns[name].dtype.kind not in "iufb":
            raise InputError(f"{name} in {path} must be numbers; choose others with `columns`.")
    return [Signal(name, times_s, columns[name]) for name in names]


def _times(entry: BehaviourFile, columns: dict[str, Array], folder: Path, path: Path) -> Array:
    if entry.times is None:
        if entry.fs_hz is None:
            raise InputError(f"The clock of {path} is not known; give `times` or `fs_hz` in its [[behaviour]].")
        return entry.start_s + np.arange(len(next(iter(columns.values())))) / entry.fs_hz
    if entry.times in columns:
        times = columns[entry.times]
    elif (folder / entry.times).is_file():
        times = load_npy(folder / entry.times)
    else:
        raise InputError(f"{path} has no times {entry.times!r}; it has {', '.join(columns)}.")
    return np.asarray(times, float) * SECONDS[entry.time_unit]


def _columns(path: Path) -> dict[str, Array]:
    """Arrays by name, whatever the format."""
    if path.suffix == ".npy":
        return {path.stem: load_npy(path)}
    if path.suffix == ".npz":
        return {name: array for name, array in load_npz(path).items() if array is not None}
    return {str(name): column.to_numpy() for name, column in load_table(path).items()}
