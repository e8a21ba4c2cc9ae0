"""How well an inferred connectome agrees with the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.recording import Connectome
from validation.bootstrap import Array, draw_counts, estimate, pearson, ratio
from validation.results import ConnectivityScores, Estimate

BoolArray = npt.NDArray[np.bool_]


def score_connectivity(
    method: str, truth: Connectome, inferred: Connectome, *, n_resamples: int = 200, seed: int = 0
) -> ConnectivityScores:
    """Score inferred connectivity against the ground truth, off-diagonal pairs only.

    With s the inferred `scores` and w the true weights (an edge is a pair with w != 0):

    - `auroc`, `auprc`: edges against absent pairs, ranked by abs(s). AUPRC is the average precision: the sum
      over thresholds of precision times gain in recall, without interpolation. Its chance level is the edge density.
    - `signed_auroc`: the mean of two AUROCs, excitatory edges (w > 0) against all other pairs ranked by s, and
      inhibitory edges (w < 0) against all other pairs ranked by -s; only one of them if the other is not defined.
    - `sign_accuracy`: share of the edges with sign(s) = sign(w); s = 0 is wrong.
    - `weight_correlation`: Pearson correlation of w and the inferred `weight` over all pairs, absent ones included.
    - `direction_accuracy`: share of the pairs connected in one direction only whose abs(s) is larger in that
      direction than in the reverse one; ties count half.

    Intervals are 95% percentile intervals of a bootstrap over postsynaptic neurons. Methods fit the inputs of each
    neuron apart from those of all others, so the rows of W are the units whose errors are about independent; pairs
    within a row are not, since they share the neuron's activity. A one-way pair belongs to the neuron that receives
    the connection. The intervals hold for this network and recording: they do not cover another simulation's draw.

    Parameters
    ----------
    method : str
        Name of the method that inferred.
    truth, inferred : Connectome
        Of the same N neurons, `[post, pre]`.
    n_resamples : int
    seed : int

    Returns
    -------
    ConnectivityScores
        A metric is None where it is not defined: without edges, if all pairs are edges (AUROC, AUPRC; the signed
        AUROC if they have one sign), without one-way pairs, if the inferred weights are all equal (weight
        correlation). Scores that are all equal rank at chance.

    Raises
    ------
    InputError
        If the two connectomes differ in size, or scores are NaN or infinite.
    """
    if truth.n_neurons != inferred.n_neurons:
        raise InputError(
            f"Connectivity inferred by {method} is of {inferred.n_neurons} neurons but the true one is of "
            f"{truth.n_neurons}; score them on the same neurons."
        )
    weight, guess, score = (_off_diagonal(m) for m in (truth.weight, inferred.weight, inferred.scores))
    if not np.isfinite(score).all():
        raise InputError(f"Connectivity inferred by {method} holds NaN or infinite scores; use 0 for 'no evidence'.")
    counts = draw_counts(truth.n_neurons, n_resamples, seed)
    edge = weight != 0
    auroc, auprc = _ranking(np.abs(score), edge, counts)
    one_way = edge & ~_off_diagonal(truth.adjacency.T).astype(bool)
    forward, backward = np.abs(score), np.abs(_off_diagonal(inferred.scores.T))
    right_way = np.where(forward == backward, 0.5, forward > backward)
    return ConnectivityScores(
        method=method,
        auroc=_optional(auroc),
        auprc=_optional(auprc),
        signed_auroc=_optional(_signed_auroc(weight, score, counts)),
        sign_accuracy=_optional(_share(np.sign(score) == np.sign(weight), edge, counts)),
        weight_correlation=_optional(_correlation(weight, guess, counts)),
        direction_accuracy=_optional(_share(right_way, one_way, counts)),
    )


def _off_diagonal(matrix: npt.NDArray[Any]) -> Array:
    """(N, N - 1) array: each row of an (N, N) matrix without its diagonal entry."""
    n = len(matrix)
    return np.asarray(matrix[~np.eye(n, dtype=bool)], dtype=np.float64).reshape(n, n - 1)


def _ranking(key: Array, positive: BoolArray, counts: Array) -> tuple[Array, Array]:
    """AUROC and average precision of every resample of rows, from one sort.

    Parameters
    ----------
    key : (N, N - 1) array
        Evidence that a pair is positive.
    positive : (N, N - 1) bool array
    counts : (R, N) array
        Weight of every row in every resample.

    Returns
    -------
    auroc, average_precision : (R,) arrays
        NaN where a resample has no positive or no negative pair.
    """
    auroc, precision = np.full((2, len(counts)), np.nan)
    if positive.all() or not positive.any():
        return auroc, precision
    order = np.argsort(-key, axis=None, kind="stable")
    ranked, row = key.ravel()[order], order // positive.shape[1]
    hit = np.flatnonzero(positive.ravel()[order])
    borders = np.flatnonzero(np.diff(ranked, prepend=np.inf, append=-np.inf))  # of tied pairs, which enter together
    tie = np.searchsorted(borders, hit, side="right") - 1
    above, through = borders[tie], borders[tie + 1]  # for each positive pair, ranks above its ties and with them
    hits_above, hits_through = np.searchsorted(hit, above), np.searchsorted(hit, through)
    # One resample at a time, so that its arrays stay in the processor's cache; only positive pairs need terms.
    pairs, hits = np.zeros(len(row) + 1), np.zeros(len(hit) + 1)
    for k, count in enumerate(counts):
        weight = count[row]
        np.cumsum(weight, out=pairs[1:])
        weight = weight[hit]
        np.cumsum(weight, out=hits[1:])
        n_positive, n_negative = hits[-1], pairs[-1] - hits[-1]
        if n_positive > 0 and n_negative > 0:
            selected, right = pairs[through], hits[hits_through]
            false_alarms = (pairs[above] - hits[hits_above] + selected - right) / 2  # ties count half
            # Sums, not dot products: a threaded BLAS spends longer on waking its threads than on such short ones.
            auroc[k] = 1 - np.sum(weight * false_alarms) / (n_positive * n_negative)
            precision[k] = np.sum(weight * right / np.maximum(selected, 1)) / n_positive
    return auroc, precision


def _signed_auroc(weight: Array, score: Array, counts: Array) -> Array:
    """(R,) signed AUROC; a resample that lacks a sign which the network has is NaN."""
    signs = [_ranking(sign * score, sign * weight > 0, counts)[0] for sign in (1, -1)]
    defined = [auroc for auroc in signs if not np.isnan(auroc[0])]
    return np.mean(defined, axis=0) if defined else signs[0]


def _share(right: npt.NDArray[Any], among: BoolArray, counts: Array) -> Array:
    """(R,) share of the pairs `among` that are `right` (0 to 1)."""
    return ratio(counts @ np.sum(right * among, axis=1), counts @ among.sum(axis=1))


def _correlation(x: Array, y: Array, counts: Array) -> Array:
    """(R,) Pearson correlation over all pairs."""
    if not x.size:
        return np.full(len(counts), np.nan)
    x, y = x - x[0, 0], y - y[0, 0]
    sums = (counts @ np.sum(values, axis=1) for values in (np.ones_like(x), x, y, x * x, y * y, x * y))
    return pearson(*sums)


def _optional(values: Array) -> Estimate | None:
    return None if np.isnan(values[0]) else estimate(values)
