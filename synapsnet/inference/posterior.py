r"""Which connections are there: an empirical Bayes posterior over all pairs of neurons.

The evidence gives every ordered pair an estimate of its weight at the lags of a connection, with a standard error, and
every pair a correlation at zero lag, in the same step. Neither knows what cortex is like. That is learned here from the
same recording, all pairs together:

- most pairs are not connected, and the weights of those that are have some distribution;
- neurons come in two types, each with its own density and weights (Dale's principle: one excites, one inhibits).
  Which sign a type has is learned too;
- a connection acts within the step as well as from one to the next, or, where a step is much longer than a synaptic
  delay, within the step only. A correlation at zero lag has no direction, so the two directions explain it jointly.
  Noise that blurs time makes a connection leak into the estimate of the reverse one.

Weights are counted in standard errors of their estimates, so that evidence does not follow firing rates. With
:math:`w_{ij}` the weight from j to i, zero if there is none, :math:`t_j` the type of j, :math:`z_{ij}` the estimate
over its standard error, :math:`r_{ij}` the zero-lag partial correlation, :math:`u_{ij}` the correlation per weight and
:math:`s_{ij} = s_{ji}` 0 if the two act on each other within the step only and otherwise 1,

.. math::
    w_{ij} \mid t_j &\sim g_{t_j} \quad \text{(a mixture with most of its mass at 0)} \\
    s_{ij} &\sim \text{Bernoulli}(1 - \omega) \\
    z_{ij} &\sim N(s_{ij} (w_{ij} + \lambda_{t_i} w_{ji}) + a_{ij} + \mu_{t_j},\; \tau^2) \\
    r_{ij} &\sim N(\kappa_{t_j} u_{ij} w_{ij} + \kappa_{t_i} u_{ji} w_{ji} + b_{ij} + \nu_{t_i} + \nu_{t_j},\;
                 \rho^2 / T)

where a and b are the indirect effects of the other connections, as far as they are known. What k sends to j at the
lags, j passes on to i within the step, so that k seems to act on i. And two neurons that act on the same third one
within the step are anticorrelated once that one is given, as it is in a partial correlation:

.. math::
    a_{ik} = \textstyle\sum_j \kappa_{t_j} u_{ij} w_{ij}\, u_{jk} w_{jk} / u_{ik}, \qquad
    b_{jk} = - \textstyle\sum_i \kappa_{t_j} u_{ij} w_{ij}\, \kappa_{t_k} u_{ik} w_{ik}

==================  ====================================================================================
g                   ``prior``, of each type, over the sizes ``weights``
:math:`\lambda`     ``reverse_leak``, of each type of the postsynaptic neuron
:math:`\kappa`      ``zero_lag_gain``, of each type of the presynaptic neuron
:math:`\omega`      ``within_step``, the fraction of connected pairs that act within the step only
a, b                ``indirect_lag``, ``indirect_zero_lag``
:math:`\mu, \nu`    ``lag_offset``, ``zero_lag_offset``, of each type: what unrecorded common input adds
:math:`\tau, \rho`  ``lag_sd``, ``zero_lag_sd``: how much larger errors are than the evidence says
==================  ====================================================================================

All are fitted by expectation maximisation. The types' posterior comes from all that a neuron sends.

At the end, what else makes weights is discounted. A neuron sends one sign, so the rate h of weights of the other sign
shows how many of its own sign are spurious: of those of size w, a fraction of :math:`\min(h(w) / g_t(w), 1)` is taken
for no connection (`_Fit.discount_spurious`).

Compare Efron 2008, Statistical Science 23:1 (two groups, empirical null), and Stephens 2017, Biostatistics 18:275 (a
mixture for the weights that is learned).

The constants below were chosen on seeds 1 and 2 of the network "lif-random", with and without shared input,
`MOST_MIXED` on seeds 1 to 3 of "v1", and `PRIOR_DENSITY` on seeds 1 to 6 with 10% and 0.5% of the pairs connected: of
the connections that are reported at a nominal 5% on spikes, 4.1% (seeds 1 to 3) and 6.6% are false then.
`SPURIOUS_PAIRS`, `MOST_RANDOM` and `FEWEST_MIXED` were chosen on the recordings with known connections that
`docs/variants.md` names, and on drawn evidence whose signs are mixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet.inference.calibration import centre_and_spread
from synapsnet.inference.evidence import Evidence

N_SIZES = 8  # of weights of either sign, logarithmically spaced
SMALLEST_SIZE, LEAST_RANGE = 1.0, 4.0  # the smallest one in standard errors; how much larger the largest is
WIDTH = 0.25  # standard deviation about a size, as a fraction of the distance between its neighbours
PRIOR_PAIRS, PRIOR_DENSITY = 10.0, 0.02  # pseudo-counts of each type, and the fraction of them that is connected
MOST_DENSE = 0.5  # a type connects to half of the others at most
FINE_STEP_S = 0.01  # about as long as a synaptic delay and the rise of a potential
PRIOR_WITHIN_STEP = 0.1  # of as many connected pairs as `PRIOR_PAIRS`, those that act within the step only
MOST_TO_NOTICED, NOTICED_RATE = 10.0, 0.05  # see `_Fit.bound_density`
MOST_MIXED = 0.05  # weights of the other sign, as a fraction of those of a type's own
LEAST_SPREAD = 0.93  # of absent pairs, as a fraction of the spread of most pairs
LEAK_SD, GAIN_SD, OFFSET_SD = 0.3, 1.0, 1.0  # of prior distributions about 0; offsets are in standard errors
BLOCK_PAIRS = 250_000  # at a time, in whole rows: little beside the (N, N) matrices of large networks
CHUNK_VALUES = 250_000  # pairs x weights x weights at a time: 1 MB in float32, which fits a processor's cache
GPU_AT_ONCE = 64  # times as much of both on a GPU, which has thousands of cores to fill
FIXED = 2.0**32  # sums over pairs in whole parts of this: exact, so the same in whatever order a device adds
SPURIOUS_PAIRS = 500.0  # pseudo-counts of each sign, of the rate of spurious weights of both signs
# Dale's principle holds up to this mixing of signs, as a fraction of what signs dealt at random have; fewer than
# this many pairs of weights cannot show it.
MOST_RANDOM, FEWEST_MIXED = 0.7, 25.0
SHARE_DIRECT, TYPICAL_LOG_DIRECT = 0.5, 10.0  # of `PRIOR_PAIRS` pairs that stand out: expected connections, log ratio
MISJUDGED = 0.2  # fraction of connections that look as if a hidden neuron sent to both
NOTICEABLE, SMALL = 2.0, 5.0  # in standard errors: a pair of which nothing is larger has small weights at most
# In a network of more neurons than this, the two weights of a pair are inferred separately where a bound on the
# probability that it has both connections is at most that, and the sum of the squares of its evidence at most this.
FEW_NEURONS, MOST_MUTUAL, LEAST_NOTICEABLE = 300, 3e-3, 3.0
TOLERANCE, MOST_ITERATIONS = 5e-4, 40  # of the probabilities' mean change


@dataclass(frozen=True)
class Posterior:
    """What is known of connections, `[post, pre]`.

    Attributes
    ----------
    p_absent : (N, N) tensor
        Probability that there is no connection: the local false discovery rate.
    mean, sd : (N, N) tensor
        Posterior mean and standard deviation of the weight, which is 0 where there is no connection.
    p_value : (N, N) tensor
        Two-sided, of the estimate at the lags alone, if there is no connection: with the offset and the spread of
        absent pairs, and less the leak of the reverse connection and indirect effects.
    """

    p_absent: Tensor
    mean: Tensor
    sd: Tensor
    p_value: Tensor


def posterior(evidence: Evidence, fine_steps: bool = False) -> Posterior:
    """The posterior of the module's docstring; O(N^2) per iteration. With fewer than 2 neurons nothing is known.

    In steps that are fine, up to `FINE_STEP_S`, no connection acts within the step only.
    """
    if len(evidence.estimate) < 2:
        nothing, certain = torch.zeros_like(evidence.estimate), torch.ones_like(evidence.estimate)
        return Posterior(certain, nothing, nothing, certain.clone())
    device = torch.device("cpu") if evidence.estimate.device.type == "mps" else evidence.estimate.device  # no float64
    error, estimate, correlation_per_weight, zero_lag = (
        matrix.to(device, torch.float32)
        for matrix in (evidence.standard_error, evidence.estimate, evidence.correlation_per_weight, evidence.zero_lag)
    )
    pairs = ~torch.eye(len(error), dtype=torch.bool, device=device)
    if evidence.informative is not None:
        pairs &= evidence.informative.to(device)
    if not pairs.any():
        certain = torch.ones_like(error).double()
        return Posterior(certain, torch.zeros_like(error), error, certain.clone())
    fit = _Fit(estimate / error, zero_lag, correlation_per_weight * error, evidence.n_steps, pairs)
    if fine_steps:
        fit.within_step = 0.0
    if not evidence.has_zero_lag:
        fit.bound_density()
    for _ in range(MOST_ITERATIONS):
        before = fit.p_absent
        fit.update()
        if (fit.p_absent - before).abs().mean() < TOLERANCE:
            break
    fit.discount_spurious()
    fit.update()
    if evidence.log_direct is not None:
        fit.discount_hidden_sources(evidence.log_direct.to(device))
    sd = torch.where(pairs, fit.variance.clamp(min=0).sqrt(), 1.0)
    return Posterior(fit.p_absent.double(), fit.mean * error, sd * error, fit.p_value())


class _Fit:
    """Expectation maximisation; one `update` is one iteration. Weights are in standard errors of their estimates.

    Matrices over pairs are in float32, to save memory; sums over pairs are in float64.

    Parameters
    ----------
    lag : (N, N) tensor
        Estimates z at the lags of a connection.
    zero_lag : (N, N) tensor
        Partial correlations r.
    correlation_per_weight : (N, N) tensor
        u, per standard error.
    n_steps : int
        T.
    pairs : (N, N) bool tensor
        Pairs about which anything is known; symmetric. The others stay absent.
    """

    def __init__(
        self, lag: Tensor, zero_lag: Tensor, correlation_per_weight: Tensor, n_steps: int, pairs: Tensor
    ) -> None:
        self.lag, self.zero_lag, self.correlation_per_weight = lag, zero_lag, correlation_per_weight
        n = self.n = len(self.lag)
        self.device = lag.device
        self.at_once = GPU_AT_ONCE if self.device.type == "cuda" else 1
        self.pairs, self.n_pairs = pairs, int(pairs.sum())
        self.most_dense = MOST_DENSE
        self.zero_lag_error = n_steps**-0.5
        # Most pairs are not connected: the distribution of all pairs is a first guess of that of the absent ones, and
        # about as narrow as that can be.
        centre, self.lag_sd = centre_and_spread(self.lag[self.pairs])
        self.lag_offset = self._full((2,), centre)
        zero_lag_centre, self.zero_lag_sd = centre_and_spread(self.zero_lag[self.pairs] / self.zero_lag_error)
        self.zero_lag_offset = self._full((2,), zero_lag_centre * self.zero_lag_error / 2)
        self.least_lag_sd, self.least_zero_lag_sd = LEAST_SPREAD * self.lag_sd, LEAST_SPREAD * self.zero_lag_sd
        self._set_sizes()
        # At first one type excites, the other inhibits, and a neuron's type is the sign of what it sends on average.
        excites = torch.full_like(self.weights, 1e-3)
        excites[self.zero] = 1 - PRIOR_DENSITY
        excites[self.zero + 1 :] = PRIOR_DENSITY / N_SIZES
        excites /= excites.sum()
        self.prior = torch.stack([excites, excites.flip(0)])  # (2, G)
        self.spurious = torch.zeros_like(self.prior)  # of each type and size, the fraction that is no connection
        self.spurious[:, self.zero] = 1
        sent = torch.where(self.pairs, (self.lag - centre) / self.lag_sd, 0.0).double().sum(0) / (n - 1) ** 0.5
        self.p_type = torch.softmax(torch.stack([sent, -sent], dim=1), dim=1)  # (N, 2)
        self.zero_lag_gain = self.reverse_leak = self._full((2,), 0.0)
        self.within_step = PRIOR_WITHIN_STEP if self.zero_lag.any() else 0.0  # nothing else shows it
        self.p_hidden = self._full((), 0.0)  # p-values of a hidden neuron that sends to both
        self.mean = self.variance = self.indirect_lag = self.indirect_zero_lag = torch.zeros_like(self.lag)
        self.p_absent = torch.ones_like(self.lag)
        self.p_within_step = torch.zeros_like(self.lag[0, 0]).expand_as(self.lag)  # takes no memory

    def _full(self, shape: tuple[int, ...], value: float) -> Tensor:
        return torch.full(shape, value, dtype=torch.float64, device=self.device)

    def _set_sizes(self) -> None:
        """(G,) sizes of weights that the mixture g consists of, and the standard deviation about each of them."""
        largest = max(LEAST_RANGE, float(self.lag[self.pairs].abs().max() / (self.lag_sd * SMALLEST_SIZE)))
        size = self.lag_sd * SMALLEST_SIZE
        sizes = size * torch.logspace(0, 1, N_SIZES, base=largest, dtype=torch.float64).to(self.device)
        self.weights = torch.cat([-sizes.flip(0), self._full((1,), 0.0), sizes])
        self.zero = N_SIZES  # index of 0 among them
        ratio = largest ** (1 / (N_SIZES - 1))
        self.width = WIDTH * (ratio - 1 / ratio) * self.weights.abs()

    def update(self) -> None:
        """One iteration: the posterior of weights and types, then the parameters that all pairs share."""
        log_evidence, counts, (p_absent, mean, variance), product = self._expectations()
        if self.within_step:
            n_within = PRIOR_WITHIN_STEP * PRIOR_PAIRS + float(self.p_within_step.sum(dtype=torch.float64)) / 2
            self.within_step = n_within / (PRIOR_PAIRS + self.n_connected)
        log_prior = torch.log(self.p_type.mean(0).clamp(min=1 / (2 * self.n)))
        self.p_type = torch.softmax(log_evidence.T + log_prior, dim=1)
        self.sent = torch.einsum("jt,tgj->gj", self.p_type, counts)
        counts = self.counts = torch.einsum("jt,tgj->tg", self.p_type, counts)
        pseudo_counts = torch.full_like(self.weights, PRIOR_PAIRS * PRIOR_DENSITY / (2 * N_SIZES))
        pseudo_counts[self.zero] = PRIOR_PAIRS * (1 - PRIOR_DENSITY)
        self.prior = (counts + pseudo_counts) / (counts + pseudo_counts).sum(1, keepdim=True)
        self._bound_prior()
        # Average over the types of the presynaptic neuron; the variance of a mixture of two has a term between them.
        one, other = self.p_type.T.float()
        self.p_absent = (one * p_absent[0]).add_(other * p_absent[1]).masked_fill_(~self.pairs, 1)
        self.mean = (one * mean[0]).add_(other * mean[1])
        self.variance = (one * variance[0]).add_(other * variance[1])
        self.variance += one * other * (mean[0] - mean[1]).square_()
        del p_absent, mean, variance  # which take as much memory as three more matrices
        self._update_effects(product.addcmul_(self.mean, self.mean.T, value=-1).masked_fill_(self.separate, 0))

    def discount_spurious(self) -> None:
        """Expect as many spurious weights of a neuron's own sign as it has of the other one.

        A neuron sends one sign (Dale's principle), so weights of the other one are made by something else, such as an
        input that neither the recording nor its background shows, and that makes weights of either sign. Weights that
        are sent by the type of the other sign remain connections as far as `MOST_MIXED` allows. Where signs are mixed
        as if they had been dealt at random, Dale's principle does not hold and nothing is discounted.
        """
        sizes = slice(0, self.zero), slice(self.zero + 1, None)  # negative and positive
        negative, positive = self.sent[sizes[0]], self.sent[sizes[1]]  # (S, N)
        inhibits, excites = negative.sum(0), positive.sum(0)
        sent = inhibits + excites
        p_excites = excites.sum() / sent.sum().clamp(min=1e-300)
        at_random = p_excites * (1 - p_excites) * (sent * (sent - 1).clamp(min=0)).sum()
        if (inhibits * excites).sum() >= MOST_RANDOM * at_random.clamp(min=FEWEST_MIXED):
            return
        is_excitatory = torch.sign(excites - inhibits) / 2 + 0.5  # half if neither
        tested = self.sent.sum(0)
        spurious, pairs = [], []
        for weights, of_other_sign in ((negative, is_excitatory), (positive, 1 - is_excitatory)):
            spurious.append(weights @ of_other_sign)
            pairs.append(tested @ of_other_sign)
        # Of either sign by size, from the largest or the smallest on; pooled as far as pairs are few.
        pooled = (spurious[0] + spurious[1].flip(0)) / tested.sum()
        rates = [
            (count + SPURIOUS_PAIRS * both) / (n + SPURIOUS_PAIRS)
            for count, both, n in zip(spurious, (pooled, pooled.flip(0)), pairs, strict=True)
        ]
        for kind, counts in enumerate(self.counts):
            of_sign = torch.stack([counts[size].sum() for size in sizes])
            own = int(of_sign.argmax())
            self.spurious[kind, sizes[own]] = (rates[own] / self.prior[kind, sizes[own]].clamp(min=1e-300)).clamp(max=1)
            allowed = MOST_MIXED * of_sign[own] / of_sign[1 - own].clamp(min=1e-300)
            self.spurious[kind, sizes[1 - own]] = (1 - allowed).clamp(min=0)

    def discount_hidden_sources(self, log_direct: Tensor) -> None:
        """Take for no connection what stands out but is rather due to a hidden neuron that sends to both.

        The ratio is that of the best shape of either kind, and the peaks of several hidden neurons on top of each other
        have neither, so it cannot be taken for the odds. What holds is that without a connection a log ratio of L or
        more has a probability of exp(-L) at most; this is taken for its distribution. That of connections is taken for
        exponential. Its mean, and how many pairs are connected, are learned from all pairs that stand out. The p-value
        is that of the likelier reason without a connection.
        """
        told = self.pairs & log_direct.isfinite()
        if not told.any():
            return
        log_ratio, p_connected = log_direct[told].double(), 1 - self.p_absent[told].double()
        positive = log_ratio.clamp(min=0)
        share, typical = self._full((), SHARE_DIRECT), self._full((), TYPICAL_LOG_DIRECT)
        misjudged = self._full((), math.log(MISJUDGED))
        for _ in range(MOST_ITERATIONS):
            log_odds = math.log(1 - MISJUDGED) + log_ratio - positive / typical - typical.log()
            p_direct = torch.sigmoid(torch.logit(share) + torch.logaddexp(log_odds, misjudged))
            n_direct = p_connected @ p_direct
            share = (n_direct + PRIOR_PAIRS * SHARE_DIRECT) / (p_connected.sum() + PRIOR_PAIRS)
            typical = (p_connected * p_direct) @ positive + PRIOR_PAIRS * TYPICAL_LOG_DIRECT
            typical = typical / (n_direct + PRIOR_PAIRS)
        mean, square = self.mean[told], self.variance[told] + self.mean[told].square()
        p_direct = p_direct.float()
        self.p_absent[told] = (1 - p_connected * p_direct).to(self.p_absent)
        self.mean[told] = p_direct * mean
        self.variance[told] = p_direct * square - (p_direct * mean).square()
        self.p_hidden = torch.where(told, (-log_direct).exp().clamp(max=1), 0.0)

    def _bound_prior(self) -> None:
        """Keep offsets from passing for connections: see `MOST_MIXED` and `MOST_DENSE`."""
        negative, positive = self.prior[:, : self.zero], self.prior[:, self.zero + 1 :]  # views
        density = torch.stack([negative.sum(1), positive.sum(1)])  # (sign, type)
        factor = (MOST_MIXED * density.amax(0) / density).where(density < density.amax(0), 1.0).clamp(max=1)
        factor = factor * (self.most_dense / (factor * density).sum(0).clamp(min=1e-300)).clamp(max=1)
        negative *= factor[0, :, None]
        positive *= factor[1, :, None]
        self.prior[:, self.zero] = 1 - (factor * density).sum(0)

    def bound_density(self) -> None:
        """Connect no more than `MOST_TO_NOTICED` times as many pairs as stand out one by one.

        Those are the discoveries of Benjamini & Hochberg 1995 at `NOTICED_RATE`, of which there are none in 19 of 20
        recordings without connections: nothing is learned from the tail of the absent pairs then.
        """
        p_values = self.p_value()[self.pairs].sort().values
        rank = torch.arange(1, self.n_pairs + 1, device=self.device)
        passing = (p_values * self.n_pairs <= NOTICED_RATE * rank).nonzero()
        noticed = int(passing.max()) + 1 if len(passing) else 0
        self.most_dense = min(MOST_DENSE, MOST_TO_NOTICED * noticed / self.n_pairs)

    def p_value(self) -> Tensor:
        """See `Posterior`."""
        leak = (self.p_type @ self.reverse_leak).float()[:, None] * self.mean.T * (1 - self.p_within_step)
        z = (self.lag - self.indirect_lag - (self.p_type @ self.lag_offset).float() - leak) / self.lag_sd
        p_value = torch.special.erfc(z.double().abs_() / 2**0.5)
        return torch.maximum(p_value, self.p_hidden.double()).masked_fill_(~self.pairs, 1)

    def _once(self, rows: Tensor) -> Tensor:
        """(R, N) which pairs of these postsynaptic neurons are known, each unordered pair once."""
        return self.pairs[rows] & (rows[:, None] < torch.arange(self.n, device=self.device))

    def _rows(self, values_per_pair: int = 1) -> tuple[Tensor, ...]:
        """The neurons, as many at a time as `BLOCK_PAIRS` allows, or fewer where each pair has several values."""
        n_rows = max(1, self.at_once * BLOCK_PAIRS // (self.n * values_per_pair))
        return torch.split(torch.arange(self.n, device=self.device), n_rows)

    def _standardised(self, rows: Tensor) -> Tensor:
        """(3, R, N) z_ij, z_ji and r_ij of R neurons i, less the offsets of absent pairs and over their spread."""
        offset, zero_lag_offset = (self.p_type @ each for each in (self.lag_offset, self.zero_lag_offset))
        offset, zero_lag_offset = offset.float(), zero_lag_offset.float()
        forth = (self.lag[rows] - self.indirect_lag[rows] - offset) / self.lag_sd
        back = (self.lag.T[rows] - self.indirect_lag.T[rows] - offset[rows, None]) / self.lag_sd
        zero_lag = self.zero_lag[rows] - self.indirect_zero_lag[rows] - zero_lag_offset[rows, None] - zero_lag_offset
        return torch.stack([forth, back, zero_lag / (self.zero_lag_sd * self.zero_lag_error)])

    def _possible(self, noticeable: bool) -> slice:
        """The sizes of weights that pairs may have: small ones at most where no evidence is noticeable."""
        n_sizes = self.zero if noticeable else int((self.weights.abs() <= SMALL * self.lag_sd).sum()) // 2
        return slice(self.zero - n_sizes, self.zero + n_sizes + 1)

    def _find_separate(self) -> None:
        """Find the pairs that hardly ever have both connections, so that their weights can be inferred separately.

        Whatever the weights, they are at most exp(x / 2) times as likely as none, where x is the sum of the squares of
        what is observed. Where connections are rare, as in a large network, most pairs have little enough.
        """
        density = float((1 - self.prior[:, self.zero]).max())
        most = min(2 * math.log(MOST_MUTUAL / max(density, 1e-9) ** 2), LEAST_NOTICEABLE)
        if most <= 0 or self.n <= FEW_NEURONS:
            self.separate = torch.zeros_like(self.pairs[0, 0]).expand_as(self.pairs)  # takes no memory
            return
        found = [self._standardised(rows).square_().sum(0) <= most for rows in self._rows()]
        self.separate = torch.cat(found) & self.pairs
        self.separate &= self.separate.T.clone()  # they differ by rounding

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor, slice]]:
        """All pairs i, j with i < j that are not separate, their standardised evidence, and their possible weights."""
        for rows in self._rows():
            evidence = self._standardised(rows)
            noticeable, rest = (evidence.abs() > NOTICEABLE).any(0), self._once(rows) & ~self.separate[rows]
            for pairs, possible in ((noticeable, self._possible(True)), (~noticeable, self._possible(False))):
                i, j = (pairs & rest).nonzero(as_tuple=True)
                size = max(1, self.at_once * CHUNK_VALUES // (possible.stop - possible.start) ** 2)
                for some in zip(torch.split(i, size), torch.split(j, size), strict=True):
                    yield rows[some[0]], some[1], evidence[:, some[0], some[1]], possible

    def _expectations(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The E step: the posterior of both weights of each pair, given each type t of the presynaptic neuron.

        Returns
        -------
        log_evidence : (2, N) tensor
            Log likelihood of all that a neuron sends.
        counts : (2, G, N) tensor
            Expected number of its weights of each size.
        moments : (3, 2, N, N) tensor
            Probability of 0, mean and variance of each weight.
        product : (N, N) tensor
            E[w_ij w_ji].
        """
        leak = self.p_type @ self.reverse_leak  # of w_ji into the estimate of w_ij, by the type of i
        gain = self.p_type @ self.zero_lag_gain / (self.zero_lag_sd * self.zero_lag_error)
        size_prior = (self.p_type @ self.prior).T  # (G, N), averaged over the types of the presynaptic neuron
        # Within a size, a weight lies between the size's centre and its estimate, by their variances.
        shrinkage = (self.width.square() / (self.width.square() + self.lag_sd**2))[:, None]
        log_evidence = torch.zeros(2, self.n, dtype=torch.int64, device=self.device)
        counts = torch.zeros(2, len(self.weights), self.n, dtype=torch.int64, device=self.device)
        moments = torch.zeros(3, 2, self.n, self.n, device=self.device)
        product = torch.zeros_like(self.lag)
        if self.within_step:
            self.p_within_step = torch.zeros_like(self.lag)
        n_connected = torch.zeros((), dtype=torch.int64, device=self.device)
        self._find_separate()
        if self.separate.any():
            n_connected += self._expect_separate(leak, gain, shrinkage[:, 0], log_evidence, counts, moments)
        for i, j, evidence, possible in self._chunks():
            weights, prior = self.weights[possible, None], self.prior[:, possible, None]
            spurious = self.spurious[:, possible, None]
            prior_ji, prior_ij = size_prior[possible][:, i], size_prior[possible][:, j]
            direct = torch.full_like(evidence[0], 1 / self.lag_sd)
            # What a weight of 1, from j to i (forth) or from i to j (back), adds to each of the three observations.
            forth = torch.stack([direct, leak[j] / self.lag_sd, gain[j] * self.correlation_per_weight[i, j]])
            back = torch.stack([leak[i] / self.lag_sd, direct, gain[i] * self.correlation_per_weight[j, i]])
            likelihood, within_step = _likelihood(
                evidence, forth, back, weights, self.width[possible, None], self.within_step
            )
            # For one weight, the other one summed over its prior.
            of_ji = (likelihood * prior_ij.float()[:, None]).sum(0).double()
            if within_step is not None:
                zero = len(weights) // 2
                neither = likelihood[zero, zero] * prior_ij[zero] * prior_ji[zero]
                within_step = ((within_step * prior_ij.float()[:, None]).sum(0) * prior_ji).sum(0)
                p_pair = (of_ji * prior_ji).sum(0)
                within_step = within_step / p_pair
                self.p_within_step[i, j] = self.p_within_step[j, i] = within_step.float()
                n_connected += ((1 - neither / p_pair) * FIXED).long().sum()
            likelihood *= prior_ji.float()
            of_ij, moment = likelihood.sum(1).double(), (likelihood * weights.float()).sum(1).double()
            product_ij = (moment * weights * prior_ij).sum(0) / (of_ij * prior_ij).sum(0)
            product[i, j] = product[j, i] = product_ij.float()
            for post, pre, given_size, z in ((i, j, of_ij, evidence[0]), (j, i, of_ji, evidence[1])):
                p_size = given_size.clamp_(min=1e-300) * prior  # (2, G, P)
                p_evidence = p_size.sum(1)
                p_size /= p_evidence[:, None]
                log_evidence.index_add_(1, pre, p_evidence.log().mul_(FIXED).long())
                counts[:, possible].index_add_(2, pre, (p_size * FIXED).long())
                p_connected = p_size * (1 - spurious)
                p_absent = (p_size * spurious).sum(1).clamp(max=1)  # a difference from 1 would lose what is small
                estimate = self.lag_sd * z - leak[post] * self.mean[pre, post]
                centre = weights + shrinkage[possible] * (estimate - weights)
                mean = (p_connected * centre).sum(1)
                square = (p_connected * (centre.square() + shrinkage[possible] * self.lag_sd**2)).sum(1)
                moments[:, :, post, pre] = torch.stack([p_absent, mean, square - mean**2]).float()
        self.n_connected = float(n_connected) / FIXED
        return log_evidence.double() / FIXED, counts.double() / FIXED, moments, product

    def _expect_separate(
        self, leak: Tensor, gain: Tensor, shrinkage: Tensor, log_evidence: Tensor, counts: Tensor, moments: Tensor
    ) -> Tensor:
        """Add to `_expectations` what is expected of the separate pairs, each weight as if the reverse one were 0.

        What two weights together add to the likelihood is the product of what each adds then. The posterior's sums over
        sizes are products of matrices, so this takes little more than the likelihood of each size. Returns the
        expected number of pairs with a connection, times `FIXED`.
        """
        possible = self._possible(False)
        weights, width = (each[possible, None, None].float() for each in (self.weights, self.width))
        prior, shrinkage = self.prior[:, possible], shrinkage[possible]
        spurious = self.spurious[:, possible]
        connected, rest = prior * (1 - spurious), (1 - shrinkage) * self.weights[possible]
        # Over sizes, of 1 and of 0, and of a weight and its square, by powers of its estimate.
        of_square = [rest**2 + shrinkage * self.lag_sd**2, 2 * rest * shrinkage, shrinkage**2]
        of_weight = (connected * each for each in (rest, shrinkage, *of_square))
        sums = torch.stack([prior, prior * spurious, *of_weight]).float()
        p_type, leak, gain = self.p_type.T[:, None].float(), leak.float(), gain.float()
        if self.within_step:
            neither, within_step = torch.zeros_like(self.lag), torch.zeros_like(self.lag)

        def log_ratio(evidence: Tensor, effect: Tensor) -> Tensor:
            """(G, R, N) log likelihood of each size, over that of none."""
            variance = 1 + (effect * width).square()
            square = (evidence - effect * weights).square_().div_(variance).sub_(evidence.square())
            return square.add_(variance.log_()).mul_(-0.5)

        for rows in self._rows(len(weights)):
            separate = self.separate[rows]
            forth, back, zero_lag = self._standardised(rows).clamp_(-NOTICEABLE, NOTICEABLE)
            direct = torch.full_like(leak, 1 / self.lag_sd)
            at_lags = log_ratio(forth, direct).add_(log_ratio(back, leak / self.lag_sd)).exp_()
            at_zero_lag = log_ratio(zero_lag, gain * self.correlation_per_weight[rows]).exp_()
            likelihood = at_lags.mul_(1 - self.within_step).add_(self.within_step).mul_(at_zero_lag)
            p_evidence, absent, *powers = torch.tensordot(sums, likelihood, dims=1)
            each = separate / p_evidence  # (2, R, N)
            log_evidence += (p_evidence.log() * separate).mul_(FIXED).long().sum(1)
            for kind in range(2):
                counts[kind, possible] += ((likelihood * each[kind]).sum(1) * prior[kind, :, None]).mul_(FIXED).long()
            estimate = self.lag_sd * forth - leak[rows, None] * self.mean.T[rows]
            mean = (powers[0] + powers[1] * estimate) * each
            square = (powers[2] + (powers[3] + powers[4] * estimate) * estimate) * each
            moments[:, :, rows] = torch.stack([absent * each, mean, square - mean**2])
            if self.within_step:  # both relative to what the evidence has without a connection
                p_pair = (p_type * p_evidence).sum(0)
                neither[rows] = (self.p_type @ self.prior[:, self.zero]).float() / p_pair
                within_step[rows] = (p_type * torch.tensordot(prior.float(), at_zero_lag, dims=1)).sum(0) / p_pair
        if not self.within_step:
            return torch.zeros_like(counts[0, 0, 0])
        neither = neither * neither.T
        self.p_within_step = (within_step * within_step.T).sub_(neither).mul_(self.within_step * self.separate)
        return ((1 - neither) * self.separate).sum(dtype=torch.float64).mul(FIXED / 2).long()

    def _update_effects(self, covariance: Tensor) -> None:
        """The M step of leaks, gains, offsets and spreads: regressions of the evidence on the uncertain weights.

        The (N, N) `covariance` is that of w_ij and w_ji, by their posterior.
        """
        lag_products = zero_lag_products = self._full((), 0.0)  # sums over all pairs
        p_type = self.p_type.float()
        p_pre = p_type.T[:, None]  # (2, 1, N)
        for rows in self._rows():
            p_post = p_type[rows].T[:, :, None]  # (2, R, 1)
            moments = [matrix[rows] for matrix in (self.mean, self.mean.T, self.variance, self.variance.T, covariance)]
            u, u_back = self.correlation_per_weight[rows], self.correlation_per_weight.T[rows]
            # z_ij holds w_ij once, and the leak of w_ji by the type of i.
            one, none = torch.ones_like(moments[0]), torch.zeros_like(moments[0])
            effects = [(one, none), *((none, p.expand_as(one)) for p in p_post)]
            direct = self.lag[rows] - self.indirect_lag[rows]
            lag_products = lag_products + _expected_products(
                direct, self.pairs[rows] * (1 - self.p_within_step[rows]), moments, effects, list(p_pre)
            )
            # r_ij holds both, by the types of their presynaptic neurons; each pair counts once.
            effects = [(p * u, q * u_back) for p, q in zip(p_pre, p_post, strict=True)]
            direct = self.zero_lag[rows] - self.indirect_zero_lag[rows]
            zero_lag_products = zero_lag_products + _expected_products(
                direct, self._once(rows), moments, effects, list(p_pre + p_post)
            )
        n_at_lags = self.n_pairs - float(self.p_within_step.sum(dtype=torch.float64))
        self.reverse_leak, self.lag_offset, lag_sd = _regress(lag_products, n_at_lags, LEAK_SD, OFFSET_SD, known=1)
        self.lag_sd = max(lag_sd, self.least_lag_sd)
        self.zero_lag_gain, self.zero_lag_offset, zero_lag_sd = _regress(
            zero_lag_products / self.zero_lag_error**2, self.n_pairs // 2, GAIN_SD, OFFSET_SD * self.zero_lag_error
        )
        self.zero_lag_sd = max(zero_lag_sd, self.least_zero_lag_sd)
        self._update_indirect_effects()

    def _update_indirect_effects(self) -> None:
        """The sums a and b of the module's docstring."""
        u = self.correlation_per_weight
        at_lag = u * self.mean
        at_zero_lag = (self.p_type @ self.zero_lag_gain).float() * at_lag
        self.indirect_lag = (at_zero_lag @ at_lag).fill_diagonal_(0).div_(u.where(u > 0, torch.inf))
        self.indirect_zero_lag = (at_zero_lag.T @ at_zero_lag).fill_diagonal_(0).neg_()


def _likelihood(
    evidence: Tensor, forth: Tensor, back: Tensor, weights: Tensor, width: Tensor, p_within_step: float
) -> tuple[Tensor, Tensor | None]:
    """(G, G, P) likelihood of P pairs for each size of w_ij and of w_ji, up to a factor of each pair's.

    Each of the (3, P) observations is normal with variance 1, to which that of the weights about their sizes adds. In
    float32. The second value is the part of the likelihood due to connections that act within the step only, whose lags
    are as if there were none; None if there are no such connections. It is 0 where there is no connection.
    """
    evidence, forth, back, weights, width = (x.float() for x in (evidence, forth, back, weights, width))
    squares, volumes = [], []
    for x, f, b in zip(evidence, forth, back, strict=True):
        variance = (1 + (f * width).square())[:, None] + (b * width).square()
        residual = (x - f * weights)[:, None] - b * weights
        squares.append(residual.square_().div_(variance))
        volumes.append(variance)
    at_lags, at_zero_lag = squares[0].add_(squares[1]), squares[2]
    zero = len(weights) // 2
    unconnected_at_lags = at_lags[zero, zero].clone()
    square, volume = at_lags.add_(at_zero_lag), volumes[0].mul_(volumes[1]).mul_(volumes[2])
    smallest = square.amin((0, 1))
    if not p_within_step:
        return square.sub_(smallest).mul_(-0.5).exp_().mul_(volume.rsqrt_()), None
    within_step = at_zero_lag.add_(unconnected_at_lags)
    smallest = torch.minimum(smallest, within_step.amin((0, 1)))
    within_step.sub_(smallest).mul_(-0.5).exp_().mul_(volumes[2].rsqrt_()).mul_(p_within_step)
    likelihood = square.sub_(smallest).mul_(-0.5).exp_().mul_(volume.rsqrt_()).mul_(1 - p_within_step).add_(within_step)
    within_step[zero, zero] = 0
    return likelihood, within_step


def _expected_products(
    observed: Tensor,
    pairs: Tensor,
    moments: list[Tensor],
    effects: list[tuple[Tensor, Tensor]],
    constants: list[Tensor],
) -> Tensor:
    """(K, K) sums over `pairs` of the expected products of K columns: effects, constants and what is observed.

    An effect (f, b) is the column f w_ij + b w_ji. Weights are uncertain, so that a product of two effects has a
    covariance beside the product of means. The moments of the weights are the means of w_ij and w_ji, their variances
    and their covariance.
    """
    forth, back, *spreads = moments
    forth_variance, back_variance, covariance = ((pairs * each)[:, None] for each in spreads)
    of_forth, of_back = (torch.stack([each.expand_as(observed) for each in of], 1) for of in zip(*effects, strict=True))
    means = of_forth * forth[:, None] + of_back * back[:, None]
    columns = torch.cat([means, torch.stack([*(c.expand_as(observed) for c in constants), observed], 1)], 1)
    products = _summed(columns * pairs[:, None], columns)
    between = _summed(of_forth * covariance, of_back)
    spread = _summed(of_forth * forth_variance, of_forth) + _summed(of_back * back_variance, of_back)
    products[: len(effects), : len(effects)] += spread + between + between.T
    return products


def _summed(columns: Tensor, others: Tensor) -> Tensor:
    """(K, L) sums of the products of (R, K, N) and (R, L, N) columns; in float64 from row to row."""
    return torch.bmm(columns, others.mT).double().sum(0)


def _regress(
    products: Tensor, n_pairs: float, effect_sd: float, offset_sd: float, known: int = 0
) -> tuple[Tensor, Tensor, float]:
    """Least squares of what is observed on effects and constants, from their `_expected_products`.

    Parameters
    ----------
    products : (K, K) tensor
        The last column is what is observed, in units of its error.
    n_pairs : float
    effect_sd, offset_sd : float
        Standard deviations of the priors about 0 of two effects and of the two constants, one for each type: where
        types are not told apart, their constants are not either.
    known : int
        Number of leading effects whose coefficient is known to be 1.

    Returns
    -------
    effects, offsets : (2,) tensors
        Effects are not negative.
    spread : float
        Root mean square of the residuals: how much larger than the error they are.
    """
    normal, moment, squared = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    ridge = torch.diag(products.new_tensor([effect_sd**-2] * 2 + [offset_sd**-2] * 2))
    rest = moment[known:] - normal[known:, :known].sum(1)
    solution = torch.linalg.solve(normal[known:, known:] + ridge, rest)
    coefficients = torch.cat([products.new_ones(known), solution])
    residual = squared - 2 * coefficients @ moment + coefficients @ normal @ coefficients
    return solution[:2].clamp(min=0), solution[2:], float((residual / n_pairs).clamp(min=0).sqrt())
