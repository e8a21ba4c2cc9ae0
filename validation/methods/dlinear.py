"""Forecasts by two linear maps of each neuron's past: of its trend, and of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from validation.methods.neural import NeuralForecaster


@dataclass
class DLinear(NeuralForecaster):
    """Linear maps of the moving average and of what is left, shared by all neurons; O(T N n_past horizon) per pass.

    Zeng et al. 2023, AAAI, arXiv:2205.13504, who show with it that many transformers forecast no better. Neurons do
    not interact.

    Attributes
    ----------
    n_average : int
        Steps of the moving average, odd; 25 in the paper.
    """

    n_average: int = 25

    def network(self, n_neurons: int, n_past: int, horizon: int) -> nn.Module:
        return _Network(n_past, horizon, self.n_average)


class _Network(nn.Module):
    def __init__(self, n_past: int, horizon: int, n_average: int) -> None:
        super().__init__()
        self.margin = n_average // 2
        self.average = nn.AvgPool1d(2 * self.margin + 1, stride=1)
        self.trend, self.rest = nn.Linear(n_past, horizon), nn.Linear(n_past, horizon)

    def forward(self, past: Tensor) -> Tensor:
        x = past.mT  # (B, N, n_past)
        trend = self.average(nn.functional.pad(x, (self.margin, self.margin), mode="replicate"))
        return (self.trend(trend) + self.rest(x - trend)).mT
