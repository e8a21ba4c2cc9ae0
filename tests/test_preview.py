"""The preview page and the comparison with a recording: what they say, safely, and that a browser shows them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pynapple as nap
import pytest

from reports.activity_figures import distribution_figure, raster_figure, type_colors
from reports.comparison import MAX_SHOWN, differences, statistics_of, summary_table
from reports.preview import render_preview, write_preview
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording, Simulation, neuron_table
from validation.activity.observe_like import observe_like
from validation.activity.statistics import noise_fraction, noise_level

HOSTILE = "<script>alert(1)</script>"


def make_simulation(n: int = 10, duration_s: float = 60.0, rate_hz: float = 5.0, **changes: Any) -> Simulation:
    """Poisson neurons that nobody had to simulate; the last fifth inhibits, neuron 0 never fires."""
    rng = np.random.default_rng(0)
    epoch = nap.IntervalSet(0, duration_s)
    trains = {
        k: nap.Ts(np.sort(rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s) * (k > 0))), time_support=epoch)
        for k in range(n)
    }
    weight = rng.lognormal(size=(n, n)) * (rng.random((n, n)) < 0.3)
    weight[:, -(n // 5) :] *= -1
    np.fill_diagonal(weight, 0)
    whole = Simulation(
        spike_times=nap.TsGroup(trains, time_support=epoch),
        neurons=neuron_table(n, cell_type=["excitatory"] * (n - n // 5) + ["inhibitory"] * (n // 5)),
        connectome=Connectome(weight, delay_s=np.where(weight != 0, 0.002, np.nan)),
        metadata={"network": "poisson", "parameters": {"rate_hz": rate_hz}, "seed": 0},
    )
    return replace(whole, **changes)


def make_calcium(n_steps: int = 240, scale: float = 0.1, segments: list[int] | None = None) -> Recording:
    values = scale * np.random.default_rng(1).exponential(size=(n_steps, 4))
    return Recording.from_array(values, 1 / 6, "calcium", segments=segments, metadata={"source": f"mouse {HOSTILE}"})


def make_counts(n_steps: int = 3000, segments: list[int] | None = None) -> Recording:
    return Recording.from_array(np.random.default_rng(1).poisson(0.1, (n_steps, 5)), 0.01, "spikes", segments=segments)


def hostile_simulation() -> Simulation:
    behaviour = nap.TsdFrame(t=np.arange(0, 60, 0.01), d=np.zeros((6000, 1)), columns=[HOSTILE])
    behaviour.values[2500] = 7.0  # a pulse, shorter than a point of the figure
    return make_simulation(
        neurons=neuron_table(10, ids=[HOSTILE] * 10, cell_type=[HOSTILE] * 8 + ["b<img src=x onerror=alert(2)>"] * 2),
        behaviour=behaviour,
        metadata={"network": HOSTILE, "parameters": {"<b>": "</dd><img src=x onerror=alert(3)>"}},
    )


def text_of(page: str) -> str:
    """The page without its scripts."""
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def figures_of(page: str) -> list[dict[str, Any]]:
    return [json.loads(part) for part in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)]


# Seen alike


@pytest.mark.parametrize(("duration_s", "n_steps"), [(60.0, 240), (20.0, 120)])
def test_calcium_is_observed_in_frames_length_and_noise_of_the_recording(duration_s, n_steps):
    recording = make_calcium()
    alike = observe_like(make_simulation(duration_s=duration_s, rate_hz=0.05), recording)
    assert alike.simulated.n_steps == alike.real.n_steps == n_steps
    assert alike.simulated.dt_s == recording.dt_s
    assert np.array_equal(alike.real.values, recording.values[:n_steps])
    expected = np.median(noise_level(recording))
    assert np.median(noise_level(alike.simulated)) == pytest.approx(expected, rel=0.15)
    assert f"{expected:.2g}%" in alike.how


def test_a_recording_that_is_not_dff_is_matched_by_its_fraction_of_noise():
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.standard_normal((60, 4)), 100, axis=0)
    recording = Recording.from_array(500 + 80 * slow + 20 * rng.standard_normal((6000, 4)), 1 / 6, "calcium")
    alike = observe_like(make_simulation(duration_s=1000, rate_hz=0.2), recording)
    assert np.median(noise_fraction(alike.simulated)[1:]) == pytest.approx(20**2 / (20**2 + 80**2), rel=0.5)
    assert "not dF/F" in alike.how
    assert np.isnan(statistics_of(recording).noise_level).all()


def test_spikes_are_observed_in_bins_and_epochs_of_the_recording():
    simulation = make_simulation(duration_s=20.0)
    alike = observe_like(simulation, make_counts(segments=[1500, 1500]))
    assert alike.simulated.n_steps == alike.real.n_steps == 2000
    assert alike.simulated.segments == alike.real.segments == [(0, 1500), (1500, 2000)]
    assert alike.simulated.n_neurons == 9  # not the silent one
    whole = np.histogram(simulation.spike_times[1].times(), np.arange(0, 20.001, 0.01))[0]
    assert alike.simulated.values[:, 0].sum() == whole.sum()
    assert list(alike.simulated.neurons["id"]) == [str(k) for k in range(1, 10)]


def test_refuses_to_compare_spikes_of_silent_neurons():
    with pytest.raises(InputError, match="at least 2 simulated neurons that fire; 0 of 10 do"):
        observe_like(make_simulation(rate_hz=0.0), make_counts())


def test_a_part_of_a_simulation_keeps_what_belongs_together():
    simulation = make_simulation()
    part = simulation.select_neurons([3, 9])
    assert np.array_equal(part.spike_times[1].times(), simulation.spike_times[9].times())
    assert part.connectome.weight[0, 1] == simulation.connectome.weight[3, 9]
    assert list(part.neurons["id"]) == ["3", "9"]


def test_a_table_shows_medians_and_quartiles():
    poisson = statistics_of(make_counts())
    table = summary_table({"simulation": poisson, "recording": poisson}, "caption")
    cells = {row.label: dict(zip([m.field for m in table.columns], row.cells, strict=True)) for row in table.rows}
    assert cells["recording"]["cv"].value == pytest.approx(np.median(poisson.cv))
    low, high = np.percentile(poisson.cv, [25, 75])
    assert cells["recording"]["cv"].interval == f"[{low:.3g}, {high:.3g}]"
    nothing = replace(poisson, cv=np.full(5, np.nan))
    assert summary_table({"x": nothing}, "caption").rows[0].cells[1].text == "–"


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda x: 10 + x, "higher"),
        (lambda x: x - 10, "lower"),
        (lambda x: np.median(x) + 3 * (x - np.median(x)), "wider"),
        (lambda x: np.median(x) + (x - np.median(x)) / 3, "narrower"),
        (lambda x: 10 + 3 * x, "higher and wider"),
        (lambda x: x, None),
        (lambda x: np.full_like(x, np.nan), None),
    ],
)
def test_differences_are_those_of_medians_and_middle_halves(change, how):
    poisson = statistics_of(make_counts())
    found = differences(replace(poisson, cv=change(poisson.cv)), poisson)
    assert {metric.field: word for metric, word in found.items()} == ({"cv": how} if how else {})


# Figures


def test_each_spike_of_the_window_is_a_line_in_the_row_of_its_neuron():
    epoch = nap.IntervalSet(0, 10)
    times = {0: [1.0, 4.5, 5.5], 1: [5.0]}
    trains = nap.TsGroup({k: nap.Ts(t, time_support=epoch) for k, t in times.items()}, time_support=epoch)
    figure = raster_figure(trains, ["a", "b"], {"a": "#000000", "b": "#111111"}, window_s=2.0)
    first, second, _ = figure.data
    assert first.x[:3].tolist() == [4.5, 4.5, 4.5] and len(first.x) == 6
    assert second.y[:2].tolist() == [0.6, 1.4] and np.isnan(second.y[2])
    assert figure.layout.xaxis.range == (4, 6)


def test_a_distribution_counts_every_known_value_once():
    values = np.append(np.random.default_rng(0).normal(size=500), [np.nan, 1e6, -1e6])
    figure = distribution_figure({"a": values, "none": np.full(3, np.nan)}, "x", {"a": "#000000", "none": "#111111"})
    assert figure.data[0].y.sum() == 502 and figure.data[1].y.sum() == 0
    assert "n = 502, median" in figure.layout.annotations[0].text


def test_colours_tell_excitation_from_inhibition():
    kinds = ["e", "e", "i", "j", "k"]
    excites, inhibits = np.array([1, 0, 0, 0, 1], bool), np.array([0, 0, 1, 1, 1], bool)
    colors = type_colors(kinds, excites, inhibits)
    red = {kind: int(color[1:3], 16) > int(color[5:7], 16) for kind, color in colors.items()}
    assert red["e"] and not red["i"] and not red["j"]
    assert len(set(colors.values())) == 4


# Page


def test_page_says_what_the_network_is_and_does():
    page = text_of(render_preview(make_simulation()))
    edges = int(make_simulation().connectome.adjacency.sum())
    for words in (
        "Preview of poisson", "10: 8 excitatory, 2 inhibitory", f"{edges} (", "1 of the 10 neurons never fire",
        "independent: 0.316", "Rates", "Irregularity", "Weights", "Delays", "parameters.rate_hz",
    ):  # fmt: skip
        assert words in page
    assert "Beside a real recording" not in page and "Inputs and behaviour" not in page


@pytest.mark.parametrize("beside", [make_calcium(), make_calcium(scale=100.0), make_counts(segments=[1000] * 3)])
def test_page_beside_a_recording_has_both_in_its_table(beside):
    page = text_of(render_preview(make_simulation(), beside=beside))
    table = page[page.index("<table>") : page.index("</table>")]
    assert re.findall(r'<th scope="row" data-value="(\w+)"', table) == ["simulation", "recording"]
    assert f"{beside.n_neurons} recorded and" in page


def test_page_shows_a_short_pulse_of_behaviour():
    pulses = [d for f in figures_of(render_preview(hostile_simulation())) for d in f["data"] if "7" in str(d["y"])]
    assert pulses


def test_page_of_a_large_network_shows_a_part_and_says_so():
    page = render_preview(make_simulation(n=MAX_SHOWN + 50, duration_s=5.0))
    assert f"{MAX_SHOWN} of the {MAX_SHOWN + 50} neurons" in page
    (matrix,) = [d for f in figures_of(page) for d in f["data"] if d["type"] == "heatmap"]
    assert len(matrix["x"]) == MAX_SHOWN
    assert len(page) < 8e6


def test_page_of_a_silent_unconnected_network():
    silent = make_simulation(rate_hz=0.0, connectome=Connectome(np.zeros((10, 10))))
    page = text_of(render_preview(silent))
    assert "10 of the 10 neurons never fire" in page
    assert "Weights" not in page


def test_page_is_reproducible_and_names_no_outside_resource():
    page = render_preview(make_simulation(), beside=make_calcium())
    assert page == render_preview(make_simulation(), beside=make_calcium())
    assert "http://" not in text_of(page) and "https://" not in text_of(page)
    assert re.findall(r'(?:src|href)="(?!#|data:,)', text_of(page)) == []


def test_page_escapes_names_from_files():
    page = render_preview(hostile_simulation(), beside=make_calcium(), title=f"{HOSTILE} <!--")
    assert "<script>alert" not in page
    assert "<img" not in text_of(page)
    assert all(set(figure) == {"data", "layout"} for figure in figures_of(page))


def test_refuses_a_simulation_too_short_to_show(tmp_path):
    with pytest.raises(InputError, match=r"at least 1 s of simulation; got 0.5 s"):
        write_preview(make_simulation(duration_s=0.5), tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(self: Path, *args: Any, **options: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="no space left"):
        patch.setattr(Path, "write_text", fail)
        write_preview(make_simulation(), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="Cannot write"):
        write_preview(make_simulation(), tmp_path / "nowhere" / "page.html")


# Browser


@pytest.mark.parametrize(
    ("simulation", "beside", "n_figures"),
    [
        (hostile_simulation(), make_calcium(), 6 + 3 + 8),
        (make_simulation(), make_counts(segments=[1000] * 3), 5 + 3 + 6),
    ],
)
def test_browser_draws_every_figure_without_errors_or_requests(browser, tmp_path, simulation, beside, n_figures):
    from selenium.webdriver.support.ui import WebDriverWait

    path = tmp_path / "page.html"
    write_preview(simulation, path, beside=beside, title=f"{HOSTILE} title")
    browser.get(path.as_uri())
    drawn = "return document.documentElement.dataset.drawn === 'all'"
    WebDriverWait(browser, 60).until(lambda b: b.execute_script(drawn))
    plots = browser.execute_script(
        "return [...document.querySelectorAll('figure')].map(f => f.querySelectorAll('.plot svg.main-svg').length)"
    )
    assert len(plots) == n_figures and min(plots) >= 1
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.find_element("css selector", "h1").text == f"{HOSTILE} title"
    for width in (1280, 390):
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 800}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        WebDriverWait(browser, 60).until(
            lambda b, width=width: b.execute_script("return document.documentElement.scrollWidth") <= width
        )
