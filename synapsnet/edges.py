r"""Which connections are there: an empirical Bayes posterior over all pairs of neurons.

A fitted model says of every ordered pair how much the presynaptic neuron's past tells of the postsynaptic one, with a
standard error, and of every pair how the two deviate *together* from what was predicted. Neither knows what cortex is
like. Here that is learned from the same recording, all pairs together:

- most pairs are not connected, and the weights of those that are have some distribution;
- neurons come in two types, each with its own density and weights (Dale's principle: one excites, one inhibits). Nothing
  forces a type to have one sign: that is learned too;
- a connection acts within a step as well as from one to the next. What is seen within a step has no direction, so it is
  explained by the two directions jointly, each with what its lag says.

With :math:`w_{ij}` the weight from j to i, zero if there is none, :math:`t_j` the type of j, :math:`\hat w_{ij}` the
estimate at a lag, :math:`\hat c_{ij}` the correlation within a step and :math:`u_{ij}` its size per unit of weight,

.. math::
    w_{ij} \mid t_j &\sim g_{t_j} \quad \text{(a discrete distribution with most of its mass at 0)} \\
    \hat w_{ij} &\sim N(w_{ij} + \mu,\; \tau^2 s_{ij}^2) \\
    \hat c_{ij} &\sim N(\kappa_{t_j} u_{ij} w_{ij} + \kappa_{t_i} u_{ji} w_{ji} + \nu,\; \rho^2 / T)

where the distributions g, the gains :math:`\kappa`, and the offsets and excess errors :math:`\mu, \tau, \nu, \rho` that
unseen common input causes are fitted by expectation maximisation. The types' posterior comes from all that a neuron
sends. Compare Efron 2008, Statistical Science 23:1 (empirical null, two groups) and Stephens 2017, Biostatistics 18:275
(weights from a mixture that is learned).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

WIDTH = 0.25
LEAK_SD, GAIN_SD = 0.3, 1.0
N_SIZES = 8  # of weights of either sign, logarithmically spaced
SMALLEST_SIZE = 0.7  # in median standard errors
PRIOR_PAIRS, PRIOR_DENSITY = 10.0, 0.1  # of a type, as if so many pairs had been seen before
CHUNK_VALUES = 10_000_000  # pairs x weights x weights at a time: 80 MB
TOLERANCE, MOST_ITERATIONS = 1e-4, 100  # of the probabilities' mean change


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
    """

    estimate: Tensor
    standard_error: Tensor
    within: Tensor
    unit: Tensor
    n_steps: int


@dataclass(frozen=True)
class Posterior:
    """What is known of connections, `[post, pre]`.

    Attributes
    ----------
    absent : (N, N) tensor
        Probability that there is none: the local false discovery rate.
    mean, sd : (N, N) tensor
        Of the weight, absent ones being 0.
    p_value : (N, N) tensor
        Two-sided, of the estimate at a lag alone, with the standard errors and offset that fit the absent connections.
    """

    absent: Tensor
    mean: Tensor
    sd: Tensor
    p_value: Tensor


def posterior(evidence: Evidence) -> Posterior:
    """The posterior of the module's docstring; O(N^2) per iteration. With fewer than 2 neurons nothing is known."""
    if len(evidence.estimate) < 2:
        nothing, certain = torch.zeros_like(evidence.estimate), torch.ones_like(evidence.estimate)
        return Posterior(certain, nothing, nothing, certain)
    fit = _Fit(evidence)
    for _ in range(MOST_ITERATIONS):
        before = fit.absent
        fit.update()
        if (fit.absent - before).abs().mean() < TOLERANCE:
            break
    return Posterior(fit.absent, fit.mean, fit.variance.sqrt(), fit.p_value())


class _Fit:
    """Expectation maximisation; one `update` is one iteration."""

    def __init__(self, evidence: Evidence) -> None:
        self.lag, self.error, self.within, self.unit = (
            x.double().cpu() for x in (evidence.estimate, evidence.standard_error, evidence.within, evidence.unit)
        )
        n = self.n = len(self.lag)
        self.pairs = ~torch.eye(n, dtype=torch.bool)
        self.within_error = evidence.n_steps**-0.5
        size = self.error[self.pairs].median()
        largest = max((self.lag[self.pairs].abs() / size).max().item(), 4.0)
        sizes = size * torch.logspace(0, 1, N_SIZES, base=largest / SMALLEST_SIZE, dtype=torch.float64) * SMALLEST_SIZE
        self.weights = torch.cat([-sizes.flip(0), torch.zeros(1, dtype=torch.float64), sizes])  # (G,)
        ratio = (largest / SMALLEST_SIZE) ** (1 / (N_SIZES - 1))
        self.width = WIDTH * (ratio - 1 / ratio) * self.weights.abs()  # so that sizes overlap
        self.zero = N_SIZES  # where 0 is among them
        # At first one type excites, the other inhibits, and a neuron's type is what it sends on the whole.
        few = torch.full_like(self.weights, 1e-3)
        few[self.zero] = 1 - PRIOR_DENSITY
        excites, inhibits = few.clone(), few.clone()
        excites[self.zero + 1 :] = inhibits[: self.zero] = PRIOR_DENSITY / N_SIZES
        self.prior = torch.stack([excites, inhibits])
        self.prior = self.prior / self.prior.sum(1, keepdim=True)  # (2, G)
        sent = torch.where(self.pairs, self.lag / self.error, 0.0).sum(0) / (n - 1) ** 0.5
        self.type = torch.softmax(torch.stack([sent, -sent], dim=1), dim=1)  # (N, 2)
        self.gain = torch.zeros(2, dtype=torch.float64)
        self.leak = torch.zeros(2, dtype=torch.float64)
        self.lag_offset, self.lag_sd, self.within_offset, self.within_sd = 0.0, 1.0, 0.0, 1.0
        self.indirect_lag = self.indirect_within = torch.zeros_like(self.lag)
        self.absent = torch.ones_like(self.lag)
        self.mean = self.variance = torch.zeros_like(self.lag)

    def update(self) -> None:
        """One iteration: the weights' and types' posterior, then everything that is the same for all pairs."""
        likelihood, cross = self._likelihood()
        by_type = torch.einsum("ijg,tg->ijt", likelihood, self.prior)
        shares = torch.log(self.type.mean(0).clamp(min=1 / (2 * self.n)))
        self.type = torch.softmax(torch.where(self.pairs[..., None], by_type.log(), 0.0).sum(0) + shares, dim=1)
        counts = torch.empty_like(self.prior)
        weight = torch.zeros_like(likelihood)
        for t in (0, 1):
            given = likelihood * self.prior[t] / by_type[..., t, None] * self.type[:, t, None]
            counts[t] = given[self.pairs].sum(0)
            weight += given
        before = torch.full_like(self.weights, PRIOR_PAIRS * PRIOR_DENSITY / (2 * N_SIZES))
        before[self.zero] = PRIOR_PAIRS * (1 - PRIOR_DENSITY)
        self.prior = (counts + before) / (counts + before).sum(1, keepdim=True)
        weight = torch.where(self.pairs[..., None], weight, 0.0)
        self.absent = torch.where(self.pairs, weight[..., self.zero], 1.0)
        # Within each size, between its centre and the estimate.
        error = (self.lag_sd * self.error).square()[..., None]
        trust = self.width.square() / (self.width.square() + error)
        seen = self.lag - self.lag_offset - self.indirect_lag - (self.type @ self.leak)[:, None] * self.mean.T
        centre = self.weights + trust * (seen[..., None] - self.weights)
        self.mean = (weight * centre).sum(2)
        self.variance = (weight * (centre.square() + trust * error)).sum(2) - self.mean.square()
        self._update_errors(cross - self.mean * self.mean.T)

    def p_value(self) -> Tensor:
        leaked = (self.type @ self.leak)[:, None] * self.mean.T
        z = (self.lag - self.indirect_lag - leaked - self.lag_offset) / (self.lag_sd * self.error)
        return torch.where(self.pairs, torch.special.erfc(z.abs() / 2**0.5), 1.0)

    def _likelihood(self) -> tuple[Tensor, Tensor]:
        """(N, N, G) likelihood of each weight of each pair, what the reverse weight may be summed over; E[w_ij w_ji]."""
        expected = self.type @ self.prior  # (N, G), of a weight by its sender
        likelihood = torch.empty(self.n, self.n, len(self.weights), dtype=torch.float64)
        cross = torch.empty_like(self.lag)
        lag = (self.lag - self.lag_offset - self.indirect_lag) / (self.lag_sd * self.error)
        per_weight = 1 / (self.lag_sd * self.error)
        leaked = (self.type @ self.leak)[:, None] * per_weight  # of w_ji in the estimate of w_ij, by the type of i
        scale = self.within_sd * self.within_error
        within = (self.within - self.indirect_within - self.within_offset) / scale
        effect = (self.type @ self.gain) * self.unit / scale
        forth, back, width = self.weights[:, None], self.weights, self.width
        rows = max(1, CHUNK_VALUES // (self.n * len(self.weights) ** 2))
        for start in range(0, self.n, rows):
            part = slice(start, start + rows)

            def surprise(seen: Tensor, direct: Tensor, reverse: Tensor, part: slice = part) -> Tensor:
                by_forth, by_back = (x[part, :, None, None] for x in (direct, reverse))
                variance = 1 + (by_forth * width[:, None]).square() + (by_back * width).square()
                rest = seen[part, :, None, None] - by_forth * forth - by_back * back
                return rest.square_().div_(variance).add_(variance.log_())

            squares = surprise(lag, per_weight, leaked)
            squares += surprise(lag.T, leaked.T, per_weight.T)
            squares += surprise(within, effect, effect.T)
            density = torch.exp(-0.5 * (squares - squares.amin((2, 3), keepdim=True)))
            both = torch.einsum("ijgh,ih->ijg", density, expected[part])
            likelihood[part] = both
            moment = torch.einsum("ijgh,ih->ijg", density, expected[part] * self.weights)
            cross[part] = (moment * expected * self.weights).sum(2) / (both * expected).sum(2)
        return likelihood.clamp(min=1e-300), cross

    def _update_errors(self, covariance: Tensor) -> None:
        """Gains, leaks, offsets and excess errors, given the posterior of the weights."""
        of_pre, of_post = self.type.T[:, None, :], self.type.T[:, :, None]  # (2, 1, N), (2, N, 1)
        mean, variance = self.mean, self.variance
        # What of the estimate is not w_ij is leaked from w_ji.
        solution, self.lag_sd = _regress(
            (self.lag - mean - self.indirect_lag)[self.pairs],
            self.error[self.pairs],
            [(q * mean.T).expand_as(mean)[self.pairs] for q in of_post],
            [[(q * p * variance.T).expand_as(mean)[self.pairs] for p in of_post] for q in of_post],
            [(-q * covariance)[self.pairs] for q in of_post],
            variance[self.pairs],
            LEAK_SD,
        )
        self.leak, self.lag_offset = solution[:2], float(solution[2])
        # Every pair is there once; its weights in both directions act within a step.
        upper = torch.triu(self.pairs)
        unit, forth, back = self.unit, self.unit**2 * variance, (self.unit**2 * variance).T
        both = unit * unit.T * covariance
        solution, self.within_sd = _regress(
            (self.within - self.indirect_within)[upper],
            torch.full((int(upper.sum()),), self.within_error, dtype=torch.float64),
            [(q * unit * mean + p * (unit * mean).T)[upper] for q, p in zip(of_pre, of_post, strict=True)],
            [
                [
                    (of_pre[t] * of_pre[s] * forth + of_post[t] * of_post[s] * back + (of_pre[t] * of_post[s] + of_post[t] * of_pre[s]) * both)[upper]
                    for s in (0, 1)
                ]
                for t in (0, 1)
            ],
            None,
            None,
            GAIN_SD,
        )
        self.gain, self.within_offset = solution[:2], float(solution[2])
        # What a connection does within a step is passed on by the next one, and correlates neurons with one target.
        correlation = self.unit * mean
        step = (self.type @ self.gain) * correlation
        indirect = torch.where(self.pairs, step @ correlation, 0.0)
        self.indirect_lag = indirect / torch.where(self.unit > 0, self.unit, torch.inf)
        self.indirect_within = -torch.where(self.pairs, step.T @ step, 0.0)


def _regress(y, error, means, seconds, crossed, own, prior_sd):
    """Coefficients of uncertain regressors, and of a constant; and how much larger than `error` the rest is."""
    k = len(means)
    design = torch.stack([*means, torch.ones_like(y)], dim=1) / error[:, None]
    z = y / error
    normal = design.T @ design
    moment = design.T @ z
    spread = torch.stack([torch.stack([(x / error**2).sum() for x in row]) for row in seconds])
    normal[:k, :k] += spread
    if crossed is not None:
        shift = torch.stack([(x / error**2).sum() for x in crossed])
        moment[:k] += shift
    ridge = torch.full((k + 1,), prior_sd**-2, dtype=torch.float64)
    ridge[k] = 1e-9
    solution = torch.linalg.solve(normal + torch.diag(ridge), moment)
    beta = solution[:k]
    squared = (z - design @ solution).square().sum() + beta @ spread @ beta
    if crossed is not None:
        squared = squared + (own / error**2).sum() - 2 * beta @ shift
    return solution, float((squared / len(y)).clamp(min=1e-6).sqrt())
