"""Forecasts by a perceptron for each neuron alone, conditioned on the state of the population."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from validation.methods.neural import NeuralForecaster


@dataclass
class POCO(NeuralForecaster):
    """Population-conditioned forecaster; O(T N n_past (H + latents W / token_steps)) per pass over the data.

    Duan et al. 2025, arXiv:2506.14957. One perceptron forecasts every neuron from its own past. What it does in
    between is scaled and shifted for each neuron (Perez et al. 2018, AAAI, arXiv:1709.07871) by a population encoder
    (Jaegle et al. 2022, ICLR, arXiv:2107.14795): the past of each neuron is cut into tokens, which a few
    latent vectors read, and of these each neuron asks with its embedding. Here one session is fitted, so that there
    are no embeddings of sessions; positions in time are learned; each neuron's last value is added to its forecast, as
    in the other networks here; the sizes are ours, smaller than the paper's.

    Attributes
    ----------
    n_hidden : int
        Units H of the perceptron.
    n_width : int
        Width W of tokens, latent vectors and embeddings; a multiple of `n_heads`.
    n_latents, n_heads : int
    token_steps : int
        Steps of a token.
    """

    n_hidden: int = 128
    n_width: int = 32
    n_latents: int = 8
    n_heads: int = 4
    token_steps: int = 8

    def network(self, n_neurons: int, n_past: int, horizon: int) -> nn.Module:
        return _Network(
            n_neurons, n_past, horizon, self.n_hidden, self.n_width, self.n_latents, self.n_heads, self.token_steps
        )


class _Network(nn.Module):
    def __init__(
        self, n_neurons: int, n_past: int, horizon: int, hidden: int, width: int, latents: int, heads: int, steps: int
    ) -> None:
        super().__init__()
        self.steps, self.n_tokens = min(steps, n_past), max(1, n_past // steps)
        self.neuron = nn.Parameter(torch.randn(n_neurons, width) / 10)
        self.time = nn.Parameter(torch.randn(self.n_tokens, width) / 10)
        self.token = nn.Linear(self.steps, width)
        self.latent = nn.Parameter(torch.randn(latents, width) / 10)
        self.read, self.exchange, self.ask = (_Attention(width, heads) for _ in range(3))
        self.condition = nn.Linear(width, 2 * hidden)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)
        self.before, self.after = nn.Linear(n_past, hidden), nn.Linear(hidden, horizon)
        self.persistence = nn.Parameter(torch.zeros(horizon, n_neurons))

    def forward(self, past: Tensor) -> Tensor:
        own = past.mT  # (B, N, n_past)
        scale, shift = self.condition(self._state(own)).chunk(2, dim=-1)
        between = (1 + scale) * torch.relu(self.before(own)) + shift
        forecast: Tensor = self.after(between).mT + self.persistence * past[:, -1:]
        return forecast

    def _state(self, own: Tensor) -> Tensor:
        """(B, N, width) what the population tells each neuron."""
        recent = own[..., -self.n_tokens * self.steps :].reshape(*own.shape[:2], self.n_tokens, self.steps)
        tokens = self.token(recent) + self.neuron[:, None] + self.time
        latent = self.read(self.latent.expand(len(own), -1, -1), tokens.flatten(1, 2))
        latent = self.exchange(latent, latent)
        told: Tensor = self.ask(self.neuron.expand(len(own), -1, -1), latent)
        return told


class _Attention(nn.Module):
    """Attention of some vectors to others, and a perceptron, both normalised before and added to what was there."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.own, self.theirs, self.between = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, vectors: Tensor, others: Tensor) -> Tensor:
        keys = self.theirs(others)
        vectors = vectors + self.attention(self.own(vectors), keys, keys, need_weights=False)[0]
        told: Tensor = vectors + self.perceptron(self.between(vectors))
        return told
