"""A random network of AdEx neurons: regular-spiking excitatory and fast-spiking inhibitory ones."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from simulators.networks.random_wiring import RandomlyWired
from simulators.neurons.adex import AdexNetwork
from synapsnet.array_types import FloatArray


class Adex(RandomlyWired, AdexNetwork):
    """AdEx neurons, connected at random; excitatory neurons adapt, inhibitory ones do not.

    The neuron is that of Brette & Gerstner 2005; the division of types is that of Destexhe 2009, J Comput Neurosci
    27:493. Wiring and drive are our choice: the defaults fire
    asynchronously, the excitatory neurons at about 4 Hz and the inhibitory ones at about 13.

    Parameters
    ----------
    drive_mv : float
        See `AdexNetwork.drive`; the others are those of `AdexNetwork` and `RandomlyWired`.
    """

    name: ClassVar[str] = "adex"

    drive_mv: float = 17.0

    def drive(self) -> FloatArray:
        return np.full(self.n_neurons, self.drive_mv)

    def adapting(self) -> npt.NDArray[np.bool_]:
        return self.excitatory()
