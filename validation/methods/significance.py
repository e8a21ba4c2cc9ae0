"""Evidence from tests whose statistic is not normal, as an effect and a z-score of the same sign."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome

SMALLEST = 1e-300


def z_of_log_p(log_p: FloatArray) -> FloatArray:
    """Size of the normal deviate with a two-sided p-value, from its logarithm, which cannot underflow."""
    return np.maximum(-ndtri_exp(np.minimum(log_p, 0) - np.log(2)), 0)


def best_of(z: FloatArray, n_tests: int) -> FloatArray:
    """Size of the z-score with the p-value of the largest of several, corrected for there being several.

    Šidák 1967, J Am Stat Assoc 62:626; conservative for dependent tests.

    Parameters
    ----------
    z : array
        The largest of `n_tests`, in either direction.
    n_tests : int
    """
    if n_tests == 1:
        return np.abs(z)
    log_p = np.minimum(np.log(2) + log_ndtr(-np.abs(z)), 0)
    missed = n_tests * np.log1p(-np.exp(np.minimum(log_p, -1e-12)))  # of the probability that all tests are smaller
    several = np.log(-np.expm1(missed) + SMALLEST)
    # Where p is lost against 1, so is its square: the corrected p-value is that of Bonferroni.
    return z_of_log_p(np.where(log_p < -30, log_p + np.log(n_tests), several))


def with_z(effect: FloatArray, z: FloatArray, unit: str) -> Connectome:
    """A connectome with weights `effect` and the signs of `effect` on the scores, whose sizes are those of `z`.

    Parameters
    ----------
    effect, z : (N, N) array, `[post, pre]`
        Their diagonals are not used. A pair without an effect, or with z = 0, has no evidence.
    unit : str
        Unit of the effect.
    """
    has_evidence = (effect != 0) & (z != 0) & ~np.eye(len(effect), dtype=bool)
    weight = np.where(has_evidence, effect, 0.0)
    error = np.divide(np.abs(effect), np.abs(z), out=np.ones(effect.shape), where=has_evidence)
    return Connectome(weight, standard_error=error, unit=unit)
