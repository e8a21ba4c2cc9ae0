"""Units in NWB files of other programs, and the behaviour beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from nwb_files import foreign_file, save, with_units
from pynwb.behavior import BehavioralTimeSeries, PupilTracking
from pynwb.epoch import TimeIntervals
from pynwb.ogen import OptogeneticSeries
from pynwb.spec import NWBDatasetSpec, NWBGroupSpec, NWBNamespaceBuilder

from synapsnet.errors import InputError
from synapsnet.io import read


def test_units_are_counted_between_the_outermost_spikes(tmp_path):
    path = save(with_units([[1.0, 1.05, 2.0], [1.55, 3.0]]), tmp_path / "units.nwb")
    recording = read(path, bin_s=0.5)
    assert np.array_equal(recording.values, [[2, 0], [0, 1], [1, 0], [0, 0]])  # 3.0 begins a bin that is not whole
    assert recording.modality == "spikes"
    assert list(recording.neurons["id"]) == ["100", "101"]
    assert recording.connectome is None


def test_units_are_counted_while_all_of_them_were_observed(tmp_path):
    trains = [[0.1, 1.2, 1.3, 5.1], [1.6, 5.6, 9.0]]
    observed = [[[0.0, 2.0], [5.0, 6.0]], [[1.0, 6.0], [8.0, 10.0]]]
    recording = read(save(with_units(trains, observed), tmp_path / "units.nwb"), bin_s=0.5)
    assert recording.segments == [(0, 2), (2, 4)]
    assert np.array_equal(recording.values, [[2, 0], [0, 1], [1, 0], [0, 1]])


@pytest.mark.filterwarnings("error::UserWarning")
def test_no_bin_is_lost_where_trials_follow_each_other(tmp_path):
    trials = [[float(k), k + 2.0] for k in (4, 0, 2, 6)]  # in no order
    path = save(with_units([[0.1, 3.9], [4.1, 7.9]], [trials, [*trials[:3], [6.0, np.nan]]]), tmp_path / "units.nwb")
    recording = read(path, bin_s=0.5)
    assert recording.segments == [(0, 12)]
    assert recording.values.sum() == 3  # one unit was not observed in the last trial, in which the other spikes


def test_bins_are_whole(tmp_path):
    recording = read(save(with_units([[0.1, 0.9], [0.2]], [[[0.0, 1.0]]] * 2), tmp_path / "u.nwb"), bin_s=0.3)
    assert recording.n_steps == 3  # the last 0.1 s is no bin


def test_cell_types_are_kept(tmp_path):
    file = foreign_file()
    file.add_unit_column("cell_type", "by waveform")
    for kind in ("narrow", "wide"):
        file.add_unit(spike_times=[0.1, 0.2, 0.9] if kind == "wide" else [0.4, 1.0], cell_type=kind)
    assert list(read(save(file, tmp_path / "u.nwb"), bin_s=0.1).neurons["cell_type"]) == ["narrow", "wide"]


@pytest.mark.parametrize(
    ("trains", "message"),
    [
        ([[0.1, 0.5]], "at least 2 neurons; the table `units` has 1"),
        ([[], []], "All spikes are at one time"),
        ([[0.5], []], "All spikes are at one time"),
        ([[0.5, 0.501], [0.5]], "as long as one bin"),
        ([[0.1, 0.5, 0.9], []], "Only 1 of 2 units would be left"),
    ],
)
def test_refuses_units_of_which_nothing_can_be_inferred(trains, message, tmp_path):
    path = save(with_units(trains), tmp_path / "units.nwb")
    with pytest.raises(InputError, match=message):
        read(path)


TRAINS = [[0.3, 0.9, 4.7, 9.8], [0.1, 3.2, 3.3, 9.9], [1.0, 5.6, 8.8], [0.2, 7.0, 7.2]]


def with_electrodes(*, probe_of_unit: bool) -> pynwb.NWBFile:
    """Four units near four electrodes, with qualities, as from the Allen Institute or with `electrodes` of units."""
    file = foreign_file()
    device = file.create_device(name="probe")
    group = file.create_electrode_group(name="A", description="probe", location="cortex", device=device)
    for k in range(4):
        place = {"x": 10.0 * k, "y": 20.0 * k, "z": 30.0 * k}
        file.add_electrode(id=850 + k, location=["VISp", "VISp", "CA1", "CA1"][k], group=group, **place)
    for name in ("quality", "presence_ratio", "isi_violations", "peak_channel_id"):
        if name != "peak_channel_id" or not probe_of_unit:
            file.add_unit_column(name, name)
    for k, train in enumerate(TRAINS):
        own: dict[str, Any] = {"electrodes": [k, max(k - 1, 0)]} if probe_of_unit else {"peak_channel_id": 850 + k}
        file.add_unit(
            spike_times=train[::-1],  # in no order
            quality="noise" if k == 3 else "good",
            presence_ratio=[0.99, 0.5, 0.95, 0.99][k],
            isi_violations=[0.1, 0.1, 2.0, 0.1][k],
            obs_intervals=[[0.0, 10.0]],
            **own,
        )
    return file


def test_units_are_where_their_largest_channel_is(tmp_path):
    lines: list[str] = []
    path = save(with_electrodes(probe_of_unit=False), tmp_path / "allen.nwb")
    recording = read(path, bin_s=1.0, notify=lines.append)
    assert list(recording.neurons["area"]) == ["VISp", "VISp", "CA1"]
    assert recording.neurons[["x_um", "y_um", "z_um"]].to_numpy().tolist() == [[0, 0, 0], [10, 20, 30], [20, 40, 60]]
    assert recording.values.sum(axis=0).tolist() == [4, 4, 3]
    assert "1 of 4 units dropped: their label is not good." in lines
    assert "The units are labelled by quality: 3 good, 1 noise." in lines


def test_units_are_in_the_middle_of_their_electrodes(tmp_path):
    neurons = read(save(with_electrodes(probe_of_unit=True), tmp_path / "dandi.nwb"), bin_s=1.0).neurons
    assert neurons["z_um"].tolist() == [0, 15, 45]
    assert neurons["area"][0] == neurons["area"][1] == "VISp"


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"label": "all"}, "0123"),
        ({"label": "noise, good", "min_presence_ratio": 0.9}, "023"),
        ({"max_isi_violations": 0.5}, "01"),
    ],
)
def test_filters_use_the_measures_of_the_file(tmp_path, options, ids):
    path = save(with_electrodes(probe_of_unit=False), tmp_path / "allen.nwb")
    assert "".join(read(path, bin_s=1.0, **options).neurons["id"]) == ids


def test_invalid_times_are_left_out(tmp_path):
    file = with_electrodes(probe_of_unit=False)
    file.add_invalid_time_interval(start_time=2.0, stop_time=5.0)
    recording = read(save(file, tmp_path / "allen.nwb"), bin_s=1.0)
    assert recording.epochs.values.tolist() == [[0, 2], [5, 10]]
    assert recording.values[:, 0].tolist() == [2, 0, 0, 0, 0, 0, 1]


def add_table(file: pynwb.NWBFile, name: str, rows: list[tuple[float, float]], module: str | None = None) -> None:
    table = TimeIntervals(name=name, description=name)
    for start, stop in rows:
        table.add_interval(start_time=start, stop_time=stop)
    if module is None:
        file.add_time_intervals(table)
    else:
        file.create_processing_module(module, module).add(table)


@pytest.fixture
def stimulated(tmp_path) -> Path:
    file = with_electrodes(probe_of_unit=False)
    file.add_trial(start_time=0.0, stop_time=4.0)
    file.add_trial(start_time=4.0, stop_time=10.0)
    # out of order, overlapping, and one without length
    add_table(file, "gabors_presentations", [(6.0, 6.5), (1.25, 2.0), (1.5, 2.5), (3.0, 3.0)])
    add_table(file, "spontaneous_presentations", [(0.0, 1.0), (7.0, 10.0)])
    add_table(file, "optogenetic_stimulation", [(8.0, 8.5)], module="optotagging")
    return save(file, tmp_path / "allen.nwb")


def test_stimuli_become_the_fraction_of_each_bin_that_they_cover(stimulated):
    behaviour = read(stimulated, bin_s=1.0).behaviour
    assert list(behaviour.columns) == ["gabors", "spontaneous", "optogenetic_stimulation"]
    assert (
        pytest.approx(
            np.array(
                [
                    [0, 0.75, 0.5, 0, 0, 0, 0.5, 0, 0, 0],
                    [1, 0, 0, 0, 0, 0, 0, 1, 1, 1],
                    [0, 0, 0, 0, 0, 0, 0, 0, 0.5, 0],
                ]
            )
        )
        == behaviour.values.T
    )


def test_only_within_or_outside_intervals(stimulated):
    recording = read(stimulated, bin_s=0.5, within="spontaneous", outside="optogenetic_stimulation")
    assert recording.epochs.values.tolist() == [[0, 1], [7, 8], [8.5, 10]]
    with pytest.raises(InputError, match=r"no table of intervals 'rest'; within can be .*spontaneous"):
        read(stimulated, within="rest")
    with pytest.raises(InputError, match="Nothing of the recording is left"):
        read(stimulated, within="spontaneous", outside="spontaneous")


def series(name: str, data: Any, **clock: Any) -> pynwb.TimeSeries:
    return pynwb.TimeSeries(name=name, data=np.asarray(data, float), unit="a.u.", **clock)


@pytest.fixture
def behaving(tmp_path) -> Path:
    """Running at 50 Hz, a pupil that is lost for 0.4 s and then for 2 s, and series that are not behaviour."""
    file = with_electrodes(probe_of_unit=False)
    running = file.create_processing_module("running", "running")
    running.add(series("speed", np.full(600, 5.0), rate=50.0, starting_time=-1.0))
    running.add(series("speed_unfiltered", np.full(600, 6.0), rate=50.0, starting_time=-1.0))
    pupil = np.full(110, 2.0)
    pupil[15:19] = pupil[60:79] = np.nan
    tracking = PupilTracking(time_series=series("pupil_area", pupil, timestamps=np.arange(110) * 0.1 - 0.5))
    eye = BehavioralTimeSeries(time_series=[series("blink", np.zeros(3), timestamps=[1.0, 2.0, 3.0])])
    behaviour = file.create_processing_module("behavior", "behavior")
    behaviour.add(tracking)
    behaviour.add(eye)
    behaviour.add(series("position", np.zeros((20, 2)), rate=1.0))
    path = save(file, tmp_path / "behaviour.nwb")
    with h5py.File(path, "a") as raw:  # pynwb does not write this, but others do
        blink = raw["processing/behavior/BehavioralTimeSeries/blink"]
        attributes = dict(blink["timestamps"].attrs)
        del blink["timestamps"]
        blink["timestamps"] = [1.0, 2.0]
        blink["timestamps"].attrs.update(attributes)
    return path


def test_running_and_pupil_are_read_with_their_clocks(behaving):
    lines: list[str] = []
    recording = read(behaving, bin_s=1.0, notify=lines.append)
    assert list(recording.behaviour.columns) == ["pupil_area", "speed"]
    assert recording.behaviour_values == pytest.approx(np.tile([2.0, 5.0], (recording.n_steps, 1)))
    # bin centres 5.5 and 6.5 s lie in the long hole, from 5.4 to 7.4 s
    assert recording.activity.times().tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 7.5, 8.5, 9.5]
    assert recording.segments == [(0, 5), (5, 8)]
    assert "blink left out: it has 2 times for 3 samples." in lines
    assert "Behaviour left out: speed_unfiltered; name it to read it (--behaviour)." in lines


def test_behaviour_is_chosen_by_name(behaving):
    assert read(behaving, bin_s=1.0, behaviour="none").behaviour is None
    assert list(read(behaving, bin_s=1.0, behaviour="speed_unfiltered").behaviour.columns) == ["speed_unfiltered"]
    with pytest.raises(InputError, match="no behaviour face; there is pupil_area, speed, speed_unfiltered"):
        read(behaving, bin_s=1.0, behaviour="face")


def lit(tmp_path, power: Any, **clock: Any) -> Path:
    """A file of four units, from 0.1 to 9.9 s, and light."""
    file = with_electrodes(probe_of_unit=False)
    device = file.create_device(name="laser")
    site = file.create_ogen_site(
        name="site", device=device, description="site", excitation_lambda=473.0, location="VISp"
    )
    file.add_stimulus(OptogeneticSeries(name="laser_power", data=power, site=site, **clock))
    return save(file, tmp_path / "light.nwb")


def test_optogenetic_light_is_behaviour(tmp_path):
    power = np.repeat([0.0, 3.0, 0.0], [400, 200, 600])
    recording = read(lit(tmp_path, power, rate=100.0, starting_time=0.0), bin_s=1.0)
    assert recording.behaviour_values[:, 0].tolist() == [0, 0, 0, 0, 3, 3, 0, 0, 0, 0]


def test_pulses_of_light_shorter_than_a_bin_are_kept_as_the_fraction_they_cover(tmp_path):
    power = np.zeros(12_000)
    power[4050:4250] = 2.0  # 0.2 s of the bin from 4 to 5 s, and not its centre
    power[7000] = np.nan  # a sample that is lost, of a thousand
    recording = read(lit(tmp_path, power, rate=1000.0, starting_time=0.0), bin_s=1.0)
    assert recording.behaviour_values[:, 0] == pytest.approx([0, 0, 0, 0, 0.4, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ({2.25: 4, 2.5: 0, 7: 2, 9.5: 0}, [0, 0, 1, 0, 0, 0, 0, 2, 2, 1]),
        ({5.5: 1}, [0, 0, 0, 0, 0, 0.5, 1, 1, 1, 1]),
        (dict(zip(range(1, 9), [1, 0] * 4, strict=True)), [0, *[1, 0] * 4, 0]),  # at even times
        (dict(zip((4 + np.arange(20) / 20).tolist(), [1, 0] * 10, strict=True)), [0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0]),
        ({7: 2, 3: 1, 8: 0, 5: np.nan, 6: 0}, [0, 0, 0, 1, 1, 1, 0, 2, 0, 0]),  # in no order, one is not known
    ],
)
def test_light_that_is_switched_holds_until_it_is_switched_again(tmp_path, events, expected):
    lines: list[str] = []
    path = lit(tmp_path, np.array(list(events.values()), float), timestamps=list(map(float, events)))
    recording = read(path, bin_s=1.0, notify=lines.append)
    assert recording.segments == [(0, 10)]
    assert recording.behaviour_values[:, 0] == pytest.approx(expected)
    assert "laser_power: each value holds until the next one, and there is no light before the first." in lines


def test_the_area_of_an_ellipse_that_was_fitted_to_the_pupil(tmp_path, monkeypatch):
    """The Allen Institute's extension of NWB, of which the file itself carries the definition."""
    ellipse = NWBGroupSpec(
        "an ellipse",
        neurodata_type_def="EllipseSeries",
        neurodata_type_inc="SpatialSeries",
        datasets=[NWBDatasetSpec("area", name="area", dtype="float", shape=(None,))],
    )
    builder = NWBNamespaceBuilder("ellipses", "ndx-ellipses", version="0.1.0", author="test", contact="test")
    builder.include_type("SpatialSeries", namespace="core")
    builder.add_spec("ellipses.extensions.yaml", ellipse)
    builder.export("ellipses.namespace.yaml", outdir=str(tmp_path))
    pynwb.load_namespaces(str(tmp_path / "ellipses.namespace.yaml"))
    kind = pynwb.get_class("EllipseSeries", "ndx-ellipses")
    file = with_electrodes(probe_of_unit=False)
    times = np.arange(0, 11, 0.1)
    pupil = kind(
        name="pupil_tracking", data=np.zeros((110, 2)), area=np.full(110, 4.0), timestamps=times, reference_frame="eye"
    )
    file.create_processing_module("eye_tracking", "eyes").add(pupil)
    recording = read(save(file, tmp_path / "e.nwb"), bin_s=1.0)
    assert list(recording.behaviour.columns) == ["pupil_area"]
    assert set(recording.behaviour_values[:, 0]) == {4.0}


def test_options_of_fluorescence_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds spike times; leave out key"):
        read(save(with_units(TRAINS), tmp_path / "u.nwb"), key="DfOverF")


def told(path: Path, **options: Any) -> tuple[Any, list[str]]:
    lines: list[str] = []
    return read(path, notify=lines.append, **options), lines


def test_spikes_without_a_time_are_left_out(tmp_path):
    recording, lines = told(save(with_units([[0.1, 0.5, np.nan], [0.2, 0.9]]), tmp_path / "u.nwb"), bin_s=0.1)
    assert recording.n_steps == 8
    assert lines[0] == "1 spike without a time (NaN) left out, of unit 0 (counted from 0)."


def test_units_that_were_never_observed_together_are_named(tmp_path):
    path = save(with_units([[0.1, 1.5], [5.1, 5.9]], [[[0.0, 2.0]], [[5.0, 6.0]]]), tmp_path / "u.nwb")
    with pytest.raises(InputError, match=r"obs_intervals \(0 to 2 s; 5 to 6 s\) have nothing in common; .*observed="):
        read(path)
    assert read(path, bin_s=0.1, observed="spikes").n_steps == 58


def test_times_in_milliseconds_are_read_on_request(tmp_path):
    path = save(with_units([[100.0, 1500.0], [200.0, 2100.0]]), tmp_path / "u.nwb")
    assert read(path, bin_s=0.1, time_unit="ms").n_steps == 20


def test_a_series_that_breaks_the_rules_is_left_out(behaving):
    with h5py.File(behaving, "a") as raw:
        blink = raw["processing/behavior/BehavioralTimeSeries/blink"]
        attributes = dict(blink["timestamps"].attrs)
        del blink["timestamps"]
        blink["timestamps"] = np.zeros((2, 3))  # as in a published file
        blink["timestamps"].attrs.update(attributes)
    recording, lines = told(behaving, bin_s=1.0)
    assert list(recording.behaviour.columns) == ["pupil_area", "speed"]
    assert lines[0].startswith("Warning: processing/behavior/BehavioralTimeSeries/blink is left out, because it breaks")


def test_nwb_1_is_named(tmp_path):
    with h5py.File(tmp_path / "old.nwb", "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
    with pytest.raises(InputError, match=r"is in version 1.0.6 of NWB, from before 2019"):
        read(tmp_path / "old.nwb")
