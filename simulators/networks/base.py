"""What a network is: parameters, a neuron model in Brian2's language, and who is connected to whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.parameters import Parameters
from synapsnet.recording import Connectome, FloatArray

IndexArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Model:
    """Everything about a network that is compiled, in Brian2's language.

    Attributes
    ----------
    equations, threshold, reset : str
        Of the neurons. Variables declared as `name : unit (constant)` get their values from
        `Network.neuron_values`, so that other values need no compilation.
    on_pre : str
        What a spike does when it arrives.
    synapse : str
        Equations of the synapses; the values come from `Network.synapse_values`.
    constants : dict of name -> (value in SI units, name of Brian2's unit)
        For example `{"tau": (0.02, "second")}`.
    refractory_s, dt_s : float
    method : str
        Brian2's name of the integration method.
    """

    equations: str
    threshold: str
    reset: str
    on_pre: str
    synapse: str = "w : volt"
    constants: dict[str, tuple[float, str]] = field(default_factory=dict)
    refractory_s: float = 0.0
    dt_s: float = 1e-4
    method: str = "euler"


class Network(Parameters, ABC):
    """Base class of all networks: a validated, immutable set of parameters that knows its network.

    To add a network, subclass this in a file of its own and list it in `simulators.networks.NETWORKS`.

    Raises
    ------
    InputError
        If a parameter is unknown or out of its range.
    """

    name: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" in vars(cls):
            cls.title = f"network {cls.name!r}"

    @abstractmethod
    def neurons(self) -> pd.DataFrame:
        """Neuron table with N rows, see `synapsnet.recording.neuron_table`."""

    @abstractmethod
    def connect(self, rng: np.random.Generator) -> Connectome:
        """Draw the connectome: weights in `[post, pre]` with a delay for each."""

    @abstractmethod
    def model(self) -> Model:
        """Equations and constants."""

    @abstractmethod
    def neuron_values(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """(N,) values in SI units of the model's per-neuron parameters and initial conditions."""

    @abstractmethod
    def synapse_values(self, connectome: Connectome, post: IndexArray, pre: IndexArray) -> dict[str, FloatArray]:
        """(E,) values in SI units of the model's synaptic parameters, for the edges `pre[k]` -> `post[k]`."""
