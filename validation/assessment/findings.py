"""What an assessment says, in sentences: findings with numbers, and warnings. Pure functions of `Assessment`."""

from __future__ import annotations

import math

from synapsnet.recording import Modality
from validation.assessment.forecasts import ABLATION
from validation.assessment.results import (
    NO_LIGHT,
    Assessment,
    Comparison,
    Knowledge,
    Matched,
    MatchedScore,
    Part,
    Perturbation,
)
from validation.methods import LABELS
from validation.results import Estimate

FEW_NEURONS = 20
WORTH_RECORDING = 0.05  # AUPRC that a longer recording adds
SHARED_DRIVE = 0.1  # mean correlation of pairs; asynchronous networks of the catalogue have 0.00 to 0.05
LONGEST_STEP_S = {"calcium": 0.025, "spikes": 0.02}  # most effects of a spike on the rates of others are over by then
LEVEL = 0.05
TWICE = 2.0  # the nominal rate of false discoveries, or the expected number of connections
MISSING: dict[Part, str] = {
    "matched": "No simulation matches",
    "reliability": "Reliability is not known",
    "forecasts": "Forecasts are not compared",
    "perturbation": "Responses to light are not predicted",
}
NAMES = {
    "rate_hz": "rates",
    "cv": "irregularity (CV)",
    "local_variation": "local variation",
    "correlation": "pairwise correlation",
    "noise_level": "noise level",
    "skewness": "skewness",
    "decay_s": "decay of the autocorrelation",
    "persistence": "autocorrelation at 1 s",
}


def findings(assessment: Assessment) -> list[str]:
    """What was reported, what simulations like it allow, reliability, forecasts, independent knowledge, light.

    A sentence each. A part that does not apply is replaced by the reason; one that is not computed yet is left out, and
    so is light where there was none.
    """
    parts: dict[Part, str | None] = {
        "facts": _facts(assessment),
        "matched": _matched(assessment.matched),
        "reliability": None if assessment.reliability is None else _agreement(assessment.reliability.interleaved),
        "forecasts": _forecasts(assessment),
        "knowledge": None if assessment.knowledge is None else _knowledge(assessment.knowledge),
        "perturbation": None if assessment.perturbation is None else _perturbation(assessment.perturbation),
    }
    sentences = []
    for part, sentence in parts.items():
        if sentence is not None:
            sentences.append(sentence)
        elif part in assessment.skipped and assessment.skipped[part] != NO_LIGHT:
            sentences.append(f"{MISSING[part]}: {assessment.skipped[part]}")
    return sentences


def warnings(assessment: Assessment) -> list[str]:
    """What speaks against believing the connectivity, most general first."""
    found = [
        _few_neurons(assessment),
        _long_steps(assessment),
        _shared_drive(assessment),
        *_of_match(assessment),
        _unreliable(assessment),
        _ablation(assessment),
        _signs(assessment.knowledge),
        _unpredicted(assessment.perturbation),
    ]
    return [sentence for sentence in found if sentence is not None]


def _facts(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None:
        return None
    epochs = f" in {facts.n_epochs:,} epochs" if facts.n_epochs > 1 else ""
    return (
        f"Of {facts.n_neurons:,} neurons, recorded for {_minutes(facts.duration_s)}{epochs}, SynapsNet reports "
        f"{facts.n_reported:,} of {facts.n_pairs:,} pairs ({facts.n_reported / facts.n_pairs:.2%}) as connected, at a "
        f"nominal false discovery rate of {LEVEL:.0%}."
    )


def _matched(matched: Matched | None) -> str | None:
    scores = _at_length(matched)
    if not scores:
        return None
    said = []
    for k, each in enumerate(scores):
        false = each.false_discovery_rate.value
        said.append(
            f"{'' if k else 'AUPRC '}{_estimate(each.auprc)} if {_share(each)} of the network is recorded (chance "
            f"{each.density:.2f}{'' if math.isnan(false) else f'; {false:.0%} of what is reported is false'})"
        )
    return f"On simulated data like these SynapsNet reaches {', and '.join(said)}."


def _agreement(comparison: Comparison) -> str | None:
    first, second = comparison.parts
    if comparison.weight_correlation is None:
        return f"From {first} and {second} SynapsNet infers no weights that could be compared."
    null = max(comparison.null_weight_correlation)
    overlap = "neither reports any pair"
    if comparison.overlap is not None:
        overlap = (
            f"{comparison.overlap.value:.0%} of the pairs that either reports are reported by both "
            f"({comparison.expected_overlap:.1%} by chance)"
        )
    return (
        f"Weights from {first} and {second} of {_minutes(comparison.duration_s)} each correlate with r = "
        f"{_estimate(comparison.weight_correlation)} (at most {null:.2f} in neurons shifted in time), and {overlap}."
    )


def _forecasts(assessment: Assessment) -> str | None:
    if assessment.forecasts is None:
        return None
    first = assessment.forecasts.horizons[0]
    own = next(rival for rival in first.rivals if rival.method == ABLATION)
    gain = own.difference or Estimate(value=math.nan, low=math.nan, high=math.nan)
    words = {"better": "better than", "worse": "worse than", "undecided": "not clearly different from"}
    others = [
        f"{words[each.verdict]} {LABELS.get(each.method, each.method)}"
        for each in first.rivals
        if each.method != ABLATION
    ]
    return (
        f"Connectivity adds {_estimate(gain, 4)} to the skill of forecasts {first.horizon_s * 1e3:.0f} ms ahead, which "
        f"is {_estimate(first.skill, 3)}{': ' if others else ''}{', '.join(others)}."
    )


def _knowledge(knowledge: Knowledge) -> str:
    said = []
    if (signs := knowledge.signs) is not None:
        said.append(
            f"the sign of what neurons send tells {signs.n_excitatory} excitatory from {signs.n_inhibitory} inhibitory "
            f"ones with AUROC {_estimate(signs.auroc)}"
        )
    if (distance := knowledge.distance) is not None:
        said.append(
            f"evidence and distance have rank correlation {distance.correlation:.2f} (p = {distance.p_value:.2g})"
        )
    if (areas := knowledge.areas) is not None:
        ratio = areas.within / areas.between if areas.between else math.inf
        said.append(f"evidence within areas is {ratio:.2f} times that between them (p = {areas.p_value:.2g})")
    if (types := knowledge.cell_types) is not None:
        said.append(
            f"weights between {', '.join(types.types)} have rank correlation {types.correlation:.2f} with those "
            f"measured in slices (p = {types.p_value:.2g})"
        )
    if not said:
        return "Cell types, positions and areas of the neurons are not known, so nothing else can be compared."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _perturbation(found: Perturbation) -> str:
    first, last = (f"{at * 1e3:.0f}" for at in found.response_s)
    return (
        f"{found.n_pulses} pulses of light ({found.light}) drive {len(found.driven)} neurons directly; responses of "
        f"the {len(found.targets)} others, {first} to {last} ms after its onset, have rank correlation "
        f"{_estimate(found.correlation)} with what connectivity predicts (p = {found.p_targets:.2g} among targets, "
        f"{found.p_sources:.2g} among sources; a perfect prediction would reach about {found.ceiling:.2f})."
    )


def _few_neurons(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None or facts.n_neurons >= FEW_NEURONS:
        return None
    return (
        f"Too few neurons: with {facts.n_neurons} there are only {facts.n_pairs} pairs, of which a handful are "
        "connected, and most of what drives each neuron is not recorded."
    )


def _long_steps(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None or facts.dt_s <= LONGEST_STEP_S[facts.modality]:
        return None
    names: dict[Modality, str] = {"calcium": "A frame", "spikes": "A bin"}
    return (
        f"{names[facts.modality]} of {facts.dt_s * 1e3:.0f} ms is longer than a spike takes to act on another neuron: "
        "who drives whom is seen within one step, where the direction is not."
    )


def _shared_drive(assessment: Assessment) -> str | None:
    facts, scenario = assessment.facts, assessment.matched and next(iter(assessment.matched.scenarios), None)
    if facts is None or facts.mean_correlation < SHARED_DRIVE:
        return None
    share = f" ({scenario.shared_fraction:.0%} of the noise in the matched simulation)" if scenario else ""
    return (
        f"Strong shared drive: pairs are correlated with {facts.mean_correlation:.2f} on average{share}; input that "
        "nobody recorded looks like connections."
    )


def _of_match(assessment: Assessment) -> list[str | None]:
    scores = _at_length(assessment.matched)
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
    best = max(scores, key=lambda score: _number(score.auprc.value))
    if not best.auprc.low <= best.density:
        return None
    return (
        f"Data like these do not tell connections from chance: AUPRC {_estimate(best.auprc)} in matched simulations, "
        f"where guessing reaches {best.density:.2f}. What repeats here need not be connections."
    )


def _too_short(matched: Matched) -> str | None:
    scenario = matched.scenarios[0]
    now = scenario.at()
    longer = [score for score in scenario.scores if score.length > 1]
    if now is None or not longer or not longer[-1].auprc.value - now.auprc.value > WORTH_RECORDING:
        return None
    reached = ", ".join(f"{each.auprc.value:.2f} in {_minutes(each.duration_s)}" for each in longer)
    start = f"AUPRC {now.auprc.value:.2f} in {_minutes(now.duration_s)}"
    return f"Record longer: simulations that reach {start} reach {reached}."


def _false_discoveries(scores: list[MatchedScore]) -> str | None:
    worst = max(scores, key=lambda score: _number(score.false_discovery_rate.value))
    rate = worst.false_discovery_rate.value
    if not rate > TWICE * LEVEL:
        return None
    return (
        f"More of what is reported may be false than the nominal {LEVEL:.0%}: {rate:.0%} in matched simulations of "
        f"which {_share(worst)} of the neurons are recorded."
    )


def _fewer_than_matched(assessment: Assessment, scores: list[MatchedScore]) -> str | None:
    facts = assessment.facts
    least = min(score.share_reported for score in scores)
    if facts is None or not facts.n_reported / facts.n_pairs * TWICE < least:
        return None
    return (
        f"Connections here are fewer or weaker than in the matched simulation, where {least:.2%} of the pairs are "
        f"reported instead of {facts.n_reported / facts.n_pairs:.2%}: expect less than it reaches."
    )


def _less_reliable_than_matched(assessment: Assessment, matched: Matched) -> str | None:
    known = [each.weight_reliability for each in matched.scenarios if each.weight_reliability is not None]
    here = assessment.reliability and assessment.reliability.interleaved.weight_correlation
    if not known or not here or here.high >= min(known):
        return None
    return (
        f"Two halves of the recording agree less (r = {_estimate(here)}) than those of matched simulations do (r = "
        f"{min(known):.2f} or more): connections here are weaker, or change; expect less than what they reach."
    )


def _unlike(matched: Matched) -> str | None:
    apart = [
        f"{NAMES[each.name]} ({each.recording.median:.2g}, simulated {each.simulation.median:.2g})"
        for each in matched.scenarios[0].likeness
        if not each.simulation.low <= each.recording.median <= each.simulation.high and each.name != "noise_level"
    ]
    return f"The matched simulation differs from the recording in {', '.join(apart)}." if apart else None


def _unreliable(assessment: Assessment) -> str | None:
    if assessment.reliability is None:
        return None
    pair = assessment.reliability.interleaved
    correlation = pair.weight_correlation
    if correlation is not None and correlation.low > max(pair.null_weight_correlation):
        return None
    return "Not reliable: two halves of the recording agree no better than neurons that were shifted in time may do."


def _ablation(assessment: Assessment) -> str | None:
    if assessment.forecasts is None:
        return None
    first = assessment.forecasts.horizons[0]
    verdict = next(rival.verdict for rival in first.rivals if rival.method == ABLATION)
    if verdict == "better":
        return None
    how = "better" if verdict == "worse" else "as well"
    return f"W = 0 forecasts {how}: nothing in the held-out activity asks for connections."


def _signs(knowledge: Knowledge | None) -> str | None:
    if knowledge is None or knowledge.signs is None or knowledge.signs.p_value < LEVEL:
        return None
    return "Inferred signs do not follow the cell types: inhibitory neurons do not inhibit more than excitatory ones."


def _unpredicted(found: Perturbation | None) -> str | None:
    if found is None or max(found.p_targets, found.p_sources) < LEVEL:
        return None
    return (
        "Connectivity does not predict what light does: predictions dealt out anew among the targets, or from as many "
        "random neurons in place of the driven ones, agree as well with the responses."
    )


def _at_length(matched: Matched | None) -> list[MatchedScore]:
    """Scores at the recording's own length, scenario by scenario."""
    return [] if matched is None else [score for each in matched.scenarios if (score := each.at()) is not None]


def _share(score: MatchedScore) -> str:
    return "all" if score.visible_fraction == 1 else f"{score.visible_fraction:.0%}"


def _estimate(estimate: Estimate, digits: int = 2) -> str:
    if math.isnan(estimate.low):
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _minutes(duration_s: float) -> str:
    return f"{duration_s / 60:.3g} min" if duration_s >= 60 else f"{duration_s:.3g} s"
