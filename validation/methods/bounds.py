"""The scores between which every method lies: what chance gives, and what the truth itself would."""

from __future__ import annotations

import numpy as np

from simulators.hidden import response_gain
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording, Simulation


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


class TrueEffect:
    """What the true connections do to the spikes of their targets: weights times `simulators.hidden.response_gain`.

    Parameters
    ----------
    truth : Connectome
        Connectome of the neurons that are recorded, with delays.
    """

    def __init__(self, truth: Connectome) -> None:
        self.truth = truth

    def infer(self, recording: Recording) -> Connectome:
        """Relative change of the rate per spike, summed over steps.

        Raises
        ------
        InputError
            If the spike times are not known.
        """
        if recording.spike_times is None or recording.modality != "spikes":
            raise InputError("What a connection does to its target is estimated from spike times; observe as spikes.")
        simulation = Simulation(recording.spike_times, recording.neurons, self.truth)
        spikes_per_mv = response_gain(simulation, np.arange(recording.n_neurons))
        per_step = np.maximum(recording.mean_activity, 1 / recording.n_steps)
        return Connectome((spikes_per_mv / per_step)[:, None] * self.truth.weight, unit="log rate x steps per spike")
