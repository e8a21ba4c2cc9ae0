"""A patch of mouse cortex, large and sparse, of which an experiment records a part.

Types, short-term plasticity and the medians of the weights are those of `v1` (Campagnola et al. 2022, Science
375:eabj5861). What differs: the farther apart neurons are, the less often they are connected, weights have a heavy
tail, neurons differ in their drive, and nothing is kept as a matrix.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from simulators.networks.v1 import CELL_TYPES, DELAY_RANGE_S, PROBABILITY, STRENGTH_MV, V1Layer23
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome, Edges, SparseConnectome

DEPTH_UM = (100.0, 400.0)  # of layer 2/3 in mice
FARTHEST = 3.0  # in ranges: 1% of the connections would be longer
LARGEST_MV = 8.0  # larger ones have hardly been observed
BLOCK = 40  # presynaptic neurons that are wired at a time: their distances fit into the cache
# The potential in mV where a neuron would rest without synapses; our choice, for the rates of `Cortex`
DRIVE_MV = {"excitatory": 11.0, "Pvalb": 6.2, "Sst": 9.9, "Vip": 3.0}


class Cortex(V1Layer23):
    """A patch of layer 2/3 with thousands of excitatory, Pvalb, Sst and Vip neurons; record a part of it.

    Two neurons at lateral distance d are connected with the probability that was measured for neighbours of their
    types, times exp(-d^2 / (2 range_um^2)); the patch has no border, its left side joins its right side. Weights are
    lognormal with the measured medians; the sigma of Song et al. 2005, PLoS Biol 3:e68, gives one in a hundred
    excitatory connections several mV. Drives are normally distributed, which makes rates skewed (Roxin et al. 2011,
    J Neurosci 31:16217). Excitatory neurons fire at about 1.4 Hz on average, half of them below 0.9; Pvalb neurons at
    about 12, Sst neurons at 5 and Vip neurons at 9 Hz. For rates from exactly 0.1 to 20 Hz, set `rates`, which
    takes at least two more minutes of simulation.

    Parameters
    ----------
    n_neurons : int
        Meant are 2,000 to 10,000; each has about 150 inputs, whatever their number.
    range_um : float
        Standard deviation of the distance of connections.
    spacing_um : float
        The patch is a square of `spacing_um * sqrt(n_neurons)`. The default has 8,000 neurons under a square
        millimetre, fewer than the layer has.
    conduction_um_per_ms : float
        Delays are longer than those of neighbours by the distance over this.
    drive_sigma_mv : float
        Standard deviation of the drive over the neurons of a type.
    drive_seed : int
        Seed of the drives, which belong to the neurons and not to a run.
    The others are those of `V1Layer23` and `LifNetwork`.
    """

    name: ClassVar[str] = "cortex"

    n_neurons: int = Field(2000, ge=4)
    weight_sigma: NotNegative = 0.94
    range_um: Positive = 125.0
    spacing_um: Positive = 11.2
    conduction_um_per_ms: Positive = 300.0
    drive_sigma_mv: NotNegative = 2.0
    drive_seed: Annotated[int, Field(ge=0)] = 0
    adaptation_mv: NotNegative = 0.5

    def place(self, rng: np.random.Generator) -> FloatArray:
        side_um = self._side_um()
        return rng.uniform([0, 0, DEPTH_UM[0]], [side_um, side_um, DEPTH_UM[1]], (self.n_neurons, 3))

    def drive(self) -> FloatArray:
        mean = np.array([DRIVE_MV[kind] for kind in self._types()])
        return mean + self.drive_sigma_mv * np.random.default_rng(self.drive_seed).standard_normal(self.n_neurons)

    def connect(self, rng: np.random.Generator) -> Connectome:
        return self._wired(self.place(rng), rng)

    def wire(self, neurons: pd.DataFrame, rng: np.random.Generator) -> Connectome:
        return self._wired(neurons[["x_um", "y_um"]].to_numpy(), rng)

    def _wired(self, place_um: FloatArray, rng: np.random.Generator) -> Connectome:
        kind = np.array([CELL_TYPES.index(name) for name in self._types()])
        chance = np.array([[PROBABILITY[to][of] for of in CELL_TYPES] for to in CELL_TYPES], np.float32)
        median_mv = np.array([[STRENGTH_MV[to][of] for of in CELL_TYPES] for to in CELL_TYPES])
        parts = []
        for start in range(0, self.n_neurons, BLOCK):
            block = np.arange(start, min(start + BLOCK, self.n_neurons))
            far = self._lateral_um2(place_um[block], place_um)  # [pre, post]
            pre, post = np.nonzero(far < (FARTHEST * self.range_um) ** 2)
            near = far[pre, post]
            likely = chance[kind[post], kind[block[pre]]] * np.exp(near / np.float32(-2 * self.range_um**2))
            connected = (rng.random(len(near), np.float32) < likely) & (post != block[pre])
            parts.append((post[connected], block[pre[connected]], near[connected]))
        post, pre, far = (np.concatenate(column) for column in zip(*parts, strict=True))
        shortest_s, longest_s = DELAY_RANGE_S
        on_the_way_s = np.sqrt(far) / self.conduction_um_per_ms * MILLI
        weight = median_mv[kind[post], kind[pre]] * rng.lognormal(0.0, self.weight_sigma, len(post))
        edges = Edges(
            post=post.astype(np.int32),
            pre=pre.astype(np.int32),
            weight=np.clip(weight, -LARGEST_MV, LARGEST_MV),
            delay_s=rng.uniform(shortest_s, longest_s, len(post)) + on_the_way_s,
        )
        return SparseConnectome(self.n_neurons, edges)

    def _lateral_um2(self, some_um: FloatArray, others_um: FloatArray) -> FloatArray:
        """(M, N) squared lateral distances on a patch whose sides join."""
        side_um = np.float32(self._side_um())
        squared = np.zeros((len(some_um), len(others_um)), np.float32)
        for axis in range(2):
            apart = np.abs(some_um[:, axis, None].astype(np.float32) - others_um[:, axis].astype(np.float32))
            squared += np.minimum(apart, side_um - apart) ** 2
        return squared

    def _side_um(self) -> float:
        return float(self.spacing_um * np.sqrt(self.n_neurons))
