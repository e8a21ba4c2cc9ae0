"""Windows of a recording's past, and how its segments are cut into batches for training and shared among processes."""

from __future__ import annotations

import torch
from torch import Tensor

from synapsnet.errors import InputError
from synapsnet.splits import Segments

GOLDEN_RATIO = (5**0.5 - 1) / 2


def windows(values: Tensor, behaviour: Tensor, n_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Past, behaviour and target for every step of a stretch that has enough past.

    Parameters
    ----------
    values : (T, N) tensor
        Consecutive steps.
    behaviour : (T, V) tensor
    n_steps : int
        Length M of the past.

    Returns
    -------
    past : (T - M, N, M) view, the M steps before each target
    behaviour : (T - M, V) view, at the step before each target
    target : (T - M, N) view
    """
    past = values.unfold(0, n_steps, 1)[:-1]
    return past, behaviour[n_steps - 1 : -1], values[n_steps:]


def stretches(segments: Segments, n_steps: int, length: int) -> Segments:
    """Cut epochs into stretches with up to `length` targets each, which overlap by the M steps of past."""
    return [
        (first - n_steps, min(first + length, stop))
        for start, stop in segments
        for first in range(start + n_steps, stop, length)
    ]


def joined(stretches: Segments, n_steps: int, length: int) -> Segments:
    """Join stretches that follow each other into ones of up to `length` targets."""
    longer: Segments = []
    for start, stop in stretches:
        follows = bool(longer) and longer[-1][1] == start + n_steps
        if follows and n_targets([(longer[-1][0], stop)], n_steps) <= length:
            longer[-1] = (longer[-1][0], stop)
        else:
            longer.append((start, stop))
    return longer


def batches(segments: Segments, n_steps: int, batch_steps: int) -> list[Segments]:
    """Group stretches into batches of about `batch_steps` targets: one long stretch, or many short trials."""
    grouped: list[Segments] = []
    filled = batch_steps
    for start, stop in stretches(segments, n_steps, batch_steps):
        targets = stop - start - n_steps
        if filled + targets > batch_steps:
            grouped.append([])
            filled = 0
        grouped[-1].append((start, stop))
        filled += targets
    return grouped


def require_windows(training: Segments, validation: Segments, n_steps: int) -> None:
    """Refuse a part in which no epoch is longer than the M steps of past; InputError."""
    for name, segments in (("training", training), ("validation", validation)):
        longest = max(stop - start for start, stop in segments)
        if longest <= n_steps:
            raise InputError(
                f"Every epoch of the {name} part is too short for the history window: the longest has {longest} steps, "
                f"{n_steps + 1} are needed; record longer epochs or use fewer history steps."
            )


def off_beat(n: int) -> Tensor:
    """(n,) fractions from 0 to below 1, evenly spread and in step with no period, such as that of trials (Weyl 1916).

    What is sampled from a recording in equal steps may always fall into the same phase of its trials.
    """
    return torch.arange(n, dtype=torch.float64) * GOLDEN_RATIO % 1


def n_targets(batch: Segments, n_steps: int) -> int:
    """The number of steps of a batch that are predicted."""
    return sum(stop - start - n_steps for start, stop in batch)


def segments_of_process(batch: Segments, n_steps: int, rank: int, count: int) -> Segments:
    """The part of a batch that process `rank` of `count` predicts: an equal part of each stretch, if long enough."""
    ours = []
    for start, stop in batch:
        n = stop - start - n_steps
        first, last = n * rank // count, n * (rank + 1) // count
        if first < last:
            ours.append((start + first, start + last + n_steps))
    return ours
