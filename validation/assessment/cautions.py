"""Reasons to doubt a connectivity, in sentences. Pure functions of `Assessment`."""

from __future__ import annotations

from synapsnet.recording import Modality
from validation.assessment.forecast_gain import ABLATION
from validation.assessment.results import Assessment, Knowledge, Matched, MatchedScore, Perturbation
from validation.assessment.wording import LEVEL, NAMES, at_length, minutes, or_zero, rounded, share, written

FEW_NEURONS = 20
WORTH_RECORDING = 0.05  # AUPRC that a longer recording adds
SHARED_DRIVE = 0.1  # mean correlation of pairs; asynchronous networks of the catalogue have 0.00 to 0.05
LONGEST_STEP_S = {"calcium": 0.025, "spikes": 0.02}  # most effects of a spike on the rates of others are over by then
TWICE = 2.0  # the nominal rate of false discoveries, or the expected number of connections


def warnings(assessment: Assessment) -> list[str]:
    """Reasons to doubt the connectivity, the most general first."""
    found = [
        _few_neurons(assessment),
        _long_steps(assessment),
        _shared_drive(assessment),
        *_of_match(assessment),
        _unreliable(assessment),
        _ablation(assessment),
        _signs(assessment.knowledge),
        _widths(assessment.knowledge),
        _unpredicted(assessment.perturbation),
    ]
    return [sentence for sentence in found if sentence is not None]


def _few_neurons(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None or facts.n_neurons >= FEW_NEURONS:
        return None
    return (
        f"Too few neurons: with {facts.n_neurons} there are only {facts.n_pairs} pairs, of which a handful are "
        "connected, and most of each neuron's input comes from neurons that were not recorded."
    )


def _long_steps(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None or facts.dt_s <= LONGEST_STEP_S[facts.modality]:
        return None
    names: dict[Modality, str] = {"calcium": "A frame", "spikes": "A bin"}
    return (
        f"{names[facts.modality]} of {facts.dt_s * 1e3:.0f} ms is longer than a spike takes to act on another neuron: "
        "interactions fall within one step, where their direction cannot be seen."
    )


def _shared_drive(assessment: Assessment) -> str | None:
    facts, scenario = assessment.facts, assessment.matched and next(iter(assessment.matched.scenarios), None)
    if facts is None or facts.mean_correlation < SHARED_DRIVE:
        return None
    of_noise = f" ({scenario.shared_fraction:.0%} of the noise in the matched simulation)" if scenario else ""
    return (
        f"Strong common input: pairs are correlated at {facts.mean_correlation:.2f} on average{of_noise}; unrecorded "
        "common input looks like connections."
    )


def _of_match(assessment: Assessment) -> list[str | None]:
    scores = at_length(assessment.matched)
    if not scores or assessment.matched is None:
        return []
    return [
        _no_better_than_chance(scores),
        _too_short(assessment.matched),
        _false_discoveries(scores),
        _fewer_than_matched(assessment, scores),
        _less_reliable_than_matched(assessment, assessment.matched),
        _unlike(assessment.matched),
    ]


def _no_better_than_chance(scores: list[MatchedScore]) -> str | None:
    best = max(scores, key=lambda score: or_zero(score.auprc.value))
    if not best.auprc.low <= best.density:
        return None
    return (
        f"Data like these do not tell connections from chance: AUPRC {written(best.auprc)} in matched simulations, "
        f"where guessing reaches {best.density:.2f}. Reproducible weights need not be connections."
    )


def _too_short(matched: Matched) -> str | None:
    scenario = matched.scenarios[0]
    now = scenario.at()
    longer = [score for score in scenario.scores if score.length > 1]
    if now is None or not longer or not longer[-1].auprc.value - now.auprc.value > WORTH_RECORDING:
        return None
    reached = ", ".join(f"{each.auprc.value:.2f} in {minutes(each.duration_s)}" for each in longer)
    start = f"AUPRC {now.auprc.value:.2f} in {minutes(now.duration_s)}"
    return f"Record longer: simulations that reach {start} reach {reached}."


def _false_discoveries(scores: list[MatchedScore]) -> str | None:
    worst = max(scores, key=lambda score: or_zero(score.false_discovery_rate.value))
    rate = worst.false_discovery_rate.value
    if not rate > TWICE * LEVEL:
        return None
    return (
        f"More of the reported connections may be false than the nominal {LEVEL:.0%}: {rate:.0%} in simulations "
        f"with {share(worst)} of the neurons recorded."
    )


def _fewer_than_matched(assessment: Assessment, scores: list[MatchedScore]) -> str | None:
    facts = assessment.facts
    least = min(score.share_reported for score in scores)
    if facts is None or not facts.n_reported / facts.n_pairs * TWICE < least:
        return None
    return (
        f"Connections here are fewer or weaker than in the matched simulation, where {least:.2%} of the pairs are "
        f"reported instead of {facts.n_reported / facts.n_pairs:.2%}: expect lower recovery than there."
    )


def _less_reliable_than_matched(assessment: Assessment, matched: Matched) -> str | None:
    known = [each.weight_reliability for each in matched.scenarios if each.weight_reliability is not None]
    here = assessment.reliability and assessment.reliability.interleaved.weight_correlation
    if not known or not here or here.high >= min(known):
        return None
    return (
        f"Two halves of the recording agree less (r = {written(here)}) than those of matched simulations do (r = "
        f"{rounded(min(known))} or more): connections here are weaker, or change; expect lower recovery than there."
    )


def _unlike(matched: Matched) -> str | None:
    apart = [
        f"{NAMES[each.name]} ({each.recording.median:.2g}, simulated {each.simulation.median:.2g})"
        for each in matched.scenarios[0].likeness
        if not each.simulation.low <= each.recording.median <= each.simulation.high and each.name != "noise_level"
    ]
    if not apart:
        return None
    return f"The matched simulation differs from the recording in {', '.join(apart)}.".replace("-", "−")


def _unreliable(assessment: Assessment) -> str | None:
    if assessment.reliability is None:
        return None
    pair = assessment.reliability.interleaved
    correlation = pair.weight_correlation
    if correlation is not None and correlation.low > max(pair.null_weight_correlation):
        return None
    return "Not reliable: two halves of the recording agree no better than with neurons shifted in time."


def _ablation(assessment: Assessment) -> str | None:
    if assessment.forecasts is None:
        return None
    first = assessment.forecasts.horizons[0]
    verdict = next(rival.verdict for rival in first.rivals if rival.method == ABLATION)
    if verdict == "better":
        return None
    how = "better" if verdict == "worse" else "as well"
    return f"W = 0 forecasts {how}: the held-out activity gives no evidence for connections."


def _signs(knowledge: Knowledge | None) -> str | None:
    if knowledge is None or knowledge.signs is None or knowledge.signs.p_value < LEVEL:
        return None
    return "Inferred signs do not follow the cell types: inhibitory neurons do not inhibit more than excitatory ones."


def _widths(knowledge: Knowledge | None) -> str | None:
    if knowledge is None or knowledge.waveform is None or knowledge.waveform.p_value < LEVEL:
        return None
    return (
        "Inferred signs do not follow spike widths: units with narrow spikes, mostly fast-spiking interneurons, "
        "do not inhibit more than units with broad ones."
    )


def _unpredicted(found: Perturbation | None) -> str | None:
    if found is None or max(found.p_targets, found.p_sources) < LEVEL:
        return None
    return (
        "Connectivity does not predict responses to light: predictions permuted among targets, or made from as many "
        "random neurons instead of the driven ones, agree with the responses just as well."
    )
