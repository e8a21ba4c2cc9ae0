"""How well a method recovers connections from data like a recording: it is scored on matched simulations.

Each result is of one simulation (`MatchedFit`) and is passed on as soon as it is done, so that nothing is computed
twice after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from simulators import cost
from synapsnet.errors import InputError
from synapsnet.limits import require_memory, require_time
from synapsnet.recording import Connectome, Recording
from synapsnet.splits import alternating
from validation.activity.observe_like import is_dff
from validation.activity.statistics import binned_spike_times, calcium_statistics, spike_statistics
from validation.assessment.matched_network import DT_MS, INDICATOR, NETWORK, Match, match, observe_as
from validation.assessment.reliability import N_BLOCKS, Infer
from validation.assessment.results import Likeness, Matched, MatchedFit, MatchedScore, Quartiles, Scenario
from validation.metrics.connectivity import score_connectivity
from validation.metrics.paired_tests import seed_interval
from validation.metrics.results import Estimate

FRACTIONS = (1.0, 0.333)  # recorded fractions of the network
LENGTHS = (0.5, 1.0, 2.0, 4.0)  # in durations of the recording, for the first fraction; for others only 1
SCORES = {  # name in `validation.metrics.results.ConnectivityScores`, and range
    "auprc": ("auprc", 0.0, 1.0),
    "lift": ("auprc_lift", 0.0, np.inf),
    "false_discovery_rate": ("false_discovery_rate", 0.0, 1.0),
    "sign_accuracy": ("sign_accuracy", 0.0, 1.0),
    "weight_correlation": ("weight_correlation", -1.0, 1.0),
}

Progress = Callable[[str, float | None], None]


def matched(
    recording: Recording,
    infer: Infer,
    gap: int,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    fractions: Sequence[float] = FRACTIONS,
    lengths: Sequence[float] = LENGTHS,
    known: Matched | None = None,
    keep: Callable[[Matched], None] = lambda so_far: None,
    progress: Progress = lambda what, fraction: None,
) -> Matched:
    """Simulate networks like a recording and score what is inferred from them.

    Parameters
    ----------
    recording : Recording
        The recording that the method was fitted to.
    infer : callable
        Maps a recording to its connectivity, with the options used for this one.
    gap : int
        See `validation.assessment.reliability`.
    seeds : sequence of int
        Each gives a different network and simulation.
    fractions : sequence of float
        Recorded fractions of the network.
    lengths : sequence of float
        In durations of the recording. All are used for the first fraction, 1 for the others; those of one seed are
        parts of one simulation.
    known : Matched, optional
        Results of an interrupted call with the same arguments, which are not computed again.
    keep : callable
        Gets the results so far after each simulation.
    progress : callable

    Raises
    ------
    InputError
        See `validation.assessment.matched_network.match`, and as `infer`.
    """
    found = known or Matched(network=NETWORK, how=describe(recording), scenarios=[], fits=[])
    for j, fraction in enumerate(fractions):
        wanted = tuple(lengths) if fraction == fractions[0] else (1.0,)
        for k, seed in enumerate(seeds):
            there = {fit.length for fit in found.fits if (fit.visible_fraction, fit.seed) == (fraction, seed)}
            todo = [length for length in wanted if length not in there]
            if not todo:
                continue
            which = f"simulation {j * len(seeds) + k + 1} of {len(fractions) * len(seeds)}, {fraction:.0%} recorded"
            what = f"{which}: making it like the recording"
            like = match(recording, fraction, seed=seed, progress=lambda done, what=what: progress(what, done))  # type: ignore[misc]
            what = f"{which}: inferring from it"
            progress(what, 0.0)
            duration_s = (max(wanted) * recording.n_steps + 1) * recording.dt_s
            simulation = like.simulate(duration_s, seed)
            if found.scenario(fraction) is None:
                seen = observe_as(simulation, recording, 1.0, like.optics, seed)
                found.scenarios.append(_scenario(fraction, like, seen, recording, split_half(seen, infer, gap)))
            for done, length in enumerate(todo):
                seen = observe_as(simulation, recording, length, like.optics, seed)
                found.fits.append(score(seen, infer(seen.without_ground_truth()), fraction, length, seed))
                progress(what, (done + 1) / len(todo))
                _summarise(found, recording)
                keep(found)
    found.scenarios.sort(key=lambda scenario: -scenario.visible_fraction)
    return found


def require_possible(
    recording: Recording, n_seeds: int, fractions: Sequence[float], lengths: Sequence[float], fit_s: float
) -> None:
    """Refuse simulations that exceed this machine's memory, or a year, before anything is computed.

    Parameters
    ----------
    recording, fractions, lengths
        See `matched`.
    n_seeds : int
    fit_s : float
        Time that SynapsNet took for the recording.

    Raises
    ------
    InputError
        If it takes more memory than there is, or more than a year.
    """
    longest, dt_s = max(lengths), DT_MS * 1e-3
    duration_s = longest * recording.n_steps * recording.dt_s
    sizes = [round(min(recording.n_neurons / fraction, 1e99)) for fraction in fractions]
    cost.require_possible(max(sizes), duration_s, dt_s)
    each_s = sum(cost.seconds(size, duration_s, dt_s) for size in sizes)
    n_fits = sum(lengths) + len(fractions) - 1
    require_time(
        min(n_seeds, 10**99) * (each_s + n_fits * fit_s),
        f"An assessment with {n_seeds:.6g} seeds for each of {len(fractions)} fractions",
        "use fewer seeds (--seeds)",
    )
    what = f"A recording {longest:.6g} times as long as yours"
    require_memory(8.0 * longest * recording.values.size, what, "use smaller lengths (--lengths)")


def describe(recording: Recording) -> str:
    """What the match equates, and what it assumes."""
    like = "bins and epochs" if recording.modality == "spikes" else f"frame rate, epochs and {INDICATOR}"
    if recording.modality == "spikes":
        rates = "Each neuron has the rate of a recorded one"
    else:
        noise = "The noise level is the recording's" if is_dff(recording) else "Noise has the recording's share"
        rates = (
            f"{noise}, beside responses of the recorded size; rates are those at which traces are as skewed as recorded"
        )
    return (
        f"Network {NETWORK} in steps of {DT_MS:g} ms, observed with the recording's {like}. {rates}; noise that all "
        "neurons share makes pairs as correlated as recorded ones. What a recording does not determine is "
        "assumed: a tenth of the pairs are connected, at random, with the network's lognormal weights, and nothing "
        "changes in time."
    )


def score(seen: Recording, inferred: Connectome, fraction: float, length: float, seed: int) -> MatchedFit:
    """One result.

    Parameters
    ----------
    seen : Recording
        With its ground truth.
    inferred : Connectome
        With standard errors.
    fraction, length, seed
        What `seen` is.
    """
    assert seen.connectome is not None
    n_edges, n_pairs = int(seen.connectome.adjacency.sum()), seen.n_neurons * (seen.n_neurons - 1)
    scores = score_connectivity("synapsnet", seen.connectome, inferred, n_resamples=0)
    values = {name: getattr(scores, field) for name, (field, *_) in SCORES.items()}
    return MatchedFit(
        visible_fraction=fraction,
        length=length,
        seed=seed,
        n_neurons=seen.n_neurons,
        n_edges=n_edges,
        density=n_edges / n_pairs,
        n_reported=int(inferred.significant().sum()),
        **{name: None if each is None else each.value for name, each in values.items()},
    )


def likeness(recording: Recording, seen: Recording) -> list[Likeness]:
    """The same statistics of a recording and of a simulation observed alike."""
    both = [
        spike_statistics(binned_spike_times(each)) if each.modality == "spikes" else calcium_statistics(each)
        for each in (recording, seen)
    ]
    return [
        Likeness(name=name, recording=Quartiles.of(values), simulation=Quartiles.of(getattr(both[1], name)))
        for name, values in vars(both[0]).items()
        if name != "noise_level" or is_dff(recording)
    ]


def split_half(seen: Recording, infer: Infer, gap: int) -> float | None:
    """Correlation of weights from odd and even blocks of time; None where it is not defined or parts are too short."""
    try:
        parts = alternating(seen.segments, N_BLOCKS, gap)
        first, second = (infer(seen.select_rows(part).without_ground_truth()).weight for part in parts)
    except InputError:
        return None
    pairs = ~np.eye(len(first), dtype=bool)
    if min(np.ptp(first[pairs]), np.ptp(second[pairs])) == 0:
        return None
    return float(np.corrcoef(first[pairs], second[pairs])[0, 1])


def _scenario(
    fraction: float, like: Match, seen: Recording, recording: Recording, reliability: float | None
) -> Scenario:
    return Scenario(
        visible_fraction=fraction,
        n_simulated=int(like.parameters["n_neurons"]),
        shared_fraction=like.shared_fraction,
        parameters=like.parameters,
        likeness=likeness(recording, seen),
        weight_reliability=reliability,
        scores=[],
    )


def _summarise(found: Matched, recording: Recording) -> None:
    """Means over the seeds done so far."""
    for scenario in found.scenarios:
        fits = [fit for fit in found.fits if fit.visible_fraction == scenario.visible_fraction]
        scenario.scores = [
            _over_seeds([fit for fit in fits if fit.length == length], recording.n_steps * recording.dt_s)
            for length in sorted({fit.length for fit in fits})
        ]


def _over_seeds(fits: list[MatchedFit], duration_s: float) -> MatchedScore:
    def mean(name: str, low: float, high: float) -> Estimate:
        found = seed_interval([np.nan if (value := getattr(fit, name)) is None else value for fit in fits])
        # Student's t knows no range; NaN limits stay NaN
        return Estimate(
            value=found.value, low=float(np.maximum(found.low, low)), high=float(np.minimum(found.high, high))
        )

    return MatchedScore(
        visible_fraction=fits[0].visible_fraction,
        length=fits[0].length,
        duration_s=fits[0].length * duration_s,
        n_seeds=len(fits),
        density=float(np.mean([fit.density for fit in fits])),
        share_reported=float(np.mean([fit.n_reported / (fit.n_neurons * (fit.n_neurons - 1)) for fit in fits])),
        **{name: mean(name, *limits) for name, (_, *limits) in SCORES.items()},
    )
