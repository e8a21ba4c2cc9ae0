"""What neighbours share is taken out by their distance; connections stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from synapsnet import Recording, SynapsNet
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.neuropil import without_neuropil
from synapsnet.recording import neuron_table

N, STEPS = 120, 10_000
PAIRS = ~np.eye(N, dtype=bool)


@pytest.fixture
def position():
    return np.c_[np.random.default_rng(0).uniform(0, 400, (N, 2)), np.full(N, np.nan)]


def evidence_of(z, zero_lag):
    """Evidence with these z-scores at the lags and at zero lag."""
    nothing, error = torch.zeros(N, N), torch.full((N, N), 0.3)
    return Evidence(
        torch.from_numpy(z).float() * error,
        error,
        torch.from_numpy(zero_lag).float() / STEPS**0.5,
        torch.ones(N, N),
        STEPS,
        nothing,
        error,
        nothing,
    )


def noise(seed):
    rng = np.random.default_rng(seed)
    zero_lag = np.triu(rng.normal(size=(N, N)), 1)
    return rng.normal(size=(N, N)), zero_lag + zero_lag.T


def scores(evidence):
    return (evidence.estimate / evidence.standard_error).numpy(), evidence.zero_lag.numpy() * STEPS**0.5


def around(position, length_um):
    distance = np.linalg.norm(position[:, None, :2] - position[:, :2], axis=2)
    near = np.exp(-distance / length_um)
    np.fill_diagonal(near, 0)
    return near


@pytest.mark.parametrize("length_um", [30, 70])
@pytest.mark.parametrize("normalised", [False, True], ids=["of all sources", "a mean over neighbours"])
def test_what_neighbours_share_is_taken_out_and_connections_stay(position, length_um, normalised):
    z, zero_lag = noise(1)
    connected = PAIRS & (np.random.default_rng(2).random((N, N)) < 0.1)
    near = around(position, length_um)
    if normalised:
        share = near / near.sum(1, keepdims=True)
        near = (share + share.T) * 10
    before = evidence_of(z + 6 * connected + 4 * near, zero_lag + 3 * (connected + connected.T) + 6 * near)
    after, after_zero_lag = scores(without_neuropil(before, position))
    close = PAIRS & ~connected & ~connected.T & (near > np.quantile(near, 0.95))
    for found, size in ((after, 4 * near), (after_zero_lag, 6 * near)):
        assert abs(found[close].mean()) < 0.15 * size[close].mean()
    assert after[connected].mean() == pytest.approx(6, abs=0.3)


def test_where_neighbours_share_nothing_hardly_anything_changes(position):
    before = evidence_of(*noise(3))
    for one, other in zip(scores(before), scores(without_neuropil(before, position)), strict=True):
        assert np.abs(one - other)[PAIRS].mean() < 0.05


def test_neighbours_that_are_less_alike_share_no_light(position):
    """Light only adds: a deficit of neighbours is the network's."""
    z, zero_lag = noise(4)
    before = evidence_of(z - 4 * around(position, 50), zero_lag)
    after, _ = scores(without_neuropil(before, position))
    assert np.abs(after - scores(before)[0])[PAIRS].mean() < 0.05


def test_pairs_whose_distance_is_not_known_stay_as_they_are(position):
    z, zero_lag = noise(5)
    before = evidence_of(z + 5 * around(position, 50), zero_lag)
    position[:10] = np.nan
    after = without_neuropil(before, position)
    unknown = np.zeros((N, N), bool)
    unknown[:10] = unknown[:, :10] = True
    assert torch.equal(after.estimate[unknown], before.estimate[unknown])
    assert not torch.equal(after.estimate[~unknown], before.estimate[~unknown])
    assert without_neuropil(before, np.full((N, 3), np.nan)) is before


def test_a_few_neurons_say_nothing_of_their_surroundings(position):
    z, zero_lag = noise(6)
    before = evidence_of(z + 5 * around(position, 50), zero_lag)
    few = {name: value[:15, :15] if isinstance(value, torch.Tensor) else value for name, value in vars(before).items()}
    before = replace(before, **few)
    assert without_neuropil(before, position[:15]) is before


def test_the_order_of_the_neurons_does_not_matter(position):
    z, zero_lag = noise(7)
    near = around(position, 50)
    order = np.random.default_rng(8).permutation(N)
    one = scores(without_neuropil(evidence_of(z + 5 * near, zero_lag), position))
    shuffled = evidence_of((z + 5 * near)[order][:, order], zero_lag[order][:, order])
    for a, b in zip(one, scores(without_neuropil(shuffled, position[order])), strict=True):
        assert a[order][:, order] == pytest.approx(b, abs=1e-3)


def test_in_traces_that_hold_their_neighbours_light_neighbours_are_no_more_connected_than_others():
    """40 neurons without connections, 5 minutes at 30 Hz."""
    rng = np.random.default_rng(0)
    position = np.c_[rng.uniform(0, 200, (40, 2)), np.zeros(40)]
    near = around(position, 40)
    traces = lfilter([1], [1, -0.95], rng.random((9000, 40)) < 0.05, axis=0)
    traces = traces + 0.7 * traces @ (near / near.sum(1, keepdims=True)).T + 0.2 * rng.normal(size=traces.shape)
    close = near > np.quantile(near, 0.95)
    scores = {}
    for name, known in (("unknown", None), ("known", position)):
        recording = Recording.from_array(traces, 1 / 30, "calcium", neurons=neuron_table(40, position_um=known))
        scores[name] = np.abs(SynapsNet(seed=0, epochs=3).infer(recording).scores[close]).mean()
    assert scores["known"] < scores["unknown"] / 2
