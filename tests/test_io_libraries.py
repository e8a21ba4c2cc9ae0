"""Small files as the libraries of other programs write them: neo, Zarr, SpikeInterface, minian."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read

RATE_HZ = 30_000.0


@pytest.fixture
def trains() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.sort(rng.uniform(0.5, 19.5, n)) for n in (200, 150, 100)]


def spikes_of(recording: Any) -> list[int]:
    return [len(recording.spike_times[k]) for k in recording.spike_times.index]


def test_neo_reads_what_it_wrote(tmp_path, trains):
    neo = pytest.importorskip("neo")
    pytest.importorskip("nixio")
    block, segment = neo.Block(), neo.Segment()
    block.segments.append(segment)
    for k, train in enumerate(trains):
        segment.spiketrains.append(neo.SpikeTrain(train, units="s", t_start=0, t_stop=20, name=f"ch1#{k}"))
    writer = neo.NixIO(str(tmp_path / "s.nix"), mode="ow")
    writer.write_block(block)
    writer.close()
    lines: list[str] = []
    recording = read(tmp_path / "s.nix", notify=lines.append)
    assert list(recording.neurons["id"]) == ["ch1#1", "ch1#2"]  # 0 are spikes that nobody sorted
    assert spikes_of(recording) == [150, 100]
    assert recording.n_steps == 4000
    (tmp_path / "broken.nix").write_bytes(b"no NIX")
    with pytest.raises(InputError, match="neo cannot read"):
        read(tmp_path / "broken.nix")


def sorting(folder, trains) -> None:
    """In the layout of `NumpyFolderSorting`."""
    samples, units = np.concatenate(trains) * RATE_HZ, np.repeat([0, 1, 2], [len(train) for train in trains])
    kind = [("sample_index", "<i8"), ("unit_index", "<i8"), ("segment_index", "<i8")]
    spikes = np.zeros(len(samples), kind)
    spikes["sample_index"], spikes["unit_index"] = samples, units
    (folder / "properties").mkdir(parents=True)
    np.save(folder / "spikes.npy", np.sort(spikes, order="sample_index"))
    np.save(folder / "properties" / "quality.npy", np.array(["good", "noise", "good"]))
    info = {"sampling_frequency": RATE_HZ, "unit_ids": [3, 5, 8], "num_segments": 1}
    (folder / "numpysorting_info.json").write_text(json.dumps(info))


def test_sortings_of_spikeinterface(tmp_path, trains):
    sorting(tmp_path / "sorting", trains)
    for path in (tmp_path / "sorting", tmp_path):  # the second as of an analyzer
        recording = read(path)
        assert list(recording.neurons["id"]) == ["3", "8"]
        assert spikes_of(recording) == [200, 100]
    (tmp_path / "sorting" / "numpysorting_info.json").write_text("[]")
    with pytest.raises(InputError, match="is damaged"):
        read(tmp_path / "sorting")


def zarr_formats() -> list[int]:
    """Those that the installed library writes: 2, and since Zarr 3 also 3."""
    return [2, 3] if int(version("zarr").split(".")[0]) > 2 else [2]


@pytest.mark.parametrize("format", zarr_formats())
def test_minian_sortings_and_arrays_in_zarr(tmp_path, trains, format):
    import zarr

    def save(folder, arrays, **attributes) -> None:
        options = {"zarr_format": format} if 3 in zarr_formats() else {}
        group = zarr.open_group(str(folder), mode="w", **options)
        group.attrs.update(attributes)
        for name, (array, axes) in arrays.items():
            if format == 3:
                group.create_array(name, data=array, dimension_names=axes)
            else:
                group[name] = array
                group[name].attrs["_ARRAY_DIMENSIONS"] = axes

    values = np.random.default_rng(0).normal(size=(5, 300))
    numbers = np.array([0, 2, 3, 5, 7]), ["unit_id"]
    labels = np.array([0, -1, 3, 5, 7]), ["unit_id"]
    save(
        tmp_path / "minian" / "C.zarr",
        {"C": (values, ["unit_id", "frame"]), "unit_id": numbers, "unit_labels": labels},
    )
    with pytest.raises(InputError, match=r"does not say its frame rate; .*--fs"):
        read(tmp_path / "minian")
    recording = read(tmp_path / "minian", fs_hz=20.0)
    assert list(recording.neurons["id"]) == ["0", "3", "5", "7"]
    assert recording.values == pytest.approx(values[[0, 2, 3, 4]].T, rel=1e-6)
    values[:, 290] = np.nan
    numbered = np.r_[0:200:2, 400:800:2], ["frame"]
    save(tmp_path / "m.zarr", {"C": (values, ["unit_id", "frame"]), "unit_id": numbers, "frame": numbered})
    recording = read(tmp_path / "m.zarr", fs_hz=20.0)
    assert recording.segments == [(0, 100), (100, 290), (290, 299)]
    assert recording.dt_s == pytest.approx(0.05)
    assert recording.activity.times()[[100, 290]] == pytest.approx([200 / 20, 391 / 20])
    save(tmp_path / "short.zarr", {"C": (values, ["unit_id", "frame"]), "unit_id": numbers, "frame": numbers})
    with pytest.raises(InputError, match="must number each of the 300 frames"):
        read(tmp_path / "short.zarr", fs_hz=20.0)
    values[:, 290] = 0.0
    save(tmp_path / "a.zarr", {"activity": (values.T, ["time", "neuron"])}, fs=20.0)
    assert read(tmp_path / "a.zarr").values == pytest.approx(values.T, rel=1e-6)
    assert read(tmp_path / "a.zarr", deconvolved=True).deconvolved
    light = np.arange(20) >= np.array([[12], [30]])
    trials = np.moveaxis(values[:, :40].reshape(5, 2, 20), 0, 1)
    axes = ["trial", "neuron", "bin"]
    save(tmp_path / "t.zarr", {"activity": (trials, axes), "light": (light.astype(int), axes[::2])}, fs=20.0)
    assert read(tmp_path / "t.zarr", until="light").segments == [(0, 12), (12, 32)]
    sample, unit = np.concatenate(trains) * RATE_HZ, np.repeat([0, 1, 2], [len(train) for train in trains])
    save(
        tmp_path / "sorting.zarr",
        {
            "unit_ids": (np.array([3, 5, 8]), ["unit"]),
            "spikes/sample_index": (sample.astype(np.int64), ["spike"]),
            "spikes/unit_index": (unit, ["spike"]),
            "spikes/segment_slices": (np.array([[0, len(unit)]]), ["segment", "end"]),
            "properties/quality": (np.array([1, 0, 1]), ["unit"]),
        },
        sampling_frequency=RATE_HZ,
    )
    assert spikes_of(read(tmp_path / "sorting.zarr", label="all")) == [200, 150, 100]


def test_pickled_zarr_is_never_opened(tmp_path):
    folder = tmp_path / "p.zarr"
    folder.mkdir()
    for name, described in {
        ".zarray": {"zarr_format": 2, "filters": [{"id": "pickle"}]},
        "zarr.json": {"zarr_format": 3, "node_type": "array", "codecs": [{"name": "numcodecs.pickle"}]},
    }.items():
        (folder / name).write_text(json.dumps(described))
        with pytest.raises(InputError, match="is pickled, which could run any code"):
            read(folder)
        (folder / name).unlink()
