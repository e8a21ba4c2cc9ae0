"""Delays of connections, from spike trains in which they are known."""

from dataclasses import replace

import numpy as np
import pynapple as nap
import pytest
from scipy.stats import spearmanr

from simulators import observe_spikes
from synapsnet.estimator import SynapsNet
from synapsnet.inference import delays
from synapsnet.inference.delays import transmission_delays
from synapsnet.recording import Recording

DURATION_S = 400.0
EXCITED, INHIBITED = 0.25, 0.7  # chance that a presynaptic spike makes one, or takes away one, after the delay


def trains_with_delays(delays_s, seed=0, inhibitory=False):
    """Neuron 0 sends to neurons 1.. with these delays; responses are sudden and decay with 8 ms."""
    rng = np.random.default_rng(seed)
    sender = np.sort(rng.uniform(0, DURATION_S, rng.poisson(10 * DURATION_S)))
    trains = [sender]
    for delay_s in delays_s:
        own = np.sort(rng.uniform(0, DURATION_S, rng.poisson(15 * DURATION_S)))
        if inhibitory:
            since = own - delay_s - sender[np.clip(np.searchsorted(sender, own - delay_s) - 1, 0, None)]
            own = own[rng.random(len(own)) > INHIBITED * np.exp(-np.abs(since) / 0.008) * (since > 0)]
        else:
            chosen = sender[rng.random(len(sender)) < EXCITED]
            own = np.concatenate([own, chosen + delay_s + rng.exponential(0.008, len(chosen))])
        trains.append(np.sort(own[own < DURATION_S]))
    return trains


def group(trains, support=None):
    support = nap.IntervalSet(0, DURATION_S) if support is None else support
    return nap.TsGroup({k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}, time_support=support)


def star(n_targets, sign=1.0):
    """Scores of a network in which neuron 0 sends to all others."""
    scores = np.zeros((n_targets + 1, n_targets + 1))
    scores[1:, 0] = sign
    return scores


@pytest.mark.parametrize("inhibitory", [False, True])
def test_known_delays_are_found(inhibitory):
    delays_s = np.linspace(0.001, 0.006, 12)
    scores = star(12, -1.0 if inhibitory else 1.0)
    found = transmission_delays(group(trains_with_delays(delays_s, inhibitory=inhibitory)), scores, scores != 0)
    assert np.abs(found[1:, 0] - delays_s).max() < 0.001
    assert spearmanr(found[1:, 0], delays_s).statistic > 0.95


def test_only_connections_have_delays():
    scores = star(3)
    connected = scores != 0
    connected[2, 0] = False
    found = transmission_delays(group(trains_with_delays([0.001, 0.002, 0.003])), scores, connected)
    assert np.array_equal(np.isfinite(found), connected)
    nothing = transmission_delays(group(trains_with_delays([0.001])), star(1), np.zeros((2, 2), bool))
    assert np.isnan(nothing).all()


def test_relabelling_relabels_delays():
    trains, scores = trains_with_delays([0.001, 0.003, 0.005]), star(3)
    order = np.array([2, 0, 3, 1])
    straight = transmission_delays(group(trains), scores, scores != 0)
    moved = scores[np.ix_(order, order)]
    permuted = transmission_delays(group([trains[k] for k in order]), moved, moved != 0)
    np.testing.assert_allclose(permuted, straight[np.ix_(order, order)], rtol=1e-9)


def test_a_shift_in_time_changes_nothing():
    trains, scores = trains_with_delays([0.001, 0.003]), star(2)
    later = group([train + 64 for train in trains], nap.IntervalSet(64, 64 + DURATION_S))
    shifted = transmission_delays(later, scores, scores != 0)
    np.testing.assert_allclose(shifted, transmission_delays(group(trains), scores, scores != 0), atol=1e-4)


def test_spikes_across_the_border_of_an_epoch_are_not_paired():
    """With a gap after each presynaptic spike, what follows in the next epoch must not count."""
    trains, scores = trains_with_delays([0.002, 0.004], seed=1), star(2)
    starts = np.arange(0, DURATION_S, 2.0)
    epochs = nap.IntervalSet(starts, starts + 1.5)
    gaps = nap.IntervalSet(starts + 1.5, np.append(starts[1:], DURATION_S))
    whole = group(trains).restrict(epochs)
    rng = np.random.default_rng(0)
    beyond = [np.sort(np.concatenate([train, rng.uniform(gaps.start, gaps.end)])) for train in trains]
    with_more = group(beyond).restrict(epochs)
    np.testing.assert_array_equal(
        transmission_delays(whole, scores, scores != 0), transmission_delays(with_more, scores, scores != 0)
    )


def test_windows_are_counted_in_parts(monkeypatch):
    """Those of a busy neuron together would hold more spikes than memory does."""
    rng = np.random.default_rng(0)
    trains = {k: nap.Ts(np.sort(rng.uniform(0, 20, 400))) for k in range(3)}
    spikes = nap.TsGroup(trains, time_support=nap.IntervalSet([0, 9], [8, 20]))
    post, pre = np.array([1, 2, 0]), np.array([0, 0, 2])
    whole = delays._correlograms(spikes, post, pre)
    monkeypatch.setattr(delays, "CHUNK_VALUES", 50)
    for one, other in zip(whole, delays._correlograms(spikes, post, pre), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole[0].sum() > 500


def test_silent_neurons_have_no_delays():
    trains, scores = trains_with_delays([0.002, 0.004]), star(2)
    trains[2] = np.zeros(0)
    found = transmission_delays(group(trains), scores, scores != 0)
    assert np.isfinite(found[1, 0]) and np.isnan(found[2, 0])


def test_synapsnet_infers_delays_where_there_are_spike_times(small_simulation):
    recording = observe_spikes(small_simulation, seed=0)
    found = SynapsNet().infer(recording.without_ground_truth())
    likely = found.local_fdr < 0.5
    assert likely.any()
    assert np.array_equal(np.isfinite(found.delay_s), likely)
    counts_only = Recording.from_array(recording.values, recording.dt_s, "spikes")
    assert SynapsNet().infer(counts_only).delay_s is None
    times = {
        k: nap.Ts(np.unique(np.round(train.times() / 0.004)) * 0.004) for k, train in recording.spike_times.items()
    }
    support = recording.spike_times.time_support
    coarse = replace(recording.without_ground_truth(), spike_times=nap.TsGroup(times, time_support=support))
    assert SynapsNet().infer(coarse).delay_s is None
