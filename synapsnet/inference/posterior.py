r"""Which connections are there: an empirical Bayes posterior over all pairs of neurons.

The evidence gives every ordered pair an estimate of its weight at the lags of a connection, with a standard error, and
every pair a correlation at zero lag, in the same step. Neither knows what cortex is like. That is learned here from the
same recording, all pairs together:

- most pairs are not connected, and the weights of those that are have some distribution;
- neurons come in two types, each with its own density and weights (Dale's principle: one excites, one inhibits).
  Which sign a type has is learned too;
- a connection acts within the step as well as from one to the next, or, where a step is much longer than a synaptic
  delay, within the step only. A correlation at zero lag has no direction, so the two directions explain it jointly.
  Noise that blurs time makes a connection leak into the estimate of the reverse one, of some pairs more than of
  others. So direction counts only where it stands out from that scatter; a signal that reaches two traces at once
  (neuropil) has none at all, like a connection within the step.

Weights are counted in standard errors of their estimates, so that evidence does not follow firing rates. With
:math:`w_{ij}` the weight from j to i, zero if there is none, :math:`t_j` the type of j, :math:`z_{ij}` the estimate
over its standard error, :math:`r_{ij}` the zero-lag partial correlation, :math:`u_{ij} = u_{ji}` the correlation per
weight (the geometric mean of both, so that a larger error of one is no direction) and :math:`s_{ij} = s_{ji}` 0 if the
two act on each other within the step only and otherwise 1,

.. math::
    w_{ij} \mid t_j &\sim g_{t_j} \quad \text{(a mixture with most of its mass at 0)} \\
    s_{ij} &\sim \text{Bernoulli}(1 - \omega) \\
    z_{ij} &\sim N(s_{ij} (w_{ij} + \lambda_{t_i} w_{ji}) + (1 - s_{ij}) \beta (w_{ij} + w_{ji}) + a_{ij} + \mu_{t_j},\;
                 \tau^2 + \sigma^2 (w_{ji}^2 + (1 - s_{ij}) w_{ij}^2)) \\
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
:math:`\beta`       ``blur``, of a connection within the step into the estimates at lags
:math:`\sigma`      ``scatter`` of both
:math:`\omega`      ``within_step``, the fraction of connected pairs that act within the step only
a, b                ``indirect_lag``, ``indirect_zero_lag``
:math:`\mu, \nu`    ``lag_offset``, ``zero_lag_offset``, of each type: what unrecorded common input adds
:math:`\tau, \rho`  ``lag_sd``, ``zero_lag_sd``: how much larger errors are than the evidence says
==================  ====================================================================================

All are fitted by expectation maximisation. The types' posterior comes from all that a neuron sends.

At the end, what else makes weights stand out is discounted (`synapsnet.inference.discounts`). A neuron sends one sign,
so the rate h of weights of the other sign shows how many of its own sign are spurious: of those of size w, a fraction
of :math:`\min(h(w) / g_t(w), 1)` is taken for no connection. And a peak of a correlogram may be the work of a hidden
neuron that sends to both.

Compare Efron 2008, Statistical Science 23:1 (two groups, empirical null), and Stephens 2017, Biostatistics 18:275 (a
mixture for the weights that is learned).

The E step is in `synapsnet.inference.pair_model`, the regressions of the M step are in
`synapsnet.inference.uncertain_regression`. The constants here and in `pair_model` were chosen on seeds 1 and 2 of the
network "lif-random", with and without shared input, and `PRIOR_DENSITY` on its seeds 1 to 6 with 10% and 0.5% of the
pairs connected: of the connections that are reported at a nominal 5% on spikes, 4.1% (seeds 1 to 3) and 6.6% are false
then.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet.inference.discounts import MOST_MIXED, p_direct, spurious_fraction
from synapsnet.inference.evidence import Evidence, constant
from synapsnet.inference.pair_model import (
    LEAST_SCATTER,
    MOST_DENSE,
    MOST_SCATTER,
    N_SIZES,
    PRIOR_DENSITY,
    PRIOR_PAIRS,
    PRIOR_WITHIN_STEP,
    PairModel,
)
from synapsnet.inference.uncertain_regression import expected_products, regress
from synapsnet.progress import Advance, unheard

FINE_STEP_S = 0.01  # about as long as a synaptic delay and the rise of a potential
MOST_TO_NOTICED, NOTICED_RATE = 10.0, 0.05  # see `_Fit.bound_density`
LEAK_SD, GAIN_SD, OFFSET_SD = 0.3, 1.0, 1.0  # of prior distributions about 0; offsets are in standard errors
PRIOR_SCATTER, PRIOR_SCATTER_INFORMATION = 0.3, 100.0  # about that of two connections that stand out clearly
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


def posterior(evidence: Evidence, fine_steps: bool = False, advance: Advance = unheard) -> Posterior:
    """The posterior of the module's docstring; O(N^2) per iteration. With fewer than 2 neurons nothing is known.

    In steps that are fine, up to `FINE_STEP_S`, no connection acts within the step only. `advance` is told the fraction
    done, of as many iterations as there may be.
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
    per_error = correlation_per_weight * error
    either_way = (per_error * per_error.T).sqrt_()  # a correlation at zero lag has no direction
    fit = _Fit(estimate / error, zero_lag, either_way, evidence.n_steps, pairs, fine_steps)
    if not evidence.has_zero_lag:
        fit.bound_density()
    for k in range(MOST_ITERATIONS):
        advance(k / MOST_ITERATIONS)
        before = fit.p_absent
        fit.update()
        if (fit.p_absent - before).abs().mean() < TOLERANCE:
            break
    fit.discount_by_sign()
    fit.update()
    if evidence.log_direct is not None:
        fit.discount_hidden_sources(evidence.log_direct.to(device))
    sd = torch.where(pairs, fit.variance.clamp(min=0).sqrt(), 1.0)
    return Posterior(fit.p_absent, fit.mean * error, sd * error, fit.p_value())


class _Fit(PairModel):
    """Expectation maximisation; one `update` is one iteration."""

    def update(self) -> None:
        """One iteration: the posterior of weights and types, then the parameters that all pairs share."""
        expected = self.expectations()
        if self.within_step:
            n_within = PRIOR_WITHIN_STEP * PRIOR_PAIRS + float(self.p_within_step.sum(dtype=torch.float64)) / 2
            self.within_step = n_within / (PRIOR_PAIRS + float(expected.n_connected))
        # How common each type is; one that no neuron has yet may still be found.
        log_prior = torch.log(self.p_type.mean(0).clamp(min=1 / (2 * self.n)))
        self.p_type = torch.softmax(expected.log_evidence.T + log_prior, dim=1)
        self.sent = torch.einsum("jt,tgj->gj", self.p_type, expected.counts)
        self.counts = torch.einsum("jt,tgj->tg", self.p_type, expected.counts)
        # A few pairs as most networks have them, so that a type without connections does not lose its sizes for good.
        pseudo_counts = torch.full_like(self.weights, PRIOR_PAIRS * PRIOR_DENSITY / (2 * N_SIZES))
        pseudo_counts[self.zero] = PRIOR_PAIRS * (1 - PRIOR_DENSITY)
        self.prior = (self.counts + pseudo_counts) / (self.counts + pseudo_counts).sum(1, keepdim=True)
        self._bound_prior()
        # Average over the types of the presynaptic neuron; the variance of a mixture of two has a term between them.
        one, other = self.p_type.T.float()
        p_absent, mean, variance = expected.moments
        product = expected.product
        self.p_absent = (one * p_absent[0]).add_(other * p_absent[1]).masked_fill_(~self.pairs, 1)
        self.mean = (one * mean[0]).add_(other * mean[1])
        self.variance = (one * variance[0]).add_(other * variance[1])
        self.variance += one * other * (mean[0] - mean[1]).square_()
        del expected, p_absent, mean, variance  # which take as much memory as six more matrices
        self._update_effects(product.addcmul_(self.mean, self.mean.T, value=-1).masked_fill_(self.separate, 0))

    def discount_by_sign(self) -> None:
        """Take for no connection what disturbances of either sign would make, by `spurious_fraction`.

        The fractions hold from the next `update` on.
        """
        self.spurious = spurious_fraction(self.sent, self.counts, self.prior, self.spurious)

    def discount_hidden_sources(self, log_direct: Tensor) -> None:
        """Take for no connection what is rather due to a hidden neuron that sends to both, by `p_direct`.

        The p-value is that of the likelier reason without a connection.
        """
        stands_out = self.pairs & log_direct.isfinite()
        if not stands_out.any():
            return
        p_connected = 1 - self.p_absent[stands_out].double()
        direct = p_direct(log_direct[stands_out].double(), p_connected).float()
        mean = self.mean[stands_out]
        square = self.variance[stands_out] + mean.square()
        self.p_absent[stands_out] = (1 - p_connected * direct).to(self.p_absent)
        self.mean[stands_out] = direct * mean
        self.variance[stands_out] = direct * square - (direct * mean).square()
        self.p_hidden = torch.where(stands_out, (-log_direct).exp().clamp(max=1), 0.0)

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
        leak = self.leak.float()[:, None] * self.mean.T * self.p_shown_at_lags()
        z = (self.lag - self.indirect_lag - (self.p_type @ self.lag_offset).float() - leak) / self.lag_sd
        p_value = torch.special.erfc(z.double().abs_() / 2**0.5)
        return torch.maximum(p_value, self.p_hidden.double()).masked_fill_(~self.pairs, 1)

    def _update_effects(self, covariance: Tensor) -> None:
        """The M step of leaks, gains, offsets and spreads: regressions of the evidence on the uncertain weights.

        The (N, N) `covariance` is that of w_ij and w_ji, by their posterior.
        """
        lag_products = zero_lag_products = self._full((), 0.0)  # sums over all pairs
        p_type = self.p_type.float()
        p_pre = p_type.T[:, None]  # (2, 1, N)
        for rows in self.rows():
            p_post = p_type[rows].T[:, :, None]  # (2, R, 1)
            moments = [matrix[rows] for matrix in (self.mean, self.mean.T, self.variance, self.variance.T, covariance)]
            u, u_reverse = self.correlation_per_weight[rows], self.correlation_per_weight.T[rows]
            # z_ij holds w_ij once, and the leak of w_ji by the type of i.
            one, none = torch.ones_like(moments[0]), torch.zeros_like(moments[0])
            effects = [(one, none), *((none, p.expand_as(one)) for p in p_post)]
            direct = self.lag[rows] - self.indirect_lag[rows]
            lag_products = lag_products + expected_products(
                direct, self.pairs[rows] * self.p_shown_at_lags(rows), moments, effects, list(p_pre)
            )
            # r_ij holds both, by the types of their presynaptic neurons; each pair counts once.
            effects = [(p * u, q * u_reverse) for p, q in zip(p_pre, p_post, strict=True)]
            direct = self.zero_lag[rows] - self.indirect_zero_lag[rows]
            zero_lag_products = zero_lag_products + expected_products(
                direct, self.once(rows), moments, effects, list(p_pre + p_post)
            )
        if self.scatter:
            self._update_scatter()
        n_at_lags = self.n_pairs - float(self.p_within_step.sum(dtype=torch.float64))
        self.reverse_leak, self.lag_offset, lag_sd = regress(lag_products, n_at_lags, LEAK_SD, OFFSET_SD, known=1)
        self.lag_sd = max(lag_sd, self.least_lag_sd)
        self.zero_lag_gain, self.zero_lag_offset, zero_lag_sd = regress(
            zero_lag_products / self.zero_lag_error**2, self.n_pairs // 2, GAIN_SD, OFFSET_SD * self.zero_lag_error
        )
        self.gain_scatter = 0.0  # all connections of a type have the same gain
        self.zero_lag_sd = max(zero_lag_sd, self.least_zero_lag_sd)
        self._update_indirect_effects()

    def _update_scatter(self) -> None:
        """The M step of scatter and blur, from pairs that may have a connection in one direction, and within the step.

        A square of a residual, less 1, is an unbiased estimate of scatter^2 w^2 with a variance that is proportional to
        the square of 1 + scatter^2 w^2.
        """
        sums = self._full((4,), 0.0)
        for rows in self.rows():
            p, p_reverse = 1 - self.p_absent[rows].double(), 1 - self.p_absent.T[rows].double()
            within = self.p_within_step[rows].double()
            only_reverse = p_reverse * (1 - p) * (1 - within) * self.pairs[rows]
            weight = (self.mean[rows] + self.mean.T[rows]) / (p + p_reverse - p * p_reverse).clamp(min=1e-12)
            weight /= self.lag_sd
            z = (self.lag[rows] - self.indirect_lag[rows] - self.p_type @ self.lag_offset) / self.lag_sd
            square, variance = weight.square(), 1 + self.scatter**2 * weight.square()
            leaked, blurred = ((z - part * weight).square() - 1 for part in (self.leak[rows, None], self.blur))
            information = square / variance.square()
            sums += torch.stack(
                [
                    ((only_reverse * leaked + within * blurred) * information).sum(),
                    ((only_reverse + within) * square * information).sum(),
                    (within * z * weight / variance).sum(),
                    (within * square / variance).sum(),
                ]
            )
        found, known, blur, known_blur = sums.tolist()
        scatter = (found + PRIOR_SCATTER_INFORMATION * PRIOR_SCATTER**2) / (known + PRIOR_SCATTER_INFORMATION)
        self.scatter = min(max(scatter, LEAST_SCATTER**2), MOST_SCATTER**2) ** 0.5
        self.blur = blur / (known_blur + LEAK_SD**-2)

    def _update_indirect_effects(self) -> None:
        """The sums a and b of the module's docstring."""
        if not self.zero_lag_gain.any():  # as where nothing is known at zero lag
            self.indirect_lag = self.indirect_zero_lag = constant(0, self.lag)
            return
        u = self.correlation_per_weight
        at_lag = u * self.mean
        at_zero_lag = (self.p_type @ self.zero_lag_gain).float() * at_lag
        self.indirect_lag = (at_zero_lag @ at_lag).fill_diagonal_(0).div_(u.where(u > 0, torch.inf))
        self.indirect_zero_lag = (at_zero_lag.T @ at_zero_lag).fill_diagonal_(0).neg_()
