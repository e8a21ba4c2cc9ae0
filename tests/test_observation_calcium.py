"""Calcium imaging: published kinetics, and every effect of the size asked for and none before its cause."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.observation import INDICATORS, Indicator, observe_calcium
from simulators.observation.calcium import calcium_trace
from simulators.observation.optics import kept_frames, neuropil_weights, planes_by_depth
from synapsnet.connectome import Connectome
from synapsnet.deconvolution import deconvolve
from synapsnet.errors import InputError
from synapsnet.recording import Recording, Simulation, neuron_table

CLEAN = {"noise_level": 0.0, "drift": 0.0}
EVERYTHING = {
    "indicator": "jGCaMP8m",
    "shot_fraction": 0.5,
    "bleaching_half_time_s": 60.0,
    "neuropil": 0.7,
    "n_planes": 3,
    "dropout": 0.1,
    "min_epoch_s": 0.5,
}


def simulation_of(trains: list[Any], duration_s: float, position_um: Any = None) -> Simulation:
    support = nap.IntervalSet(0, duration_s)
    spikes = {k: nap.Ts(np.asarray(train, float), time_support=support) for k, train in enumerate(trains)}
    n = len(trains)
    neurons = neuron_table(n, position_um=None if position_um is None else np.asarray(position_um, float))
    return Simulation(nap.TsGroup(spikes, time_support=support), neurons, Connectome(np.zeros((n, n))))


def active(n: int = 12, duration_s: float = 60.0) -> Simulation:
    """Independent neurons at known positions, wired, with the mouse's speed."""
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, duration_s, int(3 * duration_s))) for _ in range(n)]
    clock = np.arange(0, duration_s, 0.01)
    speed = nap.TsdFrame(t=clock, d=np.sin(clock)[:, None], columns=["speed"])
    wired = Connectome(np.triu(np.ones((n, n)), 1))
    simulation = simulation_of(trains, duration_s, rng.uniform(0, [200, 200, 100], (n, 3)))
    return replace(simulation, behaviour=speed, connectome=wired)


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


# Zhang et al. 2023, Nature 615:884, Supplementary Table 8: calcium is (exp(-t / decay) + w exp(-t / slow)) times
# (1 - exp(-t / rise)), in ms, and fluorescence a logistic function of it with maximum, midpoint and slope
ZHANG = {
    "jGCaMP7f": (16.21, 95.27, 398.22, 0.24, 6.84124734, 5.5621592, 0.42321225),
    "jGCaMP8f": (1.85, 34.07, 263.70, 0.48, 6.1043797, 4.17057528, 0.39053296),
    "jGCaMP8m": (2.46, 41.64, 245.80, 0.28, 7.45464483, 2.69111721, 0.36000789),
    "jGCaMP8s": (5.65, 86.26, 465.45, 0.19, 7.45579182, 1.28241713, 0.34372099),
}


@pytest.mark.parametrize("name", ZHANG)
def test_newer_indicators_respond_like_the_published_models(name):
    indicator, (rise, decay, slow, weight, most, middle, slope) = INDICATORS[name], ZHANG[name]
    ms = np.arange(0, 2000, 0.05)
    calcium = (np.exp(-ms / decay) + weight * np.exp(-ms / slow)) * (1 - np.exp(-ms / rise))
    top = calcium.max()

    def published(calcium: Any) -> Any:
        return most / (1 + np.exp(-slope * (calcium - middle))) - most / (1 + np.exp(slope * middle))

    def features(answer: Any) -> tuple[float, float, float]:
        peak = answer.argmax()
        return answer[peak], ms[peak], (answer[peak:] >= answer[peak] / 2).sum() * 0.05

    assert indicator.kernel(ms / 1000) == pytest.approx(calcium / top, abs=0.001)
    ours, theirs = features(indicator.fluorescence(indicator.kernel(ms / 1000))), features(published(calcium))
    assert ours[0] == pytest.approx(theirs[0], rel=0.002)
    assert ours[1] == pytest.approx(theirs[1], abs=0.1)
    assert ours[2] == pytest.approx(theirs[2], rel=0.06)
    spikes = np.linspace(0.05, 10, 200)
    assert indicator.fluorescence(spikes) == pytest.approx(published(spikes * top), rel=0.08)


@pytest.mark.parametrize("name", ["jGCaMP8f", "jGCaMP8m", "jGCaMP8s"])
def test_jgcamp8_rises_by_half_within_milliseconds(name):
    """About 2 ms (Zhang et al. 2023, abstract), where the older indicators need tens."""
    ms = np.arange(0, 50, 0.01)
    kernel = INDICATORS[name].kernel(ms / 1000)
    assert 1 < ms[(kernel > 0.5).argmax()] < 4


@pytest.mark.parametrize("name", INDICATORS)
def test_the_kernel_peaks_at_1_at_its_time_to_peak(name):
    indicator = INDICATORS[name]
    times = np.linspace(-0.1, 2, 210_001)
    kernel = indicator.kernel(times)
    assert kernel.max() == pytest.approx(1, abs=1e-4)
    assert kernel.max() <= 1 + 1e-12
    assert times[kernel.argmax()] == pytest.approx(indicator.time_to_peak_s, abs=2e-5)
    assert not kernel[times <= 0].any()
    assert indicator.fluorescence(np.array([0.0, 1.0])) == pytest.approx([0, indicator.peak])


@given(
    spikes=st.lists(st.floats(0, 5, exclude_max=True), max_size=30),
    dt_s=st.sampled_from([1 / 60, 1 / 30, 1 / 4]),
    name=st.sampled_from(list(INDICATORS)),
    phase=st.floats(0, 1),
)
def test_the_trace_is_the_sum_of_kernels_of_all_spikes(spikes, dt_s, name, phase):
    indicator = INDICATORS[name]
    n_frames = int(5 / dt_s)
    times = (np.arange(n_frames) + phase) * dt_s
    expected = sum((indicator.kernel(times - spike) for spike in spikes), np.zeros(n_frames))
    assert calcium_trace(np.array(spikes), indicator, dt_s, n_frames, phase) == pytest.approx(expected, abs=1e-9)


def test_frames_are_instants_in_the_middle_of_their_bins():
    recording = one_spike(frame_rate_hz=10.0)
    assert recording.dt_s == 0.1
    assert recording.activity.times()[:3] == pytest.approx([0.05, 0.15, 0.25])
    expected = INDICATORS["GCaMP6f"].kernel(recording.activity.times() - 1.0) * 0.19
    assert recording.values[:, 0] == pytest.approx(expected, rel=0.05, abs=1e-6)  # almost linear for one spike


@given(spike_s=st.floats(0.5, 5), seed=st.integers(0, 5), n_planes=st.integers(1, 4))
def test_nothing_in_a_trace_comes_before_its_spike(spike_s, seed, n_planes):
    """One more spike changes neither its own neuron nor what others see of it before it is fired."""
    trains = [[0.3], [0.4], [0.5], [0.6]]
    position = [[0, 0, 30], [5, 0, 0], [0, 5, 10], [5, 5, 20]]
    options = {"neuropil": 1.0, "shot_fraction": 0.5, "n_planes": n_planes, "seed": seed, "frame_rate_hz": 10.0}
    more = [*trains[:3], sorted([0.6, spike_s])]
    before, after = (observe_calcium(simulation_of(t, 6.0, position), **options).values for t in (trains, more))
    planes = planes_by_depth(np.array(position)[:, 2], n_planes)
    sampled_s = (np.arange(60)[:, None] + (planes + 0.5) / n_planes) / 10
    early = sampled_s <= spike_s
    assert np.array_equal(before[early], after[early])
    assert (before != after)[~early].mean() > 0.5


@given(
    one=st.lists(st.floats(0, 5, exclude_max=True), min_size=1, max_size=10),
    other=st.lists(st.floats(0, 5, exclude_max=True), min_size=1, max_size=10),
)
def test_responses_add_up_far_from_saturation(one, other):
    linear = Indicator(peak=0.1, rise_s=0.01, decay_s=0.2, half_saturation=1e6)
    trains = [one, other, one + other]
    traces = observe_calcium(simulation_of([np.sort(t) for t in trains], 8.0), indicator=linear, **CLEAN).values
    assert traces[:, 0] + traces[:, 1] == pytest.approx(traces[:, 2], rel=1e-4, abs=1e-6)


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


def test_resting_calcium_makes_a_cooperative_indicator_linear_for_few_spikes():
    some = replace(INDICATORS["GCaMP6f"], hill=2.0, resting=20.0, half_saturation=1000.0)
    assert some.fluorescence(np.array([0.0, 1.0, 2.0])) == pytest.approx([0, 0.19, 0.39], abs=0.005)


def silent(n: int = 8, duration_s: float = 400.0) -> Simulation:
    return simulation_of([[]] * n, duration_s)


@pytest.mark.parametrize("noise_level", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("frame_rate_hz", [4.0, 30.0, 60.0])
@pytest.mark.parametrize("shot_fraction", [0.0, 0.5, 1.0])
def test_the_noise_level_can_be_read_off_the_trace(noise_level, frame_rate_hz, shot_fraction):
    """nu = median |dF/F(t+1) - dF/F(t)| / sqrt(frame rate), in percent (Rupprecht et al. 2021)."""
    options = {"noise_level": noise_level, "frame_rate_hz": frame_rate_hz, "shot_fraction": shot_fraction}
    traces = observe_calcium(silent(), drift=0.0, **options).values
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


@pytest.mark.parametrize("shot_fraction", [0.0, 0.3, 1.0])
def test_photon_noise_grows_with_brightness_and_read_noise_does_not(shot_fraction):
    slow = Indicator(peak=0.1, rise_s=0.01, decay_s=1.0, half_saturation=1e6)
    simulation = simulation_of([np.arange(0, 400, 0.01), [399.9]], 400.0)
    options = {"indicator": slow, "shot_fraction": shot_fraction, "drift": 0.001}
    clean = observe_calcium(simulation, noise_level=0.0, **options).values.astype(float)
    noise = observe_calcium(simulation, noise_level=1.0, **options).values - clean
    bright, resting = noise[300:-10].var(axis=0)
    brightness = 1 + clean[300:-10, 0].mean()
    assert brightness > 10
    assert bright / resting == pytest.approx(1 - shot_fraction + shot_fraction * brightness, rel=0.07)


def test_bleaching_halves_the_fluorescence_in_its_half_time():
    simulation = simulation_of([[], [10.0, 95.0]], 100.0)
    options = {**CLEAN, "bleaching_half_time_s": 20.0}
    bleached, lasting = observe_calcium(simulation, trace="fluorescence", **options).values.astype(float).T
    seconds = (np.arange(3000) + 0.5) / 30
    assert bleached == pytest.approx(0.5 ** (seconds / 20), rel=1e-6)
    without = observe_calcium(simulation_of([[1.0], [10.0, 95.0]], 100.0), **CLEAN).values[:, 1]
    assert lasting / bleached - 1 == pytest.approx(without, abs=1e-5)


@pytest.mark.parametrize(("shot_fraction", "growth"), [(0.0, 2.0), (1.0, np.sqrt(2))])
def test_bleaching_leaves_the_signal_in_dff_and_raises_its_noise(shot_fraction, growth):
    options = {"drift": 0.0, "bleaching_half_time_s": 200.0, "shot_fraction": shot_fraction}
    traces = observe_calcium(silent(), **options).values
    early, late = traces[:300].std(), traces[6000:6300].std()
    assert late / early == pytest.approx(growth, rel=0.06)
    assert np.abs(traces.mean(axis=0)).max() < 0.01


def test_neuropil_is_the_weighted_mean_of_the_others():
    simulation = simulation_of([[1.0], [2.0], [3.0]], 6.0, [[0, 0, 0], [50, 0, 0], [0, 0, 100]])
    alone = observe_calcium(simulation, **CLEAN).values
    mixed = observe_calcium(simulation, **CLEAN, neuropil=0.7, neuropil_length_um=50.0, neuropil_shared=0.2).values
    near, far = np.exp(-1), np.exp(-2)  # of neurons 1 and 2 for neuron 0
    expected = 0.8 * (near * alone[:, 1] + far * alone[:, 2]) / (near + far) + 0.2 * (alone[:, 1] + alone[:, 2]) / 2
    assert mixed[:, 0] == pytest.approx(alone[:, 0] + 0.7 * expected, abs=1e-6)


def test_neuropil_correlates_near_neurons_more_than_far_ones():
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 120, 240)) for _ in range(40)]
    simulation = simulation_of(trains, 120.0, rng.uniform(0, [1000, 1000, 0], (40, 3)))
    position = simulation.neurons[["x_um", "y_um"]].to_numpy()
    distance = np.linalg.norm(position[:, None] - position[None], axis=2)
    pairs = np.triu(np.ones((40, 40), bool), 1)

    def near_and_far(**options: Any) -> tuple[float, float]:
        correlation = np.corrcoef(observe_calcium(simulation, **options).values.T)
        return correlation[pairs & (distance < 100)].mean(), correlation[pairs & (distance > 500)].mean()

    near, far = near_and_far(neuropil=0.0)
    assert abs(near - far) < 0.05
    near, far = near_and_far(neuropil=0.7, neuropil_shared=0.0)
    assert near > far + 0.15
    near, far = near_and_far(neuropil=2.0, neuropil_shared=1.0)
    assert far > 0.05
    assert abs(near - far) < 0.05


@given(
    position=st.lists(st.tuples(*[st.floats(0, 1e5)] * 3), min_size=2, max_size=8),
    length_um=st.floats(1e-3, 1e6),
    shared=st.floats(0, 1),
)
def test_all_neurons_have_as_much_neuropil_and_none_of_it_is_their_own(position, length_um, shared):
    weights = neuropil_weights(np.array(position), length_um, shared)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert not np.diagonal(weights).any()
    assert (weights >= 0).all()


def test_planes_are_sampled_one_after_the_other():
    depth = np.array([70.0, 10.0, 30.0, 50.0])
    simulation = simulation_of([[1.0]] * 4, 5.0, np.stack([depth * 0, depth * 0, depth], axis=1))
    recording = observe_calcium(simulation, indicator="GCaMP6s", frame_rate_hz=4.0, n_planes=4, **CLEAN)
    assert recording.activity.times()[:2] == pytest.approx([0.125, 0.375])  # the grid is the frame's
    dt_s, indicator = 0.25, INDICATORS["GCaMP6s"]
    for neuron, plane in enumerate([3, 0, 1, 2]):
        sampled_s = (np.arange(20) + 0.5 / 4 + plane / 4) * dt_s
        expected = indicator.fluorescence(indicator.kernel(sampled_s - 1.0))
        assert recording.values[:, neuron] == pytest.approx(expected, abs=1e-6)


def test_every_plane_has_as_many_neurons_and_unknown_depths_go_by_index():
    assert planes_by_depth(np.full(6, np.nan), 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert planes_by_depth(np.array([5.0, 1, 5, 1, 9, 0]), 2).tolist() == [1, 0, 1, 0, 1, 0]
    assert np.bincount(planes_by_depth(np.random.default_rng(0).random(1000), 7)).tolist() == [143] * 6 + [142]


def test_lost_frames_are_gaps_between_epochs():
    simulation = active(duration_s=300.0)
    whole, gappy = (observe_calcium(simulation, dropout=dropout) for dropout in (0.0, 0.2))
    assert gappy.n_steps / whole.n_steps == pytest.approx(0.8, abs=0.06)
    assert len(gappy.epochs) == len(gappy.segments) > 50
    frame = np.rint(gappy.activity.times() / gappy.dt_s - 0.5).astype(int)
    assert np.array_equal(gappy.values, whole.values[frame])  # those that are left, unchanged and in their place
    assert np.array_equal(gappy.behaviour_values, whole.behaviour_values[frame])
    for (_, stop), (start, _) in pairwise(gappy.segments):
        assert frame[start] - frame[stop - 1] > 1
    for start, stop in gappy.segments:
        assert np.array_equal(np.diff(frame[start:stop]), np.ones(stop - start - 1))
    long = observe_calcium(simulation, dropout=0.2, min_epoch_s=2.0)
    assert min(stop - start for start, stop in long.segments) >= 60
    assert long.n_steps < gappy.n_steps


@given(
    n_frames=st.integers(1, 300),
    dropout=st.floats(0, 1, exclude_min=True, exclude_max=True),
    bout=st.floats(0.1, 50),
    shortest=st.floats(0, 20),
    seed=st.integers(0, 99),
)
def test_kept_frames_are_ranges_with_gaps_between_them(n_frames, dropout, bout, shortest, seed):
    ranges = kept_frames(n_frames, dropout, bout, shortest, np.random.default_rng(seed))
    borders = [border for pair in ranges for border in pair]
    assert borders == sorted(set(borders))
    assert all(0 <= start < stop <= n_frames and stop - start >= shortest for start, stop in ranges)


@pytest.mark.parametrize("dropout", [0.01, 0.3, 0.9])
def test_as_many_frames_are_lost_as_asked_for(dropout):
    ranges = kept_frames(1_000_000, dropout, 15.0, 0.0, np.random.default_rng(0))
    kept = sum(stop - start for start, stop in ranges)
    assert 1 - kept / 1_000_000 == pytest.approx(dropout, rel=0.1)
    if dropout < 0.5:
        bouts = [start - stop for (_, stop), (start, _) in pairwise(ranges)]
        assert np.mean(bouts) == pytest.approx(15, rel=0.1)


def test_fluorescence_and_deconvolved_activity_are_of_the_same_recording_as_dff():
    simulation = active()
    dff, raw, drive = (
        observe_calcium(simulation, dropout=0.1, trace=t) for t in ("dff", "fluorescence", "deconvolved")
    )
    assert raw.values == pytest.approx(1 + dff.values, abs=1e-6)
    assert np.array_equal(drive.values, deconvolve(dff))
    assert drive.segments == dff.segments


def test_behaviour_is_on_the_grid_of_the_frames():
    recording = observe_calcium(active(), frame_rate_hz=10.0)
    assert recording.behaviour is not None
    assert list(recording.behaviour.columns) == ["speed"]
    assert recording.behaviour_values[:, 0] == pytest.approx(np.sin(recording.activity.times()), abs=0.01)


@pytest.mark.parametrize("options", [{}, EVERYTHING])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(options):
    first, same, other = (observe_calcium(active(), seed=seed, **options) for seed in (1, 1, 2))
    assert first.values.tobytes() == same.values.tobytes()
    assert first.segments == same.segments
    assert first.values.tobytes() != other.values.tobytes()


@pytest.mark.parametrize("options", [{}, EVERYTHING])
def test_the_connectome_is_passed_on_but_not_looked_at(options):
    simulation = active()
    blind = replace(simulation, connectome=Connectome(np.zeros((12, 12))))
    seen, unseen = observe_calcium(simulation, **options), observe_calcium(blind, **options)
    assert seen.values.tobytes() == unseen.values.tobytes()
    assert seen.connectome is simulation.connectome
    assert unseen.connectome is blind.connectome


def test_a_recording_says_how_it_was_observed():
    recording = observe_calcium(replace(active(), metadata={"network": "mine"}), **EVERYTHING)
    metadata = json.loads(json.dumps(recording.metadata))
    observation = metadata["observation"]
    assert metadata["network"] == "mine"
    assert observation["as"] == "calcium"
    assert observation["indicator"]["decay_s"] == 0.04164
    assert all(observation[name] == value for name, value in EVERYTHING.items() if name != "indicator")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indicator": "GCaMP6x"}, "no indicator 'GCaMP6x'; did you mean 'GCaMP6s'"),
        ({"frame_rate_hz": 0.0}, "at least 2 frames"),
        ({"frame_rate_hz": -30.0}, "at least 2 frames"),
        ({"frame_rate_hz": float("inf")}, "at least 2 frames"),
        ({"noise_level": -1.0}, "'noise_level' of the microscope: .* greater than or equal to 0; got -1"),
        ({"noise_level": float("nan")}, "'noise_level' of the microscope: .* finite number; got nan"),
        ({"drift": -0.1}, "'drift' of the microscope: .* greater than or equal to 0"),
        ({"drift_time_s": 0.0}, "'drift_time_s' of the microscope: .* greater than 0"),
        ({"shot_fraction": 1.1}, "'shot_fraction' of the microscope: .* less than or equal to 1; got 1.1"),
        ({"bleaching_half_time_s": 0.0}, "'bleaching_half_time_s' of the microscope: .* greater than 0"),
        ({"bleaching_half_time_s": 0.01}, "bleaching half time must be 0.05 s or more; got 0.01"),
        ({"neuropil": -0.1}, "'neuropil' of the microscope"),
        ({"neuropil_length_um": 0.0}, "'neuropil_length_um' of the microscope: .* greater than 0"),
        ({"neuropil_shared": 2.0}, "'neuropil_shared' of the microscope"),
        ({"n_planes": 0}, "'n_planes' of the microscope: .* greater than or equal to 1; got 0"),
        ({"n_planes": 1.5}, "'n_planes' of the microscope: .* valid integer.*; got 1.5"),
        ({"n_planes": float("nan")}, "'n_planes' of the microscope"),
        ({"dropout": 1.0}, "'dropout' of the microscope: .* less than 1; got 1.0"),
        ({"min_epoch_s": -1.0}, "'min_epoch_s' of the microscope"),
        ({"dropout": 0.5, "min_epoch_s": 1000.0}, "dropout of 0.5 leaves no epoch of 1000 s; lose fewer frames"),
        ({"trace": "raw"}, "'trace' of the microscope: .*'dff', 'fluorescence' or 'deconvolved'; got 'raw'"),
        ({"seed": -1}, "'seed' of the microscope"),
    ],
)
def test_refuses_unusable_parameters(options, message):
    with pytest.raises(InputError, match=message):
        observe_calcium(active(2, 5.0), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peak": 0.0}, "peak must be a positive number"),
        ({"hill": float("nan")}, "hill must be a positive number"),
        ({"rise_s": 0.5}, "must rise faster than it decays"),
        ({"resting": -1.0}, "resting must be 0 or more"),
        ({"slow_weight": 0.5, "slow_decay_s": 0.1}, "slow decay must be slower than its decay"),
    ],
)
def test_refuses_unknown_indicators(change, message):
    with pytest.raises(InputError, match=message):
        replace(INDICATORS["GCaMP6f"], **change)


def test_without_noise_a_silent_neuron_is_refused():
    with pytest.raises(InputError, match="never changes in neuron 1"):
        observe_calcium(simulation_of([[1.0], []], 5.0), **CLEAN)


def test_contamination_needs_positions():
    with pytest.raises(InputError, match=r"needs the positions of all neurons, but 2 of 2 are unknown"):
        observe_calcium(simulation_of([[1.0], [2.0]], 5.0), neuropil=0.5)
