r"""Forecasts of more than one step: trained for each horizon, not iterated.

Feeding back expected activity through a nonlinear model biases what comes after, and forgets what one step does not
need. So the step h after the next is read out from the current features of neuron i alone,

.. math::
    \hat x_i(t+h) = c_{ih} + \textstyle\sum_f \beta_{ihf}\, z_{if}(t), \qquad
    z_i = \big(\hat x_i(t),\; I_i(t),\; x_i(t-1), \ldots, x_i(t-M)\big)

namely its forecast of the next step, its input current (the only way in which other neurons enter) and its own past.
This is the direct strategy of multi-step forecasting (Marcellino, Stock & Watson 2006, J Econometrics 135:499).
Coefficients are shrunk towards those common to all neurons; how strongly is chosen on the validation part, for each
horizon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synapsnet.devices import as_double
from synapsnet.splits import Segments

FIT_VALUES = 20_000_000  # windows x neurons to learn from at most
SHRINKAGE = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # towards the common coefficients, as a fraction of each neuron's information
SMALLEST_RIDGE = 1e-6  # as a fraction of the largest feature: constant features, such as those of silent neurons, get 0


class MultiStep(nn.Module):
    """The readout described in the module's docstring, for steps 2 to H; before it is fitted it forecasts zero.

    Parameters
    ----------
    n_neurons, n_features, horizon : int
        N, F and H.
    """

    level: Tensor
    coefficients: Tensor

    def __init__(self, n_neurons: int, n_features: int, horizon: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(horizon - 1, n_neurons))
        self.register_buffer("coefficients", torch.zeros(horizon - 1, n_neurons, n_features))

    def forward(self, features: Tensor, n_ahead: int) -> Tensor:
        """(n_ahead, B, N) forecasts of the steps after the next, from features (B, N, F)."""
        return torch.einsum("bnf,hnf->hbn", features, self.coefficients[:n_ahead]) + self.level[:n_ahead, None]

    @torch.no_grad()
    def fit(
        self,
        values: Tensor,
        training: Segments,
        validation: Segments,
        n_steps: int,
        features: Callable[[Tensor], Tensor],
        batch: int,
    ) -> None:
        """Fit to the training part, and choose the shrinkage on the validation part.

        Parameters
        ----------
        values : (T, N) tensor
            Activity as the model sees it.
        training, validation : lists of (start, stop)
        n_steps : int
            Length M of the windows.
        features : callable
            Maps the first steps after B windows to features (B, N, F).
        batch : int
            Number of windows at a time.
        """
        n_ahead = len(self.level)
        reach = min(n_ahead, max(stop - start for start, stop in training) - n_steps - 1)
        if reach < 1:  # all epochs are too short for the horizon
            return
        ours = _Moments.of(values, _origins(training, n_steps, reach), reach, features, batch)
        later = _origins(validation, n_steps, reach)
        checked = _Moments.of(values, later, reach, features, batch) if len(later) else ours
        centre, level = ours.feature, ours.target
        information, moment = ours.centred(centre, level)
        size = information.diagonal(dim1=1, dim2=2)
        ridge = SMALLEST_RIDGE * size.max().clamp(min=1.0 * SMALLEST_RIDGE)
        eye = torch.eye(size.shape[1], dtype=size.dtype, device=size.device)
        shared = torch.linalg.solve(information.sum(0) + ridge * eye, moment.sum(0))  # (F, H)
        rest = moment - information @ shared
        candidates = [torch.zeros_like(moment)]  # the mean alone
        for strength in SHRINKAGE:
            penalty = torch.diag_embed(strength * size + ridge)
            candidates.append(shared + torch.linalg.solve(information + penalty, rest))
        information, moment = checked.centred(centre, level)
        losses = [((c * (information @ c)).sum(1) - 2 * (c * moment).sum(1)).sum(0) for c in candidates]
        best = torch.stack(losses).argmin(0)  # (H,)
        chosen = torch.stack([candidates[k][:, :, h] for h, k in enumerate(best.tolist())])  # (H, N, F)
        self.coefficients[:reach] = chosen.to(self.coefficients)
        self.level[:] = level.T[-1].to(self.level)  # the mean, for horizons longer than any epoch
        self.level[:reach] = (level.T - (chosen * centre).sum(2)).to(self.level)


def _origins(segments: Segments, n_steps: int, reach: int) -> Tensor:
    """First steps after those windows that at least `reach` more steps follow."""
    return torch.cat([torch.arange(a + n_steps, max(a + n_steps, b - reach)) for a, b in segments])


@dataclass(frozen=True)
class _Moments:
    """Means over n windows of features (N, F), targets (N, H) and their products (N, F, F), (N, F, H)."""

    n: int
    feature: Tensor
    target: Tensor
    square: Tensor
    product: Tensor

    @classmethod
    def of(
        cls, values: Tensor, origins: Tensor, n_ahead: int, features: Callable[[Tensor], Tensor], batch: int
    ) -> _Moments:
        """The moments for steps 2 to n_ahead + 1 after each window, from evenly spaced windows if there are many."""
        wanted = max(1, FIT_VALUES // values.shape[1])
        chosen = origins[:: -(-max(1, len(origins)) // wanted)].to(values.device)
        sums: list[Tensor] = []
        for first in torch.split(chosen, batch):
            z = features(first).transpose(0, 1)  # (N, B, F)
            y = torch.stack([values[first + h] for h in range(1, n_ahead + 1)]).permute(2, 1, 0)  # (N, B, H)
            parts = [z.sum(1), y.sum(1), z.transpose(1, 2) @ z, z.transpose(1, 2) @ y]
            parts = [as_double(part) for part in parts]
            sums = [s + p for s, p in zip(sums, parts, strict=True)] if sums else parts
        return cls(len(chosen), *(part / max(1, len(chosen)) for part in sums))

    def centred(self, feature: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Second moments about these levels of the features and targets."""
        square = self.square - _outer(feature, self.feature) - _outer(self.feature, feature) + _outer(feature, feature)
        product = self.product - _outer(feature, self.target) - _outer(self.feature, target) + _outer(feature, target)
        return square, product


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a[:, :, None] * b[:, None, :]
