"""Arrays that may be larger than memory, and a recording that is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pynapple as nap
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synapsnet import memmap
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.io import read, write_recording
from synapsnet.memmap import blocks, filled, give_back
from synapsnet.model.autoregression import autocovariances
from synapsnet.normalised import Scratch, normalised
from synapsnet.recording import Recording, binned_spike_times, neuron_table


@pytest.fixture
def on_disk(monkeypatch, tmp_path):
    """Every array is large, and lies in this folder, row by row."""
    monkeypatch.setattr(memmap, "LARGE_BYTES", 0)
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def counted(shape: tuple[int, int]) -> np.ndarray:
    """0, 1, 2..., as `filled` makes it."""

    def fill(block: np.ndarray, start: int) -> None:
        block[:] = (np.arange(block.size) + start * shape[1]).reshape(block.shape)

    return filled(shape, fill)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 9)),
    block_bytes=st.integers(1, 400),
    large_bytes=st.sampled_from([0, 10**6]),
)
def test_arrays_are_filled_block_by_block_in_memory_and_on_disk(shape, block_bytes, large_bytes):
    expected = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    with patch.object(memmap, "BLOCK_BYTES", block_bytes), patch.object(memmap, "LARGE_BYTES", large_bytes):
        array = counted(shape)
        assert array.dtype == np.float32 and np.array_equal(array, expected)
        parts = list(blocks(array))
        assert all(part.nbytes <= max(block_bytes, 4 * shape[1]) for part in parts)
        assert np.array_equal(np.concatenate(parts), expected)


def test_a_large_array_is_in_no_file_that_others_see_and_keeps_what_is_written(on_disk):
    array = counted((100, 7))
    assert list(on_disk.iterdir()) == []
    assert not isinstance(array, np.memmap) and not array.flags.owndata
    array[3, 4] = -1
    give_back(array[2:, 1:])
    assert array[3, 4] == -1 and array[99, 6] == 699
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.from_numpy(array).sum() == sum(range(700)) - 25 - 1


def test_memory_of_others_is_not_given_back(tmp_path):
    np.arange(6, dtype=np.float32).tofile(tmp_path / "six")
    private = np.memmap(tmp_path / "six", np.float32, mode="c", shape=(2, 3))
    private[0, 0] = 7
    give_back(private)  # which would undo what was written to a private mapping
    assert private[0, 0] == 7


def test_a_recording_on_disk_is_checked_and_selected_as_one_in_memory(on_disk):
    rng = np.random.default_rng(0)
    values = rng.poisson(0.5, (60, 5)).astype(np.float32)

    def fill(block: np.ndarray, start: int) -> None:
        block[:] = values[start : start + len(block)]

    recording = Recording.from_array(filled(values.shape, fill), 0.01, "spikes", segments=[20, 40])
    assert not recording.values.flags.owndata
    assert recording.mean_activity == pytest.approx(values.mean(axis=0))
    part = recording.select_neurons([4, 0, -2]).select_rows([(5, 20), (30, 45)])
    assert not part.values.flags.owndata
    assert np.array_equal(part.values, np.concatenate([values[5:20], values[30:45]])[:, [4, 0, 3]])
    values[31, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinite values in neuron 3;"):
        Recording.from_array(filled(values.shape, fill), 0.01, "spikes")
    values[31, 3] = -1
    with pytest.raises(InputError, match="must not be negative"):
        Recording.from_array(filled(values.shape, fill), 0.01, "spikes")
    values[:, 3] = 1
    with pytest.raises(InputError, match="never changes in neuron 3:"):
        Recording.from_array(filled(values.shape, fill), 0.01, "spikes")


@pytest.mark.parametrize(("modality", "dt_s"), [("calcium", 0.03), ("spikes", 0.03), ("spikes", 0.005)])
def test_a_recording_on_disk_is_fitted_as_one_in_memory(on_disk, monkeypatch, modality, dt_s):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3)) if modality == "calcium" else rng.poisson(0.3, (400, 3))
    values = values.astype(np.float32)

    def fill(block: np.ndarray, start: int) -> None:
        block[:] = values[start : start + len(block)]

    recordings = (Recording.from_array(array, dt_s, modality) for array in (filled(values.shape, fill), values))
    fits = []
    for recording, large_bytes in zip(recordings, (0, 2**30), strict=True):
        monkeypatch.setattr(memmap, "LARGE_BYTES", large_bytes)
        model = SynapsNet(epochs=2, horizon=3, n_history=4, device="cpu").fit(recording, checkpoint=on_disk / "kept")
        fits.append((model.forecast(recording, 3), model.connectivity_.weight, model.connectivity_.local_fdr))
    for one, other in zip(*fits, strict=True):
        assert one == pytest.approx(other, abs=1e-4, nan_ok=True)


def test_normalised_activity_is_read_by_steps_as_a_tensor_is(on_disk):
    values, centre, scale = counted((12, 3)), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 3.0, 4.0])
    activity = normalised(values, centre, scale)
    whole = (torch.from_numpy(values) - centre) / scale
    assert not isinstance(activity, torch.Tensor)
    assert (len(activity), activity.shape, activity.device) == (12, (12, 3), whole.device)
    for steps in (slice(2, 7), torch.tensor([3, 1, 11]), torch.tensor([[0, 1], [5, 6]])):
        assert torch.equal(activity[steps], whole[steps])
    assert np.array_equal(values, counted((12, 3)))  # unchanged


def test_spikes_of_bins_are_the_same_block_by_block(on_disk):
    values = np.random.default_rng(0).poisson(0.4, (200, 5)).astype(np.float32)
    recording = Recording.from_array(values, 0.01, "spikes", segments=[80, 120])
    by_row = binned_spike_times(recording)
    with patch.object(memmap, "BLOCK_BYTES", 2**20):
        whole = binned_spike_times(recording)
    for k in range(5):
        assert len(whole[k]) == values[:, k].sum() and np.array_equal(by_row[k].times(), whole[k].times())


def test_room_on_disk_keeps_what_is_written_to_it(on_disk):
    room = Scratch((20, 3), torch.device("cpu"))
    for start in (0, 5, 10, 15):
        room[start : start + 5].add_(start)
    assert torch.equal(room[:].mean(1), torch.arange(0.0, 20.0, 5.0).repeat_interleave(5))
    assert list(on_disk.iterdir()) == []


def test_autocovariances_are_the_same_block_by_block(on_disk):
    values = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    by_row = autocovariances(values, [(0, 25), (25, 27), (30, 60)], 4)
    with patch.object(memmap, "BLOCK_BYTES", 2**20):
        assert torch.allclose(by_row, autocovariances(values, [(0, 25), (25, 27), (30, 60)], 4), atol=1e-6)


def test_our_own_files_are_read_to_disk(on_disk, spike_recording, tmp_path):
    write_recording(spike_recording, tmp_path / "own.nwb")
    recording = read(tmp_path / "own.nwb")
    assert not recording.values.flags.owndata
    assert np.array_equal(recording.values, spike_recording.values)
    write_recording(recording, tmp_path / "again.nwb")
    assert np.array_equal(read(tmp_path / "again.nwb").values, spike_recording.values)


def test_parts_of_a_recording_keep_the_type_of_its_numbers():
    values = np.random.default_rng(0).normal(size=(10, 2))
    behaviour = nap.TsdFrame(t=np.arange(10) / 10, d=values / 3)
    activity = nap.TsdFrame(t=np.arange(10) / 10, d=values)
    part = Recording(activity, 0.1, "calcium", neuron_table(2), behaviour=behaviour).select_rows([(2, 5)])
    assert np.array_equal(part.values, values[2:5])
    assert part.behaviour is not None and np.array_equal(part.behaviour.values, values[2:5] / 3)


def test_a_disk_without_room_is_refused_before_it_is_full(on_disk):
    with pytest.raises(InputError, match=r"GiB, do not fit into a temporary file in .*not so much room\); choose"):
        counted((10**12, 10**6))


@pytest.mark.skipif(sys.platform != "linux", reason="a disk that is always full is a file of Linux")
def test_a_disk_that_fills_up_is_reported(on_disk, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "w+b"))
    with pytest.raises(InputError, match=r"do not fit into a temporary file .*No space left on device.*\(TMPDIR\)"):
        counted((4000, 100))


def test_a_source_that_cannot_be_read_is_no_full_disk(on_disk):
    def fill(block: np.ndarray, start: int) -> None:
        raise OSError("truncated")

    with pytest.raises(OSError, match=r"^truncated$"):
        filled((4, 3), fill)
    assert list(on_disk.iterdir()) == []


UNITS_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from synapsnet import memmap
from synapsnet.errors import InputError
from synapsnet.io import read

def write(folder, duration_s, n_units, rate_hz):
    folder.mkdir()
    rng = np.random.default_rng(0)
    n_spikes = int(duration_s * n_units * rate_hz)
    np.save(folder / "spike_times.npy", np.linspace(0, duration_s * 30_000, n_spikes).astype(np.int64))
    np.save(folder / "spike_clusters.npy", rng.integers(0, n_units, n_spikes))
    (folder / "params.py").write_text("sample_rate = 30000.")
    return folder

def status_kib(name):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name + ":")))

read(write(Path(sys.argv[1]) / "small", 20, 10, 5))  # what is imported and compiled is none of the recording's
whole = write(Path(sys.argv[1]) / "whole", 600, 1000, 1)
private_kib, resident_kib = status_kib("VmData"), status_kib("VmRSS")
resource.setrlimit(resource.RLIMIT_DATA, (1024 * private_kib + 2**28,) * 2)
memmap.LARGE_BYTES = 2**28
recording = read(whole, notify=print)
more_kib = status_kib("VmHWM") - resident_kib
print(recording.values.nbytes, recording.values.sum(dtype=float), more_kib)
memmap.LARGE_BYTES = 2**60
try:
    read(whole)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited in another way")
def test_units_are_read_in_less_memory_than_their_counts_take(tmp_path):
    """10 minutes of 1,000 units, 0.45 GiB of counts, in 0.25 GiB; control: not if they had to be in memory."""
    run = [sys.executable, "-c", UNITS_IN_LITTLE_MEMORY, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    *told, facts, refusal = done.stdout.splitlines()
    assert f"The counts, 0.45 GiB, are kept in a temporary file in {tmp_path} (TMPDIR)" in told[-1]
    n_bytes, n_spikes, more_kib = map(float, facts.split())
    assert n_bytes == 4 * 1000 * 600 / 0.005
    assert n_spikes == 600_000 - 1  # the last lies behind the last bin
    assert 1024 * more_kib < 2**28
    assert "do not fit in memory; use wider bins" in refusal
