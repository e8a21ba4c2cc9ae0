"""Transfer entropy: what the past of one neuron says about another beyond the other's own past.

Schreiber 2000, Phys Rev Lett 85:461. All of it is counting: how often which states occur together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, gammaln, ndtri_exp, xlogy

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.deconvolved import binary

States = npt.NDArray[np.integer]

MAX_DELAY_S = 0.015
SMALLEST_P = 1e-290


@dataclass(frozen=True)
class Information:
    """What each neuron says about each other one: (N, N) arrays, `[post, pre]`.

    Attributes
    ----------
    nats : array
        Conditional mutual information, plug-in estimate.
    degrees : array
        Degrees of freedom: without any interaction, 2 x steps x nats is distributed about as chi-squared with
        these degrees of freedom, whose mean is the estimate's bias (Barnett & Bossomaier 2012, Phys Rev Lett
        109:138105).
    sign : array
        Sign of the covariance, given the past: does activity of `pre` go with more or with less of `post`.
    steps : int
    """

    nats: Float64Array
    degrees: Float64Array
    sign: Float64Array
    steps: int

    @property
    def corrected_bits(self) -> Float64Array:
        """Information less its bias, at least 0."""
        return (self.nats - self.degrees / (2 * self.steps)).clip(min=0) / np.log(2)


def conditional_information(target: States, past: States, source: States, level: npt.ArrayLike) -> Information:
    """Information between the target of each neuron and the source of each other one, given the target's past.

    Parameters
    ----------
    target, past, source : (T, N) int arrays
        States from 0 on.
    level : sequence of numbers
        How active each source state is; decides the sign.
    """
    steps, n = target.shape
    n_targets, n_sources = int(target.max()) + 1, int(source.max()) + 1
    sources = [(source == s).astype(np.float32) for s in range(n_sources)]
    activity, response = np.asarray(level, float)[:n_sources], np.arange(n_targets, dtype=float)
    nats, degrees, covariance = np.zeros((3, n, n))
    for p in range(int(past.max()) + 1):
        count = np.empty((n_targets, n_sources, n, n))
        for y in range(n_targets):
            cell = ((past == p) & (target == y)).astype(np.float32).T
            for s in range(n_sources):
                count[y, s] = cell @ sources[s]
        of_target, of_source, total = count.sum(axis=1), count.sum(axis=0), count.sum(axis=(0, 1))
        nats += xlogy(count, count).sum(axis=(0, 1)) + xlogy(total, total)
        nats -= xlogy(of_target, of_target).sum(axis=0) + xlogy(of_source, of_source).sum(axis=0)
        degrees += ((of_target > 0).sum(axis=0) - 1).clip(min=0) * ((of_source > 0).sum(axis=0) - 1).clip(min=0)
        together = np.einsum("y,s,ysij->ij", response, activity, count)
        apart = np.einsum("y,yij->ij", response, of_target) * np.einsum("s,sij->ij", activity, of_source)
        covariance += together - apart / total.clip(min=1)
    return Information((nats / steps).clip(min=0), degrees, np.sign(covariance), steps)


class TransferEntropy:
    """Transfer entropy between binary spike trains, at the delay where it is largest; O(T N^2 2^order).

    The information between a neuron now and another one some steps ago, given the neuron's own last steps: the
    delayed transfer entropy of Ito et al. 2011, PLoS ONE 6:e27431. For calcium, spikes are the events of the
    deconvolved activity. `weight` is in bits per step, less the bias, with the sign of the interaction. The score is
    the z-value that is as improbable as the transfer entropy is without an interaction, corrected (Šidák) for the
    number of delays tried; the standard error is what makes it so.

    Parameters
    ----------
    order : int
        Steps of the neuron's own past.
    max_delay_s : float
        Delays tried, from one step on; our choice.
    """

    def __init__(self, order: int = 2, max_delay_s: float = MAX_DELAY_S) -> None:
        self.order, self.max_delay_s = order, max_delay_s

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        spikes = binary(recording)
        n_delays = max(1, round(self.max_delay_s / recording.dt_s))
        first = max(self.order, n_delays)
        rows = _rows(recording.segments, first)
        own = spikes.astype(np.int32)  # one bit for each step of its past
        past = np.sum([own[rows - lag] << (lag - 1) for lag in range(1, self.order + 1)], axis=0)
        by_delay = [
            conditional_information(spikes[rows], past, spikes[rows - delay], (0, 1))
            for delay in range(1, n_delays + 1)
        ]
        log_p = np.stack([_log_tail(2 * f.steps * f.nats, f.degrees.clip(min=1)) for f in by_delay])
        best = log_p.argmin(axis=0)[None]
        signed = np.stack([f.sign * f.corrected_bits for f in by_delay])
        weight = np.take_along_axis(signed, best, axis=0)[0]
        np.fill_diagonal(weight, 0)
        z = _z_value(_any_of(n_delays, np.take_along_axis(log_p, best, axis=0)[0]))
        error = np.divide(np.abs(weight), z, out=np.ones_like(z), where=(z > 0) & (weight != 0))
        return Connectome(weight, standard_error=error, unit="bit per step")


class GeneralisedTransferEntropy:
    """Transfer entropy of calcium fluorescence as it is recorded, in calm times only; O(T N^2 bins^5).

    Stetter et al. 2012, PLoS Comput Biol 8:e1002653: of the differences between frames, which do away with most of the
    indicator's slow decay, in a few bins of equal width; of Markov order 2, the source's present frame counting among
    its past because a frame is longer than a synapse is slow; and only at times at which the mean fluorescence of all
    neurons is low, because in a network burst every neuron seems to drive every other. Spike counts take the place of
    differences, at all times: their mean lacks the indicator's slowness, and to choose quiet steps would be to choose
    among the very spikes that are counted.

    What is ours: bins lie within 3 SD of the median, for a rare peak would else leave all in one bin; the level of
    conditioning is a quantile of the mean of traces of unit variance (the paper sets it just right of the peak of the
    histogram of mean fluorescence); the bias is taken off; the sign is that of the interaction (the paper's GTE has
    none).
    Neighbouring frames share their noise, so nothing is known of the distribution without interaction: there are no
    standard errors.

    Parameters
    ----------
    n_bins : int
    calm : float
        Quantile of mean activity up to which a time counts as calm; 1 for all times.
    """

    def __init__(self, n_bins: int = 3, calm: float = 0.8) -> None:
        self.n_bins, self.calm = n_bins, calm

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        x = self._states(recording)
        if recording.modality == "calcium":
            rows = _rows(recording.segments, 3)  # the first frame has no difference
            spread = recording.values.std(axis=0)
            mean = (recording.values / np.where(spread > 0, spread, 1)).mean(axis=1)[rows]
            rows = rows[mean <= np.quantile(mean, self.calm)]
        else:
            rows = _rows(recording.segments, 2)
        b = self.n_bins
        level = np.add.outer(np.arange(b), np.arange(b)).ravel()
        information = conditional_information(x[rows], b * x[rows - 1] + x[rows - 2], b * x[rows] + x[rows - 1], level)
        weight = information.sign * information.corrected_bits
        np.fill_diagonal(weight, 0)
        return Connectome(weight, unit="bit per step")

    def _states(self, recording: Recording) -> States:
        """(T, N) bins; that of the first frame of an epoch is not to be used."""
        values = recording.values
        if recording.modality == "spikes":
            return np.minimum(values, self.n_bins - 1).astype(np.int16)
        change = np.diff(values, axis=0, prepend=values[:1])
        centre, spread = np.median(change, axis=0), change.std(axis=0)
        scaled = (change - centre + 3 * spread) / np.where(spread > 0, 6 * spread, 1)
        return np.clip(scaled * self.n_bins, 0, self.n_bins - 1).astype(np.int16)


def _rows(segments: list[tuple[int, int]], first: int) -> npt.NDArray[np.intp]:
    """Steps with at least `first` steps before them in their epoch."""
    return np.concatenate([np.arange(start + first, max(stop, start + first)) for start, stop in segments])


def _log_tail(statistic: Float64Array, degrees: Float64Array) -> Float64Array:
    """Log probability that a chi-squared variable exceeds `statistic`, also where that underflows."""
    x, a = statistic / 2, degrees / 2
    p = gammaincc(a, x)
    far = p < SMALLEST_P
    asymptote = (a - 1) * np.log(np.where(far, x, 1)) - x - gammaln(a)
    return np.where(far, asymptote, np.log(np.where(far, 1, p)))


def _any_of(trials: int, log_p: Float64Array) -> Float64Array:
    """Log probability that the best of independent trials is as good as one with `log_p`: of 1 - (1 - p)^trials."""
    small = log_p < -20
    p = np.exp(np.where(small, -20, log_p)).clip(max=1 - 1e-12)
    return np.where(small, log_p + np.log(trials), np.log(-np.expm1(trials * np.log1p(-p))))


def _z_value(log_p: Float64Array) -> Float64Array:
    """The absolute value that a normal variable exceeds, on either side, with this log probability."""
    return -ndtri_exp(log_p - np.log(2))
