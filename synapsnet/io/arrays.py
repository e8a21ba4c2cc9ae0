"""Plain NumPy arrays: `time x neurons`, or `trials x neurons x bins`, with the time step as an option.

Trials of a three-dimensional array become epochs, so that no window of a model crosses the border of one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.array_lookup import Arrays, is_column, numeric, obvious_activity, scalar
from synapsnet.io.clock import Signal, with_behaviour
from synapsnet.io.columns import find_clock, is_time, unit_s
from synapsnet.io.labels import judged, kept_by_label
from synapsnet.io.npy import Array, load_npy, load_npz
from synapsnet.io.reader import Notify
from synapsnet.io.rows import TIME_NAMES, guess_modality, on_clock, refuse_transposed, time_step
from synapsnet.io.units import SECONDS
from synapsnet.recording import Modality, Recording, neuron_table
from synapsnet.wording import counted

LAYOUT = "a .npz or .npy file with an array time x neurons or trials x neurons x bins"

STEP_NAMES = ("dt_s", "dt")
RATE_NAMES = ("fs_hz", "fs", "fps")
BEHAVIOUR_NAMES = ("behaviour", "behavior")
ID_NAMES = ("ids", "neuron_ids", "cell_ids", "roi_ids", "unit_ids", "names", "neurons", "columns", "keys")
DECONVOLVED_NAMES = ("deconvolved", "spks")


def recognises(path: Path) -> bool:
    """Whether `path` is a file of NumPy arrays, judged by its name."""
    return path.is_file() and path.suffix in (".npz", ".npy")


def read(
    path: Path,
    *,
    notify: Notify,
    key: str | None = None,
    dt_s: float | None = None,
    fs_hz: float | None = None,
    modality: Modality | None = None,
    until: str | None = None,
    behaviour: str | None = None,
    transpose: bool = False,
    deconvolved: bool | None = None,
    time_unit: Literal["s", "ms", "us"] | None = None,
    label: str | None = None,
) -> Recording:
    """Read a `.npz` or `.npy` file.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made.
    key : str, optional
        Name of the activity array. Default: the array called `activity`, else the only
        three-dimensional numeric array, else the only two-dimensional one.
    dt_s, fs_hz : float, optional
        Time step in seconds or frame rate in hertz. Default: the times of the frames in seconds, if the file has them
        in an array called `times`, `time`, `t` or `timestamps`; else a scalar called `dt_s`, `dt`, `fs_hz`, `fs` or
        `fps`.
    modality : {"calcium", "spikes"}, optional
        Default: spikes if all values are whole and not negative, else calcium.
    until : str, optional
        Name of a trials x bins array, for example of the light in an optogenetic experiment: each
        trial is used up to its first non-zero bin, and whole if it has none. Default, and `none`: all of every trial.
    behaviour : str, optional
        Name of a time x variables array (trials x bins, or trials x variables x bins, beside a
        three-dimensional activity), or `none`. Default: `behaviour` or `behavior` if the file has it.
    transpose : bool
        The array is neurons x time (trials x bins x neurons). This is detected automatically if another array has the
        length of the longer axis, which shows that the longer axis is time.
    deconvolved : bool, optional
        Whether calcium activity is deconvolved. Default: if its name is `deconvolved` or `spks`.
    time_unit : {"s", "ms", "us"}, optional
        Unit of the frame times. Default: as the name of the array says, else seconds.
    label : str, optional
        Labels of the neurons to keep, if an array labels them (`iscell`, `accepted`...); `all` keeps every neuron.

    Raises
    ------
    InputError
        If the file is corrupt or needs pickle, the activity array or the time step is unclear, or shapes are
        inconsistent.
    """
    if path.suffix == ".npy":
        arrays: Arrays = {path.stem: load_npy(path)}
        key = key or path.stem
    else:
        arrays = load_npz(path)
    return recording_of_arrays(
        arrays,
        path,
        key=key,
        dt_s=dt_s,
        fs_hz=fs_hz,
        modality=modality,
        until=until,
        behaviour=behaviour,
        transpose=transpose,
        deconvolved=deconvolved,
        time_unit=time_unit,
        label=label,
        notify=notify,
    )[1]


def recording_of_arrays(
    arrays: Arrays,
    path: Path,
    *,
    key: str | None,
    dt_s: float | None,
    fs_hz: float | None,
    modality: Modality | None,
    transpose: bool,
    until: str | None = None,
    behaviour: str | None = None,
    deconvolved: bool | None = None,
    time_unit: str | None = None,
    label: str | None = None,
    notify: Notify,
) -> tuple[str, Recording]:
    """The name of the activity array and the recording, from the arrays of a file; parameters as in `read`."""
    until = None if until == "none" else until
    if behaviour is None:
        behaviour = next((name for name in BEHAVIOUR_NAMES if name in arrays and name != key), None)
    elif behaviour == "none":
        behaviour = None
    key = key or obvious_activity(arrays, path, exclude={until, behaviour, *TIME_NAMES})
    activity = numeric(arrays, key, path)
    if activity.ndim not in (2, 3):
        raise InputError(
            f"Activity must be time x neurons or trials x neurons x bins; {key} in {path} has shape {activity.shape}."
        )
    if activity.size == 0:
        raise InputError(f"Activity must not be empty; {key} in {path} has shape {activity.shape}.")
    if activity.ndim == 2:
        if until is not None:
            raise InputError(
                f"until={until} needs trials x neurons x bins; {key} in {path} has shape {activity.shape}."
            )
        rows = _oriented(arrays, key, path, transpose, notify)
        own = find_clock({f"{key}[:, {k}]": column for k, column in enumerate(rows.T)}, None, time_unit, notify)
        activity = rows[:, [f"{key}[:, {k}]" not in own.columns for k in range(rows.shape[1])]]
    modality = modality or guess_modality(activity, key, notify)
    if deconvolved is None:
        deconvolved = modality == "calcium" and key in DECONVOLVED_NAMES
        if deconvolved:
            notify(f"{key} is taken to be deconvolved, by its name; say --read deconvolved=false if it is not.")
    facts: dict[str, Any] = {
        "modality": modality,
        "metadata": {"source": path.name, "reader": "arrays", "key": key, "until": until, "transpose": transpose},
        "deconvolved": deconvolved,
    }
    if activity.ndim == 3:
        step_s = _step(arrays, dt_s, fs_hz, path)
        trials = np.swapaxes(activity, 1, 2) if transpose else activity
        return key, _read_trials(arrays, trials, step_s, until, behaviour, path, notify, facts)
    if own.times_s is not None and dt_s is None and fs_hz is None:
        clock: float | Array = own.times_s
    else:
        clock = _clock(arrays, dt_s, fs_hz, len(activity), path, time_unit, notify)
    kept, ids = _kept_neurons(arrays, activity.shape[1], {key, behaviour}, label, notify)
    neurons = neuron_table(int(kept.sum()), ids=[name for name, is_kept in zip(ids, kept, strict=True) if is_kept])
    recording = on_clock(activity[:, kept], clock, notify=notify, neurons=neurons, **facts)
    if behaviour is None:
        return key, recording
    variables = _of_steps(numeric(arrays, behaviour, path), behaviour, len(activity))
    samples_s = recording.activity.times() if isinstance(clock, float) else clock
    return key, with_behaviour(recording, [Signal(behaviour, samples_s, variables)], notify=notify)


def _kept_neurons(
    arrays: Arrays, n: int, used: set[str | None], label: str | None, notify: Notify
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which neurons are kept by labels in the file, and the names of all."""
    beside = {
        name: array.reshape(n, -1)[:, 0]
        for name, array in arrays.items()
        if array is not None
        and name not in used
        and array.shape in ((n,), (n, 1), (n, 2))
        and array.dtype.kind in "iufbUS"
    }
    named = next((beside[name] for name in ID_NAMES if name in beside and len(set(beside[name])) == n), range(n))
    if isinstance(named, range) and (pickled := [name for name in ID_NAMES if name in arrays and arrays[name] is None]):
        notify(f"Names of the neurons ({pickled[0]}) are pickled, and never loaded: the neurons are numbered.")
    labels = judged(
        pd.DataFrame({k: v for k, v in beside.items() if k not in ID_NAMES}, index=range(n)), "neurons", notify
    )
    return kept_by_label(labels, n, label, "neurons", notify), [str(name) for name in named]


def _read_trials(
    arrays: Arrays,
    trials: Array,
    dt_s: float,
    until: str | None,
    behaviour: str | None,
    path: Path,
    notify: Notify,
    facts: dict[str, Any],
) -> Recording:
    lengths = _trial_lengths(arrays, until, trials, path, notify)
    frame = None if behaviour is None else _of_trials(numeric(arrays, behaviour, path), behaviour, trials, lengths)
    return Recording.from_array(
        _concatenate(trials, lengths),
        dt_s,
        segments=[n for n in lengths if n],
        behaviour=frame,
        behaviour_names=None if frame is None else _variable_names(behaviour or "", frame.shape[1]),
        require_varying=False,
        **facts,
    )


def _oriented(arrays: Arrays, key: str, path: Path, transpose: bool, notify: Notify) -> Array:
    """(T, N) activity."""
    activity = numeric(arrays, key, path)
    if transpose:
        activity = activity.T
    elif activity.shape[1] > activity.shape[0]:
        series = [name for name, array in arrays.items() if name != key and is_column(array, activity.shape[1])]
        if series:
            notify(f"{key} is read as neurons x time, because {series[0]} has a value for each of its columns.")
            return activity.T
    refuse_transposed(activity, f"{key} in {path}", transpose)
    return activity


def _clock(
    arrays: Arrays,
    dt_s: float | None,
    fs_hz: float | None,
    steps: int,
    path: Path,
    time_unit: str | None,
    notify: Notify,
) -> float | Array:
    """The time step that was given, else the times of the rows, else the time step in the file."""
    if dt_s is None and fs_hz is None:
        named = {name: array for name, array in arrays.items() if is_time(name) and is_column(array, steps)}
        for name in sorted(named, key=lambda candidate: candidate not in TIME_NAMES):
            second_s = SECONDS[time_unit] if time_unit is not None else unit_s(name) or 1.0
            return np.asarray(named[name], float).reshape(-1) * second_s
    return _step(arrays, dt_s, fs_hz, path)


def _step(arrays: Arrays, dt_s: float | None, fs_hz: float | None, path: Path) -> float:
    if dt_s is None and fs_hz is None:
        dt_s = scalar(arrays, STEP_NAMES)
        fs_hz = scalar(arrays, RATE_NAMES) if dt_s is None else None
    return time_step(path, dt_s, fs_hz)


def _trial_lengths(
    arrays: Arrays, until: str | None, trials: Array, path: Path, notify: Notify
) -> npt.NDArray[np.intp]:
    n_trials, _, n_bins = trials.shape
    lengths = np.full(n_trials, n_bins)
    if until is None:
        return lengths
    event = numeric(arrays, until, path)
    if event.shape != (n_trials, n_bins):
        raise InputError(f"{until} must be trials x bins, {n_trials} x {n_bins}; got shape {event.shape}.")
    active = event != 0
    cut = active.any(axis=1)
    lengths[cut] = active[cut].argmax(axis=1)
    notify(f"{cut.sum()} of {n_trials} trials are used only until {until}, the others whole.")
    if not lengths.any():
        raise InputError(f"{until} is non-zero from the first bin of every trial in {path}: nothing is left to read.")
    if not lengths.all():
        n_empty = int((lengths == 0).sum())
        notify(f"{counted(n_empty, 'trial')} dropped: {until} is non-zero from the first bin on.")
    return lengths


def _concatenate(trials: Array, lengths: npt.NDArray[np.intp]) -> Array:
    """(sum of lengths, variables) array from (trials, variables, bins)."""
    return np.concatenate([trial[:, :length].T for trial, length in zip(trials, lengths, strict=True)])


def _of_steps(values: Array, name: str, steps: int) -> Array:
    """(T, B) behaviour beside (T, N) activity."""
    if values.ndim not in (1, 2) or len(values) != steps:
        raise InputError(f"{name} must have the activity's {steps} time steps; got shape {values.shape}.")
    return values.reshape(steps, -1)


def _of_trials(values: Array, name: str, trials: Array, lengths: npt.NDArray[np.intp]) -> Array:
    """(T, B) behaviour cut like the trials."""
    n_trials, _, n_bins = trials.shape
    cube = values[:, None] if values.ndim == 2 else values
    if cube.ndim != 3 or cube.shape[::2] != (n_trials, n_bins):
        raise InputError(
            f"{name} must be trials x bins or trials x variables x bins with the activity's {n_trials} trials "
            f"and {n_bins} bins; got shape {values.shape}."
        )
    return _concatenate(cube, lengths)


def _variable_names(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{k}" for k in range(count)]
