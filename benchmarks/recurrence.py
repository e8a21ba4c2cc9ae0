"""What methods infer along a bump of activity where nobody is connected: the table in docs/simulators.md.

python benchmarks/recurrence.py --strengths 0.25 0.5 1 --methods lagged-correlation glm synapsnet
"""

from __future__ import annotations

import argparse

import numpy as np

from simulators import observe_spikes, simulate
from simulators.networks import RingAttractor
from validation import find_method, score_connectivity

SILENT_HZ = 0.1


def row(strength: float, method: str, seed: int, duration_s: float) -> str:
    """AUPRC, and the share of pairs in a bump and of pairs far apart, none connected, that are reported to excite."""
    network = RingAttractor(strength=strength)
    recording = observe_spikes(simulate(network, duration_s=duration_s, seed=seed), min_rate_hz=SILENT_HZ)
    assert recording.connectome is not None
    inferred = find_method(method)().infer(recording.without_ground_truth())
    scores = score_connectivity(method, recording.connectome, inferred, n_resamples=0)
    chosen = recording.neurons["id"].astype(int).to_numpy()
    distance = network.distance()[np.ix_(chosen, chosen)]
    within = (distance > 0) & (distance <= network.nearest)
    beyond = distance > network.farthest
    cells = [f"{strength:g}", method, f"{scores.auprc.value if hasattr(scores.auprc, 'value') else scores.auprc:.2f}"]
    if inferred.standard_error is None and inferred.local_fdr is None and inferred.p_value is None:
        return " | ".join([*cells, "-", "-", "-"])
    reported = inferred.significant(0.05)
    false = reported & ~recording.connectome.adjacency
    share = false.sum() / max(1, reported.sum())
    excites = reported & (inferred.weight > 0)
    return " | ".join([*cells, f"{share:.0%}", f"{excites[within].mean():.0%}", f"{excites[beyond].mean():.0%}"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.25, 0.5, 1.0])
    parser.add_argument("--methods", nargs="+", default=["lagged-correlation", "glm", "synapsnet"])
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--duration", type=float, default=300.0, help="seconds")
    options = parser.parse_args()
    print("strength | method | AUPRC | false of those reported | excitation in a bump | excitation far apart")
    print(" | ".join(["---"] * 6))
    for strength in options.strengths:
        for method in options.methods:
            print(row(strength, method, options.seed, options.duration), flush=True)


if __name__ == "__main__":
    main()
