"""What methods for calcium find in a real nervous system: C. elegans, against its connectome and against responses.

    python benchmarks/worm.py celegans/recording.npz

AUPRC against chemical synapses, gap junctions, both, and the responses to stimulation of single neurons that were
measured in other animals (Randi et al. 2023; significant at q < 0.05, of the pairs that were tested). Beside it two
nulls: neurons' labels dealt out anew, and connections exchanged so that every neuron keeps its numbers of inputs and
outputs. The last columns are what a method reports at a nominal 5% and how much of it is connected in either way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score

from synapsnet.io import read
from synapsnet.io.npy import load_npz
from synapsnet.io.truth import Truth
from validation.methods import METHODS, find_method

NAMES = (
    *("correlation", "lagged-correlation", "partial-correlation", "graphical-lasso", "cross-correlogram", "var"),
    *("lasso-var", "granger", "glm", "deconvolved-glm", "logistic-glm", "transfer-entropy", "sutera", "ensemble"),
    "synapsnet",
)
N_NULLS, SWAPS_PER_EDGE, SEED = 100, 10, 0
LEVEL = 0.05


class Known(NamedTuple):
    """Which pairs are connected, and of which this is known; (N, N) bool arrays, `[post, pre]`."""

    edges: np.ndarray
    pairs: np.ndarray

    def auprc(self, evidence: np.ndarray) -> float:
        """Of (N, N) sizes of evidence."""
        return float(average_precision_score(self.edges[self.pairs], evidence[self.pairs]))


def relabelled(known: Known, rng: np.random.Generator) -> Known:
    """The same of neurons in another order."""
    order = np.ix_(*[rng.permutation(len(known.edges))] * 2)
    return Known(known.edges[order], known.pairs[order])


def rewired(known: Known, rng: np.random.Generator) -> Known:
    """Pairs of connections have exchanged their targets: numbers of inputs and outputs stay (Maslov & Sneppen 2002)."""
    edges = known.edges & known.pairs
    able = known.pairs & ~edges
    posts, pres = np.nonzero(edges)
    for a, b in rng.integers(len(posts), size=(SWAPS_PER_EDGE * len(posts), 2)):
        new = [(posts[b], pres[a]), (posts[a], pres[b])]
        if able[new[0]] and able[new[1]]:
            old = [(posts[a], pres[a]), (posts[b], pres[b])]
            for pair in (*new, *old):
                edges[pair], able[pair] = pair in new, pair in old
            posts[a], posts[b] = posts[b], posts[a]
    return Known(edges, known.pairs)


NULLS: tuple[Callable[[Known, np.random.Generator], Known], ...] = (relabelled, rewired)


def truths(path: Path) -> dict[str, Known]:
    """What is known of the connections in a file, by what kind of connection it is."""
    arrays = load_npz(path)
    chemical, gap, response = (np.asarray(arrays[name]) for name in ("chemical", "gap", "response_q"))
    chemical, gap, different = chemical > 0, gap > 0, ~np.eye(len(gap), dtype=bool)
    tested = different & np.isfinite(response)
    return {
        "chemical": Known(chemical, different),
        "gap": Known(gap, different),
        "either": Known(chemical | gap, different),
        "responses": Known(tested & (np.nan_to_num(response, nan=1.0) < LEVEL), tested),
    }


def main(path: str, names: list[str]) -> None:
    """Print the table as Markdown."""
    known = truths(Path(path))
    rng = np.random.default_rng(SEED)
    nulls = {key: [[null(each, rng) for _ in range(N_NULLS)] for null in NULLS] for key, each in known.items()}
    recording = read(path, modality="calcium", truth=Truth(file=path, key="gap", orientation="post-pre"))
    print(
        "| AUPRC (95% of the nulls) | chemical | gap | either | responses | reported | connected |\n" + "|---" * 7 + "|"
    )
    chance = [f"{each.edges[each.pairs].mean():.3f}" for each in known.values()]
    print(f"| chance | {' | '.join(chance)} | | {known['either'].edges[known['either'].pairs].mean():.0%} |")
    for name in names:
        found = find_method(name)().infer(recording.without_ground_truth())
        evidence = np.abs(found.scores)
        cells = []
        for key, each in known.items():
            highs = [np.percentile([other.auprc(evidence) for other in drawn], 95) for drawn in nulls[key]]
            cells.append(f"{each.auprc(evidence):.3f} ({'; '.join(f'{high:.3f}' for high in highs)})")
        if found.standard_error is None and found.local_fdr is None and found.p_value is None:
            cells += ["–", "–"]
        else:
            reported = found.significant(LEVEL)
            true = np.count_nonzero(reported & known["either"].edges)
            cells += [f"{reported.sum():,}", f"{true / reported.sum():.0%}" if reported.any() else "–"]
        print(f"| {METHODS[name].label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or list(NAMES))
