"""Training of many neurons starts where a linear autoregression is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from synapsnet import fitted, training
from synapsnet.estimator import SynapsNet
from synapsnet.model.autoregression import autocovariances, shared_autoregression
from synapsnet.recording import Recording
from synapsnet.splits import holdout
from synapsnet.training import History, Schedule, Task

COEFFICIENTS = (1.2, -0.5)


def oscillators(n_steps: int = 20_000, n: int = 3) -> torch.Tensor:
    """(T, N) activity of one autoregression of order 2, with noise of standard deviation 1, 1/2, 1/3, ..."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(n_steps, n)) / np.arange(1, n + 1)
    values = np.zeros((n_steps, n))
    for t in range(2, n_steps):
        values[t] = COEFFICIENTS[0] * values[t - 1] + COEFFICIENTS[1] * values[t - 2] + noise[t]
    return torch.from_numpy(values).float()


def test_finds_the_autoregression_and_each_neurons_noise() -> None:
    coefficients, noise = shared_autoregression(autocovariances(oscillators(), [(0, 9_000), (9_000, 20_000)], 3))
    assert coefficients.tolist() == pytest.approx([*COEFFICIENTS, 0], abs=0.02)
    assert noise.tolist() == pytest.approx([1, 1 / 4, 1 / 9], rel=0.05)


def test_no_product_crosses_the_border_of_an_epoch() -> None:
    values = torch.tensor([[1.0], [2.0], [100.0], [3.0]])
    covariance = autocovariances(values, [(0, 2), (3, 4)], 2)
    assert covariance.flatten().tolist() == pytest.approx([14 / 3, 2.0, 0.0])


@pytest.mark.parametrize(
    ("updates", "spikes", "forecasts", "few", "many"),
    [
        (114, False, True, (15, None), (4, 100)),
        (114, False, False, (5, None), (1, 100)),
        (10, False, True, (60, 14), (40, 10)),
        (57, True, True, (15, 54), (8, 50)),
        (10, True, True, (16, 50), (16, 25)),
        (380, True, True, (3, 267), (2, 200)),
        (1000, True, True, (2, None), (1, 400)),
    ],
)
def test_training_of_many_neurons_takes_fewer_updates(
    updates: float, spikes: bool, forecasts: bool, few: tuple[int, int | None], many: tuple[int, int]
) -> None:
    assert fitted._passes_and_updates(updates, spikes, forecasts, many=False) == few
    assert fitted._passes_and_updates(updates, spikes, forecasts, many=True) == many


def test_from_there_training_forecasts_as_well_and_infers_the_same(
    calcium_recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, late = holdout(calcium_recording.without_ground_truth(), 0.2, 16)
    few = SynapsNet(seed=0, device="cpu").fit(early)
    monkeypatch.setattr(fitted, "MANY_NEURONS", early.n_neurons - 1)
    many = SynapsNet(seed=0, device="cpu").fit(early)

    def errors(model: SynapsNet) -> np.ndarray:
        forecast = model.forecast(late, 4)[[0, 3]]
        return np.nanmean((forecast - late.values) ** 2, axis=1).mean(axis=1)

    assert (errors(many) < 1.01 * errors(few)).all()
    ours, theirs = many.connectivity_, few.connectivity_
    assert np.corrcoef(ours.weight.ravel(), theirs.weight.ravel())[0, 1] > 0.95


def test_without_connections_training_takes_as_many_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of spikes in bins too long for correlograms; otherwise the comparison of both would favour one."""
    schedules = []

    def train(tasks: list[Task], schedule: Schedule, **how: Any) -> History:
        schedules.append(schedule)
        return training.train(tasks, schedule, **how)

    monkeypatch.setattr(fitted, "MANY_NEURONS", 3)
    monkeypatch.setattr(fitted, "train", train)
    spikes = Recording.from_array(np.random.default_rng(0).random((2000, 4)) < 0.1, 0.02, "spikes")
    for connectivity in ("free", "none"):
        SynapsNet(seed=0, device="cpu", batch_steps=8, connectivity=connectivity).fit(spikes)
    _, with_connections, without = schedules
    assert without == with_connections
    assert without.epochs * without.updates == 400
