"""MATLAB files of Stringer 2019, in both formats, with the structs that MATLAB writes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from synapsnet.errors import InputError
from synapsnet.io import read

N, T = 6, 240


@pytest.fixture
def contents():
    rng = np.random.default_rng(0)
    pupil = rng.normal(size=(T, 1))
    pupil[50] = np.nan  # one frame at 3 Hz: bridged
    pupil[100:110] = np.nan  # 3.7 s: cut
    return {
        "Fsp": rng.exponential(size=(N, T)).astype(np.float32),
        "med": rng.uniform(0, 1000, (N, 3)),
        "beh": {
            "runSpeed": rng.normal(size=(T, 1)),
            "pupil": {"area": pupil, "com": rng.normal(size=(T, 2))},
            "face": {"motionSVD": rng.normal(size=(T, 20)), "avgframe": np.ones((4, 4))},
        },
        "stat": {"npix": 3.0},
    }


def write_hdf5(path, contents):
    """As MATLAB 7.3 does: a block of text, then HDF5 with all axes reversed and structs as groups."""

    def write(group, values):
        for name, value in values.items():
            if isinstance(value, dict):
                write(group.create_group(name), value)
            else:
                group[name] = np.asarray(value).T

    with h5py.File(path, "w", userblock_size=512) as file:
        write(file, contents)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.fixture(params=["5", "7.3"])
def save(request, tmp_path):
    def write(contents):
        path = tmp_path / "spont_M1_2017-01-01.mat"
        if request.param == "5":
            savemat(path, contents)
        else:
            write_hdf5(path, contents)
        return path

    return write


def test_activity_positions_and_behaviour(save, contents):
    lines: list[str] = []
    recording = read(save(contents), fs_hz=3.0, notify=lines.append)
    kept = np.delete(np.arange(T), np.arange(100, 110))
    assert np.array_equal(recording.values, contents["Fsp"].T[kept])
    assert recording.segments == [(0, 100), (100, 230)]
    assert recording.dt_s == pytest.approx(1 / 3)
    assert recording.deconvolved
    assert np.allclose(recording.neurons[["x_um", "y_um", "z_um"]], contents["med"])
    assert list(recording.behaviour.columns) == ["running", "pupil", "face_0", "face_1", "face_2"]
    assert np.allclose(recording.behaviour_values[:, 0], contents["beh"]["runSpeed"][kept, 0], atol=1e-6)
    assert np.allclose(recording.behaviour_values[:, 2:], contents["beh"]["face"]["motionSVD"][kept, :3], atol=1e-6)
    pupil = contents["beh"]["pupil"]["area"][:, 0]
    assert recording.behaviour_values[50, 1] == pytest.approx((pupil[49] + pupil[51]) / 2, rel=1e-4)
    assert any("pupil: 3.33 s of 80 s cut out" in line for line in lines)


def test_behaviour_is_chosen(save, contents):
    path = save(contents)
    recording = read(path, fs_hz=3.0, behaviour="face,running", face_components=1)
    assert list(recording.behaviour.columns) == ["face", "running"]
    assert recording.n_steps == T
    assert read(path, fs_hz=3.0, behaviour="none").behaviour is None


def test_what_was_not_recorded_is_left_out(save, contents):
    del contents["beh"]["pupil"], contents["beh"]["face"], contents["med"]
    recording = read(save(contents), fs_hz=3.0)
    assert list(recording.behaviour.columns) == ["running"]
    assert recording.neurons["x_um"].isna().all()


def test_activity_alone_is_enough(save, contents):
    assert read(save({"Fsp": contents["Fsp"]}), fs_hz=3.0).behaviour is None


def test_asks_for_the_frame_rate(save, contents):
    path = save(contents)
    with pytest.raises(InputError, match="not in the file; give it in hertz with --fs"):
        read(path)
    with pytest.raises(InputError, match="positive number of hertz; got 0"):
        read(path, fs_hz=0.0)


def test_refuses_another_fsp(save):
    with pytest.raises(InputError, match="must hold Fsp, neurons x frames; it holds Fsp of Fsp, med, beh"):
        read(save({"Fsp": {"a": np.ones((3, 3))}}), fs_hz=3.0)


def test_refuses_behaviour_of_another_length(save, contents):
    contents["beh"]["face"]["motionSVD"] = np.ones((T - 1, 20))
    with pytest.raises(InputError, match=r"beh.face.motionSVD .* each of the 240 frames; got shape \(239, 20\)"):
        read(save(contents), fs_hz=3.0)


def test_refuses_centres_of_other_neurons(save, contents):
    contents["med"] = contents["med"][:-1]
    with pytest.raises(InputError, match=r"med .* neurons x 3, 6 x 3; got shape \(5, 3\)"):
        read(save(contents), fs_hz=3.0)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.6])
def test_refuses_a_truncated_file(save, contents, share):
    path = save(contents)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"is not a whole|holds neither"):
        read(path, fs_hz=3.0)
