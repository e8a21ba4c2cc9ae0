"""The examples from which `synapsnet assess` tells what to expect, and whether what it promises comes true.

    python benchmarks/expected_recovery.py examples spikes     # an hour on one core; goes on where it stopped
    python benchmarks/expected_recovery.py examples calcium    # each is trained on
    python benchmarks/expected_recovery.py coverage --suite away --calcium FOLDER FILE.npz > docs/expected-recovery.md

One example is one recording of a part of a network: statistics that any recording has, and what SynapsNet recovered of
the connections, which are known here. Networks (`validation.assessment.family`) differ in neurons, size, density,
strengths, delays, rates and states, and in how much of them is seen and for how long.

Coverage is of recordings with known connections that are not among them: those of a suite, and .npz files of spikes
with their connections as `weights` (`[post, pre]`); with `--calcium` their spikes as calcium imaging shows them, too.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from simulators import observe_calcium, observe_spikes, simulate
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.files import atomic_path
from synapsnet.io import read
from synapsnet.io.truth import Truth
from synapsnet.recording import Modality, Recording, Simulation
from validation.assessment import expected_recovery
from validation.assessment.example import Example, row_of
from validation.assessment.expected_recovery import FACTOR, LONGER, Promises, statistics
from validation.assessment.family import KINDS, draw, log_uniform
from validation.assessment.results import corrected
from validation.assessment.signature import RATES
from validation.assessment.wording import LEVEL
from validation.benchmark.suite import load_suite

KEPT = Path("reports/results/expected-recovery.parquet")
NOMINAL = "false 0.05"
CHECKED = ("auprc", NOMINAL)
ROUNDING = 0.005  # shares are told in whole percents
FIRST_SEED = 10_000
LEAST_SPIKES, LEAST_NEURONS, LEAST_S = 5, 5, 60.0
FEWEST, USUAL, MOST = 10, 40, 110  # recorded neurons


HEAD = """# What is promised, and what is true

`synapsnet assess` promises how much of the connectivity is recovered, and how much of what is reported is false, from
{n_spikes} simulated recordings of spikes and {n_calcium} of calcium, of networks of {kinds} kinds
([assessment](assessment.md)). Here it makes that promise for recordings whose connections are known. "Covered": how
often the truth is within the 95% interval; "error": mean absolute difference of promise and truth. From each recording,
at most five minutes and forty neurons, at random, were used. "Calcium" is their spikes under a simulated microscope, at
6, 10 or 30 Hz. Recordings without connections have no AUPRC; where nothing is reported, nothing is false. "False" is
the expected share of what is reported, "pairs" how many pairs that makes in all, and "true" how many are false.
"Corrected": more than 5% are false in networks like this, beyond what is uncertain about it, so that a stricter
threshold is offered (`synapsnet edges --correct`); shares are means over recordings. Penalty and statistics were chosen
on the examples, one kind left out at a time; that intervals allow for how few pairs are reported was added after these
recordings had been looked at. "Atypical": distance to the nearest example, over the distance that 95% of the examples
keep from other kinds; above 1 the recording is called unlike them. Written by `python benchmarks/expected_recovery.py
coverage --calcium`.
"""


def seed_of(kind: str, j: int) -> int:
    return FIRST_SEED + 101 * list(KINDS).index(kind) + j


def network(kind: str, j: int) -> tuple[Simulation, np.random.Generator]:
    """Network j of a kind, simulated, and the generator that goes on to draw what is seen of it."""
    seed = seed_of(kind, j)
    drawn, rng = draw(kind, seed)
    duration_s = float(rng.choice([150, 300, 600, 1200], p=[0.2, 0.35, 0.35, 0.1]))
    return simulate(drawn, duration_s=duration_s, seed=seed), rng


def spikes(kind: str, j: int) -> Iterator[Example]:
    """Two parts of a network, one of them seen for a quarter of the time as well."""
    simulation, rng = network(kind, j)
    for part in range(2):
        low, high = (USUAL, min(MOST, simulation.n_neurons)) if part == j % 4 else (FEWEST, USUAL)
        whole = seen(simulation, round(log_uniform(rng, low, high)), rng)
        for share in (1, FACTOR) if part else (1,):
            recording = whole.select_rows([(0, whole.n_steps // share)])
            recording = recording.select_neurons(np.flatnonzero(recording.values.sum(axis=0) >= LEAST_SPIKES))
            if recording.n_neurons >= LEAST_NEURONS and recording.n_steps * recording.dt_s >= LEAST_S:
                inferred = SynapsNet(seed=0, device="cpu").infer(recording.without_ground_truth())
                yield Example(kind, seed_of(kind, j), part, recording, inferred, simulation.n_neurons)


def calcium(kind: str, j: int) -> Iterator[Example]:
    """A part of a network under a microscope, also for a quarter of the time."""
    simulation, rng = network(kind, j)
    size = round(log_uniform(rng, FEWEST, min(2 * USUAL, simulation.n_neurons)))
    chosen = np.sort(rng.choice(simulation.n_neurons, size, replace=False))
    firing = [k for k in chosen.tolist() if len(simulation.spike_times[k]) >= LEAST_SPIKES]
    whole = observe_calcium(
        simulation.select_neurons(firing),
        indicator=str(rng.choice(["GCaMP6f", "GCaMP6s", "jGCaMP8s"])),
        frame_rate_hz=float(rng.choice([6, 10, 30])),
        noise_level=log_uniform(rng, 0.7, 6),
        seed=seed_of(kind, j),
    )
    for share in (1, FACTOR):
        recording = whole.select_rows([(0, whole.n_steps // share)])
        inferred = SynapsNet(seed=0, device="cpu").infer(recording.without_ground_truth())
        yield Example(kind, seed_of(kind, j), 0, recording, inferred, simulation.n_neurons)


def seen(simulation: Simulation, size: int, rng: np.random.Generator) -> Recording:
    """The spikes of `size` neurons, drawn at random."""
    chosen = np.sort(rng.choice(simulation.n_neurons, size, replace=False))
    firing = [k for k in chosen.tolist() if len(simulation.spike_times[k]) >= LEAST_SPIKES]
    return observe_spikes(simulation.select_neurons(firing))


PARTS = {"spikes": spikes, "calcium": calcium}


def with_longer(table: pd.DataFrame) -> pd.DataFrame:
    """With what the same neurons yield in a recording `FACTOR` times as long, where there is one."""
    same = ["seed", "part"]
    longest = table.groupby(same)["duration_s"].transform("max")
    whole = table[table["duration_s"] == longest].set_index(same)["auprc"]
    found = whole.reindex(pd.MultiIndex.from_frame(table[same])).to_numpy()
    factor = longest / table["duration_s"]
    return table.assign(**{LONGER: np.where(np.isclose(factor, FACTOR, rtol=0.01), found, np.nan)})


def simulate_examples(modality: str, n_each: int) -> None:
    """Add examples to the table that comes with the package, until there are `n_each` networks of each kind."""
    path = Path(expected_recovery.__file__).with_name(f"examples-{modality}.csv")
    table = pd.read_csv(path) if path.exists() else pd.DataFrame({"seed": []})
    for j, kind in product(range(n_each), KINDS):
        if seed_of(kind, j) in set(table["seed"]):
            continue
        try:
            rows = [row_of(example) for example in PARTS[modality](kind, j)]
        except InputError as error:  # a network that explodes
            print(f"{kind} {j}: {error}", flush=True)
            continue
        table = with_longer(pd.concat([table, pd.DataFrame(rows)]).astype({"seed": int, "part": int}))
        with atomic_path(path) as file:
            table.to_csv(file, index=False, float_format="%.4g")
        print(f"{kind} {j}: {len(table)} examples", flush=True)


def recordings(paths: list[Path], suite: str | None) -> Iterator[tuple[str, str, Callable[[], Recording]]]:
    """Kind, name and reader of recordings with known connections that are no examples."""
    if suite is not None:
        for name, each in load_suite(suite).recordings.items():
            if not each.absent:
                yield name, name, each.load
    for file in sorted(file for path in paths for file in (path.glob("*.npz") if path.is_dir() else [path])):
        truth = Truth(file=str(file), key="weights", orientation="post-pre")
        yield re.sub(r"[-_]?\d+$", "", file.stem), file.stem, partial(read, file, truth=truth)


def imaged(load: Callable[[], Recording], name: str) -> Recording | None:
    """The spikes of a recording seen through a microscope, which the name draws; None if it has none."""
    recording = load()
    if recording.spike_times is None or recording.connectome is None:
        return None
    rng = np.random.default_rng(list(name.encode()))
    return observe_calcium(
        Simulation(recording.spike_times, recording.neurons, recording.connectome),
        frame_rate_hz=float(rng.choice([6, 10, 30])),
        noise_level=log_uniform(rng, 0.7, 4),
        seed=int(rng.integers(2**31)),
    )


def judged(
    paths: list[Path], suite: str | None, kept: Path, minutes: float, n_neurons: int, calcium: bool
) -> pd.DataFrame:
    """Signature and outcomes of the recordings; those in the file `kept` are not inferred from again."""
    table = pd.read_parquet(kept) if kept.exists() else pd.DataFrame({"name": []})
    todo: list[tuple[str, str, Callable[[], Recording | None]]] = [*recordings(paths, suite)]
    if calcium:
        todo += [
            (kind, f"{name}, calcium", partial(imaged, load, name)) for kind, name, load in recordings(paths, suite)
        ]
    for kind, name, load in todo:
        if name in set(table["name"]):
            continue
        if (whole := load()) is None:
            continue
        recording = part_of(whole, minutes, n_neurons)
        started = time.perf_counter()
        inferred = SynapsNet(seed=0, device="cpu").infer(recording.without_ground_truth())
        example = Example(kind, 0, 0, recording, inferred, recording.n_neurons)
        facts = {"name": name, "modality": recording.modality, "n_reported": int(inferred.significant().sum())}
        new = facts | row_of(example) | {"hidden": math.nan, "seconds": time.perf_counter() - started}
        table = pd.concat([table, pd.DataFrame([new])], ignore_index=True)
        with atomic_path(kept) as file:
            table.to_parquet(file)
        print(f"{name}: {new['seconds']:.0f} s", file=sys.stderr, flush=True)
    return table


def part_of(recording: Recording, minutes: float, n_neurons: int) -> Recording:
    """The beginning of a recording, and some of the neurons that fire in it."""
    n_steps = min(recording.n_steps, round(60 * minutes / recording.dt_s))
    rows = [(start, min(stop, n_steps)) for start, stop in recording.segments if start < n_steps]
    part = recording.select_rows(rows)
    active = np.flatnonzero(np.ptp(part.values, axis=0) > 0)
    if recording.modality == "spikes":
        active = np.flatnonzero(part.values.sum(axis=0) >= LEAST_SPIKES)
    chosen = np.random.default_rng(0).choice(active, min(n_neurons, len(active)), replace=False)
    return part.select_neurons(np.sort(chosen))


def checked(table: pd.DataFrame, one: pd.Series) -> dict[Any, Any]:
    """What was promised of a recording, and what is true."""
    promises = Promises(table, {name: float(one[name]) for name in statistics(table)})
    n_reported = round(math.expm1(one["number reported"]))
    thresholds = corrected([promises.threshold(rate, n_reported) for rate in RATES if rate <= LEVEL])
    estimates = {"auprc": promises.estimate("auprc"), NOMINAL: thresholds[-1].false}
    found: dict[Any, Any] = {"kind": one["kind"], "atypical": promises.atypical, "n_reported": n_reported}
    for outcome in CHECKED:
        found |= {(outcome, name): value for name, value in estimates[outcome].model_dump().items()}
        found[outcome, "true"] = float(one[outcome])
    instead = thresholds[-1].instead
    left = math.nan if instead is None else float(one[f"false {instead:g}"])
    return found | {"corrected": instead != LEVEL, "false after": left}


def agreement(found: list[dict[Any, Any]], outcome: str) -> tuple[int, float, float, float]:
    """How many recordings have this outcome, coverage, mean absolute error, and mean width of intervals."""
    value, low, high, true = (
        np.array([each[outcome, name] for each in found]) for name in ("value", "low", "high", "true")
    )
    known = ~np.isnan(true)
    if not known.any():
        return 0, math.nan, math.nan, math.nan
    inside = (low - ROUNDING <= true) & (true <= high + ROUNDING)
    return (
        int(known.sum()),
        float(inside[known].mean()),
        float(np.abs(value - true)[known].mean()),
        float((high - low)[known].mean()),
    )


def summary_of(found: list[dict[Any, Any]]) -> Iterator[str]:
    """The lines of a table by kind, and over all."""
    yield "| kind | recordings | AUPRC: covered | error | width | false at 5%: covered | error | width | pairs | true |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    kinds = sorted({each["kind"] for each in found})
    for kind in (*kinds, None):
        those = [each for each in found if kind in (None, each["kind"])]
        cells = []
        for outcome in CHECKED:
            n, covered, error, width = agreement(those, outcome)
            cells.append(f"{covered:.0%} of {n} | {error:.2f} | {width:.2f}" if n else "– | – | –")
        known = [each for each in those if not math.isnan(each[NOMINAL, "true"])]
        pairs = (sum(each[NOMINAL, of] * each["n_reported"] for each in known) for of in ("value", "true"))
        cells += [f"{number:.1f}" for number in pairs] if known else ["–", "–"]
        name = "**all**" if kind is None else kind
        yield f"| {name} | {len(those)} | {' | '.join(cells)} |"


def correction_of(found: list[dict[Any, Any]]) -> str:
    """What correcting thresholds does, in a sentence."""
    known = [each for each in found if not math.isnan(each[NOMINAL, "true"])]
    deviate, keep = ([each for each in known if each["corrected"] is which] for which in (True, False))

    stand = [each for each in deviate if not math.isnan(each["false after"])]

    def mean(those: list[dict[Any, Any]], of: Any) -> str:
        return f"{np.mean([each[of] for each in those]):.1%}" if those else "–"

    return (
        f"Corrected: {len(deviate)} of {len(known)}, of what they report {mean(deviate, (NOMINAL, 'true'))} are false; "
        f"something stands in {len(stand)}, of which {mean(stand, 'false after')} are false, where "
        f"{mean(stand, (NOMINAL, 'true'))} were. Of the others, which keep to 5% by what is known, "
        f"{mean(keep, (NOMINAL, 'true'))}."
    )


def page(found: pd.DataFrame) -> Iterator[str]:
    """docs/expected-recovery.md."""
    tables = {modality: expected_recovery.examples(cast(Modality, modality)) for modality in PARTS}
    numbers = {f"n_{modality}": len(table) for modality, table in tables.items()}
    yield HEAD.format(**numbers, kinds=len(KINDS))
    for modality, table in tables.items():
        yield f"# {modality.capitalize()}\n"
        yield from section(table, found[found["modality"] == modality])


def section(table: pd.DataFrame, judged_: pd.DataFrame) -> Iterator[str]:
    """What is promised from a table of examples, and what is true."""
    yield "## Recordings that are no examples\n"
    checks = [checked(table, one) for _, one in judged_.iterrows()]
    yield from summary_of(checks)
    yield "\n| recording | neurons, minutes | AUPRC promised | true | reported | false promised | true | atypical |"
    yield "|---|---|---|---|---|---|---|---|"
    for check, (_, one) in zip(checks, judged_.iterrows(), strict=True):
        size = f"{np.exp(one['neurons']):.0f}, {one['duration_s'] / 60:.3g}"
        auprc, false = (promise_and_truth(check, outcome) for outcome in CHECKED)
        yield f"| {one['name']} | {size} | {auprc} | {one['n_reported']:.0f} | {false} | {check['atypical']:.1f} |"
    yield f"\n{correction_of(checks)}\n"
    yield "## Examples of each kind, promised from those of the other kinds\n"
    examples = [checked(table[table["kind"] != one["kind"]], one) for _, one in table.iterrows()]
    yield from summary_of(examples)
    yield f"\n{correction_of(examples)}\n"


def promise_and_truth(check: dict[Any, Any], outcome: str) -> str:
    """Two cells of a table."""
    true = check[outcome, "true"]
    if math.isnan(true):
        return "– | –"
    value, low, high = (check[outcome, name] for name in ("value", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}] | {true:.2f}"


def main() -> None:
    """Add examples, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    more = commands.add_parser("examples", help="Simulate examples and add them to the table of the package.")
    more.add_argument("modality", choices=list(PARTS))
    more.add_argument("--each", type=int, default=6, help="Networks of each kind.")
    check = commands.add_parser("coverage", help="Compare promises with what is true; prints the page.")
    check.add_argument("recordings", nargs="*", type=Path, help=".npz files with `weights`, or folders of them.")
    check.add_argument("--suite", help="A suite whose recordings are judged, too.")
    check.add_argument("--calcium", action="store_true", help="Judge their spikes as calcium imaging shows them, too.")
    check.add_argument("--minutes", type=float, default=5.0, help="Minutes of each recording that are used, at most.")
    check.add_argument(
        "--neurons", type=int, default=40, help="Neurons of each recording that are used, at most; drawn at random."
    )
    check.add_argument("--kept", type=Path, default=KEPT, help="Table of what was inferred, which is used again.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "examples":
        simulate_examples(options.modality, options.each)
        return
    found = judged(options.recordings, options.suite, options.kept, options.minutes, options.neurons, options.calcium)
    print("\n".join(page(found)))


if __name__ == "__main__":
    main()
