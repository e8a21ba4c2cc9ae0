"""The real recordings that the project is tried on; skipped where they are absent."""

from __future__ import annotations

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read

NEUROPIXELS = "mouse_visual_neuropixels_pv_opto/session_829720705_pv_opto.npz"


@pytest.mark.parametrize("trace", ["dff", "spks"])
def test_suite2p_folder(real_data, trace):
    recording = read(real_data("mouse_v1_suite2p"), fs_hz=6.0, trace=trace)
    assert (recording.n_neurons, recording.n_steps, recording.modality) == (10, 11160, "calcium")


def test_suite2p_deconvolved_traces_are_saved_transposed_and_belong_to_the_fluorescence(real_data):
    """Each cell's deconvolved trace goes with its own fluorescence, not with that of another."""
    folder = real_data("mouse_v1_suite2p")
    lines: list[str] = []
    spks = read(folder, fs_hz=6.0, trace="spks", notify=lines.append).values
    assert any("spks.npy is saved transposed" in line for line in lines)
    traces = read(folder, fs_hz=6.0).values
    rises = np.maximum(np.diff(traces, axis=0), 0)
    r = np.corrcoef(rises.T, spks[1:].T)[:10, 10:]
    assert np.array_equal(r.argmax(axis=1), np.arange(10))


def test_suite2p_asks_for_the_frame_rate(real_data):
    with pytest.raises(InputError, match="--fs"):
        read(real_data("mouse_v1_suite2p"))


def test_neuropixels_trials_until_the_light(real_data):
    path = real_data(NEUROPIXELS)
    recording = read(path, key="z", dt_s=0.01, until="light")
    with np.load(path) as arrays:
        sham, ramp = arrays["kind"] == "sham", arrays["stimulus_name"] == "raised_cosine"
    lengths = np.array([stop - start for start, stop in recording.segments])
    assert (recording.n_neurons, recording.modality) == (371, "spikes")
    assert set(lengths[sham]) == {150}
    assert set(lengths[~sham & ~ramp]) == {50}  # the light comes at 0.5 s
    assert set(lengths[~sham & ramp]) == {51}  # and rises from zero


def test_mesoscope(real_data):
    """Its background has a value for each frame and so tells which axis is time."""
    recording = read(real_data("mouse_v1_mesoscope/fluorescence.npz"))
    assert (recording.n_neurons, recording.n_steps, recording.modality) == (10, 52035, "calcium")
    assert recording.dt_s == pytest.approx(1 / 6.3, rel=0.01)
    assert not recording.deconvolved


def test_mesoscope_deconvolved(real_data):
    path = real_data("mouse_v1_mesoscope/deconvolved.npz")
    with pytest.raises(InputError, match="looks transposed"):
        read(path)
    recording = read(path, transpose=True)
    assert (recording.n_neurons, recording.n_steps, recording.modality) == (10, 52035, "calcium")
    assert recording.deconvolved
