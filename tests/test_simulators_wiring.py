"""Parts of a wiring: weights, delays, blocks of cell types, choosing partners."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulators.wiring import cell_type_blocks, lowest, weigh
from synapsnet.errors import InputError

N = 400


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def some(n: int = N, probability: float = 0.5) -> np.ndarray:
    return rng(1).random((n, n)) < probability


@given(seed=st.integers(0, 1000), probability=st.floats(0, 1), n=st.integers(2, 12))
def test_who_is_connected_stays_but_for_self_connections(seed, probability, n):
    connected = rng(seed).random((n, n)) < probability
    before = connected.copy()
    weight = weigh(connected, np.ones(n), rng(seed)).weight
    assert np.array_equal(weight != 0, connected & ~np.eye(n, dtype=bool))
    assert np.array_equal(connected, before)


def test_weights_are_lognormal_around_the_mean_asked_for():
    weight = weigh(some(), np.full(N, 0.7), rng(), weight_sigma=0.5).weight
    drawn = weight[weight != 0]
    assert drawn.mean() == pytest.approx(0.7, rel=0.01)
    assert stats.kstest(np.log(drawn), "norm", (np.log(0.7) - 0.125, 0.5)).pvalue > 0.01


def test_without_sigma_all_weights_are_the_mean():
    weight = weigh(some(6), np.full(6, -2.0), rng(), weight_sigma=0.0).weight
    assert set(np.unique(weight)) == {-2.0, 0.0}


def test_the_presynaptic_neuron_gives_the_sign():
    strength = np.where(np.arange(20) < 16, 1.0, -3.0)
    weight = weigh(some(20), strength, rng()).weight
    assert (weight[:, :16] >= 0).all()
    assert (weight[:, 16:] <= 0).all()
    assert weight[:, :16].any()
    assert weight[:, 16:].any()


def test_a_mean_for_each_pair_is_that_of_post_and_pre():
    mean = np.arange(1.0, 10.0).reshape(3, 3)
    weight = weigh(np.ones((3, 3), bool), mean, rng(), weight_sigma=0.0).weight
    assert np.array_equal(weight, mean * ~np.eye(3, dtype=bool))


def test_connections_and_only_they_have_delays_within_their_range():
    connectome = weigh(some(100, 0.3), np.ones(100), rng(), delay_range_s=(0.002, 0.004))
    delays = connectome.delay_s[connectome.adjacency]
    assert np.array_equal(np.isnan(connectome.delay_s), ~connectome.adjacency)
    assert delays.min() >= 0.002
    assert delays.max() <= 0.004
    assert delays.mean() == pytest.approx(0.003, abs=5e-5)


def test_a_neuron_without_strength_has_no_outgoing_connections_and_no_delays():
    connectome = weigh(np.ones((5, 5), bool), np.array([1, 1, 0, -1, -1]), rng())
    assert not connectome.weight[:, 2].any()
    assert np.isnan(connectome.delay_s[:, 2]).all()


def test_the_lowest_of_each_row_are_those_that_sorting_finds():
    values = rng().random((7, 9))
    assert np.array_equal(lowest(values, 4), np.argsort(np.argsort(values, axis=1), axis=1) < 4)


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


@pytest.mark.parametrize("wrong", [1.5, -0.1, float("nan")])
def test_refuses_numbers_that_are_not_probabilities(wrong):
    with pytest.raises(InputError, match=r"probabilities must lie in \[0, 1\]; got"):
        cell_type_blocks(TYPES, PROBABILITY | {"A": {"A": wrong, "B": wrong}}, STRENGTH_MV, rng())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_sigma": -1.0}, "sigma of lognormal weights must be 0 or more; got -1"),
        ({"delay_range_s": (-0.001, 0.001)}, "Delays must lie between 0 and a longest"),
        ({"delay_range_s": (0.003, 0.001)}, "Delays must lie between 0 and a longest"),
    ],
)
def test_refuses_unusable_parameters(options, message):
    with pytest.raises(InputError, match=message):
        weigh(some(5), np.ones(5), rng(), **options)
