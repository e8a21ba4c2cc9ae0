"""What the neural forecasters share: windows, normalisation, training and forecasting. A model is a file of its own.

All of them forecast all horizons at once from the last `n_past` steps of the whole population (direct forecasts): a
forecast some steps ahead is never fed back, so that errors do not build up, and one training loop serves all. They
run on the processor: they are small, and their results then do not depend on the machine's graphics card.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from synapsnet.splits import split_rows
from validation.methods.base import align

VALIDATION = 0.1  # share of the recording, at its end, on which training is stopped
BATCH, BATCHES_PER_PASS, PASSES, PATIENCE = 64, 100, 20, 3
VALIDATION_WINDOWS, FORECAST_WINDOWS = 2048, 512
LEARNING_RATE = 2e-3


@dataclass
class NeuralForecaster:
    """A network that maps windows (B, n_past, N) of z-scored activity to (B, horizon, N).

    It minimises the mean square error, with Adam and early stopping on the last tenth of what it is given. A pass is at
    most 100 batches of 64 windows drawn at random: it does not cover a long recording in full. Mean and spread are
    those of the part trained on. The result depends on data, parameters and seed alone.

    Attributes
    ----------
    n_past : int
        Steps that a forecast sees; fewer if epochs are too short for them.
    horizon : int
        Steps that forecasts reach.
    seed : int
        Seed of the initial parameters, the order of the windows and dropout.
    """

    n_past: int = 32
    horizon: int = 16
    seed: int = 0

    def network(self, n_neurons: int, n_past: int, horizon: int) -> nn.Module:
        """An untrained network."""
        raise NotImplementedError

    def fit(self, recording: Recording) -> Self:
        """See `validation.methods.base.Forecaster`.

        Raises
        ------
        InputError
            If no epoch is long enough.
        """
        longest = max(stop - start for start, stop in recording.segments)
        self.horizon_ = min(self.horizon, longest // 2)
        self.n_past_ = min(self.n_past, longest - self.horizon_)
        span = self.n_past_ + self.horizon_
        training, validation = split_rows(recording.segments, VALIDATION, gap=span)
        starts, held_out = window_starts(training, span), window_starts(validation, span)
        if not len(starts) or not len(held_out):
            raise InputError(
                f"A neural forecaster needs epochs of {span} steps, to train on and to decide when to stop; record "
                "longer ones."
            )
        rows = np.concatenate([np.arange(a, b) for a, b in training])
        self.centre_, spread = recording.values[rows].mean(axis=0), recording.values[rows].std(axis=0)
        self.spread_ = np.where(spread > 0, spread, 1)
        values = torch.from_numpy((recording.values - self.centre_) / self.spread_)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network_ = self.network(recording.n_neurons, self.n_past_, self.horizon_)
            train(self.network_, values, starts, held_out, self.n_past_, self.horizon_)
        return self

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        """See `validation.methods.base.Forecaster`; NaN beyond the horizon that was trained."""
        values = torch.from_numpy((recording.values - self.centre_) / self.spread_)
        result = np.full((horizon, *values.shape), np.nan, np.float32)
        for start, stop in recording.segments:
            if stop - start <= self.n_past_:
                continue
            windows = values[start : stop - 1].unfold(0, self.n_past_, 1).mT
            with torch.no_grad():
                parts = [self.network_(part) for part in torch.split(windows, FORECAST_WINDOWS)]
            steps = torch.cat(parts).numpy() * self.spread_ + self.centre_
            align(list(np.moveaxis(steps, 1, 0)[:horizon]), result, start, stop, self.n_past_)
        return result


def train(
    network: nn.Module,
    values: Tensor,
    starts: npt.NDArray[np.intp],
    held_out: npt.NDArray[np.intp],
    n_past: int,
    horizon: int,
    *,
    batch: int = BATCH,
    passes: int = PASSES,
) -> None:
    """Train until the error on held-out windows no longer falls; the network keeps its best parameters.

    Draws on torch's global generator, which the caller seeds and restores.

    Parameters
    ----------
    network : Module
        (B, n_past, N) -> (B, horizon, N); changed in place and left in evaluation mode.
    values : (T, N) tensor
    starts, held_out : int arrays
        First rows of the windows to train on and to stop on.
    n_past, horizon : int
        Steps of a window that are given, and that are predicted.
    batch : int
        Windows.
    passes : int
        Over the data, at most.
    """
    offsets = torch.arange(n_past + horizon)
    windows = torch.from_numpy(starts)

    def loss(first: Tensor) -> Tensor:
        window = values[first[:, None] + offsets]
        return nn.functional.mse_loss(network(window[:, :n_past]), window[:, n_past:])

    evenly = np.linspace(0, len(held_out) - 1, min(len(held_out), VALIDATION_WINDOWS)).astype(int)
    test = torch.split(torch.from_numpy(held_out[evenly]), FORECAST_WINDOWS)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    n_batches = min(BATCHES_PER_PASS, -(-len(windows) // batch))
    best, lowest, since = copy.deepcopy(network.state_dict()), np.inf, 0
    for _ in range(passes):
        network.train()
        for window_numbers in torch.split(torch.randperm(len(windows))[: n_batches * batch], batch):
            optimiser.zero_grad()
            loss(windows[window_numbers]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        network.eval()
        with torch.no_grad():
            error = sum(float(loss(part)) * len(part) for part in test)
        since += 1
        if error < lowest:
            best, lowest, since = copy.deepcopy(network.state_dict()), error, 0
        if since >= PATIENCE:
            break
    network.load_state_dict(best)
    network.eval()


class Readout(nn.Module):
    """(B, horizon, N) forecast from a hidden state of the population, (B, H), and each neuron's own last value.

    A population's state is small; without the second term every neuron's own past would have to fit in it.
    """

    def __init__(self, n_hidden: int, n_neurons: int, horizon: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_hidden, horizon * n_neurons)
        nn.init.normal_(self.linear.weight, std=0.01)
        self.persistence = nn.Parameter(torch.zeros(horizon, n_neurons))

    def forward(self, hidden: Tensor, last: Tensor) -> Tensor:
        return self.linear(hidden).view(-1, *self.persistence.shape) + self.persistence * last[:, None]


def window_starts(segments: list[tuple[int, int]], span: int) -> npt.NDArray[np.intp]:
    """First rows of all windows of `span` steps that lie within an epoch."""
    return np.concatenate([np.arange(start, max(stop - span + 1, start)) for start, stop in segments])
