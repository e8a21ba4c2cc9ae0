r"""What a prediction :math:`\eta` of the decoder means for a neuron's next value: one class per likelihood.

Evidence for connections needs the derivative of the log likelihood with respect to the prediction (`score`) and its
variance (`fisher_information`); training needs the density, and forecasts need the mean. With the mean m of a step:

==================  ================  ============================  ======================
likelihood          m                 score                         information
==================  ================  ============================  ======================
Bernoulli           1 / (1 + e^-eta)  x - m                         m (1 - m)
Poisson             e^eta             x - m                         m
negative binomial   e^eta             (x - m) / (1 + dispersion m)  m / (1 + dispersion m)
Gaussian            eta               (x - m) / noise^2             1 / noise^2
==================  ================  ============================  ======================

The score is what a step of data says of the prediction: how far the neuron was from what was expected of it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from synapsnet.model.connectivity import StandardErrors
from synapsnet.model.summary import Summary
from synapsnet.recording import Modality

MAX_LOG_RATE = 5.0  # e^5 spikes per bin is never real; without a bound, one bad prediction overflows
LEAST_DISPERSION, MOST_DISPERSION = 0.01, 10.0  # variances of counts of 1.01 and 11 times a mean of 1


class Likelihood(nn.Module):
    """Base class.

    Parameters
    ----------
    n_neurons : int
        N; a likelihood may have trained parameters for each neuron.

    Attributes
    ----------
    modality : {"spikes", "calcium"}
        Modality of the recordings it applies to.
    unit : str
        Unit of a weight of `W`.
    linear_current : bool
        Whether the prediction is linear in the current, which fixes the scale of `W`.
    constant_information : bool
        Whether every step tells as much of the prediction as any other, so that the log likelihood is a parabola.
    """

    modality: ClassVar[Modality]
    unit: ClassVar[str]
    linear_current: ClassVar[bool] = False
    constant_information: ClassVar[bool] = False

    def __init__(self, n_neurons: int) -> None:
        super().__init__()

    def normalisation(self, values: Summary) -> tuple[Tensor, Tensor]:
        """(N,) offset to subtract from the values, and (N,) scale to divide by. Counts stay counts."""
        return torch.zeros_like(values.mean), torch.ones_like(values.mean)

    def start(self, values: Summary) -> tuple[Tensor, StandardErrors]:
        """From normalised training values: the prediction of their mean, (N,), and standard errors of weights.

        Parameters of the likelihood itself are set to their estimates.
        """
        raise NotImplementedError

    def mean(self, eta: Tensor) -> Tensor:
        """(..., N) expected value."""
        raise NotImplementedError

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        """The mean over steps and neurons, in nats, up to a constant that does not depend on the parameters."""
        raise NotImplementedError

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        """(..., N) derivative of the log likelihood of each step and neuron with respect to the prediction `eta`."""
        raise NotImplementedError

    def fisher_information(self, eta: Tensor) -> Tensor:
        """(..., N) expected information, per step, on the prediction `eta`: the variance of the score."""
        raise NotImplementedError


class Bernoulli(Likelihood):
    """At most one spike per bin; eta is the log odds of a spike."""

    modality = "spikes"
    unit = "log odds per presynaptic spike"

    def start(self, values: Summary) -> tuple[Tensor, StandardErrors]:
        mean, spread = _least_moments(values)
        mean = mean.clamp(max=1 - 1 / values.n_steps)  # a spike in every bin would be infinite log odds
        return torch.log(mean / (1 - mean)), StandardErrors(mean * (1 - mean), spread.square(), values.n_steps)

    def mean(self, eta: Tensor) -> Tensor:
        return torch.sigmoid(eta)

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(eta, target)

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        return target - self.mean(eta)

    def fisher_information(self, eta: Tensor) -> Tensor:
        mean = self.mean(eta)
        return mean * (1 - mean)


class Poisson(Likelihood):
    """A count whose variance is its mean; eta is the log rate per step."""

    modality = "spikes"
    unit = "log rate per presynaptic spike"

    def start(self, values: Summary) -> tuple[Tensor, StandardErrors]:
        mean, spread = _least_moments(values)
        return torch.log(mean), StandardErrors(mean, spread.square(), values.n_steps)

    def mean(self, eta: Tensor) -> Tensor:
        return torch.exp(eta.clamp(max=MAX_LOG_RATE))

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        return nn.functional.poisson_nll_loss(eta.clamp(max=MAX_LOG_RATE), target)

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        return target - self.mean(eta)

    def fisher_information(self, eta: Tensor) -> Tensor:
        return self.mean(eta)


class NegativeBinomial(Poisson):
    """An overdispersed count, with variance mean + dispersion mean^2; eta is the log rate per step.

    Each neuron has a trained dispersion (Hilbe 2011, Negative Binomial Regression, Cambridge).
    """

    def __init__(self, n_neurons: int) -> None:
        super().__init__(n_neurons)
        self.log_dispersion = nn.Parameter(torch.zeros(n_neurons))

    @property
    def dispersion(self) -> Tensor:
        """(N,) dispersion, bounded from below, because gamma functions of a large inverse lose precision."""
        return LEAST_DISPERSION + torch.exp(self.log_dispersion)

    @torch.no_grad()
    def start(self, values: Summary) -> tuple[Tensor, StandardErrors]:
        mean, spread = _least_moments(values)
        excess = (spread.square() - mean) / mean.square()  # by moments: variance = mean + dispersion mean^2
        self.log_dispersion.copy_(torch.log(excess.clamp(LEAST_DISPERSION, MOST_DISPERSION)))
        information = mean / (1 + self.dispersion.to(mean) * mean)
        return torch.log(mean), StandardErrors(information, spread.square(), values.n_steps)

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        # A Poisson count whose rate is drawn from a gamma distribution of shape `size`.
        size = 1 / self.dispersion
        eta = eta.clamp(max=MAX_LOG_RATE)
        total = torch.logaddexp(eta, torch.log(size))  # log(mean + size)
        chance = size * (torch.log(size) - total) + target * (eta - total)
        return -(torch.lgamma(target + size) - torch.lgamma(size) + chance).mean()

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        mean = self.mean(eta)
        return (target - mean) / (1 + self.dispersion * mean)

    def fisher_information(self, eta: Tensor) -> Tensor:
        mean = self.mean(eta)
        return mean / (1 + self.dispersion * mean)


class Gaussian(Likelihood):
    """A z-scored frame; eta is its mean, and every neuron has its own noise level."""

    modality = "calcium"
    unit = "SD per SD"
    linear_current = True
    constant_information = True

    def __init__(self, n_neurons: int) -> None:
        super().__init__(n_neurons)
        self.log_noise = nn.Parameter(torch.zeros(n_neurons))  # log sigma_i

    def normalisation(self, values: Summary) -> tuple[Tensor, Tensor]:
        return values.mean, values.scale

    def start(self, values: Summary) -> tuple[Tensor, StandardErrors]:
        one = torch.ones_like(values.mean, dtype=torch.float64)  # z-scored: both noise and activity have variance 1
        return torch.zeros_like(values.mean), StandardErrors(one, one, values.n_steps)

    def mean(self, eta: Tensor) -> Tensor:
        return eta

    def negative_log_likelihood(self, eta: Tensor, target: Tensor) -> Tensor:
        noise = (target - eta) * torch.exp(-self.log_noise)
        return 0.5 * noise.square().mean() + self.log_noise.mean()

    def score(self, eta: Tensor, target: Tensor) -> Tensor:
        return (target - eta) * torch.exp(-2 * self.log_noise)

    def fisher_information(self, eta: Tensor) -> Tensor:
        return torch.exp(-2 * self.log_noise).expand_as(eta)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "poisson": Poisson,
    "negative-binomial": NegativeBinomial,
    "gaussian": Gaussian,
}


def _least_moments(values: Summary) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of counts, at least those of a neuron with one spike in the training part."""
    n_steps = values.n_steps
    return values.mean.clamp(min=1 / n_steps), values.spread.clamp(min=1 / n_steps**0.5)
