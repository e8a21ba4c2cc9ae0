r"""What correlograms of pairs without a connection look like in this recording, learned from all pairs.

When the linear effect of all other neurons has been taken out, three traces of shared input are left:

- **Modes**: shapes over lags that many pairs have in common, a hump about lag 0 or a rhythm. Their covariance is that
  of pairs in which nothing stands out, as far as its eigenvalues exceed what noise makes (Marchenko & Pastur 1967).
  Pairs have more or less of it: each has a scale, which may be 0. A connection is estimated by generalised least
  squares, in both directions at once: where a pair has much of a mode, whatever looks like that mode counts less.
- **Ranks**: how much a pair is affected depends on how strongly each neuron follows that input, so that its z-score
  holds a product of two loadings. Singular vectors of their matrix beyond what noise makes are taken out; connections,
  which are outliers, are clipped meanwhile (robust principal components, Candes et al. 2011).
- **Scales** of neurons: what is not linear in that input makes the z-scores of some neurons scatter more.

Dense connections have ranks and scales too. But a connection does not act before a presynaptic spike, nor long after
it; shared input still does. So where z-scores of the same response are known too late and too early for a connection,
ranks count only if they show in both, and scales come from these.

In symbols, the correlogram of a pair over lags, in units of its noise, is :math:`y = D \beta + b + \epsilon`. The
columns of D (``design``) are the response forwards and backwards, :math:`\beta` its two sizes (``both``),
:math:`\epsilon` white noise, and :math:`b \sim N(0, c\, U V U^T)` the background, with the orthonormal modes U
(``shapes``), their variances on the diagonal of V, and the pair's scale c, one of ``SCALES``. So
:math:`\Sigma = I + c\, U V U^T`, and

.. math::
    \hat\beta = (D^T \Sigma^{-1} D)^{-1} D^T \Sigma^{-1} y, \qquad
    \operatorname{cov} \hat\beta = (D^T \Sigma^{-1} D)^{-1}, \qquad
    \Sigma^{-1} = I - U \frac{c V}{1 + c V} U^T
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SCALES = (0.0, 0.3, 1.0, 3.0, 10.0)  # of the modes' covariance in a pair
SMALLEST_MODE = 1.0  # variance of a mode over that of noise: smaller ones are as likely weak connections
NOTICEABLE = 6.0  # square of a z-score above which a connection explains a pair better than nothing does
NORMAL_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
MOST_NOTICEABLE = 8.0  # a z-score, so that a few pairs do not decide for all
EM_STEPS = 30
RANK_STEPS, CLIP, RANK_MARGIN, MOST_RANKS = 8, 2.5, 1.3, 20
ALSO_DISPLACED = 0.1  # of a rank of shared input, too late and too early for a connection
FEWEST_PAIRS = 10  # of a neuron, for a scale of its own
FEWEST_NEURONS = 20  # with fewer, ranks and scales cannot be told from chance, or from connections
LOG_MAD_VARIANCE = 1.77  # half of it, over m, is taken for the variance of the logarithm of the MAD of m z-scores


@dataclass(frozen=True)
class Modes:
    """Covariance of the background over lags.

    Attributes
    ----------
    shapes : (K, M) tensor
        Its eigenvectors.
    variances : (M,) tensor
        Their variances beyond that of noise.
    """

    shapes: Tensor
    variances: Tensor

    @classmethod
    def learn(cls, correlograms: Tensor) -> Modes:
        """From (P, K) correlograms of pairs in which nothing stands out, in units of their noise.

        Every pair is included both ways round, so that the covariance is the same with time reversed.
        """
        covariance = (correlograms.T @ correlograms).double() / max(len(correlograms), 1)
        covariance = (covariance + covariance.flip(0, 1)) / 2
        variance, vectors = torch.linalg.eigh(covariance.cpu())
        # The largest eigenvalue that noise makes (Marchenko & Pastur), of as many correlograms as there are unordered
        # pairs: the two of a pair are the same, reversed in time.
        noise = (1 + (len(covariance) / max(len(correlograms) / 2, 1)) ** 0.5) ** 2
        real = (variance > noise) & (variance > 1 + SMALLEST_MODE)
        # Noise adds its variance of 1 to that of each mode.
        return cls(vectors[:, real].to(correlograms), (variance[real] - 1).to(correlograms))


class Estimator:
    """Size of a response in the presence of background, by generalised least squares; see the module."""

    def __init__(self, modes: Modes, design: Tensor) -> None:
        self.modes, self.design = modes, design
        self.scales = SCALES if len(modes.variances) else (0.0,)
        self.weights = torch.full((len(self.scales),), 1 / len(self.scales), dtype=design.dtype, device=design.device)

    @property
    def response(self) -> Tensor:
        """(L + 1,) the response that it estimates, at lags from 0."""
        return self.design[len(self.design) // 2 :, 0]

    def learn_scales(self, correlograms: Tensor) -> None:
        """How many pairs have how much background, by expectation maximisation."""
        # The likelihood of each scale in each pair stays the same: only the fractions of pairs are learned.
        likelihood = torch.softmax(self._parts(correlograms)[2], 0)
        for _ in range(EM_STEPS):
            membership = likelihood * self.weights[:, None]
            self.weights = (membership / membership.sum(0)).mean(1)

    def __call__(self, correlograms: Tensor) -> tuple[Tensor, Tensor]:
        """(P,) sizes of the response forwards in (P, K) correlograms, and their standard errors."""
        size, variance, log_likelihood = self._parts(correlograms)
        membership = torch.softmax(log_likelihood + self.weights.log()[:, None], 0)
        mean = (membership * size).sum(0)
        # The variance of a mixture: that within scales, and that between the sizes that they give.
        square = (membership * (variance[:, None] + size.square())).sum(0)
        return mean, (square - mean.square()).clamp(min=1e-12).sqrt()

    def _parts(self, correlograms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each scale (C, P) sizes, (C,) variances and (C, P) log likelihoods, up to a constant for each pair."""
        sizes, variances, log_likelihoods = [], [], []
        along_design, along_modes = correlograms @ self.design, correlograms @ self.modes.shapes
        design_along_modes = self.modes.shapes.T @ self.design
        for scale in self.scales:
            whole = 1 + scale * self.modes.variances
            background = 1 - 1 / whole  # the part of what is along each mode
            precision = self.design.T @ self.design - design_along_modes.T * background @ design_along_modes
            covariance = torch.linalg.inv(precision)
            moment = along_design - along_modes * background @ design_along_modes
            both = moment @ covariance  # the two sizes
            explained = (both * moment).sum(1)
            sizes.append(both[:, 0])
            variances.append(covariance[0, 0])
            # What a connection explains does not speak for background; but only what is noticeable passes for one.
            evidence = along_modes.square() @ background + (explained - NOTICEABLE).clamp(min=0) - whole.log().sum()
            log_likelihoods.append(0.5 * evidence)
        return torch.stack(sizes), torch.stack(variances), torch.stack(log_likelihoods)


def design(response: Tensor, n_lags: int) -> Tensor:
    """(K, 2) the response forwards and backwards in a correlogram of K lags about 0."""
    columns = response.new_zeros(n_lags, 2)
    columns[n_lags // 2 :, 0] = response
    columns[:, 1] = columns[:, 0].flip(0)
    return columns


def less_shared(z: Tensor, pairs: Tensor, displaced: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """z-scores less what neurons share, and how far those of each pair scatter; see the two functions.

    Parameters
    ----------
    z : (N, N) tensor
    pairs : (N, N) bool tensor
        Those that count.
    displaced : (2, N, N) tensor, optional
        z-scores too late and too early for a connection.

    Returns
    -------
    z, scales : (N, N) tensors
    """
    less = without_shared_ranks(z, pairs, displaced)
    if displaced is None:
        return less, neuron_scales(less, pairs)
    late, early = (neuron_scales(without_shared_ranks(one_side, pairs), pairs) for one_side in displaced)
    return less, (late * early).sqrt()


def without_shared_ranks(z: Tensor, pairs: Tensor, displaced: Tensor | None = None) -> Tensor:
    """(N, N) z-scores less what is a product of two neurons' loadings; see `less_shared`."""
    n = len(z)
    shared = torch.zeros_like(z)
    if n < FEWEST_NEURONS:
        return z
    if displaced is not None:
        displaced = torch.where(pairs, displaced, 0.0)
    clip = CLIP * spread(z[pairs])
    # Which z-scores are outliers depends on what is shared, and what is shared is learned without them: so, in turns.
    # Unknown pairs and the diagonal take what is shared so far (soft imputation, Mazumder et al. 2010).
    for _ in range(RANK_STEPS):
        rest = torch.where(pairs, (z - shared).clamp(-clip, clip), 0.0)
        noise = 2 * n**0.5 * float(rest[pairs].std())  # the largest singular value of noise of this size
        left, size, right = _largest_ranks(rest + shared)
        # Noise makes singular values larger; this takes it out best, in squared error (Gavish & Donoho 2017).
        kept = torch.where(size > RANK_MARGIN * noise, (size.square() - noise**2).clamp(min=0).sqrt(), 0.0)
        if displaced is not None:
            # How much of each rank is in z-scores that no connection can make; of both, the smaller counts.
            size_displaced = (left * (displaced @ right)).sum(1)
            kept = torch.where(size_displaced.amin(0) > ALSO_DISPLACED * size, kept, 0.0)
        shared = (left * kept) @ right.T
    return torch.where(pairs, z - shared, 0.0)


def _largest_ranks(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if len(matrix) <= 500:
        left, size, right = torch.linalg.svd(matrix)
        return left, size, right.T
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # it starts from random directions
        return torch.svd_lowrank(matrix, q=MOST_RANKS)


def neuron_scales(z: Tensor, pairs: Tensor) -> Tensor:
    """(N, N) how much further the z-scores of these neurons scatter than those of most; about 1.

    A scale of the postsynaptic times one of the presynaptic neuron. Their logarithms are shrunk
    according to the error of a median absolute deviation.
    """
    if len(z) < FEWEST_NEURONS:
        return torch.ones_like(z)
    # Medians, so that a neuron with many connections does not look like one whose z-scores scatter.
    centre = z[pairs].median()
    deviation = torch.where(pairs, (z - centre).abs(), torch.nan)
    count = pairs.sum(1)
    post = _shrunk_logarithm(deviation.nanmedian(1).values, count)
    pre = _shrunk_logarithm((deviation / post.exp()[:, None]).nanmedian(0).values, count)
    return (post[:, None] + pre).exp()


def _shrunk_logarithm(deviation: Tensor, count: Tensor) -> Tensor:
    measured = count >= FEWEST_PAIRS
    if not measured.any():
        return torch.zeros_like(deviation)
    log = torch.where(measured, deviation.nan_to_num().clamp(min=1e-3).log(), 0.0)
    log = torch.where(measured, log - log[measured].median(), 0.0)
    error = LOG_MAD_VARIANCE / 2 / count.clamp(min=1)
    n = int(measured.sum())
    # Beyond twice the error of the variance itself: with few neurons it cannot be told from noise.
    between = (log[measured].var(correction=0) - error[measured].mean() * (1 + 2 * (2 / n) ** 0.5)).clamp(min=0)
    # As far as neurons differ by more than their errors: the posterior mean, if logarithms are normal about 0.
    return torch.where(measured, log * between / (between + error), 0.0)


def spread(z: Tensor) -> float:
    """Standard deviation of most z-scores, not less than 1; outliers count little."""
    return max(float((z - z.median()).abs().median()) / NORMAL_MEDIAN, 1.0)


def strength(z: Tensor, sign: int = 0) -> float:
    """How much stands out among z-scores, of one sign or of both: the sum of squares beyond `NOTICEABLE`.

    Twice the log likelihood that connections add, if each must add half of `NOTICEABLE` to be one. It is in units of
    the scatter of most pairs: a response that fits the background, and makes all z-scores large, does not gain by it.
    """
    standard = (z - z.median()) / spread(z)
    clipped = (standard.abs() if sign == 0 else sign * standard).clamp(0, MOST_NOTICEABLE)
    return float((clipped.square() - NOTICEABLE).clamp(min=0).sum())


def calm(z: Tensor, limit: float) -> Tensor:
    """Which z-scores are within `limit` of most of them."""
    return ((z - z.median()) / spread(z)).abs() < limit
