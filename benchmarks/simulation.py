"""Speed and memory of the simulator, beside Brian2 used in the straightforward way: the table in docs/simulators.md.

    python benchmarks/simulation.py [--large]

One network (`lif-random`, N = 1,000 at 10% connectivity) is simulated with a warm build cache, by plain Brian2 code in
C++ (`cpp_standalone`, compiled before the clock starts) and by Brian2's Cython runtime (its code compiled by a first
run), in turn and in one run, each in a process of its own. `--large` adds N = 1,000 for 10 minutes and N = 10,000 for
1 minute, with their peak memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from simulators import Network, simulate
from simulators.networks import LifRandom
from synapsnet.recording import Simulation

N, DURATION_S, CYTHON_S, REPEATS = 1000, 20.0, 1.0, 5


def network(n_neurons: int) -> LifRandom:
    """Each neuron gets 10% of the others as input; weights fall with N, so that its total stays as in the demo."""
    return LifRandom(n_neurons=n_neurons, epsp_mv=0.7 * 100 / n_neurons, ipsp_mv=2.8 * 100 / n_neurons)


def synaptic_events(simulation: Simulation) -> int:
    """Spikes that arrived somewhere."""
    spikes = np.array([len(simulation.spike_times[k]) for k in range(simulation.n_neurons)])
    return int(spikes @ simulation.connectome.adjacency.sum(axis=0))


def measure_ours(n_neurons: int, duration_s: float, seed: int) -> dict[str, float]:
    """Wall time of a seed that was not simulated before, from the parameters to the spike trains."""
    started = time.perf_counter()
    simulation = simulate(network(n_neurons), duration_s=duration_s, seed=seed)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    simulate(network(n_neurons), duration_s=1e-4, seed=seed)
    return {
        "seconds": seconds,
        "start_s": time.perf_counter() - started,
        "events": synaptic_events(simulation),
        "rate_hz": sum(len(simulation.spike_times[k]) for k in range(n_neurons)) / n_neurons / duration_s,
    }


def measure_plain(n_neurons: int, duration_s: float, seed: int, target: str) -> dict[str, float]:
    """Wall time of the same network, written as one would in a script of one's own.

    Its clock starts when everything is compiled and connected.
    """
    import brian2 as b2

    drawn: Network = network(n_neurons)
    connectome = drawn.connect(np.random.default_rng(seed))
    edges = connectome.edges
    folder = tempfile.mkdtemp()
    if target == "cpp":
        b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
    else:
        b2.prefs.codegen.target = "cython"
    b2.seed(seed)
    model = drawn.model()
    namespace = {name: value * getattr(b2, unit) for name, (value, unit) in model.constants.items()}
    neurons = b2.NeuronGroup(
        n_neurons,
        model.equations,
        threshold=model.threshold,
        reset=model.reset,
        refractory=2 * b2.ms,
        method="euler",
        namespace=namespace | {"external": 0 * b2.volt},
    )
    synapses = b2.Synapses(neurons, neurons, "w : volt", on_pre="I_post += w")
    synapses.connect(i=edges.pre, j=edges.post)
    synapses.w = drawn.synapse_values(edges)["w"] * b2.volt
    synapses.delay = edges.delay_s * b2.second
    for name, value in drawn.neuron_values(np.random.default_rng(seed)).items():
        setattr(neurons, name, value * b2.volt)
    monitor = b2.SpikeMonitor(neurons)
    simulated = b2.Network(neurons, synapses, monitor)
    if target == "cpp":
        simulated.run(duration_s * b2.second)
        b2.device.build(directory=folder, run=False)
        started = time.perf_counter()
        b2.device.run(folder)
    else:
        simulated.run(0.01 * b2.second)
        started = time.perf_counter()
        simulated.run(duration_s * b2.second)
    return {"seconds": time.perf_counter() - started, "rate_hz": monitor.num_spikes / n_neurons / duration_s}


def in_process(measure: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Call a function of a benchmark in a new process; adds its and its children's peak memory."""
    code = (
        "import importlib, json, resource, sys; sys.path.insert(0, sys.argv[1]);"
        "result = getattr(importlib.import_module(sys.argv[2]), sys.argv[3])(*json.loads(sys.argv[4]));"
        "peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN));"
        "print(json.dumps(result | {'peak_gib': peak / 2**20}))"
    )
    file = Path(measure.__code__.co_filename).resolve()
    return printed([sys.executable, "-c", code, str(file.parent), file.stem, measure.__name__, json.dumps(arguments)])


def printed(command: list[str]) -> dict[str, float]:
    """The numbers that a command prints as JSON in its last line."""
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also the large networks (15 minutes)")
    options = parser.parse_args()
    first_seed = int(time.time())  # the cache knows no seed of this run
    in_process(measure_ours, N, 0.1, first_seed)  # compiles
    ours, plain = [], []
    for k in range(1, REPEATS + 1):
        ours.append(in_process(measure_ours, N, DURATION_S, first_seed + k))
        plain.append(in_process(measure_plain, N, DURATION_S, first_seed + k, "cpp"))
    cython = in_process(measure_plain, N, CYTHON_S, first_seed, "cython")
    events_per_bio_s = statistics.median(run["events"] for run in ours) / DURATION_S

    def row(name: str, seconds: float, duration_s: float) -> str:
        speed = duration_s / seconds
        return f"| {name} | {speed:.3g} | {speed * events_per_bio_s / 1e6:.3g} |"

    seconds_ours, seconds_plain = (statistics.median(run["seconds"] for run in runs) for runs in (ours, plain))
    print(f"N = {N}, {DURATION_S:g} s at {statistics.median(run['rate_hz'] for run in ours):.1f} Hz (plain code: "
          f"{statistics.median(run['rate_hz'] for run in plain):.1f} Hz), median of {REPEATS} seeds")  # fmt: skip
    print("| how | biological s per wall s | million synaptic events per wall s |\n|---|---|---|")
    print(row("simulators.simulate, a new seed, warm build cache", seconds_ours, DURATION_S))
    print(row("plain Brian2, cpp_standalone, without compiling and connecting", seconds_plain, DURATION_S))
    print(row("plain Brian2, Cython runtime", cython["seconds"], CYTHON_S))
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(ours, plain, strict=True)]
    print(
        f"\nTime over plain cpp_standalone: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})."
    )
    print(f"Start of a new seed: {statistics.median(run['start_s'] for run in ours):.2f} s.")
    for n_neurons, duration_s in ((1000, 600.0), (10_000, 60.0)) if options.large else ():
        in_process(measure_ours, n_neurons, 1e-3, first_seed)
        large = in_process(measure_ours, n_neurons, duration_s, first_seed)
        print(f"N = {n_neurons}, {duration_s:g} s: {large['seconds']:.0f} s, peak {large['peak_gib']:.1f} GiB, "
              f"{large['rate_hz']:.1f} Hz, {large['events'] / large['seconds'] / 1e6:.0f} M events/s")  # fmt: skip


if __name__ == "__main__":
    main()
