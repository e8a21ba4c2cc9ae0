"""Izhikevich's network of regular-spiking excitatory and fast-spiking inhibitory neurons."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simulators.networks.random_wiring import RandomlyWired
from simulators.neurons.izhikevich import Cells, IzhikevichNetwork
from simulators.units import NotNegative
from synapsnet.array_types import FloatArray


class Izhikevich(RandomlyWired, IzhikevichNetwork):
    """Izhikevich 2003 neurons with the paper's spread of parameters and thalamic noise, connected at random.

    Excitatory neurons range from regular-spiking to chattering, inhibitory ones from fast-spiking to low-threshold
    spiking. The defaults for wiring and drive are ours: sparse, so that there is a connectivity to find, strong enough
    for 100 neurons, all of which fire, at about 7.5 Hz. `Izhikevich.of_the_paper()` is the paper's network of 1,000
    neurons.

    Parameters
    ----------
    drive_mv : float
        See `IzhikevichNetwork.drive`. The paper has none.
    excitatory_noise, inhibitory_noise : float
        See `IzhikevichNetwork.thalamic_noise`; 5 and 2 in the paper.
    epsp_mv, ipsp_mv : float
        Mean jump of v; the others are those of `RandomlyWired`.
    """

    name: ClassVar[str] = "izhikevich"

    drive_mv: float = 2.0
    excitatory_noise: NotNegative = 4.0
    inhibitory_noise: NotNegative = 2.0
    epsp_mv: NotNegative = 4.0
    ipsp_mv: NotNegative = 8.0

    @classmethod
    def of_the_paper(cls) -> Izhikevich:
        """The network of the paper: 1,000 neurons, all of them connected.

        The paper's weights are uniform on 0..0.5 mV and -1..0 mV; ours are lognormal with the same mean and
        coefficient of variation. The delay is the paper's step, 1 ms.
        """
        return cls(
            n_neurons=1000,
            drive_mv=0.0,
            excitatory_noise=5.0,
            connection_probability=1.0,
            epsp_mv=0.25,
            ipsp_mv=0.5,
            weight_sigma=float(np.sqrt(np.log(4 / 3))),
            shortest_delay_ms=1.0,
            longest_delay_ms=1.0,
        )

    def cells(self, rng: np.random.Generator) -> Cells:
        excitatory = self.excitatory()
        r = rng.random(self.n_neurons)
        return Cells(
            a=np.where(excitatory, 0.02, 0.02 + 0.08 * r),
            b=np.where(excitatory, 0.2, 0.25 - 0.05 * r),
            c=np.where(excitatory, -65 + 15 * r**2, -65.0),
            d=np.where(excitatory, 8 - 6 * r**2, 2.0),
        )

    def drive(self) -> FloatArray:
        return np.full(self.n_neurons, self.drive_mv)

    def thalamic_noise(self) -> FloatArray:
        return np.where(self.excitatory(), self.excitatory_noise, self.inhibitory_noise)
