"""Responses to light on neurons that are known: in a simulation, or one neuron at a time under a microscope.

The name of a variable says where its light is: what follows "light_" is the id of a neuron, or a cell type.
Connectivity was inferred without light, and each neuron's response to each perturbation is predicted from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from synapsnet.array_types import BoolArray, FloatArray
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.light.pulses import RESPONSE_S, Pulses, find_pulses, is_light, is_on
from validation.light.responses import CLEAR, Responses, measure_responses, pearson, spearman

PREFIX = "light_"
LONGEST_S = 0.5
CHANCE_LEVEL = 0.95


def lit_neurons(recording: Recording) -> dict[str, BoolArray]:
    """(N,) bool array of each light that is on known neurons: whose they are, by the name of its variable."""
    names = [] if recording.behaviour is None else [str(name) for name in recording.behaviour.columns]
    ids, types = (recording.neurons[column].astype(str).to_numpy() for column in ("id", "cell_type"))
    of = {name: name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}
    lit = {name: ids == whose if whose in ids else types == whose for name, whose in of.items()}
    return {name: neurons for name, neurons in lit.items() if neurons.any()}


def before_light(recording: Recording, from_s: float) -> Recording:
    """The recording up to a time before which there was no light, and without the variables that state it."""
    n_steps = int(np.searchsorted(recording.activity.times(), from_s))
    part = recording.select_rows([(start, min(stop, n_steps)) for start, stop in recording.segments if start < n_steps])
    if part.behaviour is None:
        return part
    kept = [k for k, name in enumerate(part.behaviour.columns) if not is_light(str(name))]
    return replace(part, behaviour=part.behaviour[:, kept] if kept else None)


def pulses_of(recording: Recording, names: Sequence[str]) -> tuple[Pulses, BoolArray]:
    """The pulses of all these lights, and (R, L) bool array: which of the L lights each of R pulses is.

    Raises
    ------
    InputError
        As `find_pulses`.
    """
    assert recording.behaviour is not None
    columns = [str(name) for name in recording.behaviour.columns]
    on = np.stack([is_on(recording.behaviour_values[:, columns.index(name)]) for name in names], axis=1)
    pulses = find_pulses(recording, on.any(axis=1), longest_s=LONGEST_S)
    return pulses, on[pulses.first]


def known_responses(recording: Recording) -> list[Responses]:
    """What each light did: to the spikes of those that it is on, and of the others.

    Counted from the onset until the light is over, and for `RESPONSE_S` where it is shorter.

    Parameters
    ----------
    recording : Recording
        Spikes, with light as behaviour.

    Raises
    ------
    InputError
        If no light is on known neurons, or `find_pulses` or `measure_responses` refuse it.
    """
    lit = lit_neurons(recording)
    if not lit:
        raise InputError(
            "No variable says which neurons are lit; name it light_ID, with the id of a neuron, or light_TYPE, with a "
            "cell type."
        )
    pulses, on = pulses_of(recording, list(lit))
    window = known_window(pulses, recording.dt_s)
    return [
        measure_responses(pulses.counts[lights], pulses.onset, window, n_baseline=pulses.onset, driven=driven)
        for lights, driven in zip(on.T, lit.values(), strict=True)
    ]


def known_window(pulses: Pulses, dt_s: float) -> tuple[int, int]:
    """Bins after the onset in which responses to light on known neurons are counted, see `known_responses`."""
    return 0, max(pulses.window[0], round(RESPONSE_S / dt_s))


def one_by_one(recording: Recording) -> tuple[Pulses, list[Responses]] | None:
    """Pulses of light on single neurons, and what each of these lights did; None if there is no such light.

    A light that is named after a neuron whose spikes do not change with it, in the even trials and by `CLEAR` standard
    deviations, is not on that neuron: names may count lights as well.

    Raises
    ------
    InputError
        As `known_responses`.
    """
    lit = {name: neurons for name, neurons in lit_neurons(recording).items() if neurons.sum() == 1}
    if not lit:
        return None
    pulses, on = pulses_of(recording, list(lit))
    window = known_window(pulses, recording.dt_s)
    found = []
    for lights, driven in zip(on.T, lit.values(), strict=True):
        counts = pulses.counts[lights]
        if len(counts) > 1 and _changes(counts[0::2, driven], pulses.onset, window[1]):
            found.append(measure_responses(counts, pulses.onset, window, n_baseline=pulses.onset, driven=driven))
    return (pulses, found) if found else None


def _changes(counts: FloatArray, onset: int, stop: int) -> bool:
    """Whether spikes (pulses, neurons, bins) from the onset on differ from those before it."""
    n_spikes, expected = counts[..., onset : onset + stop].sum(), counts[..., :onset].sum() * stop / onset
    return bool(abs(n_spikes - expected) > CLEAR * np.sqrt(max(expected, 1.0)))


def score_known(
    effect: FloatArray, responses: Sequence[Responses], *, n_shuffles: int = 200, seed: int = 0
) -> dict[str, float]:
    """How well connectivity predicts the responses to all perturbations together.

    Parameters
    ----------
    effect : (N, N) array, `[post, pre]`
        Relative change of the postsynaptic rate per presynaptic spike.
    responses : sequence of Responses
        Responses of the same neurons.
    n_shuffles, seed : int
        Shuffles and seed of the null: the predictions for a perturbation are dealt out among its targets.

    Returns
    -------
    dict of metric -> value
        Those of `validation.metrics.glossary.RESPONSE_METRICS`. NaN where nothing is predicted or nothing is clear.
    """
    rng = np.random.default_rng(seed)
    measured, repeated, clear = (
        np.concatenate([getattr(response, name) for response in responses])
        for name in ("measured", "repeated", "clear")
    )
    values = {"response_reliability": float(pearson(repeated, measured))}
    for kind, predict in (("response", Responses.predict), ("passed_on", Responses.predict_passed_on)):
        predicted = [predict(response, effect) for response in responses]
        scores = _agreement(np.concatenate(predicted), measured, clear)
        nulls = [
            _agreement(np.concatenate([rng.permutation(prediction) for prediction in predicted]), measured, clear)
            for _ in range(n_shuffles)
        ]
        values |= {f"{kind}_{name}": value for name, value in scores.items()}
        values |= {
            f"{kind}_{name}_null": float(np.quantile([null[name] for null in nulls], CHANCE_LEVEL)) for name in scores
        }
    return values


def _agreement(predicted: FloatArray, measured: FloatArray, clear: BoolArray) -> dict[str, float]:
    """Correlation, rank correlation, and share of the clear responses whose sign is right; none counts half."""
    if not np.isfinite(predicted).all():
        return dict.fromkeys(("correlation", "rank", "sign"), np.nan)
    right = (1 + np.sign(predicted) * np.sign(measured)) / 2
    return {
        "correlation": float(pearson(predicted, measured)),
        "rank": float(spearman(predicted, measured)),
        "sign": float(right[clear].mean()) if clear.any() else np.nan,
    }
