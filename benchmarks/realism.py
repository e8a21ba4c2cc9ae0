"""How much simulations resemble real recordings, each observed as the recording was: the page docs/realism.md.

    python benchmarks/realism.py --networks lif-random lif-cell-types --output docs/realism.md

Every network has its default parameters and is simulated once; of large ones and of large recordings 200 neurons are
compared. Beside them stands, for each recording, one setting of states and rates that is like it. Absent recordings are
left out.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reports.comparison import (
    CALCIUM_METRICS,
    DIFFERENCES,
    SPIKE_METRICS,
    capital,
    differences,
    evenly,
    statistics_of,
    summary_table,
)
from reports.figures import cell_type_order
from reports.tables import Table
from simulators import NETWORKS, simulate
from simulators.networks import LifRandom
from synapsnet.array_types import FloatArray
from synapsnet.files import write_text
from synapsnet.io import read
from synapsnet.recording import Recording, Simulation
from validation.activity.observe_like import observe_like
from validation.activity.statistics import CalciumStatistics, SpikeStatistics
from validation.metrics.glossary import Metric

MAX_NEURONS = 200
SETTING_SEEDS = (1, 2, 3)
SMALL = {"n_neurons": 40, "dt_ms": 0.5}


@dataclass(frozen=True)
class Source:
    """A real recording: where it lies, how it is read, what makes it special, and a setting of `lif-random` like it."""

    path: str
    about: str
    setting: dict[str, Any]
    setting_s: float
    options: dict[str, Any] = field(default_factory=dict)


SOURCES = {
    "Mouse V1, two-photon GCaMP6, 6 Hz": Source(
        "mouse_v1_suite2p",
        "Spontaneous activity of layer 2/3; suite2p's dF/F of 10 cells, which its authors chose among more.",
        SMALL
        | {
            "rates": {"median_hz": 0.2, "sigma": 0.4},
            "states": {
                "episodes": {
                    "n_groups": 1,
                    "participating": 0.72,
                    "pause_s": 120,
                    "active_s": 6,
                    "size_mv": 18,
                    "spread": 0.1,
                }
            },
        },
        900.0,
        {"fs_hz": 6.0},
    ),
    "Mouse V1, two-photon mesoscope GCaMP6s, 6.3 Hz": Source(
        "mouse_v1_mesoscope/fluorescence.npz",
        "Visual stimulation; fluorescence of 10 cells less its background, in arbitrary units, so not dF/F.",
        SMALL
        | {
            "rates": {"median_hz": 1.5, "sigma": 0.7},
            "states": {
                "episodes": {"n_groups": 6, "pause_s": 15, "active_s": 3, "size_mv": 6},
                "drift": {"size_mv": 1, "time_s": 60},
            },
        },
        900.0,
        {"key": "fluorescence", "transpose": True},
    ),
    "Mouse visual cortex, Neuropixels, 10 ms": Source(
        "mouse_visual_neuropixels_pv_opto/session_829720705_pv_opto.npz",
        "Six visual areas, in trials of 0.5 to 1.5 s up to the onset of light, units of at least 0.5 Hz. Intervals "
        "longer than a trial are missing, both here and in the simulations, which are cut in the same way.",
        SMALL
        | {
            "rates": {"median_hz": 5.5, "sigma": 1.0},
            "states": {
                "drift": {"size_mv": 3, "time_s": 20, "n_components": 20},
                "up-down": {"size_mv": 1.5},
            },
        },
        240.0,
        {"key": "z", "dt_s": 0.01, "until": "light", "min_rate_hz": 0.5},
    ),
}
INTRODUCTION = """# Do the simulations look like cortex?

Summary statistics of simulated networks beside those of real recordings. Each simulation ({duration:g} s, default
parameters, seed {seed}) is observed as the recording was: same time step, epochs and length, same noise. Numbers are
medians over neurons (or pairs of neurons), with quartiles in brackets; a dash is a number that is not defined. For
larger networks and recordings, {max_neurons} neurons are compared.

{differences}

Below each table stands one setting of `lif-random` with states and tuned rates that was sought for this recording, by
hand and on seed 1: is the median of every statistic inside the recording's middle half? Both are cut to the same
length, so that the recording's numbers differ from those above.

What to keep in mind: the recordings are few, of few animals and of selected cells, and the state of an animal changes,
while the networks in the upper tables stay in one state, without stimuli or a shared input. Likeness in these numbers
is no proof of a good model. Where simulated traces are less skewed and forget faster than recorded ones, think first of
steady firing: at several spikes a second the responses of a slow indicator merge, while a recorded cell is silent for
long periods and then active for seconds, often together with others. Negative skewness is an indicator near its
saturation.

Written by `python benchmarks/realism.py --networks {networks}`; do not edit.
"""


def section(title: str, source: Source, recording: Recording, simulations: dict[str, Simulation]) -> str:
    """A table of all networks beside one recording, and what the table says."""
    found: dict[str, SpikeStatistics | CalciumStatistics] = {}
    apart: dict[str, dict[str, list[str]]] = {}
    how = ""
    for name, simulation in simulations.items():
        likeness = observe_like(simulation, recording)
        how = likeness.how
        real = found.setdefault("**recording**", statistics_of(likeness.real))
        found[name] = statistics_of(likeness.simulated)
        for metric, word in differences(found[name], real).items():
            apart.setdefault(capital(metric.name), {}).setdefault(word, []).append(name)
    sentences = []
    for metric_name, words in apart.items():
        parts = [f"{word} in {', '.join(names)}" for word, names in words.items()]
        sentences.append(f"- {metric_name}: {'; '.join(parts)}.")
    table = markdown(summary_table(found, title))
    return "\n".join([f"## {title}", "", f"{source.about} {how}", "", *table, "", *sentences, ""])


def setting_section(source: Source, recording: Recording) -> str:
    """The setting that was sought for a recording, and whether it is like it, for each of `SETTING_SEEDS`."""
    network = LifRandom(**source.setting)
    lines = []
    found: dict[str, SpikeStatistics | CalciumStatistics] = {}
    for seed in SETTING_SEEDS:
        likeness = observe_like(simulate(network, duration_s=source.setting_s, seed=seed, notify=print), recording)
        real, seen = statistics_of(likeness.real), statistics_of(likeness.simulated)
        found |= {"**recording**": real, f"seed {seed}": seen}
        inside = {
            metric.name: within(getattr(seen, metric.field), getattr(real, metric.field)) for metric in metrics(real)
        }
        outside = [name for name, within_it in inside.items() if within_it is False]
        told = "outside in " + ", ".join(outside) if outside else "every median inside the recording's middle half"
        lines.append(f"- Seed {seed}: {told}.")
    table = markdown(summary_table(found, "setting"))
    return "\n".join(
        [
            f"**A setting like it** ({source.setting_s:g} s): `{json.dumps(source.setting)}`",
            "",
            *table,
            "",
            *lines,
            "",
        ]
    )


def metrics(statistics: SpikeStatistics | CalciumStatistics) -> tuple[Metric, ...]:
    """Those of its kind."""
    return SPIKE_METRICS if isinstance(statistics, SpikeStatistics) else CALCIUM_METRICS


def within(simulated: FloatArray, real: FloatArray) -> bool | None:
    """Whether the median lies in the middle half of the real values; None where it is not defined."""
    if np.isnan(real).all():
        return None
    low, high = np.nanpercentile(real, [25, 75])
    return bool(low <= np.nanmedian(simulated) <= high)


def markdown(table: Table) -> list[str]:
    """A table as lines of markdown."""
    rows = [["", *(metric.name for metric in table.columns)], ["---"] * (len(table.columns) + 1)]
    rows += [[row.label, *(f"{cell.text} {cell.interval}".rstrip() for cell in row.cells)] for row in table.rows]
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    """Simulate, compare, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["lif-random", "lif-cell-types"], choices=sorted(NETWORKS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real recordings")
    parser.add_argument("--duration", type=float, default=120.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("docs/realism.md"))
    options = parser.parse_args()
    simulations = {}
    for name in options.networks:
        whole = simulate(name, duration_s=options.duration, seed=options.seed, notify=print)
        simulations[name] = whole.select_neurons(evenly(cell_type_order(whole.neurons), MAX_NEURONS))
    introduction = INTRODUCTION.format(
        duration=options.duration,
        seed=options.seed,
        max_neurons=MAX_NEURONS,
        differences=DIFFERENCES,
        networks=" ".join(simulations),
    )
    sections = [introduction]
    for title, source in SOURCES.items():
        path = options.data / source.path
        if not path.exists():
            print(f"Left out: {title}, because {path} is absent.")
            continue
        recording = read(path, **source.options)
        chosen = evenly(np.arange(recording.n_neurons), MAX_NEURONS)
        sections.append(section(title, source, recording.select_neurons(chosen), simulations))
        sections.append(setting_section(source, recording.select_neurons(chosen)))
        print(*sections[-2:], sep="\n", flush=True)
    write_text(options.output, "\n".join(sections))


if __name__ == "__main__":
    main()
