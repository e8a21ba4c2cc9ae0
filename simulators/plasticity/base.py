"""What plasticity is: synapses whose weight depends on time, or on the spikes of both neurons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from simulators.model import Model
from simulators.named import Named
from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.connectome import Connectome, Edges
from synapsnet.weight_course import WeightCourse


@dataclass(frozen=True)
class Synapses:
    """All synapses of a run, some of which may be active at times only.

    Attributes
    ----------
    edges : Edges
        Ordered by the presynaptic neuron; a pair may occur twice.
    values : dict of variable -> (E,) array
        Values of the model's synaptic parameters.
    """

    edges: Edges
    values: dict[str, FloatArray]


class Plasticity(Named, ABC):
    """Base class of all plasticity. To add one, subclass this in a file of its own and list it in `PLASTICITY`."""

    kind: ClassVar[str] = "plasticity"

    @abstractmethod
    def plastic(self, model: Model) -> Model:
        """The model with synapses that change; their weight is the synaptic parameter `w`."""

    @abstractmethod
    def synapses(
        self,
        connectome: Connectome,
        draw_again: Callable[[np.random.Generator], Connectome],
        values: Callable[[Edges], dict[str, FloatArray]],
        duration_s: float,
        rng: np.random.Generator,
    ) -> Synapses:
        """The synapses to simulate.

        Parameters
        ----------
        connectome : Connectome
            With which the simulation begins.
        draw_again : callable
            Draws another connectome of the same network.
        values : callable
            Values of the network's synaptic parameters, for a list of connections.
        duration_s : float
        rng : numpy Generator
        """

    @abstractmethod
    def course(self, n_neurons: int, synapses: Synapses, relative: Float64Array | None) -> WeightCourse:
        """The weights over time; `relative` are those that were recorded, (R, E), over the first."""
