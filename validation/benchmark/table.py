"""Results as one tidy table: a row per case and metric, and a single one for a case that failed.

==================================  ===========================================================================
column                              what it holds
==================================  ===========================================================================
network, observation                labels in the suite
method                              name or dotted path
seed
metric                              field of `validation.metrics.results.ConnectivityScores`; missing if the case failed
value, low, high                    with the 95% interval within the case; missing if it has none
seconds                             wall time of the inference, on one thread; after a timeout, how much there was
peak_mib                            largest resident memory of the case's process, imported libraries included
status, reason                      ok, failed, timeout, killed or unrecorded, and why
network_spec, observation_spec      JSON: the name or modality and all parameters, defaults included
versions                            JSON
hash                                of the case, the code and the versions
==================================  ===========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow  # noqa: F401 (pandas writes Parquet with it: without it, an error comes before the cases run)

from synapsnet.errors import InputError, border
from synapsnet.files import atomic_path
from synapsnet.io.reader import Notify
from validation.benchmark.subprocess import Outcome
from validation.benchmark.suite import Case

RESULTS = "results.parquet"
CASE = ["network_spec", "observation_spec", "method", "seed"]  # what a row is of
COLUMNS = {
    "network": "string",
    "observation": "string",
    "method": "string",
    "seed": "int64",
    "metric": "string",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "seconds": "float64",
    "peak_mib": "float64",
    "status": "string",
    "reason": "string",
    "network_spec": "string",
    "observation_spec": "string",
    "versions": "string",
    "hash": "string",
}


def tidy(outcomes: Iterable[tuple[Case, str, Outcome]], versions: dict[str, str]) -> pd.DataFrame:
    """The table of cases, each with its hash and its outcome, in their order.

    Returns
    -------
    DataFrame
        With the columns of the module.
    """
    rows: list[dict[str, Any]] = []
    for case, key, outcome in outcomes:
        row = {
            "network": case.network_label,
            "observation": case.observation_label,
            "method": case.method,
            "seed": case.seed,
            "seconds": outcome.seconds,
            "peak_mib": outcome.peak_mib,
            "status": outcome.status,
            "reason": outcome.reason,
            "network_spec": _spec(case.network),
            "observation_spec": _spec(case.observation),
            "versions": json.dumps(versions),
            "hash": key,
        }
        rows += [row | dict(score) for score in outcome.scores] or [row]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def write_table(table: pd.DataFrame, folder: Path) -> Path:
    """Write the table into a folder, whole or not at all; its path."""
    path = folder / RESULTS
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
    return path


def with_earlier(table: pd.DataFrame, earlier: pd.DataFrame | None) -> pd.DataFrame:
    """The table, preceded by what an earlier one says of other cases."""
    if earlier is None:
        return table
    done = pd.MultiIndex.from_frame(table[CASE])
    return pd.concat([earlier[~pd.MultiIndex.from_frame(earlier[CASE]).isin(done)], table], ignore_index=True)


def is_of_forecasts(table: pd.DataFrame) -> bool:
    """Whether a table of results is of a suite of forecasts."""
    return bool(table["metric"].str.startswith("skill_", na=False).any())


def read_earlier(folder: Path, cases: Sequence[Case]) -> pd.DataFrame | None:
    """The table that is in a folder in which `cases` are to be run; None if there is none.

    Raises
    ------
    InputError
        If it is of the other task, has other settings under the same names, or cannot be read.
    """
    if not (folder / RESULTS).exists():
        return None
    earlier = read_table(folder)
    there = "forecasts" if is_of_forecasts(earlier) else "connectivity"
    if earlier["metric"].notna().any() and {case.task for case in cases} != {there}:
        raise InputError(f"{folder / RESULTS} holds results of the task {there!r}; give another folder (-o).")
    wanted = {
        (case.network_label, case.observation_label): (_spec(case.network), _spec(case.observation)) for case in cases
    }
    settings_there = earlier[["network", "observation", "network_spec", "observation_spec"]].drop_duplicates()
    for *labels, network, observation in settings_there.itertuples(index=False):
        if wanted.get(tuple(labels), (network, observation)) != (network, observation):
            raise InputError(
                f"{folder / RESULTS} is of another suite, in which {', '.join(labels)} has other settings; give "
                "another folder (-o)."
            )
    return earlier


def _spec(described: dict[str, Any]) -> str:
    return json.dumps(described, sort_keys=True)


def read_table(path: str | Path, *, notify: Notify = lambda line: None) -> pd.DataFrame:
    """The table in a folder that a benchmark wrote, in a Parquet file, or in all those of a folder together.

    A case that is in several files is taken from the first by name; `notify` receives a sentence about it.

    Raises
    ------
    InputError
        If there is none, one is no table of results, or files are of different suites: a setting is not the same.
    """
    path = Path(path)
    results_file = path if path.is_file() else path / RESULTS
    files = [results_file] if results_file.is_file() else sorted(path.glob("*.parquet"))
    if not files:
        raise InputError(f"There are no results in {path}; run `synapsnet benchmark SUITE -o {path}` first.")
    table = pd.concat([_load(file).assign(file=file.name) for file in files], ignore_index=True)
    if len(files) > 1:
        specs = table.groupby(["network", "observation"])[["network_spec", "observation_spec"]].nunique().max(axis=1)
        if (specs > 1).any():
            label = ", ".join(specs.index[specs > 1][0])
            raise InputError(
                f"The files in {path} are of different suites: the settings of {label} differ; give one of them."
            )
        first = table.groupby(["network", "observation", "method", "seed"])["file"].transform("first")
        again = table["file"] != first
        repeated = table.loc[again, ["file", "method"]].drop_duplicates()
        for file, method in repeated.itertuples(index=False):
            notify(f"{file}: results of {method} are in a file before it as well, and are taken from there.")
        table = table[~again].reset_index(drop=True)
    return table.drop(columns="file")


def _load(file: Path) -> pd.DataFrame:
    with border(f"{file} cannot be read as Parquet; run the benchmark again"):
        table = pd.read_parquet(file)
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{file} is not a table of results: it lacks the columns {', '.join(missing)}.")
    return table
