"""The view of one neuron: its data lose nothing that a reader would see, and a click leads from neuron to neuron."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report import HOSTILE, make_run, settle, wait

from reports.details import Details, load_details
from reports.html import render, write_report
from reports.neuron_view import Activity, load_activity, neuron_data
from reports.palette import MODEL
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording, neuron_table
from synapsnet.run import fit_run, load_run
from synapsnet.settings import Settings


def chain(n: int = 20) -> Connectome:
    """Neuron 0 excites 1, neuron 1 inhibits 2."""
    weight = np.zeros((n, n))
    weight[1, 0], weight[2, 1] = 9.0, -8.0
    return Connectome(weight, standard_error=np.ones((n, n)), unit="log odds")


def some_activity(n: int = 20, n_steps: int = 50) -> Activity:
    rng = np.random.default_rng(0)
    values = rng.poisson(0.5, size=(n_steps, n)).astype(float)
    values[:, 0] = 3.0  # never changes
    return Activity("spikes", 0.01, 2.0, values, 0.5 + 0.1 * rng.random((n_steps, n)), rng.random((n, 4)))


def test_data_by_hand() -> None:
    neurons = neuron_table(20, ids=[HOSTILE, *map(str, range(19))], cell_type=["exc"] * 20, area=["VISp"] * 20)
    text = neuron_data(chain(), neurons, None)
    assert "<" not in text
    found = json.loads(text)
    assert found["ids"][0] == HOSTILE and found["about"][0] == "exc, VISp" and found["unit"] == "log odds"
    assert [edge[:3] for edge in found["edges"]] == [[0, 1, 9.0], [1, 2, -8.0]]
    assert all(0 <= edge[3] < 1e-10 for edge in found["edges"]) and "activity" not in found


def test_traces_are_kept_to_a_255th_of_their_range() -> None:
    activity = some_activity()
    found = json.loads(neuron_data(chain(), neuron_table(20), activity))["activity"]
    for name in ("observed", "expected"):
        levels = np.frombuffer(b64decode(found[name]["levels"]), np.uint8).reshape(20, 50).T
        low, high = np.array(found[name]["low"]), np.array(found[name]["high"])
        values = getattr(activity, name)
        assert np.abs(low + (high - low) * levels / 255 - values).max() < np.ptp(values, axis=0).max() / 255
    assert np.array(found["kernel"]) == pytest.approx(activity.kernel, rel=1e-3)


def test_large_populations_stay_small() -> None:
    n = 300
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((n, n)) < 0.1, 9.0, 0.0) * (1 - np.eye(n))
    connectome = Connectome(weight, standard_error=np.ones((n, n)))
    assert len(neuron_data(connectome, neuron_table(n), some_activity(n, 300))) < 1_000_000


def test_activity_of_a_run(spike_recording: Recording, tmp_path: Path) -> None:
    fit_run(spike_recording, tmp_path / "run", settings=Settings(epochs=1, n_hidden=2), device="cpu")
    run = load_run(tmp_path / "run", device="cpu")
    activity = load_activity(run)
    assert activity is not None and activity.kernel is not None
    model = run.models["synapsnet"]
    start = int(np.searchsorted(run.test.activity.times(), activity.start_s))
    assert np.array_equal(activity.observed, run.test.values[start : start + 300])
    expected = model.forecast(run.test.without_ground_truth(), 1)[0]
    assert activity.expected == pytest.approx(expected[start : start + 300], abs=1e-6)
    assert np.isnan(expected[:start]).all()
    assert np.abs(activity.kernel).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert run.models["synapsnet-independent"].kernel_ is None
    details = load_details(load_run(tmp_path / "run"))
    assert details.assessment is None and details.parts == {} and details.activity is not None


def test_calcium_has_no_kernel_of_the_model_that_only_forecasts(calcium_recording: Recording, tmp_path: Path) -> None:
    fit_run(calcium_recording, tmp_path / "run", settings=Settings(epochs=1, n_hidden=2), device="cpu")
    run = load_run(tmp_path / "run", device="cpu")
    activity = load_activity(run)
    assert run.models["synapsnet"].kernel_ is not None and activity is not None and activity.kernel is None


def test_page_says_what_a_weight_means() -> None:
    run = make_run(truth=False)
    for unit, meaning in (("SD per SD", "one standard deviation"), ("a.u.", None)):
        inferred = {MODEL: replace(run.inferred[MODEL], unit=unit)}
        page = render([replace(run, inferred=inferred)], "Report")
        assert (meaning is not None and meaning in page) or "A weight of" not in page


def test_page_without_standard_errors_has_no_view() -> None:
    run = make_run(truth=False)
    bare = replace(run, inferred={MODEL: Connectome(run.inferred[MODEL].weight)})
    assert "One neuron" not in render([bare], "Report") and "One neuron" in render([run], "Report")


@pytest.fixture(scope="module")
def view(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The view of one neuron in an open report."""
    run = make_run(truth=False)
    neurons = neuron_table(20, ids=["a", HOSTILE, *map(str, range(18))])
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        [replace(run, inferred={MODEL: chain()}, neurons=neurons)], path, details=[Details(activity=some_activity())]
    )
    browser.get(path.as_uri())
    wait(browser, "return document.documentElement.dataset.drawn === 'all'")
    return browser.find_element("css selector", ".neuron")


def listed(view: Any) -> list[list[str]]:
    return [
        [row.text for row in body.find_elements("css selector", "tr")]
        for body in view.find_elements("css selector", "tbody")[:2]
    ]


def test_browser_begins_with_the_most_connected_neuron(browser: Any, view: Any) -> None:
    said = view.find_element("css selector", ".said").text
    assert said.startswith(f"Neuron {HOSTILE}: 1 reported connections onto it, 1 from it")
    (driven_by,), (drives,) = listed(view)
    assert driven_by.startswith("a 9 ") and drives.startswith("0 −8 ")
    assert [
        plot.find_elements("css selector", "svg.main-svg") != [] for plot in view.find_elements("css selector", ".plot")
    ] == [True, True]


def test_browser_walks_along_a_connection_with_the_keyboard(browser: Any, view: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    traced = "return JSON.stringify(arguments[0].querySelector('.trace').data[0].y)"
    before = browser.execute_script(traced, view)
    assert json.loads(before) == some_activity().observed[:, 1].tolist()  # counts, not their nearest 255th
    view.find_elements("css selector", "tbody")[1].find_element("css selector", "button").send_keys(Keys.ENTER)
    settle(browser, lambda: view.find_element("css selector", ".said").text.startswith("Neuron 0: 1 reported"))
    assert listed(view)[1] == ["none reported"] and not view.find_element("css selector", ".kernel").is_displayed()
    assert browser.execute_script(traced, view) != before
    assert browser.switch_to.active_element.tag_name == "select"
    browser.switch_to.active_element.send_keys(Keys.HOME)
    settle(browser, lambda: view.find_element("css selector", ".said").text.startswith("Neuron a: 0 reported"))
    shown = json.loads(browser.execute_script(traced, view))
    assert shown == pytest.approx([3.0] * 50)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
