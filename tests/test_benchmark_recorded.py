"""Recordings of others in a suite: found, left out, scored as they are and as a microscope would have seen them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import validation.benchmark.recorded as recorded_module
from reports.leaderboard import leaderboard, render
from reports.leaderboard_tables import fidelity_table, peer_tables
from synapsnet.datasets import find_dataset
from synapsnet.errors import InputError
from validation.benchmark.case import measure
from validation.benchmark.published import Published, published
from validation.benchmark.recorded import FOLDERS, Recorded
from validation.benchmark.sources import case_key, versions
from validation.benchmark.suite import load_suite
from validation.benchmark.table import read_table, tidy, write_table
from validation.metrics.glossary import CONNECTIVITY_METRICS

SUITE = """
methods = ["lagged-correlation", "random"]
seeds = [0]
[recordings.there]
recording = "there.npz"
truth = { file = "there.npz", key = "weights", orientation = "post-pre" }
[recordings.null]
recording = "null.npz"
truth = { file = "null.npz", key = "weights", orientation = "post-pre" }
[recordings.elsewhere]
recording = "elsewhere.npz"
truth = { file = "elsewhere.npz" }
[observations]
recorded = { as = "recorded" }
calcium = { as = "calcium", duration_s = 60 }
[[grid]]
networks = ["there", "null", "elsewhere"]
observations = ["recorded"]
[[grid]]
networks = ["there"]
observations = ["calcium"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    rng = np.random.default_rng(0)
    weight = np.array([[0, 0, 0, -1], [1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0.0]])
    for name, strength in (("there", weight), ("null", 0 * weight)):
        trains = [np.sort(rng.uniform(0, 99, 400)) for _ in range(4)]
        trains[1] = np.sort(np.concatenate([trains[1], trains[0] + 0.005])) if strength.any() else trains[1]
        np.savez(
            tmp_path / f"{name}.npz",
            times=np.concatenate(trains),
            ids=np.repeat(np.arange(4), [len(train) for train in trains]),
            duration_s=100.0,
            weights=strength,
        )
    (tmp_path / "suite.toml").write_text(SUITE)
    monkeypatch.setenv("SYNAPSNET_DATA", str(tmp_path))
    return tmp_path


def test_a_suite_of_recordings(folder):
    suite = load_suite(str(folder / "suite.toml"))
    assert list(suite.absent()) == ["elsewhere"]
    cases = suite.cases()
    assert len(cases) == 6
    before = case_key(cases[0])
    outcomes = [(case, case_key(case), measure(case)) for case in cases]
    assert {outcome.status for *_, outcome in outcomes} == {"ok"}
    table = tidy(outcomes, versions())
    assert str(folder) not in "".join(table["network_spec"])  # where it lies does not matter
    board = leaderboard(table)
    text = fidelity_table(board.results, board.labels)
    assert text.startswith("| AUPRC / realised FDR |")
    assert "| null, recorded |" in text
    assert "reported" in text
    write_table(table, folder)
    (folder / "results.parquet").rename(folder / "ours.parquet")
    (folder / "theirs.parquet").write_bytes((folder / "ours.parquet").read_bytes())
    said = []
    assert len(read_table(folder, notify=said.append)) == len(table)
    assert len(said) == table["method"].nunique()
    assert said[0].startswith("theirs.parquet: results of ")
    with (folder / "there.npz").open("ab") as file:
        file.write(b"\0")
    assert case_key(load_suite(str(folder / "suite.toml")).cases()[0]) != before


def test_results_of_different_suites_are_not_put_together(folder):
    suite = load_suite(str(folder / "suite.toml"))
    case = suite.cases()[0]
    for name, sha256 in (("a", "1"), ("b", "2")):
        changed = case.model_copy(update={"network": case.network | {"sha256": sha256}})
        write_table(tidy([(changed, name, measure(case))], versions()), folder)
        (folder / "results.parquet").rename(folder / f"{name}.parquet")
    with pytest.raises(InputError, match="are of different suites"):
        read_table(folder)


def test_a_suite_whose_recordings_are_all_absent_says_where_they_are_looked_for(folder, monkeypatch):
    monkeypatch.setenv("SYNAPSNET_DATA", str(folder / "other"))
    monkeypatch.chdir(folder.parent)
    with pytest.raises(InputError, match=r"None of the suite's recordings is there\. there"):
        load_suite(str(folder / "suite.toml")).cases()


def test_a_recording_that_is_absent_is_fetched_by_the_name_of_its_data_set(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("SYNAPSNET_DATA")
    monkeypatch.chdir(tmp_path)
    (name,) = find_dataset("donner-2024").files
    truth = {"file": name, "key": "weights", "orientation": "post-pre"}
    recorded = Recorded(recording=name, truth=truth, dataset="donner-2024")
    monkeypatch.setattr(recorded_module, "FOLDERS", tuple(each for each in FOLDERS if "shared" not in each))
    assert "fetch it with --fetch (`synapsnet datasets`: donner-2024)" in recorded.absent
    asked = []

    def fetch(dataset, into, **_):
        asked.append(dataset.name)
        (into / name).parent.mkdir(parents=True)
        (into / name).write_bytes((folder / "there.npz").read_bytes())

    monkeypatch.setattr(recorded_module, "fetch", fetch)
    for _ in range(2):
        recorded.fetch(notify=print, progress=print)
    assert asked == ["donner-2024"]  # once
    assert recorded.load().connectome is not None
    assert "dataset" not in recorded.complete()


def test_what_others_published_of_the_same_file_stands_beside_ours_and_is_marked(folder, monkeypatch):
    theirs = Published(recording="there.npz", metric="auprc", citation="Doe 2020", values={"theirs": 0.5})
    monkeypatch.setattr("validation.benchmark.published.published", lambda: (theirs,))
    cases = load_suite(str(folder / "suite.toml")).cases()
    board = leaderboard(tidy([(case, case_key(case), measure(case)) for case in cases], versions()))
    (table,) = peer_tables(board.results, board.labels)  # of the recording as it is, not of its calcium
    ours = {row.label: (row.cells[0].value, row.cells[1].text) for row in table.rows}
    assert ours["theirs"] == (0.5, "published")
    assert ours["lagged correlation"][1] == "here"
    assert [value for value, _ in ours.values()] == sorted((value for value, _ in ours.values()), reverse=True)
    sentence = "Published by others for there, recorded, not computed here: AUPRC theirs 0.500 (Doe 2020)."
    assert sentence in fidelity_table(board.results, board.labels)
    assert "theirs" in render(board) and "theirs" not in board.labels.values()


def test_published_numbers_are_of_metrics_that_there_are():
    assert {each.metric for each in published()} <= {metric.field for metric in CONNECTIVITY_METRICS}
    assert all(0 <= value <= 1 for each in published() for value in each.values.values())
