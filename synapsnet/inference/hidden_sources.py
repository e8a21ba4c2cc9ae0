r"""Whether a peak of a correlogram is a connection, or two connections from one neuron that was not recorded.

Where delays differ from connection to connection, a hidden neuron that excites two recorded ones at delays d and
d' makes a peak at the lag d' - d, far from lag 0, like a connection. But both its targets respond with jitter. Where a
connection makes the response r(t), of abrupt onset, two connections from the same neuron make its autocorrelation,

.. math::
    \int r(s)\, r(s + t - \delta)\, ds

which rises as slowly as it falls, at any lag :math:`\delta`. The two are compared by their likelihoods, averaged over
delays and over lags from 0 on: peaks at lags below 0 are those of the reverse connection.

A hidden neuron seldom has two targets only. With a third one, k, at the delay d'', both make peaks at d - d'' and
d' - d''. So two targets of the same neurons have the same correlograms :math:`c` with everyone else, but for the lag l
of their own peak,

.. math::
    a_{ij} = \textstyle\sum_k \sum_t c_{ik}(t)\, c_{jk}(t - l)

and two neurons of which one sends to the other do not. The posterior learns how many peaks are of either kind.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from synapsnet.array_types import FloatArray
from synapsnet.inference.background import design
from synapsnet.inference.correlograms import smoothed
from synapsnet.inference.responses import OWN_DELAY_SHAPE_S, binned, response
from synapsnet.inference.spectra import CrossSpectra

STANDS_OUT = 2.0  # a z-score: what is smaller has no shape to speak of
LONGEST_DELAY_S, GRID_S = 0.020, 0.0005
MOST_PAIRS = 10_000  # at a time
PEAK_WIDTH_S, MOST_PEAK = 0.002, 4.0  # standard deviation; in standard errors, so that a few peaks do not make it all
TYPICAL_AGREEMENT = 3.0  # standard deviations, of the targets of one neuron


class HiddenSources:
    """Collects what correlograms say of hidden neurons, a few postsynaptic neurons at a time.

    Parameters
    ----------
    n : int
        Neurons.
    others : (M,) int64 tensor
        The third neurons, whose correlograms with both neurons of a pair are compared.
    spectra : CrossSpectra
        The spectra of the correlograms.
    """

    def __init__(self, n: int, others: Tensor, spectra: CrossSpectra) -> None:
        device = others.device
        self.others, self.step_s, n_lags = others, spectra.step_s, len(spectra.lags)
        self.acting = slice(n_lags // 2, n_lags // 2 + 1 + round(LONGEST_DELAY_S / self.step_s))
        self.by_shape = torch.zeros(n, n, device=device)
        self.excites = torch.zeros(n, n, dtype=torch.bool, device=device)
        self.lag = torch.zeros(n, n, dtype=torch.int64, device=device)  # of each pair's peak, in bins
        self.with_others = torch.zeros(n, len(others), n_lags, device=device)

    def add(self, rows: Tensor, correlograms: Tensor, z: Tensor) -> None:
        """(R, N, K) correlograms in units of their noise, and (R, N) z-scores, of R postsynaptic neurons."""
        by_shape = log_direct(correlograms.flatten(0, 1), z.flatten(), self.step_s)
        self.by_shape[rows], self.excites[rows] = by_shape.view_as(z), z > 0
        height = peaks(correlograms, self.step_s)
        # Peaks before lag 0 are those of the reverse connection.
        self.lag[rows] = height[..., self.acting].argmax(-1)
        self.with_others[rows] = height[:, self.others] * (rows[:, None] != self.others)[..., None]

    def log_direct(self) -> Tensor:
        """(N, N) log likelihood ratios of a connection to a hidden neuron, see `Evidence`.

        A neuron that sends to both excites both or inhibits both, so it makes peaks and never troughs.
        """
        same_source = log_same_source(self.with_others, self.lag, self.step_s)
        return torch.where(self.excites, self.by_shape - same_source, self.by_shape)


def log_direct(correlograms: Tensor, z: Tensor, step_s: float) -> Tensor:
    """(P,) log likelihood ratios of a connection to a hidden neuron, from (P, K) correlograms in units of their noise.

    Infinite where a z-score does not stand out. Its sign is that of the peak.
    """
    direct, hidden = (shapes.to(z) for shapes in _shapes(correlograms.shape[1], step_s))
    ratio = torch.full_like(z, torch.inf)
    for pairs in torch.split((z.abs() > STANDS_OUT).nonzero()[:, 0], MOST_PAIRS):
        upright = correlograms[pairs] * torch.sign(z[pairs])[:, None]
        ratio[pairs] = _log_likelihood(upright, direct) - _log_likelihood(upright, hidden)
    return ratio


def _log_likelihood(correlograms: Tensor, shapes: Tensor) -> Tensor:
    """(P,) log likelihoods of any of (S, K) shapes, each with its best size, less that of noise."""
    size = (correlograms @ shapes.T).clamp(min=0)
    return torch.logsumexp(size.square() / 2, dim=1) - math.log(len(shapes))


def peaks(correlograms: Tensor, step_s: float) -> Tensor:
    """(..., K) smoothed correlograms in units of their noise, where they are positive, about their mean over lags."""
    width = PEAK_WIDTH_S / step_s
    z = smoothed(correlograms, width) * math.sqrt(2 * math.sqrt(math.pi) * width)
    z = z.clamp(0, MOST_PEAK)
    return z - z.mean(-1, keepdim=True)


def log_same_source(with_others: Tensor, lag: Tensor, step_s: float) -> Tensor:
    """(N, N) log likelihood ratios of a hidden neuron that sends to both neurons of a pair, to no such neuron.

    The agreement is normal: about 0 without a hidden neuron, and with one about a value from the positive half of a
    normal distribution. Its scatter is that at lags at which no neuron makes two others agree.

    Parameters
    ----------
    with_others : (N, M, K) tensor
        Peaks of each neuron with M others, 0 with itself.
    lag : (N, N) int64 tensor
        Lag of each pair's own peak, in bins, not negative.
    step_s : float
    """
    n, _, n_lags = with_others.shape
    agreement, scatter = torch.zeros(n, n, device=with_others.device), []
    pairs = ~torch.eye(n, dtype=torch.bool, device=with_others.device)
    longest = round(LONGEST_DELAY_S / step_s)
    for shift in range(2 * longest + 1):
        shifted = with_others[:, :, shift:].flatten(1) @ with_others[:, :, : n_lags - shift].flatten(1).T
        if shift <= longest:
            agreement = torch.where(lag == shift, shifted, agreement)
        else:
            scatter.append(shifted[pairs].square().mean())
    agreement /= torch.stack(scatter).mean().sqrt().clamp(min=1e-9)
    # The ratio is 2 Phi(z) N(a; 0, 1 + s^2) / N(a; 0, 1), with the agreement a and the typical one s.
    variance = 1 + TYPICAL_AGREEMENT**2
    z = agreement * TYPICAL_AGREEMENT / variance**0.5
    return math.log(2) - 0.5 * math.log(variance) + torch.special.log_ndtr(z) + z.square() / 2


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
    """Autocorrelation of a response without delay, at lags t in seconds, up to a factor.

    The response is the difference of two exponentials, of which one falls with the decay, and the other with
    1 / (1 / rise + 1 / decay).
    """
    fast_s = 1 / (1 / rise_s + 1 / decay_s)
    both = decay_s * fast_s / (decay_s + fast_s)
    t = np.abs(t)
    return (decay_s / 2 - both) * np.exp(-t / decay_s) + (fast_s / 2 - both) * np.exp(-t / fast_s)
