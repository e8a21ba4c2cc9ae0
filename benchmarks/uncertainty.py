"""Are SynapsNet's errors and error rates what it says they are: docs/uncertainty.md.

    python benchmarks/uncertainty.py > docs/uncertainty.md

Standard errors against a bootstrap over blocks of time, and false discoveries where the truth is known to be empty or
nearly so. Seeds 100 and up, on which nothing was chosen; 100 neurons.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import numpy as np

from simulators import observe_calcium, observe_spikes, simulate
from simulators.networks import LifRandom
from synapsnet.connectome import Connectome
from synapsnet.estimator import SynapsNet
from synapsnet.recording import Recording
from validation.activity.surrogates import circular_shift, jitter

N_NEURONS, DURATION_S, FIRST_SEED = 100, 600.0, 100
BLOCK_S, N_RESAMPLES = 10.0, 20
JITTER_S, SHIFT_S = 0.1, 10.0
FDR = 0.05
OBSERVE: dict[str, Callable[..., Recording]] = {"spikes": observe_spikes, "calcium": observe_calcium}
HEAD = """# Are the errors as large as they are said to be?

SynapsNet on `lif-random`, 100 neurons, 10 minutes, seeds from 100 on; written by `python benchmarks/uncertainty.py`.

"""


def recordings(probability: float, modality: str, seeds: range) -> Iterator[tuple[int, Recording]]:
    """The network at this connection probability, seen by each seed."""
    for seed in seeds:
        network = LifRandom(n_neurons=N_NEURONS, connection_probability=probability)
        simulation = simulate(network, duration_s=DURATION_S, seed=seed)
        yield seed, OBSERVE[modality](simulation, seed=seed)


def resampled(recording: Recording, rng: np.random.Generator) -> Recording:
    """Blocks of time drawn with replacement, one epoch each."""
    length = round(BLOCK_S / recording.dt_s)
    starts = rng.integers(0, recording.n_steps // length, recording.n_steps // length) * length
    values = np.concatenate([recording.values[start : start + length] for start in starts])
    return Recording.from_array(values, recording.dt_s, recording.modality, segments=[length] * len(starts))


def bootstrap_ratio(modality: str, seed: int) -> tuple[float, float]:
    """Spread of the estimates over resamples as a share of their standard error: median over pairs, and over edges."""
    _, recording = next(recordings(0.1, modality, range(seed, seed + 1)))
    truth, blind = recording.connectome, recording.without_ground_truth()
    assert truth is not None
    said = SynapsNet(seed=0, prior="none").infer(blind).standard_error
    rng = np.random.default_rng(seed)
    weights = [SynapsNet(seed=0, prior="none").infer(resampled(blind, rng)).weight for _ in range(N_RESAMPLES)]
    pairs = ~np.eye(recording.n_neurons, dtype=bool)
    assert said is not None
    ratio = np.std(weights, axis=0, ddof=1)[pairs] / said[pairs]
    return float(np.median(ratio)), float(np.median(ratio[truth.adjacency[pairs]]))


def discoveries(recording: Recording, truth: Connectome) -> tuple[int, int]:
    """How many connections are significant, and how many of these are none."""
    found = SynapsNet(seed=0).infer(recording.without_ground_truth()).significant(FDR)
    return int(found.sum()), int((found & ~truth.adjacency).sum())


def conditions(modality: str, seeds: range) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """What is looked at, and the discoveries of each seed."""
    for density in (0.1, 0.005, 0.0):
        found = []
        for _, recording in recordings(density, modality, seeds):
            assert recording.connectome is not None
            found.append(discoveries(recording, recording.connectome))
        yield f"{density:.1%} of the pairs connected" if density else "no connections", found
    empty = Connectome(np.zeros((100, 100)))
    nulls: dict[str, Callable[[Recording, np.random.Generator], Recording]] = {
        f"each neuron shifted in time by {SHIFT_S:g} s or more": lambda r, rng: circular_shift(r, SHIFT_S, rng)
    }
    if modality == "spikes":
        nulls[f"spikes jittered within {JITTER_S * 1e3:g} ms"] = lambda r, rng: jitter(r, JITTER_S, rng)
    for name, null in nulls.items():
        yield (
            name,
            [
                discoveries(null(recording, np.random.default_rng(seed)), empty)
                for seed, recording in recordings(0.1, modality, seeds)
            ],
        )


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(FIRST_SEED, FIRST_SEED + parser.parse_args().seeds)
    lines = [HEAD + "## Standard errors", ""]
    lines += [
        f"Spread of the estimates over {N_RESAMPLES} resamples of blocks of {BLOCK_S:g} s, as a share of their",
        "",
    ]
    lines[-2] += " standard error (median over pairs; 1 is right)."
    lines += ["| | all pairs | connected pairs |", "|---|---|---|"]
    for modality in OBSERVE:
        every, connected = bootstrap_ratio(modality, FIRST_SEED)
        lines.append(f"| {modality} | {every:.2f} | {connected:.2f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    lines += ["", f"## False discoveries at a nominal rate of {FDR:.0%}", ""]
    lines += [
        f"Over {len(seeds)} seeds: connections reported per network, the fraction of them that is false over all seeds,"
    ]
    lines += ["and in how many networks any is false.", ""]
    lines += ["| | | reported | false | networks with a false one |", "|---|---|---|---|---|"]
    for modality in OBSERVE:
        for name, found in conditions(modality, seeds):
            total, false = np.sum(found, axis=0)
            share = f"{false / total:.1%}" if total else "–"
            any_false = sum(wrong > 0 for _, wrong in found)
            lines.append(f"| {modality} | {name} | {total / len(seeds):.1f} | {share} | {any_false} of {len(seeds)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
