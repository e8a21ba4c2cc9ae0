r"""SynapsNet: a deep model of a neuronal population whose only pathway between neurons is `W`.

After Delavari, Oruc and Murphy (2024), arXiv:2411.08221: every neuron has a latent embedding, sends
and receives currents through a directed functional connectivity, and one decoder, shared by all
neurons and applied to each separately, predicts the neuron's next activity. The equations are ours
(the paper's text was not available to us). With activity :math:`x_j(t)`,

.. math::
    h_j(t)    &= \textstyle\sum_{l=1}^{L} k_j(l)\, x_j(t-l)          && \text{synaptic kernel of neuron } j \\
    I_i(t)    &= \textstyle\sum_{j \ne i} W_{ij}\, h_j(t)            && \text{input current of neuron } i \\
    \eta_i(t) &= I_i(t) + D\big(I_i(t),\; x_i(t-1 \ldots t-M),\; e_i,\; b(t-1)\big) && \text{shared decoder}

Spikes: :math:`\eta` is the log odds (Bernoulli) or log rate (Poisson) of the next bin. Calcium:
:math:`\eta` is the mean of the next frame, linear in the current.

`W` has a Laplace prior in training, so that forecasts do not carry the noise of absent connections; afterwards the
posterior mean takes its place if that forecasts the validation part better. Both the prior and
the step size of training need the scale of a weight that is worth noticing, so `W` is parametrised in units of its
standard error. What can be said about connections is worked out from the trained model in `synapsnet.fitted` and
`synapsnet.edges`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Likelihood = Literal["bernoulli", "poisson", "gaussian"]

MAX_LOG_RATE = 5.0  # e^5 spikes per bin is never real; without a bound one bad roll-out overflows


class Synapses(nn.Module):
    """Directed connectivity `W[post, pre]` and one synaptic kernel per presynaptic neuron.

    Parameters
    ----------
    unit : (N, N) tensor
        Size of a barely noticeable weight: about its standard error.
    n_lags : int
        Length L of the kernels in steps.
    """

    def __init__(self, unit: Tensor, n_lags: int) -> None:
        super().__init__()
        n_neurons = len(unit)
        self.raw_weight = nn.Parameter(torch.zeros(n_neurons, n_neurons))
        self.raw_kernel = nn.Parameter((0.5 ** torch.arange(n_lags)).repeat(n_neurons, 1))
        self.register_buffer("unit", unit * (1 - torch.eye(n_neurons)))
        self.unit: Tensor

    @property
    def weight(self) -> Tensor:
        """(N, N) connectivity `[post, pre]` without self-connections."""
        return self.raw_weight * self.unit

    def set_weight(self, weight: Tensor) -> None:
        """Give `weight` this value, the diagonal aside."""
        self.raw_weight.copy_(torch.where(self.unit > 0, weight / self.unit, 0.0))

    @property
    def kernel(self) -> Tensor:
        """(N, L) kernels over lags 1..L, each with a sum of absolute values of 1, so that `W` has a scale."""
        return self.raw_kernel / self.raw_kernel.abs().sum(1, keepdim=True)

    def filtered(self, past: Tensor) -> Tensor:
        """(B, N) presynaptic activity after its kernel, from windows (B, N, M) of past activity."""
        kernel, n_steps = self.kernel, past.shape[-1]
        return sum(
            (kernel[:, lag - 1] * past[..., n_steps - lag] for lag in range(1, kernel.shape[1] + 1)),
            start=torch.zeros_like(past[..., 0]),
        )


class Decoder(nn.Module):
    """One small network, shared by all neurons: own past, current, embedding, behaviour -> next activity.

    Parameters
    ----------
    n_steps : int
        Steps M of its own past that a neuron sees.
    n_embedding, n_behaviour, n_hidden : int
    linear_current : bool
        Keep the prediction linear in the current, so that `W` has a scale.
    """

    def __init__(self, n_steps: int, n_embedding: int, n_behaviour: int, n_hidden: int, linear_current: bool) -> None:
        super().__init__()
        self.past = nn.Linear(n_steps, n_hidden)
        self.current = None if linear_current else nn.Parameter(torch.randn(n_hidden) / 10)
        self.embedding = nn.Linear(n_embedding, n_hidden + 1, bias=False)
        self.behaviour = nn.Parameter(torch.zeros(n_behaviour, n_embedding))
        self.linear_past = nn.Parameter(torch.zeros(n_steps))
        self.readout = nn.Parameter(torch.zeros(n_hidden))

    def forward(self, current: Tensor, past: Tensor, embedding: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) prediction from current (B, N), past (B, N, M), embedding (N, E) and behaviour (B, V)."""
        identity = self.embedding(embedding)  # (N, H + 1): shifts the hidden units, and the output
        # In place: (B, N, H) is large, and moving it takes longer than computing it.
        hidden = self.past(past).add_(identity[:, :-1])
        if self.current is not None:
            hidden.addcmul_(current.unsqueeze(-1), self.current)
        hidden.relu_()
        tuning = behaviour @ self.behaviour @ embedding.T  # a neuron's tuning to behaviour is read off its embedding
        return current + past @ self.linear_past + hidden @ self.readout + identity[:, -1] + tuning


class SynapsNetModel(nn.Module):
    """The network of the module's docstring.

    Parameters
    ----------
    offset : (N,) tensor
        Prediction at the start of training: log odds or log rate of the mean, or zero.
    likelihood : {"bernoulli", "poisson", "gaussian"}
    n_lags, n_steps : int
        Synaptic kernel length L and own past M, in steps; L <= M.
    n_embedding, n_hidden, n_behaviour : int
    weight_unit : (N, N) tensor or None
        See `Synapses`; None leaves out `W`: the ablation in which neurons are independent.
    sparsity : float
        Strength of the Laplace prior: the penalty, in nat, of a weight of one unit.
    """

    def __init__(
        self,
        offset: Tensor,
        likelihood: Likelihood,
        *,
        n_lags: int,
        n_steps: int,
        n_embedding: int,
        n_hidden: int,
        n_behaviour: int,
        weight_unit: Tensor | None,
        sparsity: float,
    ) -> None:
        super().__init__()
        n_neurons = len(offset)
        self.likelihood: Likelihood = likelihood
        self.n_steps = n_steps
        self.sparsity = sparsity
        self.synapses = None if weight_unit is None else Synapses(weight_unit, n_lags)
        self.embedding = nn.Parameter(torch.randn(n_neurons, n_embedding) / 10)
        self.decoder = Decoder(n_steps, n_embedding, n_behaviour, n_hidden, linear_current=likelihood == "gaussian")
        self.log_noise = nn.Parameter(torch.zeros(n_neurons))  # log sigma_i; gaussian only
        self.register_buffer("offset", offset)
        self.offset: Tensor

    def current(self, past: Tensor) -> Tensor:
        """(B, N) input current of each neuron from windows (B, N, M) of everybody's past."""
        if self.synapses is None:
            return torch.zeros_like(past[..., 0])
        return self.synapses.filtered(past) @ self.synapses.weight.T

    def decode(self, current: Tensor, past: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) natural parameter of the next step, given the input currents."""
        return self.offset + self.decoder(current, past, self.embedding, behaviour)

    def forward(self, past: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) natural parameter of the step after each window.

        Parameters
        ----------
        past : (B, N, M) tensor
            Windows of activity, oldest first. Nothing of the step to predict is in them.
        behaviour : (B, V) tensor
            Behaviour at the last step of each window.
        """
        return self.decode(self.current(past), past, behaviour)

    def mean(self, eta: Tensor) -> Tensor:
        """Expected activity: a probability, a rate per bin, or the frame's mean."""
        if self.likelihood == "bernoulli":
            return torch.sigmoid(eta)
        if self.likelihood == "poisson":
            return torch.exp(eta.clamp(max=MAX_LOG_RATE))
        return eta

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        """Mean over steps and neurons, in nat, up to a constant that does not depend on parameters."""
        if self.likelihood == "bernoulli":
            return nn.functional.binary_cross_entropy_with_logits(eta, target)
        if self.likelihood == "poisson":
            return nn.functional.poisson_nll_loss(eta.clamp(max=MAX_LOG_RATE), target)
        noise = (target - eta) * torch.exp(-self.log_noise)
        return 0.5 * noise.square().mean() + self.log_noise.mean()

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        """(B, N) derivative of the log likelihood of each step and neuron by the prediction `eta`."""
        return (target - self.mean(eta)) * (torch.exp(-2 * self.log_noise) if self.likelihood == "gaussian" else 1.0)

    def fisher_information(self, eta: Tensor) -> Tensor:
        """(B, N) expected information, per step, on the prediction `eta`."""
        if self.likelihood == "gaussian":
            return torch.exp(-2 * self.log_noise).expand_as(eta)
        mean = self.mean(eta)
        return mean * (1 - mean) if self.likelihood == "bernoulli" else mean

    def negative_log_prior(self) -> Tensor:
        """Of the whole of `W`, in nat, up to a constant."""
        if self.synapses is None:
            return torch.zeros((), device=self.offset.device)
        return self.sparsity * self.synapses.raw_weight.abs().sum()
