"""The leaderboard: means, intervals, ranks, curves and failures known by hand; the page and the figure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from results_table import results
from scipy import stats

from reports.leaderboard import leaderboard, render, write_curves, write_figure, write_page
from reports.leaderboard_figures import static_curves, static_figure
from synapsnet.cli.benchmark import leaderboard as show
from synapsnet.errors import InputError
from validation.benchmark.ranking import (
    averages,
    balanced,
    cases,
    differences,
    failures,
    lead,
    ranks,
    scores,
    shares_of_ceiling,
)
from validation.benchmark.table import COLUMNS, RESULTS, read_table, write_table

BOUNDED = ("ceiling", "var", "oracle", "glm", "random")
BROKEN = {("shared", "long", "var", 2): "ValueError: <b>no</b>", ("shared", "long", "var", 3): "ValueError: <b>no</b>"}


def row(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    (found,) = table.to_dict("records")
    return found


def test_means_over_seeds_with_their_intervals():
    found = row(scores(results()), setting="random, short", method="glm")
    values = [0.59, 0.60, 0.61]
    angles = stats.ttest_1samp(np.arcsin(np.sqrt(values)), 0).confidence_interval(0.95)
    low, high = np.sin(angles) ** 2
    assert (found["value"], found["low"], found["high"], found["n"]) == pytest.approx((0.6, low, high, 3))


def test_averages_over_settings_have_intervals_over_seeds():
    found = row(averages(results()), method="var")
    values = [(0.69 + 0.79 + 0.79) / 3, (0.7 + 0.8 + 0.8) / 3, (0.71 + 0.81 + 0.81) / 3]
    angles = stats.ttest_1samp(np.arcsin(np.sqrt(values)), 0).confidence_interval(0.95)
    low, high = np.sin(angles) ** 2
    assert (found["value"], found["low"], found["high"], found["n"]) == pytest.approx((2.3 / 3, low, high, 3))


def test_a_single_seed_has_no_interval():
    table = results()
    found = row(scores(table[table["seed"] == 1]), setting="random, long", method="var")
    assert found["value"] == pytest.approx(0.79)
    assert found["low"] != found["low"]


def test_methods_are_ranked_and_a_failure_counts_as_nothing_found():
    assert ranks(results())["method"].tolist() == ["var", "glm", "random"]
    failing = {("shared", "long", "var", seed): "ValueError" for seed in (1, 2, 3)}
    assert ranks(results(failing))["method"].tolist() == ["glm", "var", "random"]


def test_failures_are_counted_by_reason():
    assert row(failures(results(BROKEN))) == {
        "method": "var", "setting": "shared, long", "status": "failed", "reason": "ValueError: <b>no</b>", "seeds": 2,
    }  # fmt: skip


def test_tables_mark_the_best():
    board = leaderboard(results(BROKEN))
    assert list(board.labels) == ["glm", "var", "random"]
    rows = {
        each.method: dict(zip([m.field for m in board.standing.columns], each.cells, strict=True))
        for each in board.standing.rows
    }
    assert rows["glm"]["rank"].text == "1.00" and rows["glm"]["rank"].best
    assert rows["glm"]["seconds"].value == 10 and not rows["glm"]["seconds"].best
    assert (rows["var"]["failed"].value, rows["glm"]["failed"].value) == (2, 0)
    auprc = board.by_setting["AUPRC"]
    assert [each.label for each in auprc.rows] == ["random, long", "random, short", "shared, long"]
    assert [cell.best for cell in auprc.rows[0].cells] == [False, True, False]


def test_the_first_against_each_other_one():
    # Cases are (random, seed) and (shared, seed); the observations of "random" are averaged.
    table = lead(results({("random", "short", "var", 1): 0.99}))
    assert table[["method", "other", "n"]].to_numpy().tolist() == [["var", "glm", 6], ["var", "random", 6]]
    low, high = stats.ttest_1samp([0.25, 0.1, 0.1, 0.1, 0.1, 0.1], 0).confidence_interval(0.95)
    found = row(table, other="glm")
    assert (found["difference"], found["low"], found["high"]) == pytest.approx((0.75 / 6, low, high))
    assert found["p_value"] == pytest.approx(2 / 2**6)
    assert found["p_holm"] == pytest.approx(3 * 2 / 2**6)  # three pairs of methods
    board = leaderboard(results())
    assert board.verdict == "var leads; significantly ahead of: none."
    assert "VAR, ridge against each other method" in render(board)


def test_many_seeds_make_a_lead_significant():
    table = pd.concat([results().assign(seed=lambda t, k=k: t["seed"] + k) for k in (0, 3)])
    assert leaderboard(table).verdict == "var leads; significantly ahead of: glm, random."


def test_a_failure_counts_as_nothing_found_in_comparisons_too():
    found = row(lead(results({("shared", "long", "glm", 1): "ValueError"})), other="glm")
    assert (found["n"], found["difference"]) == (6, pytest.approx((0.79 + 5 * 0.1) / 6))


def without_connections(table: pd.DataFrame, network: str) -> pd.DataFrame:
    """The same results, of which this network has no connections: AUPRC is undefined."""
    return table.assign(value=table["value"].mask((table["network"] == network) & (table["metric"] == "auprc")))


def test_recordings_without_connections_do_not_count():
    table = without_connections(results(), "shared")
    assert set(ranks(table)["n"]) == {3}
    found = row(lead(table), other="glm")
    assert (found["n"], found["difference"]) == (3, pytest.approx(0.1))
    failing = {("shared", "long", "var", seed): "ValueError" for seed in (1, 2, 3)}
    pd.testing.assert_frame_equal(ranks(without_connections(results(failing), "shared")), ranks(table))
    none = without_connections(without_connections(results(), "shared"), "random")
    assert leaderboard(none).lead is None and "VAR, ridge" in render(leaderboard(none))


def test_a_case_in_several_files_is_taken_whole_from_the_first(tmp_path):
    broken = results({("random", "long", "glm", 1): "ValueError"})
    broken.to_parquet(tmp_path / "a.parquet")
    results().to_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path), broken)


def test_fractions_of_the_ceiling_are_of_the_same_recording():
    table = results({("shared", "long", "ceiling", 3): "ValueError"}, methods=BOUNDED)
    found = row(shares_of_ceiling(table), method="glm")
    values = [(0.69 / 0.89 * 2 + 0.59 / 0.79) / 3, (0.7 / 0.9 * 2 + 0.6 / 0.8) / 3, (0.71 / 0.91 + 0.61 / 0.81) / 2]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((sum(values) / 3, low, high))
    assert shares_of_ceiling(table)["method"].tolist() == ["var", "glm", "random"]
    assert shares_of_ceiling(results()).empty


def test_bounds_are_shown_but_do_not_take_part():
    board, without = leaderboard(results(methods=BOUNDED)), leaderboard(results())
    assert list(board.labels) == ["var", "glm", "random", "oracle", "ceiling"]
    assert board.labels["ceiling"] == "attainable ceiling (bound)"
    pd.testing.assert_frame_equal(board.lead, without.lead)
    columns = [metric.field for metric in board.standing.columns]
    assert columns[:3] == ["rank", "auprc", "of_ceiling"]
    assert "of_ceiling" not in [metric.field for metric in without.standing.columns]
    var, oracle = board.standing.rows[0], board.standing.rows[3]
    assert (var.cells[0].text, oracle.cells[0].text) == ("1.00", "–")
    assert var.cells[1].best and not any(cell.best for cell in oracle.cells)
    assert [cell.best for cell in board.by_setting["AUPRC"].rows[0].cells] == [True, False, False, False, False]
    page = render(board)
    assert "The dashed line is the ceiling." in page and "take no part in ranks" in page
    assert "The dashed line is the ceiling." not in render(without)


def test_the_ceiling_is_a_line_and_the_truth_is_not_drawn():
    table = results(methods=BOUNDED)
    board = leaderboard(table)
    figure = static_figure(scores(table), averages(table), cases(table), board.labels)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "VAR, ridge", "Poisson GLM", "random", "attainable ceiling (bound)",
    ]  # fmt: skip
    left, right = figure.axes
    (ticks,) = [each for each in left.collections if each.get_label() == board.labels["ceiling"]]
    assert sorted(x for (x, _), _ in ticks.get_segments()) == pytest.approx([0.8, 0.9, 0.9])
    (line,) = [each for each in right.lines if each.get_label() == board.labels["ceiling"]]
    assert line.get_ydata()[0] == pytest.approx((0.9 + 0.9 + 0.8) / 3)


def test_what_all_methods_have_is_compared_as_a_whole():
    table = results(BROKEN)
    pd.testing.assert_frame_equal(balanced(table), table)  # a failure is no absence
    slow = table[(table["method"] != "glm") | (table["observation"] != "long")]
    assert set(balanced(slow)["observation"]) == {"short"}
    few = table[(table["observation"] != "short") | (table["seed"] != 3)]
    assert set(balanced(few)["seed"]) == {1, 2}
    apart = table[(table["method"] == "glm") == (table["observation"] == "long")]
    pd.testing.assert_frame_equal(balanced(apart), apart)


def test_a_method_that_was_left_out_of_hard_settings_gains_no_rank():
    table = results()
    easy = table[(table["method"] != "glm") | (table["observation"] != "short")]
    easy = easy.assign(value=easy["value"].where(easy["observation"] != "short", 0.01))
    board = leaderboard(easy)
    assert list(board.labels) == ["var", "glm", "random"]
    assert [each.label for each in board.by_setting["AUPRC"].rows] == ["random, long", "random, short", "shared, long"]


def test_differences_are_paired_by_recording():
    changed = {("random", "long", "glm", 1): 0.6, ("random", "long", "glm", 2): "ValueError"}
    found = differences(results(changed), "var")
    assert found["method"].drop_duplicates().tolist() == ["glm", "random"]
    glm = row(found, setting="random, long", method="glm")
    low, high = stats.ttest_1samp([-0.19, -0.1], 0).confidence_interval(0.95)
    assert (glm["value"], glm["low"], glm["high"], glm["n"]) == pytest.approx((-0.145, low, high, 2))
    table = leaderboard(results(changed, methods=BOUNDED)).differences
    assert table is not None and table.caption.startswith("AUPRC less that of VAR, ridge by setting")
    assert [column.name for column in table.columns] == [
        "Poisson GLM", "random", "the truth (bound)", "attainable ceiling (bound)",
    ]  # fmt: skip
    assert table.rows[1].cells[3].value == pytest.approx(0.1)


def test_synapsnet_is_what_others_are_compared_with_even_where_it_is_not_first():
    table = results()
    model = table[table["method"] == "glm"].assign(method="synapsnet")
    board = leaderboard(pd.concat([table[table["method"] != "glm"], model], ignore_index=True))
    assert list(board.labels) == ["var", "synapsnet", "random"]
    assert board.differences is not None and "less that of SynapsNet" in board.differences.caption
    assert [column.field for column in board.differences.columns] == ["var", "random"]
    length, _ = board.losses
    # var loses 1 - .7 / .8, SynapsNet 1 - .6 / .7, random everything; the seeds agree within 0.01
    assert [each.cells[0].value for each in length.rows] == pytest.approx([0.125, 0.143, 1.0], abs=0.01)
    assert length.verdict == (
        "At 2.5 these lose significantly more of their AUPRC than SynapsNet: random; these less: VAR ridge."
    )


def test_what_is_lost_is_on_the_page_but_not_of_bounds_in_the_verdict():
    board = leaderboard(results(methods=BOUNDED))
    length, shared = board.losses
    assert [each.method for each in length.rows] == ["var", "glm", "random", "oracle", "ceiling"]
    assert length.verdict == (
        "At 2.5 these lose significantly more of their AUPRC than VAR, ridge: Poisson GLM, random; these less: none."
    )
    assert [column.name for column in shared.columns] == ["at 0.5", "more than VAR, ridge"]
    page = render(board)
    assert length.verdict in page and length.caption in page


def test_one_method_needs_no_ranks():
    board = leaderboard(results(methods=("var", "ceiling")))
    assert board.standing.columns[0].field == "auprc"
    assert (board.lead, board.verdict, board.differences, board.losses) == (None, "", None, [])
    assert len(board.curves) == 2
    assert "against each other method" not in render(board)


def test_nothing_to_rank():
    table = results(
        {("random", o, "var", s): "ValueError" for o in ("long", "short") for s in (1, 2, 3)}, methods=("var",)
    )
    with pytest.raises(InputError, match="first reason: ValueError"):
        leaderboard(table[table["network"] == "random"])


def test_the_page_is_whole_repeatable_and_escaped(tmp_path: Path):
    board = leaderboard(results(BROKEN))
    write_page(board, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page == render(leaderboard(results(BROKEN)))
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in page and "<b>no</b>" not in page
    assert "2 seeds: failed" in page
    for text in (
        "VAR, ridge",
        "random, short",
        "Cost against fidelity",
        "Recording length (min)",
        "27, of which 2 failed",
    ):
        assert text in page


def test_browser_draws_the_page_without_errors_or_requests(browser, tmp_path: Path):
    from selenium.webdriver.support.ui import WebDriverWait

    write_page(leaderboard(results(BROKEN)), tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())
    drawn = "return document.documentElement.dataset.drawn === 'all'"
    WebDriverWait(browser, 60).until(lambda b: b.execute_script(drawn))
    assert len(browser.find_elements("css selector", "figure svg.main-svg")) >= 3
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_figure_for_print(tmp_path: Path):
    board = leaderboard(results())
    write_figure(board, tmp_path / "figure.svg")
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")
    write_figure(board, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="must be named"):
        write_figure(board, tmp_path / "figure.doc")


def test_the_curves_for_print(tmp_path: Path):
    board = leaderboard(results(methods=BOUNDED))
    write_curves(board, tmp_path / "curves.svg")
    assert ElementTree.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")
    figure = static_curves(board.curves, board.labels)
    length, shared = figure.axes
    assert (length.get_xscale(), shared.get_xscale()) == ("log", "linear")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "VAR, ridge", "Poisson GLM", "random", "attainable ceiling (bound)", "chance",
    ]  # fmt: skip
    drawn = {bars.get_label(): bars.lines[0] for bars in length.containers}
    assert drawn["VAR, ridge"].get_ydata() == pytest.approx([0.7, 0.8])
    assert drawn["attainable ceiling (bound)"].get_linestyle() == "--" != drawn["VAR, ridge"].get_linestyle()
    (chance,) = [line for line in length.lines if line.get_label() == "chance"]
    assert chance.get_linestyle() == ":"
    assert chance.get_ydata() == pytest.approx([0.1, 0.1])


def test_without_anything_that_varies_there_are_no_curves(tmp_path: Path):
    table = results()
    alone = leaderboard(table[(table["network"] == "random") & (table["observation"] == "long")])
    with pytest.raises(InputError, match="there are no curves"):
        write_curves(alone, tmp_path / "curves.svg")
    with pytest.raises(InputError, match="must be named"):
        write_curves(leaderboard(table), tmp_path / "curves.doc")


def test_other_tools_read_the_results(tmp_path: Path):
    table = results(BROKEN)
    file = write_table(table, tmp_path)
    assert file == tmp_path / RESULTS
    pd.testing.assert_frame_equal(pd.read_parquet(file), table)
    arrow = parquet.read_table(file)
    assert arrow.column_names == list(COLUMNS)
    assert arrow.column("value").to_pylist()[0] == table["value"].iloc[0]


def test_the_command_line_writes_both_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_table(results(BROKEN), tmp_path)
    show(
        results=tmp_path,
        output=tmp_path / "page.html",
        figure=tmp_path / "figure.png",
        curves=tmp_path / "curves.png",
    )
    printed = capsys.readouterr()
    assert all((tmp_path / name).exists() for name in ("page.html", "figure.png", "curves.png"))
    for text in (
        "Poisson GLM",
        "0.700",
        "[0.675, 0.725]",
        "random, short",
        "glm leads; significantly ahead of: none.",
        "Share of AUPRC lost",
    ):
        assert text in printed.out
    assert "var on shared, long, seeds: 2: failed, ValueError: <b>no</b>" in printed.err
