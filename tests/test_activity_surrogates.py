"""Nulls: what each keeps, what it breaks, and that a method finds nothing in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording, binned_spike_times
from validation.activity.surrogates import circular_shift, jitter
from validation.methods import LaggedCorrelation

seeds = st.integers(0, 10_000)
SEGMENTS = [60, 40]


def spikes(seed: int, n: int = 4, segments: list[int] = SEGMENTS, rate: float = 0.5) -> Recording:
    counts = np.random.default_rng(seed).poisson(rate, (sum(segments), n))
    connectome = Connectome(np.eye(n, k=1))
    return Recording.from_array(counts, 0.01, "spikes", segments=segments, connectome=connectome)


def followers(n_trials: int, n_steps: int) -> Recording:
    """Neuron 1 does what neuron 0 did one step before, and both answer to the start of each trial."""
    rng = np.random.default_rng(0)
    rate = np.where(np.arange(n_steps) < n_steps // 4, 1.0, 0.2)
    leader = rng.poisson(rate, (n_trials, n_steps))
    follower = np.roll(leader, 1, axis=1) + rng.poisson(0.05, leader.shape)
    other = rng.poisson(rate, leader.shape)
    values = np.stack([leader, follower, other], axis=2).reshape(-1, 3)
    return Recording.from_array(values, 0.01, "spikes", segments=[n_steps] * n_trials)


def z(recording: Recording) -> float:
    return float(LaggedCorrelation().infer(recording).scores[1, 0])


@given(seed=seeds)
def test_jitter_keeps_the_counts_of_each_window(seed: int) -> None:
    recording = spikes(seed)
    before = recording.values.copy()
    moved = jitter(recording, 0.08, np.random.default_rng(seed))  # windows of 8 steps, 4 at the end of the first epoch
    windows = [*range(0, 60, 8), *range(60, 100, 8)]
    np.testing.assert_array_equal(
        np.add.reduceat(moved.values, windows, axis=0), np.add.reduceat(before, windows, axis=0)
    )
    assert (moved.values != before).any()
    np.testing.assert_array_equal(recording.values, before)


def test_jitter_spreads_evenly_over_the_window() -> None:
    values = np.zeros((10, 2))
    values[7] = 5000
    moved = jitter(Recording.from_array(values, 0.01, "spikes"), 0.05, np.random.default_rng(0)).values
    assert not moved[:5].any()
    np.testing.assert_allclose(moved[5:], 1000, atol=4 * np.sqrt(800))


@given(seed=seeds)
def test_shift_keeps_each_neuron_in_its_epoch(seed: int) -> None:
    recording = spikes(seed, rate=3.0)
    shifted = circular_shift(recording, 0.1, np.random.default_rng(seed))
    for start, stop in recording.segments:
        for before, after in zip(recording.values[start:stop].T, shifted.values[start:stop].T, strict=True):
            matches = [k for k in range(stop - start) if np.array_equal(np.roll(before, k), after)]
            assert any(10 <= k <= stop - start - 10 for k in matches)


def test_shifted_spikes_are_in_the_bins_of_the_shifted_counts() -> None:
    rng = np.random.default_rng(0)
    recording = spikes(0, segments=[60, 40])
    times = binned_spike_times(recording)
    moved = circular_shift(replace(recording, spike_times=times), 0.1, rng)
    assert moved.spike_times is not None
    found = moved.spike_times.count(0.01, ep=moved.epochs).values
    np.testing.assert_array_equal(found, moved.values)


def test_surrogates_break_the_coupling() -> None:
    recording = followers(n_trials=100, n_steps=40)
    rng = np.random.default_rng(1)
    assert z(recording) > 30
    assert abs(z(circular_shift(recording, 0.05, rng))) < 4
    assert z(jitter(recording, 0.1, rng)) < z(recording) / 2


def test_surrogates_have_no_ground_truth_but_the_rest() -> None:
    recording = spikes(0, segments=[50, 50])
    rng = np.random.default_rng(0)
    for null in (jitter(recording, 0.05, rng), circular_shift(recording, 0.1, rng)):
        assert null.connectome is None and null.spike_times is None
        assert null.segments == recording.segments
        assert null.values.dtype == np.float32
        np.testing.assert_array_equal(null.activity.times(), recording.activity.times())


def test_the_generator_decides() -> None:
    recording = spikes(0, segments=[50, 50])
    for null in (lambda r, g: jitter(r, 0.05, g), lambda r, g: circular_shift(r, 0.1, g)):
        first, again, other = (null(recording, np.random.default_rng(s)).values for s in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_wrong_input() -> None:
    recording, rng = spikes(0), np.random.default_rng(0)
    calcium = Recording.from_array(rng.normal(size=(50, 3)), 0.03, "calcium")
    with pytest.raises(InputError, match="calcium recording; use circular_shift"):
        jitter(calcium, 1.0, rng)
    for window_s in (0.01, -1.0, float("nan")):
        with pytest.raises(InputError, match="at least two bins"):
            jitter(recording, window_s, rng)
    for shift_s in (-0.1, 0.3, float("inf")):
        with pytest.raises(InputError, match="half of the shortest epoch"):
            circular_shift(recording, shift_s, rng)
