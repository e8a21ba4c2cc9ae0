"""The decoder, shared by all neurons and applied to each by itself, and ways in which it may see a neuron's past."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """Features of a neuron's own past by a gated recurrent unit (Cho et al. 2014, EMNLP, arXiv:1406.1078).

    O(M H^2) operations for each prediction, one step after the other; `nn.Linear`, in its place, takes O(M H).

    Parameters
    ----------
    n_steps : int
        Steps M of its own past that a neuron sees; a GRU takes any number.
    n_hidden : int
        Units H, of the GRU and of what comes out.
    """

    def __init__(self, n_steps: int, n_hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(1, n_hidden, batch_first=True)
        self.last = nn.Linear(n_hidden, n_hidden)

    def forward(self, past: Tensor) -> Tensor:
        """(B, N, H) features of windows (B, N, M)."""
        n_windows, n_neurons, n_steps = past.shape
        _, state = self.gru(past.reshape(-1, n_steps, 1))
        features: Tensor = self.last(state[0])
        return features.view(n_windows, n_neurons, -1)


class Decoder(nn.Module):
    """One small network, shared by all neurons: own past, current, embedding, behaviour -> next activity.

    Parameters
    ----------
    past : module
        From a neuron's own past, (B, N, M), to its hidden units, (B, N, H): see `PASTS`.
    n_steps : int
        Steps M of its own past that a neuron sees.
    n_embedding, n_behaviour, n_hidden : int
    linear_current : bool
        Keep the prediction linear in the current, so that `W` has a scale.
    """

    def __init__(
        self,
        past: nn.Module,
        n_steps: int,
        n_embedding: int,
        n_behaviour: int,
        n_hidden: int,
        linear_current: bool,
    ) -> None:
        super().__init__()
        self.past = past
        self.current = None if linear_current else nn.Parameter(torch.randn(n_hidden) / 10)
        self.embedding = nn.Linear(n_embedding, n_hidden + 1, bias=False)
        self.behaviour = nn.Parameter(torch.zeros(n_behaviour, n_embedding))
        self.linear_past = nn.Parameter(torch.zeros(n_steps))
        self.readout = nn.Parameter(torch.zeros(n_hidden))

    def forward(self, current: Tensor, past: Tensor, embedding: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) prediction from current (B, N), past (B, N, M), embedding (N, E) and behaviour (B, V)."""
        identity = self.embedding(embedding)  # (N, H + 1): shifts the hidden units, and the output
        # In place: (B, N, H) is large, and moving it takes longer than computing it. The sum is not: what a linear map
        # returns is a view, and through what is changed in a view the gradient is copied as a whole, each time.
        hidden = self.past(past) + identity[:, :-1]
        if self.current is not None:
            hidden.addcmul_(current.unsqueeze(-1), self.current)
        hidden.relu_()
        tuning = behaviour @ self.behaviour @ embedding.T  # a neuron's tuning to behaviour is read off its embedding
        return current + past @ self.linear_past + hidden @ self.readout + identity[:, -1] + tuning


# From the M steps of a neuron's past to the H hidden units of the decoder.
PASTS: dict[str, type[nn.Linear] | type[Recurrent]] = {"mlp": nn.Linear, "gru": Recurrent}
