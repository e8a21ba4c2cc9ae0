"""A quantity that cannot be observed, from recordings with a like signature: rejection with regression adjustment.

Approximate Bayesian computation (Beaumont, Zhang & Balding 2002, Genetics 162:2025): of many simulations, those whose
statistics are nearest to the observed ones stand for what is plausible, after a linear regression has removed the
effect of what their statistics differ by. Here the regression is one over all simulations, shrunk (ridge) because
statistics are many; and the errors of the nearest, which remain, are those of regressions without simulations of the
same kind. So intervals are as wide as errors on networks of other kinds are. How large errors are depends on the
statistics too, on little data most of all: a second regression is one of the logarithm of their size, and errors count
in units of it (Blum & Francois 2010, Statistics and Computing 20:63).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import binom, norm
from sklearn.linear_model import Ridge

from synapsnet.array_types import Float64Array, FloatArray
from validation.metrics.results import Estimate

N_NEAR = 100
PENALTY = 50.0  # of squared coefficients of standardised statistics
MOST = 0.99  # shares beyond it count as this, and so at the other end: logits have no limits
LEVEL = 0.95
LEAST_ERROR = 0.1  # beside it, smaller ones are alike
SMALLEST_SPREAD = 1e-9  # above rounding
RARE = 1e-6  # a chance that counts as none


@dataclass(frozen=True)
class Standard:
    """Statistics in units of their spread over examples.

    Attributes
    ----------
    centre, scale : (F,) arrays
    """

    centre: Float64Array
    scale: Float64Array

    @classmethod
    def of(cls, values: FloatArray) -> Standard:
        spread = values.std(axis=0)
        # One that does not vary is not known to matter: in units of nothing it alone would decide what is near.
        return cls(np.median(values, axis=0), np.where(spread > SMALLEST_SPREAD, spread, 1.0))

    def __call__(self, values: FloatArray) -> Float64Array:
        return np.asarray((values - self.centre) / self.scale, dtype=np.float64)

    def apart(self, values: FloatArray, at: FloatArray) -> Float64Array:
        """(M,) distances of M examples from (F,) statistics."""
        return np.sqrt(np.mean((self(values) - self(at)) ** 2, axis=1))


@dataclass(frozen=True)
class Plausible:
    """A weighted sample of what is plausible.

    Attributes
    ----------
    values, weights : (K,) arrays
    kinds : (K,) array
        Kind of the example of which each is the error: errors of one kind go together.
    """

    values: Float64Array
    weights: Float64Array
    kinds: npt.NDArray[np.str_]

    @property
    def tail(self) -> float:
        """Weight to leave out at either end of a 95% interval: a new value is outside n others with chance 1 / n."""
        n = float(self.weights.sum() ** 2 / np.square(self.weights).sum())
        return max((1 - LEVEL) / 2 - LEVEL / (2 * n), 0.0)

    def widened(self, factor: float) -> Plausible:
        """The same with all distances from the median multiplied."""
        (median,) = weighted_quantiles(self.values, self.weights, np.array([0.5]))
        return replace(self, values=median + factor * (self.values - median))

    def estimate(self) -> Estimate:
        """Median and 95% interval, wider for how few the values are."""
        at = np.array([self.tail, 0.5, 1 - self.tail])
        low, value, high = weighted_quantiles(self.values, self.weights, at).tolist()
        return Estimate(value=value, low=low, high=high)

    def mean_fraction(self) -> Estimate:
        """Mean of fractions of which the values are logits, and the 95% interval of that mean, by how kinds differ."""
        fractions = fraction_of_logit(self.values)
        mean = float(np.average(fractions, weights=self.weights))
        kinds = [self.kinds == kind for kind in np.unique(self.kinds)]
        apart = [float(self.weights[kind] @ (fractions[kind] - mean)) for kind in kinds]
        error = float(np.linalg.norm(apart) / self.weights.sum()) * math.sqrt(len(kinds) / max(len(kinds) - 1, 1))
        half = float(norm.ppf((1 + LEVEL) / 2)) * error
        return Estimate(value=mean, low=max(mean - half, 0.0), high=min(mean + half, 1.0))

    def fraction_of(self, n: int) -> Estimate:
        """Of n things, each of which is so or not with a fraction of which the values are logits, how many are.

        As a fraction of n: its mean, and the 95% interval of a mixture of binomial distributions, in whole things.
        """
        fractions, weights = fraction_of_logit(self.values), self.weights / self.weights.sum()

        def least(chance: float) -> int:
            """The least number that is not exceeded with this chance."""
            low, high = 0, n
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if weights @ binom.cdf(middle, n, fractions) >= chance else (middle + 1, high)
            return low

        tail = max(self.tail, RARE)
        return Estimate(value=float(weights @ fractions), low=least(tail) / n, high=least(1 - tail) / n)


@dataclass(frozen=True)
class Adjustment:
    """Learned from M examples of one quantity.

    Attributes
    ----------
    standard : Standard
    signatures : (M, F) array
        Standardised.
    quantity, log_size : Ridge
        Regressions of the quantity, and of the logarithm of errors' sizes.
    errors : (M,) array
        Errors of regressions without the kind of each example, over the size that errors have there.
    kinds : (M,) array
    """

    standard: Standard
    signatures: Float64Array
    quantity: Ridge
    log_size: Ridge
    errors: Float64Array
    kinds: npt.NDArray[np.str_]

    @classmethod
    def learn(
        cls,
        signatures: FloatArray,
        quantity: FloatArray,
        kinds: npt.NDArray[np.str_],
        weights: FloatArray | None = None,
    ) -> Adjustment:
        """From M examples.

        Parameters
        ----------
        signatures : (M, F) array
        quantity : (M,) array
            On a scale without limits.
        kinds : (M,) array
        weights : (M,) array, optional
            In the regressions, with a mean of 1.
        """
        standard = Standard.of(signatures)
        x, errors = standard(signatures), np.empty(len(quantity))
        weights = np.ones(len(quantity)) if weights is None else weights
        for kind in np.unique(kinds):
            other = kinds != kind
            errors[~other] = quantity[~other] - _ridge(x[other], quantity[other], weights[other]).predict(x[~other])
        log_size = _ridge(x, np.log(np.abs(errors) + LEAST_ERROR), weights)
        return cls(standard, x, _ridge(x, quantity, weights), log_size, errors / np.exp(log_size.predict(x)), kinds)

    def plausible(self, signature: FloatArray, n_near: int = N_NEAR) -> Plausible:
        """What is plausible for a recording with this (F,) signature."""
        at = self.standard(signature)
        apart = np.sqrt(np.mean((self.signatures - at) ** 2, axis=1))
        beyond = np.sort(apart)[min(n_near, len(apart) - 1)] * (1 + 1e-9) + 1e-12  # all may be as far
        weights = np.maximum(1 - (apart / beyond) ** 2, 0)  # Epanechnikov's
        near = weights > 0
        size = np.exp(self.log_size.predict(at[None])[0])
        values = self.quantity.predict(at[None])[0] + size * self.errors[near]
        return Plausible(values, weights[near], self.kinds[near])


def weighted_quantiles(values: FloatArray, weights: FloatArray, at: FloatArray) -> Float64Array:
    """Quantiles of values with weights, interpolated between them."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(at, sums / weights.sum(), values[order])


def logit_of_fraction(fraction: FloatArray) -> Float64Array:
    """Logit of fractions from 0 to 1; beyond `MOST` as of it, since all and nothing have none."""
    return np.asarray(logit(np.clip(fraction, 1 - MOST, MOST)), dtype=np.float64)


def fraction_of_logit(values: FloatArray) -> Float64Array:
    """Fractions of which these are the logits; beyond `MOST` all, and at the other end nothing."""
    fractions = np.asarray(expit(values), dtype=np.float64)
    return np.where(fractions >= MOST, 1.0, np.where(fractions <= 1 - MOST, 0.0, fractions))


def _ridge(x: FloatArray, y: FloatArray, weights: FloatArray) -> Ridge:
    return Ridge(alpha=PENALTY).fit(x, y, sample_weight=weights)
