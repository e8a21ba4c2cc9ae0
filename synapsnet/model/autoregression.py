"""The linear autoregression that all neurons of a recording share, by the Yule-Walker equations."""

from __future__ import annotations

import torch
from torch import Tensor

from synapsnet.memmap import rows_in_blocks
from synapsnet.normalised import Activity
from synapsnet.splits import Segments

RIDGE = 1e-6  # of the variance


def autocovariances(values: Activity, segments: Segments, order: int) -> Tensor:
    """(M + 1, N) autocovariance of each neuron at lags from 0 to M.

    Parameters
    ----------
    values : (T, N) tensor, or `Normalised`
        Activity of mean 0.
    segments : list of (start, stop)
        Row ranges; no product crosses the border of one.
    order : int
        M.
    """
    products = torch.zeros(order + 1, values.shape[1], device=values.device)
    counts = torch.zeros(order + 1, 1, device=values.device)
    for start, stop in segments:
        for rows in rows_in_blocks(stop - start, values.shape[1]):
            first = max(0, rows.start - order)  # what the block's first steps come after
            part = values[start + first : start + rows.stop]
            for lag in range(min(order + 1, rows.stop)):
                later = part[max(lag, rows.start - first) :]
                products[lag] += torch.einsum("tn,tn->n", later, part[len(part) - len(later) - lag : len(part) - lag])
                counts[lag] += len(later)
    return products / counts.clamp(min=1)


def shared_autoregression(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients on the last M steps that predict all neurons best, and what they leave.

    Parameters
    ----------
    covariance : (M + 1, N) tensor
        See `autocovariances`.

    Returns
    -------
    coefficients : (M,) tensor
        The last step first.
    noise : (N,) tensor
        Variance of each neuron's prediction errors.
    """
    lags = torch.arange(1, len(covariance), device=covariance.device)
    between = (lags[:, None] - lags).abs()
    shared = covariance.sum(1)
    regular = shared[between] + RIDGE * shared[0] * torch.eye(len(lags), device=covariance.device)
    coefficients = torch.linalg.solve(regular, shared[lags])
    explained = torch.einsum("a,abn,b->n", coefficients, covariance[between], coefficients)
    return coefficients, covariance[0] - 2 * coefficients @ covariance[lags] + explained
