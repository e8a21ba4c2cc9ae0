"""Light in an assessment: which pulses are used, what is refused, and known answers in a planted network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from nwb_files import save, with_units
from planted import N_DRIVEN, ONSET, N, lit, planted_network, simulate
from pynwb import NWBFile, TimeSeries
from pynwb.epoch import TimeIntervals
from scipy.stats import spearmanr

import validation.assessment.assess as module
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io import read, write_recording
from synapsnet.recording import Recording
from synapsnet.run import Run, fit_run, load_run
from synapsnet.settings import Settings
from synapsnet.splits import holdout
from validation.assessment.assess import assess_run, load_assessment
from validation.assessment.cautions import warnings
from validation.assessment.findings import findings
from validation.assessment.photostimulation import light_of, perturbation, read_light
from validation.assessment.results import NO_LIGHT, Assessment
from validation.light.pulses import find_pulses, is_light, is_on

DT_S, N_DARK, N_LIT = 0.01, 300, 200


def counted(light: np.ndarray, dt_s: float = DT_S) -> Recording:
    """Two neurons, the second of which counts time."""
    return Recording.from_array(np.stack([np.abs(light), np.arange(len(light))], axis=1), dt_s, "spikes")


def flashes(n: int, every: int = 100, last: int = 1) -> np.ndarray:
    light = np.zeros(n * every)
    for k in range(last):
        light[50 + k :: every] = 2.0
    return light


@pytest.fixture(scope="module")
def weight() -> np.ndarray:
    return planted_network()


@pytest.fixture(scope="module")
def lit_recording(weight: np.ndarray) -> Recording:
    """Trials in the dark, then, in the last quarter of the time, trials with a pulse of light."""
    dark, lit = simulate(weight, N_DARK, 120, seed=3), simulate(weight, N_LIT, 60, seed=2, light=ONSET)
    light = np.concatenate([np.zeros(N_DARK * 120), np.tile(np.arange(60) == ONSET, N_LIT)])
    return Recording.from_array(
        np.concatenate([each.transpose(0, 2, 1).reshape(-1, N) for each in (dark, lit)]),
        DT_S, "spikes", segments=[120] * N_DARK + [60] * N_LIT, behaviour=light, behaviour_names=["laser_power"],
    )  # fmt: skip


def run_of(recording: Recording, weight: np.ndarray, held_out: float = 0.3, folder: Path = Path("run")) -> Run:
    """A run that inferred `weight`, with the last part of the recording held out."""
    training, test = holdout(recording, held_out, 0)
    models: Any = {"synapsnet": SimpleNamespace(connectivity_=Connectome(weight, unit="log rate"))}
    description: Any = None
    return Run(folder, description, recording, training, test, models)


def test_pulses_by_hand() -> None:
    light = flashes(25)
    pulses = find_pulses(counted(light), light)
    assert pulses.counts.shape == (25, 2, 30 + 5) and (pulses.onset, pulses.window) == (30, (1, 5))
    assert (pulses.counts[:, 0].argmax(axis=1) == 30).all() and pulses.counts[:, 0].sum() == 2 * 25
    np.testing.assert_array_equal(pulses.counts[3, 1], 350 + np.arange(-30, 5))


def test_pulses_of_two_bins_are_over_before_the_response() -> None:
    pulses = find_pulses(counted(flashes(25, last=2)), flashes(25, last=2))
    assert pulses.window == (2, 6) and pulses.counts.shape[2] == 36


def test_only_short_pulses_with_dark_around_them_are_used() -> None:
    light = flashes(30)
    light[50:53] = 1  # too long
    light[149] = 1  # light 10 ms before it makes one pulse of 20 ms, which stays
    light[240] = 1  # light within the baseline
    light[353] = 1  # within the response, and without a baseline of its own
    light[460:] += 0.01 * np.sin(np.arange(len(light) - 460))  # noise of the sensor
    pulses = find_pulses(counted(light), light)
    assert len(pulses.counts) == 30 - 2  # without those at 50 and 350; that at 240 stands for the one at 250
    assert pulses.window == (2, 6)


def test_pulses_at_the_border_of_an_epoch_are_left_out() -> None:
    light = flashes(25)
    parts = counted(light).select_rows([(30, 1000), (1003, 2500)])
    rows = np.r_[30:1000, 1003:2500]
    assert len(find_pulses(parts, light[rows]).counts) == 24


def test_what_has_no_pulses_is_refused() -> None:
    light = flashes(19)
    with pytest.raises(InputError, match=r"At least 20 pulses of light are needed.* got 19"):
        find_pulses(counted(light), light)
    with pytest.raises(InputError, match="bins of at most 20 ms; these last 25 ms"):
        find_pulses(counted(flashes(30), dt_s=0.025), flashes(30))
    values = np.random.default_rng(0).random((3000, 2))
    with pytest.raises(InputError, match="calcium is too slow"):
        find_pulses(Recording.from_array(values, DT_S, "calcium"), flashes(30))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("light", True), ("laser_power", True), ("OptogeneticSeries", True), ("optogenetic_stimulation", True),
     ("blue_led", True), ("LED", True), ("pooled", False), ("running_speed", False), ("pupil_area", False)],
)  # fmt: skip
def test_what_the_name_of_a_variable_says(name: str, expected: bool) -> None:
    assert is_light(name) is expected


def test_light_is_on_above_a_tenth() -> None:
    assert is_on([0.0, 0.05, 0.2, 1.0]).tolist() == [False, False, True, True]
    assert not is_on(np.zeros(3)).any() and not is_on([-1.0, -2.0]).any()


def test_several_lights_count_together(lit_recording: Recording) -> None:
    light = np.zeros((lit_recording.n_steps, 3))
    light[5, 0], light[9, 1], light[7, 2] = 3.0, 0.5, 1.0
    both = Recording.from_array(
        lit_recording.values, DT_S, "spikes", behaviour=light, behaviour_names=["laser", "led", "speed"]
    )
    found = light_of(both)
    assert found is not None and found.name == "laser and led"
    assert np.flatnonzero(found.light).tolist() == [5, 9] and found.light.max() == 1
    only = light_of(both, "led")
    assert only is not None and np.flatnonzero(only.light).tolist() == [9]


def test_an_array_of_two_lights_is_light(tmp_path: Path) -> None:
    light = np.zeros((300, 2))
    light[5, 0], light[9, 1] = 3.0, 0.5
    counts = np.random.default_rng(0).poisson(0.5, (300, 3))
    np.savez(tmp_path / "x.npz", activity=counts, laser=light, dt_s=DT_S)
    found = read_light(tmp_path / "x.npz", read(tmp_path / "x.npz"))
    assert found.name == "laser_0 and laser_1" and np.flatnonzero(found.light).tolist() == [5, 9]


def test_true_connectivity_predicts_and_shuffled_one_does_not(lit_recording: Recording, weight: np.ndarray) -> None:
    found = perturbation(run_of(lit_recording, weight), None)
    assert (found.light, found.n_pulses, found.response_s) == ("laser_power", N_LIT, (0.01, 0.05))
    assert found.driven == ["0", "1", "2", "3"] and len(found.targets) == N - N_DRIVEN
    assert found.correlation.low > 0.2 and max(found.p_targets, found.p_sources) < 0.02
    assert found.correlation.value == pytest.approx(spearmanr(found.predicted, found.measured).statistic)
    assert found.ceiling == pytest.approx(found.reliability**0.5) and found.ceiling > 0.7
    order = np.random.default_rng(0).permutation(N)
    shuffled = perturbation(run_of(lit_recording, weight[np.ix_(order, order)]), None)
    assert shuffled.correlation.value < 0.5 * found.correlation.value
    assert max(shuffled.p_targets, shuffled.p_sources) > 0.05
    assert "do not predict" not in " ".join(warnings(Assessment(key="", options={}, perturbation=found)))
    assert "does not predict responses to light" in " ".join(
        warnings(Assessment(key="", options={}, perturbation=shuffled))
    )
    said = findings(Assessment(key="", options={}, perturbation=found))
    assert len(said) == 1 and said[0].startswith("200 pulses of light (laser_power) drive 4 neurons directly")


def test_light_in_the_fitted_part_is_refused(lit_recording: Recording, weight: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"fitted holds light \(laser_power\) or the 40 ms after it"):
        perturbation(run_of(lit_recording, weight, held_out=0.1), None)


def test_a_recording_without_light_says_so_only_where_it_is_asked(lit_recording: Recording, weight: np.ndarray) -> None:
    dark = Recording.from_array(lit_recording.values, DT_S, "spikes")
    with pytest.raises(InputError, match=NO_LIGHT):
        perturbation(run_of(dark, weight), None)
    assert findings(Assessment(key="", options={}, skipped={"perturbation": NO_LIGHT})) == []
    said = findings(Assessment(key="", options={}, skipped={"perturbation": "There are 3 pulses."}))
    assert said == ["Responses to light were not predicted: There are 3 pulses."]


def test_the_whole_file_beside_a_run_of_its_dark_part(
    lit_recording: Recording, weight: np.ndarray, tmp_path: Path
) -> None:
    write_recording(lit_recording, tmp_path / "session.nwb")
    dark = lit_recording.select_rows(lit_recording.segments[:N_DARK]).select_neurons(range(N - 1))
    run = run_of(dark, weight[:-1, :-1])
    with pytest.raises(InputError, match=NO_LIGHT):
        perturbation(run, None)
    lit = read_light(tmp_path / "session.nwb", dark)
    found = perturbation(run, lit)
    assert lit.recording.n_neurons == N - 1 and found.driven == ["0", "1", "2", "3"]
    assert found.p_targets < 0.05
    with pytest.raises(InputError, match="fitted holds light"):
        perturbation(run_of(lit_recording, weight, held_out=0.1), read_light(tmp_path / "session.nwb", lit_recording))


@pytest.fixture(scope="module")
def session(weight: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trials x units x bins, with light in most of them."""
    path = tmp_path_factory.mktemp("light") / "session.npz"
    counts, dark = simulate(weight, 150, 60, seed=2, light=ONSET), simulate(weight, 80, 60, seed=5)
    light = np.zeros((230, 60))
    light[:150, ONSET] = 1.5
    order = np.random.default_rng(0).permutation(230)
    np.savez(path, z=np.concatenate([counts, dark])[order].astype(np.int8), light=light[order], dt_s=DT_S)
    return path


def test_trials_until_light(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run keeps no light; its file, given again, has it, and what was found is kept beside the rest."""
    recording = read(session, until="light", key="z")
    run = tmp_path / "run"
    fit_run(recording, run, settings=Settings(epochs=1, n_hidden=2), device="cpu")

    def refuse(*args: object, **options: object) -> None:
        raise InputError("Not here.")

    monkeypatch.setattr(module, "null_correlations", refuse)
    without = assess_run(run, device="cpu", simulate_s=0)
    assert "read until light; `synapsnet assess" in without.skipped["perturbation"]
    found = assess_run(run, light=session, device="cpu", simulate_s=0).perturbation
    assert found is not None and (found.light, found.n_pulses) == ("light", 150)
    assert found.driven == ["0", "1", "2", "3"]
    kept = load_assessment(run)
    assert kept is not None and kept.perturbation == found and "perturbation" not in kept.skipped
    again = assess_run(run, device="cpu", simulate_s=0)  # without the file, what is there stays
    assert again.perturbation == found
    loaded = load_run(run, device="cpu")
    lit = read_light(session, loaded.recording)
    assert lit.apart and lit.recording.n_steps == 230 * 60


def test_a_file_that_is_another_or_has_no_light(session: Path, tmp_path: Path) -> None:
    recording = read(session, until="light", key="z")
    arrays = dict(np.load(session))
    np.savez(tmp_path / "other.npz", **arrays | {"z": arrays["z"][:, ::-1]})
    with pytest.raises(InputError, match="is not the recording that the run was fitted to"):
        read_light(tmp_path / "other.npz", recording)
    dark = read(session, key="z")
    np.savez(tmp_path / "dark.npz", z=arrays["z"], dt_s=DT_S)
    with pytest.raises(InputError, match="does not say when light was on"):
        read_light(tmp_path / "dark.npz", dark)
    with pytest.raises(InputError, match="does not exist"):
        read_light(tmp_path / "absent.npz", dark)


def foreign_session(lit_recording: Recording) -> NWBFile:
    """Units, and intervals of light from a minute on."""
    start = lit_recording.segments[N_DARK][0] - 6000  # a minute in the dark, then light every 0.6 s
    counts = lit_recording.values[start:].astype(int)
    trains = [np.repeat((np.arange(len(counts)) + 0.5) * DT_S, each).tolist() for each in counts.T]
    observed = [[[0.0, len(counts) * DT_S]]] * N
    file = with_units(trains, observed)
    pulses = TimeIntervals(name="optogenetic_stimulation", description="light")
    for k in range(N_LIT):
        pulses.add_interval(start_time=60 + (60 * k + ONSET) * DT_S, stop_time=60 + (60 * k + ONSET + 1) * DT_S)
    file.add_time_intervals(pulses)
    return file


def test_time_without_behaviour_is_no_time_that_the_file_lacks(
    lit_recording: Recording, weight: np.ndarray, tmp_path: Path
) -> None:
    file = foreign_session(lit_recording)
    times_s = np.concatenate([np.arange(0, 20, 0.1), np.arange(30, 250, 0.1)])
    speed = TimeSeries(name="running_speed", data=np.sin(times_s), unit="cm/s", timestamps=times_s)
    file.create_processing_module("behavior", "behaviour").add(speed)
    path = save(file, tmp_path / "session.nwb")
    dark = read(path, bin_s=DT_S, to_s=60.0, behaviour="none")
    lit = read_light(path, dark)
    assert len(lit.recording.segments) == 2 and lit.recording.n_steps < lit_recording.n_steps
    assert perturbation(run_of(dark, weight), lit).n_pulses > 100


def test_a_session_of_another_lab_fitted_before_its_light(
    lit_recording: Recording, weight: np.ndarray, tmp_path: Path
) -> None:
    path = save(foreign_session(lit_recording), tmp_path / "session.nwb")
    dark = read(path, bin_s=DT_S, to_s=60.0)
    lit = read_light(path, dark)
    assert lit.name == "optogenetic_stimulation" and not lit.apart
    found = perturbation(run_of(dark, weight), lit)
    assert found.n_pulses == N_LIT and found.driven == ["100", "101", "102", "103"] and found.p_targets < 0.05
    with pytest.raises(InputError, match="fitted holds light"):
        perturbation(run_of(read(path, bin_s=DT_S), weight), None)
    between = read(path, bin_s=DT_S, outside="optogenetic_stimulation", behaviour="none")
    with pytest.raises(InputError, match="fitted holds light"):  # what follows light is its work as well
        perturbation(run_of(between, weight), read_light(path, between))


def test_light_on_one_neuron_after_the_other(weight: np.ndarray) -> None:
    """Light is on each of six neurons; a seventh is on none, and says nothing of the neuron that it is called after."""
    lights = {str(k): np.eye(N)[k] for k in range(6)} | {"20": np.zeros(N)}
    bright, dark = lit(weight, lights, 7 * 60, seed=1), simulate(weight, 1, 4800, seed=3)[0].T
    whole = Recording.from_array(
        np.concatenate([dark, bright.values]), DT_S, "spikes", neurons=bright.neurons,
        behaviour=np.concatenate([np.zeros((4800, 7)), bright.behaviour_values]),
        behaviour_names=[f"light_{name}" for name in lights],
    )  # fmt: skip
    found = perturbation(run_of(whole, weight, held_out=0.8), None)
    assert found.light == "light_0 and 6 more" and found.n_perturbations == 6
    assert found.driven == [str(k) for k in range(6)] and len(found.targets) == 6 * (N - 1)
    assert found.correlation.low > 0.4 and max(found.p_targets, found.p_sources) < 0.01
    assert found.correlation.value == pytest.approx(spearmanr(found.predicted, found.measured).statistic)
    said = findings(Assessment(key="", options={}, perturbation=found))
    assert "are on 6 neurons one by one; 138 responses of others, 0 to 40 ms after onset" in said[0]
    exchanged = weight[:, np.r_[1:6, 0, 6:N]]  # each neuron has the targets of another
    np.fill_diagonal(exchanged, 0)
    other = perturbation(run_of(whole, exchanged, held_out=0.8), None)
    assert other.correlation.value < 0.5 * found.correlation.value and other.p_sources > 0.05
