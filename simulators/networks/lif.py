"""LIF networks: the demo's random one, and a user's own connectome."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import field_serializer, field_validator, model_validator

from simulators.networks.random_wiring import RandomlyWired
from simulators.neurons.lif import LifNetwork
from simulators.units import NotNegative, Positive
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table


class LifRandom(RandomlyWired, LifNetwork):
    """Excitatory and inhibitory LIF neurons, connected at random (Erdos-Renyi).

    The defaults fire at about 6 Hz, asynchronously.

    Parameters
    ----------
    drive_mv : float
        See `LifNetwork.drive`; the others are those of `LifNetwork` and `RandomlyWired`.
    """

    name: ClassVar[str] = "lif-random"

    drive_mv: float = 7.8

    def drive(self) -> FloatArray:
        return np.full(self.n_neurons, self.drive_mv)


class LifBursting(LifRandom):
    """LIF neurons that fire in network bursts: excitation ignites them, and adaptation ends them.

    The mechanism is that of van Vreeswijk & Hansel 2001, Neural Comput 13:959. The defaults, our choice, fire at 4 to
    11 Hz (seeds 1 to 4), three quarters of the spikes and more in 17 to 29 bursts a minute of 0.1 to 0.3 s.

    Parameters
    ----------
    epsp_mv, ipsp_mv, tau_syn_ms, adaptation_mv, tau_adaptation_ms, drive_mv, noise_mv : float
        See `LifRandom`, of which these are other defaults.
    """

    name: ClassVar[str] = "lif-bursting"

    epsp_mv: NotNegative = 3.0
    ipsp_mv: NotNegative = 4.0
    tau_syn_ms: Positive = 8.0
    adaptation_mv: NotNegative = 1.0
    tau_adaptation_ms: Positive = 1000.0
    drive_mv: float = 7.0
    noise_mv: NotNegative = 3.0


class LifConnectome(LifNetwork):
    """LIF neurons with a connectome of your own: a motif, a perturbed network, a published matrix.

    Parameters
    ----------
    connectome : Connectome
        Signed weights in mV, with a delay for each connection.
    drive_mv : float or list of N floats
        See `LifNetwork.drive`; the others are those of `LifNetwork`.
    """

    name: ClassVar[str] = "lif-connectome"

    connectome: Connectome
    drive_mv: float | list[float] = 7.8

    @field_validator("connectome")
    @classmethod
    def _has_weights_in_mv_and_delays(cls, connectome: Connectome) -> Connectome:
        if connectome.unit != "mV" or not connectome.signed:
            signs = "signed" if connectome.signed else "unsigned"
            raise ValueError(
                f"The weights must be signed and in mV, and these are {signs} and in {connectome.unit!r}; convert "
                "them, and make the connectome with unit='mV' and signed=True"
            )
        delays = None if connectome.delay_s is None else connectome.delay_s[connectome.adjacency]
        if delays is None or not (np.isfinite(delays) & (delays >= 0)).all():
            raise ValueError("The connectome must have a delay_s of 0 or more for each of its connections")
        return connectome

    @model_validator(mode="after")
    def _one_drive_per_neuron(self) -> LifConnectome:
        n = self.connectome.n_neurons
        if isinstance(self.drive_mv, list) and len(self.drive_mv) != n:
            raise ValueError(f"drive_mv must be one number or {n}, one per neuron; got {len(self.drive_mv)}")
        return self

    @field_serializer("connectome")
    def _summary(self, connectome: Connectome) -> dict[str, Any]:
        return {"n_neurons": connectome.n_neurons, "n_connections": int(connectome.adjacency.sum())}

    def neurons(self) -> pd.DataFrame:
        outgoing = self.connectome.weight.sum(axis=0)
        types = np.select([outgoing > 0, outgoing < 0], ["excitatory", "inhibitory"], "unknown")
        return neuron_table(self.connectome.n_neurons, cell_type=types.tolist())

    def strength_mv(self) -> FloatArray:
        weight = self.connectome.weight
        return weight.sum(axis=0) / np.maximum(np.count_nonzero(weight, axis=0), 1)

    def connect(self, rng: np.random.Generator) -> Connectome:
        return self.connectome

    def drive(self) -> FloatArray:
        return np.broadcast_to(np.asarray(self.drive_mv, dtype=float), self.connectome.n_neurons)
