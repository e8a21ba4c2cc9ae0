"""Spikes of other simulators: files that NEST 3.10 wrote (`tests/nest`), and SONATA by bmtk and by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pynapple as nap
import pytest

from simulators.sonata import write_sonata
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io import explain, read
from synapsnet.io.truth import Truth
from synapsnet.recording import Simulation, neuron_table

NEST = Path(__file__).parent / "nest"


def test_recorders_of_nest_are_read_together():
    said: list[str] = []
    recording = read(NEST, truth=Truth(file=str(NEST / "connections.csv")), bin_s=0.001, notify=said.append)
    assert recording.neurons["cell_type"].tolist() == ["excitatory"] * 4 + ["inhibitory"] * 2
    spikes = pd.concat(pd.read_csv(file, sep="\t", comment="#") for file in NEST.glob("*itatory-*.dat"))
    for k, times_ms in spikes.groupby("sender")["time_ms"]:
        np.testing.assert_allclose(recording.spike_times[int(k) - 1].times(), np.sort(times_ms) * 1e-3)
    assert recording.connectome.adjacency.sum() == 11
    assert recording.connectome.weight[1, 5] == -200
    assert recording.connectome.delay_s[1, 0] == 0.0015
    assert sum("so it is left out" in line for line in said) == 2  # what a voltmeter wrote
    assert explain(NEST)["reader"].startswith("nest")


def test_files_of_nest_2_have_no_header_and_silent_neurons_are_those_that_are_said(tmp_path):
    (tmp_path / "all-7-0.gdf").write_text("1\t1.0\t\n3\t2.5\t\n1\t900.0\t\n3\t950.0\n3\t2.5\n3\t2.5\n")
    (tmp_path / "again-8-0.gdf").write_text("1\t1.0\n")
    said: list[str] = []
    recording = read(tmp_path, neurons="1-3", duration_s=1.0, min_rate_hz=0.5, notify=said.append)
    assert recording.neurons["id"].tolist() == ["1", "3"]
    assert recording.values.sum() == 4  # a spike that two recorders saw is one, and so is one that is there twice
    assert [line for line in said if line.startswith("Counted once")] == [
        "Counted once: 1 spike in the files of two recorders.",
        "Counted once: 2 spikes twice in one file.",
    ]
    assert recording.n_steps == 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# NEST version: 3\nsender\ttime_ms\tV_m\n1\t1\t2\n", "Give the file of a spike recorder"),
        ("# NEST version: 3\nsender\ttime_ms\n1\tx\n", "a neuron's number and a time in each row"),
        ("# NEST version: 3\nsender\ttime_ms\n1\t5\n", "All spikes are at one time"),
    ],
)
def test_what_is_no_file_of_spikes_ends_in_a_sentence(tmp_path, text, sentence):
    (tmp_path / "r-1-0.dat").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "r-1-0.dat")


def test_times_in_steps_of_nest_2_are_not_taken_for_milliseconds(tmp_path):
    (tmp_path / "r-1-0.gdf").write_text("1\t10\t-0.05\t\n2\t25\t0\t\n")
    with pytest.raises(InputError, match="the columns sender, time_ms, column 3; spikes are"):
        read(tmp_path / "r-1-0.gdf")


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Simulation, Path]:
    rng = np.random.default_rng(0)
    trains = {k: nap.Ts(np.sort(rng.uniform(0, 9.9, 40))) for k in range(4)}
    weight = np.array([[0, 1.5, 0, 0], [0, 0, 0, -2], [1, 0, 0, -1], [0, 0, 0, 0.0]])
    simulation = Simulation(
        nap.TsGroup(trains, time_support=nap.IntervalSet(0, 10)),
        neuron_table(4, cell_type=["e", "e", "e", "i"], position_um=rng.normal(size=(4, 3))),
        Connectome(weight, delay_s=np.where(weight != 0, 0.0015, np.nan)),
    )
    folder = tmp_path_factory.mktemp("sonata") / "network"
    write_sonata(simulation, folder)
    return simulation, folder


def test_sonata_as_bmtk_writes_it_comes_back_with_neurons_and_truth(exported):
    simulation, folder = exported
    recording = read(folder, duration_s=10.0, truth=Truth(file=str(folder / "edges.h5")))
    for k in range(4):
        np.testing.assert_allclose(recording.spike_times[k].times(), simulation.spike_times[k].times())
    assert recording.neurons["cell_type"].tolist() == ["e", "e", "e", "i"]
    np.testing.assert_allclose(recording.neurons["x_um"], simulation.neurons["x_um"])
    np.testing.assert_allclose(recording.connectome.weight, simulation.connectome.weight)
    np.testing.assert_allclose(recording.connectome.delay_s, simulation.connectome.delay_s)


def test_spikes_of_neurons_that_the_nodes_lack_are_told(exported, tmp_path):
    _, folder = exported
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    said: list[str] = []
    with h5py.File(tmp_path / "spikes.h5", "r+") as file:
        file["spikes/neurons/node_ids"][:40] = 70 + np.arange(40) % 2
    read(tmp_path, duration_s=10.0, notify=said.append)
    assert any(line.startswith("Left out: 40 spikes of 2 neurons that the nodes of ") for line in said)
    with h5py.File(tmp_path / "spikes.h5", "r+") as file:
        file["spikes/neurons/node_ids"][:] = 70
    with pytest.raises(InputError, match=r"they list none of them\. Give the folder of the nodes"):
        read(tmp_path, duration_s=10.0)


def test_populations_are_kept_apart_and_synapses_of_a_pair_summed(tmp_path):
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        for name, ids in (("cortex", [0, 1, 0]), ("thalamus", [0, 0, 1])):
            group = file.create_group(f"spikes/{name}")
            group["node_ids"] = np.array(ids, np.uint64)
            group["timestamps"] = np.array([10.0, 20.0, 900.0])
            group["timestamps"].attrs["units"] = "milliseconds"
    with h5py.File(tmp_path / "edges.h5", "w") as file:
        group = file.create_group("edges/thalamus_to_cortex")
        for end, ids, population in (("source", [1, 1, 0], "thalamus"), ("target", [0, 0, 1], "cortex")):
            group[f"{end}_node_id"] = np.array(ids, np.uint64)
            group[f"{end}_node_id"].attrs["node_population"] = population
        group["edge_type_id"] = np.array([100, 100, 101])
    (tmp_path / "edge_types.csv").write_text("edge_type_id syn_weight delay\n100 0.5 2.0\n101 -1.0 NULL\n")
    said: list[str] = []
    recording = read(tmp_path, duration_s=1.0, truth=Truth(file=str(tmp_path / "edges.h5")), notify=said.append)
    assert recording.neurons["id"].tolist() == ["cortex/0", "cortex/1", "thalamus/0", "thalamus/1"]
    assert recording.connectome.weight[0, 3] == 1.0
    assert recording.connectome.weight[1, 2] == -1.0
    assert recording.connectome.delay_s[0, 3] == 0.002
    assert any("synapses of a pair are summed" in line for line in said)
    with pytest.raises(InputError, match="has no population cerebellum"):
        read(tmp_path, population="cerebellum")
