r"""What a trained model says of every pair of neurons, before anything is assumed about connections.

Add to the trained model's predictions :math:`\eta_i(t)` an offset and what each presynaptic neuron sends, its activity
:math:`h_j(t)` after its synaptic kernel, about its mean:

.. math::
    \eta_i(t) + b_i + \textstyle\sum_{j \ne i} w_{ij}\, h_j(t)

The weights :math:`w` that maximise the likelihood are found by Newton's method. With the score
:math:`s_i(t) = \partial \ell_i(t) / \partial \eta_i(t)` and the Fisher information :math:`J_i(t)` of each step,

.. math::
    G_{ij} = \textstyle\sum_t s_i(t)\, h_j(t), \qquad
    J_i = \sum_t J_i(t), \qquad
    \Delta_i = G_i\, P / J_i

are gradient, information and step. :math:`P` is the inverse of the covariance of what is sent: a Hessian
:math:`J_i\, P^{-1}` takes the information on a prediction and what arrives at it for independent, and serves all
postsynaptic neurons with one inverse. The gradient is exact, so that the maximum is that of the likelihood.

The standard error comes from the moments of what is sent, weighted by the information, and from the variance inflation
by the other presynaptic neurons: what they explain as well is no information. Where the variances of both neurons
change, and together, it is larger; see `synapsnet.inference.changing_variance`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synapsnet.devices import add_up
from synapsnet.inference.changing_variance import NEARBY_STEPS, ChangingVariance, mean_around, weighted
from synapsnet.model import SynapsNetModel
from synapsnet.normalised import Activity, Scratch
from synapsnet.progress import Advance, Counter, unheard
from synapsnet.splits import Segments
from synapsnet.windows import joined, n_targets, off_beat, segments_of_process, windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

NEWTON_STEPS = 3
STEPS_AT_ONCE = 2048  # that joined pieces have at most; nor have they more steps than there are neurons
ENOUGH_STEPS = 50_000  # for variances: of recordings with at least twice as many, a part of each stretch is taken
LEAST_STEPS = 4 * NEARBY_STEPS[1]  # of a stretch: variances are those of steps nearby
SMALLEST_VARIANCE = 1e-5  # of what is sent, as a fraction of the largest: above the rounding of float32
FLANK_GAP = 2  # steps between the lags of a connection and the flanks
SMALLEST_INFORMATION = 1e-12  # on a neuron that was silent: a huge but finite standard error


class Stretches:
    """What passes over the training part read: sent activity, predictions and targets, (B, N) each, of B steps.

    What is sent and predicted is kept, see `Scratch`; targets are read again.

    Parameters
    ----------
    x : (T, N) tensor, or `Normalised`
    n_steps : int
        Length of the past.
    pieces : list of (start, stop)
        What this process predicts, with its past. Pieces that follow each other are one stretch if neurons are many:
        each stretch is added to matrices of all pairs, which takes as long as a product over some hundred steps.
    """

    def __init__(self, x: Activity, n_steps: int, pieces: Segments) -> None:
        self.x, self.n_steps, self.pieces = x, n_steps, pieces
        self.whole = joined(pieces, n_steps, min(x.shape[1], STEPS_AT_ONCE))
        self.rows = self.rows_of(self.whole)
        self.sent, self.eta = self.room(), self.room()

    def rows_of(self, segments: Segments) -> list[slice]:
        """Where the steps that these predict lie in what is kept."""
        ends = accumulate((stop - start - self.n_steps for start, stop in segments), initial=0)
        return [slice(a, b) for a, b in pairwise(ends)]

    def parts(self, share: int) -> list[slice]:
        """One part in `share` of the steps of each stretch, here an early one and there a late one."""
        parts = []
        for rows, fraction in zip(self.rows, off_beat(len(self.rows)).tolist(), strict=True):
            n_steps = rows.stop - rows.start
            size = min(n_steps, max(-(-n_steps // share), LEAST_STEPS))
            start = min(int(fraction * -(-n_steps // size)) * size, n_steps - size)
            parts.append(slice(start, start + size))
        return parts

    def room(self) -> Scratch:
        """For one more value of each step and neuron."""
        return Scratch((self.rows[-1].stop if self.rows else 0, self.x.shape[1]), self.x.device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for rows, (start, stop) in zip(self.rows, self.whole, strict=True):
            yield self.sent[rows], self.eta[rows], self.x[start + self.n_steps : stop]


def constant(value: float, like: Tensor) -> Tensor:
    """A matrix of that shape and type that holds one value and takes no memory."""
    return torch.full_like(like[0, 0], value).expand_as(like)


@dataclass(frozen=True)
class Evidence:
    """What a fitted model says of pairs of neurons, `[post, pre]`, before anything is assumed about connections.

    Attributes
    ----------
    estimate, standard_error : (N, N) tensor
        Weight at the lags of the synaptic kernel, from the presynaptic neuron to the postsynaptic one.
    zero_lag : (N, N) tensor
        Symmetric: partial correlation of the two neurons' prediction errors in the same step, with the standard error
        that it has where their variances do not change together.
    correlation_per_weight : (N, N) tensor
        Correlation of the postsynaptic neuron with what the presynaptic one sent that a weight of 1 makes.
    n_steps : int
        Number of steps T from which the correlations come.
    flank_estimate, flank_error : (N, N) tensor
        Weight, with its standard error, that would make the correlation in the flanks: earlier and later than a
        connection can act.
    skewness : (N, N) tensor
        Skewness of the estimate's error if the two neurons are independent.
    informative : (N, N) bool tensor, optional
        Pairs about which the recording says anything; symmetric. None: all of them.
    log_direct : (N, N) tensor, optional
        Log likelihood ratio of a connection to a hidden neuron that sends to both, see
        `synapsnet.inference.hidden_sources`; infinite where the recording does not say. None: infinite everywhere.
    """

    estimate: Tensor
    standard_error: Tensor
    zero_lag: Tensor
    correlation_per_weight: Tensor
    n_steps: int
    flank_estimate: Tensor
    flank_error: Tensor
    skewness: Tensor
    informative: Tensor | None = None
    log_direct: Tensor | None = None

    @classmethod
    def at_lags(
        cls,
        estimate: Tensor,
        standard_error: Tensor,
        n_steps: int,
        informative: Tensor,
        log_direct: Tensor | None = None,
    ) -> Evidence:
        """Evidence that is calibrated already, and has nothing at zero lag."""
        nothing, something = constant(0, estimate), constant(1, estimate)
        return cls(
            estimate, standard_error, nothing, nothing, n_steps, nothing, something, nothing, informative, log_direct
        )

    @property
    def has_zero_lag(self) -> bool:
        """Whether anything is known at zero lag."""
        return bool(self.zero_lag.any())

    def without_zero_lag(self) -> Evidence:
        """The evidence at the lags alone."""
        return replace(self, zero_lag=torch.zeros_like(self.zero_lag))

    def to_tensors(self) -> dict[str, Tensor]:
        """Its fields by name; a matrix that holds one value and takes no memory (0 strides) as that value."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return {"n_steps": torch.tensor(self.n_steps)} | {
            name: value if any(value.stride()) else value[:1, :1].clone() for name, value in tensors.items()
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Evidence:
        """The evidence that `to_tensors` gave."""
        shape = tensors["estimate"].shape
        matrices = {name: value.expand(shape) for name, value in tensors.items() if name != "n_steps"}
        return cls(n_steps=int(tensors["n_steps"]), **matrices)


@torch.no_grad()
def gather_evidence(
    model: SynapsNetModel,
    x: Activity,
    b: Tensor,
    batches: list[Segments],
    fabric: Fabric,
    advance: Advance = unheard,
) -> tuple[Evidence, Tensor]:
    """Evidence for every pair from a trained model, with the prior of training undone.

    The trained model stays as it is. The weights that Newton's method adds to its predictions are added to the trained
    ones, and each of those counts as much as the decoder passes on of it: the decoder's mean gain over the training
    part, a number for each postsynaptic neuron. (Newton's method through the decoder would fail where the decoder has
    learned to pass on next to nothing, as it does where there are no connections.)

    Parameters
    ----------
    model : SynapsNetModel
        With connections.
    x : (T, N) tensor, or `Normalised`
    b : (T, V) tensor
        Activity and behaviour as the model sees them.
    batches : list of lists of (start, stop)
        Batches of the training part.
    fabric : Fabric
        Its processes share the batches.
    advance : callable
        Told the fraction done.

    Returns
    -------
    evidence : Evidence
    gain : (N,) tensor
        Mean gain of each neuron's decoder: the change of its prediction per unit of input current.
    """
    assert model.synapses is not None
    n_newton = 1 if model.likelihood.constant_information else NEWTON_STEPS  # one reaches a parabola's top
    n, n_steps = x.shape[1], sum(n_targets(batch, model.n_steps) for batch in batches)
    pieces = [
        piece
        for batch in batches
        for piece in segments_of_process(batch, model.n_steps, fabric.global_rank, fabric.world_size)
    ]
    stretches = Stretches(x, model.n_steps, pieces)
    counted = Counter(len(stretches.pieces) + (2 + 2 * n_newton) * len(stretches.whole), advance)
    gain = _predict(model, b, stretches, n_steps, fabric, counted)
    covariance = torch.zeros(n, n, dtype=gain.dtype, device=x.device)
    for h, *_ in counted(stretches):
        covariance.add_(h.T @ h, alpha=1 / n_steps)
    covariance = add_up(fabric, covariance)
    precision = _inverse(covariance)
    sd_sent = covariance.diagonal().clamp(min=_smallest_variance(covariance)).sqrt()
    silent = covariance.diagonal() < SMALLEST_INFORMATION
    del covariance
    added = _maximise_likelihood(model, stretches, precision, n_newton, fabric, counted)
    estimate = gain[:, None] * model.synapses.weight + added
    del added
    evidence = _read_out(model, stretches, estimate, sd_sent, precision, n_steps, fabric, counted)
    if silent.any():  # while it was trained: whose estimates are rounding times a huge error
        evidence = replace(evidence, informative=~(silent[:, None] | silent))
    return evidence, gain


def mean_gain(model: SynapsNetModel, x: Activity, b: Tensor, batches: list[Segments], fabric: Fabric) -> Tensor:
    """(N,) mean gain of each neuron's decoder, see `gather_evidence`."""
    n_steps = sum(n_targets(batch, model.n_steps) for batch in batches)
    gain = torch.zeros(x.shape[1], dtype=_double(x), device=x.device)
    for batch in batches:
        for start, stop in segments_of_process(batch, model.n_steps, fabric.global_rank, fabric.world_size):
            past, context, _ = windows(x[start:stop], b[start:stop], model.n_steps)
            gain += _decode(model, past, context)[1] / n_steps
    return add_up(fabric, gain)


def _decode(model: SynapsNetModel, past: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) predictions, and (N,) sums of their derivatives by the input currents."""
    current = model.current(past)
    if model.likelihood.linear_current:  # with a weight of 1
        return model.decode(current, past, context), torch.full_like(current[0], len(current))
    with torch.enable_grad():
        current.requires_grad_()
        eta = model.decode(current, past, context)
        (slope,) = torch.autograd.grad(eta.sum(), current)
    return eta.detach(), slope.sum(0)


def _double(x: Activity) -> torch.dtype:
    return torch.float32 if x.device.type == "mps" else torch.float64  # which MPS does not have


def _predict(
    model: SynapsNetModel, b: Tensor, stretches: Stretches, n_steps: int, fabric: Fabric, counted: Counter
) -> Tensor:
    """Fill in predictions, and what is sent about its mean; return the mean gain of each neuron's decoder."""
    assert model.synapses is not None
    x, pieces = stretches.x, stretches.pieces
    gain, total = torch.zeros(2, x.shape[1], dtype=_double(x), device=x.device)
    for rows, (start, stop) in zip(stretches.rows_of(pieces), counted(pieces), strict=True):
        past, context, _ = windows(x[start:stop], b[start:stop], model.n_steps)
        sent = model.synapses.filtered(past)
        stretches.sent[rows].copy_(sent)
        total += sent.sum(0)
        eta, slope = _decode(model, past, context)
        stretches.eta[rows].copy_(eta)
        gain += slope / n_steps
    mean = (add_up(fabric, total) / n_steps).float()
    for h, *_ in stretches:
        h.sub_(mean)
    return add_up(fabric, gain)


def _maximise_likelihood(
    model: SynapsNetModel, stretches: Stretches, precision: Tensor, n_newton: int, fabric: Fabric, counted: Counter
) -> Tensor:
    """(N, N) weights w to be added to the trained ones; the predictions in `stretches` are updated in place."""
    n = len(precision)
    weight = torch.zeros_like(precision)
    for _ in range(n_newton):
        information, offset_score, slope, curvature = torch.zeros(4, n, dtype=precision.dtype, device=precision.device)
        gradient = torch.zeros_like(precision)
        for h, eta, target in counted(stretches):
            score = model.score(eta, target)
            information += model.fisher_information(eta).sum(0)
            gradient += score.T @ h
            offset_score += score.sum(0)
        information, gradient, offset_score = (add_up(fabric, part) for part in (information, gradient, offset_score))
        information = information.clamp(min=SMALLEST_INFORMATION)
        step = _without_self_connections(gradient @ precision / information[:, None], precision)
        offset_step = offset_score / information
        # The approximate Hessian may make a step too long. Along the step the exact curvature is one number for each
        # postsynaptic neuron, sum_t J_i(t) d_i(t)^2 with d = h step^T: a parabola with it and the slope sum_t s_i(t)
        # d_i(t) has its top at slope / curvature.
        direction, changes = step.float().T, stretches.room()
        for rows, (h, eta, target) in zip(stretches.rows, counted(stretches), strict=True):
            change = changes[rows]
            torch.mm(h, direction, out=change)
            slope += (model.score(eta, target) * change).sum(0)
            curvature += (model.fisher_information(eta) * change.square()).sum(0)
        slope, curvature = add_up(fabric, slope), add_up(fabric, curvature)
        step_length = (slope / curvature.clamp(min=SMALLEST_INFORMATION)).clamp(0, 1)
        for rows in stretches.rows:
            eta = stretches.eta[rows]
            eta += changes[rows].mul_(step_length.float()).add_(offset_step.float())
        weight += step_length[:, None] * step
    return weight


def _read_out(
    model: SynapsNetModel,
    stretches: Stretches,
    estimate: Tensor,
    sd_sent: Tensor,
    precision: Tensor,
    n_steps: int,
    fabric: Fabric,
    counted: Counter,
) -> Evidence:
    """The evidence at the predictions in `stretches`, which are those of the estimate."""
    estimate = estimate.fill_diagonal_(0).float()  # not quite 0 by rounding
    residual_covariance, first_moment, second_moment, flank_gradient, flank_covariance = (
        torch.zeros_like(precision) for _ in range(5)
    )
    information, information_of_moments, residual_cubes, sent_cubes = (torch.zeros_like(sd_sent) for _ in range(4))
    changing_variance, n_flanks = ChangingVariance(precision), torch.zeros((), device=precision.device)
    n_lags, share = model.architecture.n_lags, max(1, n_steps // ENOUGH_STEPS)
    for part, (h, eta, target) in zip(stretches.parts(share), counted(stretches), strict=True):
        score, step_information = model.score(eta, target), model.fisher_information(eta)
        residual = score / step_information.clamp(min=SMALLEST_INFORMATION).sqrt()  # variance 1 if the model is right
        residual_covariance += residual.T @ residual
        information += step_information.sum(0)
        residual_cubes += residual.pow(3).sum(0)
        sent_cubes += h.pow(3).sum(0) / n_steps
        flank = flanks(h, n_lags)
        flank_gradient += score.T @ flank
        flank = flank[:: min(share, n_lags // 2 + 1)]  # as means over more steps than that, they change slowly
        flank_covariance += flank.T @ flank
        n_flanks += len(flank)
        weighed = slice(None) if model.likelihood.constant_information else part  # which takes no product
        information_of_moments += step_information[weighed].sum(0)
        first_moment += weighted(step_information[weighed], h[weighed])
        second_moment += weighted(step_information[weighed], h[weighed].square())
        changing_variance.add(h[part], score[part], step_information[part], residual[part])
    residual_covariance, first_moment, second_moment, information, information_of_moments = (
        add_up(fabric, part)
        for part in (residual_covariance, first_moment, second_moment, information, information_of_moments)
    )
    residual_cubes, sent_cubes = add_up(fabric, residual_cubes), add_up(fabric, sent_cubes)
    flank_gradient, flank_covariance = add_up(fabric, flank_gradient), add_up(fabric, flank_covariance)
    flank_covariance /= add_up(fabric, n_flanks)
    changing_variance.add_up(fabric)
    information = information.clamp(min=SMALLEST_INFORMATION)[:, None]
    of_all = information / information_of_moments.clamp(min=SMALLEST_INFORMATION)[:, None]
    first_moment, second_moment = first_moment.mul_(of_all), second_moment.mul_(of_all)
    residual_size = residual_covariance.diagonal().clamp(min=SMALLEST_INFORMATION).sqrt()
    # These matrices fill the memory of large networks: one after the other makes room.
    standard_error = _standard_error(first_moment, second_moment, information, precision, sd_sent).float()
    del first_moment, second_moment
    standard_error *= changing_variance.of_estimates().sqrt()
    of_zero_lag = changing_variance.of_zero_lag()
    del changing_variance
    zero_lag = _partial_correlation(residual_covariance.div_(residual_size[:, None]).div_(residual_size)).float()
    del residual_covariance
    zero_lag /= of_zero_lag.sqrt_()
    flank_estimate, flank_error = _flank_estimate(flank_gradient, flank_covariance, precision, information)
    return Evidence(
        estimate=estimate,
        standard_error=standard_error,
        zero_lag=zero_lag,
        correlation_per_weight=((information / n_steps).sqrt() * sd_sent).float(),
        n_steps=n_steps,
        flank_estimate=flank_estimate.float(),
        flank_error=flank_error.float(),
        # The estimate is a sum over steps of products residual_i(t) h_j(t). If these are independent, the third
        # moment of a product is the product of the third moments.
        skewness=((residual_cubes / residual_size**3)[:, None] * (sent_cubes / sd_sent**3)).float(),
    )


def _standard_error(
    first_moment: Tensor, second_moment: Tensor, information: Tensor, precision: Tensor, sd_sent: Tensor
) -> Tensor:
    r"""(N, N) standard errors of the weights.

    .. math::
        \mathrm{se}_{ij}^2 = \frac{\mathrm{VIF}_{ij}}
            {\sum_t J_i(t)\, h_j(t)^2 - \big(\sum_t J_i(t)\, h_j(t)\big)^2 / J_i}, \qquad
        \mathrm{VIF}_{ij} = \sigma_j^2 \left(P_{jj} - P_{ij}^2 / P_{ii}\right)

    The denominator is the information on :math:`w_{ij}` if j were the only presynaptic neuron, less what a shift of the
    offset explains as well. The variance inflation factor is what the other presynaptic neurons explain as well. In
    it, :math:`P_{jj} - P_{ij}^2 / P_{ii}` (a Schur complement) is entry jj of the inverse covariance of all neurons but
    i, which sends nothing to itself; :math:`\sigma_j` is the standard deviation of what j sends.
    """
    alone = (second_moment - first_moment.square() / information).clamp_(min=SMALLEST_INFORMATION)
    inflation = precision.square().div_(precision.diagonal()[:, None]).neg_().add_(precision.diagonal())
    return inflation.mul_(sd_sent.square()).clamp_(min=1).div_(alone).sqrt_()


def _partial_correlation(correlation: Tensor) -> Tensor:
    """(N, N) correlation of each pair given all other neurons: minus the scaled inverse."""
    inverse = torch.linalg.inv(correlation.fill_diagonal_(1 + SMALLEST_VARIANCE))
    size = inverse.diagonal().sqrt()
    return inverse.div_(-size[:, None]).div_(size).fill_diagonal_(0)


def _flank_estimate(
    gradient: Tensor, covariance: Tensor, precision: Tensor, information: Tensor
) -> tuple[Tensor, Tensor]:
    """Weight of the flanks and its standard error, by one step of Newton's method from 0; see `Evidence`.

    Means over the flanks vary less than activity at one lag: the same covariance is a smaller weight at the lags, by
    the ratio of the two precisions.
    """
    flank_precision = _inverse(covariance)
    at_lags = precision.diagonal() / flank_precision.diagonal()
    estimate = _without_self_connections(gradient @ flank_precision / information, flank_precision) * at_lags
    return estimate, (flank_precision.diagonal() / information).sqrt() * at_lags


def _inverse(covariance: Tensor) -> Tensor:
    regular = covariance.clone()
    regular.diagonal().add_(_smallest_variance(covariance))
    return torch.linalg.inv(regular)


def _smallest_variance(covariance: Tensor) -> float:
    return SMALLEST_VARIANCE * max(float(covariance.diagonal().max()), SMALLEST_INFORMATION)


def _without_self_connections(weight: Tensor, precision: Tensor) -> Tensor:
    """The maximum under the condition that no neuron is connected to itself.

    For a parabola whose Hessian is proportional to the covariance, the maximum under w_ii = 0 lies along row i of the
    precision P (Lagrange): w_i - (w_ii / P_ii) P_i.
    """
    return weight - (weight.diagonal() / precision.diagonal())[:, None] * precision


def flanks(sent: Tensor, n_lags: int) -> Tensor:
    """(T, N) mean of what is sent before and after each step, too far away for a connection; 0 where there is neither.

    The flanks reach from `FLANK_GAP` steps more than a kernel is long to twice as far, on either side.
    """
    near = n_lags + FLANK_GAP
    return mean_around(sent, near, 2 * near)
