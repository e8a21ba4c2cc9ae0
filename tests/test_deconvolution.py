"""Deconvolution: known drive is recovered, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from synapsnet import deconvolution, memmap
from synapsnet.deconvolution import MAX_DECAY_S, MIN_DECAY_FACTOR, decay_factor, deconvolve
from synapsnet.recording import Recording

DT_S = 1 / 30


def ar1(drive: Any, factor: float) -> Any:
    return lfilter([1.0], [1.0, -factor], drive, axis=0)


def sparse_drive(n_steps: int, n_neurons: int = 3, seed: int = 0) -> Any:
    return np.random.default_rng(seed).poisson(0.1, (n_steps, n_neurons)).astype(float)


def calcium(traces: Any, segments: list[int] | None = None) -> Recording:
    return Recording.from_array(traces, DT_S, "calcium", segments=segments, require_varying=False)


@pytest.mark.parametrize("factor", [0.6, 0.8, 0.9])
def test_recovers_the_activity_behind_a_noiseless_trace(factor):
    drive = sparse_drive(6000)
    found = deconvolve(calcium(ar1(drive, factor)))
    for k in range(3):
        assert np.corrcoef(drive[1:, k], found[1:, k])[0, 1] > 0.98
        assert found[1:, k].sum() == pytest.approx(drive[1:, k].sum(), rel=0.2)  # baseline and decay are estimated


def test_recovers_the_activity_behind_a_noisy_trace_on_a_baseline_better_than_differences_do():
    drive = sparse_drive(6000)
    traces = 5 + ar1(drive, 0.9) + 0.3 * np.random.default_rng(1).normal(size=drive.shape)
    found = deconvolve(calcium(traces))
    for k in range(3):
        by_deconvolution = np.corrcoef(drive[1:, k], found[1:, k])[0, 1]
        by_differences = np.corrcoef(drive[1:, k], np.diff(traces[:, k]))[0, 1]
        assert by_deconvolution > max(0.6, by_differences)


def test_deconvolved_activity_is_never_negative():
    traces = np.random.default_rng(0).normal(size=(500, 3))
    assert deconvolve(calcium(traces)).min() >= 0


def test_a_constant_neuron_has_no_activity():
    traces = ar1(sparse_drive(500), 0.9)
    traces[:, 1] = 4.0
    found = deconvolve(calcium(traces))
    assert not found[:, 1].any()
    assert found[:, 0].any()


def test_each_neuron_by_itself():
    """Another neuron's trace changes nothing, though their decays differ."""
    drive = sparse_drive(3000, 2)
    traces = np.stack([ar1(drive[:, 0], 0.7), ar1(drive[:, 1], 0.95)], axis=1)
    both = deconvolve(calcium(traces))
    other = deconvolve(calcium(np.stack([traces[:, 0], traces[:, 0]], axis=1)))
    assert np.array_equal(both[:, 0], other[:, 0])


def test_each_epoch_by_itself():
    """A swap of epochs swaps their drives and changes nothing else: calcium does not cross their border."""
    traces = 1 + ar1(sparse_drive(3000), 0.9)
    first, second = traces[:1000], traces[1000:]
    found = deconvolve(calcium(traces, [1000, 2000]))
    swapped = deconvolve(calcium(np.concatenate([second, first]), [2000, 1000]))
    assert swapped[2000:] == pytest.approx(found[:1000], abs=1e-4)
    assert swapped[:2000] == pytest.approx(found[1000:], abs=1e-4)


def test_calcium_from_before_an_epoch_is_not_taken_for_a_burst_in_its_first_frame():
    """An epoch that begins in the middle of a decay: what came before is not this frame's drive."""
    traces = ar1(sparse_drive(3000), 0.9)
    traces[1000:1010] += 50 * 0.9 ** np.arange(10)[:, None]
    traces[1010:] = ar1(sparse_drive(1990, seed=1), 0.9)
    assert traces[1000].min() > 50
    found = deconvolve(calcium(traces, [1000, 10, 1990]))
    assert found[1000].max() < 0.5 * traces[1000].min()


def test_in_the_first_frame_of_an_epoch_activity_is_what_would_sustain_its_calcium():
    """Calcium c that decays to a fraction f within a frame needs a drive of (1 - f) c to stay where it is."""
    traces = ar1(sparse_drive(3000), 0.9)
    found = deconvolve(calcium(traces, [1000, 2000]))
    there = traces[1000] > 0.5
    assert there.any()
    assert found[1000, there] == pytest.approx(0.1 * traces[1000, there], rel=0.2)


def test_epochs_of_a_single_frame_are_no_obstacle():
    traces = ar1(sparse_drive(100), 0.9)
    found = deconvolve(calcium(traces, [1, 98, 1]))
    assert found.shape == traces.shape
    assert np.isfinite(found).all()


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_decay_is_found_whatever_the_white_noise(factor, noise):
    drive = sparse_drive(60_000)
    traces = ar1(drive, factor) + noise * np.random.default_rng(1).normal(size=drive.shape)
    assert decay_factor(traces, [(0, len(traces))], DT_S) == pytest.approx(factor, abs=0.05)


def test_the_decay_is_found_from_many_short_epochs():
    drive = sparse_drive(40_000).reshape(400, 100, 3)
    traces = np.concatenate([ar1(epoch, 0.8) for epoch in drive])
    segments = [(k * 100, (k + 1) * 100) for k in range(400)]
    assert decay_factor(traces, segments, DT_S) == pytest.approx(0.8, abs=0.03)


def test_what_decays_too_slowly_for_an_indicator_is_drift():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(5000, 2)), axis=0)
    assert decay_factor(walk, [(0, 5000)], DT_S) == pytest.approx(np.exp(-DT_S / MAX_DECAY_S))


def test_white_noise_has_almost_no_decay():
    noise = np.random.default_rng(0).normal(size=(20_000, 3))
    assert (decay_factor(noise, [(0, 20_000)], DT_S) < 0.6).all()
    assert (decay_factor(np.zeros((100, 2)), [(0, 100)], DT_S) == MIN_DECAY_FACTOR).all()


def test_epochs_too_short_to_tell_get_the_slowest_decay():
    traces = sparse_drive(100)
    segments = [(k, k + 10) for k in range(0, 100, 10)]
    assert decay_factor(traces, segments, DT_S) == pytest.approx(np.exp(-DT_S / MAX_DECAY_S))


def test_the_decay_of_an_imaged_network_is_that_of_its_indicator(calcium_recording):
    factors = decay_factor(calcium_recording.values.astype(float), calcium_recording.segments, DT_S)
    assert np.median(factors) == pytest.approx(np.exp(-DT_S / 0.178), abs=0.06)


def test_deconvolution_brings_an_imaged_network_closer_to_its_spikes(small_simulation, calcium_recording):
    times = calcium_recording.activity.times()
    edges = np.append(times - DT_S / 2, times[-1] + DT_S / 2)
    counts = np.stack([np.histogram(small_simulation.spike_times[k].times(), edges)[0] for k in range(20)], axis=1)
    found = deconvolve(calcium_recording)

    def mean_r(estimate: Any) -> float:
        smooth = [lfilter([0.5, 0.5], [1.0], x, axis=0) for x in (counts, estimate)]  # the rise takes a frame
        return float(np.mean([np.corrcoef(smooth[0][:, k], smooth[1][:, k])[0, 1] for k in range(20)]))

    assert mean_r(found) > mean_r(calcium_recording.values) + 0.1


def test_a_few_neurons_at_a_time_are_deconvolved_as_all_at_once(monkeypatch):
    traces = np.random.default_rng(0).normal(size=(300, 7)).cumsum(axis=0)
    whole = deconvolve(calcium(traces))
    monkeypatch.setattr(deconvolution, "BLOCK_VALUES", 600)
    monkeypatch.setattr(memmap, "LARGE_BYTES", 0)
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 1000)
    assert np.array_equal(deconvolve(calcium(traces)), whole)


def test_what_is_deconvolved_already_stays_as_it_is():
    values = np.random.default_rng(0).random((200, 3)).astype(np.float32)
    recording = Recording.from_array(values, 0.03, "calcium", deconvolved=True)
    assert np.array_equal(deconvolve(recording), values)
    assert recording.select_rows([(0, 100)]).select_neurons([0, 2]).deconvolved
    assert recording.without_ground_truth().deconvolved


def test_a_recording_is_deconvolved_once():
    recording = calcium(ar1(sparse_drive(300), 0.9))
    assert deconvolve(recording) is deconvolve(recording)
    assert deconvolve(calcium(recording.values)) is not deconvolve(recording)
