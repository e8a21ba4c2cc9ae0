"""Train `validation.methods.correlogram_network` on simulated networks; judge it on kinds that it was not trained on.

    python benchmarks/train_correlogram_network.py --write    # the weights that are shipped, and the table

The family is broad: two models of neurons, fast and slow synapses, delays of 1 to 20 ms, weak and strong connections,
uneven rates, up and down states, bursts, drift, rhythms, common input; a part may be hidden; a third have no
connections. It learns from the whole recording of each network, and from a piece of it: fewer neurons, a shorter time,
or bins of 5 ms. No recording of others, and none of the seeds on which this project reports, is among them. The table
leaves out one kind after the other, so it says what happens to activity that the network has never seen; beside it,
cross-correlograms and GLMs of correlograms on the same recordings.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from simulators import networks, observe_spikes, simulate, visible_part
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording, Simulation
from validation.methods import GLMCC, CrossCorrelogram, correlogram_network
from validation.methods.correlogram_network import (
    ABSENT,
    EXCITATORY,
    INHIBITORY,
    CorrelogramNetwork,
    Pairs,
    Reader,
    pairs_of,
)

WEIGHTS = Path(correlogram_network.__file__).with_suffix(".npz")
LIF, IZHIKEVICH = networks.LifRandom, networks.Izhikevich
BURSTS = {"n_groups": 2, "size_mv": 6.0, "pause_s": 5.0, "active_s": 0.4, "onset_s": 0.02}
KINDS: dict[str, tuple[type[networks.LifRandom | networks.Izhikevich], dict[str, Any]]] = {
    "asynchronous": (LIF, {}),
    "fast synapses": (LIF, {"tau_ms": 10.0, "tau_syn_ms": 1.0}),
    "Izhikevich": (IZHIKEVICH, {}),
    "uneven rates": (LIF, {"rates": {"median_hz": 1.5}}),
    "up and down": (LIF, {"states": {"up-down": {"size_mv": 4.0}}}),
    "bursts": (LIF, {"states": {"episodes": BURSTS}}),
    "drift": (LIF, {"states": {"drift": {"time_s": 30.0}}}),
    "rhythm": (LIF, {"states": {"gamma": {}}}),
    "common input": (LIF, {"states": {"common-input": {}}}),
}
PER_KIND, FIRST_SEED = 3, 10_000
N_NEURONS, DURATION_S, STEP_MS = 60, 600.0, 0.25  # one size, so that a program is compiled once
HIDDEN, PASSES, BATCH, RATE, DECAY = (32, 16), 30, 512, 2e-3, 1e-4
NOMINAL = 0.05
RIVALS = {"cross-correlogram": CrossCorrelogram, "GLM of correlograms": GLMCC}


class Network(NamedTuple):
    """What is learned from one network, and judged on it."""

    kind: str
    pairs: Pairs
    truth: Connectome
    piece: Pairs
    truth_of_piece: Connectome
    rivals: dict[str, Connectome]


def family(per_kind: int) -> Iterator[Network]:
    """Networks of every kind with parameters drawn at random; a third of them have no connections."""
    for k, kind in enumerate(KINDS):
        for j in range(per_kind):
            seed = FIRST_SEED + 1000 * k + j
            rng = np.random.default_rng(seed)
            yield learned(kind, drawn(kind, rng, seed, connected=j % 3 != 2), rng, seed)


def drawn(kind: str, rng: np.random.Generator, seed: int, *, connected: bool) -> Simulation:
    """One network, simulated, of which a part may be hidden."""
    model, settings = KINDS[kind]
    strength = float(np.exp(rng.uniform(np.log(0.3), np.log(2.0))))
    if model is LIF:
        settings = settings | {"drive_mv": float(rng.uniform(6.5, 9.0))}
    network = model(
        n_neurons=N_NEURONS,
        dt_ms=STEP_MS,
        connection_probability=float(rng.uniform(0.03, 0.2)) if connected else 0.0,
        epsp_mv=strength * (1 if model is LIF else 5),
        ipsp_mv=strength * (float(rng.uniform(1.5, 4)) if model is LIF else 5 * float(rng.uniform(1, 2.5))),
        weight_sigma=float(rng.uniform(0.2, 1.0)),
        shortest_delay_ms=float(rng.uniform(0.5, 2)),
        longest_delay_ms=float(np.exp(rng.uniform(np.log(2), np.log(20)))),
        **settings,
    )
    simulation = simulate(network, duration_s=DURATION_S, seed=seed)
    fraction = float(rng.choice([1.0, 1.0, 0.6, 0.3]))
    return simulation if fraction == 1 else visible_part(simulation, fraction=fraction, seed=seed)


def learned(kind: str, simulation: Simulation, rng: np.random.Generator, seed: int) -> Network:
    """Its recording and a piece of that, as the network sees them, and what others infer."""
    recording = observe_spikes(simulation, seed=seed)
    piece = piece_of(recording, rng)
    blind = recording.without_ground_truth()
    rivals = {name: rival().infer(blind) for name, rival in RIVALS.items()}
    assert recording.connectome is not None and piece.connectome is not None
    return Network(kind, pairs_of(blind), recording.connectome, pairs_of(piece), piece.connectome, rivals)


def piece_of(recording: Recording, rng: np.random.Generator) -> Recording:
    """Fewer neurons for a shorter time; of a third, spikes are known in bins alone."""
    n, fraction = (float(np.exp(rng.uniform(np.log(least), 0))) for least in (0.1, 0.1))
    chosen = rng.choice(recording.n_neurons, max(4, round(n * recording.n_neurons)), replace=False)
    piece = recording.select_neurons(np.sort(chosen)).select_rows([(0, round(fraction * recording.n_steps))])
    if rng.random() < 1 / 3:
        return Recording.from_array(
            piece.values, piece.dt_s, "spikes", connectome=piece.connectome, require_varying=False
        )
    return piece


def examples(pairs: Pairs, truth: Connectome) -> tuple[np.ndarray, np.ndarray]:
    """(P, F) features and (P,) classes of the informative pairs."""
    weight = truth.weight[pairs.informative]
    classes = np.where(weight > 0, EXCITATORY, np.where(weight < 0, INHIBITORY, ABSENT))
    return pairs.features[pairs.informative], classes


def learned_from(networks_: list[Network], seed: int = 0) -> Reader:
    """A reader of all informative pairs of these networks; the same seed makes the same one."""
    parts = [examples(*part) for each in networks_ for part in (each[1:3], each[3:5])]
    features, classes = (np.concatenate(some) for some in zip(*parts, strict=True))
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.nn.Linear(a, b) for a, b in pairwise([features.shape[1], *HIDDEN, 3])]
    for layer in layers:
        torch.nn.init.normal_(layer.weight, std=(2 / layer.in_features) ** 0.5, generator=generator)
        torch.nn.init.zeros_(layer.bias)
    model = torch.nn.Sequential(*[each for layer in layers for each in (layer, torch.nn.ReLU())][:-1])
    x, y = torch.from_numpy((features - centre) / scale).float(), torch.from_numpy(classes).long()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=PASSES * -(-len(x) // BATCH))
    for _ in range(PASSES):
        for some in torch.randperm(len(x), generator=generator).split(BATCH):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x[some]), y[some]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    share = np.bincount(classes, minlength=3) / len(classes)
    arrays = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers]
    return Reader(centre.astype(np.float32), scale.astype(np.float32), tuple(arrays), share)


def judged(inferred: list[Connectome], truths: list[Connectome]) -> str:
    """Mean AUPRC, the share that is false of all that is reported, and how much is reported without connections."""
    auprc, reported, false, none = [], 0, 0, []
    for found, truth in zip(inferred, truths, strict=True):
        significant, pairs = found.significant(NOMINAL), ~np.eye(truth.n_neurons, dtype=bool)
        if not truth.weight.any():
            none.append(np.count_nonzero(significant))
            continue
        auprc.append(average_precision_score(truth.adjacency[pairs], np.abs(found.scores)[pairs]))
        reported += int(np.count_nonzero(significant))
        false += int(np.count_nonzero(significant & ~truth.adjacency))
    return f"{np.mean(auprc):.2f} / {false / max(reported, 1):.0%} of {reported} / {np.mean(none):.0f}"


def main() -> None:
    """Simulate, train without each kind in turn, then on all; print the table, and write the weights if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"Write {WEIGHTS.name}, which is shipped.")
    parser.add_argument("--per-kind", type=int, default=PER_KIND, help="Networks of each kind, at least 3.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = []
    for network in family(options.per_kind):
        known.append(network)
        print(f"{len(known)}: {network.kind}, {network.truth.n_neurons} neurons", flush=True)
    print(f"\n| kind that was left out | network | {' | '.join(RIVALS)} |\n|---|---|{'---|' * len(RIVALS)}")
    for kind in KINDS:
        reader = learned_from([each for each in known if each.kind != kind])
        left_out = [each for each in known if each.kind == kind]
        truths = [each.truth for each in left_out]
        cells = [judged([CorrelogramNetwork(reader).read(each.pairs) for each in left_out], truths)]
        cells += [judged([each.rivals[name] for each in left_out], truths) for name in RIVALS]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    if options.write:
        learned_from(known).save(WEIGHTS)
        print(f"\nWeights: {WEIGHTS}, {WEIGHTS.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
