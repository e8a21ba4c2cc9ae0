"""Cases and runs: whatever a method does becomes a row, and a run that is disturbed ends like one that is not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from distributed import Client

from synapsnet.errors import InputError
from validation.benchmark.case import measure, observe
from validation.benchmark.runner import connect, run_suite
from validation.benchmark.sources import case_key
from validation.benchmark.subprocess import Outcome, run_in_child
from validation.benchmark.suite import Case, Suite
from validation.benchmark.table import COLUMNS, read_table

NETWORK = {"name": "lif-random", "n_neurons": 20, "connection_probability": 0.15}  # compiled for other tests, too


def suite(*methods: str, seeds: tuple[int, ...] = (1,), **more: object) -> Suite:
    return Suite(
        methods=[f"benchmark_methods:{method}" for method in methods],
        seeds=list(seeds),
        networks={"tiny": NETWORK},
        observations={"spikes": {"as": "spikes", "duration_s": 20.0}} | dict(more),
    )


def case(method: str, **more: object) -> Case:
    return suite(method, **more).cases()[-1]


@pytest.fixture(scope="module", autouse=True)
def simulated(small_simulation) -> None:
    """The network is compiled."""


def scores(outcome: Outcome) -> dict[str, float]:
    return {score.metric: score.value for score in outcome.scores}


def alike(expected: dict[str, float]) -> Any:
    """To the digits that do not depend on the number of threads, which a case's own process has fewer of."""
    return pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)


def test_a_case_is_the_same_each_time_and_hides_the_ground_truth():
    outcome = measure(case("Curious"))
    assert (outcome.status, outcome.reason) == ("ok", "")
    assert outcome.seconds is not None and outcome.peak_mib is not None
    assert {"auroc", "auprc", "weight_correlation"} <= set(scores(outcome))
    assert scores(outcome) == scores(measure(case("Fast")))


def test_the_seed_reaches_the_method_and_the_recording():
    one, other = (measure(each) for each in suite("Seeded", seeds=(1, 2)).cases())
    assert scores(one) != scores(other)
    assert scores(one) == scores(measure(case("Seeded")))
    values = [observe(each).values.sum() for each in suite("Fast", seeds=(1, 2)).cases()]
    assert values[0] != values[1]


def test_the_bounds_are_cases_that_know_the_truth():
    bounds = suite("Fast").model_copy(update={"methods": ["oracle", "ceiling"]})
    oracle, ceiling = (measure(each) for each in bounds.cases())
    assert (oracle.status, oracle.reason) == (ceiling.status, ceiling.reason) == ("ok", "")
    assert scores(oracle)["auprc"] == scores(oracle)["signed_auroc"] == scores(oracle)["sign_accuracy"] == 1
    assert scores(measure(case("Fast")))["auprc"] < scores(ceiling)["auprc"] <= 1


def test_a_part_of_the_network_as_calcium():
    options = {"as": "calcium", "duration_s": 20.0, "visible": 0.5, "frame_rate_hz": 10.0}
    recording = observe(case("Fast", seeds=(3,), zoom=options))
    assert (recording.modality, recording.n_neurons, recording.n_steps) == ("calcium", 10, 200)
    assert recording.connectome is not None and recording.connectome.effective is not None


@pytest.mark.parametrize(
    ("method", "reason"),
    [("Failing", "ZeroDivisionError: nothing to divide by"), ("Exiting", "SystemExit: gone")],
)
def test_what_a_method_raises_is_the_reason(method, reason):
    outcome = measure(case(method))
    assert (outcome.status, outcome.reason, outcome.scores) == ("failed", reason, [])


def test_a_network_that_cannot_be_simulated_is_a_reason_too():
    silent = Suite(
        methods=["benchmark_methods:Fast"],
        seeds=[1],
        networks={"silent": NETWORK | {"drive_mv": 0.0, "noise_mv": 0.0}},
        observations={"spikes": {"as": "spikes", "duration_s": 2.0}},
    )
    outcome = measure(silent.cases()[0])
    assert outcome.status == "unrecorded" and "stayed silent" in outcome.reason
    assert not outcome.final(1.0)


def test_a_case_that_takes_too_long_is_ended():
    outcome = Outcome.model_validate_json(run_in_child(case("Sleeping").model_dump_json(), 0.2))
    assert (outcome.status, outcome.reason) == ("timeout", "not done after 0.2 s")
    assert outcome.final(0.2) and not outcome.final(10.0)  # more time may help


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    """Two workers in processes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_TEST_FOLDER", str(folder))  # before the workers start: it is theirs, too
        with connect(workers=2) as client:
            yield client


@pytest.fixture(scope="module")
def results(folder: Path, client: Client) -> pd.DataFrame:
    return run_suite(suite("Fast", "Hungry", "Failing", "Killed"), folder / "results", client)


def of(table: pd.DataFrame, method: str) -> pd.DataFrame:
    return table[table["method"] == f"benchmark_methods:{method}"]


def test_the_table_has_a_row_for_each_metric_and_one_for_each_failure(results: pd.DataFrame, folder: Path):
    assert results.dtypes.astype(str).to_dict() == COLUMNS
    fast = of(results, "Fast")
    assert dict(zip(fast["metric"], fast["value"], strict=True)) == alike(scores(measure(case("Fast"))))
    assert (fast["status"] == "ok").all()
    assert of(results, "Failing")[["metric", "status", "reason"]].fillna("").values.tolist() == [
        ["", "failed", "ZeroDivisionError: nothing to divide by"]
    ]
    killed = of(results, "Killed").iloc[0]
    assert killed["status"] == "killed" and "SIGKILL" in killed["reason"]
    pd.testing.assert_frame_equal(read_table(folder / "results"), results)


def test_memory_is_measured(results: pd.DataFrame):
    assert of(results, "Hungry")["peak_mib"].iloc[0] > of(results, "Fast")["peak_mib"].iloc[0] + 250


def test_what_is_done_is_not_repeated_unless_it_died(results: pd.DataFrame, folder: Path, client: Client):
    said: list[str] = []
    again = run_suite(suite("Fast", "Hungry", "Failing"), folder / "results", client, notify=said.append)
    assert said[0] == "Done already: 3 cases." and "kept beside these" in said[1] and len(said) == 2
    killed = results["status"] == "killed"  # not of the suite any more, so it comes first
    pd.testing.assert_frame_equal(again, pd.concat([results[killed], results[~killed]], ignore_index=True))
    assert len(list((folder / "results" / "cases").glob("*.json"))) == 3


def test_a_killed_worker_and_a_damaged_file_change_nothing(folder: Path, client: Client):
    waiting = suite("Waiting", seeds=(1, 2))
    damaged = folder / "disturbed" / "cases" / f"{case_key(waiting.cases()[0])}.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    workers = set(client.scheduler_info()["workers"])
    killed: list[int] = []

    def kill() -> None:
        while not (started := [path for path in folder.glob("started-*") if path.read_text().endswith(" ")]):
            time.sleep(0.05)
        killed.append(int(started[0].read_text()))
        os.kill(killed[0], signal.SIGKILL)
        (folder / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    disturbed = run_suite(waiting, folder / "disturbed", client)
    killer.join()
    assert killed[0] != os.getpid()
    assert set(client.scheduler_info()["workers"]) != workers  # Dask has replaced it
    assert len(list(folder.glob("started-*"))) == 3  # two cases, and one of them again
    assert (disturbed["status"] == "ok").all()
    for each in waiting.cases():  # undisturbed, in this process
        rows = disturbed[disturbed["seed"] == each.seed]
        assert dict(zip(rows["metric"], rows["value"], strict=True)) == alike(scores(measure(each)))


def test_unusable_results_clusters_and_folders(tmp_path: Path, client: Client):
    with pytest.raises(InputError, match="There are no results"):
        read_table(tmp_path)
    (tmp_path / "results.parquet").write_text("no table")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_table(tmp_path)
    pd.DataFrame({"method": ["var"]}).to_parquet(tmp_path / "results.parquet")
    with pytest.raises(InputError, match="lacks the columns network"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="give another folder"):
        run_suite(suite("Fast"), tmp_path / "results.parquet", client)
    with pytest.raises(InputError, match="There is no method"):
        run_suite(Suite(**suite("Fast").model_dump(by_alias=True) | {"methods": ["vra"]}), tmp_path, client)
    with pytest.raises(InputError, match="own workers"), connect(scheduler="tcp://127.0.0.1:1", workers=2):
        pass
    with pytest.raises(InputError, match="how many Slurm jobs"), connect(slurm=True):
        pass
