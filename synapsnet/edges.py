r"""Which connections are there: an empirical Bayes posterior over all pairs of neurons.

A fitted model says of every ordered pair how much the presynaptic neuron's past tells of the postsynaptic one, with a
standard error, and of every pair how the two deviate *together* from what was predicted. Neither knows what cortex is
like. Here that is learned from the same recording, all pairs together:

- most pairs are not connected, and the weights of those that are have some distribution;
- neurons come in two types, each with its own density and weights (Dale's principle: one excites, one inhibits).
  Which sign a type has is learned too;
- a connection acts within a step as well as from one to the next. What is seen within a step has no direction, so the
  two directions explain it jointly. Noise that blurs time makes a connection leak into the lag of the reverse one.

With :math:`w_{ij}` the weight from j to i, zero if there is none, :math:`t_j` the type of j, :math:`\hat w_{ij}`
the estimate at a lag, :math:`\hat c_{ij}` the correlation within a step and :math:`u_{ij}` its size per unit of weight,

.. math::
    w_{ij} \mid t_j &\sim g_{t_j} \quad \text{(a discrete distribution with most of its mass at 0)} \\
    \hat w_{ij} &\sim N(w_{ij} + \lambda_{t_i} w_{ji} + a_{ij} + \mu_{t_j},\; \tau^2 s_{ij}^2) \\
    \hat c_{ij} &\sim N(\kappa_{t_j} u_{ij} w_{ij} + \kappa_{t_i} u_{ji} w_{ji} + b_{ij} + \nu_{t_i} + \nu_{t_j},\;
                 \rho^2 / T)

where a and b are what the other connections, as they are known so far, pass on within a step. The distributions g,
leaks :math:`\lambda`, gains :math:`\kappa`, and the offsets and excess errors :math:`\mu, \tau, \nu, \rho` that unseen
common input causes are fitted by expectation maximisation. The types' posterior comes from all that a neuron sends.
Compare Efron 2008, Statistical Science 23:1 (two groups, empirical null), and Stephens 2017, Biostatistics 18:275 (a
mixture for the weights that is learned).

All weights are counted in standard errors of their estimates, so that evidence does not follow firing rates.
The constants below were chosen on seeds 1 and 2 of the network "lif-random", with and without shared input,
`MOST_MIXED` on seeds 1 to 3 of "v1", and `PRIOR_DENSITY` on seeds 1 to 6 with 10% and 0.5% of the pairs connected: of
what is found at a nominal 5%, 4.7% and 7.7% are false then (with 0.1 in its place 5.3% and 11.9%).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

N_SIZES = 8  # of weights of either sign, logarithmically spaced
SMALLEST_SIZE, LEAST_RANGE = 1.0, 4.0  # the smallest one in standard errors; how much larger the largest is
WIDTH = 0.25  # of a size, as a share of the distance between its neighbours
PRIOR_PAIRS, PRIOR_DENSITY = 10.0, 0.02  # of each type, as if so many pairs had been seen before
MOST_DENSE = 0.5  # a type connects to half of the others at most
MOST_MIXED = 0.05  # weights of the other sign, as a share of those of a type's own
LEAST_SPREAD = 0.93  # of absent pairs, as a share of what most pairs have
LEAK_SD, GAIN_SD, CONSTANT_PRECISION = 0.3, 1.0, 1e-6  # of prior distributions about 0
NORMAL_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
CHUNK_VALUES = 1_000_000  # pairs x weights x weights at a time: 8 MB, which a processor keeps at hand
NOTICEABLE, SMALL = 2.0, 5.0  # in standard errors: a pair of which nothing is larger has small weights at most
TOLERANCE, MOST_ITERATIONS = 5e-4, 40  # of the probabilities' mean change


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

    def of_lags(self) -> Evidence:
        """Without what is seen within a step."""
        return replace(self, within=torch.zeros_like(self.within))


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
    error = evidence.standard_error.cpu().double()
    fit = _Fit(
        evidence.estimate.cpu().double() / error,
        evidence.within,
        evidence.unit.cpu().double() * error,
        evidence.n_steps,
    )
    for _ in range(MOST_ITERATIONS):
        before = fit.absent
        fit.update()
        if (fit.absent - before).abs().mean() < TOLERANCE:
            break
    return Posterior(fit.absent, fit.mean * error, fit.variance.clamp(min=0).sqrt() * error, fit.p_value())


class _Fit:
    """Expectation maximisation; one `update` is one iteration. Weights are in standard errors of their estimates."""

    def __init__(self, lag: Tensor, within: Tensor, unit: Tensor, n_steps: int) -> None:
        self.lag, self.within, self.unit = lag, within.cpu().double(), unit
        n = self.n = len(self.lag)
        self.pairs = ~torch.eye(n, dtype=torch.bool)
        self.within_error = n_steps**-0.5
        # Most pairs are not connected: how these are distributed, at first and at least.
        centre, self.lag_sd = _centre_and_spread(self.lag[self.pairs])
        self.lag_offset = torch.full((2,), centre, dtype=torch.float64)
        middle, self.within_sd = _centre_and_spread(self.within[self.pairs] / self.within_error)
        self.within_offset = torch.full((2,), middle * self.within_error / 2, dtype=torch.float64)
        self.least_lag_sd, self.least_within_sd = LEAST_SPREAD * self.lag_sd, LEAST_SPREAD * self.within_sd
        self._set_sizes()
        # At first one type excites, the other inhibits, and a neuron's type is what it sends on the whole.
        excites = torch.full_like(self.weights, 1e-3)
        excites[self.zero] = 1 - PRIOR_DENSITY
        excites[self.zero + 1 :] = PRIOR_DENSITY / N_SIZES
        excites /= excites.sum()
        self.prior = torch.stack([excites, excites.flip(0)])  # (2, G)
        sent = torch.where(self.pairs, (self.lag - centre) / self.lag_sd, 0.0).sum(0) / (n - 1) ** 0.5
        self.type = torch.softmax(torch.stack([sent, -sent], dim=1), dim=1)  # (N, 2)
        self.gain = self.leak = torch.zeros(2, dtype=torch.float64)
        self.mean = self.variance = self.indirect_lag = self.indirect_within = torch.zeros_like(self.lag)
        self.absent = torch.ones_like(self.lag)

    def _set_sizes(self) -> None:
        """(G,) the weights that a connection may have, and how far each of them reaches."""
        largest = max(LEAST_RANGE, float(self.lag[self.pairs].abs().max() / (self.lag_sd * SMALLEST_SIZE)))
        size = self.lag_sd * SMALLEST_SIZE
        sizes = size * torch.logspace(0, 1, N_SIZES, base=largest, dtype=torch.float64)
        self.weights = torch.cat([-sizes.flip(0), torch.zeros(1, dtype=torch.float64), sizes])
        self.zero = N_SIZES  # where 0 is among them
        ratio = largest ** (1 / (N_SIZES - 1))
        self.width = WIDTH * (ratio - 1 / ratio) * self.weights.abs()

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
        self._bound_prior()
        weight = torch.where(self.pairs[..., None], weight, 0.0)
        self.absent = torch.where(self.pairs, weight[..., self.zero], 1.0)
        # Within each size, between its centre and the estimate.
        trust = self.width.square() / (self.width.square() + self.lag_sd**2)
        centre = self.weights + trust * (self._own_lag()[..., None] - self.weights)
        self.mean = (weight * centre).sum(2)
        self.variance = (weight * (centre.square() + trust * self.lag_sd**2)).sum(2) - self.mean.square()
        self._update_effects(cross - self.mean * self.mean.T)

    def _bound_prior(self) -> None:
        """Keep offsets from passing for connections: see `MOST_MIXED` and `MOST_DENSE`."""
        negative, positive = self.prior[:, : self.zero], self.prior[:, self.zero + 1 :]  # views
        masses = torch.stack([negative.sum(1), positive.sum(1)])
        shares = (MOST_MIXED * masses.amax(0) / masses).where(masses < masses.amax(0), 1.0).clamp(max=1)
        shares = shares * (MOST_DENSE / (shares * masses).sum(0)).clamp(max=1)
        negative *= shares[0, :, None]
        positive *= shares[1, :, None]
        self.prior[:, self.zero] = 1 - (shares * masses).sum(0)

    def _of_absent(self) -> tuple[Tensor, Tensor]:
        """What the estimate and the correlation of a pair without connections are on average."""
        alone = self.type @ self.within_offset
        return self.indirect_lag + self.type @ self.lag_offset, self.indirect_within + alone[:, None] + alone

    def _own_lag(self) -> Tensor:
        """The estimates without what absent connections have, and without what leaks from the reverse ones."""
        return self.lag - self._of_absent()[0] - (self.type @ self.leak)[:, None] * self.mean.T

    def p_value(self) -> Tensor:
        """See `Posterior`."""
        z = self._own_lag() / self.lag_sd
        return torch.where(self.pairs, torch.special.erfc(z.abs() / 2**0.5), 1.0)

    def _likelihood(self) -> tuple[Tensor, Tensor]:
        """(N, N, G) likelihood of each pair's weight, all that the reverse one may be taken together; E[w_ij w_ji]."""
        absent_lag, absent_within = self._of_absent()
        lag = (self.lag - absent_lag) / self.lag_sd
        leak = self.type @ self.leak / self.lag_sd  # of w_ji in the estimate of w_ij, by the type of i
        scale = self.within_sd * self.within_error
        within = (self.within - absent_within) / scale
        effect = (self.type @ self.gain) * self.unit / scale
        expected = self.type @ self.prior  # (N, G), of a weight by its sender
        likelihood = torch.zeros(self.n, self.n, len(self.weights), dtype=torch.float64)
        cross = torch.zeros_like(self.lag)

        def density(i: Tensor, j: Tensor, weights: Tensor, width: Tensor) -> Tensor:
            """(P, G, G) of what is seen of the pairs i, j, given w_ij and w_ji."""
            seen = torch.stack([lag[i, j], lag[j, i], within[i, j]])
            of_forth = torch.stack([torch.full_like(seen[0], 1 / self.lag_sd), leak[j], effect[i, j]])
            of_back = torch.stack([leak[i], of_forth[0], effect[j, i]])
            squares = torch.zeros((), dtype=torch.float64)
            for x, f, b in zip(seen, of_forth[..., None], of_back[..., None], strict=True):
                variance = 1 + (f * width).square()[:, :, None] + (b * width).square()[:, None]
                rest = (x[:, None] - f * weights)[:, :, None] - (b * weights)[:, None]
                squares = squares + rest.square_().div_(variance).add_(variance.log_())
            return squares.sub_(squares.amin((1, 2), keepdim=True)).mul_(-0.5).exp_()

        one, other = torch.triu_indices(self.n, self.n, 1)
        shows = torch.stack([lag[one, other], lag[other, one], within[one, other]]).abs().amax(0) > NOTICEABLE
        small = int((self.weights.abs() <= SMALL * self.lag_sd).sum()) // 2
        for pairs, reach in ((shows, self.zero), (~shows, small)):
            near = slice(self.zero - reach, self.zero + reach + 1)
            weights, width, sent = self.weights[near], self.width[near], expected[:, near]
            size = max(1, CHUNK_VALUES // len(weights) ** 2)
            for i, j in zip(one[pairs].split(size), other[pairs].split(size), strict=True):
                both = density(i, j, weights, width)
                forth = torch.einsum("pgh,ph->pg", both, sent[i])
                likelihood[i, j, near], likelihood[j, i, near] = forth, torch.einsum("pgh,pg->ph", both, sent[j])
                moment = torch.einsum("pgh,ph->pg", both, sent[i] * weights)
                cross[i, j] = cross[j, i] = (moment * sent[j] * weights).sum(1) / (forth * sent[j]).sum(1)
        return likelihood.clamp_(min=1e-300), cross

    def _update_effects(self, covariance: Tensor) -> None:
        """Leaks, gains, offsets and excess errors, given the posterior of the weights."""
        of_pre, of_post = self.type.T[:, None, :], self.type.T[:, :, None]  # (2, 1, N), (2, N, 1)
        mean, none = self.mean, torch.zeros_like(self.mean)
        both_ways = _Weights(mean, self.variance, covariance)
        # In the estimate w_ij is once, and what leaks from w_ji.
        effects = [(torch.ones_like(mean), none), *((none, q.expand_as(mean)) for q in of_post)]
        solution, self.lag_sd = both_ways.regress(
            self.lag - self.indirect_lag, 1.0, self.pairs, effects, list(of_pre), LEAK_SD, known=1
        )
        self.leak, self.lag_offset = solution[:2].clamp(min=0), solution[2:]
        self.lag_sd = max(self.lag_sd, self.least_lag_sd)
        # Within a step both act, by their senders' types; every pair is there once.
        effects = [(q * self.unit, p * self.unit.T) for q, p in zip(of_pre, of_post, strict=True)]
        solution, self.within_sd = both_ways.regress(
            self.within - self.indirect_within,
            self.within_error,
            torch.triu(self.pairs),
            effects,
            list(of_pre + of_post),
            GAIN_SD,
        )
        self.gain, self.within_offset = solution[:2].clamp(min=0), solution[2:]
        self.within_sd = max(self.within_sd, self.least_within_sd)
        # What a connection does within a step is passed on by the next one, and correlates neurons with one target.
        correlation = self.unit * mean
        step = (self.type @ self.gain) * correlation
        indirect = torch.where(self.pairs, step @ correlation, 0.0)
        self.indirect_lag = indirect / torch.where(self.unit > 0, self.unit, torch.inf)
        self.indirect_within = -torch.where(self.pairs, step.T @ step, 0.0)


@dataclass(frozen=True)
class _Weights:
    """Moments of the weights of each pair, (N, N) each; the covariance is that of its two directions."""

    mean: Tensor
    variance: Tensor
    covariance: Tensor

    def regress(
        self,
        seen: Tensor,
        error: float,
        pairs: Tensor,
        effects: list[tuple[Tensor, Tensor]],
        constants: list[Tensor],
        prior_sd: float,
        known: int = 0,
    ) -> tuple[Tensor, float]:
        """Explain what is seen of pairs by effects of their uncertain weights, of both directions, and constants.

        Returns the coefficients after the first `known` effects, whose coefficients are 1, and how much larger than
        `error` the rest is. Coefficients of effects are about 0 with `prior_sd`.
        """
        precision = pairs.double() / error**2
        means = [f * self.mean + b * self.mean.T for f, b in effects] + [c.expand_as(seen) for c in constants]
        columns = torch.stack([x.expand_as(seen).flatten() for x in means])
        weighted = columns * precision.flatten()
        normal, moment = weighted @ columns.T, weighted @ seen.flatten()
        for k, (f, b) in enumerate(effects):
            for m, (g, c) in enumerate(effects):
                spread = f * g * self.variance + b * c * self.variance.T + (f * c + b * g) * self.covariance
                normal[k, m] += (precision * spread).sum()
        fitted = slice(known, None)
        ridge = torch.full((len(columns) - known,), prior_sd**-2, dtype=seen.dtype)
        ridge[len(effects) - known :] = CONSTANT_PRECISION
        rest = moment[fitted] - normal[fitted, :known].sum(1)
        solution = torch.linalg.solve(normal[fitted, fitted] + torch.diag(ridge), rest)
        everything = torch.cat([torch.ones(known, dtype=seen.dtype), solution])
        squared = (precision * seen.square()).sum() - 2 * everything @ moment + everything @ normal @ everything
        return solution, float((squared / pairs.sum()).clamp(min=0).sqrt())


def _centre_and_spread(values: Tensor) -> tuple[float, float]:
    """Of most values: their median, and their spread about it, not less than 1."""
    centre = values.median()
    return float(centre), max(float((values - centre).abs().median()) / NORMAL_MEDIAN, 1.0)
