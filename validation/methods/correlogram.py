"""Cross-correlograms, corrected for all that is slower than a synapse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.base import activity_of
from validation.methods.significance import best_of, with_z

MIN_WINDOW = 20  # bins; a narrower one takes too much of a synapse's own effect for slow correlation


class CrossCorrelogram:
    """Jitter-corrected cross-correlogram: pairs of spikes at a lag, beyond those of jittered spikes; O(T N^2 L).

    The interval jitter of Amarasingham et al. 2012, J Neurophysiol 107:517: time is cut into windows, and the null
    hypothesis is that within each of them the postsynaptic neuron could as well have spiked in any other order of its
    bins. Expectation and variance of the correlogram then have a closed form and nothing is resampled. The score is
    the largest z among the L lags, corrected for there being several (Šidák); the weight is the excess of
    postsynaptic spikes per presynaptic spike at that lag. For calcium, of the deconvolved activity.

    Parameters
    ----------
    max_lag_s : float
        Lags from one bin to this, but at least one bin.
    jitter_s : float
        Width of the windows, but at least 20 bins. Both are our choice, made on the development network.
    """

    def __init__(self, max_lag_s: float = 0.015, jitter_s: float = 0.1) -> None:
        self.max_lag_s, self.jitter_s = max_lag_s, jitter_s

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        values, segments = activity_of(recording), recording.segments
        width = max(round(self.jitter_s / recording.dt_s), MIN_WINDOW)
        n_lags = max(round(self.max_lag_s / recording.dt_s), 1)
        best, effect = np.zeros((2, recording.n_neurons, recording.n_neurons))
        for lag in range(1, n_lags + 1):
            excess, variance = _jittered(values, segments, lag, width)
            z = np.divide(excess, np.sqrt(variance), out=np.zeros_like(excess), where=variance > 0)
            better = np.abs(z) > np.abs(best)
            best[better], effect[better] = z[better], excess[better]
        effect /= np.maximum(values.sum(axis=0, dtype=np.float64), 1e-12)
        return with_z(effect, best_of(best, n_lags), unit="spikes per spike")


def _jittered(
    values: npt.NDArray[np.float32], segments: list[tuple[int, int]], lag: int, width: int
) -> tuple[FloatArray, FloatArray]:
    """Pairs at a lag beyond the mean over all orders of the postsynaptic bins within windows, and their variance.

    Returns
    -------
    excess, variance : (N, N) arrays, `[post, pre]`
        Steps at the end of an epoch that do not fill a window are left out.
    """
    excess, variance = np.zeros((2, values.shape[1], values.shape[1]))
    for start, stop in segments:
        n_windows = (stop - start - lag) // width
        if n_windows < 1:
            continue
        rows = n_windows * width
        post = _centred(values[start + lag : start + lag + rows], width)
        pre = _centred(values[start : start + rows], width)
        excess += np.einsum("kti,ktj->ij", post, pre, optimize=True)
        # A sum of products, one factor in random order: Hoeffding 1951, Ann Math Stat 22:558.
        variance += (post**2).sum(axis=1).T @ (pre**2).sum(axis=1) / (width - 1)
    return excess, variance


def _centred(values: npt.NDArray[np.float32], width: int) -> npt.NDArray[np.float32]:
    """(K, width, N) values in windows, less the mean of their window."""
    windows = values.reshape(-1, width, values.shape[1])
    return windows - windows.mean(axis=1, keepdims=True)
