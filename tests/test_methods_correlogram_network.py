"""The network on correlograms: what it comes with, what it sees, and known answers."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pynapple as nap
import pytest

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods.correlogram_network import (
    CorrelogramNetwork,
    Reader,
    _bins,
    pairs_of,
    shipped,
    with_own_shares,
)

SECONDS = 200.0


def recording(trains: list[np.ndarray]) -> Recording:
    """Of spike times, in bins of 5 ms."""
    support = nap.IntervalSet(0, SECONDS)
    times = nap.TsGroup({k: nap.Ts(np.sort(train)) for k, train in enumerate(trains)}, time_support=support)
    counts = np.stack([np.histogram(train, int(SECONDS / 0.005), (0, SECONDS))[0] for train in trains], axis=1)
    return Recording.from_array(counts, 0.005, "spikes", spike_times=times)


def independent(n: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.uniform(0, SECONDS, rng.poisson(8 * SECONDS)) for _ in range(n)]


@pytest.fixture(scope="module")
def chained() -> Recording:
    """20 neurons; each of the first ten makes one of the others fire after 2 ms and more, as a synapse would."""
    rng = np.random.default_rng(1)
    trains = independent(20, rng)
    for k in range(10):
        caused = trains[k][rng.random(len(trains[k])) < 0.15]
        added = caused + 0.002 + rng.exponential(0.004, len(caused))
        trains[k + 10] = np.concatenate([trains[k + 10], added[added < SECONDS]])
    return recording(trains)


def test_what_is_shipped_is_small_and_plain():
    file = files("validation.methods") / "correlogram_network.npz"
    assert len(file.read_bytes()) < 200_000
    with np.load(str(file), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind == "f" for name in arrays.files)


def test_a_reader_is_the_same_after_saving(tmp_path):
    shipped().save(tmp_path / "reader.npz")
    features = np.random.default_rng(0).normal(size=(7, len(shipped().centre))).astype(np.float32)
    again = Reader.load(tmp_path / "reader.npz")
    np.testing.assert_array_equal(again.log_probabilities(features), shipped().log_probabilities(features))
    assert np.exp(again.log_probabilities(features)).sum(axis=1) == pytest.approx(1)


def test_planted_connections_are_found_in_their_direction_and_sign(chained):
    found = CorrelogramNetwork().infer(chained)
    planted = np.arange(10, 20), np.arange(10)
    reported = found.significant(0.05)
    assert reported[planted].sum() >= 3  # it is cautious where few pairs are connected
    assert np.count_nonzero(reported) == reported[planted].sum()
    assert (found.weight[planted] > 0).all()
    assert (found.scores[planted] > found.scores.T[planted]).all()


def test_nothing_is_reported_of_independent_neurons():
    rng = np.random.default_rng(2)
    assert not CorrelogramNetwork().infer(recording(independent(30, rng))).significant(0.05).any()


def test_few_spikes_say_nothing_and_calcium_and_coarse_bins_are_refused():
    rng = np.random.default_rng(3)
    trains = independent(4, rng)
    trains[3] = trains[3][:3]
    found = CorrelogramNetwork().infer(recording(trains))
    assert (found.local_fdr[3] == 1).all()
    assert (found.local_fdr[:, 3] == 1).all()
    calcium = Recording.from_array(rng.normal(size=(500, 3)), 1 / 30, "calcium")
    coarse = Recording.from_array(rng.poisson(1, (500, 3)), 0.02, "spikes")
    for refused in (calcium, coarse):
        with pytest.raises(InputError, match="needs spikes, with their times or in bins of at most 5 ms"):
            CorrelogramNetwork().infer(refused)


def test_the_lags_that_it_sees_are_post_after_pre(chained):
    pairs = pairs_of(chained)
    middle = 14  # lag 0; a millisecond a bin about it
    assert middle + 2 <= pairs.features[10, 0].argmax() <= middle + 6
    assert middle - 6 <= pairs.features[0, 10].argmax() <= middle - 2
    assert pairs.effect[10, 0] > 5 * abs(pairs.effect[0, 10])
    assert not pairs.informative.diagonal().any()


def test_bins_widen_and_hold_noise_of_one_size():
    lags_ms = np.arange(-60.0, 61)
    bins = _bins(lags_ms)
    assert bins.shape == (121, 29)
    np.testing.assert_allclose((bins**2).sum(axis=0), 1, rtol=1e-6)
    assert [list(lags_ms[bins[:, k] > 0]) for k in (14, 15, 25)] == [[0], [1], [11, 12]]
    coarse = _bins(np.arange(-60.0, 61, 5))  # lags of 5 ms: those of 3 to 7 ms are the one of 5
    assert [coarse[:, k].argmax() for k in (16, 17, 21, 22)] == [12, 13, 13, 14]


@pytest.mark.parametrize("share", [0.03, 0.3])
def test_fractions_of_classes_are_learned_from_the_pairs(share):
    rng = np.random.default_rng(0)
    classes = rng.random(5_000) < share
    seen = rng.normal(size=len(classes)) + 5 * classes  # of which the likelihood ratio is known
    trained = np.array([0.7, 0.3 - 1e-9, 1e-9])
    log_ratio = 5 * seen - 12.5
    joint = np.log(trained) + np.stack([np.zeros_like(seen), log_ratio, np.full_like(seen, -50)], axis=1)
    log_probabilities = joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)
    found = with_own_shares(log_probabilities, trained)
    exact = 1 / (1 + np.exp(-log_ratio) * (1 - classes.mean()) / classes.mean())
    np.testing.assert_allclose(found[:, 1], exact, atol=0.05)
    assert found[:, 1].mean() == pytest.approx(classes.mean(), rel=0.1, abs=4e-3)
