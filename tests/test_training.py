"""Training: batches cover the data without crossing borders; early stopping, resuming, and what is refused."""

from __future__ import annotations

import itertools
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from synapsnet import memmap, training
from synapsnet.errors import InputError
from synapsnet.model import Architecture, SynapsNetModel
from synapsnet.model.connectivity import StandardErrors
from synapsnet.training import STATE, History, Schedule, Task, TrainingWarning, batch_loss, train
from synapsnet.windows import batches, n_targets, segments_of_process, stretches, windows

N, STEPS = 4, 3
SHORT = Schedule(epochs=4, patience=4, batch_steps=50, learning_rate=0.01)
TRAINING, VALIDATION = [(0, 300), (300, 400)], [(403, 500)]

segments = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30)), min_size=1, max_size=6).map(
    lambda parts: [
        (start := sum(gap + length for gap, length in parts[:k]) + parts[k][0], start + parts[k][1])
        for k in range(len(parts))
    ]
)


pytestmark = pytest.mark.usefixtures("one_thread")


def build(seed: int = 0, likelihood: str = "poisson", **options: Any) -> SynapsNetModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = {"n_lags": 2, "n_steps": STEPS, "n_embedding": 2, "n_hidden": 3, "n_behaviour": 1, "sparsity": 1.0}
        architecture = Architecture(likelihood, N, **{**sizes, **options})
        return SynapsNetModel(architecture, StandardErrors(torch.ones(N), torch.ones(N), 100))


def data(seed: int = 1, n_steps: int = 500) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.full((n_steps, N), 0.3), generator=generator), torch.zeros(n_steps, 1)


def fit(
    model: SynapsNetModel, *, values: Any = None, schedule: Schedule = SHORT, seed: int = 0, **more: Any
) -> History:
    values = data()[0] if values is None else values
    behaviour = torch.zeros(len(values), 1)
    return train([Task(model, values, behaviour, TRAINING, VALIDATION)], schedule, seed=seed, **more)


def state(model: SynapsNetModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def interrupt_at(fraction: float) -> Callable[[float], None]:
    def progress(done: float) -> None:
        if done >= fraction:
            raise KeyboardInterrupt

    return progress


def targets_of(parts: list[tuple[int, int]], n_steps: int) -> list[int]:
    """Rows that are predicted, read off the windows themselves."""
    found = []
    for start, stop in parts:
        rows = torch.arange(start, stop, dtype=torch.float32).unsqueeze(1)
        past, context, target = windows(rows, rows, n_steps)
        for p, c, t in zip(past[:, 0], context[:, 0], target[:, 0], strict=True):
            assert p.tolist() == [t - n_steps + k for k in range(n_steps)]
            assert c == t - 1
            found.append(int(t))
    return found


@given(segments, st.integers(1, 6), st.integers(1, 12))
def test_stretches_and_batches_predict_each_step_once_within_its_epoch(epochs, n_steps, length):
    expected = [row for start, stop in epochs for row in range(start + n_steps, stop)]
    cut = stretches(epochs, n_steps, length)
    grouped = batches(epochs, n_steps, length)
    assert targets_of(cut, n_steps) == expected
    assert [part for batch in grouped for part in batch] == cut
    for start, stop in cut:
        assert any(a <= start < stop <= b for a, b in epochs)
    for batch in grouped:
        assert 0 < len(targets_of(batch, n_steps)) <= length
    for one, following in itertools.pairwise(grouped):  # no batch is smaller than it must be
        first_of_following = len(targets_of(following[:1], n_steps))
        assert len(targets_of(one, n_steps)) + first_of_following > length


def test_the_loss_falls_and_the_model_is_left_with_its_best_pass():
    model, (values, behaviour) = build(), data()
    history = fit(model)
    assert len(history.train) == len(history.validation) == SHORT.epochs
    assert history.train[-1] < history.train[0]
    assert history.validation[history.best_epoch] == min(history.validation)
    with torch.no_grad():
        kept = batch_loss(model, values, behaviour, VALIDATION).item()
    assert kept == pytest.approx(min(history.validation), abs=1e-6)


def test_early_stopping_keeps_the_best_pass_and_stops_after_patience(monkeypatch):
    """Validation losses are scripted: the best is that of the second epoch, and patience is two."""
    scripted = iter([5.0, 3.0, 4.0, 3.0, 1.0])
    after_epoch = []
    true_loss = training.batch_loss

    def loss(model: Any, values: Any, behaviour: Any, batch: Any) -> torch.Tensor:
        if torch.is_grad_enabled():
            return true_loss(model, values, behaviour, batch)
        after_epoch.append(state(model))
        return torch.tensor(next(scripted))

    monkeypatch.setattr(training, "batch_loss", loss)
    model = build()
    history = fit(model, schedule=Schedule(epochs=9, patience=2, batch_steps=50, learning_rate=0.01))
    assert history.validation == [5.0, 3.0, 4.0, 3.0]
    assert history.best_epoch == 1
    assert same(state(model), after_epoch[1])
    assert not same(state(model), after_epoch[3])


def test_a_pass_takes_no_more_updates_than_it_is_to(monkeypatch):
    """So many batches, no batch twice, other ones in the next pass; the loss is their mean."""
    losses, taken = [], []
    of_batch = training._our_loss

    def noted(model: Any, values: Any, behaviour: Any, batch: Any, fabric: Any) -> torch.Tensor:
        loss = of_batch(model, values, behaviour, batch, fabric)
        if loss.requires_grad:
            taken.append(tuple(batch))
            losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(training, "_our_loss", noted)
    history = fit(build(), schedule=Schedule(epochs=2, patience=2, batch_steps=50, learning_rate=0.01, updates=3))
    assert len(taken) == 6
    assert len(set(taken[:3])) == len(set(taken[3:])) == 3
    assert set(taken[:3]) != set(taken[3:])
    assert history.train == pytest.approx([np.mean(losses[:3]), np.mean(losses[3:])])


def test_validation_steps_train_nothing():
    values = data()[0]
    changed = values.clone()
    changed[VALIDATION[0][0] :] += 3
    one, other = build(), build()
    patient = Schedule(epochs=1, patience=1, batch_steps=50, learning_rate=0.01)
    first, second = fit(one, values=values, schedule=patient), fit(other, values=changed, schedule=patient)
    assert same(state(one), state(other))
    assert first.validation != second.validation


def test_same_seed_same_result_other_seed_other_result():
    models = [build() for _ in range(3)]
    histories = [fit(model, seed=seed) for model, seed in zip(models, (3, 3, 4), strict=True)]
    assert same(state(models[0]), state(models[1]))
    assert histories[0] == histories[1]
    assert not same(state(models[0]), state(models[2]))


def test_progress_rises_to_one():
    seen: list[float] = []
    fit(build(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > SHORT.epochs


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.6, 0.99])
@pytest.mark.parametrize("likelihood", ["poisson", "gaussian"])
def test_an_interrupted_fit_resumes_to_the_same_result(tmp_path, fraction, likelihood):
    """Within the first epoch, at the end of one, and within later ones."""
    whole = build(likelihood=likelihood)
    expected = fit(whole)
    interrupted = build(likelihood=likelihood)
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted, checkpoint=tmp_path, progress=interrupt_at(fraction))
    assert (tmp_path / STATE).exists() == (fraction > 0.25)
    resumed = build(likelihood=likelihood)
    assert fit(resumed, checkpoint=tmp_path, resume=True) == expected
    assert same(state(resumed), state(whole))


def test_resuming_continues_instead_of_starting_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(build(), checkpoint=tmp_path, progress=interrupt_at(0.8))
    seen: list[float] = []
    fit(build(), checkpoint=tmp_path, resume=True, progress=seen.append)
    assert seen[0] > 0.75


def test_a_finished_fit_resumes_at_its_end(tmp_path):
    finished, again = build(), build()
    expected = fit(finished, checkpoint=tmp_path)
    seen: list[float] = []
    assert fit(again, checkpoint=tmp_path, resume=True, progress=seen.append) == expected
    assert same(state(again), state(finished))
    assert seen == [1.0]


def test_without_resume_a_checkpoint_is_not_looked_at(tmp_path):
    (tmp_path / STATE).write_bytes(b"rubbish")
    one, other = build(), build()
    assert fit(one, checkpoint=tmp_path) == fit(other)
    assert same(state(one), state(other))


def test_resume_without_a_checkpoint_starts_from_the_beginning(tmp_path):
    one, other = build(), build()
    assert fit(one, checkpoint=tmp_path / "new" / "folder", resume=True) == fit(other)
    assert same(state(one), state(other))


FOREIGN: dict[str, Callable[[Path], Any]] = {
    "other data": lambda folder: fit(build(), values=data(seed=2)[0], checkpoint=folder, resume=True),
    "other seed": lambda folder: fit(build(), seed=5, checkpoint=folder, resume=True),
    "other start": lambda folder: fit(build(seed=5), checkpoint=folder, resume=True),
    "other size": lambda folder: fit(build(n_hidden=4), checkpoint=folder, resume=True),
    "other prior": lambda folder: fit(build(sparsity=2.0), checkpoint=folder, resume=True),
    "other likelihood": lambda folder: fit(build(likelihood="gaussian"), checkpoint=folder, resume=True),
    "other schedule": lambda folder: fit(build(), schedule=Schedule(5, 4, 50, 0.01), checkpoint=folder, resume=True),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_refuses_the_checkpoint_of_another_fit(tmp_path, what):
    fit(build(), checkpoint=tmp_path)
    before = (tmp_path / STATE).read_bytes()
    with pytest.raises(InputError, match=r"does not belong to this fit .* without --resume"):
        FOREIGN[what](tmp_path)
    assert (tmp_path / STATE).read_bytes() == before


def _rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, str]], Any]) -> None:
    with safetensors.safe_open(path, "pt") as file:
        facts = file.metadata()
    tensors = safetensors.torch.load_file(path)
    change(tensors, facts)
    safetensors.torch.save_file(tensors, path, facts or None)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "rubbish": lambda path: path.write_bytes(b"not a checkpoint" * 100),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "no facts": lambda path: _rewrite(path, lambda tensors, facts: facts.clear()),
    "no history": lambda path: _rewrite(path, lambda tensors, facts: facts.pop("history")),
    "other history": lambda path: _rewrite(path, lambda tensors, facts: facts.update(history=json.dumps({"x": 1}))),
    "no best model": lambda path: _rewrite(path, lambda tensors, facts: tensors.pop("best.0.embedding")),
    "no model": lambda path: _rewrite(path, lambda tensors, facts: tensors.pop("model.0.embedding")),
    "no order": lambda path: _rewrite(path, lambda tensors, facts: tensors.pop("shuffle")),
    "other order": lambda path: _rewrite(path, lambda tensors, facts: tensors.update(shuffle=torch.zeros(3))),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_refuses_a_damaged_checkpoint(tmp_path, what):
    fit(build(), checkpoint=tmp_path)
    DAMAGE[what](tmp_path / STATE)
    with pytest.raises(InputError, match=r"is damaged .* without --resume"):
        fit(build(), checkpoint=tmp_path, resume=True)


def test_refuses_a_checkpoint_folder_that_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"Cannot write .*taken"):
        fit(build(), checkpoint=tmp_path / "taken")


@pytest.mark.filterwarnings("ignore::synapsnet.training.TrainingWarning")
def test_says_so_when_training_diverges_whatever_the_step(tmp_path):
    values = data()[0]
    values[10] = 1e30
    with pytest.raises(InputError, match=r"Training diverged in pass 1 .* below 2.43e-05, and look for extreme values"):
        fit(build(likelihood="gaussian"), values=values, checkpoint=tmp_path)
    assert not (tmp_path / STATE).exists()  # nothing to resume from


HASTY = Schedule(epochs=4, patience=4, batch_steps=50, learning_rate=30.0)


def test_a_pass_that_diverges_is_done_again_with_smaller_steps():
    model = build()
    with pytest.warns(TrainingWarning, match="Training diverged in pass 1; that pass is repeated with a learning"):
        history = fit(model, schedule=HASTY)
    assert 0 < len(history.restarts) <= training.MOST_RESTARTS
    assert len(history.train) == HASTY.epochs
    slower = build()
    peak = HASTY.learning_rate * training.SMALLER_STEPS ** len(history.restarts)
    expected = fit(slower, schedule=Schedule(4, 4, 50, peak))
    if set(history.restarts) == {0}:  # as if it had been so from the start
        assert history.train == pytest.approx(expected.train)
    assert max(history.train) < 2.0


@pytest.mark.filterwarnings("ignore::synapsnet.training.TrainingWarning")
@pytest.mark.parametrize("fraction", [0.3, 0.8])
def test_a_fit_that_diverged_resumes_to_the_same_result(tmp_path, fraction):
    whole, resumed = build(), build()
    expected = fit(whole, schedule=HASTY)
    with pytest.raises(KeyboardInterrupt):
        fit(build(), schedule=HASTY, checkpoint=tmp_path, progress=interrupt_at(fraction))
    assert fit(resumed, schedule=HASTY, checkpoint=tmp_path, resume=True) == expected
    assert same(state(resumed), state(whole))


@given(segments, st.integers(1, 6), st.integers(1, 12), st.integers(1, 4))
def test_processes_share_a_batch_so_that_each_target_is_predicted_once(epochs, n_steps, length, count):
    for batch in batches(epochs, n_steps, length):
        parts = [segments_of_process(batch, n_steps, rank, count) for rank in range(count)]
        assert sorted(t for part in parts for t in targets_of(part, n_steps)) == sorted(targets_of(batch, n_steps))
        assert sum(n_targets(part, n_steps) for part in parts) == n_targets(batch, n_steps)
        assert count > 1 or parts == [batch]


@pytest.mark.parametrize(
    ("trained", "checked", "name", "longest"),
    [([(0, 3), (3, 5)], [(5, 20)], "training", 3), ([(0, 20)], [(20, 22)], "validation", 2)],
)
def test_refuses_epochs_shorter_than_the_history(trained, checked, name, longest):
    values, behaviour = data(n_steps=30)
    with pytest.raises(InputError, match=rf"Every epoch of the {name} part .* the longest has {longest} steps, 4 are"):
        train([Task(build(), values, behaviour, trained, checked)], SHORT, seed=0)


def test_one_target_is_enough():
    values, behaviour = data(n_steps=30)
    history = train([Task(build(), values, behaviour, [(0, 4)], [(4, 8)])], SHORT, seed=0)
    assert len(history.train) > 0


def test_what_a_fit_is_of_is_read_block_by_block(monkeypatch):
    """Large activity is in no more than a few blocks in memory."""
    values, _ = data()
    alive, most = 0, 0

    class Read:
        shape, device = values.shape, values.device

        def __len__(self) -> int:
            return len(values)

        def __getitem__(self, rows: slice) -> torch.Tensor:
            nonlocal alive, most
            block = values[rows].clone()
            alive += 1
            most = max(most, alive)
            weakref.finalize(block, gone)
            return block

    def gone() -> None:
        nonlocal alive
        alive -= 1

    monkeypatch.setattr(memmap, "BLOCK_BYTES", 4 * N * 20)
    parts = (torch.zeros(500, 1), TRAINING, VALIDATION)
    assert training.identity_of([Task(build(), Read(), *parts)]) == training.identity_of(
        [Task(build(), values, *parts)]
    )
    assert 1 <= most <= 2
