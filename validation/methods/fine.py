"""Spikes in shorter bins than those of a recording: a synapse acts within milliseconds."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from synapsnet.errors import InputError
from synapsnet.recording import Recording

FINE_S = 0.001
ROUNDING = 1e-6  # of a bin


def fine_spikes(recording: Recording, bin_s: float = FINE_S) -> tuple[list[csr_array], float]:
    """Counts of each epoch in bins of `bin_s`, where spike times are known, else in the recording's own.

    Returns
    -------
    epochs : list of (T, N) sparse arrays
    dt_s : float
        Width of their bins.

    Raises
    ------
    InputError
        If the recording is of calcium.
    """
    if recording.modality != "spikes":
        raise InputError("This method needs spikes; got calcium. Use one that infers from calcium as well.")
    if recording.spike_times is None or recording.dt_s <= bin_s:
        return [csr_array(recording.values[start:stop]) for start, stop in recording.segments], recording.dt_s
    trains = [recording.spike_times[k].times() for k in range(recording.n_neurons)]
    epochs = []
    for start_s, (first, last) in zip(recording.epochs.start, recording.segments, strict=True):
        n_bins = round((last - first) * recording.dt_s / bin_s)
        bins = [np.floor((train - start_s) / bin_s + ROUNDING).astype(np.int64) for train in trains]
        bins = [times_of[(times_of >= 0) & (times_of < n_bins)] for times_of in bins]
        neuron = np.repeat(np.arange(len(bins)), [len(times_of) for times_of in bins])
        cells = (np.concatenate(bins), neuron)
        epochs.append(csr_array((np.ones(len(neuron), np.float32), cells), shape=(n_bins, len(bins))))
    return epochs, bin_s
