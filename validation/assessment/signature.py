"""A recording and the connectivity inferred from it in some thirty numbers, which tell how much of it may be right.

None needs the truth, and each is there because errors show in it. Shared input makes neurons fire together on slower
time scales, connects pairs both ways and whole groups with each other, and gives neurons outgoing connections of both
signs; little data leave evidence that hardly exceeds that of most pairs; bursts make a population's count more variable
than a Poisson process. What SynapsNet says of itself is among them: the recovery that its probabilities promise.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logit
from scipy.stats import norm, rankdata

from synapsnet.recording import BoolArray, Connectome, Float64Array, FloatArray, Recording
from validation.activity.statistics import binned_spike_times, cv_isi, local_variation, noise_share

WINDOWS_S = (0.02, 0.1, 0.5)  # in which neurons are looked at together
RATES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # nominal rates of false discoveries
LEAST_SPIKES = 0.5
FEW = 5.0  # pairs: what is a mean over fewer is drawn towards 0
Signature = dict[str, float]


def signature(recording: Recording, inferred: Connectome) -> Signature:
    """The numbers by name; all finite.

    Parameters
    ----------
    recording : Recording
        T steps of N neurons.
    inferred : Connectome
        Of SynapsNet, with `local_fdr`.
    """
    assert inferred.local_fdr is not None
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
        Of all pairs.
    """
    present = np.sort(1 - np.asarray(local_fdr, dtype=np.float64))[::-1]
    precision = np.cumsum(present) / np.arange(1, len(present) + 1)
    return float(present @ precision / present.sum()) if present.sum() > 0 else 0.0


def _activity(recording: Recording) -> Signature:
    """What single neurons do."""
    if recording.modality == "calcium":
        values = recording.values.astype(np.float64)
        centred = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
        skewness = (centred**3).mean(axis=0)
        return {
            "frame": math.log(recording.dt_s),
            "noise": float(np.nanmedian(noise_share(recording))),
            "skewness": float(np.median(np.arcsinh(skewness))),
            "skewness spread": float(np.std(np.arcsinh(skewness))),
        }
    trains = binned_spike_times(recording) if recording.spike_times is None else recording.spike_times
    counts = recording.values.sum(axis=0, dtype=np.float64)
    rate = np.log(np.maximum(counts, LEAST_SPIKES) / (recording.n_steps * recording.dt_s))
    expected = np.log(np.maximum(counts, LEAST_SPIKES))
    coincidences = 2 * expected - math.log(recording.n_steps * recording.dt_s)
    low, median, high = np.percentile(rate, [10, 50, 90])
    return {
        "rate": float(median),
        "slow neurons": float(low - median),
        "fast neurons": float(high - median),
        "coincidences": float(np.median(coincidences)),
        "irregularity": _median(cv_isi(trains), 1.0),
        "local variation": _median(local_variation(trains), 1.0),
    }


def _together(recording: Recording, inferred: Connectome) -> Signature:
    """What neurons do together, in windows of some lengths, and whether those reported as connected do so more."""
    found: Signature = {}
    pairs = ~np.eye(recording.n_neurons, dtype=bool)
    for window_s in WINDOWS_S:
        values = _windows(recording, window_s)
        total = values.sum(axis=1)
        variances = values.var(axis=0).sum()
        correlation = np.corrcoef(values + 0.0, rowvar=False) if len(values) > 2 else np.zeros(pairs.shape)
        correlation = np.nan_to_num(correlation)
        beyond_chance = correlation[pairs].std() * math.sqrt(len(values))
        name = f"{window_s * 1e3:.0f} ms"
        found |= {
            f"correlation {name}": float(np.arcsinh(10 * correlation[pairs].mean())),
            f"correlations {name}": math.log(max(beyond_chance, 0.1)),
            f"synchrony {name}": math.log(max(total.var() / max(variances, 1e-12), 1e-3)),
        }
    reported = inferred.significant() & pairs
    found["together"] = _lift(correlation, reported, pairs)
    return found


def _evidence(inferred: Connectome) -> Signature:
    """How far the evidence of some pairs exceeds that of most."""
    assert inferred.local_fdr is not None
    pairs = ~np.eye(inferred.n_neurons, dtype=bool)
    local = inferred.local_fdr[pairs].astype(np.float64)
    z = norm.isf(np.clip(inferred.p_values[pairs].astype(np.float64), 1e-200, 1) / 2)
    some = z[z > 0] if (z > 0).sum() > 3 else np.ones(4)
    middle, upper, top, last = np.percentile(some, [50, 90, 99, 99.9])
    middle = max(middle, 1e-3)
    q_values = inferred.q_values[pairs]
    few, reported, many = (float((q_values <= rate).sum()) for rate in (0.01, 0.05, 0.2))
    promise = min(max(promised_auprc(local), 1e-4), 1 - 1e-4)
    return {
        "tested": float(np.mean(z > 0)),
        "middle": math.log(middle),
        "upper": math.log(max(upper / middle, 1e-3)),
        "top": math.log(max(top / middle, 1e-3)),
        "last": math.log(max(last / middle, 1e-3)),
        "believed": math.log(np.mean(1 - local) + 1 / len(local)),
        "promise": float(logit(promise)),
        "reported": math.log((reported + 0.5) / len(local)),
        "number reported": math.log(reported + 1),
        "steepness": math.log((many + 1) / (few + 1)),
    }


def _reported(inferred: Connectome) -> Signature:
    """Whether what is reported looks like connections of neurons that excite or inhibit."""
    assert inferred.local_fdr is not None
    n = inferred.n_neurons
    pairs = ~np.eye(n, dtype=bool)
    present = np.where(pairs, 1 - inferred.local_fdr, 0.0)
    reported = inferred.significant() & pairs
    n_reported = float(reported.sum())
    sends = np.sign((np.sign(inferred.weight) * present).sum(axis=0))
    other = reported & (np.sign(inferred.weight) != sends)
    both_ways, either_way = float((reported & reported.T).sum()), reported | reported.T
    undirected = either_way.astype(np.float64)
    share = undirected[pairs].mean()
    triangles, expected = float(np.sum((undirected @ undirected) * undirected)), share**3 * n * (n - 1) * (n - 2)
    delay_ms = np.full(0, 0.0) if inferred.delay_s is None else 1e3 * inferred.delay_s[reported]
    delay_ms = delay_ms[np.isfinite(delay_ms)]
    return {
        "wrong sign": math.log((other.sum() + 0.5) / (n_reported + 5)),
        "excitatory": float(((inferred.weight[reported] > 0).sum() + FEW / 2) / (n_reported + FEW)),
        "both ways": math.log((both_ways + 1) / (n_reported**2 / (n * (n - 1)) + 1)),
        "triangles": math.log((triangles + 6) / (expected + 6)),
        "outgoing": _dispersion(present.sum(axis=0)),
        "incoming": _dispersion(present.sum(axis=1)),
        "delay": float(delay_ms.sum() / (len(delay_ms) + FEW)),
        "delay spread": float(delay_ms.std() * len(delay_ms) / (len(delay_ms) + FEW)) if len(delay_ms) else 0.0,
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


def _lift(of_pairs: FloatArray, reported: BoolArray, pairs: BoolArray) -> float:
    """How much higher reported pairs rank by a quantity than all do: 0 not at all, 1 on top; drawn to 0 if few."""
    ranks = np.zeros(of_pairs.shape)
    ranks[pairs] = 2 * (rankdata(of_pairs[pairs]) - 0.5) / pairs.sum() - 1
    return float(ranks[reported].sum() / (reported.sum() + FEW))


def _dispersion(sums: FloatArray) -> float:
    """Log of variance over mean, which is about 0 where connections are dealt at random."""
    return math.log((float(np.var(sums)) + 0.1) / (float(np.mean(sums)) + 0.1))


def _median(values: FloatArray, otherwise: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else otherwise
