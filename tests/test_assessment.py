"""`synapsnet assess`: a whole run, interrupted and resumed, from Python and from the command line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import validation.assessment.assess as module
import validation.assessment.matched as matched_module
from synapsnet.cli import main
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from synapsnet.run import fit_run, load_run
from synapsnet.settings import Settings
from validation.assessment.assess import ARRAYS, ASSESSMENT, assess_run, corrected_fdr, load_arrays, load_assessment
from validation.assessment.expected_recovery import LONGER, examples
from validation.assessment.results import NO_LIGHT, Assessment, corrected
from validation.metrics.results import Estimate
from validation.scoring import score_run

QUICK: dict[str, Any] = {"n_surrogates": 1, "device": "cpu", "simulate_s": 0.0}


def fitted(recording: Recording, folder: Path) -> Path:
    fit_run(recording, folder, settings=Settings(epochs=1, n_hidden=2), device="cpu", source="test")
    return folder


@pytest.fixture(scope="module")
def run(spike_recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored run of 20 neurons, 2 minutes, with a running speed."""
    rng = np.random.default_rng(0)
    speed = np.repeat(rng.exponential(size=60), 400)
    recording = Recording.from_array(
        spike_recording.values, spike_recording.dt_s, "spikes", neurons=spike_recording.neurons,
        behaviour=speed, behaviour_names=["running_speed"], connectome=spike_recording.connectome,
    )  # fmt: skip
    folder = fitted(recording, tmp_path_factory.mktemp("assessed") / "run")
    score_run(folder, against=["var"], device="cpu")
    return folder


@pytest.fixture(scope="module")
def assessment(run: Path) -> Assessment:
    return assess_run(run, **QUICK)


def test_every_part_is_there(assessment: Assessment, run: Path) -> None:
    assert assessment.skipped == {"perturbation": NO_LIGHT}
    for part in ("facts", "reliability", "knowledge", "states", "forecasts", "expected"):
        assert assessment.done(part)  # type: ignore[arg-type]
    facts, expected, states = assessment.facts, assessment.expected, assessment.states
    assert facts is not None and expected is not None and states is not None
    assert (facts.n_neurons, facts.n_pairs, facts.modality) == (20, 380, "spikes")
    assert facts.duration_s == pytest.approx(120)
    assert expected.at(0.05).n_reported == facts.n_reported
    assert states.variable == "running_speed"
    assert assessment.knowledge is not None and assessment.knowledge.signs is not None
    assert assessment.knowledge.signs.auroc.value > 0.9  # SynapsNet knows who inhibits, and is not told
    assert assessment.forecasts is not None
    assert [rival.method for rival in assessment.forecasts.horizons[0].rivals] == ["synapsnet-independent", "var"]
    gain = assessment.forecasts.horizons[0].rivals[0].difference
    assert isinstance(gain, Estimate) and gain.low < gain.value < gain.high


def test_what_is_kept_is_what_was_returned(assessment: Assessment, run: Path) -> None:
    there = load_assessment(run)
    assert there is not None and there.model_dump_json() == assessment.model_dump_json()
    arrays = load_arrays(run)
    assert {name.split(".")[0] for name in arrays} == {"interleaved", "halves", "states"}
    assert all(array.shape == (20, 20) for array in arrays.values())


def test_nothing_is_inferred_again(assessment: Assessment, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**settings: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(module, "SynapsNet", refuse)
    assert assess_run(run, **QUICK).model_dump_json() == assessment.model_dump_json()


def test_an_interrupted_assessment_goes_on(
    assessment: Assessment, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept before the interruption is there, and the end is that of an uninterrupted one."""
    copy = tmp_path / "run"
    copy.mkdir()
    for path in run.rglob("*"):
        if path.name not in (ASSESSMENT, ARRAYS):
            target = copy / path.relative_to(run)
            target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())

    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("computed again")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "states", interrupt)
        assess_run(copy, **QUICK)
    begun = load_assessment(copy)
    assert begun is not None and begun.reliability == assessment.reliability and begun.states is None
    with monkeypatch.context() as patch:
        patch.setattr(module, "null_correlations", refuse)
        patch.setattr(module, "reliability", refuse)
        resumed = assess_run(copy, **QUICK)
    assert resumed.model_dump_json() == assessment.model_dump_json()


def test_the_assessment_of_another_run_or_a_damaged_one_is_not_used(
    assessment: Assessment, run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "run"
    other.mkdir()
    description = json.loads((run / "run.json").read_text())
    (other / "run.json").write_text(json.dumps(description | {"recording_hash": "another"}))
    (other / ASSESSMENT).write_text(assessment.model_dump_json())
    assert load_assessment(other) is None
    (other / "run.json").write_text(json.dumps(description))
    assert load_assessment(other) is not None
    (other / ASSESSMENT).write_text(assessment.model_dump_json()[:-20])
    assert load_assessment(other) is None


def test_a_short_recording_without_behaviour_and_scores_says_why(spike_recording: Recording, tmp_path: Path) -> None:
    """Too short for ten blocks behind gaps of a second, and nothing recorded but activity."""
    short = Recording.from_array(spike_recording.values[:2400], spike_recording.dt_s, "spikes")
    found = assess_run(fitted(short, tmp_path / "run"), **QUICK)
    assert set(found.skipped) == {"reliability", "states", "forecasts", "perturbation"}
    assert "not scored" in found.skipped["forecasts"]
    assert re.search(
        r"From [\d.]+ s of such a recording nothing can be inferred|too short to be cut", found.skipped["reliability"]
    )
    assert found.knowledge is not None and found.knowledge.signs is None


def test_without_surrogates_there_is_no_null(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="At least 1 surrogate"):
        assess_run(tmp_path, n_surrogates=0)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    for use in (assess_run, load_assessment):
        with pytest.raises(InputError, match="not a run folder"):
            use(tmp_path)
        with pytest.raises(InputError, match=r"absent does not exist; make a run with `synapsnet fit"):
            use(tmp_path / "absent")


@pytest.mark.parametrize(("low", "kept"), [(0.02, 0.05), (0.10, 0.01)])  # as good as its word; more is false
def test_what_is_reported_is_corrected_where_it_must_be(
    low: float, kept: float, assessment: Assessment, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert assessment.expected is not None
    rates = {0.01: 0.005, 0.02: 0.06, 0.05: low + 0.02}
    entries = [
        entry.model_copy(update={"rate": Estimate(value=rates[entry.nominal], low=min(low, 0.07), high=0.2)})
        for entry in assessment.expected.thresholds
        if entry.nominal in rates
    ]
    expected = assessment.expected.model_copy(update={"thresholds": corrected(entries)})
    (run / ASSESSMENT).write_text(assessment.model_copy(update={"expected": expected}).model_dump_json())
    synapsnet("edges", run, "--correct", "-o", tmp_path)
    (run / ASSESSMENT).write_text(assessment.model_dump_json())
    edges = pd.read_csv(tmp_path / "edges.csv")
    assert (edges["reported"] == (edges["q_value"] <= kept)).all()
    assert edges["reported"].sum() == assessment.expected.at(kept).n_reported
    said = "nothing is corrected" if kept == 0.05 else "only pairs reported at a nominal 1.0% are kept"
    assert said in capsys.readouterr().err


def test_what_cannot_be_corrected_says_why(assessment: Assessment, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can be corrected at 0.002, .*; got 0.03"):
        corrected_fdr(run, 0.03)
    bare = fitted(load_run(run).recording, tmp_path / "run")
    with pytest.raises(InputError, match="run `synapsnet assess"):
        corrected_fdr(bare, 0.05)


def synapsnet(*arguments: object, code: int = 0) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["synapsnet", *map(str, arguments)])
        main()
    assert (ended.value.code or 0) == code


def test_from_the_command_line(
    assessment: Assessment, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sentences and warnings, and one sentence for what cannot be used."""
    monkeypatch.setattr(module, "assess_run", partial(assess_run, n_surrogates=1))
    synapsnet("assess", run, "--simulate", 0)
    printed = capsys.readouterr()
    assert "Among 20 neurons, recorded for 2 min" in printed.out and "AUPRC" in printed.out
    assert str(run / ASSESSMENT) in printed.out
    assert "from 555 stored simulations" in printed.err


def test_what_is_known_when_it_is_interrupted_is_kept_and_says_from_how_many_networks(
    assessment: Assessment, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spikes in bins are unlike all stored examples, so networks are simulated: two, and then Ctrl-C."""
    assert assessment.expected is not None and assessment.expected.atypical > 1 and assessment.expected.n_matched == 0
    stored = examples("spikes").drop(columns=LONGER).head(2).to_dict("records")

    def interrupted(recording: Recording, inferred: object, infer: object, done: list[object]) -> Iterator[object]:
        yield from stored[len(done) :]
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "assess_run", partial(assess_run, n_surrogates=1))
    monkeypatch.setattr(module, "matched", interrupted)
    synapsnet("assess", run, code=130)
    printed = capsys.readouterr()
    kept = load_assessment(run)
    assert kept is not None and kept.expected is not None and kept.expected.n_matched == 2 == len(kept.matched)
    assert kept.reliability == assessment.reliability
    for said in (printed.out, printed.err):
        assert "555 stored simulations and 2 of networks like this one" in said
    assert "Interrupted; what is known so far is in" in printed.err
    (run / ASSESSMENT).write_text(assessment.model_dump_json())


def test_no_network_is_begun_that_would_end_too_late(
    run: Path, assessment: Assessment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 4 s each, two and no third in 10 s, the second of which exploded."""
    now, row = [0.0], examples("spikes").iloc[0].to_dict() | {"seed": 1}

    def networks(*args: object) -> Iterator[dict[str, Any]]:
        for each in (row, {}, row):
            now[0] += 4
            yield each

    monkeypatch.setattr(module, "matched", networks)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(module, "_wanting", lambda expected: True)
    found = assess_run(run, **QUICK | {"simulate_s": 10.0})
    assert now[0] == 8 and found.expected is not None and found.expected.n_matched == 1
    (run / ASSESSMENT).write_text(assessment.model_dump_json())


@pytest.mark.parametrize(("in_bins", "some"), [(False, 5), (True, 11)])  # of 5 ms: as many lags of more pairs
def test_parts_of_many_neurons_are_compared_for_some_of_them(
    in_bins: bool, some: int, spike_recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording.from_array(spike_recording.values, 0.005, "spikes") if in_bins else spike_recording
    assert module._some_neurons(recording, 0) is recording
    monkeypatch.setattr(matched_module, "MOST_AGAIN", 5)
    found = module._some_neurons(recording, 0)
    assert found.n_neurons == some and found.n_steps == recording.n_steps
