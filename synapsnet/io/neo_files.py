"""Files of recording systems (Plexon, Blackrock, Spike2, NeuroExplorer, NIX...) with sorted spikes, through neo.

Unit 0 holds detected spikes that were never sorted, and unit 255 those that were rejected as noise (Blackrock).

Garcia et al. 2014, Neo: an object model for handling electrophysiology data in multiple formats, Front Neuroinform
8:10.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.labels import UNSORTED
from synapsnet.io.plausible import in_order
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import one_after_the_other, recording_of_trains
from synapsnet.recording import Recording, neuron_table
from synapsnet.wording import counted

LAYOUT = "a file of sorted spikes that neo reads (.plx, .nev, .smr, .smrx, .nex, .nix)"

SUFFIXES = (".plx", ".pl2", ".nev", ".smr", ".smrx", ".nex", ".nix", ".nse")
UNIT = re.compile(r"#\s*(\d+)$")
SORTED_OUT = {0: UNSORTED, 255: "noise"}


def recognises(path: Path) -> bool:
    """Whether `path` is a file that neo reads spikes from, judged by its name."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    label: str | None = None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
) -> Recording:
    """Read the sorted spikes of a file.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times.
    label : str, optional
        Labels of the units to keep, separated by commas; `all` keeps any. Default: all except `unsorted` and `noise`,
        if other units are sorted.
    min_presence_ratio : float, optional
        Minimum fraction of 100 equal parts of the time in which a unit must spike.
    max_isi_violations : float, optional
        Maximum rate of spikes from other neurons, relative to the unit's own, judged by intervals below 1.5 ms.

    Returns
    -------
    Recording
        The whole time of the file; segments become epochs.

    Raises
    ------
    InputError
        If neo is not installed, cannot read the file, or finds no spikes in it.
    """
    reader = _opened(path)
    channels = reader.header["spike_channels"]
    if len(channels) < 2:
        raise InputError(
            f"{path} has {counted(len(channels), 'unit')} with spikes, and 2 are needed; sort its signals first."
        )
    trains, observed = _segments(reader, len(channels), path, notify)
    names = [str(name) for name in channels["name" if len(set(channels["name"])) == len(channels) else "id"]]
    numbered = [_label(channel) for channel in channels]
    return recording_of_trains(
        trains,
        neuron_table(len(names), ids=names),
        pd.DataFrame({"group": numbered}) if any(numbered) else None,
        observed=observed,
        bin_s=bin_s,
        label=label,
        min_presence_ratio=min_presence_ratio,
        max_isi_violations=max_isi_violations,
        notify=notify,
        metadata={"source": path.name, "reader": "neo_files"},
    )


def _opened(path: Path) -> Any:
    try:
        from neo.rawio import get_rawio
    except ImportError as error:
        raise InputError(f"Reading {path} needs an extra; pip install 'synapsnet[neo]'.") from error
    try:
        reader = get_rawio(path)(filename=str(path))
        reader.parse_header()
    except Exception as error:  # each format has errors of its own
        raise InputError(
            f"neo cannot read {path} ({type(error).__name__}: {error}); copy or export it again."
        ) from error
    return reader


def _segments(reader: Any, n: int, path: Path, notify: Notify) -> tuple[list[Float64Array], nap.IntervalSet]:
    segments = []
    try:
        for block in range(reader.block_count()):
            for segment in range(reader.segment_count(block)):
                times = [reader.get_spike_timestamps(block, segment, k, None, None) for k in range(n)]
                trains = in_order([reader.rescale_spike_timestamp(stamps, dtype="float64") for stamps in times], notify)
                ends = reader.segment_t_start(block, segment), reader.segment_t_stop(block, segment)
                segments.append((trains, nap.IntervalSet(*map(float, ends))))
    except Exception as error:  # each format has errors of its own
        raise InputError(f"neo cannot read {path} ({type(error).__name__}: {error}); copy it again.") from error
    return one_after_the_other(segments, notify)


def _label(channel: Any) -> str:
    """The label that the number of a unit implies."""
    number = next((int(named[1]) for field in ("id", "name") if (named := UNIT.search(str(channel[field])))), None)
    return "" if number is None else SORTED_OUT.get(number, "good")
