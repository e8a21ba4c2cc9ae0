"""Summary statistics of activity: what tells the regimes of a network apart, and a simulation from the real thing."""

from __future__ import annotations

import numpy as np
import pynapple as nap

from synapsnet.errors import InputError
from synapsnet.recording import FloatArray

MIN_INTERVALS = 10  # with fewer, the CV of a Poisson train would come out 10% too low and more


def rates_hz(spike_times: nap.TsGroup) -> FloatArray:
    """(N,) number of spikes of each neuron over the duration of the time support."""
    duration_s = spike_times.time_support.tot_length()
    return np.array([len(spike_times[k]) for k in spike_times.index]) / duration_s


def cv_isi(spike_times: nap.TsGroup) -> FloatArray:
    """Coefficient of variation of the interspike intervals: 0 for a clock, 1 for a Poisson process.

    Returns
    -------
    (N,) array
        NaN for a neuron with fewer than `MIN_INTERVALS` intervals. No interval crosses the border of an epoch.
    """
    return np.array([_cv(_intervals(spike_times, k)) for k in spike_times.index])


def synchrony(spike_times: nap.TsGroup, bin_s: float) -> float:
    """Chi of Golomb & Hansel 2000, of spike counts.

    The standard deviation of the population's mean count over the root mean square of that of single neurons. It is 1
    where all neurons do the same and 1 / sqrt(N) where they are independent, so compare it between populations of one
    size. Golomb, D. & Hansel, D. (2000), Neural Computation 12:1095, define it for membrane potentials.

    Parameters
    ----------
    spike_times : TsGroup
    bin_s : float
        Width of the bins; what is left at the end of an epoch is dropped.

    Returns
    -------
    float
        Between 0 and 1; NaN if no neuron's count varies.

    Raises
    ------
    InputError
        If no epoch holds two bins.
    """
    population: FloatArray | float = 0.0
    variance = 0.0
    for k in spike_times.index:  # one by one: a large network's counts need not fit in memory
        counts = _counts(spike_times[k], spike_times.time_support, bin_s)
        population = population + counts / len(spike_times)
        variance += float(counts.var()) / len(spike_times)
    return float(np.sqrt(np.var(population) / variance)) if variance > 0 else np.nan


def _counts(train: nap.Ts, epochs: nap.IntervalSet, bin_s: float) -> FloatArray:
    """Spikes in each whole bin of all epochs."""
    longest_s = float(np.max(epochs.end - epochs.start))
    if not (np.isfinite(bin_s) and 0 < bin_s <= longest_s / 2):
        raise InputError(
            f"The bin must be more than 0 s and at most half of the longest epoch, {longest_s:g} s; got {bin_s} s."
        )
    times, pieces = train.times(), []
    for start, end in zip(epochs.start, epochs.end, strict=True):
        n_bins = int((end - start) / bin_s + 1e-6)  # in spite of rounding, here and below
        index = ((times[(times >= start) & (times <= end)] - start) / bin_s + 1e-6).astype(int)
        pieces.append(np.bincount(index[index < n_bins], minlength=n_bins))
    return np.concatenate(pieces).astype(float)


def _intervals(spike_times: nap.TsGroup, k: int) -> FloatArray:
    """Interspike intervals of one neuron, those across the border of two epochs left out."""
    times = spike_times[k].times()
    epoch = np.searchsorted(spike_times.time_support.start, times, side="right")
    return np.diff(times)[np.diff(epoch) == 0]


def _cv(intervals: FloatArray) -> float:
    return float(intervals.std() / intervals.mean()) if len(intervals) >= MIN_INTERVALS else np.nan
