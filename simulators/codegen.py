"""Writes the C++ of a network; run as a script, in a process of its own.

Brian2 keeps its device, preferences and logging in globals: in a process of its own they cannot touch those of
the caller, and the caller does not wait for Brian2 to be imported.

    python codegen.py FOLDER        FOLDER/model.json: a `simulators.base.Model` and `n_neurons`

The program that results knows the equations and the number of neurons. Everything else it reads at its start from
its working directory, so that one compilation serves all seeds, connectivities, parameters and durations:

    run                      seed, number of time steps
    first_edge, end_edge     int32 per neuron: its outgoing edges, a range in the list of edges
    edge_post                int32 per edge: the postsynaptic neuron
    NAME files               float64 values of what the arguments `object.variable=NAME` name

It writes the fraction done to its standard output and what its SpikeMonitor saw into `results/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import brian2 as b2

# One seed per run; Brian2's own `seed()` would be compiled in.
READ_RUN = """
unsigned long run_seed; int64_t run_steps;
{ std::ifstream file("run"); file >> run_seed >> run_steps; if (!file) { std::cerr << "no run file"; return 1; } }
_random_generators[0].seed(run_seed);
set_variable_by_name("neurons.first_edge", "first_edge");
set_variable_by_name("neurons.end_edge", "end_edge");
"""

# Brian2's loop asks the operating system for the time in every step and knows its duration when it is compiled;
# this one does neither.
RUN = """
defaultclock.set_interval(0.0, run_steps * defaultclock.dt[0]);
for (int64_t step = 0; defaultclock.running(); step++) {
    if (step % (1 + run_steps / 200) == 0) std::cout << double(step) / run_steps << std::endl;
    for (auto& object : network.objects) if (object.second) object.second();
    defaultclock.tick();
}
"""

EDGE_POST = """
static inline int32_t edge_post(int32_t edge) {
    static const std::vector<int32_t> post = [] {
        std::ifstream file("edge_post", std::ios::binary | std::ios::ate);
        std::vector<int32_t> values(file.tellg() / sizeof(int32_t));
        file.seekg(0);
        file.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(int32_t));
        return values;
    }();
    return post.at(edge);
}
"""


def write_program(model: dict[str, Any], folder: str) -> None:
    """Write the C++ project of `model` into `folder`."""
    b2.set_device("cpp_standalone", build_on_run=False)
    # Not -march=native: the same binary, and the same numbers, on every machine that shares a cache.
    b2.prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-std=c++11"]
    b2.prefs.codegen.cpp.headers += ["<vector>", "<fstream>"]
    b2.defaultclock.dt = model["dt_s"] * b2.second
    namespace = {name: value * getattr(b2, unit) for name, (value, unit) in model["constants"].items()}
    namespace["external"] = 0 * b2.volt

    neurons = b2.NeuronGroup(
        model["n_neurons"],
        model["equations"] + "\nfirst_edge : integer (constant)\nend_edge : integer (constant)",
        threshold=model["threshold"],
        reset=model["reset"],
        refractory=model["refractory"],
        method=model["method"],
        namespace=namespace,
        name="neurons",
    )
    synapses = b2.Synapses(
        neurons, neurons, model["synapse"], on_pre=model["on_pre"], namespace=namespace, name="synapses"
    )
    edge_post = b2.Function(
        lambda edge: edge, arg_units=[1], return_unit=1, arg_types=["integer"], return_type="integer"
    )
    edge_post.implementations.add_implementation("cpp", EDGE_POST)

    b2.device.insert_code("main", READ_RUN)
    synapses.connect(j="edge_post(k) for k in range(first_edge_pre, end_edge_pre)", namespace={"edge_post": edge_post})
    b2.device.apply_run_args()
    b2.device.insert_code("after_network_run", RUN)
    network = b2.Network(neurons, synapses, b2.SpikeMonitor(neurons, name="spikes"), name="network")
    network.run(0 * b2.second)  # sets everything up; the steps are those of RUN
    b2.device.build(directory=folder, compile=False, run=False)


if __name__ == "__main__":
    project = Path(sys.argv[1])
    write_program(json.loads((project / "model.json").read_text()), str(project))
