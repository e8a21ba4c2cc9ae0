"""Reasons to doubt a connectivity, in sentences. Pure functions of `Assessment`."""

from __future__ import annotations

from synapsnet.recording import Modality
from synapsnet.wording import counted
from validation.assessment.forecast_gain import ABLATION
from validation.assessment.results import Assessment, Expected, Knowledge, Perturbation
from validation.assessment.wording import LEVEL, minutes, percent, rounded, written

FEW_NEURONS = 20
WORTH_RECORDING = 0.05  # AUPRC that a longer recording adds
SHARED_DRIVE = 0.1  # mean correlation of pairs; asynchronous networks of the catalogue have 0.00 to 0.05
LONGEST_STEP_S = {"calcium": 0.025, "spikes": 0.02}  # most effects of a spike on the rates of others are over by then


def warnings(assessment: Assessment) -> list[str]:
    """Reasons to doubt the connectivity, the most general first."""
    reasons = [
        _few_neurons(assessment),
        _long_steps(assessment),
        _shared_drive(assessment),
        *_of_expected(assessment.expected),
        _unreliable(assessment),
        _ablation(assessment),
        _signs(assessment.knowledge),
        _widths(assessment.knowledge),
        _unpredicted(assessment.perturbation),
    ]
    return [sentence for sentence in reasons if sentence is not None]


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
        "interactions fall within the step, where their direction cannot be told."
    )


def _shared_drive(assessment: Assessment) -> str | None:
    facts = assessment.facts
    if facts is None or not facts.mean_correlation >= SHARED_DRIVE:  # it may be undefined
        return None
    return (
        f"Strong common input: pairs are correlated at {facts.mean_correlation:.2f} on average; unrecorded common "
        "input looks like connections."
    )


def _of_expected(expected: Expected | None) -> list[str | None]:
    if expected is None:
        return []
    return [
        _no_better_than_chance(expected),
        _too_short(expected),
        _false_discoveries(expected),
        _unlike(expected),
    ]


def _no_better_than_chance(expected: Expected) -> str | None:
    if not expected.auprc.low <= expected.density.value:
        return None
    return (
        f"Data like these may not tell connections from chance: AUPRC {written(expected.auprc)} is expected, where "
        f"guessing reaches {rounded(expected.density.value)}. Reproducible weights need not be connections."
    )


def _too_short(expected: Expected) -> str | None:
    now, longer = expected.auprc.value, expected.longer
    if not longer.auprc.value - now > WORTH_RECORDING:
        return None
    then = f"{written(longer.auprc)} in {minutes(longer.duration_s)}"
    return f"Record longer: where AUPRC {rounded(now)} is reached now, it would be {then}."


def _false_discoveries(expected: Expected) -> str | None:
    now, instead = expected.at(LEVEL), expected.corrected(LEVEL)
    if not now.deviates:
        return None
    if instead is None:
        then = "no stricter threshold is known to bring that down."
    elif instead.n_reported == now.n_reported:
        then = (
            f"a nominal {instead.nominal:.1%}, where {percent(instead.rate)} are, keeps all of them: nothing changes."
        )
    else:
        then = (
            f"at a nominal {instead.nominal:.1%}, where {percent(instead.rate)} are, {instead.n_reported:,} of them "
            "stand (`synapsnet edges --correct`)."
        )
    return (
        f"More of the {now.n_reported:,} reported connections are false than the nominal {LEVEL:.0%}: "
        f"{percent(now.rate)} in networks like this; {then}"
    )


def _unlike(expected: Expected) -> str | None:
    if expected.atypical <= 1:
        return None
    simulated = f"{counted(expected.n_matched, 'network')} simulated for it"
    parts = f", in {', '.join(expected.unlike)}" if expected.unlike else ""
    unlike = f"This recording is unlike all {expected.n_examples:,} stored ones{parts}"
    if expected.n_like:
        return f"{unlike}; {expected.n_like} of the {simulated} are like it, and narrow the intervals."
    tried = f", and unlike the {simulated}" if expected.n_matched else ""
    return f"{unlike}{tried}: intervals are wider for it, and what they promise is less certain."


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


def _unpredicted(perturbation: Perturbation | None) -> str | None:
    if perturbation is None or max(perturbation.p_targets, perturbation.p_sources) < LEVEL:
        return None
    return (
        "Connectivity does not predict responses to light: predictions permuted among targets, or made from as many "
        "random neurons instead of the driven ones, agree with the responses just as well."
    )
