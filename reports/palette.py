"""One colour and dash per method, the same in every figure and table of a report.

The colours are those of Okabe and Ito (2008), told apart by colour-blind readers; dashes and markers
tell the methods apart in greyscale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

MODEL = "synapsnet"
ABLATION = "synapsnet-independent"  # the same model with W = 0


@dataclass(frozen=True)
class MethodStyle:
    """How a method is drawn; `dash` is understood by plotly and as SVG's stroke-dasharray."""

    color: str
    dash: str
    symbol: str
    width: float = 2.0

    def faded(self, alpha: float) -> str:
        """The colour with an opacity, as CSS."""
        red, green, blue = (int(self.color[k : k + 2], 16) for k in (1, 3, 5))
        return f"rgba({red},{green},{blue},{alpha:g})"


FIXED = {
    MODEL: MethodStyle("#0072B2", "solid", "circle", 3.0),
    ABLATION: MethodStyle("#56B4E9", "7px,3px", "circle-open", 2.5),
    "mean": MethodStyle("#8a8a8a", "2px,3px", "line-ew-open"),
    "copy-last": MethodStyle("#5c5c5c", "2px,2px", "x-thin-open"),
    "ceiling": MethodStyle("#8a8a8a", "6px,4px", "line-ns-open"),
    "oracle": MethodStyle("#8a8a8a", "1px,4px", "line-ns-open"),
}
COLORS = ("#D55E00", "#009E73", "#CC79A7", "#B8860B", "#000000")
DASHES = ("9px,3px", "3px,3px", "9px,3px,2px,3px", "14px,4px")
SYMBOLS = ("square", "diamond", "triangle-up", "cross", "star", "pentagon", "x", "triangle-down", "diamond-open")


def method_styles(methods: Iterable[str]) -> dict[str, MethodStyle]:
    """Assign a style to every method; SynapsNet, the naive forecasts and the bounds always look the same.

    Parameters
    ----------
    methods : iterable of str
        All methods of the report, repetitions allowed; the order decides who gets which colour.
    """
    styles: dict[str, MethodStyle] = {}
    number = count()
    for method in dict.fromkeys(methods):
        if method in FIXED:
            styles[method] = FIXED[method]
        else:
            k = next(number)
            styles[method] = MethodStyle(COLORS[k % len(COLORS)], DASHES[k % len(DASHES)], SYMBOLS[k % len(SYMBOLS)])
    return styles
