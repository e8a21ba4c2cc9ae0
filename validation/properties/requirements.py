"""What the checks of the properties share: recordings, and what is required of scores on them."""

from __future__ import annotations

import contextlib

import numpy as np
import numpy.typing as npt
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import Modality, Recording
from validation.properties.planted import Planted, random_network
from validation.properties.subject import NotApplicable, Refusal, Subject, require

SHORT, LONG = 2_000, 6_000  # steps: where any data will do, and where a strong edge must stand out
TOLERANCE = 0.05  # of the largest score: what rounding and the end of an iteration may change
FALSE_ALARM = 1e-3


def significant(inferred: Connectome) -> npt.NDArray[np.bool_]:
    """(N, N) connections that are significant at a false discovery rate of 5%."""
    if not inferred.judges_significance:
        raise NotApplicable("it gives no standard errors and no probabilities")
    return inferred.significant(fdr=0.05)


def require_nothing(subject: Subject, recordings: dict[str, Recording], of: str) -> None:
    """No more recordings with significant connections than a false discovery rate of 5% makes by chance."""
    counts = {name: int(significant(subject.infer(recording)).sum()) for name, recording in recordings.items()}
    wrong = [f"{name}: {n}" for name, n in counts.items() if n]
    limit = int(binom.isf(FALSE_ALARM, len(counts), 0.05))
    require(
        len(wrong) <= limit,
        f"{len(wrong)} of {len(counts)} recordings {of} have significant connections at a false discovery rate of 5%, "
        f"by chance at most {limit} have ({'; '.join(wrong)})",
    )


def unconnected(modality: Modality, quick: bool) -> list[Planted]:
    """Recordings of 6 neurons without connections."""
    return [Planted(6, (), modality, SHORT, seed) for seed in range(4 if quick else 12)]


def connected(modality: Modality, quick: bool, n_steps: int, scale: float) -> list[Planted]:
    """Recordings of 6 neurons with 6 connections."""
    return [random_network(modality, 6, 6, n_steps, seed, scale) for seed in range(2 if quick else 4)]


def largest(values: FloatArray) -> float:
    """The largest absolute value."""
    return float(np.abs(values).max())


def of_pair(inferred: Connectome, pre: int, post: int) -> float:
    """Evidence for a connection in either direction: undirected methods are not at issue."""
    return float(max(abs(inferred.scores[post, pre]), abs(inferred.scores[pre, post])))


def shuffled(trace: FloatArray, seed: int) -> FloatArray:
    """Pieces of 50 steps in another order: the neuron's own statistics remain, its timing does not."""
    pieces = trace.reshape(-1, 50)
    return np.random.default_rng([seed, 3]).permutation(pieces).ravel()


def require_sane(subject: Subject, recording: Recording) -> None:
    """Finite scores of the right shape, or a refusal in a sentence."""
    with contextlib.suppress(Refusal):
        subject.infer(recording)


def require_close(
    subject: Subject, recording: Recording, expected: FloatArray, actual: FloatArray, otherwise: str
) -> None:
    """Equal except for 5% of the largest score or, if the method has a seed, twice what other seeds change."""
    change, allowed = largest(expected - actual), TOLERANCE * largest(expected)
    if change > allowed and subject.has_seed:
        others = [subject.infer(recording, seed=seed).scores for seed in (1, 2)]
        allowed = max(allowed, *(2 * largest(expected - other) for other in others))
    require(change <= allowed, f"{otherwise}: by {change:.3g}, where {allowed:.3g} is tolerated")


def require_no_worse(recordings: list[Planted], better: list[FloatArray], worse: list[FloatArray], than: str) -> None:
    """AUROC over all recordings, each ranked in units of its own; differences within 3.1 standard deviations pass.

    The standard deviation is that of two AUROCs at chance, so that a method without any skill seldom fails.
    """
    n = recordings[0].n_neurons
    pairs = ~np.eye(n, dtype=bool)
    edges = np.concatenate([planted.connectome.adjacency[pairs] for planted in recordings])
    auroc = [
        roc_auc_score(edges, np.concatenate([np.abs(s[pairs]) / max(largest(s), 1e-12) for s in scores]))
        for scores in (better, worse)
    ]
    positive, negative = edges.sum(), (~edges).sum()
    limit = 3.1 * np.sqrt(2 * (positive + negative + 1) / (12 * positive * negative))
    require(
        auroc[1] - auroc[0] <= limit,
        f"on {len(recordings)} recordings connections are found with an AUROC of {auroc[0]:.3f}, on {than} with "
        f"{auroc[1]:.3f}; by chance it is higher by {limit:.2f} at most",
    )
