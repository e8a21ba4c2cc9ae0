"""Numbers as readers see them: three significant digits, a real minus sign, a dash for 'not defined'."""

from __future__ import annotations

import math

from validation.metrics.results import Estimate

UNDEFINED = "–"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def is_defined(number: float | None) -> bool:
    """Whether it is a number, not missing or NaN."""
    return number is not None and not math.isnan(number)


def format_number(number: float | None) -> str:
    """Three significant digits, for example 0.961, −0.0120, 12,300 or 1.20×10⁻⁷."""
    if number is None or math.isnan(number):
        return UNDEFINED
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    mantissa, _, exponent = f"{abs(number):.2e}".partition("e")
    size = int(exponent)
    if number == 0:
        text = "0"
    elif -4 <= size < 3:
        text = f"{abs(number):.{2 - size}f}"
    elif 3 <= size < 6:
        text = f"{round(float(mantissa) * 10**size):,}"
    else:
        text = f"{mantissa}×10{str(size).translate(_SUPERSCRIPT)}"
    return f"−{text}" if number < 0 else text


def format_interval(estimate: Estimate | None) -> str:
    """The 95% interval as `[low, high]`, or nothing where there is none."""
    if estimate is None or not (is_defined(estimate.low) and is_defined(estimate.high)):
        return ""
    return f"[{format_number(estimate.low)}, {format_number(estimate.high)}]"


def format_estimate(estimate: Estimate | None) -> str:
    """Value and interval for running text, for example `0.961 [0.951, 0.970]`."""
    if estimate is None:
        return UNDEFINED
    return f"{format_number(estimate.value)} {format_interval(estimate)}".rstrip()


def format_duration(seconds: float) -> str:
    """Seconds in the unit a reader would choose: `5 ms`, `1.6 s`, `20 min`."""
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 2 * size or (unit == "s" and seconds >= 1):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1000:.3g} ms"
