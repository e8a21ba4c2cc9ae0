"""What forecasts are read out from: what a model, and the activity so far, say of each neuron at a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from synapsnet.model import SynapsNetModel
from synapsnet.multi_step import SPANS, recent_means
from synapsnet.normalised import Activity
from synapsnet.splits import Segments

PAST = 32  # steps of a neuron's activity and of its currents that the nonlinear readout is given


@dataclass(frozen=True, eq=False)
class ForecastFeatures:
    """Features and inputs at any step of a recording. Other neurons enter both through `W` alone.

    Attributes
    ----------
    model : SynapsNetModel
    activity : (T, N) tensor, or `Normalised`
    behaviour : (T, V) tensor
    begin : (T,) tensor
        Where the epoch of each step begins.
    rest : (N,) tensor
        Usual activity, which steps before an epoch count as.
    batch : int
        Windows of which currents are computed at a time.
    """

    model: SynapsNetModel
    activity: Activity
    behaviour: Tensor
    begin: Tensor
    rest: Tensor
    batch: int

    @classmethod
    def of(
        cls,
        model: SynapsNetModel,
        activity: Activity,
        behaviour: Tensor,
        segments: Segments,
        rest: Tensor,
        batch: int,
    ) -> ForecastFeatures:
        """For a recording with epochs (start, stop)."""
        begin = torch.zeros(len(activity), dtype=torch.long, device=rest.device)
        for start, stop in segments:
            begin[start:stop] = start
        return cls(model, activity, behaviour, begin, rest, batch)

    @torch.no_grad()
    def features(self, first: Tensor) -> Tensor:
        """(B, N, F) features of `synapsnet.multi_step`, for the first steps (B,) that are not known."""
        model, past, context = self.model, self._window(first), self.behaviour[first - 1]
        means = recent_means(self.activity, first, self.begin[first - 1], self.rest)
        current = model.current(past)
        alone = model.mean(model.decode(torch.zeros_like(current), past, context))
        parts = [alone, *past.unbind(-1), *means]
        if not model.architecture.own_past:
            parts[1:] = [torch.zeros_like(part) for part in parts[1:]]
        if model.synapses is not None:
            expected = model.mean(model.decode(current, past, context))
            parts += [expected, current, *map(model.synapses.connectivity, means)]
        return torch.stack(parts, dim=-1)

    @torch.no_grad()
    def inputs(self, first: Tensor, features: Tensor, forecasts: Tensor) -> Tensor:
        """(B, N, D) inputs of the nonlinear readout: features, own past, currents until now and from now on, behaviour.

        What others are expected to do reaches a neuron through `W`, as what they did does; and with it, through `W`
        twice, what those did that they receive from. That may be the neuron itself: without its own past there is none.

        Parameters
        ----------
        first : (B,) tensor
            The first steps that are not known.
        features : (B, N, F) tensor
            Those of these steps.
        forecasts : (H, B, N) tensor
            Linear forecasts of these steps and of those that follow.
        """
        own, own_past = self._recent(first), self.model.architecture.own_past
        parts = [features, own if own_past else torch.zeros_like(own)]
        if self.model.synapses is not None:
            to_come = self.model.synapses.connectivity(forecasts - self.rest).permute(1, 2, 0)
            parts += [self._recent_currents(first), to_come if own_past else torch.zeros_like(to_come)]
        parts.append(self.behaviour[first - 1][:, None].expand(-1, features.shape[1], -1))
        return torch.cat(parts, -1)

    def _window(self, first: Tensor) -> Tensor:
        """(B, N, M) the model's windows."""
        return self.activity[first[:, None] + torch.arange(-self.model.n_steps, 0, device=first.device)].transpose(1, 2)

    def _recent(self, first: Tensor) -> Tensor:
        """(B, N, P) activity in the last P steps."""
        steps = first[:, None] + torch.arange(-PAST, 0, device=first.device)
        known = steps >= self.begin[first - 1][:, None]
        return torch.where(known[..., None], self.activity[steps.clamp(min=0)], self.rest).transpose(1, 2)

    def _recent_currents(self, first: Tensor) -> Tensor:
        """(B, N, P) currents into the next step and the P - 1 before; 0 where the epoch was too young for one."""
        steps = first[:, None] + torch.arange(1 - PAST, 1, device=first.device)
        known = steps >= (self.begin[first - 1] + self.model.n_steps)[:, None]
        needed, place = torch.unique(steps.clamp(min=self.model.n_steps), return_inverse=True)
        currents = torch.cat([self.model.current(self._window(part)) for part in needed.split(self.batch)])
        return (currents[place] * known[..., None]).transpose(1, 2)


def n_own(shape: dict[str, Any]) -> int:
    """Number of features of a neuron that are its own: its forecast, its past and means of that."""
    return 1 + int(shape["n_steps"]) + len(SPANS)


def n_features(shape: dict[str, Any]) -> int:
    """Number F of features, with those that come through `W`: a forecast, the current, means of currents."""
    return n_own(shape) + (0 if shape["connectivity"] == "none" else 2 + len(SPANS))


def n_inputs(shape: dict[str, Any]) -> int:
    """Number D of inputs of the nonlinear readout."""
    n_currents = 0 if shape["connectivity"] == "none" else PAST + int(shape["horizon"])
    return n_features(shape) + PAST + n_currents + int(shape["n_behaviour"])
