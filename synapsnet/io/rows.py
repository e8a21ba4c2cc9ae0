"""Plain numbers from arrays and tables: orientation, modality and clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.clock import even_frames
from synapsnet.io.npy import Array
from synapsnet.io.reader import Notify
from synapsnet.recording import Modality, Recording, neuron_table

TIME_NAMES = ("times", "time", "t", "timestamps", "timestamp", "times_s", "time_s")


def refuse_transposed(activity: Array, what: str, transpose: bool) -> None:
    """Refuse an array with more neurons than time steps: it is transposed, or too short to learn from.

    Raises
    ------
    InputError
        If (T, N) `activity` has N > T.
    """
    steps, neurons = activity.shape
    if neurons > steps:
        remedy = "read it without transpose" if transpose else "read it with transpose=True (--transpose)"
        raise InputError(
            f"{what} would have {neurons} neurons and only {steps} time steps: it looks transposed; "
            f"{remedy}, or give a longer recording."
        )


def time_step(path: Path, dt_s: float | None, fs_hz: float | None) -> float:
    """The time step in seconds, from the time step or the frame rate.

    Raises
    ------
    InputError
        If both are given, or neither, or it is not a positive number.
    """
    if dt_s is not None and fs_hz is not None:
        raise InputError("Give either the time step (--dt) or the frame rate (--fs), not both.")
    value = dt_s if dt_s is not None else fs_hz
    if value is None:
        raise InputError(
            f"{path} does not say its time step; give it in seconds (--dt) or as a frame rate in hertz (--fs)."
        )
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"The time step or frame rate of {path} must be a positive number; got {value:g}.")
    return float(value if dt_s is not None else 1 / value)


def guess_modality(activity: Array, name: str, notify: Notify) -> Modality:
    """Spikes if all values are whole and not negative, else calcium."""
    counts = activity.dtype.kind in "iub" or bool(np.array_equal(activity, np.floor(activity)))
    guess: Modality = "spikes" if counts and activity.min(initial=0) >= 0 else "calcium"
    reason = "no fractions and no negative numbers" if guess == "spikes" else "fractions or negative numbers"
    notify(f"{name} is read as {guess}, because it holds {reason}; say --modality if it is not.")
    return guess


def on_clock(
    rows: Array,
    clock: float | Array,
    modality: Modality,
    *,
    notify: Notify,
    neurons: pd.DataFrame | None = None,
    metadata: dict[str, Any],
    deconvolved: bool,
) -> Recording:
    """A recording of (T, N) `rows`, whose `clock` is a time step in seconds or the (T,) time of each of them.

    Raises
    ------
    InputError
        See `Recording.from_array` and `synapsnet.io.clock.even_frames`; also if spike counts are so uneven in time that
        they would have to be interpolated.
    """
    if isinstance(clock, float):
        return Recording.from_array(
            rows,
            clock,
            modality,
            neurons=neurons,
            metadata=metadata,
            deconvolved=deconvolved,
            require_varying=False,
        )
    frames, dt_s = even_frames(clock, rows, notify=notify)
    if modality == "spikes" and (frames.values % 1).any() and not (rows % 1).any():
        raise InputError("Spike counts must be at even times, and these drift; count the spikes again, in even bins.")
    table = neuron_table(rows.shape[1]) if neurons is None else neurons
    return Recording(frames, dt_s, modality, table, metadata=metadata, deconvolved=deconvolved)
