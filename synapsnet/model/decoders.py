"""The decoder, shared by all neurons and applied to each separately, and two ways to take in a neuron's past."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Decoder(nn.Module):
    """One small network, shared by all neurons: own past, current, embedding, behaviour -> next activity.

    Parameters
    ----------
    hidden : Feedforward or Recurrent
        Maps a neuron's own past and its current to a prediction, see `HIDDEN`.
    n_embedding, n_behaviour, n_hidden : int
    """

    def __init__(self, hidden: nn.Module, n_embedding: int, n_behaviour: int, n_hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Linear(n_embedding, n_hidden + 1, bias=False)
        self.behaviour = nn.Parameter(torch.zeros(n_behaviour, n_embedding))

    def forward(self, current: Tensor, past: Tensor, embedding: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) prediction from current (B, N), past (B, N, M), embedding (N, E) and behaviour (B, V)."""
        # To the decoder, neurons differ in their embedding only; it shifts the hidden units and the output.
        identity = self.embedding(embedding)
        tuning = behaviour @ self.behaviour @ embedding.T  # tuning to behaviour is read off the embedding
        prediction: Tensor = self.hidden(current, past, identity[:, :-1])
        return prediction + identity[:, -1] + tuning


class Feedforward(nn.Module):
    """A layer of H hidden units driven by a neuron's own past and its current, plus a term linear in both.

    Parameters
    ----------
    n_steps : int
        Number of steps M of a neuron's own past.
    n_hidden : int
    linear_current : bool
        Keep the prediction linear in the current, so that `W` has a scale.
    """

    def __init__(self, n_steps: int, n_hidden: int, linear_current: bool) -> None:
        super().__init__()
        self.past = nn.Linear(n_steps, n_hidden)
        # Hidden units differ from the start, and the readout begins at 0: the model is linear before it is trained.
        self.current = None if linear_current else nn.Parameter(torch.randn(n_hidden) / 10)
        self.linear_past = nn.Parameter(torch.zeros(n_steps))
        self.readout = nn.Parameter(torch.zeros(n_hidden))

    def forward(self, current: Tensor, past: Tensor, shift: Tensor) -> Tensor:
        """(B, N) from current (B, N) and past (B, N, M); shift (N, H) is the neuron's own."""
        by_current = torch.zeros_like(self.readout) if self.current is None else self.current
        # The current is one more step of the past, with a linear weight of 1: that fixes the scale of W.
        weight = torch.cat([self.past.weight, by_current[:, None]], dim=1)
        linear = torch.cat([self.linear_past, self.linear_past.new_ones(1)])
        operands = (past, weight, (shift + self.past.bias).T.contiguous(), self.readout, linear)
        with torch.autocast(current.device.type, enabled=False):  # the precision is that of the current
            given = (current, *(operand.to(current.dtype) for operand in operands))
            prediction: Tensor = _ReluReadout.apply(*given)  # type: ignore[no-untyped-call]
        return prediction


class _ReluReadout(torch.autograd.Function):
    """readout . relu(weight u + shift) + linear . u, where u is a neuron's own past, then its current.

    The hidden units, (H, B N), are by far the largest array, and passes over them take most of the time of training.
    Here they are written once and read three times: the backward pass reduces them to two matrices, from which the
    gradients of all parameters follow. The activity of all neurons m steps ago is a contiguous stretch of the
    recording, so u is copied row by row.
    """

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, past: Tensor, weight: Tensor, shift: Tensor, readout: Tensor, linear: Tensor
    ) -> Tensor:
        """(B, N) from current (B, N), past (B, N, M), weight (H, M + 1), shift (H, N), readout (H,), linear (M + 1)."""
        n_windows, n_neurons, n_steps = past.shape
        inputs = past.new_empty(n_steps + 1, n_windows, n_neurons)
        inputs[:-1] = past.permute(2, 0, 1)
        inputs[-1] = current
        inputs = inputs.view(n_steps + 1, -1)
        hidden = weight @ inputs
        hidden.view(-1, n_windows, n_neurons).add_(shift[:, None]).relu_()
        ctx.save_for_backward(inputs, hidden, weight, shift, readout, linear)
        return (readout @ hidden).addmv_(inputs.T, linear).view(n_windows, n_neurons)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient with respect to each input; to the past only if that is asked for."""
        # Where it is active, a hidden unit is weight u + shift. So the gradients of weight, shift and readout follow
        # from two sums of `active`: with u (`by_input`), and over windows (`by_neuron`).
        inputs, hidden, weight, shift, readout, linear = ctx.saved_tensors
        flat = gradient.reshape(-1)
        active = torch.ops.aten.threshold_backward(
            flat.expand_as(hidden), hidden, 0
        )  # the gradient where a hidden unit is active
        by_input = (inputs @ active.T).T
        by_neuron = active.view(len(hidden), *gradient.shape).sum(1)
        current = ((weight[:, -1] * readout) @ active).add_(flat * linear[-1]).view_as(gradient)
        past = None
        if ctx.needs_input_grad[1]:
            by_step = ((weight[:, :-1].T * readout) @ active).add_(linear[:-1, None] * flat)
            past = by_step.view(-1, *gradient.shape).permute(1, 2, 0)
        return (
            current,
            past,
            readout[:, None] * by_input,
            readout[:, None] * by_neuron,
            (weight * by_input).sum(1) + (shift * by_neuron).sum(1),
            inputs @ flat,
        )


class Recurrent(nn.Module):
    """As `Feedforward`, with a gated recurrent unit for a neuron's own past (Cho et al. 2014, arXiv:1406.1078).

    It takes O(M H^2) sequential operations per prediction instead of O(M H).

    Parameters
    ----------
    n_steps, n_hidden, linear_current
        See `Feedforward`; the GRU has H units as well.
    """

    def __init__(self, n_steps: int, n_hidden: int, linear_current: bool) -> None:
        super().__init__()
        self.gru = nn.GRU(1, n_hidden, batch_first=True)
        self.last = Feedforward(n_hidden, n_hidden, linear_current)
        self.linear_past = nn.Parameter(torch.zeros(n_steps))

    def forward(self, current: Tensor, past: Tensor, shift: Tensor) -> Tensor:
        """(B, N) from current (B, N) and past (B, N, M); shift (N, H) is the neuron's own."""
        n_windows, n_neurons, n_steps = past.shape
        _, state = self.gru(past.reshape(-1, n_steps, 1))
        return self.last(current, state[0].view(n_windows, n_neurons, -1), shift) + past @ self.linear_past


HIDDEN: dict[str, type[Feedforward] | type[Recurrent]] = {"mlp": Feedforward, "gru": Recurrent}
