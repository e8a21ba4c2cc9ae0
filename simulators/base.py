"""The base class of networks: parameters, a neuron model, and the wiring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field, ValidationInfo, field_serializer, field_validator

from simulators.inputs import Inputs
from simulators.model import Model
from simulators.named import Named
from simulators.plasticity import Plasticity, plasticity
from simulators.rates import Rates
from simulators.states import State, states
from simulators.topologies import Topology, topology
from simulators.units import Positive
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome, Edges

SHEET_UM_PER_NEURON = 25.0
SHEET_THICKNESS_UM = 100.0


class Network(Named, ABC):
    """Base class of all networks: a validated, immutable set of parameters that knows its network.

    To add a network, subclass this in a file of its own and list it in `simulators.networks.NETWORKS`.

    Parameters
    ----------
    dt_ms : float
        Step of the integration.
    topology : Topology, its name, or a dict of its name and parameters, optional
        Who is connected to whom, instead of the network's own wiring.
    inputs : Inputs or a dict of its parameters
        What varies in time: shared input, stimuli, running, light.
    states : list of names, or dict of name -> parameters
        States that the whole network is in, such as "up-down" or "drift"; see `simulators.states`.
    rates : Rates or a dict of its parameters, optional
        Rates of the neurons, to which the input of each is tuned; by default they are what the network makes them.
    plasticity : Plasticity, its name, or a dict of its name and parameters, optional
        How the connectivity changes meanwhile; see `simulators.plasticity`.

    Raises
    ------
    InputError
        If a parameter is unknown or out of its range.
    """

    kind: ClassVar[str] = "network"

    dt_ms: Positive = 0.1
    topology: Topology | None = None
    inputs: Inputs = Inputs()
    states: dict[str, State] = Field(default_factory=dict)
    rates: Rates | None = None
    plasticity: Plasticity | None = None

    @field_validator("topology", "plasticity", mode="before")
    @classmethod
    def _by_name(cls, described: Any, info: ValidationInfo) -> Any:
        return (
            None
            if described is None
            else {"topology": topology, "plasticity": plasticity}[str(info.field_name)](described)
        )

    @field_serializer("topology", "plasticity")
    def _described(self, chosen: Topology | Plasticity | None) -> dict[str, Any] | None:
        return None if chosen is None else {"name": chosen.name} | chosen.parameters()

    def parameters(self) -> dict[str, Any]:
        """The parameters as JSON-serialisable values.

        Without `plasticity` where nothing changes: results from before connections could change are of these settings.
        """
        described = super().parameters()
        if self.plasticity is None:
            del described["plasticity"]
        return described

    @field_validator("states", mode="before")
    @classmethod
    def _named_states(cls, described: Any) -> Any:
        return states(described)

    @field_serializer("states")
    def _described_states(self, chosen: dict[str, State]) -> dict[str, Any]:
        return {name: {"name": state.name} | state.parameters() for name, state in chosen.items()}

    @abstractmethod
    def neurons(self) -> pd.DataFrame:
        """Neuron table with N rows, see `synapsnet.recording.neuron_table`."""

    @abstractmethod
    def strength_mv(self) -> FloatArray:
        """(N,) mean weight of each neuron's outgoing connections, for a topology; negative for inhibitory ones."""

    @abstractmethod
    def connect(self, rng: np.random.Generator) -> Connectome:
        """Draw the network's own connectome: weights in `[post, pre]` with a delay for each."""

    def wire(self, neurons: pd.DataFrame, rng: np.random.Generator) -> Connectome:
        """The connectome of neurons that have their places; by default `connect`, which does not ask where they are."""
        return self.connect(rng)

    def place(self, rng: np.random.Generator) -> FloatArray:
        """(N, 3) positions in micrometres: at random in a sheet as thick as what a microscope sees of a layer."""
        n = len(self.neurons())
        side = SHEET_UM_PER_NEURON * np.sqrt(n)
        return rng.uniform(0, [side, side, SHEET_THICKNESS_UM], (n, 3))

    @abstractmethod
    def model(self) -> Model:
        """Equations and constants."""

    @abstractmethod
    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """(N,) values in SI units of the model's per-neuron parameters and initial conditions.

        Two names have a meaning for `simulators.inputs`: `drive`, the constant input, and `noise`, the standard
        deviation of the private noise, both in volts of the depolarisation that they would cause without spikes.
        """

    @abstractmethod
    def synapse_values(self, edges: Edges) -> dict[str, FloatArray]:
        """(E,) values in SI units of the model's synaptic parameters, for these connections."""
