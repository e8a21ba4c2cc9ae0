"""The patch of cortex: its wiring beside what was measured, without a matrix; and lists of connections."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.hidden import visible_part
from simulators.networks import Cortex
from simulators.networks.v1 import CELL_TYPES, PROBABILITY, STRENGTH_MV
from synapsnet.connectome import Connectome, Edges, SparseConnectome
from synapsnet.recording import Simulation, neuron_table


@pytest.fixture(scope="module")
def patch():
    """The network, its neurons with their places, and its connectome."""
    network = Cortex()
    neurons = network.neurons()
    neurons[["x_um", "y_um", "z_um"]] = network.place(np.random.default_rng(0))
    return network, neurons, network.wire(neurons, np.random.default_rng(1))


def test_potentials_are_lognormal_with_measured_medians_and_a_few_of_several_mv(patch):
    _, neurons, connectome = patch
    edges, kind = connectome.edges, neurons["cell_type"].to_numpy()
    excitatory = edges.weight[edges.weight > 0]
    assert 0.2 < np.median(excitatory) < 0.5
    assert 1e-3 < np.mean(excitatory > 3.0) < 0.03
    assert excitatory.max() <= 8.0
    for post in CELL_TYPES:
        for pre in CELL_TYPES:
            own = (kind[edges.post] == post) & (kind[edges.pre] == pre)
            if own.sum() > 500:
                assert np.median(edges.weight[own]) == pytest.approx(STRENGTH_MV[post][pre], rel=0.12)
    among = (kind[edges.post] == "excitatory") & (kind[edges.pre] == "excitatory")
    assert np.log(edges.weight[among]).std() == pytest.approx(0.94, rel=0.02)  # Song et al. 2005


def test_neighbours_are_connected_as_measured_and_others_less_by_distance(patch):
    _, neurons, connectome = patch
    edges, kind = connectome.edges, neurons["cell_type"].to_numpy()
    place = neurons[["x_um", "y_um"]].to_numpy()
    side = 11.2 * np.sqrt(2000)
    e = np.flatnonzero(kind == "excitatory")
    apart = np.abs(place[e, None] - place[e])
    far = np.linalg.norm(np.minimum(apart, side - apart), axis=2)
    place_in_e = np.full(2000, -1)
    place_in_e[e] = np.arange(len(e))
    among = (place_in_e[edges.post] >= 0) & (place_in_e[edges.pre] >= 0)
    connected = np.zeros(far.shape, bool)
    connected[place_in_e[edges.post[among]], place_in_e[edges.pre[among]]] = True
    for low, high in ((1, 60), (100, 150), (200, 250)):
        ring = (far > low) & (far < high)
        wanted = PROBABILITY["excitatory"]["excitatory"] * np.exp(-(far[ring] ** 2) / (2 * 125.0**2)).mean()
        assert connected[ring].mean() == pytest.approx(wanted, rel=0.1)
    assert not connected[far > 3.1 * 125].any()
    assert not connected.diagonal().any()
    lengths = far[place_in_e[edges.post[among]], place_in_e[edges.pre[among]]]
    assert np.corrcoef(lengths, edges.delay_s[among])[0, 1] > 0.5


def test_ten_thousand_neurons_are_wired_without_a_matrix():
    """A matrix of booleans alone would have 95 MiB; blocks of 40 neurons and the list stay below."""
    network = Cortex(n_neurons=10_000, range_um=30.0)  # few connections: what is not in the list is what counts here
    tracemalloc.start()
    connectome = network.connect(np.random.default_rng(0))
    assert tracemalloc.get_traced_memory()[1] < 90 * 2**20
    tracemalloc.stop()
    assert len(connectome.edges.post) > 50_000


def test_drives_belong_to_the_neurons():
    assert np.array_equal(Cortex().drive(), Cortex().drive())
    assert Cortex().drive()[:1600].std() == pytest.approx(2.0, rel=0.1)
    assert not np.array_equal(Cortex(drive_seed=1).drive(), Cortex().drive())


connectomes = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def dense(rng: np.random.Generator, n: int = 7) -> Connectome:
    weight = rng.normal(0, 1, (n, n)) * (rng.random((n, n)) < 0.4)
    np.fill_diagonal(weight, 0.0)
    return Connectome(weight, delay_s=np.where(weight != 0, rng.uniform(1e-3, 3e-3, (n, n)), np.nan))


@given(connectomes)
def test_a_list_of_connections_is_the_same_connectome(rng):
    matrices = dense(rng)
    listed = SparseConnectome(7, matrices.edges)
    chosen = rng.permutation(7)[:4]
    for found, wanted in ((listed, matrices), (listed.select(chosen), matrices.select(chosen))):
        assert found.n_neurons == wanted.n_neurons
        assert np.array_equal(found.weight, wanted.weight)
        assert np.array_equal(found.delay_s, wanted.delay_s, equal_nan=True)
        assert np.array_equal(found.adjacency, wanted.adjacency)
        for name in ("post", "pre", "weight", "delay_s"):
            assert np.array_equal(getattr(found.edges, name), getattr(wanted.edges, name))


@pytest.mark.parametrize("by", ["random", "field", "depth", "rate"])
def test_the_visible_part_of_a_list_is_that_of_its_matrices(by):
    rng = np.random.default_rng(3)
    n, support = 30, nap.IntervalSet(0, 20)
    spikes = {k: nap.Ts(np.sort(rng.uniform(0, 20, 20 + 5 * k)), time_support=support) for k in range(n)}
    table = neuron_table(n, cell_type=["a", "b"] * 15, position_um=rng.uniform(0, 100, (n, 3)))
    matrices = dense(rng, n)
    whole = Simulation(nap.TsGroup(spikes, time_support=support), table, matrices)
    part = visible_part(whole, fraction=0.3, by=by)
    same = visible_part(replace(whole, connectome=SparseConnectome(n, matrices.edges)), fraction=0.3, by=by)
    assert same.metadata == part.metadata
    assert np.array_equal(same.connectome.weight, part.connectome.weight)
    assert np.array_equal(same.connectome.effective, part.connectome.effective)
    chosen = part.metadata["visible"]["indices"]
    if by == "rate":
        assert chosen == list(range(21, 30))
    if by == "depth":
        middle = np.abs(table["z_um"] - table["z_um"].mean())
        assert set(chosen) == set(np.argsort(middle)[:9])


def test_an_empty_list_has_no_connections():
    nothing = np.zeros(0, np.int32)
    empty = SparseConnectome(3, Edges(nothing, nothing, np.zeros(0), np.zeros(0)))
    assert not empty.weight.any()
    assert np.isnan(empty.delay_s).all()
    assert "3 neurons, 0 connections" in repr(empty)
