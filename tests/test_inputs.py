"""Inputs that vary in time: their own statistics, and what simulated neurons make of them.

All simulations have 20 neurons and share one program (the one with inputs).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import observe_calcium, observe_spikes
from simulators.inputs import STEP_S, TOP_SPEED_CM_S, Inputs, running_speed
from simulators.networks import LifConnectome, LifRandom
from simulators.ornstein_uhlenbeck import ornstein_uhlenbeck
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import neuron_table

N = 20
TYPES = ["excitatory"] * 16 + ["inhibitory"] * 4
NEURONS = neuron_table(N, cell_type=TYPES)
DRIVE_V, NOISE_V = np.full(N, 8e-3), np.full(N, 4e-3)


def draw(duration_s: float = 30.0, seed: int = 0, **parameters: Any) -> Any:
    return Inputs(**parameters).draw(NEURONS, DRIVE_V, NOISE_V, duration_s, np.random.default_rng(seed))


def unconnected(**parameters: Any) -> LifConnectome:
    nobody = Connectome(np.zeros((N, N)), delay_s=np.full((N, N), np.nan))
    return LifConnectome(connectome=nobody, **parameters)


def counts(simulation: Any, bin_s: float) -> Any:
    return observe_spikes(simulation, bin_s=bin_s).values


def test_the_shared_input_is_an_ornstein_uhlenbeck_process_of_the_given_time():
    slow = ornstein_uhlenbeck(400_000, 0.01, np.random.default_rng(0))
    assert slow.std() == pytest.approx(1.0, abs=0.05)
    for lag in (50, 100, 200):
        assert np.mean(slow[lag:] * slow[:-lag]) == pytest.approx(np.exp(-lag * 0.01), abs=0.06)


def test_a_mouse_stands_still_most_of_the_time_and_runs_in_bouts():
    speed = running_speed(3_600_000, np.random.default_rng(1))
    assert speed.min() >= 0
    assert speed.max() <= TOP_SPEED_CM_S
    assert np.mean(speed > 1.0) == pytest.approx(10 / 25, abs=0.1)
    assert np.abs(np.diff(speed)).max() < TOP_SPEED_CM_S * STEP_S / 0.5 * 1.01


@settings(max_examples=20)
@given(n_stimuli=st.integers(1, 6), on_s=st.floats(0.01, 0.7), off_s=st.floats(0.0, 0.7), seed=st.integers(0, 99))
def test_stimuli_are_shown_one_at_a_time_after_a_pause_and_equally_often(n_stimuli, on_s, off_s, seed):
    parameters = {"stimulus_mv": 2.0, "n_stimuli": n_stimuli, "stimulus_on_s": on_s, "stimulus_off_s": off_s}
    shown = draw(seed=seed, **parameters).behaviour
    assert set(np.unique(shown)) <= {0.0, 1.0}
    assert shown.sum(axis=1).max() <= 1
    assert not shown[: int(off_s / STEP_S)].any()
    trials = 30.0 / (on_s + off_s)
    assert shown.sum(axis=0) * STEP_S == pytest.approx(trials / n_stimuli * on_s, abs=2 * on_s + 0.03 * trials * on_s)


def test_the_light_is_on_for_its_pulse_from_the_middle_of_each_period():
    signals = draw(light_on="inhibitory", light_mv=12.0, light_pulse_ms=20.0, light_period_s=0.5, duration_s=2.0)
    on = np.flatnonzero(signals.behaviour[:, 0])
    assert list(on) == [k for start in (250, 750, 1250, 1750) for k in range(start, start + 20)]
    assert signals.behaviour_names == ["light_inhibitory"]
    assert signals.weight_v[:, 0] == pytest.approx([0.0] * 16 + [12e-3] * 4)


def test_a_pulse_may_last_a_millisecond_or_half_of_its_period():
    for pulse_ms in (1, 250):
        light = draw(light_on="inhibitory", light_pulse_ms=pulse_ms, light_period_s=0.5, duration_s=2.0).behaviour
        assert light.sum() == 4 * pulse_ms


def test_light_on_one_neuron_at_a_time_reaches_each_equally_often_and_only_from_then_on():
    light = {"light_mv": -12.0, "light_pulse_ms": 20.0, "light_period_s": 0.1, "light_from_s": 1.0}
    signals = draw(light_on="one-by-one", **light, duration_s=5.0)
    on = signals.behaviour
    assert signals.behaviour_names == [f"light_{k}" for k in range(N)]
    assert not on[:1050].any()
    assert np.array_equal(np.flatnonzero(on.any(axis=1))[::20], np.arange(1050, 5000, 100))
    assert on.sum(axis=1).max() == 1
    assert (on.sum(axis=0) == 2 * 20).all()  # 40 pulses on 20 neurons
    assert len(set(on[1050::100].argmax(axis=1)[:N])) == N  # all before any again
    assert np.array_equal(signals.weight_v, -12e-3 * np.eye(N))


def test_one_input_more_does_not_change_the_others():
    alone = draw(stimulus_mv=2.0, seed=3)
    together = draw(stimulus_mv=2.0, shared_fraction=0.3, light_on="excitatory", seed=3)
    assert np.array_equal(alone.behaviour, together.behaviour[:, :4])
    assert np.array_equal(alone.weight_v, together.weight_v[:, 1:5])


def test_the_shared_input_is_known_to_nobody():
    signals = draw(shared_fraction=0.3)
    assert signals.behaviour_names == []
    assert signals.weight_v[:, 0] == pytest.approx(np.sqrt(0.3) * NOISE_V)


def test_running_multiplies_drive_and_stimuli():
    plain, running = draw(stimulus_mv=2.0, seed=5), draw(stimulus_mv=2.0, running_gain=0.5, seed=5)
    gain = 1 + 0.5 * running.behaviour[:, 0] / TOP_SPEED_CM_S
    assert gain.max() > 1.2
    total = DRIVE_V + plain.signal @ plain.weight_v.T
    np.testing.assert_allclose(DRIVE_V + running.signal @ running.weight_v.T, total * gain[:, None], rtol=1e-5)


def test_light_evokes_a_spike_when_the_membrane_equation_says_so(simulate_once):
    """From rest, v(t) = 30 mV (1 - exp(-t / 20 ms)) reaches 15 mV after 20 ms x ln 2."""
    network = unconnected(
        noise_mv=0.0,
        drive_mv=0.0,
        inputs={"light_on": "unknown", "light_mv": 30.0, "light_pulse_ms": 15.0, "light_period_s": 0.4},
    )
    simulation = simulate_once(network, duration_s=4.0, seed=1)
    onsets_s = np.arange(10) * 0.4 + 0.2
    for k in range(N):
        assert simulation.spike_times[k].times() == pytest.approx(onsets_s + 0.02 * np.log(2), abs=1.5e-4)


def test_a_shared_fraction_correlates_the_neurons(simulate_once):
    alone, together = (
        simulate_once(unconnected(inputs={"shared_fraction": f, "shared_time_ms": 100.0}), duration_s=120.0, seed=2)
        for f in (1e-6, 0.5)
    )
    off_diagonal = ~np.eye(N, dtype=bool)
    assert np.abs(np.corrcoef(counts(alone, 0.1).T)[off_diagonal].mean()) < 0.01
    assert np.corrcoef(counts(together, 0.1).T)[off_diagonal].mean() > 0.2


def test_only_the_lit_type_follows_the_light(simulate_once):
    network = LifRandom(n_neurons=N, connection_probability=0.0, inputs={"light_on": "inhibitory", "light_mv": 40.0})
    recording = observe_spikes(simulate_once(network, duration_s=120.0, seed=1), bin_s=0.01)
    assert list(recording.behaviour.columns) == ["light_inhibitory"]
    lit = recording.behaviour_values[:, 0] == 1
    answer = recording.values[lit].mean(axis=0) / recording.values[~lit].mean(axis=0)
    assert answer[16:].min() > 3
    assert answer[:16].max() < 2


def test_neurons_fire_more_while_the_mouse_runs(simulate_once):
    network = LifRandom(n_neurons=N, connection_probability=0.0, inputs={"running_gain": 0.5})
    recording = observe_spikes(simulate_once(network, duration_s=120.0, seed=1), bin_s=0.5)
    speed = recording.behaviour_values[:, 0]
    assert np.corrcoef(speed, recording.values.mean(axis=1))[0, 1] > 0.7


@pytest.mark.parametrize("bin_s", [0.0001, 0.0005, 0.0007])
def test_bins_shorter_than_the_clock_of_behaviour_have_the_behaviour_of_their_time(bin_s, simulate_once):
    network = unconnected(
        inputs={"light_on": "unknown", "light_mv": 30.0, "light_pulse_ms": 15.0, "light_period_s": 0.4}
    )
    recording = observe_spikes(simulate_once(network, duration_s=4.0, seed=1), bin_s=bin_s)
    time_s, light = recording.activity.times(), recording.behaviour_values[:, 0]
    after_s = (time_s - 0.2) % 0.4
    sure = np.minimum(np.abs(after_s - 0.015), np.minimum(after_s, 0.4 - after_s)) > bin_s
    assert np.array_equal(light[sure], after_s[sure] < 0.015)


def test_behaviour_reaches_the_calcium_recording_on_its_own_grid(simulate_once):
    network = LifRandom(n_neurons=N, connection_probability=0.0, inputs={"running_gain": 0.5, "light_on": "inhibitory"})
    simulation = simulate_once(network, duration_s=20.0, seed=1)
    recording = observe_calcium(simulation, frame_rate_hz=10.0)
    assert list(recording.behaviour.columns) == ["running_speed_cm_s", "light_inhibitory"]
    speed = simulation.behaviour.values[:, 0].reshape(200, 100).mean(axis=1)
    assert recording.behaviour_values[:, 0] == pytest.approx(speed, rel=1e-5)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"shared_fraction": 1.5}, "'shared_fraction' of the inputs.*less than or equal to 1; got 1.5"),
        ({"stimulus_mv": -1.0}, "'stimulus_mv' of the inputs.*greater than or equal to 0"),
        ({"n_stimuli": 0}, "'n_stimuli' of the inputs.*greater than or equal to 1"),
        ({"light_pulse_ms": 0.0}, "'light_pulse_ms' of the inputs.*greater than 0"),
        ({"light_on": "Pvalb", "light_pulse_ms": 0.4}, "unusable inputs: .* at least 1 .*; got pulses of 0.4 ms"),
        (
            {"light_on": "Pvalb", "light_pulse_ms": 51, "light_period_s": 0.1},
            "got pulses of 51 ms and half periods of 50",
        ),
        ({"lights_on": "Pvalb"}, "no parameter 'lights_on'; it has shared_fraction, "),
    ],
)
def test_refuses_unusable_inputs(inputs, message):
    with pytest.raises(InputError, match=message):
        LifRandom(inputs=inputs)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (LifRandom(n_neurons=N, inputs={"light_on": "Sst"}), "no cell type 'Sst'.*the network has excitatory, inhibi"),
        (
            LifRandom(n_neurons=N, noise_mv=0.0, inputs={"shared_fraction": 0.1}),
            "neurons with noise, and these have none",
        ),
        (LifRandom(n_neurons=N, dt_ms=0.3, inputs={"running_gain": 0.1}), "dt_ms must divide 1 ms; got 0.3 ms"),
    ],
)
def test_refuses_inputs_that_do_not_fit_the_network(network, message, simulate_once):
    with pytest.raises(InputError, match=message):
        simulate_once(network, duration_s=1.0)
