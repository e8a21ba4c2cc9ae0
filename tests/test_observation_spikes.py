"""Extracellular recording: counts in bins, and the errors of spike sorting one by one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from simulators.observation import observe_spikes, sorting
from simulators.observation.sorting import Neighbourhood
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation, neuron_table

DURATION_S = 200.0


def simulation_of(trains: list[np.ndarray], duration_s: float = DURATION_S, **table: object) -> Simulation:
    support = nap.IntervalSet(0, duration_s)
    spikes = {k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}
    n = len(trains)
    table = neuron_table(n, **table)
    return Simulation(nap.TsGroup(spikes, time_support=support), table, Connectome(np.zeros((n, n))))


def poisson_trains(rates_hz: list[float], duration_s: float = DURATION_S, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(0, duration_s, rng.poisson(rate * duration_s))) for rate in rates_hz]


def poisson_simulation(rates_hz: list[float], **table: object) -> Simulation:
    return simulation_of(poisson_trains(rates_hz), **table)


@pytest.fixture(scope="module")
def poisson() -> Simulation:
    return poisson_simulation([5.0, 20.0, 40.0, 35.0])


def n_spikes(simulation: Simulation) -> np.ndarray:
    return np.array([len(simulation.spike_times[k]) for k in simulation.spike_times.index])


@pytest.mark.parametrize("bin_s", [0.001, 0.005, 0.02, 1.0, 100.0])
def test_binning_conserves_spikes(poisson, bin_s):
    counts = observe_spikes(poisson, bin_s=bin_s).values
    assert np.array_equal(counts.sum(axis=0), n_spikes(poisson))
    assert len(counts) == round(DURATION_S / bin_s)


@given(st.integers(1, 8).map(lambda n: n * 0.005), st.integers(2, 50))
def test_every_spike_is_counted_in_its_own_bin(bin_s, n_bins):
    """Spikes in the first instant of bins 0, 2, 4..., where rounding would move them to the bin before."""
    support = nap.IntervalSet(0, n_bins * bin_s)
    even, odd = np.arange(0, n_bins, 2), np.arange(1, n_bins, 2)
    trains = {0: nap.Ts(even * bin_s, time_support=support), 1: nap.Ts(odd * bin_s, time_support=support)}
    simulation = Simulation(nap.TsGroup(trains, time_support=support), neuron_table(2), Connectome(np.zeros((2, 2))))
    counts = observe_spikes(simulation, bin_s=bin_s).values
    assert np.array_equal(np.flatnonzero(counts[:, 0]), even)
    assert np.array_equal(np.flatnonzero(counts[:, 1]), odd)


def test_a_last_bin_that_is_not_whole_is_dropped(poisson):
    recording = observe_spikes(poisson, bin_s=0.3)
    assert recording.n_steps == 666
    before = [np.sum(poisson.spike_times[k].times() < 666 * 0.3) for k in range(4)]
    assert np.array_equal(recording.values.sum(axis=0), before)


@pytest.mark.parametrize("loss", [0.1, 0.5, 0.9])
def test_the_fraction_asked_for_is_lost(poisson, loss):
    true = n_spikes(poisson)
    found = observe_spikes(poisson, loss=loss).values.sum(axis=0)
    assert np.all(np.abs(found - (1 - loss) * true) < 4 * np.sqrt(true * loss * (1 - loss)))


def test_lost_spikes_leave_and_no_others_come(poisson):
    whole, lossy = (observe_spikes(poisson, loss=loss).values for loss in (0.0, 0.3))
    assert (lossy <= whole).all()


@pytest.mark.parametrize("loss", [0.0, 0.4])
@pytest.mark.parametrize("contamination", [0.1, 0.3])
def test_the_fraction_asked_for_was_fired_by_other_neurons(poisson, contamination, loss):
    """Of a unit's spikes, the fraction `contamination` is foreign; the pool of others is large enough."""
    own = observe_spikes(poisson, loss=loss).values.sum(axis=0)
    reported = observe_spikes(poisson, loss=loss, contamination=contamination).values.sum(axis=0)
    expected = own * contamination / (1 - contamination)
    assert np.all(np.abs(reported - own - expected) < 4 * np.sqrt(expected))


def test_foreign_spikes_come_from_the_times_of_other_neurons():
    """Neuron 1 fires in odd seconds only, so contamination puts spikes of unit 0 there and nowhere else."""
    support = nap.IntervalSet(0, 100)
    trains = {k: nap.Ts(np.sort(np.concatenate([np.arange(k, 100, 2) + u for u in (0.2, 0.4, 0.6)]))) for k in (0, 1)}
    simulation = Simulation(nap.TsGroup(trains, time_support=support), neuron_table(2), Connectome(np.zeros((2, 2))))
    counts = observe_spikes(simulation, bin_s=1.0, contamination=0.3).values
    assert (counts[::2, 0] == 3).all()
    assert counts[1::2, 0].sum() > 0
    assert (counts[1::2, 0] <= 3).all()  # each of the others' spikes at most once


def test_spike_times_are_those_that_were_reported(poisson):
    recording = observe_spikes(poisson, loss=0.5, contamination=0.2)
    for k, train in enumerate(poisson_trains([5.0, 20.0, 40.0, 35.0])):
        reported = recording.spike_times[k].times()
        assert len(reported) == recording.values[:, k].sum()
        assert 0 < np.isin(reported, train).mean() < 1  # some are others'
        assert np.isin(train, reported).mean() < 0.6  # many are lost
    chosen = {"as": "spikes", "bin_s": 0.005, "loss": 0.5, "contamination": 0.2, "seed": 0}
    assert recording.metadata["observation"].items() >= chosen.items()
    assert json.loads(json.dumps(recording.metadata)) == recording.metadata


def test_the_same_seed_gives_the_same_counts_and_another_seed_others(poisson):
    first, same, other = (observe_spikes(poisson, loss=0.2, contamination=0.1, seed=s).values for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_connectome_is_passed_on_but_not_looked_at(small_simulation):
    blind = replace(small_simulation, connectome=Connectome(np.zeros((20, 20))))
    options = {"loss": 0.2, "contamination": 0.1}
    seen, unseen = observe_spikes(small_simulation, **options), observe_spikes(blind, **options)
    assert np.array_equal(seen.values, unseen.values)
    assert seen.connectome is small_simulation.connectome
    assert unseen.connectome is blind.connectome


@pytest.mark.parametrize(("loss", "contamination"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.1), (0.2, 0.1)])
def test_losses_and_contamination_are_drawn_as_in_the_first_release(poisson, loss, contamination):
    """Published results depend on them."""
    rng = np.random.default_rng(7)
    trains = [poisson.spike_times[k].times() for k in range(4)]
    observed = [train[rng.random(len(train)) >= loss] for train in trains]
    for k in range(4) if contamination else []:
        pool = np.concatenate([train for other, train in enumerate(trains) if other != k])
        wanted = rng.poisson(len(observed[k]) * contamination / (1 - contamination))
        observed[k] = np.concatenate([observed[k], rng.choice(pool, wanted, replace=False, shuffle=False)])
    expected = [np.histogram(train, np.arange(40_001) * 0.005)[0] for train in observed]
    counts = observe_spikes(poisson, loss=loss, contamination=contamination, seed=7).values
    assert np.array_equal(counts, np.transpose(expected))


# Missed spikes


def test_as_many_spikes_exceed_the_threshold_as_the_gaussian_noise_lets():
    unit, amplitude = np.repeat(np.arange(3), 20_000), np.array([3.0, 4.0, 5.5])
    size = sorting.spike_sizes(unit, np.zeros(60_000), amplitude, 0.0, np.random.default_rng(1))
    seen = (size > sorting.THRESHOLD).reshape(3, -1).mean(axis=1)
    assert seen == pytest.approx(norm.cdf(amplitude - sorting.THRESHOLD), abs=0.012)


def test_amplitudes_are_lognormal_around_their_median():
    amplitude = sorting.unit_amplitudes(4000, 8.0, np.random.default_rng(1))
    assert np.median(amplitude) == pytest.approx(8.0, rel=0.05)
    assert np.log(amplitude).std() == pytest.approx(sorting.AMPLITUDE_SIGMA, rel=0.05)


def test_amplitudes_fall_with_the_lateral_distance_from_the_probe():
    position = np.array([[0.0, 0, 0], [50, 0, 900], [-50, 0, 0], [0, 100, 0], [0, -100, 50]])
    expected = np.exp([0, -1, -1, -2, -2])
    assert sorting.falloff(position + np.array([10.0, 20.0, 30.0]), 50.0) == pytest.approx(expected)


def test_units_far_from_the_probe_are_missed():
    position = np.array([[0.0, 0, 0], [1, 0, 0], [500, 0, 0], [-501, 0, 0]])
    simulation = poisson_simulation([20.0] * 4, position_um=position)
    found = observe_spikes(simulation, amplitude=30.0, falloff_um=50.0, min_rate_hz=1.0)
    assert found.neurons["id"].tolist() == ["0", "1"]


def test_larger_spikes_are_missed_less_and_very_large_ones_never(poisson):
    totals = [observe_spikes(poisson, amplitude=a).values.sum() for a in (4.0, 8.0, 1000.0)]
    assert totals[0] < totals[1] < totals[2] == n_spikes(poisson).sum()


def test_drift_moves_the_logarithm_of_amplitudes_by_its_standard_deviation_over_time_and_units():
    n_units, n_times = 400, 600
    unit, time_s = np.repeat(np.arange(n_units), n_times), np.tile(np.arange(n_times) * 1.0, n_units)
    size = sorting.spike_sizes(unit, time_s, np.full(n_units, 1e6), 0.1, np.random.default_rng(1))
    log = np.log(size / 1e6).reshape(n_units, n_times)
    assert log.std() == pytest.approx(0.1, rel=0.1)
    assert np.abs(np.diff(log, axis=1)).max() < 0.02  # slow
    assert np.abs(log.mean(axis=1)).max() < 1e-3  # over a whole period
    signs = np.sign(np.corrcoef(log)[0])
    assert (signs > 0).any()  # the tissue moves as one: some units come nearer while others go away
    assert (signs < 0).any()


# Refractory and synchronous losses


@given(st.lists(st.integers(0, 400), unique=True, max_size=60), st.integers(1, 40))
def test_no_two_spikes_of_a_unit_are_closer_than_the_censored_period(steps, period):
    """In steps of 0.1 ms: spikes exactly one period apart are both kept."""
    kept = np.round(sorting.censor(np.array(steps) * 1e-4, period * 1e-4) * 1e4).astype(int).tolist()
    expected: list[int] = []
    for step in sorted(steps):
        if not expected or step - expected[-1] >= period:
            expected.append(step)
    assert kept == expected


def test_the_censored_period_holds_for_foreign_spikes_too(poisson):
    counts = observe_spikes(poisson, bin_s=0.001, contamination=0.3, censored_s=0.002).values
    assert counts.max() == 1
    assert (counts[1:] * counts[:-1]).max() == 0


def coincidences(first: np.ndarray, second: np.ndarray, lag_s: float) -> int:
    """Pairs of spikes whose lag is within half a window of synchrony of `lag_s`."""
    half = sorting.SYNCHRONY_S / 2
    return int(np.sum(np.searchsorted(second, first + lag_s + half) - np.searchsorted(second, first + lag_s - half)))


def kept_spikes(trains: list[np.ndarray], probability: float, neighbourhood: Neighbourhood | None) -> list[np.ndarray]:
    lengths = [len(train) for train in trains]
    unit, time_s = np.repeat(np.arange(len(trains)), lengths), np.concatenate(trains)
    rng = np.random.default_rng(2)
    lost = sorting.overlapped(unit, time_s, rng.standard_normal(len(unit)), probability, neighbourhood, rng)
    return [train[~part] for train, part in zip(trains, np.split(lost, np.cumsum(lengths)[:-1]), strict=True)]


def test_synchronous_losses_cut_a_dip_at_zero_lag_and_nowhere_else():
    trains = poisson_trains([60.0, 60.0], duration_s=2000.0)
    before, after = trains, kept_spikes(trains, 0.5, None)
    expected = 60 * 60 * 2000 * sorting.SYNCHRONY_S  # of independent Poisson neurons
    assert coincidences(*before, 0.0) == pytest.approx(expected, rel=0.1)
    assert coincidences(*after, 0.0) == pytest.approx(0.5 * expected, rel=0.1)
    assert coincidences(*after, 0.01) == pytest.approx(expected, rel=0.1)


def test_near_units_lose_synchronous_spikes_and_far_ones_do_not():
    near_and_far = Neighbourhood(np.array([[0.0, 0, 0], [1, 0, 0], [1e4, 0, 0]]), 50.0)
    same = np.arange(1, 1001) * 0.01
    counts = [len(train) for train in kept_spikes([same, same, same], 1.0, near_and_far)]
    assert counts[0] + counts[1] == pytest.approx(1000, abs=40)  # nearness exp(-1/50)
    assert counts[0] == pytest.approx(500, abs=80)
    assert counts[2] == 1000


def test_the_smaller_of_two_synchronous_spikes_is_lost():
    time_s = np.array([1.0, 2.0, 1.0003, 2.0005])  # the first pair overlaps, the second does not
    lost = sorting.overlapped(
        np.array([0, 0, 1, 1]), time_s, np.array([5.0, 5.0, 9.0, 9.0]), 1.0, None, np.random.default_rng(0)
    )
    assert lost.tolist() == [True, False, False, False]


def test_spikes_of_one_unit_do_not_overlap_with_each_other():
    burst = [np.arange(100) * 1e-4, np.array([1.0])]
    assert [len(train) for train in kept_spikes(burst, 1.0, None)] == [100, 1]


def test_a_false_dip_appears_in_the_recording(poisson):
    whole, dipped = (observe_spikes(poisson, bin_s=0.001, synchronous_loss=p).values for p in (0.0, 1.0))
    together = [float((counts[:, 2] * counts[:, 3]).sum()) for counts in (whole, dipped)]
    assert together[1] < 0.6 * together[0]


# Contamination from neighbours


def test_foreign_spikes_come_from_near_neurons_in_proportion_to_exp_of_the_distance():
    """Every neuron fires in a second of its own."""
    position = np.array([[0.0, 0, 0], [50, 0, 0], [0, 100, 0]])
    trains = [np.sort(np.random.default_rng(k).uniform(k, k + 1, 3000)) for k in range(3)]
    simulation = simulation_of(trains, 3.0, position_um=position)
    counts = observe_spikes(simulation, bin_s=1.0, contamination=0.3, neighbourhood_um=50.0).values
    assert counts[0, 0] == 3000
    foreign = counts[1:, 0]
    assert foreign.sum() == pytest.approx(3000 * 0.3 / 0.7, rel=0.1)
    assert foreign[0] / foreign[1] == pytest.approx(np.exp(1), rel=0.2)


def test_each_foreign_spike_is_taken_once_and_never_the_own():
    near = Neighbourhood(np.zeros((3, 3)), 1.0)
    index = sorting.foreign_spikes(1000, 1, np.array([0, 4, 9, 12]), near, np.random.default_rng(0))
    assert sorted(index) == [0, 1, 2, 3, 9, 10, 11]
    alone = sorting.foreign_spikes(5, 1, np.array([0, 0, 9, 9]), near, np.random.default_rng(0))
    assert len(alone) == 0


# Which units are found


def test_units_that_fire_slowly_are_not_found_and_the_user_is_told():
    sentences: list[str] = []
    simulation = poisson_simulation([5.0, 0.0, 0.5, 20.0], cell_type=["a", "b", "c", "d"])
    weight = np.arange(16.0).reshape(4, 4) * (1 - np.eye(4))
    simulation = replace(simulation, connectome=Connectome(weight))
    recording = observe_spikes(simulation, min_rate_hz=1.0, notify=sentences.append)
    assert sentences == ["2 of 4 units were not found."]
    assert recording.neurons["cell_type"].tolist() == ["a", "d"]
    assert recording.connectome.weight.tolist() == [[0.0, 3.0], [12.0, 0.0]]
    assert np.array_equal(recording.spike_times[1].times(), simulation.spike_times[3].times())
    assert recording.values.sum(axis=0).tolist() == [len(simulation.spike_times[k]) for k in (0, 3)]


def test_units_are_found_with_the_probability_of_their_type():
    simulation = poisson_simulation([5.0] * 200, cell_type=["common", "rare"] * 100)
    types = observe_spikes(simulation, bin_s=1.0, unit_yield={"rare": 0.2}).neurons["cell_type"].tolist()
    assert types.count("common") == 100
    assert types.count("rare") == pytest.approx(20, abs=14)


def test_behaviour_is_passed_on(poisson):
    time_s = (np.arange(20_000) + 0.5) * 0.01
    speed = nap.TsdFrame(t=time_s, d=time_s[:, None], columns=["speed"], time_support=nap.IntervalSet(0, DURATION_S))
    recording = observe_spikes(replace(poisson, behaviour=speed), bin_s=0.05)
    assert recording.behaviour.columns.tolist() == ["speed"]
    assert recording.behaviour_values[:, 0] == pytest.approx(recording.activity.times(), abs=1e-3)


ERRORS = {
    "amplitude": 6.0,
    "falloff_um": 150.0,
    "drift": 0.2,
    "contamination": 0.1,
    "neighbourhood_um": 60.0,
    "synchronous_loss": 0.5,
    "censored_s": 0.001,
    "min_rate_hz": 0.1,
}


def test_all_errors_together_are_repeated_by_the_same_seed():
    position = np.random.default_rng(0).uniform(0, 100, (30, 3))
    simulation = poisson_simulation([15.0] * 30, position_um=position)
    first, same, other = (observe_spikes(simulation, **ERRORS, seed=s).values for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert first.shape != other.shape or not np.array_equal(first, other)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bin_s": 0.0}, "bin width must be more than 0 and at most half the duration, 100 s; got 0"),
        ({"bin_s": 101.0}, "at most half the duration"),
        ({"bin_s": float("nan")}, "bin width must be"),
        ({"loss": -0.1}, "'loss' of the spike sorter: .*greater than or equal to 0; got -0.1"),
        ({"loss": 1.1}, "'loss'.*less than or equal to 1"),
        ({"contamination": 1.0}, "'contamination'.*less than 1; got 1"),
        ({"contamination": float("nan")}, "'contamination'.*finite"),
        ({"amplitude": 0.0}, "'amplitude'.*greater than 0"),
        ({"censored_s": -0.001}, "'censored_s'.*greater than or equal to 0"),
        ({"synchronous_loss": 2.0}, "'synchronous_loss'.*less than or equal to 1"),
        ({"min_rate_hz": -1.0}, "'min_rate_hz'.*greater than or equal to 0"),
        ({"unit_yield": {"unknown": 1.5}}, "'unit_yield.unknown'.*less than or equal to 1; got 1.5"),
        ({"unit_yield": {"Pvalb": 0.5}}, "no cell type 'Pvalb'; did you mean 'unknown'"),
        ({"drift": 0.1}, "give the amplitude too"),
        ({"falloff_um": 50.0}, "give the amplitude too"),
        ({"neighbourhood_um": 50.0}, "give a contamination or a synchronous loss"),
        ({"neighbourhood_um": 50.0, "contamination": 0.1}, "A neighbourhood needs the positions.* 4 of 4 are unknown"),
        ({"falloff_um": 50.0, "amplitude": 8.0}, "A falloff needs the positions of all neurons"),
        ({"loss": 1.0}, "no spikes at all"),
        ({"min_rate_hz": 38.0}, "Only 1 of 4 units are found, but 2 are needed; lower the minimum rate, 38 Hz"),
    ],
)
def test_refuses_unusable_parameters(poisson, options, message):
    with pytest.raises(InputError, match=message):
        observe_spikes(poisson, **options)


def test_refuses_a_silent_unit():
    with pytest.raises(InputError, match="never changes in neuron 1"):
        observe_spikes(poisson_simulation([5.0, 0.0]))
