"""Networks of Hodgkin-Huxley neurons: the COBAHH benchmark, and a small one as a ground truth.

Benchmark 3 of Brette, R. et al. (2007), J Comput Neurosci 23:349, appendix B.
"""

from __future__ import annotations

from typing import ClassVar

from simulators.networks.coba import BenchmarkWiring, ConductanceWiring
from simulators.neurons.hodgkin_huxley import HodgkinHuxleyNetwork
from simulators.units import NotNegative


class Cobahh(BenchmarkWiring, HodgkinHuxleyNetwork):
    """Benchmark COBAHH: irregular activity of 4,000 Hodgkin-Huxley neurons without any drive or noise.

    Brian's version of the benchmark fires at 34 Hz on average, with very unequal rates.
    """

    name: ClassVar[str] = "cobahh"


class CobahhSmall(ConductanceWiring, HodgkinHuxleyNetwork):
    """The neurons and synapses of COBAHH in a small network with drive and noise, as a ground truth.

    The numbers are our choice: the negative drive keeps the neurons from firing like clocks (see
    `simulators.neurons.hodgkin_huxley`); the defaults fire at about 6 Hz, asynchronously.
    """

    name: ClassVar[str] = "cobahh-small"

    drive_mv: float = -5.0
    noise_mv: NotNegative = 4.0
