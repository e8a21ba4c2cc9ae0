"""LIF networks: answers that are known by hand, rates, determinism, and what is refused.

All networks but the default ones have 20 neurons, so that one program serves them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from simulators import NETWORKS, Network, simulate
from simulators.networks import LifCellTypes, LifConnectome, LifRandom, network_class
from simulators.neurons.lif import psp_peak
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation

N = 20
STEP_S = 1e-4
THRESHOLD_MV, TAU_MS, TAU_SYN_MS, REFRACTORY_MS = 15.0, 20.0, 5.0, 2.0  # the defaults


def motif(edges: dict[tuple[int, int], tuple[float, float]]) -> Connectome:
    """{(post, pre): (weight in mV, delay in ms)} among 20 neurons."""
    weight, delay_s = np.zeros((N, N)), np.full((N, N), np.nan)
    for pair, (weight_mv, delay_ms) in edges.items():
        weight[pair], delay_s[pair] = weight_mv, delay_ms * 1e-3
    return Connectome(weight, delay_s=delay_s)


def spikes(simulation: Simulation, neuron: int, after_s: float = 0.0) -> Any:
    times = simulation.spike_times[neuron].times()
    return times[times >= after_s]


def rates_hz(simulation: Simulation) -> Any:
    return np.array([len(spikes(simulation, k)) for k in range(simulation.n_neurons)]) / simulation.duration_s


@pytest.mark.parametrize(("tau_ms", "tau_syn_ms"), [(20, 5), (5, 20), (10, 10), (10, 10.001), (30, 1)])
def test_psp_peak_is_that_of_the_integrated_equation(tau_ms, tau_syn_ms):
    solution = solve_ivp(
        lambda t, y: [(y[1] - y[0]) / tau_ms, -y[1] / tau_syn_ms], (0, 100), [0, 1], rtol=1e-9, max_step=0.1
    )
    assert psp_peak(tau_ms, tau_syn_ms) == pytest.approx(solution.y[0].max(), rel=1e-5)


# Neuron 0 fires regularly and slowly; the others rest at 0 without noise, and spike only where they are made to.
DRIVE_MV = 15.05
STRONG_MV, STRONG_DELAY_MS, LATE_DELAY_MS = 30.0, 1.5, 8.0


@pytest.fixture(scope="module")
def driven(simulate_once: Any, small_simulation: Simulation) -> Simulation:
    connectome = motif(
        {
            (1, 0): (STRONG_MV, STRONG_DELAY_MS),
            (2, 0): (STRONG_MV, LATE_DELAY_MS),
            (3, 0): (1.01 * THRESHOLD_MV, 1.0),
            (4, 0): (0.99 * THRESHOLD_MV, 1.0),
            (5, 0): (-STRONG_MV, 1.0),
            (6, 1): (STRONG_MV, 1.0),
        }
    )
    network = LifConnectome(connectome=connectome, noise_mv=0.0, drive_mv=[DRIVE_MV] + [0.0] * (N - 1))
    return simulate_once(network, duration_s=3.0, seed=1)


def test_a_neuron_without_noise_fires_at_the_interval_of_the_textbook(driven):
    expected_ms = REFRACTORY_MS + TAU_MS * np.log(DRIVE_MV / (DRIVE_MV - THRESHOLD_MV))
    intervals_ms = np.diff(spikes(driven, 0)) * 1e3
    assert len(intervals_ms) > 15
    assert intervals_ms == pytest.approx(expected_ms, abs=1.0)


def crossing_ms(weight_mv: float) -> float:
    """Time from the arrival of a spike until the potential reaches threshold, from rest."""
    jump_mv = weight_mv / psp_peak(TAU_MS, TAU_SYN_MS)

    def above_mv(t_ms: float) -> float:
        rising = np.exp(-t_ms / TAU_MS) - np.exp(-t_ms / TAU_SYN_MS)
        return jump_mv * TAU_SYN_MS / (TAU_MS - TAU_SYN_MS) * rising - THRESHOLD_MV

    return float(brentq(above_mv, 0, 9.0))


@pytest.mark.parametrize(("post", "delay_ms"), [(1, STRONG_DELAY_MS), (2, LATE_DELAY_MS)])
def test_a_strong_connection_evokes_a_spike_for_each_spike_after_its_delay(driven, post, delay_ms):
    pre_s, post_s = spikes(driven, 0, 0.5)[:-1], spikes(driven, post, 0.5)
    latency_ms = (post_s[: len(pre_s)] - pre_s) * 1e3
    assert latency_ms == pytest.approx(delay_ms + crossing_ms(STRONG_MV), abs=0.3)


def test_latencies_differ_by_the_difference_of_the_delays(driven):
    early_s, late_s = spikes(driven, 1, 0.5), spikes(driven, 2, 0.5)
    n = min(len(early_s), len(late_s))
    assert (late_s[:n] - early_s[:n]) * 1e3 == pytest.approx(LATE_DELAY_MS - STRONG_DELAY_MS, abs=1e-6)


def test_the_weight_is_the_peak_of_the_potential(driven):
    """One percent above threshold evokes every spike, one percent below none."""
    answered = spikes(driven, 0, 0.5)
    assert len(spikes(driven, 3, 0.5)) == np.sum(answered < driven.duration_s - 0.02)
    assert len(spikes(driven, 4, 0.5)) == 0


def test_spikes_travel_on_from_neuron_to_neuron(driven):
    first_s, second_s = spikes(driven, 1, 0.5)[:-1], spikes(driven, 6, 0.5)
    assert (second_s[: len(first_s)] - first_s) * 1e3 == pytest.approx(1.0 + crossing_ms(STRONG_MV), abs=0.3)


def test_inhibited_and_unconnected_neurons_stay_silent(driven):
    assert not rates_hz(driven)[[4, 5, *range(7, N)]].any()


def test_excitation_raises_and_inhibition_lowers_the_rate(simulate_once):
    excited, inhibited, alone = range(1, 7), range(7, 13), range(13, N)
    edges = {(k, 0): (4.0, 2.0) for k in excited} | {(k, 0): (-4.0, 2.0) for k in inhibited}
    network = LifConnectome(connectome=motif(edges), drive_mv=[20.0] + [7.8] * (N - 1))
    rates = rates_hz(simulate_once(network, duration_s=60.0, seed=1))
    assert rates[0] > 20
    assert min(rates[excited]) > max(rates[alone])
    assert max(rates[inhibited]) < min(rates[alone])


@pytest.fixture(scope="module")
def default_simulation(simulate_once: Any) -> Simulation:
    return simulate_once("lif-random", duration_s=30.0, seed=3)


def test_the_default_network_fires_at_about_6_hz(default_simulation):
    rates = rates_hz(default_simulation)
    assert rates.mean() == pytest.approx(6.0, abs=0.7)
    assert rates.min() > 0.5
    assert rates.max() < 15


def test_the_default_network_fires_asynchronously(default_simulation):
    """The population's count in 20 ms varies little more than that of independent Poisson neurons would."""
    all_s = np.concatenate([spikes(default_simulation, k) for k in range(100)])
    counts = np.histogram(all_s, np.arange(0, 30.01, 0.02))[0]
    assert counts.var() / counts.mean() < 2.5


def test_adaptation_ends_the_bursts_that_excitation_ignites():
    duration_s, step_s = 60.0, 0.02
    simulation = simulate("lif-bursting", duration_s=duration_s, seed=1)
    all_s = np.concatenate([spikes(simulation, k) for k in range(100)])
    rate_hz = np.histogram(all_s, np.arange(0, duration_s + step_s / 2, step_s))[0] / 100 / step_s
    in_burst = rate_hz > 20
    n_bursts = np.count_nonzero(np.diff(in_burst.astype(int)) == 1)
    assert 15 < 60 * n_bursts / duration_s < 45
    assert rate_hz[in_burst].sum() / rate_hz.sum() > 0.6
    assert np.median(rate_hz) < 2


def test_the_default_network_is_80_excitatory_and_20_inhibitory_neurons(default_simulation):
    weight = default_simulation.connectome.weight
    kind = default_simulation.neurons["cell_type"].to_numpy()
    assert (kind == "excitatory").sum() == 80
    assert (weight[:, kind == "excitatory"] >= 0).all()
    assert (weight[:, kind == "inhibitory"] <= 0).all()
    assert np.count_nonzero(weight) / 9900 == pytest.approx(0.1, abs=0.015)
    assert weight[weight > 0].mean() == pytest.approx(0.7, rel=0.1)
    assert weight[weight < 0].mean() == pytest.approx(-2.8, rel=0.15)


def test_all_cell_types_fire(default_simulation, simulate_once):
    """Uses the program that `default_simulation` compiled."""
    simulation = simulate_once("lif-cell-types", duration_s=20.0, seed=1)
    by_type = simulation.neurons["cell_type"].to_frame().assign(rate=rates_hz(simulation)).groupby("cell_type")["rate"]
    assert by_type.size().to_dict() == {"Pvalb": 10, "Sst": 10, "excitatory": 80}
    assert by_type.mean().between(1.0, 15.0).all()


def test_cell_types_are_wired_by_their_tables():
    weight = LifCellTypes(n_neurons=300).connect(np.random.default_rng(0)).weight
    excitatory, pvalb, sst = np.arange(240), np.arange(240, 270), np.arange(270, 300)

    def density(post: Any, pre: Any) -> float:
        return float(np.mean(weight[np.ix_(post, pre)] != 0))

    assert density(excitatory, pvalb) == pytest.approx(0.30, abs=0.03)
    assert density(excitatory, excitatory) == pytest.approx(0.08, abs=0.01)
    assert density(sst, sst) < density(sst, pvalb) < density(pvalb, sst)
    assert (weight[:, :240] >= 0).all()
    assert (weight[:, 240:] <= 0).all()


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.1, 0.15)])
@pytest.mark.parametrize("n", [3, 10, 57])
def test_cell_types_add_up_to_all_neurons(shares, n):
    assert len(LifCellTypes(n_neurons=n, pvalb_fraction=shares[0], sst_fraction=shares[1]).neurons()) == n


def test_a_simulation_says_how_it_was_made(small_simulation):
    facts = small_simulation.metadata
    assert facts["network"] == "lif-random"
    assert facts["seed"] == 1
    assert facts["parameters"]["connection_probability"] == 0.15
    assert set(facts["versions"]) == {"synapsnet", "brian2", "numpy"}
    assert json.loads(json.dumps(facts)) == facts


def test_spikes_lie_on_the_steps_of_the_simulation_within_its_duration(small_simulation):
    assert small_simulation.duration_s == 120.0
    for k in range(N):
        times = spikes(small_simulation, k)
        assert np.diff(times).min() > REFRACTORY_MS * 1e-3 - STEP_S / 2
        assert times.min() >= 0
        assert times.max() < 120.0
        assert times / STEP_S == pytest.approx(np.round(times / STEP_S), abs=1e-3)


def small(seed: int, duration_s: float = 5.0) -> Simulation:
    return simulate(LifRandom(n_neurons=N, connection_probability=0.15), duration_s=duration_s, seed=seed)


def test_another_seed_gives_another_network_and_other_spikes(small_simulation):
    first, other = small(1), small(2)
    assert not np.array_equal(first.connectome.weight, other.connectome.weight)
    assert any(not np.array_equal(spikes(first, k), spikes(other, k)) for k in range(N))


def test_the_seed_alone_gives_the_connectome_whatever_the_duration(small_simulation):
    assert np.array_equal(small(1).connectome.weight, small_simulation.connectome.weight)


def test_a_shorter_run_is_the_beginning_of_a_longer_one(small_simulation):
    for k in range(N):
        longer = spikes(small_simulation, k)
        assert np.array_equal(spikes(small(1), k), longer[longer < 5.0])


def test_another_seed_gives_other_noise_in_the_same_connectome(small_simulation):
    network = LifConnectome(connectome=small_simulation.connectome)
    first, other = (simulate(network, duration_s=5.0, seed=seed) for seed in (1, 2))
    assert any(not np.array_equal(spikes(first, k), spikes(other, k)) for k in range(N))


def test_parameters_that_are_not_compiled_take_effect(small_simulation):
    quiet = LifConnectome(connectome=small_simulation.connectome, drive_mv=[-50.0] * 10 + [10.0] * 10)
    rates = rates_hz(simulate(quiet, duration_s=5.0))
    assert not rates[:10].any()
    assert rates[10:].min() > 2


# Bad input


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_is_found_by_its_name(name):
    assert network_class(name).name == name
    assert issubclass(network_class(name), Network)


@pytest.mark.parametrize(("name", "nearest"), [("lif-randm", "lif-random"), ("cell types", "lif-cell-types")])
def test_an_unknown_network_is_refused_with_the_nearest_name(name, nearest):
    with pytest.raises(InputError, match=f"no network {name!r}; did you mean {nearest!r}"):
        simulate(name)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 1e-5, float("nan"), float("inf")])
def test_refuses_an_unusable_duration(duration_s):
    with pytest.raises(InputError, match=r"duration must be a plain number of seconds, at least one step of 0.0001 s"):
        simulate("lif-random", duration_s=duration_s)


def test_refuses_a_negative_seed():
    with pytest.raises(InputError, match="seed must be a whole number of 0 or more; got -1"):
        simulate("lif-random", seed=-1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_neurons": 1}, "parameter 'n_neurons' of network 'lif-random': input should be .* equal to 2; got 1"),
        ({"n_neurons": 2.5}, "'n_neurons'.*integer.*got 2.5"),
        ({"connection_probability": 1.1}, "'connection_probability'.*less than or equal to 1; got 1.1"),
        ({"tau_ms": 0.0}, "'tau_ms'.*greater than 0"),
        ({"noise_mv": -1.0}, "'noise_mv'.*greater than or equal to 0"),
        ({"drive_mv": float("nan")}, "'drive_mv'.*finite"),
        ({"neurons": 5}, "no parameter 'neurons'; it has dt_ms, .*n_neurons"),
        ({"shortest_delay_ms": 4.0}, "shortest delay, 4.0 ms, must not exceed the longest, 3.0 ms"),
    ],
)
def test_refuses_unusable_parameters_of_the_random_network(parameters, message):
    with pytest.raises(InputError, match=message):
        LifRandom(**parameters)


def test_refuses_more_interneurons_than_neurons():
    with pytest.raises(InputError, match=r"must not exceed 1 together; got 0.7 and 0.4"):
        LifCellTypes(pvalb_fraction=0.7, sst_fraction=0.4)


@pytest.mark.parametrize("delay_s", [None, np.full((2, 2), np.nan), np.full((2, 2), -0.001)])
def test_refuses_connections_without_delays(delay_s):
    connectome = Connectome(np.array([[0.0, 1.0], [0.0, 0.0]]), delay_s=delay_s)
    with pytest.raises(InputError, match="delay_s of 0 or more for each of its connections"):
        LifConnectome(connectome=connectome)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"unit": "1"}, "these are signed and in '1'"), ({"signed": False}, "these are unsigned and in 'mV'")],
)
def test_refuses_weights_that_are_not_signed_and_in_mv(changes, message):
    with pytest.raises(InputError, match=f"weights must be signed and in mV, and {message}; convert them"):
        LifConnectome(connectome=replace(motif({}), **changes))


def test_refuses_drives_of_another_number_of_neurons():
    with pytest.raises(InputError, match="one number or 20, one per neuron; got 3"):
        LifConnectome(connectome=motif({}), drive_mv=[1.0, 2.0, 3.0])


def test_a_network_cannot_be_changed_after_it_was_checked():
    with pytest.raises(ValueError, match="frozen"):
        LifRandom().n_neurons = 1
