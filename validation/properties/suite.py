"""The properties: what any method that infers connectivity must do, or should.

A property is checked in one of two ways: on networks that hypothesis draws, to find a small one on which it fails; or,
if it is statistical, once over several recordings, with fixed seeds. Everything is deterministic, so a method that
passed will pass again. What is said about false alarms is over the choice of the seeds: a method that is as good as the
property demands fails by chance with at most that probability.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import hypothesis
import numpy as np
import pynapple as nap
from hypothesis.strategies import SearchStrategy
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from synapsnet.connectome import Connectome
from synapsnet.recording import Modality
from validation.properties import trains
from validation.properties.planted import EXCITATORY, INHIBITORY, STEP_S, Planted, base_rates, networks
from validation.properties.requirements import (
    FALSE_ALARM,
    LONG,
    SHORT,
    connected,
    largest,
    of_pair,
    require_close,
    require_no_worse,
    require_nothing,
    require_sane,
    shuffled,
    significant,
    unconnected,
)
from validation.properties.subject import Subject, Violation, infer_with, require, well_formed

Level = Literal["must", "should"]

SELF_EXCITATION = 1.0  # log probability per spike: bursts that end
N_EXAMPLES = 8
MAX_SHRINKS = 30  # fits spent on finding a smaller network that fails


@dataclass(frozen=True)
class Property:
    """One property of methods.

    Attributes
    ----------
    name : str
    level : {"must", "should"}
        A method that lacks a "must" is wrong or not usable here; a "should" is a limit to know of.
    reason : str
        Why it is asked for, in a line.
    check : callable(Subject, Modality, quick)
        Raises `Violation` or `NotApplicable`.
    modalities : tuple
        Those that it is about.
    """

    name: str
    level: Level
    reason: str
    check: Callable[[Subject, Modality, bool], None]
    modalities: tuple[Modality, ...] = ("spikes", "calcium")


PROPERTIES: dict[str, Property] = {}


def _property(
    name: str, level: Level, reason: str, modalities: tuple[Modality, ...] = ("spikes", "calcium")
) -> Callable[[Callable[[Subject, Modality, bool], None]], Callable[[Subject, Modality, bool], None]]:
    """Register a check as a property."""

    def register(check: Callable[[Subject, Modality, bool], None]) -> Callable[[Subject, Modality, bool], None]:
        PROPERTIES[name] = Property(name, level, reason, check, modalities)
        return check

    return register


def _drawn(
    n_steps: int, *, max_edges: int = 3
) -> Callable[[Callable[[Subject, Planted], None]], Callable[[Subject, Modality, bool], None]]:
    """Check on two small networks, one excitatory and one inhibitory, and unless it must be quick on drawn ones."""

    def decorate(check: Callable[[Subject, Planted], None]) -> Callable[[Subject, Modality, bool], None]:
        def search(subject: Subject, modality: Modality, quick: bool) -> None:
            first = [
                Planted(3, (edge,), modality, n_steps, seed=0) for edge in ((0, 1, EXCITATORY), (2, 0, INHIBITORY))
            ]
            drawn = None if quick else networks(modality, n_steps, max_edges)
            _search(lambda planted: check(subject, planted), first, drawn)

        return search

    return decorate


def _search(check: Callable[[Planted], None], first: list[Planted], drawn: SearchStrategy[Planted] | None) -> None:
    """Raise the violation on the smallest network found on which `check` fails."""
    failures: dict[Planted, Violation] = {}
    passed: set[Planted] = set()

    def attempt(planted: Planted) -> None:
        spent = len(failures) + len(passed) >= N_EXAMPLES + MAX_SHRINKS
        if planted not in failures and planted not in passed and not spent:
            try:
                check(planted)
                passed.add(planted)
            except Violation as violation:
                failures[planted] = Violation(f"{str(violation).rstrip('.')}; on {planted}.")
        if planted in failures:
            raise failures[planted]

    for planted in first:
        attempt(planted)
    if drawn is None:
        return
    settings = hypothesis.settings(
        max_examples=N_EXAMPLES,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    settings(hypothesis.given(planted=drawn)(lambda planted: attempt(planted)))()


# What any data can show --------------------------------------------------------------------------------------------


@_property("well-formed", "must", "Scores of all pairs of the recorded neurons, or nothing can be compared.")
@_drawn(SHORT)
def _returns_finite_scores(subject: Subject, planted: Planted) -> None:
    subject.of(planted)


@_property("determinism", "must", "With the same seed the same result, whatever the instance inferred before.")
@_drawn(SHORT)
def _is_deterministic(subject: Subject, planted: Planted) -> None:
    recording, other = planted.record(), replace(planted, seed=planted.seed + 1).record()
    first, used = subject.of(planted), subject.make()
    infer_with(used, other)
    again = well_formed(infer_with(used, recording), planted.n_neurons)
    change = largest(first.scores - again.scores)
    require(
        change <= 1e-3 * largest(first.scores),
        f"a fresh instance and one used before differ by {change:.3g} on scores up to {largest(first.scores):.3g}",
    )


@_property("input-unmodified", "must", "The next method receives the same recording.")
@_drawn(SHORT)
def _leaves_its_input_alone(subject: Subject, planted: Planted) -> None:
    recording, untouched = planted.record(), planted.record()
    subject.infer(recording)
    same = np.array_equal(recording.values, untouched.values) and recording.neurons.equals(untouched.neurons)
    require(same, "infer changed the activity or the neuron table that it was given")


@_property("ground-truth", "must", "A score is worth something only if the method could not know the answer.")
@_drawn(SHORT)
def _does_not_look_at_the_answer(subject: Subject, planted: Planted) -> None:
    recording = planted.record()
    rng = np.random.default_rng(planted.seed)
    lie = rng.permuted(planted.weight.T, axis=1)
    np.fill_diagonal(lie, 0)
    duration = planted.n_steps * STEP_S[planted.modality]
    trains = {k: nap.Ts(np.sort(rng.uniform(0, duration, 50))) for k in range(planted.n_neurons)}
    truth = nap.TsGroup(trains, time_support=recording.epochs)
    with_truth = replace(
        recording,
        connectome=Connectome(lie),
        spike_times=truth if planted.modality == "calcium" else None,
        metadata={"network": "planted", "weight": lie.tolist()},
    )
    without, given = subject.of(planted), subject.infer(with_truth)
    require_close(subject, recording, without.scores, given.scores, "scores depend on the ground truth beside the data")


@_property("relabelling", "must", "The order in which neurons are listed means nothing.")
@_drawn(SHORT)
def _is_equivariant_to_relabelling(subject: Subject, planted: Planted) -> None:
    order = np.random.default_rng(planted.seed).permutation(planted.n_neurons)
    recording = planted.record()
    straight = subject.of(planted).scores
    permuted = subject.infer(recording.select_neurons(order)).scores
    back = np.argsort(order)
    require_close(
        subject, recording, straight, permuted[np.ix_(back, back)], f"scores change when neurons are listed as {order}"
    )


@_property("scaling", "must", "The gain and the offset of a trace are the microscope's.", ("calcium",))
@_drawn(SHORT)
def _is_invariant_to_scaling(subject: Subject, planted: Planted) -> None:
    rng = np.random.default_rng(planted.seed)
    gain, offset = np.exp(rng.uniform(-4, 4, planted.n_neurons)), rng.uniform(-5, 5, planted.n_neurons)
    changed = subject.infer(planted.record(planted.values() * gain + offset)).scores
    require_close(
        subject, planted.record(), subject.of(planted).scores, changed, "scores depend on the traces' gain and offset"
    )


@_property("silent-neuron", "must", "Recordings hold neurons that never fire: refuse in a sentence, or finite scores.")
@_drawn(SHORT)
def _survives_a_silent_neuron(subject: Subject, planted: Planted) -> None:
    values = planted.values().copy()
    values[:, planted.edges[0][0]] = 0 if planted.modality == "spikes" else 1
    require_sane(subject, planted.record(values))


@_property("constant-neuron", "must", "The same for a neuron stuck at another value, a dead channel or a mask.")
@_drawn(SHORT)
def _survives_a_constant_neuron(subject: Subject, planted: Planted) -> None:
    values = planted.values().copy()
    values[:, planted.edges[0][1]] = 2
    require_sane(subject, planted.record(values))


@_property("copied-neuron", "should", "One cell is at times found twice: refuse in a sentence, or finite scores.")
@_drawn(SHORT)
def _survives_a_copied_neuron(subject: Subject, planted: Planted) -> None:
    values = planted.values()
    require_sane(subject, planted.record(np.column_stack([values, values[:, planted.edges[0][0]]])))


# One strong edge: 6,000 steps in which no sensible method can miss it ----------------------------------------------


@_property("strong-edge", "must", "If one pair is connected, and strongly, no other pair may have more evidence.")
@_drawn(LONG, max_edges=1)
def _finds_a_strong_edge(subject: Subject, planted: Planted) -> None:
    (pre, post, _), evidence = planted.edges[0], np.abs(subject.of(planted).scores)
    pair = max(evidence[post, pre], evidence[pre, post])
    evidence[post, pre] = evidence[pre, post] = 0
    require(pair > evidence.max(), f"the one connected pair has {pair:.3g}, another one {evidence.max():.3g}")


@_property("diagonal", "must", "Self-connections are not what is inferred: they are no evidence and make none.")
@_drawn(LONG, max_edges=1)
def _ignores_the_diagonal(subject: Subject, planted: Planted) -> None:
    pre, post, _ = planted.edges[0]
    bystander = ({0, 1, 2} - {pre, post}).pop()
    bursting = replace(planted, edges=(*planted.edges, (bystander, bystander, SELF_EXCITATION)))
    inferred = subject.of(bursting)
    require(not np.diagonal(inferred.scores).any(), "the diagonal of the scores is not zero")
    edge, false = of_pair(inferred, pre, post), float(np.abs(inferred.scores[:, bystander]).max())
    require(
        false < edge,
        f"neuron {bystander}, which excites itself alone, has {false:.3g} for another, and {pre} -> {post} {edge:.3g}",
    )


@_property("direction", "should", "W is directed; methods that cannot tell pre from post recover less of it.")
@_drawn(LONG, max_edges=1)
def _finds_its_direction(subject: Subject, planted: Planted) -> None:
    (pre, post, _), evidence = planted.edges[0], np.abs(subject.of(planted).scores)
    forward, backward = evidence[post, pre], evidence[pre, post]
    require(
        forward > backward, f"{pre} -> {post} has evidence {forward:.3g}, the absent {post} -> {pre} {backward:.3g}"
    )


@_property("sign", "should", "Excitation is positive and inhibition negative; some measures are unsigned.")
@_drawn(LONG, max_edges=1)
def _finds_its_sign(subject: Subject, planted: Planted) -> None:
    (pre, post, weight), scores = planted.edges[0], subject.of(planted).scores
    score = scores[post, pre]
    require(score * weight > 0, f"{pre} -> {post} ({weight:+g}) has the score {score:+.3g}")


@_property("shuffled-neuron", "must", "Evidence comes from the timing of spikes: without it, it must go.")
@_drawn(LONG, max_edges=1)
def _loses_the_edges_of_a_shuffled_neuron(subject: Subject, planted: Planted) -> None:
    """Beside an intact pair of other neurons, because some methods give evidence relative to the largest."""
    pre, post, _ = planted.edges[0]
    n = planted.n_neurons
    beside = replace(planted, n_neurons=n + 2, edges=(*planted.edges, (n, n + 1, EXCITATORY)))
    values = beside.values().copy()
    values[:, pre] = shuffled(values[:, pre], beside.seed)
    inferred = subject.infer(beside.record(values))
    gone, intact = of_pair(inferred, pre, post), of_pair(inferred, n, n + 1)
    require(
        gone < intact / 2,
        f"with {pre} shuffled in time, {pre} -> {post} has {gone:.3g}, an intact pair beside it {intact:.3g}",
    )


@_property("independent-duplicate", "must", "A neuron that fires like another, but by itself, is not that other.")
@_drawn(LONG, max_edges=1)
def _tells_a_duplicate_from_the_original(subject: Subject, planted: Planted) -> None:
    pre, post, _ = planted.edges[0]
    values = planted.values()
    duplicate = shuffled(values[:, pre], planted.seed)
    inferred = subject.infer(planted.record(np.column_stack([values, duplicate])))
    original, copy = of_pair(inferred, pre, post), of_pair(inferred, planted.n_neurons, post)
    require(
        copy < original / 2,
        f"{pre} -> {post} has {original:.3g}, and a shuffled duplicate of {pre} as much as {copy:.3g}",
    )


# Over several recordings -------------------------------------------------------------------------------------------


@_property("no-edges-chance", "must", "Without connections, evidence must not follow the firing rates.")
def _is_at_chance_without_edges(subject: Subject, modality: Modality, quick: bool) -> None:
    """Against a network that is not there: its edges are the half of the pairs with the highest rates.

    Under the null hypothesis the AUROC of m independent pairs, half of them edges, has the standard deviation
    sqrt((m + 1) / (3 m^2)). Only unordered pairs are taken to be independent; the limit is 3.3 deviations.
    """
    labels, scores = [], []
    for planted in unconnected(modality, quick):
        pairs = ~np.eye(planted.n_neurons, dtype=bool)
        rate = np.log(base_rates(planted))
        product = (rate[:, None] + rate)[pairs]
        labels.append(product > np.median(product))
        scores.append(np.abs(subject.of(planted).scores[pairs]))
    if not np.ptp(np.concatenate(scores)):
        return  # no evidence for anything
    auroc = roc_auc_score(np.concatenate(labels), np.concatenate(scores))
    independent = sum(map(len, labels)) / 2
    limit = 3.3 * np.sqrt((independent + 1) / 3) / independent
    require(
        abs(auroc - 0.5) < limit,
        f"on {len(labels)} recordings of neurons without connections, pairs of high rates are ranked above the others "
        f"with an AUROC of {auroc:.3f}; by chance it is within 0.5 ± {limit:.2f}",
    )


@_property("no-edges-significance", "must", "Standard errors claim something: without connections none is significant.")
def _finds_nothing_significant_without_edges(subject: Subject, modality: Modality, quick: bool) -> None:
    """Each recording has a false discovery with probability 0.05 at most (Benjamini & Hochberg 1995)."""
    recordings = unconnected(modality, quick)
    wrong = 0
    for planted in recordings:
        wrong += bool(significant(subject.of(planted)).any())
    limit = int(binom.isf(FALSE_ALARM, len(recordings), 0.05))
    require(
        wrong <= limit,
        f"{wrong} of {len(recordings)} recordings of neurons without connections have significant ones at a false "
        f"discovery rate of 5%; by chance at most {limit} have",
    )


@_property("time-reversal", "must", "Causes precede effects: a recording played backwards must not give more.")
def _is_not_better_backwards(subject: Subject, modality: Modality, quick: bool) -> None:
    forward, backward = [], []
    recordings = connected(modality, quick, n_steps=LONG, scale=1.0)
    for planted in recordings:
        forward.append(subject.of(planted).scores)
        backward.append(subject.infer(planted.record(planted.values()[::-1])).scores)
    require_no_worse(recordings, forward, backward, "the recordings played backwards")


@_property("more-data", "should", "A longer recording must not give worse results than its first quarter.")
def _is_no_worse_with_more_data(subject: Subject, modality: Modality, quick: bool) -> None:
    recordings = connected(modality, quick, n_steps=LONG, scale=0.5)
    long = [subject.of(planted).scores for planted in recordings]
    short = [subject.infer(planted.record(planted.values()[: LONG // 4])).scores for planted in recordings]
    require_no_worse(recordings, long, short, "their first quarters")


# Spike times ---------------------------------------------------------------------------------------------------------


@_property(
    "co-modulation",
    "must",
    "Neurons that follow one input, slow, bursting or rhythmic, are not connected by that.",
    ("spikes",),
)
def _finds_nothing_significant_in_a_shared_input(subject: Subject, modality: Modality, quick: bool) -> None:
    """Each recording has a false discovery with probability 0.05 at most, as in `no-edges-significance`."""
    seeds = range(1 if quick else 4)
    require_nothing(
        subject,
        {
            f"{kind}, seed {seed}": trains.record(trains.comodulated(kind, seed))
            for kind in trains.SHARED_INPUTS
            for seed in seeds
        },
        "of unconnected neurons that follow one input",
    )


@_property("few-spikes", "must", "A dozen spikes are no evidence, whatever their neighbours do.", ("spikes",))
def _finds_nothing_significant_in_few_spikes(subject: Subject, modality: Modality, quick: bool) -> None:
    require_nothing(
        subject,
        {f"seed {seed}": trains.record(trains.independent(seed)) for seed in range(4 if quick else 12)},
        "of independent neurons, some with few spikes,",
    )


@_property("time-resolution", "should", "The same spikes, known less finely, hold no other connections.", ("spikes",))
def _says_no_more_than_times_hold(subject: Subject, modality: Modality, quick: bool) -> None:
    """Spike times as they are, in bins of 5 and 10 ms, and on a grid of 5 ms.

    Connections that are significant have one sign, and of those significant in either 5% are absent, as the false
    discovery rate promises, or as many as chance makes.
    """
    n_found, n_absent = dict.fromkeys(trains.RESOLUTIONS, 0), dict.fromkeys(trains.RESOLUTIONS, 0)
    for seed in range(1 if quick else 4):
        spikes, signs = trains.connected(seed), []
        for resolution, record in trains.RESOLUTIONS.items():
            inferred = subject.infer(record(spikes))
            reported = significant(inferred)
            signs.append(np.where(reported, np.sign(inferred.scores), 0))
            n_found[resolution] += reported.sum()
            n_absent[resolution] += reported[~trains.adjacency()].sum()
        opposite = np.argwhere((np.max(signs, axis=0) > 0) & (np.min(signs, axis=0) < 0))
        if len(opposite):
            post, pre = opposite[0]
            require(False, f"{pre} -> {post} is significant, but excites or inhibits by how finely time is known")
    for resolution in trains.RESOLUTIONS:
        n_significant, absent = n_found[resolution], n_absent[resolution]
        limit = int(binom.isf(FALSE_ALARM, n_significant, 0.05)) if n_significant else 0
        require(
            absent <= limit,
            f"with {resolution}, {absent} of {n_significant} significant connections are absent; by chance at most "
            f"{limit} are",
        )
