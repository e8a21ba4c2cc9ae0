"""What determines a fit of SynapsNet besides the recording."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from synapsnet.errors import InputError
from synapsnet.parameters import Parameters


class Settings(Parameters):
    """Parameters of `synapsnet.estimator.SynapsNet`.

    Attributes
    ----------
    connectivity : {"free", "low-rank", "dale", "none"}
        Constraint on `W` in training and in forecasts, see `synapsnet.model.connectivity`: none, low rank in the
        neurons' embeddings, or one sign for all weights that a neuron sends. "none" is the ablation W = 0, in which
        neurons are independent. The connectivity that is reported is the maximum of the likelihood near the trained
        `W`, without the constraint.
    likelihood : {"auto", "bernoulli", "poisson", "negative-binomial", "gaussian"}
        See `synapsnet.model.likelihoods`. "auto" is Gaussian for calcium, Bernoulli for bins with at most one spike,
        and Poisson otherwise; the negative binomial is for overdispersed counts. From spikes in bins above 10 ms,
        or of too many neurons for correlograms, connections are inferred by a Gaussian model of their own, unless a
        likelihood is named.
    decoder : {"mlp", "gru"}
        How the decoder sees a neuron's own past, see `synapsnet.model.decoders`.
    n_lags, n_history : int or None
        Length in steps of the synaptic kernels, and of a neuron's own past. By default 30 ms and 50 ms for spikes, 4
        and 8 frames for calcium; in a model that only infers connections, both are 4 steps.
    n_embedding, n_hidden : int
        Dimensions of the neurons' embeddings, and hidden units of the shared decoder. With no dimension the decoder
        cannot tell neurons apart, and sees no behaviour: an ablation.
    own_past : bool
        False is the ablation in which a neuron is forecast from other neurons and behaviour, not from its own past.
    sparsity : float
        Strength of the Laplace prior on `W` in training, in nats per standard error; 2 was chosen on seed 1 of the
        demo's network. The inferred connectivity does not depend on it.
    prior : {"learned", "lags", "none"}
        "learned" is the posterior of `synapsnet.inference.posterior`; "lags" the same without the correlations at
        zero lag; "none" reports the lagged estimates themselves, with their standard errors.
    epochs, patience, batch_steps, learning_rate
        See `synapsnet.training.Schedule`; `epochs` are passes over the training part. None: chosen by the modality and
        the number of neurons. Training on calcium of more than 400 neurons takes all passes, whatever the `patience`.
    horizon : int
        How many steps ahead forecasts reach.
    validation_fraction : float
        Fraction of the recording, at its end, that decides when training stops.
    seed : int
    """

    title: ClassVar[str] = "SynapsNet"

    connectivity: Literal["free", "low-rank", "dale", "none"] = "free"
    likelihood: Literal["auto", "bernoulli", "poisson", "negative-binomial", "gaussian"] = "auto"
    decoder: Literal["mlp", "gru"] = "mlp"
    n_lags: int | None = Field(default=None, ge=1)
    n_history: int | None = Field(default=None, ge=1)
    n_embedding: int = Field(default=8, ge=0)
    n_hidden: int = Field(default=16, ge=1)
    own_past: bool = True
    sparsity: float = Field(default=2.0, ge=0)
    prior: Literal["learned", "lags", "none"] = "learned"
    epochs: int | None = Field(default=None, ge=1)
    patience: int = Field(default=3, ge=1)
    batch_steps: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=0.005, gt=0)
    horizon: int = Field(default=16, ge=1)
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _embeddings_to_read_weights_from(self) -> Self:
        if self.connectivity == "low-rank" and not self.n_embedding:
            raise ValueError("low-rank weights are read from embeddings, so n_embedding must be at least 1; got 0")
        return self

    @classmethod
    def restore(cls, saved: dict[str, Any]) -> Self:
        """Settings that this or an earlier version saved.

        Raises
        ------
        InputError
            If they name a variant of the model that has been removed.
        """
        for name, removed in (("kernels", "distance"), ("likelihood", "zero-inflated")):
            if saved.get(name) == removed:
                raise InputError(
                    f"This model was fitted with {name}={removed!r}, which has been removed; fit it again without it."
                )
        return cls(**{name: value for name, value in saved.items() if name != "kernels"})
