"""Score a run: SynapsNet, its ablation and the comparators, on the same training and held-out parts.

scores.json              `validation.metrics.results.Scores`
inferred.safetensors     what comparators inferred: the matrices of each `Connectome`, as `method.weight`
example.safetensors      forecasts of a few neurons, drawn in the report
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from synapsnet.array_types import Float32Array
from synapsnet.connectome import MATRICES, Connectome
from synapsnet.devices import Device
from synapsnet.errors import InputError, border, unknown_name
from synapsnet.files import atomic_paths, check_folder, locked
from synapsnet.progress import Progress
from synapsnet.recording import Recording
from synapsnet.run import MODELS, SCORED, Run, load_run
from validation.methods import METHODS, STANDARD, Entry, find_entry, label
from validation.metrics.connectivity import score_connectivity
from validation.metrics.forecasting import score_forecasts
from validation.metrics.results import ForecastExample, RunResults, Scores

SCORES, INFERRED, EXAMPLE = SCORED
HORIZONS = (1, 2, 4, 8, 16)
REFERENCES = ("copy-last", "mean")  # always included, because skills are measured against them
EXAMPLE_NEURONS, EXAMPLE_STEPS, EXAMPLE_HORIZONS = 4, 600, (1, 4, 16)
N_RESAMPLES = 200


def comparators() -> list[str]:
    """Names of all registered methods that SynapsNet can be compared with."""
    return [name for name, entry in METHODS.items() if not entry.bound and name not in (*MODELS, *REFERENCES)]


def score_run(
    folder: str | Path,
    *,
    against: Sequence[str] | None = None,
    seed: int = 0,
    device: Device = "auto",
    progress: Progress = lambda what, fraction: None,
) -> RunResults:
    """Fit the comparators to the training part of a run, score all methods, and save the scores in its folder.

    Parameters
    ----------
    folder : path
        A complete run.
    against : sequence of str, optional
        Names that `validation.methods.find_entry` knows; default `validation.methods.STANDARD`.
    seed : int
        Seed of the bootstrap.
    device, progress
        See `synapsnet.run.fit_run`.

    Returns
    -------
    RunResults
        As `load_results` reads them from the folder.

    Raises
    ------
    InputError
        If a method is not known, or the folder holds no complete run.
    """
    entries = {name: find_comparator(name) for name in (STANDARD if against is None else against)}
    run = load_run(folder, device=device)
    check_folder(run.folder)
    with locked(run.folder):
        _score_run(run, entries, seed, progress)
    return load_results(run)


def find_comparator(name: str) -> Entry:
    """The method of this name that SynapsNet is to be compared with; InputError if there is none."""
    if name in (*MODELS, *REFERENCES):  # they are scored anyway
        raise unknown_name("method", name, comparators())
    return find_entry(name)


@contextmanager
def _running(name: str) -> Iterator[None]:
    """A method, which may be anybody's: what it raises is its own fault, and it does not end this process."""
    with border(f"The method {name} failed; fix it, or leave it out (--against)"):
        try:
            yield
        except SystemExit as error:
            raise RuntimeError("it ended the process") from error


def _score_run(run: Run, chosen: dict[str, Entry], seed: int, progress: Progress) -> None:
    training, test = run.training.without_ground_truth(), run.test.without_ground_truth()
    inferred: dict[str, Connectome] = {"synapsnet": run.models["synapsnet"].connectivity_}
    forecasts: dict[str, Float32Array] = {}
    seconds = dict(run.description.seconds)
    horizons = [h for h in HORIZONS if h <= run.models["synapsnet"].settings.horizon]
    for name, model in run.models.items():
        progress(f"forecasting with {label(name)}", None)
        forecasts[name] = model.forecast(test, max(horizons))[[h - 1 for h in horizons]]
    for name, entry in {**chosen, **{name: METHODS[name] for name in REFERENCES}}.items():
        forecaster = training.modality in entry.forecasts
        if not entry.infers and not forecaster:
            continue  # it forecasts the other modality only
        progress(f"fitting {entry.label}", None)
        started = time.perf_counter()
        with _running(name):
            method = entry.load()()
            if forecaster:
                method.fit(training)
            if entry.infers:
                inferred[name] = method.infer(training)
            seconds[name] = time.perf_counter() - started
            if forecaster:
                progress(f"forecasting with {entry.label}", None)
                forecasts[name] = method.forecast(test, max(horizons))[[h - 1 for h in horizons]]
    progress("scoring", None)
    horizons, forecasts = _reached(horizons, forecasts)
    scores = _score(run, inferred, forecasts, horizons, seconds, seed)
    del inferred["synapsnet"]  # which the run has
    _save(run.folder, scores, inferred, _example(test, forecasts, horizons))


def load_results(run: Run | str | Path) -> RunResults:
    """All that a report shows of a scored run.

    Parameters
    ----------
    run : Run or path
        A run, or its folder.

    Raises
    ------
    InputError
        If the run is not complete or not scored.
    """
    if not isinstance(run, Run):
        run = load_run(run, device="cpu")
    with border(f"The scores in {run.folder} are damaged; run `synapsnet score {run.folder}` again"):
        if not (run.folder / SCORES).is_file():
            raise InputError(f"The run in {run.folder} is not scored; run `synapsnet score {run.folder}` first.")
        return _results(run)


def _results(run: Run) -> RunResults:
    scores = Scores.model_validate_json((run.folder / SCORES).read_text(encoding="utf-8"))
    arrays = safetensors.numpy.load_file(run.folder / INFERRED)
    example = safetensors.numpy.load_file(run.folder / EXAMPLE)
    recording = run.recording
    ours = run.models["synapsnet"].connectivity_
    names = ["synapsnet", *(key.removesuffix(".weight") for key in arrays if key.endswith(".weight"))]
    order = {name: k for k, name in enumerate(METHODS)}
    if unscored := set(names) - set(scores.seconds):
        raise ValueError(f"{', '.join(sorted(unscored))} was not scored")
    predicted: dict[str, dict[int, npt.NDArray[np.floating[Any]]]] = {}
    for key, values in example.items():
        if key.startswith("predicted."):
            method, _, horizon = key.removeprefix("predicted.").rpartition(".")
            predicted.setdefault(method, {})[int(horizon)] = values
    return RunResults(
        title=_title(recording, run.description.source),
        modality=recording.modality,
        dt_s=recording.dt_s,
        n_neurons=recording.n_neurons,
        n_steps=recording.n_steps,
        neurons=recording.neurons,
        setup={
            "source": run.description.source,
            "SynapsNet": run.description.settings,
            "held out": {"fraction": run.description.test_fraction, "gap in steps": run.description.gap_steps},
            "recording": recording.metadata,
            "versions": run.description.versions,
        },
        truth=recording.connectome,
        inferred={
            name: ours
            if name == "synapsnet"
            else Connectome(
                **{key: arrays[f"{name}.{key}"] for key in MATRICES if f"{name}.{key}" in arrays}, unit="a.u."
            )
            for name in sorted(set(names), key=lambda name: (order.get(name, len(order)), name))
        },
        scores=scores,
        example=ForecastExample(example["time_s"], example["neurons"], example["observed"], predicted),
        labels={name: label(name) for name in (*METHODS, *names, *predicted)},
        device=run.description.device,
    )


def _reached(horizons: list[int], forecasts: dict[str, Float32Array]) -> tuple[list[int], dict[str, Float32Array]]:
    """Leave out horizons that no held-out epoch is long enough for."""
    finite = np.logical_and.reduce([np.isfinite(forecast[:, :, 0]) for forecast in forecasts.values()])
    kept = np.flatnonzero(finite.any(axis=1))
    if not len(kept):
        raise InputError("No held-out epoch is long enough for the history of all methods; record longer epochs.")
    return [horizons[k] for k in kept], {name: forecast[kept] for name, forecast in forecasts.items()}


def _score(
    run: Run,
    inferred: dict[str, Connectome],
    forecasts: dict[str, Float32Array],
    horizons: list[int],
    seconds: dict[str, float],
    seed: int,
) -> Scores:
    truth = run.recording.connectome
    n_edges = None if truth is None else int(truth.adjacency.sum())
    connectivity = (
        []
        if truth is None
        else [
            score_connectivity(
                name, truth, connectome, neurons=run.recording.neurons, n_resamples=N_RESAMPLES, seed=seed
            )
            for name, connectome in inferred.items()
        ]
    )
    return Scores(
        edge_density=None if truth is None or n_edges is None else n_edges / max(int(truth.pairs.sum()), 1),
        n_edges=n_edges,
        connectivity=connectivity,
        forecast=score_forecasts(
            run.test,
            forecasts,
            horizons,
            training_mean=run.training.values.mean(axis=0, dtype=np.float64),
            n_resamples=N_RESAMPLES,
            seed=seed,
        ),
        seconds={name: spent for name, spent in seconds.items() if name not in REFERENCES},
        interval=f"95% percentile bootstrap with {N_RESAMPLES} resamples of this one run: over postsynaptic neurons "
        "for connectivity, over about 50 contiguous blocks of held-out time for forecasts",
    )


def _example(test: Recording, forecasts: dict[str, Float32Array], horizons: list[int]) -> dict[str, npt.NDArray[Any]]:
    """Held-out activity and forecasts of the neurons that vary most, in the longest epoch."""
    start, stop = max(test.segments, key=lambda segment: segment[1] - segment[0])
    stop = min(stop, start + EXAMPLE_STEPS)
    neurons = np.sort(np.argsort(test.values.var(axis=0))[::-1][:EXAMPLE_NEURONS])
    arrays: dict[str, npt.NDArray[Any]] = {
        "time_s": test.activity.times()[start:stop],
        "neurons": neurons,
        "observed": test.values[start:stop, neurons],
    }
    for name, forecast in forecasts.items():
        for k, h in enumerate(horizons):
            if h in EXAMPLE_HORIZONS:
                arrays[f"predicted.{name}.{h}"] = forecast[k, start:stop][:, neurons]
    return arrays


def _save(folder: Path, scores: Scores, inferred: dict[str, Connectome], example: dict[str, npt.NDArray[Any]]) -> None:
    """Write all files before any of the previous scores is replaced."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, connectome in inferred.items():
        arrays |= {f"{name}.{key}": matrix for key, matrix in connectome.matrices.items()}
    with atomic_paths(folder / INFERRED, folder / EXAMPLE, folder / SCORES) as (*paths, described):
        for path, content in zip(paths, (arrays, example), strict=True):
            safetensors.numpy.save_file({key: np.ascontiguousarray(value) for key, value in content.items()}, path)
        described.write_text(scores.model_dump_json(indent=1), encoding="utf-8")


def _title(recording: Recording, source: str) -> str:
    if recording.modality == "spikes":
        what = f"Spikes in bins of {recording.dt_s * 1e3:g} ms"
    else:
        what = f"Calcium at {1 / recording.dt_s:.3g} Hz"
    return f"{what}: {source}" if source else what
