"""ALF folders in exactly the layouts of Steinmetz et al. 2019 and of the IBL, with their traps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.recording import Recording

AREAS = ["VISp", "VISp", "CA1", "root", "MOs"]


def save(folder: Path, arrays: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def column(values: Any) -> np.ndarray[Any, Any]:
    return np.asarray(values).reshape(-1, 1)


TIMES = np.array([0.0, 0.1, 0.3, 0.5, 0.55, 1.2, 1.9, 2.4, 2.6, 3.1, 3.9, 4.0])
CLUSTERS = np.array([0, 2, 0, 3, 2, 0, 2, 3, 0, 2, 3, 0])  # cluster 1 has no spikes


@pytest.fixture
def steinmetz(tmp_path) -> Path:
    """Spikes out of order; five channels, of which the clusters' largest are given from 1 on."""
    order = np.random.default_rng(0).permutation(len(TIMES))
    save(
        tmp_path,
        {
            "spikes.times": column(TIMES[order]),
            "spikes.clusters": column(CLUSTERS[order].astype(np.uint32)),
            "clusters._phy_annotation": column(np.array([2, 2, 3, 2], np.uint8)),
            "clusters.peakChannel": column([1.0, 2, 3, 5]),
            "clusters.depths": column([20.0, 40, 60, 100]),
        },
    )
    rows = [f"{100 * k}\t{200 * k}\t{300 * k}\t{area}" for k, area in enumerate(AREAS)]
    text = "\n".join(["ccf_ap\tccf_dv\tccf_lr\tallen_ontology", *rows])
    (tmp_path / "channels.brainLocation.tsv").write_text(text)
    return tmp_path


def noticed(path: Path, **options: Any) -> tuple[Recording, list[str]]:
    lines: list[str] = []
    return read(path, notify=lines.append, bin_s=0.5, **options), lines


def test_spikes_areas_and_positions_of_steinmetz(steinmetz):
    recording, lines = noticed(steinmetz)
    assert recording.values.T.tolist() == [[2, 0, 1, 0, 0, 1, 0, 0], [1, 1, 0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0, 0, 1]]
    assert list(recording.neurons["id"]) == ["0", "2", "3"]
    assert list(recording.neurons["area"]) == ["VISp", "CA1", "MOs"]
    assert recording.neurons[["x_um", "y_um", "z_um"]].to_numpy().tolist() == [
        [0, 0, 0],
        [600, 200, 400],
        [1200, 400, 800],
    ]
    assert lines[:-1] == [  # the last tells that there are few spikes
        "clusters.peakChannel is taken to count from 1.",
        "The units are labelled by _phy_annotation: 3 good, 1 unsorted.",
        "1 of 4 units dropped: they have no spikes while observed.",
        "Spike times are binned at 500 ms.",
    ]


@pytest.mark.parametrize(
    ("annotation", "label", "ids"),
    [
        ([2, 2, 1, 3], None, ["0", "3"]),
        ([2, 2, 0, 3], "noise,good", ["0", "2"]),
        ([0, 1, 0, 1], "all", ["0", "2", "3"]),
    ],
)
def test_units_are_kept_by_their_annotation(steinmetz, annotation, label, ids):
    save(steinmetz, {"clusters._phy_annotation": column(annotation)})
    assert list(read(steinmetz, bin_s=0.5, label=label).neurons["id"]) == ids


SITES_UM = np.column_stack([np.tile([16.0, 48.0], 3)[:5], 20.0 * np.arange(5)])


@pytest.mark.parametrize(
    ("peak", "depths", "first"),
    [
        ([0, 1, 2, 4], [0, 20, 40, 80], 0),
        ([1, 2, 3, 5], [0, 20, 40, 80], 1),
        ([1, 2, 3, 4], [21, 38, 60, 81], 0),  # told by depth
        ([1, 2, 3, 4], [1, 18, 40, 61], 1),
    ],
)
def test_channels_count_from_0_or_from_1(steinmetz, peak, depths, first):
    save(
        steinmetz,
        {"clusters.peakChannel": column(peak), "clusters.depths": depths, "channels.sitePositions": SITES_UM},
    )
    recording, lines = noticed(steinmetz)
    assert lines[0] == f"clusters.peakChannel is taken to count from {first}."
    assert list(recording.neurons["area"]) == [AREAS[peak[k] - first] for k in (0, 2, 3)]


def test_without_channels_there_is_the_depth(steinmetz):
    (steinmetz / "channels.brainLocation.tsv").unlink()
    neurons = read(steinmetz, bin_s=0.5).neurons
    assert neurons["z_um"].tolist() == [20, 60, 100]
    assert neurons["x_um"].isna().all()
    assert set(neurons["area"]) == {"unknown"}


def test_text_in_cp1252_is_read(steinmetz):
    table = steinmetz / "channels.brainLocation.tsv"
    table.write_bytes(table.read_text().replace("VISp", "S1 – Fläche").encode("cp1252"))
    assert read(steinmetz, bin_s=0.5).neurons["area"][0] == "S1 – Fläche"


def test_only_spontaneous_activity(steinmetz):
    save(steinmetz, {"spontaneous.intervals": np.array([[0.0, 1.0], [2.4, 3.5]])})
    recording = read(steinmetz, bin_s=0.5, within="spontaneous")
    assert recording.epochs.values == pytest.approx(np.array([[0.0, 1.0], [2.4, 3.4]]))
    assert recording.values.T.tolist() == [[2, 0, 1, 0], [1, 1, 0, 1], [0, 1, 1, 0]]
    save(steinmetz, {"spontaneous.intervals": np.array([[2.0, 3.0], [np.nan, 4.0], [1.0, 2.0]])})
    assert read(steinmetz, bin_s=0.5, within="spontaneous").segments == [(0, 4)]
    with pytest.raises(InputError, match=r"no passive.intervals.npy; within can be spontaneous"):
        read(steinmetz, within="passive")
    save(steinmetz, {"spontaneous.intervals": np.array([[100.0, 200.0]])})
    with pytest.raises(InputError, match="no time at which all units were observed"):
        read(steinmetz, within="spontaneous")


def test_behaviour_comes_with_clocks_of_pairs_of_a_sample_and_its_time(steinmetz):
    """The wheel is sampled at 100 Hz and the eye at 10 Hz; the eye is closed for 0.4 s."""
    save(
        steinmetz,
        {
            "wheel.position": column(np.arange(501) * 0.03),  # 3 a second
            "wheel.timestamps": np.array([[0.0, -0.5], [500.0, 4.5]]),
            "eye.area": column(np.where(np.abs(np.arange(51) - 20) < 2, np.nan, 7.0)),
            "eye.timestamps": np.array([[0.0, -0.5], [25.0, 2.0], [50.0, 4.5]]),
            "face.motionEnergy": column(np.ones(51)),
        },
    )
    recording, lines = noticed(steinmetz)
    assert list(recording.behaviour.columns) == ["wheel_velocity", "pupil_area"]
    assert recording.behaviour_values == pytest.approx(np.tile([3.0, 7.0], (8, 1)), rel=1e-3)
    assert "face.motionEnergy left out: there is no face.timestamps or face.times." in lines
    assert read(steinmetz, bin_s=0.5, behaviour="none").behaviour is None
    assert list(read(steinmetz, bin_s=0.5, behaviour="pupil_area").behaviour.columns) == ["pupil_area"]


def test_a_wheel_that_is_not_sampled_stands_still(steinmetz):
    """It turns by 1 in the second between 0.5 and 1.5 s, and is noted only then."""
    times = np.array([-1.0, 0.5, 0.75, 1.0, 1.25, 1.5, 6.0])
    save(steinmetz, {"wheel.position": [0, 0, 0.25, 0.5, 0.75, 1.0, 1.0], "wheel.timestamps": times})
    velocity = read(steinmetz, bin_s=0.5).behaviour_values[:, 0]
    assert velocity == pytest.approx([0, 1, 1, 0, 0, 0, 0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [("spikes.clusters", r"has no spikes.clusters.npy; copy the whole folder")],
)
def test_a_missing_file_is_refused(steinmetz, name, message):
    (steinmetz / f"{name}.npy").unlink()
    with pytest.raises(InputError, match=message):
        read(steinmetz)


def test_clusters_of_which_nothing_is_known_are_read(steinmetz):
    for file in steinmetz.glob("c*"):
        file.unlink()
    assert list(read(steinmetz, bin_s=0.5).neurons["id"]) == ["0", "2", "3"]


def test_pickled_arrays_are_refused(steinmetz):
    np.save(steinmetz / "clusters.depths.npy", np.array([None, {}, 1, 2], object))
    with pytest.raises(InputError, match="never loaded"):
        read(steinmetz)


def test_files_that_do_not_fit_each_other_are_refused(steinmetz):
    save(steinmetz, {"clusters.depths": column(np.arange(7.0))})
    with pytest.raises(InputError, match="a row for each of 7 clusters; it has 4"):
        read(steinmetz)
    save(steinmetz, {"clusters.depths": np.arange(4.0), "clusters.peakChannel": column([1, 2, 3, 9])})
    with pytest.raises(InputError, match="must be among the 5 channels; they are 1 to 9"):
        read(steinmetz)


@pytest.fixture
def ibl(tmp_path) -> Path:
    """A session of two probes, of which the first was sorted twice, with namespaces and parts behind the names."""
    alf = tmp_path / "alf"
    for probe, offset in (("probe00", 0.0), ("probe01", 0.3)):
        save(
            alf / probe / "pykilosort",
            {
                "spikes.times.4a5b": TIMES + offset,
                "spikes.clusters.0c1d": CLUSTERS.astype(np.int64),
                "clusters.channels": [0, 1, 2, 4],
                "clusters.depths": [20.0, 40.0, 60.0, 100.0],
                "channels.brainLocationIds_ccf_2017": [385, 385, 382, 997, 993],
                "channels.mlapdv": np.arange(15.0).reshape(5, 3),
            },
        )
        metrics = {"cluster_id": [0, 2, 3], "label": [1.0, 2 / 3, 1.0], "presence_ratio": [1.0, 0.9, 0.5]}
        pd.DataFrame(metrics).to_parquet(alf / probe / "pykilosort" / "clusters.metrics.pqt")
    save(alf / "probe00", {"spikes.times": [0.0], "spikes.clusters": [0]})
    save(
        alf,
        {
            "_ibl_wheel.position": np.arange(600) * 0.01,
            "_ibl_wheel.timestamps": np.arange(600) * 0.01 - 1,
            "leftCamera.ROIMotionEnergy": np.full(361, 5.0),
            "_ibl_leftCamera.times": np.arange(361) / 60 - 1,
        },
    )
    return tmp_path


def test_a_session_of_the_ibl_is_read_with_all_its_probes(ibl):
    recording, lines = noticed(ibl)
    assert list(recording.neurons["id"]) == ["probe00/0", "probe00/3", "probe01/0", "probe01/3"]
    assert list(recording.neurons["area"]) == ["385", "993"] * 2
    assert recording.neurons["z_um"].tolist() == [2, 14] * 2
    assert recording.epochs.values == pytest.approx(np.array([[0.3, 3.8]]))  # while both probes were recorded
    assert list(recording.behaviour.columns) == ["wheel_velocity", "left_camera_motion"]
    assert recording.behaviour_values == pytest.approx(np.tile([1.0, 5.0], (7, 1)), rel=1e-3)
    assert "4 of 8 units dropped: their label is not good or unsorted." in lines


def test_a_camera_with_more_times_than_samples_is_left_out(ibl):
    save(ibl / "alf", {"leftCamera.ROIMotionEnergy": np.full(358, 5.0)})
    recording, lines = noticed(ibl)
    assert list(recording.behaviour.columns) == ["wheel_velocity"]
    assert "leftCamera.ROIMotionEnergy left out: it has 361 times for 358 samples." in lines


def test_the_presence_ratio_is_that_of_the_ibl(ibl):
    assert list(read(ibl, bin_s=0.5, label="all", min_presence_ratio=0.8).neurons["id"]) == [
        f"probe0{probe}/{k}" for probe in (0, 1) for k in (0, 2)
    ]


@pytest.mark.parametrize("folder", ["probe01", "probe01/pykilosort"])
def test_one_probe_of_the_ibl(ibl, folder):
    recording = read(ibl / "alf" / folder, bin_s=0.5)
    assert list(recording.neurons["id"]) == ["0", "3"]
    assert recording.behaviour is None


def test_areas_may_be_with_the_sites_of_the_probe(ibl):
    folder = ibl / "alf" / "probe01" / "pykilosort"
    ids = folder / "channels.brainLocationIds_ccf_2017.npy"
    ids.rename(folder.parent / "electrodeSites.brainLocationIds_ccf_2017.npy")
    neurons = read(folder, bin_s=0.5).neurons
    assert list(neurons["area"]) == ["385", "993"]
    assert neurons["z_um"].tolist() == [20, 100]


def test_the_latest_revision_is_read(ibl):
    folder = ibl / "alf" / "probe01" / "pykilosort"
    for date in ("#2023-01-01#", "#2024-05-06#"):
        shutil.copytree(folder, folder / date, ignore=shutil.ignore_patterns("#*"))
    save(folder / "#2024-05-06#", {"spikes.clusters.0c1d": np.where(CLUSTERS == 0, 2, CLUSTERS)})
    assert list(read(ibl, bin_s=0.5, label="all").neurons["id"]) == [
        "probe00/0",
        "probe00/2",
        "probe00/3",
        "probe01/2",
        "probe01/3",
    ]


def test_a_damaged_table_is_refused(ibl):
    (ibl / "alf" / "probe00" / "pykilosort" / "clusters.metrics.pqt").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read(ibl)
