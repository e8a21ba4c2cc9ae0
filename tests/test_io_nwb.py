"""NWB: our files come back exactly and are good NWB; those of other programs are read."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap
import pynwb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nwb_files import foreign_file, save, with_units

from simulators import observe_spikes
from synapsnet.connectome import MATRICES, Connectome
from synapsnet.errors import InputError
from synapsnet.io import nwb, read, read_simulation, write_recording, write_simulation
from synapsnet.recording import Recording, Simulation, neuron_table

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)


@st.composite
def spike_trains(draw: st.DrawFn, n_neurons: int, duration_s: float) -> nap.TsGroup:
    """Some neurons are silent, some fire once."""
    support = nap.IntervalSet(0, duration_s)
    times = st.lists(st.integers(0, int(duration_s * 1e6)), max_size=6, unique=True)
    trains = {k: np.sort(np.array(draw(times), float) / 1e6) for k in range(n_neurons)}
    return nap.TsGroup({k: nap.Ts(t, time_support=support) for k, t in trains.items()}, time_support=support)


@st.composite
def connectomes(draw: st.DrawFn, n: int) -> Connectome:
    """With no connection at all, with ones of weight 0 that have a delay, with standard errors."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    connected = (rng.random((n, n)) < draw(st.sampled_from([0.0, 0.3, 1.0]))) & ~np.eye(n, dtype=bool)
    weight = np.where(connected & (rng.random((n, n)) < 0.8), rng.normal(size=(n, n)), 0.0)
    return Connectome(
        weight=weight,
        delay_s=draw(st.sampled_from([None, np.where(connected, rng.uniform(0, 0.01, (n, n)), np.nan)])),
        standard_error=draw(st.sampled_from([None, np.where(connected, rng.random((n, n)), 0.0)])),
        p_value=draw(st.sampled_from([None, np.where(connected, rng.random((n, n)), 1.0)])),
        local_fdr=draw(st.sampled_from([None, np.where(connected, rng.random((n, n)), 1.0)])),
        effective=draw(st.sampled_from([None, np.where(np.eye(n), 0.0, rng.normal(size=(n, n)))])),
        unit=draw(st.sampled_from(["mV", "a.u."])),
    )


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    n = draw(st.integers(2, 4))
    lengths = draw(st.lists(st.integers(2, 6), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    modality = draw(st.sampled_from(["spikes", "calcium"]))
    shape = (sum(lengths), n)
    values = rng.poisson(2, shape) if modality == "spikes" else rng.normal(size=shape)
    variables = draw(st.lists(names, max_size=3, unique=True))
    return Recording.from_array(
        values,
        draw(st.sampled_from([0.005, 1 / 30, 1 / 6.3])),
        modality,
        segments=lengths,
        behaviour=rng.normal(size=(sum(lengths), len(variables))) if variables else None,
        behaviour_names=variables or None,
        neurons=neuron_table(
            n,
            ids=draw(st.lists(names, min_size=n, max_size=n, unique=True)),
            cell_type=draw(st.lists(names, min_size=n, max_size=n)),
            position_um=draw(st.sampled_from([None, rng.normal(size=(n, 3))])),
            trough_to_peak_ms=draw(
                st.sampled_from([None, np.where(np.arange(n) == 0, np.nan, rng.uniform(0.1, 1, n))])
            ),
        ),
        connectome=draw(st.none() | connectomes(n)),
        spike_times=draw(st.none() | spike_trains(n, 20.0)),
        metadata=draw(st.dictionaries(names, st.integers() | st.floats(allow_nan=False) | names, max_size=3)),
        deconvolved=modality == "calcium" and draw(st.booleans()),
        require_varying=False,
    )


def assert_same_spikes(read_back: nap.TsGroup | None, written: nap.TsGroup | None) -> None:
    assert (read_back is None) == (written is None)
    if read_back is not None and written is not None:
        assert list(read_back.index) == list(written.index)
        assert all(np.array_equal(read_back[k].times(), written[k].times()) for k in written.index)
        assert np.array_equal(read_back.time_support.values, written.time_support.values)


def assert_same_connectome(read_back: Connectome | None, written: Connectome | None) -> None:
    assert (read_back is None) == (written is None)
    if read_back is not None and written is not None:
        for name in MATRICES:
            a, b = getattr(read_back, name), getattr(written, name)
            assert (a is None) == (b is None)
            assert a is None or np.array_equal(a, b, equal_nan=True)
        assert read_back.unit == written.unit


def round_trip(write: Any, read_back: Any, thing: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        write(thing, Path(folder) / "file.nwb")
        return read_back(Path(folder) / "file.nwb")


def read_unchecked(path: Path) -> Recording:
    return nwb.read(path, notify=lambda line: None)


@settings(max_examples=10)
@given(written=recordings())
def test_a_recording_comes_back_exactly(written):
    back = round_trip(write_recording, read_unchecked, written)
    assert back.modality == written.modality
    assert back.dt_s == written.dt_s
    assert back.deconvolved == written.deconvolved
    assert back.values.dtype == np.float32
    assert np.array_equal(back.values, written.values)
    assert np.array_equal(back.activity.times(), written.activity.times())
    assert np.array_equal(back.epochs.values, written.epochs.values)
    assert (back.behaviour is None) == (written.behaviour is None)
    assert np.array_equal(back.behaviour_values, written.behaviour_values)
    if written.behaviour is not None:
        assert list(back.behaviour.columns) == list(written.behaviour.columns)
    pd.testing.assert_frame_equal(back.neurons, written.neurons)
    assert back.metadata == written.metadata
    assert_same_spikes(back.spike_times, written.spike_times)
    assert_same_connectome(back.connectome, written.connectome)


@settings(max_examples=10)
@given(data=st.data(), n=st.integers(2, 4), variables=st.lists(names, max_size=3, unique=True))
def test_a_simulation_comes_back_exactly(data, n, variables):
    times = np.arange(50) * 0.01 + 0.005
    behaviour = nap.TsdFrame(t=times, d=np.random.default_rng(n).normal(size=(50, len(variables))), columns=variables)
    written = Simulation(
        data.draw(spike_trains(n, 20.0)),
        neuron_table(n, cell_type=["E"] * n),
        data.draw(connectomes(n)),
        behaviour if variables else None,
        {"seed": 3, "parameters": {"nested": [1, 2.5, None]}},
    )
    back = round_trip(write_simulation, read_simulation, written)
    assert back.metadata == written.metadata
    assert back.duration_s == written.duration_s
    pd.testing.assert_frame_equal(back.neurons, written.neurons)
    assert_same_spikes(back.spike_times, written.spike_times)
    assert_same_connectome(back.connectome, written.connectome)
    assert (back.behaviour is None) == (written.behaviour is None)
    if back.behaviour is not None:
        assert list(back.behaviour.columns) == variables
        assert np.array_equal(back.behaviour.values, behaviour.values)
        assert np.array_equal(back.behaviour.times(), behaviour.times())


def test_reading_a_simulation_with_behaviour_averages_it_in_each_bin(small_simulation, tmp_path):
    times = (np.arange(120_000) + 0.5) * 1e-3
    light = nap.TsdFrame(t=times, d=(times % 1 > 0.993)[:, None].astype(float), columns=["light"])
    write_simulation(replace(small_simulation, behaviour=light), tmp_path / "sim.nwb")
    binned = read(tmp_path / "sim.nwb", bin_s=0.01)
    assert list(binned.behaviour.columns) == ["light"]
    expected = np.zeros(100)
    expected[99] = 0.7
    assert binned.behaviour_values[:, 0].reshape(-1, 100) == pytest.approx(np.tile(expected, (120, 1)))


def test_reading_a_simulation_as_a_recording_bins_its_spikes(small_simulation, spike_recording, tmp_path):
    write_simulation(small_simulation, tmp_path / "sim.nwb")
    lines: list[str] = []
    binned = read(tmp_path / "sim.nwb", notify=lines.append)
    assert np.array_equal(binned.values, spike_recording.values)
    assert lines == ["Spike times are binned at 5 ms."]
    assert_same_connectome(binned.connectome, small_simulation.connectome)


@pytest.mark.parametrize("bin_s", [0.001, 0.003, 1 / 30, 0.1, 0.7])
def test_binning_a_file_is_observing_its_spikes(our_files, small_simulation, bin_s):
    observed, binned = observe_spikes(small_simulation, bin_s=bin_s), read(our_files["simulation"], bin_s=bin_s)
    assert np.array_equal(binned.values, observed.values)
    assert binned.activity.times() == pytest.approx(observed.activity.times())


@pytest.mark.parametrize("n_bins", [2, 3, 6, 7, 12])
def test_an_epoch_of_whole_bins_loses_none_to_rounding(n_bins, tmp_path):
    """For example 0.3 / 0.1 is a little less than 3."""
    trains = [(np.arange(k, n_bins, 2) / 10 + 0.05).tolist() for k in (0, 1)]
    path = save(with_units(trains, [[[0.0, n_bins / 10]]] * 2), tmp_path / "units.nwb")
    assert np.array_equal(read(path, bin_s=0.1).values.sum(axis=1), np.ones(n_bins))


@pytest.fixture(scope="module")
def our_files(small_simulation, spike_recording, calcium_recording, tmp_path_factory) -> dict[str, Path]:
    """A file of each kind that we write, the spikes with behaviour and two epochs."""
    folder = tmp_path_factory.mktemp("nwb")
    paths = {name: folder / f"{name}.nwb" for name in ("simulation", "spikes", "calcium")}
    write_simulation(small_simulation, paths["simulation"])
    behaving = Recording.from_array(
        spike_recording.values[:1000],
        0.005,
        "spikes",
        segments=[400, 600],
        behaviour=np.random.default_rng(0).normal(size=(1000, 2)),
        neurons=spike_recording.neurons,
        spike_times=spike_recording.spike_times,
        require_varying=False,
    )
    write_recording(behaving, paths["spikes"])
    write_recording(calcium_recording, paths["calcium"])
    return paths


@pytest.mark.parametrize("kind", ["simulation", "spikes", "calcium"])
def test_our_files_are_valid_nwb(our_files, kind):
    assert pynwb.validate(path=str(our_files[kind])) == []


@pytest.mark.parametrize("kind", ["simulation", "spikes", "calcium"])
def test_nwbinspector_has_no_critical_findings(our_files, kind):
    nwbinspector = pytest.importorskip("nwbinspector")
    findings = list(nwbinspector.inspect_nwbfile(nwbfile_path=str(our_files[kind])))
    assert findings, "nwbinspector always has a suggestion; none at all means that it did not run"
    harmless = {"BEST_PRACTICE_SUGGESTION", "BEST_PRACTICE_VIOLATION"}
    assert [f.message for f in findings if f.importance.name not in harmless] == []


@pytest.mark.filterwarnings("error::UserWarning")
def test_writing_and_reading_warn_of_nothing(our_files, calcium_recording, tmp_path):
    write_recording(calcium_recording, tmp_path / "calcium.nwb")
    assert read(tmp_path / "calcium.nwb").n_neurons == 20


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["simulation", "calcium"])
def test_refuses_a_truncated_file(our_files, kind, kept, tmp_path):
    whole = our_files[kind].read_bytes()
    (tmp_path / "cut.nwb").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError, match="not a whole NWB file"):
        read(tmp_path / "cut.nwb")


def test_refuses_a_file_of_another_format(tmp_path):
    (tmp_path / "text.nwb").write_text("neuron,time\n")
    with pytest.raises(InputError, match="not a whole NWB file"):
        read(tmp_path / "text.nwb")


def test_refuses_a_file_of_a_newer_version(spike_recording, tmp_path, monkeypatch):
    monkeypatch.setattr("synapsnet.io.nwb_write.FORMAT_VERSION", 99)
    write_recording(spike_recording, tmp_path / "new.nwb")
    with pytest.raises(InputError, match="newer version of SynapsNet"):
        read(tmp_path / "new.nwb")


def test_refuses_to_bin_what_is_on_a_grid(our_files):
    with pytest.raises(InputError, match="leave out bin_s"):
        read(our_files["calcium"], bin_s=0.01)


@pytest.mark.parametrize("bin_s", [0.0, -1.0, float("nan")])
def test_refuses_an_unusable_bin(our_files, bin_s):
    with pytest.raises(InputError, match="positive number of seconds"):
        read(our_files["simulation"], bin_s=bin_s)


def test_refuses_a_bin_longer_than_the_recording(our_files):
    with pytest.raises(InputError, match="as long as one bin of 1000 s"):
        read(our_files["simulation"], bin_s=1000.0)


def test_a_recording_is_not_a_simulation(our_files):
    with pytest.raises(InputError, match="not a simulation but a recording"):
        read_simulation(our_files["calcium"])


def test_an_unwritable_path_is_refused(spike_recording, tmp_path):
    with pytest.raises(InputError, match="choose a folder that exists"):
        write_recording(spike_recording, tmp_path / "missing" / "file.nwb")


def test_an_interrupted_write_leaves_the_old_file(spike_recording, tmp_path, monkeypatch):
    (tmp_path / "file.nwb").write_text("old")

    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pynwb.NWBHDF5IO, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        write_recording(spike_recording, tmp_path / "file.nwb")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file.nwb", "old")]


def test_another_programs_file_is_not_a_simulation(tmp_path):
    with pytest.raises(InputError, match="an NWB file of another program"):
        read_simulation(save(foreign_file(), tmp_path / "empty.nwb"))


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [("simulation", {"label": "good"}, "is one of our simulations; leave out label"),
     ("spikes", {"behaviour": "none"}, "as we wrote it; leave out behaviour")],
)  # fmt: skip
def test_refuses_options_for_files_of_other_programs(our_files, kind, option, message):
    with pytest.raises(InputError, match=message):
        read(our_files[kind], **option)
