"""Hodgkin-Huxley neurons and the COBAHH benchmark.

All networks that run have 4,000 neurons, so that one program serves them.
"""

from __future__ import annotations

from dataclasses import replace

import isolated
import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import solve_ivp

from simulators.networks import Cobahh, CobahhSmall, Model
from validation.activity.statistics import cv_isi, rates_hz, synchrony


def textbook(t_ms: float, y: npt.NDArray[np.float64], drive_mv: float) -> list[float]:
    """The equations as published (Brette et al. 2007, appendix B), per ms."""
    v, m, h, n = y
    u = v + 63
    alpha_m, beta_m = 0.32 * (13 - u) / (np.exp((13 - u) / 4) - 1), 0.28 * (u - 40) / (np.exp((u - 40) / 5) - 1)
    alpha_h, beta_h = 0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))
    alpha_n, beta_n = 0.032 * (15 - u) / (np.exp((15 - u) / 5) - 1), 0.5 * np.exp((10 - u) / 40)
    current = 5e-5 * (-60 - v + drive_mv) - 0.1 * m**3 * h * (v - 50) - 0.03 * n**4 * (v + 90)  # mA/cm^2
    return [
        current / 1e-3,  # 1 uF/cm^2
        alpha_m * (1 - m) - beta_m * m,
        alpha_h * (1 - h) - beta_h * h,
        alpha_n * (1 - n) - beta_n * n,
    ]


@pytest.fixture(scope="module")
def interval_s() -> float:
    """Between the spikes of a neuron without any input, by scipy."""

    def upwards(t_ms: float, y: npt.NDArray[np.float64], drive_mv: float) -> float:
        return float(y[0] + 20)

    upwards.direction = 1  # type: ignore[attr-defined]
    solution = solve_ivp(
        textbook, (0, 600), [-65.123, 0, 0, 0], "LSODA", args=(0.0,), events=upwards, rtol=1e-8, max_step=1.0
    )
    return float(np.diff(solution.t_events[0])[-1] * 1e-3)


def test_without_input_a_neuron_fires_as_in_the_textbook_and_a_negative_drive_silences_it(interval_s):
    values = {"v": -65e-3, "ge": 0.0, "gi": 0.0, "drive": np.array([0.0, -4e-3])}
    traces = isolated.run(Cobahh(), 0.3, values=values, neurons=[0, 1])
    assert 1 / interval_s == pytest.approx(13.9, abs=0.1)
    assert np.diff(traces.spikes_s[0])[-1] == pytest.approx(interval_s, rel=0.04)  # 2% in steps of 0.05 ms
    assert len(traces.spikes_s[1]) == 0


class Blocked(CobahhSmall):
    """The sodium and the potassium channels blocked."""

    def model(self) -> Model:
        model = super().model()
        return replace(model, equations=model.equations.replace("2000*m", "0*m").replace("600*n", "0*n"))


def peaks_mv(network: CobahhSmall, weights_mv: list[float], held_mv: float) -> list[float]:
    """Largest deviations after one spike through each weight, of neurons that `drive_mv` holds at `held_mv`."""
    arrival_s = 0.1
    traces = isolated.run(
        network,
        arrival_s + 0.06,
        values={"v": held_mv * 1e-3, "ge": 0.0, "gi": 0.0},
        neurons=[0] * len(weights_mv),
        pre=1,
        weight_mv=weights_mv,
        arrivals_s=(arrival_s,),
    )
    before_mv = traces.v[:, np.searchsorted(traces.time_s, arrival_s - 1e-6)] * 1e3
    assert before_mv == pytest.approx(held_mv, abs=0.1)
    deviation_mv = traces.v[:, traces.time_s >= arrival_s] * 1e3 - before_mv[:, None]
    return [float(each[np.abs(each).argmax()]) for each in deviation_mv]


def test_the_weight_is_the_peak_of_the_potential_in_the_passive_membrane():
    """Within 2%, in steps of 0.1 ms."""
    weights_mv = [0.7, 5.3507, -14.419]
    assert peaks_mv(Blocked(drive_mv=0.0), weights_mv, -60.0) == pytest.approx(weights_mv, rel=0.02)


def test_at_minus_70_mv_the_channels_hardly_change_the_potential():
    """The same conductance at another distance from the reversal potential: 60 and 70 mV, 20 and 10 mV."""
    expected_mv = [5.0 / 60 * 70, -2.8 / 20 * 10]
    assert peaks_mv(CobahhSmall(drive_mv=-10.0), [5.0, -2.8], -70.0) == pytest.approx(expected_mv, rel=0.03)


def test_the_benchmark_is_irregular_and_asynchronous(simulate_once):
    """As Brian's version of it, whose mean rate in a second was 34 Hz, with a mean CV of 2.1."""
    spikes = simulate_once(Cobahh(), duration_s=0.6, seed=1).spike_times
    assert rates_hz(spikes).mean() == pytest.approx(34, abs=4)
    assert np.nanmean(cv_isi(spikes)) == pytest.approx(2.1, abs=0.3)
    assert synchrony(spikes, 0.005) < 0.1  # 0.016 if independent


def test_the_small_network_fires_at_about_6_hz(simulate_once):
    """40 small networks at once: the same 10 inputs per neuron."""
    network = CobahhSmall(n_neurons=4000, connection_probability=0.0025)
    spikes = simulate_once(network, duration_s=1.0, seed=1).spike_times
    assert rates_hz(spikes).mean() == pytest.approx(6.4, abs=0.7)
    assert np.percentile(rates_hz(spikes), 99) < 15
    assert np.nanmean(cv_isi(spikes)) > 0.4
    assert synchrony(spikes, 0.005) < 0.06
