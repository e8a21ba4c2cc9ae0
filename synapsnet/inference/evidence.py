"""What a trained model says of every pair of neurons, before anything is assumed about connections."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from lightning_fabric import Fabric
from torch import Tensor

from synapsnet.devices import add_up
from synapsnet.model import SynapsNetModel
from synapsnet.splits import Segments
from synapsnet.training import n_targets, share, windows

NEWTON_STEPS = 3
SMALLEST_VARIANCE = 1e-5  # of what is sent, as a share of the largest: above the rounding of float32
FLANK_GAP = 2  # steps between what a connection does and the flanks
SMALLEST_INFORMATION = 1e-12  # of a neuron that was silent: a huge but finite standard error
Seen = list[tuple[Tensor, Tensor, Tensor]]  # of each stretch what is sent, predicted and there, (B, N) each


@dataclass(frozen=True)
class Evidence:
    """What a fitted model says of pairs of neurons, `[post, pre]`, before anything is assumed about connections.

    Attributes
    ----------
    estimate, standard_error : (N, N) tensor
        Weight by what the presynaptic neuron's past tells of the postsynaptic one.
    within : (N, N) tensor
        Symmetric: partial correlation of the two neurons' prediction errors in the same step.
    unit : (N, N) tensor
        How large a correlation a weight of 1 makes from one step to the next.
    n_steps : int
        Steps T from which the correlations come.
    slow, slow_error : (N, N) tensor
        What the presynaptic neuron tells of the postsynaptic one some time before and after, and its standard error:
        the estimate that such a correlation at the lags would make.
    skewness : (N, N) tensor
        Of the estimate's errors where neurons are independent.
    """

    estimate: Tensor
    standard_error: Tensor
    within: Tensor
    unit: Tensor
    n_steps: int
    slow: Tensor
    slow_error: Tensor
    skewness: Tensor

    def of_lags(self) -> Evidence:
        """Without what is seen within a step."""
        return replace(self, within=torch.zeros_like(self.within))


@torch.no_grad()
def evidence(
    model: SynapsNetModel, x: Tensor, b: Tensor, todo: list[Segments], fabric: Fabric
) -> tuple[Evidence, Tensor]:
    """What the trained model says of every pair, the prior of training taken back; the mean gain of each decoder.

    What each presynaptic neuron sends is added to the predictions, and its weights go to the maximum of the
    likelihood, the trained model staying as it is, by Newton's method: with the exact gradient, a Hessian for which
    the information on a neuron's prediction and what arrives at it are taken as independent, and steps cut short where
    the exact curvature in their direction is larger. These weights are added to the trained ones, each of which counts
    as much as the decoder passes on of it: its mean gain over the training part, a number for each postsynaptic neuron.
    (Newton's method through the decoder would fail where that has learned to pass on next to nothing, as it does where
    there are no connections.)

    Parameters
    ----------
    model : SynapsNetModel
        With connections.
    x, b : (T, N), (T, V) tensors
        Activity and behaviour as the model sees them.
    todo : list of lists of (start, stop)
        Batches of the training part.
    fabric : Fabric
        Its processes share the batches.

    Returns
    -------
    Evidence, and (N,) gains
    """
    assert model.synapses is not None
    seen, gain, total = _seen(model, x, b, todo, fabric)
    n = x.shape[1]
    covariance = torch.zeros(n, n, dtype=gain.dtype, device=x.device)
    for h, *_ in seen:
        covariance += h.T @ h / total
    covariance = add_up(fabric, covariance)
    precision = _inverse(covariance)
    spread = covariance.diagonal().clamp(min=_least(covariance)).sqrt()
    del covariance
    estimate = gain[:, None] * model.synapses.weight + _maximise(model, seen, precision, fabric)
    return _read(model, seen, estimate, spread, precision, total, fabric), gain


def _seen(
    model: SynapsNetModel, x: Tensor, b: Tensor, todo: list[Segments], fabric: Fabric
) -> tuple[Seen, Tensor, int]:
    """What is seen, with what is sent about its mean; decoders' gains; the steps of all processes."""
    assert model.synapses is not None
    n = x.shape[1]
    double = torch.float32 if x.device.type == "mps" else torch.float64  # which MPS does not have
    total = sum(n_targets(batch, model.n_steps) for batch in todo)
    seen: Seen = []
    gain = torch.zeros(n, dtype=double, device=x.device)
    for batch in todo:
        for start, stop in share(batch, model.n_steps, fabric.global_rank, fabric.world_size):
            past, context, target = windows(x[start:stop], b[start:stop], model.n_steps)
            sent = model.synapses.filtered(past)
            current = model.current(past).requires_grad_()
            with torch.enable_grad():
                eta = model.decode(current, past, context)
                gain += torch.autograd.grad(eta.sum(), current)[0].sum(0) / total
            seen.append((sent, eta.detach(), target))
    mean = add_up(fabric, sum((h.sum(0) for h, *_ in seen), start=torch.zeros(n, device=x.device))) / total
    return [(h - mean, eta, target) for h, eta, target in seen], add_up(fabric, gain), total


def _maximise(model: SynapsNetModel, seen: Seen, precision: Tensor, fabric: Fabric) -> Tensor:
    """(N, N) weights that are added to the predictions; the predictions in `seen` change with them."""
    n = len(precision)
    more = torch.zeros_like(precision)
    for _ in range(NEWTON_STEPS):
        informed, level, rise, bend = torch.zeros(4, n, dtype=precision.dtype, device=precision.device)
        pull = torch.zeros_like(precision)
        for h, eta, target in seen:
            score = model.score(eta, target)
            informed += model.fisher_information(eta).sum(0)
            pull += score.T @ h
            level += score.sum(0)
        informed, pull, level = (add_up(fabric, part) for part in (informed, pull, level))
        informed = informed.clamp(min=SMALLEST_INFORMATION)
        change = _others(pull @ precision / informed[:, None], precision)
        shift = level / informed
        direction = change.float().T
        for h, eta, target in seen:
            moved = h @ direction
            rise += (model.score(eta, target) * moved).sum(0)
            bend += (model.fisher_information(eta) * moved.square()).sum(0)
        rise, bend = add_up(fabric, rise), add_up(fabric, bend)
        stride = (rise / bend.clamp(min=SMALLEST_INFORMATION)).clamp(0, 1)
        for h, eta, _ in seen:
            eta += h @ (direction * stride.float()) + shift.float()
        more += stride[:, None] * change
    return more


def _read(
    model: SynapsNetModel, seen: Seen, estimate: Tensor, spread: Tensor, precision: Tensor, total: int, fabric: Fabric
) -> Evidence:
    """The evidence at these predictions, which are those of the estimate."""
    together, first, second, flank_pull, flank_covariance = (torch.zeros_like(precision) for _ in range(5))
    informed, error_cubes, cubes = (torch.zeros_like(spread) for _ in range(3))
    for h, eta, target in seen:
        score, information = model.score(eta, target), model.fisher_information(eta)
        error = score / information.clamp(min=SMALLEST_INFORMATION).sqrt()
        together += error.T @ error
        informed += information.sum(0)
        first += information.T @ h
        second += information.T @ h.square()
        error_cubes += error.pow(3).sum(0)
        cubes += h.pow(3).sum(0) / total
        flank = flanks(h, model.architecture.n_lags)
        flank_pull += score.T @ flank
        flank_covariance += flank.T @ flank / total
    together, first, second, informed = (add_up(fabric, part) for part in (together, first, second, informed))
    error_cubes, cubes = add_up(fabric, error_cubes), add_up(fabric, cubes)
    flank_pull, flank_covariance = add_up(fabric, flank_pull), add_up(fabric, flank_covariance)
    informed = informed.clamp(min=SMALLEST_INFORMATION)[:, None]
    error_size = together.diagonal().clamp(min=SMALLEST_INFORMATION).sqrt()
    # Of large networks these matrices are what fills the memory: one after the other makes room.
    within = _partial_correlation(together.div_(error_size[:, None]).div_(error_size)).float()
    del together
    standard_error = _standard_error(first, second, informed, precision, spread).float()
    del first, second
    slow, slow_error = _of_flanks(flank_pull, flank_covariance, precision, informed)
    return Evidence(
        estimate=estimate.fill_diagonal_(0).float(),  # not quite 0 by rounding
        standard_error=standard_error,
        within=within,
        unit=((informed / total).sqrt() * spread).float(),
        n_steps=total,
        slow=slow.float(),
        slow_error=slow_error.float(),
        skewness=((error_cubes / error_size**3)[:, None] * (cubes / spread**3)).float(),
    )


def _standard_error(first: Tensor, second: Tensor, informed: Tensor, precision: Tensor, spread: Tensor) -> Tensor:
    """Of the weights, from the moments of what is sent, weighted by the information on the prediction.

    What a shift of the postsynaptic neuron's offset, or another presynaptic neuron, explains as well is no information.
    """
    alone = (second - first.square() / informed).clamp_(min=SMALLEST_INFORMATION)
    others = precision.square().div_(precision.diagonal()[:, None]).neg_().add_(precision.diagonal())
    return others.mul_(spread.square()).clamp_(min=1).div_(alone).sqrt_()


def _partial_correlation(correlation: Tensor) -> Tensor:
    inverse = torch.linalg.inv(correlation.fill_diagonal_(1 + SMALLEST_VARIANCE))
    size = inverse.diagonal().sqrt()
    return inverse.div_(-size[:, None]).div_(size).fill_diagonal_(0)


def _of_flanks(pull: Tensor, covariance: Tensor, precision: Tensor, informed: Tensor) -> tuple[Tensor, Tensor]:
    """What is seen in the flanks, by a step of Newton's method from 0, and its error, see `Evidence`."""
    own = _inverse(covariance)
    as_lag = precision.diagonal() / own.diagonal()  # the same covariance is a smaller weight for what varies more
    return _others(pull @ own / informed, own) * as_lag, (own.diagonal() / informed).sqrt() * as_lag


def _inverse(covariance: Tensor) -> Tensor:
    regular = covariance.clone()
    regular.diagonal().add_(_least(covariance))
    return torch.linalg.inv(regular)


def _least(covariance: Tensor) -> float:
    return SMALLEST_VARIANCE * max(float(covariance.diagonal().max()), SMALLEST_INFORMATION)


def _others(weight: Tensor, precision: Tensor) -> Tensor:
    """The maximum under the condition that no neuron is connected to itself."""
    return weight - (weight.diagonal() / precision.diagonal())[:, None] * precision


def flanks(sent: Tensor, n_lags: int) -> Tensor:
    """(T, N) mean of what is sent before and after each step, too far away for a connection; 0 where none is there.

    From `FLANK_GAP` steps more than a kernel is long to twice as far.
    """
    near = n_lags + FLANK_GAP
    far = 2 * near
    n_steps = len(sent)
    sums = torch.cat([sent.new_zeros(1, sent.shape[1]), sent.cumsum(0)])
    step = torch.arange(n_steps, device=sent.device)
    total, count = torch.zeros_like(sent), torch.zeros_like(step)
    for first, last in ((step - far, step - near), (step + near + 1, step + far + 1)):
        first, last = first.clamp(0, n_steps), last.clamp(0, n_steps)
        total, count = total + sums[last] - sums[first], count + last - first
    return total / count.clamp(min=1)[:, None]
