"""Whether spike and frame times are plausible, in one place for all readers.

Implausible times are reported with the option that settles them, and refused where reading on would fill the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.clock import FEWEST_OF_A_PART, restarts
from synapsnet.io.reader import Notify
from synapsnet.memmap import is_large
from synapsnet.recording import Recording, has_little_data
from synapsnet.wording import counted, listed

CELL_S = 5.0  # gaps are searched on this grid, and span at least two cells
BREAK_OVER_PAUSES = 20.0  # times as long as other pauses, of which there may be `MANY`: bursts are not blocks
MANY = 20
SPIKES_MISSED = 100.0  # expected in a gap at the rate of the rest
STRAY_FRACTION, MOST_STRAY = 0.005, 100  # at most so many spikes lie far from the others by an error of the clock
SLOWEST_HZ, FASTEST_HZ = 0.02, 500.0  # rates of the median unit
QUIET_HZ = 0.2  # rate of the fastest units, if the median is slow
FEWEST_SPIKES = 50  # in total, for rates to be judged
FRAMES_HZ = (0.1, 1000.0)  # from whole-brain imaging of worms and fish to voltage imaging
LONGEST_S = 24 * 3600.0
UNITS = "the unit of the times (--read time_unit=ms, where the reader takes it) and the sampling rate (--fs)"
STARTS_AGAIN = (
    "start again, as where recordings are put together without shifting their clocks; the parts are read as if they "
    "were simultaneous, which is hardly meant: read them one by one."
)

NO_SPAN = "All spikes are at one time, or there are none: nothing can be inferred from them."


def in_order(trains: Sequence[npt.ArrayLike], notify: Notify) -> list[Float64Array]:
    """Spike trains in increasing order, without spikes that have no time (NaN or infinite).

    Parameters
    ----------
    trains : N arrays
        Times in seconds.
    notify : callable
        Receives how many spikes are left out, and whether the clock of most units starts again.
    """
    arrays = [np.asarray(train, float).reshape(-1) for train in trains]
    kept = [train[np.isfinite(train)] for train in arrays]
    dropped = [len(before) - len(after) for before, after in zip(arrays, kept, strict=True)]
    if total := sum(dropped):
        units = [str(k) for k, n in enumerate(dropped) if n]
        notify(
            f"{counted(total, 'spike')} without a time (NaN) left out, of "
            f"{'unit' if len(units) == 1 else 'units'} {listed(units, 10)} (counted from 0)."
        )
    again = [restarts(train) for train in kept if len(train) >= 2 * FEWEST_OF_A_PART]
    if sum(again) * 2 > len(again) > 0:
        notify(f"Warning: the times of {sum(again)} of {len(again)} units {STARTS_AGAIN}")
    return [increasing(train) for train in kept]


def increasing(train: Float64Array) -> Float64Array:
    """Spike times in their order; the same array where they are in order already."""
    return train if (np.diff(train) >= 0).all() else np.sort(train)


def observed_time(trains: Sequence[Float64Array], notify: Notify, remedy: str = "--from, --to") -> nap.IntervalSet:
    """The observed time where none is stated: from the first to the last spike, without breaks.

    Breaks are times without a spike of any unit that are much longer than other pauses, and in which many spikes would
    be expected. A few spikes far from all others are taken to be errors.

    Parameters
    ----------
    trains : N arrays
        Spike times of each unit in seconds, increasing.
    notify : callable
        Receives what is left out.
    remedy : str
        Options by which the user chooses the time.

    Raises
    ------
    InputError
        If there are no spikes at two different times.
    """
    spiking = [train for train in trains if len(train)]
    if not spiking or min(train[0] for train in spiking) == max(train[-1] for train in spiking):
        raise InputError(NO_SPAN)
    parts = _between_breaks(spiking)
    numbers = np.array([sum(_count(train, a, b) for train in spiking) for a, b in parts])
    stray = numbers <= min(STRAY_FRACTION * numbers.sum(), MOST_STRAY)
    kept = [part for part, far in zip(parts, stray, strict=True) if not far]
    if stray.any():
        places = ", ".join(f"{a:.6g} s" for (a, _), far in zip(parts, stray, strict=True) if far)
        notify(
            f"Warning: {numbers[stray].sum()} of {numbers.sum()} spikes lie far from the others, at {places}, as after "
            f"an error of synchronisation, and are left out; the others lie from {kept[0][0]:.6g} to {kept[-1][1]:.6g} "
            f"s ({remedy})."
        )
    for (_, a), (b, _) in pairwise(kept):
        notify(
            f"Warning: no unit has a spike from {a:.6g} to {b:.6g} s, {duration(b - a)}: this is taken to be a break, "
            f"and left out ({remedy})."
        )
    starts, stops = zip(*kept, strict=True)
    return nap.IntervalSet(np.array(starts), np.array(stops))


def check_rates(trains: Sequence[Float64Array], observed_s: float, n_bins: int, notify: Notify) -> None:
    """Warn about implausible firing rates and durations.

    Raises
    ------
    InputError
        If the counts would also exceed the memory used at once (`synapsnet.memmap`).
    """
    numbers = np.array([len(train) for train in trains])
    if numbers.sum() < FEWEST_SPIKES or observed_s <= 0:
        return
    rates = numbers[numbers > 0] / observed_s
    median, fast = float(np.median(rates)), float(np.quantile(rates, 0.9))
    if median < SLOWEST_HZ and fast < QUIET_HZ:
        why = f"over {duration(observed_s)} the median unit fires at {median:.2g} Hz, far less than neurons do"
    elif median > FASTEST_HZ:
        why = f"over {duration(observed_s)} the median unit fires at {median:.3g} Hz, more than neurons do"
    elif observed_s > LONGEST_S:
        why = f"the spikes last {duration(observed_s)}"
    else:
        return
    if is_large((n_bins, len(trains))):
        raise InputError(
            f"The times are not plausible: {why}, and counts would take {4 * n_bins * len(trains) / 2**30:.2g} GiB. "
            f"Check {UNITS}; if they are right, use wider bins (--bin)."
        )
    notify(f"Warning: {why}; check {UNITS}.")


def check_recording(recording: Recording, notify: Notify) -> None:
    """Warn about implausible frame rates and about neurons with little data."""
    rate_hz, length_s = 1 / recording.dt_s, recording.n_steps * recording.dt_s
    least, most = FRAMES_HZ
    if recording.modality == "calcium" and (not least <= rate_hz <= most or length_s > LONGEST_S):
        notify(
            f"Warning: {recording.n_steps} frames at {rate_hz:.4g} Hz last {duration(length_s)}, which is not usual; "
            "check the unit of the times (--read time_unit=ms) and the frame rate (--fs, in Hz)."
        )
    few = has_little_data(recording)
    if few.any():
        names = recording.neurons["id"][few].astype(str).tolist()
        notify(
            f"{few.sum()} of {len(few)} neurons have too few spikes, or spikes in one part of the time only, to say "
            f"anything about their connections: {'neuron' if len(names) == 1 else 'neurons'} {listed(names, 10)} "
            "(--min-rate drops the slowest)."
        )


def duration(seconds: float) -> str:
    """A duration in a convenient unit."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _between_breaks(trains: Sequence[Float64Array]) -> list[tuple[float, float]]:
    """First and last spike of each part between the breaks."""
    cells = np.unique(np.concatenate([np.unique(np.floor(train / CELL_S)) for train in trains]))
    pauses = (np.diff(cells) - 1) * CELL_S
    usual = np.sort(pauses)[-min(MANY, len(pauses) // 2 + 1)] if len(pauses) else 0.0
    rate_hz = sum(map(len, trains)) / (len(cells) * CELL_S)
    long = (pauses >= max(2 * CELL_S, BREAK_OVER_PAUSES * usual)) & (pauses * rate_hz >= SPIKES_MISSED)
    before, after = cells[:-1][long], cells[1:][long]
    starts = [-np.inf, *(after * CELL_S)]
    stops = [*((before + 1) * CELL_S), np.inf]
    return [_ends(trains, a, b) for a, b in zip(starts, stops, strict=True)]


def _ends(trains: Sequence[Float64Array], start: float, stop: float) -> tuple[float, float]:
    """First and last spike in `[start, stop)`."""
    inside = [train[slice(*np.searchsorted(train, (start, stop)))] for train in trains]
    return min(part[0] for part in inside if len(part)), max(part[-1] for part in inside if len(part))


def _count(train: Float64Array, first: float, last: float) -> int:
    return int(np.searchsorted(train, last, side="right") - np.searchsorted(train, first))
