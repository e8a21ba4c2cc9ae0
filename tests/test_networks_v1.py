"""Mouse V1 layer 2/3: wiring and strength against the tables, short-term plasticity against its recursion."""

from __future__ import annotations

from typing import Any

import isolated
import numpy as np
import pytest

from simulators.networks.v1 import CELL_TYPES, PROBABILITY, SHORT_TERM, STRENGTH_MV, V1Layer23
from synapsnet.errors import InputError

# (post, pre): amplitude after rest in mV, 90th percentile of amplitudes in mV, and the change from the first to the 6th
# to 8th spike at 50 Hz as a fraction of that percentile: medians of the public data of Campagnola et al. 2022, release
# 2.1, from the table that `simulators.networks.v1` names
MEASURED = {
    ("excitatory", "excitatory"): (0.2132, 0.3374, -0.3125),
    ("Pvalb", "excitatory"): (0.4418, 0.6928, -0.1800),
    ("Sst", "excitatory"): (0.0730, 0.7937, 0.1240),
    ("Vip", "excitatory"): (0.4724, 1.5512, 0.0460),
    ("excitatory", "Pvalb"): (0.4620, 0.4890, -0.5236),
    ("Pvalb", "Pvalb"): (0.4586, 0.5023, -0.5029),
    ("Sst", "Pvalb"): (0.4440, 0.5774, -0.3428),
    ("Vip", "Pvalb"): (0.2478, 0.3806, -0.3178),
    ("excitatory", "Sst"): (0.1679, 0.3363, -0.1347),
    ("Pvalb", "Sst"): (0.1645, 0.3823, -0.1350),
    ("Sst", "Sst"): (0.1549, 0.3932, -0.1225),
    ("Vip", "Sst"): (0.1602, 0.7685, 0.3318),
    ("Pvalb", "Vip"): (0.1348, 0.2982, -0.1303),
    ("Sst", "Vip"): (0.1600, 0.4209, 0.0815),
    ("Vip", "Vip"): (0.0968, 0.3116, 0.0440),
}


def recursion(post: str, pre: str, n_spikes: int, interval_ms: float) -> Any:
    """Amplitudes in a regular train, relative to the first, of Tsodyks, Pawelzik & Markram 1998."""
    use, recovery_ms, facilitation_ms = SHORT_TERM[post][pre]
    u, x, amplitudes = use, 1.0, []
    for _ in range(n_spikes):
        amplitudes.append(u * x / use)
        x = 1 - (1 - x * (1 - u)) * np.exp(-interval_ms / recovery_ms)
        u = use + u * (1 - use) * np.exp(-interval_ms / facilitation_ms)
    return np.array(amplitudes)


@pytest.fixture(scope="module")
def drawn() -> tuple[Any, Any]:
    """Weights and types of a large network with many of every type."""
    network = V1Layer23(n_neurons=1200, pvalb_fraction=0.2, sst_fraction=0.2, vip_fraction=0.2)
    weight = network.connect(np.random.default_rng(0)).weight
    return weight, network.neurons()["cell_type"].to_numpy()


@pytest.mark.parametrize("post", CELL_TYPES)
@pytest.mark.parametrize("pre", CELL_TYPES)
def test_types_are_wired_by_the_tables(drawn, post, pre):
    weight, kind = drawn
    block = weight[np.ix_(kind == post, kind == pre)]
    n_pairs = block.size - (len(block) if post == pre else 0)
    p = PROBABILITY[post][pre]
    assert np.count_nonzero(block) / n_pairs == pytest.approx(p, abs=4.5 * np.sqrt(p * (1 - p) / n_pairs))
    if p:
        median_mv = np.median(block[block != 0])
        tolerance = 5 * 1.2533 * 0.6 / np.sqrt(np.count_nonzero(block))  # standard error of a lognormal's median
        assert np.log(median_mv / STRENGTH_MV[post][pre]) == pytest.approx(0, abs=tolerance)


@pytest.mark.parametrize("pair", MEASURED, ids=lambda pair: f"{pair[1]}-to-{pair[0]}")
def test_strength_and_plasticity_are_those_that_were_measured(pair):
    post, pre = pair
    at_rest, large, change = MEASURED[pair]
    assert abs(STRENGTH_MV[post][pre]) == pytest.approx(at_rest, abs=0.005)
    assert recursion(post, pre, 8, 20.0)[5:].mean() - 1 == pytest.approx(change * large / at_rest, abs=0.05)


@pytest.mark.parametrize(
    ("post", "pre"), [("excitatory", "excitatory"), ("Sst", "excitatory"), ("Pvalb", "Pvalb"), ("Vip", "Sst")]
)
def test_a_synapse_follows_the_recursion_at_20_hz(post, pre):
    network = V1Layer23()
    kind = network.neurons()["cell_type"].to_numpy()
    i, j = np.flatnonzero(kind == post)[0], np.flatnonzero(kind == pre)[1]
    weight_mv = -2.0 if pre != "excitatory" else 2.0
    arrivals_s = tuple(0.01 + 0.05 * np.arange(8))
    traces = isolated.run(
        network,
        0.42,
        values={"v": 0.0, "drive": 0.0},
        neurons=[int(i)],
        pre=int(j),
        weight_mv=weight_mv,
        arrivals_s=arrivals_s,
    )
    arrived = np.searchsorted(traces.time_s, np.array(arrivals_s) + 1e-5)
    jumps = traces.current[0, arrived] - traces.current[0, arrived - 1] * (1 - 0.1 / network.tau_syn_ms)
    assert jumps / jumps[0] == pytest.approx(recursion(post, pre, 8, 50.0), rel=1e-3)
    first = traces.v[0, : arrived[1]] * 1e3
    assert first[np.abs(first).argmax()] == pytest.approx(weight_mv, rel=0.02)


def test_types_fire_at_the_stated_rates(simulate_once):
    simulation = simulate_once("v1", duration_s=30.0, seed=1)
    trains = [simulation.spike_times[k].times() for k in range(200)]
    rates = np.array([len(train) for train in trains]) / 30.0
    kind = simulation.neurons["cell_type"].to_numpy()
    mean = {of: rates[kind == of].mean() for of in CELL_TYPES}
    assert mean["excitatory"] == pytest.approx(2.4, abs=0.4)
    assert mean["Pvalb"] == pytest.approx(11, abs=2)
    assert mean["Sst"] == pytest.approx(6.5, abs=1.5)
    assert mean["Vip"] == pytest.approx(6.5, abs=1.5)
    assert rates.min() > 0.3
    counts = np.histogram(np.concatenate(trains), np.arange(0, 30.01, 0.02))[0]
    assert counts.var() / counts.mean() < 2.5


def test_any_topology_gets_strengths_with_the_signs_of_the_types():
    network = V1Layer23()
    excitatory = (network.neurons()["cell_type"] == "excitatory").to_numpy()
    assert (network.strength_mv()[excitatory] > 0).all()
    assert (network.strength_mv()[~excitatory] < 0).all()


@pytest.mark.parametrize("n_neurons", [4, 11, 100, 333])
def test_types_add_up_to_all_neurons(n_neurons):
    counts = V1Layer23(n_neurons=n_neurons).neurons()["cell_type"].value_counts()
    assert counts.sum() == n_neurons
    assert counts["excitatory"] == pytest.approx(0.8 * n_neurons, abs=1)


def test_refuses_more_interneurons_than_neurons():
    with pytest.raises(InputError, match=r"must not exceed 1 together; got 0.5, 0.4 and 0.2"):
        V1Layer23(pvalb_fraction=0.5, sst_fraction=0.4, vip_fraction=0.2)
