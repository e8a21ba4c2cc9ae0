"""Recovery of connectivity over several seeds: the table in the README.

    python benchmarks/recovery.py --seeds 100 101 102 103 104 --output recovery.json

A network of 100 neurons for 20 minutes per seed, seen as spikes (5 ms) and as calcium (30 Hz, noise level 1 and 4). All
methods see the same first 90%. Intervals are those of Student's t over seeds. A finished setting is kept in the output
file and not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from simulators import observe_calcium, observe_spikes, simulate
from synapsnet.estimator import SynapsNet
from synapsnet.files import write_text
from synapsnet.recording import Recording, Simulation
from synapsnet.splits import holdout
from validation.connectivity import score_connectivity
from validation.methods import INFERENCE

OBSERVATIONS: dict[str, Callable[[Simulation, int], Recording]] = {
    "spikes": lambda simulation, seed: observe_spikes(simulation, seed=seed),
    "calcium, noise 1": lambda simulation, seed: observe_calcium(simulation, noise_level=1.0, seed=seed),
    "calcium, noise 4": lambda simulation, seed: observe_calcium(simulation, noise_level=4.0, seed=seed),
}
METHODS = ("synapsnet", "lagged-correlation", "var", "glm")
METRICS = ("auprc", "auroc", "weight_correlation", "sign_accuracy")


def measure(setting: str, seed: int) -> dict[str, dict[str, float]]:
    """Scores and seconds of all methods by method and metric."""
    recording = OBSERVATIONS[setting](simulate("lif-random", duration_s=1200.0, seed=seed), seed)
    training, _ = holdout(recording, 0.1, gap=200)
    truth = recording.connectome
    assert truth is not None
    hidden = training.without_ground_truth()
    measured = {}
    for name in METHODS:
        started = time.perf_counter()
        if name == "synapsnet":
            inferred = SynapsNet(seed=seed).fit(hidden).connectivity_
        else:
            inferred = INFERENCE[name]().infer(hidden)
        seconds = time.perf_counter() - started
        scores = score_connectivity(name, truth, inferred, n_resamples=2)
        measured[name] = {"seconds": seconds} | {metric: getattr(scores, metric).value for metric in METRICS}
    return measured


def interval(values: list[float]) -> str:
    """Mean and 95% interval over seeds."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:.3f} ± {half:.3f}"


def main() -> None:
    """Measure what is missing, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103, 104])
    parser.add_argument("--output", type=Path, default=Path("recovery.json"))
    options = parser.parse_args()
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    for seed in options.seeds:
        for setting in OBSERVATIONS:
            key = f"{setting}/{seed}"
            if key not in results:
                results[key] = measure(setting, seed)
                write_text(options.output, json.dumps(results, indent=1))
                print(key, {name: round(s["auprc"], 3) for name, s in results[key].items()}, flush=True)
    print("| data | method | AUPRC | AUROC | weight r | sign accuracy | seconds |\n|---|---|---|---|---|---|---|")
    for setting in OBSERVATIONS:
        for name in METHODS:
            runs = [results[f"{setting}/{seed}"][name] for seed in options.seeds]
            cells = [interval([run[metric] for run in runs]) for metric in METRICS]
            print(f"| {setting} | {name} | {' | '.join(cells)} | {np.mean([run['seconds'] for run in runs]):.0f} |")


if __name__ == "__main__":
    main()
