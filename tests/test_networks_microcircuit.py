"""The microcircuit of Potjans & Diesmann: wiring, scaling and rates against the published model."""

from __future__ import annotations

from typing import Any

import isolated
import numpy as np
import pytest

from simulators.networks.microcircuit import (
    EXTERNAL_INPUTS,
    FULL_RATE_HZ,
    INPUTS,
    POPULATIONS,
    PROBABILITY,
    SIZE,
    Microcircuit,
)
from simulators.neurons.lif import psp_peak
from synapsnet.errors import InputError

N_POPULATIONS = len(POPULATIONS)


@pytest.fixture(scope="module")
def drawn() -> tuple[Any, Any]:
    """The connectome and the population of each neuron, at twice the default scale."""
    network = Microcircuit(scale=0.02, k_scale=0.02)
    return network.connect(np.random.default_rng(0)), network.neurons()["cell_type"].to_numpy()


def test_the_full_model_has_its_published_size():
    assert SIZE.sum() == 77169
    assert (INPUTS * SIZE[:, None]).sum() == pytest.approx(0.3e9, rel=0.01)  # "0.3 billion synapses"


def test_an_excitatory_current_is_87_8_pa():
    leak_ns = 250 / 10  # capacitance in pF over time constant in ms
    assert 0.15 / psp_peak(10.0, 0.5) * leak_ns == pytest.approx(87.8, abs=0.05)


@pytest.mark.parametrize("post", range(N_POPULATIONS))
@pytest.mark.parametrize("pre", range(N_POPULATIONS))
def test_in_degrees_and_weights_are_the_scaled_ones(drawn, post, pre):
    connectome, kind = drawn
    block = connectome.weight[np.ix_(kind == POPULATIONS[post], kind == POPULATIONS[pre])]
    expected = 0.02 * INPUTS[post, pre] * len(block)
    n = np.count_nonzero(block)
    # 5 standard deviations, the excluded self-connections, and sizes that are rounded
    assert n == pytest.approx(expected, abs=5 * np.sqrt(expected) + len(block) + 0.03 * expected)
    if n > 20:
        full_mv = -0.6 if pre % 2 else 0.3 if (post, pre) == (0, 2) else 0.15
        weights = block[block != 0]
        assert weights.mean() == pytest.approx(5 * full_mv, rel=0.5 / np.sqrt(n))
        assert np.sign(weights).tolist() == [np.sign(full_mv)] * n


def test_delays_are_longer_from_excitatory_neurons(drawn):
    connectome, kind = drawn
    excitatory = np.array([name.endswith("E") for name in kind])
    for of, mean_ms in ((excitatory, 1.5), (~excitatory, 0.75)):
        delay_ms = connectome.delay_s[:, of][connectome.adjacency[:, of]] * 1e3
        assert np.median(delay_ms) == pytest.approx(mean_ms, rel=0.02)
        assert np.subtract(*np.percentile(delay_ms, [75, 25])) == pytest.approx(1.349 * mean_ms / 2, rel=0.03)
        assert delay_ms.min() >= 0.1


@pytest.mark.parametrize("weight_scale", [1.0, 5.0, 10.0])
def test_mean_and_variance_of_the_input_are_those_of_the_full_model(weight_scale):
    """Campbell's theorem for the recurrent input at the published rates, of what is left and what replaces the rest."""
    network = Microcircuit(weight_scale=weight_scale)
    first = np.r_[0, np.cumsum(np.round(0.01 * SIZE).astype(int))[:-1]]  # a neuron of each population
    weight_mv = np.array([[-0.6 if pre % 2 else 0.15 for pre in range(8)] for _ in range(8)])
    weight_mv[0, 2] = 0.3
    area_mv_s = weight_mv / psp_peak(10.0, 0.5) * 0.5e-3  # of the current that a spike causes
    mean = (area_mv_s * INPUTS * FULL_RATE_HZ).sum(axis=1)
    variance = ((area_mv_s / 10e-3) ** 2 * INPUTS * FULL_RATE_HZ).sum(axis=1) * 10e-3 / 2
    left_mean = 0.01 * weight_scale * mean
    left_variance = 0.01 * weight_scale**2 * variance
    assert network.drive()[first] + left_mean == pytest.approx(mean)
    assert network.missing_noise()[first] ** 2 + left_variance == pytest.approx(variance)


def test_external_input_is_that_of_the_full_model():
    rate_hz = Microcircuit().neuron_values(np.random.default_rng(0))["external_rate"]
    assert sorted(set(rate_hz)) == sorted(set(8.0 * EXTERNAL_INPUTS))


@pytest.mark.parametrize(("weight_mv", "extreme"), [(0.75, np.max), (-3.0, np.min)])
def test_the_weight_is_the_peak_of_the_potential(weight_mv, extreme):
    traces = isolated.run(
        Microcircuit(),
        0.08,
        values={"v": 0.0, "drive": 0.0},
        neurons=[0],
        pre=1,
        weight_mv=weight_mv,
        arrivals_s=(0.02,),
    )
    assert extreme(traces.v) * 1e3 == pytest.approx(weight_mv, rel=0.03)


def test_populations_fire_at_the_rates_of_the_full_model(simulate_once):
    """Few of the 206 neurons of the first population fire, 370 spikes in all: its standard error is 0.03 Hz or more."""
    simulation = simulate_once("microcircuit", duration_s=3.0, seed=1)
    rates = np.array([len(simulation.spike_times[k]) for k in range(simulation.n_neurons)]) / 3.0
    kind = simulation.neurons["cell_type"].to_numpy()
    by_population = np.array([rates[kind == name].mean() for name in POPULATIONS])
    assert by_population[0] == pytest.approx(0.6, abs=0.15)
    assert by_population[1:] == pytest.approx(FULL_RATE_HZ[1:], rel=0.25)


def test_neurons_lie_in_their_layers():
    network = Microcircuit()
    position = network.place(np.random.default_rng(0))
    layer = network.neurons()["cell_type"].str[:-1].to_numpy()
    assert position.shape == (771, 3)
    deepest = [position[layer == name, 2].max() for name in ("L23", "L4", "L5")]
    highest = [position[layer == name, 2].min() for name in ("L4", "L5", "L6")]
    assert (np.array(deepest) <= np.array(highest)).all()
    assert np.ptp(position[:, 0]) < 100  # 1% of a square millimetre


def test_any_topology_gets_strengths_with_the_signs_of_the_types():
    network = Microcircuit()
    inhibitory = network.neurons()["cell_type"].str.endswith("I").to_numpy()
    assert network.strength_mv() == pytest.approx(np.where(inhibitory, -3.0, 0.75))


def test_the_table_of_probabilities_has_rows_for_targets():
    """Layer 6 inhibition stays in layer 6, and layer 5 inhibition is the densest: both are columns."""
    assert not PROBABILITY[:6, 7].any()
    assert PROBABILITY.argmax() == np.ravel_multi_index((4, 5), PROBABILITY.shape)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scale": 0.01, "k_scale": 0.05}, r"too few neurons for so many inputs.*must not exceed 0.0215; got 0.05"),
        ({"weight_scale": 12.0}, r"must not exceed 1/sqrt\(k_scale\), 10.0000; got 12.0"),
        ({"scale": 1.0}, r"'scale'.*less than or equal to 0.2; got 1.0"),
    ],
)
def test_refuses_what_cannot_be_scaled(parameters, message):
    with pytest.raises(InputError, match=message):
        Microcircuit(**parameters)
