"""What holds for all networks, simulations and observations, whatever the parameters; and what a full disk does.

What is simulated are LIF networks of 20 neurons, so that the suite's program serves; half the time step is one more.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import brian2 as b2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erfcx
from scipy.stats import kstest, norm

from simulators import NETWORKS, Network, cache, engine, observe_calcium, observe_spikes, simulate
from simulators.inputs import Inputs
from simulators.networks import LifConnectome, LifRandom
from simulators.observation import INDICATORS
from simulators.topologies import TOPOLOGIES
from simulators.units import MILLI
from synapsnet.cli import main
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.parameters import Parameters
from synapsnet.recording import NEURON_COLUMNS, Simulation

N = 20
STEP_S = 1e-4
SEEDS = st.integers(0, 2**32 - 1)
NAMES = st.sampled_from(sorted(NETWORKS))
WIRINGS = [None, *TOPOLOGIES]


def motif(edges: dict[tuple[int, int], tuple[float, float]]) -> Connectome:
    """{(post, pre): (weight in mV, delay in ms)} among 20 neurons."""
    weight, delay_s = np.zeros((N, N)), np.full((N, N), np.nan)
    for pair, (weight_mv, delay_ms) in edges.items():
        weight[pair], delay_s[pair] = weight_mv, delay_ms * MILLI
    return Connectome(weight, delay_s=delay_s)


# Every network, not simulated but drawn


def small(name: str, topology: str | None = None, **inputs: Any) -> Network:
    """A network of less than 100 neurons; the light is on its first cell type."""
    network = NETWORKS[name]
    size = {"n_neurons": 60} if "n_neurons" in network.model_fields else {"scale": 0.001, "k_scale": 0.001}
    kind = network(**size).neurons()["cell_type"][0]
    return network(**size, topology=topology, inputs=inputs and {"light_on": kind} | inputs)


# The microcircuit's excitatory types are those of its layers; the ring has none.
WITHOUT_EXCITATION = {("microcircuit", "motifs")} | {
    ("ring-attractor", topology) for topology in ("assemblies", "chain", "motifs")
}


def drawn(network: Network, seed: int = 0) -> tuple[engine.RunInputs, Simulation]:
    """What a simulation of 0.1 s would run, and the simulation but for its spikes."""
    none = engine.Spikes(np.zeros(0, np.int32), np.zeros(0))
    with mock.patch.object(engine, "run", return_value=none) as run:
        simulation = simulate(network, duration_s=0.1, seed=seed)
    return run.call_args.args[1], simulation


@pytest.mark.parametrize("topology", WIRINGS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_is_drawn_with_every_topology(name, topology):
    network = small(name, topology, stimulus_mv=2.0)
    if (name, topology) in WITHOUT_EXCITATION:
        with pytest.raises(InputError, match="excitatory"):
            drawn(network)
        return
    run, simulation = drawn(network)
    n, neurons, connectome = simulation.n_neurons, simulation.neurons, simulation.connectome
    assert n == len(network.neurons()) == connectome.n_neurons
    assert list(neurons.columns) == list(NEURON_COLUMNS)
    assert neurons["id"].is_unique
    assert neurons["cell_type"].equals(network.neurons()["cell_type"])
    assert np.isfinite(neurons[["x_um", "y_um", "z_um"]].to_numpy()).all()

    sign = np.sign(network.strength_mv())
    assert sign.shape == (n,)
    assert (connectome.weight * sign >= 0).all()
    assert connectome.adjacency.any()
    assert np.array_equal(np.isfinite(connectome.delay_s), connectome.adjacency)
    assert (connectome.delay_s[connectome.adjacency] >= 0).all()

    model = network.model()
    assert json.loads(json.dumps(asdict(model))) == asdict(model) | {"constants": mock.ANY}
    for values, length, equations in (
        (run.neuron_values, n, model.equations),
        (run.synapse_values, connectome.adjacency.sum(), model.synapse),
    ):
        for variable, value in values.items():
            assert np.shape(value) == (length,)
            assert np.isfinite(value).all()
            assert any(f"{variable} :" in line or f"d{variable}/dt" in line for line in equations.splitlines())
    for variable in {"v", "drive", "noise"} & set(run.neuron_values):
        assert np.abs(run.neuron_values[variable]).max() < 0.5  # in volts
    assert run.signals is not None
    assert run.signals.weight_v.shape == (n, run.signals.signal.shape[1])


@settings(max_examples=15)  # each draws three networks; the test above draws all kinds
@given(name=NAMES, topology=st.sampled_from(WIRINGS), stimulus_mv=st.sampled_from([0.0, 2.0]), seed=SEEDS)
def test_what_a_simulation_says_of_itself_repeats_it_byte_for_byte(name, topology, stimulus_mv, seed):
    assume((name, topology) not in WITHOUT_EXCITATION)
    network = small(name, topology, stimulus_mv=stimulus_mv)
    run, simulation = drawn(network, seed)
    facts = json.loads(json.dumps(simulation.metadata))
    rebuilt = NETWORKS[facts["network"]](**facts["parameters"])
    assert rebuilt == network
    again, same = drawn(rebuilt, facts["seed"])
    other, _ = drawn(network, seed + 1)
    assert run.files() == again.files()
    assert same.neurons.equals(simulation.neurons)
    assert run.files() != other.files()


def digest_of_all() -> str:
    digest = hashlib.sha256()
    for name in sorted(NETWORKS):
        wiring = None if (name, "assemblies") in WITHOUT_EXCITATION else "assemblies"
        run, simulation = drawn(small(name, wiring, stimulus_mv=2.0, running_gain=0.5), 3)
        for file, content in sorted(run.files().items()):
            digest.update(file.encode() + content)
        digest.update(simulation.neurons.to_csv().encode())
    return digest.hexdigest()


def test_another_process_draws_the_same_bytes():
    """Python orders sets of names differently in every process."""
    script = "import test_simulators_properties as tests; print(tests.digest_of_all())"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "12345"}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == digest_of_all()


# Simulations


@pytest.fixture(scope="module")
def compiled(small_simulation: Simulation) -> None:
    """The program of the LIF networks of 20 neurons is in the cache."""


def fire(connectome: Connectome, values: dict[str, Any], duration_s: float, seed: int = 0) -> list[Any]:
    """The spike times in s of 20 LIF neurons."""
    network = LifConnectome(connectome=connectome)
    spikes = engine.run(
        network.model(),
        engine.RunInputs(
            n_neurons=connectome.n_neurons,
            edges=connectome.edges,
            neuron_values=values,
            synapse_values=network.synapse_values(connectome.edges),
            seed=seed,
            n_steps=round(duration_s / STEP_S),
        ),
        progress=lambda fraction: None,
        notify=lambda sentence: None,
    )
    return [spikes.time_s[spikes.neuron == k] for k in range(N)]


@settings(max_examples=5)  # each runs the program twice
@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_spikes_byte_for_byte(compiled, seed):
    network = LifRandom(n_neurons=N, connection_probability=0.15)

    def spikes() -> bytes:
        with mock.patch.object(cache, "load", lambda key: None if key.startswith("spikes") else load(key)):
            simulation = simulate(network, duration_s=1.0, seed=seed)
        return b"".join(simulation.spike_times[k].times().tobytes() for k in range(N))

    load = cache.load
    first = spikes()
    assert len(first) > 100
    assert first == spikes()


@settings(max_examples=8)  # each runs the program twice
@given(seed=SEEDS, order=st.permutations(range(N)))
def test_relabelled_neurons_fire_the_relabelled_spikes(compiled, seed, order):
    """Without noise, which belongs to a place in the table. Sums in another order may round otherwise: one step."""
    rng = np.random.default_rng(seed)
    connected = (rng.random((N, N)) < 0.3) & ~np.eye(N, dtype=bool)
    weight = np.where(connected, rng.normal(0, 4, (N, N)), 0.0)
    connectome = Connectome(weight, delay_s=np.where(connected, rng.uniform(0, 5e-3, (N, N)), np.nan))
    values = {"v": rng.uniform(0, 15e-3, N), "drive": rng.uniform(10e-3, 25e-3, N), "noise": np.zeros(N)}
    plain = fire(connectome, values, 1.0)
    relabelled = fire(connectome.select(order), {name: value[order] for name, value in values.items()}, 1.0)
    assert sum(map(len, plain)) > 100
    for new, old in enumerate(order):
        assert len(relabelled[new]) == len(plain[old])
        assert relabelled[new] == pytest.approx(plain[old], abs=1.01 * STEP_S)


DRIVES_MV = np.repeat([8.0, 12.0], N // 2)
NOISE_MV, THRESHOLD_MV, TAU_MS, REFRACTORY_MS = 4.0, 15.0, 20.0, 2.0  # the defaults
LONG_S = 300.0


@pytest.fixture(scope="module")
def unconnected(simulate_once: Any, compiled: None) -> Simulation:
    network = LifConnectome(connectome=motif({}), drive_mv=DRIVES_MV.tolist())
    return simulate_once(network, duration_s=LONG_S, seed=1)


@pytest.fixture(scope="module")
def unconnected_at_half_the_step(simulate_once: Any) -> Simulation:
    network = LifConnectome(connectome=motif({}), drive_mv=DRIVES_MV.tolist(), dt_ms=0.05)
    return simulate_once(network, duration_s=LONG_S, seed=1)


def rate_hz(simulation: Simulation, neurons: Any = slice(None)) -> float:
    counts = np.array([len(simulation.spike_times[k]) for k in range(N)])
    return float(counts[neurons].mean() / simulation.duration_s)


def expected_rate_hz(drive_mv: float, dt_ms: float) -> float:
    """Mean rate of a LIF neuron with white noise (Siegert 1951) that looks at its potential once in a step.

    It misses what happens between two steps, as if its threshold were higher by 0.5826 times the standard deviation of
    a step (Broadie, Glasserman & Kou 1997, Math Finance 7:325).
    """
    threshold_mv = THRESHOLD_MV + 0.5826 * NOISE_MV * np.sqrt(2 * dt_ms / TAU_MS)
    from_u, to_u = (np.array([0.0, threshold_mv]) - drive_mv) / (np.sqrt(2) * NOISE_MV)
    passage_ms = TAU_MS * np.sqrt(np.pi) * quad(lambda u: erfcx(-u), from_u, to_u)[0]  # erfcx(-u) = exp(u^2)(1 + erf u)
    return 1e3 / (REFRACTORY_MS + passage_ms)


@pytest.mark.parametrize("drive_mv", [8.0, 12.0])
def test_rates_at_both_steps_are_those_of_the_theory(unconnected, unconnected_at_half_the_step, drive_mv):
    """Half the default step raises them by less than 3%, and no step is small enough to raise them by 9%."""
    chosen = drive_mv == DRIVES_MV
    default, half, none = (expected_rate_hz(drive_mv, dt_ms) for dt_ms in (0.1, 0.05, 1e-9))
    assert 1.01 < half / default < 1.03
    assert none / default < 1.09
    assert rate_hz(unconnected, chosen) == pytest.approx(default, rel=0.02)
    assert rate_hz(unconnected_at_half_the_step, chosen) == pytest.approx(half, rel=0.02)


def test_half_the_step_changes_the_rate_of_a_connected_network_by_less_than_6_percent(
    small_simulation, unconnected_at_half_the_step, simulate_once
):
    network = LifRandom(n_neurons=N, connection_probability=0.15, dt_ms=0.05)
    fine = simulate_once(network, duration_s=small_simulation.duration_s, seed=1)
    assert np.array_equal(fine.connectome.weight, small_simulation.connectome.weight)
    assert rate_hz(fine) == pytest.approx(rate_hz(small_simulation), rel=0.06)


def correlations(simulation: Simulation, n_lags: int = 20) -> Any:
    """(lag, post, pre) correlation of spike counts in 5 ms in standard errors, without a neuron's with itself."""
    counts = observe_spikes(simulation, bin_s=0.005).values.astype(float)
    z = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    found = np.stack([z[lag:].T @ z[: len(z) - lag] / np.sqrt(len(z) - lag) for lag in range(n_lags)])
    found[:, np.eye(N, dtype=bool)] = np.nan
    found[0, np.triu_indices(N)] = np.nan  # at no lag both directions are one
    return found


def chance(n_tests: int) -> float:
    """What the largest of so many standard normal numbers exceeds in 1 of 100 cases (Bonferroni)."""
    return float(norm.isf(0.01 / (2 * n_tests)))


def test_without_synapses_correlations_are_those_of_chance(unconnected):
    found = correlations(unconnected)
    found = found[np.isfinite(found)]
    assert kstest(found, "norm").pvalue > 0.001
    assert np.abs(found).max() < chance(len(found))


def test_one_synapse_correlates_its_pair_in_its_direction_and_no_other(simulate_once, compiled):
    network = LifConnectome(connectome=motif({(1, 0): (3.0, 2.0)}), drive_mv=DRIVES_MV.tolist())
    found = correlations(simulate_once(network, duration_s=LONG_S, seed=1))
    limit = chance(np.isfinite(found).sum())
    assert found[1, 1, 0] > 2 * limit
    pair = np.zeros((N, N), bool)
    pair[1, 0] = True
    pair[0, 1] = True  # its own rhythm, which the other follows, answers too
    assert np.nanmax(np.abs(found[:, ~pair])) < limit


@settings(max_examples=8)
@given(
    sign=st.sampled_from([1, -1]),
    weight_mv=st.floats(1.5, 8.0),
    delay_steps=st.integers(0, 150),
    seed=SEEDS,
)
def test_a_connection_acts_after_its_delay_and_in_the_direction_of_its_sign(
    compiled, sign, weight_mv, delay_steps, seed
):
    """Neuron 0 fires like a clock at 8 Hz, and 19 noisy neurons hear it, or do not, with the same noise."""
    drive, noise = np.full(N, 8e-3), np.full(N, 4e-3)
    drive[0], noise[0] = 15.05e-3, 0.0
    values = {"v": np.zeros(N), "drive": drive, "noise": noise}
    delay_s, duration_s, answer_s = delay_steps * STEP_S, 20.0, 0.02
    edges = {(k, 0): (sign * weight_mv, delay_s / MILLI) for k in range(1, N)}
    heard, deaf = (fire(motif(each), values, duration_s, seed) for each in (edges, {}))
    assert np.array_equal(heard[0], deaf[0])
    clock = heard[0]
    assert len(clock) > 150

    def until(trains: list[Any], time_s: float) -> list[list[float]]:
        return [train[train < time_s + STEP_S / 2].tolist() for train in trains[1:]]

    def counts(trains: list[Any], start_s: float, end_s: float) -> int:
        """Spikes of the others from `start_s` to `end_s` after each spike of the clock."""
        return sum(int(np.diff(np.searchsorted(t, clock[:, None] + [start_s, end_s])).sum()) for t in trains[1:])

    arrival_s = clock[0] + delay_s
    assert until(heard, arrival_s) == until(deaf, arrival_s)
    after = delay_s + STEP_S / 2
    change = counts(heard, after, after + answer_s) - counts(deaf, after, after + answer_s)
    assert sign * change > 6 * np.sqrt(counts(deaf, after, after + answer_s))
    # what the last spike of the clock did is over
    assert abs(counts(heard, 0.0, after) - counts(deaf, 0.0, after)) <= 4 * np.sqrt(counts(deaf, 0.0, after)) + 3


# Observations


@pytest.fixture(scope="module")
def observed(simulate_once: Any, compiled: None) -> Simulation:
    return simulate_once(LifRandom(n_neurons=N, connection_probability=0.15), duration_s=20.0, seed=1)


@st.composite
def calcium_options(pick: st.DrawFn) -> dict[str, Any]:
    return {
        "indicator": pick(st.sampled_from(sorted(INDICATORS))),
        "frame_rate_hz": pick(st.floats(4, 60)),
        "shot_fraction": pick(st.floats(0, 1)),
        "bleaching_half_time_s": pick(st.none() | st.floats(10, 100)),
        "neuropil": pick(st.floats(0, 1)),
        "n_planes": pick(st.integers(1, 5)),
        "dropout": pick(st.floats(0, 0.3)),
        "trace": pick(st.sampled_from(["dff", "fluorescence"])),
        "seed": pick(SEEDS),
    }


@st.composite
def sorter_options(pick: st.DrawFn) -> dict[str, Any]:
    return {
        "bin_s": pick(st.floats(0.001, 0.05)),
        "loss": pick(st.floats(0, 0.3)),
        "contamination": pick(st.floats(0.01, 0.3)),
        "neighbourhood_um": pick(st.none() | st.floats(10, 100)),
        "amplitude": pick(st.floats(5, 20)),
        "drift": pick(st.floats(0, 0.3)),
        "censored_s": pick(st.floats(0, 0.002)),
        "synchronous_loss": pick(st.floats(0, 1)),
        "seed": pick(SEEDS),
    }


@settings(max_examples=25)
@given(options=calcium_options() | sorter_options(), seed=SEEDS)
def test_observations_are_the_same_whatever_the_connectome(observed, options, seed):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(N, N)) * ~np.eye(N, dtype=bool)
    other = Connectome(weight, delay_s=rng.random((N, N)), effective=-weight, unit="nS")
    observe: Callable[..., Any] = observe_spikes if "bin_s" in options else observe_calcium
    try:
        recordings = [observe(replace(observed, connectome=each), **options) for each in (observed.connectome, other)]
    except InputError as error:  # so many spikes may be missed that nothing is left of a neuron
        assume("never changes" not in str(error))
        raise
    assert recordings[0].values.tobytes() == recordings[1].values.tobytes()
    assert recordings[0].segments == recordings[1].segments


@settings(max_examples=15)
@given(options=calcium_options(), order=st.permutations(range(N)))
def test_relabelled_neurons_have_the_relabelled_fluorescence(observed, options, order):
    """Without noise and drift, which belong to a place in the table."""
    options |= {"noise_level": 0.0, "drift": 0.0, "dropout": 0.0}
    plain, other = (observe_calcium(each, **options) for each in (observed, observed.select_neurons(order)))
    assert other.values == pytest.approx(plain.values[:, order], abs=1e-5)
    assert other.neurons["id"].tolist() == [plain.neurons["id"][old] for old in order]


# Bad input

CONFIGURED: list[type[Parameters]] = [*NETWORKS.values(), LifConnectome, *TOPOLOGIES.values(), Inputs]
FIELDS = [(kind, name) for kind in CONFIGURED for name in kind.model_fields]
TIMES = [(kind, name) for kind, name in FIELDS if name.endswith(("_ms", "_s"))]
TIME_CONSTANTS = [(kind, name) for kind, name in TIMES if name.startswith(("tau_", "dt_"))]
CHANCES = [(kind, name) for kind, name in FIELDS if "probability" in name or "fraction" in name]


def assert_refused(kind: type[Parameters], name: str, value: Any) -> None:
    """In one sentence that says which parameter, and what came."""
    with pytest.raises(InputError) as refused:
        kind(**{name: value})
    sentence = str(refused.value)
    assert f"'{name}'" in sentence
    assert f"got {value!r}" in sentence
    assert "\n" not in sentence


@settings(max_examples=200)
@given(of=st.sampled_from(TIMES), value=st.floats(-1e9, -1e-9))
def test_negative_durations_and_delays_are_refused(of, value):
    assert_refused(*of, value)


@pytest.mark.parametrize(("kind", "name"), TIME_CONSTANTS)
def test_time_constants_of_zero_are_refused(kind, name):
    assert_refused(kind, name, 0.0)


@settings(max_examples=200)
@given(of=st.sampled_from(CHANCES), value=st.floats(-1e9, -1e-9) | st.floats(1 + 1e-9, 1e9))
def test_probabilities_outside_0_and_1_are_refused(of, value):
    assert_refused(*of, value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "20 ms", None, [1.0]])
@settings(max_examples=30)
@given(of=st.sampled_from([*TIMES, *CHANCES]))
def test_what_is_no_number_is_refused(value, of):
    assert_refused(*of, value)


@pytest.mark.parametrize("value", [20 * b2.ms, 20 * b2.mV, 1 * b2.second])
def test_numbers_with_a_unit_are_refused(value):
    """The name of a parameter says its unit: 20 ms are no 0.02 ms."""
    with pytest.raises(InputError, match="'tau_ms'"):
        LifRandom(tau_ms=value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"duration_s": 10 * b2.second}, "duration"),
        ({"duration_s": 10 * b2.mV}, "duration"),
        ({"seed": 0.5}, "seed must be a whole number"),
    ],
)
def test_durations_and_seeds_that_are_no_plain_numbers_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        simulate("lif-random", **{"duration_s": 1.0} | arguments)


def test_negative_seeds_of_a_spike_sorter_are_refused(observed):
    with pytest.raises(InputError, match=r"'seed'.*greater than or equal to 0; got -1"):
        observe_spikes(observed, loss=0.1, seed=-1)


@pytest.fixture
def command(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """Run `synapsnet ...`; the exit code and what it printed as an error."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["synapsnet", *map(str, arguments)])
        code: Any = 0
        try:
            main()
        except SystemExit as error:
            code = error.code or 0
        return code, capsys.readouterr().err.partition("Error: ")[2]

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "connection_probability=1.5"], "less than or equal to 1; got 1.5"),
        (["--topology", "erdos-renyi", "--set", "topology.probability=-0.1"], "greater than or equal to 0; got -0.1"),
        (["--set", "inputs.shared_fraction=2"], "less than or equal to 1; got 2"),
        (["--set", "tau_ms=-20"], "greater than 0; got -20"),
        (["--set", "tau_ms=20ms"], "valid number"),
        (["--duration", "-1"], "at least one step of 0.0001 s; got -1.0 s"),
        (["--duration", "nan"], "at least one step of 0.0001 s; got nan s"),
    ],
)
def test_the_command_line_answers_bad_input_with_a_sentence(command, tmp_path, arguments, message):
    code, error = command("simulate", *arguments, "-o", tmp_path / "simulation.nwb")
    assert code == 2
    assert message in error
    assert error.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []


# The cache and a full disk


@given(payload=st.binary(max_size=100), change=st.data())
def test_a_damaged_entry_is_none(cache_folder, payload, change):
    """Whatever happened to it: it is cut, longer, or any other bytes."""
    key = "damaged"
    cache.store(key, payload)
    entry = cache_folder / key
    whole = entry.read_bytes()
    cut = st.integers(0, len(whole) - 1).map(lambda n: whole[:n])
    longer = st.binary(min_size=1, max_size=40).map(lambda more: whole + more)
    flipped = st.integers(0, 8 * len(whole) - 1).map(
        lambda bit: bytes(b ^ (1 << bit % 8 if k == bit // 8 else 0) for k, b in enumerate(whole))
    )
    entry.write_bytes(change.draw(cut | longer | flipped | st.binary(max_size=100)))
    assert cache.load(key) is None or entry.read_bytes() == whole
    entry.unlink()


SIMULATE = ["simulate", "--set", "n_neurons=20", "--set", "connection_probability=0.15", "--duration", "100"]


def test_a_disk_that_is_full_from_any_file_on_ends_in_a_sentence(own_cache, command, tmp_path, monkeypatch):
    write, left = Path.write_bytes, 0

    def write_if_there_is_space(path: Path, content: bytes) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_if_there_is_space)
    output, code = tmp_path / "simulation.nwb", 2
    for files in range(40):
        left = files
        code, error = command(*SIMULATE, "--duration", 10, "-o", output)
        if code == 0:
            break
        assert code == 2
        assert error.startswith("There is no space left on the disk")
        assert error.strip().count("\n") == 0
        assert all(cache.load(path.name) is not None for path in own_cache.iterdir())  # all of them are whole
        assert not output.exists()
    assert code == 0
    assert files > 8
    assert {path.name.partition("-")[0] for path in own_cache.iterdir()} == {"program", "spikes"}


ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$0" tmpfs "$1" && cd "$1" || exit 77
shift; "$@"; code=$?
ls -A; exit $code
"""


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Callable[..., tuple[int, str, list[str]]]:
    """Run `synapsnet ...` in the folder `disk`, which has so much space: exit code, error, and the files left there."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def run(n_bytes: int, *command: object) -> tuple[int, str, list[str]]:
        arguments = ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, str(n_bytes), str(disk), *map(str, command)]
        done = subprocess.run(arguments, capture_output=True, text=True)
        return done.returncode, done.stderr.partition("Error: ")[2], done.stdout.split()

    if shutil.which("unshare") is None or run(4096, "true")[0]:
        pytest.skip("a small disk can only be made on Linux, where users may have name spaces of their own")
    return run


SYNAPSNET = [sys.executable, "-c", "from synapsnet.cli import main; main()"]


def test_a_disk_without_space_for_the_compiler_ends_in_a_sentence(on_a_small_disk, tmp_path):
    code, error, left = on_a_small_disk(
        64_000, "env", f"SYNAPSNET_CACHE={tmp_path}/disk", *SYNAPSNET, *SIMULATE, "-o", tmp_path / "simulation.nwb"
    )
    assert code == 2
    assert "space" in error
    assert error.strip().count("\n") == 0
    assert all(name.startswith("lock-") for name in left)


def test_a_disk_without_space_for_the_spikes_ends_in_a_sentence(on_a_small_disk, own_cache, tmp_path):
    """There is space for the program twice, in the cache and to run it, but not for all that it finds."""
    with mock.patch.object(cache, "load", wraps=cache.load) as load:
        simulate(LifRandom(n_neurons=N, connection_probability=0.15), duration_s=1.0)
    program = next(own_cache / call.args[0] for call in load.call_args_list if call.args[0].startswith("program"))
    code, error, left = on_a_small_disk(
        2 * program.stat().st_size + 80_000,
        *("sh", "-c", 'cp "$0" . && exec "$@"', program),
        *("env", f"SYNAPSNET_CACHE={tmp_path}/disk", *SYNAPSNET, *SIMULATE, "-o", tmp_path / "simulation.nwb"),
    )
    assert code == 2
    assert "disk" in error
    assert error.strip().count("\n") == 0
    assert left == [program.name]


def test_a_disk_without_space_for_the_output_ends_in_a_sentence(on_a_small_disk, own_cache):
    code, error, left = on_a_small_disk(100_000, *SYNAPSNET, *SIMULATE, "-o", "simulation.nwb")
    assert code == 2
    assert "space" in error
    assert error.strip().count("\n") == 0
    assert left == []
