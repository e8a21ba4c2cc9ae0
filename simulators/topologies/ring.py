"""Ring attractor: local excitation and broad inhibition of neurons on a ring (Ben-Yishai et al. 1995, PNAS 92:3844).

Strong recurrence makes neighbours fire together whether or not they are connected, so that methods infer
connections between them that do not exist (Das & Fiete 2020, Nat Neurosci 23:1286); `recurrence` takes a network
there step by step: from 0 to 1, 2, 4 and 8, the counts of neighbours in 0.1 s correlate by 0.00, 0.06, 0.12, 0.19 and
0.25 (80 excitatory and 20 inhibitory LIF neurons, drive 9 mV, one minute). The profile and the numbers are our choice.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from simulators.topologies.base import UniformDelays
from simulators.topologies.circle import spread
from simulators.units import NotNegative, Probability
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError

SPACING_UM = 25.0


class Ring(UniformDelays):
    """Neurons on a ring, the excitatory ones connected nearby and the inhibitory ones everywhere.

    The mean weight of an excitatory connection falls with the angle between the neurons as a raised cosine,
    from twice the neuron's strength at distance 0 to zero at the reach.

    Parameters
    ----------
    recurrence : float
        Factor of all weights.
    reach_deg : float
        Angle beyond which there are no excitatory connections.
    probability : float
        Probability of a connection within the reach, and of an inhibitory one.
    The others are those of `UniformDelays`.
    """

    name: ClassVar[str] = "ring"

    recurrence: NotNegative = 1.0
    reach_deg: float = Field(60.0, gt=0, le=180)
    probability: Probability = 0.3

    def arrange(self, neurons: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The neurons of each cell type evenly on a ring in the plane z = 0, around the origin."""
        angle = 2 * np.pi * spread(neurons["cell_type"])
        radius_um = SPACING_UM * len(neurons) / (2 * np.pi)
        return neurons.assign(x_um=radius_um * np.cos(angle), y_um=radius_um * np.sin(angle), z_um=0.0)

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        position_um = neurons[["x_um", "y_um"]].to_numpy(np.float32)
        if not np.isfinite(position_um).all():
            raise InputError("The topology 'ring' needs the position of every neuron; call its arrange() first.")
        angle = np.arctan2(position_um[:, 1], position_um[:, 0])
        apart = np.abs(angle[:, None] - angle)
        apart = np.minimum(apart, 2 * np.pi - apart)
        reach = np.deg2rad(self.reach_deg)
        excitatory = strength_mv > 0
        # in place and in float32, for networks of 10,000 neurons
        mean_mv = apart / np.float32(reach)
        np.minimum(mean_mv, 1, out=mean_mv)
        mean_mv *= np.pi
        np.cos(mean_mv, out=mean_mv)
        mean_mv += 1
        mean_mv[:, ~excitatory] = 1
        mean_mv *= self.recurrence * strength_mv
        connected = rng.random(apart.shape) < self.probability
        connected &= (apart < reach) | ~excitatory
        return self.weigh(connected, mean_mv, rng)
