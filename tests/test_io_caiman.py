"""CaImAn's HDF5 files, in the layout that its `save` writes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.sparse import csc_matrix

from synapsnet.errors import InputError
from synapsnet.io import read

N_CELLS, N_FRAMES, DIMS = 4, 300, (6, 9)


@pytest.fixture
def footprints():
    """Pixels x cells, along the first image axis first: cell k is a bar of 2 pixels, (k, 2k) and (k + 1, 2k)."""
    images = np.zeros((*DIMS, N_CELLS))
    for k in range(N_CELLS):
        images[k, 2 * k, k], images[k + 1, 2 * k, k] = 3.0, 1.0
    return csc_matrix(images.reshape(-1, N_CELLS, order="F"))


@pytest.fixture
def path(tmp_path, footprints):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "results.hdf5", "w") as file:
        for name in ("C", "F_dff", "S"):
            file[f"estimates/{name}"] = rng.normal(size=(N_CELLS, N_FRAMES))
        for name in ("data", "indices", "indptr"):
            file[f"estimates/A/{name}"] = getattr(footprints, name)
        file["estimates/A/shape"] = footprints.shape
        file["estimates/idx_components"] = np.array([3, 0, 1])
        file["estimates/g"] = "NoneType"
        file["dims"] = DIMS
        file["params/data/fr"] = 15
    return tmp_path / "results.hdf5"


def change(path, name, value=None):
    with h5py.File(path, "a") as file:
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value


def stored(path, name):
    with h5py.File(path) as file:
        return file[f"estimates/{name}"][()].astype(np.float32)


def test_accepted_components_of_the_dff_are_read(path):
    lines: list[str] = []
    recording = read(path, notify=lines.append)
    assert np.array_equal(recording.values, stored(path, "F_dff")[[0, 1, 3]].T)
    assert list(recording.neurons["id"]) == ["0", "1", "3"]
    assert recording.dt_s == pytest.approx(1 / 15)
    assert (recording.modality, recording.deconvolved) == ("calcium", False)
    assert "1 of 4 components dropped by idx_components." in lines
    assert any("um_per_pixel" in line for line in lines)


@pytest.mark.parametrize(("trace", "name", "deconvolved"), [("denoised", "C", False), ("spks", "S", True)])
def test_other_traces_are_read_on_request(path, trace, name, deconvolved):
    recording = read(path, trace=trace)
    assert np.array_equal(recording.values, stored(path, name)[[0, 1, 3]].T)
    assert recording.deconvolved is deconvolved


@pytest.mark.parametrize("value", [None, "NoneType"])
def test_without_dff_the_denoised_traces_are_read_and_reported(path, value):
    change(path, "estimates/F_dff", value)
    lines: list[str] = []
    assert np.array_equal(read(path, notify=lines.append).values, stored(path, "C")[[0, 1, 3]].T)
    assert lines[0].startswith("There is no F_dff")
    with pytest.raises(InputError, match=r"estimates/F_dff .* choose a trace .--trace. among denoised, spks"):
        read(path, trace="dff")


@pytest.mark.parametrize("value", [None, "NoneType"])
def test_without_a_verdict_all_components_are_kept(path, value):
    change(path, "estimates/idx_components", value)
    lines: list[str] = []
    assert read(path, notify=lines.append).n_neurons == N_CELLS
    assert "No idx_components: all 4 components are kept." in lines


@pytest.mark.parametrize("indices", [[0, 4], [-1, 2]])
def test_refuses_components_that_do_not_exist(path, indices):
    change(path, "estimates/idx_components", indices)
    with pytest.raises(InputError, match="but there are 4 components"):
        read(path)


def test_positions_are_the_centres_of_the_footprints(path):
    neurons = read(path, um_per_pixel=2.0).neurons
    assert neurons["x_um"].tolist() == [0.0, 4.0, 12.0]
    assert neurons["y_um"].tolist() == pytest.approx([0.5, 2.5, 6.5])  # (k * 3 + (k + 1) * 1) / 4 pixels
    assert neurons["z_um"].isna().all()


def test_an_empty_footprint_has_no_position(path, footprints):
    for name in ("data", "indices", "indptr"):
        change(path, f"estimates/A/{name}", getattr(csc_matrix(footprints.multiply([1, 0, 1, 1])), name))
    assert read(path, um_per_pixel=2.0).neurons["x_um"].isna().tolist() == [False, True, False]


def test_footprints_of_another_image_give_no_positions(path):
    change(path, "dims", (5, 5))
    lines: list[str] = []
    assert read(path, um_per_pixel=2.0, notify=lines.append).neurons["x_um"].isna().all()
    assert "unlike image and traces" in lines[-1]


def test_the_frame_rate_may_be_given_and_is_asked_for(path):
    assert read(path, fs_hz=30.0).dt_s == pytest.approx(1 / 30)
    change(path, "params/data/fr")
    with pytest.raises(InputError, match=r"does not say its frame rate .* --fs"):
        read(path)
    change(path, "params/data/fr", 0.0)
    with pytest.raises(InputError, match="positive number of hertz; got 0"):
        read(path)


def test_refuses_an_hdf5_file_of_another_program(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.ones((3, 3))
    with pytest.raises(InputError, match="has no group `estimates`"):
        read(tmp_path / "x.h5")


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_refuses_a_truncated_file(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="is not a whole HDF5 file"):
        read(path)
