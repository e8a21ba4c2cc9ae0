"""What a state is: a few signals that move many neurons together, and how strongly each neuron follows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from scipy.signal import lfilter

from simulators.inputs import STEP_S
from simulators.named import Named
from simulators.units import NotNegative
from synapsnet.array_types import FloatArray


class State(Named, ABC):
    """Base class of all states. To add one, subclass this in a file of its own and list it in `STATES`.

    A state adds `sum_k weight[i, k] signal[t, k]` to the input of neuron i, whatever its model; the unit is the
    depolarisation that this would cause at rest.

    Parameters
    ----------
    shown : bool
        Whether an experimenter knows the signals: they are handed out as behaviour, under the name of the state. Hidden
        by default.
    """

    kind: ClassVar[str] = "state"
    multiplies: ClassVar[bool] = False  # it is a gain, and stimuli have it too

    shown: bool = False

    @abstractmethod
    def signal(self, n_steps: int, rng: np.random.Generator) -> FloatArray:
        """(T, K) signals in steps of `STEP_S`, of about unit size."""

    @abstractmethod
    def weight_mv(self, drive_mv: FloatArray, rng: np.random.Generator) -> FloatArray:
        """(N, K) how strongly each neuron follows each signal, in mV; `drive_mv` is the (N,) constant drive."""


class SameSign(State):
    """A state that moves all neurons in the same direction.

    Parameters
    ----------
    size_mv : float
        Mean over neurons of how strongly they follow.
    spread : float
        Standard deviation of its logarithm over neurons; 0 makes all alike.
    """

    size_mv: NotNegative = 3.0
    spread: NotNegative = 0.3

    def weight_mv(self, drive_mv: FloatArray, rng: np.random.Generator) -> FloatArray:
        return lognormal(self.size_mv, self.spread, len(drive_mv), rng)[:, None]


def lognormal(mean: float, sigma: float, n: int, rng: np.random.Generator) -> FloatArray:
    """(n,) lognormal values with this mean, and this standard deviation of the logarithm."""
    return mean * rng.lognormal(-(sigma**2) / 2, sigma, n)


def alternating(durations_s: FloatArray, n_steps: int) -> FloatArray:
    """(T,) 0 during durations 0, 2, ... and 1 during durations 1, 3, ..., one after the other."""
    period = np.searchsorted(np.cumsum(durations_s), np.arange(n_steps) * STEP_S, side="right")
    return (period % 2).astype(float)


def followed(wanted: FloatArray, time_s: float) -> FloatArray:
    """(T, ...) the signal behind a first-order filter of this time constant, which starts at the first value."""
    keep = np.exp(-STEP_S / time_s)
    started, _ = lfilter([1 - keep], [1.0, -keep], wanted, axis=0, zi=keep * wanted[:1])
    return np.asarray(started)
