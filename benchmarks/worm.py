"""What methods for calcium find in a real nervous system: C. elegans against its connectome, with nulls.

    python benchmarks/worm.py celegans/recording.npz > docs/worm-table.md

AUPRC against chemical synapses, gap junctions and both, beside two nulls: the same connectome with its neurons' labels
dealt out anew, and with its connections exchanged so that every neuron keeps its numbers of inputs and outputs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score

from synapsnet.io import read
from synapsnet.io.truth import Truth
from validation.methods import METHODS, find_method

NAMES = (
    "correlation",
    "lagged-correlation",
    "partial-correlation",
    "var",
    "granger",
    "sutera",
    "ensemble",
    "synapsnet",
)
N_NULLS, SWAPS_PER_EDGE, SEED = 200, 10, 0


def relabelled(edges: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same connectome of neurons in another order."""
    order = rng.permutation(len(edges))
    return edges[np.ix_(order, order)]


def rewired(edges: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pairs of connections have exchanged their targets: numbers of inputs and outputs stay (Maslov & Sneppen 2002)."""
    result = edges.copy()
    posts, pres = np.nonzero(result)
    for _ in range(SWAPS_PER_EDGE * len(posts)):
        a, b = rng.integers(len(posts), size=2)
        if (
            posts[a] in (pres[b], posts[b])
            or posts[b] == pres[a]
            or result[posts[b], pres[a]]
            or result[posts[a], pres[b]]
        ):
            continue
        result[posts[a], pres[a]] = result[posts[b], pres[b]] = False
        result[posts[b], pres[a]] = result[posts[a], pres[b]] = True
        posts[a], posts[b] = posts[b], posts[a]
    return result


def main(path: str) -> None:
    """Print the table as Markdown."""
    truths = {
        key: read(path, modality="calcium", truth=Truth(file=path, key=key, orientation="post-pre"))
        for key in ("chemical", "gap")
    }
    connected = {key: recording.connectome.adjacency for key, recording in truths.items() if recording.connectome}
    connected["either"] = connected["chemical"] | connected["gap"]
    pairs = ~np.eye(len(connected["gap"]), dtype=bool)
    nulls: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
        "labels dealt out anew": relabelled, "rewired": rewired,
    }  # fmt: skip
    rng = np.random.default_rng(SEED)
    drawn = {(key, null): [make(edges, rng) for _ in range(N_NULLS if null.startswith("labels") else N_NULLS // 10)]
             for key, edges in connected.items() for null, make in nulls.items()}  # fmt: skip
    print("| AUPRC (95% of the null: labels dealt out anew; rewired) | chemical | gap | either |\n|---|---|---|---|")
    print("| chance | " + " | ".join(f"{edges[pairs].mean():.3f}" for edges in connected.values()) + " |")
    for name in sys.argv[2:] or NAMES:
        size = np.abs(find_method(name)().infer(truths["gap"].without_ground_truth()).scores)[pairs]
        cells = []
        for key, edges in connected.items():
            own = average_precision_score(edges[pairs], size)
            highs = [
                np.percentile([average_precision_score(each[pairs], size) for each in drawn[key, null]], 95)
                for null in nulls
            ]
            cells.append(f"{own:.3f} ({'; '.join(f'{high:.3f}' for high in highs)})")
        print(f"| {METHODS[name].label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
