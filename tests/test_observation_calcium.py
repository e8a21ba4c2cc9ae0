"""Calcium imaging: published kinetics, and noise, saturation and drift of the size asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.observation import INDICATORS, Indicator, observe_calcium
from simulators.observation.calcium import calcium_trace
from synapsnet.errors import InputError
from synapsnet.recording import Connectome, Recording, Simulation, neuron_table

CLEAN = {"noise_level": 0.0, "drift": 0.0}


def simulation_of(trains: list[Any], duration_s: float) -> Simulation:
    support = nap.IntervalSet(0, duration_s)
    spikes = {k: nap.Ts(np.asarray(train, float), time_support=support) for k, train in enumerate(trains)}
    n = len(trains)
    return Simulation(nap.TsGroup(spikes, time_support=support), neuron_table(n), Connectome(np.zeros((n, n))))


def one_spike(**options: Any) -> Recording:
    """A spike at 1 s in neuron 0 and at 2 s in neuron 1."""
    return observe_calcium(simulation_of([[1.0], [2.0]], 6.0), **{**CLEAN, "frame_rate_hz": 1000.0, **options})


# Chen et al. 2013, Nature 499:295, for a single action potential in mouse V1
@pytest.mark.parametrize(
    ("indicator", "peak", "time_to_peak_s", "half_decay_s"),
    [("GCaMP6f", 0.19, 0.045, 0.142), ("GCaMP6s", 0.23, 0.179, 0.550)],
)
def test_a_single_spike_has_the_published_peak_and_timing(indicator, peak, time_to_peak_s, half_decay_s):
    recording = one_spike(indicator=indicator)
    trace, times = recording.values[:, 0], recording.activity.times()
    top = trace.argmax()
    below_half = top + np.flatnonzero(trace[top:] < trace[top] / 2)[0]
    assert trace[top] == pytest.approx(peak, rel=0.01)
    assert times[top] - 1.0 == pytest.approx(time_to_peak_s, abs=0.002)
    assert times[below_half] - times[top] == pytest.approx(half_decay_s, rel=0.04)
    assert not trace[times < 1.0].any()


@pytest.mark.parametrize(
    ("indicator", "time_to_peak_s", "half_decay_s"), [("GCaMP6f", 0.045, 0.142), ("GCaMP6s", 0.179, 0.550)]
)
def test_calcium_is_at_half_its_peak_after_the_published_half_decay(indicator, time_to_peak_s, half_decay_s):
    kernel = INDICATORS[indicator].kernel([time_to_peak_s, time_to_peak_s + half_decay_s])
    assert kernel == pytest.approx([1.0, 0.5], abs=0.002)


def test_the_kernel_peaks_at_1_at_its_time_to_peak():
    indicator = INDICATORS["GCaMP6f"]
    times = np.linspace(-0.1, 2, 100_001)
    kernel = indicator.kernel(times)
    assert kernel.max() == pytest.approx(1, abs=1e-6)
    assert times[kernel.argmax()] == pytest.approx(indicator.time_to_peak_s, abs=1e-4)
    assert not kernel[times <= 0].any()


@given(
    spikes=st.lists(st.floats(0, 5, exclude_max=True), max_size=30),
    dt_s=st.sampled_from([1 / 60, 1 / 30, 1 / 6.3]),
)
def test_the_trace_is_the_sum_of_kernels_of_all_spikes(spikes, dt_s):
    indicator = INDICATORS["GCaMP6s"]
    n_frames = int(5 / dt_s)
    times = (np.arange(n_frames) + 0.5) * dt_s
    expected = sum((indicator.kernel(times - spike) for spike in spikes), np.zeros(n_frames))
    assert calcium_trace(np.array(spikes), indicator, dt_s, n_frames) == pytest.approx(expected, abs=1e-9)


def test_frames_are_instants_in_the_middle_of_their_bins():
    recording = one_spike(frame_rate_hz=10.0)
    assert recording.dt_s == 0.1
    assert recording.activity.times()[:3] == pytest.approx([0.05, 0.15, 0.25])
    expected = INDICATORS["GCaMP6f"].kernel(recording.activity.times() - 1.0) * 0.19
    assert recording.values[:, 0] == pytest.approx(expected, rel=0.05, abs=1e-6)  # almost linear for one spike


def test_fluorescence_saturates():
    indicator = Indicator(peak=0.2, rise_s=0.01, decay_s=0.2, half_saturation=10.0)
    most = 0.2 * 11  # as calcium grows without limit
    assert indicator.fluorescence(np.array([0.0, 1.0, 10.0, 1e9])) == pytest.approx([0, 0.2, most / 2, most])
    burst = simulation_of([np.arange(100) * 1e-3 + 1, np.arange(400) * 2.5e-4 + 1], 3.0)
    few, many = observe_calcium(burst, indicator=indicator, **CLEAN).values.max(axis=0)
    assert 0.8 * most < few < many < most
    assert many < 1.3 * few  # of four times as many spikes


def test_hill_exponents_above_1_favour_bursts():
    cooperative = replace(INDICATORS["GCaMP6f"], hill=2.0)
    one, two = cooperative.fluorescence(np.array([1.0, 2.0]))
    assert one == pytest.approx(0.19)
    assert two > 3.9 * one


def silent(n: int = 8, duration_s: float = 400.0) -> Simulation:
    return simulation_of([[]] * n, duration_s)


@pytest.mark.parametrize("noise_level", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("frame_rate_hz", [7.5, 30.0])
def test_the_noise_level_can_be_read_off_the_trace(noise_level, frame_rate_hz):
    """nu = median |dF/F(t+1) - dF/F(t)| / sqrt(frame rate), in percent (Rupprecht et al. 2021)."""
    traces = observe_calcium(silent(), noise_level=noise_level, drift=0.0, frame_rate_hz=frame_rate_hz).values
    nu = 100 * np.median(np.abs(np.diff(traces, axis=0))) / np.sqrt(frame_rate_hz)
    assert nu == pytest.approx(noise_level, rel=0.03)


def test_noise_is_white_and_independent_between_neurons():
    traces = observe_calcium(silent(), noise_level=1.0, drift=0.0).values
    n = len(traces)
    assert np.abs(np.corrcoef(traces.T) - np.eye(8)).max() < 5 / np.sqrt(n)
    assert np.abs(np.corrcoef(traces[1:, 0], traces[:-1, 0])[0, 1]) < 5 / np.sqrt(n)


def test_the_baseline_drifts_by_the_size_and_in_the_time_asked_for():
    recording = observe_calcium(silent(30, 2000.0), noise_level=0.0, drift=0.05, drift_time_s=5.0, frame_rate_hz=10.0)
    traces = recording.values.astype(float)
    assert traces.std() == pytest.approx(0.05, rel=0.05)
    assert traces[0].std() == pytest.approx(0.05, rel=0.4)  # from the start
    lagged = (traces[50:] * traces[:-50]).mean() / (traces**2).mean()
    assert lagged == pytest.approx(np.exp(-1), abs=0.05)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(small_simulation):
    first, same, other = (observe_calcium(small_simulation, seed=seed).values for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_connectome_is_passed_on_but_not_looked_at(small_simulation):
    blind = replace(small_simulation, connectome=Connectome(np.zeros((20, 20))))
    seen, unseen = observe_calcium(small_simulation), observe_calcium(blind)
    assert np.array_equal(seen.values, unseen.values)
    assert seen.connectome is small_simulation.connectome
    assert unseen.connectome is blind.connectome


def test_a_recording_says_how_it_was_observed(calcium_recording):
    observation = calcium_recording.metadata["observation"]
    assert observation["as"] == "calcium"
    assert observation["indicator"]["decay_s"] == 0.17835
    assert calcium_recording.metadata["network"] == "lif-random"
    assert (calcium_recording.n_steps, calcium_recording.n_neurons) == (3600, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indicator": "GCaMP6x"}, "no indicator 'GCaMP6x'; did you mean 'GCaMP6s'"),
        ({"frame_rate_hz": 0.0}, "at least 2 frames"),
        ({"frame_rate_hz": -30.0}, "at least 2 frames"),
        ({"frame_rate_hz": float("inf")}, "at least 2 frames"),
        ({"noise_level": -1.0}, "noise level must be 0 or more; got -1"),
        ({"noise_level": float("nan")}, "noise level must be 0 or more; got nan"),
        ({"drift": -0.1}, "drift must be 0 or more"),
        ({"drift_time_s": 0.0}, "drift time must be a positive number"),
    ],
)
def test_refuses_unusable_parameters(small_simulation, options, message):
    with pytest.raises(InputError, match=message):
        observe_calcium(small_simulation, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peak": 0.0}, "peak must be a positive number"),
        ({"hill": float("nan")}, "hill must be a positive number"),
        ({"rise_s": 0.5}, "must rise faster than it decays"),
    ],
)
def test_refuses_indicators_that_are_none(change, message):
    with pytest.raises(InputError, match=message):
        replace(INDICATORS["GCaMP6f"], **change)


def test_without_noise_a_silent_neuron_is_refused():
    with pytest.raises(InputError, match="never changes in neuron 1"):
        observe_calcium(simulation_of([[1.0], []], 5.0), **CLEAN)
