"""Which registered method has which property: `python -m validation.properties --table docs/properties.md`."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from synapsnet.files import write_text
from validation.methods import METHODS, find_method, label
from validation.methods.base import Method
from validation.properties.check import MODALITIES, PropertyResult, iter_check
from validation.properties.suite import PROPERTIES

INTRODUCTION = """# What a method must do

A method that infers connectivity can be checked for these properties as scikit-learn's `check_estimator` checks an
estimator: from Python, from the command line, or beside the tests of your own package.

```python
from validation import assert_method, check_method

results = check_method(MyMethod)  # a list: name, level, modality, outcome, message
assert_method(MyMethod)  # raises an AssertionError if it lacks a "must"
```

```
synapsnet check mypkg.mymodule:MyMethod
pytest --synapsnet-method=mypkg.mymodule:MyMethod
```

A missing **must** makes scores wrong or a method unusable here; a missing **should** is a limit to know of. The
recordings are surrogates of 3 to 8 neurons whose planted connections are strong, without delay beyond one step, and
slower than a step; passing says that nothing is broken, not that a method recovers cortex. Most properties are checked
on two small networks and on eight more that hypothesis draws; a failure is shown on the smallest one that it finds.
Those marked "recordings" are statistical and checked once over 4 or 12 recordings, with limits that a method which has
the property exceeds for one choice of seeds in about a thousand; `co-modulation`, `few-spikes` and `time-resolution`
are on spike times, and apply only to methods that say what is significant. Everything is deterministic. `--quick`
leaves it at the two networks and at 1 to 4 recordings.

A method may refuse a modality with an `InputError`; it is then not checked on it. "The same" scores are equal within 5%
of the largest one or, for a method that takes a seed, within twice of what another seed changes.

"""
FOOTER = "\nWritten by `python -m validation.properties --table docs/properties.md`; do not edit.\n"
POOLED = (
    "no-edges-chance", "no-edges-significance", "time-reversal", "more-data",
    "co-modulation", "few-spikes", "time-resolution",
)  # fmt: skip
MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}


def examine(name: str, method: type[Method], quick: bool) -> list[PropertyResult]:
    """All results of a registered method; they are printed as they come."""
    results = []
    for result in iter_check(method, quick=quick):
        results.append(result)
        if result.outcome != "passed":
            print(f"{name}: {result}", flush=True)
    return results


def page(results: dict[str, list[PropertyResult]], quick: list[str]) -> str:
    """The page: the properties, the table, and every failure in words.

    Parameters
    ----------
    results : dict of name -> results
    quick : list of str
        Names of those that were checked quickly.
    """
    lines = ["| property | level | why | checked on |", "|---|---|---|---|"]
    for prop in PROPERTIES.values():
        on = " and ".join(prop.modalities) + (" (recordings)" if prop.name in POOLED else "")
        lines.append(f"| `{prop.name}` | {prop.level} | {prop.reason} | {on} |")
    lines += ["", "## Which method has which", "", "Spikes / calcium; – is not applicable or refused.", ""]
    lines += [f"| | {' | '.join(label(name) for name in results)} |", "|---" * (len(results) + 1) + "|"]
    for prop in PROPERTIES.values():
        cells = []
        for found in results.values():
            outcome = {result.modality: result.outcome for result in found if result.name == prop.name}
            cells.append(" / ".join(MARKS[outcome.get(modality, "skipped")] for modality in MODALITIES))
        lines.append(f"| `{prop.name}` | {' | '.join(cells)} |")
    slow = [label(name) for name in results if name in quick]
    lines += ["", *([f"Checked with `--quick`: {', '.join(slow)}.", ""] if slow else []), "## What failed", ""]
    lines += [
        f"- **{label(name)}**, `{result.name}` ({result.level}, {result.modality}): {result.message}"
        for name, found in results.items()
        for result in found
        if result.outcome == "failed"
    ] or ["Nothing."]
    skipped = {
        f"- **{label(name)}**, {result.modality}: {result.message}": None
        for name, found in results.items()
        for result in found
        if result.outcome == "skipped"
    }
    return INTRODUCTION + "\n".join([*lines, "", "## What was skipped", "", *(skipped or ["Nothing."])]) + "\n" + FOOTER


def main() -> None:
    """Check the registered methods, print what they lack, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    variants = [name for name in METHODS if name.startswith("synapsnet-")]  # have what SynapsNet has
    methods = [
        name
        for name, entry in METHODS.items()
        if entry.infers and not entry.bound and not entry.stimulated and name not in variants
    ]
    slow = [name for name in methods if METHODS[name].slow]
    parser.add_argument("--methods", nargs="+", default=methods, choices=methods)
    parser.add_argument("--quick", nargs="*", default=slow, help="methods that are checked quickly")
    parser.add_argument("--table", type=Path, help="page to write")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of solvers on silent neurons, by the hundred
    results = {name: examine(name, find_method(name), name in options.quick) for name in options.methods}
    if options.table is not None:
        write_text(options.table, page(results, options.quick))


if __name__ == "__main__":
    main()
