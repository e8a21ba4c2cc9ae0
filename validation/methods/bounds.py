"""Between which scores every method lies: what chance gives, and what the truth itself would."""

from __future__ import annotations

import numpy as np

from synapsnet.recording import Connectome, Recording


class Random:
    """Scores drawn from a standard normal distribution, whatever was recorded; O(N^2).

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        shape = (recording.n_neurons, recording.n_neurons)
        weight = np.random.default_rng(self.seed).standard_normal(shape)
        np.fill_diagonal(weight, 0)
        return Connectome(weight, standard_error=np.ones(shape), unit="a.u.")


class Oracle:
    """The truth. It is not among the methods: a recording comes without it, so whoever knows it hands it over.

    Parameters
    ----------
    truth : Connectome
        Connectome of the neurons that are recorded.
    """

    def __init__(self, truth: Connectome) -> None:
        self.truth = truth

    def infer(self, recording: Recording) -> Connectome:
        """The true weights, of which everything is certain and nothing estimated."""
        return Connectome(self.truth.weight, unit=self.truth.unit)
