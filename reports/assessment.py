"""An assessment in the report: findings in words, what is expected, reliability, and what could not be determined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reports.assessment_figures import (
    agreement_figure,
    light_figure,
    recovery_figure,
    thresholds_figure,
    weights_figure,
)
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
    Expected,
    Part,
    Perturbation,
)
from validation.metrics.glossary import Metric

PARTS: dict[Part, str] = {
    "expected": "What is recovered",
    "matched": "Networks simulated for it",
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
EXPECTED_METRICS = (
    Metric("value", "expected", "Median over simulated recordings like this one, with a 95% interval."),
)
EXPECTED = {
    "auprc": "AUPRC",
    "density": "fraction of pairs connected (chance)",
    "sign_accuracy": "sign accuracy",
    "strength_mv": "mean potential of a connection (mV)",
    "hidden": "fraction of the network not recorded",
}
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
    Metric("driven", "driven", "Neurons that light drives: more than before it, in half of the trials."),
    Metric("targets", "others", "Responses of others, predicted, and measured in the other half of the trials."),
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
        missing=list(_missing(assessment)),
    )


def expected_table(expected: Expected) -> Table:
    """What is expected of the connectivity, of longer recordings and of other thresholds."""
    values = [(text, getattr(expected, name)) for name, text in EXPECTED.items()]
    values += [(f"AUPRC in {format_duration(expected.longer.duration_s)}", expected.longer.auprc)]
    values += [
        (f"false of the {threshold.n_reported:,} pairs reported at {threshold.nominal:.1%}", threshold.false)
        for threshold in expected.thresholds
        if threshold.n_reported
    ]
    rows = [Row("", text, [estimate_cell(value)]) for text, value in values]
    return Table("Expected from simulated recordings like this one", EXPECTED_METRICS, rows)


def agreement_table(comparisons: Sequence[Comparison]) -> Table:
    """How far connectivity from two parts of the recording agrees."""
    rows = [
        Row(
            "",
            _pair(comparison),
            [
                Cell(format_duration(comparison.duration_s), value=comparison.duration_s),
                estimate_cell(comparison.weight_correlation),
                _number(max(comparison.null_weight_correlation, default=np.nan)),
                _number(comparison.p_weight),
                estimate_cell(comparison.score_correlation),
                estimate_cell(comparison.overlap),
                _number(comparison.expected_overlap),
            ],
        )
        for comparison in comparisons
    ]
    return Table("Agreement of two parts of the recording", AGREEMENT_METRICS, rows)


def light_table(perturbation: Perturbation) -> Table:
    """How well connectivity predicts responses to light."""
    sizes = (perturbation.n_pulses, len(perturbation.driven), len(perturbation.targets))
    cells = [
        *(Cell(f"{size:,}", value=size) for size in sizes),
        estimate_cell(perturbation.correlation),
        *(
            _number(value)
            for value in (perturbation.given_rate, perturbation.p_targets, perturbation.p_sources, perturbation.ceiling)
        ),
    ]
    return Table("Prediction of responses to light", LIGHT_METRICS, [Row("", perturbation.light, cells)])


def _panels(assessment: Assessment, parts: Arrays) -> Iterator[Panel]:
    if assessment.expected is not None and assessment.facts is not None:
        yield _expected_panel(assessment.expected, assessment.facts.duration_s)
    if _comparisons(assessment)[0]:
        yield _agreement_panel(assessment, parts)
    if assessment.perturbation is not None:
        yield _light_panel(assessment.perturbation)


def _expected_panel(expected: Expected, duration_s: float) -> Panel:
    return Panel(
        "On data like yours",
        f"SynapsNet reaches AUPRC {format_estimate(expected.auprc)} on simulated recordings that look like yours and "
        "in which it finds what it finds in yours; 1 is all of the connections, the dotted line is guessing. "
        f"Regression over {expected.n_examples:,} recordings of networks of many kinds, of which the connections are "
        "known; bars are 95% intervals. How much is false at other thresholds: on the dotted line, a threshold keeps "
        "its word.",
        {"recovery": recovery_figure(expected, duration_s), "false discoveries": thresholds_figure(expected)},
        choice="Show",
        shape="wide",
        table=expected_table(expected),
        of="expected",
    )


def _agreement_panel(assessment: Assessment, parts: Arrays) -> Panel:
    comparisons, names = _comparisons(assessment)
    plots = {"correlation": agreement_figure(comparisons, [_pair(comparison) for comparison in comparisons])}
    for name, comparison in zip(names, comparisons, strict=True):
        if f"{name}.first.weight" in parts:
            weights = parts[f"{name}.first.weight"], parts[f"{name}.second.weight"]
            plots[f"weights: {_pair(comparison)}"] = weights_figure(*weights, comparison.parts)
    return Panel(
        "Does another part of the recording give the same connectivity?",
        "Correlation of weights inferred from two parts of the recording, with 95% intervals; crosses are "
        "neurons shifted in time, which share nothing. Weights on which the parts disagree cannot be right; those on "
        "which they agree need not be, "
        "because common input repeats as well.",
        plots,
        choice="Show",
        shape="wide",
        table=agreement_table(comparisons),
        of="parts",
    )


def _light_panel(perturbation: Perturbation) -> Panel:
    first, last = (f"{at * 1e3:.0f}" for at in perturbation.response_s)
    if perturbation.n_perturbations > 1:
        mark = "the response of one neuron to light on another"
    else:
        mark = "the response of a neuron not driven directly by light"
    return Panel(
        "Does connectivity predict responses to light?",
        f"Each mark is {mark}, {first} to {last} ms after the onset, against the summed input from the driven neurons "
        "by the inferred connectivity. The two have "
        f"rank correlation {format_estimate(perturbation.correlation)}; a perfect prediction would reach about "
        f"{format_number(perturbation.ceiling)}. The light was not fitted.",
        {"": light_figure(perturbation)},
        shape="wide",
        table=light_table(perturbation),
        of="light",
    )


def _comparisons(assessment: Assessment) -> tuple[list[Comparison], list[str]]:
    """Comparisons of parts of the recording, and the names of their arrays."""
    comparisons, names = [], []
    if assessment.reliability is not None:
        comparisons += [assessment.reliability.interleaved, assessment.reliability.halves]
        names += ["interleaved", "halves"]
    if assessment.states is not None:
        comparisons.append(assessment.states.comparison)
        names.append("states")
    return comparisons, names


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
