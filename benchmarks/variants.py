"""What each variant of the model is worth: the numbers that its defaults were decided by.

    python benchmarks/variants.py                              all variants, seeds 1 to 3, spikes and calcium
    python benchmarks/variants.py --variants default dale      some of them
    python benchmarks/variants.py --modalities calcium --seeds 1

Balanced networks of 50 neurons ("lif-random"), recorded for 300 s, on development seeds; one thread. A line is a mean
over the seeds: the best validation loss of the forecasting model in nats per step and neuron (of different
likelihoods only those of 0/1 spikes are comparable), the AUPRC of the connectivity that is reported and that of the
size of the trained `W`, and the seconds of a whole fit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from simulators import observe_calcium, observe_spikes, simulate
from simulators.networks import LifRandom
from synapsnet.deconvolution import deconvolve
from synapsnet.estimator import SynapsNet
from synapsnet.recording import Recording

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "none": {"connectivity": "none"},
    "low-rank": {"connectivity": "low-rank"},
    "low-rank-32": {"connectivity": "low-rank", "n_embedding": 32},
    "dale": {"connectivity": "dale"},
    "no-sparsity": {"sparsity": 0.0},
    "gru": {"decoder": "gru"},
    "poisson": {"likelihood": "poisson"},
    "negative-binomial": {"likelihood": "negative-binomial"},
    "gaussian-deconvolved": {"likelihood": "gaussian"},
}
ONLY = {  # what is for one kind of recording
    "spikes": {"poisson", "negative-binomial"},
    "deconvolved": {"gaussian-deconvolved"},
}
MODALITIES = ("spikes", "calcium", "deconvolved")


def recordings(modality: str, seeds: list[int]) -> Iterator[Recording]:
    """One of each seed's network; "deconvolved" is calcium of which only the deconvolved activity is given."""
    for seed in seeds:
        simulation = simulate(LifRandom(n_neurons=50), duration_s=300.0, seed=seed)
        if modality == "spikes":
            yield observe_spikes(simulation, seed=seed)
            continue
        calcium = observe_calcium(simulation, seed=seed)
        if modality == "calcium":
            yield calcium
        else:
            deconvolved = Recording.from_array(
                deconvolve(calcium), calcium.dt_s, "calcium", neurons=calcium.neurons, deconvolved=True
            )
            yield replace(deconvolved, connectome=calcium.connectome)


def belongs(variant: str, modality: str) -> bool:
    """Is the variant for this kind of recording."""
    own = ONLY.get(modality, set())
    if modality == "deconvolved":
        return variant in own
    return not any(variant in others for others in ONLY.values()) or variant in own


def measure(variant: str, recording: Recording) -> tuple[float, float, float, float]:
    """Validation loss, AUPRC of what is reported and of the trained weights, seconds."""
    started = time.perf_counter()
    model = SynapsNet(seed=0, device="cpu", **VARIANTS[variant]).fit(recording.without_ground_truth())
    seconds = time.perf_counter() - started
    assert recording.connectome is not None
    pairs = ~np.eye(recording.n_neurons, dtype=bool)
    true = recording.connectome.adjacency[pairs]
    trained = model.weight_
    found = [model.connectivity_.scores, model.connectivity_.weight * 0 if trained is None else trained]
    reported, by_weight = (float(average_precision_score(true, np.abs(matrix)[pairs])) for matrix in found)
    return min(model.history_["forecast"].validation), reported, by_weight, seconds


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--modalities", nargs="+", choices=MODALITIES, default=list(MODALITIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("recording    variant                 loss     AUPRC  of trained W  seconds")
    for modality in options.modalities:
        data = list(recordings(modality, options.seeds))
        for variant in options.variants:
            if belongs(variant, modality):
                loss, auprc, by_weight, seconds = np.mean([measure(variant, one) for one in data], axis=0)
                print(
                    f"{modality:12s} {variant:20s} {loss:8.5f}  {auprc:8.3f}  {by_weight:12.3f}  {seconds:7.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
