"""Behaviour and intervals of ALF folders, on clocks of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.alf_files import load
from synapsnet.io.clock import Signal, merged
from synapsnet.io.npy import Array
from synapsnet.io.reader import Notify
from synapsnet.wording import counted

WHEEL_STEP_S = 0.02
SIGNALS = {  # our name of a variable: its file
    "wheel_velocity": "wheel.position",
    "pupil_area": "eye.area",
    "face_motion": "face.motionEnergy",
    "left_camera_motion": "leftCamera.ROIMotionEnergy",
    "right_camera_motion": "rightCamera.ROIMotionEnergy",
    "running_speed": "running.speed",
}


def read_signals(session: Path, notify: Notify) -> list[Signal]:
    """The behaviour of the session; variables without a clock, or with one that does not fit, are left out."""
    signals = []
    for name, file in SIGNALS.items():
        values = load(session, file)
        if values is None:
            continue
        owner = file.partition(".")[0]
        stamps = load(session, f"{owner}.timestamps")
        stamps = load(session, f"{owner}.times") if stamps is None else stamps
        if stamps is None:
            notify(f"{file} left out: there is no {owner}.timestamps or {owner}.times.")
            continue
        times = _sample_times(stamps, len(values))
        if len(times) != len(values):
            notify(f"{file} left out: it has {counted(len(times), 'time')} for {counted(len(values), 'sample')}.")
            continue
        signals.append(_velocity(name, times, values) if owner == "wheel" else Signal(name, times, values))
    return signals


def _sample_times(stamps: Array, n_samples: int) -> Float64Array:
    """(n_samples,) times from one for each sample, or from (m, 2) pairs of a sample's number and its time."""
    if stamps.ndim == 1:
        return stamps.astype(float)
    sample, time_s = stamps[:, 0].astype(float), stamps[:, 1].astype(float)
    return np.interp(np.arange(n_samples), sample, time_s, left=np.nan, right=np.nan)


def _velocity(name: str, times_s: Float64Array, position: Array) -> Signal:
    """Velocity of a wheel, which is sampled only while it turns: without samples it stands still."""
    finite = np.isfinite(times_s) & np.isfinite(position)
    times_s, position = times_s[finite], position[finite]
    if len(times_s) < 2:
        return Signal(name, times_s, position)
    clock = np.arange(times_s[0], times_s[-1], WHEEL_STEP_S)
    return Signal(name, clock, np.gradient(np.interp(clock, times_s, position), WHEEL_STEP_S))


def read_intervals(session: Path, name: str) -> nap.IntervalSet:
    """The intervals in `name.intervals.npy`; InputError if there are none."""
    intervals = load(session, f"{name}.intervals")
    if intervals is None:
        names = sorted(file.name.partition(".intervals")[0] for file in session.glob("*.intervals*.npy"))
        remedy = f"within can be {', '.join(names)}" if names else "leave out within"
        raise InputError(f"{session} has no {name}.intervals.npy; {remedy}.")
    pairs = intervals.reshape(-1, 2)
    return merged(pairs[:, 0], pairs[:, 1])
