"""Random connectivity: density, cell types, weights and delays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.connectivity import cell_type_blocks, erdos_renyi
from synapsnet.errors import InputError

N = 400


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("probability", [0.02, 0.1, 0.5])
def test_erdos_renyi_has_the_density_asked_for(probability):
    pairs = N * (N - 1)
    found = np.count_nonzero(erdos_renyi(probability, np.ones(N), rng()).weight)
    assert abs(found - probability * pairs) < 4 * np.sqrt(pairs * probability * (1 - probability))


def test_erdos_renyi_connects_each_direction_independently():
    """Reciprocal pairs are as frequent as chance has it."""
    adjacency = erdos_renyi(0.2, np.ones(N), rng()).adjacency
    pairs = N * (N - 1) / 2
    reciprocal = (adjacency & adjacency.T).sum() / 2
    assert abs(reciprocal - 0.04 * pairs) < 4 * np.sqrt(pairs * 0.04 * 0.96)


def test_probabilities_of_zero_and_one_are_exact():
    assert not erdos_renyi(0.0, np.ones(5), rng()).weight.any()
    assert np.array_equal(erdos_renyi(1.0, np.ones(5), rng()).adjacency, ~np.eye(5, dtype=bool))


@given(seed=st.integers(0, 1000), probability=st.floats(0, 1), n=st.integers(2, 12))
def test_no_neuron_is_connected_to_itself(seed, probability, n):
    connectome = erdos_renyi(probability, np.ones(n), rng(seed))
    assert not np.diagonal(connectome.weight).any()


def test_weights_are_lognormal_around_the_mean_asked_for():
    weight = erdos_renyi(0.5, np.full(N, 0.7), rng(), weight_sigma=0.5).weight
    drawn = weight[weight != 0]
    assert drawn.mean() == pytest.approx(0.7, rel=0.01)
    assert np.log(drawn).std() == pytest.approx(0.5, rel=0.01)
    assert np.log(drawn).mean() == pytest.approx(np.log(0.7) - 0.125, abs=0.01)


def test_without_sigma_all_weights_are_the_mean():
    weight = erdos_renyi(0.5, np.full(6, -2.0), rng(), weight_sigma=0.0).weight
    assert set(np.unique(weight)) == {-2.0, 0.0}


def test_the_presynaptic_neuron_gives_the_sign():
    strength = np.where(np.arange(20) < 16, 1.0, -3.0)
    weight = erdos_renyi(0.5, strength, rng()).weight
    assert (weight[:, :16] >= 0).all()
    assert (weight[:, 16:] <= 0).all()
    assert weight[:, :16].any()
    assert weight[:, 16:].any()


def test_connections_and_only_they_have_delays_within_their_range():
    connectome = erdos_renyi(0.3, np.ones(100), rng(), delay_range_s=(0.002, 0.004))
    delays = connectome.delay_s[connectome.adjacency]
    assert np.array_equal(np.isnan(connectome.delay_s), ~connectome.adjacency)
    assert delays.min() >= 0.002
    assert delays.max() <= 0.004
    assert delays.mean() == pytest.approx(0.003, abs=5e-5)


TYPES = ["A"] * 150 + ["B"] * 100
PROBABILITY = {"A": {"A": 0.05, "B": 0.6}, "B": {"A": 0.2, "B": 0.0}}
STRENGTH_MV = {"A": {"A": 0.5, "B": -2.0}, "B": {"A": 1.5, "B": -1.0}}


@pytest.mark.parametrize("post", ["A", "B"])
@pytest.mark.parametrize("pre", ["A", "B"])
def test_each_block_has_its_own_probability_and_mean_weight(post, pre):
    weight = cell_type_blocks(TYPES, PROBABILITY, STRENGTH_MV, rng()).weight
    kind = np.array(TYPES)
    block = weight[np.ix_(kind == post, kind == pre)]
    p = PROBABILITY[post][pre]
    pairs = block.size - (len(block) if post == pre else 0)
    assert abs(np.count_nonzero(block) - p * pairs) <= 4 * np.sqrt(pairs * p * (1 - p))
    if p:
        assert block[block != 0].mean() == pytest.approx(STRENGTH_MV[post][pre], rel=0.1)


def test_the_order_of_neurons_does_not_matter_to_the_blocks():
    kinds = np.array(["B", "A"] * 100)
    weight = cell_type_blocks(kinds, PROBABILITY, STRENGTH_MV, rng()).weight
    assert not weight[np.ix_(kinds == "B", kinds == "B")].any()
    assert weight[np.ix_(kinds == "A", kinds == "B")].min() < 0


def test_a_pair_of_types_that_is_missing_is_named():
    with pytest.raises(InputError, match="every pair of the cell types A, B, C; 'C' is missing"):
        cell_type_blocks([*TYPES, "C"], PROBABILITY, STRENGTH_MV, rng())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 1.5}, r"probabilities must lie in \[0, 1\]; got 1.5"),
        ({"probability": -0.1}, r"must lie in \[0, 1\]"),
        ({"probability": float("nan")}, r"must lie in \[0, 1\]"),
        ({"weight_sigma": -1.0}, "sigma of lognormal weights must be 0 or more; got -1"),
        ({"delay_range_s": (-0.001, 0.001)}, "Delays must lie between 0 and a longest"),
        ({"delay_range_s": (0.003, 0.001)}, "Delays must lie between 0 and a longest"),
    ],
)
def test_refuses_unusable_parameters(options, message):
    with pytest.raises(InputError, match=message):
        erdos_renyi(**{"probability": 0.1, "strength_mv": np.ones(5), "rng": rng(), **options})
