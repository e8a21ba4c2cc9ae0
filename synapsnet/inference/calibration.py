r"""Take away what makes estimates deviate where there is no connection, so that it does not pass for one.

- *Slow correlations*: two neurons that follow the same slow fluctuation are correlated at the lags of a connection, and
  about as much some time before and after, in the flanks, where a connection does not act. Most pairs show nothing
  there. So the flank estimates are shrunk by a distribution of true effects that is learned from all pairs, whose
  errors are known (Stephens 2017, Biostatistics 18:275). How much of the slow part is in the estimates at the lags and
  at zero lag is learned by regression, and that much is subtracted. Compare Stark & Abeles 2009, J Neurosci Methods
  179:90, and Amarasingham et al. 2012, J Neurophysiol 107:517, who separate fast from slow for each pair by itself.
- *Skewness*: coincidences of rare events are counts. They scatter further upwards than downwards, and there are more
  large positive estimates than a normal distribution has. To first order in the skewness :math:`\gamma` of an error,
  the quantile of probability p lies at :math:`z_p + \gamma (z_p^2 - 1) / 6` (Cornish & Fisher 1938). Far out that is
  the standard error times :math:`1 + \gamma z / 6`: larger upwards, smaller downwards.
- *What neighbours share*, where positions are known; see `synapsnet.inference.neuropil`.
- *What neurons share*: z-scores at the lags, and correlations at zero lag, that are products of two neurons' loadings,
  and scatter that is larger for some neurons; see `synapsnet.inference.background`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from synapsnet.array_types import FloatArray
from synapsnet.inference.background import NORMAL_MEDIAN, less_shared
from synapsnet.inference.evidence import Evidence, constant
from synapsnet.inference.neuropil import without_neuropil

SPREADS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # that slow correlations may have, in standard errors; 0 is none
PRIOR_PAIRS = 10.0  # pseudo-counts, of pairs without slow correlations
SHRINK_STEPS, ENOUGH_PAIRS = 100, 100_000  # of expectation maximisation, and from how many pairs
FARTHEST = 5.0  # standard errors, beyond which the third moment says nothing of a tail


def calibrated(evidence: Evidence, position_um: FloatArray | None = None) -> Evidence:
    """Evidence without what makes it deviate where there is no connection; O(N^2).

    Parameters
    ----------
    evidence : Evidence
    position_um : (N, 3) array, optional
        Positions in an image, whose neighbours share light.
    """
    if len(evidence.estimate) < 2:
        return evidence
    if position_um is not None:
        evidence = without_neuropil(evidence, position_um)
    pairs = ~torch.eye(len(evidence.estimate), dtype=torch.bool, device=evidence.estimate.device)
    return _without_shared_input(_with_skewed_errors(_without_slow_correlations(evidence, pairs), pairs), pairs)


def _without_slow_correlations(evidence: Evidence, pairs: Tensor) -> Evidence:
    """Subtract the slow part, and add what is uncertain about it to the standard errors."""
    error, flank_error = evidence.standard_error, evidence.flank_error
    slow, slow_variance = torch.zeros_like(error), torch.zeros_like(error)
    slow[pairs], slow_variance[pairs] = shrunk((evidence.flank_estimate / flank_error)[pairs])
    slow, slow_variance = slow * flank_error, slow_variance * flank_error.square()
    lag_coefficient = _regression_coefficient((slow / error)[pairs], (evidence.estimate / error)[pairs])
    # Zero lag has no direction: the slow parts of both directions add up.
    slow_correlation = evidence.correlation_per_weight * slow
    slow_correlation = slow_correlation + slow_correlation.T
    root_n_steps = evidence.n_steps**0.5  # a correlation in units of its standard error
    zero_lag_coefficient = _regression_coefficient(
        root_n_steps * slow_correlation[pairs], root_n_steps * evidence.zero_lag[pairs]
    )
    return replace(
        evidence,
        estimate=evidence.estimate - lag_coefficient * slow,
        standard_error=(error.square() + lag_coefficient.square() * slow_variance).sqrt(),
        zero_lag=evidence.zero_lag - zero_lag_coefficient * slow_correlation,
        flank_estimate=constant(0, error),
        flank_error=constant(1, error),
    )


def _without_shared_input(evidence: Evidence, pairs: Tensor) -> Evidence:
    """Subtract what is of low rank over pairs, and widen the errors of neurons that scatter more."""
    error, root_n_steps = evidence.standard_error, evidence.n_steps**0.5
    z, scales = less_shared(torch.where(pairs, evidence.estimate / error, 0.0), pairs)
    zero_lag, zero_lag_scales = less_shared(root_n_steps * evidence.zero_lag, pairs)
    return replace(
        evidence,
        estimate=torch.where(pairs, z * error, evidence.estimate),
        standard_error=error * scales,
        zero_lag=zero_lag / zero_lag_scales / root_n_steps,
    )


def _regression_coefficient(slow: Tensor, z: Tensor) -> Tensor:
    """How much of the slow part is in the z-scores of the same pairs, about their median; not negative.

    Ridge regression with a penalty of 1: z-scores have an error of 1, and nothing is subtracted where nothing is slow.
    """
    return (slow @ (z - z.median()) / (slow @ slow + 1)).clamp(min=0)


def shrunk(z: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and variance of effects that were measured with a standard error of 1.

    Their prior is a mixture of normal distributions about 0, with the standard deviations `SPREADS`. Its weights are
    learned from all effects by expectation maximisation.

    Parameters
    ----------
    z : (P,) tensor

    Returns
    -------
    mean, variance : (P,) tensors
    """
    spread = torch.tensor(SPREADS, dtype=z.dtype, device=z.device)
    variance = 1 + spread.square()  # of a measurement, its error included

    def density(z: Tensor) -> Tensor:
        """(P, G) density of the measurements given each spread, up to a factor for each pair."""
        return torch.softmax(-0.5 * (z[:, None].square() / variance + variance.log()), dim=1)

    sample = density(z[:: 1 + len(z) // ENOUGH_PAIRS])
    pseudo_counts = torch.zeros_like(spread)
    pseudo_counts[0] = PRIOR_PAIRS
    counts = torch.ones_like(spread)
    for _ in range(SHRINK_STEPS):
        mixture = (counts + pseudo_counts) / (counts + pseudo_counts).sum()
        counts = (sample * mixture / (sample @ mixture)[:, None]).sum(0)
    # Given its spread, an effect has the mean shrinkage * z and the variance shrinkage. The law of total variance adds
    # the variance of these means.
    shrinkage = spread.square() / variance
    means, variances = [], []
    for part in torch.split(z, ENOUGH_PAIRS):
        membership = density(part) * mixture
        membership /= membership.sum(1, keepdim=True)
        mean_shrinkage = membership @ shrinkage
        means.append(mean_shrinkage * part)
        variances.append(mean_shrinkage + (membership @ shrinkage.square()) * part.square() - means[-1].square())
    return torch.cat(means), torch.cat(variances)


def _with_skewed_errors(evidence: Evidence, pairs: Tensor) -> Evidence:
    """Standard errors that depend on the side on which an estimate lies."""
    z = evidence.estimate / evidence.standard_error
    centre, spread = centre_and_spread(z[pairs])
    # What scatters beyond the standard error is not known to be skewed: third moments stay, the spread grows.
    skewness = evidence.skewness / spread**3
    correction = skewness * ((z - centre) / spread).clamp(-FARTHEST, FARTHEST) / 6
    skewed = evidence.standard_error * (1 + correction).clamp(min=0.5)
    return replace(evidence, standard_error=skewed, skewness=constant(0, skewed))


def centre_and_spread(values: Tensor) -> tuple[float, float]:
    """The median of most values, and their standard deviation about it, not less than 1; outliers count little."""
    centre = values.median()
    return float(centre), max(float((values - centre).abs().median()) / NORMAL_MEDIAN, 1.0)
