"""What makes estimates deviate where there is no connection, so that it does not pass for one.

- *Slow correlations*: two neurons that follow the same slow fluctuation tell of each other at the lags of a connection,
  and about as much some time before and after, in the flanks, where a connection tells nothing. Most pairs show
  nothing there. So what is seen in the flanks is shrunk to what can be believed of it, by a distribution that is
  learned from all pairs (Stephens 2017, Biostatistics 18:275; the scatter of pairs without is known here), and taken
  away. How much of it there is at the lags and within a step, compared with the flanks, is learned by regression.
  Compare Stark & Abeles 2009, J Neurosci Methods 179:90, and Amarasingham et al. 2012, J Neurophysiol 107:517, who tell
  fast from slow for each pair by itself.
- *Skewness*: coincidences of rare events are counts. They scatter further upwards than downwards, and there are more
  large positive estimates than a normal distribution has. By its third moment (Cornish & Fisher 1938) a standard error
  is larger upwards and smaller downwards.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from synapsnet.inference.evidence import Evidence

SPREADS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # that slow correlations may have, in standard errors; 0 is none
PRIOR_PAIRS = 10.0  # without slow correlations, as if so many had been seen before
SHRINK_STEPS, ENOUGH_PAIRS = 100, 100_000  # of expectation maximisation, and from how many pairs
FARTHEST = 5.0  # standard errors, beyond which the third moment says nothing of a tail
NORMAL_MEDIAN = 0.6745  # of the absolute value of a standard normal variable


def calibrated(evidence: Evidence) -> Evidence:
    """Evidence without what slow correlations and skewed errors make of pairs without a connection; O(N^2)."""
    if len(evidence.estimate) < 2:
        return evidence
    pairs = ~torch.eye(len(evidence.estimate), dtype=torch.bool, device=evidence.estimate.device)
    return _with_skewed_errors(_without_slow(evidence, pairs), pairs)


def _without_slow(evidence: Evidence, pairs: Tensor) -> Evidence:
    """Take away what the flanks say is slow, and count what is not known of it as an error."""
    error, slow_error = evidence.standard_error, evidence.slow_error
    slow, unknown = torch.zeros_like(error), torch.zeros_like(error)
    slow[pairs], unknown[pairs] = shrunk((evidence.slow / slow_error)[pairs])
    slow, unknown = slow * slow_error, unknown * slow_error.square()
    share = _share((slow / error)[pairs], (evidence.estimate / error)[pairs])
    together = evidence.unit * slow
    together = together + together.T
    share_within = _share(*(evidence.n_steps**0.5 * each[pairs] for each in (together, evidence.within)))
    return replace(
        evidence,
        estimate=evidence.estimate - share * slow,
        standard_error=(error.square() + share.square() * unknown).sqrt(),
        within=evidence.within - share_within * together,
        slow=_none_as(error),
    )


def _share(slow: Tensor, seen: Tensor) -> Tensor:
    """How much of what is slow is in what was seen of the same pairs, about its median, with an error of 1."""
    return (slow @ (seen - seen.median()) / (slow @ slow + 1)).clamp(min=0)


def shrunk(z: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and variance of effects that were seen with a standard error of 1.

    Their distribution, a mixture of normal ones about 0 with `SPREADS`, is learned from all of them.
    """
    spread = torch.tensor(SPREADS, dtype=z.dtype, device=z.device)
    total = 1 + spread.square()

    def density(z: Tensor) -> Tensor:
        """(P, G) of what was seen, given each spread, up to a factor of each pair's."""
        return torch.softmax(-0.5 * (z[:, None].square() / total + total.log()), dim=1)

    some = density(z[:: 1 + len(z) // ENOUGH_PAIRS])
    prior = torch.zeros_like(spread)
    prior[0] = PRIOR_PAIRS
    counts = torch.ones_like(spread)
    for _ in range(SHRINK_STEPS):
        share = (counts + prior) / (counts + prior).sum()
        counts = (some * share / (some @ share)[:, None]).sum(0)
    trust = spread.square() / total
    means, variances = [], []
    for seen in torch.split(z, ENOUGH_PAIRS):
        member = density(seen) * share
        member /= member.sum(1, keepdim=True)
        shrinkage = member @ trust
        means.append(shrinkage * seen)
        variances.append(shrinkage + (member @ trust.square()) * seen.square() - means[-1].square())
    return torch.cat(means), torch.cat(variances)


def _with_skewed_errors(evidence: Evidence, pairs: Tensor) -> Evidence:
    """Standard errors by the side on which an estimate lies."""
    z = evidence.estimate / evidence.standard_error
    centre, spread = centre_and_spread(z[pairs])
    # What scatters beyond the standard error is not known to be skewed.
    bend = evidence.skewness / spread**3 * ((z - centre) / spread).clamp(-FARTHEST, FARTHEST) / 6
    skewed = evidence.standard_error * (1 + bend).clamp(min=0.5)
    return replace(evidence, standard_error=skewed, skewness=_none_as(skewed))


def centre_and_spread(values: Tensor) -> tuple[float, float]:
    """Of most values: their median, and their spread about it, not less than 1."""
    centre = values.median()
    return float(centre), max(float((values - centre).abs().median()) / NORMAL_MEDIAN, 1.0)


def _none_as(matrix: Tensor) -> Tensor:
    """Zeros of that shape that take no memory."""
    return torch.zeros_like(matrix[0, 0]).expand_as(matrix)
