"""Networks of conductance-based LIF neurons: the COBA benchmark, and a small one as a ground truth.

Vogels, T. P. & Abbott, L. F. (2005), J Neurosci 25:10786, in the form of benchmark 1 of Brette, R. et al. (2007),
J Comput Neurosci 23:349, appendix B.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from simulators.networks.random_wiring import RandomlyWired
from simulators.neurons.conductance import ConductanceNetwork
from simulators.neurons.conductance_lif import ConductanceLifNetwork
from simulators.units import NotNegative, Probability


class ConductanceWiring(RandomlyWired, ConductanceNetwork):
    """Random wiring with potentials that conductances can cause.

    Parameters
    ----------
    epsp_mv, ipsp_mv : float
        Below the distance from rest to the reversal potential.
    The others are those of `RandomlyWired` and `ConductanceNetwork`.
    """

    @model_validator(mode="after")
    def _potentials_stay_within_the_reversals(self) -> Self:
        for name, size_mv, limit_mv in (
            ("epsp_mv", self.epsp_mv, self.excitatory_reversal_mv - self.rest_mv),
            ("ipsp_mv", self.ipsp_mv, self.rest_mv - self.inhibitory_reversal_mv),
        ):
            if size_mv >= limit_mv:
                raise ValueError(
                    f"{name} must be below the distance from rest to the reversal potential, {limit_mv} mV; "
                    f"got {size_mv}"
                )
        return self


class BenchmarkWiring(ConductanceWiring):
    """What COBA and COBAHH share: 4,000 neurons, 2% of all pairs connected, all weights of a kind alike.

    `epsp_mv` and `ipsp_mv` are the potentials of the published 6 and 67 nS, with a leak of 10 nS. They are so large
    that a `topology` needs a `weight_sigma` of 0: many lognormal weights would pass the reversal potential, and act
    as the largest possible ones (`simulators.neurons.conductance.LARGEST`). Brian's version of the benchmarks has no
    delays, NEST's the 0.1 ms here.
    """

    n_neurons: int = Field(4000, ge=2)
    connection_probability: Probability = 0.02
    epsp_mv: NotNegative = 5.3507
    ipsp_mv: NotNegative = 14.419
    weight_sigma: NotNegative = 0.0
    shortest_delay_ms: NotNegative = 0.1
    longest_delay_ms: NotNegative = 0.1


class Coba(BenchmarkWiring, ConductanceLifNetwork):
    """Benchmark COBA: self-sustained irregular activity.

    Brian's version of the benchmark, run for a second, fires at 18 Hz, irregularly (mean CV of the intervals 1.6),
    with very unequal rates: the benchmark has no drive, so that how fast a neuron fires depends on its random inputs.

    Parameters
    ----------
    noise_mv : float
        Not in the benchmark. Without it, the activity died within 50 ms for 1 seed in 4. It starts a silent network;
        in the active one, whose synapses open more than 20 times the leak, it does not change the rates.
    The others are those of `BenchmarkWiring` and `ConductanceLifNetwork`.
    """

    name: ClassVar[str] = "coba"

    noise_mv: NotNegative = 3.0


class CobaSmall(ConductanceWiring, ConductanceLifNetwork):
    """The neurons and synapses of COBA in a small network with drive and noise, as a ground truth.

    The numbers are our choice: the defaults fire at about 6 Hz, asynchronously.
    """

    name: ClassVar[str] = "coba-small"

    drive_mv: float = 3.0
    noise_mv: NotNegative = 4.0
