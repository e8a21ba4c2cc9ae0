"""Contiguous splits in time, with a gap so that no window spans both sides."""

from __future__ import annotations

from itertools import pairwise

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
        Fraction of all steps that goes into the later part.
    gap : int
        Steps left out before the later part if the cut falls within an epoch; between two epochs there is a gap
        already.

    Returns
    -------
    earlier, later : lists of (start, stop)

    Raises
    ------
    InputError
        If `fraction` is outside (0, 1) or a part would be empty.
    """
    if not 0 < fraction < 1:
        raise InputError(f"The fraction of data held out must lie between 0 and 1; got {fraction:g}.")
    total = sum(stop - start for start, stop in segments)
    earlier, later = _cut(segments, [total - round(total * fraction)], gap)
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


def alternating(segments: Segments, n_blocks: int, gap: int) -> tuple[Segments, Segments]:
    """Two halves of a recording, for split-half reliability: its odd and its even blocks in time.

    With two blocks these are its first and second half; with more, slow changes are spread over both halves.

    Parameters
    ----------
    segments : list of (start, stop)
        Row ranges of the valid epochs, in order of time.
    n_blocks : int
        An even number, so that the halves are about equal.
    gap : int
        Steps left out at the start of each block that starts within an epoch.

    Returns
    -------
    odd, even : lists of (start, stop)
        The first block is odd.

    Raises
    ------
    InputError
        If the number of blocks is odd or below 2, or a block would be empty.
    """
    if n_blocks % 2:
        raise InputError(f"Two halves need an even number of blocks; got {n_blocks}.")
    blocks = _cut(segments, _borders(segments, n_blocks)[1:-1], gap)
    _check_parts(blocks, n_blocks, gap)
    odd, even = ([piece for block in blocks[k::2] for piece in block] for k in (0, 1))
    return odd, even


def _borders(segments: Segments, n_blocks: int) -> list[int]:
    """Where blocks of about equal length start, and the last one ends, in steps of valid time."""
    if n_blocks < 2:
        raise InputError(f"A recording must be cut into at least 2 blocks; got {n_blocks}.")
    total = sum(stop - start for start, stop in segments)
    return [round(k * total / n_blocks) for k in range(n_blocks + 1)]


def _cut(segments: Segments, borders: list[int], gap: int) -> list[Segments]:
    """The parts between `borders`, in steps of valid time; the gap is taken from the start of the later part."""
    parts: list[Segments] = [[] for _ in range(len(borders) + 1)]
    passed = 0
    for start, stop in segments:
        cuts = [start, *(min(max(start + border - passed, start), stop) for border in borders), stop]
        for part, (first, last) in zip(parts, pairwise(cuts), strict=True):
            first += gap if start < first else 0
            if first < last:
                part.append((first, last))
        passed += stop - start
    return parts


def _check_parts(parts: list[Segments], n_blocks: int, gap: int) -> None:
    if not all(parts):
        raise InputError(
            f"The recording is too short to be cut into {n_blocks} blocks behind gaps of {gap} steps; record longer or "
            "ask for fewer."
        )
