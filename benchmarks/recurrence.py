"""What methods infer along a bump of activity where nobody is connected: the table in docs/simulators.md.

python benchmarks/recurrence.py --methods lagged-correlation glm synapsnet

Of the rings of the suite `strong-recurrence`, and as there. A method that gives no p-values or probabilities reports
nothing, and is left out.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from simulators.networks import RingAttractor
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.benchmark.case import make_method, observe
from validation.benchmark.suite import load_suite, network_of

SUITE, FDR = "strong-recurrence", 0.05


def bias(network: RingAttractor, recording: Recording, inferred: Connectome) -> dict[str, float]:
    """Shares of the reported pairs that are false, and of those in a bump and far apart that are said to excite.

    None of the pairs in a bump, or far apart, is connected.
    """
    assert recording.connectome is not None
    neurons = recording.neurons["id"].astype(int).to_numpy()
    distance = network.distance()[np.ix_(neurons, neurons)]
    reported = inferred.significant(FDR)
    excites = reported & (inferred.weight > 0)
    return {
        "false": float((reported & ~recording.connectome.adjacency).sum() / max(1, reported.sum())),
        "excitation in a bump": float(excites[(distance > 0) & (distance <= network.nearest)].mean()),
        "excitation far apart": float(excites[distance > network.farthest].mean()),
    }


def main() -> None:
    """Print the means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["lagged-correlation", "glm", "synapsnet"])
    options = parser.parse_args()
    rows = []
    for case in load_suite(SUITE).cases():
        network = network_of(case.network)
        if case.method not in options.methods or not isinstance(network, RingAttractor):
            continue
        recording = observe(case)
        assert recording.connectome is not None
        inferred = make_method(case.method, case.seed, recording.connectome).infer(recording.without_ground_truth())
        if inferred.standard_error is None and inferred.local_fdr is None and inferred.p_value is None:
            continue
        rows.append({"network": case.network_label, "method": case.method, **bias(network, recording, inferred)})
    print(pd.DataFrame(rows).groupby(["method", "network"], sort=False).mean().round(2).to_string())


if __name__ == "__main__":
    main()
