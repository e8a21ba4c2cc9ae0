"""Fit a SynapsNet to an array: maximum a posteriori, early stopping on validation, checkpoints, resume.

Data stay on the device; a batch is a stretch of consecutive steps, so that windows are views. The
learning rate is a pure function of the update's number, and everything else that training depends
on is in the checkpoint: a run that was interrupted continues to the same result, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from synapsnet.errors import InputError
from synapsnet.files import atomic_path
from synapsnet.model import SynapsNetModel
from synapsnet.splits import Segments

WARM_UP = 0.1  # share of all updates in which the learning rate rises
CONNECTIVITY_STEP = 30.0  # W, in units of its standard error, has further to go than the decoder


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes
    ----------
    epochs : int
        Passes over the training part at most.
    patience : int
        Epochs without a better validation loss after which training stops.
    batch_steps : int
        Consecutive time steps per update.
    learning_rate : float
        Peak of a schedule that rises linearly and falls along a cosine.
    """

    epochs: int
    patience: int
    batch_steps: int
    learning_rate: float


@dataclass(frozen=True)
class History:
    """Losses per epoch, in nat per step and neuron, and the epoch whose model was kept."""

    train: list[float]
    validation: list[float]
    best_epoch: int


def windows(values: Tensor, behaviour: Tensor, n_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Past, behaviour and target for every step of a stretch that has enough past.

    Parameters
    ----------
    values : (T, N) tensor
        Consecutive steps.
    behaviour : (T, V) tensor
    n_steps : int
        Length M of the past.

    Returns
    -------
    past : (T - M, N, M) view, the M steps before each target
    behaviour : (T - M, V) view, at the step before each target
    target : (T - M, N) view
    """
    past = values.unfold(0, n_steps, 1)[:-1]
    return past, behaviour[n_steps - 1 : -1], values[n_steps:]


def stretches(segments: Segments, n_steps: int, length: int) -> Segments:
    """Cut epochs into stretches with up to `length` targets each, overlapping by the M steps of past."""
    return [
        (first - n_steps, min(first + length, stop))
        for start, stop in segments
        for first in range(start + n_steps, stop, length)
    ]


def batches(segments: Segments, n_steps: int, batch_steps: int) -> list[Segments]:
    """Group stretches so that each batch has about `batch_steps` targets: one long stretch, or many short trials."""
    grouped: list[Segments] = []
    filled = batch_steps
    for start, stop in stretches(segments, n_steps, batch_steps):
        targets = stop - start - n_steps
        if filled + targets > batch_steps:
            grouped.append([])
            filled = 0
        grouped[-1].append((start, stop))
        filled += targets
    return grouped


def require_windows(training: Segments, validation: Segments, n_steps: int) -> None:
    """Refuse parts of which no epoch is longer than the M steps of past; InputError."""
    for name, segments in (("training", training), ("validation", validation)):
        longest = max(stop - start for start, stop in segments)
        if longest <= n_steps:
            raise InputError(
                f"Every epoch of the {name} part is too short for the history window: the longest has {longest} steps, "
                f"{n_steps + 1} are needed; record longer epochs or use fewer history steps."
            )


def train(
    model: SynapsNetModel,
    values: Tensor,
    behaviour: Tensor,
    training: Segments,
    validation: Segments,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Callable[[float], None] = lambda fraction: None,
) -> History:
    """Fit `model` in place and leave it with the parameters of the best validation loss.

    Parameters
    ----------
    model : SynapsNetModel
        On the same device as the data.
    values : (T, N) tensor
        Activity, normalised as the model expects it.
    behaviour : (T, V) tensor
    training, validation : lists of (start, stop)
        Row ranges; no window crosses the border of one.
    schedule : Schedule
    seed : int
        Order of the batches.
    checkpoint : Path, optional
        Folder for the state after each epoch.
    resume : bool
        Continue from the state in `checkpoint` if there is one. It must be of the same data and settings.
    progress : callable
        Called with the fraction done.

    Raises
    ------
    InputError
        If a part has no epoch longer than the window, the loss is not finite, or the checkpoint is
        damaged, of another fit, or cannot be written.
    """
    require_windows(training, validation, model.n_steps)
    todo = batches(training, model.n_steps, schedule.batch_steps)
    check = batches(validation, model.n_steps, 4 * schedule.batch_steps)
    connectivity = [] if model.synapses is None else [model.synapses.raw_weight]
    others = [p for name, p in model.named_parameters() if name != "synapses.raw_weight"]
    optimiser = torch.optim.Adam([{"params": others}, {"params": connectivity}] if connectivity else others)
    shuffle = torch.Generator().manual_seed(seed)
    history = History([], [], -1)
    best = {name: value.clone() for name, value in model.state_dict().items()}
    identity = ""
    if checkpoint is not None:
        identity = _identity(model, values, behaviour, training, validation, schedule, seed)
        _make_folder(checkpoint)
        if resume and (checkpoint / STATE).exists():
            history, best = _restore(checkpoint, model, optimiser, shuffle, identity)
    total = schedule.epochs * len(todo)
    n_targets = sum(b - a - model.n_steps for part in todo for a, b in part)

    for epoch in range(len(history.train), schedule.epochs):
        if epoch - history.best_epoch > schedule.patience:
            break
        running = torch.zeros((), device=values.device)
        order = torch.randperm(len(todo), generator=shuffle).tolist()
        for done, k in enumerate(order):
            rate = schedule.learning_rate * _rise_and_fall((epoch * len(todo) + done) / total)
            for group, factor in zip(optimiser.param_groups, (1.0, CONNECTIVITY_STEP), strict=False):
                group["lr"] = rate * factor
            optimiser.zero_grad()
            loss = batch_loss(model, values, behaviour, todo[k])
            # The likelihood is a mean over targets and neurons, the prior a sum over W.
            posterior = loss + model.negative_log_prior() / (n_targets * values.shape[1])
            posterior.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            running += loss.detach()
            progress((epoch * len(todo) + done + 1) / total)
        with torch.no_grad():
            sizes = [sum(b - a - model.n_steps for a, b in part) for part in check]
            losses = [batch_loss(model, values, behaviour, part).item() for part in check]
        validation_loss = sum(n * x for n, x in zip(sizes, losses, strict=True)) / sum(sizes)
        if not math.isfinite(validation_loss):
            raise InputError(
                f"Training diverged in epoch {epoch + 1} (the loss is {validation_loss}); "
                f"use a learning rate below {schedule.learning_rate:g}."
            )
        improved = validation_loss < min(history.validation, default=math.inf)
        history = History(
            [*history.train, running.item() / len(todo)],
            [*history.validation, validation_loss],
            epoch if improved else history.best_epoch,
        )
        if improved:
            best = {name: value.clone() for name, value in model.state_dict().items()}
        if checkpoint is not None:
            _save(checkpoint, model, optimiser, shuffle, history, best, identity)
    model.load_state_dict(best)
    progress(1.0)
    return history


def batch_loss(model: SynapsNetModel, values: Tensor, behaviour: Tensor, batch: Sequence[tuple[int, int]]) -> Tensor:
    """Mean negative log likelihood over the targets of a batch of stretches."""
    parts = [windows(values[a:b], behaviour[a:b], model.n_steps) for a, b in batch]
    past, context, target = parts[0] if len(parts) == 1 else (torch.cat(part) for part in zip(*parts, strict=True))
    return model.negative_log_likelihood(model(past, context), target)


def _rise_and_fall(fraction: float) -> float:
    if fraction < WARM_UP:
        return fraction / WARM_UP + 0.01
    return 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP)))


STATE = "checkpoint.safetensors"


def _identity(
    model: SynapsNetModel,
    values: Tensor,
    behaviour: Tensor,
    training: Segments,
    validation: Segments,
    schedule: Schedule,
    seed: int,
) -> str:
    """Hash of everything that determines the result, so that no other fit is continued by mistake."""
    options = [vars(schedule), seed, training, validation, model.likelihood, model.n_steps, model.sparsity]
    digest = hashlib.sha256(json.dumps(options).encode())
    for tensor in (*model.state_dict().values(), values, behaviour):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot keep a checkpoint in {folder}: {error.strerror}; choose another folder.") from error


def _save(
    folder: Path,
    model: SynapsNetModel,
    optimiser: torch.optim.Optimizer,
    shuffle: torch.Generator,
    history: History,
    best: dict[str, Tensor],
    identity: str,
) -> None:
    """One file, replaced in one rename, so that a kill at any moment leaves a whole checkpoint."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    tensors["shuffle"] = shuffle.get_state()
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
    facts = {"history": json.dumps(vars(history)), "identity": identity}
    with atomic_path(folder / STATE) as path:
        safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path, facts)


def _restore(
    folder: Path,
    model: SynapsNetModel,
    optimiser: torch.optim.Optimizer,
    shuffle: torch.Generator,
    identity: str,
) -> tuple[History, dict[str, Tensor]]:
    try:
        device = next(model.parameters()).device
        with safetensors.safe_open(folder / STATE, "pt") as file:
            facts = file.metadata()
        if facts["identity"] != identity:
            raise ValueError("it is of other data or other settings")
        history = History(**json.loads(facts["history"]))
        tensors = safetensors.torch.load_file(folder / STATE, device=str(device))
        best = section(tensors, "best.")
        for state in (best, section(tensors, "model.")):
            model.load_state_dict(state)
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in section(tensors, "optimiser.").items():
            index, name = key.split(".", 1)
            states.setdefault(int(index), {})[name] = value.cpu() if name == "step" else value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
        shuffle.set_state(tensors["shuffle"].cpu())
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise InputError(
            f"The checkpoint in {folder} does not belong to this fit or is damaged ({str(error).splitlines()[0]}); "
            "fit again without --resume."
        ) from error
    return history, best


def section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, by the rest of their names."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
