"""Contiguous splits in time, with a gap so that no window sees both sides."""

from __future__ import annotations

from synapsnet.errors import InputError
from synapsnet.recording import Recording

Segments = list[tuple[int, int]]


def split_rows(segments: Segments, fraction: float, gap: int) -> tuple[Segments, Segments]:
    """Cut epochs in time into an earlier and a later part.

    Parameters
    ----------
    segments : list of (start, stop)
        Row ranges of the valid epochs, in order of time.
    fraction : float in (0, 1)
        Share of all steps that goes into the later part.
    gap : int
        Steps left out before the later part if the cut falls within an epoch. Two epochs are
        apart already.

    Returns
    -------
    earlier, later : lists of (start, stop)

    Raises
    ------
    InputError
        If `fraction` is outside (0, 1) or a part would be empty.
    """
    if not 0 < fraction < 1:
        raise InputError(f"The share of data held out must lie between 0 and 1; got {fraction:g}.")
    total = sum(stop - start for start, stop in segments)
    remaining = total - round(total * fraction)
    earlier: Segments = []
    later: Segments = []
    for start, stop in segments:
        cut = min(stop, start + remaining)
        remaining -= cut - start
        if cut > start:
            earlier.append((start, cut))
        first = cut + gap if start < cut < stop else cut
        if first < stop:
            later.append((first, stop))
    if not earlier or not later:
        raise InputError(
            f"A recording of {total} steps is too short to hold out {fraction:.0%} behind a gap of {gap} steps; "
            "record longer."
        )
    return earlier, later


def holdout(recording: Recording, fraction: float, gap: int) -> tuple[Recording, Recording]:
    """Split a recording into an earlier part to fit and a later part to hold out; see `split_rows`."""
    earlier, later = split_rows(recording.segments, fraction, gap)
    return recording.select_rows(earlier), recording.select_rows(later)
