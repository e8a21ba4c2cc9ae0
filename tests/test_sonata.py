"""SONATA files, read back with libsonata, which shares no code with the library that wrote them."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import libsonata
import numpy as np
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.sonata import write_sonata
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation, neuron_table

FILES = {"nodes.h5", "node_types.csv", "edges.h5", "edge_types.csv", "spikes.h5"}


def simulation_of(connectome: Connectome, trains_s: list[list[float]] | None = None, **table: Any) -> Simulation:
    n = connectome.n_neurons
    epoch = nap.IntervalSet(0, 10)
    trains = {k: nap.Ts(np.array(times_s), time_support=epoch) for k, times_s in enumerate(trains_s or [[]] * n)}
    return Simulation(nap.TsGroup(trains, time_support=epoch), neuron_table(n, **table), connectome)


def edges_of(folder: Path) -> dict[tuple[int, int], dict[str, float]]:
    """{(target, source): {attribute: value}}; no connection is listed twice."""
    population = libsonata.EdgeStorage(folder / "edges.h5").open_population("neurons_to_neurons")
    every = population.select_all()
    pairs = list(zip(population.target_nodes(every).tolist(), population.source_nodes(every).tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    columns = {name: population.get_attribute(name, every).tolist() for name in population.attribute_names}
    return {pair: {name: column[k] for name, column in columns.items()} for k, pair in enumerate(pairs)}


def nodes_of(folder: Path) -> dict[str, list[Any]]:
    population = libsonata.NodeStorage(folder / "nodes.h5").open_population("neurons")
    every = population.select_all()
    return {name: population.get_attribute(name, every).tolist() for name in population.attribute_names}


def spikes_of(folder: Path) -> dict[str, list[float]]:
    spikes = libsonata.SpikeReader(folder / "spikes.h5")["neurons"]
    assert spikes.time_units == "ms"
    return {name: values.tolist() for name, values in spikes.get_dict().items()}


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=" "))


def chain() -> Connectome:
    """0 excites 1, 1 inhibits 2."""
    weight, delay_s = np.zeros((3, 3)), np.full((3, 3), np.nan)
    weight[1, 0], delay_s[1, 0] = 0.5, 0.0015
    weight[2, 1], delay_s[2, 1] = -2.0, 0.003
    return Connectome(weight, delay_s=delay_s)


def test_connections_go_from_pre_to_post_with_signed_weights_in_mv_and_delays_in_ms(tmp_path):
    write_sonata(simulation_of(chain()), tmp_path / "chain")
    edges = edges_of(tmp_path / "chain")
    assert edges.keys() == {(1, 0), (2, 1)}
    assert edges[1, 0] == pytest.approx({"syn_weight": 0.5, "delay": 1.5})
    assert edges[2, 1] == pytest.approx({"syn_weight": -2.0, "delay": 3.0})
    (kind,) = table_of(tmp_path / "chain" / "edge_types.csv")
    assert kind["syn_weight_unit"] == "mV"


def test_neurons_keep_their_order_names_types_areas_and_positions(tmp_path):
    position_um = np.array([[1.0, 2.0, 3.0], [4.5, 5.5, 6.5], [7.0, 8.0, 9.0]])
    table = {
        "ids": ["c", "a", "b"],
        "cell_type": ["excitatory", "Pvalb", "L4 α"],
        "area": ["VISp", "VISp", "VISl"],
    }
    write_sonata(simulation_of(chain(), position_um=position_um, **table), tmp_path / "chain")
    nodes = nodes_of(tmp_path / "chain")
    assert nodes == {
        "id": table["ids"],
        "cell_type": table["cell_type"],
        "area": table["area"],
        "x": [1.0, 4.5, 7.0],
        "y": [2.0, 5.5, 8.0],
        "z": [3.0, 6.5, 9.0],
    }
    (kind,) = table_of(tmp_path / "chain" / "node_types.csv")
    assert kind["model_type"] == "point_neuron"


def test_spikes_come_in_the_order_of_their_times_in_ms(tmp_path):
    write_sonata(simulation_of(chain(), [[0.5, 2.0], [], [0.25, 1.0]]), tmp_path / "chain")
    spikes = spikes_of(tmp_path / "chain")
    assert spikes["node_ids"] == [2, 0, 2, 0]
    assert spikes["timestamps"] == pytest.approx([250.0, 500.0, 1000.0, 2000.0])


@st.composite
def connectomes(draw: st.DrawFn) -> Connectome:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 12))
    connected = rng.random((n, n)) < draw(st.sampled_from([0.05, 0.3, 1.0]))
    np.fill_diagonal(connected, False)
    weight = np.where(connected, rng.normal(size=(n, n)), 0.0)
    delay_s = np.where(connected, rng.uniform(0, 0.02, (n, n)), np.nan)
    return Connectome(weight, delay_s=draw(st.sampled_from([None, delay_s])), unit=draw(st.sampled_from(["mV", "nS"])))


@given(connectome=connectomes())
def test_any_connectome_comes_back(connectome, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sonata") / "network"
    write_sonata(simulation_of(connectome), folder)
    assert len(nodes_of(folder)["id"]) == connectome.n_neurons
    if not connectome.adjacency.any():
        assert {path.name for path in folder.iterdir()} == FILES - {"edges.h5", "edge_types.csv"}
        return
    assert {path.name for path in folder.iterdir()} == FILES
    n = connectome.n_neurons
    weight, delay_s = np.zeros((n, n)), np.full((n, n), np.nan)
    for pair, edge in edges_of(folder).items():
        weight[pair], delay_s[pair] = edge["syn_weight"], edge.get("delay", np.nan) * 1e-3
    assert np.array_equal(weight, connectome.weight)
    expected_s = np.full((n, n), np.nan) if connectome.delay_s is None else connectome.delay_s
    assert delay_s == pytest.approx(expected_s, rel=1e-12, nan_ok=True)
    assert table_of(folder / "edge_types.csv")[0]["syn_weight_unit"] == connectome.unit


def test_a_silent_network_without_connections_is_its_neurons(tmp_path):
    write_sonata(simulation_of(Connectome(np.zeros((4, 4)))), tmp_path / "silent")
    assert nodes_of(tmp_path / "silent")["id"] == ["0", "1", "2", "3"]
    assert spikes_of(tmp_path / "silent") == {"node_ids": [], "timestamps": []}
    assert not (tmp_path / "silent" / "edges.h5").exists()


def test_a_simulated_network_comes_back(small_simulation, tmp_path):
    write_sonata(small_simulation, tmp_path / "network")
    truth = small_simulation.connectome
    assert {pair: edge["syn_weight"] for pair, edge in edges_of(tmp_path / "network").items()} == {
        (post, pre): truth.weight[post, pre] for post, pre in np.argwhere(truth.adjacency).tolist()
    }
    assert nodes_of(tmp_path / "network")["cell_type"] == small_simulation.neurons["cell_type"].tolist()
    spikes = spikes_of(tmp_path / "network")
    for k in range(small_simulation.n_neurons):
        times_ms = np.array(spikes["timestamps"])[np.array(spikes["node_ids"]) == k]
        assert times_ms == pytest.approx(small_simulation.spike_times[k].times() * 1e3)


# Bad input


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_not_overwritten(kind, tmp_path):
    path = tmp_path / "taken"
    path.mkdir() if kind == "folder" else path.write_text("mine")
    with pytest.raises(InputError, match="taken: it exists already; name a new folder"):
        write_sonata(simulation_of(chain()), path)
    assert not list(path.iterdir()) if kind == "folder" else path.read_text() == "mine"


def test_refuses_a_place_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="No such file or directory; choose a place that exists"):
        write_sonata(simulation_of(chain()), tmp_path / "nowhere" / "chain")


@pytest.mark.parametrize("size", ["small", "large"])
def test_refuses_a_disk_without_room_for_all_files(size, tmp_path, monkeypatch):
    connectome = chain() if size == "small" else Connectome(1 - np.eye(100), delay_s=np.full((100, 100), 0.001))
    simulation = simulation_of(connectome, [np.linspace(0, 10, 1000).tolist()] * connectome.n_neurons)
    write_sonata(simulation, tmp_path / "first")
    n_bytes = sum(path.stat().st_size for path in (tmp_path / "first").iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=n_bytes - 1))
    with pytest.raises(InputError, match=r"may need .* MB, which are not free; choose a place that .* has room"):
        write_sonata(simulation, tmp_path / "second")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bmtk.builder.NetworkBuilder.save_edges", fail)
    with pytest.raises(InputError, match="chain: No space left on device; choose"):
        write_sonata(simulation_of(chain()), tmp_path / "chain")
    assert not list(tmp_path.iterdir())


def test_without_bmtk_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bmtk.builder", None)
    with pytest.raises(InputError, match=r'bmtk, which is not installed: pip install "synapsnet\[sonata\]"'):
        write_sonata(simulation_of(chain()), tmp_path / "chain")
