"""What the activity and behaviour of a recording must be; each check raises an InputError."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.errors import InputError
from synapsnet.memmap import blocks
from synapsnet.wording import listed

LARGEST, SMALLEST = 1e12, 1e-15  # of activity and behaviour, and of how much they vary


def check_size(values: npt.NDArray[np.float32]) -> None:
    """Refuse fewer than 2 neurons or 2 time steps."""
    if values.ndim != 2 or values.shape[1] < 2:
        raise InputError(
            f"A recording needs at least 2 neurons (time x neurons); got an array of shape {values.shape}."
        )
    if values.shape[0] < 2:
        raise InputError(f"A recording needs at least 2 time steps; got {values.shape[0]}.")


def check_activity(values: npt.NDArray[np.float32], modality: str) -> None:
    """Refuse activity that is NaN, infinite or too large, and negative spike counts."""
    check_size(values)
    lowest, highest = extremes(values)
    finite = np.isfinite(lowest) & np.isfinite(highest)
    if not finite.all():
        raise InputError(
            f"Activity holds NaN or infinite values in {names_of(~finite)}; "
            "cut those times out as epoch borders or drop these neurons."
        )
    check_magnitude(lowest, highest, "Activity")
    if modality == "spikes" and (lowest < 0).any():
        raise InputError("Spike counts must not be negative; is this a calcium recording (modality 'calcium')?")


def check_magnitude(lowest: npt.NDArray[np.floating[Any]], highest: npt.NDArray[np.floating[Any]], what: str) -> None:
    """Refuse numbers whose squares float32 cannot hold: they would be fitted as if nothing were there."""
    size = np.maximum(np.abs(lowest), np.abs(highest)).astype(np.float64)
    span = highest.astype(np.float64) - lowest
    wrong = (size > LARGEST) | ((span > 0) & (span < SMALLEST))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{what} of {names_of(wrong)} reaches {size[k]:.3g} and varies by {span[k]:.3g}; values must not exceed "
            f"{LARGEST:g} and, unless constant, must vary by at least {SMALLEST:g}. Use another unit, or drop them."
        )


def check_grid(activity: nap.TsdFrame, dt_s: float) -> None:
    """Refuse steps within an epoch that differ from `dt_s`."""
    times = activity.times()
    for start, stop in rows_of_epochs(activity):
        steps = np.diff(times[start:stop])
        if len(steps) and np.abs(steps - dt_s).max() > 0.01 * dt_s:
            worst = steps[np.abs(steps - dt_s).argmax()]
            raise InputError(
                f"Activity must be on a uniform grid of {dt_s:g} s within each epoch; found a step of {worst:g} s. "
                "Declare gaps as epoch borders or resample."
            )


def rows_of_epochs(frame: nap.TsdFrame) -> list[tuple[int, int]]:
    """Rows `[start, stop)` of a frame that belong to each epoch of its time support."""
    times, epochs = frame.times(), frame.time_support
    starts = np.searchsorted(times, epochs.start, side="left")
    stops = np.searchsorted(times, epochs.end, side="right")
    return [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if b > a]


def extremes(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(N,) least and greatest value of each neuron; NaN where it has any."""
    lowest, highest = zip(*[(block.min(axis=0), block.max(axis=0)) for block in blocks(values)], strict=True)
    return np.min(lowest, axis=0), np.max(highest, axis=0)


def names_of(mask: npt.ArrayLike) -> str:
    """'neuron 3' or 'neurons 3, 8 and 5 more'."""
    indices = np.flatnonzero(mask).tolist()
    return f"neuron{'s' if len(indices) > 1 else ''} {listed(indices)}"
