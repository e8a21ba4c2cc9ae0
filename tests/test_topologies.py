"""Topologies: their statistics against the parameters and the papers, and what holds for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse.csgraph import shortest_path

from simulators.topologies import (
    TOPOLOGIES,
    Assemblies,
    Chain,
    DistanceDependent,
    ErdosRenyi,
    FixedInDegree,
    Motifs,
    Ring,
    SmallWorld,
    Topology,
    topology,
)
from simulators.topologies.motifs import MOTIFS, lookalikes
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import neuron_table

EPSP_MV, IPSP_MV = 0.7, -2.8


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def neurons(n_excitatory: int, n_inhibitory: int = 0, side_um: float = 300.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Neuron table and strengths in mV of a network, the excitatory neurons first."""
    types = ["excitatory"] * n_excitatory + ["inhibitory"] * n_inhibitory
    position_um = rng(7).uniform(0, side_um, (len(types), 3)) * [1, 1, 0.2]
    strength_mv = np.repeat([EPSP_MV, IPSP_MV], [n_excitatory, n_inhibitory])
    return neuron_table(len(types), cell_type=types, position_um=position_um), strength_mv


def draw(chosen: Topology, n_excitatory: int, n_inhibitory: int = 0, seed: int = 0, **options: Any) -> Connectome:
    table, strength_mv = neurons(n_excitatory, n_inhibitory, **options)
    return chosen.connect(chosen.arrange(table, rng(seed)), strength_mv, rng(seed))


def fits(found: int, pairs: int, probability: float) -> bool:
    """Is a count of connections within four standard deviations of what the probability makes expect?"""
    return bool(abs(found - pairs * probability) <= 4 * np.sqrt(pairs * probability * (1 - probability)) + 1e-9)


# What holds for all topologies


@st.composite
def topologies(pick: st.DrawFn) -> Topology:
    """Any topology with any parameters that some network can have."""
    chances = st.floats(0, 1)
    delays_ms = sorted(pick(st.tuples(st.floats(0, 5), st.floats(0.1, 5))))
    uniform = {"shortest_delay_ms": delays_ms[0], "longest_delay_ms": delays_ms[1]}
    own: dict[str, Any] = {
        "erdos-renyi": uniform | {"probability": pick(chances)},
        "fixed-in-degree": uniform | {"in_degree": pick(st.integers(1, 11))},
        "distance-dependent": {
            "probability": pick(st.floats(0, 0.25)),
            "reciprocity": pick(st.floats(1, 4)),
            "width_um": pick(st.floats(0.1, 1e4)),
            "velocity_m_s": pick(st.floats(0.01, 100)),
            "shortest_delay_ms": delays_ms[0],
        },
        "small-world": uniform | {"in_degree": 2 * pick(st.integers(1, 5)), "rewiring": pick(chances)},
        "ring": uniform
        | {
            "recurrence": pick(st.floats(0, 10)),
            "reach_deg": pick(st.floats(1, 180)),
            "probability": pick(chances),
        },
        "assemblies": uniform
        | {
            "n_assemblies": pick(st.integers(2, 8)),
            "r_ee": pick(st.floats(0.5, 3)),
            "weight_factor": pick(st.floats(0.1, 3)),
            "probability": pick(st.floats(0, 0.3)),
            "other_probability": pick(chances),
        },
        "chain": uniform | {"n_layers": pick(st.integers(2, 8)), "probability": pick(chances)},
        "motifs": {
            "weight_factor": pick(st.floats(0.1, 10)),
            "delay_ms": delays_ms[0],
            "late_delay_ms": delays_ms[1] + 1,
        },
    }
    assert set(own) == set(TOPOLOGIES), "a topology is not tested"
    name = pick(st.sampled_from(list(TOPOLOGIES)))
    return topology({"name": name, "weight_sigma": pick(st.floats(0, 1.5))} | own[name])


@settings(max_examples=100)
@given(chosen=topologies(), n_excitatory=st.integers(12, 30), n_inhibitory=st.integers(0, 6), seed=st.integers(0, 99))
def test_every_topology_draws_a_connectome_of_its_neurons(chosen, n_excitatory, n_inhibitory, seed):
    table, strength_mv = neurons(n_excitatory, n_inhibitory)
    arranged = chosen.arrange(table, rng(seed))
    found = chosen.connect(arranged, strength_mv, rng(seed))
    n = n_excitatory + n_inhibitory
    assert found.weight.shape == (n, n)
    assert np.isfinite(found.weight).all()
    assert not np.diagonal(found.weight).any()
    assert ((found.weight == 0) | (np.sign(found.weight) == np.sign(strength_mv))).all()
    assert np.array_equal(np.isfinite(found.delay_s), found.adjacency)
    assert (found.delay_s[found.adjacency] >= 0).all()
    assert arranged.drop(columns=["id", "x_um", "y_um", "z_um"]).equals(
        table.drop(columns=["id", "x_um", "y_um", "z_um"])
    )
    assert arranged["id"].is_unique
    again = chosen.connect(chosen.arrange(table, rng(seed)), strength_mv, rng(seed))
    assert np.array_equal(found.weight, again.weight)
    assert np.array_equal(found.delay_s, again.delay_s, equal_nan=True)


@pytest.mark.parametrize(
    "chosen",
    [
        ErdosRenyi(probability=1.0),
        FixedInDegree(in_degree=1),
        DistanceDependent(probability=1.0, reciprocity=1.0, width_um=1e6),
        Assemblies(n_assemblies=2, probability=1.0, r_ee=1.0),
    ],
)
def test_two_neurons_are_enough(chosen):
    assert np.array_equal(draw(chosen, 2).adjacency, [[False, True], [True, False]])


@pytest.mark.parametrize("name", [name for name in TOPOLOGIES if name != "motifs"])  # those have no chance in them
def test_another_seed_is_another_connectome(name):
    one, other = (draw(topology(name), 40, 10, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.weight, other.weight)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_topology_is_its_name_and_parameters(name):
    chosen = topology(name)
    assert topology({"name": name} | chosen.parameters()) == chosen


@pytest.mark.parametrize("name", ["erdos-renyi", "fixed-in-degree", "small-world", "chain"])
def test_weights_are_lognormal_around_the_strength(name):
    weight = draw(TOPOLOGIES[name](weight_sigma=0.8), 200).weight
    logs = np.log(weight[weight != 0])
    assert stats.kstest(logs, "norm", (np.log(EPSP_MV) - 0.8**2 / 2, 0.8)).pvalue > 0.01


# Erdos-Renyi


@pytest.mark.parametrize("probability", [0.02, 0.1, 0.5])
def test_erdos_renyi_has_the_density_asked_for(probability):
    adjacency = draw(ErdosRenyi(probability=probability), 400).adjacency
    assert fits(adjacency.sum(), 400 * 399, probability)


def test_erdos_renyi_connects_each_direction_independently():
    """Reciprocal pairs are as frequent as chance has it."""
    adjacency = draw(ErdosRenyi(probability=0.2), 400).adjacency
    assert fits((adjacency & adjacency.T).sum() // 2, 400 * 399 // 2, 0.2**2)


def test_probabilities_of_zero_and_one_are_exact():
    assert not draw(ErdosRenyi(probability=0.0), 5).weight.any()
    assert np.array_equal(draw(ErdosRenyi(probability=1.0), 5).adjacency, ~np.eye(5, dtype=bool))


# Fixed in-degree


@pytest.mark.parametrize(("n", "in_degree"), [(2, 1), (30, 7), (30, 29)])
def test_fixed_in_degree_is_exact(n, in_degree):
    adjacency = draw(FixedInDegree(in_degree=in_degree), n).adjacency
    assert (adjacency.sum(axis=1) == in_degree).all()


def test_fixed_in_degree_draws_all_partners_alike():
    """Out-degrees are binomial: each of the others receives from a neuron with probability K/(N-1)."""
    n, k = 300, 30
    out_degree = draw(FixedInDegree(in_degree=k), n).adjacency.sum(axis=0)
    p = k / (n - 1)
    expected = stats.binom(n - 1, p)
    assert out_degree.var() == pytest.approx(expected.var(), rel=4 * np.sqrt(2 / n))
    assert expected.cdf(out_degree.max()) < 1 - 1e-3 / n


# Distance-dependent


def distances_um(table: pd.DataFrame) -> np.ndarray:
    position = table[["x_um", "y_um", "z_um"]].to_numpy()
    return np.linalg.norm(position[:, None] - position, axis=2)


@pytest.mark.parametrize("relabel", [False, True])
def test_probability_falls_with_distance_as_stated_however_neurons_are_labelled(relabel):
    """Of each type of pair and in each ring of distances; a relabelled network has its neurons in another order."""
    table, strength_mv = neurons(400, 100)
    if relabel:
        order = rng(3).permutation(500)
        table, strength_mv = table.iloc[order].reset_index(drop=True), strength_mv[order]
    adjacency = DistanceDependent(probability=0.25).connect(table, strength_mv, rng()).adjacency
    distance_um = distances_um(table)
    p = 0.25 * np.exp(-(distance_um**2) / (2 * 100.0**2))
    ring = np.digitize(distance_um, [50, 100, 150, 200])
    excitatory = strength_mv > 0
    off_diagonal = ~np.eye(500, dtype=bool)
    for post in (excitatory, ~excitatory):
        for pre in (excitatory, ~excitatory):
            for k in range(5):
                pairs = off_diagonal & (ring == k) & post[:, None] & pre
                # twice the variance of independent pairs, because reciprocal ones come together
                sd = np.sqrt(2 * (p * (1 - p))[pairs].sum())
                assert abs(adjacency[pairs].sum() - p[pairs].sum()) < 4 * sd


@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
def test_reciprocal_pairs_are_as_over_represented_as_asked_for(factor):
    """Among excitatory neurons within one distance; with an inhibitory neuron in the pair they are at chance."""
    chosen = DistanceDependent(reciprocity=factor, probability=0.2, width_um=1e6)
    adjacency = draw(chosen, 500, 200).adjacency
    both = adjacency & adjacency.T
    assert fits(both[:500, :500].sum() // 2, 500 * 499 // 2, factor * 0.2**2)
    assert fits(both[:500, 500:].sum(), 500 * 200, 0.2**2)
    assert fits(both[500:, 500:].sum() // 2, 200 * 199 // 2, 0.2**2)


def test_neighbours_are_connected_as_song_et_al_found():
    """11.6% of connections and 4 times as many reciprocal pairs as chance has it, at no distance; log weights."""
    found = draw(DistanceDependent(), 1000, side_um=1.0)
    density = found.adjacency.mean() * 1000 / 999
    reciprocal = (found.adjacency & found.adjacency.T).mean() * 1000 / 999
    assert density == pytest.approx(0.116, abs=0.002)
    assert reciprocal / density**2 == pytest.approx(4.0, abs=0.15)
    log_mean = -0.702
    song_mv = DistanceDependent().connect(neurons(100)[0], np.full(100, np.exp(log_mean + 0.9355**2 / 2)), rng()).weight
    assert stats.kstest(np.log(song_mv[song_mv > 0]), "norm", (log_mean, 0.9355)).pvalue > 0.01


def test_delays_grow_with_distance_at_the_velocity_of_conduction():
    table, strength_mv = neurons(60, 20)
    chosen = DistanceDependent(probability=0.25, shortest_delay_ms=0.8, velocity_m_s=0.2)
    found = chosen.connect(table, strength_mv, rng())
    expected_s = 0.8e-3 + distances_um(table) * 1e-6 / 0.2
    assert found.delay_s[found.adjacency] == pytest.approx(expected_s[found.adjacency], rel=1e-4)


# Small world


def clustering(adjacency: np.ndarray) -> float:
    """Mean clustering coefficient of a directed graph (Fagiolo 2007, Phys Rev E 76:026107, equation 8)."""
    a = adjacency.astype(float)
    both_ways = a + a.T
    triangles = np.diagonal(both_ways @ both_ways @ both_ways) / 2
    degree = a.sum(axis=0) + a.sum(axis=1)
    return float((triangles / (degree * (degree - 1) - 2 * np.diagonal(a @ a))).mean())


def path_length(adjacency: np.ndarray) -> float:
    steps = shortest_path(adjacency.T.astype(float), unweighted=True)
    return float(steps[~np.eye(len(steps), dtype=bool)].mean())


def test_without_rewiring_it_is_the_ring_lattice():
    """Clustering is 3(k - 2) / 4(k - 1); with N/k a whole number the mean path is that of the lattice."""
    n, k = 200, 10
    adjacency = draw(SmallWorld(in_degree=k, rewiring=0.0), n).adjacency
    assert np.array_equal(adjacency, adjacency.T)
    assert clustering(adjacency) == pytest.approx(3 * (k - 2) / (4 * (k - 1)))
    gap = np.minimum(np.arange(1, n), n - np.arange(1, n))
    assert path_length(adjacency) == pytest.approx(np.ceil(gap / (k / 2)).mean())


def test_a_little_rewiring_makes_paths_short_while_clustering_stays():
    """At N = 1000 and k = 10, as in figure 2 of Watts & Strogatz 1998, with bounds wide enough for any seed."""
    n, k = 1000, 10
    lattice, little = (draw(SmallWorld(in_degree=k, rewiring=p), n).adjacency for p in (0.0, 0.01))
    assert clustering(little) > 0.9 * clustering(lattice)
    assert path_length(little) < 0.3 * path_length(lattice)


def test_all_rewired_it_is_a_random_graph():
    n, k = 400, 10
    adjacency = draw(SmallWorld(in_degree=k, rewiring=1.0), n).adjacency
    assert clustering(adjacency) == pytest.approx(k / n, abs=0.01)
    lattice = draw(SmallWorld(in_degree=k, rewiring=0.0), n).adjacency
    assert not (adjacency & lattice).any()


@pytest.mark.parametrize("rewiring", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("n", "in_degree"), [(40, 6), (7, 6)])
def test_rewiring_keeps_the_in_degree(n, in_degree, rewiring):
    adjacency = draw(SmallWorld(in_degree=in_degree, rewiring=rewiring), n).adjacency
    assert (adjacency.sum(axis=1) == in_degree).all()


def test_the_fraction_of_rewired_connections_is_the_one_asked_for():
    n, k = 400, 10
    lattice, rewired = (draw(SmallWorld(in_degree=k, rewiring=p), n).adjacency for p in (0.0, 0.3))
    assert fits((rewired & ~lattice).sum(), n * k, 0.3)


def test_inhibitory_neurons_are_spread_around_the_small_world():
    adjacency = draw(SmallWorld(in_degree=10, rewiring=0.0), 80, 20).adjacency
    assert (adjacency[:, 80:].sum(axis=1) >= 1).all()


# Ring


def test_the_ring_is_a_ring_with_each_type_all_around_it():
    table, _ = neurons(80, 20)
    arranged = Ring().arrange(table, rng())
    x_um, y_um = arranged["x_um"].to_numpy(), arranged["y_um"].to_numpy()
    for of_type in (slice(0, 80), slice(80, 100)):
        angle = np.sort(np.arctan2(y_um[of_type], x_um[of_type]))
        assert np.diff(angle) == pytest.approx(2 * np.pi / len(angle))
    assert np.hypot(x_um, y_um) == pytest.approx(100 * 25.0 / (2 * np.pi))
    assert (arranged["z_um"] == 0).all()


def test_excitation_falls_with_the_angle_and_inhibition_does_not():
    chosen = Ring(reach_deg=60, probability=1.0, weight_sigma=0.0)
    weight = draw(chosen, 360, 36).weight
    degrees = np.arange(1, 360)
    apart = np.minimum(degrees, 360 - degrees)
    expected = np.where(apart < 60, EPSP_MV * (1 + np.cos(np.pi * apart / 60)), 0)
    assert weight[1:360, 0] == pytest.approx(expected, abs=1e-5)
    assert weight[:360, 360] == pytest.approx(IPSP_MV)
    assert weight[361:, 360] == pytest.approx(IPSP_MV)


@pytest.mark.parametrize("recurrence", [0.0, 0.5, 3.0])
def test_recurrence_scales_all_weights(recurrence):
    base, scaled = draw(Ring(), 80, 20).weight, draw(Ring(recurrence=recurrence), 80, 20).weight
    assert scaled == pytest.approx(recurrence * base, rel=1e-5)


def test_the_mean_weight_on_the_ring_is_the_strength():
    weight = draw(Ring(), 800, 200).weight
    assert weight[weight > 0].mean() == pytest.approx(EPSP_MV, rel=0.02)
    assert weight[weight < 0].mean() == pytest.approx(IPSP_MV, rel=0.02)
    assert fits(np.count_nonzero(weight[:, 800:]), 999 * 200, 0.3)


# Assemblies


@pytest.mark.parametrize("r_ee", [1.0, 2.5, 4.0])
def test_assemblies_have_the_ratio_and_the_mean_of_probabilities_asked_for(r_ee):
    chosen = Assemblies(n_assemblies=5, r_ee=r_ee)
    adjacency = draw(chosen, 500, 100).adjacency
    assembly = np.arange(500) // 100
    within = assembly[:, None] == assembly
    excitatory = adjacency[:500, :500]
    pairs_within, pairs_between = 5 * 100 * 99, 500 * 400
    p_within, p_between = excitatory[within].sum() / pairs_within, excitatory[~within].sum() / pairs_between
    assert p_within / p_between == pytest.approx(r_ee, rel=0.05)
    assert fits(excitatory.sum(), 500 * 499, 0.2)
    assert fits(adjacency[500:].sum() + adjacency[:500, 500:].sum(), 600 * 599 - 500 * 499, 0.5)


def test_weights_within_an_assembly_are_larger_by_the_factor():
    weight = draw(Assemblies(n_assemblies=2, weight_factor=1.9, weight_sigma=0.0), 40, 10).weight
    within = weight[:20, :20][weight[:20, :20] != 0]
    between = weight[20:40, :20][weight[20:40, :20] != 0]
    assert within == pytest.approx(1.9 * EPSP_MV)
    assert between == pytest.approx(EPSP_MV)
    assert weight[40:, :40][weight[40:, :40] != 0] == pytest.approx(EPSP_MV)
    assert weight[:, 40:][weight[:, 40:] != 0] == pytest.approx(IPSP_MV)


# Chain


def test_a_chain_connects_each_layer_to_all_of_the_next_and_nothing_else():
    adjacency = draw(Chain(n_layers=4), 12, 3).adjacency
    expected = np.zeros((15, 15), bool)
    for layer in range(3):
        expected[3 * layer + 3 : 3 * layer + 6, 3 * layer : 3 * layer + 3] = True
    assert np.array_equal(adjacency, expected)


def test_a_diluted_chain_has_the_density_asked_for():
    adjacency = draw(Chain(n_layers=4, probability=0.3), 400).adjacency
    assert fits(adjacency.sum(), 3 * 100 * 100, 0.3)


@given(n=st.integers(2, 40), n_layers=st.integers(2, 10))
def test_layers_differ_by_one_neuron_at_most(n, n_layers):
    if n < n_layers:
        return
    in_degree = draw(Chain(n_layers=n_layers), n).adjacency.sum(axis=1)
    sizes = set(in_degree[in_degree > 0])
    assert max(sizes) - min(sizes) <= 1


# Motifs


def edges_ms(found: Connectome, table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """{(pre id, post id): delay in ms}"""
    ids = table["id"].to_numpy()
    return {(ids[pre], ids[post]): 1e3 * found.delay_s[post, pre] for post, pre in np.argwhere(found.adjacency)}


def test_motifs_are_the_circuits_of_the_table():
    table, strength_mv = neurons(13, 4)
    arranged = Motifs().arrange(table, rng())
    found = Motifs(delay_ms=1.5, late_delay_ms=6.0, weight_factor=5.0).connect(arranged, strength_mv, rng())
    assert edges_ms(found, arranged) == pytest.approx(
        {
            ("chain-0-A", "chain-0-B"): 1.5,
            ("chain-0-B", "chain-0-C"): 1.5,
            ("common-input-0-A", "common-input-0-B"): 1.5,
            ("common-input-0-A", "common-input-0-C"): 1.5,
            ("unequal-delays-0-A", "unequal-delays-0-B"): 1.5,
            ("unequal-delays-0-A", "unequal-delays-0-C"): 6.0,
            ("relay-0-A", "relay-0-hidden"): 1.5,
            ("relay-0-hidden", "relay-0-B"): 1.5,
        }
    )
    assert found.weight[found.adjacency] == pytest.approx(5 * EPSP_MV)
    assert list(arranged["id"][12:]) == ["12", "13", "14", "15", "16"]


def test_lookalikes_are_the_pairs_of_the_table():
    table, _ = neurons(12)
    arranged = Motifs().arrange(table, rng())
    ids = arranged["id"]
    assert {(ids[pair.pre], ids[pair.post], pair.motif) for pair in lookalikes(arranged)} == {
        ("chain-0-A", "chain-0-C", "chain"),
        ("common-input-0-B", "common-input-0-C", "common-input"),
        ("common-input-0-C", "common-input-0-B", "common-input"),
        ("unequal-delays-0-B", "unequal-delays-0-C", "unequal-delays"),
        ("relay-0-A", "relay-0-B", "relay"),
    }


@given(n_excitatory=st.integers(12, 60), n_inhibitory=st.integers(0, 5))
def test_there_are_as_many_copies_as_fit_and_they_are_disjoint(n_excitatory, n_inhibitory):
    table, strength_mv = neurons(n_excitatory, n_inhibitory)
    arranged = Motifs().arrange(table, rng())
    copies = n_excitatory // 12
    found = Motifs().connect(arranged, strength_mv, rng())
    assert found.adjacency.sum() == 8 * copies
    assert len(lookalikes(arranged)) == 5 * copies
    for pre, post in edges_ms(found, arranged):
        assert pre.rpartition("-")[0] == post.rpartition("-")[0]
    for pair in lookalikes(arranged):
        assert not found.adjacency[pair.post, pair.pre]


def test_motifs_use_excitatory_neurons_wherever_they_are():
    table, strength_mv = neurons(12, 12)
    order = rng(5).permutation(24)
    table, strength_mv = table.iloc[order].reset_index(drop=True), strength_mv[order]
    found = Motifs().connect(Motifs().arrange(table, rng()), strength_mv, rng())
    assert (found.weight >= 0).all()
    assert found.adjacency.sum() == 8


def test_lookalikes_are_found_when_the_relay_is_hidden_and_neurons_are_reordered():
    table, _ = neurons(24)
    arranged = Motifs().arrange(table, rng())
    seen = arranged[~arranged["id"].str.endswith("hidden")].iloc[::-1]
    ids = seen["id"].to_numpy()
    relays = {(ids[pair.pre], ids[pair.post]) for pair in lookalikes(seen) if pair.motif == "relay"}
    assert relays == {("relay-0-A", "relay-0-B"), ("relay-1-A", "relay-1-B")}
    assert len(lookalikes(seen)) == 10


def test_a_table_without_motifs_has_no_lookalikes():
    assert lookalikes(neurons(20)[0]) == []


def test_no_lookalike_is_a_connection():
    for motif in MOTIFS.values():
        assert not {*motif.lookalikes} & {*motif.early, *motif.late}


# Bad input


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ("erdos", "no topology 'erdos'; did you mean 'erdos-renyi'"),
        ({"in_degree": 3}, "A topology needs a name; there are erdos-renyi, fixed-in-degree"),
        ({"name": "chain", "layers": 3}, "Topology 'chain' has no parameter 'layers'; it has .*n_layers"),
        ({"name": "erdos-renyi", "probability": 1.5}, "'probability' of topology 'erdos-renyi': .*; got 1.5"),
        ({"name": "fixed-in-degree", "in_degree": 0}, "greater than or equal to 1; got 0"),
        ({"name": "small-world", "in_degree": 5}, "multiple of 2; got 5"),
        ({"name": "ring", "reach_deg": 200.0}, "less than or equal to 180; got 200"),
        ({"name": "assemblies", "n_assemblies": 1}, "greater than or equal to 2; got 1"),
        ({"name": "distance-dependent", "reciprocity": 0.5}, "greater than or equal to 1; got 0.5"),
        (
            {"name": "distance-dependent", "probability": 0.3},
            "reciprocity times probability must not exceed 1, .* got 4.0 and 0.3",
        ),
        ({"name": "chain", "shortest_delay_ms": 4.0}, "shortest delay, 4.0 ms, must not exceed the longest, 3.0 ms"),
        ({"name": "motifs", "late_delay_ms": 1.0}, "late delay must be longer than the other, 1.5 ms; got 1.0 ms"),
    ],
)
def test_refuses_unusable_parameters(described, message):
    with pytest.raises(InputError, match=message):
        topology(described)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (FixedInDegree(in_degree=8), "needs more than 8 neurons for an in-degree of 8; got 8"),
        (SmallWorld(in_degree=8), "needs more than 8 neurons for an in-degree of 8; got 8"),
        (Assemblies(n_assemblies=7), "at least 7 excitatory neurons for 7 assemblies; got 6"),
        (Assemblies(r_ee=20.0, probability=0.5), "would need a probability of 2.83; lower r_ee or probability"),
        (Chain(n_layers=7), "at least 7 excitatory neurons for 7 layers; got 6"),
        (Motifs(), "at least 12 neurons of the cell type 'excitatory'; got 6"),
    ],
)
def test_refuses_networks_that_do_not_exist(chosen, message):
    with pytest.raises(InputError, match=message):
        draw(chosen, 6, 2)


@pytest.mark.parametrize("name", ["ring", "distance-dependent"])
def test_asks_for_positions(name):
    table = neuron_table(20)
    with pytest.raises(InputError, match=f"'{name}' needs the position of every neuron"):
        topology(name).connect(table, np.ones(20), rng())


def test_motifs_ask_for_whole_motifs_of_excitatory_neurons():
    table, strength_mv = neurons(12)
    with pytest.raises(InputError, match=r"ids of complete motifs; call its arrange\(\) first"):
        Motifs().connect(table, strength_mv, rng())
    arranged = Motifs().arrange(table, rng())
    with pytest.raises(InputError, match=r"ids of complete motifs; call its arrange\(\) first"):
        Motifs().connect(arranged[1:], strength_mv[1:], rng())
    with pytest.raises(InputError, match="a positive strength of every neuron"):
        Motifs().connect(arranged, -strength_mv, rng())
