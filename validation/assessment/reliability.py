"""Whether another part of a recording, or another state of the animal, gives the same connectivity.

Connections on which two parts agree need not be right: constant common input, or the firing rates, cause the same
errors in both. Connections on which they disagree cannot be right. The null shifts each neuron in time by a different
amount, so that rates and autocorrelations agree and connections do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.progress import Advance, unheard
from synapsnet.recording import Recording
from synapsnet.splits import Segments, alternating
from validation.activity.surrogates import circular_shift, p_value
from validation.assessment.results import Comparison, Reliability, States
from validation.metrics.bootstrap import correlation, draw_counts, optional, ratio
from validation.metrics.connectivity import off_diagonal

N_BLOCKS = 10
STATE_BLOCK_S = 20.0
LEAST_SHIFT_S = 10.0  # longer than the decay of any calcium indicator; less if epochs are short
N_RESAMPLES = 200
RUNNING = ("run", "speed", "wheel")  # parts of the names of running variables

Infer = Callable[[Recording], Connectome]
Arrays = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Null:
    """Correlations of weights and of scores between parts that share nothing but rates and autocorrelations."""

    weight: list[float]
    score: list[float]


def null_correlations(
    recording: Recording,
    infer: Infer,
    gap: int,
    *,
    n_surrogates: int = 3,
    seed: int = 0,
    progress: Advance = unheard,
) -> Null:
    """Odd blocks of time of each surrogate against even blocks of each: `n_surrogates` squared correlations.

    Parameters
    ----------
    recording : Recording
    infer : callable
        Maps a recording to its connectivity.
    gap : int
        Steps left out where a block starts within an epoch.
    n_surrogates, seed : int
    progress : callable

    Raises
    ------
    InputError
        If the recording is too short for its blocks, or they are too short for the method.
    """
    rng = np.random.default_rng(seed)
    longest = max(stop - start for start, stop in recording.segments)
    least = max(1, min(round(LEAST_SHIFT_S / recording.dt_s), longest // 4))
    shiftable = recording.select_rows([(a, b) for a, b in recording.segments if b - a >= 2 * least])
    halves: tuple[list[Connectome], list[Connectome]] = [], []
    for k in range(n_surrogates):
        surrogate = circular_shift(shiftable, least * recording.dt_s, rng)
        for connectomes, rows in zip(halves, alternating(surrogate.segments, N_BLOCKS, gap), strict=True):
            connectomes.append(infer(surrogate.select_rows(rows)))
        progress((k + 1) / n_surrogates)
    pairs = list(product(*halves))
    return Null(
        weight=[_correlation(a.weight, b.weight) for a, b in pairs],
        score=[_correlation(a.scores, b.scores) for a, b in pairs],
    )


def reliability(
    recording: Recording,
    infer: Infer,
    gap: int,
    null: Null,
    *,
    seed: int = 0,
    progress: Advance = unheard,
) -> tuple[Reliability, Arrays]:
    """Connectivity from odd against even blocks of time, and from the first against the second half.

    Parameters
    ----------
    recording, infer, gap, seed, progress
        See `null_correlations`; the seed is that of the bootstrap.
    null : Null
        Used for both, since surrogates have no connections that could change in time.

    Returns
    -------
    Reliability, dict of str -> (N, N) arrays
        "interleaved.first.weight", "halves.second.scores" and so on.

    Raises
    ------
    InputError
        As `null_correlations`.
    """
    interleaved, matrices = _compare(
        recording, infer, alternating(recording.segments, N_BLOCKS, gap), ("odd blocks", "even blocks"), null, seed
    )
    progress(0.5)
    halves, others = _compare(
        recording, infer, alternating(recording.segments, 2, gap), ("first half", "second half"), null, seed
    )
    progress(1.0)
    arrays = {f"interleaved.{name}": matrix for name, matrix in matrices.items()}
    arrays |= {f"halves.{name}": matrix for name, matrix in others.items()}
    return Reliability(interleaved=interleaved, halves=halves), arrays


def states(recording: Recording, infer: Infer, gap: int, null: Null, *, seed: int = 0) -> tuple[States, Arrays]:
    """Connectivity from the blocks of time with a lower mean of a behavioural variable against those with a higher one.

    Parameters
    ----------
    recording : Recording
        The variable is the first whose name means running, else the first one.
    infer, gap, null, seed
        See `reliability`.

    Returns
    -------
    States, dict of str -> (N, N) arrays
        "states.first.weight" and so on; the first state is the lower one.

    Raises
    ------
    InputError
        If there is no behaviour or it never changes, and as `reliability`.
    """
    if recording.behaviour is None or not recording.behaviour.shape[1]:
        raise InputError("The recording holds no behaviour.")
    names = [str(name) for name in recording.behaviour.columns]
    column = next((k for k, name in enumerate(names) if any(word in name.lower() for word in RUNNING)), 0)
    values = recording.behaviour_values[:, column].astype(np.float64)
    blocks = _blocks(recording.segments, max(1, round(STATE_BLOCK_S / recording.dt_s)))
    means = np.array([values[start:stop].mean() for start, stop in blocks])
    if len(blocks) < 4 or np.ptp(means) == 0:
        raise InputError(
            f"{names[column]} does not define two states: there are fewer than 4 blocks of time, or it does not change."
        )
    high = np.zeros(len(blocks), dtype=bool)
    high[np.argsort(means, kind="stable")[len(blocks) // 2 :]] = True
    epoch_starts = [start for start, _ in recording.segments]
    parts = _of_state(blocks, ~high, gap, epoch_starts), _of_state(blocks, high, gap, epoch_starts)
    if not all(parts):
        raise InputError(
            f"States of {names[column]} cannot be compared: in one of them no time is left behind gaps of {gap} steps; "
            "record longer."
        )
    labels = (f"low {names[column]}", f"high {names[column]}")
    comparison, matrices = _compare(recording, infer, parts, labels, null, seed)
    result = States(
        variable=names[column], threshold=float(np.median(means)), block_s=STATE_BLOCK_S, comparison=comparison
    )
    return result, {f"states.{name}": matrix for name, matrix in matrices.items()}


def compare(
    parts: tuple[str, str], duration_s: float, first: Connectome, second: Connectome, null: Null, *, seed: int = 0
) -> Comparison:
    """Agreement of two connectomes of the same neurons, see `Comparison`.

    Parameters
    ----------
    parts : two names
    duration_s : float
        Duration of each part.
    first, second : Connectome
        With standard errors.
    null : Null
    seed : int
        Seed of the bootstrap.
    """
    n = first.n_neurons
    counts = draw_counts(n, N_RESAMPLES, seed)
    pairs = np.ones((n, n - 1), dtype=bool)

    def correlated(x: FloatArray, y: FloatArray) -> Float64Array:
        return correlation(off_diagonal(x), off_diagonal(y), pairs, counts)

    weight, score = correlated(first.weight, second.weight), correlated(first.scores, second.scores)
    reported = [off_diagonal(connectome.significant()) > 0 for connectome in (first, second)]
    both, either = reported[0] & reported[1], reported[0] | reported[1]
    a, b = (int(pairs_reported.sum()) for pairs_reported in reported)
    by_chance = a * b / pairs.size
    return Comparison(
        parts=parts,
        duration_s=duration_s,
        n_pairs=pairs.size,
        weight_correlation=optional(weight),
        score_correlation=optional(score),
        overlap=optional(ratio(counts @ both.sum(axis=1), counts @ either.sum(axis=1))),
        n_reported=(a, b),
        expected_overlap=by_chance / (a + b - by_chance) if a + b else 0.0,
        null_weight_correlation=null.weight,
        null_score_correlation=null.score,
        p_weight=p_value(float(np.nan_to_num(weight[0])), np.array(null.weight)),
        p_score=p_value(float(np.nan_to_num(score[0])), np.array(null.score)),
    )


def _compare(
    recording: Recording,
    infer: Infer,
    parts: tuple[Segments, Segments],
    labels: tuple[str, str],
    null: Null,
    seed: int,
) -> tuple[Comparison, Arrays]:
    n_steps = sum(stop - start for part in parts for start, stop in part)
    first, second = (infer(recording.select_rows(part)) for part in parts)
    arrays = {
        f"{name}.{what}": getattr(connectome, what).astype(np.float32)
        for name, connectome in (("first", first), ("second", second))
        for what in ("weight", "scores")
    }
    return compare(labels, n_steps / 2 * recording.dt_s, first, second, null, seed=seed), arrays


def _correlation(x: FloatArray, y: FloatArray) -> float:
    """Over all pairs; 0 where one is constant."""
    every_pair = np.ones((len(x), len(x) - 1), dtype=bool)
    return float(np.nan_to_num(correlation(off_diagonal(x), off_diagonal(y), every_pair, draw_counts(len(x), 0, 0))[0]))


def _blocks(segments: Segments, length: int) -> Segments:
    """Epochs cut into pieces of about `length` steps; shorter epochs stay whole."""
    blocks: Segments = []
    for start, stop in segments:
        borders = np.linspace(start, stop, max(1, round((stop - start) / length)) + 1).astype(int).tolist()
        blocks += pairwise(borders)
    return blocks


def _of_state(blocks: Segments, chosen: npt.NDArray[np.bool_], gap: int, epoch_starts: list[int]) -> Segments:
    """The chosen blocks, neighbours in an epoch joined; `gap` steps are left out after a block of the other state."""
    joined: Segments = []
    for k in np.flatnonzero(chosen).tolist():
        start, stop = blocks[k]
        follows = start not in epoch_starts
        if follows and chosen[k - 1]:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start + gap * follows, stop))
    return [(start, stop) for start, stop in joined if start < stop]
