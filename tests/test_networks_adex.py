"""AdEx neurons against an independent integration, the size of a potential, and the default network."""

from __future__ import annotations

from typing import Any

import isolated
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from simulators.networks.adex import Adex
from synapsnet.errors import InputError

C_PF, LEAK_NS, REST_MV, THRESHOLD_MV, SLOPE_MV = 281.0, 30.0, -70.6, -50.4, 2.0  # Brette & Gerstner 2005
A_NS, B_PA, TAU_W_MS = 4.0, 80.5, 144.0
REFRACTORY_MS = 2.0
REGULAR, FAST = 0, 90  # neurons of the default network
DRIVES_MV = np.array([20.0, 25.0, 35.0])


def integrated_intervals_ms(drive_mv: float, a_ns: float, b_pa: float, duration_ms: float) -> Any:
    """Intervals between spikes of the published equations: integrated up to each spike, then reset."""

    def flow(t: float, y: Any) -> list[float]:
        v, w = y
        upstroke = LEAK_NS * SLOPE_MV * np.exp((v - THRESHOLD_MV) / SLOPE_MV)
        return [
            (LEAK_NS * (REST_MV - v) + upstroke - w + LEAK_NS * drive_mv) / C_PF,
            (a_ns * (v - REST_MV) - w) / TAU_W_MS,
        ]

    def spike(t: float, y: Any) -> float:
        return float(y[0])

    spike.terminal = True  # type: ignore[attr-defined]
    t, state, spikes = 0.0, [REST_MV, 0.0], []
    while t < duration_ms:
        solution = solve_ivp(flow, (t, duration_ms), state, events=spike, rtol=1e-8, atol=1e-8)
        if not len(solution.t_events[0]):
            break
        spikes.append(solution.t_events[0][0])
        w = (solution.y_events[0][0][1] + b_pa) * np.exp(-REFRACTORY_MS / TAU_W_MS)  # v rests meanwhile
        t, state = spikes[-1] + REFRACTORY_MS, [REST_MV, w]
    return np.diff(spikes)


@pytest.fixture(scope="module")
def driven() -> dict[tuple[int, float], Any]:
    """Intervals in ms of a regular-spiking and a fast-spiking neuron at each constant drive, from rest."""
    neurons = [kind for kind in (REGULAR, FAST) for _ in DRIVES_MV]
    drive = np.tile(DRIVES_MV, 2)
    traces = isolated.run(Adex(), 0.5, values={"v": REST_MV * 1e-3, "drive": drive * 1e-3}, neurons=neurons)
    return {
        key: np.diff(train) * 1e3
        for key, train in zip(zip(neurons, drive.tolist(), strict=True), traces.spikes_s, strict=True)
    }


@pytest.mark.parametrize("drive_mv", DRIVES_MV)
@pytest.mark.parametrize(("kind", "a_ns", "b_pa"), [(REGULAR, A_NS, B_PA), (FAST, 0.0, 0.0)])
def test_neurons_fire_as_the_published_equations_do(driven, kind, a_ns, b_pa, drive_mv):
    intervals_ms, expected_ms = driven[kind, drive_mv], integrated_intervals_ms(drive_mv, a_ns, b_pa, 500.0)
    assert len(intervals_ms) == pytest.approx(len(expected_ms), abs=1 + 0.01 * len(expected_ms))
    n = min(len(intervals_ms), len(expected_ms), 20)
    assert intervals_ms[:n] == pytest.approx(expected_ms[:n], rel=0.02, abs=0.3)


def test_regular_spiking_neurons_adapt_and_fast_spiking_ones_do_not(driven):
    regular, fast = driven[REGULAR, 35.0], driven[FAST, 35.0]
    assert regular[-1] / regular[0] > 2
    assert fast[-1] / fast[0] == pytest.approx(1, abs=0.05)


def test_fast_spiking_neurons_fire_faster_on_the_same_input(driven):
    for drive_mv in DRIVES_MV:
        assert len(driven[FAST, drive_mv]) > 1.5 * len(driven[REGULAR, drive_mv])


@pytest.mark.parametrize(("weight_mv", "extreme"), [(1.0, np.max), (-1.0, np.min)])
def test_the_weight_is_the_peak_of_the_potential(weight_mv, extreme):
    traces = isolated.run(
        Adex(),
        0.1,
        values={"v": REST_MV * 1e-3, "drive": 0.0},
        neurons=[REGULAR, FAST],
        pre=1,
        weight_mv=weight_mv,
        arrivals_s=(0.02,),
    )
    assert extreme(traces.v, axis=1) * 1e3 - REST_MV == pytest.approx(weight_mv, rel=0.02)


def test_the_default_network_fires_asynchronously_at_the_stated_rates(simulate_once):
    simulation = simulate_once("adex", duration_s=30.0, seed=1)
    trains = [simulation.spike_times[k].times() for k in range(100)]
    rates = np.array([len(train) for train in trains]) / 30.0
    assert rates[:80].mean() == pytest.approx(4.1, abs=0.5)
    assert rates[80:].mean() == pytest.approx(13, abs=1.5)
    assert rates.min() > 1
    counts = np.histogram(np.concatenate(trains), np.arange(0, 30.01, 0.02))[0]
    assert counts.var() / counts.mean() < 1.5  # 1 if the neurons were independent Poisson processes
    intervals = [np.diff(train) for train in trains]
    assert np.mean([i.std() / i.mean() for i in intervals]) > 0.5


@pytest.mark.parametrize("parameter", ["leak_ns", "capacitance_pf", "slope_mv", "tau_adaptation_ms"])
def test_refuses_what_must_be_positive(parameter):
    with pytest.raises(InputError, match=f"parameter '{parameter}' of network 'adex': .*greater than 0; got 0"):
        Adex(**{parameter: 0.0})
