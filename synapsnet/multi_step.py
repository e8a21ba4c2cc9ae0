r"""Forecasts of one step and more: read out for each horizon, not iterated.

Feeding back expected activity through a nonlinear model biases what comes after, and forgets what one step does not
need; and populations have states that outlast the model's window. So the step h from now is read out from what is known
of neuron i by itself, and of the currents that it receives,

.. math::
    \hat x_i(t+h-1) = c_{ih} + \textstyle\sum_f \beta_{ihf}\, z_{if}(t), \qquad
    z_i = \big(\underbrace{D_i(0),\; x_i(t-1), \ldots, x_i(t-M),\; \bar x_i^s}_{\text{its own}},\;
    \underbrace{D_i(I_i),\; I_i,\; \textstyle\sum_j W_{ij} \bar x_j^s}_{\text{through } W}\big)

with the decoder's forecast of the next step without and with the current, and means :math:`\bar x^s` over the last
`SPANS` steps. Other neurons enter through `W` alone. This is the direct strategy of multi-step forecasting (Marcellino,
Stock & Watson 2006, J Econometrics 135:499); means over growing spans are from the heterogeneous autoregression (Corsi
2009, J Financ Econom 7:174).

Coefficients are shrunk towards those common to all neurons. How strongly, and whether what comes through `W` is used at
all, is chosen on the validation part for each horizon: `W` fits the training part better than what follows, which the
training part does not show. (Where its epochs are too short for that, `W` is not used.) Coefficients are then fitted to
both parts. What is not linear, `nonlinear_readout` adds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synapsnet.devices import as_double
from synapsnet.normalised import Activity
from synapsnet.progress import Advance, Counter, unheard
from synapsnet.splits import Segments
from synapsnet.windows import off_beat

SPANS = (4, 16, 64, 256)  # steps; others, from 4 to 1,024, forecast about as well (docs/forecasts.md)
FIT_VALUES, FIT_WINDOWS = 20_000_000, 100_000  # windows x neurons, and windows, to learn from at most
SPANNED_VALUES = 16_000_000  # steps x neurons that a batch of windows spans at most
SHRINKAGE = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # towards the common coefficients, as a fraction of each neuron's information
CAUTIOUS = len(SHRINKAGE) - 1  # of the candidates: a neuron's own features, with the strongest shrinkage
SMALLEST_RIDGE = 1e-6  # as a fraction of the largest feature: constant features, such as those of silent neurons, get 0


def recent_means(values: Activity, first: Tensor, begin: Tensor, rest: Tensor) -> Tensor:
    """(S, B, N) means over the last `SPANS` steps; steps before the epoch count as if neurons were at rest.

    Parameters
    ----------
    values : (T, N) tensor, or `Normalised`
    first : (B,) tensor
        The step after the last one that is known, for each of B windows.
    begin : (B,) tensor
        Where its epoch begins.
    rest : (N,) tensor
        Usual activity; means are relative to it.
    """
    earliest = max(0, int(first.min()) - max(SPANS))
    total = torch.cumsum(values[earliest : int(first.max())] - rest, 0)
    total = torch.cat([torch.zeros_like(total[:1]), total])
    now = total[first - earliest]
    return torch.stack([(now - total[torch.maximum(first - span, begin) - earliest]) / span for span in SPANS])


class MultiStep(nn.Module):
    """The readout described in the module's docstring, for steps 1 to H; before it is fitted it forecasts zero.

    Parameters
    ----------
    n_neurons, n_features, horizon : int
        N, F and H.
    """

    level: Tensor
    coefficients: Tensor

    def __init__(self, n_neurons: int, n_features: int, horizon: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(horizon, n_neurons))
        self.register_buffer("coefficients", torch.zeros(horizon, n_neurons, n_features))

    def forward(self, features: Tensor, horizon: int) -> Tensor:
        """(H, B, N) forecasts of the next H steps, from features (B, N, F)."""
        return torch.einsum("bnf,hnf->hbn", features, self.coefficients[:horizon]) + self.level[:horizon, None]

    @torch.no_grad()
    def fit(
        self,
        values: Activity,
        training: Segments,
        validation: Segments,
        n_steps: int,
        features: Callable[[Tensor], Tensor],
        n_own: int,
        batch: int,
        advance: Advance = unheard,
    ) -> MultiStep:
        """Choose shrinkage and features on the validation part, and fit to it and the training part.

        Parameters
        ----------
        values : (T, N) tensor, or `Normalised`
            Activity as the model sees it.
        training, validation : lists of (start, stop)
        n_steps : int
            Length M of the windows.
        features : callable
            Maps the first steps after B windows to features (B, N, F).
        n_own : int
            How many of the features, at the beginning, are the neuron's own.
        batch : int
            Number of windows at a time.
        advance : callable
            Told the fraction done.

        Returns
        -------
        MultiStep
            The same fitted to the training part alone: what it misses of the validation part is new to it.
        """
        wanted, earlier_only = min(FIT_WINDOWS, FIT_VALUES // values.shape[1]), copy.deepcopy(self)
        together = self.learned_together(training, validation, n_steps)
        windows = [
            [spaced(origins(part, n_steps, steps.stop), wanted, values, batch) for part in (training, validation)]
            for steps in together
        ]
        counted = Counter(sum(len(earlier) + len(later) for earlier, later in windows), advance)
        for steps, (earlier, later) in zip(together, windows, strict=True):
            ours = whole = _Moments.of(values, earlier, steps, features, counted)
            candidates = _candidates(ours, n_own)
            best = [CAUTIOUS] * len(steps)
            if later:
                checked = _Moments.of(values, later, steps, features, counted)
                information, moment = checked.centred(ours.feature, ours.target)
                losses = [((c * (information @ c)).sum(1) - 2 * (c * moment).sum(1)).sum(0) for c in candidates]
                best = torch.stack(losses).argmin(0).tolist()
                whole = ours.joined(checked)
            earlier_only._choose(candidates, ours, steps, best)
            self._choose(_candidates(whole, n_own), whole, steps, best)
        return earlier_only

    def learned_together(self, training: Segments, validation: Segments, n_steps: int) -> list[range]:
        """Horizons, from 0 for one step, that learn from the same windows: those that the last of them follows.

        Of long epochs that is all of them. Of short ones, such as trials, few windows are followed by many steps, so a
        range ends where it would lose more than half of the windows of its first horizon, in either part. Horizons
        longer than any epoch of the training part are in none.
        """
        ranges: list[range] = []
        n_followed = [
            [sum(max(0, stop - start - n_steps - h) for start, stop in part) for part in (training, validation)]
            for h in range(len(self.level))
        ]
        for h, n in enumerate(n_followed):
            if not n[0]:
                break
            first = ranges[-1].start if ranges else h
            if ranges and all(2 * now >= before for now, before in zip(n, n_followed[first], strict=True)):
                ranges[-1] = range(first, h + 1)
            else:
                ranges.append(range(h, h + 1))
        return ranges

    def _choose(self, candidates: list[Tensor], moments: _Moments, steps: range, best: list[int]) -> None:
        """Take the best candidate of each of these horizons, of those fitted to the windows with these moments."""
        chosen = torch.stack([candidates[k][:, :, h] for h, k in enumerate(best)])  # (H, N, F)
        self.coefficients[steps.start : steps.stop] = chosen.to(self.coefficients)
        self.level[steps.start :] = moments.target.T[-1].to(self.level)  # the mean, for horizons longer than any epoch
        self.level[steps.start : steps.stop] = (moments.target.T - (chosen * moments.feature).sum(2)).to(self.level)


def _candidates(moments: _Moments, n_own: int) -> list[Tensor]:
    """(N, F, H) coefficients: own features by each shrinkage, then all; the mean alone; the decoder's forecasts."""
    information, moment = moments.centred(moments.feature, moments.target)
    n_features = information.shape[1]
    candidates = []
    for n in dict.fromkeys((n_own, n_features)):
        for coefficients in _shrunk(information[:, :n, :n], moment[:, :n]):
            candidates.append(torch.zeros_like(moment))
            candidates[-1][:, :n] = coefficients
    candidates.append(torch.zeros_like(moment))
    for forecast in dict.fromkeys((0, n_own % n_features)):
        candidates.append(torch.zeros_like(moment))
        candidates[-1][:, forecast] = 1
    return candidates


def _shrunk(information: Tensor, moment: Tensor) -> list[Tensor]:
    """Coefficients by each shrinkage towards those common to all neurons."""
    size = information.diagonal(dim1=1, dim2=2)
    ridge = SMALLEST_RIDGE * size.max().clamp(min=1.0 * SMALLEST_RIDGE)
    eye = torch.eye(size.shape[1], dtype=size.dtype, device=size.device)
    shared = torch.linalg.solve(information.sum(0) + ridge * eye, moment.sum(0))  # (F, H)
    rest = moment - information @ shared
    return [
        shared + torch.linalg.solve(information + torch.diag_embed(strength * size + ridge), rest)
        for strength in SHRINKAGE
    ]


def origins(segments: Segments, n_steps: int, reach: int) -> Tensor:
    """First steps after those windows that `reach` steps follow."""
    return torch.cat([torch.arange(a + n_steps, max(a + n_steps, b - reach + 1)) for a, b in segments])


def spaced(first: Tensor, wanted: int, values: Activity, batch: int) -> Sequence[Tensor]:
    """Evenly spread ones of the first steps after windows, about as many as are wanted, in batches."""
    apart = -(-max(1, len(first)) // max(1, wanted))
    places = torch.arange(0, len(first), apart)
    places += (off_beat(len(places)) * apart).long()
    used = first[places[places < len(first)]].to(values.device)
    batch = max(1, min(batch, SPANNED_VALUES // (apart * values.shape[1])))  # whose recent means need all between
    return torch.split(used, batch) if len(used) else ()


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
        cls,
        values: Activity,
        origins: Sequence[Tensor],
        steps: range,
        features: Callable[[Tensor], Tensor],
        counted: Counter,
    ) -> _Moments:
        """The moments for H of the next steps after the windows that end before each of `origins`."""
        sums: list[Tensor] = []
        for first in counted(origins):
            z = features(first).transpose(0, 1)  # (N, B, F)
            y = torch.stack([values[first + h] for h in steps]).permute(2, 1, 0)  # (N, B, H)
            parts = [z.sum(1), y.sum(1), z.transpose(1, 2) @ z, z.transpose(1, 2) @ y]
            parts = [as_double(part) for part in parts]
            sums = [s + p for s, p in zip(sums, parts, strict=True)] if sums else parts
        n = sum(map(len, origins))
        return cls(n, *(part / max(1, n) for part in sums))

    def joined(self, other: _Moments) -> _Moments:
        """The moments of both sets of windows together."""
        n = self.n + other.n
        names = ("feature", "target", "square", "product")
        return _Moments(n, *((self.n * getattr(self, k) + other.n * getattr(other, k)) / n for k in names))

    def centred(self, feature: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Second moments about these levels of the features and targets."""
        square = self.square - _outer(feature, self.feature) - _outer(self.feature, feature) + _outer(feature, feature)
        product = self.product - _outer(feature, self.target) - _outer(self.feature, target) + _outer(feature, target)
        return square, product


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a[:, :, None] * b[:, None, :]
