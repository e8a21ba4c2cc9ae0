"""Methods that look at spikes in bins of a millisecond, and several methods together."""

from __future__ import annotations

import numpy as np
import pynapple as nap
import pytest

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods import TSPE, DirectedSTTC, Ensemble
from validation.methods.ensemble import _scaled
from validation.methods.fine import fine_spikes

BIN_S = 0.001


def follower(n_bins: int = 20_000, lag: int = 3) -> np.ndarray:
    """(T, 3) spikes; the second neuron follows the first after `lag` bins, which silences the third."""
    rng = np.random.default_rng(0)
    spikes = (rng.random((n_bins, 3)) < 0.03).astype(float)
    after = np.flatnonzero(spikes[:-lag, 0]) + lag
    spikes[after[rng.random(len(after)) < 0.4], 1] = 1
    for k in range(1, 5):
        spikes[np.minimum(np.flatnonzero(spikes[:, 0]) + k, n_bins - 1), 2] = 0
    return spikes


def test_tspe_is_that_of_elephant():
    elephant = pytest.importorskip("elephant.functional_connectivity", reason="elephant is not installed")
    neo = pytest.importorskip("neo")
    from elephant.conversion import BinnedSpikeTrain
    from quantities import ms

    spikes = follower()
    trains = [neo.SpikeTrain((np.flatnonzero(train) + 0.5) * ms, t_stop=len(spikes) * ms) for train in spikes.T]
    theirs, _ = elephant.total_spiking_probability_edges(BinnedSpikeTrain(trains, bin_size=1 * ms))
    np.fill_diagonal(theirs, 0)
    ours = TSPE().infer(Recording.from_array(spikes, BIN_S, "spikes")).weight
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert ours[1, 0] == ours.max()
    assert ours[2, 0] < 0


def test_directed_sttc_by_hand():
    spikes = np.zeros((100, 2))
    spikes[[10, 30, 50, 70], 0] = 1
    spikes[[12, 33, 90], 1] = 1  # two of three follow within 7 bins; two of four are followed
    weight = DirectedSTTC().infer(Recording.from_array(spikes, BIN_S, "spikes")).weight
    after, before = 4 * 7 / 100, 3 * 7 / 100
    expected = ((2 / 3 - after) / (1 - 2 / 3 * after) + (2 / 4 - before) / (1 - 2 / 4 * before)) / 2
    assert weight[1, 0] == pytest.approx(expected)
    assert weight[0, 1] < 0


@pytest.mark.parametrize("method", [TSPE, DirectedSTTC])
def test_spike_times_decide_where_they_are_known(method):
    spikes = follower(40_000, lag=2)
    times = {k: nap.Ts((np.flatnonzero(train) + 0.5) * BIN_S) for k, train in enumerate(spikes.T)}
    coarse = spikes.reshape(-1, 5, 3).sum(axis=1)
    support = nap.IntervalSet(0, 40)
    known = Recording.from_array(coarse, 0.005, "spikes", spike_times=nap.TsGroup(times, time_support=support))
    exact = Recording.from_array(spikes, BIN_S, "spikes")
    np.testing.assert_allclose(method().infer(known).weight, method().infer(exact).weight, atol=1e-12)


def test_no_bin_crosses_the_border_of_an_epoch():
    spikes = follower(1000)
    times = {k: nap.Ts((np.flatnonzero(train) + 0.5) * BIN_S) for k, train in enumerate(spikes.T)}
    coarse = spikes.reshape(-1, 5, 3).sum(axis=1)
    support = nap.IntervalSet(0, 1)
    whole = Recording.from_array(coarse, 0.005, "spikes", spike_times=nap.TsGroup(times, time_support=support))
    parts, dt_s = fine_spikes(whole.select_rows([(0, 80), (100, 200)]))
    assert dt_s == BIN_S
    np.testing.assert_array_equal(parts[0].toarray(), spikes[:400])
    np.testing.assert_array_equal(parts[1].toarray(), spikes[500:])


@pytest.mark.parametrize("method", [TSPE, DirectedSTTC])
def test_calcium_is_refused(method):
    calcium = Recording.from_array(np.random.default_rng(0).standard_normal((50, 3)), 0.1, "calcium")
    with pytest.raises(InputError, match="needs spikes; got calcium"):
        method().infer(calcium)


def test_the_ensemble_averages_scores_of_one_size():
    scores = np.array([[0, 5.0, -1], [0.1, 0, 0], [2, -3, 0]])
    np.testing.assert_allclose(_scaled(10 * scores), scores / np.sqrt(39.01 / 6))
    found = Ensemble().infer(Recording.from_array(follower(), BIN_S, "spikes"))
    assert isinstance(found, Connectome)
    assert found.weight[1, 0] == found.weight.max()
