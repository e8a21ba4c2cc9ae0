"""Whether the connectivity of a run predicts responses to light that was not part of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.errors import InputError
from synapsnet.io import arrays
from synapsnet.io.npy import load_npz
from synapsnet.io.reread import find_neurons, read_again
from synapsnet.recording import Recording
from synapsnet.run import Run
from synapsnet.wording import listed
from validation.assessment.results import NO_LIGHT, Perturbation
from validation.light.known_neurons import known_window, one_by_one
from validation.light.pulses import RESPONSE_S, Pulses, find_pulses, is_light, is_on
from validation.light.responses import Responses, measure_responses, relative_effect, score_responses
from validation.metrics.bootstrap import correlation, draw_counts, estimate
from validation.metrics.results import Estimate

N_SHUFFLES, N_RESAMPLES = 999, 200
MOST_NAMED = 3  # lights


@dataclass(frozen=True, eq=False)
class Lit:
    """A recording with light.

    Attributes
    ----------
    recording : Recording
        A recording of the run's neurons.
    light : (T,) array
        Light on its grid; the strongest of several, each relative to its maximum.
    name : str
    apart : bool
        Whether its clock differs from the run's, which ends at light onset.
    """

    recording: Recording
    light: FloatArray
    name: str
    apart: bool = False


def read_light(path: str | Path, like: Recording) -> Lit:
    """Read the file of a run again, with the light in it.

    Parameters
    ----------
    path : path
        A file of trials that were read until the light, or of a session with optogenetic stimulation or another
        variable whose name means light (`validation.light.pulses.is_light`).
    like : Recording
        The recording of the run.

    Raises
    ------
    InputError
        If the file cannot be read, is another recording, or does not state when light was on.
    """
    until = like.metadata.get("until")
    name = until if until is not None or not arrays.recognises(Path(path)) else _array_of_light(Path(path))
    neurons = find_neurons(path, read_again(path, like, behaviour="none"), like)  # behaviour would cut out its gaps
    whole = like if until is None else replace(like, metadata=like.metadata | {"until": "none"})  # all of the trials
    again = read_again(path, whole, behaviour=name)
    lit = light_of(again.select_neurons(neurons), name)
    if lit is None:
        raise InputError(
            f"{path} does not say when light was on: no variable that is ever above 0 has a name with light, "
            "laser, opto, ogen, photostim or LED; rename the variable that does."
        )
    return replace(lit, apart=until is not None)


def light_of(recording: Recording, name: str | None = None) -> Lit | None:
    """The recording with its light; None if it has none.

    Parameters
    ----------
    recording : Recording
    name : str, optional
        Name of the variable, or of several (`laser` of `laser_0` and `laser_1`); default all whose names are of light.
    """
    names = [] if recording.behaviour is None else [str(column) for column in recording.behaviour.columns]
    lights = [
        k
        for k, variable in enumerate(names)
        if (is_light(variable) if name is None else name in (variable, variable.rpartition("_")[0]))
    ]
    values = recording.behaviour_values[:, lights].astype(np.float64)
    most = values.max(axis=0, initial=0.0)
    if not (most > 0).any():
        return None
    light = (values / np.where(most > 0, most, np.inf)).max(axis=1)
    said = [names[k] for k in lights]
    return Lit(recording, light, " and ".join(said) if len(said) <= MOST_NAMED else listed(said, 1))


def perturbation(run: Run, lit: Lit | None, *, seed: int = 0) -> Perturbation:
    """Predict responses to light from the connectivity of a run.

    Where variables are called light_ID with the id of a neuron, light is on one neuron at a time, and the responses of
    all others to each of these lights are predicted (`validation.light.known_neurons.one_by_one`).

    Parameters
    ----------
    run : Run
    lit : Lit, optional
        Default the run's own recording.
    seed : int
        Seed of shuffles and bootstrap.

    Raises
    ------
    InputError
        If there is no light, the run was fitted to some of it, or `validation.light.pulses.find_pulses` and
        `validation.light.responses.measure_responses` refuse it.
    """
    lit = lit or light_of(run.recording)
    if lit is None:
        until = run.recording.metadata.get("until")
        if until is None or not is_light(until):
            raise InputError(NO_LIGHT)
        raise InputError(
            f"Trials were read until {until}; `synapsnet assess {run.folder} --light FILE`, with the recording's file, "
            "tests whether connectivity predicts the responses."
        )
    _refuse_fitted(run, lit)
    fitted = run.training.values.astype(np.float64)
    inferred = run.models["synapsnet"].connectivity_
    effect = relative_effect(inferred, fitted.mean(axis=0), fitted.std(axis=0))
    singly = one_by_one(lit.recording)
    if singly is not None:
        pulses, responses = singly
        return _result(effect, responses, pulses, known_window(pulses, lit.recording.dt_s), lit, seed)
    pulses = find_pulses(lit.recording, lit.light)
    together = measure_responses(pulses.counts, pulses.onset, pulses.window, n_baseline=pulses.onset)
    return _result(effect, [together], pulses, pulses.window, lit, seed)


def _result(
    effect: FloatArray, responses: Sequence[Responses], pulses: Pulses, window: tuple[int, int], lit: Lit, seed: int
) -> Perturbation:
    score = score_responses(effect, responses, n_shuffles=N_SHUFFLES, seed=seed)
    ids, dt_s = lit.recording.neurons["id"].astype(str), lit.recording.dt_s
    driven, targets, measured = (
        np.concatenate([getattr(response, name) for response in responses])
        for name in ("driven", "targets", "measured")
    )
    predicted = np.concatenate([response.predict(effect) for response in responses])
    return Perturbation(
        light=lit.name,
        n_pulses=len(pulses.counts),
        n_perturbations=len(responses),
        response_s=(window[0] * dt_s, window[1] * dt_s),
        driven=ids.iloc[driven].tolist(),
        targets=ids.iloc[targets].tolist(),
        predicted=predicted.tolist(),
        measured=measured.tolist(),
        correlation=_spearman(predicted, measured, targets, seed),
        given_rate=score.given_rate,
        p_targets=score.p_targets,
        p_sources=score.p_sources,
        reliability=score.reliability,
        ceiling=float(np.sqrt(max(score.reliability, 0.0))),
    )


def _spearman(x: FloatArray, y: FloatArray, targets: IndexArray, seed: int) -> Estimate:
    """Rank correlation, 0 where one is constant, with a bootstrap over targets, each with all of its responses."""
    neurons, row = np.unique(targets, return_inverse=True)
    entry = pd.Series(row).groupby(row).cumcount().to_numpy()  # of each response among those of its target
    shape = len(neurons), int(entry.max()) + 1
    among, first, second = np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape)
    among[row, entry], first[row, entry], second[row, entry] = True, rankdata(x), rankdata(y)
    return estimate(np.nan_to_num(correlation(first, second, among, draw_counts(len(neurons), N_RESAMPLES, seed))))


def _refuse_fitted(run: Run, lit: Lit) -> None:
    """Refuse light, and responses to it, in the fitted part: the prediction would use what it is to predict."""
    if lit.apart:
        return
    times_s, epochs = lit.recording.activity.times(), run.training.epochs.values
    within = np.searchsorted(epochs[:, 0], times_s, side="right") - 1
    fitted = (within >= 0) & (times_s <= epochs[within, 1])
    on_s = times_s[is_on(lit.light)]
    before = np.searchsorted(on_s, times_s, side="right") - 1
    since_s = np.where(before >= 0, times_s - on_s[before], np.inf) if len(on_s) else np.full(len(times_s), np.inf)
    if (fitted & (since_s < RESPONSE_S)).any():
        raise InputError(
            f"The part that was fitted holds light ({lit.name}) or the {RESPONSE_S * 1e3:.0f} ms after it: responses "
            "to it cannot test its connectivity; fit a part without light (--to SECONDS, or --until NAME for trials), "
            "then assess that run with --light FILE."
        )


def _array_of_light(path: Path) -> str | None:
    """The array of a file whose name means light; None if there is none."""
    if path.suffix != ".npz":
        return None
    return next((name for name, array in load_npz(path).items() if array is not None and is_light(name)), None)
