"""Networks with known connectivity, simulated with Brian2, and models of how they are observed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from numbers import Integral, Real

import joblib
import numpy as np
import pandas as pd
import pynapple as nap

from simulators import engine, networks
from simulators.brian import from_brian
from simulators.cost import require_possible
from simulators.hidden import visible_part
from simulators.inputs import STEP_S, Signals
from simulators.networks import NETWORKS, Network, network_class
from simulators.observation import observe_calcium, observe_spikes
from simulators.plasticity.base import Synapses
from simulators.spike_trains import spike_trains
from simulators.tuning import tuned_input, with_constant
from simulators.units import MILLI
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Simulation

__all__ = [
    "NETWORKS",
    "Network",
    "from_brian",
    "networks",
    "observe_calcium",
    "observe_spikes",
    "simulate",
    "simulate_seeds",
    "visible_part",
]

SILENT_AFTER_S = 1.0


def simulate(
    network: str | Network,
    *,
    duration_s: float = 1200.0,
    seed: int = 0,
    progress: Callable[[float], None] = lambda fraction: None,
    notify: Callable[[str], None] = lambda sentence: None,
) -> Simulation:
    """Draw a network's connectome and simulate its spikes.

    The result depends on the network, its parameters, the duration and the seed alone. The first run of a
    network compiles it (about 10 s); other seeds, durations and connectivities re-use the program, and
    the same run is not simulated twice. `SYNAPSNET_CACHE` names the folder where both are kept.

    Parameters
    ----------
    network : str or Network
        A name in `NETWORKS`, for its default parameters, or a network with your own.
    duration_s : float
        Simulated time.
    seed : int
        Seed of the connectome, the initial state and the noise.
    progress : callable, optional
        Gets the fraction simulated, 0 to 1.
    notify : callable, optional
        Gets a sentence when something is compiled or taken from the cache.

    Raises
    ------
    InputError
        If there is no such network, the duration, the seed or an input is unusable, it takes more memory than there is
        or more than a year, or the network stays silent or explodes.
    """
    if isinstance(network, str):
        network = network_class(network)()
    model = network.model()
    if network.plasticity is not None:
        model = network.plasticity.plastic(model)
    if not (isinstance(duration_s, Real) and np.isfinite(duration_s) and duration_s >= model.dt_s):
        raise InputError(
            f"The duration must be a plain number of seconds, at least one step of {model.dt_s} s; got {duration_s} s."
        )
    if not (isinstance(seed, Integral) and seed >= 0):
        raise InputError(f"The seed must be a whole number of 0 or more; got {seed}.")
    if (long := require_possible(_size(network), duration_s, model.dt_s)) is not None:
        notify(long)
    n_steps = round(duration_s / model.dt_s)
    # Independent streams: a longer list of initial values must not change the connectome.
    for_connectome, for_values, for_noise, for_places, for_inputs, for_states, for_rates, for_plasticity = (
        np.random.SeedSequence(seed).spawn(8)
    )
    neurons, connectome = _wiring(network, np.random.default_rng(for_connectome), np.random.default_rng(for_places))
    values = network.neuron_values(np.random.default_rng(for_values))
    signals = None
    if not network.inputs.off or network.states or network.rates is not None:
        signals = _signals(
            network, neurons, values, n_steps * model.dt_s, np.random.default_rng(for_inputs), for_states
        )
    if network.plasticity is None:
        synapses = Synapses(connectome.edges, network.synapse_values(connectome.edges))
    else:
        synapses = network.plasticity.synapses(
            connectome,
            lambda rng: _connected(network, neurons, rng),
            network.synapse_values,
            n_steps * model.dt_s,
            np.random.default_rng(for_plasticity),
        )
    run = engine.RunInputs(
        n_neurons=connectome.n_neurons,
        edges=synapses.edges,
        neuron_values=values,
        synapse_values=synapses.values,
        seed=int(for_noise.generate_state(1)[0]),
        n_steps=n_steps,
        signals=signals,
    )
    if network.rates is not None:
        assert signals is not None
        rate_hz = network.rates.draw(len(neurons), np.random.default_rng(for_rates))
        notify("Tuning the input of each neuron to its rate.")
        tuned_v = tuned_input(model, run, rate_hz, progress=lambda done: progress(done / 2), notify=notify)
        run = replace(run, signals=with_constant(signals, tuned_v))
    first_half = 0.0 if network.rates is None else 0.5
    spikes = engine.run(model, run, progress=lambda done: progress(first_half + (1 - first_half) * done), notify=notify)
    if not len(spikes.neuron) and duration_s >= SILENT_AFTER_S:
        raise InputError(
            f"The network stayed silent: no spike (0 Hz) in {duration_s:g} s; raise its drive, noise or excitation."
        )
    course = None
    if network.plasticity is not None:
        relative = None if spikes.weight is None else spikes.weight / spikes.weight[0].astype(np.float64)
        course = network.plasticity.course(connectome.n_neurons, synapses, relative)
        connectome = course.mean(0.0, n_steps * model.dt_s)
    return Simulation(
        spike_times=spike_trains(spikes.neuron, spikes.time_s, connectome.n_neurons, n_steps * model.dt_s),
        neurons=neurons,
        connectome=connectome,
        weight_course=course,
        behaviour=None if signals is None else _behaviour(signals),
        metadata={
            "network": network.name,
            "parameters": network.parameters(),
            "duration_s": n_steps * model.dt_s,
            "seed": int(seed),
            "versions": {package: version(package) for package in ("synapsnet", "brian2", "numpy")},
        },
    )


def simulate_seeds(
    network: str | Network, seeds: Sequence[int], *, duration_s: float = 1200.0, processes: int | None = None
) -> Iterator[Simulation]:
    """Simulate several seeds of a network in parallel, each in its own process.

    Parameters
    ----------
    network, duration_s
        See `simulate`.
    seeds : sequence of int
    processes : int, optional
        Default: as many as there are cores.

    Yields
    ------
    Simulation
        The simulation of each seed, in order, exactly as from `simulate`.

    Raises
    ------
    InputError
        See `simulate`.
    """
    made = network_class(network)() if isinstance(network, str) else network
    n_seeds = seeds.stop - seeds.start if isinstance(seeds, range) else len(seeds)  # a range may be too long for len
    require_possible(_size(made), duration_s, made.model().dt_s, n_seeds)
    parallel = joblib.Parallel(n_jobs=processes or joblib.cpu_count(), return_as="generator")
    return parallel(joblib.delayed(simulate)(network, duration_s=duration_s, seed=seed) for seed in seeds)


def _size(network: Network) -> int:
    """Number of neurons, without a table of them, which could be too long."""
    return getattr(network, "n_neurons", None) or len(network.neurons())


def _wiring(
    network: Network, rng: np.random.Generator, rng_places: np.random.Generator
) -> tuple[pd.DataFrame, Connectome]:
    """The neurons with their positions, and the connectome."""
    neurons = network.neurons()
    neurons[["x_um", "y_um", "z_um"]] = network.place(rng_places)
    if network.topology is not None:
        neurons = network.topology.arrange(neurons, rng_places)
    return neurons, _connected(network, neurons, rng)


def _connected(network: Network, neurons: pd.DataFrame, rng: np.random.Generator) -> Connectome:
    """A connectome of the network, for neurons that have their places."""
    if network.topology is None:
        return network.wire(neurons, rng)
    return network.topology.connect(neurons, network.strength_mv(), rng)


def _signals(
    network: Network,
    neurons: pd.DataFrame,
    values: dict[str, FloatArray],
    duration_s: float,
    rng: np.random.Generator,
    for_states: np.random.SeedSequence,
) -> Signals:
    """Draw the inputs and states; what the inputs share of the noise is taken from `values`."""
    steps = STEP_S / (network.dt_ms * MILLI)
    if not np.isclose(steps, max(1, round(steps))):
        raise InputError(f"Inputs change every ms, so dt_ms must divide 1 ms; got {network.dt_ms} ms.")
    nothing = np.zeros(len(neurons))
    drive_v, noise_v = values.get("drive", nothing), values.get("noise", nothing)
    n_steps = int(np.ceil(duration_s / STEP_S - 1e-6))
    gain = np.ones(n_steps)
    drawn: list[tuple[FloatArray, FloatArray, list[str]]] = []
    for name, state in network.states.items():
        # named, so that one state more does not change the others
        for_signal, for_weight = np.random.default_rng(
            [*for_states.generate_state(2).tolist(), zlib.crc32(name.encode())]
        ).spawn(2)
        signal = state.signal(n_steps, for_signal)
        if state.multiplies:
            gain += signal[:, 0]
        names = [name] if signal.shape[1] == 1 else [f"{name}_{k + 1}" for k in range(signal.shape[1])]
        weight_v = state.weight_mv(drive_v / MILLI, for_weight) * MILLI
        drawn.append((signal, weight_v, names if state.shown else []))
    signals = network.inputs.draw(neurons, drive_v, noise_v, duration_s, rng, gain=gain)
    if "noise" in values:
        values["noise"] = np.sqrt(1 - network.inputs.shared_fraction) * noise_v
    for state_signal in drawn:
        signals = signals.with_signals(*state_signal)
    return signals


def _behaviour(signals: Signals) -> nap.TsdFrame | None:
    if not signals.behaviour_names:
        return None
    times = (np.arange(len(signals.behaviour)) + 0.5) * STEP_S
    return nap.TsdFrame(t=times, d=signals.behaviour, columns=signals.behaviour_names)
