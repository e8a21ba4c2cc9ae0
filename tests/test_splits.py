"""Splits in time: disjoint, in order, behind a gap, and nothing is lost but the gap."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from synapsnet.splits import alternating, holdout, split_rows
from synapsnet.windows import joined, stretches


@st.composite
def epochs(draw: Any) -> list[tuple[int, int]]:
    """Row ranges in order of time, touching or apart."""
    segments, row = [], 0
    for _ in range(draw(st.integers(1, 6))):
        start = row + draw(st.integers(0, 3))
        row = start + draw(st.integers(1, 40))
        segments.append((start, row))
    return segments


def rows(segments: list[tuple[int, int]]) -> list[int]:
    return [row for start, stop in segments for row in range(start, stop)]


@given(epochs(), st.floats(0.01, 0.99), st.integers(0, 20))
def test_a_split_is_disjoint_ordered_and_behind_a_gap(segments, fraction, gap):
    try:
        earlier, later = split_rows(segments, fraction, gap)
    except InputError:
        assume(False)
    before, after, everything = rows(earlier), rows(later), rows(segments)
    assert before and after
    assert before == everything[: len(before)]
    assert after == everything[len(everything) - len(after) :]
    lost = everything[len(before) : len(everything) - len(after)]

    # Each part of an epoch lies within one epoch.
    for start, stop in earlier + later:
        assert any(a <= start < stop <= b for a, b in segments)

    # The cut is where it was asked for, and only the gap behind it is lost, if it falls within an epoch.
    assert len(before) == len(everything) - round(fraction * len(everything))
    (cut_epoch,) = ((a, b) for a, b in segments if a < before[-1] + 1 <= b)
    left = cut_epoch[1] - (before[-1] + 1)
    assert len(lost) == min(gap, left)
    if after[0] < cut_epoch[1]:
        assert after[0] - before[-1] == gap + 1


@given(epochs(), st.floats(0.01, 0.99), st.integers(1, 8))
def test_no_window_sees_both_sides(segments, fraction, history):
    """With a gap of the history's length, the past of every later step is later than every earlier step."""
    try:
        earlier, later = split_rows(segments, fraction, history)
    except InputError:
        assume(False)
    trained = set(rows(earlier))
    for start, stop in segments:
        for target in range(start, stop):
            if any(a <= target < b for a, b in later):
                assert trained.isdisjoint(range(max(start, target - history), target + 1))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_refuses_a_fraction_that_leaves_nothing(fraction):
    with pytest.raises(InputError, match="must lie between 0 and 1; got"):
        split_rows([(0, 100)], fraction, 0)


@pytest.mark.parametrize(("fraction", "gap"), [(0.01, 0), (0.99, 0), (0.5, 5), (0.2, 100)])
def test_refuses_a_part_that_would_be_empty(fraction, gap):
    with pytest.raises(InputError, match=f"10 steps is too short to hold out .* behind a gap of {gap} steps"):
        split_rows([(0, 10)], fraction, gap)


def test_a_cut_between_epochs_needs_no_gap():
    assert split_rows([(0, 50), (50, 100)], 0.5, 7) == ([(0, 50)], [(50, 100)])
    assert split_rows([(0, 50), (50, 100)], 0.25, 7) == ([(0, 50), (50, 75)], [(82, 100)])


def test_a_gap_may_swallow_the_rest_of_an_epoch_but_not_the_next():
    assert split_rows([(0, 50), (60, 90)], 0.5, 20) == ([(0, 40)], [(60, 90)])


def test_holdout_cuts_activity_behaviour_and_epochs_together():
    activity = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    recording = Recording.from_array(activity, 0.1, "calcium", segments=[60, 40], behaviour=np.arange(100.0)[:, None])
    earlier, later = holdout(recording, 0.5, 4)
    assert np.array_equal(earlier.values, activity[:50])
    assert np.array_equal(later.values, activity[54:])
    assert later.behaviour_values[:, 0].tolist() == list(range(54, 100))
    assert earlier.segments == [(0, 50)]
    assert later.segments == [(0, 6), (6, 46)]
    assert later.activity.times()[0] == pytest.approx(recording.activity.times()[54])


def test_alternating_blocks_by_hand():
    assert alternating([(0, 40)], 4, 3) == ([(0, 10), (23, 30)], [(13, 20), (33, 40)])
    assert alternating([(0, 15), (20, 45)], 4, 1) == ([(0, 10), (26, 35)], [(11, 15), (20, 25), (36, 45)])


@given(epochs(), st.integers(0, 5))
def test_two_blocks_are_the_first_and_the_second_half(segments, gap):
    total = sum(stop - start for start, stop in segments)
    try:
        halves = alternating(segments, 2, gap)
    except InputError:
        assume(False)
    if total % 2 == 0:
        assert halves == split_rows(segments, 0.5, gap)


def test_refuses_too_many_blocks():
    with pytest.raises(InputError, match="too short to be cut into 4 blocks behind gaps of 5 steps"):
        alternating([(0, 20)], 4, 5)
    with pytest.raises(InputError, match="at least 2 blocks; got 0"):
        alternating([(0, 20)], 0, 0)
    with pytest.raises(InputError, match="even number of blocks; got 3"):
        alternating([(0, 20)], 3, 0)


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 60), st.integers(1, 200)
)
def test_joined_stretches_have_the_same_targets(lengths, n_steps, short, long):
    ends = np.cumsum(lengths).tolist()
    pieces = stretches(list(zip([0, *ends], ends, strict=False)), n_steps, short)
    found = joined(pieces, n_steps, long)
    targets = [step for start, stop in pieces for step in range(start + n_steps, stop)]
    assert [step for start, stop in found for step in range(start + n_steps, stop)] == targets
    assert all(piece in pieces or piece[1] - piece[0] - n_steps <= long for piece in found)
    for one, other in pairwise(found):  # nothing more could be joined
        assert other[0] + n_steps != one[1] or one[1] - one[0] - n_steps + short > long
