"""A recording with known connections, and what SynapsNet recovered of them: a row in the table of examples."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score

from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.assessment.signature import RATES, signature
from validation.metrics.detection import settled


class Example(NamedTuple):
    """A recording with its ground truth, what was inferred from it, and how large the network was."""

    kind: str
    seed: int
    part: int
    recording: Recording
    inferred: Connectome
    n_simulated: int


def outcomes(example: Example) -> dict[str, float]:
    """What was recovered; NaN where it is not defined."""
    truth, found = example.recording.connectome, example.inferred
    assert truth is not None
    pairs = truth.pairs
    edge, size = truth.adjacency[pairs], np.abs(settled(found.scores))[pairs]
    said, true = np.sign(found.weight[pairs])[edge], np.sign(truth.weight[pairs])[edge]
    none = not edge.any()
    return {
        "auprc": math.nan if none else float(average_precision_score(edge, size)),
        "density": float(edge.mean()),
        "sign_accuracy": math.nan if none else float(np.mean(said == true)),
        "strength_mv": math.nan if none else float(np.abs(truth.weight[pairs][edge]).mean()),
        "hidden": 1 - example.recording.n_neurons / example.n_simulated,
        **{f"false {rate:g}": false_share(found.q_values[pairs] <= rate, edge) for rate in RATES},
    }


def false_share(reported: np.ndarray, edge: np.ndarray) -> float:
    """Share of the reported pairs that are not connected; NaN if none is reported."""
    return float((~edge[reported]).mean()) if reported.any() else math.nan


def row_of(example: Example) -> dict[str, Any]:
    """The example as the table has it."""
    seen = example.recording
    about = {"kind": example.kind, "seed": example.seed, "part": example.part, "duration_s": seen.n_steps * seen.dt_s}
    return about | signature(example.recording, example.inferred) | outcomes(example)
