"""What is found in a file or folder before it is read."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from synapsnet.errors import InputError
from synapsnet.io import explain
from synapsnet.io.contents import contents


def test_a_folder_by_its_names(tmp_path):
    (tmp_path / "plane0").mkdir()
    (tmp_path / "notes.txt").touch()
    assert contents(tmp_path) == "notes.txt, plane0/"


def test_arrays_by_name_and_shape(tmp_path):
    objects = np.array([{}], dtype=object)
    np.savez(tmp_path / "x.npz", z=np.ones((4, 3)), fps=6.0, kind=np.array(["a"]), notes=objects)
    assert contents(tmp_path / "x.npz") == "z (4x3), fps (scalar), kind (1), notes (pickled)"
    np.savez_compressed(tmp_path / "y.npz", **{f"a{k}": np.ones(2) for k in range(23)})
    assert contents(tmp_path / "y.npz").endswith("a19 (2) and 3 more")


def test_hdf5_two_levels_deep(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["estimates/C"] = np.ones((3, 5))
        file["estimates/A/data"] = np.ones(7)
        file["estimates/g"] = "NoneType"
        file["dims"] = [4, 4]
    assert contents(tmp_path / "x.hdf5") == "dims (2), estimates/C (3x5)"


def test_matlab_variables(tmp_path):
    savemat(tmp_path / "x.mat", {"Fsp": np.ones((3, 5)), "beh": {"runSpeed": np.ones(5)}})
    assert contents(tmp_path / "x.mat") == "Fsp (3x5), beh (1x1)"


def test_other_files_are_left_to_their_reader(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert contents(tmp_path / "x.csv") == ""
    assert list(explain(tmp_path / "x.csv")) == ["reader", "options"]


@pytest.mark.parametrize("name", ["x.npz", "x.mat"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"x" * 300])
def test_refuses_damage(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="is not a whole"):
        contents(tmp_path / name)


def test_refuses_a_zip_without_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", z=np.ones(3))
    whole = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(whole.replace(b"\x93NUMPY", b"\x00NUMPY"))
    with pytest.raises(InputError, match="is not a whole"):
        contents(tmp_path / "x.npz")
