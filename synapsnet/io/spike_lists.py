"""Spikes in a `.npz` file: a list of times beside one of units, or an array of times for each unit.

Files of pynapple (`TsGroup.save`) and SpikeInterface (`NpzSortingExtractor.write_sorting`) are of the first kind, with
their own array names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.clock import merged
from synapsnet.io.npy import Array, array_headers, load_npz
from synapsnet.io.plausible import in_order, observed_time
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import by_unit, one_after_the_other, recording_of_trains
from synapsnet.io.units import SECONDS
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a .npz file of spikes (with times and ids, of pynapple or of SpikeInterface)"

TIMES = ("times", "spike_times", "spike_time", "spiketimes", "timestamps", "time", "t", "spikes")
OWNERS = (
    *("ids", "unit_ids", "units", "unit", "spike_units", "neuron_ids", "neurons", "cell_ids", "clusters", "cluster"),
    *("spike_clusters", "spike_ids", "spike_labels", "node_ids", "senders", "sender", "gids", "labels", "index", "i"),
)
UNIT_LISTS = ("nodes", "unit_ids", "keys", "neuron_ids", "node_ids", "cluster_ids", "all_ids")
DURATIONS = ("duration_s", "duration", "t_stop", "t_stop_s", "recording_length")
RATES = ("sampling_frequency", "sampling_rate", "sample_rate", "fs")
SEGMENT = "spike_indexes_seg"  # SpikeInterface's name, followed by a number; beside `spike_labels_seg`
NOT_SPIKES = ("activity",)


def recognises(path: Path) -> bool:
    """Whether `path` is a `.npz` file whose arrays are spikes, judged by their names and shapes."""
    if not (path.is_file() and path.suffix == ".npz"):
        return False
    try:
        shapes = {name: shape for name, (shape, _) in array_headers(path).items()}
    except InputError:
        return False  # the reader of arrays explains why
    return f"{SEGMENT}0" in shapes or list_pair(shapes) is not None or _is_a_train_each(shapes)


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    time_unit: str | None = None,
    fs_hz: float | None = None,
    label: str | None = None,
) -> Recording:
    """Read spikes.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds.
    time_unit : str, optional
        Unit of the times: `s`, `ms`, `us` or `samples`. Default: as the names say (`times_ms`), or samples if times
        are whole numbers and their rate is known, else seconds.
    fs_hz : float, optional
        Samples per second, where times are samples. Default: the `sampling_frequency` of the file.
    label : str, optional
        Labels of the units to keep, if the file has labels.

    Returns
    -------
    Recording
        From 0 to the `duration_s` of the file, or from its `start` to its `end` (pynapple), or else from the first to
        the last spike.

    Raises
    ------
    InputError
        If the file is corrupt, or its arrays are inconsistent with each other.
    """
    loaded = load_npz(path)
    if pickled := [name for name, array in loaded.items() if array is None]:
        notify(f"Not used: {', '.join(pickled)}: pickled arrays are never loaded.")
    scaled = {} if time_unit is None else {"time_unit": time_unit}
    return recording_of_lists(
        {name: array for name, array in loaded.items() if array is not None},
        bin_s=bin_s,
        time_unit=time_unit,
        fs_hz=fs_hz,
        label=label,
        notify=notify,
        metadata={"source": path.name, "reader": "spike_lists"} | scaled,
    )


def recording_of_lists(
    arrays: dict[str, Array],
    *,
    bin_s: float | None,
    time_unit: str | None,
    fs_hz: float | None = None,
    label: str | None,
    notify: Notify,
    metadata: dict[str, Any],
) -> Recording:
    """A recording of the spikes in arrays, by their names; the other parameters are those of `read`."""
    if fs_hz is not None:
        arrays = {name: array for name, array in arrays.items() if name not in RATES} | {RATES[0]: np.array(fs_hz)}
        metadata = metadata | {"fs_hz": fs_hz}
    shapes = {name: array.shape for name, array in arrays.items()}
    observed: nap.IntervalSet | None = None
    used: set[str]
    if f"{SEGMENT}0" in arrays:
        trains, ids, observed = _segments(arrays, notify)
        used = {name for name in arrays if name.startswith(("spike_", "unit_ids", "num_", "sampling"))}
    elif (pair := list_pair(shapes)) is not None:
        times, owners = arrays[pair[0]].reshape(-1), arrays[pair[1]].reshape(-1)
        listed = next((n for n in UNIT_LISTS if n != pair[1] and n in arrays and _lists(arrays[n], owners)), "")
        ids = arrays[listed].reshape(-1) if listed else np.unique(owners)
        if ids.dtype.kind == "f" and not (ids % 1 != 0).any():
            ids = ids.astype(np.int64)
        trains = in_order(by_unit(times * _seconds(arrays, pair[0], time_unit, notify), owners, ids), notify)
        used = {*pair, listed}
    else:
        used = {name for name, shape in shapes.items() if _is_train(shape)}
        ids = np.array([name for name in arrays if name in used])
        trains = in_order([arrays[name] * _seconds(arrays, name, time_unit, notify) for name in ids], notify)
    if observed is None:
        observed, stated = _observed(arrays, trains, notify)
        used |= stated
    properties = pd.DataFrame(
        {n: a.reshape(-1) for n, a in arrays.items() if n not in used and a.size == len(ids)}, index=range(len(ids))
    )
    if unused := [n for n in arrays if n not in used and n not in (*DURATIONS, *RATES, "type", *properties.columns)]:
        notify(f"Not used: {', '.join(unused)}.")
    return recording_of_trains(
        trains,
        neuron_table(len(ids), ids=[str(k) for k in ids]),
        properties,
        observed=observed,
        bin_s=bin_s,
        label=label,
        notify=notify,
        metadata=metadata,
    )


def list_pair(shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, str] | None:
    """Names of the array of times and of the array of their units; None if there is no such pair."""
    flat = {name: int(np.prod(shape)) for name, shape in shapes.items() if _is_train(shape)}
    lower = {_base(name): name for name in reversed(list(flat))}
    for times in (lower[name] for name in TIMES if name in lower):
        on_grid = any(len(shape) > 1 and shape[0] == flat[times] and shape[1] > 1 for shape in shapes.values())
        owner = next((lower[n] for n in OWNERS if n in lower and flat[lower[n]] == flat[times]), None)
        if owner is not None and not on_grid and not set(NOT_SPIKES) & set(shapes):
            return times, owner
    return None


def _base(name: str) -> str:
    """A name in lower case without its time unit."""
    return name.lower().removesuffix("_ms").removesuffix("_s").removesuffix("_us")


def _is_train(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and 1 in shape and max(shape) > 1)


def _is_a_train_each(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether there are only lists, of different lengths."""
    lengths = [max(shape) for shape in shapes.values() if shape and max(shape) > 1]
    return all(not s or _is_train(s) for s in shapes.values()) and len(lengths) > 1 and len(set(lengths)) > 1


def _lists(candidate: Array, owners: Array) -> bool:
    """Whether an array lists units, each once, including all that spike."""
    flat = candidate.reshape(-1)
    return len(np.unique(flat)) == len(flat) and bool(np.isin(owners, flat).all())


def _seconds(arrays: Mapping[str, Array], name: str, time_unit: str | None, notify: Notify) -> float:
    """The factor that converts times to seconds."""
    times = arrays[name]
    if times.dtype.kind not in "iuf":
        raise InputError(f"The spike times {name} must be numbers; they are {times.dtype}.")
    rate = next((float(arrays[n].item()) for n in RATES if n in arrays and arrays[n].size == 1), None)
    stated = next((unit for unit in ("ms", "us") if name.lower().endswith(f"_{unit}")), None)
    whole = times.dtype.kind in "iu" or not (times % 1 != 0).any()
    unit = time_unit or stated or ("samples" if whole and rate is not None else "s")
    if unit == "samples":
        if rate is None or not rate > 0:
            raise InputError(
                f"A sampling rate above 0 is needed to turn samples into times; the file has none of "
                f"{', '.join(RATES)}: give it in hertz (--fs)."
            )
        notify(f"{name} are taken to be samples at {rate:g} Hz (--read time_unit=s if they are seconds).")
        return 1 / rate
    if unit not in SECONDS:
        raise InputError(f"time_unit must be s, ms, us or samples; got {unit!r}.")
    return SECONDS[unit]


def _segments(arrays: Mapping[str, Array], notify: Notify) -> tuple[list[Float64Array], Array, nap.IntervalSet]:
    """Trains, units and observed times of SpikeInterface's segments, placed one after the other."""
    rate_hz, ids = float(arrays["sampling_frequency"].reshape(-1)[0]), arrays["unit_ids"].reshape(-1)
    if not rate_hz > 0:
        raise InputError(f"sampling_frequency must be a positive number of hertz; it is {rate_hz:g}.")
    segments = []
    for k in range(sum(name.startswith(SEGMENT) for name in arrays)):
        times_s = arrays[f"{SEGMENT}{k}"].reshape(-1) / rate_hz
        trains = in_order(by_unit(times_s, arrays[f"spike_labels_seg{k}"].reshape(-1), ids), notify)
        segments.append((trains, observed_time(trains, notify)))
    trains, observed = one_after_the_other(segments, notify)
    return trains, ids, observed


def _observed(
    arrays: Mapping[str, Array], trains: list[Float64Array], notify: Notify
) -> tuple[nap.IntervalSet, set[str]]:
    """The time of the recording, and the names of the arrays that state it."""
    if "start" in arrays and "end" in arrays and arrays["start"].shape == arrays["end"].shape:  # pynapple
        return merged(arrays["start"].reshape(-1), arrays["end"].reshape(-1)), {"start", "end"}
    name = next((n for n in DURATIONS if n in arrays and arrays[n].size == 1), None)
    if name is None:
        return observed_time(trains, notify), set()
    duration_s = float(arrays[name].item())
    last_s = max((train[-1] for train in trains if len(train)), default=0.0)
    if not duration_s > 0 or last_s > 1.01 * duration_s + 1.0:
        notify(f"{name} ({duration_s:g} s) is not used: there are spikes until {last_s:.6g} s.")
        return observed_time(trains, notify), {name}
    return nap.IntervalSet(0.0, duration_s), {name}
