"""The spike time tiling coefficient, with a direction."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, vstack

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.fine import fine_spikes


class DirectedSTTC:
    r"""Directed spike time tiling coefficient: spikes shortly after those of another neuron; O(T N^2), spikes only.

    Cutts & Eglen 2014, J Neurosci 34:14288, in one direction, as in Donner et al. 2024, PLoS Comput Biol 20:e1011964:

    .. math:: \frac12 \left(\frac{P_B - T_A}{1 - P_B T_A} + \frac{P_A - T_B}{1 - P_A T_B}\right)

    with :math:`P_B` the share of post's spikes that come within `window_s` after one of pre, :math:`T_A` the share of
    time within `window_s` after spikes of pre, :math:`P_A` the share of pre's spikes that come within it before one of
    post, and :math:`T_B` the share of time within it before spikes of post. It has no standard error: the z-score of
    Donner et al. comes from surrogates in which rates do not vary, and calls every burst significant. Spike times are
    counted in bins of 1 ms where they are known; a spike in the same bin is neither before nor after.

    Parameters
    ----------
    window_s : float
        At least one bin; the default is that of Donner et al.
    """

    def __init__(self, window_s: float = 0.007) -> None:
        self.window_s = window_s

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If the recording is of calcium.
        """
        epochs, dt_s = fine_spikes(recording)
        width = max(round(self.window_s / dt_s), 1)
        n = recording.n_neurons
        follows, leads = np.zeros((2, n, n))
        spikes, after, before = np.zeros((3, n))
        for counts in epochs:
            later, earlier = _within(counts, width), _within(counts[::-1], width)[::-1]
            follows += (counts.T @ later).toarray()  # [post, pre] spikes of post after those of pre
            leads += (earlier.T @ counts).toarray()  # [post, pre] spikes of pre before those of post
            spikes, after, before = spikes + counts.sum(axis=0), after + later.sum(axis=0), before + earlier.sum(axis=0)
        n_bins = sum(epoch.shape[0] for epoch in epochs)
        count = np.maximum(spikes, 1e-12)
        weight = (_beyond(follows / count[:, None], after[None] / n_bins)) / 2
        weight += _beyond(leads / count[None], before[:, None] / n_bins) / 2
        weight[(spikes == 0)[:, None] | (spikes == 0)[None]] = 0
        np.fill_diagonal(weight, 0)
        return Connectome(weight, unit="coefficient")


def _within(counts: csr_array, width: int) -> csr_array:
    """(T, N) 1 where there is a spike in the `width` bins before, else 0."""
    n_bins, n = counts.shape
    total = csr_array((n_bins, n), dtype=np.float32)
    for lag in range(1, min(width, n_bins - 1) + 1):
        total = total + vstack([csr_array((lag, n), dtype=np.float32), counts[: n_bins - lag]], format="csr")
    total.data = np.ones_like(total.data)
    return total


def _beyond(fraction: Float64Array, chance: Float64Array) -> Float64Array:
    """What a share of spikes is beyond the share of time, 1 at most."""
    rest = 1 - fraction * chance
    return np.divide(fraction - chance, rest, out=np.zeros_like(fraction), where=rest > 1e-12)
