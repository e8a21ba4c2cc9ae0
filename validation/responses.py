"""Do responses to perturbations that a model predicts agree with measured ones, whatever the model is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from validation.activity.surrogates import p_value

Array = npt.NDArray[np.float64]


class AgainstShuffle(NamedTuple):
    """A score, its mean over shuffles, and the share of shuffles that reach it; see `surrogates.p_value`."""

    value: float
    shuffled: float
    p_value: float


class ResponseScores(NamedTuple):
    """How well predicted responses agree with measured ones.

    Attributes
    ----------
    correlation : Pearson correlation over neurons, averaged over the perturbations that have one
    sign_agreement : share of the responses of the right sign, 0 being wrong, among those that are not 0
    """

    correlation: AgainstShuffle
    sign_agreement: AgainstShuffle


def score_responses(
    predicted: npt.NDArray[np.floating[Any]],
    measured: npt.NDArray[np.floating[Any]],
    *,
    n_shuffles: int = 1000,
    seed: int = 0,
) -> ResponseScores:
    """Compare responses to perturbations, against a shuffle of who responded to each of them.

    The shuffle keeps how strongly the population answers each perturbation and breaks who does, so a model that knows
    only whether responses are mostly positive is at chance.

    Parameters
    ----------
    predicted, measured : (P, N) arrays
        Change of activity of each neuron in each perturbation. NaN in `measured` leaves a neuron out: those that were
        driven must be left out.
    n_shuffles : int
        At least 1.
    seed : int

    Raises
    ------
    InputError
        If the shapes differ, a predicted response is missing where there is a measured one, or no perturbation has two
        different predicted and measured responses.
    """
    known = np.isfinite(measured)
    if predicted.shape != measured.shape or measured.ndim != 2 or not np.isfinite(predicted[known]).all():
        raise InputError(
            "Predicted and measured responses must be perturbations x neurons and a prediction finite where a "
            f"measurement is; got shapes {predicted.shape} and {measured.shape}."
        )
    if n_shuffles < 1:
        raise InputError(f"A comparison with shuffles needs at least 1; got {n_shuffles}.")
    pairs = [
        (p[k].astype(np.float64), m[k].astype(np.float64)) for p, m, k in zip(predicted, measured, known, strict=True)
    ]
    if not any(np.ptp(p) > 0 and np.ptp(m) > 0 for p, m in pairs if len(m)):
        raise InputError("No perturbation has two neurons whose predicted and measured responses differ.")
    rng = np.random.default_rng(seed)
    scores = np.array(
        [_scores(pairs)] + [_scores([(p, rng.permutation(m)) for p, m in pairs]) for _ in range(n_shuffles)]
    )
    return ResponseScores(
        *(AgainstShuffle(float(each[0]), float(each[1:].mean()), p_value(each[0], each[1:])) for each in scores.T)
    )


def _scores(pairs: list[tuple[Array, Array]]) -> tuple[float, float]:
    varying = [(p, m) for p, m in pairs if len(m) and np.ptp(p) > 0 and np.ptp(m) > 0]
    correlation = float(np.mean([np.corrcoef(p, m)[0, 1] for p, m in varying]))
    predicted, measured = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return correlation, float(np.mean((np.sign(predicted) == np.sign(measured))[measured != 0]))
