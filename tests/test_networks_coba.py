"""Conductance synapses and the COBA benchmark.

All networks that run have 4,000 neurons, so that one program serves them.
"""

from __future__ import annotations

from typing import Any

import isolated
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.networks import Coba, CobaSmall
from simulators.neurons import lif
from simulators.neurons.conductance import LARGEST, conductance, psp_peak
from simulators.topologies import ErdosRenyi
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation
from validation.activity.statistics import cv_isi, rates_hz, synchrony

ARRIVAL_S = 0.05


def test_the_weight_is_the_peak_of_the_potential():
    """Within 2%, in steps of 0.1 ms."""
    weights_mv = [0.7, 5.3507, 15.0, -2.8, -14.419]
    traces = isolated.run(
        Coba(threshold_mv=0.0),
        ARRIVAL_S + 0.06,
        values={"v": -60e-3, "ge": 0.0, "gi": 0.0},
        neurons=[0] * len(weights_mv),
        pre=1,
        weight_mv=weights_mv,
        arrivals_s=(ARRIVAL_S,),
    )
    deviation_mv = (traces.v + 60e-3) * 1e3
    assert deviation_mv[:, traces.time_s <= ARRIVAL_S] == pytest.approx(0, abs=1e-9)
    peaks_mv = [each[np.abs(each).argmax()] for each in deviation_mv]
    assert peaks_mv == pytest.approx(weights_mv, rel=0.02)


def test_the_weights_of_the_benchmark_are_the_published_conductances():
    """6 and 67 nS, with a leak of 10 nS."""
    connectome = Connectome(np.array([[0, Coba().epsp_mv], [-Coba().ipsp_mv, 0]]))
    values = Coba().synapse_values(connectome.edges)
    assert values["w"] == pytest.approx([-6.7, 0.6], rel=1e-3)


@given(st.floats(1, 50), st.floats(1, 50), st.floats(0.01, LARGEST))
def test_a_potential_gives_the_conductance_that_causes_it(tau_ms, tau_syn_ms, opened):
    peak = psp_peak(np.array([opened]), tau_ms, tau_syn_ms)
    assert 0 < peak[0] < 1
    assert conductance(20 * peak, 20.0, tau_ms, tau_syn_ms) == pytest.approx(opened, rel=0.01)


@pytest.mark.parametrize("tau_syn_ms", [2.0, 20.0, 40.0])
def test_a_small_conductance_acts_like_a_current(tau_syn_ms):
    peak = psp_peak(np.array([1e-3]), 20.0, tau_syn_ms)
    assert peak / 1e-3 == pytest.approx(lif.psp_peak(20.0, tau_syn_ms), rel=2e-3)


def test_weights_past_the_reversal_potential_are_the_largest_possible():
    assert conductance(np.array([0.0, 25.0]), 20.0, 20.0, 10.0) == pytest.approx([0.0, LARGEST])


def rates_by_type(simulation: Simulation) -> dict[str, float]:
    return dict(simulation.neurons.assign(rate=rates_hz(simulation.spike_times)).groupby("cell_type")["rate"].mean())


def test_the_benchmark_is_self_sustained_irregular_and_asynchronous(simulate_once):
    """As Brian's version of it, whose mean rates in a second were 17.4 to 20.6 Hz, with mean CVs of 1.6 to 1.8."""
    simulation = simulate_once(Coba(), duration_s=1.0, seed=1)
    spikes = simulation.spike_times
    assert rates_by_type(simulation) == pytest.approx({"excitatory": 18.7, "inhibitory": 18.7}, abs=2.5)
    assert 1.4 < np.nanmean(cv_isi(spikes)) < 2.0
    assert synchrony(spikes, 0.005) < 0.12  # 0.016 if independent
    late = np.array([np.sum(train.times() > 0.9) for train in spikes.values()])
    assert late.mean() / 0.1 == pytest.approx(18.7, abs=4)


def test_the_small_network_fires_at_about_6_hz(simulate_once):
    """40 small networks at once: the same 10 inputs per neuron."""
    simulation = simulate_once(CobaSmall(n_neurons=4000, connection_probability=0.0025), duration_s=2.0, seed=1)
    rates = rates_hz(simulation.spike_times)
    assert rates.mean() == pytest.approx(5.8, abs=0.5)
    assert np.percentile(rates, 1) > 0.5
    assert np.percentile(rates, 99) < 15
    assert np.nanmean(cv_isi(simulation.spike_times)) > 0.6
    assert synchrony(simulation.spike_times, 0.005) < 0.06


def test_any_topology_and_its_lognormal_weights_become_conductances():
    network = CobaSmall()
    rng = np.random.default_rng(0)
    connectome = ErdosRenyi(probability=0.5).connect(network.neurons(), network.strength_mv(), rng)
    opened = network.synapse_values(connectome.edges)["w"]
    assert (np.sign(opened) == np.sign(connectome.edges.weight)).all()
    assert (np.abs(opened) <= LARGEST).all()


@pytest.mark.parametrize("kind", [Coba, CobaSmall])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ipsp_mv": 20.0}, "ipsp_mv must be below the distance from rest to the reversal potential, 20.0 mV; got 20"),
        ({"epsp_mv": 60.0}, "epsp_mv must be below .* 60.0 mV"),
        ({"threshold_mv": -60.0}, "threshold, -60.0 mV, must lie above rest, -60.0 mV"),
        ({"rest_mv": -85.0}, "Rest, -85.0 mV, must lie between .* -80.0 mV, and that of excitation, 0.0 mV"),
        ({"tau_e_ms": 0.0}, "'tau_e_ms'.*greater than 0"),
    ],
)
def test_refuses_unusable_parameters(kind: Any, parameters, message):
    with pytest.raises(InputError, match=f"(?i){message}"):
        kind(**parameters)
