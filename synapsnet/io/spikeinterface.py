"""Sortings that SpikeInterface saves: folders of NumPy files, the sorting of an analyzer, and Zarr groups.

A folder has `spikes.npy` (sample, unit and segment of each spike), `numpysorting_info.json` and `properties/`. It is
read without SpikeInterface, which would import the class that a file names.

Buccino et al. 2020, SpikeInterface, a unified framework for spike sorting, eLife 9:e61834.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.labels import looks_like_quality
from synapsnet.io.npy import Array, PickledArrayError, load_npy, load_npz
from synapsnet.io.plausible import in_order, observed_time
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import one_after_the_other, recording_of_trains
from synapsnet.io.spike_lists import recording_of_lists
from synapsnet.io.table_files import load_table
from synapsnet.io.text import read_text
from synapsnet.io.units import sort_spikes
from synapsnet.io.zarr_groups import is_zarr, load_zarr
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a sorting saved by SpikeInterface (a folder with spikes.npy or npz.json, an analyzer, or .zarr)"

INFO, NPZ = "numpysorting_info.json", "sorting_cached.npz"
METRICS = ("quality_metrics/metrics.csv", "template_metrics/metrics.csv")


def recognises(path: Path) -> bool:
    """Whether `path` is a folder of SpikeInterface."""
    folders = (path, path / "sorting")
    return any(
        (folder / INFO).is_file() or (folder / NPZ).is_file() or (is_zarr(folder) and (folder / "spikes").is_dir())
        for folder in folders
    )


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    label: str | None = None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
) -> Recording:
    """Read a sorting.

    Parameters
    ----------
    path : Path
        Folder of the sorting, or of an analyzer.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times.
    label : str, optional
        Labels of the units to keep, separated by commas; `all` keeps any. Labels are among the properties of units
        (see `synapsnet.io.labels`). Default: `good`, where units are labelled.
    min_presence_ratio : float, optional
        Minimum fraction of 100 equal parts of the time in which a unit must spike.
    max_isi_violations : float, optional
        Maximum rate of spikes from other neurons, relative to the unit's own, judged by intervals below 1.5 ms.

    Returns
    -------
    Recording
        From the first to the last spike; segments become epochs.

    Raises
    ------
    InputError
        If files are missing, corrupt, pickled or inconsistent with each other.
    """
    folder = path / "sorting" if (path / "sorting").is_dir() else path
    metadata = {"source": path.name, "reader": "spikeinterface"}
    properties = _properties(folder, notify)
    if (folder / NPZ).is_file():
        arrays = {name: array for name, array in load_npz(folder / NPZ).items() if array is not None} | properties
        return recording_of_lists(arrays, bin_s=bin_s, time_unit=None, label=label, notify=notify, metadata=metadata)
    if is_zarr(folder):
        group = load_zarr(folder)
        info, ids = group.attributes, group.arrays["unit_ids"]
        sample, unit, slices = (group.arrays[f"spikes/{n}"] for n in ("sample_index", "unit_index", "segment_slices"))
        segment = np.repeat(np.arange(len(slices)), np.diff(slices, axis=1).ravel())
        properties = {n.removeprefix("properties/"): a for n, a in group.arrays.items() if n.startswith("properties/")}
    else:
        info, spikes = _info(folder / INFO), load_npy(folder / "spikes.npy")
        if not {"sample_index", "unit_index", "segment_index"} <= set(spikes.dtype.names or ()):
            raise InputError(
                f"{folder / 'spikes.npy'} must hold sample_index, unit_index and segment_index; save again."
            )
        ids = np.asarray(info.get("unit_ids", ()))
        sample, unit, segment = (spikes[name] for name in ("sample_index", "unit_index", "segment_index"))
    rate_hz = float(info.get("sampling_frequency") or 0)
    if not rate_hz > 0:
        raise InputError(f"{folder} does not say its sampling_frequency; save the sorting again.")
    trains, observed = _segments(sample / rate_hz, unit, segment, len(ids), notify)
    return recording_of_trains(
        trains,
        neuron_table(len(ids), ids=[str(k) for k in ids]),
        _table(properties, folder, path, len(ids)),
        observed=observed,
        bin_s=bin_s,
        label=label,
        min_presence_ratio=min_presence_ratio,
        max_isi_violations=max_isi_violations,
        notify=notify,
        metadata=metadata,
    )


def _segments(
    times_s: Float64Array, unit: Array, segment: Array, n: int, notify: Notify
) -> tuple[list[Float64Array], nap.IntervalSet]:
    segments = []
    for k in np.unique(segment):
        trains = in_order(sort_spikes(times_s[segment == k], unit[segment == k], np.arange(n)), notify)
        segments.append((trains, observed_time(trains, notify)))
    if not segments:
        raise InputError("The sorting has no spikes: nothing can be inferred from it.")
    return one_after_the_other(segments, notify)


def _properties(folder: Path, notify: Notify) -> dict[str, Array]:
    """Properties of units, from a folder of NumPy files; those that are pickled are left out."""
    properties = {}
    for file in sorted((folder / "properties").glob("*.npy")):
        try:
            properties[file.stem] = load_npy(file)
        except PickledArrayError:
            notify(f"The property {file.stem} of units is not used: it is pickled, and pickles are never loaded.")
    return properties


def _table(properties: dict[str, Array], folder: Path, path: Path, n: int) -> pd.DataFrame:
    """Properties of each unit, and the metrics of an analyzer."""
    table = pd.DataFrame({k: a for k, a in properties.items() if a.shape == (n,)}, index=range(n))
    for name in METRICS:
        for metrics in (path / "extensions" / name, folder / "extensions" / name):
            if metrics.is_file() and len(columns := load_table(metrics)) == n:
                judging = [c for c in columns if c not in table and looks_like_quality(str(c))]
                table = table.join(columns[judging])
    return table


def _info(file: Path) -> dict[str, Any]:
    try:
        info = json.loads(read_text(file))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); save the sorting again.") from error
    if not isinstance(info, dict):
        raise InputError(f"{file} is damaged (it is not a JSON object); save the sorting again.")
    return info
