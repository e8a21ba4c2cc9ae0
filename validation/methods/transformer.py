"""Forecasts by a transformer whose tokens are the population's activity at each step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from validation.methods.neural import NeuralForecaster, Readout


@dataclass
class Transformer(NeuralForecaster):
    """Transformer encoder with learned positions, read out at the last step; O(T n_past (n_past + N + H) H) per pass.

    Vaswani et al. 2017, NeurIPS, arXiv:1706.03762; normalised before each block. The sizes are our choice.

    Attributes
    ----------
    n_hidden : int
        Width H; a multiple of `n_heads`.
    n_heads, n_layers : int
    dropout : float
    """

    n_hidden: int = 64
    n_heads: int = 4
    n_layers: int = 1
    dropout: float = 0.1

    def network(self, n_neurons: int, n_past: int, horizon: int) -> nn.Module:
        block = nn.TransformerEncoderLayer(
            self.n_hidden, self.n_heads, 2 * self.n_hidden, self.dropout, batch_first=True, norm_first=True
        )
        return _Network(
            n_neurons,
            n_past,
            horizon,
            self.n_hidden,
            nn.TransformerEncoder(block, self.n_layers, norm=nn.LayerNorm(self.n_hidden), enable_nested_tensor=False),
        )


class _Network(nn.Module):
    def __init__(self, n_neurons: int, n_past: int, horizon: int, n_hidden: int, encoder: nn.Module) -> None:
        super().__init__()
        self.token = nn.Linear(n_neurons, n_hidden)
        self.position = nn.Parameter(torch.randn(n_past, n_hidden) / 10)
        self.encoder = encoder
        self.readout = Readout(n_hidden, n_neurons, horizon)

    def forward(self, past: Tensor) -> Tensor:
        encoded = self.encoder(self.token(past) + self.position)
        return self.readout(encoded[:, -1], past[:, -1])
