"""Networks simulated for a recording: as large, as long and as finely observed, and each narrows what is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_assessment_expected_recovery import inferred_from

import validation.assessment.matched as module
from simulators.networks import Network
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording, Simulation, neuron_table
from validation.assessment.example import Example, row_of
from validation.assessment.expected_recovery import LONGER, Promises, examples, statistics, wider
from validation.assessment.family import KINDS, draw
from validation.assessment.matched import SEED, TRIED_S, matched, seen_as


def firing(n: int, duration_s: float, seed: int = 0, rate_hz: float = 5.0) -> Simulation:
    """Neurons, a tenth of the pairs connected."""
    rng = np.random.default_rng(seed)
    weight = np.where(np.eye(n, dtype=bool) | (rng.random((n, n)) > 0.1), 0.0, 1.0)
    trains = {k: nap.Ts(np.sort(rng.uniform(0, duration_s, round(rate_hz * duration_s)))) for k in range(n)}
    times = nap.TsGroup(trains, time_support=nap.IntervalSet(0, duration_s))
    return Simulation(times, neuron_table(n), Connectome(weight))


def recorded(n: int, dt_s: float = 0.01, lengths: tuple[int, ...] = (3000, 4000)) -> Recording:
    values = np.random.default_rng(1).poisson(0.05, (sum(lengths), n))
    return Recording.from_array(values, dt_s, "spikes", segments=list(lengths))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_in_another_size_has_the_same_parameters(kind: str) -> None:
    usual, large = (draw(kind, 10_001, size)[0] for size in (None, 90))
    assert type(usual) is type(large)
    assert usual.states == large.states and usual.dt_ms == large.dt_ms
    assert len(large.neurons()) == (90 if kind != "v1" else len(usual.neurons()))


def test_what_is_simulated_is_observed_like_the_recording() -> None:
    simulation, binned = firing(12, 71.0), recorded(8)
    seen = seen_as(simulation, binned)
    assert (seen.n_steps, seen.dt_s, seen.segments) == (binned.n_steps, binned.dt_s, binned.segments)
    assert seen.connectome is simulation.connectome and seen.spike_times is None
    timed = seen_as(firing(12, 71.0), observed_times())
    assert timed.segments == binned.segments and timed.spike_times is not None and timed.connectome is not None
    calcium = Recording.from_array(np.random.default_rng(0).normal(0, 0.1, (600, 5)), 0.1, "calcium")
    imaged = seen_as(simulation, calcium)
    assert imaged.modality == "calcium" and imaged.n_steps == 600 and imaged.connectome is not None


def observed_times() -> Recording:
    """Spikes with their times, in two epochs."""
    from simulators import observe_spikes

    return observe_spikes(firing(8, 71.0), bin_s=0.01).select_rows([(0, 3000), (3001, 7001)])


def test_rows_are_of_networks_as_large_as_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, sizes = list[int](), list[int]()

    def simulate(network: Network, *, duration_s: float, seed: int) -> Simulation:
        if duration_s == TRIED_S:
            tried.append(len(network.neurons()))
            if len(tried) == 1:
                raise InputError("It explodes.")
            return firing(tried[-1], duration_s, seed, rate_hz=25.0 if len(tried) == 2 else 5.0)
        sizes.append(len(network.neurons()))
        return firing(sizes[-1], duration_s, seed)

    def infer(seen: Recording) -> Connectome:
        assert seen.connectome is None and seen.segments == recording.segments
        return inferred_from(seen.n_neurons, np.random.default_rng(2))

    monkeypatch.setattr(module, "simulate", simulate)
    monkeypatch.setattr(module, "compiler_found", lambda: "g++")
    recording, done = recorded(45), list[dict[str, Any]]()
    rows = matched(recording, inferred_from(45, np.random.default_rng(0)), infer, done)
    assert [next(rows), next(rows)] == [{}, {}] and not sizes  # one explodes, one fires 5 times as often
    for row in rows:
        done.append(row)
        if len(done) == 3:
            break
    table = examples("spikes")
    assert set(done[0]) == set(table.columns) - {LONGER}
    assert len({row["seed"] for row in done}) == 3 and {row["seed"] - SEED for row in done} <= set(table["seed"])
    assert all(round(np.exp(row["neurons"])) == 45 for row in done)
    assert len(sizes) == 3 and min(sizes) >= 45


def test_without_a_compiler_none_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compiler_found", lambda: None)
    with pytest.raises(InputError, match="no C\\+\\+ compiler"):
        next(
            matched(recorded(5), inferred_from(5, np.random.default_rng(0)), lambda _: Connectome(np.zeros((5, 5))), [])
        )


@given(atypical=st.floats(0, 20), n=st.integers(0, 1000))
def test_intervals_narrow_with_every_network_that_is_like_the_recording(atypical: float, n: int) -> None:
    assert wider(atypical, 0) == pytest.approx(max(atypical, 1))
    assert 1 <= wider(atypical, n + 1) <= wider(atypical, n)
    assert wider(atypical, 10**6) == pytest.approx(1, abs=1e-3)


def test_networks_like_an_atypical_recording_narrow_the_promise_and_others_do_not() -> None:
    table = examples("spikes")
    one = table[table["auprc"] > 0.9].iloc[0]
    strange = {name: float(one[name]) for name in statistics(table)} | {"neurons": 7.0, "rate": 6.0}
    like = pd.DataFrame([dict(one) | strange | {"seed": 1_000_000 + k, "auprc": 0.1} for k in range(6)])
    alone, helped = Promises(table, strange), Promises(table, strange, like)
    unlike = Promises(table, strange, table.iloc[:6])
    assert alone.atypical == helped.atypical > 1
    assert (alone.n_like, helped.n_like, unlike.n_like) == (0, 6, 0)
    assert helped.wider < 1.1 < alone.wider == unlike.wider
    assert helped.estimate("auprc").value < alone.estimate("auprc").value  # what they had is what is expected


def test_an_example_by_hand() -> None:
    """Of two neurons, one connection, found with the wrong sign, and the other pair reported as well."""
    truth = Connectome(np.array([[0.0, 2.0], [0.0, 0.0]]))
    recording = Recording.from_array(np.random.default_rng(0).poisson(1, (2000, 2)), 0.01, "spikes", connectome=truth)
    local = np.array([[1.0, 1e-9], [1e-8, 1.0]])
    found = Connectome(np.array([[0.0, -1.0], [1.0, 0.0]]), standard_error=np.ones((2, 2)), local_fdr=local)
    row = row_of(Example("v1", 3, 0, recording, found, 10))
    expected = {"kind": "v1", "seed": 3, "auprc": 1.0, "density": 0.5, "sign_accuracy": 0.0, "strength_mv": 2.0}
    assert {name: row[name] for name in expected} == expected
    assert row["hidden"] == pytest.approx(0.8) and row["false 0.05"] == 0.5
