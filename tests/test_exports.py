"""Inferred connectivity as CSV, GraphML and NWB: nothing is lost on the way, and other tools read it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import networkx as nx  # comes with torch
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nwb_files import save, with_units
from pynwb import NWBHDF5IO

from reports.exports import EDGES, GRAPH, NWB, edge_table, graphml, write_exports
from synapsnet.cli import main
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io import nwb_write, read, write_recording
from synapsnet.io.nwb_inferred import add_inferred
from synapsnet.io.reread import find_neurons, read_again
from synapsnet.recording import Recording, neuron_table
from synapsnet.run import Run, fit_run, load_run
from synapsnet.settings import Settings

NEURONS = neuron_table(3, ids=["a", "b", "c"], cell_type=["exc", "exc", "inh"], area=["VISp"] * 3)


def by_hand() -> Connectome:
    """`a` sends to `c` (sure) and `c` to `b` (less so)."""
    weight, local = np.full((3, 3), 0.01), np.full((3, 3), 0.9)
    weight[2, 0], local[2, 0] = 1.5, 0.01
    weight[1, 2], local[1, 2] = -0.5, 0.07
    np.fill_diagonal(weight, 0)
    delay = np.full((3, 3), np.nan)
    delay[2, 0] = 0.002
    return Connectome(weight, standard_error=np.full((3, 3), 0.1), p_value=local**2, local_fdr=local, delay_s=delay)


def test_edges_by_hand() -> None:
    edges = edge_table(by_hand(), NEURONS)
    assert len(edges) == 6
    sure, less = edges.iloc[0], edges.iloc[1]
    assert (sure.pre, sure.post, sure.weight, sure.delay_s, sure.reported) == ("a", "c", 1.5, 0.002, True)
    assert (less.pre, less.post, less.weight, less.reported) == ("c", "b", -0.5, True)
    assert sure.q_value == pytest.approx(0.01) and less.q_value == pytest.approx((0.01 + 0.07) / 2)
    assert edges.reported.sum() == 2 and np.isnan(less.delay_s)
    assert edges.q_value.is_monotonic_increasing
    assert edge_table(by_hand(), NEURONS, fdr=0.02).reported.sum() == 1


def test_pairs_of_neurons_with_little_data_are_marked() -> None:
    edges = edge_table(by_hand(), NEURONS, little_data=[False, True, False])
    assert edges.little_data.tolist() == ["b" in pair for pair in zip(edges.pre, edges.post, strict=True)]
    assert not edge_table(by_hand(), NEURONS).little_data.any()


def test_p_values_are_those_of_weights_over_their_errors_whatever_else_is_known() -> None:
    weight, half = np.array([[0.0, 1.0], [2.0, 0.0]]), np.full((2, 2), 0.5)
    found = Connectome(weight, standard_error=np.ones((2, 2)), local_fdr=half)
    assert found.p_values == pytest.approx(np.array([[1, 0.3173], [0.0455, 1]]), abs=1e-4)


def test_edges_without_prior_have_adjusted_p_values() -> None:
    z = np.array([[0.0, 4.0], [1.0, 0.0]])
    edges = edge_table(Connectome(z, standard_error=np.ones((2, 2))), neuron_table(2))
    assert edges.p_value.tolist() == pytest.approx([6.334e-5, 0.3173], rel=1e-3)
    assert edges.q_value.tolist() == pytest.approx([2 * 6.334e-5, 0.3173], rel=1e-3)
    assert edges.local_fdr.isna().all() and edges.delay_s.isna().all()


def test_neurons_of_one_name_stay_apart() -> None:
    edges = edge_table(by_hand(), neuron_table(3, ids=["a", "a", "a#1"]))
    assert set(edges.pre) == {"a#0", "a#1", "a#1#2"}


def test_graph_holds_the_reported_connections() -> None:
    edges = edge_table(by_hand(), NEURONS)
    graph = nx.parse_graphml(graphml(edges[edges.reported], NEURONS))
    assert graph.is_directed() and len(graph) == 3
    name = nx.get_node_attributes(graph, "id")
    found = {(name[pre], name[post]): facts for pre, post, facts in graph.edges(data=True)}
    assert set(found) == {("a", "c"), ("c", "b")}
    assert found["a", "c"] == pytest.approx(
        {"weight": 1.5, "standard_error": 0.1, "p_value": 1e-4, "q_value": 0.01, "local_fdr": 0.01, "delay_s": 0.002}
    )
    assert "delay_s" not in found["c", "b"]
    assert "x_um" not in graph.nodes["n0"] and graph.nodes["n0"]["area"] == "VISp"


@given(ids=st.lists(st.text(max_size=8), min_size=3, max_size=3))
def test_any_names_of_neurons_can_be_exported(ids: list[str]) -> None:
    neurons = neuron_table(3, ids=ids)
    edges = edge_table(by_hand(), neurons)
    graph = nx.parse_graphml(graphml(edges[edges.reported], neurons))
    assert len(graph) == 3 and graph.number_of_edges() == 2
    assert edges.groupby("pre").size().tolist() == [2, 2, 2]


def test_no_connections_make_a_graph_without_edges() -> None:
    edges = edge_table(Connectome(np.zeros((3, 3)), standard_error=np.ones((3, 3))), NEURONS)
    assert nx.parse_graphml(graphml(edges[edges.reported], NEURONS)).number_of_edges() == 0


def test_copy_of_a_recording_reads_as_before_and_holds_what_was_inferred(
    spike_recording: Recording, tmp_path: Path
) -> None:
    source, copy = tmp_path / "recording.nwb", tmp_path / "copy.nwb"
    write_recording(spike_recording.select_rows([(0, 400)]), source)
    n = spike_recording.n_neurons
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(n, n)) * (1 - np.eye(n))
    inferred = Connectome(weight, standard_error=np.ones((n, n)), local_fdr=rng.random((n, n)))
    before = source.read_bytes()
    add_inferred(source, copy, inferred, spike_recording.neurons)
    assert source.read_bytes() == before
    first, second = read(source), read(copy)
    assert np.array_equal(first.values, second.values)
    assert first.connectome is not None and second.connectome is not None
    assert np.array_equal(first.connectome.weight, second.connectome.weight)
    with NWBHDF5IO(str(copy), "r") as file:
        table = file.read().processing["synapsnet"]["inferred"]
        found = table.to_dataframe()
        for name in ("weight", "local_fdr"):
            there = found[found.pre != found.post]
            assert len(there) == n * (n - 1)
            assert np.array_equal(there[name], getattr(inferred, name)[there.post, there.pre])
    with pytest.raises(InputError, match="holds inferred connectivity already"):
        add_inferred(copy, tmp_path / "again.nwb", inferred, spike_recording.neurons)
    assert not (tmp_path / "again.nwb").exists()
    with pytest.raises(InputError, match="has no neuron a, which the connectivity has"):
        add_inferred(source, tmp_path / "again.nwb", by_hand(), NEURONS)
    with pytest.raises(InputError, match="give the copy another name"):
        add_inferred(source, source, inferred, spike_recording.neurons)


def test_file_of_another_lab_gets_the_neurons_too(tmp_path: Path) -> None:
    source, copy = tmp_path / "theirs.nwb", tmp_path / "copy.nwb"
    save(with_units([[0.1, 0.5, 0.9], [0.2, 0.7], [0.3, 0.8]]), source)
    before = read(source)
    neurons = before.neurons
    add_inferred(source, copy, by_hand(), neurons)
    assert np.array_equal(read(copy).values, before.values)
    with NWBHDF5IO(str(copy), "r") as file:
        module = file.read().processing["synapsnet"]
        assert module["neurons"]["neuron_id"][:].tolist() == neurons["id"].tolist()
        found = module["inferred"].to_dataframe()
        assert found.loc[(found.pre == 0) & (found.post == 2), "weight"].item() == 1.5


@pytest.mark.parametrize("content", [None, b"no HDF5"])
def test_what_is_no_nwb_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.nwb").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as an NWB"):
        add_inferred(tmp_path / "x.nwb", tmp_path / "copy.nwb", by_hand(), NEURONS)
    assert not (tmp_path / "copy.nwb").exists()


@pytest.fixture(scope="module")
def run(spike_recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "run"
    fit_run(spike_recording, folder, settings=Settings(epochs=1, n_hidden=2), device="cpu")
    return folder


def test_command_writes_all_three(run: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["synapsnet", "edges", str(run), "-o", str(tmp_path / "new" / "edges")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    folder = tmp_path / "new" / "edges"
    assert {path.name for path in folder.iterdir()} == {EDGES, GRAPH, NWB}
    assert EDGES in capsys.readouterr().out
    edges = pd.read_csv(io.StringIO((folder / EDGES).read_text()), dtype={"pre": str, "post": str})
    connectome = load_run(run, device="cpu").models["synapsnet"].connectivity_
    assert len(edges) == 380 and edges.reported.sum() == connectome.significant().sum()
    first = edges.iloc[0]
    assert first.weight == pytest.approx(connectome.weight[int(first.post), int(first.pre)], rel=1e-5)
    assert nx.read_graphml(folder / GRAPH).number_of_edges() == edges.reported.sum()
    assert read(folder / NWB).n_neurons == 20


def test_results_go_into_the_rows_of_a_file_that_holds_more(
    run: Path, spike_recording: Recording, tmp_path: Path
) -> None:
    """The file has neurons in another order, twice as many of them, and more time."""
    order = np.random.default_rng(0).permutation(20)
    whole = spike_recording.select_neurons(order)
    write_recording(whole, tmp_path / "session.nwb")
    chosen = [k for k in range(20) if k % 2]
    part = fit_of(spike_recording.select_rows([(4000, 20000)]).select_neurons(chosen), tmp_path / "run")
    write_exports(part, tmp_path / "edges", recording=tmp_path / "session.nwb")
    inferred = part.models["synapsnet"].connectivity_
    with NWBHDF5IO(str(tmp_path / "edges" / NWB), "r") as file:
        found = file.read().processing["synapsnet"]["inferred"].to_dataframe()
    position = {int(order[row]): row for row in range(20)}  # of each neuron in the file
    there = found[found.pre != found.post].set_index(["post", "pre"])["weight"]
    for post, pre in ((0, 1), (5, 3), (9, 0)):
        row = position[chosen[post]], position[chosen[pre]]
        assert there.loc[row] == pytest.approx(inferred.weight[post, pre])
    assert set(found.pre) == {position[k] for k in chosen}


def fit_of(recording: Recording, folder: Path) -> Run:
    fit_run(recording, folder, settings=Settings(epochs=1, n_hidden=2), device="cpu")
    return load_run(folder, device="cpu")


def test_a_file_that_was_not_fitted_is_refused(run: Path, spike_recording: Recording, tmp_path: Path) -> None:
    fitted, path = load_run(run, device="cpu"), tmp_path / "other.nwb"
    bins = 2 * (spike_recording.n_steps // 2)
    coarse = spike_recording.values[:bins].reshape(-1, 2, 20).sum(axis=1)
    rng = np.random.default_rng(0)
    others = {
        "of the run's 20 neurons, its 19 do not include 19": spike_recording.select_neurons(range(19)),
        r"its time step is 0.01 s, and the run's 0.005 s": Recording.from_array(coarse, 0.01, "spikes"),
        r"it lacks 60 s of the run's 120 s": spike_recording.select_rows([(0, 12000)]),
        r"neuron \d+ fires at .* Hz in it, and at .* Hz in the run": Recording.from_array(
            rng.permuted(spike_recording.values, axis=1), 0.005, "spikes"
        ),
        "it holds calcium, and the run spikes": Recording.from_array(rng.random((24000, 20)), 0.005, "calcium"),
    }
    for reason, other in others.items():
        write_recording(other, path)
        with pytest.raises(InputError, match=f"is not the recording that the run was fitted to: {reason}"):
            write_exports(fitted, tmp_path / "new", recording=path)
    with pytest.raises(InputError, match=r"NWB file \(\*.nwb\); got .*session.npz"):
        write_exports(fitted, tmp_path / "new", recording=tmp_path / "session.npz")
    with pytest.raises(InputError, match="does not exist"):
        write_exports(fitted, tmp_path / "new", recording=tmp_path / "absent.nwb")
    assert not (tmp_path / "new").exists()


def test_traces_of_other_cells_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mine, theirs = (Recording.from_array(rng.random((500, 3)), 0.1, "calcium") for _ in range(2))
    path = tmp_path / "x.nwb"
    write_recording(mine, path)
    part = mine.select_rows([(100, 400)]).select_neurons([2, 0])
    assert find_neurons(path, read_again(path, part), part).tolist() == [2, 0]
    with pytest.raises(InputError, match="traces of the same neurons differ"):
        find_neurons(path, read_again(path, theirs), theirs)


def test_a_file_with_results_is_refused_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    fitted = load_run(run, device="cpu")
    write_exports(fitted, tmp_path / "edges")
    with pytest.raises(InputError, match="holds inferred connectivity already; give the recording itself"):
        write_exports(fitted, tmp_path / "new", recording=tmp_path / "edges" / NWB)
    assert list((tmp_path / "new").iterdir()) == []


def test_unusable_options_are_refused_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        write_exports(load_run(run, device="cpu"), tmp_path / "new", fdr=5)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_exports(load_run(run, device="cpu"), tmp_path / "file")


def test_of_many_pairs_the_surest_are_listed_and_all_that_are_reported() -> None:
    rng = np.random.default_rng(0)
    local = np.round(rng.random((20, 20)), 1)  # with ties
    weight = np.where(np.eye(20), 0, rng.normal(size=(20, 20)))
    connectome, neurons = Connectome(weight, standard_error=np.ones((20, 20)), local_fdr=local), neuron_table(20)
    every = edge_table(connectome, neurons)
    assert len(every) == 380 and (every.pre != every.post).all()
    n_reported = int(every.reported.sum())
    assert 0 < n_reported < 100
    pd.testing.assert_frame_equal(edge_table(connectome, neurons, most=100), every.head(100))
    pd.testing.assert_frame_equal(edge_table(connectome, neurons, most=0), every.head(n_reported))


def test_a_copy_holds_the_surest_of_many_pairs(
    spike_recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copy, n = tmp_path / "x.nwb", tmp_path / "copy.nwb", spike_recording.n_neurons
    write_recording(spike_recording, source)
    local = 0.5 + 0.4 * np.random.default_rng(0).random((n, n))
    local[0, 1] = 0.01
    weight = np.where(np.eye(n), 0, 1.0)
    monkeypatch.setattr(nwb_write, "MOST_PAIRS", 3)
    add_inferred(source, copy, Connectome(weight, standard_error=weight + 1, local_fdr=local), spike_recording.neurons)
    with NWBHDF5IO(copy, "r") as file:
        found = file.read().processing["synapsnet"]["inferred"].to_dataframe()
    assert sorted(found["local_fdr"]) == np.sort(local[~np.eye(n, dtype=bool)])[:3].tolist()
