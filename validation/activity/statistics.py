"""Summary statistics of activity, which distinguish the regimes of a network, and simulations from recordings.

All are for single neurons or for pairs of different neurons, so that a figure can show their distribution. Undefined
values are NaN: the intervals of a neuron that hardly fires, the correlation with one that never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pynapple as nap
from scipy import stats

from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError
from synapsnet.recording import Recording, binned_spike_times

MIN_INTERVALS = 10  # with fewer, the estimated CV of a Poisson train is more than 5% too low
COUNT_BIN_S = 0.1
MAX_LAG_S = 10.0  # a slower fall of the autocorrelation is drift, not an indicator
LAG_S = 1.0
_MEDIAN_ABSOLUTE_DEVIATION = stats.norm.ppf(0.75)  # that of a standard normal distribution


@dataclass(frozen=True)
class SpikeStatistics:
    """Statistics of the spike trains of N neurons; NaN where not defined.

    Attributes
    ----------
    rate_hz, cv, local_variation : (N,) array
        See `rates_hz`, `cv_isi` and `local_variation`.
    correlation : (N (N - 1) / 2,) array
        See `count_correlation`.
    """

    rate_hz: FloatArray
    cv: FloatArray
    local_variation: FloatArray
    correlation: FloatArray


@dataclass(frozen=True)
class CalciumStatistics:
    """Statistics of the fluorescence of N neurons; NaN where not defined.

    Attributes
    ----------
    noise_level, skewness, decay_s : (N,) array
        See `noise_level` and `decay_s`; skewness is that of the values of a trace.
    persistence : (N,) array
        Autocorrelation at a lag of `LAG_S`.
    correlation : (N (N - 1) / 2,) array
        Pearson correlation of each pair of traces, frame by frame.
    """

    noise_level: FloatArray
    skewness: FloatArray
    decay_s: FloatArray
    persistence: FloatArray
    correlation: FloatArray


def spike_statistics(spike_times: nap.TsGroup, bin_s: float = COUNT_BIN_S) -> SpikeStatistics:
    """All statistics of spike trains; `bin_s` is that of the correlation of counts, undefined if it is NaN."""
    n_pairs = len(spike_times) * (len(spike_times) - 1) // 2
    return SpikeStatistics(
        rate_hz=rates_hz(spike_times),
        cv=cv_isi(spike_times),
        local_variation=local_variation(spike_times),
        correlation=np.full(n_pairs, np.nan) if np.isnan(bin_s) else count_correlation(spike_times, bin_s),
    )


def binned_spike_statistics(recording: Recording) -> SpikeStatistics:
    """All statistics of binned spikes, whose counts are correlated in whole bins: `COUNT_BIN_S`, as nearly as can be.

    Not in more than half of the longest epoch; where that has a single bin, correlations are not defined.
    """
    longest = max(stop - start for start, stop in recording.segments)
    n_bins = min(max(1, round(COUNT_BIN_S / recording.dt_s)), longest // 2)
    return spike_statistics(binned_spike_times(recording), n_bins * recording.dt_s if n_bins else np.nan)


def calcium_statistics(recording: Recording) -> CalciumStatistics:
    """All statistics of a calcium recording."""
    values = recording.values.astype(np.float64)
    varies = np.ptp(values, axis=0) > 0
    skewness = np.full(recording.n_neurons, np.nan)
    skewness[varies] = stats.skew(values[:, varies], axis=0)
    autocorrelation_ = autocorrelation(recording)
    lag = round(LAG_S / recording.dt_s)
    within = 0 < lag < len(autocorrelation_)
    return CalciumStatistics(
        noise_level=noise_level(recording),
        skewness=skewness,
        decay_s=decay_s(autocorrelation_, recording.dt_s),
        persistence=autocorrelation_[lag] if within else np.full(recording.n_neurons, np.nan),
        correlation=_pairwise(values),
    )


def rates_hz(spike_times: nap.TsGroup) -> FloatArray:
    """(N,) number of spikes of each neuron over the duration of the time support."""
    duration_s = spike_times.time_support.tot_length()
    return np.array([len(spike_times[k]) for k in spike_times.index]) / duration_s


def cv_isi(spike_times: nap.TsGroup) -> FloatArray:
    """Coefficient of variation of the interspike intervals: 0 for a clock, 1 for a Poisson process.

    Returns
    -------
    (N,) array
        NaN for a neuron with fewer than `MIN_INTERVALS` intervals. No interval crosses the border of an epoch; short
        epochs hide long intervals, which makes the CV too low.
    """
    return np.array([_cv(np.concatenate(_intervals(spike_times, k))) for k in spike_times.index])


def local_variation(spike_times: nap.TsGroup) -> FloatArray:
    """LV: like the CV, but of neighbouring intervals only, so that slow changes of the rate do not affect it.

    Shinomoto, Shima & Tanji 2003, Neural Computation 15:2823: the mean of 3 (a - b)^2 / (a + b)^2 over intervals a and
    b that follow each other; 0 for a clock, 1 for a Poisson process.

    Returns
    -------
    (N,) array
        NaN for a neuron with fewer than `MIN_INTERVALS` intervals.
    """
    return np.array([_lv(_intervals(spike_times, k)) for k in spike_times.index])


def synchrony(spike_times: nap.TsGroup, bin_s: float) -> float:
    """Chi of Golomb & Hansel 2000, of spike counts.

    The standard deviation of the population's mean count over the root mean square of that of single neurons. It is 1
    where all neurons do the same and 1 / sqrt(N) where they are independent, so compare it between populations of one
    size. Golomb & Hansel 2000, Neural Computation 12:1095, define it for membrane potentials.

    Parameters
    ----------
    spike_times : TsGroup
    bin_s : float
        Width of the bins; an incomplete bin at the end of an epoch is dropped.

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


def count_correlation(spike_times: nap.TsGroup, bin_s: float = COUNT_BIN_S) -> FloatArray:
    """Pearson correlation of the spike counts of each pair of different neurons.

    Returns
    -------
    (N (N - 1) / 2,) array
        In the order of `numpy.triu_indices(N, 1)`; NaN if the count of one of the two never varies.

    Raises
    ------
    InputError
        If no epoch holds two bins.
    """
    epochs = spike_times.time_support
    return _pairwise(np.stack([_counts(spike_times[k], epochs, bin_s) for k in spike_times.index], axis=1))


def noise_level(recording: Recording) -> FloatArray:
    """Nu of Rupprecht et al. 2021 (CASCADE, Nature Neuroscience 24:1324), in percent per square root of Hz.

    The median of |F(t + 1) - F(t)| over the square root of the frame rate. It means noise only if the values are dF/F
    and most frames are without activity.

    Returns
    -------
    (N,) array
        NaN if no epoch has two frames.
    """
    steps = np.concatenate([np.diff(recording.values[a:b], axis=0) for a, b in recording.segments])
    if not len(steps):
        return np.full(recording.n_neurons, np.nan)
    return 100 * np.median(np.abs(steps), axis=0).astype(float) * np.sqrt(recording.dt_s)


def noise_fraction(recording: Recording) -> FloatArray:
    """(N,) fraction of a trace's variance due to white noise of its `noise_level`; independent of units."""
    sd = noise_level(recording) / 100 / np.sqrt(recording.dt_s) / (_MEDIAN_ABSOLUTE_DEVIATION * np.sqrt(2))
    variance = recording.values.var(axis=0, dtype=np.float64)
    return np.divide(sd**2, variance, out=np.full(len(sd), np.nan), where=variance > 0)


def autocorrelation(recording: Recording, max_lag_s: float = MAX_LAG_S) -> FloatArray:
    """Autocorrelation of each trace.

    Returns
    -------
    (L + 1, N) array
        At lags of 0 to L frames, `max_lag_s` at most and within half of the longest epoch; no pair of samples crosses
        an epoch's border. NaN for a constant trace.
    """
    longest = max(b - a for a, b in recording.segments)
    n_lags = min(int(max_lag_s / recording.dt_s + 1e-6), longest // 2)
    centred = recording.values - recording.values.mean(axis=0, dtype=np.float64)
    covariance = np.empty((n_lags + 1, recording.n_neurons))
    for lag in range(n_lags + 1):
        pieces = [centred[a : b - lag] * centred[a + lag : b] for a, b in recording.segments if b - a > lag]
        covariance[lag] = np.concatenate(pieces).mean(axis=0)
    varies = np.ptp(recording.values, axis=0) > 0
    return np.divide(covariance, covariance[0], out=np.full_like(covariance, np.nan), where=varies)


def decay_s(autocorrelation: FloatArray, dt_s: float) -> FloatArray:
    """Time in which an autocorrelation falls to 1/e, interpolated between frames.

    White noise shortens it, because the noise decorrelates within the first frame.

    Parameters
    ----------
    autocorrelation : (L + 1, N) array
        At lags of 0 to L frames.
    dt_s : float

    Returns
    -------
    (N,) array
        NaN if it does not fall so far within L frames.
    """
    below = autocorrelation < np.exp(-1)
    after = below.argmax(axis=0)
    neuron = np.arange(len(after))
    high, low = autocorrelation[after - 1, neuron], autocorrelation[after, neuron]
    with np.errstate(divide="ignore", invalid="ignore"):  # where it does not fall
        frames = after - (np.exp(-1) - low) / (high - low)
    return np.where(below.any(axis=0), frames * dt_s, np.nan)


def _counts(train: nap.Ts, epochs: nap.IntervalSet, bin_s: float) -> FloatArray:
    """Spikes in each whole bin of all epochs."""
    longest_s = float(np.max(epochs.end - epochs.start))
    if not (np.isfinite(bin_s) and 0 < bin_s <= longest_s / 2):
        raise InputError(
            f"The bin must be more than 0 s and at most half of the longest epoch, {longest_s:g} s; got {bin_s} s."
        )
    times, pieces = train.times(), []
    borders = np.searchsorted(times, epochs.start)
    for start, end, spikes in zip(epochs.start, epochs.end, np.split(times, borders)[1:], strict=True):
        n_bins = int((end - start) / bin_s + 1e-6)  # in spite of rounding, here and below
        index = ((spikes - start) / bin_s + 1e-6).astype(int)
        pieces.append(np.bincount(index[index < n_bins], minlength=n_bins))
    return np.concatenate(pieces).astype(float)


def _intervals(spike_times: nap.TsGroup, k: int) -> list[FloatArray]:
    """Interspike intervals of one neuron in each epoch."""
    times = spike_times[k].times()
    return [np.diff(part) for part in np.split(times, np.searchsorted(times, spike_times.time_support.start))]


def _cv(intervals: FloatArray) -> float:
    return float(intervals.std() / intervals.mean()) if len(intervals) >= MIN_INTERVALS else np.nan


def _lv(epochs: list[FloatArray]) -> float:
    if sum(map(len, epochs)) < MIN_INTERVALS:
        return np.nan
    first, second = (np.concatenate(parts) for parts in (([i[:-1] for i in epochs]), ([i[1:] for i in epochs])))
    return float(np.mean(3 * ((first - second) / (first + second)) ** 2)) if len(first) else np.nan


def _pairwise(values: FloatArray) -> FloatArray:
    """Correlation of all pairs of different columns; NaN with a constant one."""
    varies = np.ptp(values, axis=0) > 0
    matrix = np.full((values.shape[1],) * 2, np.nan)
    if varies.any():
        matrix[np.ix_(varies, varies)] = np.corrcoef(values[:, varies], rowvar=False)
    return matrix[np.triu_indices(len(matrix), 1)]
