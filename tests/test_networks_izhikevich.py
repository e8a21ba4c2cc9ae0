"""Izhikevich neurons against an independent integration, and his network against his own algorithm."""

from __future__ import annotations

from typing import Any

import isolated
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from simulators.networks.izhikevich import Izhikevich
from simulators.neurons.izhikevich import Cells
from synapsnet.errors import InputError

# Figure 2 of the paper: a in 1/ms, b, c in mV, d in mV
TYPES = {"RS": (0.02, 0.2, -65.0, 8.0), "FS": (0.1, 0.2, -65.0, 2.0), "CH": (0.02, 0.2, -50.0, 2.0)}
CURRENT = 10.0  # mV/ms, as in the figure


def integrated_intervals_ms(a: float, b: float, c: float, d: float, duration_ms: float) -> Any:
    """Intervals between spikes of the published equations: integrated up to each spike, then reset."""

    def flow(t: float, y: Any) -> list[float]:
        v, u = y
        return [0.04 * v**2 + 5 * v + 140 - u + CURRENT, a * (b * v - u)]

    def spike(t: float, y: Any) -> float:
        return float(y[0]) - 30

    spike.terminal = True  # type: ignore[attr-defined]
    t, state, spikes = 0.0, [-70.0, -70.0 * b], []
    while True:
        solution = solve_ivp(flow, (t, duration_ms), state, events=spike, rtol=1e-8, atol=1e-8)
        if not len(solution.t_events[0]):
            return np.diff(spikes)
        t = float(solution.t_events[0][0])
        spikes.append(t)
        state = [c, float(solution.y_events[0][0][1]) + d]


@pytest.fixture(scope="module")
def intervals_ms() -> dict[str, Any]:
    """Intervals of one neuron of each type at a constant current; steps of 0.02 ms."""
    a, b, c, d = np.array(list(TYPES.values())).T
    cells = Cells(a, b, c, d)
    values = {
        "a": a * 1e3,
        "b": b,
        "c": c * 1e-3,
        "d": d * 1e-3,
        "v": -0.07,
        "u": -0.07 * b,
        "leak": cells.leak * 1e3,
        "drive": CURRENT / cells.leak * 1e-3,
    }
    traces = isolated.run(Izhikevich(dt_ms=0.02), 0.4, values=values, neurons=[0, 1, 2])
    return {kind: np.diff(train) * 1e3 for kind, train in zip(TYPES, traces.spikes_s, strict=True)}


@pytest.mark.parametrize("kind", TYPES)
def test_neurons_fire_as_the_published_equations_do(intervals_ms, kind):
    expected_ms = integrated_intervals_ms(*TYPES[kind], 400.0)
    n = min(len(expected_ms), 8)
    assert len(intervals_ms[kind]) == pytest.approx(len(expected_ms), abs=1)
    assert intervals_ms[kind][:n] == pytest.approx(expected_ms[:n], rel=0.03, abs=0.3)


def test_regular_spiking_neurons_adapt_fast_spiking_do_not_and_chattering_ones_burst(intervals_ms):
    regular, fast, chattering = (intervals_ms[kind] for kind in TYPES)
    assert regular[-1] - regular[0] > 25
    assert 0 < fast[-1] - fast[0] < 5  # "practically without any adaptation"
    assert fast[5:] == pytest.approx(fast[-1], rel=0.01)
    assert len(fast) > 3 * len(regular)
    assert chattering.max() > 5 * chattering.min()


def test_the_neurons_are_spread_as_in_the_paper():
    network = Izhikevich(n_neurons=1000)
    cells, excitatory = network.cells(np.random.default_rng(0)), network.excitatory()
    assert set(cells.a[excitatory]) == {0.02}
    assert set(cells.b[excitatory]) == {0.2}
    assert cells.d[excitatory] == pytest.approx(8 - 0.4 * (cells.c[excitatory] + 65))  # both follow r^2
    assert (cells.c[excitatory].min(), cells.c[excitatory].max()) == pytest.approx((-65, -50), abs=0.2)
    assert np.median(cells.c[excitatory]) == pytest.approx(-65 + 15 / 4, abs=0.5)
    assert cells.b[~excitatory] == pytest.approx(0.25 - 0.05 * (cells.a[~excitatory] - 0.02) / 0.08)
    assert (cells.a[~excitatory].min(), cells.a[~excitatory].max()) == pytest.approx((0.02, 0.1), abs=0.002)
    assert set(cells.c[~excitatory]) == {-65.0}
    assert set(cells.d[~excitatory]) == {2.0}


def test_rest_and_leak_are_those_of_the_equation():
    cells = Cells(*(np.array(column) for column in zip((0.02, 0.2, -65, 8), (0.02, 0.25, -65, 2), strict=True)))
    assert 0.04 * cells.rest_mv**2 + (5 - cells.b) * cells.rest_mv + 140 == pytest.approx(0, abs=1e-9)
    assert cells.rest_mv[0] == pytest.approx(-70)  # the paper's "between -70 and -60 mV depending on b"
    assert cells.leak[0] == pytest.approx(0.6)


def test_the_weight_is_the_jump_of_the_potential():
    values = {"v": -0.07, "u": -0.014, "drive": 0.0}
    traces = isolated.run(Izhikevich(), 0.05, values=values, neurons=[0], pre=1, weight_mv=1.5, arrivals_s=(0.02,))
    assert traces.v.max() * 1e3 + 70 == pytest.approx(1.5, rel=1e-3)


def published_algorithm(n_ms: int, seed: int) -> Any:
    """(n_ms, 1000) spikes of the network of the paper, in its steps of 1 ms."""
    rng = np.random.default_rng(seed)
    re, ri = rng.random(800), rng.random(200)
    a, b = np.r_[np.full(800, 0.02), 0.02 + 0.08 * ri], np.r_[np.full(800, 0.2), 0.25 - 0.05 * ri]
    c, d = np.r_[-65 + 15 * re**2, np.full(200, -65.0)], np.r_[8 - 6 * re**2, np.full(200, 2.0)]
    weight = np.c_[0.5 * rng.random((1000, 800)), -rng.random((1000, 200))]
    v = np.full(1000, -65.0)
    u, all_fired = b * v, []
    for _ in range(n_ms):
        fired = v >= 30
        all_fired.append(fired)
        v[fired], u[fired] = c[fired], u[fired] + d[fired]
        current = rng.standard_normal(1000) * np.r_[np.full(800, 5.0), np.full(200, 2.0)] + weight[:, fired].sum(axis=1)
        for _ in range(2):
            v += 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u += a * (b * v - u)
    return np.array(all_fired)


def test_the_network_of_the_paper_fires_at_8_hz_and_has_its_rhythms(simulate_once):
    """About 8 Hz, with episodes of synchrony at about 10 and 40 Hz: the paper's account of its figure 3."""
    simulation = simulate_once(Izhikevich.of_the_paper(), duration_s=5.0, seed=1)
    times_s = np.concatenate([simulation.spike_times[k].times() for k in range(1000)])
    ours = np.histogram(times_s, np.arange(1.0, 5.0005, 1e-3))[0]
    theirs = published_algorithm(5000, seed=1)[1000:].sum(axis=1)
    assert ours.mean() == pytest.approx(8.0, abs=2.0)
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.4)  # at 1 ms their steps are coarse
    for counts in (ours, theirs):
        power = np.mean(np.abs(np.fft.rfft((counts - counts.mean()).reshape(-1, 500), axis=1)) ** 2, axis=0)
        power /= 500 * counts.mean()  # 1 if the neurons were independent Poisson processes
        frequency_hz = np.fft.rfftfreq(500, 1e-3)
        assert power[(frequency_hz >= 6) & (frequency_hz <= 14)].max() > 10
        assert power[(frequency_hz >= 25) & (frequency_hz <= 60)].max() > 10
        assert power[frequency_hz > 200].mean() < 3


def test_the_default_network_fires_in_all_its_neurons(simulate_once):
    simulation = simulate_once("izhikevich", duration_s=20.0, seed=1)
    rates = np.array([len(simulation.spike_times[k]) for k in range(100)]) / 20.0
    assert rates.mean() == pytest.approx(7.5, abs=1.0)
    assert rates.min() > 0.3


def test_refuses_negative_noise():
    with pytest.raises(InputError, match=r"parameter 'excitatory_noise' of network 'izhikevich': .*; got -1"):
        Izhikevich(excitatory_noise=-1.0)
