"""suite2p folders: exactly the layout that suite2p and the labs that use it write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.io.suite2p import BASELINE_PERCENTILE, dff

N_ROIS, N_FRAMES = 5, 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`suite2p/` with `plane0`: ROI 1 is no cell; there is no ops.npy."""
    rng = np.random.default_rng(0)
    plane = tmp_path / "suite2p" / "plane0"
    plane.mkdir(parents=True)
    np.save(plane / "F.npy", rng.uniform(100, 200, (N_ROIS, N_FRAMES)).astype(np.float32))
    np.save(plane / "Fneu.npy", rng.uniform(20, 40, (N_ROIS, N_FRAMES)).astype(np.float32))
    np.save(plane / "spks.npy", rng.exponential(size=(N_ROIS, N_FRAMES)).astype(np.float32))
    np.save(plane / "iscell.npy", np.stack([[1, 0, 1, 1, 1], rng.random(N_ROIS)], axis=1))
    np.save(plane / "stat.npy", np.array([{"med": (1, 2)}] * N_ROIS, dtype=object), allow_pickle=True)
    return plane.parent


def change(folder: Path, name: str, values: Any) -> None:
    np.save(folder / "plane0" / name, values)


def load(folder: Path, name: str) -> Any:
    return np.load(folder / "plane0" / name)


def test_cells_become_neurons_named_by_their_roi(folder):
    lines: list[str] = []
    recording = read(folder, fs_hz=6.0, notify=lines.append)
    assert recording.modality == "calcium"
    assert recording.dt_s == pytest.approx(1 / 6)
    assert list(recording.neurons["id"]) == ["0", "2", "3", "4"]
    assert recording.segments == [(0, N_FRAMES)]
    assert lines == ["1 of 5 ROIs dropped by iscell.npy."]


def test_the_folder_of_a_plane_and_its_parent_read_the_same(folder):
    parent, plane = (read(path, fs_hz=6.0) for path in (folder, folder / "plane0"))
    assert np.array_equal(parent.values, plane.values)


@pytest.fixture
def planes(folder: Path) -> Path:
    """Beside `plane0` a `plane2` with 3 ROIs and a `plane10` with 2 and one frame less; and files that are none."""
    rng = np.random.default_rng(1)
    for name, rois, frames in (("plane10", 2, N_FRAMES - 1), ("plane2", 3, N_FRAMES)):
        (folder / name).mkdir()
        np.save(folder / name / "F.npy", rng.uniform(100, 200, (rois, frames)))
        np.save(folder / name / "Fneu.npy", rng.uniform(20, 40, (rois, frames)))
        np.save(folder / name / "spks.npy", rng.exponential(size=(frames, rois)))
        np.save(folder / name / "iscell.npy", np.arange(rois) != 1)
    (folder / "combined").mkdir()
    return folder


def test_planes_are_read_together_in_order(planes):
    lines: list[str] = []
    recording = read(planes, fs_hz=6.0, notify=lines.append)
    assert list(recording.neurons["id"]) == [
        "plane0/0", "plane0/2", "plane0/3", "plane0/4", "plane2/0", "plane2/2", "plane10/0",
    ]  # fmt: skip
    for name, columns in (("plane0", slice(0, 4)), ("plane2", slice(4, 6))):
        alone = read(planes / name, fs_hz=6.0)
        assert np.array_equal(recording.values[:, columns], alone.values[: N_FRAMES - 1])
    assert lines == [
        "plane0: 1 of 5 ROIs dropped by iscell.npy.",
        "plane2: 1 of 3 ROIs dropped by iscell.npy.",
        "plane10: 1 of 2 ROIs dropped by iscell.npy.",
        "3 planes are read as if imaged at once, though within a frame one follows another.",
        "The last frame of 2 of 3 planes dropped: the others lack it.",
    ]


def test_depth_follows_from_the_spacing_of_planes(planes):
    depths = read(planes, fs_hz=6.0, plane_spacing_um=25.0).neurons["z_um"]
    assert list(depths) == [0, 0, 0, 0, 50, 50, 250]
    assert read(planes / "plane2", fs_hz=6.0, plane_spacing_um=25.0).neurons["z_um"].tolist() == [50, 50]
    assert read(planes, fs_hz=6.0).neurons["z_um"].isna().all()


def test_transposed_traces_of_one_plane_are_turned(planes):
    recording = read(planes, fs_hz=6.0, trace="spks")
    assert np.array_equal(
        recording.values[:, 4:6], np.load(planes / "plane2" / "spks.npy")[:-1, [0, 2]].astype(np.float32)
    )


def test_planes_without_plane0_are_read(planes):
    for path in (planes / "plane0").iterdir():
        path.unlink()
    (planes / "plane0").rmdir()
    assert list(read(planes, fs_hz=6.0).neurons["id"]) == ["plane2/0", "plane2/2", "plane10/0"]


def test_refuses_planes_that_were_not_recorded_together(planes):
    np.save(planes / "plane10" / "F.npy", np.ones((2, 50)))
    np.save(planes / "plane10" / "Fneu.npy", np.ones((2, 50)))
    with pytest.raises(InputError, match="differ by one frame at most; these have 200, 200, 50 frames"):
        read(planes, fs_hz=6.0)


def test_names_the_plane_that_lacks_a_file(planes):
    (planes / "plane10" / "F.npy").unlink()
    with pytest.raises(InputError, match=r"plane10 has no F\.npy"):
        read(planes, fs_hz=6.0)


def test_deconvolved_traces_come_unchanged(folder):
    recording = read(folder, fs_hz=6.0, trace="spks")
    assert recording.deconvolved
    assert np.array_equal(recording.values, load(folder, "spks.npy")[[0, 2, 3, 4]].T)


@pytest.mark.parametrize(("name", "trace"), [("spks.npy", "spks"), ("Fneu.npy", "dff")])
def test_a_transposed_array_is_turned_and_reported(folder, name, trace):
    straight = read(folder, fs_hz=6.0, trace=trace)
    change(folder, name, load(folder, name).T)
    lines: list[str] = []
    turned = read(folder, fs_hz=6.0, trace=trace, notify=lines.append)
    assert np.array_equal(turned.values, straight.values)
    assert f"{name} is saved transposed (frames x cells, unlike F.npy) and was turned." in lines


def test_refuses_a_square_recording_whose_orientation_cannot_be_told(folder):
    for name in ("F.npy", "Fneu.npy", "spks.npy"):
        change(folder, name, load(folder, name)[:, :N_ROIS])
    with pytest.raises(InputError, match=r"F.npy is square \(5 x 5\)"):
        read(folder, fs_hz=6.0)


@pytest.mark.parametrize("name", ["Fneu.npy", "spks.npy"])
def test_refuses_arrays_of_other_shapes(folder, name):
    change(folder, name, load(folder, name)[:, :-1])
    with pytest.raises(InputError, match=f"{name} must be cells x frames like F.npy, 5 x 200; got shape .5, 199."):
        read(folder, fs_hz=6.0, trace="spks" if name == "spks.npy" else "dff")


def test_asks_for_the_frame_rate_where_ops_is_missing(folder):
    with pytest.raises(InputError, match=r"ops.npy is missing; give it in hertz with --fs"):
        read(folder)


def test_asks_for_the_frame_rate_where_ops_is_a_pickle(folder):
    np.save(folder / "plane0" / "ops.npy", np.array({"fs": 6.0}, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"ops.npy is a pickle, which is never loaded; give it in hertz with --fs"):
        read(folder)


@pytest.mark.parametrize("fs_hz", [0.0, -6.0, float("nan"), float("inf")])
def test_refuses_an_unusable_frame_rate(folder, fs_hz):
    with pytest.raises(InputError, match="positive number of hertz"):
        read(folder, fs_hz=fs_hz)


@pytest.mark.parametrize(("name", "trace"), [("F.npy", "dff"), ("Fneu.npy", "dff"), ("spks.npy", "spks")])
def test_names_the_file_that_is_missing(folder, name, trace):
    (folder / "plane0" / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}"):
        read(folder, fs_hz=6.0, trace=trace)


def test_dff_needs_no_deconvolved_traces_and_the_other_way_round(folder):
    (folder / "plane0" / "Fneu.npy").unlink()
    assert read(folder, fs_hz=6.0, trace="spks").n_neurons == 4


def test_keeps_all_rois_where_iscell_is_missing(folder):
    (folder / "plane0" / "iscell.npy").unlink()
    lines: list[str] = []
    assert read(folder, fs_hz=6.0, notify=lines.append).n_neurons == 5
    assert lines == ["No iscell.npy: all 5 ROIs are kept."]


def test_improbable_cells_are_dropped_on_request_and_counted(folder):
    change(folder, "iscell.npy", np.array([[1, 0.9], [0, 0.8], [1, 0.5], [1, 0.4], [1, 0.7]]))
    lines: list[str] = []
    recording = read(folder, fs_hz=6.0, min_cell_probability=0.5, notify=lines.append)
    assert list(recording.neurons["id"]) == ["0", "2", "4"]
    assert lines == ["1 of 5 ROIs dropped by iscell.npy.", "1 of 4 cells dropped: their probability is below 0.5."]
    change(folder, "iscell.npy", np.ones(N_ROIS))
    with pytest.raises(InputError, match="has no probabilities"):
        read(folder, fs_hz=6.0, min_cell_probability=0.5)


def test_refuses_iscell_of_another_folder(folder):
    change(folder, "iscell.npy", np.ones((4, 2)))
    with pytest.raises(InputError, match=r"one row for each of the 5 rows of F.npy"):
        read(folder, fs_hz=6.0)


@pytest.mark.parametrize("n_cells", [0, 1])
def test_refuses_a_folder_with_fewer_than_two_cells(folder, n_cells):
    change(folder, "iscell.npy", np.arange(N_ROIS) < n_cells)
    with pytest.raises(InputError, match="at least 2 neurons"):
        read(folder, fs_hz=6.0)


@pytest.mark.parametrize("name", ["F.npy", "Fneu.npy", "iscell.npy"])
def test_refuses_object_pickles(folder, name):
    np.save(folder / "plane0" / name, np.array([{"code": 1}] * N_ROIS, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=f"{name} holds pickled Python objects, .* never loaded"):
        read(folder, fs_hz=6.0)


@pytest.mark.parametrize("kept", [0, 10, 100, 2000])
def test_refuses_truncated_arrays(folder, kept):
    path = folder / "plane0" / "F.npy"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"F.npy is truncated or not a NumPy array"):
        read(folder, fs_hz=6.0)


def test_refuses_arrays_that_are_not_cells_by_frames(folder):
    change(folder, "F.npy", np.ones(N_FRAMES))
    with pytest.raises(InputError, match=r"F.npy .* numeric array of cells x frames; got float64 of shape \(200,\)"):
        read(folder, fs_hz=6.0)


def test_refuses_an_unknown_trace(folder):
    with pytest.raises(InputError, match="'dff' or 'spks'; got 'F'"):
        read(folder, fs_hz=6.0, trace="F")


def test_refuses_missing_frames(folder):
    fluorescence = load(folder, "F.npy")
    fluorescence[2, 50] = np.nan
    change(folder, "F.npy", fluorescence)
    with pytest.raises(InputError, match="NaN or infinite values in neuron 1"):
        read(folder, fs_hz=6.0)


def test_drops_cells_without_a_positive_baseline(folder):
    fluorescence = load(folder, "F.npy")
    fluorescence[3] -= 150
    change(folder, "F.npy", fluorescence)
    lines: list[str] = []
    recording = read(folder, fs_hz=6.0, notify=lines.append)
    assert list(recording.neurons["id"]) == ["0", "2", "4"]
    assert "1 of 4 cells dropped: their baseline in F.npy is not positive." in lines


def test_refuses_a_folder_in_which_no_cell_has_a_positive_baseline(folder):
    change(folder, "F.npy", load(folder, "F.npy") - 1000)
    with pytest.raises(InputError, match="not positive in any cell"):
        read(folder, fs_hz=6.0)


def test_dff_by_hand():
    """At frame 2 the last 2 frames count: base F = 8th percentile of (100, 300), of Fc that of (93, 230)."""
    fluorescence = np.array([[100.0, 100.0, 300.0]])
    neuropil = np.array([[10.0, 10.0, 100.0]])
    values, positive = dff(fluorescence, neuropil, fs_hz=2 / 60)
    share = BASELINE_PERCENTILE / 100
    assert positive.all()
    assert values[0, 2] == pytest.approx((230 - (93 + share * 137)) / (100 + share * 200))
    assert values[0, :2] == pytest.approx([0, 0])


def test_dff_of_a_frame_does_not_depend_on_later_frames():
    rng = np.random.default_rng(0)
    fluorescence, neuropil = rng.uniform(100, 200, (2, 3, 400))
    whole = dff(fluorescence, neuropil, fs_hz=1.0)[0]
    part = dff(fluorescence[:, :250], neuropil[:, :250], fs_hz=1.0)[0]
    assert np.array_equal(whole[:, :250], part)
