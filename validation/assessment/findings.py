"""The findings of an assessment, in sentences with numbers. Pure functions of `Assessment`."""

from __future__ import annotations

import math

from validation.assessment.forecast_gain import ABLATION
from validation.assessment.results import (
    NO_LIGHT,
    Assessment,
    Comparison,
    Expected,
    Knowledge,
    Part,
    Perturbation,
    Signs,
    Threshold,
)
from validation.assessment.wording import LEVEL, minutes, p_text, percent, rounded, written
from validation.methods import label
from validation.metrics.results import Estimate

MISSING: dict[Part, str] = {
    "expected": "What is recovered is unknown",
    "matched": "Intervals stay as wide as they are",
    "reliability": "Reliability is unknown",
    "forecasts": "Forecasts were not compared",
    "perturbation": "Responses to light were not predicted",
}


def findings(assessment: Assessment) -> list[str]:
    """What was reported, what is expected of it, reliability, forecasts, prior knowledge, light.

    One sentence each. A part that does not apply is replaced by the reason; one that is not computed yet is left out,
    as is light if there was none.
    """
    parts: dict[Part, str | None] = {
        "facts": _facts(assessment),
        "expected": _expected(assessment.expected),
        "matched": None,
        "reliability": _reliability(assessment),
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


def so_far(expected: Expected) -> str:
    """What is expected, in few words, and from how many networks."""
    false = expected.at(LEVEL)
    n = false.n_reported
    wrong = "" if not n else f"; false are {_pairs(false)} of {n:,} pairs"
    return f"AUPRC {written(expected.auprc)} from {_examples(expected)}{wrong}."


def _examples(expected: Expected) -> str:
    """How many simulated recordings there are."""
    stored = f"{expected.n_examples:,} stored simulations"
    if not expected.n_matched:
        return stored
    return f"{stored} and {expected.n_matched} of networks like this one"


def _pairs(reported: Threshold) -> str:
    """How many of the reported pairs are false."""
    few, most = (f"{share * reported.n_reported:,.0f}" for share in (reported.false.low, reported.false.high))
    return f"{reported.false.value * reported.n_reported:,.1f} [{few}, {most}]"


def _facts(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None:
        return None
    epochs = f" in {facts.n_epochs:,} epochs" if facts.n_epochs > 1 else ""
    recorded = f"{facts.n_neurons:,} neurons, recorded for {minutes(facts.duration_s)}{epochs}"
    if not facts.n_reported:
        return f"{recorded}, do not support any connection at a nominal false discovery rate of {LEVEL:.0%}."
    return (
        f"Among {recorded}, SynapsNet reports "
        f"{facts.n_reported:,} of {facts.n_pairs:,} pairs ({facts.n_reported / facts.n_pairs:.2%}) as connected, at a "
        f"nominal false discovery rate of {LEVEL:.0%}."
    )


def _expected(expected: Expected | None) -> str | None:
    if expected is None:
        return None
    return (
        f"Judging by {_examples(expected)}, on recordings like this one SynapsNet reaches AUPRC "
        f"{written(expected.auprc)} where chance is {written(expected.density)}{_false(expected.at(LEVEL))}. "
        f"{_inferred(expected)}"
    )


def _false(reported: Threshold) -> str:
    """How many of the reported pairs are false, and whether that keeps to the nominal rate."""
    if not reported.n_reported or math.isnan(reported.false.value):
        return ""
    kept = "" if reported.deviates else f", which the nominal {reported.nominal:.0%} allows for: nothing is corrected"
    return (
        f", and {_pairs(reported)} of the {reported.n_reported:,} pairs that it reports are false "
        f"({percent(reported.rate)} in networks like this{kept})"
    )


def _inferred(expected: Expected) -> str:
    """What the recording says of the network, and what it does not."""
    parts = {
        "density": f"{percent(expected.density)} of the pairs are connected",
        "strength_mv": f"by potentials of {written(expected.strength_mv)} mV on average",
        "hidden": f"{percent(expected.hidden)} of the network was not recorded",
    }
    names = {"density": "how many pairs are connected", "strength_mv": "how strongly", "hidden": "how much is hidden"}
    shown = [text for name, text in parts.items() if name not in expected.untold]
    untold = [text for name, text in names.items() if name in expected.untold]
    said = [f"Recordings like this are of networks in which {', '.join(shown)}"] if shown else []
    said += [f"{'what the recording does not show is' if shown else 'The recording does not show'} {', '.join(untold)}"]
    return "; ".join(said if untold else said[:-1]) + "."


def _reliability(assessment: Assessment) -> str | None:
    if assessment.reliability is None:
        return None
    comparison = assessment.reliability.interleaved
    part = assessment.facts is not None and comparison.n_pairs < assessment.facts.n_pairs
    some = f" (of {comparison.n_pairs:,} pairs, of neurons drawn at random)" if part else ""
    return f"{_agreement(comparison).removesuffix('.')}{some}."


def _agreement(comparison: Comparison) -> str:
    first, second = comparison.parts
    if comparison.weight_correlation is None:
        return f"From {first} and {second} SynapsNet infers no weights that could be compared."
    null = max(comparison.null_weight_correlation)
    overlap = "neither reports any pair"
    if comparison.overlap is not None:
        overlap = (
            f"{comparison.overlap.value:.0%} of the pairs reported from either are reported from both "
            f"({comparison.expected_overlap:.1%} by chance)"
        )
    return (
        f"Weights from {first} and {second} of {minutes(comparison.duration_s)} each correlate with r = "
        f"{written(comparison.weight_correlation)} (at most {rounded(null)} in neurons shifted in time), and {overlap}."
    )


def _forecasts(assessment: Assessment) -> str | None:
    if assessment.forecasts is None:
        return None
    first = assessment.forecasts.horizons[0]
    own = next(rival for rival in first.rivals if rival.method == ABLATION)
    gain = own.difference or Estimate(value=math.nan, low=math.nan, high=math.nan)
    words = {"better": "better than", "worse": "worse than", "undecided": "not clearly different from"}
    others = [
        f"{words[other.verdict]} {label(other.method)}"
        + (f" ({written(other.difference, 4)})" if other.difference else "")
        for other in first.rivals
        if other.method != ABLATION
    ]
    return (
        f"Connectivity adds {written(gain, 4)} to the skill of forecasts {first.horizon_s * 1e3:.0f} ms ahead, which "
        f"is {written(first.skill, 3)}{': ' if others else ''}{'; '.join(others)}."
    )


def _knowledge(knowledge: Knowledge) -> str:
    said = []
    if (signs := knowledge.signs) is not None:
        said.append(_told_apart(signs, f"{signs.n_excitatory} excitatory from {signs.n_inhibitory} inhibitory ones"))
    if (widths := knowledge.waveform) is not None:
        kinds = f"{widths.n_excitatory} with broad spikes from {widths.n_inhibitory} with narrow ones (interneurons)"
        said.append(_told_apart(widths, kinds))
    if (distance := knowledge.distance) is not None:
        said.append(
            f"evidence and distance have rank correlation {rounded(distance.correlation)} ({p_text(distance.p_value)})"
        )
    if (areas := knowledge.areas) is not None:
        ratio = areas.within / areas.between if areas.between else math.inf
        said.append(f"evidence within areas is {ratio:.2f} times that between them ({p_text(areas.p_value)})")
    if (types := knowledge.cell_types) is not None:
        said.append(
            f"weights between {', '.join(types.types)} have rank correlation {rounded(types.correlation)} with those "
            f"measured in slices ({p_text(types.p_value)})"
        )
    if not said:
        return (
            "Cell types, spike widths, positions and areas are unknown, so there is no prior knowledge to compare with."
        )
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _told_apart(signs: Signs, kinds: str) -> str:
    auroc = f"AUROC {written(signs.auroc)} ({p_text(signs.p_value)})"
    return f"the sign of outgoing connections distinguishes {kinds}, with {auroc}"


def _perturbation(perturbation: Perturbation) -> str:
    first, last = (f"{at * 1e3:.0f}" for at in perturbation.response_s)
    p_targets, p_sources = p_text(perturbation.p_targets), p_text(perturbation.p_sources)
    driven, n_responses = len(perturbation.driven), f"{len(perturbation.targets):,}"
    if perturbation.n_perturbations > 1:
        said = f"are on {driven} neurons one by one; {n_responses} responses of others"
    else:
        said = f"drive {driven} neurons directly; responses of the {n_responses} others"
    return (
        f"{perturbation.n_pulses:,} pulses of light ({perturbation.light}) {said}, {first} to {last} ms after onset, "
        f"have rank correlation {written(perturbation.correlation)} with the prediction from connectivity ({p_targets} "
        f"among targets, {p_sources} among sources; a perfect prediction would reach about {perturbation.ceiling:.2f})."
    )
