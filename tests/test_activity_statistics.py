"""Summary statistics: point processes and autoregressions whose values are known, and what must not matter."""

from __future__ import annotations

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from synapsnet.errors import InputError
from synapsnet.recording import Recording, binned_spike_times
from validation.activity.statistics import (
    autocorrelation,
    binned_spike_statistics,
    calcium_statistics,
    count_correlation,
    cv_isi,
    decay_s,
    local_variation,
    noise_fraction,
    noise_level,
    rates_hz,
    spike_statistics,
    synchrony,
)

DURATION_S = 400.0


def group(trains: list[np.ndarray], duration_s: float = DURATION_S, start_s: float = 0.0) -> nap.TsGroup:
    epoch = nap.IntervalSet(start_s, start_s + duration_s)
    return nap.TsGroup({k: nap.Ts(t, time_support=epoch) for k, t in enumerate(trains)}, time_support=epoch)


def gamma_train(shape: float, rng: np.random.Generator, rate_hz: float = 10.0) -> np.ndarray:
    times = np.cumsum(rng.gamma(shape, 1 / (shape * rate_hz), int(2 * rate_hz * DURATION_S)))
    return times[times < DURATION_S]


def poisson_trains(n: int, seed: int = 0) -> nap.TsGroup:
    rng = np.random.default_rng(seed)
    return group([gamma_train(1.0, rng) for _ in range(n)])


def calcium(values: np.ndarray, dt_s: float = 0.1, segments: list[int] | None = None) -> Recording:
    return Recording.from_array(values, dt_s, "calcium", segments=segments, require_varying=False)


# Spikes


@pytest.mark.parametrize("shape", [0.5, 1.0, 4.0])
def test_gamma_trains_have_the_rate_and_cv_of_the_textbook(shape):
    rng = np.random.default_rng(1)
    trains = group([gamma_train(shape, rng) for _ in range(20)])
    assert rates_hz(trains).mean() == pytest.approx(10.0, rel=0.02)
    assert cv_isi(trains).mean() == pytest.approx(shape**-0.5, rel=0.02)
    assert local_variation(trains).mean() == pytest.approx(3 / (2 * shape + 1), rel=0.02)  # Shinomoto et al. 2003


def test_a_clock_has_no_variation():
    trains = group([np.arange(0.05, DURATION_S, 0.1)] * 2)
    assert rates_hz(trains) == pytest.approx(10.0)
    assert cv_isi(trains) == pytest.approx(0.0, abs=1e-9)
    assert local_variation(trains) == pytest.approx(0.0, abs=1e-9)


def test_a_slow_change_of_rate_is_in_the_cv_but_hardly_in_the_local_variation():
    phase = np.cumsum(np.random.default_rng(0).gamma(4.0, 0.25, 4000))
    trains = group([np.exp(phase / phase[-1] * np.log(DURATION_S))])  # ever more slowly
    assert cv_isi(trains)[0] > 1.0
    assert local_variation(trains)[0] == pytest.approx(3 / 9, rel=0.1)


def test_independent_neurons_are_uncorrelated_and_as_synchronous_as_chance():
    trains = poisson_trains(25)
    assert count_correlation(trains).shape == (300,)
    assert count_correlation(trains).mean() == pytest.approx(0.0, abs=0.01)
    assert synchrony(trains, 0.01) == pytest.approx(25**-0.5, rel=0.05)


def test_identical_neurons_are_wholly_correlated_and_synchronous():
    trains = group([gamma_train(1.0, np.random.default_rng(0))] * 5)
    assert count_correlation(trains) == pytest.approx(1.0)
    assert synchrony(trains, 0.01) == pytest.approx(1.0)


def test_a_shared_part_is_the_correlation_of_counts():
    """Of two sums of Poisson processes, the correlation is the share of the variance that both have."""
    rng = np.random.default_rng(0)
    shared, *own = [gamma_train(1.0, rng) for _ in range(11)]
    trains = group([np.sort(np.concatenate([shared, train])) for train in own])
    assert count_correlation(trains, 0.1).mean() == pytest.approx(0.5, abs=0.03)
    # chi^2 = (1 + (N - 1) r) / N for N neurons of one variance
    assert synchrony(trains, 0.1) == pytest.approx(np.sqrt((1 + 9 * 0.5) / 10), rel=0.03)


def test_neither_intervals_nor_bins_cross_the_border_of_an_epoch():
    epochs = nap.IntervalSet([0.0, 100.0], [3.05, 103.0])
    times = np.concatenate([np.arange(0.5, 3, 0.2), np.arange(100.5, 103, 0.2)])
    trains = nap.TsGroup({k: nap.Ts(times, time_support=epochs) for k in range(2)}, time_support=epochs)
    assert rates_hz(trains) == pytest.approx(26 / 6.05)
    assert cv_isi(trains) == pytest.approx(0.0, abs=1e-9)
    other = nap.TsGroup({0: nap.Ts([0.5], time_support=epochs), 1: nap.Ts([100.5], time_support=epochs)})
    # Three bins of 1 s each: counts 1, 0, 0, 0, 0, 0 and 0, 0, 0, 1, 0, 0
    assert count_correlation(nap.TsGroup({k: other[k] for k in (0, 1)}, time_support=epochs), 1.0) == pytest.approx(
        -0.2
    )


@pytest.mark.parametrize(("dt_s", "segments"), [(0.03, None), (0.2, None), (0.005, [30] * 200)])
def test_independent_neurons_are_uncorrelated_whatever_the_bins_and_the_trials(dt_s, segments):
    counts = np.random.default_rng(0).poisson(5 * dt_s, (6000, 10))
    found = binned_spike_statistics(Recording.from_array(counts, dt_s, "spikes", segments=segments))
    assert found.correlation.mean() == pytest.approx(0, abs=0.01)


def test_trials_of_a_single_bin_have_no_correlations():
    counts = np.random.default_rng(0).poisson(1.0, (100, 3))
    found = binned_spike_statistics(Recording.from_array(counts, 0.1, "spikes", segments=[1] * 100))
    assert found.correlation.shape == (3,) and np.isnan(found.correlation).all()
    assert found.rate_hz == pytest.approx(10, rel=0.2)


def test_what_silent_neurons_do_not_have_is_nan():
    trains = group([gamma_train(1.0, np.random.default_rng(0)), np.array([]), np.array([1.0, 2.0])])
    found = spike_statistics(trains)
    assert np.isnan(found.cv).tolist() == np.isnan(found.local_variation).tolist() == [False, True, True]
    assert np.isnan(found.correlation).tolist() == [True, False, True]
    assert found.rate_hz[1] == 0
    silent = group([np.array([])] * 3)
    assert np.isnan(synchrony(silent, 0.1))
    assert np.isnan(count_correlation(silent)).all()


@pytest.mark.parametrize("bin_s", [0.0, -1.0, float("nan"), 300.0])
def test_refuses_unusable_bins(bin_s):
    with pytest.raises(InputError, match=r"more than 0 s and at most half of the longest epoch, 400 s; got"):
        count_correlation(poisson_trains(2), bin_s)
    with pytest.raises(InputError, match="bin must be"):
        synchrony(poisson_trains(2), bin_s)


@given(st.permutations(range(4)))
def test_the_order_of_neurons_only_orders_the_results(order):
    trains = poisson_trains(4)
    turned = nap.TsGroup({new: trains[old] for new, old in enumerate(order)}, time_support=trains.time_support)
    assert np.array_equal(rates_hz(turned), rates_hz(trains)[list(order)])
    assert np.array_equal(cv_isi(turned), cv_isi(trains)[list(order)])
    assert synchrony(turned, 0.1) == pytest.approx(synchrony(trains, 0.1))
    assert np.sort(count_correlation(turned)) == pytest.approx(np.sort(count_correlation(trains)))


@given(st.integers(-10_000, 10_000))
def test_when_the_clock_started_does_not_matter(shift_s):
    trains = poisson_trains(3)
    moved = group([trains[k].times() + shift_s for k in range(3)], start_s=shift_s)
    for name, value in vars(spike_statistics(trains)).items():
        # A spike on the border of a bin may change sides with rounding
        assert getattr(spike_statistics(moved), name) == pytest.approx(value, abs=1e-3)


def test_binned_spikes_keep_rates_and_nearly_their_intervals():
    trains = poisson_trains(3)
    counts = np.stack([np.histogram(trains[k].times(), np.arange(0, 400.001, 0.01))[0] for k in range(3)], axis=1)
    counts[5, 0] = 4
    seen = binned_spike_times(Recording.from_array(counts, 0.01, "spikes", segments=[15_000, 25_000]))
    assert [len(seen[k]) for k in range(3)] == counts.sum(axis=0).tolist()
    assert seen[0].restrict(nap.IntervalSet(0.05, 0.06)).times() == pytest.approx([0.05125, 0.05375, 0.05625, 0.05875])
    assert cv_isi(seen) == pytest.approx(cv_isi(trains), abs=0.02)


# Calcium


def autoregression(phi: float, n: int, n_neurons: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return lfilter([1.0], [1.0, -phi], rng.standard_normal((n, n_neurons)), axis=0)


def test_an_autoregression_decays_by_its_coefficient():
    recording = calcium(autoregression(0.9, 100_000), dt_s=0.1)
    expected = 0.9 ** np.arange(21)
    assert autocorrelation(recording, 2.0).mean(axis=1) == pytest.approx(expected, abs=0.02)
    found = calcium_statistics(recording)
    assert found.decay_s == pytest.approx(-0.1 / np.log(0.9), rel=0.06)
    assert found.persistence == pytest.approx(0.9**10, abs=0.04)
    assert found.skewness == pytest.approx(0.0, abs=0.1)
    assert found.correlation == pytest.approx(0.0, abs=0.04)


def test_the_decay_is_interpolated_between_frames():
    curve = np.array([[1.0, 1.0], [np.exp(-1) + 0.1, 0.9], [np.exp(-1) - 0.1, 0.8]])
    assert decay_s(curve, 0.2) == pytest.approx([0.3, np.nan], nan_ok=True)


def test_no_pair_of_frames_crosses_the_border_of_an_epoch():
    """Each epoch is a level of its own and alternates around it: only within epochs is the next frame the opposite."""
    alternating = np.tile([1.0, -1.0], 10)[:, None] * np.ones(2)
    recording = calcium(np.concatenate([alternating, -alternating]), segments=[20, 20])
    assert autocorrelation(recording)[1] == pytest.approx(-1.0)
    assert noise_level(recording) == pytest.approx(100 * 2 * np.sqrt(0.1))


@pytest.mark.parametrize("frame_rate_hz", [6.0, 30.0])
def test_noise_level_of_white_noise(frame_rate_hz):
    """nu = 1 is a standard deviation of sqrt(rate) / (0.6745 sqrt(2)) percent."""
    sd = 0.01 * np.sqrt(frame_rate_hz) / (0.67449 * np.sqrt(2))
    values = sd * np.random.default_rng(0).standard_normal((50_000, 3))
    recording = calcium(values, dt_s=1 / frame_rate_hz)
    assert noise_level(recording) == pytest.approx(1.0, rel=0.03)
    assert noise_fraction(recording) == pytest.approx(1.0, rel=0.06)


def test_skewness_of_exponential_values_is_2():
    values = np.random.default_rng(0).exponential(size=(100_000, 2))
    assert calcium_statistics(calcium(values)).skewness == pytest.approx(2.0, abs=0.1)


def test_correlation_of_traces_that_share_half_their_variance():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((20_000, 1)) + rng.standard_normal((20_000, 4))
    assert calcium_statistics(calcium(values)).correlation == pytest.approx(0.5, abs=0.03)


def test_what_constant_traces_and_short_recordings_do_not_have_is_nan():
    values = autoregression(0.5, 1000, 3)
    values[:, 1] = 0.7
    found = calcium_statistics(calcium(values))
    assert np.isnan(found.skewness).tolist() == np.isnan(found.decay_s).tolist() == [False, True, False]
    assert np.isnan(found.correlation).tolist() == [True, False, True]
    short = calcium_statistics(calcium(values[:6]))
    assert np.isnan(short.persistence).all()
    assert np.isnan(noise_level(calcium(values[:3], segments=[1, 1, 1]))).all()
    assert np.isnan(decay_s(autocorrelation(calcium(values[:3], segments=[1, 1, 1])), 0.1)).all()


@given(st.permutations(range(4)), st.floats(0.01, 100), st.floats(-5, 5))
def test_order_unit_and_offset_of_traces_do_not_matter(order, scale, offset):
    values = autoregression(0.8, 500)
    found, turned = (calcium_statistics(calcium(v)) for v in (values, (scale * values + scale * offset)[:, order]))
    for name in ("skewness", "decay_s", "persistence"):
        assert getattr(turned, name) == pytest.approx(getattr(found, name)[list(order)], rel=1e-3, abs=1e-3)
    assert turned.noise_level == pytest.approx(scale * found.noise_level[list(order)], rel=1e-3)
    assert np.sort(turned.correlation) == pytest.approx(np.sort(found.correlation), abs=1e-4)
