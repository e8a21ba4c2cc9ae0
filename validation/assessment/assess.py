"""Assess a run: every part is saved in its folder as soon as it is done, and not computed again.

assessment.json         `validation.assessment.results.Assessment`
assessment.safetensors  connectivity from parts of the recording, see `validation.assessment.reliability`
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
from pydantic import ValidationError

from synapsnet.connectome import Connectome
from synapsnet.devices import Device
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.files import atomic_path, check_folder, locked
from synapsnet.io.reader import Notify
from synapsnet.progress import Progress
from synapsnet.recording import Recording
from synapsnet.run import Run, RunDescription, load_run, read_description
from validation.activity.observe_like import is_dff
from validation.activity.statistics import binned_spike_statistics, calcium_statistics, noise_level
from validation.assessment.expected_recovery import expected
from validation.assessment.findings import so_far
from validation.assessment.forecast_gain import forecasts
from validation.assessment.knowledge import knowledge
from validation.assessment.matched import matched, most_again
from validation.assessment.photostimulation import perturbation, read_light
from validation.assessment.reliability import Arrays, Infer, Null, null_correlations, reliability, states
from validation.assessment.results import FORMAT_VERSION, Assessment, Expected, Facts, Part, Quartiles
from validation.assessment.wording import minutes
from validation.metrics.results import Scores
from validation.scoring import SCORES

ASSESSMENT, ARRAYS = "assessment.json", "assessment.safetensors"
N_SURROGATES = 3
SIMULATE_S = 120.0
ENOUGH = 8  # networks like the recording: intervals are then as wide as they are for any


def assess_run(
    folder: str | Path,
    *,
    n_surrogates: int = N_SURROGATES,
    light: str | Path | None = None,
    simulate_s: float = SIMULATE_S,
    seed: int = 0,
    device: Device = "auto",
    progress: Progress = lambda what, fraction: None,
    tell: Notify = lambda sentence: None,
) -> Assessment:
    """Find out how far a run's connectivity can be believed, and save that in its folder.

    Results of an interrupted call with the same options are reused.

    Parameters
    ----------
    folder : path
        A complete run; its ground truth, if it has one, is not used.
    n_surrogates : int
        Number of surrogates for the null distribution of reliability.
    light : path, optional
        The file to a part of which the run was fitted, with pulses of light, see
        `validation.assessment.photostimulation`. Not needed if the run's held-out part has them.
    simulate_s : float
        For how long networks like a recording that is unlike the examples are simulated: none is begun that would end
        later if it took as long as the last, nor when `ENOUGH` are like it, or were tried in vain. A later call adds
        more.
    seed : int
        Seed of shifts, permutations and bootstraps, and of the neurons of which parts are compared.
    device, progress
        See `synapsnet.run.fit_run`.
    tell : callable
        Called with a sentence on what is expected so far, whenever that changes.

    Raises
    ------
    InputError
        If the folder holds no complete run, an option is out of its range, or the file of light is not the run's.
    """
    if n_surrogates < 1:
        raise InputError(f"At least 1 surrogate is needed; got {n_surrogates}.")
    progress("reading the run", None)
    run = load_run(folder, device=device)
    check_folder(run.folder)
    with locked(run.folder):
        return _assess(run, n_surrogates, light, simulate_s, seed, device, progress, tell)


def _assess(
    run: Run,
    n_surrogates: int,
    light: str | Path | None,
    simulate_s: float,
    seed: int,
    device: Device,
    progress: Progress,
    tell: Notify,
) -> Assessment:
    training, gap = run.training.without_ground_truth(), run.description.gap_steps
    options = {"n_surrogates": n_surrogates, "seed": seed}
    lit = None
    if light is not None:
        progress("reading the light", None)
        lit = read_light(light, run.recording)
    assessment = _resumed(run.folder, Assessment(key=_key(run.description, options), options=options))
    connectome = run.models["synapsnet"].connectivity_

    def infer(recording: Recording) -> Connectome:
        try:
            return SynapsNet(device=device, precision=run.description.precision, **run.description.settings).infer(
                recording
            )
        except InputError as error:
            length = minutes(recording.n_steps * recording.dt_s)
            raise InputError(f"From {length} of such a recording nothing can be inferred ({error})") from error

    assessment.facts = _facts(run)
    with _part(run.folder, assessment, "expected"):
        progress("comparing with simulated recordings", None)
        assessment.expected = expected(training, connectome, _matched(assessment))
        tell(so_far(assessment.expected))
    progress("comparing with prior knowledge", None)
    assessment.knowledge = knowledge(connectome, run.recording.neurons, seed=seed)
    if lit is not None or assessment.perturbation is None:
        with _part(run.folder, assessment, "perturbation"):
            assessment.perturbation = perturbation(run, lit, seed=seed)
    with _part(run.folder, assessment, "forecasts"):
        assessment.forecasts = forecasts(run.recording.dt_s, _scores(run.folder))
    compared = _some_neurons(training, seed)
    if not assessment.done("reliability"):
        with _part(run.folder, assessment, "reliability") as arrays:
            arrays.update(_compare_parts(assessment, compared, infer, gap, n_surrogates, seed, progress))
    if not assessment.done("states"):
        with _part(run.folder, assessment, "states") as arrays:
            progress("inferring from two states", None)
            arrays.update(_compare_states(assessment, compared, infer, gap, seed))
    if assessment.expected is not None:
        with _part(run.folder, assessment, "matched"):
            rows = matched(training, connectome, infer, assessment.matched)
            until, took_s = time.monotonic() + simulate_s, 0.0
            while _wanting(assessment.expected) and (begun := time.monotonic()) + took_s < until:
                progress("simulating networks like this one", assessment.expected.n_like / ENOUGH)
                if (row := next(rows, None)) is None:
                    break
                took_s = time.monotonic() - begun
                if not row:
                    continue
                assessment.matched.append(row)
                assessment.expected = expected(training, connectome, _matched(assessment))
                _save(run.folder, assessment, {})
                tell(so_far(assessment.expected))
    return assessment


def _wanting(expected: Expected) -> bool:
    """Whether the recording is unlike the examples, and networks simulated for it are like it, but too few."""
    hopeless = expected.n_matched >= ENOUGH and not expected.n_like
    return expected.atypical > 1 and expected.n_like < ENOUGH and not hopeless


def _matched(assessment: Assessment) -> pd.DataFrame | None:
    return pd.DataFrame(assessment.matched) if assessment.matched else None


def _some_neurons(recording: Recording, seed: int) -> Recording:
    """Neurons drawn at random, so few that inferring from parts of the recording ten times takes a minute or two."""
    most = most_again(recording)
    if recording.n_neurons <= most:
        return recording
    chosen = np.random.default_rng(seed).choice(recording.n_neurons, most, replace=False)
    return recording.select_neurons(np.sort(chosen))


def load_assessment(folder: str | Path) -> Assessment | None:
    """The assessment of the run in a folder, possibly incomplete; None if there is none for this run.

    Raises
    ------
    InputError
        If the folder holds no run.
    """
    folder = Path(folder)
    description = read_description(folder)
    earlier = _read(folder)
    return earlier if earlier is not None and earlier.key == _key(description, earlier.options) else None


def corrected_fdr(folder: str | Path, fdr: float) -> float:
    """The nominal rate at which no more than `fdr` is false in networks like that of a run, see `Expected.corrected`.

    Parameters
    ----------
    folder : path
        A run that was assessed.
    fdr : float
        One of `validation.assessment.signature.RATES`.

    Raises
    ------
    InputError
        If the run was not assessed, the rate is none of those that were looked at, or no rate is known to keep to it.
    """
    assessment = load_assessment(folder)
    if assessment is None or assessment.expected is None:
        raise InputError(f"What is false in networks like this is not known; run `synapsnet assess {folder}` first.")
    known = [entry.nominal for entry in assessment.expected.thresholds]
    if fdr not in known:
        rates = ", ".join(f"{rate:g}" for rate in known)
        raise InputError(f"Rates of false discoveries can be corrected at {rates}; got {fdr:g}.")
    entry = assessment.expected.corrected(fdr)
    if entry is None:
        raise InputError(f"No threshold is known at which networks like this keep to {fdr:.1%}; nothing is reported.")
    return entry.nominal


def load_arrays(folder: str | Path) -> Arrays:
    """Connectivity from parts of the recording, by the names of `validation.assessment.reliability`."""
    path = Path(folder) / ARRAYS
    try:
        return dict(safetensors.numpy.load_file(path)) if path.is_file() else {}
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path} is damaged; remove it and run `synapsnet assess` again.") from error


@contextmanager
def _part(folder: Path, assessment: Assessment, part: Part) -> Iterator[Arrays]:
    """Keep what the block adds to `assessment` and to the arrays; what cannot be computed is skipped, with why."""
    arrays: Arrays = {}
    try:
        yield arrays
        assessment.skipped.pop(part, None)
    except InputError as error:
        assessment.skipped[part] = str(error)
    _save(folder, assessment, arrays)


def _key(description: RunDescription, options: dict[str, Any]) -> str:
    fitted = description.model_dump(mode="json", exclude={"seconds", "source", "device", "checksums"})
    if fitted["precision"] == "32-true":  # which older runs do not say
        del fitted["precision"]
    content = {"run": fitted, "options": options, "format": FORMAT_VERSION}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _read(folder: Path) -> Assessment | None:
    """The saved assessment; None if there is none that can be used."""
    try:
        return Assessment.model_validate_json((folder / ASSESSMENT).read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError):
        return None


def _resumed(folder: Path, new: Assessment) -> Assessment:
    """The saved assessment if it is of the same run and options, else a new one."""
    earlier = _read(folder)
    if earlier is not None and earlier.key == new.key:
        return earlier
    (folder / ARRAYS).unlink(missing_ok=True)
    return new


def _save(folder: Path, assessment: Assessment, arrays: Arrays) -> None:
    with ExitStack() as files:
        description = files.enter_context(atomic_path(folder / ASSESSMENT))
        if arrays:
            path = files.enter_context(atomic_path(folder / ARRAYS))  # in place before the description is
            safetensors.numpy.save_file(load_arrays(folder) | arrays, path)
        description.write_text(assessment.model_dump_json(indent=1), encoding="utf-8")


def _compare_parts(
    assessment: Assessment,
    training: Recording,
    infer: Infer,
    gap: int,
    n_surrogates: int,
    seed: int,
    progress: Progress,
) -> Arrays:
    """Add reliability, see `validation.assessment.reliability`; the connectivity from the parts."""
    progress("inferring from shifted neurons", 0.0)
    null = null_correlations(
        training, infer, gap, n_surrogates=n_surrogates, seed=seed,
        progress=lambda done: progress("inferring from shifted neurons", done),
    )  # fmt: skip
    progress("inferring from parts of the recording", 0.0)
    assessment.reliability, matrices = reliability(
        training, infer, gap, null, seed=seed,
        progress=lambda done: progress("inferring from parts of the recording", done),
    )  # fmt: skip
    return matrices


def _compare_states(assessment: Assessment, training: Recording, infer: Infer, gap: int, seed: int) -> Arrays:
    """Add states, by the null of reliability; the connectivity from each."""
    if assessment.reliability is None:
        raise InputError("The recording is too short for its parts to be compared; record longer.")
    same = assessment.reliability.interleaved
    null = Null(same.null_weight_correlation, same.null_score_correlation)
    assessment.states, matrices = states(training, infer, gap, null, seed=seed)
    return matrices


def _scores(folder: Path) -> Scores:
    try:
        return Scores.model_validate_json((folder / SCORES).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"The run is not scored; run `synapsnet score {folder}`, then assess it again.") from error
    except ValueError as error:
        raise InputError(f"The scores are damaged; run `synapsnet score {folder}`, then assess it again.") from error


def _facts(run: Run) -> Facts:
    recording, n = run.recording, run.recording.n_neurons
    spikes = recording.modality == "spikes"
    of = binned_spike_statistics(recording) if spikes else calcium_statistics(recording)
    defined = of.correlation[~np.isnan(of.correlation)]
    return Facts(
        source=run.description.source,
        modality=recording.modality,
        dt_s=recording.dt_s,
        duration_s=recording.n_steps * recording.dt_s,
        n_epochs=len(recording.segments),
        n_neurons=n,
        rate_hz=Quartiles.of(recording.mean_activity / recording.dt_s) if spikes else None,
        noise_level=Quartiles.of(noise_level(recording)) if not spikes and is_dff(recording) else None,
        correlation=Quartiles.of(of.correlation),
        mean_correlation=float(defined.mean()) if len(defined) else np.nan,
        n_pairs=n * (n - 1),
        n_reported=run.models["synapsnet"].connectivity_.n_reported([0.05])[0],
    )
