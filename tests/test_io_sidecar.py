"""TOML files that say of a recording what it does not say itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synapsnet.errors import InputError
from synapsnet.io import describe, explain, read
from synapsnet.io.sidecar import load_sidecar

T, N = 100, 4


@pytest.fixture
def path(tmp_path):
    """`session.npy`, transposed and without a time step."""
    np.save(tmp_path / "session.npy", np.random.default_rng(0).normal(size=(N, T)))
    return tmp_path / "session.npy"


def describe_with(path, text, name="session.toml"):
    (path.parent / name).write_text(text, encoding="utf-8")


def test_options_of_the_reader(path):
    describe_with(path, "[read]\ntranspose = true\nfs_hz = 5\n")
    lines: list[str] = []
    recording = read(path, notify=lines.append)
    assert (recording.n_steps, recording.dt_s) == (T, 0.2)
    assert lines[0] == "session.npy is described by session.toml."


def test_options_that_are_given_come_first(path):
    describe_with(path, "[read]\ntranspose = true\nfs_hz = 5\n")
    assert read(path, fs_hz=10.0).dt_s == pytest.approx(0.1)
    assert read(path, fs_hz=None).dt_s == pytest.approx(0.2)


def test_area_type_and_unit_of_all_neurons(path):
    describe_with(path, 'area = "VISp"\ncell_type = "e"\nunit = "dF/F"\n[read]\ntranspose = true\nfs_hz = 5\n')
    recording = read(path)
    assert recording.neurons["area"].tolist() == ["VISp"] * N
    assert recording.neurons["cell_type"].tolist() == ["e"] * N
    assert describe(path)["unit"] == "dF/F"
    assert explain(path)["described by"].endswith("session.toml")


PREFIX = "[read]\ntranspose = true\nfs_hz = 5\n"


def test_a_neuron_table_is_matched_by_id(path, tmp_path):
    table = pd.DataFrame(
        {
            "id": [3, 9, 1, 0, 2],
            "area": ["d", "x", "b", "a", "c"],
            "x_um": [3.0, 9, 1, 0, 2],
            "trough_to_peak_ms": [0.3, 0.9, 0.1, np.nan, 0.2],
            "note": "hm",
        }
    )
    table.to_csv(tmp_path / "neurons.csv", index=False)
    describe_with(path, 'neurons = "neurons.csv"\n' + PREFIX)
    lines: list[str] = []
    neurons = read(path, notify=lines.append).neurons
    assert neurons["id"].tolist() == ["0", "1", "2", "3"]
    assert neurons["area"].tolist() == ["a", "b", "c", "d"]
    assert neurons["x_um"].tolist() == [0, 1, 2, 3]
    assert neurons["y_um"].isna().all()
    assert neurons["trough_to_peak_ms"].fillna(0).tolist() == [0, 0.1, 0.2, 0.3]
    assert "Not used of neurons.csv: note." in lines


def test_a_neuron_table_without_their_ids_is_taken_in_order(path, tmp_path):
    pd.DataFrame({"id": list("wxyz"), "cell_type": list("eeei")}).to_parquet(tmp_path / "neurons.parquet")
    describe_with(path, 'neurons = "neurons.parquet"\n' + PREFIX)
    lines: list[str] = []
    neurons = read(path, notify=lines.append).neurons
    assert neurons["id"].tolist() == list("wxyz")
    assert neurons["cell_type"].tolist() == list("eeei")
    assert "neurons.parquet: its rows are taken to be the neurons in their order." in lines


def test_refuses_a_neuron_table_that_does_not_fit(path, tmp_path):
    describe_with(path, 'neurons = "neurons.csv"\n' + PREFIX)
    with pytest.raises(InputError, match=r"Cannot read .*neurons.csv"):
        read(path)
    pd.DataFrame({"area": ["a"] * 3}).to_csv(tmp_path / "neurons.csv", index=False)
    with pytest.raises(InputError, match=r"a row for each of the 4 neurons, .* got 3 rows"):
        read(path)
    pd.DataFrame({"trough_to_peak_ms": [0.3, 0, 0.5, None]}).to_csv(tmp_path / "neurons.csv", index=False)
    with pytest.raises(InputError, match=r"The column trough_to_peak_ms .* must be positive, or empty"):
        read(path)
    pd.DataFrame({"x_um": ["left"] * 4}).to_csv(tmp_path / "neurons.csv", index=False)
    with pytest.raises(InputError, match=r"The column x_um .* must be numbers"):
        read(path)


def test_suite2p_cells_get_their_rows_by_roi(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "F.npy", rng.uniform(100, 200, (4, 300)))
    np.save(tmp_path / "Fneu.npy", rng.uniform(20, 40, (4, 300)))
    np.save(tmp_path / "iscell.npy", np.array([1, 0, 1, 1]))
    (tmp_path / "roi.csv").write_text("id,x_um\n0,0\n1,10\n2,20\n3,30\n")
    (tmp_path / "recording.toml").write_text('neurons = "roi.csv"\nread = {fs_hz = 6.0}\n')
    assert read(tmp_path).neurons["x_um"].tolist() == [0, 20, 30]


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "npy"])
def test_behaviour_with_a_clock_of_its_own(path, tmp_path, kind):
    clock = np.arange(0, 21, 0.5)
    columns = {"clock": clock * 1e3, "speed": 3 * clock, "pupil": -clock}
    text = f'[[behaviour]]\nfile = "b.{kind}"\ntimes = "clock"\ntime_unit = "ms"\ncolumns = ["pupil"]\n'
    if kind == "csv":
        pd.DataFrame(columns).to_csv(tmp_path / "b.csv", index=False)
    elif kind == "parquet":
        pd.DataFrame(columns).to_parquet(tmp_path / "b.parquet")
    elif kind == "npz":
        np.savez(tmp_path / "b.npz", **columns)
    else:
        np.save(tmp_path / "b.npy", columns["pupil"])
        np.save(tmp_path / "clock.npy", columns["clock"])
        text = text.replace('"clock"', '"clock.npy"').replace('"pupil"', '"b"')
    describe_with(path, PREFIX + text)
    recording = read(path)
    assert list(recording.behaviour.columns) == ["b" if kind == "npy" else "pupil"]
    assert np.allclose(recording.behaviour_values[:, 0], -recording.activity.times(), atol=1e-5)


def test_several_behaviours_and_one_by_its_frame_rate(path, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(60.0))
    pd.DataFrame({"t": np.arange(25), "b": np.arange(25), "c": 1}).to_csv(tmp_path / "b.csv", index=False)
    describe_with(
        path,
        PREFIX + '[[behaviour]]\nfile = "a.npy"\nfs_hz = 2\nstart_s = -1\n[[behaviour]]\nfile = "b.csv"\ntimes = "t"\n',
    )
    recording = read(path)
    assert list(recording.behaviour.columns) == ["a", "b", "c"]
    times = recording.activity.times()
    assert np.allclose(recording.behaviour_values, np.stack([2 * (times + 1), times, np.ones(T)], axis=1), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('file = "b.csv"', r"clock of .*b.csv is not known; give `times` or `fs_hz`"),
        ('file = "b.csv"\ntimes = "time"', r"b.csv has no times 'time'; it has t, b, name"),
        ('file = "b.csv"\ntimes = "t"\ncolumns = ["speed"]', r"b.csv has no speed; it has t, b, name"),
        ('file = "b.csv"\ntimes = "t"', r"name in .*b.csv must be numbers"),
        ('file = "absent.npy"\nfs_hz = 1', r"Cannot read .*absent.npy"),
        ('file = "b.csv"\nfs_hz = 0', r"session.toml: .* greater than 0"),
        ("fs_hz = 1", r"session.toml: .* field required"),
    ],
)
def test_refuses_behaviour_that_is_not_clear(path, tmp_path, text, message):
    pd.DataFrame({"t": np.arange(25), "b": np.arange(25), "name": "x"}).to_csv(tmp_path / "b.csv", index=False)
    describe_with(path, f"{PREFIX}[[behaviour]]\n{text}\n")
    with pytest.raises(InputError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fs_hz = 5", r"session.toml: The sidecar file has no parameter 'fs_hz'; it has file, unit, .* Correct it"),
        ("read = 5", "session.toml: Unusable parameter 'read'"),
        ("[read", "session.toml is not valid TOML"),
        ("[read]\nplanes = 5", r"planes \(--read planes=...\) cannot be used with"),
        ('[read]\nfs_hz = "fast"', r"Unusable fs_hz \(--fs\): input should be a valid number"),
    ],
)
def test_refuses_what_no_sidecar_says(path, text, message):
    describe_with(path, text)
    with pytest.raises(InputError, match=message):
        read(path)


def test_recording_toml_in_a_folder_names_its_file(path, tmp_path):
    describe_with(path, 'file = "session.npy"\n' + PREFIX, "recording.toml")
    assert read(tmp_path).n_steps == read(path).n_steps == T
    assert explain(tmp_path)["reader"].startswith("arrays")
    np.save(tmp_path / "other.npy", np.ones((T, N)))  # it does not describe its neighbours
    assert "described by" not in explain(tmp_path / "other.npy")


def test_refuses_a_file_that_is_not_there(path, tmp_path):
    describe_with(path, 'file = "sesion.npy"', "recording.toml")
    with pytest.raises(InputError, match=r"sesion.npy does not exist; did you mean session.npy\?"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.csv", "a/../../secret.npy"])
@pytest.mark.parametrize("line", ['file = "{}"', 'neurons = "{}"', '[[behaviour]]\nfile = "{}"\nfs_hz = 1'])
def test_a_sidecar_leads_to_no_file_outside_its_folder(line, name, tmp_path):
    (tmp_path / "recording.toml").write_text(line.format(name))
    with pytest.raises(InputError, match="outside its folder"):
        load_sidecar(tmp_path / "recording.toml")
