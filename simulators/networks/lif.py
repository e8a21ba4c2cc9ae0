"""Leaky integrate-and-fire neurons with current synapses: the demo's random network, and a user's own connectome.

Mean input and private Gaussian noise make each neuron fire::

    dv/dt = (drive - v + I)/tau + noise sqrt(2/tau) xi        spike at v > threshold, then v = 0 for 2 ms
    dI/dt = -I/tau_syn                                        I jumps when a presynaptic spike arrives

`noise` is the standard deviation that v would have without a threshold. Weights are the peak of the postsynaptic
potential that a single spike causes.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, field_serializer, field_validator, model_validator

from simulators.connectivity import erdos_renyi
from simulators.networks.base import IndexArray, Model, Network
from synapsnet.recording import Connectome, FloatArray, neuron_table

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

MILLI = 1e-3  # mV to V and ms to s: models are in SI units

EQUATIONS = """
dv/dt = (drive - v + I)/tau + noise*sqrt(2/tau)*xi : volt (unless refractory)
dI/dt = -I/tau_syn : volt
drive : volt (constant)
noise : volt (constant)
"""


def psp_peak(tau_ms: float, tau_syn_ms: float) -> float:
    """Peak of the postsynaptic potential when I jumps by 1.

    The membrane's answer to an exponential current is a difference of two exponentials; with
    r = tau / tau_syn its peak is r^(-r / (r - 1)), which tends to 1/e where they are equal.
    """
    r = tau_ms / tau_syn_ms
    return float(np.exp(-1) if np.isclose(r, 1) else r ** (-r / (r - 1)))


class LifNetwork(Network):
    """What all LIF networks share: the neuron, and how a weight in mV becomes a current.

    Parameters
    ----------
    noise_mv : float
        Standard deviation of the free membrane potential.
    threshold_mv : float
        Above rest, which is 0 and also the reset.
    tau_ms, tau_syn_ms : float
        Time constants of the membrane and of the synaptic current.
    refractory_ms : float
    """

    noise_mv: NotNegative = 4.0
    threshold_mv: Positive = 15.0
    tau_ms: Positive = 20.0
    tau_syn_ms: Positive = 5.0
    refractory_ms: NotNegative = 2.0

    @abstractmethod
    def drive(self) -> FloatArray:
        """(N,) mean input of each neuron: the potential in mV where it would rest without synapses."""

    def model(self) -> Model:
        return Model(
            equations=EQUATIONS,
            threshold="v > threshold",
            reset="v = 0*volt",
            on_pre="I_post += w",
            constants={
                "tau": (self.tau_ms * MILLI, "second"),
                "tau_syn": (self.tau_syn_ms * MILLI, "second"),
                "threshold": (self.threshold_mv * MILLI, "volt"),
            },
            refractory_s=self.refractory_ms * MILLI,
        )

    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        drive = self.drive() * MILLI
        return {
            "v": rng.uniform(0, self.threshold_mv * MILLI, len(drive)),  # so that they do not start in step
            "drive": drive,
            "noise": np.full(len(drive), self.noise_mv * MILLI),
        }

    def synapse_values(self, connectome: Connectome, post: IndexArray, pre: IndexArray) -> dict[str, FloatArray]:
        return {"w": connectome.weight[post, pre] * MILLI / psp_peak(self.tau_ms, self.tau_syn_ms)}


class LifRandom(LifNetwork):
    """Excitatory and inhibitory LIF neurons, connected at random (Erdos-Renyi).

    The defaults fire at about 6 Hz, asynchronously.

    Parameters
    ----------
    n_neurons : int
    excitatory_fraction : float
        The first so many neurons are excitatory, the others inhibitory.
    connection_probability : float
        Of each ordered pair of neurons.
    epsp_mv, ipsp_mv : float
        Mean size of an excitatory and an inhibitory postsynaptic potential; weights are lognormal.
    weight_sigma : float
        Standard deviation of the logarithm of the weights.
    shortest_delay_ms, longest_delay_ms : float
        Delays are uniform between these.
    drive_mv : float
        See `LifNetwork.drive`; the others are those of `LifNetwork`.
    """

    name: ClassVar[str] = "lif-random"

    n_neurons: int = Field(100, ge=2)
    excitatory_fraction: Probability = 0.8
    connection_probability: Probability = 0.1
    epsp_mv: NotNegative = 0.7
    ipsp_mv: NotNegative = 2.8
    weight_sigma: NotNegative = 0.5
    shortest_delay_ms: NotNegative = 1.0
    longest_delay_ms: NotNegative = 3.0
    drive_mv: float = 7.8

    @model_validator(mode="after")
    def _delays_are_a_range(self) -> LifRandom:
        if self.shortest_delay_ms > self.longest_delay_ms:
            raise ValueError(
                f"The shortest delay, {self.shortest_delay_ms} ms, must not exceed the longest, "
                f"{self.longest_delay_ms} ms"
            )
        return self

    def neurons(self) -> pd.DataFrame:
        types = np.where(self._excitatory(), "excitatory", "inhibitory")
        return neuron_table(self.n_neurons, cell_type=types.tolist())

    def connect(self, rng: np.random.Generator) -> Connectome:
        return erdos_renyi(
            self.connection_probability,
            np.where(self._excitatory(), self.epsp_mv, -self.ipsp_mv),
            rng,
            weight_sigma=self.weight_sigma,
            delay_range_s=(self.shortest_delay_ms * MILLI, self.longest_delay_ms * MILLI),
        )

    def drive(self) -> FloatArray:
        return np.full(self.n_neurons, self.drive_mv)

    def _excitatory(self) -> npt.NDArray[np.bool_]:
        return np.arange(self.n_neurons) < round(self.excitatory_fraction * self.n_neurons)


class LifConnectome(LifNetwork):
    """LIF neurons with a connectome of your own: a motif, a perturbed network, a published matrix.

    Parameters
    ----------
    connectome : Connectome
        Weights in mV, with a delay for each connection.
    drive_mv : float or list of N floats
        See `LifNetwork.drive`; the others are those of `LifNetwork`.
    """

    name: ClassVar[str] = "lif-connectome"

    connectome: Connectome
    drive_mv: float | list[float] = 7.8

    @field_validator("connectome")
    @classmethod
    def _has_delays(cls, connectome: Connectome) -> Connectome:
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

    def connect(self, rng: np.random.Generator) -> Connectome:
        return self.connectome

    def drive(self) -> FloatArray:
        return np.broadcast_to(np.asarray(self.drive_mv, dtype=float), self.connectome.n_neurons)
