"""SynapsNet, its variants and its ablations as methods, beside all others in a benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from synapsnet.connectome import Connectome
from synapsnet.estimator import SynapsNet
from synapsnet.recording import Recording


class SynapsNetInference:
    """Connectivity of a fitted `synapsnet.estimator.SynapsNet`; O(T N^2) per pass over the data.

    Parameters
    ----------
    seed : int
    **settings
        Those of `synapsnet.settings.Settings`.
    """

    ablation: ClassVar[dict[str, Any]] = {}

    def __init__(self, seed: int = 0, **settings: Any) -> None:
        self.model = SynapsNet(seed=seed, **{**self.ablation, **settings})

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        return self.model.infer(recording)

    def fit(self, recording: Recording) -> Self:
        """See `validation.methods.base.Forecaster`."""
        self.model.fit(recording)
        return self

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        """See `validation.methods.base.Forecaster`."""
        return self.model.forecast(recording, horizon)


class Independent(SynapsNetInference):
    """SynapsNet with W = 0: nothing is inferred, so that it must score at chance."""

    ablation: ClassVar[dict[str, Any]] = {"connectivity": "none"}


class WithoutEmbeddings(SynapsNetInference):
    """SynapsNet whose decoder cannot tell neurons apart; the readout of forecasts still has their coefficients."""

    ablation: ClassVar[dict[str, Any]] = {"n_embedding": 0}


class WithoutOwnPast(SynapsNetInference):
    """SynapsNet that forecasts a neuron from what others send to it, without its own past."""

    ablation: ClassVar[dict[str, Any]] = {"own_past": False}


class WithoutBehaviour(SynapsNetInference):
    """SynapsNet that does not see behaviour; without any in the recording, SynapsNet."""

    def infer(self, recording: Recording) -> Connectome:
        return super().infer(replace(recording, behaviour=None))

    def fit(self, recording: Recording) -> Self:
        return super().fit(replace(recording, behaviour=None))

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        return super().forecast(replace(recording, behaviour=None), horizon)


class WithoutPrior(SynapsNetInference):
    """SynapsNet without a prior on which connections there are: weights over standard errors at a lag alone."""

    ablation: ClassVar[dict[str, Any]] = {"prior": "none"}


class LagsOnly(SynapsNetInference):
    """SynapsNet with its posterior from the lags alone, without correlations at zero lag."""

    ablation: ClassVar[dict[str, Any]] = {"prior": "lags"}


class OneLag(SynapsNetInference):
    """SynapsNet whose currents come from the last step only: without synaptic kernels."""

    ablation: ClassVar[dict[str, Any]] = {"n_lags": 1}


class Dale(SynapsNetInference):
    """SynapsNet in whose training all weights that a neuron sends have one sign: Dale's principle."""

    ablation: ClassVar[dict[str, Any]] = {"connectivity": "dale"}


class LowRank(SynapsNetInference):
    """SynapsNet in whose training the connectivity is of low rank: it is read off the neurons' embeddings."""

    ablation: ClassVar[dict[str, Any]] = {"connectivity": "low-rank"}


class Recurrent(SynapsNetInference):
    """SynapsNet whose decoder sees a neuron's own past through a gated recurrent unit."""

    ablation: ClassVar[dict[str, Any]] = {"decoder": "gru"}
