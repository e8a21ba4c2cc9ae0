"""Speed of SynapsNet's training: beside GLMs, beside what its matrix products must take, and as neurons become more.

    python benchmarks/training.py                     the demo's spikes: SynapsNet and GLMs in turn, one thread each
    python benchmarks/training.py --scaling           100 to 3,000 neurons: time per bin, memory, exponents, two methods
    python benchmarks/training.py --scaling --sizes 10000 --training    training alone
    python benchmarks/training.py --posterior         100 to 3,000 neurons: time and memory of the posterior alone
    python benchmarks/training.py --device cuda       either of them on another device

The bound counts the floating-point operations of an update's products and divides them by the rate at which this
machine multiplies the same matrices when it does nothing else:

    current       h W^T            6 B N^2       forward, and backward to h and to W
    own past      past P           4 B N M H     forward, and backward to P; the data need no gradient
    readout       hidden r         6 B N H
    kernels       k past           4 B N L       forward, and backward to k

with B bins per update, N neurons, M bins of past, H hidden units, L lags.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

from simulators import observe_spikes, simulate
from simulators.networks import LifRandom
from synapsnet.devices import Device
from synapsnet.estimator import SynapsNet
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.posterior import posterior
from synapsnet.recording import Recording
from validation.methods import find_method, label

GLMS = ("logistic-glm", "glm", "nemos-glm")
SIZES = (100, 300, 1_000, 3_000)
BESIDE = ("var", "nemos-glm")  # methods beside SynapsNet as neurons become more
MOST_S = 600.0  # that one of them may take
BATCH, HIDDEN, HISTORY, LAGS = 512, 16, 10, 6  # of the demo
NEAR = 0.01  # of the fall of the validation loss, as is left when training counts as done
RATE = 0.03  # spikes per bin of the scaling runs
SCALED_BINS = 8 * BATCH
TARGETS, STEPS = 30, 20_000  # of each neuron of the posterior's runs, and of its recording


@dataclass(frozen=True)
class Training:
    """Seconds of a fit: until its validation loss was near its best, and in training, and with the posterior."""

    near: float
    trained: float
    whole: float
    updates: float


def operations(n_neurons: int, batch: int) -> float:
    """Floating-point operations of an update, see the module."""
    own = 4 * n_neurons * HISTORY * HIDDEN + 6 * n_neurons * HIDDEN + 4 * n_neurons * LAGS
    return batch * (6.0 * n_neurons**2 + own)


def product_seconds(n_neurons: int, batch: int, device: torch.device, repeats: int = 50) -> float:
    """Seconds that the operations of an update take at the rate of the same products alone."""
    wide = (torch.randn(batch, n_neurons, device=device), torch.randn(n_neurons, n_neurons, device=device))
    narrow = (torch.randn(batch * n_neurons, HISTORY, device=device), torch.randn(HISTORY, HIDDEN, device=device))
    seconds = [_seconds(left, right, repeats) for left, right in (wide, narrow)]
    flops = [2 * left.numel() * right.shape[1] for left, right in (wide, narrow)]
    of_weight = 6.0 * batch * n_neurons**2
    rest = operations(n_neurons, batch) - of_weight
    return of_weight * seconds[0] / flops[0] + rest * seconds[1] / flops[1]


def _seconds(left: torch.Tensor, right: torch.Tensor, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = _now(left.device)
        left @ right
        times.append(_now(left.device) - started)
    return float(np.median(times))


def _now(device: torch.device) -> float:
    """Seconds that this process has had of a CPU, which others may share; of the clock once a GPU is done."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def train(recording: Recording, device: Device) -> Training:
    """Fit SynapsNet and time its passes."""
    ends: dict[float, float] = {}
    started = time.perf_counter()

    def note(stage: str, fraction: float | None) -> None:
        if stage == "training" and fraction is not None:
            ends[fraction] = time.perf_counter() - started

    model = SynapsNet(seed=0, device=device).fit(recording, progress=note)
    whole = time.perf_counter() - started
    history = model.history_["forecast"]
    loss, passes = np.array(history.validation), len(history.train)
    done = [ends[min(ends, key=lambda f, k=k: abs(f - (k + 1) / passes))] for k in range(passes)]  # type: ignore[misc]
    best = loss.min()
    near = int(np.argmax(loss <= best + NEAR * abs(best)))
    trained_on = recording.n_steps * (1 - model.settings.validation_fraction)
    return Training(done[near], done[-1], whole, passes * trained_on / BATCH)


def beside_glms(device: Device, duration_s: float, glms: list[str]) -> None:
    """Print SynapsNet and the GLMs, fitted in turn."""
    recording = observe_spikes(simulate(LifRandom(n_neurons=100), duration_s=duration_s, seed=1), seed=1)
    recording = recording.without_ground_truth()
    fitted = train(recording, device)
    print(f"{recording.n_neurons} neurons, {recording.n_steps:,} bins; SynapsNet on {device}")
    print(f"  SynapsNet to within {NEAR:.0%} of its best validation loss   {fitted.near:7.1f} s")
    print(f"  SynapsNet, training                                  {fitted.trained:7.1f} s")
    print(f"  SynapsNet, with the posterior of the connections     {fitted.whole:7.1f} s")
    for name in glms:
        started = time.perf_counter()
        find_method(name)().infer(recording)
        seconds = time.perf_counter() - started
        print(f"  {label(name):52s} {seconds:7.1f} s   SynapsNet trains in {fitted.near / seconds:.2f} of it")
    bound = fitted.updates * product_seconds(recording.n_neurons, BATCH, torch.device(_torch(device)))
    share = fitted.trained / bound
    print(f"  its matrix products alone, {fitted.updates:,.0f} updates              {bound:7.1f} s   x {share:.1f}")


def _torch(device: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def drawn(n_neurons: int) -> Recording:
    """Independent spikes, the same for all methods."""
    values = np.random.default_rng(0).poisson(RATE, (SCALED_BINS, n_neurons)).clip(max=1).astype(np.float32)
    return Recording.from_array(values, 0.005, "spikes")


def measure_method(n_neurons: int, name: str) -> dict[str, float]:
    """Measured in a process of its own: seconds, and the most memory, of another method."""
    recording = drawn(n_neurons)
    started = time.process_time()
    find_method(name)().infer(recording)
    seconds = time.process_time() - started
    return {"seconds": seconds, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def measure_size(n_neurons: int, device: Device, training_only: bool) -> dict[str, float]:
    """Measured in a process of its own: time per bin in training; time, and the most memory, of a whole fit."""
    from synapsnet.model import Architecture, SynapsNetModel
    from synapsnet.model.connectivity import StandardErrors
    from synapsnet.training import Schedule, Task
    from synapsnet.training import train as train_model

    recording = drawn(n_neurons)
    whole = math.nan
    if not training_only:
        started = _now(torch.device(_torch(device)))
        SynapsNet(seed=0, epochs=1, device=device).fit(recording)
        whole = _now(torch.device(_torch(device))) - started
    torch.manual_seed(0)
    architecture = Architecture(
        "bernoulli",
        n_neurons,
        n_lags=LAGS,
        n_steps=HISTORY,
        n_embedding=8,
        n_hidden=HIDDEN,
        n_behaviour=0,
        sparsity=2.0,
    )  # fmt: skip
    rate = torch.full((n_neurons,), RATE)
    model = SynapsNetModel(architecture, StandardErrors(rate, rate, SCALED_BINS)).to(_torch(device))
    model.offset.fill_(math.log(RATE))
    data = torch.from_numpy(recording.values).to(_torch(device))
    cut = SCALED_BINS * 7 // 8
    moments: list[float] = []

    def progress(fraction: float) -> None:
        moments.append(_now(data.device))

    train_model(
        [Task(model, data, data[:, :0], [(0, cut)], [(cut, SCALED_BINS)])], Schedule(1, 1, BATCH, 0.001),
        seed=0, progress=progress,
    )  # fmt: skip
    update = float(np.median(np.diff(moments[:-1])))
    on_gpu = data.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    bound = product_seconds(n_neurons, BATCH, data.device, repeats=5)
    return {
        "us_per_bin": 1e6 * update / BATCH,
        "over_bound": update / bound,
        "whole_s": whole,
        "peak_gib": peak / 2**30,
    }


def measure_posterior(n_neurons: int) -> dict[str, float]:
    """Measured in a process of its own: seconds, and the most memory, of the posterior on evidence that was drawn."""
    rng = np.random.default_rng(0)
    error = STEPS**-0.5
    estimate, within = rng.normal(0, error, (2, n_neurons, n_neurons))
    for pre in range(n_neurons):
        sign = 1 if pre < 0.75 * n_neurons else -1.5
        weight = sign * rng.gamma(4, 1.25 * error, TARGETS)
        post = rng.integers(n_neurons, size=TARGETS)
        estimate[post, pre] += weight
        within[post, pre] += weight
    np.fill_diagonal(estimate, 0)
    within = (within + within.T) / 2**0.5
    np.fill_diagonal(within, 0)
    ones = torch.ones(n_neurons, n_neurons, dtype=torch.float64)
    evidence = Evidence(
        estimate=torch.from_numpy(estimate),
        standard_error=error * ones,
        zero_lag=torch.from_numpy(within),
        correlation_per_weight=ones,
        n_steps=STEPS,
        flank_estimate=ones,
        flank_error=ones,
        skewness=ones,
    )
    started = time.perf_counter()
    posterior(evidence)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def posterior_scaling(sizes: list[int]) -> None:
    """Print time and memory of the posterior for networks of growing size."""
    print("neurons   posterior, s   GiB")
    for n in sizes:
        row = _of_own_process(n, "--posterior")
        print(f"{n:7,d} {row['seconds']:14.1f} {row['peak_gib']:5.2f}", flush=True)


def _of_own_process(n_neurons: int, *options: str) -> dict[str, float]:
    """What a process prints that measures networks of a size, and nothing else before."""
    command = [sys.executable, __file__, "--size", str(n_neurons), *options]
    row: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return row


def scaling(device: str, sizes: list[int], training_only: bool) -> None:
    """Print time and memory for networks of growing size, of SynapsNet and of the methods in `BESIDE`."""
    others = [] if training_only else list(BESIDE)
    print("neurons  us per bin  x bound  fit of 20 s, s    GiB" + "".join(f"{name:>13}, s    GiB" for name in others))
    rows: list[dict[str, float]] = []
    taken: dict[str, list[float]] = {name: [] for name in others}
    for n in sizes:
        row = _of_own_process(n, "--device", device, *(["--training"] if training_only else []))
        rows.append(row)
        line = (
            f"{n:7,d} {row['us_per_bin']:11.1f} {row['over_bound']:8.1f} {row['whole_s']:15.1f} {row['peak_gib']:6.2f}"
        )
        for name in others:
            before = taken[name]
            # At least in proportion to the pairs: what would take too long is left out.
            if len(before) < len(rows) - 1 or (before and before[-1] * (n / sizes[len(rows) - 2]) ** 2 > MOST_S):
                line += f"{'–':>16} {'–':>6}"
                continue
            other = _of_own_process(n, "--method", name)
            before.append(other["seconds"])
            line += f"{other['seconds']:16.1f} {other['peak_gib']:6.2f}"
        print(line, flush=True)
    grows = {"SynapsNet, a bin of training": [row["us_per_bin"] for row in rows]}
    grows |= {"SynapsNet, a fit": [row["whole_s"] for row in rows]} | taken
    for what, times in grows.items():
        if len(times) < 2 or not np.isfinite(times).all():
            continue
        exponents = np.diff(np.log(times)) / np.diff(np.log(sizes[: len(times)]))
        print(f"{what} takes N to the power of " + ", ".join(f"{e:.2f}" for e in exponents))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--posterior", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", help=f"default {SIZES}")
    parser.add_argument("--duration", type=float, default=1200.0, help="of the demo's recording, in seconds")
    parser.add_argument("--glms", nargs="*", default=list(GLMS))
    parser.add_argument("--training", action="store_true", help="leave out evidence, posterior and other methods")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.size:
        if options.method:
            of_size = measure_method(options.size, options.method)
        elif options.posterior:
            of_size = measure_posterior(options.size)
        else:
            of_size = measure_size(options.size, options.device, options.training)
        print(json.dumps(of_size))
    elif options.posterior:
        posterior_scaling(options.sizes or list(SIZES))
    elif options.scaling:
        scaling(options.device, options.sizes or list(SIZES), options.training)
    else:
        beside_glms(options.device, options.duration, options.glms)


if __name__ == "__main__":
    main()
