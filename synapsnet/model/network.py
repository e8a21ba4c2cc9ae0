"""The parts of `synapsnet.model`, put together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synapsnet.model.autoregression import autocovariances, shared_autoregression
from synapsnet.model.connectivity import CONNECTIVITIES, Connectivity, StandardErrors
from synapsnet.model.decoders import HIDDEN, Decoder
from synapsnet.model.kernels import KernelPerNeuron
from synapsnet.model.likelihoods import LIKELIHOODS, Gaussian
from synapsnet.normalised import Activity
from synapsnet.splits import Segments

LEAST_NOISE = 1e-6  # of a variance of 1, where a trace is constant


@dataclass(frozen=True)
class Architecture:
    """Everything about a model that is not a parameter; JSON-serialisable.

    Attributes
    ----------
    likelihood, connectivity, decoder : str
        Names in `LIKELIHOODS`, `CONNECTIVITIES` and `HIDDEN`. With the connectivity "none" there is no `W`: the
        ablation in which neurons are independent.
    n_neurons : int
    n_lags, n_steps : int
        Synaptic kernel length L and own past M, in steps; L <= M.
    n_embedding, n_hidden, n_behaviour : int
    sparsity : float
        Strength of the prior on `W`: the penalty, in nats, of a weight of one standard error.
    own_past : bool
        Whether the decoder sees a neuron's own past.
    """

    likelihood: str
    n_neurons: int
    n_lags: int
    n_steps: int
    n_embedding: int
    n_hidden: int
    n_behaviour: int
    sparsity: float
    connectivity: str = "free"
    decoder: str = "mlp"
    own_past: bool = True


class Synapses(nn.Module):
    """Directed connectivity `W[post, pre]` and the synaptic kernels through which it acts."""

    def __init__(self, connectivity: Connectivity, kernels: KernelPerNeuron) -> None:
        super().__init__()
        self.connectivity, self.kernels = connectivity, kernels

    @property
    def weight(self) -> Tensor:
        """(N, N) connectivity `[post, pre]` without self-connections."""
        return self.connectivity.weight

    @property
    def kernel(self) -> Tensor:
        """(N, L) kernels over lags 1..L, each with a sum of absolute values of 1, so that `W` has a scale."""
        return self.kernels.kernel

    def filtered(self, past: Tensor) -> Tensor:
        """(B, N) presynaptic activity after its kernel, from windows (B, N, M) of past activity."""
        return self.kernels.filtered(past)


class SynapsNetModel(nn.Module):
    """The network of the package's docstring.

    Parameters
    ----------
    architecture : Architecture
    errors : StandardErrors, optional
        Scale of the weights; not needed if all parameters are loaded afterwards.
    """

    def __init__(self, architecture: Architecture, errors: StandardErrors | None = None) -> None:
        super().__init__()
        self.architecture = architecture
        n = architecture.n_neurons
        self.n_steps, self.sparsity = architecture.n_steps, architecture.sparsity
        self.likelihood = LIKELIHOODS[architecture.likelihood](n)
        self.embedding = nn.Parameter(torch.randn(n, architecture.n_embedding) / 10)
        self.synapses = None
        if architecture.connectivity != "none":
            connectivity = CONNECTIVITIES[architecture.connectivity]
            self.synapses = Synapses(
                connectivity(errors or StandardErrors.unknown(n), self.embedding),
                KernelPerNeuron(n, architecture.n_lags),
            )
        self.decoder = Decoder(
            HIDDEN[architecture.decoder](architecture.n_steps, architecture.n_hidden, self.likelihood.linear_current),
            architecture.n_embedding,
            architecture.n_behaviour,
            architecture.n_hidden,
        )
        # The prediction at the start of training, that of each neuron's mean: rates need not be learned.
        self.register_buffer("offset", torch.zeros(n))
        self.offset: Tensor

    @torch.no_grad()
    def start_from_autoregression(self, values: Activity, segments: Segments) -> None:
        """Start from the autoregression that all neurons share, where the prediction is linear in the past.

        It predicts a neuron from its own past, and its errors are the first guess of what neurons send: of calcium,
        what came since the last frame.

        Parameters
        ----------
        values : (T, N) tensor
            Normalised activity.
        segments : list of (start, stop)
        """
        if not isinstance(self.likelihood, Gaussian):
            return
        covariance = autocovariances(values, segments, self.n_steps)
        if self.architecture.own_past:
            coefficients, noise = shared_autoregression(covariance)
            self.decoder.hidden.get_parameter("linear_past").copy_(coefficients.flip(0))
            self.likelihood.log_noise.copy_(noise.clamp(min=LEAST_NOISE).log() / 2)
        if self.synapses is not None:
            before, _ = shared_autoregression(covariance[: self.architecture.n_lags])
            self.synapses.kernels.raw_kernel[:, 1:] = -before
            self.synapses.kernels.raw_kernel[:, 0] = 1

    def current(self, past: Tensor) -> Tensor:
        """(B, N) input current of each neuron from windows (B, N, M) of everybody's past."""
        if self.synapses is None:
            return torch.zeros_like(past[..., 0])
        return self.synapses.kernels.current(past, self.synapses.connectivity)

    def decode(self, current: Tensor, past: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) prediction `eta` of the next step, given the input currents."""
        own = past if self.architecture.own_past else torch.zeros_like(past)
        return self.offset + self.decoder(current, own, self.embedding, behaviour)

    def forward(self, past: Tensor, behaviour: Tensor) -> Tensor:
        """(B, N) prediction `eta` of the step after each window.

        Parameters
        ----------
        past : (B, N, M) tensor
            Windows of activity, oldest step first, without the step to predict.
        behaviour : (B, V) tensor
            Behaviour at the last step of each window.
        """
        return self.decode(self.current(past), past, behaviour)

    def mean(self, eta: Tensor) -> Tensor:
        """Expected activity: a probability, a rate per bin, or the frame's mean."""
        return self.likelihood.mean(eta)

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        """The mean over steps and neurons, in nats, up to a constant that does not depend on the parameters."""
        return self.likelihood.negative_log_likelihood(eta, target)

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        """(B, N) derivative of the log likelihood of each step and neuron with respect to the prediction `eta`."""
        return self.likelihood.score(eta, target)

    def fisher_information(self, eta: Tensor) -> Tensor:
        """(B, N) expected information, per step, on the prediction `eta`."""
        return self.likelihood.fisher_information(eta)

    def negative_log_prior(self) -> Tensor:
        """The negative log prior of the whole of `W`, in nats, up to a constant."""
        if self.synapses is None:
            return torch.zeros((), device=self.offset.device)
        return self.sparsity * self.synapses.connectivity.negative_log_prior()

    def in_units(self) -> list[nn.Parameter]:
        """The parameters in units of a weight's standard error, see `synapsnet.model.connectivity`."""
        return [] if self.synapses is None else self.synapses.connectivity.in_units()

    def constrain(self) -> None:
        """Project `W`, after an update, back onto its constraint."""
        if self.synapses is not None:
            self.synapses.connectivity.constrain()

    def share(self, other: SynapsNetModel) -> None:
        """From now on use the decoder of `other`, and its maps from embeddings to low-rank weights."""
        self.decoder = other.decoder
        if self.synapses is not None and other.synapses is not None:
            self.synapses.connectivity.share(other.synapses.connectivity)
