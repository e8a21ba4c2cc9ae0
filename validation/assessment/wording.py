"""Numbers of an assessment in words."""

from __future__ import annotations

import math

from validation.metrics.results import Estimate

LEVEL = 0.05  # of a p-value, and of false discoveries


def written(estimate: Estimate, digits: int = 2) -> str:
    """A value with its interval, where it has one."""
    if math.isnan(estimate.low):
        return rounded(estimate.value, digits)
    return f"{rounded(estimate.value, digits)} [{rounded(estimate.low, digits)}, {rounded(estimate.high, digits)}]"


def percent(estimate: Estimate) -> str:
    """A share with its interval, in percent."""
    value = "–" if math.isnan(estimate.value) else f"{estimate.value:.0%}"
    return value if math.isnan(estimate.low) else f"{value} [{estimate.low:.0%}, {estimate.high:.0%}]"


def rounded(value: float, digits: int = 2) -> str:
    """A number with a true minus sign and without negative zero; a dash where the value is not defined."""
    return "–" if math.isnan(value) else f"{value:z.{digits}f}".replace("-", "−")


def p_text(p_value: float) -> str:
    """A p-value with two significant digits, or that it is below 0.001."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def minutes(duration_s: float) -> str:
    """A duration in minutes, or in seconds below one minute."""
    if duration_s < 60:
        return f"{duration_s:.3g} s"
    return f"{duration_s / 60:.3g} min" if duration_s < 60_000 else f"{duration_s / 60:,.0f} min"
