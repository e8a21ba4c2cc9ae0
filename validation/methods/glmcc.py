"""A generalised linear model of each pair's cross-correlogram.

Kobayashi et al. 2019, Nat Commun 10:4468: a short-latency synaptic effect in either direction on top of slow
fluctuations, which is what sets a connection apart from a common input.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording

WINDOW_S = 0.050
COARSEST_S = 0.005  # of bins: ours; the paper has 1 ms
PRIOR_SD = 5.0  # of J: wide, but keeps a pair without a single coincidence from a coupling of minus infinity
PAIRS_AT_ONCE = 20_000
MAX_STEP, TOLERANCE, MAX_STEPS = 1.0, 1e-3, 100


class GLMCC:
    r"""Coupling J of each direction of each pair, over its standard error; O(T N^2), spikes only.

    The number of spikes of neuron 2 at a time t from a spike of neuron 1 is Poisson with the intensity

    .. math:: c(t) = \exp\big(a(t) + J_{21} f(t) + J_{12} f(-t)\big)

    within 50 ms, where :math:`f(t) = e^{-(t - d) / \tau}` after the delay d and 0 before. The log prior of the
    background a is :math:`-\sum_k (a_{k+1} - a_k)^2 / (\gamma \Delta)` in bins of :math:`\Delta`. The maximum of the
    posterior is found by Newton's method, for all pairs at once, and the delay is the one among `delays_s` with the
    highest. Every pair is considered by itself, so that a chain of two connections also looks like one.

    Beyond the paper: bins may be as wide as 5 ms, in which case f is averaged over the differences that two bins
    span; standard errors come from the curvature of the posterior, a(t) being estimated too (the paper tests J
    against a threshold); J has a normal prior with an SD of 5.

    Parameters
    ----------
    tau_s : float
        Duration of the synaptic effect; the paper's value.
    delays_s : sequence of float
        Candidates for the delay; the paper's.
    flatness_per_s : float
        :math:`\gamma`: how fast the background may change; the default of the authors' program.
    """

    def __init__(
        self,
        tau_s: float = 0.004,
        delays_s: tuple[float, ...] = (0.001, 0.002, 0.003, 0.004),
        flatness_per_s: float = 0.5,
    ) -> None:
        self.tau_s, self.delays_s, self.flatness_per_s = tau_s, delays_s, flatness_per_s

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If the recording is of calcium, or its bins are longer than 5 ms.
        """
        if recording.modality != "spikes" or recording.dt_s > COARSEST_S * 1.01:
            raise InputError(
                f"GLMCC needs spikes in bins of at most {COARSEST_S * 1e3:g} ms; got {recording.modality} in steps of "
                f"{recording.dt_s * 1e3:.3g} ms. Use shorter bins, or a method for calcium."
            )
        lags, counts, exposure = correlograms(recording)
        kernels = [_effect(lags, recording.dt_s, delay, self.tau_s) for delay in self.delays_s]
        stiffness = 2 / (self.flatness_per_s * recording.dt_s)
        n = recording.n_neurons
        weight, error = np.zeros((n, n)), np.ones((n, n))
        first, second = np.triu_indices(n, 1)
        coincident = counts[:, first, second].any(axis=0)  # without, nothing is known
        first, second = first[coincident], second[coincident]
        for start in range(0, len(first), PAIRS_AT_ONCE):
            a, b = first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]
            best = np.full(len(a), -np.inf)
            for kernel in kernels:
                coupling, spread, posterior = _fit(counts[:, a, b].astype(float), exposure, kernel, stiffness)
                better, best = posterior > best, np.maximum(posterior, best)
                for k, (post, pre) in enumerate([(b, a), (a, b)]):
                    weight[post[better], pre[better]] = coupling[k, better]
                    error[post[better], pre[better]] = spread[k, better]
        return Connectome(weight, standard_error=error, unit="log rate")


def correlograms(recording: Recording) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32], Float64Array]:
    """Cross-correlograms of all pairs.

    Returns
    -------
    lags : (K,) int array
        From -50 to 50 ms, in steps; only those that fit in an epoch.
    counts : (K, N, N) array
        `[k, i, j]`: spikes of j times spikes of i that many steps before, summed.
    exposure : (K,) array
        Pairs of steps compared at each lag, as a fraction of all steps.
    """
    lengths = np.array([stop - start for start, stop in recording.segments])
    last = min(round(WINDOW_S / recording.dt_s), int(lengths.max()) - 1)
    n = recording.n_neurons
    later = np.zeros((last + 1, n, n), np.float32)
    for start, stop in recording.segments:
        spikes = csr_array(recording.values[start:stop])  # sparse: most bins are empty
        for lag in range(min(last, stop - start - 1) + 1):
            later[lag] += (spikes[: stop - start - lag].T @ spikes[lag:]).toarray()
    counts = np.concatenate([later[:0:-1].transpose(0, 2, 1), later])
    lags = np.arange(-last, last + 1)
    exposure = (lengths[:, None] - np.abs(lags)).clip(min=0).sum(axis=0) / lengths.sum()
    return lags, counts, exposure


def _effect(lags: npt.NDArray[np.intp], dt_s: float, delay_s: float, tau_s: float) -> Float64Array:
    """(2, K) effect f of a spike of the first neuron on the second, and the reverse, averaged over bins."""
    within = (np.arange(-200, 200) + 0.5) / 200  # two spikes `lag` bins apart differ by lag + within, in bins
    since = (lags[:, None] + within) * dt_s - delay_s
    forward = np.where(since > 0, np.exp(-since.clip(min=0) / tau_s), 0) @ (1 - np.abs(within)) / 200
    return np.stack([forward, forward[::-1]])


def _fit(
    counts: Float64Array, exposure: Float64Array, effect: Float64Array, stiffness: float
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Maximum of the posterior of P pairs.

    Parameters
    ----------
    counts : (K, P) array
    exposure : (K,) array
    effect : (2, K) array
    stiffness : float
        Minus the second derivative of the log prior by the difference of neighbouring values of a.

    Returns
    -------
    coupling, standard error : (2, P) arrays
    log posterior : (P,) array
    """
    n_lags, n_pairs = counts.shape
    offset = np.log(exposure)[:, None]
    background = np.repeat(np.log(counts.mean(axis=0, keepdims=True)), n_lags, axis=0) - offset.mean()
    coupling = np.zeros((2, n_pairs))
    neighbours = np.full((n_lags, 1), 2.0)
    neighbours[[0, -1]] = 1.0
    for _ in range(MAX_STEPS):
        expected = np.exp(background + offset + effect.T @ coupling)
        difference = np.diff(background, axis=0, prepend=background[:1], append=background[-1:])
        slope_a = counts - expected + stiffness * np.diff(difference, axis=0)
        slope_j = effect @ (counts - expected) - coupling / PRIOR_SD**2
        mixed = effect.T[:, :, None] * expected[:, None]  # (K, 2, P) curvature between a and J
        right = np.concatenate([slope_a[:, None], mixed], axis=1)
        solved = _solve_tridiagonal(expected + stiffness * neighbours, -stiffness, right)
        curvature = np.einsum("ik,jk,kp->pij", effect, effect, expected) + np.eye(2) / PRIOR_SD**2
        covariance = np.linalg.inv(curvature - np.einsum("kip,kjp->pij", mixed, solved[:, 1:]))
        step_j = np.einsum("pij,jp->ip", covariance, slope_j - np.einsum("kip,kp->ip", mixed, solved[:, 0]))
        step_a = solved[:, 0] - np.einsum("kip,ip->kp", solved[:, 1:], step_j)
        longest = np.maximum(np.abs(step_a).max(axis=0), np.abs(step_j).max(axis=0))
        damping = MAX_STEP / longest.clip(min=MAX_STEP)  # far from the maximum an exponential misleads
        background, coupling = background + damping * step_a, coupling + damping * step_j
        if longest.max() < TOLERANCE:
            break
    log_rate = background + offset + effect.T @ coupling
    posterior = (counts * log_rate - np.exp(log_rate)).sum(axis=0)
    posterior -= stiffness / 2 * (np.diff(background, axis=0) ** 2).sum(axis=0)
    posterior -= (coupling**2).sum(axis=0) / (2 * PRIOR_SD**2)
    return coupling, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2).T), posterior


def _solve_tridiagonal(diagonal: Float64Array, off_diagonal: float, right: Float64Array) -> Float64Array:
    """Solve P symmetric tridiagonal systems of K unknowns, right-hand sides (K, R, P), by elimination."""
    solved, pivot = right.copy(), diagonal.copy()
    for k in range(1, len(diagonal)):
        factor = off_diagonal / pivot[k - 1]
        pivot[k] -= factor * off_diagonal
        solved[k] -= factor * solved[k - 1]
    solved[-1] /= pivot[-1]
    for k in range(len(diagonal) - 2, -1, -1):
        solved[k] = (solved[k] - off_diagonal * solved[k + 1]) / pivot[k]
    return solved
