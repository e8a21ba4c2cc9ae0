"""The simulator beside NEST and OpenMP threads of Brian2, on one large network in one run, for docs/simulators.md.

    python -m venv nest && nest/bin/pip install nest-simulator
    python benchmarks/nest.py --nest nest/bin/python [--neurons 10000] [--seconds 5]

The network is `brunel`, model A of Brunel 2000, asynchronous and irregular: leaky neurons with exponential decay of the
potential, delta synapses and external Poisson input, in steps of 0.1 ms, which NEST has as `iaf_psc_delta`. Each
simulator runs in a process of its own, with 1 and 2 threads where it has threads; rates show that it is one network.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable

import numpy as np
from simulation import in_process, printed

from simulators import simulate
from simulators.networks import Brunel

IN_NEST = """
import json, resource, sys, time
import nest
p = json.loads(sys.argv[1])
nest.set_verbosity("M_ERROR")
nest.set(resolution=p["dt_ms"], local_num_threads=p["threads"], rng_seed=p["seed"])
started = time.perf_counter()
neuron = {"tau_m": p["tau_ms"], "V_th": p["threshold_mv"], "E_L": 0.0, "V_reset": p["reset_mv"], "V_m": 0.0,
          "t_ref": p["refractory_ms"], "C_m": 1.0}
parts = [nest.Create("iaf_psc_delta", n, neuron) for n in p["sizes"]]
everyone = parts[0] + parts[1]
outside, recorder = nest.Create("poisson_generator", params={"rate": p["external_hz"]}), nest.Create("spike_recorder")
nest.Connect(outside, everyone, syn_spec={"weight": p["epsp_mv"], "delay": p["delay_ms"]})
for part, degree, weight in zip(parts, p["in_degrees"], (p["epsp_mv"], -p["g"] * p["epsp_mv"])):
    rule = {"rule": "fixed_indegree", "indegree": degree, "allow_autapses": False, "allow_multapses": False}
    nest.Connect(part, everyone, rule, {"weight": weight, "delay": p["delay_ms"]})
nest.Connect(everyone, recorder)
nest.Prepare()
start = time.perf_counter() - started
started = time.perf_counter()
nest.Run(1000 * p["seconds"])
seconds = time.perf_counter() - started
print(json.dumps({"start_s": start, "seconds": seconds, "rate_hz": recorder.n_events / sum(p["sizes"]) / p["seconds"],
                  "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def measure_ours(n_neurons: int, duration_s: float, seed: int) -> dict[str, float]:
    """A seed that was not simulated before, with a warm build cache, up to the spike trains."""
    started = time.perf_counter()
    simulate(Brunel(n_neurons=n_neurons), duration_s=1e-4, seed=seed)
    start_s = time.perf_counter() - started
    started = time.perf_counter()
    simulation = simulate(Brunel(n_neurons=n_neurons), duration_s=duration_s, seed=seed + 1)
    n_spikes = sum(len(simulation.spike_times[k]) for k in range(n_neurons))
    return {
        "start_s": start_s,
        "seconds": time.perf_counter() - started - start_s,
        "rate_hz": n_spikes / n_neurons / duration_s,
    }


def measure_brian2(n_neurons: int, duration_s: float, seed: int, threads: int) -> dict[str, float]:
    """The same network in plain Brian2, C++; compiled and connected before the clock starts."""
    import brian2 as b2

    network = Brunel(n_neurons=n_neurons)
    folder = tempfile.mkdtemp()
    b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b2.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
    b2.seed(seed)
    edges = network.connect(np.random.default_rng(seed)).edges
    model = network.model()
    names = {name: value * getattr(b2, unit) for name, (value, unit) in model.constants.items()}
    neurons = b2.NeuronGroup(
        n_neurons, "dv/dt = -v/tau : volt (unless refractory)", threshold=model.threshold, reset=model.reset,
        refractory=network.refractory_ms * b2.ms, method="exact", namespace=names,
    )  # fmt: skip
    synapses = b2.Synapses(neurons, neurons, "w : volt", on_pre="v_post += w")
    synapses.connect(i=edges.pre, j=edges.post)
    synapses.w = network.synapse_values(edges)["w"] * b2.volt
    synapses.delay = network.delay_ms * b2.ms
    n_sources = network.in_degrees()[0]
    rate = external_hz(network) / n_sources * b2.Hz
    outside = b2.PoissonInput(neurons, "v", n_sources, rate, weight=network.epsp_mv() * b2.mV)
    monitor = b2.SpikeMonitor(neurons)
    simulated = b2.Network(neurons, synapses, outside, monitor)
    simulated.run(duration_s * b2.second)
    b2.device.build(directory=folder, run=False)
    started = time.perf_counter()
    b2.device.run(folder)
    return {
        "seconds": time.perf_counter() - started,
        "rate_hz": monitor.num_spikes / n_neurons / duration_s,
    }


def external_hz(network: Brunel) -> float:
    """Of all external spikes into a neuron: C_E nu_ext."""
    return network.external_ratio * network.threshold_mv / (network.epsp_mv() * network.tau_ms * 1e-3)


def measure_nest(python: str, n_neurons: int, duration_s: float, seed: int, threads: int) -> dict[str, float]:
    """The same network in NEST, of a Python that has it."""
    network = Brunel(n_neurons=n_neurons)
    excitatory = int((network.neurons()["cell_type"] == "excitatory").sum())
    parameters = network.model_dump(include={"g", "tau_ms", "threshold_mv", "reset_mv", "refractory_ms", "delay_ms"})
    parameters |= {
        "sizes": [excitatory, n_neurons - excitatory], "in_degrees": network.in_degrees(), "dt_ms": network.dt_ms,
        "epsp_mv": network.epsp_mv(), "external_hz": external_hz(network), "threads": threads, "seed": seed + 1,
        "seconds": duration_s,
    }  # fmt: skip
    return printed([python, "-c", IN_NEST, json.dumps(parameters)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nest", required=True, help="a Python that has nest-simulator")
    parser.add_argument("--neurons", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    size, seed = (options.neurons, options.seconds), int(time.time())  # the cache knows no seed of this run
    in_process(measure_ours, options.neurons, 1e-3, seed)  # compiles
    print(
        "| simulator | threads | start, s | a biological second, s | rate, Hz | peak, GiB |\n|---|---|---|---|---|---|"
    )
    runs: tuple[tuple[str, int, Callable[[], dict[str, float]]], ...] = (
        ("simulators.simulate", 1, lambda: in_process(measure_ours, *size, seed + 10)),
        ("plain Brian2, cpp_standalone", 1, lambda: in_process(measure_brian2, *size, seed, 1)),
        ("plain Brian2, cpp_standalone", 2, lambda: in_process(measure_brian2, *size, seed, 2)),
        ("NEST", 1, lambda: measure_nest(options.nest, *size, seed % 1_000_000, 1)),
        ("NEST", 2, lambda: measure_nest(options.nest, *size, seed % 1_000_000, 2)),
    )
    for name, threads, measured in runs:
        found = measured()
        start = f"{found['start_s']:.1f}" if "start_s" in found else "–"
        print(f"| {name} | {threads} | {start} | {found['seconds'] / options.seconds:.2f} | {found['rate_hz']:.1f} | "
              f"{found['peak_gib']:.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
