"""What a report shows of an assessment: every part that there is in words, figure and numbers; reasons for the rest."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_assessment_findings import around, expected, good, reliability
from test_report import make_run, settle, wait

from reports.assessment import agreement_table, assessed, expected_table, light_table
from reports.assessment_figures import (
    MAX_POINTS,
    agreement_figure,
    light_figure,
    recovery_figure,
    thresholds_figure,
    weights_figure,
)
from reports.details import Details
from reports.html import render, write_report
from reports.palette import MODEL
from validation.assessment.results import Assessment, Perturbation


def parts(n: int = 20) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(n, n)).astype(np.float32)
    return {f"interleaved.{name}.weight": first + 0.1 * k for k, name in enumerate(("first", "second"))}


def without_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_recovery_figure_by_hand() -> None:
    figure = recovery_figure(expected(), 1200.0)
    (drawn,) = figure.data
    assert list(drawn.x) == [20, 80] and list(drawn.y) == [0.9, 0.92]
    assert drawn.error_y.array == pytest.approx([0.05] * 2)
    assert 0.1 in {shape.y0 for shape in figure.layout.shapes} and 20 in {shape.x0 for shape in figure.layout.shapes}
    assert figure.layout.xaxis.range == pytest.approx(np.log10([20 / 1.5, 80 * 1.5]))


def test_thresholds_figure_by_hand() -> None:
    drawn, diagonal = thresholds_figure(expected(false={0.05: 0.2})).data
    assert list(drawn.x) == [0.01, 0.05] == list(diagonal.y) and list(drawn.y) == [0.01, 0.2]


def test_agreement_figure_by_hand() -> None:
    both = reliability(around(0.8))
    figure = agreement_figure([both.interleaved, both.halves], ["blocks", "halves"])
    drawn = {trace.name: list(trace.x) for trace in figure.data}
    assert drawn == {"shifted in time": [0.01, 0.1] * 2, "this recording": [0.8, 0.8]}
    assert len({trace.marker.symbol for trace in figure.data}) == 2


def test_weights_that_are_not_defined_leave_the_null() -> None:
    figure = agreement_figure([reliability(None).interleaved], ["blocks"])
    assert [trace.name for trace in figure.data] == ["shifted in time"]


def test_weights_figure_leaves_out_the_diagonal_and_draws_no_more_than_a_screen_holds() -> None:
    weight = np.arange(9.0).reshape(3, 3)
    assert sorted(weights_figure(weight, weight, ("a", "b")).data[0].x) == [1, 2, 3, 5, 6, 7]
    many = np.random.default_rng(0).normal(size=(100, 100))
    assert len(weights_figure(many, many, ("a", "b")).data[0].x) == MAX_POINTS


def test_tables_have_the_numbers_of_the_figures() -> None:
    rows = {row.label: row.cells[0] for row in expected_table(expected()).rows}
    assert rows["AUPRC"].text == "0.900" and rows["AUPRC"].interval == "[0.850, 0.950]"
    assert rows["AUPRC in 80 min"].text == "0.920"
    assert rows["false of the 500 pairs reported at 5.0%"].text == "0.0500"
    agreement = agreement_table([reliability(around(0.8)).interleaved]).rows[0]
    assert agreement.label == "odd blocks and even blocks"
    assert [cell.text for cell in agreement.cells][:4] == ["9 min", "0.800", "0.100", "0.100"]


def lit() -> Perturbation:
    return Perturbation(
        light="laser <1>", n_pulses=150, response_s=(0.01, 0.05), driven=["a"], targets=["b", "<c>", "d"],
        predicted=[-0.2, 0.0, 0.1], measured=[-0.5, 0.1, 0.3], correlation=around(0.6), given_rate=0.5, p_targets=0.01,
        p_sources=0.02, reliability=0.49, ceiling=0.7,
    )  # fmt: skip


def test_light_in_figure_table_and_words() -> None:
    (marks,) = light_figure(lit()).data
    assert (list(marks.x), list(marks.y)) == ([-0.2, 0.0, 0.1], [-0.5, 0.1, 0.3]) and marks.text[1] == "&lt;c&gt;"
    row = light_table(lit()).rows[0]
    assert [cell.text for cell in row.cells] == ["150", "1", "3", "0.600", "0.500", "0.0100", "0.0200", "0.700"]
    (panel,) = assessed(Assessment(key="", options={}, perturbation=lit()), {}).panels
    assert "10 to 50 ms" in panel.caption and "reach about 0.700" in panel.caption
    page = render([make_run()], "Report", [Details(good().model_copy(update={"perturbation": lit()}), parts())])
    assert "Does connectivity predict responses to light?" in page and "laser <1>" not in without_scripts(page)


def test_page_opens_with_the_findings() -> None:
    page = without_scripts(render([make_run(truth=False)], "Report", [Details(good(), parts())]))
    assert page.index("SynapsNet reports 900 of 9,900 pairs") < page.index("On data like yours")
    assert page.index("On data like yours") < page.index("Does another part") < page.index("Inferred connectivity")
    assert "no number on this page" not in page and "synapsnet assess" not in page.split("What this recording")[0]


def test_page_with_the_truth_says_once_how_many_pairs_are_reported() -> None:
    """Of the assessment, whose run has 9,900 pairs, and not of the run of 380 again."""
    run = make_run()
    run = replace(run, inferred={MODEL: replace(run.inferred[MODEL], local_fdr=np.ones((20, 20)))})
    page, alone = (without_scripts(render([run], "Report", [details])) for details in (Details(good()), Details()))
    assert "reports 900 of 9,900 pairs" in page and "does not support any connection" not in page
    assert "finds the connections with AUPRC" in page and "does not support any connection" in alone


def test_page_without_assessment_says_how_to_get_one() -> None:
    page = without_scripts(render([make_run(truth=False)], "Report"))
    assert page.count("<code>synapsnet assess</code>") == 1 and "On data like yours" not in page


def test_what_is_missing_has_its_reason() -> None:
    begun = Assessment(key="", options={}, skipped={"expected": "Deconvolved <b>"})
    found = assessed(begun, {})
    assert found.panels == []
    missing = dict(found.missing)
    assert missing["What is recovered"] == "Deconvolved <b>" and "Not computed yet" in missing["Reliability"]
    assert "Deconvolved &lt;b&gt;" in render([make_run()], "Report", [Details(begun)])


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The browser with a report of an assessed run open in it, everything drawn."""
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([make_run(truth=False)], path, details=[Details(good(), parts())])
    browser.get(path.as_uri())
    wait(browser, "return document.documentElement.dataset.drawn === 'all'")
    return browser


def test_browser_shows_the_numbers_behind_a_figure(page: Any) -> None:
    details = page.find_element("css selector", "#run-1 figure details")
    table = details.find_element("css selector", "table")
    assert not table.is_displayed()
    details.find_element("css selector", "summary").click()
    assert table.is_displayed() and "AUPRC in 80 min" in table.text


def test_browser_changes_to_single_weights(page: Any) -> None:
    figure = next(f for f in page.find_elements("css selector", "#run-1 figure") if "another part" in f.text)
    figure.find_element("css selector", "select option:nth-child(2)").click()
    marks = "return arguments[0].querySelectorAll('.plot .points path').length"
    settle(page, lambda: page.execute_script(marks, figure) == 20 * 19)
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
