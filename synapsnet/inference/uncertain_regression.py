"""Least squares of evidence on weights that are themselves uncertain: expected products take the place of products."""

from __future__ import annotations

import torch
from torch import Tensor


def expected_products(
    observed: Tensor,
    pairs: Tensor,
    moments: list[Tensor],
    effects: list[tuple[Tensor, Tensor]],
    constants: list[Tensor],
) -> Tensor:
    """(K, K) sums over `pairs` of the expected products of K columns: effects, constants and what is observed.

    An effect (f, r) is the column f w_ij + r w_ji. Weights are uncertain, so that a product of two effects has a
    covariance beside the product of means.

    Parameters
    ----------
    observed, pairs : (R, N) tensor
        What is observed of pairs, and how much each pair counts.
    moments : list of (R, N) tensors
        Means of w_ij and of w_ji, their variances, and their covariance.
    effects : list of pairs of tensors
        f and r, of shapes that broadcast to (R, N).
    constants : list of tensors
        Columns that do not depend on the weights.
    """
    forward, reverse, *spreads = moments
    forward_variance, reverse_variance, covariance = ((pairs * spread)[:, None] for spread in spreads)
    of_forward, of_reverse = (
        torch.stack([effect.expand_as(observed) for effect in of_weight], 1) for of_weight in zip(*effects, strict=True)
    )
    means = of_forward * forward[:, None] + of_reverse * reverse[:, None]
    columns = torch.cat([means, torch.stack([*(c.expand_as(observed) for c in constants), observed], 1)], 1)
    products = _summed(columns * pairs[:, None], columns)
    between = _summed(of_forward * covariance, of_reverse)
    spread = _summed(of_forward * forward_variance, of_forward) + _summed(of_reverse * reverse_variance, of_reverse)
    products[: len(effects), : len(effects)] += spread + between + between.T
    return products


def _summed(columns: Tensor, others: Tensor) -> Tensor:
    """(K, L) sums of the products of (R, K, N) and (R, L, N) columns; in float64 from row to row."""
    return torch.bmm(columns, others.mT).double().sum(0)


def regress(
    products: Tensor, n_pairs: float, effect_sd: float, offset_sd: float, known: int = 0
) -> tuple[Tensor, Tensor, float]:
    """Least squares of what is observed on effects and constants, from their `expected_products`.

    Parameters
    ----------
    products : (K, K) tensor
        The last column is what is observed, in units of its error.
    n_pairs : float
    effect_sd, offset_sd : float
        Standard deviations of the priors about 0 of two effects and of the two constants, one for each type: where
        types are not told apart, their constants are not either.
    known : int
        Number of leading effects whose coefficient is known to be 1.

    Returns
    -------
    effects, offsets : (2,) tensors
        Effects are not negative.
    spread : float
        Root mean square of the residuals: how much larger than the error they are.
    """
    normal, moment, squared = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    ridge = torch.diag(products.new_tensor([effect_sd**-2] * 2 + [offset_sd**-2] * 2))
    rest = moment[known:] - normal[known:, :known].sum(1)
    solution = torch.linalg.solve(normal[known:, known:] + ridge, rest)
    coefficients = torch.cat([products.new_ones(known), solution])
    residual = squared - 2 * coefficients @ moment + coefficients @ normal @ coefficients
    return solution[:2].clamp(min=0), solution[2:], float((residual / n_pairs).clamp(min=0).sqrt())
