"""A walk through the report of an assessed run, with the keyboard, on a desk, on a telephone and on paper."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report import settle, wait

from reports.details import load_details
from reports.html import write_report
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording, neuron_table
from synapsnet.run import fit_run, load_run
from synapsnet.settings import Settings
from validation.assessment.assess import assess_run
from validation.scoring import load_results, score_run

FOCUSABLE = "a[href], button, select, input, summary, [tabindex='0']"
CONTROLS = {"button", "checkbox", "combobox", "link", "DisclosureTriangle", "region"}
# Open tables are walked too; what lies in a closed one cannot be reached, and need not be.
REACHABLE = f'[...document.querySelectorAll("{FOCUSABLE}")].filter(e => e.checkVisibility())'


def small_network(n_steps: int = 12_000, n: int = 20) -> Recording:
    """A minute of spikes of neurons in two areas, the last five inhibitory; no compiler is needed for them."""
    rng = np.random.default_rng(0)
    weight = 3.0 * (rng.random((n, n)) < 0.15) * (1 - np.eye(n))
    weight[:, 15:] *= -1
    spikes = np.zeros((n_steps, n))
    for t in range(1, n_steps):
        spikes[t] = rng.random(n) < 1 / (1 + np.exp(3.5 - weight @ spikes[t - 1]))
    neurons = neuron_table(
        n,
        position_um=rng.uniform(0, 200, size=(n, 3)),
        cell_type=["excitatory"] * 15 + ["inhibitory"] * 5,
        area=["V1", "LM"] * 10,
    )
    return Recording.from_array(spikes, 0.005, "spikes", neurons=neurons, connectome=Connectome(weight))


@pytest.fixture(scope="session")
def assessed_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of an epoch, assessed."""
    folder = tmp_path_factory.mktemp("walk")
    fit_run(small_network(), folder / "run", settings=Settings(epochs=1, n_hidden=2), device="cpu", source="test")
    score_run(folder / "run", against=["var"], device="cpu")
    assess_run(folder / "run", n_surrogates=1, device="cpu", simulate_s=0)
    path = folder / "report.html"
    write_report([load_results(folder / "run")], path, details=[load_details(load_run(folder / "run"))])
    return path


@pytest.fixture(scope="module", params=[1280, 390], ids=["desktop", "phone"])
def page(browser: Any, assessed_report: Path, request: pytest.FixtureRequest) -> Any:
    """The browser with the report open in it, on a screen so wide."""
    device = {"width": request.param, "height": 844, "deviceScaleFactor": 1, "mobile": request.param < 800}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.get(assessed_report.as_uri())
    wait(browser, "return document.documentElement.dataset.drawn === 'all'")
    return browser


def no_errors(page: Any) -> bool:
    return [entry for entry in page.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")] == []


def figure(page: Any, title: str) -> Any:
    return next(f for f in page.find_elements("css selector", "figure") if title in f.text)


def test_every_control_has_a_name(page: Any) -> None:
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(n["role"]["value"], n["name"]["value"]) for n in nodes if not n["ignored"] and "name" in n]
    controls = [(role, name) for role, name in named if role in CONTROLS]
    assert {role for role, _ in controls} == CONTROLS
    assert [role for role, name in controls if not name] == []


def test_a_screen_reader_gets_the_table_and_not_the_marks(page: Any) -> None:
    assert page.execute_script("return document.querySelectorAll('.main-svg:not([aria-hidden=true])').length") == 0
    without = page.execute_script(
        "return [...document.querySelectorAll('figure')].filter(f => !f.querySelector('details table tbody tr'))"
        ".map(f => f.querySelector('h4').textContent)"
    )
    assert without == []


def test_every_part_is_a_link_away(page: Any) -> None:
    links = page.find_elements("css selector", "section nav a")
    titles = ["What can be believed", "Connectivity", "One neuron", "Forecasts", "What was run"]
    assert [link.text for link in links] == titles
    for link in links:
        heading = page.find_element("css selector", link.get_attribute("href").partition("#")[2].join(("#", "")))
        assert heading.tag_name == "h3" and heading.text == link.text


def test_tab_reaches_every_control_in_order(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    n = page.execute_script(
        "window.reached = []; addEventListener('focusin', e => reached.push(e.target));"
        f"document.activeElement.blur(); window.wanted = {REACHABLE}; scrollTo(0, 0); return wanted.length"
    )
    ActionChains(page, duration=0).send_keys(Keys.TAB * (n + 5)).perform()
    missed = "return wanted.filter(e => !reached.includes(e)).map(e => e.outerHTML.slice(0, 80))"
    assert page.execute_script(missed) == []
    in_order = (
        "const k = wanted.map(e => reached.indexOf(e)); return k.slice(1).every((at, j) => at > k[j] || k[j] >= n)"
    )
    assert page.execute_script(f"const n = {n}; {in_order}")


def test_every_choice_draws_something_else(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    drawn = "return JSON.stringify(arguments[0].querySelector('.plot').data.map(t => [t.x, t.y, t.z]))"
    chosen = [f for f in page.find_elements("css selector", "figure") if f.find_elements("css selector", "select")]
    assert len(chosen) == 5  # what is expected, parts of the recording, matrix, forecasts, error over the horizon
    for each in chosen:
        select = each.find_element("css selector", "select")
        for _ in select.find_elements("css selector", "option")[1:]:
            before = page.execute_script(drawn, each)
            select.send_keys(Keys.ARROW_DOWN)
            settle(page, lambda each=each, before=before: page.execute_script(drawn, each) != before)
    assert no_errors(page)


def test_the_matrix_is_ordered_by_area_and_by_cluster(page: Any) -> None:
    matrix = figure(page, "Inferred connectivity")
    orders = [option.text for option in matrix.find_elements("css selector", "option")]
    assert orders[:3] == ["SynapsNet", "SynapsNet, by area", "SynapsNet, by cluster"]
    matrix.find_elements("css selector", "option")[1].click()
    settle(page, lambda: {"V1", "LM"} <= {t.text for t in matrix.find_elements("css selector", ".xtick text")})


def test_boxes_and_legend_show_a_method_together(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    forecasts = figure(page, "Forecasts over held-out data")
    labels = {label.text.strip(): label for label in forecasts.find_elements("css selector", "fieldset label")}
    box = labels["SynapsNet, W = 0"].find_element("css selector", "input")
    assert not box.is_selected() and labels["SynapsNet"].find_element("css selector", "input").is_selected()
    shown = (
        "return arguments[0].querySelector('.plot')._fullData"
        ".filter(t => t.name === 'SynapsNet, W = 0').map(t => t.visible)"
    )
    n_neurons = len(page.execute_script(shown, forecasts))
    box.send_keys(Keys.SPACE)
    settle(page, lambda: page.execute_script(shown, forecasts) == [True] * n_neurons)
    page.execute_script(
        "const p = arguments[0].querySelector('.plot'); const name = 'SynapsNet, W = 0';"
        "Plotly.restyle(p, {visible: 'legendonly'}, p.data.flatMap((t, k) => t.name === name ? [k] : []))",
        forecasts,
    )
    settle(page, lambda: not box.is_selected())
    assert no_errors(page)


def test_neuron_after_neuron(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    view = page.find_element("css selector", ".neuron")
    select, said = view.find_element("css selector", "select"), view.find_element("css selector", ".said")
    kernel, drives = view.find_element("css selector", ".kernel"), view.find_elements("css selector", "tbody")[1]
    select.send_keys(Keys.HOME)
    for k in range(8):
        settle(page, lambda k=k: said.text.startswith(f"Neuron {k} "))
        assert kernel.is_displayed() == ("none reported" not in drives.text)
        select.send_keys(Keys.ARROW_DOWN)
    rows = view.find_elements("css selector", ".trace ~ details tbody tr")
    cells = [cell.get_attribute("textContent") for row in rows for cell in row.find_elements("css selector", "td")]
    observed = "const d = document.querySelector('.neuron .trace').data[0].y; return d.reduce((a, b) => a + b)"
    assert sum(map(int, cells[::2])) == page.execute_script(observed)
    assert no_errors(page)


def test_paper_shows_what_is_folded_away(page: Any) -> None:
    folded = "return [...document.querySelectorAll('details')].map(d => d.open)"
    page.find_element("css selector", "figure summary").click()
    before = page.execute_script(folded)
    assert True in before and False in before
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    wait(page, "return matchMedia('print').matches")
    settle(page, lambda: all(page.execute_script(folded)))
    wait(page, "return [...document.querySelectorAll('.main-svg')].every(s => s.clientWidth <= 42 * 16)")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    settle(page, lambda: page.execute_script(folded) == before)
    assert no_errors(page)


def test_no_page_is_lost_in_print(browser: Any, assessed_report: Path) -> None:
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(assessed_report.as_uri())
    wait(browser, "return document.documentElement.dataset.drawn === 'all'")
    n_pages = _pages(browser)  # the browser counts them before the medium changes
    assert browser.execute_script("return [...document.querySelectorAll('details')].every(d => !d.open)")
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert n_pages == _pages(browser)


def _pages(page: Any) -> int:
    """How many pages the print has."""
    pdf = b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    return len(re.findall(rb"/Type\s*/Page\b", pdf))
