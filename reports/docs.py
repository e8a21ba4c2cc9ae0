"""Pages of the documentation that the code itself holds: `python -m reports.docs docs/`."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable
from pathlib import Path

from reports.comparison import CALCIUM_METRICS, SPIKE_METRICS
from reports.leaderboard_tables import (
    AHEAD,
    FAILED,
    LESS,
    LOSS,
    MORE,
    OF_CEILING,
    P_VALUE,
    PAIRED,
    PEAK,
    RANK,
    SECONDS,
)
from simulators.catalogue import KINDS, entries, explain
from synapsnet.datasets import Dataset, registry
from synapsnet.files import write_text
from synapsnet.io import READERS
from synapsnet.io.reader import Reader
from validation.metrics.glossary import BITS, CONNECTIVITY_METRICS, FORECAST_METRICS, RESPONSE_METRICS, Metric

FOOTER = "Written by `python -m reports.docs docs/`; do not edit."

METRICS = """How each number in a report or a benchmark is defined. "Field" is its name in `scores.json`, in a table of
results and in Python (`validation.metrics.results`). Self-connections are never scored. Intervals are of 95%: a
bootstrap within one run, or Student's t over the seeds of a benchmark. How to read them:
[How far can I trust it?](tutorials/trust.md). What a method must do, whatever its scores:
[Properties](properties.md)."""
CATALOGUE = """What `synapsnet catalogue` lists: networks, topologies, inputs, states, rates, plasticity, observation
models and indicators. What they are good for, with examples, is in [Simulators](simulators.md); how similar to cortex
they are, in [Realism](realism.md)."""
DATASETS = """Public recordings that SynapsNet fetches by name and reads:

```sh
synapsnet datasets                          # this list
synapsnet datasets files allen-neuropixels  # what the archive has, with sizes
synapsnet datasets fetch allen-neuropixels --session ses-721123822 -o allen/
```

An interrupted download resumes. Every file is checked against the archive's checksum, if it states one;
`checksums.json` records the first download, and a file that differs from it later is refused. Zip and tar files are
unpacked. Facts that are missing here could not be verified without the archive; `synapsnet datasets files` asks it."""
FORMATS = """Every layout that `synapsnet fit` and `synapsnet info` read. The layout of a path is detected, and
`synapsnet info PATH` shows it. The options listed below are given as `--read NAME=VALUE`, or by their own flag if
`synapsnet fit --help` has one, and in Python as keywords of `synapsnet.io.read`. Every assumption and everything
dropped is reported. Spike counts that take more than 1 GiB lie in a temporary file, in the folder named by the
variable TMPDIR; an hour of 1,000 units in bins of 5 ms, 2.7 GiB of counts, is read in about 0.9 GiB of memory."""


def pages() -> dict[str, str]:
    """The pages by the name of their file."""
    return {
        "metrics.md": metrics_page(),
        "catalogue.md": catalogue_page(),
        "datasets.md": datasets_page(registry().values()),
        "formats.md": formats_page(READERS),
    }


def metrics_page() -> str:
    """The definition of every metric."""
    parts = ["# Metrics", METRICS]
    groups = {
        "Recovery of the connections": CONNECTIVITY_METRICS,
        "Forecasts": (*FORECAST_METRICS, BITS),
        "Responses to light in a simulation": RESPONSE_METRICS,
        "Standing in a benchmark": (RANK, OF_CEILING, AHEAD, P_VALUE, PAIRED, LESS, LOSS, MORE, SECONDS, PEAK, FAILED),
        "Likeness of spikes to a recording": SPIKE_METRICS,
        "Likeness of calcium traces to a recording": CALCIUM_METRICS,
    }
    for title, metrics in groups.items():
        parts += [f"## {title}", _table(("metric", "field", "what it is", "chance"), map(_metric, metrics))]
    return _page(parts)


def _metric(metric: Metric) -> tuple[str, ...]:
    chance = "–" if metric.chance is None else f"{metric.chance:g}"
    return metric.name, f"`{metric.field}`", metric.meaning, chance


def catalogue_page() -> str:
    """All that can be simulated and observed, as `synapsnet catalogue` lists it."""
    parts = ["# Catalogue", CATALOGUE]
    listed = entries()
    for kind, described in listed.items():
        title, _, command = kind.partition(" (")
        parts += [f"## {title[0].upper()}{title[1:]}"]
        parts += [f"`synapsnet {command.removesuffix(')')}`"]
        parts += [_table(("name", "what"), ((f"`{name}`", text) for name, text in described.items()))]
        parts += [f"### {name}\n\n```text\n{explain(name)}\n```" for name in KINDS.get(kind, {})]
    return _page(parts)


def datasets_page(datasets: Iterable[Dataset]) -> str:
    """The public data sets, their terms and what they are good for."""
    parts = ["# Public recordings", DATASETS]
    for dataset in datasets:
        facts = {
            "Good for": dataset.good_for,
            "Size": dataset.size,
            "Licence": dataset.licence,
            "From": f"[{dataset.archive} {dataset.identifier}]({dataset.address})",
            "Cite": dataset.citation,
            "Read by": f"`synapsnet.io.{dataset.reader}`",
        }
        lines = [f"- {name}: {value}" for name, value in facts.items() if value is not None]
        parts += [f"## {dataset.name}", f"{dataset.what}.", "\n".join(lines)]
    return _page(parts)


def formats_page(readers: Iterable[Reader]) -> str:
    """The layouts that can be read, with the options of their readers."""
    parts = ["# What can be read", FORMATS]
    for reader in readers:
        layout = reader.LAYOUT.removeprefix("an ").removeprefix("a ")
        parts += [f"## {layout[0].upper()}{layout[1:]}", f"```text\n{inspect.getdoc(reader.read)}\n```"]
    return _page(parts)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _page(parts: list[str]) -> str:
    return "\n\n".join([*parts, FOOTER]) + "\n"


def main() -> None:
    """Write the pages into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    for name, text in pages().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    main()
