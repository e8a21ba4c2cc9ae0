"""A model's neurons on their own, without noise, in Brian2's interpreter: what they do, and what a synapse does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import brian2 as b2
import numpy as np

from simulators import Network
from synapsnet.array_types import Float64Array
from synapsnet.connectome import Edges


@dataclass(frozen=True)
class Traces:
    """`time_s` (T,), `v` and, where the model has it, `current` (N, T) in volts; a list of N trains in seconds."""

    time_s: Float64Array
    v: Float64Array
    current: Float64Array | None
    spikes_s: list[Float64Array]


def run(
    network: Network,
    duration_s: float,
    *,
    values: dict[str, Any],
    neurons: list[int],
    pre: int = 0,
    weight_mv: Any = 0.0,
    arrivals_s: tuple[float, ...] = (),
) -> Traces:
    """Run the given neurons with `values` in place of the network's own; spikes of `pre` arrive at all of them.

    `weight_mv` is that of all of them, or a list of one each.
    """
    model = network.model()
    b2.prefs.codegen.target = "numpy"
    b2.defaultclock.dt = model.dt_s * b2.second
    namespace = {name: value * getattr(b2, unit) for name, (value, unit) in model.constants.items()}
    namespace["external"] = 0 * b2.volt
    group = b2.NeuronGroup(
        len(neurons),
        model.equations,
        threshold=model.threshold,
        reset=model.reset,
        refractory=model.refractory,
        method=model.method,
        namespace=namespace,
    )
    own = {name: value[neurons] for name, value in network.neuron_values(np.random.default_rng(0)).items()}
    for name, value in (own | {"noise": 0.0} | values).items():
        setattr(group, f"{name}_", value)

    source = b2.SpikeGeneratorGroup(1, np.zeros(len(arrivals_s), int), np.array(arrivals_s) * b2.second)
    synapses = b2.Synapses(source, group, model.synapse, on_pre=model.on_pre, namespace=namespace)
    synapses.connect()
    k = len(neurons)
    edges = Edges(np.array(neurons, np.int32), np.full(k, pre, np.int32), np.full(k, weight_mv), np.zeros(k))
    for name, value in network.synapse_values(edges).items():
        setattr(synapses, f"{name}_", value)

    recorded = ["v", "I"] if "I" in group.variables else ["v"]
    traces, spikes = b2.StateMonitor(group, recorded, record=True), b2.SpikeMonitor(group)
    b2.Network(group, source, synapses, traces, spikes).run(duration_s * b2.second)
    # copies: Brian2 shows its own memory, which goes with the monitor
    return Traces(
        time_s=np.array(traces.t / b2.second),
        v=np.array(traces.v_),
        current=np.array(traces.I_) if "I" in recorded else None,
        spikes_s=[np.asarray(train / b2.second) for train in spikes.spike_trains().values()],
    )
