"""Turns a network into a program, or runs it without one; run as a script, in a process of its own.

Brian2 keeps its device, preferences and logging in globals: in a process of its own they cannot touch those of
the caller, and the caller does not wait for Brian2 to be imported.

    python codegen.py write     writes the C++ of the network into the working directory
    python codegen.py run       runs it there with numpy, where there is no compiler

Both read `model.json`: a `simulators.base.Model`, `n_neurons` and `has_inputs`. The program knows the equations
and the number of neurons. Everything else it reads at its start from its working directory, so that one
compilation serves all seeds, connectivities, parameters and durations:

    run                      seed, number of time steps
    first_edge, end_edge     int32 per neuron: its outgoing edges, a range in the list of edges
    edge_post                int32 per edge: the postsynaptic neuron
    edge_delay               float64 per edge: its delay in seconds
    NAME files               float64 values of what the arguments `object.variable=NAME` name
    inputs                   float32 per millisecond and signal, if `has_inputs`
    input_weights            float64 per neuron and signal

It writes the fraction done to its standard output, what its SpikeMonitor saw into `results/`, and where weights change
a float32 per edge for each sample into `results/weights`. It ends with exit code `EXPLODED`, and the time and rate on
its standard error, when the network fires too much to go on; this script ends with `UNUSABLE` and a sentence when
Brian2 refuses the model.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np

EXPLODED, UNUSABLE = 70, 71
MOST_HZ = 400.0  # mean rate over `CHECKED_S`: more than in the synchronous regular state of Brunel 2000
CHECKED_S = 0.5
INPUT_STEP_S = 1e-3
CODE_OBJECTS = Path("code_objects")  # where Brian2 writes what it made of equations, thresholds and pathways

# One seed per run; Brian2's own `seed()` would be compiled in.
READ_RUN = """
unsigned long run_seed; int64_t run_steps;
{ std::ifstream file("run"); file >> run_seed >> run_steps; if (!file) { std::cerr << "no run file"; return 1; } }
_random_generators[0].seed(run_seed);
set_variable_by_name("neurons.first_edge", "first_edge");
set_variable_by_name("neurons.end_edge", "end_edge");
"""

# Brian2's loop asks the operating system for the time in every step and knows its duration when it is compiled;
# this one does neither. Objects with a clock of their own update the inputs and record weights. It says how far it is
# at least every half second of its own time, because writing to nobody ends it: it does not outlive the process that
# waits for it.
RUN = """
defaultclock.set_interval(0.0, run_steps * defaultclock.dt[0]);
size_t spikes_before = 0;
const int64_t steps_told = std::min<int64_t>(1 + run_steps / 200, %STEPS_CHECKED%);
for (int64_t step = 0; defaultclock.running(); step++) {
    if (step % steps_told == 0) std::cout << double(step) / run_steps << std::endl;
    if (step % %STEPS_CHECKED% == 0) {
        const double per_neuron = double(_dynamic_array_spikes_i.size() - spikes_before) / %N_NEURONS%;
        spikes_before = _dynamic_array_spikes_i.size();
        if (per_neuron > %MOST_SPIKES%) {
            std::cerr << step * defaultclock.dt[0] << " " << per_neuron / %CHECKED_S%;
            return %EXPLODED%;
        }
    }
    for (auto& object : network.objects)
        if (object.second && (object.first == &defaultclock%OTHER_CLOCKS%)) object.second();
    defaultclock.tick();
}
"""

READ_ARRAY = """
template <typename T> static std::vector<T> read_array(const char* name) {
    std::ifstream file(name, std::ios::binary | std::ios::ate);
    std::vector<T> values(file.tellg() / sizeof(T));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(T));
    return values;
}
"""

EDGE_POST = (
    READ_ARRAY
    + """
static inline int32_t edge_post(int32_t edge) {
    static const std::vector<int32_t> post = read_array<int32_t>("edge_post");
    return post.at(edge);
}
"""
)

# Called for neuron 0, 1, ... in every millisecond; a row is read when it is due: memory does not grow with time.
EXTERNAL_INPUT = (
    READ_ARRAY
    + """
static inline double external_input(int32_t neuron) {
    static const std::vector<double> weights = read_array<double>("input_weights");
    static std::vector<float> row(weights.size() / %N_NEURONS%);
    static std::ifstream file("inputs", std::ios::binary);
    if (neuron == 0) file.read(reinterpret_cast<char*>(row.data()), row.size() * sizeof(float));
    double sum = 0.0;
    for (size_t k = 0; k < row.size(); k++) sum += weights[neuron * row.size() + k] * row[k];
    return sum;
}
"""
)

RECORDED_WEIGHT = """
static inline double recorded_weight(double weight) {
    static std::ofstream file("results/weights", std::ios::binary);
    const float value = weight;
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
    return weight;
}
"""


def write_program(model: dict[str, Any]) -> None:
    """Write the C++ project of `model` into the working directory."""
    b2.set_device("cpp_standalone", build_on_run=False)
    b2.prefs.codegen.cpp.headers += ["<vector>", "<fstream>"]
    sizes: dict[str, float | str] = {
        "N_NEURONS": model["n_neurons"],
        "STEPS_CHECKED": max(1, round(CHECKED_S / model["dt_s"])),
        "MOST_SPIKES": MOST_HZ * CHECKED_S,
        "CHECKED_S": CHECKED_S,
        "EXPLODED": EXPLODED,
        "OTHER_CLOCKS": "".join(
            f" || (object.first == &{name} && step % {max(1, round(interval_s / model['dt_s']))} == 0)"
            for name, interval_s in intervals_s(model).items()
        ),
    }
    external_input = _cpp_function(_filled(EXTERNAL_INPUT, sizes))
    recorded_weight = _passed_on()
    recorded_weight.implementations.add_implementation("cpp", RECORDED_WEIGHT)
    neurons, synapses = _objects(
        model, "first_edge : integer (constant)\nend_edge : integer (constant)", external_input, recorded_weight
    )

    b2.device.insert_code("main", READ_RUN)
    synapses.connect(
        j="edge_post(k) for k in range(first_edge_pre, end_edge_pre)", namespace={"edge_post": _cpp_function(EDGE_POST)}
    )
    b2.device.apply_run_args()
    delay = synapses.pre.variables["delay"]  # in its program, what Brian2 calls it depends on Brian2's version
    b2.device.insert_code("main", f'set_variable_by_name("{delay.owner.name}.{delay.name}", "edge_delay");')
    b2.device.insert_code("after_network_run", _filled(RUN, sizes))
    network = b2.Network(neurons, synapses, b2.SpikeMonitor(neurons, name="spikes"), name="network")
    network.run(0 * b2.second)  # sets everything up; the steps are those of RUN
    b2.device.build(directory=".", compile=False, run=False)
    Path("whole.cpp").write_text(_whole())
    Path("make.deps").touch()  # nothing is compiled twice: nobody needs to know what depends on what


def run_with_numpy(model: dict[str, Any]) -> None:
    """Run `model` without a compiler; the files are those of the program, and so are the results."""
    b2.prefs.codegen.target = "numpy"
    seed, n_steps = (int(word) for word in Path("run").read_text().split())
    n, dt_s = model["n_neurons"], model["dt_s"]
    b2.seed(seed)

    def external_input(neurons: Any) -> Any:
        return weights @ next(rows)

    if model["has_inputs"]:
        weights = np.fromfile("input_weights").reshape(n, -1)
        rows = iter(np.memmap("inputs", np.float32, "r").reshape(-1, weights.shape[1]))

    def record_weight(weight: Any) -> Any:
        samples.append(np.asarray(weight, np.float32))
        return weight

    samples: list[Any] = []
    function = b2.Function(external_input, arg_units=[1], return_unit=1, arg_types=["integer"])
    neurons, synapses = _objects(model, "", function, _passed_on(record_weight))
    first, end = np.fromfile("first_edge", np.int32), np.fromfile("end_edge", np.int32)
    post = np.fromfile("edge_post", np.int32)
    if len(post):
        synapses.connect(i=np.repeat(np.arange(n), end - first), j=post)
    else:
        synapses.connect(condition="False")  # Brian2 refuses empty lists, and synapses that were never connected
    objects = {"neurons": neurons, "synapses": synapses}
    for path in (path for path in Path().glob("*.*") if path.name.partition(".")[0] in objects):
        owner, variable = path.name.split(".")
        setattr(objects[owner], f"{variable}_", np.fromfile(path))
    synapses.pre.delay_ = np.fromfile("edge_delay")
    spikes = b2.SpikeMonitor(neurons, name="spikes")
    before = 0

    def check(t: Any) -> None:
        nonlocal before
        rate_hz, before = (spikes.num_spikes - before) / n / CHECKED_S, spikes.num_spikes
        if rate_hz > MOST_HZ:
            print(t / b2.second, rate_hz, file=sys.stderr)
            sys.exit(EXPLODED)

    b2.Network(neurons, synapses, spikes, b2.NetworkOperation(check, dt=CHECKED_S * b2.second)).run(
        n_steps * dt_s * b2.second,
        report=lambda elapsed, completed, start, duration: print(completed, flush=True),
        report_period=b2.second,
    )
    np.asarray(spikes.i, np.int32).tofile("results/_dynamic_array_spikes_i_")
    np.asarray(spikes.t / b2.second, np.float64).tofile("results/_dynamic_array_spikes_t_")
    np.array([spikes.num_spikes], np.int32).tofile("results/_array_spikes_N_")
    if model["sampled_every_s"] and len(post):
        np.array(samples).tofile("results/weights")


def intervals_s(model: dict[str, Any]) -> dict[str, float]:
    """Of the clocks besides that of the integration, by name."""
    inputs = {"input_clock": INPUT_STEP_S} if model["has_inputs"] else {}
    return inputs | ({"sampling_clock": model["sampled_every_s"]} if model["sampled_every_s"] else {})


def _objects(
    model: dict[str, Any], more_equations: str, external_input: b2.Function, recorded_weight: b2.Function
) -> tuple[Any, Any]:
    """The neurons and their synapses, not yet connected."""
    b2.defaultclock.dt = model["dt_s"] * b2.second
    namespace = {
        name: value if unit == "1" else value * getattr(b2, unit) for name, (value, unit) in model["constants"].items()
    }
    if model["has_inputs"]:
        more_equations += "\nexternal : volt"
    else:
        namespace["external"] = 0 * b2.volt
    neurons = b2.NeuronGroup(
        model["n_neurons"],
        f"{model['equations']}\n{more_equations}",
        threshold=model["threshold"],
        reset=model["reset"],
        refractory=model["refractory"],
        method=model["method"],
        namespace=namespace | {"external_input": external_input},
        name="neurons",
    )
    clocks = {name: b2.Clock(interval_s * b2.second, name=name) for name, interval_s in intervals_s(model).items()}
    if model["has_inputs"]:
        neurons.run_regularly("external = external_input(i)*volt", clock=clocks["input_clock"])
    if model["each_step"]:
        neurons.run_regularly(model["each_step"])
    synapses = b2.Synapses(
        neurons,
        neurons,
        model["synapse"],
        on_pre=model["on_pre"],
        on_post=model["on_post"] or None,
        namespace=namespace | {"recorded_weight": recorded_weight},
        name="synapses",
    )
    if model["sampled_every_s"]:
        synapses.run_regularly("w = recorded_weight(w)", clock=clocks["sampling_clock"])
    return neurons, synapses


def _whole() -> str:
    """One file that includes all that Brian2 wrote: it takes half as long to compile as its fourteen one by one.

    Helpers have the same names in each code object, so each becomes a namespace of its own; Brian2's own parts do not.
    What they include comes before them, because it must not lie in a namespace.
    """
    written = [path for path in sorted(Path().rglob("*")) if path.suffix in (".cpp", ".h")]
    standard = {header for path in written for header in re.findall(r"#include *(<[\w.]+>)", path.read_text())}
    sources = [path for path in written if path.suffix == ".cpp"]
    lines = [
        *(f"#include {header}" for header in sorted(standard)),
        '#include "objects.h"',
        '#include "brianlib/common_math.h"',
        *(f'inline namespace {path.stem} {{\n#include "{path}"\n}}' for path in sources if path.parent == CODE_OBJECTS),
        *(f'#include "{path}"' for path in sources if path.parent != CODE_OBJECTS),
    ]
    return "\n".join(lines) + "\n"


def _cpp_function(code: str) -> b2.Function:
    """A function of one whole number that exists in C++ only."""
    function = b2.Function(lambda index: index, arg_units=[1], return_unit=1, arg_types=["integer"])
    function.implementations.add_implementation("cpp", code)
    return function


def _passed_on(function: Any = lambda value: value) -> b2.Function:
    """A function that returns what it gets, in any unit."""
    return b2.Function(function, arg_units=[None], return_unit=lambda unit: unit, stateless=False)


def _filled(code: str, values: dict[str, float | str]) -> str:
    for name, value in values.items():
        code = code.replace(f"%{name}%", str(value))
    return code


def main(task: str) -> None:
    """Do `task`; what Brian2 says against the model becomes the last line of the standard error."""
    model = json.loads(Path("model.json").read_text())
    try:
        write_program(model) if task == "write" else run_with_numpy(model)
    except (b2.BrianObjectException, b2.DimensionMismatchError, SyntaxError, KeyError, ValueError, TypeError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        print(" ".join(str(cause).split()), file=sys.stderr)
        sys.exit(UNUSABLE)


if __name__ == "__main__":
    main(sys.argv[1])
