r"""The connectivity `W`: which neuron sends current to which. One class per constraint on it.

All are parametrised in units of the standard error of a weight, see `StandardErrors`. A weight between two busy neurons
is known far better than one between two that hardly fire, so neither one learning rate nor one strength of the prior
would suit both in `W` itself. In these units every weight is 0 up to noise of size 1, or stands out.

The error is that of a weight by itself. Per step, the prediction :math:`\eta_i` has the Fisher information
:math:`J_i`, and a weight adds :math:`w\, h_j` to it, so T steps tell its square to within

.. math::
    s_{ij}^2 = 1 / (T\, J_i \operatorname{var} h_j)

where the variance of the activity is taken for that of the filtered h, which is not known before the kernels are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class StandardErrors:
    """Approximate standard errors: how well the data determine each weight of `W`.

    Attributes
    ----------
    information : (N,) tensor
        Fisher information on the prediction of each postsynaptic neuron, per step.
    variance : (N,) tensor
        Variance of the activity of each presynaptic neuron.
    n_steps : int
    """

    information: Tensor
    variance: Tensor
    n_steps: int

    @classmethod
    def unknown(cls, n_neurons: int) -> StandardErrors:
        """Placeholder for a model whose parameters are loaded afterwards."""
        return cls(torch.ones(n_neurons), torch.ones(n_neurons), 1)

    def factors(self) -> tuple[Tensor, Tensor]:
        """(N,) and (N,): the postsynaptic and the presynaptic factor whose product is the standard error."""
        return torch.rsqrt(self.n_steps * self.information).float(), torch.rsqrt(self.variance).float()


class Connectivity(nn.Module):
    """Base class.

    Parameters
    ----------
    errors : StandardErrors
    """

    def __init__(self, errors: StandardErrors) -> None:
        super().__init__()
        post, pre = errors.factors()
        self.register_buffer("post_unit", post)
        self.register_buffer("pre_unit", pre)
        self.post_unit: Tensor
        self.pre_unit: Tensor

    @property
    def unit(self) -> Tensor:
        """(N, N) standard error of each weight, `[post, pre]`."""
        return torch.outer(self.post_unit, self.pre_unit)

    @property
    def weight(self) -> Tensor:
        """(N, N) connectivity `[post, pre]` without self-connections."""
        raise NotImplementedError

    def forward(self, sent: Tensor) -> Tensor:
        """(B, N) input currents of neurons, from their filtered activity, (B, N)."""
        raise NotImplementedError

    def negative_log_prior(self) -> Tensor:
        """The negative log prior of the whole of `W`, in nats, for strength 1, up to a constant."""
        raise NotImplementedError

    def in_units(self) -> list[nn.Parameter]:
        """The parameters that are in units of a weight's standard error."""
        raise NotImplementedError

    def constrain(self) -> None:
        """Project the parameters, after an update, back onto the constraint."""

    def share(self, other: Connectivity) -> None:
        """Use the parameters of `other` that do not belong to single neurons."""


class Free(Connectivity):
    """Every weight by itself, with a Laplace prior.

    Parameters
    ----------
    errors : StandardErrors
    embedding : (N, E) parameter
        Embeddings of the neurons; not used.
    """

    def __init__(self, errors: StandardErrors, embedding: nn.Parameter) -> None:
        super().__init__(errors)
        n_neurons = len(self.pre_unit)
        self.raw_weight = nn.Parameter(torch.zeros(n_neurons, n_neurons))
        # No neuron sends to itself: the diagonal is 0, and stays so.
        self.raw_weight.register_post_accumulate_grad_hook(_without_diagonal)  # type: ignore[no-untyped-call]

    @property
    def weight(self) -> Tensor:
        return self.raw_weight * self.unit

    def set_weight(self, weight: Tensor) -> None:
        """Set `weight` to this value, except on the diagonal."""
        self.raw_weight.copy_((weight / self.unit).fill_diagonal_(0))

    def forward(self, sent: Tensor) -> Tensor:
        received = (sent * self.pre_unit) @ self.raw_weight.T
        return received * self.post_unit.to(received.dtype)  # half precision stays that

    def negative_log_prior(self) -> Tensor:
        return self.raw_weight.abs().sum()

    def in_units(self) -> list[nn.Parameter]:
        return [self.raw_weight]


def _without_diagonal(weight: Tensor) -> None:
    """Set the gradient of the diagonal to 0."""
    if weight.grad is not None:
        weight.grad.fill_diagonal_(0)


class Dale(Free):
    """All outgoing weights of a neuron have one sign: Dale's principle.

    The sign is that of their sum, in standard errors, when the constraint is first applied, and cannot change
    afterwards: weights of the other sign are set to 0 after each update (projected gradient descent).
    """

    @torch.no_grad()
    def constrain(self) -> None:
        sent = self.raw_weight
        excites = sent.sum(0) > 0
        sent.copy_(torch.where(excites, sent.clamp(min=0), sent.clamp(max=0)))


class LowRank(Connectivity):
    r"""Weights that are read off the neurons' embeddings: :math:`W_{ij} = s_{ij} u_i \cdot v_j / \sqrt{E}`.

    Two linear maps, the same for all neurons, give the postsynaptic :math:`u_i` and the presynaptic :math:`v_j` from
    the E dimensions of an embedding; :math:`s` is the standard error of a weight. There are O(N E) parameters, and
    currents take O(N E) operations. The prior penalises the singular values of :math:`W / s` as the Laplace prior does
    weights: their sum is at most half the squares of u and v (Srebro, Rennie & Jaakkola 2004, NeurIPS 17:1329). It is
    stronger by :math:`\sqrt{N}`, because so are the singular values of noise.

    Parameters
    ----------
    errors : StandardErrors
    embedding : (N, E) parameter
        Embeddings of the neurons.
    """

    def __init__(self, errors: StandardErrors, embedding: nn.Parameter) -> None:
        super().__init__(errors)
        self._of_neurons = (
            embedding,
        )  # in a tuple, so that it stays the model's parameter and is not registered twice
        n_embedding = embedding.shape[1]
        # One of the two begins at 0, so W does; were it both, the gradient of each would be 0 as well, and stay so.
        self.receiving = nn.Parameter(torch.randn(n_embedding, n_embedding))
        self.sending = nn.Parameter(torch.zeros(n_embedding, n_embedding))

    def factors(self) -> tuple[Tensor, Tensor]:
        """(N, E) postsynaptic u and presynaptic v, so that `u @ v.T` are weights in standard errors."""
        (embedding,) = self._of_neurons
        scale = embedding.shape[1] ** -0.25
        return scale * embedding @ self.receiving, scale * embedding @ self.sending

    @property
    def weight(self) -> Tensor:
        u, v = self.factors()
        in_units = u @ v.T
        return (in_units - torch.diag(in_units.diagonal())) * self.unit

    def forward(self, sent: Tensor) -> Tensor:
        u, v = self.factors()
        scaled = sent * self.pre_unit
        # Without the (N, N) matrix; u v^T has a diagonal, which is taken away: no neuron sends to itself.
        received = scaled @ v @ u.T
        return (received - (scaled * (u * v).sum(1)).to(received.dtype)) * self.post_unit.to(received.dtype)

    def negative_log_prior(self) -> Tensor:
        u, v = self.factors()
        return 0.5 * len(u) ** 0.5 * (u.square().sum() + v.square().sum())

    def in_units(self) -> list[nn.Parameter]:
        return [self.receiving, self.sending]

    def share(self, other: Connectivity) -> None:
        if isinstance(other, LowRank):
            self.receiving, self.sending = other.receiving, other.sending


CONNECTIVITIES: dict[str, type[Free] | type[LowRank]] = {"free": Free, "low-rank": LowRank, "dale": Dale}
