"""Behaviour and stimuli in NWB files of other programs: series on clocks of their own, and tables of intervals.

Only the series that are used are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.clock import MOSTLY, ROUNDING_S, Signal, choose, with_behaviour
from synapsnet.io.nwb_series import InUnits, times_of
from synapsnet.io.nwb_tables import interval_tables, intervals
from synapsnet.io.nwb_write import MODULE
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording
from synapsnet.wording import counted

if TYPE_CHECKING:
    from pynwb import NWBFile, TimeSeries

# Variables that are read by default.
USUAL = re.compile(r"speed|velocity|wheel|pupil_?(area|diameter|size)|^pupil$|motion_?energy|whisk", re.IGNORECASE)
NOT_FILTERED = re.compile(r"unfiltered|raw", re.IGNORECASE)
NO_STIMULI = ("trials", "epochs", "invalid_times")


def chosen_intervals(file: NWBFile, name: str, option: str) -> nap.IntervalSet:
    """The intervals of the table of this name; InputError, which names the option, if there is none."""
    tables = interval_tables(file)
    if name not in tables:
        raise InputError(f"There is no table of intervals {name!r}; {option} can be {', '.join(tables) or 'nothing'}.")
    return intervals(tables[name])


def add_behaviour(recording: Recording, file: NWBFile, names: str | None, notify: Notify) -> Recording:
    """The recording with behaviour, optogenetic stimulation and intervals of stimuli.

    Parameters
    ----------
    recording : Recording
    file : NWBFile
    names : str, optional
        Names of variables, separated by commas, or `none`. Default: running speed, pupil, wheel, motion energy,
        whisking, optogenetic series, and the tables of intervals, which are 1 while one lasts.
    notify : callable
    """
    stimuli = [
        Signal(name, recording.activity.times(), _coverage(recording, intervals(table)))
        for name, table in interval_tables(file).items()
        if name not in NO_STIMULI
    ]
    varying = [signal for signal in stimuli if np.ptp(np.asarray(signal.values)) > 0]
    series, lights = _series(file, notify), _lights(file)
    if names is not None:
        chosen = choose([*series, *lights, *varying], names)
    else:
        usual = [signal for signal in series if USUAL.search(signal.name) and not NOT_FILTERED.search(signal.name)]
        if unused := [signal.name for signal in series if signal not in usual]:
            notify(f"Behaviour left out: {', '.join(unused)}; name it to read it (--behaviour).")
        chosen = [*usual, *lights, *varying]
    signals = [_in_steps(signal, recording, notify) if signal in lights else signal for signal in chosen]
    return with_behaviour(recording, signals, notify=notify)


def _lights(file: NWBFile) -> list[Signal]:
    """Optogenetic stimulation."""
    from pynwb.ogen import OptogeneticSeries

    lights = [series for series in file.stimulus.values() if isinstance(series, OptogeneticSeries)]
    return [Signal(series.name, times_of(series), InUnits(series)) for series in lights]


def _in_steps(light: Signal, recording: Recording, notify: Notify) -> Signal:
    """The mean of light in each step, as interpolation would miss short pulses.

    Light that is sampled finely is averaged; a value that comes irregularly or seldom holds until the next.
    """
    times_s, values = np.asarray(light.times_s, float).reshape(-1), np.asarray(light.values, float)
    if len(times_s) != len(values) or not np.isfinite(times_s).any():
        return light
    timed = np.flatnonzero(np.isfinite(times_s))
    order = timed[np.argsort(times_s[timed], kind="stable")]
    times_s, values = times_s[order], values[order]
    if _sampled_finely(times_s, recording):
        mean = _averaged(times_s, values, recording)
    else:
        notify(f"{light.name}: each value holds until the next one, and there is no light before the first.")
        columns = values.reshape(len(values), -1).T
        mean = np.column_stack([_held(times_s, column, recording) for column in columns])
    return Signal(light.name, recording.activity.times(), mean)


def _sampled_finely(times_s: Float64Array, recording: Recording) -> bool:
    """Whether most steps are of one length, at most half a step of the recording, and fill most of its time."""
    if len(times_s) < 2:
        return False
    steps_s, recorded_s = np.diff(times_s), recording.activity.times()
    usual_s = np.median(steps_s)
    regular = np.abs(steps_s - usual_s) <= 0.1 * usual_s
    most_s = MOSTLY * max(float(np.ptp(times_s)), float(np.ptp(recorded_s)))
    return bool(usual_s <= recording.dt_s / 2 and regular.mean() > MOSTLY and steps_s[regular].sum() > most_s)


def _averaged(times_s: Float64Array, values: Float64Array, recording: Recording) -> Float64Array:
    """(T, ...) mean of the samples in each step, NaN without any."""
    known = np.isfinite(values)
    zero = np.zeros((1, *values.shape[1:]))
    sums, numbers = (np.concatenate([zero, np.cumsum(part, axis=0)]) for part in (np.where(known, values, 0), known))
    centres_s, half_s = recording.activity.times(), recording.dt_s / 2
    first, stop = (np.searchsorted(times_s, centres_s + sign * half_s - ROUNDING_S) for sign in (-1, 1))
    samples = numbers[stop] - numbers[first]
    return np.divide(sums[stop] - sums[first], samples, out=np.full_like(samples, np.nan), where=samples > 0)


def _held(times_s: Float64Array, values: Float64Array, recording: Recording) -> Float64Array:
    """(T,) mean in each step of what is 0 before the first of (n,) values and from each one the same until the next."""
    known = np.isfinite(values)
    centres_s, half_s = recording.activity.times(), recording.dt_s / 2
    ends_s = times_s[0], max(times_s[-1], centres_s[-1] + half_s)
    borders_s = np.concatenate([ends_s[:1], times_s[known], ends_s[1:]])
    integral = np.concatenate([[0.0, 0.0], np.cumsum(np.diff(borders_s)[1:] * values[known])])
    before, after = (np.interp(centres_s + sign * half_s, borders_s, integral) for sign in (-1, 1))
    return np.asarray((after - before) / recording.dt_s)


def _series(file: NWBFile, notify: Notify) -> list[Signal]:
    """All series of a single variable, by unique names; their data are not read yet."""
    from pynwb import TimeSeries

    modules = [module for name, module in file.processing.items() if name not in (MODULE, "ecephys")]
    containers = [held for held in file.acquisition.values() if not isinstance(held, TimeSeries)]
    signals: dict[str, Signal] = {}
    for series in (series for container in [*modules, *containers] for series in _descendants(container)):
        name, data = _variable(series)
        if not _is_one_variable(data):
            continue
        if series.timestamps is not None and len(series.timestamps) != len(data):
            notify(
                f"{name} left out: it has {counted(len(series.timestamps), 'time')} for {counted(len(data), 'sample')}."
            )
            continue
        if series.timestamps is None and not (series.rate and series.rate > 0):
            notify(f"{name} left out: it states a rate of {series.rate} Hz.")
            continue
        name = f"{series.parent.name}_{name}" if name in signals else name
        signals[name] = Signal(name, times_of(series), InUnits(series) if data is series.data else data)
    return list(signals.values())


def _descendants(container: Any) -> Iterator[TimeSeries]:
    from pynwb import TimeSeries
    from pynwb.ophys import RoiResponseSeries

    for child in container.children:
        if isinstance(child, TimeSeries):
            if not isinstance(child, RoiResponseSeries):
                yield child
        else:
            yield from _descendants(child)


def _variable(series: TimeSeries) -> tuple[str, Any]:
    """Name and data of a series; for an ellipse fitted to the pupil (Allen), its area."""
    area = getattr(series, "area", None)
    return (series.name, series.data) if area is None else (series.name.replace("tracking", "area"), area)


def _is_one_variable(data: Any) -> bool:
    shape: tuple[int, ...] = getattr(data, "shape", ())
    one = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    return one and shape[0] > 0 and data.dtype.kind in "iufb"


def _coverage(recording: Recording, stimulus: nap.IntervalSet) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(T,) fraction of each step that lies in the intervals."""
    if not len(stimulus):
        return np.zeros(recording.n_steps)
    lengths = stimulus.end - stimulus.start
    borders = np.column_stack([stimulus.start, stimulus.end]).ravel()
    covered = np.column_stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)]).ravel()
    times, half = recording.activity.times(), recording.dt_s / 2
    return (np.interp(times + half, borders, covered) - np.interp(times - half, borders, covered)) / recording.dt_s
