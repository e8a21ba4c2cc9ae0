r"""When connections act: their delays, from spike times that are finer than the model's bins.

A presynaptic spike at time 0 changes the rate of the postsynaptic neuron by a response that begins after the delay d:

.. math::
    \lambda(t) = \lambda_0 \exp\!\big(a\, r(t - d) + b\big), \qquad
    r(t) \propto (1 - e^{-t/\tau_r})\, e^{-t/\tau_d} \;\; (t > 0)

with the chance rate :math:`\lambda_0`, an amplitude a and a correction b of the base rate. Counts in the
cross-correlogram are Poisson. The rise and decay are those, of a few, that fit the connections of one sign best; the
distribution of delays is learned from these connections too (empirical Bayes), and each of them has the mean of its
posterior. Compare the correlograms of Kobayashi et al. 2019, Nature Communications 10:4468, whose response has no rise
and who estimate each delay by itself.

The constants were chosen on seeds 1 and 2 of the network "lif-random".
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.array_types import FloatArray
from synapsnet.inference.spectra import in_order

STEP_S, WINDOW_S = 0.0005, 0.030  # of the correlogram
DELAYS_S = np.arange(0.0, 0.0101, 0.00025)
RISES_S = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006)
DECAYS_S = (0.0005, 0.001, 0.002, 0.005, 0.007, 0.010, 0.014, 0.020, 0.040)
N_TO_CHOOSE = 300  # the surest connections, which choose rise and decay
DELAYS_TO_CHOOSE_S = DELAYS_S[::2]  # a step of the correlogram apart
AMPLITUDE_SD, BASE_SD = 2.0, 0.1  # of the normal priors of a and b, about 0
NEWTON_STEPS, LARGEST_CHANGE = 8, 1.0
EM_STEPS = 30
CHUNK_VALUES = 250_000  # connections x delays x lags, or spikes within windows, at a time: they fit a cache


def transmission_delays(spike_times: nap.TsGroup, scores: FloatArray, connected: npt.NDArray[np.bool_]) -> FloatArray:
    """Delay of each connection, in seconds.

    Parameters
    ----------
    spike_times : TsGroup
        Spikes of N neurons; no pair of spikes is counted across the border of an epoch of their time support.
    scores : (N, N) array, `[post, pre]`
        Signed evidence: excitatory and inhibitory connections have responses of their own.
    connected : (N, N) bool array
        The connections.

    Returns
    -------
    (N, N) array
        NaN where there is no connection.
    """
    delay_s = np.full(scores.shape, np.nan)
    post, pre = np.nonzero(connected)
    if not len(post):
        return delay_s
    counts, expected = _correlograms(spike_times, post, pre)
    score = scores[post, pre]
    for sign in (-1, 1):
        same_sign = np.flatnonzero((np.sign(score) == sign) & (expected > 0))
        if len(same_sign):
            surest = same_sign[np.argsort(-np.abs(score[same_sign]), kind="stable")[:N_TO_CHOOSE]]
            of_surest = counts[surest], expected[surest]
            rise, decay = max(
                itertools.product(RISES_S, DECAYS_S),
                key=lambda shape: (
                    _log_likelihood(*of_surest, _responses(shape[0], shape[1], DELAYS_TO_CHOOSE_S)).max(1).sum()
                ),
            )
            log_likelihood = _log_likelihood(counts[same_sign], expected[same_sign], _responses(rise, decay, DELAYS_S))
            delay_s[post[same_sign], pre[same_sign]] = _posterior_mean(log_likelihood)
    return delay_s


def _correlograms(
    spike_times: nap.TsGroup, post: npt.NDArray[np.intp], pre: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """(E, L) postsynaptic spikes by their lag after a presynaptic one; (E,) how many are expected by chance per lag."""
    epochs = spike_times.time_support
    trains = [spike_times[k].times() for k in spike_times.index]
    n_lags = round(WINDOW_S / STEP_S)
    times, neuron = in_order(spike_times)
    counts = np.zeros((len(post), n_lags), np.float32)
    n_presynaptic = np.zeros(len(trains))
    for sender in np.unique(pre):
        train = trains[sender]
        # Only spikes whose whole window lies within their epoch.
        end = epochs.end[np.searchsorted(epochs.start, train, side="right") - 1]
        train = train[train + WINDOW_S <= end]
        n_presynaptic[sender] = len(train)
        first, last = np.searchsorted(times, train, side="right"), np.searchsorted(times, train + WINDOW_S)
        histogram = np.zeros(len(trains) * n_lags, np.int64)
        for some in np.array_split(np.arange(len(train)), 1 + (last - first).sum() // CHUNK_VALUES):
            # Indices of all spikes within the windows, one window after the other.
            n = (last - first)[some]
            later = np.repeat(first[some] - np.cumsum(n) + n, n) + np.arange(n.sum())
            lag = np.minimum(((times[later] - np.repeat(train[some], n)) / STEP_S).astype(int), n_lags - 1)
            histogram += np.bincount(neuron[later] * n_lags + lag, minlength=len(histogram))
        from_sender = pre == sender
        counts[from_sender] = histogram.reshape(len(trains), n_lags)[post[from_sender]]
    rate_hz = np.array([len(train) for train in trains]) / epochs.tot_length()
    return counts, rate_hz[post] * n_presynaptic[pre] * STEP_S


def _responses(rise_s: float, decay_s: float, delays_s: FloatArray) -> FloatArray:
    """(D, L) response at each lag for each delay, with a maximum of 1."""
    lag_s = (np.arange(round(WINDOW_S / STEP_S)) + 0.5) * STEP_S
    after_delay = np.clip(lag_s - delays_s[:, None], 0, None)
    response = -np.expm1(-after_delay / rise_s) * np.exp(-after_delay / decay_s)
    return response / response.max(1, keepdims=True)


def _log_likelihood(counts: FloatArray, expected: FloatArray, response: FloatArray) -> FloatArray:
    """(E, D) log likelihood of each connection for each delay, at the best amplitude and base rate."""
    rows = max(1, CHUNK_VALUES // response.size)
    parts = range(0, len(counts), rows)
    return np.concatenate([_profile(counts[k : k + rows], expected[k : k + rows], response) for k in parts])


def _profile(counts: FloatArray, expected: FloatArray, response: FloatArray) -> FloatArray:
    """See `_log_likelihood`. Newton's method in a and b; their Hessian is two by two and inverted by hand.

    With the means m(l) = expected exp(a r(l) + b) of the lags l, the log posterior is
    sum_l counts(l) (a r(l) + b) - sum_l m(l) - a^2 / 2 AMPLITUDE_SD^2 - b^2 / 2 BASE_SD^2.
    """
    a, b = np.zeros((2, len(counts), len(response)))
    weighted_counts, total = counts @ response.T, counts.sum(1, keepdims=True)
    for _ in range(NEWTON_STEPS):
        mean = expected[:, None, None] * np.exp(b[..., None] + a[..., None] * response)
        weighted = mean * response
        information_ab = weighted.sum(2)
        information_aa = (weighted * response).sum(2) + AMPLITUDE_SD**-2
        n_predicted = mean.sum(2)
        information_bb = n_predicted + BASE_SD**-2
        gradient_a = weighted_counts - information_ab - a / AMPLITUDE_SD**2
        gradient_b = total - n_predicted - b / BASE_SD**2
        determinant = information_aa * information_bb - information_ab**2
        step_a = (information_bb * gradient_a - information_ab * gradient_b) / determinant
        step_b = (information_aa * gradient_b - information_ab * gradient_a) / determinant
        a += np.clip(step_a, -LARGEST_CHANGE, LARGEST_CHANGE)
        b += np.clip(step_b, -LARGEST_CHANGE, LARGEST_CHANGE)
    mean = expected[:, None, None] * np.exp(b[..., None] + a[..., None] * response)
    log_prior = -0.5 * ((a / AMPLITUDE_SD) ** 2 + (b / BASE_SD) ** 2)
    return weighted_counts * a + total * b - mean.sum(2) + log_prior


def _posterior_mean(log_likelihood: FloatArray) -> FloatArray:
    """(E,) delays, their distribution learned from all of them."""
    likelihood = np.exp(log_likelihood - log_likelihood.max(1, keepdims=True))
    prior = np.full(len(DELAYS_S), 1 / len(DELAYS_S))
    for _ in range(EM_STEPS):
        posterior = likelihood * prior
        posterior /= posterior.sum(1, keepdims=True)
        prior = posterior.mean(0)
    return posterior @ DELAYS_S
