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
what is found at a nominal 5% on spikes, once calibrated, 4.1% (seeds 1 to 3) and 6.6% are false then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet.inference.calibration import centre_and_spread
from synapsnet.inference.evidence import Evidence

N_SIZES = 8  # of weights of either sign, logarithmically spaced
SMALLEST_SIZE, LEAST_RANGE = 1.0, 4.0  # the smallest one in standard errors; how much larger the largest is
WIDTH = 0.25  # of a size, as a share of the distance between its neighbours
PRIOR_PAIRS, PRIOR_DENSITY = 10.0, 0.02  # of each type, as if so many pairs had been seen before
MOST_DENSE = 0.5  # a type connects to half of the others at most
MOST_MIXED = 0.05  # weights of the other sign, as a share of those of a type's own
LEAST_SPREAD = 0.93  # of absent pairs, as a share of what most pairs have
LEAK_SD, GAIN_SD, OFFSET_SD = 0.3, 1.0, 1.0  # of prior distributions about 0; offsets are in standard errors
BLOCK_PAIRS = 250_000  # at a time, in whole rows: little beside the (N, N) matrices of large networks
CHUNK_VALUES = 250_000  # pairs x weights x weights at a time: 1 MB in float32, which a processor keeps at hand
GPU_AT_ONCE = 64  # times as much of both on a GPU, which has thousands of cores to fill
FIXED = 2.0**32  # sums over pairs in whole parts of this: exact, so the same in whatever order a device adds
NOTICEABLE, SMALL = 2.0, 5.0  # in standard errors: a pair of which nothing is larger has small weights at most
TOLERANCE, MOST_ITERATIONS = 5e-4, 40  # of the probabilities' mean change


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
    device = torch.device("cpu") if evidence.estimate.device.type == "mps" else evidence.estimate.device  # no float64
    error, estimate, unit, within = (
        each.to(device, torch.float32)
        for each in (evidence.standard_error, evidence.estimate, evidence.unit, evidence.within)
    )
    fit = _Fit(estimate / error, within, unit * error, evidence.n_steps)
    for _ in range(MOST_ITERATIONS):
        before = fit.absent
        fit.update()
        if (fit.absent - before).abs().mean() < TOLERANCE:
            break
    return Posterior(fit.absent.double(), fit.mean * error, fit.variance.clamp(min=0).sqrt() * error, fit.p_value())


class _Fit:
    """Expectation maximisation; one `update` is one iteration. Weights are in standard errors of their estimates.

    What there is of every pair is kept in float32, to save memory; sums over pairs are in float64.
    """

    def __init__(self, lag: Tensor, within: Tensor, unit: Tensor, n_steps: int) -> None:
        self.lag, self.within, self.unit = lag, within, unit
        n = self.n = len(self.lag)
        self.device = lag.device
        self.at_once = GPU_AT_ONCE if self.device.type == "cuda" else 1
        self.pairs = ~torch.eye(n, dtype=torch.bool, device=self.device)
        self.within_error = n_steps**-0.5
        # Most pairs are not connected: how these are distributed, at first and at least.
        centre, self.lag_sd = centre_and_spread(self.lag[self.pairs])
        self.lag_offset = self._full((2,), centre)
        middle, self.within_sd = centre_and_spread(self.within[self.pairs] / self.within_error)
        self.within_offset = self._full((2,), middle * self.within_error / 2)
        self.least_lag_sd, self.least_within_sd = LEAST_SPREAD * self.lag_sd, LEAST_SPREAD * self.within_sd
        self._set_sizes()
        # At first one type excites, the other inhibits, and a neuron's type is what it sends on the whole.
        excites = torch.full_like(self.weights, 1e-3)
        excites[self.zero] = 1 - PRIOR_DENSITY
        excites[self.zero + 1 :] = PRIOR_DENSITY / N_SIZES
        excites /= excites.sum()
        self.prior = torch.stack([excites, excites.flip(0)])  # (2, G)
        sent = torch.where(self.pairs, (self.lag - centre) / self.lag_sd, 0.0).double().sum(0) / (n - 1) ** 0.5
        self.type = torch.softmax(torch.stack([sent, -sent], dim=1), dim=1)  # (N, 2)
        self.gain = self.leak = self._full((2,), 0.0)
        self.mean = self.variance = self.indirect_lag = self.indirect_within = torch.zeros_like(self.lag)
        self.absent = torch.ones_like(self.lag)

    def _full(self, shape: tuple[int, ...], value: float) -> Tensor:
        return torch.full(shape, value, dtype=torch.float64, device=self.device)

    def _set_sizes(self) -> None:
        """(G,) the weights that a connection may have, and how far each of them reaches."""
        largest = max(LEAST_RANGE, float(self.lag[self.pairs].abs().max() / (self.lag_sd * SMALLEST_SIZE)))
        size = self.lag_sd * SMALLEST_SIZE
        sizes = size * torch.logspace(0, 1, N_SIZES, base=largest, dtype=torch.float64).to(self.device)
        self.weights = torch.cat([-sizes.flip(0), self._full((1,), 0.0), sizes])
        self.zero = N_SIZES  # where 0 is among them
        ratio = largest ** (1 / (N_SIZES - 1))
        self.width = WIDTH * (ratio - 1 / ratio) * self.weights.abs()

    def update(self) -> None:
        """One iteration: the weights' and types' posterior, then everything that is the same for all pairs."""
        log_evidence, counts, (absent, mean, variance), cross = self._expectations()
        shares = torch.log(self.type.mean(0).clamp(min=1 / (2 * self.n)))
        self.type = torch.softmax(log_evidence.T + shares, dim=1)
        counts = torch.einsum("jt,tgj->tg", self.type, counts)
        before = torch.full_like(self.weights, PRIOR_PAIRS * PRIOR_DENSITY / (2 * N_SIZES))
        before[self.zero] = PRIOR_PAIRS * (1 - PRIOR_DENSITY)
        self.prior = (counts + before) / (counts + before).sum(1, keepdim=True)
        self._bound_prior()
        one, other = self.type.T.float()
        self.absent = (one * absent[0]).add_(other * absent[1]).fill_diagonal_(1)
        self.mean = (one * mean[0]).add_(other * mean[1])
        self.variance = (one * variance[0]).add_(other * variance[1])
        self.variance += one * other * (mean[0] - mean[1]).square_()
        del absent, mean, variance  # which take as much memory as three more matrices
        self._update_effects(cross.addcmul_(self.mean, self.mean.T, value=-1))

    def _bound_prior(self) -> None:
        """Keep offsets from passing for connections: see `MOST_MIXED` and `MOST_DENSE`."""
        negative, positive = self.prior[:, : self.zero], self.prior[:, self.zero + 1 :]  # views
        masses = torch.stack([negative.sum(1), positive.sum(1)])
        shares = (MOST_MIXED * masses.amax(0) / masses).where(masses < masses.amax(0), 1.0).clamp(max=1)
        shares = shares * (MOST_DENSE / (shares * masses).sum(0)).clamp(max=1)
        negative *= shares[0, :, None]
        positive *= shares[1, :, None]
        self.prior[:, self.zero] = 1 - (shares * masses).sum(0)

    def p_value(self) -> Tensor:
        """See `Posterior`."""
        leaks = (self.type @ self.leak).float()[:, None] * self.mean.T
        z = (self.lag - self.indirect_lag - (self.type @ self.lag_offset).float() - leaks) / self.lag_sd
        return torch.special.erfc(z.double().abs_() / 2**0.5).fill_diagonal_(1)

    def _rows(self) -> tuple[Tensor, ...]:
        """The neurons, as many at a time as `BLOCK_PAIRS` allows."""
        return torch.split(torch.arange(self.n, device=self.device), max(1, self.at_once * BLOCK_PAIRS // self.n))

    def _seen(self, i: Tensor, j: Tensor) -> Tensor:
        """(3, P) estimates of w_ij and w_ji, and correlations, in standard deviations about what absent pairs have."""
        lag, within = self.type @ self.lag_offset, self.type @ self.within_offset
        forth = (self.lag[i, j] - self.indirect_lag[i, j] - lag[j]) / self.lag_sd
        back = (self.lag[j, i] - self.indirect_lag[j, i] - lag[i]) / self.lag_sd
        both = (self.within[i, j] - self.indirect_within[i, j] - within[i] - within[j]) / self.within_sd
        return torch.stack([forth, back, both / self.within_error])

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor, slice]]:
        """All pairs i, j with i < j, what is seen of them, and which weights they may have: small if not noticeable."""
        small = int((self.weights.abs() <= SMALL * self.lag_sd).sum()) // 2
        for rows in self._rows():
            i, j = (rows[:, None] < torch.arange(self.n, device=self.device)).nonzero(as_tuple=True)
            i = rows[i]
            seen = self._seen(i, j)
            shows = seen.abs().amax(0) > NOTICEABLE
            for pairs, reach in ((shows, self.zero), (~shows, small)):
                near = slice(self.zero - reach, self.zero + reach + 1)
                size = max(1, self.at_once * CHUNK_VALUES // (2 * reach + 1) ** 2)
                for chunk in torch.split(pairs.nonzero()[:, 0], size):
                    yield i[chunk], j[chunk], seen[:, chunk], near

    def _expectations(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `update` needs of the weights, all that pairs show taken together, given each type t of the sender.

        Returns (2, N) log likelihood of what each neuron sends, (2, G, N) how many of its weights are of each size,
        (3, 2, N, N) probabilities of 0, means and variances, and (N, N) E[w_ij w_ji].
        """
        leak = self.type @ self.leak  # of w_ji in the estimate of w_ij, by the type of i
        gain = self.type @ self.gain / (self.within_sd * self.within_error)
        expected = (self.type @ self.prior).T  # (G, N), of a weight by its sender
        trust = (self.width.square() / (self.width.square() + self.lag_sd**2))[:, None]
        log_evidence = torch.zeros(2, self.n, dtype=torch.int64, device=self.device)
        counts = torch.zeros(2, len(self.weights), self.n, dtype=torch.int64, device=self.device)
        moments = torch.zeros(3, 2, self.n, self.n, device=self.device)
        cross = torch.zeros_like(self.lag)
        for i, j, seen, near in self._chunks():
            weights, prior = self.weights[near, None], self.prior[:, near, None]
            of_i, of_j = expected[near][:, i], expected[near][:, j]
            itself = torch.full_like(seen[0], 1 / self.lag_sd)
            of_forth = torch.stack([itself, leak[j] / self.lag_sd, gain[j] * self.unit[i, j]])
            of_back = torch.stack([leak[i] / self.lag_sd, itself, gain[i] * self.unit[j, i]])
            density = _density(seen, of_forth, of_back, weights, self.width[near, None])
            back = (density * of_j.float()[:, None]).sum(0).double()
            density *= of_i.float()
            forth, moment = density.sum(1).double(), (density * weights.float()).sum(1).double()
            cross[i, j] = cross[j, i] = ((moment * weights * of_j).sum(0) / (forth * of_j).sum(0)).float()
            for post, pre, likelihood, z in ((i, j, forth, seen[0]), (j, i, back, seen[1])):
                given = likelihood.clamp_(min=1e-300) * prior  # (2, G, P)
                evidence = given.sum(1)
                given /= evidence[:, None]
                log_evidence.index_add_(1, pre, evidence.log().mul_(FIXED).long())
                counts[:, near].index_add_(2, pre, (given * FIXED).long())
                # Within each size, between its centre and the estimate without what leaks from the reverse connection.
                estimate = self.lag_sd * z - leak[post] * self.mean[pre, post]
                centre = weights + trust[near] * (estimate - weights)
                mean = (given * centre).sum(1)
                square = (given * (centre.square() + trust[near] * self.lag_sd**2)).sum(1)
                moments[:, :, post, pre] = torch.stack([given[:, len(weights) // 2], mean, square - mean**2]).float()
        return log_evidence.double() / FIXED, counts.double() / FIXED, moments, cross

    def _update_effects(self, covariance: Tensor) -> None:
        """Leaks, gains, offsets and excess errors, given the posterior of the weights."""
        of_lag = of_within = self._full((), 0.0)  # sums over all pairs
        of_pre, n_pairs = self.type.T[:, None], self.n * (self.n - 1)  # (2, 1, N)
        for rows in self._rows():
            of_post = self.type[rows].T[:, :, None]  # (2, R, 1)
            of_weights = (self.mean, self.mean.T, self.variance, self.variance.T, covariance)
            moments = [each[rows].double() for each in of_weights]
            # In the estimate w_ij is once, and what leaks from w_ji.
            one, none = torch.ones_like(moments[0]), torch.zeros_like(moments[0])
            effects = [(one, none), *((none, q.expand_as(one)) for q in of_post)]
            seen = (self.lag[rows] - self.indirect_lag[rows]).double()
            of_lag = of_lag + _products(seen, self.pairs[rows], moments, effects, list(of_pre))
            # Within a step both act, by their senders' types; every pair is there once.
            effects = [(q * self.unit[rows], p * self.unit.T[rows]) for q, p in zip(of_pre, of_post, strict=True)]
            seen = (self.within[rows] - self.indirect_within[rows]).double()
            once = rows[:, None] < torch.arange(self.n, device=self.device)
            of_within = of_within + _products(seen, once, moments, effects, list(of_pre + of_post))
        self.leak, self.lag_offset, lag_sd = _regress(of_lag, n_pairs, LEAK_SD, OFFSET_SD, known=1)
        self.lag_sd = max(lag_sd, self.least_lag_sd)
        self.gain, self.within_offset, within_sd = _regress(
            of_within / self.within_error**2, n_pairs // 2, GAIN_SD, OFFSET_SD * self.within_error
        )
        self.within_sd = max(within_sd, self.least_within_sd)
        # What a connection does within a step is passed on by the next one, and correlates neurons with one target.
        correlation = self.unit * self.mean
        step = (self.type @ self.gain).float() * correlation
        self.indirect_lag = (step @ correlation).fill_diagonal_(0).div_(self.unit.where(self.unit > 0, torch.inf))
        self.indirect_within = (step.T @ step).fill_diagonal_(0).neg_()


def _density(seen: Tensor, of_forth: Tensor, of_back: Tensor, weights: Tensor, width: Tensor) -> Tensor:
    """(G, G, P) of what is (3, P) seen, given w_ij and w_ji, by the effects of these; in float32, at most 1."""
    seen, of_forth, of_back, weights, width = (x.float() for x in (seen, of_forth, of_back, weights, width))
    squares = volume = seen.new_ones(())
    for x, f, b in zip(seen, of_forth, of_back, strict=True):
        variance = (1 + (f * width).square())[:, None] + (b * width).square()
        rest = (x - f * weights)[:, None] - b * weights
        squares = torch.addcdiv(squares, rest.square_(), variance)
        volume = variance.mul_(volume)
    return squares.sub_(squares.amin((0, 1))).mul_(-0.5).exp_().mul_(volume.rsqrt_())


def _products(
    seen: Tensor,
    pairs: Tensor,
    moments: list[Tensor],
    effects: list[tuple[Tensor, Tensor]],
    constants: list[Tensor],
) -> Tensor:
    """(K, K) expected products, over `pairs`, of effects of their uncertain weights, constants and what is seen.

    The moments of the weights are their means, forth and back, variances, forth and back, and covariance.
    """
    forth, back, forth_variance, back_variance, covariance = moments
    means = [f * forth + b * back for f, b in effects] + [c.expand_as(seen) for c in constants]
    columns = torch.stack([*means, seen]).flatten(1)
    products = (columns * pairs.flatten()) @ columns.T
    for k, (f, b) in enumerate(effects):
        for m, (g, c) in enumerate(effects):
            spread = f * g * forth_variance + b * c * back_variance + (f * c + b * g) * covariance
            products[k, m] += (pairs * spread).sum()
    return products


def _regress(
    products: Tensor, n_pairs: int, prior_sd: float, offset_sd: float, known: int = 0
) -> tuple[Tensor, Tensor, float]:
    """Explain what is seen by effects and constants, of which are `products`, see there, in units of its error.

    The coefficients of the first `known` effects are 1, those of two others not negative and about 0 with `prior_sd`,
    those of the two constants about 0 with `offset_sd`: where types are not told apart, their constants are not either.
    Returns all but the first, and how much larger than the error the rest is.
    """
    normal, moment, squared = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    ridge = torch.diag(products.new_tensor([prior_sd**-2] * 2 + [offset_sd**-2] * 2))
    rest = moment[known:] - normal[known:, :known].sum(1)
    solution = torch.linalg.solve(normal[known:, known:] + ridge, rest)
    everything = torch.cat([products.new_ones(known), solution])
    left = squared - 2 * everything @ moment + everything @ normal @ everything
    return solution[:2].clamp(min=0), solution[2:], float((left / n_pairs).clamp(min=0).sqrt())
