"""Fit a SynapsNet to an array: maximum a posteriori, early stopping on validation, checkpoints, resume.

Data stay on the device; a batch is a stretch of consecutive steps, so that windows are views. The learning rate is a
pure function of the update's number, and everything else that training depends on is in the checkpoint: an interrupted
run continues to the same result, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor, nn

from synapsnet.devices import add_up, add_up_gradients, launch
from synapsnet.errors import InputError
from synapsnet.files import atomic_path, make_folder
from synapsnet.limits import require_time
from synapsnet.memmap import rows_in_blocks
from synapsnet.model import SynapsNetModel
from synapsnet.normalised import Activity
from synapsnet.progress import Advance, unheard
from synapsnet.splits import Segments
from synapsnet.windows import batches, n_targets, require_windows, segments_of_process, windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WARM_UP = 0.1  # fraction of all updates in which the learning rate rises
CONNECTIVITY_STEP = 30.0  # W, in units of its standard error, has further to go than the decoder
DIVERGED = 1.0  # rise of the loss between passes, in nats and relative to the loss, that counts as divergence
SMALLER_STEPS, MOST_RESTARTS = 0.3, 5


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes
    ----------
    epochs : int
        Passes over the training part at most.
    patience : int
        Passes without a better validation loss after which training stops.
    batch_steps : int
        Consecutive time steps per update.
    learning_rate : float
        Peak of a schedule that rises linearly and then falls along a cosine.
    updates : int, optional
        Of each pass, at most: it takes so many batches, drawn at random. Default: all.
    """

    epochs: int
    patience: int
    batch_steps: int
    learning_rate: float
    updates: int | None = None


@dataclass(frozen=True)
class History:
    """The losses of training.

    Attributes
    ----------
    train, validation : list of float
        Loss of each pass over the training part, in nats per step and neuron.
    best_epoch : int
        Index of the pass whose model was kept.
    restarts : list of int
        Passes that diverged and were repeated.
    """

    train: list[float]
    validation: list[float]
    best_epoch: int
    restarts: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Task:
    """A model and its training data. Models that are trained together may share parameters.

    Attributes
    ----------
    model : SynapsNetModel
        On the same device as the data.
    values : (T, N) tensor, or `Normalised`
        Normalised activity.
    behaviour : (T, V) tensor
    training, validation : lists of (start, stop)
        Row ranges; no window crosses the border of one.
    """

    model: SynapsNetModel
    values: Activity
    behaviour: Tensor
    training: Segments
    validation: Segments

    def batches(self, batch_steps: int) -> list[Segments]:
        """Batches of the training part, see `batches`."""
        return batches(self.training, self.model.n_steps, batch_steps)

    def checks(self, batch_steps: int) -> list[Segments]:
        """Batches of the validation part, which are larger because no gradients are kept."""
        return batches(self.validation, self.model.n_steps, 4 * batch_steps)

    def n_values(self, batch_steps: int) -> int:
        """The number of values that one pass predicts."""
        return self.values.shape[1] * sum(n_targets(batch, self.model.n_steps) for batch in self.batches(batch_steps))


def train(
    tasks: Sequence[Task],
    schedule: Schedule,
    *,
    seed: int,
    fabric: Fabric | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Advance = unheard,
) -> History:
    """Fit models in place, with their batches mixed, and keep the parameters of the best validation loss.

    A pass that diverges is undone, with a warning, and repeated with a lower learning rate.

    Parameters
    ----------
    tasks : sequence of Task
    schedule : Schedule
    seed : int
        Order of the batches.
    fabric : Fabric, optional
        Sets the precision, and the processes that share every batch. Default: this process, in float32.
    checkpoint : Path, optional
        Folder for the state after each pass.
    resume : bool
        Continue from the state in `checkpoint` if there is one. It must be of the same data and settings.
    progress : callable
        Called with the fraction done.

    Returns
    -------
    History
        Losses over all tasks together.

    Raises
    ------
    InputError
        If a part has no epoch longer than the window, training diverges even at a low learning rate or would take more
        than a year, or the checkpoint is damaged, of another fit, or cannot be written.
    """
    for task in tasks:
        require_windows(task.training, task.validation, task.model.n_steps)
    fabric = fabric or launch("cpu")
    state = _State([task.model for task in tasks], seed)
    identity = ""
    if checkpoint is not None:
        identity = identity_of(tasks, vars(schedule), seed)
        make_folder(checkpoint)
        if resume and (checkpoint / STATE).exists():
            _restore(checkpoint, state, identity)
    good = state.copy()
    started: float | None = time.monotonic()  # of the first pass, by which the time of all is estimated
    while state.wants_another_pass(schedule):
        peak = schedule.learning_rate * SMALLER_STEPS ** len(state.history.restarts)
        train_loss, first_loss = _one_pass(tasks, schedule, state, peak, fabric, progress)
        validation_loss = _validation_loss(tasks, schedule.batch_steps, fabric)
        before = state.history.train[-1] if state.history.train else first_loss
        if math.isfinite(validation_loss) and train_loss <= before + DIVERGED * (1 + abs(before)):
            state.note(train_loss, validation_loss)
            good = state.copy()
            if checkpoint is not None and fabric.is_global_zero:
                _save(checkpoint, good, state.history, identity)
            if started is not None:
                n_least = min(schedule.epochs, schedule.patience)
                n_seconds = (time.monotonic() - started) * n_least
                require_time(n_seconds, f"Training for {n_least:.6g} passes", "use fewer (epochs) or less patience")
                started = None
        else:
            state.load(good)
            _note_divergence(state.history, train_loss, peak)
    state.models.load_state_dict(state.best)
    for task in tasks:
        task.model.constrain()  # the best pass may lie in the warm-up, which is not constrained
    state.optimiser.zero_grad()  # gradients of large networks would fill the memory of what follows
    progress(1.0)
    return state.history


def _one_pass(
    tasks: Sequence[Task],
    schedule: Schedule,
    state: _State,
    peak: float,
    fabric: Fabric,
    progress: Advance,
) -> tuple[float, float]:
    """Update the models on each batch of a pass, in random order; the mean loss, and that of the first batch."""
    todo = [(task, batch) for task in tasks for batch in task.batches(schedule.batch_steps)]
    n_values = {id(task): task.n_values(schedule.batch_steps) for task in tasks}
    n_taken = min(schedule.updates or len(todo), len(todo))
    n_before, n_updates = len(state.history.train) * n_taken, schedule.epochs * n_taken
    total = first = torch.zeros((), device=tasks[0].values.device)
    for k, chosen in enumerate(torch.randperm(len(todo), generator=state.shuffle)[:n_taken].tolist()):
        task, batch = todo[chosen]
        fraction = (n_before + k) / n_updates
        state.set_rate(peak * _rise_and_fall(fraction))
        state.optimiser.zero_grad()
        loss = _our_loss(task.model, task.values, task.behaviour, batch, fabric)
        # The likelihood is a mean over targets and neurons, the prior a sum over W.
        posterior = loss + task.model.negative_log_prior() / (n_values[id(task)] * fabric.world_size)
        posterior.backward()
        add_up_gradients(fabric, state.models)
        state.optimiser.step()
        if fraction >= WARM_UP:
            task.model.constrain()
        total = total + loss.detach()
        first = loss.detach() if k == 0 else first
        progress((n_before + k + 1) / n_updates)
    return float(add_up(fabric, total)) / n_taken, float(add_up(fabric, first))


def _note_divergence(history: History, train_loss: float, peak: float) -> None:
    """Record a pass that is to be repeated, with a warning; InputError if it was repeated often enough."""
    number = len(history.train) + 1
    if len(history.restarts) == MOST_RESTARTS:
        raise InputError(
            f"Training diverged in pass {number} (the loss is {train_loss:g}), even at a low learning rate; use a "
            f"learning rate below {peak:g}, and look for extreme values in the recording."
        )
    history.restarts.append(number - 1)
    warnings.warn(
        f"Training diverged in pass {number}; that pass is repeated with a learning rate of {peak * SMALLER_STEPS:g}.",
        TrainingWarning,
        stacklevel=3,
    )


class TrainingWarning(UserWarning):
    """Training diverged and was repeated with a lower learning rate."""


class _State:
    """Everything that changes in training."""

    def __init__(self, models: Sequence[SynapsNetModel], seed: int) -> None:
        self.models = nn.ModuleList(models)
        counted = {id(parameter) for model in models for parameter in model.in_units()}
        trained = [parameter for parameter in self.models.parameters() if parameter.requires_grad]  # shared ones once
        in_units = [parameter for parameter in trained if id(parameter) in counted]
        others = [parameter for parameter in trained if id(parameter) not in counted]
        groups = [{"params": others}, {"params": in_units}]
        self.optimiser = torch.optim.Adam(groups if in_units else others, fused=True)
        self.shuffle = torch.Generator().manual_seed(seed)
        self.history = History([], [], -1)
        self.best = {name: value.clone() for name, value in self.models.state_dict().items()}

    def wants_another_pass(self, schedule: Schedule) -> bool:
        """Whether passes are left, and the validation loss has improved within the schedule's patience."""
        n_done = len(self.history.train)
        return n_done < schedule.epochs and n_done - self.history.best_epoch <= schedule.patience

    def set_rate(self, rate: float) -> None:
        for group, factor in zip(self.optimiser.param_groups, (1.0, CONNECTIVITY_STEP), strict=False):
            group["lr"] = rate * factor

    def note(self, train_loss: float, validation_loss: float) -> None:
        """Record the losses of a pass."""
        history = self.history
        improved = validation_loss < min(history.validation, default=math.inf)
        if improved:
            self.best = {name: value.clone() for name, value in self.models.state_dict().items()}
        self.history = replace(
            history,
            train=[*history.train, train_loss],
            validation=[*history.validation, validation_loss],
            best_epoch=len(history.train) if improved else history.best_epoch,
        )

    def copy(self) -> dict[str, Tensor]:
        """The state, except for the history."""
        tensors = {f"model.{name}": value for name, value in self.models.state_dict().items()}
        tensors["shuffle"] = self.shuffle.get_state()
        for index, of_parameter in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in of_parameter.items()}
        tensors = {name: value.clone() for name, value in tensors.items()}
        return tensors | {f"best.{name}": value for name, value in self.best.items()}  # which do not change

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore a state made by `copy`; the history stays."""
        self.best = section(tensors, "best.")
        for parameters in (self.best, section(tensors, "model.")):
            self.models.load_state_dict(parameters)
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in section(tensors, "optimiser.").items():
            index, name = key.split(".", 1)
            states.setdefault(int(index), {})[name] = value.cpu().clone() if name == "step" else value.clone()
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})
        self.shuffle.set_state(tensors["shuffle"].cpu())


def _validation_loss(tasks: Sequence[Task], batch_steps: int, fabric: Fabric) -> float:
    """The mean loss over all targets of the validation parts."""
    checks = [task.checks(batch_steps) for task in tasks]
    losses = [
        mean_loss(task.model, task.values, task.behaviour, check, fabric)
        for task, check in zip(tasks, checks, strict=True)
    ]
    sizes = [
        task.values.shape[1] * sum(n_targets(part, task.model.n_steps) for part in check)
        for task, check in zip(tasks, checks, strict=True)
    ]
    return sum(size / sum(sizes) * loss for size, loss in zip(sizes, losses, strict=True))


@torch.no_grad()
def mean_loss(
    model: SynapsNetModel, values: Activity, behaviour: Tensor, parts: list[Segments], fabric: Fabric
) -> float:
    """Mean negative log likelihood over all targets of some batches, computed by all processes together."""
    sizes = [n_targets(part, model.n_steps) for part in parts]
    losses = torch.stack([add_up(fabric, _our_loss(model, values, behaviour, part, fabric)) for part in parts])
    return float(sum(n * loss for n, loss in zip(sizes, losses.tolist(), strict=True)) / sum(sizes))


def _our_loss(model: SynapsNetModel, values: Activity, behaviour: Tensor, batch: Segments, fabric: Fabric) -> Tensor:
    """The contribution of this process to the mean over a batch; the contributions sum to that mean."""
    ours = segments_of_process(batch, model.n_steps, fabric.global_rank, fabric.world_size)
    if not ours:
        return 0.0 * model.embedding.sum()
    with fabric.autocast():
        loss = batch_loss(model, values, behaviour, ours)
    return loss * (n_targets(ours, model.n_steps) / n_targets(batch, model.n_steps))


def batch_loss(model: SynapsNetModel, values: Activity, behaviour: Tensor, batch: Sequence[tuple[int, int]]) -> Tensor:
    """Mean negative log likelihood over the targets of a batch of stretches."""
    parts = [windows(values[a:b], behaviour[a:b], model.n_steps) for a, b in batch]
    past, context, target = parts[0] if len(parts) == 1 else (torch.cat(part) for part in zip(*parts, strict=True))
    return model.negative_log_likelihood(model(past, context), target)


def _rise_and_fall(fraction: float) -> float:
    if fraction < WARM_UP:
        return fraction / WARM_UP + 0.01
    return 0.5 * (1 + math.cos(math.pi * (fraction - WARM_UP) / (1 - WARM_UP)))


STATE = "checkpoint.safetensors"


def identity_of(tasks: Sequence[Task], *settings: Any) -> str:
    """Hash of models, data and settings: of all that determines a result, so that no other is resumed by mistake."""
    parts = [(asdict(task.model.architecture), task.training, task.validation) for task in tasks]
    digest = hashlib.sha256(json.dumps([*settings, parts]).encode())
    for task in tasks:
        trained = [str(parameter.requires_grad) for parameter in task.model.parameters()]
        digest.update(" ".join(trained).encode())
        values = (task.values[rows] for rows in rows_in_blocks(*task.values.shape))
        for tensor in chain(task.model.state_dict().values(), [task.behaviour], values):  # block by block
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _save(folder: Path, tensors: dict[str, Tensor], history: History, identity: str) -> None:
    """Write one file and rename it, so that a kill at any moment leaves a complete checkpoint."""
    facts = {"history": json.dumps(vars(history)), "identity": identity}
    with atomic_path(folder / STATE) as path:
        safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path, facts)


def _restore(folder: Path, state: _State, identity: str) -> None:
    try:
        device = next(state.models.parameters()).device
        with safetensors.safe_open(folder / STATE, "pt") as file:
            facts = file.metadata()
        if facts["identity"] != identity:
            raise ValueError("it is of other data or other settings")
        state.history = History(**json.loads(facts["history"]))
        state.load(safetensors.torch.load_file(folder / STATE, device=str(device)))
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise InputError(
            f"The checkpoint in {folder} does not belong to this fit or is damaged ({str(error).splitlines()[0]}); "
            "fit again without --resume."
        ) from error


def section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, by the rest of their names."""
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
