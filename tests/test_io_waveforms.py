"""How wide spikes are, as sources state it: in milliseconds, in samples, or by the waveforms themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nwb_files import foreign_file, save

from synapsnet.io import describe, read, write_recording
from synapsnet.io.waveforms import durations_ms, trough_to_peak_ms

TIMES = np.linspace(0.0, 4.0, 40)


def same(values: list[float]) -> object:
    return pytest.approx(values, nan_ok=True)


@given(
    trough=st.integers(1, 38),
    later=st.integers(1, 38),
    depth=st.floats(0.5, 3),
    height=st.floats(0.01, 0.4),
    fs_hz=st.sampled_from([20_000.0, 30_000.0]),
)
def test_the_width_is_from_the_trough_to_the_highest_sample_after_it(trough, later, depth, height, fs_hz):
    wave = np.zeros(80)
    wave[trough], wave[trough - 1], wave[trough + later] = -depth, 0.45, height
    assert trough_to_peak_ms([wave], fs_hz)[0] == pytest.approx(1e3 * later / fs_hz)


def test_a_trough_at_the_end_and_spikes_upwards_have_no_width():
    waves = [[0, 0, 0.1, -1], [0, 1, -0.5, 0], [0, 0, 0, 0], [0, -1, 0.5, 0]]
    assert trough_to_peak_ms(waves, 1000.0).tolist() == same([np.nan, np.nan, np.nan, 1.0])


def test_milliseconds_are_distinguished_from_samples():
    lines: list[str] = []
    assert durations_ms([0.3, -0.2, np.nan, 0.8], 30_000.0, "width", lines.append).tolist() == same(
        [0.3, np.nan, np.nan, 0.8]
    )
    assert durations_ms([np.nan, 0, -1], None, "width", lines.append) is None
    assert lines == []
    assert durations_ms([9, 24, 0], 30_000.0, "width", lines.append).tolist() == same([0.3, 0.8, np.nan])
    assert durations_ms([10, 24], np.array([20_000.0, 0]), "width", lines.append).tolist() == same([0.5, np.nan])
    assert durations_ms([9, 24], None, "width", lines.append) is None
    assert durations_ms([9, 24], np.array([0.0, np.nan]), "width", lines.append) is None
    assert lines == [
        "width is taken to be in samples at 30000 Hz.",
        "width is taken to be in samples at 20000 Hz.",
        *["width is left out: with a median of 16.5 it cannot be in milliseconds."] * 2,
    ]


def alf(folder: Path, **widths: list[float]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "spikes.times.npy", TIMES)
    np.save(folder / "spikes.clusters.npy", np.arange(40) % 3)
    for name, values in widths.items():
        np.save(folder / f"clusters.{name}.npy", np.array(values).reshape(-1, 1))
    return folder


@pytest.mark.parametrize(
    "widths", [{"peakToTrough": [0.2, -0.3, 0.7, 0.7]}, {"waveformDuration": [6.0, 0, 21, 21]}], ids=["IBL", "2019"]
)
def test_widths_in_alf_folders(tmp_path, widths):
    """The last cluster has no spikes and is known by its width only."""
    neurons = read(alf(tmp_path, **widths), bin_s=0.5).neurons
    assert neurons["trough_to_peak_ms"].tolist() == same([0.2, np.nan, 0.7])


def test_probes_of_which_one_knows_no_widths(tmp_path):
    alf(tmp_path / "alf" / "probe00")
    alf(tmp_path / "alf" / "probe01", peakToTrough=[0.2, 0.3, 0.7])
    neurons = read(tmp_path, bin_s=0.5).neurons
    assert neurons["trough_to_peak_ms"].tolist() == same([np.nan] * 3 + [0.2, 0.3, 0.7])


@pytest.mark.parametrize(
    ("stated", "rate_hz", "expected"),
    [
        ([0.2, 0.3, 0.7], None, [0.2, 0.3, 0.7]),  # Allen Institute
        ([6, 9, 21], 30_000.0, [0.2, 0.3, 0.7]),
        ([6, 9, 21], None, None),
    ],
)
def test_widths_in_nwb_files_last_through_selection_and_our_own_files(tmp_path, stated, rate_hz, expected):
    file = foreign_file()
    file.add_unit_column("waveform_duration", "trough to peak")
    if rate_hz:
        file.add_unit_column("sampling_rate", "of the waveform, in Hz")
    for k, duration in enumerate(stated):
        rate = {"sampling_rate": rate_hz} if rate_hz else {}
        file.add_unit(spike_times=TIMES[k::3], waveform_duration=float(duration), **rate)
    path = save(file, tmp_path / "units.nwb")
    recording = read(path, bin_s=0.5)
    if expected is None:
        assert "trough_to_peak_ms" not in recording.neurons
        assert "spike width" not in describe(path, bin_s=0.5)
        return
    assert recording.neurons["trough_to_peak_ms"].tolist() == pytest.approx(expected)
    assert describe(path, bin_s=0.5)["spike width"] == (
        "2 of 3 narrow (trough to peak below 0.4 ms, as in fast-spiking cells); "
        "median 0.30 ms, 80% from 0.22 to 0.62 ms"
    )
    write_recording(recording.select_neurons([2, 0]), tmp_path / "own.nwb")
    assert read(tmp_path / "own.nwb").neurons["trough_to_peak_ms"].tolist() == pytest.approx([0.7, 0.2])
