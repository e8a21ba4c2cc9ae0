r"""What is expected of each pair of neurons, given what all pairs have in common.

The model, and the symbols of its parameters, are those of `synapsnet.inference.posterior`; this is its E step. A weight
has one of a few sizes, with a normal distribution about each, so that the sum over both weights of a pair is one over a
square of sizes. Most of the time goes into that sum. It is shorter for pairs that show little: their weights are small,
and in a large network the two are inferred separately.

Matrices over pairs are in float32, to save memory; sums over pairs are in float64, or exact.

About a size w a weight is :math:`N(w, \sigma^2)`, with the ``width`` :math:`\sigma`, so no integral is needed. What is
observed is linear in both weights of a pair, :math:`x = f w_{ij} + r w_{ji} + \epsilon`. Given their sizes w and w',
it is normal with mean :math:`f w + r w'` and variance :math:`1 + f^2 \sigma^2 + r^2 \sigma'^2`, to which the scatter of
what a connection adds to the estimate of the reverse one comes (`_likelihood`). Given
its size, a weight lies :math:`\sigma^2 / (\sigma^2 + \tau^2)` of the way from that to its estimate (`_shrinkage`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet.inference.calibration import centre_and_spread
from synapsnet.inference.evidence import constant

N_SIZES = 8  # of weights of either sign, logarithmically spaced
SMALLEST_SIZE, LEAST_RANGE = 1.0, 4.0  # the smallest one in standard errors; how much larger the largest is
WIDTH = 0.25  # standard deviation about a size, as a fraction of the distance between its neighbours
PRIOR_PAIRS, PRIOR_DENSITY = 10.0, 0.02  # pseudo-counts of each type, and the fraction of them that is connected
MOST_DENSE = 0.5  # a type connects to half of the others at most
PRIOR_WITHIN_STEP = 0.1  # of as many connected pairs as `PRIOR_PAIRS`, those that act within the step only
FIRST_SCATTER, LEAST_SCATTER, MOST_SCATTER = 0.7, 0.2, 1.0  # of what connections add to the estimate of the reverse one
FIRST_GAIN, FIRST_GAIN_SCATTER = 0.5, 1.0  # at zero lag, and its standard deviation over it
LEAST_SPREAD = 0.93  # of absent pairs, as a fraction of the spread of most pairs
BLOCK_PAIRS = 250_000  # at a time, in whole rows: little beside the (N, N) matrices of large networks
CHUNK_VALUES = 250_000  # pairs x weights x weights at a time: 1 MB in float32, which fits a processor's cache
GPU_AT_ONCE = 64  # times as much of both on a GPU, which has thousands of cores to fill
FIXED = 2.0**32  # sums over pairs in whole parts of this: exact, so the same in whatever order a device adds
NOTICEABLE, SMALL = 2.0, 5.0  # in standard errors: a pair of which nothing is larger has small weights at most
# In a network of more neurons than this, the two weights of a pair are inferred separately where a bound on the
# probability that it has both connections is at most that, and the sum of the squares of its evidence at most this.
FEW_NEURONS, MOST_MUTUAL, LEAST_NOTICEABLE = 300, 3e-3, 3.0


@dataclass
class Expectations:
    """Sums over pairs, and moments of each pair, given each of the two types t of the presynaptic neuron.

    Attributes
    ----------
    log_evidence : (2, N) tensor
        Log likelihood of all that a neuron sends.
    counts : (2, G, N) tensor
        Expected number of its weights of each size.
    n_connected : () tensor
        Expected number of unordered pairs with a connection; counted only where some may act within the step only.
    moments : (3, 2, N, N) tensor
        Probability of 0, mean and variance of each weight.
    product : (N, N) tensor
        E[w_ij w_ji], 0 where the two are inferred separately.
    """

    log_evidence: Tensor
    counts: Tensor
    n_connected: Tensor
    moments: Tensor
    product: Tensor


class PairModel:
    """The evidence of all pairs, in standard errors, and what is learned from it: parameters and the posterior so far.

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
    fine_steps : bool
        Whether no connection acts within the step only.
    """

    def __init__(
        self,
        lag: Tensor,
        zero_lag: Tensor,
        correlation_per_weight: Tensor,
        n_steps: int,
        pairs: Tensor,
        fine_steps: bool = False,
    ) -> None:
        self.lag, self.zero_lag, self.correlation_per_weight = lag, zero_lag, correlation_per_weight
        n = self.n = len(self.lag)
        self.device = lag.device
        self.at_once = GPU_AT_ONCE if self.device.type == "cuda" else 1
        self.pairs, self.n_pairs = pairs, int(pairs.sum())
        self.zero_lag_error = n_steps**-0.5
        # Most pairs are not connected: the distribution of all pairs is a first guess of that of the absent ones, and
        # about as narrow as that can be.
        centre, self.lag_sd = centre_and_spread(self.lag[self.pairs])
        self.lag_offset = self._full((2,), centre)
        zero_lag_centre, self.zero_lag_sd = centre_and_spread(self.zero_lag[self.pairs] / self.zero_lag_error)
        self.zero_lag_offset = self._full((2,), zero_lag_centre * self.zero_lag_error / 2)
        self.least_lag_sd, self.least_zero_lag_sd = LEAST_SPREAD * self.lag_sd, LEAST_SPREAD * self.zero_lag_sd
        self.weights, self.width = self._sizes()
        self.zero = N_SIZES  # index of 0 among the sizes
        # At first one type excites, the other inhibits, and a neuron's type is the sign of what it sends on average.
        excites = torch.full_like(self.weights, 1e-3)
        excites[self.zero] = 1 - PRIOR_DENSITY
        excites[self.zero + 1 :] = PRIOR_DENSITY / N_SIZES
        excites /= excites.sum()
        self.prior = torch.stack([excites, excites.flip(0)])  # (2, G)
        self.most_dense = MOST_DENSE
        self.spurious = torch.zeros_like(self.prior)  # of each type and size, the fraction that is no connection
        self.spurious[:, self.zero] = 1
        sign = torch.where(self.pairs, (self.lag - centre) / self.lag_sd, 0.0).double().sum(0) / (n - 1) ** 0.5
        self.p_type = torch.softmax(torch.stack([sign, -sign], dim=1), dim=1)  # (N, 2)
        self.reverse_leak = self._full((2,), 0.0)
        # Only zero lag shows connections that act within the step only. Where it says nothing (spikes), no noise blurs
        # time, and a connection adds nothing to the estimate of the reverse one.
        has_zero_lag = bool(self.zero_lag.any())
        self.within_step = PRIOR_WITHIN_STEP if has_zero_lag and not fine_steps else 0.0
        # Large at first: what may be chance decides no direction before it is known how far chance reaches.
        self.scatter, self.blur = FIRST_SCATTER if has_zero_lag else 0.0, 0.0
        # Where lags hardly show connections, a gain of 0 would stay 0; how large it is decides nothing yet.
        self.zero_lag_gain = self._full((2,), FIRST_GAIN if has_zero_lag else 0.0)
        self.gain_scatter = FIRST_GAIN_SCATTER if has_zero_lag else 0.0
        self.mean = self.variance = self.indirect_lag = self.indirect_zero_lag = torch.zeros_like(self.lag)
        self.p_absent = torch.ones_like(self.lag)
        self.p_within_step = constant(0, self.lag)
        self.p_hidden = self._full((), 0.0)  # p-values, if a hidden neuron sends to both
        self.separate = constant(False, self.pairs)  # whose two weights are inferred so
        # Expected number of weights of each size that each neuron sends, and that the neurons of each type send.
        self.sent, self.counts = self._full((len(self.weights), n), 0.0), self._full((2, len(self.weights)), 0.0)

    def _full(self, shape: tuple[int, ...], value: float) -> Tensor:
        return torch.full(shape, value, dtype=torch.float64, device=self.device)

    def _sizes(self) -> tuple[Tensor, Tensor]:
        """(G,) sizes of weights that the mixture g consists of, and the standard deviation about each of them."""
        # Synaptic weights are about lognormal, so sizes have equal ratios.
        largest = max(LEAST_RANGE, float(self.lag[self.pairs].abs().max() / (self.lag_sd * SMALLEST_SIZE)))
        size = self.lag_sd * SMALLEST_SIZE
        sizes = size * torch.logspace(0, 1, N_SIZES, base=largest, dtype=torch.float64).to(self.device)
        weights = torch.cat([-sizes.flip(0), self._full((1,), 0.0), sizes])
        ratio = largest ** (1 / (N_SIZES - 1))  # the neighbours of a size are that much larger and smaller
        return weights, WIDTH * (ratio - 1 / ratio) * weights.abs()

    @property
    def leak(self) -> Tensor:
        """(N,) leak of w_ji into the estimate of w_ij, by the type of the postsynaptic neuron i."""
        return self.p_type @ self.reverse_leak

    def p_shown_at_lags(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """(R, N) probability that connections of these pairs, if any, do not act within the step only."""
        return 1 - self.p_within_step[rows]

    def rows(self, values_per_pair: int = 1) -> tuple[Tensor, ...]:
        """The neurons, as many at a time as `BLOCK_PAIRS` allows, or fewer where each pair has several values."""
        n_rows = max(1, self.at_once * BLOCK_PAIRS // (self.n * values_per_pair))
        return torch.split(torch.arange(self.n, device=self.device), n_rows)

    def once(self, rows: Tensor) -> Tensor:
        """(R, N) which pairs of these postsynaptic neurons are known, each unordered pair once."""
        return self.pairs[rows] & (rows[:, None] < torch.arange(self.n, device=self.device))

    def expectations(self) -> Expectations:
        """The E step: the posterior of both weights of each pair; sets `p_within_step` and `separate` as well."""

        def exact(*shape: int) -> Tensor:
            """Zero, to which whole parts of `FIXED` are added."""
            return torch.zeros(shape, dtype=torch.int64, device=self.device)

        expected = Expectations(
            log_evidence=exact(2, self.n),
            counts=exact(2, len(self.weights), self.n),
            n_connected=exact(),
            moments=torch.zeros(3, 2, self.n, self.n, device=self.device),
            product=torch.zeros_like(self.lag),
        )
        if self.within_step:
            self.p_within_step = torch.zeros_like(self.lag)
        self._find_separate()
        if self.separate.any():
            self._expect_separately(expected)
        self._expect_jointly(expected)
        expected.log_evidence = expected.log_evidence.double() / FIXED
        expected.counts = expected.counts.double() / FIXED
        expected.n_connected = expected.n_connected.double() / FIXED
        return expected

    @property
    def _shrinkage(self) -> Tensor:
        """(G,) where a weight lies within a size, from the size (0) to the estimate (1), by their variances."""
        return self.width.square() / (self.width.square() + self.lag_sd**2)

    @property
    def _gain(self) -> Tensor:
        """(N,) what the presynaptic neuron's weights add at zero lag, in the spread of absent pairs."""
        return self.p_type @ self.zero_lag_gain / (self.zero_lag_sd * self.zero_lag_error)

    def _standardised(self, rows: Tensor) -> Tensor:
        """(3, R, N) z_ij, z_ji and r_ij of R neurons i, less the offsets of absent pairs and over their spread."""
        offset, zero_lag_offset = (self.p_type @ by_type for by_type in (self.lag_offset, self.zero_lag_offset))
        offset, zero_lag_offset = offset.float(), zero_lag_offset.float()
        forward = (self.lag[rows] - self.indirect_lag[rows] - offset) / self.lag_sd
        reverse = (self.lag.T[rows] - self.indirect_lag.T[rows] - offset[rows, None]) / self.lag_sd
        zero_lag = self.zero_lag[rows] - self.indirect_zero_lag[rows] - zero_lag_offset[rows, None] - zero_lag_offset
        return torch.stack([forward, reverse, zero_lag / (self.zero_lag_sd * self.zero_lag_error)])

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
            self.separate = constant(False, self.pairs)
            return
        shows_little = [self._standardised(rows).square_().sum(0) <= most for rows in self.rows()]
        self.separate = torch.cat(shows_little) & self.pairs
        self.separate &= self.separate.T.clone()  # they differ by rounding

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor, slice]]:
        """All pairs i, j with i < j that are not separate, their standardised evidence, and their possible weights."""
        for rows in self.rows():
            evidence = self._standardised(rows)
            noticeable, rest = (evidence.abs() > NOTICEABLE).any(0), self.once(rows) & ~self.separate[rows]
            for pairs, possible in ((noticeable, self._possible(True)), (~noticeable, self._possible(False))):
                i, j = (pairs & rest).nonzero(as_tuple=True)
                size = max(1, self.at_once * CHUNK_VALUES // (possible.stop - possible.start) ** 2)
                for post, pre in zip(torch.split(i, size), torch.split(j, size), strict=True):
                    yield rows[post], pre, evidence[:, post, pre], possible

    def _expect_jointly(self, expected: Expectations) -> None:
        """Add what is expected of the pairs whose two weights are inferred together."""
        leak, gain, shrinkage = self.leak, self._gain, self._shrinkage[:, None]
        size_prior = (self.p_type @ self.prior).T  # (G, N), averaged over the types of the presynaptic neuron
        for i, j, evidence, possible in self._chunks():
            weights, prior = self.weights[possible, None], self.prior[:, possible, None]
            spurious = self.spurious[:, possible, None]
            prior_ji, prior_ij = size_prior[possible][:, i], size_prior[possible][:, j]
            direct = torch.full_like(evidence[0], 1 / self.lag_sd)
            # What a weight of 1, from j to i (forward) or from i to j (reverse), adds to each of three observations.
            forward = torch.stack([direct, leak[j] / self.lag_sd, gain[j] * self.correlation_per_weight[i, j]])
            reverse = torch.stack([leak[i] / self.lag_sd, direct, gain[i] * self.correlation_per_weight[j, i]])
            likelihood, within_step = _likelihood(
                evidence,
                forward,
                reverse,
                weights,
                self.width[possible, None],
                scatter=self.scatter / self.lag_sd,
                gain_scatter=self.gain_scatter,
                blur=self.blur / self.lag_sd,
                p_within_step=self.within_step,
            )
            # For each size of one weight (first axis: w_ij), the other one summed over its prior.
            given_ji = (likelihood * prior_ij.float()[:, None]).sum(0).double()
            if within_step is not None:
                zero = len(weights) // 2
                neither = likelihood[zero, zero] * prior_ij[zero] * prior_ji[zero]
                within_step = ((within_step * prior_ij.float()[:, None]).sum(0) * prior_ji).sum(0)
                p_pair = (given_ji * prior_ji).sum(0)
                within_step = within_step / p_pair
                self.p_within_step[i, j] = self.p_within_step[j, i] = within_step.float()
                expected.n_connected += ((1 - neither / p_pair) * FIXED).long().sum()
            likelihood *= prior_ji.float()
            given_ij, moment = likelihood.sum(1).double(), (likelihood * weights.float()).sum(1).double()
            product = (moment * weights * prior_ij).sum(0) / (given_ij * prior_ij).sum(0)
            expected.product[i, j] = expected.product[j, i] = product.float()
            for post, pre, given_size, z in ((i, j, given_ij, evidence[0]), (j, i, given_ji, evidence[1])):
                p_size = given_size.clamp_(min=1e-300) * prior  # (2, G, P)
                p_evidence = p_size.sum(1)
                p_size /= p_evidence[:, None]
                expected.log_evidence.index_add_(1, pre, p_evidence.log().mul_(FIXED).long())
                expected.counts[:, possible].index_add_(2, pre, (p_size * FIXED).long())
                # Moments of the weight, within sizes about `centre` and between them; spurious ones count as 0.
                p_connected = p_size * (1 - spurious)
                p_absent = (p_size * spurious).sum(1).clamp(max=1)  # a difference from 1 would lose what is small
                estimate = self.lag_sd * z - leak[post] * self.mean[pre, post]  # the reverse weight at its mean so far
                centre = weights + shrinkage[possible] * (estimate - weights)
                mean = (p_connected * centre).sum(1)
                square = (p_connected * (centre.square() + shrinkage[possible] * self.lag_sd**2)).sum(1)
                expected.moments[:, :, post, pre] = torch.stack([p_absent, mean, square - mean**2]).float()

    def _expect_separately(self, expected: Expectations) -> None:
        """Add what is expected of the separate pairs, each weight as if the reverse one were 0.

        What two weights together add to the likelihood is the product of what each adds then. The posterior's sums over
        sizes are products of matrices, so this takes little more than the likelihood of each size.
        """
        possible = self._possible(False)
        weights, width = self.weights[possible, None, None].float(), self.width[possible, None, None].float()
        prior = self.prior[:, possible]
        sums = self._sums_over_sizes(possible)
        p_type, leak, gain = self.p_type.T[:, None].float(), self.leak.float(), self._gain.float()
        if self.within_step:
            neither, within_step = torch.zeros_like(self.lag), torch.zeros_like(self.lag)

        scatter, blur = self.scatter / self.lag_sd, torch.full_like(leak, self.blur / self.lag_sd)

        def log_ratio(evidence: Tensor, effect: Tensor, scatter: float | Tensor = 0.0) -> Tensor:
            """(G, R, N) log likelihood of each size, over that of none."""
            variance = 1 + (effect * width).square() + (scatter * weights).square()
            square = (evidence - effect * weights).square_().div_(variance).sub_(evidence.square())
            return square.add_(variance.log_()).mul_(-0.5)

        for rows in self.rows(len(weights)):
            separate = self.separate[rows]
            forward, reverse, zero_lag = self._standardised(rows).clamp_(-NOTICEABLE, NOTICEABLE)
            direct = torch.full_like(leak, 1 / self.lag_sd)
            at_lags = log_ratio(forward, direct).add_(log_ratio(reverse, leak / self.lag_sd, scatter)).exp_()
            of_weight = gain * self.correlation_per_weight[rows]
            at_zero_lag = log_ratio(zero_lag, of_weight, self.gain_scatter * of_weight).exp_()
            if self.within_step:
                blurred = log_ratio(forward, blur, scatter).add_(log_ratio(reverse, blur, scatter)).exp_()
                only_within = blurred.mul_(at_zero_lag)  # the likelihood of connections that act within the step only
            likelihood = at_lags.mul_(at_zero_lag)
            if self.within_step:
                likelihood = likelihood.mul_(1 - self.within_step).add_(only_within, alpha=self.within_step)
            p_evidence, absent, *powers = torch.tensordot(sums, likelihood, dims=1)
            per_evidence = separate / p_evidence  # (2, R, N)
            expected.log_evidence += (p_evidence.log() * separate).mul_(FIXED).long().sum(1)
            for t in range(2):
                count = (likelihood * per_evidence[t]).sum(1) * prior[t, :, None]
                expected.counts[t, possible] += count.mul_(FIXED).long()
            estimate = self.lag_sd * forward - leak[rows, None] * self.mean.T[rows]
            mean = (powers[0] + powers[1] * estimate) * per_evidence
            square = (powers[2] + (powers[3] + powers[4] * estimate) * estimate) * per_evidence
            expected.moments[:, :, rows] = torch.stack([absent * per_evidence, mean, square - mean**2])
            if self.within_step:  # both relative to what the evidence has without a connection
                p_pair = (p_type * p_evidence).sum(0)
                neither[rows] = (self.p_type @ self.prior[:, self.zero]).float() / p_pair
                within_step[rows] = (p_type * torch.tensordot(prior.float(), only_within, dims=1)).sum(0) / p_pair
        if self.within_step:
            neither = neither * neither.T
            self.p_within_step = (within_step * within_step.T).sub_(neither).mul_(self.within_step * self.separate)
            expected.n_connected += ((1 - neither) * self.separate).sum(dtype=torch.float64).mul(FIXED / 2).long()

    def _sums_over_sizes(self, possible: slice) -> Tensor:
        """(7, 2, G) factors of the likelihood of each size whose sum over sizes is one of seven expectations.

        These are, given each type: 1, absence, a weight (a polynomial in its estimate, of which these are the two
        coefficients), and its square (three coefficients).
        """
        prior, shrinkage, spurious = self.prior[:, possible], self._shrinkage[possible], self.spurious[:, possible]
        connected, rest = prior * (1 - spurious), (1 - shrinkage) * self.weights[possible]
        of_square = [rest**2 + shrinkage * self.lag_sd**2, 2 * rest * shrinkage, shrinkage**2]
        coefficients = (connected * coefficient for coefficient in (rest, shrinkage, *of_square))
        return torch.stack([prior, prior * spurious, *coefficients]).float()


def _likelihood(
    evidence: Tensor,
    forward: Tensor,
    reverse: Tensor,
    weights: Tensor,
    width: Tensor,
    *,
    scatter: float,
    gain_scatter: float,
    blur: float,
    p_within_step: float,
) -> tuple[Tensor, Tensor | None]:
    """(G, G, P) likelihood of P pairs for each size of w_ij and of w_ji, up to a factor of each pair's.

    Each of the (3, P) observations is normal with variance 1, to which that of the weights about their sizes adds, for
    the estimates at lags the scatter of what the reverse weight adds, and for zero lag that of the gains. In float32.
    The second value is the part of the likelihood due to connections that act within the step only, which add as much
    to both estimates at lags, with that scatter; None if there are no such connections. It is 0 where there is no
    connection.
    """
    evidence, forward, reverse, weights, width = (x.float() for x in (evidence, forward, reverse, weights, width))
    scattered = (scatter * weights).square()
    of_gain, of_reverse_gain = ((gain_scatter * effect[2] * weights).square() for effect in (forward, reverse))
    squares, volumes = [], []
    for x, f, r, of_forward, of_reverse in zip(
        evidence, forward, reverse, (0, scattered, of_gain), (scattered, 0, of_reverse_gain), strict=True
    ):
        variance = (1 + (f * width).square() + of_forward)[:, None] + (r * width).square() + of_reverse
        residual = (x - f * weights)[:, None] - r * weights
        squares.append(residual.square_().div_(variance))
        volumes.append(variance)
    at_zero_lag, zero_lag_volume = squares[2], volumes[2]
    square, volume = squares[0].add_(squares[1]).add_(at_zero_lag), volumes[0].mul_(volumes[1]).mul_(zero_lag_volume)
    smallest = square.amin((0, 1))
    if not p_within_step:
        return square.sub_(smallest).mul_(-0.5).exp_().mul_(volume.rsqrt_()), None
    variance = 1 + scattered[:, None] + scattered
    both = blur * (weights[:, None] + weights)
    within_step = (evidence[0] - both).square_().add_((evidence[1] - both).square_()).div_(variance).add_(at_zero_lag)
    smallest = torch.minimum(smallest, within_step.amin((0, 1)))
    within_step.sub_(smallest).mul_(-0.5).exp_().mul_(zero_lag_volume.rsqrt_().div_(variance)).mul_(p_within_step)
    likelihood = square.sub_(smallest).mul_(-0.5).exp_().mul_(volume.rsqrt_()).mul_(1 - p_within_step).add_(within_step)
    zero = len(weights) // 2
    within_step[zero, zero] = 0
    return likelihood, within_step
