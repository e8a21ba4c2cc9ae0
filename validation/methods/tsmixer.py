"""Forecasts by multilayer perceptrons that mix time steps and neurons in turn."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from validation.methods.neural import NeuralForecaster


@dataclass
class TSMixer(NeuralForecaster):
    """Blocks of mixing over time, then over neurons, and a linear map from past to future; O(T N n_past H) per pass.

    Chen et al. 2023, TMLR, arXiv:2303.06053. Normalised over the time steps and neurons of a window, not over a batch
    as in the paper, so that a forecast does not depend on the statistics of others. The sizes are our choice.

    Attributes
    ----------
    n_hidden : int
        Units H of the mixing over neurons.
    n_blocks : int
    dropout : float
    """

    n_hidden: int = 64
    n_blocks: int = 2
    dropout: float = 0.1

    def network(self, n_neurons: int, n_past: int, horizon: int) -> nn.Module:
        blocks = [_Block(n_neurons, n_past, self.n_hidden, self.dropout) for _ in range(self.n_blocks)]
        return nn.Sequential(*blocks, _OverTime(nn.Linear(n_past, horizon)))


class _OverTime(nn.Module):
    """A module applied to the past of each neuron."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.module(x.mT).mT
        return mixed


class _Block(nn.Module):
    def __init__(self, n_neurons: int, n_past: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.time = nn.Sequential(
            nn.LayerNorm([n_past, n_neurons]),
            _OverTime(nn.Sequential(nn.Linear(n_past, n_past), nn.ReLU(), nn.Dropout(dropout))),
        )
        self.neurons = nn.Sequential(
            nn.LayerNorm([n_past, n_neurons]),
            nn.Linear(n_neurons, n_hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_neurons),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.time(x)
        return x + self.neurons(x)
