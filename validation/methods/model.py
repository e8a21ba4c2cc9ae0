"""SynapsNet under the protocol of the inference methods, for benchmarks."""

from __future__ import annotations

from typing import Any

from synapsnet import estimator
from synapsnet.recording import Connectome, Recording


class SynapsNet:
    """`synapsnet.estimator.SynapsNet` fitted to all of a recording; O(T N^2) for each epoch of training.

    Parameters
    ----------
    seed : int
        Of the initial parameters and of the order of training.
    **settings
        Others of `synapsnet.settings.Settings`, and `device`.
    """

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self.model = estimator.SynapsNet(seed=seed, **settings)

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        return self.model.fit(recording).connectivity_
