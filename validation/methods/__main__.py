"""All methods in a table: `python -m validation.methods > docs/methods.md`."""

from __future__ import annotations

import inspect
import re

from validation.methods import METHODS, Entry

INTRODUCTION = """# Methods

The methods that are compared. A name is what the command line takes (`synapsnet score --against`,
`synapsnet benchmark --method`) and suites list; settings are the arguments of the class, with their defaults. T is the
number of steps of a recording, N that of its neurons, p that of lags; "per pass" is over the data, in training. A dash
says that there is none. To infer from calcium, most methods see the deconvolved activity in place of spike counts.

`+calibrated` after a name, as in `granger+calibrated`, replaces the method's own threshold by one that the recording
itself gives ([what both report](variants.md#a-calibrated-threshold-for-any-method)).

The docstring of a class, in a module of `validation.methods`, says more, also where it differs from its source.
SynapsNet is ours, and its estimator forecasts as well; `synapsnet/model/` has its equations. Which method has which
property: [properties.md](properties.md).
"""
FOOTER = "\nWritten by `python -m validation.methods > docs/methods.md`; do not edit."
COLUMNS = ("name", "label", "what it computes", "source", "settings", "cost", "infers from", "forecasts", "class")

COST = re.compile(r"O\([^()]*(?:\([^()]*\)[^()]*)*\)(?: per pass| and what the method takes)?")
NAME = r"(?:(?:De|Van|Von|van|von) )?[A-ZÄÖÜ][\w-]+"
SOURCE = re.compile(
    rf"{NAME}(?:(?:, | & | and ){NAME})*(?: et al\.)? (?:19|20)\d\d,"
    r" (?:[A-Z][A-Za-z ]+ \d+:e?\d+|(?:[A-Za-z]+, )?arXiv[: ][\d.]+\d|[A-Z][A-Za-z ]+)"
)


def page() -> str:
    """The page, one row for each registered method."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [
        f"| {' | '.join(cell or '–' for cell in row(name, entry))} |"
        for name, entry in METHODS.items()
        if not entry.bound
    ]
    return "\n".join([INTRODUCTION, *lines, FOOTER, ""])


def row(name: str, entry: Entry) -> tuple[str, ...]:
    """A method's cells, in the order of `COLUMNS`; what its docstrings do not say is empty."""
    method = entry.load()
    own, module = inspect.getdoc(method) or "", inspect.getdoc(inspect.getmodule(method)) or ""
    summary = own.partition("\n\n")[0].replace("\n", " ")
    costs = (COST.search(base.__doc__ or "") for base in method.__mro__)  # an ablation costs what its model does
    sources = SOURCE.findall(f"{own} {module}".replace("\n", " "))
    return (
        f"`{name}`",
        entry.label,
        summary.partition("; O(")[0].removesuffix("."),
        "; ".join(dict.fromkeys(sources)),
        ", ".join(f"`{parameter}`" for parameter in settings(method)),
        next((cost[0] for cost in costs if cost), ""),
        ", ".join(entry.infers) + (" with light on single neurons" if entry.stimulated else ""),
        ", ".join(entry.forecasts),
        f"`{method.__module__.removeprefix('validation.methods.')}.{method.__name__}`",
    )


def settings(method: type) -> list[str]:
    """The arguments of a class and their defaults."""
    parameters = inspect.signature(method).parameters.values()
    return [str(parameter.replace(annotation=parameter.empty)) for parameter in parameters]


if __name__ == "__main__":
    print(page(), end="")
