"""Recordings of Bugeon 2022, in the layout of the published folders."""

from __future__ import annotations

import re

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read

N, T, FPS = 5, 400, 4.3
TYPES = ["EC", "Pvalb-Tac1-Akr1c18", "IN", "Sst-Tac1-Htr1d", "Vip-Cp-Cspg5"]


@pytest.fixture
def session(tmp_path):
    """`mouse/date/` with one recording; the frames start at 100 s, the pupil is NaN for 0.5 and for 3 s."""
    rng = np.random.default_rng(0)
    session = tmp_path / "SB025" / "2019-10-04"
    folder = session / "Natural Scenes" / "01"
    folder.mkdir(parents=True)
    (session / "neuron.ttype.txt").write_text("\n".join(TYPES) + "\n")
    np.save(session / "neuron.UniqueID.npy", np.array([[np.nan], [7], [8], [9], [np.nan]]))
    np.save(session / "neuron.stackPosCorrected.npy", np.arange(3.0 * N).reshape(N, 3))
    np.save(session / "neuron.prob_ttypes.npy", np.array([[0, 0], [0.9, 0.1], [0.3, 0.3], [0.4, 0.2], [0.2, 0.6]]))
    times = 100 + np.arange(T) / FPS
    np.save(folder / "frame.neuralActivity.npy", rng.normal(size=(T, N)))
    np.save(folder / "frame.times.npy", times[:, None])
    np.save(folder / "frame.states.npy", rng.integers(0, 3, (T, 1)))
    clock = np.arange(90, 200, 0.01)
    np.save(folder / "running.times.npy", clock[:, None])
    np.save(folder / "running.speed.npy", 2 * clock[:, None])
    eye = np.arange(90, 200, 0.033)
    size = eye.copy()
    size[(eye > 120) & (eye < 120.5)] = np.nan
    size[(eye > 150) & (eye < 153)] = np.nan
    np.save(folder / "eye.times.npy", eye[:, None])
    np.save(folder / "eye.size.npy", size[:, None])
    return session


@pytest.fixture
def folder(session):
    return session / "Natural Scenes" / "01"


def test_a_recording_with_types_positions_and_behaviour(folder):
    lines: list[str] = []
    recording = read(folder, notify=lines.append)
    assert recording.neurons["cell_type"].tolist() == TYPES
    assert recording.neurons["area"].unique().tolist() == ["V1"]
    assert recording.neurons[["x_um", "y_um", "z_um"]].to_numpy().tolist() == np.arange(15.0).reshape(5, 3).tolist()
    assert recording.dt_s == pytest.approx(1 / FPS)
    assert recording.modality == "calcium"
    assert not recording.deconvolved
    assert list(recording.behaviour.columns) == ["running", "pupil"]
    times = recording.activity.times()
    assert np.allclose(recording.behaviour_values, np.stack([2 * times, times], axis=1), atol=1e-4)
    assert len(recording.segments) == 2  # the pupil is lost for 3 s
    assert not ((times > 150) & (times < 153)).any()
    assert ((times > 120) & (times < 120.5)).any()
    rows = np.round((times - 100) * FPS).astype(int)
    assert np.array_equal(recording.values, np.load(folder / "frame.neuralActivity.npy")[rows].astype(np.float32))
    assert any(re.match(r"pupil: 0.\d+ s interpolated over gaps of at most 1 s", line) for line in lines)
    assert any(line.startswith(f"pupil: {(T - len(times)) / FPS:.3g} s of 93 s cut out") for line in lines)


def test_behaviour_is_chosen_by_name(folder):
    recording = read(folder, behaviour="running")
    assert list(recording.behaviour.columns) == ["running"]
    assert recording.n_steps == T
    assert read(folder, behaviour="none").behaviour is None


def test_behaviour_that_was_not_recorded_is_left_out(folder):
    for name in ("eye.size.npy", "eye.times.npy"):
        (folder / name).unlink()
    assert list(read(folder).behaviour.columns) == ["running"]


def test_a_session_stands_for_its_only_recording(session, folder):
    assert np.array_equal(read(session).values, read(folder).values)
    (session / "Blank" / "01").mkdir(parents=True)
    (session / "Blank" / "01" / "frame.neuralActivity.npy").touch()
    with pytest.raises(
        InputError, match="session with 2 recordings; give the folder of one: Blank/01, Natural Scenes/01"
    ):
        read(session)


def test_neurons_that_are_not_matched_may_be_left_out(folder):
    recording = read(folder, matched=True, behaviour="none")
    assert recording.neurons["id"].tolist() == ["1", "2", "3"]
    assert np.array_equal(recording.values, read(folder, behaviour="none").values[:, 1:4])


def test_improbable_types_are_only_interneurons(folder):
    lines: list[str] = []
    recording = read(folder, min_type_probability=0.5, notify=lines.append)
    assert recording.neurons["cell_type"].tolist() == [*TYPES[:3], "IN", TYPES[4]]
    assert "1 of 5 neurons set to type IN: their own type is less probable than 0.5." in lines


@pytest.mark.parametrize("given", [None, False])
def test_deconvolved_activity_is_recognised_by_its_zeros(folder, given):
    spikes = np.maximum(np.load(folder / "frame.neuralActivity.npy"), 0)
    np.save(folder / "frame.neuralActivity.npy", spikes)
    assert read(folder, deconvolved=given).deconvolved is (given is None)


def test_a_recording_of_other_neurons_than_the_session_is_refused(folder, session):
    np.save(folder / "frame.neuralActivity.npy", np.random.default_rng(0).normal(size=(T, N + 1)))
    with pytest.raises(InputError, match=r"a line for each of the 6 neurons; got 5. Some recordings of a session"):
        read(folder)


def test_positions_of_other_neurons_are_refused(folder, session):
    np.save(session / "neuron.stackPosCorrected.npy", np.ones((N - 1, 3)))
    with pytest.raises(InputError, match=r"stackPosCorrected.npy in .* a row for each of the 5 neurons; got 4"):
        read(folder)


def test_a_folder_without_its_session_is_read_without_types(folder, session):
    (session / "neuron.ttype.txt").unlink()
    lines: list[str] = []
    recording = read(folder, notify=lines.append)
    assert recording.neurons["cell_type"].unique().tolist() == ["unknown"]
    assert any("types and positions are not known" in line for line in lines)


def test_types_may_be_in_cp1252(folder, session):
    (session / "neuron.ttype.txt").write_bytes("\r\n".join(["Lamp5-µ", *TYPES[1:]]).encode("cp1252"))
    assert read(folder).neurons["cell_type"][0] == "Lamp5-µ"


@pytest.mark.parametrize("name", ["frame.times.npy", "running.times.npy"])
def test_names_the_file_that_is_missing(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}"):
        read(folder)


def test_never_loads_a_pickle(folder):
    np.save(folder / "frame.times.npy", np.array([{}] * T, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="never loaded"):
        read(folder)


def test_refuses_text_and_other_shapes(folder):
    np.save(folder / "eye.size.npy", np.array(["a"] * 10))
    with pytest.raises(InputError, match=r"eye.size.npy in .* must be numeric"):
        read(folder)
    np.save(folder / "frame.neuralActivity.npy", np.ones(T))
    with pytest.raises(InputError, match="must be frames x neurons; got shape"):
        read(folder)
