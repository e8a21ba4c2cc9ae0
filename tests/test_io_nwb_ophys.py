"""Fluorescence in NWB files of other programs: which series, its frames, ROIs and their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pynwb
import pytest
from nwb_files import foreign_file, save, with_fluorescence
from pynwb.ophys import Fluorescence, ImageSegmentation, RoiResponseSeries

from synapsnet.errors import InputError
from synapsnet.io import read


@pytest.fixture
def traces() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(60, 3))


def test_fluorescence_at_a_fixed_rate_is_one_epoch(traces, tmp_path):
    path = save(with_fluorescence(traces, rate=30.0, starting_time=5.0), tmp_path / "ophys.nwb")
    recording = read(path)
    assert recording.modality == "calcium"
    assert recording.dt_s == pytest.approx(1 / 30)
    assert recording.segments == [(0, 60)]
    assert recording.activity.times()[0] == 5.0
    assert np.array_equal(recording.values, traces.astype(np.float32))


def test_gaps_between_frames_become_epoch_borders(traces, tmp_path):
    times = np.arange(60) / 10
    times[20:] += 0.1  # one frame lost
    times[45:] += 30.0
    lines: list[str] = []
    path = save(with_fluorescence(traces, kind=Fluorescence, timestamps=times), tmp_path / "ophys.nwb")
    recording = read(path, notify=lines.append)
    assert recording.segments == [(0, 20), (20, 45), (45, 60)]
    assert np.array_equal(recording.values, traces.astype(np.float32))
    assert lines == [
        "Reading Fluorescence/traces.",
        "Frames are missing: 3 epochs, with 60 of 60 frames, lie between the gaps.",
    ]


@pytest.mark.parametrize("times", [np.zeros(60), -np.arange(60.0)])
def test_refuses_timestamps_that_do_not_increase(traces, times, tmp_path):
    path = save(with_fluorescence(traces, timestamps=times), tmp_path / "ophys.nwb")
    with pytest.raises(InputError, match="must increase"):
        read(path)


def test_frames_and_rois_without_values_are_left_out(traces, tmp_path):
    values = np.column_stack([traces, np.full(60, np.nan)])
    values[20:23, 2] = np.nan
    lines: list[str] = []
    recording = read(save(with_fluorescence(values, rate=30.0), tmp_path / "ophys.nwb"), notify=lines.append)
    assert recording.segments == [(0, 20), (20, 57)]
    assert np.array_equal(recording.values, np.delete(traces, [20, 21, 22], axis=0).astype(np.float32))
    assert "1 of 4 ROIs dropped: they have no values (NaN)." in lines
    assert "3 of 60 frames left out: an ROI has no value there (NaN)." in lines


def test_refuses_infinite_values(traces, tmp_path):
    traces[5, 2] = np.inf
    with pytest.raises(InputError, match="NaN or infinite values in neuron 2"):
        read(save(with_fluorescence(traces, rate=30.0), tmp_path / "ophys.nwb"))


def test_refuses_a_file_without_activity(tmp_path):
    with pytest.raises(InputError, match="neither spike times in `units` nor DfOverF or Fluorescence"):
        read(save(foreign_file(), tmp_path / "empty.nwb"))


def test_frames_that_come_a_little_early_or_late_are_on_a_grid(traces, tmp_path):
    jitter = np.random.default_rng(1).uniform(-0.05, 0.05, 60)
    lines: list[str] = []
    path = save(with_fluorescence(traces, timestamps=(np.arange(60) + jitter) / 10), tmp_path / "ophys.nwb")
    recording = read(path, notify=lines.append)
    assert recording.segments == [(0, 60)]
    assert recording.dt_s == pytest.approx(0.1, rel=1e-2)
    assert np.array_equal(recording.values, traces.astype(np.float32))
    assert "of a step early or late" in lines[1]


def segmented(names: list[str], columns: dict[str, Any] | None = None, module: str = "ophys") -> pynwb.NWBFile:
    """Three ROIs of known places in a plane of 2 x 4 um pixels, with a Fluorescence of each name."""
    file = foreign_file()
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=pynwb.ophys.OpticalChannel(name="green", description="green", emission_lambda=510.0),
        description="plane",
        device=file.create_device(name="microscope"),
        excitation_lambda=920.0,
        indicator="GCaMP6s",
        location="VISp",
        grid_spacing=[2e-6, 4e-6],
        grid_spacing_unit="meters",
    )
    processed = file.create_processing_module(module, "fluorescence")
    segmentation = ImageSegmentation()
    processed.add(segmentation)
    rois = segmentation.create_plane_segmentation(name="rois", description="cells", imaging_plane=plane)
    for name in columns or {}:
        rois.add_column(name, name)
    for k in range(3):
        image = np.zeros((8, 10))
        image[2 * k, 1 + k], image[2 * k, 3 + k] = 1.0, 3.0  # at y = 2 k; in x at 2.5 + k
        rois.add_roi(id=70 + k, image_mask=image, **{name: values[k] for name, values in (columns or {}).items()})
    region = rois.create_roi_table_region("all", region=[0, 1, 2])
    for number, name in enumerate(names):
        held = Fluorescence(name=name)
        processed.add(held)
        values = np.random.default_rng(number).normal(size=(40, 3))
        held.create_roi_response_series(name="traces", data=values, rois=region, unit="a.u.", rate=10.0)
    return file


def test_rois_have_places_and_areas(tmp_path):
    neurons = read(save(segmented(["Fluorescence"]), tmp_path / "o.nwb")).neurons
    assert list(neurons["id"]) == ["70", "71", "72"]
    assert set(neurons["area"]) == {"VISp"}
    assert neurons["x_um"].to_numpy() == pytest.approx([5, 7, 9])
    assert neurons["y_um"].to_numpy() == pytest.approx([0, 8, 16])
    assert neurons["z_um"].isna().all()


def test_pixel_masks_are_weighted(traces, tmp_path):
    file = with_fluorescence(traces, rate=10.0)
    file.imaging_planes["plane"].fields["grid_spacing"] = [1e-6, 1e-6]
    rois = file.processing["ophys"]["ImageSegmentation"]["rois"]
    rois.add_roi(pixel_mask=[(2, 5, 1.0), (6, 5, 3.0)])
    region = rois.create_roi_table_region("some", region=[1, 3])
    series = RoiResponseSeries(name="dff_of_two", data=traces[:, :2], rois=region, unit="a.u.", rate=10.0)
    file.create_processing_module("elsewhere", "in another module").add(series)
    neurons = read(save(file, tmp_path / "o.nwb"), key="dff_of_two").neurons
    assert list(neurons["id"]) == ["1", "3"]
    assert neurons[["x_um", "y_um"]].to_numpy() == pytest.approx(np.array([[0, 0], [5, 5]]))


@pytest.mark.parametrize(
    ("names", "key", "chosen"),
    [
        (["Neuropil", "Deconvolved", "Fluorescence"], None, "Fluorescence/traces"),  # suite2p
        (["Fluorescence", "dff"], None, "dff/traces"),
        (["Fluorescence", "Deconvolved"], "Deconvolved", "Deconvolved/traces"),
        (["event_detection"], None, "event_detection/traces"),
    ],
)
def test_which_series_is_read(tmp_path, names, key, chosen):
    lines: list[str] = []
    path = save(segmented(names, module="brain_observatory_pipeline"), tmp_path / "o.nwb")
    recording = read(path, key=key, notify=lines.append)
    assert recording.metadata["series"] == chosen
    assert recording.deconvolved == (chosen in ("Deconvolved/traces", "event_detection/traces"))
    assert lines[0].startswith(f"Reading {chosen}")
    assert all(f"{name}/traces" in lines[0] for name in names)


def test_refuses_a_series_that_is_not_there(tmp_path):
    path = save(segmented(["Fluorescence", "Neuropil"]), tmp_path / "o.nwb")
    with pytest.raises(InputError, match="no series 'dff' of ROIs; it has Fluorescence/traces, Neuropil/traces"):
        read(path, key="dff")


@pytest.mark.parametrize(
    ("column", "flags"),
    [("iscell", [[1.0, 0.9], [0.0, 0.1], [1.0, 0.6]]), ("valid_roi", [True, False, True]), ("accepted", [1, 0, 1])],
)
def test_rois_that_are_not_cells_are_dropped(tmp_path, column, flags):
    lines: list[str] = []
    path = save(segmented(["Fluorescence"], {column: flags}), tmp_path / "o.nwb")
    assert list(read(path, notify=lines.append).neurons["id"]) == ["70", "72"]
    assert "1 of 3 ROIs dropped: their label is not good or unsorted; label=all keeps them." in lines
    assert read(path, label="all").n_neurons == 3
    assert read(path, label="accepted").n_neurons == 2
    with pytest.raises(InputError, match="No ROI is labelled mua; the labels are failed, good"):
        read(path, label="mua")


def test_only_within_intervals_and_not_at_invalid_times(tmp_path):
    file = segmented(["Fluorescence"])
    file.add_trial(start_time=0.45, stop_time=1.95)
    file.add_invalid_time_interval(start_time=0.95, stop_time=1.25)
    recording = read(save(file, tmp_path / "o.nwb"), within="trials")
    assert recording.activity.times() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9])
    assert recording.segments == [(0, 5), (5, 12)]


def test_running_is_interpolated_onto_the_frames(tmp_path):
    file = segmented(["Fluorescence"])
    speed = pynwb.TimeSeries(name="running_speed", data=np.arange(100.0), unit="cm/s", rate=20.0)
    file.create_processing_module("running", "running").add(speed)
    recording = read(save(file, tmp_path / "o.nwb"))
    assert recording.behaviour_values[:, 0] == pytest.approx(2.0 * np.arange(40))


def test_background_and_baseline_are_not_activity(tmp_path):
    values = np.random.default_rng(0).normal(size=(200, 3))
    file = with_fluorescence(values, rate=10.0)
    traces = file.processing["ophys"]["DfOverF"]
    region = file.processing["ophys"]["ImageSegmentation"]["rois"].create_roi_table_region("all", region=[0, 1, 2])
    for name in ("Baseline", "Background_Fluorescence"):
        traces.create_roi_response_series(name=name, data=values + 9, rois=region, unit="a.u.", rate=10.0)
    lines: list[str] = []
    recording = read(save(file, tmp_path / "o.nwb"), notify=lines.append)
    assert recording.values == pytest.approx(values, abs=1e-6)
    assert lines[0] == ("Reading DfOverF/traces; left out: DfOverF/Background_Fluorescence, DfOverF/Baseline (--key).")


def test_a_rate_of_0_is_named_and_may_be_given(tmp_path):
    values = np.random.default_rng(0).normal(size=(200, 3))
    path = save(with_fluorescence(values, rate=0.0), tmp_path / "o.nwb")
    with pytest.raises(InputError, match=r"states a rate of 0 Hz; give that of the frames \(--fs\)"):
        read(path)
    assert read(path, fs_hz=10.0).dt_s == pytest.approx(0.1)
