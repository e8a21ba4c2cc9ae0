"""Suites of forecasts: recordings without known connections, skills and paired differences by hand, the tables."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from reports.forecast_benchmark import forecast_tables
from synapsnet.cli import main
from synapsnet.errors import InputError
from validation.benchmark.case import measure
from validation.benchmark.forecasts import HORIZONS, skills
from validation.benchmark.sources import case_key, versions
from validation.benchmark.subprocess import Outcome, Score
from validation.benchmark.suite import Case, Suite, load_suite
from validation.benchmark.table import is_of_forecasts, read_earlier, tidy, write_table

SUITE = {
    "task": "forecasts",
    "methods": ["mean", "copy-last", "ar", "var"],
    "seeds": [0],
    "recordings": {"slow": {"recording": "slow.npz", "read": {"key": "x", "fs_hz": 10.0, "modality": "calcium"}}},
    "observations": {"recorded": {"as": "recorded"}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3))
    for t in range(1, 3000):
        x[t] += 0.9 * x[t - 1]
    np.savez(tmp_path / "slow.npz", x=x)
    monkeypatch.setenv("SYNAPSNET_DATA", str(tmp_path))
    return tmp_path


def test_forecasters_are_scored_on_the_same_held_out_steps(folder):
    cases = Suite(**SUITE).cases()
    outcomes = [(case, case.method, measure(case)) for case in cases]
    assert {outcome.status for *_, outcome in outcomes} == {"ok"}
    table = tidy(outcomes, versions())
    assert is_of_forecasts(table)
    found = skills(table, "ar").set_index(["method", "horizon"])
    for h in HORIZONS:
        assert found.loc[("mean", h), "skill"] == 0
        assert found.loc[("ar", h), "ahead"] == 0
        assert found.loc[("ar", h), "skill"] == pytest.approx(0.81**h, abs=0.08)
        direct = table[(table["method"] == "ar") & (table["metric"] == f"skill_{h}")]["value"]
        assert found.loc[("ar", h), "skill"] == pytest.approx(direct.item(), rel=1e-6)  # both ways of scoring
    assert found.loc[("copy-last", 16), "low"] > 0.3


def test_forecasts_do_not_replace_connectivity_in_a_folder(tmp_path):
    def case(task: str) -> Case:
        setting = {"network": {"name": "lif-random"}, "observation": {"as": "spikes"}}
        return Case(network_label="a", observation_label="b", **setting, method="var", seed=1, task=task)

    for task, metric, other in (("forecasts", "skill_1", "connectivity"), ("connectivity", "auprc", "forecasts")):
        outcome = Outcome(status="ok", scores=[Score(metric=metric, value=0.5, low=0.4, high=0.6)])
        write_table(tidy([(case(task), "key", outcome)], {}), tmp_path)
        assert len(read_earlier(tmp_path, [case(task)])) == 1
        with pytest.raises(InputError, match=f"holds results of the task '{task}'; give another folder"):
            read_earlier(tmp_path, [case(other)])


def test_a_method_that_does_not_forecast_is_refused(folder):
    with pytest.raises(InputError, match="'correlation' infers connectivity but does not forecast"):
        case_key(Suite(**{**SUITE, "methods": ["correlation"]}).cases()[0])


def test_connections_must_be_known_where_they_are_to_be_inferred():
    with pytest.raises((InputError, ValidationError), match="slow needs a truth"):
        Suite(**{**SUITE, "task": "connectivity"})


def test_the_shipped_suite_asks_methods_for_what_they_forecast():
    suite = load_suite("forecast")
    assert suite.task == "forecasts"
    assert all(recorded.truth is None for recorded in suite.recordings.values())
    listed = [name for grid in suite.grid for name in grid.networks]
    assert sorted(listed) == sorted(suite.recordings)


def results(errors: dict[str, list[float]]) -> pd.DataFrame:
    """A table of one recording, one step ahead, from each method's errors by block."""
    row = {"network": "mouse", "observation": "recorded", "seed": 0, "seconds": 2.0, "peak_mib": 1.0, "status": "ok"}
    rows = [
        row | {"method": method, "metric": f"error_1_{b}", "value": error, "reason": ""}
        for method, blocks in errors.items()
        for b, error in enumerate(blocks)
    ]
    return pd.DataFrame([*rows, rows[0] | {"metric": "skill_1", "value": 0.0}])


def test_differences_are_paired_by_block():
    table = results(
        {"mean": [10.0, 30.0], "synapsnet": [4.0, 24.0], "var": [5.0, 27.0], "synapsnet-independent": [6, 22]}
    )
    found = skills(table).set_index("method")
    assert found["skill"].to_dict() == pytest.approx(
        {"mean": 0.0, "synapsnet": 0.3, "var": 0.2, "synapsnet-independent": 0.3}
    )
    assert found.loc["var", ["ahead", "low", "high"]].tolist() == pytest.approx([0.1, 0.1, 0.1])  # in both blocks alike
    assert found.loc["synapsnet-independent", "low"] < 0 < found.loc["synapsnet-independent", "high"]
    first, *_ = [line for line in forecast_tables(table).splitlines() if line.startswith("| mouse")]
    assert first.startswith("| mouse | 1 | **0.300** | 0.200 | 0.300 | 0.100 [0.100, 0.100] | 0 [")
    with pytest.raises(InputError, match="compared with synapsnet"):
        forecast_tables(results({"mean": [1.0], "var": [1.0]}))


def test_forecasts_have_tables_and_no_page(tmp_path, monkeypatch, capsys):
    table = results({"mean": [10.0, 30.0], "synapsnet": [4.0, 24.0], "var": [5.0, 27.0]})
    unsaid = {"low": 0.0, "high": 0.0, "network_spec": "{}", "observation_spec": "{}", "versions": "{}", "hash": ""}
    write_table(table.assign(**unsaid), tmp_path)
    pages = {"-o": "page.html", "--figure": "figure.svg", "--curves": "curves.svg"}
    tables = ["--markdown", str(tmp_path / "t.md")]

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["synapsnet", "leaderboard", str(tmp_path), *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0

    for options in ([], *([option, str(tmp_path / name), *tables] for option, name in pages.items())):
        assert run(*options) == 2
        told = capsys.readouterr().err
        assert "holds forecasts, which have tables only" in told
        assert ("leave out" in told) == bool(options)
        assert not list(tmp_path.glob("*.svg"))
        assert not (tmp_path / "t.md").exists()
    assert run(*tables) == 0
    assert "| mouse | 1 |" in (tmp_path / "t.md").read_text()
