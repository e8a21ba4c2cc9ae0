"""Choosing the reader, options, dropping quiet neurons, descriptions, and whole-or-absent files."""

from __future__ import annotations

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.files import atomic_path, write_text
from synapsnet.io import READERS, describe, read, write_recording, write_simulation
from synapsnet.recording import Recording, neuron_table


@pytest.fixture
def spikes_npz(tmp_path):
    """Neurons that fire at 10, 1 and 0.1 Hz for 100 s."""
    counts = np.zeros((1000, 3))
    counts[::1, 0] = counts[::10, 1] = counts[::100, 2] = 1
    counts[0, 0] = 0
    np.savez(tmp_path / "counts.npz", z=counts, dt=0.1)
    return tmp_path / "counts.npz"


def test_a_missing_path_is_refused_with_the_nearest_name(spikes_npz):
    with pytest.raises(InputError, match=r"does not exist; did you mean counts.npz\?"):
        read(spikes_npz.with_name("count.npz"))
    with pytest.raises(InputError, match="does not exist; check the path"):
        read(spikes_npz.parent / "no" / "such.nwb")


@pytest.mark.parametrize("name", ["data.docx", "data"])
def test_an_unknown_layout_is_refused_with_those_that_are_known(tmp_path, name):
    (tmp_path / name).write_text("1,2")
    with pytest.raises(InputError) as refusal:
        read(tmp_path / name)
    assert all(reader.LAYOUT in str(refusal.value) for reader in READERS)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no layout that can be read"):
        read(tmp_path)


def test_an_option_of_another_reader_is_refused_with_those_of_this_one(spikes_npz):
    with pytest.raises(
        InputError, match=r"bin_s \(--bin\) cannot .* takes key \(--key\), dt_s \(--dt\), fs_hz \(--fs\), modality"
    ):
        read(spikes_npz, bin_s=0.1)


def test_an_option_of_none_counts_as_not_given(spikes_npz):
    assert read(spikes_npz, bin_s=None, fs_hz=None).n_neurons == 3


def test_quiet_neurons_are_dropped_on_request_and_counted(spikes_npz):
    lines: list[str] = []
    recording = read(spikes_npz, min_rate_hz=0.5, notify=lines.append)
    assert list(recording.neurons["id"]) == ["0", "1"]
    assert lines[-1] == "1 of 3 neurons dropped: they fire below 0.5 Hz."


def test_a_silent_neuron_is_refused_unless_it_is_dropped(tmp_path, spike_recording):
    counts = spike_recording.values.copy()
    counts[:, 4] = 0
    np.savez(tmp_path / "silent.npz", z=counts, dt=0.005)
    with pytest.raises(InputError, match=r"never changes in neuron 4: .*--min-rate"):
        read(tmp_path / "silent.npz")
    assert read(tmp_path / "silent.npz", min_rate_hz=0.01).n_neurons == 19


def test_refuses_to_drop_all_but_one_neuron(spikes_npz):
    with pytest.raises(InputError, match="Only 1 of 3 neurons fire at 5 Hz or more and at least 2 are needed"):
        read(spikes_npz, min_rate_hz=5.0)


def test_refuses_a_minimum_rate_for_calcium(tmp_path, calcium_recording):
    write_recording(calcium_recording, tmp_path / "calcium.nwb")
    with pytest.raises(InputError, match="is for spikes, and this is a calcium recording"):
        read(tmp_path / "calcium.nwb", min_rate_hz=1.0)


def test_describes_a_simulation(tmp_path, small_simulation):
    write_simulation(small_simulation, tmp_path / "sim.nwb")
    facts = describe(tmp_path / "sim.nwb", bin_s=None)
    n_spikes = sum(len(small_simulation.spike_times[k]) for k in range(20))
    n_edges = np.count_nonzero(small_simulation.connectome.weight)
    assert facts["kind"].startswith("simulation")
    assert facts["network"] == "lif-random"
    assert facts["neurons"] == "20 (16 excitatory, 4 inhibitory)"
    assert facts["duration"] == "2 min"
    assert facts["mean rate"] == f"{n_spikes / 20 / 120:.3g} Hz"
    assert facts["ground truth"].startswith(f"{n_edges} connections of 380 ordered pairs")


def test_describes_a_simulation_as_a_recording_once_a_bin_is_given(tmp_path, small_simulation):
    write_simulation(small_simulation, tmp_path / "sim.nwb")
    assert describe(tmp_path / "sim.nwb", bin_s=0.01)["time step"] == "10 ms (100 Hz)"


def test_describes_a_recording_with_trials_behaviour_and_a_constant_neuron(tmp_path):
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[:, 1] = 0
    recording = Recording.from_array(
        values,
        0.1,
        "calcium",
        segments=[10, 20],
        behaviour=np.ones((30, 2)),
        behaviour_names=["speed", "pupil"],
        require_varying=False,
    )
    write_recording(recording, tmp_path / "r.nwb")
    assert describe(tmp_path / "r.nwb") == {
        "kind": "recording (calcium)",
        "neurons": "3",
        "duration": "3 s in 30 steps",
        "time step": "100 ms (10 Hz)",
        "epochs": "2 of 1 to 2 s",
        "clock": "0 to 3.1 s",
        "behaviour": "speed, pupil",
        "ground truth": "none",
    }


def test_describes_areas_and_positions_where_they_are_known(tmp_path):
    position = np.full((3, 3), np.nan)
    position[:2, 2] = 100.0
    recording = Recording.from_array(
        np.random.default_rng(0).normal(size=(30, 3)),
        0.1,
        "calcium",
        neurons=neuron_table(3, area=["VISp", "CA1", "VISp"], position_um=position),
        deconvolved=True,
    )
    write_recording(recording, tmp_path / "r.nwb")
    facts = describe(tmp_path / "r.nwb")
    assert facts["kind"] == "recording (calcium, deconvolved)"
    assert facts["areas"] == "2 VISp, 1 CA1"
    assert facts["positions"] == "z"
    assert "clock" not in facts


def test_a_file_is_replaced_only_when_it_is_whole(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    write_text(tmp_path / "a.txt", "nü")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "nü"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    write_text(tmp_path / "ours", "")
    (tmp_path / "usual").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_is_not_overwritten(tmp_path):
    with pytest.raises(InputError, match="it is a folder"):
        write_text(tmp_path, "text")
    assert tmp_path.is_dir()


def test_a_file_in_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file or directory; choose a folder that exists"):
        write_text(tmp_path / "no" / "a.txt", "text")
