r"""What neurons share because they are near each other: neuropil and scattered light that nobody subtracted.

Light from its surroundings reaches a neuron's trace, so two traces hold the same signal at once, the more of it the
nearer the two neurons are. By the evidence each of them seems to act on the other. A connection has a direction, and
excites or inhibits; this is the same both ways round, positive, and falls with the distance :math:`d_{ij}`:

.. math::
    s_{ij} = \sum_\lambda a_\lambda e_{ij} + b_\lambda \tfrac{N}{2}
             \Big(\frac{e_{ij}}{\sum_k e_{ik}} + \frac{e_{ij}}{\sum_k e_{kj}}\Big),
    \qquad e_{ij} = e^{-d_{ij} / \lambda}, \quad a, b \ge 0

The first term is that of a source whose light adds up with that of all others; by the second, a neuron whose neighbours
are few gets more from each of them. The amplitudes a and b are fitted to z-scores (nonnegative least squares, Lawson &
Hanson 1974), those of connections clipped (Huber 1964).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from synapsnet.array_types import FloatArray
from synapsnet.inference.background import spread
from synapsnet.inference.evidence import Evidence

LENGTHS_UM = (12.5, 25.0, 50.0, 100.0, 200.0)
CLIP, STEPS = 1.5, 8  # standard deviations of most z-scores, and how often they are clipped about the fit
LEARNING_NEURONS, FEWEST_NEURONS = 1000, 20  # between which amplitudes are learned; between fewer they are chance
LEAST_LIGHT = 1e-6  # from all around: whoever gets less has no neighbours
BLOCK_PAIRS = 250_000  # at a time


def without_neuropil(evidence: Evidence, position_um: FloatArray) -> Evidence:
    """The evidence less what neighbours share, at the lags and at zero lag.

    Parameters
    ----------
    evidence : Evidence
    position_um : (N, 3) array
        NaN where it is not known. Pairs whose distance is not known stay as they are.
    """
    axes = np.isfinite(position_um).any(0)  # an image has no depth
    position = torch.from_numpy(position_um[:, axes]).to(evidence.estimate)
    known = position.isfinite().all(1).nonzero()[:, 0]
    if not axes.any() or len(known) < FEWEST_NEURONS:
        return evidence
    everyone = torch.arange(len(position), device=position.device)
    blocks = torch.split(everyone, max(1, BLOCK_PAIRS // len(position)))
    light = torch.cat([_near(position, rows, everyone).sum(2) for rows in blocks], dim=1).clamp(min=LEAST_LIGHT)
    learning = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0)).to(known.device)]
    learning = learning[:LEARNING_NEURONS]
    some, once = (learning[:, None], learning), torch.triu_indices(len(learning), len(learning), 1)
    terms = _terms(position, light, learning, learning)[:, *once].T
    error, root_n_steps = evidence.standard_error, evidence.n_steps**0.5
    z = evidence.estimate[some] / error[some]
    at_lags = _amplitudes(terms, ((z + z.T) / 2)[*once])
    at_zero_lag = _amplitudes(terms, root_n_steps * evidence.zero_lag[some][*once])
    estimate, zero_lag = evidence.estimate.clone(), evidence.zero_lag.clone()
    for rows in blocks:
        terms = _terms(position, light, rows, everyone)
        estimate[rows] -= torch.tensordot(at_lags, terms, dims=1) * error[rows]
        zero_lag[rows] -= torch.tensordot(at_zero_lag, terms, dims=1) / root_n_steps
    return replace(evidence, estimate=estimate, zero_lag=zero_lag)


def _near(position: Tensor, post: Tensor, pre: Tensor) -> Tensor:
    """(L, R, C) the exponentials of the distances; 0 of a neuron to itself, and where it is not known."""
    length = torch.tensor(LENGTHS_UM, device=position.device)[:, None, None]
    near = (-torch.cdist(position[post], position[pre]) / length).exp_().nan_to_num_()
    return near.masked_fill_(post[:, None] == pre, 0)


def _terms(position: Tensor, light: Tensor, post: Tensor, pre: Tensor) -> Tensor:
    """(2 L, R, C) the terms of the module's docstring, from the (L, N) sums over k."""
    near = _near(position, post, pre)
    shares = near * (1 / light[:, post, None] + 1 / light[:, None, pre])
    return torch.cat([near, shares * (len(position) / 2)])


def _amplitudes(terms: Tensor, z: Tensor) -> Tensor:
    """(K,) amplitudes of (P, K) terms in (P,) z-scores, beside a level of either sign that all pairs have."""
    level = torch.ones_like(terms[:, :1])
    design, triangle = np.linalg.qr(torch.cat([terms, level, -level], dim=1).cpu().double().numpy())
    values, deviation = z.cpu().double().numpy(), CLIP * spread(z)
    fitted = np.full_like(values, np.median(values))
    for _ in range(STEPS):
        clipped = fitted + np.clip(values - fitted, -deviation, deviation)
        amplitudes = nnls(triangle, design.T @ clipped)[0]
        fitted = design @ (triangle @ amplitudes)
    return torch.from_numpy(amplitudes[: terms.shape[1]]).to(z)
