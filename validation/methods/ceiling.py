"""What an efficient estimator with the right model would say: the ceiling of what can be learned from a recording.

The Fisher information of a recording says how well couplings can be known, the truth how large they are. Estimates that
are drawn from the two are as good as unbiased ones can be, and nothing ranks them better than the posterior of an
observer who knows how the network is made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from synapsnet.splits import holdout
from validation.methods.base import activity_of
from validation.methods.glm import GLM

N_WEIGHTS = 8  # of a type, equally likely
SMALLEST_RATE = 1e-3  # of the mean rate; where less is expected, a single spike would outweigh all others
ENOUGH_STEPS = 40_000  # to measure the information per step; it grows in proportion to their number
RIDGE = 1e-6  # keeps copied neurons from making the correlations singular


class Estimates(NamedTuple):
    """Estimates of N x N pairs, `[post, pre]`: z is sharpness times effect plus noise of variance 1."""

    z: Float64Array
    sharpness: Float64Array

    def sharper(self, more: float) -> Estimates:
        """As they would be with `more` times as much data."""
        return self._replace(sharpness=self.sharpness * more**0.5)


class Ceiling:
    """Posterior probability of each connection from estimates with the errors of the Fisher information; O(T N^3).

    1. `GLM` gives the standard error of each coupling at a lag. What is left of the activity, over the square root of
       what was expected, has partial correlations at zero lag, with a standard error of 1 / sqrt(T - N). Both are
       measured on the first `ENOUGH_STEPS`, because information is proportional to time.
    2. The effect of a weight w at a lag is a w + b w |w|, because log rates saturate. At zero lag it is c w times the
       root of both rates, and a pair shows the sum of its two directions. The least squares of the estimates on the
       true weights give a, b and c of each type of presynaptic neuron; noise does not bias them, because the truth is
       the regressor. A neuron's type is the sign of its summed weights.
    3. Estimates are drawn: effects plus noise. The observer sees both couplings and the partial correlation of a pair,
       and knows each neuron's type and, of each type, effects, density and distribution of weights.

    Hidden neurons and shared input count as noise only, although they mislead methods. For calcium it is the ceiling of
    what is left in the deconvolved activity, at a lag of one frame and within a frame. Knowing the topology, or
    couplings at longer lags, could give more.

    Parameters
    ----------
    truth : Connectome
        Connectome of the neurons that are recorded.
    seed : int
        Seed of the noise.
    """

    def __init__(self, truth: Connectome, seed: int = 0) -> None:
        self.truth, self.seed = truth, seed

    def infer(self, recording: Recording) -> Connectome:
        """The probability of each connection, with the sign of the weight that is expected.

        Raises
        ------
        InputError
            If the truth is not of as many neurons as the recording.
        """
        n = recording.n_neurons
        if self.truth.n_neurons != n:
            raise InputError(
                f"The truth must be of the recording's {n} neurons; got {self.truth.n_neurons}. Select those recorded."
            )
        weight = self.truth.weight / (np.abs(self.truth.weight).max() or 1.0)
        kind = (weight.sum(axis=0) < 0).astype(int)  # 0 excites, 1 inhibits
        part = recording
        if recording.n_steps > ENOUGH_STEPS:
            part, _ = holdout(recording, fraction=1 - ENOUGH_STEPS / recording.n_steps, gap=0)
        lagged, same_step = _measure(part)
        slopes, gains = _slopes(lagged, weight, kind), _gains(same_step, weight, kind)
        lagged, same_step = (
            evidence_at_lag.sharper(recording.n_steps / part.n_steps) for evidence_at_lag in (lagged, same_step)
        )
        values, log_prior = _prior(weight, kind)

        rng = np.random.default_rng(self.seed)
        at_lag = lagged.sharpness * (_powers(weight) * slopes[kind]).sum(axis=-1)
        within = same_step.sharpness * weight * gains[kind]
        noise = np.triu(rng.standard_normal((n, n)), 1)
        probability, expected = observe(
            at_lag + rng.standard_normal((n, n)),
            lagged.sharpness[..., None] * (_powers(values) * slopes[:, None]).sum(axis=-1)[kind],
            within + within.T + noise + noise.T,
            same_step.sharpness[..., None] * (values * gains[:, None])[kind],
            log_prior[kind],
            values[kind],
        )
        signed = np.where(expected < 0, -probability, probability)
        np.fill_diagonal(signed, 0)
        return Connectome(signed, unit="signed probability")


def observe(
    at_lag: Float64Array,
    lag_effects: Float64Array,
    within: Float64Array,
    step_effects: Float64Array,
    log_prior: Float64Array,
    values: Float64Array,
) -> tuple[Float64Array, Float64Array]:
    """Posterior of each connection, from the estimates of a pair in both directions; O(N^2 K^2).

    Parameters
    ----------
    at_lag, within : (N, N) array, `[post, pre]`
        Estimates with standard errors of 1; `within` is symmetric.
    lag_effects, step_effects : (N, N, K) array
        What each of K weights would add to them; the first weight is 0, no connection.
    log_prior, values : (N, K) array
        For each presynaptic neuron: log probability of the weights, and the weights.

    Returns
    -------
    probability, expected : (N, N) array
        Probability of a connection, and its expected weight.
    """
    one_way = log_prior - (at_lag[..., None] - lag_effects) ** 2 / 2
    probability, expected = np.zeros((2, *at_lag.shape))
    for i, observed in enumerate(within):  # row by row, for memory
        together = step_effects[i][:, :, None] + step_effects[:, i][:, None, :]  # [j, weight from j, weight to j]
        joint = one_way[i][:, :, None] + one_way[:, i][:, None, :] - (observed[:, None, None] - together) ** 2 / 2
        posterior = softmax(joint, axis=(1, 2)).sum(axis=2)
        probability[i] = posterior[:, 1:].sum(axis=1)
        expected[i] = (posterior * values).sum(axis=1)
    return probability, expected


def _measure(recording: Recording) -> tuple[Estimates, Estimates]:
    """Couplings at a lag, and partial correlations at zero lag of what they leave."""
    glm = GLM()
    coupling = glm.infer(recording)
    assert coupling.standard_error is not None
    activity, expected = activity_of(recording), glm.forecast(recording, 1)[0]
    predicted = ~np.isnan(expected[:, 0])  # all but the first step of an epoch
    activity, expected = activity[predicted], expected[predicted]
    rate = activity.mean(axis=0)
    residual = (activity - expected) / np.sqrt(expected.clip(min=SMALLEST_RATE * rate.mean()))
    spread = residual.std(axis=0)
    alive = (np.ptp(activity, axis=0) > 0) & (spread > 0)
    both_alive = np.outer(alive, alive)

    error = coupling.standard_error
    sharpness = np.divide(1, error, out=np.zeros_like(error), where=both_alive & (error > 0))
    lagged = Estimates(coupling.weight * sharpness, sharpness)

    scaled = np.where(alive, (residual - residual.mean(axis=0)) / np.where(alive, spread, 1), 0)
    correlation = (scaled.T @ scaled).astype(np.float64) / len(scaled)
    np.fill_diagonal(correlation, 1 + RIDGE)
    precision = np.linalg.inv(correlation)
    partial = -precision / np.sqrt(np.outer(np.diagonal(precision), np.diagonal(precision)))
    root = np.sqrt(max(len(scaled) - len(rate), 0))
    size = np.sqrt(np.outer(rate, rate)) / (rate.mean() or 1) * both_alive
    return lagged, Estimates(root * partial, root * size)


def _powers(weight: Float64Array) -> Float64Array:
    """(..., 2) the weight, and its square with its sign."""
    return np.stack([weight, weight * np.abs(weight)], axis=-1)


def _slopes(lagged: Estimates, weight: Float64Array, kind: npt.NDArray[np.int_]) -> Float64Array:
    """(2, 2) effect at a lag of the `_powers` of a weight, `[kind, power]`."""
    design = lagged.sharpness[..., None] * _powers(weight)
    edges = [(weight != 0) & (kind == k) for k in (0, 1)]
    return np.stack([_fit(design[among], lagged.z[among]) for among in edges])


def _gains(same_step: Estimates, weight: Float64Array, kind: npt.NDArray[np.int_]) -> Float64Array:
    """(2,) effect of a weight at zero lag, per kind."""
    each_way = [same_step.sharpness * np.where(kind == k, weight, 0) for k in (0, 1)]
    upper = np.triu_indices(len(weight), 1)
    design = np.stack([(way + way.T)[upper] for way in each_way], axis=1)
    return _fit(design, same_step.z[upper])


def _fit(design: Float64Array, z: Float64Array) -> Float64Array:
    """(P,) least squares, less what they owe to noise.

    Noise of variance 1 adds as much to the sum of squares that they explain as there are coefficients. With few
    connections this would pass for information.
    """
    coefficients, _, rank, _ = np.linalg.lstsq(design, z)
    explained = ((design @ coefficients) ** 2).sum()
    return np.asarray(coefficients * np.sqrt(max(1 - rank / explained, 0)) if explained > 0 else coefficients)


def _prior(weight: Float64Array, kind: npt.NDArray[np.int_]) -> tuple[Float64Array, Float64Array]:
    """(2, 1 + N_WEIGHTS) weights from each kind of neuron, the first being 0, and their log probabilities."""
    values, prior = np.zeros((2, 2, 1 + N_WEIGHTS))
    for k in (0, 1):
        outgoing = weight[:, kind == k]
        density = np.count_nonzero(outgoing) / max(outgoing.size - outgoing.shape[1], 1)
        if density > 0:
            ranks = (np.arange(N_WEIGHTS) + 0.5) / N_WEIGHTS
            values[k, 1:] = np.quantile(outgoing[outgoing != 0], ranks, method="inverted_cdf")
        prior[k] = [1 - density, *[density / N_WEIGHTS] * N_WEIGHTS]
    with np.errstate(divide="ignore"):  # a kind that connects to nobody, or to all
        return values, np.log(prior)
