"""States and rates: their own statistics, and what simulated neurons make of them.

All simulations have 20 neurons and share the program of `test_inputs`.
"""

from __future__ import annotations

from itertools import groupby

import isolated
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.signal import welch

from simulators import observe_spikes
from simulators.inputs import STEP_S
from simulators.networks import LifRandom
from simulators.rates import Rates
from simulators.states import STATES, CommonInput, Drift, Episodes, Gamma, TrialGain, UpDown
from simulators.tuning import N_ROUNDS, _seconds_of_round
from synapsnet.cli.assignments import nested
from synapsnet.errors import InputError

N = 20
DRIVE_MV = np.linspace(6, 9, N)


def signal(state, duration_s, seed=0):
    return state.signal(int(duration_s / STEP_S), np.random.default_rng(seed))


def lengths_s(on):
    """Durations of the periods of 0 and of 1, without the first and the last period, which are cut."""
    runs = [(value, len(list(run)) * STEP_S) for value, run in groupby(on.tolist())][1:-1]
    return [np.array([length for value, length in runs if value == wanted]) for wanted in (False, True)]


@given(name=st.sampled_from(sorted(STATES)), n_steps=st.integers(1, 3000), seed=st.integers(0, 99))
def test_every_state_is_drawn_from_its_seed_for_any_length(name, n_steps, seed):
    state = STATES[name]()
    drawn = state.signal(n_steps, np.random.default_rng(seed))
    weight = state.weight_mv(DRIVE_MV, np.random.default_rng(seed))
    assert drawn.shape == (n_steps, weight.shape[1])
    assert weight.shape[0] == N
    assert np.isfinite(drawn).all()
    assert np.array_equal(drawn, state.signal(n_steps, np.random.default_rng(seed)))
    assert state.shown is False


def test_up_and_down_states_last_as_long_as_asked_and_average_to_nothing():
    state = UpDown(up_s=0.6, down_s=0.3, shape=4.0, transition_ms=1.0)
    drawn = signal(state, 3000)[:, 0]
    down_s, up_s = lengths_s(drawn > 0)
    assert up_s.mean() == pytest.approx(0.6, rel=0.05)
    assert down_s.mean() == pytest.approx(0.3, rel=0.05)
    assert up_s.std() / up_s.mean() == pytest.approx(0.5, rel=0.1)  # 1 / sqrt(shape)
    assert drawn.mean() == pytest.approx(0.0, abs=0.01)
    assert np.quantile(drawn, 0.95) - np.quantile(drawn, 0.05) == pytest.approx(1.0, abs=0.02)
    starts = [UpDown().signal(1, np.random.default_rng(k))[0, 0] > 0 for k in range(400)]
    assert np.mean(starts) == pytest.approx(0.5 / 0.9, abs=0.08)


def test_gamma_has_its_frequency_and_its_power_comes_and_goes():
    drawn = signal(Gamma(frequency_hz=40.0), 300)
    frequency_hz, power = welch(drawn[:, 0], fs=1 / STEP_S, nperseg=1000)
    assert frequency_hz[power.argmax()] == pytest.approx(40, abs=4)
    assert drawn.std(axis=0) == pytest.approx([1, 1], abs=0.1)
    envelope = np.abs(drawn @ [1, 1j])
    assert envelope.std() / envelope.mean() == pytest.approx(np.sqrt(4 / np.pi - 1), abs=0.05)  # Rayleigh
    later = int(0.15 / STEP_S)
    power_t = envelope**2
    assert np.corrcoef(power_t[later:], power_t[:-later])[0, 1] == pytest.approx(np.exp(-2), abs=0.05)


def test_drift_and_common_input_forget_in_their_time():
    for state, lag_s, duration_s in ((Drift(time_s=5.0), 5.0, 3000), (CommonInput(time_ms=20.0), 0.02, 100)):
        drawn, lag = signal(state, duration_s), round(lag_s / STEP_S)
        for column in drawn.T:
            assert np.corrcoef(column[lag:], column[:-lag])[0, 1] == pytest.approx(np.exp(-1), abs=0.1)
    weight = Drift(size_mv=2.0).weight_mv(np.zeros(5000), np.random.default_rng(0))
    assert np.linalg.norm(weight, axis=1).std() < 2
    assert np.sqrt((weight**2).sum(axis=1).mean()) == pytest.approx(2.0, rel=0.03)


def test_episodes_are_rare_and_belong_to_groups():
    state = Episodes(pause_s=20.0, active_s=2.0, n_groups=3, participating=0.5, onset_s=1e-3)
    pause_s, active_s = lengths_s(signal(state, 5000)[:, 0] > 0.5)
    assert pause_s.mean() == pytest.approx(20, rel=0.15)
    assert active_s.mean() == pytest.approx(2, rel=0.1)
    weight = state.weight_mv(np.zeros(3000), np.random.default_rng(1))
    assert (np.count_nonzero(weight, axis=1) <= 1).all()
    assert np.mean(weight.any(axis=1)) == pytest.approx(0.5, abs=0.03)
    assert np.count_nonzero(weight, axis=0) == pytest.approx(500, rel=0.15)


def test_a_trial_gain_multiplies_the_drive_and_the_stimuli(simulate_once):
    state = TrialGain(sigma=0.3, trial_s=2.0)
    gain = 1 + signal(state, 4000)[:, 0]
    assert gain.mean() == pytest.approx(1.0, abs=0.03)
    assert np.log(gain).std() == pytest.approx(0.3, rel=0.05)
    assert (np.diff(gain) != 0).sum() == 1999
    assert np.array_equal(state.weight_mv(DRIVE_MV, np.random.default_rng(0))[:, 0], DRIVE_MV)
    shown = {"states": {"trial-gain": {"shown": True, "sigma": 0.3, "trial_s": 1.0}}}
    stimuli = {"stimulus_mv": 3.0, "n_stimuli": 1, "stimulus_tuned_fraction": 1.0}
    network = LifRandom(n_neurons=N, connection_probability=0.0, inputs=stimuli, **shown)
    simulation = simulate_once(network, duration_s=60.0, seed=1)
    assert list(simulation.behaviour.columns) == ["stimulus_1", "trial-gain"]
    counts = observe_spikes(simulation, bin_s=1.0).values.sum(axis=1)
    drawn = simulation.behaviour.values[500::1000, 1]
    assert np.corrcoef(counts, drawn)[0, 1] > 0.8


def test_states_move_the_network_and_are_hidden_unless_shown(simulate_once):
    states = {"up-down": {"shown": True, "size_mv": 10.0}, "slow": {"name": "drift"}, "gamma": {}}
    network = LifRandom(n_neurons=N, connection_probability=0.0, states=states)
    simulation = simulate_once(network, duration_s=30.0, seed=2)
    assert list(simulation.behaviour.columns) == ["up-down"]
    up = simulation.behaviour_on_grid(0.02, 1500)[0][:, 0] > 0
    counts = observe_spikes(simulation, bin_s=0.02).values.sum(axis=1)
    assert counts[up].mean() > 3 * counts[~up].mean()
    alone = simulate_once(
        LifRandom(n_neurons=N, connection_probability=0.0, states={"up-down": states["up-down"]}),
        duration_s=30.0,
        seed=2,
    )
    assert np.array_equal(alone.behaviour.values, simulation.behaviour.values)  # the others did not change it
    assert LifRandom(**network.parameters()) == network


def test_neurons_fire_at_the_rates_that_were_asked_for(simulate_once):
    """Under up and down states, from 0.5 to 20 Hz; counted on a run that no round of the tuning has seen."""
    hz = np.geomspace(0.5, 20, N)
    network = LifRandom(n_neurons=N, states=["up-down"], rates={"hz": hz.tolist()})
    simulation = simulate_once(network, duration_s=120.0, seed=3)
    counts = np.array([len(simulation.spike_times[k]) for k in range(N)])
    error = np.log((counts + 0.5) / (hz * 120 + 0.5))
    assert np.abs(error).max() < 0.5
    assert np.sqrt((error**2).mean()) < 0.2


def test_lognormal_rates_stay_within_their_limits():
    drawn = Rates(median_hz=3.0, sigma=1.0).draw(20_000, np.random.default_rng(0))
    assert np.median(drawn) == pytest.approx(3.0, rel=0.03)
    assert [drawn.min(), drawn.max()] == [0.1, 20.0]
    inside = np.log(drawn[(drawn > 0.1) & (drawn < 20)])
    assert np.quantile(np.log(drawn), 0.84) - np.log(3) == pytest.approx(1.0, abs=0.05)
    assert len(inside) > 15_000


@given(duration_s=st.integers(1, 3000))
def test_the_rounds_of_the_tuning_go_once_through_the_run(duration_s):
    rounds = [_seconds_of_round(k, duration_s) for k in range(N_ROUNDS)]
    visited = np.concatenate(rounds)
    assert visited.min() >= 0
    assert visited.max() < duration_s
    assert all(10 <= len(seconds) <= 30 for seconds in rounds)
    if duration_s >= 10 * N_ROUNDS:
        assert len(set(visited.tolist())) == len(visited)


def test_adaptation_lowers_the_drive_by_its_step_after_each_spike():
    """The first two intervals, beside those of the membrane equation by an independent solver."""
    network = LifRandom(n_neurons=2, adaptation_mv=5.0)
    drive_mv, tau, tau_a, refractory = 30.0, 20.0, 150.0, 2.0
    spikes_s = isolated.run(network, 0.06, values={"v": 0.0, "drive": drive_mv * 1e-3}, neurons=[0]).spikes_s[0]

    def crosses(t_ms, v):
        return v[0] - 15.0

    crosses.terminal = True
    second = solve_ivp(
        lambda t, v: (drive_mv - 5.0 * np.exp(-(t + refractory) / tau_a) - v) / tau,
        (0, 100),
        [0.0],
        events=crosses,
        rtol=1e-9,
    )
    first_ms = tau * np.log(2)  # from 0 to 15 of 30 mV
    assert spikes_s[:2] * 1e3 == pytest.approx([first_ms, first_ms + refractory + second.t_events[0][0]], abs=0.25)
    assert LifRandom(n_neurons=2, adaptation_mv=0.5).model() == network.model()  # any step, one program


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"states": ["up-dwn"]}, "state 'up-dwn'.*up-down"),
        ({"states": {"fast": {"size_mv": 1.0}}}, "no state 'fast'|state 'fast'"),
        ({"states": {"up-down": {"up_s": -1}}}, "'up_s' of state 'up-down'.*greater than 0; got -1"),
        ({"states": 3}, "list of names or a dictionary.*got 3"),
        ({"rates": {"lowest_hz": 5, "highest_hz": 1}}, "lowest rate must not exceed the highest"),
    ],
)
def test_unusable_states_and_rates_are_refused_in_one_sentence(parameters, message):
    with pytest.raises(InputError, match=message):
        LifRandom(**parameters)


def test_rates_of_other_neurons_are_refused():
    with pytest.raises(InputError, match="Rates of 20 neurons are needed; got 3"):
        Rates(hz=[1.0, 2.0, 3.0]).draw(20, np.random.default_rng(0))


def test_assignments_nest_as_deeply_as_their_names():
    assert nested(["a=1", "b.c=2", "b.d.e=x", "b.d.f=[1]"]) == {"a": 1, "b": {"c": 2, "d": {"e": "x", "f": [1]}}}
    for pair in (["a.b=1", "a.b.c=2"], ["a.b.c=2", "a.b=1"]):
        with pytest.raises(InputError, match="exclude each other"):
            nested(pair)
