"""A recording and the connectivity inferred from it in some fifteen numbers, which show how much of it may be right.

None needs the truth; each is there because errors, or what is missed, show in it: few expected coincidences; evidence
that hardly exceeds that of most pairs; pairs that vary together for longer than connections act; neurons that send both
signs, and pairs reported both ways. What SynapsNet says of itself is among them: the recovery that its
probabilities promise. More numbers (irregularity, synchrony, hubs, triangles, delays) were tried on the examples, one
kind of network left out at a time, and did not help; nor did products of these with density or with what is promised.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logit, ndtri

from synapsnet.array_types import BoolArray, Float64Array, FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.activity.statistics import noise_fraction

TOGETHER_S, SLOWLY_S = 0.1, 0.5  # windows in which neurons are looked at together
RATES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # nominal rates of false discoveries
LEAST_SPIKES = 0.5
FEW = 5.0  # pairs: what is a mean over fewer is drawn towards 0
LEAST_Z = 1e-3
LEAST_P = 1e-200
Signature = dict[str, float]


def signature(recording: Recording, inferred: Connectome) -> Signature:
    """The numbers by name; all finite.

    Parameters
    ----------
    recording : Recording
        T steps of N neurons.
    inferred : Connectome
        Inferred by SynapsNet, with `local_fdr`.
    """
    return {
        "neurons": math.log(recording.n_neurons),
        **_activity(recording),
        **_together(recording, inferred),
        **_evidence(inferred),
        **_reported(inferred),
    }


def promised_auprc(local_fdr: FloatArray) -> float:
    """The average precision expected if pairs are connected with the probabilities that SynapsNet gives.

    Parameters
    ----------
    local_fdr : (P,) array
        Probability of no connection, of all pairs.
    """
    present = np.sort(1 - np.asarray(local_fdr, dtype=np.float64))[::-1]
    precision = np.cumsum(present) / np.arange(1, len(present) + 1)
    return float(present @ precision / present.sum()) if present.sum() > 0 else 0.0


def _activity(recording: Recording) -> Signature:
    """How much single neurons do."""
    duration_s = recording.n_steps * recording.dt_s
    if recording.modality == "spikes":
        counts = np.log(np.maximum(recording.values.sum(axis=0, dtype=np.float64), LEAST_SPIKES))
        return {
            "rate": float(np.median(counts)) - math.log(duration_s),
            "coincidences": float(np.median(2 * counts)) - math.log(duration_s),
        }
    values = recording.values.astype(np.float64)
    standard = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    return {
        "frame": math.log(recording.dt_s),
        "duration": math.log(duration_s),
        "noise": float(np.nan_to_num(np.nanmedian(noise_fraction(recording)))),
        "skewness": float(np.median(np.arcsinh((standard**3).mean(axis=0)))),
    }


def _together(recording: Recording, inferred: Connectome) -> Signature:
    """How far pairs vary together beyond chance, and whether those reported as connected do so more."""
    pairs = ~np.eye(recording.n_neurons, dtype=bool)
    values = _windows(recording, TOGETHER_S)
    spread = _correlation(values)[pairs].std() * math.sqrt(len(values))
    slow = _correlation(_windows(recording, SLOWLY_S))
    return {
        "correlations": math.log(max(float(spread), 0.1)),
        "together": _lift(slow, inferred.significant() & pairs, pairs),
    }


def _evidence(inferred: Connectome) -> Signature:
    """How far the evidence of some pairs exceeds that of most, and what SynapsNet makes of it."""
    assert inferred.local_fdr is not None
    pairs = ~np.eye(inferred.n_neurons, dtype=bool)
    local = inferred.local_fdr[pairs].astype(np.float64)
    z = -ndtri(np.clip(inferred.every_p_value.astype(np.float64), LEAST_P, 1) / 2)
    tested = z[z > 0] if np.count_nonzero(z) > FEW else np.ones(1)
    middle, upper, top, last = np.maximum(np.percentile(tested, [50, 90, 99, 99.9]), LEAST_Z)
    few, reported, many = (float(n) for n in inferred.n_reported((0.01, 0.05, 0.2)))
    return {
        "upper": math.log(upper / middle),
        "top": math.log(top / middle),
        "last": math.log(last / middle),
        "believed": math.log(np.mean(1 - local) + 1 / len(local)),
        "promise": float(logit(np.clip(promised_auprc(local), 1e-4, 1 - 1e-4))),
        "reported": math.log((reported + 0.5) / len(local)),
        "number reported": math.log(reported + 1),
        "steepness": math.log((many + 1) / (few + 1)),
    }


def _reported(inferred: Connectome) -> Signature:
    """Whether what is reported has the signs and directions of connections."""
    assert inferred.local_fdr is not None
    n = inferred.n_neurons
    pairs = ~np.eye(n, dtype=bool)
    present, sign = np.where(pairs, 1 - inferred.local_fdr, 0.0), np.sign(inferred.weight)
    reported = inferred.significant() & pairs
    n_reported = float(reported.sum())
    wrong = reported & (sign != np.sign((sign * present).sum(axis=0)))  # not what the sender mostly sends
    both_ways = float((reported & reported.T).sum())
    return {
        "wrong sign": math.log((wrong.sum() + 0.5) / (n_reported + FEW)),
        "both ways": math.log((both_ways + 1) / (n_reported**2 / (n * (n - 1)) + 1)),
    }


def _windows(recording: Recording, window_s: float) -> Float64Array:
    """(W, N) sums over windows within epochs; an epoch that is shorter than the window is one."""
    n_steps = max(1, round(window_s / recording.dt_s))
    parts = []
    for start, stop in recording.segments:
        length = min(n_steps, stop - start)
        whole = (stop - start) // length * length
        values = recording.values[start : start + whole]
        parts.append(values.reshape(-1, length, recording.n_neurons).sum(axis=1, dtype=np.float64))
    return np.concatenate(parts)


def _correlation(values: FloatArray) -> Float64Array:
    """(N, N) correlation of columns; 0 with one that does not vary."""
    if len(values) < 3:
        return np.zeros((values.shape[1],) * 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.corrcoef(values, rowvar=False))


def _lift(of_pairs: FloatArray, reported: BoolArray, pairs: BoolArray) -> float:
    """How much higher reported pairs rank by a quantity than all do: 0 not at all, 1 on top; drawn to 0 if few."""
    ordered, of_reported = np.sort(of_pairs[pairs]), of_pairs[reported]
    first, behind = (np.searchsorted(ordered, of_reported, side=side) for side in ("left", "right"))
    ranks = (first + behind) / len(ordered) - 1  # the mean of equal ones
    return float(ranks.sum() / (len(ranks) + FEW))
