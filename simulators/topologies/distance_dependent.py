"""Nearby neurons are connected more often, in both directions more often than by chance, with lognormal weights.

Song et al. 2005, PLoS Biol 3:e68, neighbouring layer 5 pyramidal neurons of rat visual cortex: 11.6% of possible
connections exist, reciprocal pairs are about 4 times as frequent as if the two directions were independent, and the
logarithm of the EPSP in mV has mean -0.702 and standard deviation 0.9355, which makes the mean EPSP 0.77 mV.

Levy & Reyes 2012, J Neurosci 32:5609, mouse auditory cortex: the probability falls with distance as a Gaussian with a
standard deviation of 85 to 114 um, alike for excitatory and inhibitory neurons.

Swadlow & Waxman 2012, Scholarpedia 7:1451: the finest unmyelinated axons conduct at about 0.3 m/s.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from simulators.topologies.base import Topology
from simulators.units import MILLI, NotNegative, Positive, Probability
from simulators.wiring import lognormal_weights
from synapsnet.array_types import BoolArray, FloatArray, IndexArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError

MICRO = 1e-6


class DistanceDependent(Topology):
    """Connections that become rare and late with distance.

    A pair at distance d is connected in a given direction with p(d) = probability * exp(-d^2 / (2 width^2)), and in
    both directions with reciprocity * p(d)^2 if both neurons are excitatory, else with p(d)^2. Over all distances
    together reciprocal pairs are more frequent than that, because p(d) is the same in both directions.

    Parameters
    ----------
    probability : float
        At distance 0.
    width_um : float
        Standard deviation of the Gaussian.
    reciprocity : float
        Reciprocal pairs of excitatory neurons over those expected if the directions were independent, 1 or more.
    shortest_delay_ms : float
        At distance 0.
    velocity_m_s : float
        Velocity of conduction: it adds distance over velocity to the delay.
    weight_sigma : float
        See `Topology`; by default that of Song et al. The mean is the neuron's, not Song's.
    """

    name: ClassVar[str] = "distance-dependent"

    probability: Probability = 0.116
    width_um: Positive = 100.0
    reciprocity: float = Field(4.0, ge=1)
    shortest_delay_ms: NotNegative = 1.0
    velocity_m_s: Positive = 0.3
    weight_sigma: NotNegative = 0.9355

    @model_validator(mode="after")
    def _reciprocal_pairs_are_possible(self) -> Self:
        if self.reciprocity * self.probability > 1:
            raise ValueError(
                f"Reciprocity times probability must not exceed 1, as no more pairs can be connected in both "
                f"directions than in one; got {self.reciprocity} and {self.probability}"
            )
        return self

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        position_um = neurons[["x_um", "y_um", "z_um"]].to_numpy(np.float32)
        if not np.isfinite(position_um).all():
            raise InputError(
                "The topology 'distance-dependent' needs the position of every neuron; "
                "fill in x_um, y_um and z_um of the neuron table."
            )
        distance_um = _distance(position_um)
        connected = self._draw(distance_um, np.flatnonzero(strength_mv > 0), rng)
        weight = lognormal_weights(connected, strength_mv, rng, weight_sigma=self.weight_sigma)
        post, pre = np.nonzero(weight)
        delay_s = np.full(weight.shape, np.nan)
        delay_s[post, pre] = self.shortest_delay_ms * MILLI + distance_um[post, pre] * MICRO / self.velocity_m_s
        return Connectome(weight=weight, delay_s=delay_s, unit="mV")

    def _draw(self, distance_um: FloatArray, excitatory: IndexArray, rng: np.random.Generator) -> BoolArray:
        """Who is connected: one number for each pair decides on [both directions | one | the other | none]."""
        chance = (distance_um / np.float32(self.width_um)) ** 2
        chance *= -0.5
        np.exp(chance, out=chance)
        chance *= self.probability
        both = chance**2
        both[np.ix_(excitatory, excitatory)] *= self.reciprocity
        draw = rng.random(chance.shape, dtype=np.float32)
        forward = draw < chance
        backward = (draw < both) | ((draw >= chance) & (draw < 2 * chance - both))
        return np.tril(forward, -1) | np.tril(backward, -1).T


def _distance(position_um: FloatArray) -> FloatArray:
    """(N, N) distances in float32, for networks of 10,000 neurons."""
    square = np.zeros((len(position_um), len(position_um)), np.float32)
    for axis in position_um.T:
        square += (axis[:, None] - axis) ** 2
    return np.sqrt(square, out=square)
