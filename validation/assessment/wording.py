"""Numbers of an assessment in words."""

from __future__ import annotations

import math

from validation.assessment.results import Matched, MatchedScore
from validation.metrics.results import Estimate

LEVEL = 0.05  # of a p-value, and of false discoveries
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


def at_length(matched: Matched | None) -> list[MatchedScore]:
    """Scores at the recording's own length, scenario by scenario."""
    return [] if matched is None else [score for each in matched.scenarios if (score := each.at()) is not None]


def share(score: MatchedScore) -> str:
    """How much of the network was recorded."""
    return "all" if score.visible_fraction == 1 else f"{score.visible_fraction:.0%}"


def written(estimate: Estimate, digits: int = 2) -> str:
    """A value with its interval, where it has one."""
    if math.isnan(estimate.low):
        return rounded(estimate.value, digits)
    return f"{rounded(estimate.value, digits)} [{rounded(estimate.low, digits)}, {rounded(estimate.high, digits)}]"


def rounded(value: float, digits: int = 2) -> str:
    """A number with a true minus sign and without negative zero; a dash where the value is not defined."""
    return "–" if math.isnan(value) else f"{value:z.{digits}f}".replace("-", "−")


def p_text(p_value: float) -> str:
    """A p-value with two significant digits, or that it is below 0.001."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def or_zero(value: float) -> float:
    """The value, 0 where it is not defined."""
    return 0.0 if math.isnan(value) else value


def minutes(duration_s: float) -> str:
    """A duration in minutes, or in seconds below one minute."""
    if duration_s < 60:
        return f"{duration_s:.3g} s"
    return f"{duration_s / 60:.3g} min" if duration_s < 60_000 else f"{duration_s / 60:,.0f} min"
