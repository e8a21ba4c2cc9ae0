"""NWB files of several imaging planes, which are read together where they were imaged at once; units of series."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from nwb_files import save, with_fluorescence, with_planes, with_units
from pynwb.ophys import Fluorescence, RoiResponseSeries

from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.io.reread import find_neurons, read_again

T = 60


def traces(seed: int, n: int = 3, frames: int = T) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(frames, n)).astype(np.float32)


def test_planes_at_the_same_rate_are_read_together(tmp_path):
    """As in a mesoscope: two areas at two depths, one frame after the other within a frame."""
    planes = [
        {"values": traces(k, n=2 + k), "name": name, "location": name[:4], "rate": 10.0, "starting_time": 3 + 0.025 * k}
        for k, name in enumerate(["VISp_0", "VISp_1", "VISl_0", "VISl_1"])
    ]
    lines: list[str] = []
    recording = read(save(with_planes(planes), tmp_path / "meso.nwb"), notify=lines.append)
    assert recording.n_neurons == 2 + 3 + 4 + 5
    # By the module's name: module_0 is VISp_0...
    assert list(recording.neurons["id"])[:6] == ["VISp_0/0", "VISp_0/1", "VISp_1/0", "VISp_1/1", "VISp_1/2", "VISl_0/0"]
    assert list(recording.neurons["area"]) == ["VISp"] * 5 + ["VISl"] * 9
    assert np.array_equal(recording.values, np.concatenate([plane["values"] for plane in planes], axis=1))
    assert recording.activity.times() == pytest.approx(3 + np.arange(T) / 10)
    assert recording.neurons[["x_um", "y_um", "z_um"]].isna().all(axis=None)
    names = [f"module_{k}/DfOverF/traces" for k in range(4)]
    assert recording.metadata["series"] == ", ".join(names)
    assert lines[:3] == [
        f"Reading {', '.join(names)}, 4 planes, together.",
        "Positions are left out: the file does not say where the planes are (origin_coords of imaging planes).",
        "4 planes are read as if imaged at once, though within a frame one may follow another.",
    ]


def test_positions_are_those_of_planes_whose_origins_are_known(tmp_path):
    planes = [
        {"values": traces(0), "rate": 10.0, "origin_coords": [100.0, 200.0, 50.0]},
        {"values": traces(1), "rate": 10.0, "origin_coords": [700.0, 200.0, 90.0]},
    ]
    neurons = read(save(with_planes(planes), tmp_path / "o.nwb")).neurons
    assert neurons["x_um"].tolist() == [100, 102, 104, 700, 702, 704]
    assert neurons["y_um"].tolist() == [200, 204, 208, 200, 204, 208]
    assert neurons["z_um"].tolist() == [50] * 3 + [90] * 3


@pytest.mark.parametrize("key", ["VISp_1", "module_1", "module_1/DfOverF/traces"])
def test_one_plane_is_read_alone_by_its_name(tmp_path, key):
    planes = [{"values": traces(k), "rate": 10.0} for k in range(2)]
    lines: list[str] = []
    recording = read(save(with_planes(planes), tmp_path / "o.nwb"), key=key, notify=lines.append)
    assert np.array_equal(recording.values, planes[1]["values"])
    assert list(recording.neurons["id"]) == ["0", "1", "2"]
    assert recording.neurons["x_um"].tolist() == [0, 2, 4]
    assert lines == ["Reading module_1/DfOverF/traces; left out: module_0/DfOverF/traces (--key)."]


def test_a_plane_that_was_read_alone_is_found_again(tmp_path):
    path = save(with_planes([{"values": traces(k), "rate": 10.0} for k in range(2)]), tmp_path / "o.nwb")
    part = read(path, key="VISp_1").select_neurons([2, 0])
    assert find_neurons(path, read_again(path, part), part).tolist() == [2, 0]


def test_a_plane_that_lacks_the_last_frame_shortens_the_others(tmp_path):
    planes = [{"values": traces(0), "rate": 10.0}, {"values": traces(1, frames=T - 1), "rate": 10.0}]
    lines: list[str] = []
    recording = read(save(with_planes(planes), tmp_path / "o.nwb"), notify=lines.append)
    assert recording.n_steps == T - 1
    assert np.array_equal(recording.values[:, :3], planes[0]["values"][:-1])
    assert "The last frame of 1 of 2 planes dropped: the others lack it." in lines


def test_a_slower_plane_is_interpolated_onto_the_frames_of_the_faster(tmp_path):
    """A slope stays a slope, until the slower plane ends."""
    slow = np.outer(np.arange(30.0), [1.0, -2.0])
    planes = [{"values": slow, "rate": 5.0}, {"values": traces(1), "rate": 10.0}]
    lines: list[str] = []
    recording = read(save(with_planes(planes), tmp_path / "o.nwb"), notify=lines.append)
    expected = np.minimum(np.arange(T) / 2, 29)
    assert recording.dt_s == pytest.approx(0.1)
    assert recording.values[:, :2] == pytest.approx(np.outer(expected, [1, -2]))
    assert np.array_equal(recording.values[:, 2:], planes[1]["values"])
    assert any("interpolated onto the frames of the one that has most" in line for line in lines)


def test_frames_that_one_plane_lost_do_not_shift_it_against_the_others(tmp_path):
    """Each loses a frame, at another time, so that both have as many; a slope shows where frames are."""
    times = np.arange(T) / 10
    kept = [np.delete(np.arange(T), 20), np.delete(np.arange(T), 40)]
    planes = [
        {"values": np.outer(times[rows], [1.0, 2.0]), "timestamps": times[rows] + 0.04 * k}
        for k, rows in enumerate(kept)
    ]
    recording = read(save(with_planes(planes), tmp_path / "o.nwb"))
    assert recording.segments == [(0, 20), (20, T - 1)]
    first, second = recording.values[:, 0], recording.values[:, 2]
    assert np.abs(second - (first - 0.04))[1:].max() < 1e-6


@pytest.mark.parametrize(
    "clock",
    [
        {"rate": 10.0, "starting_time": 100.0},  # one after the other
        {"rate": 10.0, "starting_time": 0.2},
        {"rate": 3.0},
        {"timestamps": np.concatenate([np.arange(30) / 10, 1 + np.arange(30, 60) / 10])},  # a gap in one of them
    ],
)
def test_refuses_planes_that_were_not_imaged_at_once(tmp_path, clock):
    path = save(with_planes([{"values": traces(0), "rate": 10.0}, {"values": traces(1)} | clock]), tmp_path / "o.nwb")
    with pytest.raises(InputError, match=r"not imaged at the same times: VISp_0 has 60 frames at 10 Hz from 0 s; VISp"):
        read(path)
    assert read(path, key="VISp_0").n_neurons == 3


@pytest.mark.parametrize("frames", [(T, 0), (T, 1), (1, 0), (0, 0)])
def test_refuses_planes_without_frames(tmp_path, frames):
    planes = [{"values": traces(k, frames=n), "rate": 10.0} for k, n in enumerate(frames)]
    path = save(with_planes(planes), tmp_path / "o.nwb")
    with pytest.raises(InputError, match=r"not imaged at the same times: .*; VISp_1 has (no frames|1 frame from)"):
        read(path)


def test_planes_of_another_indicator_are_not_more_neurons(tmp_path):
    planes = [{"values": traces(0), "rate": 10.0}, {"values": traces(1), "rate": 10.0, "indicator": "tdTomato"}]
    assert read(save(with_planes(planes), tmp_path / "o.nwb")).n_neurons == 3


def one_table(regions: list[list[int]]) -> pynwb.NWBFile:
    """Series named plane0, plane1... of rows of a single table of ROIs, beside neuropil of the same."""
    file = with_fluorescence(traces(9, n=6), kind=Fluorescence, rate=10.0)
    ophys = file.processing["ophys"]
    rois = ophys["ImageSegmentation"]["rois"]
    for name in ("F", "Neuropil"):
        container = Fluorescence(name=name)
        ophys.add(container)
        for k, rows in enumerate(regions):
            series = RoiResponseSeries(
                name=f"plane{k}",
                data=traces(k, n=len(rows)),
                rois=rois.create_roi_table_region("some", region=rows),
                unit="a.u.",
                rate=10.0,
            )
            container.add_roi_response_series(series)
    return file


def test_series_of_other_rows_of_one_table_are_other_neurons(tmp_path):
    path = save(one_table([[0, 1, 2], [3, 5]]), tmp_path / "o.nwb")
    lines: list[str] = []
    recording = read(path, key="F", notify=lines.append)
    assert list(recording.neurons["id"]) == ["plane0/0", "plane0/1", "plane0/2", "plane1/3", "plane1/5"]
    assert np.array_equal(recording.values, np.concatenate([traces(0), traces(1, n=2)], axis=1))
    assert "F/plane0, F/plane1, 2 planes, together; left out: Fluorescence/traces, Neuropil/plane0" in lines[0]


def test_other_series_of_the_same_rois_are_not_more_neurons(tmp_path):
    path = save(one_table([[0, 1, 2], [2, 3]]), tmp_path / "o.nwb")
    assert read(path, key="F").n_neurons == 3  # row 2 is in both
    assert read(path).n_neurons == 3  # F/plane0, by its name the first of all


def test_planes_are_in_the_order_of_their_numbers(tmp_path):
    planes = [{"values": np.full((T, 2), k) + traces(k, n=2) * 1e-3, "rate": 10.0} for k in range(11)]
    recording = read(save(with_planes(planes), tmp_path / "o.nwb"))
    assert recording.values[:, ::2].mean(axis=0).round().tolist() == list(range(11))


def test_cells_are_chosen_and_reported_plane_by_plane(tmp_path):
    file = with_planes([{"values": traces(k), "rate": 10.0} for k in range(2)])
    table = file.processing["module_1"]["ImageSegmentation"]["rois"]
    table.add_column("valid_roi", "is it a cell", data=[True, False, True])
    lines: list[str] = []
    recording = read(save(file, tmp_path / "o.nwb"), notify=lines.append)
    assert list(recording.neurons["id"]) == ["VISp_0/0", "VISp_0/1", "VISp_0/2", "VISp_1/0", "VISp_1/2"]
    assert "VISp_1: 1 of 3 ROIs dropped: their label is not good or unsorted; label=all keeps them." in lines


def test_refuses_frames_without_a_time(tmp_path):
    path = save(with_fluorescence(traces(0), timestamps=np.arange(T) / 10), tmp_path / "o.nwb")
    with h5py.File(path, "r+") as damaged:
        series = damaged["processing/ophys/DfOverF/traces"]
        attributes = dict(series["timestamps"].attrs)
        del series["timestamps"]
        series["timestamps"] = np.arange(T - 1) / 10
        series["timestamps"].attrs.update(attributes)
    with (
        pytest.warns(UserWarning, match="does not match length of timestamps"),
        pytest.raises(InputError, match="DfOverF/traces needs a time for each frame; got 59 times for 60 frames"),
    ):
        read(path)


def test_fluorescence_is_read_in_the_unit_that_it_states(tmp_path):
    counts = np.random.default_rng(0).integers(-1000, 1000, (T, 3)).astype(np.int16)
    planes = [{"values": counts, "rate": 10.0, "conversion": 1e-3, "offset": 0.5}]
    assert read(save(with_planes(planes), tmp_path / "o.nwb")).values == pytest.approx(counts / 1000 + 0.5)


@pytest.mark.parametrize("conversion", [0.0, np.nan])
def test_an_unusable_conversion_is_ignored(tmp_path, conversion):
    planes = [{"values": traces(0), "rate": 10.0, "conversion": conversion}]
    assert np.array_equal(read(save(with_planes(planes), tmp_path / "o.nwb")).values, traces(0))


def test_transposed_traces_at_a_fixed_rate_have_as_many_times_as_frames(tmp_path):
    file = with_fluorescence(traces(0), rate=10.0)
    region = file.processing["ophys"]["ImageSegmentation"]["rois"].create_roi_table_region("all", region=[0, 1, 2])
    with pytest.warns(UserWarning, match="transposed"):
        series = RoiResponseSeries(name="turned", data=traces(1).T, rois=region, unit="a.u.", rate=10.0, conversion=2.0)
        file.create_processing_module("elsewhere", "in another module").add(series)
    path = save(file, tmp_path / "o.nwb")
    assert np.array_equal(read(path, key="turned").values, 2 * traces(1))


def test_behaviour_is_read_in_the_unit_that_it_states(tmp_path):
    """Running in cm/s that is to be m/s; muscle activity by the gain of its channel; an unscaled pupil."""
    rng = np.random.default_rng(0)
    file = with_units([np.sort(rng.uniform(0, 10, 50)).tolist() for _ in range(3)], observed=[[[0.0, 10.0]]] * 3)
    running = file.create_processing_module("running", "running")
    speed = rng.integers(0, 50, 1001).astype(np.int16)
    running.add(
        pynwb.TimeSeries(name="running_speed", data=speed, unit="m/s", rate=100.0, conversion=0.01, offset=-0.1)
    )
    running.add(pynwb.TimeSeries(name="pupil_area", data=speed.astype(float), unit="pixel", rate=100.0))
    group = file.create_electrode_group("g", "x", "muscle", file.create_device("wire"))
    file.add_electrode(location="muscle", group=group)
    running.add(
        pynwb.ecephys.ElectricalSeries(
            name="emg",
            data=speed,
            electrodes=file.create_electrode_table_region([0], "the wire"),
            rate=100.0,
            conversion=1e-6,
            channel_conversion=[3.0],
        )
    )
    path = save(file, tmp_path / "o.nwb")
    recording = read(path, bin_s=0.02, behaviour="running_speed,pupil_area,emg")
    middles = speed[1::2][: recording.n_steps]  # at the centres of the bins, 0.01, 0.03...
    assert recording.behaviour_values[:, 0] == pytest.approx(middles / 100 - 0.1, abs=1e-6)
    assert recording.behaviour_values[:, 1] == pytest.approx(middles)
    assert recording.behaviour_values[:, 2] == pytest.approx(3e-6 * middles, rel=1e-6)
