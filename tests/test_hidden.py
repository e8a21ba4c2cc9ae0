"""Hidden neurons: who is visible, and what passes through those who are not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.hidden import effective_weight, response_gain, visible_part
from simulators.networks import LifConnectome
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation, neuron_table


def simulation_of(
    trains: list[np.ndarray], weight: np.ndarray, duration_s: float, delay_s: float = 0.002, **table: Any
) -> Simulation:
    support = nap.IntervalSet(0, duration_s)
    spikes = {k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}
    connectome = Connectome(weight, delay_s=np.where(weight != 0, delay_s, np.nan))
    return Simulation(nap.TsGroup(spikes, time_support=support), neuron_table(len(trains), **table), connectome)


# The effective connectivity, by hand


def test_a_relay_is_the_product_of_its_weights_and_the_gain():
    a, h, b = range(3)
    weight = np.zeros((3, 3))
    weight[h, a], weight[b, h] = 2.0, 3.0
    effective = effective_weight(weight, np.array([9.0, 0.05, 9.0]), np.array([a, b]))
    assert effective == pytest.approx(np.array([[0.0, 0.0], [2.0 * 0.05 * 3.0, 0.0]]))


def test_a_direct_connection_and_paths_through_one_and_two_hidden_neurons_add_up():
    """A to B directly, by H, and by H and then J; J inhibits; H and J excite each other back."""
    a, b, h, j = range(4)
    weight = np.zeros((4, 4))
    weight[b, a], weight[h, a], weight[b, h], weight[j, h], weight[b, j], weight[h, j] = 1.0, 2.0, 3.0, 4.0, -5.0, 6.0
    gain = np.array([0.0, 0.0, 0.1, 0.05])
    spikes_of_h = 0.1 * 2.0 / (1 - 0.1 * 6.0 * 0.05 * 4.0)  # a geometric series: by itself and by way of J
    spikes_of_j = 0.05 * 4.0 * spikes_of_h
    effective = effective_weight(weight, gain, np.array([a, b]))
    assert effective[1, 0] == pytest.approx(1.0 + 3.0 * spikes_of_h - 5.0 * spikes_of_j)


def test_paths_back_to_the_same_neuron_are_left_out():
    weight = np.zeros((3, 3))
    weight[2, 0], weight[0, 2] = 2.0, 3.0
    assert not effective_weight(weight, np.full(3, 0.1), np.array([0, 1])).any()


networks = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def random_weight(rng: np.random.Generator, n: int = 8) -> np.ndarray:
    weight = rng.normal(0, 1, (n, n)) * (rng.random((n, n)) < 0.4)
    np.fill_diagonal(weight, 0.0)
    return weight


@given(networks)
def test_effective_connectivity_is_the_sum_over_all_paths_through_hidden_neurons(rng):
    weight, gain = random_weight(rng), rng.uniform(0, 0.1, 8)
    visible, hidden = np.array([0, 2, 5]), np.array([1, 3, 4, 6, 7])
    arriving = weight[np.ix_(hidden, visible)]
    expected = weight[np.ix_(visible, visible)].copy()
    for _ in range(200):
        expected += weight[np.ix_(visible, hidden)] @ (gain[hidden, None] * arriving)
        arriving = weight[np.ix_(hidden, hidden)] @ (gain[hidden, None] * arriving)
    np.fill_diagonal(expected, 0.0)
    assert effective_weight(weight, gain, visible) == pytest.approx(expected, abs=1e-12)


@given(networks)
def test_relabelled_neurons_give_the_relabelled_connectivity(rng):
    weight, gain, order = random_weight(rng), rng.uniform(0, 0.1, 8), rng.permutation(8)
    position = np.argsort(order)
    visible = np.array([6, 1, 4])
    relabelled = effective_weight(weight[np.ix_(order, order)], gain[order], position[visible])
    assert relabelled == pytest.approx(effective_weight(weight, gain, visible))


@given(networks)
def test_without_hidden_neurons_it_is_the_direct_connectivity(rng):
    weight = random_weight(rng)
    assert np.array_equal(effective_weight(weight, np.ones(8), np.arange(8)), weight)


def test_refuses_hidden_neurons_that_excite_each_other_without_end():
    weight = np.array([[0.0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 10], [0, 0, 10, 0]])
    with pytest.raises(InputError, match=r"The 2 hidden neurons excite each other so strongly, 1\.5 spikes per spike"):
        effective_weight(weight, np.full(4, 0.15), np.array([0, 1]))


def test_many_hidden_neurons_need_not_be_connected_among_themselves():
    """So many that only the largest of their eigenvalues is sought."""
    weight = np.zeros((602, 602))
    weight[2:, 0], weight[1, 2:] = 1.0, 0.5
    effective = effective_weight(weight, np.full(602, 0.1), np.array([0, 1]))
    assert effective == pytest.approx(np.array([[0.0, 0.0], [600 * 1.0 * 0.1 * 0.5, 0.0]]))


def test_strong_inhibition_among_hidden_neurons_does_not_run_away():
    weight = np.array([[0.0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, -10], [0, 0, 10, 0]])
    assert np.isfinite(effective_weight(weight, np.full(4, 0.15), np.array([0, 1]))).all()


# The gain


GAIN = 0.05


def answering_neurons(
    modulation: float, delay_s: float = 0.002, seed: int = 0, duration_s: float = 2000.0
) -> Simulation:
    """Poisson neurons that fire `GAIN` more spikes for each mV, 2 to 32 ms after a presynaptic spike arrives.

    Neuron 0 drives 1 and 2, and 1 drives 2. The rates of all vary together, by the fraction `modulation` in 3 s.
    """
    rng = np.random.default_rng(seed)
    weight = np.zeros((3, 3))
    weight[1, 0], weight[2, 0], weight[2, 1] = 8.0, 2.0, 1.0

    def background() -> np.ndarray:
        candidates = rng.uniform(0, duration_s, rng.poisson(10.0 * (1 + modulation) * duration_s))
        accepted = (1 + modulation * np.sin(2 * np.pi * candidates / 3.0)) / (1 + modulation)
        return candidates[rng.random(len(candidates)) < accepted]

    def answers(times_s: np.ndarray, weight_mv: float) -> np.ndarray:
        answered = times_s[rng.random(len(times_s)) < GAIN * weight_mv]
        return answered + delay_s + 0.002 + rng.uniform(0, 0.03, len(answered))

    first = background()
    second = np.concatenate([background(), answers(first, 8.0)])
    third = np.concatenate([background(), answers(first, 2.0), answers(second, 1.0)])
    trains = [np.sort(train[train < duration_s]) for train in (first, second, third)]
    return simulation_of(trains, weight, duration_s, delay_s, cell_type=["a", "b", "c"])


@pytest.mark.parametrize(("modulation", "delay_s"), [(0.0, 0.002), (0.5, 0.002), (0.0, 0.2)])
def test_the_gain_is_the_number_of_spikes_evoked_per_millivolt(modulation, delay_s):
    """Neither the input that neurons share from outside nor what passes through other neurons is taken for it."""
    gains = [response_gain(answering_neurons(modulation, delay_s, seed), np.array([2, 1])) for seed in range(4)]
    assert np.mean(gains, axis=0) == pytest.approx([GAIN, GAIN], rel=0.12)


def test_a_neuron_without_input_takes_the_gain_of_its_type():
    simulation = answering_neurons(0.0)
    neurons = simulation.neurons.assign(cell_type=["x", "x", "y"])
    gain = response_gain(replace(simulation, neurons=neurons), np.array([0, 1, 2]))
    assert gain[0] == gain[1] > 0.03
    lonely = replace(simulation, connectome=Connectome(np.zeros((3, 3))))
    assert not response_gain(lonely, np.array([0, 1, 2])).any()


def test_uncertain_gains_of_one_type_are_drawn_together():
    rng = np.random.default_rng(0)
    weight = np.zeros((20, 20))
    weight[1:, 0] = 1.0
    trains = [np.sort(rng.uniform(0, 60.0, 300)) for _ in range(20)]  # no one answers
    simulation = simulation_of(trains, weight, 60.0)
    alone = simulation.neurons.assign(cell_type=[str(k) for k in range(20)])
    scatter = response_gain(replace(simulation, neurons=alone), np.arange(1, 20)).std()
    assert response_gain(simulation, np.arange(1, 20)).std() < scatter / 2


def test_silent_and_perfectly_regular_neurons_have_a_finite_gain():
    weight = np.array([[0.0, 0, 0], [1, 0, 0], [1, 0, 0]])
    regular = np.arange(1, 1000) * 0.05
    simulation = simulation_of([regular, np.zeros(0), regular + 0.004], weight, 60.0)
    assert np.isfinite(response_gain(simulation, np.array([1, 2]))).all()


# A relay of LIF neurons, simulated

A, H, B = 0, np.arange(1, 10), np.arange(10, 20)
WEIGHT_MV = 3.0


@pytest.fixture(scope="module")
def relay(simulate_once: Any) -> Simulation:
    """A excites all of H, and all of H excite all of B."""
    weight = np.zeros((20, 20))
    weight[H, A] = WEIGHT_MV
    weight[np.ix_(B, H)] = WEIGHT_MV
    connectome = Connectome(weight, delay_s=np.where(weight != 0, 0.002, np.nan))
    network = LifConnectome(connectome=connectome, drive_mv=[6.0] + [7.0] * 9 + [2.0] * 10)
    return simulate_once(network, duration_s=600.0, seed=1)


def excess_spikes(simulation: Simulation, post: int, pre: int, window_s: float = 0.1) -> float:
    """Spikes of `post` in a window after each spike of `pre`, less those in the window before."""
    pre_s, post_s = (simulation.spike_times[int(k)].times() for k in (pre, post))

    def until(lag_s: float) -> int:
        return int(np.searchsorted(post_s, pre_s + lag_s).sum())

    return (until(window_s) - 2 * until(0.0) + until(-window_s)) / len(pre_s)


def test_the_effective_weight_predicts_what_a_relay_does(relay):
    """Within 20%; the direct view has no connection at all."""
    seen = visible_part(
        replace(relay, neurons=relay.neurons.assign(cell_type=["a"] + ["h"] * 9 + ["b"] * 10)),
        by="type",
        cell_types=("a", "b"),
    )
    assert not seen.connectome.weight.any()
    effective_mv = seen.connectome.effective[1:, 0]
    assert (effective_mv > 0).all()
    assert np.count_nonzero(seen.connectome.effective) == 10
    measured = np.mean([excess_spikes(relay, post, A) for post in B])
    predicted = np.mean(response_gain(relay, B) * effective_mv)
    assert predicted == pytest.approx(measured, rel=0.2)


def test_the_gain_of_a_lif_neuron_is_its_measured_excess_per_millivolt(relay):
    measured = np.mean([excess_spikes(relay, post, A) for post in H]) / WEIGHT_MV
    assert np.mean(response_gain(relay, H)) == pytest.approx(measured, rel=0.15)


# Who is visible


@pytest.fixture(scope="module")
def small() -> Simulation:
    """Ten neurons on a line, 10 um apart, that fire at random."""
    rng = np.random.default_rng(0)
    weight = random_weight(rng, 10)
    position = np.stack([np.arange(10) * 10.0, np.zeros(10), rng.uniform(0, 1e4, 10)], axis=1)
    trains = [np.sort(rng.uniform(0, 60.0, 200)) for _ in range(10)]
    return simulation_of(trains, weight, 60.0, cell_type=["excitatory", "Pvalb"] * 5, position_um=position)


def test_a_field_of_view_holds_those_nearest_to_the_middle_whatever_their_depth(small):
    assert visible_part(small, by="field", fraction=0.4).metadata["visible"]["indices"] == [3, 4, 5, 6]


def test_cell_types_are_visible_as_a_whole(small):
    seen = visible_part(small, by="type", cell_types=("Pvalb",))
    assert seen.metadata["visible"]["indices"] == [1, 3, 5, 7, 9]
    assert set(seen.neurons["cell_type"]) == {"Pvalb"}


def test_a_random_sample_depends_on_its_seed(small):
    samples = [visible_part(small, seed=seed).metadata["visible"]["indices"] for seed in (0, 0, 1, 2, 3)]
    assert all(len(set(sample)) == 5 and sample == sorted(sample) for sample in samples)
    assert samples[0] == samples[1]
    assert len(set(map(tuple, samples))) > 2


def test_everything_about_the_visible_neurons_is_kept(small):
    behaviour = nap.TsdFrame(t=np.arange(60.0), d=np.ones((60, 1)), columns=["speed"])
    seen = visible_part(replace(small, behaviour=behaviour, metadata={"network": "x"}), seed=5)
    kept = seen.metadata["visible"]["indices"]
    assert seen.metadata["network"] == "x"
    assert seen.metadata["visible"]["ids"] == [str(k) for k in kept] == seen.neurons["id"].tolist()
    assert json.loads(json.dumps(seen.metadata)) == seen.metadata
    assert seen.behaviour is behaviour
    assert np.array_equal(seen.connectome.weight, small.connectome.weight[np.ix_(kept, kept)])
    assert np.array_equal(seen.connectome.delay_s, small.connectome.delay_s[np.ix_(kept, kept)], equal_nan=True)
    for new, old in enumerate(kept):
        assert np.array_equal(seen.spike_times[new].times(), small.spike_times[old].times())


def test_with_all_neurons_visible_the_two_views_are_one(small):
    seen = visible_part(small, fraction=1.0)
    assert np.array_equal(seen.connectome.effective, seen.connectome.weight)
    assert np.array_equal(seen.connectome.weight, small.connectome.weight)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0.0}, "fraction of visible neurons must be more than 0 and at most 1; got 0"),
        ({"fraction": 1.5}, "at most 1; got 1.5"),
        ({"fraction": float("nan")}, "at most 1; got nan"),
        ({"seed": -1}, "seed must be a whole number of 0 or more; got -1"),
        ({"fraction": 0.1}, "needs at least 2 neurons, and 1 of 10 would be visible; raise the fraction"),
        ({"by": "fields"}, "no way to choose neurons 'fields'; did you mean 'field'"),
        ({"by": "type"}, "Give cell types if by='type', and only then"),
        ({"cell_types": ("Pvalb",)}, r"got by='random' and \['Pvalb'\]"),
        ({"by": "type", "cell_types": ("Pvab",)}, "no cell type 'Pvab'; did you mean 'Pvalb'"),
    ],
)
def test_refuses_unusable_choices(small, options, message):
    with pytest.raises(InputError, match=message):
        visible_part(small, **options)


def test_refuses_a_field_without_positions(small):
    nowhere = replace(small, neurons=small.neurons.assign(x_um=np.nan))
    with pytest.raises(InputError, match="A field of view needs the positions of all neurons, but 10 of 10"):
        visible_part(nowhere, by="field")


def test_refuses_a_part_of_a_part(small):
    with pytest.raises(InputError, match="take a part of the whole network instead"):
        visible_part(visible_part(small))


def test_refuses_a_simulation_that_is_too_short_to_show_a_response(small):
    support = nap.IntervalSet(0, 0.2)
    short = replace(small, spike_times=small.spike_times.restrict(support))
    with pytest.raises(InputError, match=r"takes more than 0.2 s; got 0.2 s"):
        visible_part(short)
