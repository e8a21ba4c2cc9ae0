"""What else than a connection makes a weight stand out, once the posterior is fitted.

Two things, which show in different ways:

- *Disturbances*, such as an input that neither the recording nor its background shows, make weights of either sign. A
  neuron sends one sign only, so the weights that it sends of the other sign show how many there are:
  `spurious_fraction`.
- *Hidden sources*, neurons that were not recorded and send to both neurons of a pair, make a peak in its correlogram.
  The shape of the peak, and those of the two neurons with all others, show which pairs these are: `p_direct`.

`MOST_MIXED` was chosen on seeds 1 to 3 of the network "v1", the other constants on the recordings with known
connections that `docs/variants.md` names, and on drawn evidence whose signs are mixed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOST_MIXED = 0.05  # weights of the other sign, as a fraction of those of a type's own
SPURIOUS_PAIRS = 500.0  # pseudo-counts of each sign, of the rate of spurious weights of both signs
# Dale's principle holds up to this mixing of signs, as a fraction of what signs dealt at random have; fewer than
# this many pairs of weights cannot show it.
MOST_RANDOM, FEWEST_MIXED = 0.7, 25.0
# Pseudo-counts of pairs that stand out; the fraction of them that is connected, and the mean log ratio of these.
PRIOR_PAIRS, PRIOR_DIRECT, PRIOR_LOG_RATIO = 10.0, 0.5, 10.0
MISJUDGED = 0.2  # fraction of connections that look as if a hidden neuron sent to both
N_ITERATIONS = 40


def spurious_fraction(sent: Tensor, counts: Tensor, prior: Tensor, spurious: Tensor) -> Tensor:
    """Fraction of the weights of each type and size that are spurious, if as many are of either sign.

    Weights that are sent by the type of the other sign remain connections as far as `MOST_MIXED` allows. Where signs
    are mixed as if they had been dealt at random, Dale's principle does not hold and nothing changes.

    Parameters
    ----------
    sent : (G, N) tensor
        Expected number of weights of each size that each neuron sends. Sizes are symmetric about 0.
    counts : (2, G) tensor
        The same of all neurons of each type.
    prior : (2, G) tensor
        Probability of each size, of each type.
    spurious : (2, G) tensor
        The fraction so far.

    Returns
    -------
    (2, G) tensor
    """
    zero = len(sent) // 2
    sizes = slice(0, zero), slice(zero + 1, None)  # negative and positive
    negative, positive = sent[sizes[0]], sent[sizes[1]]  # (S, N)
    inhibits, excites = negative.sum(0), positive.sum(0)
    n_sent = inhibits + excites
    p_excites = excites.sum() / n_sent.sum().clamp(min=1e-300)
    # As many pairs of weights of opposite sign as neurons would send if every weight had its sign by chance.
    at_random = p_excites * (1 - p_excites) * (n_sent * (n_sent - 1).clamp(min=0)).sum()
    if (inhibits * excites).sum() >= MOST_RANDOM * at_random.clamp(min=FEWEST_MIXED):
        return spurious
    is_excitatory = torch.sign(excites - inhibits) / 2 + 0.5  # half if neither
    tested = sent.sum(0)
    n_spurious, n_pairs = [], []
    for weights, of_other_sign in ((negative, is_excitatory), (positive, 1 - is_excitatory)):
        n_spurious.append(weights @ of_other_sign)
        n_pairs.append(tested @ of_other_sign)
    # Rates of either sign by size, from the largest or the smallest on; pooled as far as pairs are few.
    pooled = (n_spurious[0] + n_spurious[1].flip(0)) / tested.sum()
    rates = [
        (n + SPURIOUS_PAIRS * both) / (of + SPURIOUS_PAIRS)
        for n, both, of in zip(n_spurious, (pooled, pooled.flip(0)), n_pairs, strict=True)
    ]
    spurious = spurious.clone()
    for neuron_type, n_of_size in enumerate(counts):
        of_sign = torch.stack([n_of_size[size].sum() for size in sizes])
        own = int(of_sign.argmax())
        own_prior = prior[neuron_type, sizes[own]].clamp(min=1e-300)
        spurious[neuron_type, sizes[own]] = (rates[own] / own_prior).clamp(max=1)
        allowed = MOST_MIXED * of_sign[own] / of_sign[1 - own].clamp(min=1e-300)
        spurious[neuron_type, sizes[1 - own]] = (1 - allowed).clamp(min=0)
    return spurious


def p_direct(log_ratio: Tensor, p_connected: Tensor) -> Tensor:
    """(P,) probability that what stands out is a connection rather than due to a hidden neuron that sends to both.

    The ratio is that of the best shape of either kind, and the peaks of several hidden neurons on top of each other
    have neither, so it cannot be taken for the odds. What holds is that without a connection a log ratio of L or more
    has a probability of exp(-L) at most; this is taken for its distribution. That of connections is taken for
    exponential. Its mean, and how many pairs are connected, are learned from all pairs that stand out.

    Parameters
    ----------
    log_ratio : (P,) tensor
        Log likelihood ratios of a connection to a hidden neuron, of the pairs that stand out.
    p_connected : (P,) tensor
        Probability of a connection as far as hidden neurons are not considered.
    """
    positive = log_ratio.clamp(min=0)
    fraction = torch.full((), PRIOR_DIRECT, dtype=torch.float64, device=log_ratio.device)
    mean_log_ratio = torch.full_like(fraction, PRIOR_LOG_RATIO)
    misjudged = torch.full_like(fraction, math.log(MISJUDGED))
    for _ in range(N_ITERATIONS):
        log_odds = math.log(1 - MISJUDGED) + log_ratio - positive / mean_log_ratio - mean_log_ratio.log()
        direct = torch.sigmoid(torch.logit(fraction) + torch.logaddexp(log_odds, misjudged))
        n_direct = p_connected @ direct
        fraction = (n_direct + PRIOR_PAIRS * PRIOR_DIRECT) / (p_connected.sum() + PRIOR_PAIRS)
        mean_log_ratio = (p_connected * direct) @ positive + PRIOR_PAIRS * PRIOR_LOG_RATIO
        mean_log_ratio = mean_log_ratio / (n_direct + PRIOR_PAIRS)
    return direct
