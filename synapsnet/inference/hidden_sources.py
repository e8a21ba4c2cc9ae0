r"""Whether a peak of a correlogram is a connection, or two connections from one neuron that was not recorded.

Where delays differ from connection to connection, a hidden neuron that excites two recorded ones at delays d and
d' makes a peak at the lag d' - d, far from lag 0, like a connection. But both its targets respond with jitter. Where a
connection makes the response r(t), of abrupt onset, two connections from the same neuron make its autocorrelation,

.. math::
    \int r(s)\, r(s + t - \delta)\, ds

which rises as slowly as it falls, at any lag :math:`\delta`. The two are compared by their likelihoods, averaged over
delays and over lags from 0 on: peaks at lags below 0 are those of the reverse connection. How many peaks are of either
kind, the posterior learns.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from synapsnet.inference.background import design
from synapsnet.inference.responses import OWN_DELAY_SHAPE_S, binned, response
from synapsnet.recording import FloatArray

STANDS_OUT = 3.0  # a z-score: what is smaller has no shape to speak of
LONGEST_DELAY_S, GRID_S = 0.020, 0.0005
MOST_PAIRS = 10_000  # at a time


def log_direct(correlograms: Tensor, z: Tensor, step_s: float) -> Tensor:
    """(P,) log likelihood ratios of a connection to a hidden neuron, from (P, K) correlograms in units of their noise.

    Infinite where a z-score does not stand out. Its sign is that of the peak.
    """
    direct, hidden = (each.to(z) for each in _shapes(correlograms.shape[1], step_s))
    ratio = torch.full_like(z, torch.inf)
    for some in torch.split((z.abs() > STANDS_OUT).nonzero()[:, 0], MOST_PAIRS):
        upright = correlograms[some] * torch.sign(z[some])[:, None]
        ratio[some] = _log_likelihood(upright, direct) - _log_likelihood(upright, hidden)
    return ratio


def _log_likelihood(correlograms: Tensor, shapes: Tensor) -> Tensor:
    """(P,) of any of (S, K) shapes, each with its best size, over that of noise."""
    size = (correlograms @ shapes.T).clamp(min=0)
    return torch.logsumexp(size.square() / 2, dim=1) - math.log(len(shapes))


@cache
def _shapes(n_lags: int, step_s: float) -> tuple[Tensor, Tensor]:
    """(S, K) peaks of a connection, by its delay, and of a hidden neuron, by their lag."""
    delays_s = np.arange(GRID_S, LONGEST_DELAY_S, GRID_S).tolist()
    direct = [design(response(n_lags // 2, step_s, delay, *OWN_DELAY_SHAPE_S), n_lags)[:, 0] for delay in delays_s]
    hidden = [_of_hidden(n_lags, step_s, lag) for lag in [0.0, *delays_s]]
    return torch.stack(direct), torch.stack(hidden)


def _of_hidden(n_lags: int, step_s: float, lag_s: float) -> Tensor:
    lags = np.arange(n_lags) - n_lags // 2
    return binned(lambda t: autocorrelation(t - lag_s, *OWN_DELAY_SHAPE_S), lags, step_s)


def autocorrelation(t: FloatArray, rise_s: float, decay_s: float) -> FloatArray:
    """Of a response without delay, at lags t in seconds, up to a factor.

    The response is the difference of two exponentials, of which one falls with the decay, and the other with
    1 / (1 / rise + 1 / decay).
    """
    fast_s = 1 / (1 / rise_s + 1 / decay_s)
    both = decay_s * fast_s / (decay_s + fast_s)
    t = np.abs(t)
    return (decay_s / 2 - both) * np.exp(-t / decay_s) + (fast_s / 2 - both) * np.exp(-t / fast_s)
