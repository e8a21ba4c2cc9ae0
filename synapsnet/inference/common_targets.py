r"""What partial correlograms say of two neurons that send to the same target, though they are not connected.

In a linear network, whose spikes follow from each other's by the responses H, the inverse of the cross-spectra is
:math:`(I - H)^* \Sigma^{-1} (I - H)` (Dahlhaus 2000, Metrika 51:157), and for the neurons i and j

.. math::
    -\frac{H_{ij}}{\sigma_i^2} - \frac{H_{ji}^*}{\sigma_j^2} + \sum_k \frac{H_{ki}^* H_{kj}}{\sigma_k^2}

The first two terms are the connections between them. The third explains away: given that the target k fired, one of its
presynaptic neurons is the less likely to have fired the likelier the other did. In units of noise, where a connection
with the response r (of norm 1) has a z-score of z, that is

.. math::
    -\frac{\kappa}{\sqrt{n}} \sum_k z_{ki} z_{kj}, \qquad \kappa = \sum_l r(l) \sum_m r(m)\, r(m + l)

of n samples. So many neurons have common targets that these terms outweigh noise in long recordings: inhibitory
neurons, whose connections are strong, seem to inhibit each other and to excite the excitatory ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synapsnet.inference.background import spread

CLEAR = 4.0  # standard deviations beyond which a z-score is a connection, here
STEPS = 2  # of finding connections and what they explain
SMALLEST_SUM = 1e-9  # of squares, where there are no connections


def without_common_targets(z: Tensor, pairs: Tensor, response: Tensor, n_samples: float) -> Tensor:
    """z-scores less what common targets make of them.

    How much that is, is learned by regression over the pairs that do not stand out; at most what the equation says.

    Parameters
    ----------
    z : (N, N) tensor, `[post, pre]`
    pairs : (N, N) bool tensor
        Those that count.
    response : (L,) tensor
        The response to a presynaptic spike at lags from 0, of norm 1.
    n_samples : float
        Number of samples from which the z-scores come.

    Returns
    -------
    (N, N) tensor
    """
    largest = _kappa(response) / n_samples**0.5
    rest = z
    for _ in range(STEPS):
        clear = pairs & (rest.abs() > CLEAR * spread(z[pairs]))
        connections = torch.where(clear, rest, 0.0)
        targets = (connections.T @ connections).fill_diagonal_(0)
        quiet = pairs & ~clear
        explained, found = targets[quiet], z[quiet] - z[quiet].median()
        coefficient = (-(explained @ found) / (explained @ explained + SMALLEST_SUM)).clamp(0, largest)
        rest = torch.where(pairs, z + coefficient * targets, 0.0)
    return rest


def _kappa(response: Tensor) -> float:
    n = len(response)
    autocorrelation = torch.stack([response[: n - lag] @ response[lag:] for lag in range(n)])
    return float(response @ autocorrelation)
