"""The report: what it says, that it says it safely, and that a browser shows it without asking the network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.figures import MAX_ROWS, cell_type_order, matrix_figure, precision_recall
from reports.forecast_figures import forecast_figure, horizon_figure
from reports.html import render, write_report
from reports.numbers import format_duration, format_estimate, format_interval, format_number
from reports.palette import ABLATION, MODEL, method_styles
from reports.summary import summarise
from reports.tables import connectivity_table, forecast_table, horizon_text, timing_table
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import neuron_table
from validation.metrics.results import ConnectivityScores, Estimate, ForecastExample, ForecastScores, RunResults, Scores

HORIZONS = [1, 2, 4, 8, 16]
HOSTILE = "<script>alert(1)</script>"
AUPRC = {MODEL: 0.9, "glm": 0.8, "var": 0.6, "lagged-correlation": 0.5}
SKILL = {MODEL: 0.4, ABLATION: 0.1, "glm": 0.3, "var": 0.2, "mean": 0.0, "copy-last": -1.0}


def around(value: float, half: float = 0.02) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half)


def connectivity_scores(method: str, auprc: Estimate) -> ConnectivityScores:
    return ConnectivityScores(
        method=method, auroc=around(0.9), auprc=auprc, signed_auroc=None, sign_accuracy=around(0.97),
        weight_correlation=around(-0.01), direction_accuracy=around(0.8),
    )  # fmt: skip


def forecast_scores(
    method: str, skill: Estimate, skill_over_copy: Estimate | None = None, behind: Estimate | None = None
) -> ForecastScores:
    shrunk = [Estimate(**{k: v / h**0.5 for k, v in skill.model_dump().items()}) for h in HORIZONS]
    nan = Estimate(value=math.nan, low=math.nan, high=math.nan)
    return ForecastScores(
        method=method, horizon_steps=HORIZONS, mse=[around(1 - e.value) for e in shrunk], r2=shrunk,
        correlation=[nan] * len(HORIZONS) if method == "mean" else [around(abs(e.value) ** 0.5) for e in shrunk],
        skill_over_mean=shrunk, skill_over_copy=[skill_over_copy or around(0.5)] * len(HORIZONS),
        bits_per_spike=around(0.3) if method in (MODEL, "glm") else None,
        behind_synapsnet=None if behind is None else [behind] * len(HORIZONS),
    )  # fmt: skip


def make_run(
    *,
    modality: str = "spikes",
    truth: bool = True,
    n: int = 20,
    auprc: dict[str, float] = AUPRC,
    skill: dict[str, float] = SKILL,
    ids: list[str] | None = None,
    labels: dict[str, str] | None = None,
) -> RunResults:
    """A scored run that nobody had to simulate."""
    rng = np.random.default_rng(0)
    n_inhibitory = n // 5
    weight = rng.lognormal(size=(n, n)) * (rng.random((n, n)) < 0.15)
    weight[:, -n_inhibitory:] *= -3
    np.fill_diagonal(weight, 0)
    inferred = {}
    for method, quality in auprc.items():
        noisy = weight + (1.2 - quality) * rng.normal(size=(n, n))
        np.fill_diagonal(noisy, 0)
        inferred[method] = Connectome(noisy, standard_error=np.ones((n, n)), unit="a.u.")
    time = np.arange(600) * 0.005
    rate = 0.1 + 0.08 * np.sin(2 * np.pi * time[:, None] * np.array([1.0, 2.0, 3.0]))
    observed = rng.poisson(rate) if modality == "spikes" else rate + 0.02 * rng.normal(size=rate.shape)
    predicted = {
        method: {h: (0.1 + (rate - 0.1) * value / h**0.5).astype(np.float32) for h in HORIZONS}
        for method, value in skill.items()
    }
    return RunResults(
        title=f"{modality.capitalize()}, 5 ms bins",
        modality=modality,  # type: ignore[arg-type]
        dt_s=0.005,
        n_neurons=n,
        n_steps=240_000,
        neurons=neuron_table(n, ids=ids, cell_type=["excitatory"] * (n - n_inhibitory) + ["inhibitory"] * n_inhibitory),
        setup={"seed": 1, "source": "er-lif.nwb", "model": {"embedding": 16, "kernel_steps": 6}},
        truth=Connectome(weight) if truth else None,
        inferred=inferred,
        scores=Scores(
            edge_density=float((weight != 0).sum() / (n * (n - 1))) if truth else None,
            n_edges=int((weight != 0).sum()) if truth else None,
            connectivity=[connectivity_scores(m, around(value)) for m, value in auprc.items()] if truth else [],
            forecast=[
                forecast_scores(m, around(value), behind=around(skill.get(MODEL, 0.0) - value, 0.001))
                for m, value in skill.items()
            ],
            seconds={MODEL: 52.1, "glm": 147.0, "var": 1.3},
            interval="Moving-block bootstrap over 10 s blocks of the test data, 1,000 resamples.",
        ),
        example=ForecastExample(time, np.array([0, 3, n - 1]), observed.astype(float), predicted),
        labels={MODEL: "SynapsNet", ABLATION: "SynapsNet, W = 0", "glm": "Poisson GLM", "var": "VAR"} | (labels or {}),
    )  # fmt: skip


def with_scores(run: RunResults, **changes: Any) -> RunResults:
    return replace(run, scores=run.scores.model_copy(update=changes))


def warnings(run: RunResults) -> list[str]:
    return [statement.text for statement in summarise(run) if statement.warning]


# Numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.9614, "0.961"), (1.0, "1.00"), (0.99999, "1.00"), (-0.012, "−0.0120"), (0, "0"), (-0.0, "0"),
        (12.345, "12.3"), (999.6, "1,000"), (12_345, "12,300"), (1.2e-7, "1.20×10⁻⁷"), (-3e9, "−3.00×10⁹"),
        (None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
    ],
)  # fmt: skip
def test_format_number(number: float | None, text: str) -> None:
    assert format_number(number) == text


def test_format_estimate() -> None:
    assert format_estimate(Estimate(value=0.961, low=0.951, high=0.97)) == "0.961 [0.951, 0.970]"
    assert format_estimate(Estimate(value=0.961, low=math.nan, high=math.nan)) == "0.961"
    assert format_estimate(None) == "–"
    assert format_interval(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.005, "5 ms"), (0.0333, "33.3 ms"), (1.0, "1 s"), (1.6, "1.6 s"), (90, "90 s"), (1200, "20 min"), (7200, "2 h")],
)
def test_format_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_horizon_text() -> None:
    assert horizon_text(1, 0.005) == "1 step (5 ms)"
    assert horizon_text(16, 0.1) == "16 steps (1.6 s)"


# Palette


def test_every_method_is_told_apart_by_more_than_its_colour() -> None:
    styles = method_styles([MODEL, ABLATION, "mean", "copy-last", "lagged-correlation", "var", "glm", "mine", "glm"])
    assert len(styles) == 8
    assert len({style.color for style in styles.values()}) == 8
    assert len({(style.dash, style.symbol) for style in styles.values()}) == 8


def test_many_methods_get_distinct_styles() -> None:
    styles = method_styles(f"method {k}" for k in range(20))
    assert len({(style.color, style.dash) for style in styles.values()}) == 20


def test_known_methods_look_the_same_in_every_report() -> None:
    assert method_styles(["x", MODEL])[MODEL] == method_styles([MODEL])[MODEL]
    assert method_styles([MODEL])[MODEL].faded(0.5) == "rgba(0,114,178,0.5)"


# Tables


def test_connectivity_table() -> None:
    table = connectivity_table(make_run())
    assert table is not None and table.chance is not None
    assert [row.label for row in table.rows] == ["SynapsNet", "Poisson GLM", "VAR", "lagged-correlation"]
    names = [column.name for column in table.columns]
    auprc, signed = names.index("AUPRC"), names.index("signed AUROC")
    assert [row.cells[auprc].best for row in table.rows] == [True, False, False, False]
    assert table.rows[0].cells[auprc].interval == "[0.880, 0.920]"
    assert table.rows[0].cells[signed].text == "–" and table.rows[0].cells[signed].value is None
    assert table.chance[names.index("AUROC")].text == "0.500"


def test_no_connectivity_table_without_truth() -> None:
    assert connectivity_table(make_run(truth=False)) is None


def test_forecast_table_marks_the_lowest_error() -> None:
    table = forecast_table(make_run(), 0)
    assert table.caption == "Forecasts 1 step (5 ms) ahead on held-out data"
    assert [row.method for row in table.rows if row.cells[0].best] == [MODEL]
    assert [column.name for column in table.columns][-1] == "bits/spike"


@pytest.mark.parametrize(("modality", "index"), [("spikes", 4), ("calcium", 0)])
def test_bits_per_spike_only_one_step_ahead_on_spikes(modality: str, index: int) -> None:
    assert "bits/spike" not in [column.name for column in forecast_table(make_run(modality=modality), index).columns]


def test_timing_table() -> None:
    table = timing_table(make_run())
    assert [(row.label, row.cells[0].text) for row in table.rows][:2] == [("SynapsNet", "52.1"), ("Poisson GLM", "147")]


# Summary


def test_summary_of_a_good_run_has_no_warning() -> None:
    texts = [statement.text for statement in summarise(make_run())]
    assert warnings(make_run()) == []
    assert "AUPRC 0.900 [0.880, 0.920]" in texts[0] and "Poisson GLM" in texts[0]
    assert "do not overlap" in texts[0]
    assert any("the connections carry part of the forecast" in text for text in texts)
    assert any("reaches 0.300 [0.280, 0.320] (paired difference 0.100 [0.0990, 0.101])" in text for text in texts)
    assert any("16 steps (80 ms)" in text for text in texts)


def test_summary_says_that_intervals_overlap() -> None:
    assert "(the intervals overlap)" in summarise(make_run(auprc=AUPRC | {"glm": 0.89}))[0].text


def test_summary_says_how_many_pairs_are_reported_as_connected() -> None:
    run, local = make_run(), np.full((20, 20), 0.9)
    local[0, 1:5] = 0.01
    run.inferred[MODEL] = Connectome(run.inferred[MODEL].weight, local_fdr=local)
    assert (
        summarise(run)[0].text == "SynapsNet: 4 of 380 pairs are reported as connected at a false discovery rate of 5%."
    )


def test_summary_without_truth_warns_that_nothing_is_proven() -> None:
    assert "no number on this page" in warnings(make_run(truth=False))[0]


@pytest.mark.parametrize(
    ("run", "warning"),
    [
        (make_run(auprc=AUPRC | {MODEL: 0.05}), "no better than chance"),
        (make_run(auprc=AUPRC | {"var": 0.95}), "VAR finds the connections better than SynapsNet"),
        (make_run(skill=SKILL | {"glm": 0.6}), "Poisson GLM forecasts 1 step (5 ms) ahead better than SynapsNet"),
        (make_run(skill=SKILL | {MODEL: 0.01}), "no better than each neuron's mean"),
        (make_run(skill=SKILL | {ABLATION: 0.4}), "ahead as well, with skill 0.400"),
        (make_run(skill=SKILL | {ABLATION: 0.5}), "ahead better, with skill 0.500"),
        (
            with_scores(make_run(), forecast=[forecast_scores(MODEL, around(0.4), around(0.01))]),
            "no better than copying the last value",
        ),
    ],
)
def test_summary_warnings(run: RunResults, warning: str) -> None:
    assert any(warning in text for text in warnings(run))


def test_summary_without_intervals_goes_by_the_values() -> None:
    bare = Estimate(value=-0.1, low=math.nan, high=math.nan)
    run = with_scores(make_run(), forecast=[forecast_scores(MODEL, bare, bare)])
    assert any("no better than each neuron's mean" in text for text in warnings(run))


def test_summary_of_comparators_alone_is_empty() -> None:
    assert summarise(make_run(auprc={"var": 0.6}, skill={"var": 0.2})) == []


# Figures


def test_neurons_are_ordered_by_cell_type() -> None:
    neurons = neuron_table(5, cell_type=["unknown", "inh", "exc", "Pyr", "inh"])
    assert cell_type_order(neurons).tolist() == [2, 3, 1, 4, 0]


def test_cells_of_a_large_population_are_means_over_pairs_of_one_type_with_one() -> None:
    n = 3 * MAX_ROWS
    kind = np.array(["inh", "exc", "exc"])[np.arange(n) % 3]
    weight = np.where(kind == "inh", -2.0, 1.0) * np.ones((n, 1))
    weight[0, 1] = 10.0  # from the first excitatory neuron to the first inhibitory one
    np.fill_diagonal(weight, 100.0)  # never used
    figure = matrix_figure(weight, neuron_table(n, cell_type=kind.tolist()), "weight")
    cells = figure.data[0].z
    n_exc = round(MAX_ROWS * 2 / 3)
    assert cells.shape == (MAX_ROWS, MAX_ROWS)
    assert cells[:, :n_exc].min() == 1 and (cells[:, n_exc:] == -2).all()
    assert cells[n_exc, 0] == pytest.approx((11 * 1 + 10) / 12)  # 4 neurons x 3
    assert (cells > 1).sum() == 1
    assert figure.data[0].x[0] == "exc neuron 1 (#1) and 2 more"


def test_a_row_of_one_neuron_has_no_pairs_with_itself() -> None:
    figure = matrix_figure(np.ones((5, 5)), neuron_table(5), "weight")
    assert np.isnan(np.diagonal(figure.data[0].z)).all() and np.isnan(figure.data[0].z).sum() == 5


def test_matrix_figure_keeps_rows_postsynaptic() -> None:
    weight = np.zeros((3, 3))
    weight[2, 0] = 1.0  # neuron 0 sends to neuron 2
    figure = matrix_figure(weight, neuron_table(3, cell_type=["exc", "exc", "inh"]), "weight")
    assert figure.data[0].z[2, 0] == 1.0
    assert figure.layout.yaxis.title.text == "postsynaptic"


def test_precision_recall_of_a_perfect_ranking() -> None:
    run = make_run()
    assert run.truth is not None
    recall, precision = precision_recall(run.truth, run.truth)
    assert precision[recall > 0].max() == 1.0 and recall.max() == 1.0
    assert precision.min() == pytest.approx(run.scores.edge_density, abs=1e-6)


def test_horizon_figure_leaves_out_undefined_methods_and_names_those_cut_off() -> None:
    run = make_run()
    styles = method_styles(SKILL)
    correlation = horizon_figure(run, styles, lambda scores: scores.correlation, "correlation")
    assert "mean" not in {trace.name for trace in correlation.data}
    skill = horizon_figure(run, styles, lambda scores: scores.skill_over_mean, "skill")
    assert "copy-last (down to −1.00)" in skill.layout.annotations[0].text
    assert skill.layout.yaxis.range[0] > -1


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_forecast_figure_has_a_row_per_neuron(modality: str) -> None:
    run = make_run(modality=modality)
    figure = forecast_figure(run, method_styles(SKILL), 4, {MODEL})
    assert [annotation.text for annotation in figure.layout.annotations] == [
        "excitatory neuron 0", "excitatory neuron 3", "inhibitory neuron 19",
    ]  # fmt: skip
    visible = {trace.name: trace.visible for trace in figure.data}
    assert visible["SynapsNet"] is True and visible["VAR"] == "legendonly"


# Page


def hostile_run() -> RunResults:
    n = 10
    run = make_run(
        n=n,
        ids=[HOSTILE] * n,
        auprc={MODEL: 0.9, HOSTILE: 0.8},
        skill={MODEL: 0.4, HOSTILE: 0.3},
        labels={MODEL: "</script><script>alert(2)</script>"},
    )
    return replace(run, title=f"{HOSTILE} <!--", setup={"<b>": {"note": "</dd><img src=x onerror=alert(3)>"}})


def test_page_is_reproducible() -> None:
    assert render([make_run()], "Report") == render([make_run()], "Report")


def test_page_refuses_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one scored run"):
        write_report([], tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_page_names_no_outside_resource() -> None:
    page = re.sub(r"<script>.*?</script>", "", render([make_run(), hostile_run()], "Report"), flags=re.DOTALL)
    assert "http://" not in page and "https://" not in page
    assert re.findall(r'(?:src|href)="(?!#|data:,)', page) == []


def test_page_escapes_names_from_files() -> None:
    page = render([hostile_run()], HOSTILE)
    assert "<script>alert" not in page
    assert "<img" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    for figure in re.findall(r'<script type="application/json">(.*?)</script>', page, flags=re.DOTALL):
        assert set(json.loads(figure)) in ({"data", "layout"}, {"ids", "about", "unit", "edges"})


def test_page_without_truth_shows_no_recovery() -> None:
    page = re.sub(r"<script>.*?</script>", "", render([make_run(truth=False)], "Report"), flags=re.DOTALL)
    assert "True connectivity" not in page and "Precision and recall" not in page
    assert "Inferred connectivity" in page and "Skill over the horizon" in page


def test_page_of_the_least_possible_run() -> None:
    bare = replace(make_run(truth=False), inferred={}, example=None, setup={})
    assert "Confidence intervals" in render([with_scores(bare, forecast=[], seconds={})], "Report")


def test_page_of_unconnected_neurons() -> None:
    nothing = Connectome(np.zeros((20, 20)))
    page = render([replace(make_run(), truth=nothing, inferred={MODEL: nothing})], "Report")
    assert "True connectivity" in page and "Precision and recall" not in page


# Browser


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The browser with a report open in it, everything drawn."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([make_run(), make_run(modality="calcium", truth=False), hostile_run()], path)
    browser.get("about:blank")
    browser.get_log("performance")  # forget what the browser's own start page asked for
    browser.get(path.as_uri())
    wait(browser, "return document.documentElement.dataset.drawn === 'all'")
    return browser


def settle(browser: Any, holds: Callable[[], bool]) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda _: holds())


def wait(browser: Any, condition: str) -> None:
    settle(browser, lambda: browser.execute_script(condition))


def test_browser_draws_every_figure_without_errors_or_requests(page: Any) -> None:
    drawn = page.execute_script(
        "return [...document.querySelectorAll('figure')].map(f => f.querySelectorAll('.plot svg.main-svg').length)"
    )
    assert len(drawn) == 6 + 4 + 6 and min(drawn) >= 1
    assert [entry for entry in page.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")] == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith("data:")] == [page.current_url]
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_browser_offers_no_upload(page: Any) -> None:
    titles = {
        button.get_attribute("data-title").lower() for button in page.find_elements("css selector", ".modebar-btn")
    }
    assert len(titles) > 2 and not any("cloud" in title or "send" in title for title in titles)


def test_browser_shows_hostile_names_as_text(page: Any) -> None:
    assert HOSTILE in page.find_element("css selector", "#run-3 h2").text
    assert HOSTILE in {legend.text for legend in page.find_elements("css selector", "#run-3 .legendtext")}


def test_browser_sorts_tables_by_keyboard_and_mouse(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    table = page.find_element("css selector", "#run-1 table:has(tfoot)")
    headers = table.find_elements("css selector", "thead th")

    def methods() -> list[str]:
        return [cell.text for cell in table.find_elements("css selector", "tbody th")]

    by_score = ["SynapsNet", "Poisson GLM", "VAR", "lagged-correlation"]
    headers[1].find_element("css selector", "button").send_keys(Keys.ENTER)
    assert headers[1].get_attribute("aria-sort") == "descending" and methods() == by_score
    headers[1].find_element("css selector", "button").click()
    assert headers[1].get_attribute("aria-sort") == "ascending" and methods() == by_score[::-1]
    headers[0].find_element("css selector", "button").click()
    assert headers[1].get_attribute("aria-sort") is None
    assert methods() == sorted(by_score, key=str.lower)


def test_browser_sorts_undefined_scores_last(page: Any) -> None:
    tables = page.find_elements("css selector", "#run-1 table")
    bits = next(table for table in tables if "bits/spike" in table.text)
    button = bits.find_elements("css selector", "thead button")[-1]
    for _ in range(2):
        button.click()
        assert bits.find_elements("css selector", "tbody tr")[-1].text.rstrip().endswith("–")


def test_browser_changes_the_inferred_matrix(page: Any) -> None:
    figure = next(f for f in page.find_elements("css selector", "#run-1 figure") if "Inferred" in f.text)
    drawn = "return arguments[0].querySelector('.heatmaplayer').innerHTML"
    before = page.execute_script(drawn, figure)
    assert "<image" in before
    figure.find_element("css selector", "select option:nth-child(2)").click()
    settle(page, lambda: page.execute_script(drawn, figure) not in ("", before))


@pytest.mark.parametrize("width", [1280, 390])
def test_browser_needs_no_sideways_scrolling(page: Any, width: int) -> None:
    device = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 800}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    wait(page, f"return [...document.querySelectorAll('.main-svg')].every(s => s.clientWidth <= {width})")
    settle(page, lambda: page.execute_script("return document.documentElement.scrollWidth") <= width)


def test_browser_fits_plots_to_paper_and_back(page: Any) -> None:
    sizes = "return [...document.querySelectorAll('.main-svg')].map(s => [s.clientWidth, s.clientHeight])"
    overflow = (
        "return [...document.querySelectorAll('.plot')].filter("
        "p => p.querySelector('.main-svg').clientWidth > p.clientWidth || p.scrollHeight > p.clientHeight + 1).length"
    )
    before = page.execute_script(sizes)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    wait(page, "return matchMedia('print').matches")
    # The page redraws its plots some time after the medium has changed.
    settle(page, lambda: page.execute_script(sizes) != before and page.execute_script(overflow) == 0)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    wait(page, "return !matchMedia('print').matches")
    settle(page, lambda: page.execute_script(sizes) == before and page.execute_script(overflow) == 0)


@pytest.mark.parametrize("method", ["glm", ABLATION])
@pytest.mark.parametrize(
    ("difference", "warned"), [((-0.02, -0.04, -0.01), True), ((-1e-6, -0.01, 0.01), False), (None, False)]
)
def test_a_forecast_is_called_better_where_the_paired_interval_says_so(
    method: str, difference: tuple[float, float, float] | None, warned: bool
) -> None:
    run = make_run(skill=SKILL | {method: 0.6})
    for scores in run.scores.forecast:
        if scores.method == method:
            behind = (
                None if difference is None else Estimate(**dict(zip(("value", "low", "high"), difference, strict=True)))
            )
            scores.behind_synapsnet = None if behind is None else [behind] * len(scores.horizon_steps)
    assert any("ahead better" in text for text in warnings(run)) == warned
