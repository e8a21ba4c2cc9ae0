"""The command line, end to end, as its user meets it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

import synapsnet.training
from simulators.networks import NETWORKS
from simulators.observation import INDICATORS
from simulators.topologies import TOPOLOGIES
from synapsnet.cli import main
from synapsnet.cli.app import app
from synapsnet.files import locked
from synapsnet.io import read, read_simulation
from synapsnet.run import MODELS

QUICK = ["--epochs", "2"]


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `synapsnet ...`; the exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["synapsnet", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def ok(command):
    """Run `synapsnet ...`, which must succeed; what it printed."""

    def run(*arguments: object) -> str:
        code, printed = command(*arguments)
        assert code == 0, printed
        return printed

    return run


@pytest.fixture
def refused(command):
    """Run `synapsnet ...`, which must end in one clear sentence and exit code 2."""

    def run(*arguments: object) -> str:
        code, printed = command(*arguments)
        assert code == 2, printed
        assert "Traceback" not in printed
        assert printed.count("Error:") == 1
        return printed

    return run


@pytest.fixture(scope="module")
def files(small_simulation, spike_recording, calcium_recording, tmp_path_factory) -> Path:
    """A folder with `sim.nwb`, `spikes.nwb` and `calcium.nwb`."""
    from synapsnet.io import write_recording, write_simulation

    folder = tmp_path_factory.mktemp("files")
    write_simulation(small_simulation, folder / "sim.nwb")
    write_recording(spike_recording.select_rows([(0, 8000)]), folder / "spikes.nwb")
    write_recording(calcium_recording.select_rows([(0, 1800)]), folder / "calcium.nwb")
    return folder


@pytest.fixture(scope="module")
def fitted_once(files, tmp_path_factory) -> Path:
    """A run of one epoch on `calcium.nwb`."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    app(["fit", str(files / "calcium.nwb"), "-o", str(folder), "--epochs", "1"], standalone_mode=False)
    return folder


@pytest.fixture
def fitted(fitted_once, tmp_path) -> Path:
    """The same run, which the test may change."""
    return Path(shutil.copytree(fitted_once, tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["simulate", "observe", "fit", "score", "report", "info", "demo", "catalogue", "export"]
)
def test_every_command_has_help_with_an_example(name, ok):
    assert f"synapsnet {name}" in " ".join(ok(name, "--help").split())


def test_simulate_observe_info(ok, tmp_path, small_simulation):
    sim, rec = tmp_path / "sim.nwb", tmp_path / "rec.nwb"
    assert small_simulation.n_neurons == 20  # compiled already
    options = ["--set", "n_neurons=20", "--set", "connection_probability=0.15"]
    printed = ok("simulate", "--network", "lif-random", "--duration", 60, "--seed", 1, *options, "-o", sim)
    assert "20 (16 excitatory, 4 inhibitory)" in printed
    assert (
        "re-using the cached simulation"
        in ok("simulate", "--network", "lif-random", "--duration", 60, "--seed", 1, *options, "-o", sim).lower()
    )
    ok("observe", sim, "--as", "spikes", "--bin", 10, "--loss", 0.1, "--seed", 3, "-o", rec)
    assert read(rec).dt_s == pytest.approx(0.01)
    printed = ok("observe", sim, "--as", "calcium", "--noise", 2, "--frame-rate", 20, "-o", rec)
    assert "50 ms (20 Hz)" in printed
    assert "recording (calcium)" in ok("info", rec)
    assert "simulation" in ok("info", sim)


SMALL = ["--set", "n_neurons=20", "--set", "connection_probability=0.15", "--duration", 20]


def test_a_topology_and_inputs_by_name_and_a_preview_beside_a_recording(ok, files, tmp_path):
    sim, page = tmp_path / "sim.nwb", tmp_path / "page.html"
    inputs = ["--set", "inputs.running_gain=0.3", "--set", "inputs.light_on=inhibitory"]
    topology = ["--topology", "small-world", "--set", "topology.in_degree=4"]
    printed = ok(
        "simulate",
        *SMALL,
        *inputs,
        *topology,
        "--preview",
        page,
        "--beside",
        files / "calcium.nwb",
        "--neurons",
        9,
        "-o",
        sim,
    )
    assert "11 of 20 neurons dropped at random (seed 0)" in printed
    assert "80 connections of 380" in printed
    assert str(page) in printed
    assert "Beside a real recording" in page.read_text()
    simulation = read_simulation(sim)
    assert simulation.metadata["parameters"]["topology"]["in_degree"] == 4
    assert list(simulation.behaviour.columns) == ["running_speed_cm_s", "light_inhibitory"]
    assert "running_speed_cm_s, light" in ok("observe", sim, "--as", "calcium", "-o", tmp_path / "rec.nwb")


def test_several_seeds_are_written_side_by_side(ok, small_simulation, tmp_path):
    assert small_simulation.n_neurons == 20  # compiled already
    ok("simulate", *SMALL, "--seed", 4, "--seeds", 2, "-o", tmp_path / "sim-{seed}.nwb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sim-4.nwb", "sim-5.nwb"]
    assert [read_simulation(tmp_path / f"sim-{seed}.nwb").metadata["seed"] for seed in (4, 5)] == [4, 5]


def test_observe_takes_every_parameter_and_a_part_of_the_neurons(ok, files, tmp_path):
    rec = tmp_path / "rec.nwb"
    ok("observe", files / "sim.nwb", "--as", "calcium", "--visible", 0.5, "--set", "trace=fluorescence", "-o", rec)
    recording = read(rec)
    assert recording.n_neurons == 10
    assert recording.connectome.effective is not None
    assert np.median(recording.values) == pytest.approx(1.0, abs=0.3)  # in units of F0
    yields = '{"inhibitory": 0}'
    printed = ok("observe", files / "sim.nwb", "--as", "spikes", "--set", f"unit_yield={yields}", "-o", rec)
    assert "16 (16 excitatory)" in printed
    types = ["--by", "type", "--cell-type", "inhibitory"]
    assert "4 (4 inhibitory)" in ok("observe", files / "sim.nwb", "--as", "spikes", *types, "-o", rec)


def test_export_writes_sonata_and_refuses_to_overwrite(ok, refused, files, tmp_path):
    pytest.importorskip("bmtk")
    ok("export", files / "sim.nwb", "-o", tmp_path / "network")
    assert any(path.suffix == ".h5" for path in (tmp_path / "network").rglob("*"))
    assert "network" in refused("export", files / "sim.nwb", "-o", tmp_path / "network")


def test_the_catalogue_lists_everything_and_explains_each(ok):
    listed = ok("catalogue")
    for name in (*NETWORKS, *TOPOLOGIES, *INDICATORS, "inputs", "calcium", "spikes"):
        assert name in listed
    for name in (*NETWORKS, *TOPOLOGIES, "inputs", "calcium", "spikes"):
        explained = ok("catalogue", name)
        assert "Parameters" in explained
    assert "rewiring = 0.1" in ok("catalogue", "small-world")
    assert "n_neurons = 100" in ok("catalogue", "lif-random")


def test_connections_that_change_and_a_window_of_them(ok, refused, tmp_path):
    """The second half has the connections that are there then."""
    sim, late = tmp_path / "sim.nwb", tmp_path / "late.nwb"
    rewired = ["--plasticity", "rewiring", "--set", "plasticity.fraction=0.8", "--set", "n_neurons=100"]  # compiled
    printed = ok("simulate", *rewired, "--duration", 20, "-o", sim)
    assert "connections change" in printed
    assert "from 0 to 10 s" in printed
    assert "20 s" not in ok("observe", sim, "--as", "spikes", "--from", 10, "--set", "min_rate_hz=0", "-o", late)
    course = read_simulation(sim).weight_course
    assert (read(late).connectome.weight == course.at(15.0).weight).all()
    message = refused("observe", sim, "--as", "spikes", "--from", 15, "--to", 30, "-o", tmp_path / "no.nwb")
    assert "A window must lie within the simulation's 20 s; got 15 to 30 s." in " ".join(message.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", 2, "-o", "sim.nwb"], "must contain {seed} if there are several --seeds"),
        (["--seeds", 2, "--preview", "page.html", "-o", "sim-{seed}.nwb"], "--preview shows one simulation"),
        (["--beside", "rec.nwb", "-o", "sim.nwb"], "--beside needs --preview"),
        (["--fs", 6, "-o", "sim.nwb"], "name that with --beside"),
        (["--preview", "page.pdf", "-o", "sim.nwb"], "must be named *.html"),
        (["--topology", "smallworld", "-o", "sim.nwb"], "did you mean 'small-world'"),
        (["--plasticity", "stp", "-o", "sim.nwb"], "there is no plasticity 'stp'"),
        (["--set", "topology=ring", "--set", "topology.x=3", "-o", "sim.nwb"], "set topology.name instead"),
        (["--set", "inputs=3", "-o", "sim.nwb"], "'inputs' of network 'lif-random'"),
        (["--set", "inputs.light_on=Pvalb", *SMALL, "-o", "sim.nwb"], "no cell type 'Pvalb' to put light on"),
    ],
)
def test_simulate_refuses_what_does_not_go_together(options, message, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused("simulate", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--as", "spikes", "--set", "neuropil=1"], "--set takes no 'neuropil' for spikes; it takes neighbourhood_um"),
        (["--as", "calcium", "--set", "drift=1"], "--set takes no 'drift' for calcium"),
        (["--as", "calcium", "--set", "n_planes=two"], "Unusable n_planes: Input should be a valid integer"),
        (["--as", "calcium", "--visible", 2], "got 2"),
        (["--as", "calcium", "--by", "type"], "Give cell types if by"),
    ],
)
def test_observe_refuses_unusable_options(options, message, refused, files, tmp_path):
    assert message in refused("observe", files / "sim.nwb", *options, "-o", tmp_path / "rec.nwb")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_fit_score_report(modality, ok, files, tmp_path):
    run, page = tmp_path / "a run [r] é", tmp_path / "report.html"
    printed = ok("fit", files / f"{modality}.nwb", "-o", run, "--seed", 2, "--device", "cpu", *QUICK)
    assert any(line.endswith(f"Next: synapsnet score '{run}'") for line in printed.splitlines())
    assert not (run / "checkpoint").exists()
    assert "complete" in ok("info", run)
    printed = ok("score", run)
    for expected in ("AUPRC", "SynapsNet, W = 0", "Poisson GLM", "VAR, ridge", "skill over"):
        assert expected in " ".join(printed.replace("│", " ").split())
    scores = json.loads((run / "scores.json").read_text())
    assert [s["method"] for s in scores["connectivity"]] == ["synapsnet", "lagged-correlation", "var", "glm"]
    assert {s["method"] for s in scores["forecast"]} >= {*MODELS, "var", "ar", "mean", "copy-last"}
    assert scores["forecast"][0]["horizon_steps"] == [1, 2, 4, 8, 16]
    assert str(page) in ok("report", run, "-o", page).replace("\n", "")
    html = page.read_text()
    assert "Recovery of the true connections" in html
    assert f"{modality}.nwb" in html


def test_a_score_is_reproducible(ok, files, fitted, tmp_path):
    ok("fit", files / "calcium.nwb", "-o", tmp_path / "again", "--epochs", 1)
    for run in (fitted, tmp_path / "again"):
        ok("score", run, "--against", "var")
    first, second = (json.loads((run / "scores.json").read_text()) for run in (fitted, tmp_path / "again"))
    assert first | {"seconds": None} == second | {"seconds": None}
    assert [s["method"] for s in first["connectivity"]] == ["synapsnet", "var"]


def test_an_interrupted_fit_resumes_to_the_same_result(ok, command, files, tmp_path, monkeypatch):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    arguments = ["fit", files / "calcium.nwb", "--seed", 4, "--epochs", 3]
    ok(*arguments, "-o", whole)
    save = synapsnet.training._save
    saved = []

    def interrupt(folder, *state):
        save(folder, *state)
        saved.append(folder)
        if len(saved) == 5:  # in the middle of the model that infers
            raise KeyboardInterrupt

    monkeypatch.setattr(synapsnet.training, "_save", interrupt)
    code, printed = command(*arguments, "-o", resumed)
    assert code == 130
    assert "--resume" in printed
    assert "Traceback" not in printed
    monkeypatch.setattr(synapsnet.training, "_save", save)
    code, printed = command("score", resumed)
    assert code == 2
    assert "interrupted" in printed
    code, printed = command(*arguments, "-o", resumed)  # without --resume nothing is overwritten
    assert code == 2
    code, printed = command("fit", files / "calcium.nwb", "--seed", 5, "--epochs", 3, "--resume", "-o", resumed)
    assert code == 2
    assert "same options" in printed
    ok(*arguments, "-o", resumed, "--resume")
    for name in MODELS:
        file = f"{name}/model.safetensors"
        assert (whole / file).read_bytes() == (resumed / file).read_bytes()


def test_a_truth_is_not_stored_for_a_command_that_fails(refused, files, fitted, tmp_path):
    (tmp_path / "pairs.csv").write_text("pre,post\n0,1\n")
    refused("score", fitted, "--truth", tmp_path / "pairs.csv")  # a simulation knows its own
    run = json.loads((fitted / "run.json").read_text())
    (fitted / "recording.nwb").unlink()
    assert "did you mean 'glm'" in refused("score", fitted, "--truth", tmp_path / "pairs.csv", "--against", "glmm")
    assert json.loads((fitted / "run.json").read_text()) == run


def test_a_run_is_not_overwritten_by_accident(ok, refused, files, fitted, tmp_path):
    run = fitted
    before = contents(run)
    assert "--overwrite" in refused("fit", files / "calcium.nwb", "-o", run, *QUICK)
    with locked(run):
        assert "Another process" in refused("fit", files / "calcium.nwb", "-o", run, "--overwrite", *QUICK)
    constant = read(files / "calcium.nwb").values.copy()
    constant[:, 3] = 1.0
    np.save(tmp_path / "constant.npy", constant)
    assert "neuron 3" in refused("fit", tmp_path / "constant.npy", "--fs", 30, "-o", run, "--overwrite", *QUICK)
    np.save(tmp_path / "short.npy", constant[:15, :2])
    refused("fit", tmp_path / "short.npy", "--fs", 30, "-o", run, "--overwrite", *QUICK)
    assert contents(run) == before
    ok("fit", files / "calcium.nwb", "-o", run, "--overwrite", "--epochs", 1, "--seed", 1)
    assert contents(run) != before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad, refused, tmp_path):
    values = np.random.default_rng(0).normal(size=(500, 3))
    values[7, 1] = bad
    np.savez(tmp_path / "x.npz", activity=values, fs=10.0)
    assert "NaN or infinite values in neuron 1" in refused("fit", tmp_path / "x.npz", "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bad_input_ends_in_a_sentence(refused, files, tmp_path):
    rng = np.random.default_rng(0)
    run = tmp_path / "run"
    np.savez(tmp_path / "one.npz", activity=rng.normal(size=(500, 1)), fs=10.0)
    assert "2 neurons" in refused("fit", tmp_path / "one.npz", "-o", run)
    np.savez(tmp_path / "silent.npz", activity=np.zeros((500, 3)), fs=10.0)
    assert "no spikes" in refused("fit", tmp_path / "silent.npz", "-o", run)
    trials = rng.normal(size=(30, 4, 6))
    np.savez(tmp_path / "trials.npz", activity=trials, fs=10.0)
    assert "too short" in refused("fit", tmp_path / "trials.npz", "-o", run)
    np.savez(tmp_path / "lengths.npz", activity=rng.normal(size=(500, 3)), behaviour=rng.normal(size=(499, 1)), fs=10.0)
    assert "500 time steps" in " ".join(refused("fit", tmp_path / "lengths.npz", "-o", run).split())
    np.save(tmp_path / "pickle.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    assert "never loaded" in " ".join(refused("fit", tmp_path / "pickle.npy", "--fs", 10, "-o", run).split())
    truncated = (files / "spikes.nwb").read_bytes()[:20_000]
    (tmp_path / "truncated.nwb").write_bytes(truncated)
    assert "truncated" in refused("fit", tmp_path / "truncated.nwb", "-o", run)
    assert "does not exist" in refused("fit", tmp_path / "absent.nwb", "-o", run)
    assert not run.exists()


def test_options_that_do_not_apply_are_refused(refused, files, tmp_path):
    printed = refused("observe", files / "sim.nwb", "--as", "spikes", "--noise", 4, "-o", tmp_path / "r.nwb")
    assert "noise_level cannot be used with spikes" in printed
    printed = " ".join(refused("fit", files / "calcium.nwb", "--fs", 30, "-o", tmp_path / "run").split())
    assert "holds activity on a grid, as we wrote it; leave out fs_hz" in printed
    assert "must be named *.nwb" in refused("observe", files / "sim.nwb", "--as", "spikes", "-o", tmp_path / "r.txt")


def test_names_that_are_not_known_get_the_nearest(refused, files, fitted, tmp_path):
    assert "did you mean 'lif-random'" in refused("simulate", "--network", "lif-randon", "-o", tmp_path / "s.nwb")
    assert "did you mean 'GCaMP6f'" in refused(
        "observe", files / "sim.nwb", "--as", "calcium", "--indicator", "gcamp6f", "-o", tmp_path / "r.nwb"
    )
    assert "did you mean 'glm'" in refused("score", fitted, "--against", "glmm")
    assert "no parameter 'n_hiden'" in refused(
        "fit", files / "calcium.nwb", "-o", tmp_path / "other", "--set", "n_hiden=3"
    )
    assert "always fitted" in refused("fit", files / "calcium.nwb", "-o", tmp_path / "x", "--set", "connectivity=none")
    assert "NAME=VALUE" in refused("fit", files / "calcium.nwb", "-o", tmp_path / "other", "--set", "n_hidden")


def test_folders_that_are_not_runs(refused, files, fitted, tmp_path):
    assert "not a run folder" in refused("score", tmp_path)
    assert "absent does not exist" in refused("report", tmp_path / "absent", "-o", tmp_path / "x.html")
    assert "not scored" in refused("report", tmp_path / "run", "-o", tmp_path / "x.html")
    assert "does not exist" in refused("report", tmp_path / "run", "-o", tmp_path / "no" / "x.html")
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(description | {"format_version": 99}))
    assert "another version" in refused("score", tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    assert "damaged" in refused("score", tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    assert "not empty" in refused("fit", files / "calcium.nwb", "-o", tmp_path / "full", "--overwrite")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "precious"


def test_links_and_foreign_files_survive(ok, refused, files, fitted, tmp_path):
    target, link = tmp_path / "target.nwb", tmp_path / "link.nwb"
    target.write_text("old")
    link.symlink_to(target)
    ok("observe", files / "sim.nwb", "--as", "spikes", "-o", link)
    assert link.is_symlink()
    assert read(target).n_neurons == 20
    run = fitted
    (run / "notes.txt").write_text("precious")
    ok("fit", files / "calcium.nwb", "-o", run, "--epochs", 1, "--overwrite")
    assert (run / "notes.txt").read_text() == "precious"
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text('{"program": "another"}')
    refused("fit", files / "calcium.nwb", "-o", other, "--overwrite")
    assert (other / "run.json").read_text() == '{"program": "another"}'


def test_a_run_is_resumed_with_its_own_recording_only(ok, refused, files, fitted, calcium_recording, tmp_path):
    from synapsnet.io import write_recording

    run, other = fitted, tmp_path / "calcium.nwb"
    write_recording(calcium_recording.select_rows([(0, 2000)]), other)
    assert "another recording" in refused("fit", other, "-o", run, "--epochs", 1, "--resume")
    assert "epochs 1, not 2" in refused("fit", files / "calcium.nwb", "-o", run, "--epochs", 2, "--resume")
    ok("fit", files / "calcium.nwb", "-o", run, "--epochs", 1, "--resume")  # nothing is left to do


def test_trials_too_short_for_far_horizons_are_scored_as_far_as_they_reach(ok, tmp_path):
    trials = np.random.default_rng(0).normal(size=(80, 3, 14))
    np.savez(tmp_path / "short.npz", activity=trials, fs=10.0)
    ok("fit", tmp_path / "short.npz", "-o", tmp_path / "run", "--epochs", 1)
    ok("score", tmp_path / "run")
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["forecast"][0]["horizon_steps"] == [1, 2, 4]
    ok("report", tmp_path / "run", "-o", tmp_path / "report.html")


def test_a_suite2p_folder_asks_for_its_frame_rate_and_is_fitted(ok, refused, tmp_path):
    plane = tmp_path / "suite2p" / "plane0"
    plane.mkdir(parents=True)
    rng = np.random.default_rng(0)
    trace = np.cumsum(rng.normal(size=(4, 900)), axis=1) + 500
    np.save(plane / "F.npy", trace.astype(np.float32))
    np.save(plane / "Fneu.npy", (trace * 0.1).astype(np.float32))
    np.save(plane / "spks.npy", np.abs(rng.normal(size=(900, 4))).astype(np.float32))  # transposed
    np.save(plane / "iscell.npy", np.array([[1, 0.9], [1, 0.8], [0, 0.1], [1, 0.7]]))
    folder = plane.parent
    assert "--fs" in refused("fit", folder, "-o", tmp_path / "run")
    printed = ok("fit", folder, "--fs", 6, "--trace", "spks", "-o", tmp_path / "run", "--epochs", 1)
    assert "transposed" in printed
    ok("fit", folder, "--fs", 6, "-o", tmp_path / "dff", "--epochs", 1)
    printed = ok("score", tmp_path / "dff")
    assert "AUPRC" not in printed  # nobody knows the truth
    ok("report", tmp_path / "dff", tmp_path / "dff", "-o", tmp_path / "report.html")
    assert "are not known" in (tmp_path / "report.html").read_text()


def test_trials_are_read_up_to_the_light(ok, tmp_path):
    rng = np.random.default_rng(0)
    light = np.zeros((60, 40))
    light[::2, 30:] = 1.0
    np.savez(tmp_path / "opto.npz", z=rng.poisson(0.3, (60, 5, 40)).astype(np.uint8), light=light)
    printed = ok(
        "fit", tmp_path / "opto.npz", "--key", "z", "--dt", 0.01, "--until", "light", "-o", tmp_path / "run", *QUICK
    )
    assert "30 of 60 trials are used only until light" in " ".join(printed.split())
    recording = read(tmp_path / "run" / "recording.nwb")
    assert [stop - start for start, stop in recording.segments][:4] == [30, 40, 30, 40]
    ok("score", tmp_path / "run")


def test_real_recordings(ok, real_data, tmp_path):
    ok("fit", real_data("mouse_v1_suite2p"), "--fs", 6, "-o", tmp_path / "run", "--epochs", 1)
    ok("score", tmp_path / "run")
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    skill = {s["method"]: s["skill_over_mean"][0]["value"] for s in scores["forecast"]}
    assert skill["synapsnet"] > 0.5
    assert scores["edge_density"] is None


def test_demo(ok, command, tmp_path, small_simulation, monkeypatch):
    assert small_simulation.n_neurons == 20  # compiled already
    demo = ["demo", "--neurons", 20, "--duration", 30, "--output", tmp_path / "demo"]
    with monkeypatch.context() as patched:
        patched.setattr(synapsnet.training, "_save", Mock(side_effect=KeyboardInterrupt))
        code, printed = command(*demo)
    assert code == 130
    assert "`synapsnet demo` with the same options starts again" in printed
    assert "--resume" not in printed
    printed = ok(*demo)
    report = tmp_path / "demo" / "report.html"
    assert str(report) in printed.replace("\n", "")
    assert report.stat().st_size > 1e6
    html = report.read_text()
    assert html.count("Recovery of the true connections") >= 2
