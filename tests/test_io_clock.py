"""Behaviour on its own clock, and frames that do not come evenly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.errors import InputError
from synapsnet.io.clock import Signal, choose, even_frames, merged, true_runs, with_behaviour
from synapsnet.recording import Recording


@pytest.fixture
def recording():
    """20 s at 10 Hz: bin centres 0.05, 0.15 ... 19.95 s."""
    return Recording.from_array(np.random.default_rng(0).normal(size=(200, 3)), 0.1, "calcium")


def read(recording, *signals):
    lines: list[str] = []
    return with_behaviour(recording, signals, notify=lines.append), lines


def test_a_line_is_interpolated_exactly(recording):
    clock = np.linspace(-0.01, 20.3, 733)
    whole, lines = read(
        recording, Signal("speed", clock[:, None], 2 * clock - 1), Signal("face", clock, clock[:, None] * [1, -1])
    )
    times = recording.activity.times()
    assert np.allclose(whole.behaviour_values, np.stack([2 * times - 1, times, -times], axis=1), atol=1e-5)
    assert list(whole.behaviour.columns) == ["speed", "face_0", "face_1"]
    assert whole.segments == recording.segments
    assert lines == []


def test_no_signals_leave_the_recording_as_it_is(recording):
    assert read(recording)[0] is recording


def test_a_short_gap_is_bridged_and_reported(recording):
    clock = np.arange(0, 20.01, 0.1)
    pupil = clock.copy()
    pupil[50:59] = np.nan  # 5.0 to 5.8 s: known neighbours at 4.9 and 5.9 s
    whole, lines = read(recording, Signal("pupil", clock, pupil))
    assert np.allclose(whole.behaviour_values[:, 0], recording.activity.times(), atol=1e-5)
    assert lines == ["pupil: 1 s interpolated over gaps of at most 1 s."]


@pytest.mark.parametrize("missing", ["nan", "gap"])
def test_a_long_gap_becomes_a_border_of_epochs(recording, missing):
    clock = np.arange(0, 20.01, 0.1)
    hole = (clock > 4.95) & (clock < 6.15)
    pupil = np.where(hole, np.nan, clock)
    if missing == "gap":
        clock, pupil = clock[~hole], pupil[~hole]
    cut, lines = read(recording, Signal("pupil", clock, pupil))
    assert cut.segments == [(0, 49), (49, 187)]  # 4.95 ... 6.15 s, 13 steps, are gone
    times = cut.activity.times()
    assert times[48] == pytest.approx(4.85)
    assert times[49] == pytest.approx(6.25)
    assert np.array_equal(cut.values, np.delete(recording.values, np.arange(49, 62), axis=0))
    assert np.allclose(cut.behaviour_values[:, 0], times, atol=1e-5)
    assert lines == [
        "pupil: 1.3 s of 20 s cut out, where it has no values for more than 1 s, or before its "
        "first or after its last; "
        "leave it out (--behaviour) to keep them."
    ]


def test_behaviour_that_starts_late_and_ends_early_trims(recording):
    cut, _ = read(recording, Signal("speed", [2.0, 2.5, 3.0], [0.0, 1.0, 0.0]))
    assert np.allclose(cut.activity.times(), 2.05 + 0.1 * np.arange(10))
    assert np.allclose(cut.behaviour_values[:, 0], [0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1], atol=1e-5)


def test_each_variable_cuts_its_own_part(recording):
    clock = np.arange(0, 20.01, 0.1)
    cut, _ = read(recording, Signal("a", clock[20:], clock[20:]), Signal("b", clock[:150], clock[:150]))
    assert cut.activity.times()[[0, -1]] == pytest.approx([2.05, 14.85])


def test_epochs_of_the_recording_stay_apart():
    trials = Recording.from_array(np.random.default_rng(0).normal(size=(40, 2)), 0.1, "calcium", segments=[20, 20])
    whole, _ = read(trials, Signal("speed", [0.0, *np.arange(0.5, 5, 0.5)], np.zeros(10)))
    assert whole.segments == [(0, 20), (20, 40)]


def test_unsorted_repeated_and_unknown_times_are_put_right_and_reported(recording):
    clock = np.arange(0, 20.01, 0.1)
    shuffled = np.random.default_rng(1).permutation(len(clock))
    times = np.concatenate([clock[shuffled], [7.0, np.nan]])
    values = np.concatenate([clock[shuffled], [1e6, 1e6]])
    whole, lines = read(recording, Signal("speed", times, values))
    assert np.allclose(whole.behaviour_values[:, 0], recording.activity.times(), atol=1e-5)
    assert lines == [
        "speed: 1 sample without a time dropped.",
        "speed: its times were not in order, and are sorted.",
        "speed: 1 sample dropped at the time of an earlier one.",
    ]


def test_refuses_times_and_values_that_differ_in_number(recording):
    with pytest.raises(InputError, match="speed needs a time for each sample; got 3 times and 2 samples"):
        read(recording, Signal("speed", [0, 1, 2], [0, 1]))


@pytest.mark.parametrize(
    "signal",
    [
        Signal("speed", np.arange(1e6, 1e6 + 20), np.zeros(20)),
        Signal("speed", np.arange(20), np.full(20, np.nan)),
        Signal("speed", np.zeros(0), np.zeros(0)),
        Signal("speed", [-3, 0, 5, 12, 14, 22], np.zeros(6)),  # too seldom, and not regular
    ],
)
def test_refuses_behaviour_that_is_never_known(recording, signal):
    with pytest.raises(InputError, match=r"Behaviour \(speed\) is known at no time of the recording"):
        read(recording, signal)


@given(
    missing=st.lists(st.booleans(), min_size=41, max_size=41),
    offset_s=st.floats(0, 0.3),
)
def test_what_is_kept_is_known_and_what_is_known_is_kept(missing, offset_s):
    """Against the definition, step by step, with samples every 0.3 s."""
    clock = offset_s + 0.3 * np.arange(41)
    present = clock[~np.array(missing)]
    grid = Recording.from_array(np.random.default_rng(0).normal(size=(100, 2)), 0.1, "calcium")
    expected = []
    for t in grid.activity.times():
        before, after = present[present <= t + 1e-6], present[present >= t - 1e-6]
        if len(before) and len(after) and after[0] - before[-1] <= 1.0 + 1e-6:
            expected.append(t)
    signal = Signal("x", clock, np.where(missing, np.nan, 3 * clock))
    if not expected:
        with pytest.raises(InputError):
            read(grid, signal)
        return
    kept, _ = read(grid, signal)
    assert np.allclose(kept.activity.times(), expected)
    assert np.allclose(kept.behaviour_values[:, 0], 3 * np.array(expected), atol=1e-4)
    for start, stop in kept.segments:
        assert np.allclose(np.diff(kept.activity.times()[start:stop]), 0.1)


def test_signals_are_chosen_by_name():
    signals = [Signal(name, [0], [0]) for name in ("speed", "pupil")]
    assert choose(signals, None) == signals
    assert choose(signals, "none") == []
    assert choose(signals, "pupil, speed") == signals[::-1]
    with pytest.raises(InputError, match="There is no behaviour pupils; there is speed, pupil"):
        choose(signals, "pupils")


def test_even_frames_stay_as_they_are():
    values = np.random.default_rng(0).normal(size=(50, 2))
    lines: list[str] = []
    frame, dt_s = even_frames(100 + np.arange(50)[:, None] / 6, values, notify=lines.append)
    assert np.array_equal(frame.values, values.astype(np.float32))
    assert frame.times() == pytest.approx(100 + np.arange(50) / 6)
    assert dt_s == pytest.approx(1 / 6)
    assert lines == []


def test_jitter_is_taken_out_and_reported():
    rng = np.random.default_rng(0)
    times = np.arange(50) / 6 + rng.uniform(-0.01, 0.01, 50)
    values = rng.normal(size=(50, 2))
    lines: list[str] = []
    frame, dt_s = even_frames(times, values, notify=lines.append)
    assert np.array_equal(frame.values, values.astype(np.float32))
    assert np.allclose(np.diff(frame.times()), dt_s)
    assert len(lines) == 1
    assert "early or late" in lines[0]


def test_missing_frames_are_borders():
    times = np.delete(np.arange(30) * 0.5, [10, 11, 20])
    times = np.concatenate([times, [100.0]])  # alone, it is no epoch
    lines: list[str] = []
    frame, dt_s = even_frames(times, times[:, None] * [1, 2], notify=lines.append)
    assert dt_s == 0.5
    assert frame.times() == pytest.approx(times[:-1])
    assert np.allclose(frame.values[:, 0], times[:-1])
    recording = Recording(frame, dt_s, "calcium", Recording.from_array(np.eye(2), 1.0, "calcium").neurons)
    assert recording.segments == [(0, 10), (10, 18), (18, 27)]
    assert lines == ["Frames are missing: 3 epochs, with 27 of 28 frames, lie between the gaps."]


def test_drift_is_interpolated():
    times = np.cumsum(np.linspace(0.09, 0.11, 400))
    lines: list[str] = []
    frame, dt_s = even_frames(times, times[:, None] * [1, -3], notify=lines.append)
    assert np.allclose(frame.values, frame.times()[:, None] * [1, -3], rtol=1e-5)
    assert np.allclose(np.diff(frame.times()), dt_s)
    assert "they are interpolated" in lines[0]


@pytest.mark.parametrize("times", [[0, 1, 1, 2], [0, 2, 1, 3], [0, 1, 0, 1]])
def test_refuses_frames_whose_times_do_not_increase(times):
    with pytest.raises(InputError, match="must increase from frame to frame"):
        even_frames(times, np.ones((4, 2)), notify=print)


def test_frames_without_a_time_are_left_out_and_reported():
    lines: list[str] = []
    frame, dt_s = even_frames([0, 1, 2, np.nan], np.arange(8).reshape(4, 2), notify=lines.append)
    assert (frame.values.tolist(), dt_s) == ([[0, 1], [2, 3], [4, 5]], 1)
    assert lines == ["1 of 4 frames left out: they have no time (NaN)."]


def test_clocks_that_start_again_are_named():
    times = np.r_[np.arange(20), np.arange(20)] / 10
    with pytest.raises(InputError, match=r"start again at frame 20, at 0 s after 1.9 s; read the parts one by one"):
        even_frames(times, np.ones((40, 2)), notify=print)


def test_a_variable_that_comes_regularly_but_seldom_is_interpolated(recording):
    lines: list[str] = []
    slow = Signal("pupil", np.arange(-2, 30, 4.0), np.arange(8.0))
    known = with_behaviour(recording, [slow], notify=lines.append)
    assert known.n_steps == recording.n_steps
    assert known.behaviour_values[:, 0] == pytest.approx((known.activity.times() + 2) / 4, rel=1e-4)
    assert lines[0] == "pupil comes every 4 s only, and is interpolated in between."


def test_refuses_frames_without_their_times():
    with pytest.raises(InputError, match="got 3 times and 4 frames"):
        even_frames([0, 1, 2], np.ones((4, 2)), notify=print)


@pytest.mark.filterwarnings("error::UserWarning")
def test_intervals_in_any_order_that_touch_or_overlap_are_one():
    starts, stops = [8, 0, 2, 4, 9, 20, 30, np.nan], [10, 2, 4 - 1e-7, 6, 9.5, 20, np.nan, 40]
    assert merged(starts, stops).values.tolist() == [[0, 6], [8, 10]]
    assert len(merged([], [])) == 0


def test_runs_by_hand():
    assert true_runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert true_runs(np.zeros(3, bool)) == []
