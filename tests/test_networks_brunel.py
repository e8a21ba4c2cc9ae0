"""The network of Brunel 2000: its four regimes, its mean-field theory, its wiring.

2,500 neurons with 400 excitatory inputs each: a fifth of the paper's size, with near half of its in-degree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pynapple as nap
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.signal import welch
from scipy.special import erfcx

from simulators.networks import Brunel
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from validation.activity.statistics import cv_isi, rates_hz, synchrony

START_S = 0.1
REGIMES = {"SR": (3.0, 2.0), "SI fast": (6.0, 4.0), "AI": (5.0, 2.0), "SI slow": (4.5, 0.9)}  # g, nu_ext/nu_thr: Fig. 8
# The more spikes, the shorter: in SR all neurons fire 300 times a second, and the mean rate has no error to speak of;
# in SI fast that of 2,500 neurons has a standard error below 1%.
END_S = {"SR": 0.3, "SI fast": 0.7, "AI": 1.1, "SI slow": 1.1}


def network(g: float, external_ratio: float) -> Brunel:
    return Brunel(g=g, external_ratio=external_ratio, connection_probability=0.2)


@pytest.fixture(scope="module")
def spikes(simulate_once: Any) -> dict[str, nap.TsGroup]:
    """Of each regime, after the transient."""
    return {
        regime: simulate_once(network(*parameters), duration_s=END_S[regime], seed=1).spike_times.restrict(
            nap.IntervalSet(START_S, END_S[regime])
        )
        for regime, parameters in REGIMES.items()
    }


def global_frequency_hz(spike_times: nap.TsGroup) -> float:
    """Peak of the spectrum of the population rate."""
    times = np.concatenate([train.times() for train in spike_times.values()])
    counts = np.histogram(times, np.arange(START_S, spike_times.time_support.end[0] + 1e-9, 1e-3))[0]
    frequency_hz, power = welch(counts, 1000, nperseg=256)
    audible = frequency_hz > 5
    return float(frequency_hz[audible][power[audible].argmax()])


def mean_field_hz(g: float, external_ratio: float, c_excitatory: int, epsp_mv: float) -> float:
    """The stationary rate that reproduces itself, Brunel 2000, section 3.1, with the paper's parameters."""
    tau, refractory, threshold, reset = 0.02, 0.002, 20.0, 10.0

    def response_hz(rate_hz: float) -> float:
        external_hz = external_ratio * threshold / (epsp_mv * tau)  # of all external inputs together
        mean = tau * epsp_mv * (external_hz + c_excitatory * rate_hz * (1 - g / 4))
        deviation = np.sqrt(tau * epsp_mv**2 * (external_hz + c_excitatory * rate_hz * (1 + g**2 / 4)))
        # exp(u^2) (1 + erf(u)) = erfcx(-u)
        area = quad(lambda u: erfcx(-u), (reset - mean) / deviation, (threshold - mean) / deviation)[0]
        return float(1 / (refractory + tau * np.sqrt(np.pi) * area))

    return float(brentq(lambda rate_hz: response_hz(rate_hz) - rate_hz, 0.1, 400))


def test_the_theory_gives_the_rates_of_the_paper():
    """Table 1 of the paper, theory, at its in-degree of 1,000."""
    predicted = [mean_field_hz(*REGIMES[regime], 1000, 0.1) for regime in ("SI fast", "AI", "SI slow")]
    assert predicted == pytest.approx([55.8, 38.0, 6.5], abs=0.1)


@pytest.mark.parametrize("regime", ["SI fast", "AI"])
def test_rates_are_those_of_the_theory_at_this_in_degree(spikes, regime):
    assert rates_hz(spikes[regime]).mean() == pytest.approx(mean_field_hz(*REGIMES[regime], 400, 0.25), rel=0.06)


def test_synchronous_regular(spikes):
    """All neurons fire together, like clocks, nearly as fast as they can: the refractory time and the delay."""
    assert 1 / 0.0035 < rates_hz(spikes["SR"]).mean() < 1 / 0.003
    assert np.nanmean(cv_isi(spikes["SR"])) < 0.05
    assert synchrony(spikes["SR"], 1e-3) > 0.5


def test_synchronous_irregular_with_fast_oscillations(spikes):
    """The population oscillates at 180 Hz, at which no neuron fires (table 1: 60.7 Hz)."""
    assert global_frequency_hz(spikes["SI fast"]) == pytest.approx(180, rel=0.15)
    assert rates_hz(spikes["SI fast"]).mean() == pytest.approx(60.7, rel=0.1)
    assert np.nanmean(cv_isi(spikes["SI fast"])) > 0.5


def test_synchronous_irregular_with_slow_oscillations(spikes):
    """Table 1: 22 Hz in simulations, 29 Hz in theory, and 5.5 Hz, which is higher here, as fluctuations are."""
    assert 18 < global_frequency_hz(spikes["SI slow"]) < 36
    assert 5 < rates_hz(spikes["SI slow"]).mean() < 15
    assert np.nanmean(cv_isi(spikes["SI slow"])) > 0.5
    assert synchrony(spikes["SI slow"], 0.02) > 1.7 * synchrony(spikes["AI"], 0.02)


def test_asynchronous_irregular(spikes):
    """The least synchronous of all in 1 ms; table 1: 37.7 Hz."""
    assert rates_hz(spikes["AI"]).mean() == pytest.approx(37.7, rel=0.15)
    assert np.nanmean(cv_isi(spikes["AI"])) > 0.5
    assert synchrony(spikes["AI"], 1e-3) < 0.95 * min(
        synchrony(train, 1e-3) for regime, train in spikes.items() if regime != "AI"
    )


class OneSpike(Brunel):
    """No external spikes; neuron 0 fires once, and neurons 1 and 2 get 1% more and 1% less than the threshold."""

    external_ratio: float = 0.0

    def connect(self, rng: np.random.Generator) -> Connectome:
        weight = np.zeros((self.n_neurons, self.n_neurons))
        weight[[1, 2], 0] = 1.01 * self.threshold_mv, 0.99 * self.threshold_mv
        return Connectome(weight, delay_s=np.where(weight != 0, self.delay_ms * 1e-3, np.nan))

    def neuron_values(self, rng: np.random.Generator) -> dict[str, Any]:
        first = np.arange(self.n_neurons) == 0
        return super().neuron_values(rng) | {"v": np.where(first, 1.01 * self.threshold_mv * 1e-3, 0.0)}


def test_a_weight_is_the_jump_of_the_potential(simulate_once):
    fired = [train.times() for train in simulate_once(OneSpike(), duration_s=0.01).spike_times.values()]
    assert [len(times) for times in fired[:4]] == [1, 1, 0, 0]
    assert fired[1] - fired[0] == pytest.approx(1.5e-3, abs=1.1e-4)  # a step


def test_all_neurons_have_the_same_numbers_of_inputs():
    chosen = Brunel(n_neurons=500, g=4.0)
    connectome = chosen.connect(np.random.default_rng(0))
    weight = connectome.weight
    assert (np.count_nonzero(weight[:, :400], axis=1) == 40).all()
    assert (np.count_nonzero(weight[:, 400:], axis=1) == 10).all()
    assert set(np.unique(weight[:, :400])) == {0.0, 2.5}
    assert set(np.unique(weight[:, 400:])) == {0.0, -10.0}
    assert np.unique(connectome.delay_s[connectome.adjacency]) == pytest.approx(1.5e-3)


def test_at_full_size_the_weight_is_that_of_the_paper():
    assert Brunel(n_neurons=12_500).in_degrees() == (1000, 250)
    assert Brunel(n_neurons=12_500).epsp_mv() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"reset_mv": 20.0}, "reset, 20.0 mV, must lie below the threshold, 20.0 mV"),
        ({"n_neurons": 10}, "10 neurons .* give 1 of 8 excitatory and 0 of 2 inhibitory"),
        ({"connection_probability": 1.0}, "at most one from each other neuron"),
        ({"g": -1.0}, "'g'.*greater than or equal to 0"),
    ],
)
def test_refuses_unusable_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        Brunel(**parameters)
