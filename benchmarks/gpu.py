"""SynapsNet on a CUDA device: what the CPU makes of it, and how fast, beside what the card could do at most.

    make gpu                                  all of it, in less than 8 minutes; PYTHON names a Python that has PyTorch
    python benchmarks/gpu.py --device cpu --sizes 100    the same measurements where there is no CUDA device

The suite's CUDA part comes first (tests/test_cuda.py), then training, evidence and posterior of 100, 1,000 and 10,000
neurons on the device, then on the CPU. Each is a process of its own with a budget of time, and what is known so far is
written after each of them, into reports/results/gpu.json and docs/gpu.md. Activity is drawn with a seed: no recording
and no compiler is needed, and of other packages only what `import synapsnet.estimator` needs, and pytest.

The bound counts the operations that a stage cannot do without, and the bytes of its matrices, each read or written
once, and divides them by the rates at which the same card multiplies large matrices and copies memory:

    training    6 N^2 operations a frame (the current, and back to what is sent and to W), M H N + ... of the decoder;
                of Adam's update 28 N^2 bytes
    evidence    9 products of 2 N^2 a frame; in float64, three inverses and two products of matrices
    posterior   an iteration: 4 N^3 operations, and 80 bytes for each pair
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "reports" / "results" / "gpu.json", ROOT / "docs" / "gpu.md"
BUDGET_S = 440.0  # of everything
TESTS_S, RATES_S, SIZE_S = 200.0, 60.0, 90.0  # of each part, at most
SIZES = (100, 1_000, 10_000)
FRAMES, DT_S = 36_000, 1 / 30  # 20 minutes
BATCH, HISTORY, LAGS, HIDDEN = 256, 4, 4, 16  # of the model that infers connections from calcium
TARGETS = 30  # of each neuron, in the evidence that is drawn for the posterior

Row = dict[str, Any]


# What a process measures, and prints line by line.


def rates(device: torch.device) -> Iterator[Row]:
    """Operations a second of large products, and bytes a second of a copy, read and written: the best of three."""
    yield {"name": _name(device), "torch": torch.__version__, "threads": torch.get_num_threads()}
    on_gpu = device.type == "cuda"
    many = torch.randn(2**28 if on_gpu else 2**25, device=device)
    yield {"bytes": 8.0 * many.numel() / _best(many.clone, device)}
    for dtype in (torch.float32, torch.float64, torch.bfloat16)[: 3 if on_gpu else 2]:
        size = 8192 if on_gpu else 1024
        left, right = torch.randn(2, size, size, device=device).to(dtype)
        rate = 2.0 * size**3 / _best(partial(torch.matmul, left, right), device)
        yield {str(dtype).removeprefix("torch."): rate}


def stages(n: int, device: torch.device) -> Iterator[Row]:
    """Seconds and memory of a pass of training, of the evidence, and of the posterior for N neurons."""
    from synapsnet.devices import launch
    from synapsnet.fitted import FittedModel, Material
    from synapsnet.inference.evidence import gather_evidence
    from synapsnet.recording import Recording
    from synapsnet.settings import Settings
    from synapsnet.training import Schedule, Task, train

    fabric, settings = launch(device.type), Settings(seed=0, epochs=1)
    values = np.random.default_rng(0).standard_normal((FRAMES, n), np.float32)
    recording = Recording.from_array(values, DT_S, "calcium")
    fitted, task = FittedModel._prepare(Material(recording, values, "gaussian", LAGS, HISTORY), settings, device)
    schedule = Schedule(1, 1, BATCH, settings.learning_rate)
    short = [(0, 4 * BATCH)]
    train([Task(fitted.model, task.values, task.behaviour, short, short)], schedule, seed=0, fabric=fabric)  # warm-up
    with measured(device) as row:
        train([task], schedule, seed=0, fabric=fabric)
    yield {"training": row}
    todo = task.batches(BATCH)
    with measured(device) as row:
        gather_evidence(fitted.model, task.values, task.behaviour, todo, fabric)
    yield {"evidence": row}
    del fitted, task
    yield {"posterior": posterior_of(n, device)}


def posterior_of(n: int, device: torch.device) -> Row:
    """On evidence that is drawn: each neuron sends to `TARGETS` others, three quarters of them excite."""
    from synapsnet.inference import posterior as module
    from synapsnet.inference.evidence import Evidence

    generator = torch.Generator(device).manual_seed(0)
    error = FRAMES**-0.5
    estimate, within = error * torch.randn(2, n, n, generator=generator, device=device)
    post = torch.randint(n, (TARGETS, n), generator=generator, device=device)
    sign = torch.where(torch.arange(n, device=device) < 0.75 * n, 1.0, -1.5)
    weight = torch.zeros(n, n, device=device).scatter_(0, post, (5 * error * sign).expand(TARGETS, n))
    estimate += weight
    within = ((within + within.T) / 2**0.5 + 0.8 * (weight + weight.T)).fill_diagonal_(0)
    estimate.fill_diagonal_(0)
    one = torch.ones(n, n, device=device)
    seen = Evidence(
        estimate, error * one, within, one, FRAMES, flank_estimate=0 * one, flank_error=one, skewness=0 * one
    )
    iterations = 0
    update = module._Fit.update

    def counted(fit: Any) -> None:
        nonlocal iterations
        iterations += 1
        update(fit)

    module._Fit.update = counted  # type: ignore[assignment, method-assign]
    with measured(device) as row:
        module.posterior(seen)
    return {**row, "iterations": iterations}


@contextmanager
def measured(device: torch.device) -> Iterator[Row]:
    """Seconds of what is done in the block, and the most memory that the device, or the process, had taken."""
    row: Row = {}
    _wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    yield row
    _wait(device)
    row["seconds"] = time.perf_counter() - started
    on_gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row["gib"] = peak / 2**30


def _best(action: Callable[[], object], device: torch.device) -> float:
    action()
    times = []
    for _ in range(3):
        _wait(device)
        started = time.perf_counter()
        action()
        _wait(device)
        times.append(time.perf_counter() - started)
    return min(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {os.cpu_count()} cores"


# What the one process does that starts the others.


def bounds(n: int, rate: Row) -> dict[str, float]:
    """Least seconds of a pass of training, of the evidence, and of an iteration of the posterior, see the module."""
    trained = 0.9 * FRAMES
    decoder = 4 * n * HISTORY * HIDDEN + 6 * n * HIDDEN + 4 * n * LAGS
    products, inverses, copies = (rate.get(name, np.nan) for name in ("float32", "float64", "bytes"))
    return {
        "training": trained * (6.0 * n**2 + decoder) / products + trained / BATCH * 28 * n**2 / copies,
        "evidence": trained * 18.0 * n**2 / products + 10.0 * n**3 / inverses,
        "posterior": max(4.0 * n**3 / products, 80.0 * n**2 / copies),
    }


def run_tests(budget_s: float) -> Row:
    """The suite's CUDA part; of each test how it ended."""
    log = RESULTS.with_name("gpu-tests.xml")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        f"--junitxml={log}",
        "--durations=8",
    ]
    output, _ = _run([*command, "-v", "--tb=short", str(ROOT / "tests" / "test_cuda.py")], budget_s)
    print(output[-6000:], flush=True)
    ended = {}
    if log.exists():
        for case in ET.parse(log).iter("testcase"):
            outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
            what = "passed" if outcome is None else f"{outcome.tag}: {(outcome.get('message') or '')[:300]}"
            ended[case.get("name", "")] = what
        log.unlink()
    return {"tests": ended, "tests_log": "" if ended else output[-3000:]}


def measure(options: list[str], budget_s: float) -> Row:
    """What a process of its own prints that measures, as far as it came within its budget."""
    output, problem = _run([sys.executable, __file__, *options], budget_s)
    row: Row = {}
    for line in output.splitlines():
        if line.startswith("{"):
            row |= json.loads(line)
    return row | ({"problem": problem or output[-1500:]} if problem is not None else {})


def _run(command: list[str], budget_s: float) -> tuple[str, str | None]:
    """What a process writes; what ended it, if it was not finished."""
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=max(budget_s, 1),
        )
        problem = None if done.returncode == 0 else ""
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        problem = f"over {budget_s:.0f} s"
    print(f"{time.perf_counter() - started:6.1f} s  {' '.join(command[1:])}  {problem or ''}", flush=True)
    return output, problem


def page(report: Row) -> str:
    """docs/gpu.md."""
    lines = ["# On a GPU", "", INTRODUCTION, ""]
    if "rates" not in report:
        return "\n".join([*lines, "It has not been run on a device yet.", ""])
    rate, tests = report["rates"], report.get("tests", {})
    tera = {name: rate.get(name, np.nan) / 1e12 for name in ("float32", "float64", "bfloat16", "bytes")}
    lines += [
        f"Measured on {rate.get('name')} with PyTorch {rate.get('torch')}. Products: {tera['float32']:.3g} TFLOP/s in",
        f"float32, {tera['float64']:.3g} in float64, {tera['bfloat16']:.3g} in bfloat16. Copies: "
        f"{tera['bytes']:.3g} TB/s.",
        f"The other device: {report.get('cpu_name')}.",
        "",
    ]
    passed = sum(end == "passed" for end in tests.values())
    lines += [f"Of {len(tests)} tests {passed} passed{':' if passed < len(tests) else '.'}", ""]
    lines += [f"- `{name}` {end.splitlines()[0]}" for name, end in tests.items() if end != "passed"]
    lines += ["", "| neurons | stage | s | bound, s | times the bound | GiB | CPU, s | times as fast |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for n, row in report["device"].items():
        for stage, least in bounds(int(n), rate).items():
            lines.append(
                "| " + " | ".join([f"{int(n):,}", stage, *_cells(stage, row, report["cpu"].get(n, {}), least)]) + " |"
            )
    return "\n".join([*lines, "", AFTERWORD, ""])


def _cells(stage: str, ours: Row, theirs: Row, least: float) -> list[str]:
    """Cells of a line of the table: seconds, bound, how far from it, memory, the CPU's seconds, how much faster."""
    here, there = ours.get(stage), theirs.get(stage)
    slow = f"{there['seconds']:.3g}" if there else _why_not(theirs)
    if here is None:
        return [_why_not(ours), "", "", "", slow, ""]
    least *= here.get("iterations", 1)
    seconds = here["seconds"]
    faster = f"{there['seconds'] / seconds:.1f}" if there else ""
    return [f"{seconds:.3g}", f"{least:.2g}", f"{seconds / least:.1f}", f"{here['gib']:.2f}", slow, faster]


def _why_not(row: Row) -> str:
    """Why there is no number: the last line of what was written."""
    return (row.get("problem") or "not measured").strip().splitlines()[-1][-80:].replace("|", "/")


INTRODUCTION = """\
`--device cuda` (the default where there is one) trains, infers and forecasts on a GPU: training, evidence, calibration,
posterior and the readouts of forecasts. Deconvolution and delays, which grow with the neurons and the connections only,
stay on the CPU. Sums are in an order that does not change, so a fit with the same seed on the same device is the same
to the bit, and one that was interrupted resumes to it; between devices results differ by rounding. What needs more
memory than the device has ends in one sentence.

`make gpu` (`benchmarks/gpu.py`) tests and measures this, in less than 8 minutes, and writes this page. It needs PyTorch
built for CUDA and what `import synapsnet.estimator` needs, and pytest; neither a compiler nor a simulator."""
AFTERWORD = """\
Training is one pass over 20 minutes at 30 Hz (36,000 frames, of which nine tenths are trained on), evidence is from the
same frames, the posterior from evidence that is drawn, in which each neuron sends to 30 others. The bound counts what
each must do at the measured rates, see `benchmarks/gpu.py`; GiB is the most memory of the device that was taken."""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no CUDA device that PyTorch can use; run this where there is one, or with --device cpu.")
    if options.part:
        device = torch.device(options.device)
        for row in rates(device) if options.part == "rates" else stages(int(options.part), device):
            print(json.dumps(row), flush=True)
        return
    started = time.perf_counter()
    report: Row = {"date": time.strftime("%Y-%m-%d"), "device": {}, "cpu": {}}

    def left(most: float) -> float:
        return min(most, BUDGET_S - (time.perf_counter() - started))

    def write(**more: Any) -> None:
        report.update(more)
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(report), encoding="utf-8")

    if options.device == "cuda":
        write(**run_tests(left(TESTS_S)))
    write(rates=measure(["--part", "rates", "--device", options.device], left(RATES_S)))
    for where, kind in (("device", options.device), ("cpu", "cpu")):
        for n in options.sizes if where != kind else ():
            report[where][str(n)] = measure(["--part", str(n), "--device", kind], left(SIZE_S))
            write(cpu_name=_name(torch.device("cpu")))
    print(page(report))


if __name__ == "__main__":
    main()
