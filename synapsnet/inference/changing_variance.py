r"""How much further the estimates of a pair scatter because both neurons vary most at the same times.

Rates drift, states change, bursts come: what one neuron sends and the errors with which another is predicted are then
large together, in some pairs, and small together in others. An estimate is a sum over steps of products :math:`s_i(t)\,
g_j(t)`, of the postsynaptic score and of what the presynaptic neuron sends beyond what the others predict of it. Its
variance is :math:`\sum_t s_i(t)^2 g_j(t)^2` (White 1980, Econometrica 48:817), which is a product of two means only if
the squares do not change together.

As it stands that sum holds the coincidences that a connection makes, and few of them are a poor measure of a variance:
where there happen to be fewer the error would be too small. So the square at a step is mostly its mean at other times
nearby.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synapsnet.devices import add_up

if TYPE_CHECKING:
    from lightning_fabric import Fabric

NEARBY_STEPS = (2, 100)  # beyond how many steps, and up to how many, on either side
AT_THE_STEP = 0.25  # weight of the step itself: bursts may be over within a few steps
SMALLEST_SUM = 1e-12  # of squares of a silent neuron


class ChangingVariance:
    """Sums over stretches of steps, of N neurons.

    Parameters
    ----------
    precision : (N, N) tensor
        Inverse covariance of what neurons send.
    """

    def __init__(self, precision: Tensor) -> None:
        self.precision = precision.float()
        # float32: sums of squares, of which three digits are enough, in matrices that fill the memory
        self._scores, self._information, self._residuals = (torch.zeros_like(self.precision) for _ in range(3))
        n = len(precision)
        self._score, self._step_information, self._residual, self._nearby_residual, self._steps = (
            torch.zeros(n, dtype=precision.dtype, device=precision.device) for _ in range(5)
        )

    def add(self, sent: Tensor, score: Tensor, information: Tensor, residual: Tensor) -> None:
        """Take in (T, N) activity sent, scores, information of each step and residuals of a stretch."""
        score, residual = score.square(), residual.square()
        sent = (sent @ self.precision).square()
        sent = AT_THE_STEP * sent + (1 - AT_THE_STEP) * mean_around(sent, *NEARBY_STEPS)
        nearby = mean_around(residual, *NEARBY_STEPS)  # without the step, to which a connection within it adds
        self._scores += score.T @ sent
        self._information += weighted(information, sent)
        self._residuals += residual.T @ nearby
        self._score += score.sum(0)
        self._step_information += information.sum(0)
        self._residual += residual.sum(0)
        self._nearby_residual += nearby.sum(0)
        self._steps += len(score)

    def add_up(self, fabric: Fabric) -> None:
        """Over the processes, each of which has taken in its stretches."""
        for name, value in list(vars(self).items()):
            if name != "precision":
                setattr(self, name, add_up(fabric, value))

    def of_estimates(self) -> Tensor:
        """(N, N) variances of the estimates, over those of neurons whose squares do not change together."""
        expected = self._information * (self._score / self._step_information.clamp(min=SMALLEST_SUM)).float()[:, None]
        return _ratio(self._scores, expected)

    def of_zero_lag(self) -> Tensor:
        """(N, N) the same of products of two neurons' residuals in one step; symmetric."""
        expected = torch.outer(self._residual / self._steps, self._nearby_residual).float()
        ratio = _ratio(self._residuals, expected)
        return (ratio + ratio.T) / 2


def _ratio(found: Tensor, expected: Tensor) -> Tensor:
    return torch.where(expected > SMALLEST_SUM, found / expected, 1.0)


def weighted(information: Tensor, values: Tensor) -> Tensor:
    """(N, N) sums over T steps of (T, N) information times values; without a product where it is always the same."""
    constant = information.stride(0) == 0
    return torch.outer(information[0], values.sum(0)) if constant else information.T @ values


def mean_around(values: Tensor, near: int, far: int) -> Tensor:
    """(T, N) mean over steps more than `near` and at most `far` away, on either side; 0 where there is none."""
    n_steps = len(values)
    sums = torch.cat([values.new_zeros(1, values.shape[1]), values.cumsum(0)])
    step = torch.arange(n_steps, device=values.device)
    total, count = torch.zeros_like(values), torch.zeros_like(step)
    for first, last in ((step - far, step - near), (step + near + 1, step + far + 1)):
        first, last = first.clamp(0, n_steps), last.clamp(0, n_steps)
        total, count = total + sums[last] - sums[first], count + last - first
    return total / count.clamp(min=1)[:, None]
