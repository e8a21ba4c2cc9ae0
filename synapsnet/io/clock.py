"""Resampling: behaviour with its own clock onto the recording's grid, and uneven frames onto an even grid.

Gaps are bridged up to `LONGEST_GAP_S`, or up to one missing sample of a variable that is sampled regularly but more
slowly. Where a behavioural variable has a longer gap, that time is cut out of the recording, which starts a new epoch
after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.array_types import BoolArray, Float64Array
from synapsnet.errors import InputError
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording
from synapsnet.wording import counted

LONGEST_GAP_S = 1.0
MOSTLY = 0.8  # fraction of steps of the usual length in a slow but regular variable
ROUNDING_S = 1e-6  # precision with which clocks are stored
MISSING_FRAME = 1.5  # steps between two frames above which a frame is missing
MOST_RESTARTS = 5  # more backward steps than this mean unsorted times, not a clock that starts again;
FEWEST_OF_A_PART = 10  # so do fewer samples than this between two backward steps
MOST_JITTER = 0.2  # fraction of a step by which a frame may be moved


@dataclass(frozen=True, eq=False)
class Signal:
    """A behavioural variable, or several, sampled on a clock of its own.

    Attributes
    ----------
    name : str
    times_s : (M,) or (M, 1) array
        On the clock of the activity, in seconds.
    values : (M,) or (M, B) array
        NaN where it is not known. The columns of several are called `name_0`, `name_1`...
    """

    name: str
    times_s: npt.ArrayLike
    values: npt.ArrayLike


def choose(signals: Sequence[Signal], names: str | None) -> list[Signal]:
    """The signals that the user wants: all by default, those named (separated by commas), or `none`.

    Raises
    ------
    InputError
        If there is no signal of a name.
    """
    if names is None:
        return list(signals)
    wanted = [] if names == "none" else [name.strip() for name in names.split(",")]
    by_name = {signal.name: signal for signal in signals}
    if absent := [name for name in wanted if name not in by_name]:
        raise InputError(
            f"There is no behaviour {', '.join(absent)}; there is {', '.join(by_name) or 'none'} "
            "(--behaviour none leaves it out)."
        )
    return [by_name[name] for name in wanted]


def with_behaviour(recording: Recording, signals: Sequence[Signal], *, notify: Notify) -> Recording:
    """Add behaviour to the recording, linearly interpolated onto its grid.

    Missing samples (NaN, or a gap in the clock) are bridged over at most `LONGEST_GAP_S`. Longer gaps, and the times
    before the first and after the last sample of a variable, are cut out of the recording.

    Parameters
    ----------
    recording : Recording
        Its times and those of the signals are on one clock.
    signals : sequence of Signal
    notify : callable
        Receives a line for every assumption made, and how much was bridged and cut.

    Raises
    ------
    InputError
        If a signal's times and values differ in number, or nothing is left of the recording.
    """
    if not signals:
        return recording
    times, before = recording.activity.times(), recording.behaviour
    known = np.ones(len(times), bool)
    names = [] if before is None else [str(name) for name in before.columns]
    columns: list[Float64Array] = [] if before is None else list(before.values.T)
    for signal in signals:
        samples_s, values = _samples(signal, notify)
        interpolated, gap_s = _interpolate(times, samples_s, values)
        usual_s = float(np.median(np.diff(samples_s))) if len(samples_s) > 1 else 0.0
        longest_s = LONGEST_GAP_S
        if usual_s > LONGEST_GAP_S and np.mean(np.abs(np.diff(samples_s) - usual_s) <= 0.1 * usual_s) > MOSTLY:
            longest_s = MISSING_FRAME * usual_s
            notify(f"{signal.name} comes every {usual_s:.4g} s only, and is interpolated in between.")
        here: BoolArray = np.all(gap_s <= longest_s + ROUNDING_S, axis=1)
        bridged: BoolArray = here & np.any(gap_s > MISSING_FRAME * usual_s + ROUNDING_S, axis=1)
        _report(signal.name, bridged, ~here, recording.dt_s, longest_s, notify)
        columns += list(interpolated.T)
        several = values.shape[1] > 1
        names += [f"{signal.name}_{k}" if several else signal.name for k in range(values.shape[1])]
        known &= here
    segments = [(start + a, start + b) for start, stop in recording.segments for a, b in true_runs(known[start:stop])]
    if not segments:
        wanted, spans = ", ".join(signal.name for signal in signals), "; ".join(map(_spanned, signals))
        raise InputError(
            f"Behaviour ({wanted}) is known at no time of the recording, from {times[0]:.6g} to {times[-1]:.6g} s: "
            f"{spans}. Samples are missing, more than {LONGEST_GAP_S:g} s apart and not regular, or on another clock; "
            "read it without behaviour (--behaviour none), or check its times."
        )
    kept = recording if known.all() else recording.select_rows(segments)
    values32 = np.stack(columns, axis=1)[known].astype(np.float32)
    frame = nap.TsdFrame(t=kept.activity.times(), d=values32, time_support=kept.epochs, columns=names)
    return replace(kept, behaviour=frame)


def even_frames(times_s: npt.ArrayLike, values: npt.NDArray[Any], *, notify: Notify) -> tuple[nap.TsdFrame, float]:
    """Frames on a uniform grid; every missing frame starts a new epoch.

    Frames that are up to `MOST_JITTER` steps early or late are taken to be on time; frames that drift further are
    interpolated linearly.

    Parameters
    ----------
    times_s : (T,) or (T, 1) array
    values : (T, N) array
    notify : callable
        Receives a line about missing frames, jitter and drift.

    Returns
    -------
    activity : pynapple.TsdFrame, (T', N) float32
        Its time support is the epochs. A frame between two missing ones is dropped.
    dt_s : float
        The mean step between neighbours.

    Raises
    ------
    InputError
        If there are not as many times as frames, fewer than 2, or the times do not increase.
    """
    times = np.asarray(times_s, float).reshape(-1)
    if len(times) != len(values) or len(times) < 2:
        raise InputError(
            f"Expected at least 2 frames with a time each; got {counted(len(times), 'time')} and "
            f"{counted(len(values), 'frame')}."
        )
    timed = np.isfinite(times)
    if not timed.all():
        notify(f"{(~timed).sum()} of {len(times)} frames left out: they have no time (NaN).")
        times, values = times[timed], values[timed]
    steps = np.diff(times)
    if len(times) < 2 or not (steps > 0).all():
        raise InputError(_why_not_increasing(times))
    together = steps <= MISSING_FRAME * np.median(steps)
    dt_s = float(steps[together].mean())
    runs = [(a, b + 1) for a, b in true_runs(together)]
    frames = sum(b - a for a, b in runs)
    if len(runs) > 1 or frames < len(times):
        notify(f"Frames are missing: {len(runs)} epochs, with {frames} of {len(times)} frames, lie between the gaps.")
    grids = [_even(times[a:b], dt_s) for a, b in runs]
    moved = max(float(np.abs(grid - times[a:b]).max()) for grid, (a, b) in zip(grids, runs, strict=True)) / dt_s
    if moved > MOST_JITTER:
        notify(f"Frames drift by up to {moved:.2g} steps against a clock of {dt_s:.6g} s; they are interpolated.")
        grids = [np.arange(times[a], times[b - 1] + ROUNDING_S, dt_s) for a, b in runs]
        even = np.concatenate([interpolate(g, times[a:b], values[a:b]) for g, (a, b) in zip(grids, runs, strict=True)])
    else:
        if moved > 0.01:
            notify(f"Frames come up to {moved:.1%} of a step early or late; they are taken to be {dt_s:.6g} s apart.")
        even = np.concatenate([values[a:b] for a, b in runs])
    epochs = nap.IntervalSet([g[0] - dt_s / 4 for g in grids], [g[-1] + dt_s / 4 for g in grids])
    activity = nap.TsdFrame(t=np.concatenate(grids), d=np.asarray(even, np.float32), time_support=epochs)
    return activity, dt_s


def _why_not_increasing(times: Float64Array) -> str:
    """What is wrong with the times of frames, in a sentence."""
    if len(times) < 2:
        return "Fewer than 2 frames have a time; give the frame rate (--fs) or repair the times."
    back = np.flatnonzero(np.diff(times) <= 0)
    first = int(back[0])
    how = (
        f"all are {times[0]:g} s"
        if np.ptp(times) == 0
        else f"they start again at frame {first + 1}, at {times[first + 1]:.6g} s after {times[first]:.6g} s"
        if restarts(times)
        else f"frame {first + 1} is at {times[first + 1]:.6g} s and the one before at {times[first]:.6g} s, and so "
        f"{len(back)} times"
    )
    return (
        f"The times of the frames must increase from frame to frame, and {how}; read the parts one by one, repair the "
        "times, or give the frame rate in their place where the reader takes it (--fs)."
    )


def restarts(times: Float64Array) -> bool:
    """Whether times increase but start again, once or a few times, near where they began."""
    back = np.flatnonzero(np.diff(times) < 0)
    if not 0 < len(back) <= MOST_RESTARTS or np.diff(back, prepend=-1, append=len(times) - 1).min() < FEWEST_OF_A_PART:
        return False
    span = times.max() - times.min()
    falls = times[back] - times[back + 1]
    return bool((falls > span / (len(back) + 1) / 2).all() and (times[back + 1] - times.min() < span / 4).all())


def interpolate(grid: Float64Array, times: Float64Array, values: npt.NDArray[Any]) -> Float64Array:
    """(len(grid), N) values, linearly interpolated, and as at the ends outside of `times`."""
    left = np.clip(np.searchsorted(times, grid, side="right") - 1, 0, len(times) - 2)
    fraction = np.clip((grid - times[left]) / (times[left + 1] - times[left]), 0, 1)[:, None]
    return np.asarray((1 - fraction) * values[left] + fraction * values[left + 1], float)


def true_runs(mask: BoolArray) -> list[tuple[int, int]]:
    """Index ranges `[start, stop)` of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def merged(starts_s: npt.ArrayLike, stops_s: npt.ArrayLike) -> nap.IntervalSet:
    """Intervals in order; overlapping or touching ones are merged, and those that are empty or not known left out.

    Parameters
    ----------
    starts_s, stops_s : (n,) arrays
        In seconds, in any order.
    """
    start, stop = np.asarray(starts_s, float), np.asarray(stops_s, float)
    order = np.argsort(start, kind="stable")
    start, stop = start[order], stop[order]
    valid = stop > start
    start, stop = start[valid], np.maximum.accumulate(stop[valid])
    first = np.concatenate([[True], start[1:] > stop[:-1] + ROUNDING_S]) if len(start) else np.zeros(0, bool)
    last = np.concatenate([first[1:], [True]]) if len(start) else first
    return nap.IntervalSet(start[first], stop[last])


def _spanned(signal: Signal) -> str:
    """Name, span and usual step of a signal."""
    times = np.sort(np.asarray(signal.times_s, float).reshape(-1))
    times = times[np.isfinite(times)]
    if len(times) < 2:
        return f"{signal.name}, {counted(len(times), 'sample')}"
    return f"{signal.name}, {times[0]:.6g} to {times[-1]:.6g} s, every {np.median(np.diff(times)):.4g} s"


def _samples(signal: Signal, notify: Notify) -> tuple[Float64Array, Float64Array]:
    """(M,) increasing times and (M, B) values."""
    times = np.asarray(signal.times_s, float).reshape(-1)
    values = np.asarray(signal.values, float)
    values = values[:, None] if values.ndim == 1 else values
    if len(times) != len(values):
        raise InputError(
            f"{signal.name} needs a time for each sample; got {counted(len(times), 'time')} and "
            f"{counted(len(values), 'sample')}."
        )
    finite = np.isfinite(times)
    if not finite.all():
        notify(f"{signal.name}: {counted(int((~finite).sum()), 'sample')} without a time dropped.")
        times, values = times[finite], values[finite]
    if (np.diff(times) < 0).any():
        notify(f"{signal.name}: its times were not in order, and are sorted.")
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    first = np.diff(times, prepend=-np.inf) > 0
    if not first.all():
        notify(f"{signal.name}: {counted(int((~first).sum()), 'sample')} dropped at the time of an earlier one.")
    return times[first], values[first]


def _interpolate(
    times: Float64Array, samples_s: Float64Array, values: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """(T, B) interpolated values, and the distance of the two samples around each (infinite outside)."""
    interpolated = np.zeros((len(times), values.shape[1]))
    gap_s = np.full(interpolated.shape, np.inf)
    for k, column in enumerate(values.T):
        finite = np.isfinite(column)
        if finite.any():
            known_s = samples_s[finite]
            ends = np.concatenate([[-np.inf], known_s, [np.inf]])
            before = ends[np.searchsorted(known_s, times + ROUNDING_S, side="right")]
            after = ends[np.searchsorted(known_s, times - ROUNDING_S, side="left") + 1]
            gap_s[:, k] = after - before
            interpolated[:, k] = np.interp(times, known_s, column[finite])
    return interpolated, gap_s


def _report(name: str, bridged: BoolArray, cut: BoolArray, dt_s: float, longest_s: float, notify: Notify) -> None:
    if bridged.any():
        notify(f"{name}: {bridged.sum() * dt_s:.3g} s interpolated over gaps of at most {longest_s:g} s.")
    if cut.any():
        notify(
            f"{name}: {cut.sum() * dt_s:.3g} s of {len(cut) * dt_s:.3g} s cut out, where it has no values for more "
            f"than {longest_s:g} s, or before its first or after its last; leave it out (--behaviour) to keep them."
        )


def _even(times: Float64Array, dt_s: float) -> Float64Array:
    """The grid with steps of `dt_s` that is closest to the times."""
    grid = np.arange(len(times)) * dt_s
    return grid + (times - grid).mean()
