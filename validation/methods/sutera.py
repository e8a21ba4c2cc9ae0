"""The method that won the ChaLearn connectomics challenge: partial correlation of peaks, averaged over filters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.signal import convolve
from scipy.stats import norm
from sklearn.decomposition import PCA

from synapsnet.array_types import Float32Array, FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording

# Low-pass filters f1 to f3 and their weights in the average; f4 is f3 one frame later, which changes no correlation.
LOW_PASS = ((1.0, (1.0, 1.0, 1.0)), (0.9, (1.0, 0.8, 0.6, 0.4)), (0.7, (1.0, 1.0, 1.0, 1.0)))
THRESHOLDS = np.arange(0.10, 0.21, 0.02)
NOISE_SD = 0.1  # to which the noise of a filtered trace is scaled before it meets the thresholds; our choice
N_NEURONS = 1000  # of the challenge's recordings, over which the activity was summed
EXPONENT = 0.9
COMPONENTS = 0.8  # share of the N principal components that is kept
DIRECTION = 0.003  # share of the precedence in the score
RIDGE = 1e-6  # keeps the covariance of a short recording invertible


class Sutera:
    """Averaged partial correlation of peaks in the fluorescence itself, not deconvolved; O(T N^2 + N^3).

    Sutera et al. 2014, arXiv 1406.7865, section 2 and appendix A: traces are low-pass filtered, differentiated and
    cut off below a threshold; peaks count less the more of the network is active. The score is the partial correlation
    within a frame, with the covariance inverted by its first principal components, averaged over low-pass filters and
    thresholds, plus a little of the precedence, which gives it a direction. No standard errors.

    Different from the source: the thresholds are in units of a trace's noise, not of the challenge's fluorescence,
    and there are 6 instead of 110 of them; the exponents tuned to the challenge's bursts are left out, as in the
    simplified method of section 2; precedence is the number of peaks that follow a peak of the other neuron one frame
    later, less that of those one frame before. Spikes are peaks already, so only the last step applies to them.
    """

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If every epoch is shorter than the filters.
        """
        correlation, precedence = np.zeros((2, recording.n_neurons, recording.n_neurons))
        for share, peaks in _peaks(recording):
            correlation += share * _partial_correlation(np.concatenate([_damped(epoch) for epoch in peaks]))
            precedence += share * _precedence(peaks)
        return Connectome((1 - DIRECTION) * _scaled(correlation) + DIRECTION * _scaled(precedence), unit="a.u.")


def _peaks(recording: Recording) -> Iterator[tuple[float, list[Float32Array]]]:
    """For each filter and threshold its share in the average, and the peaks of each epoch; 0 where there is none."""
    if recording.modality == "spikes":
        yield 1.0, [recording.values[a:b] for a, b in recording.segments]
        return
    steps = np.concatenate([np.diff(recording.values[a:b], axis=0) for a, b in recording.segments])
    noise = np.median(np.abs(steps), axis=0) / (norm.ppf(0.75) * np.sqrt(2))
    traces = recording.values * np.divide(NOISE_SD, noise, out=np.zeros_like(noise), where=noise > 0)
    for weight, low_pass in LOW_PASS:
        kernel = np.convolve(low_pass, [1.0, -1.0])  # smoothed, then differentiated
        epochs = [traces[a:b] for a, b in recording.segments if b - a > len(kernel)]
        if not epochs:
            raise InputError(f"No epoch is longer than the filters, {len(kernel)} frames; record longer epochs.")
        normed = (kernel / np.linalg.norm(kernel)).astype(np.float32)[:, None]  # keeps the size of white noise
        rises = [convolve(epoch, normed, mode="valid", method="direct") for epoch in epochs]
        for threshold in THRESHOLDS:
            yield weight, [np.where(rise >= threshold, np.abs(rise) ** EXPONENT, 0) for rise in rises]


def _damped(peaks: Float32Array) -> FloatArray:
    """(T, N) peaks, larger the fewer others are active."""
    total = N_NEURONS * peaks.mean(axis=1, dtype=np.float64, keepdims=True)
    return (peaks + 1) ** (1 + np.divide(1, total, out=np.zeros_like(total), where=total > 0))


def _partial_correlation(activity: FloatArray) -> FloatArray:
    """(N, N) partial correlation by the first principal components; 0 for neurons that do not vary."""
    varies = np.flatnonzero(np.ptp(activity, axis=0) > 0)
    result = np.zeros((activity.shape[1],) * 2)
    if len(varies) > 1:
        n_components = min(int(np.ceil(COMPONENTS * len(varies))), len(varies) - 1, len(activity))
        covariance = PCA(n_components).fit(activity[:, varies]).get_covariance()
        precision = np.linalg.inv(covariance + RIDGE * np.eye(len(varies)))
        scale = np.sqrt(np.diagonal(precision))
        result[np.ix_(varies, varies)] = -precision / np.outer(scale, scale)
    return result


def _precedence(peaks: list[Float32Array]) -> FloatArray:
    """(N, N) antisymmetric: how often post peaks one step after pre, less how often one step before."""
    follows = np.zeros((peaks[0].shape[1],) * 2)
    for epoch in peaks:
        active = (epoch > 0).astype(np.float32)
        follows += active[1:].T @ active[:-1]
    return follows - follows.T


def _scaled(matrix: FloatArray) -> FloatArray:
    """Without self-connections, and divided by its largest absolute value."""
    pairs = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    return pairs / max(np.abs(pairs).max(), 1e-12)
