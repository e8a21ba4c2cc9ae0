"""Forecasts by a gated recurrent unit over the population."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from validation.methods.neural import NeuralForecaster, Readout


@dataclass
class GRU(NeuralForecaster):
    """Gated recurrent unit; O(T n_past (N + H) H) per pass over the data.

    Cho et al. 2014, EMNLP, arXiv:1406.1078. One layer; the sizes are our choice.

    Attributes
    ----------
    n_hidden : int
        Units H.
    """

    n_hidden: int = 64

    def network(self, n_neurons: int, n_past: int, horizon: int) -> nn.Module:
        return _Network(n_neurons, self.n_hidden, horizon)


class _Network(nn.Module):
    def __init__(self, n_neurons: int, n_hidden: int, horizon: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(n_neurons, n_hidden, batch_first=True)
        self.readout = Readout(n_hidden, n_neurons, horizon)

    def forward(self, past: Tensor) -> Tensor:
        return self.readout(self.recurrent(past)[1][0], past[:, -1])
