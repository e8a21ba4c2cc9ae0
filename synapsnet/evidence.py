"""What a trained model says of every pair of neurons, before anything is assumed about connections."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from synapsnet.devices import add_up
from synapsnet.edges import Evidence
from synapsnet.model import SynapsNetModel
from synapsnet.splits import Segments
from synapsnet.training import n_targets, share, windows

NEWTON_STEPS = 3
SMALLEST_VARIANCE = 1e-5  # of what is sent, as a share of the largest: above the rounding of float32
SMALLEST_INFORMATION = 1e-12  # of a neuron that was silent: a huge but finite standard error


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
    n = x.shape[1]
    double = torch.float32 if x.device.type == "mps" else torch.float64  # which MPS does not have
    total = sum(n_targets(batch, model.n_steps) for batch in todo)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []  # what is sent, predicted and there
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
    gain = add_up(fabric, gain)
    mean = add_up(fabric, sum((h.sum(0) for h, *_ in seen), start=torch.zeros(n, device=x.device))) / total
    seen = [(h - mean, eta, target) for h, eta, target in seen]
    covariance = torch.zeros(n, n, dtype=double, device=x.device)
    for h, *_ in seen:
        covariance += h.T @ h / total
    covariance = add_up(fabric, covariance)
    spread = covariance.diagonal().sqrt()
    least = SMALLEST_VARIANCE * max(float(covariance.diagonal().max()), SMALLEST_INFORMATION)
    precision = torch.linalg.inv(covariance + torch.diag(torch.full_like(spread, least)))
    more = torch.zeros_like(covariance)
    for _ in range(NEWTON_STEPS):
        informed, level, rise, bend = torch.zeros(4, n, dtype=double, device=x.device)
        pull = torch.zeros_like(covariance)
        for h, eta, target in seen:
            score = model.score(eta, target)
            informed += model.fisher_information(eta).sum(0)
            pull += score.T @ h
            level += score.sum(0)
        informed, pull, level = (add_up(fabric, part) for part in (informed, pull, level))
        informed = informed.clamp(min=SMALLEST_INFORMATION)
        change = pull @ precision / informed[:, None]
        change -= (change.diagonal() / precision.diagonal())[:, None] * precision  # without self-connections
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
    together = torch.zeros_like(covariance)
    powers = torch.zeros(3, n, n, dtype=double, device=x.device)
    for h, eta, target in seen:
        information = model.fisher_information(eta)
        error = model.score(eta, target) / information.clamp(min=SMALLEST_INFORMATION).sqrt()
        together += error.T @ error
        powers += torch.stack([information.T @ h**power for power in range(3)])
    together, powers = (add_up(fabric, part) for part in (together, powers))
    # What a shift of the postsynaptic neuron's offset, or another presynaptic neuron, explains as well is no
    # information on the weight.
    alone = powers[2] - powers[1].square() / powers[0].clamp(min=SMALLEST_INFORMATION)
    others = (precision.diagonal() - precision.square() / precision.diagonal()[:, None]) * covariance.diagonal()
    variance = others.clamp(min=1) / alone.clamp(min=SMALLEST_INFORMATION)
    size = together.diagonal().clamp(min=SMALLEST_INFORMATION).sqrt()
    within = together / size[:, None] / size
    within.fill_diagonal_(1 + SMALLEST_VARIANCE)
    inverse = torch.linalg.inv(within)
    partial = -inverse / inverse.diagonal().sqrt()[:, None] / inverse.diagonal().sqrt()
    evidence = Evidence(
        estimate=(gain[:, None] * model.synapses.weight + more).fill_diagonal_(0),  # not quite 0 by rounding
        standard_error=variance.sqrt(),
        within=partial.fill_diagonal_(0),
        unit=(powers[0] / total).sqrt() * spread,
        n_steps=total,
    )
    return evidence, gain
