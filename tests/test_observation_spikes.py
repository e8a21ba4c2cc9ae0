"""Extracellular recording: counts in bins, losses and contamination."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.observation import observe_spikes
from synapsnet.errors import InputError
from synapsnet.recording import Connectome, Simulation, neuron_table

DURATION_S = 200.0


def poisson_simulation(rates_hz: list[float], duration_s: float = DURATION_S, seed: int = 0) -> Simulation:
    rng = np.random.default_rng(seed)
    support = nap.IntervalSet(0, duration_s)
    trains = [np.sort(rng.uniform(0, duration_s, rng.poisson(rate * duration_s))) for rate in rates_hz]
    spikes = {k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}
    n = len(rates_hz)
    return Simulation(nap.TsGroup(spikes, time_support=support), neuron_table(n), Connectome(np.zeros((n, n))))


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
def test_the_share_asked_for_is_lost(poisson, loss):
    true = n_spikes(poisson)
    found = observe_spikes(poisson, loss=loss).values.sum(axis=0)
    assert np.all(np.abs(found - (1 - loss) * true) < 4 * np.sqrt(true * loss * (1 - loss)))


def test_lost_spikes_leave_and_no_others_come(poisson):
    whole, lossy = (observe_spikes(poisson, loss=loss).values for loss in (0.0, 0.3))
    assert (lossy <= whole).all()


@pytest.mark.parametrize("loss", [0.0, 0.4])
@pytest.mark.parametrize("contamination", [0.1, 0.3])
def test_the_share_asked_for_was_fired_by_others(poisson, contamination, loss):
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


def test_true_spike_times_are_kept_beside_what_was_observed(poisson):
    recording = observe_spikes(poisson, loss=0.5, contamination=0.2)
    assert recording.spike_times is poisson.spike_times
    assert recording.metadata["observation"] == {
        "as": "spikes",
        "bin_s": 0.005,
        "loss": 0.5,
        "contamination": 0.2,
        "seed": 0,
    }


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bin_s": 0.0}, "bin width must be more than 0 and at most half the duration, 100 s; got 0"),
        ({"bin_s": 101.0}, "at most half the duration"),
        ({"bin_s": float("nan")}, "bin width must be"),
        ({"loss": -0.1}, r"must lie in \[0, 1\]; got -0.1"),
        ({"loss": 1.1}, r"must lie in \[0, 1\]"),
        ({"contamination": 1.0}, r"must lie in \[0, 1\); got 1"),
        ({"contamination": float("nan")}, r"must lie in \[0, 1\)"),
        ({"loss": 1.0}, "no spikes at all"),
    ],
)
def test_refuses_unusable_parameters(poisson, options, message):
    with pytest.raises(InputError, match=message):
        observe_spikes(poisson, **options)


def test_refuses_a_silent_unit():
    with pytest.raises(InputError, match="never changes in neuron 1"):
        observe_spikes(poisson_simulation([5.0, 0.0]))
