"""Spikes as NEST records them: `.gdf` files of NEST 2 and `.dat` files of NEST 3, a single file or a folder of them.

A recorder writes a file for each of its threads, `LABEL-RECORDER-THREAD.gdf`. They are read together; where there are
several labels they become the neurons' cell types.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.plausible import in_order
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import by_unit, recording_of_trains
from synapsnet.recording import Recording, neuron_table
from synapsnet.wording import counted

LAYOUT = "spikes that NEST recorded (.gdf, .dat), a file or a folder of them"

HEADER = "# NEST version"
NAME = re.compile(r"(.+?)-\d+(-\d+)?$")


def recognises(path: Path) -> bool:
    """Whether `path` holds files of a NEST spike recorder, judged by suffixes and first lines."""
    return path.exists() and bool(_files(path))


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    duration_s: float | None = None,
    neurons: str | None = None,
) -> Recording:
    """Read spikes.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds.
    duration_s : float, optional
        Simulated time, from 0 on. Default: from the first to the last spike.
    neurons : str, optional
        Ids of the recorded neurons as a range, `1-100`: the files do not list neurons without spikes. Default: those
        that spike.

    Raises
    ------
    InputError
        If a file is damaged or not of spikes, or neurons are not a range.
    """
    spikes = pd.concat([_load(file, path, notify) for file in _files(path)], ignore_index=True)
    repeated, in_one = (spikes.duplicated([*of, "sender", "time_ms"]) for of in ([], ["file"]))
    for these, where in ((repeated & ~in_one, "in the files of two recorders"), (in_one, "twice in one file")):
        if these.any():
            notify(f"Counted once: {counted(int(these.sum()), 'spike')} {where}.")
    spikes = spikes[~repeated]
    ids = np.unique(spikes["sender"]) if neurons is None else _range(neurons)
    if left_out := sorted(set(spikes["sender"]) - set(ids.tolist())):
        notify(f"Left out: {counted(len(left_out), 'neuron')} not among neurons={neurons}.")
    label = spikes.groupby("sender")["label"].first()
    several = label.nunique() > 1
    types = [str(label.get(sender, "unknown")) if several else "unknown" for sender in ids]
    times_s = spikes["time_ms"].to_numpy(float) * 1e-3
    return recording_of_trains(
        in_order(by_unit(times_s, spikes["sender"].to_numpy(), ids), notify),
        neuron_table(len(ids), ids=[str(sender) for sender in ids], cell_type=types),
        observed=duration_s,
        bin_s=bin_s,
        notify=notify,
        metadata={"source": path.name, "reader": "nest"},
    )


def _files(path: Path) -> list[Path]:
    candidates = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in candidates if file.is_file() and (file.suffix == ".gdf" or _is_recorder(file))]


def _is_recorder(file: Path) -> bool:
    """Whether it is a file of a NEST 3 recorder; a connectivity matrix may be called .dat, too."""
    if file.suffix != ".dat":
        return False
    with file.open("rb") as stream:
        return stream.readline(200).decode("latin-1").startswith(HEADER)


def _load(file: Path, whole: Path, notify: Notify) -> pd.DataFrame:
    """`sender`, `time_ms`, `label` and `file` of each spike in a file."""
    columns = ["sender", "time_ms"]
    try:
        if file.suffix == ".gdf":
            table = pd.read_csv(file, sep=r"\s+", header=None, comment="#")
            table.columns = [*columns, *(f"column {k + 1}" for k in range(2, table.shape[1]))][: table.shape[1]]
        else:
            table = pd.read_csv(file, sep=r"\s+", comment="#")
    except pd.errors.EmptyDataError:
        table = pd.DataFrame(columns=columns)
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{file} is not a whole file of spikes ({str(error).strip()}); record it again.") from error
    if list(table.columns) != columns:  # a multimeter's file, or times in steps and, of NEST 2, offsets from them
        sentence = f"{file.name} has the columns {', '.join(map(str, table.columns))}; spikes are sender and time_ms"
        if file == whole:
            raise InputError(f"{sentence}. Give the file of a spike recorder with times in milliseconds.")
        notify(f"{sentence}, so it is left out.")
        table = pd.DataFrame(columns=columns)
    try:
        table = table.astype({"sender": np.int64, "time_ms": np.float64})
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{file} must hold a neuron's number and a time in each row; other things were found."
        ) from error
    named = NAME.match(file.stem)
    return table.assign(label=named[1] if named else file.stem, file=file.name)


def _range(text: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ends = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text)
    if ends is None or int(ends[2]) <= int(ends[1]):
        raise InputError(f"neurons must be a range of numbers such as 1-100; got {text!r}.")
    return np.arange(int(ends[1]), int(ends[2]) + 1)
