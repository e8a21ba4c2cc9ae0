"""Networks with known connectivity, simulated with Brian2, and models of how they are observed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pynapple as nap

from simulators import engine
from simulators.networks import NETWORKS, Network, network_class
from simulators.observation import observe_calcium, observe_spikes
from synapsnet.errors import InputError
from synapsnet.recording import Simulation

__all__ = ["NETWORKS", "Network", "observe_calcium", "observe_spikes", "simulate"]


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
    network compiles it (about 20 s); other seeds, durations and connectivities re-use the program, and
    the same run is not simulated twice. `SYNAPSNET_CACHE` names the folder where both are kept.

    Parameters
    ----------
    network : str or Network
        A name in `NETWORKS`, for its default parameters, or a network with your own.
    duration_s : float
        Biological time.
    seed : int
        Of the connectome, the initial state and the noise.
    progress : callable, optional
        Gets the fraction simulated, 0 to 1.
    notify : callable, optional
        Gets a sentence when something is compiled or taken from the cache.

    Raises
    ------
    InputError
        If there is no such network, the duration or the seed is unusable, or there is no C++ compiler.
    """
    if isinstance(network, str):
        network = network_class(network)()
    model = network.model()
    if not (np.isfinite(duration_s) and duration_s >= model.dt_s):
        raise InputError(f"The duration must be at least one step of {model.dt_s} s; got {duration_s} s.")
    if seed < 0:
        raise InputError(f"The seed must be a whole number of 0 or more; got {seed}.")
    # Independent streams: a longer list of initial values must not change the connectome.
    for_connectome, for_values, for_noise = np.random.SeedSequence(seed).spawn(3)
    connectome = network.connect(np.random.default_rng(for_connectome))
    n_steps = round(duration_s / model.dt_s)
    spikes = engine.run(
        model,
        engine.RunInputs(
            connectome=connectome,
            neuron_values=network.neuron_values(np.random.default_rng(for_values)),
            synapse_values=network.synapse_values(connectome, *engine.edges(connectome)),
            seed=int(for_noise.generate_state(1)[0]),
            n_steps=n_steps,
        ),
        progress=progress,
        notify=notify,
    )
    return Simulation(
        spike_times=_spike_trains(spikes, connectome.n_neurons, n_steps * model.dt_s),
        neurons=network.neurons(),
        connectome=connectome,
        metadata={
            "network": network.name,
            "parameters": network.parameters(),
            "duration_s": n_steps * model.dt_s,
            "seed": int(seed),
            "versions": {package: version(package) for package in ("synapsnet", "brian2", "numpy")},
        },
    )


def _spike_trains(spikes: engine.Spikes, n_neurons: int, duration_s: float) -> nap.TsGroup:
    order = np.argsort(spikes.neuron, kind="stable")
    borders = np.searchsorted(spikes.neuron[order], np.arange(1, n_neurons))
    trains = np.split(spikes.time_s[order], borders)
    epoch = nap.IntervalSet(0, duration_s)
    return nap.TsGroup({k: nap.Ts(train, time_support=epoch) for k, train in enumerate(trains)}, time_support=epoch)
