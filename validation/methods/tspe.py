"""Total spiking probability edges: edge filters on cross-correlograms.

De Blasi et al. 2019, J Neurosci Methods 312:169: a connection is a short hump in the correlogram, and bursts are a wide
one, on whose slope and top an edge filter gives nothing.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.signal import convolve
from scipy.sparse import csr_array

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.fine import FINE_S, fine_spikes


class TSPE:
    """Edge filters of many widths on the cross-correlogram of each pair; O(T N^2 L), spikes only.

    De Blasi et al. 2019, J Neurosci Methods 312:169. The normalised cross-correlation is filtered by the mean of an
    observed stretch less those of its surround, for every combination of their widths, then by a running total as long
    as the observed one; the sum over combinations is the evidence, and that of the delay at which it is largest in size
    is the score, positive for excitation. It has no standard error. Spike times are counted in bins of 1 ms where they
    are known; in wider bins all widths are at least one bin, and two spikes in the same bin do not count, because their
    order is not known. Elephant has TSPE as well, and the tests compare with it; there, counts of all bins become one
    dense array, 2.9 GB for an hour of 100 neurons, twice.

    Parameters
    ----------
    observed_s, surround_s : sequence of float
        Widths; those of the paper.
    max_delay_s : float
        The paper's.
    """

    def __init__(
        self,
        observed_s: tuple[float, ...] = (0.002, 0.003, 0.004, 0.005, 0.006),
        surround_s: tuple[float, ...] = (0.003, 0.004, 0.005, 0.006, 0.007, 0.008),
        max_delay_s: float = 0.025,
    ) -> None:
        self.observed_s, self.surround_s, self.max_delay_s = observed_s, surround_s, max_delay_s

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If the recording is of calcium.
        """
        epochs, dt_s = fine_spikes(recording)
        observed, surround = (
            sorted({max(round(width / dt_s), 1) for width in widths}) for widths in (self.observed_s, self.surround_s)
        )
        n_delays, first = max(round(self.max_delay_s / dt_s), 1), 0 if dt_s <= FINE_S * 1.01 else 1
        correlation = _correlograms(epochs, first - max(surround), first + n_delays + max(surround))
        total = np.zeros((n_delays, *correlation.shape[1:]))
        for width, beside in product(observed, surround):
            edge = np.repeat([-1 / beside, 2 / width, -1 / beside], [beside, width, beside])
            margin = max(surround) - beside
            inner = correlation[margin : len(correlation) - margin]
            filtered = convolve(inner, edge[::-1, None, None], mode="valid", method="direct")
            total += convolve(filtered, np.ones((width, 1, 1)), mode="full", method="direct")
        best = np.abs(total).argmax(axis=0)[None]
        weight = np.take_along_axis(total, best, axis=0)[0]
        np.fill_diagonal(weight, 0)
        return Connectome(weight, unit="a.u.")


def _correlograms(epochs: list[csr_array], first: int, stop: int) -> Float64Array:
    """(lags, N, N) `[k, post, pre]`: correlation of post with pre `first + k` bins before, means not subtracted."""
    lengths = np.array([epoch.shape[0] for epoch in epochs])
    n, n_bins = epochs[0].shape[1], lengths.sum()
    pairs = np.zeros((stop - first, n, n))
    sums, squares = np.zeros((2, n))
    for spikes in epochs:
        sums += spikes.sum(axis=0)
        squares += spikes.power(2).sum(axis=0)
        for lag in range(max(abs(first), stop)):
            if lag < spikes.shape[0]:
                later = (spikes[lag:].T @ spikes[: spikes.shape[0] - lag]).toarray()
                if first <= lag < stop:
                    pairs[lag - first] += later
                if lag > 0 and first <= -lag < stop:
                    pairs[-lag - first] += later.T
    spread = np.sqrt(np.maximum(squares - sums**2 / n_bins, 0) / max(n_bins - 1, 1))
    scale = np.outer(spread, spread) * n_bins
    return np.divide(pairs, scale, out=np.zeros_like(pairs), where=scale > 0)
