"""An assessment in the report: findings in words, then the match, reliability, and what could not be determined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reports.assessment_figures import agreement_figure, light_figure, matched_figure, weights_figure
from reports.numbers import format_duration, format_estimate, format_number, is_defined
from reports.page import Panel
from reports.summary import Statement
from reports.tables import Cell, Row, Table, estimate_cell
from validation.assessment.cautions import warnings
from validation.assessment.findings import findings
from validation.assessment.reliability import Arrays
from validation.assessment.results import (
    Assessment,
    Comparison,
    Matched,
    Part,
    Perturbation,
    Quartiles,
    Scenario,
)
from validation.assessment.wording import NAMES
from validation.metrics.glossary import Metric
from validation.metrics.results import Estimate

PARTS: dict[Part, str] = {
    "matched": "Matched simulation",
    "reliability": "Reliability",
    "states": "States of the animal",
    "forecasts": "Forecasts against others",
    "knowledge": "Independent knowledge",
    "perturbation": "Responses to light",
}
KNOWLEDGE = {
    "signs": "Signs by cell type",
    "distance": "Distance",
    "areas": "Areas",
    "cell_types": "Weights by cell type",
    "waveform": "Signs by the width of spikes",
}
MATCHED_METRICS = (
    Metric("duration", "recorded for", "Length of the simulated recording."),
    Metric("auprc", "AUPRC", "Area under the precision-recall curve; 1 if all connections rank above all other pairs."),
    Metric("density", "chance", "AUPRC of guessing: the fraction of pairs that are connected."),
    Metric("false_discovery_rate", "false", "Fraction of the reported pairs that are not connected.", True),
    Metric("sign_accuracy", "sign accuracy", "Fraction of the connections whose sign is right."),
    Metric("weight_correlation", "weight r", "Correlation of true and inferred weights over all pairs."),
    Metric("share_reported", "reported", "Fraction of pairs reported."),
)
AGREEMENT_METRICS = (
    Metric("duration", "length of each", "Duration of each of the two parts."),
    Metric("weight", "weight r", "Correlation of weights from the two parts."),
    Metric("null", "shifted neurons", "Largest such correlation between neurons that were shifted in time."),
    Metric("p", "p", "Fraction of the shifted ones that correlate as much, at least 1 / (1 + their number).", True),
    Metric("score", "score r", "Correlation of the evidence from the two parts."),
    Metric(
        "overlap", "reported by both", "Fraction of the pairs reported from either part that are reported from both."
    ),
    Metric("chance", "by chance", "The same for as many pairs drawn at random."),
)
LIGHT_METRICS = (
    Metric("pulses", "pulses", "Short pulses of light without other light around them."),
    Metric("driven", "driven", "Neurons that fire more during the light than before it, in half of the trials."),
    Metric("targets", "others", "Neurons whose responses are predicted, and measured in the other half of the trials."),
    Metric("correlation", "rank correlation", "Spearman, of predicted and measured responses."),
    Metric("given_rate", "given rate", "The same as a partial correlation given the rate before light."),
    Metric("p_targets", "p targets", "Fraction of predictions permuted among the others that agree as well.", True),
    Metric(
        "p_sources",
        "p sources",
        "The same for predictions from as many random neurons instead of the driven ones.",
        True,
    ),
    Metric(
        "ceiling",
        "ceiling",
        "Expected for a perfect prediction: the square root of the correlation between the halves of the trials.",
    ),
)


@dataclass(frozen=True)
class Assessed:
    """An assessment as the template lays it out."""

    statements: list[Statement]
    panels: list[Panel]
    likeness: Table | None
    missing: list[tuple[str, str]]


def assessed(assessment: Assessment, parts: Arrays) -> Assessed:
    """Lay out an assessment; missing parts are listed with the reason.

    Parameters
    ----------
    assessment : Assessment
        Possibly incomplete.
    parts : dict of str -> (N, N) arrays
        See `validation.assessment.assess.load_arrays`.
    """
    return Assessed(
        statements=[
            *(Statement(text) for text in findings(assessment)),
            *(Statement(text, warning=True) for text in warnings(assessment)),
        ],
        panels=list(_panels(assessment, parts)),
        likeness=None if assessment.matched is None else likeness_table(assessment.matched),
        missing=list(_missing(assessment)),
    )


def matched_table(matched: Matched) -> Table:
    """The scores of matched simulations, by recorded fraction and length."""
    rows = [
        Row(
            "",
            share_text(scenario),
            [
                Cell(format_duration(score.duration_s), value=score.duration_s),
                estimate_cell(score.auprc),
                _number(score.density),
                estimate_cell(score.false_discovery_rate),
                estimate_cell(score.sign_accuracy),
                estimate_cell(score.weight_correlation),
                _number(score.share_reported),
            ],
        )
        for scenario in matched.scenarios
        for score in scenario.scores
    ]
    return Table("Scores on the matched simulations, means over seeds", MATCHED_METRICS, rows)


def likeness_table(matched: Matched) -> Table:
    """Statistics of the recording and of the matched simulations: medians and quartiles."""
    columns = [Metric("recording", "recording", "Median over neurons or pairs, and quartiles.")]
    columns += [Metric("", share_text(scenario), "Of the simulation.") for scenario in matched.scenarios]
    names = [each.name for each in matched.scenarios[0].likeness] if matched.scenarios else []
    rows = []
    for k, name in enumerate(names):
        same = [scenario.likeness[k] for scenario in matched.scenarios]
        cells = [_quartiles(same[0].recording), *(_quartiles(each.simulation) for each in same)]
        rows.append(Row("", NAMES.get(name, name), cells))
    return Table("How like your data the matched simulations are: medians and quartiles", columns, rows)


def agreement_table(comparisons: Sequence[Comparison]) -> Table:
    """How far connectivity from two parts of the recording agrees."""
    rows = [
        Row(
            "",
            _pair(each),
            [
                Cell(format_duration(each.duration_s), value=each.duration_s),
                estimate_cell(each.weight_correlation),
                _number(max(each.null_weight_correlation, default=np.nan)),
                _number(each.p_weight),
                estimate_cell(each.score_correlation),
                estimate_cell(each.overlap),
                _number(each.expected_overlap),
            ],
        )
        for each in comparisons
    ]
    return Table("Agreement of two parts of the recording", AGREEMENT_METRICS, rows)


def light_table(found: Perturbation) -> Table:
    """How well connectivity predicts responses to light."""
    sizes = (found.n_pulses, len(found.driven), len(found.targets))
    cells = [
        *(Cell(f"{size:,}", value=size) for size in sizes),
        estimate_cell(found.correlation),
        *(_number(each) for each in (found.given_rate, found.p_targets, found.p_sources, found.ceiling)),
    ]
    return Table("Prediction of responses to light", LIGHT_METRICS, [Row("", found.light, cells)])


def share_text(scenario: Scenario) -> str:
    """How much of the network was recorded."""
    if scenario.visible_fraction == 1:
        return "all neurons recorded"
    return f"{scenario.visible_fraction:.0%} of the neurons recorded"


def _panels(assessment: Assessment, parts: Arrays) -> Iterator[Panel]:
    if assessment.matched is not None and assessment.matched.scenarios:
        yield _matched_panel(assessment.matched)
    if _comparisons(assessment)[0]:
        yield _agreement_panel(assessment, parts)
    if assessment.perturbation is not None:
        yield _light_panel(assessment.perturbation)


def _matched_panel(matched: Matched) -> Panel:
    now = matched.scenarios[0].at()
    reaches = (
        "" if now is None else f"At the length of your recording SynapsNet reaches AUPRC {format_estimate(now.auprc)}. "
    )
    return Panel(
        "On data like yours",
        f"{reaches}How much of the truth SynapsNet finds in simulated recordings that are like yours, by how long they "
        "are: 1 is all of it, the dotted line is guessing. Bars are 95% intervals over networks, small marks single "
        f"networks. {matched.how}",
        {"": matched_figure(matched, [share_text(each) for each in matched.scenarios])},
        shape="wide",
        table=matched_table(matched),
        of="matched simulation",
    )


def _agreement_panel(assessment: Assessment, parts: Arrays) -> Panel:
    comparisons, names = _comparisons(assessment)
    scenarios = [] if assessment.matched is None else assessment.matched.scenarios
    reached = [each.weight_reliability for each in scenarios if each.weight_reliability is not None]
    plots = {"correlation": agreement_figure(comparisons, [_pair(each) for each in comparisons], reached)}
    for name, each in zip(names, comparisons, strict=True):
        if f"{name}.first.weight" in parts:
            weights = parts[f"{name}.first.weight"], parts[f"{name}.second.weight"]
            plots[f"weights: {_pair(each)}"] = weights_figure(*weights, each.parts)
    return Panel(
        "Does another part of the recording give the same connectivity?",
        "Correlation of weights inferred from two parts of the recording, with 95% intervals; crosses are "
        "neurons shifted in time, which share nothing, and open diamonds are odd and even blocks of the matched "
        "simulations. Weights on which the parts disagree cannot be right; those on which they agree need not be, "
        "because common input repeats as well.",
        plots,
        choice="Show",
        shape="wide",
        table=agreement_table(comparisons),
        of="parts",
    )


def _light_panel(found: Perturbation) -> Panel:
    first, last = (f"{at * 1e3:.0f}" for at in found.response_s)
    return Panel(
        "Does connectivity predict responses to light?",
        f"Each mark is a neuron not driven directly by light: its response {first} to {last} ms after the onset of "
        "light, against the summed input from the driven neurons by the inferred connectivity. The two have "
        f"rank correlation {format_estimate(found.correlation)}; a perfect prediction would reach about "
        f"{format_number(found.ceiling)}. The light was not fitted.",
        {"": light_figure(found)},
        shape="wide",
        table=light_table(found),
        of="light",
    )


def _comparisons(assessment: Assessment) -> tuple[list[Comparison], list[str]]:
    """Comparisons of parts of the recording, and the names of their arrays."""
    found, names = [], []
    if assessment.reliability is not None:
        found += [assessment.reliability.interleaved, assessment.reliability.halves]
        names += ["interleaved", "halves"]
    if assessment.states is not None:
        found.append(assessment.states.comparison)
        names.append("states")
    return found, names


def _missing(assessment: Assessment) -> Iterator[tuple[str, str]]:
    for part, name in PARTS.items():
        if part in assessment.skipped:
            yield name, assessment.skipped[part]
        elif not assessment.done(part):
            yield name, "Not computed yet; the same `synapsnet assess` continues where it stopped."
    if assessment.knowledge is not None:
        for field, reason in assessment.knowledge.skipped.items():
            yield KNOWLEDGE.get(field, field), reason


def _pair(comparison: Comparison) -> str:
    return " and ".join(comparison.parts)


def _number(value: float) -> Cell:
    return Cell(format_number(value), value=value if is_defined(value) else None)


def _quartiles(of: Quartiles) -> Cell:
    return estimate_cell(Estimate(value=of.median, low=of.low, high=of.high))
