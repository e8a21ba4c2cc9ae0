"""Lists of spikes in .npz and MATLAB files, with the names and traps of other programs."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pynapple as nap
import pytest
import scipy.sparse
from scipy.io import savemat

from synapsnet.errors import InputError
from synapsnet.io import read

RATE_HZ = 30_000.0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def trains(rng) -> list[np.ndarray]:
    """Three units in 20 s, each with a number of spikes of its own."""
    return [np.sort(rng.uniform(0.5, 19.5, n)) for n in (200, 150, 100)]


@pytest.fixture
def told() -> list[str]:
    return []


def spikes_of(recording: Any) -> list[int]:
    return [len(recording.spike_times[k]) for k in recording.spike_times.index]


def flat(trains: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    times, ids = np.concatenate(trains), np.repeat([4, 7, 9], [len(train) for train in trains])
    order = np.argsort(times)
    return times[order], ids[order]


@pytest.mark.parametrize("names", [("times", "ids"), ("spike_times", "spike_clusters"), ("t", "unit")])
def test_times_beside_the_unit_of_each(tmp_path, trains, told, names):
    times, ids = flat(trains)
    np.savez(
        tmp_path / "s.npz", **dict(zip(names, (times, ids), strict=True)), weights=np.ones((3, 3)), duration_s=20.0
    )
    recording = read(tmp_path / "s.npz", notify=told.append)
    assert list(recording.neurons["id"]) == ["4", "7", "9"]
    assert spikes_of(recording) == [200, 150, 100]
    assert recording.n_steps == 4000  # all of the 20 s
    assert "Not used: weights." in told


def test_units_that_are_listed_have_their_order_and_labels(tmp_path, trains, told):
    times, ids = flat(trains)
    quality = np.array(["good", "SUA", "noise", "good"])
    np.savez(tmp_path / "s.npz", times=times, ids=ids, nodes=[9, 7, 4, 5], quality=quality)
    recording = read(tmp_path / "s.npz", notify=told.append)
    assert list(recording.neurons["id"]) == ["9", "7"]  # 4 is noise, and 5 never spikes
    assert "The units are labelled by quality: 3 good, 1 noise." in told


def test_milliseconds_by_name_or_by_request(tmp_path, trains):
    times, ids = flat(trains)
    np.savez(tmp_path / "named.npz", times_ms=1000 * times, ids=ids)
    np.savez(tmp_path / "asked.npz", times=1000 * times, ids=ids)
    for recording in (read(tmp_path / "named.npz"), read(tmp_path / "asked.npz", time_unit="ms")):
        assert recording.n_steps == pytest.approx(3800, abs=30)
    with pytest.raises(InputError, match="must be s, ms, us or samples; got 'h'"):
        read(tmp_path / "asked.npz", time_unit="h")


def test_what_pynapple_saves(tmp_path, trains):
    group = nap.TsGroup({k: nap.Ts(t) for k, t in enumerate(trains)}, time_support=nap.IntervalSet(0, 25))
    group.save(str(tmp_path / "group.npz"))
    recording = read(tmp_path / "group.npz")
    assert recording.n_steps == 5000
    assert spikes_of(recording) == [200, 150, 100]


def test_segments_of_spikeinterface_are_epochs(tmp_path, trains):
    times, ids = flat(trains)
    samples = (times * RATE_HZ).astype(np.int64)
    segments = {f"spike_indexes_seg{k}": samples for k in (0, 1)} | {f"spike_labels_seg{k}": ids for k in (0, 1)}
    np.savez(
        tmp_path / "s.npz", unit_ids=[4, 7, 9], num_segment=[2], sampling_frequency=np.array([RATE_HZ]), **segments
    )
    recording = read(tmp_path / "s.npz")
    assert len(recording.segments) == 2
    assert spikes_of(recording) == [400, 300, 200]


def test_an_array_of_times_for_each_unit(tmp_path, trains):
    np.savez(tmp_path / "s.npz", **{f"unit_{k}": t for k, t in enumerate(trains)})
    assert list(read(tmp_path / "s.npz").neurons["id"]) == ["unit_0", "unit_1", "unit_2"]


def test_activity_with_times_is_not_a_list_of_spikes(tmp_path, rng):
    t = np.arange(100) / 10
    np.savez(tmp_path / "a.npz", t=t, index=np.arange(100), d=rng.normal(size=(100, 3)))
    assert read(tmp_path / "a.npz").modality == "calcium"


def save_7_3(path, cells) -> None:
    """As MATLAB 7.3 does: a cell array is references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_dataset("spikeTimes", cells.shape[::-1], dtype=h5py.ref_dtype)
        for place in np.ndindex(cells.shape):
            data = np.asarray(cells[place])[None]
            references[place[::-1]] = file.create_dataset(f"#refs#/{'_'.join(map(str, place))}", data=data).ref
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def test_cells_of_spike_times(tmp_path, trains, told):
    cells = np.empty((1, 3), object)
    cells[0] = trains
    savemat(tmp_path / "v5.mat", {"spikeTimes": cells, "info": "text"})
    save_7_3(tmp_path / "v7.mat", cells)
    for name in ("v5.mat", "v7.mat"):
        assert spikes_of(read(tmp_path / name, notify=told.append)) == [200, 150, 100]
    assert "spikeTimes is read as the spike times of 3 units, in s (--read time_unit=...)." in told


def test_cells_of_trials_are_not_taken_for_neurons(tmp_path, trains):
    cells = np.empty((3, 4), object)
    for k, j in np.ndindex(cells.shape):
        cells[k, j] = trains[k][10 * j : 10 * j + 10]
    savemat(tmp_path / "v5.mat", {"spikeTimes": cells})
    save_7_3(tmp_path / "v7.mat", cells)
    structs = np.empty((3, 4), [("ts", object)])
    structs["ts"] = cells
    savemat(tmp_path / "structs.mat", {"spikeTimes": structs})
    for name in ("v5.mat", "v7.mat", "structs.mat"):
        with pytest.raises(InputError, match=r"one cell for each unit; spikeTimes.* has 3 x 4 cells, as for units x"):
            read(tmp_path / name)


def test_samples_with_their_rate(tmp_path, trains):
    times, ids = flat(trains)
    samples = np.round(times * RATE_HZ).astype(np.int64)
    np.savez(tmp_path / "s.npz", spike_times=samples, spike_clusters=ids)
    savemat(tmp_path / "s.mat", {"spike_times": samples, "spike_clusters": ids})
    cells = np.empty((1, 3), object)
    cells[0] = [np.round(train * RATE_HZ) for train in trains]
    savemat(tmp_path / "cells.mat", {"spikeTimes": cells})
    for name in ("s.npz", "s.mat", "cells.mat"):
        assert read(tmp_path / name, fs_hz=RATE_HZ).n_steps == pytest.approx(3800, abs=30)
    with pytest.raises(InputError, match=r"give it in hertz \(--fs\)"):
        read(tmp_path / "s.npz", time_unit="samples")
    with pytest.raises(InputError, match=r"samples with their rate \(--fs\)"):
        read(tmp_path / "cells.mat", time_unit="samples")


def test_an_array_of_structs_in_milliseconds(tmp_path, trains, told):
    units = np.array(
        [(k, 1000 * t, label) for k, t, label in zip((4, 7, 9), trains, ("good", "good", "mua"), strict=True)],
        dtype=[("id", object), ("ts_ms", object), ("quality", object)],
    )
    savemat(tmp_path / "s.mat", {"data": {"units": units, "recordingtime_ms": 25_000}})
    recording = read(tmp_path / "s.mat", notify=told.append)
    assert list(recording.neurons["id"]) == ["4", "7"]
    assert recording.n_steps == 5000
    assert "The units are labelled by quality: 2 good, 1 mua." in told


def test_a_matrix_and_fall_mat(tmp_path, rng, told):
    x = np.abs(rng.normal(10, 1, (3, 400)))
    savemat(tmp_path / "dff.mat", {"dFF": x, "fs": 20.0})
    recording = read(tmp_path / "dff.mat", notify=told.append)
    assert recording.values == pytest.approx(x.T, rel=1e-6)
    assert "dFF is read as neurons x time, because it has more columns than rows." in told
    savemat(tmp_path / "deconvolved.mat", {"events": x, "spks": x, "fs": 20.0})
    assert read(tmp_path / "deconvolved.mat", key="events", deconvolved=True).deconvolved
    assert not read(tmp_path / "deconvolved.mat", key="spks", deconvolved=False).deconvolved
    iscell = np.array([[1, 0.9], [0, 0.1], [1, 0.8]])
    savemat(tmp_path / "Fall.mat", {"F": x, "Fneu": x / 10, "spks": x, "iscell": iscell, "ops": {"fs": 6.0}})
    recording = read(tmp_path / "Fall.mat")
    assert list(recording.neurons["id"]) == ["0", "2"]
    assert recording.dt_s == pytest.approx(1 / 6)


def test_refuses_matlab_files_with_neither(tmp_path):
    trial = np.empty(2, object)
    trial[:] = [np.arange(3.0), np.arange(4.0)]
    units = np.empty((1, 2), object)
    units[0] = [trial, trial]
    raster = scipy.sparse.csc_matrix(np.eye(4))
    savemat(tmp_path / "x.mat", {"a": "text", "b": 3.0, "unit": units, "raster": raster})
    held = r"a \(text\), b \(a number\), unit \(2 cells of cells\), raster \(sparse, 4 x 4\); save them so"
    with pytest.raises(InputError, match=f"nor a full matrix of activity, but {held}"):
        read(tmp_path / "x.mat")
    savemat(tmp_path / "y.mat", {"dff": np.ones((4, 4)), "raster": raster})
    with pytest.raises(InputError, match=r"activity, called raster, but dff \(4 x 4\), raster \(sparse"):
        read(tmp_path / "y.mat", key="raster")
