"""What a figure shows without colour, and without the figure."""

from __future__ import annotations

import numpy as np
import pytest
from test_report import SKILL, make_run

from reports.figure_tables import (
    N_INTERVALS,
    RECALLS,
    example_table,
    horizon_table,
    map_table,
    precision_recall_table,
    true_table,
)
from reports.figures import DIVERGING, MAX_STROKED, matrix_figure
from reports.network_figures import LOOKS
from reports.palette import MODEL
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table


def lightness(color: str) -> float:
    """CIELAB L* of an sRGB colour, from 0 (black) to 100 (white); IEC 61966-2-1 and CIE 15."""
    srgb = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return 116 * luminance ** (1 / 3) - 16 if luminance > (6 / 29) ** 3 else luminance * (29 / 3) ** 3


@pytest.mark.parametrize(("color", "known"), [("#000000", 0.0), ("#ffffff", 100.0), ("#777777", 50.03)])
def test_lightness_of_known_colours(color: str, known: float) -> None:
    assert lightness(color) == pytest.approx(known, abs=0.01)


def test_greyscale_tells_excitation_from_inhibition() -> None:
    inhibits, weakly, nothing, _, excites = (lightness(color) for _, color in DIVERGING)
    assert nothing == pytest.approx(100)
    assert inhibits - excites > 30  # steps of 10 are told apart at a glance
    assert inhibits < weakly < nothing  # the stronger the darker, on either side


def test_cells_that_inhibit_are_struck_through() -> None:
    weight = np.array([[9.0, 5.0, -0.1], [-5.0, 9.0, 0.0], [0.0, -2.0, 9.0]])
    figure = matrix_figure(weight, neuron_table(3, cell_type=["e"] * 3), "weight")
    (stroke,) = figure.layout.shapes
    # post 1 from pre 0 and post 2 from pre 1; -0.1 is too weak to be seen
    assert stroke.path == "M-0.5,1.5L0.5,0.5M0.5,2.5L1.5,1.5"
    assert not matrix_figure(np.abs(weight), neuron_table(3), "weight").layout.shapes


def test_cells_too_small_for_strokes_have_none() -> None:
    n = MAX_STROKED + 1
    assert not matrix_figure(-np.ones((n, n)), neuron_table(n), "weight").layout.shapes


def test_connections_of_the_map_differ_in_dash_and_mark() -> None:
    (_, _, dash, mark), (_, _, other_dash, other_mark) = LOOKS.values()
    assert dash != other_dash and mark != other_mark


@pytest.mark.parametrize(
    ("ids", "labels"),
    [(["a", "b", "c"], ("a", "b", "c")), (["a", "b", "a name too long"], ()), ([*map(str, range(30))], ())],
)
def test_neurons_of_unknown_type_are_named_where_there_is_room(ids: list[str], labels: tuple[str, ...]) -> None:
    figure = matrix_figure(np.ones((len(ids), len(ids))), neuron_table(len(ids), ids=ids), "weight")
    assert figure.layout.xaxis.ticktext == labels
    assert figure.data[0].x[0] == f"neuron {ids[0]} (#0)"


def test_table_of_the_truth_by_hand() -> None:
    weight = np.zeros((3, 3))
    weight[1, 0], weight[0, 2], weight[2, 1] = 1.5, -2.5, -1
    table = true_table(Connectome(weight, unit="mV"), neuron_table(3, ids=["a", "b", "c"]))
    assert table.caption == "3 of the 3 true connections, the strongest"
    expected = [("c → a", "−2.50"), ("a → b", "1.50"), ("b → c", "−1")]
    assert [(row.label, row.cells[0].text) for row in table.rows] == expected


def test_table_of_the_map_by_hand() -> None:
    weight = np.zeros((3, 3))
    weight[1, 0], weight[0, 1], weight[2, 0] = 8.0, -9.0, 8.0
    neurons = neuron_table(3, ids=["a", "b", "c"], position_um=np.array([[0, 0, 0], [30, 40, 0], [np.nan] * 3]))
    table = map_table(Connectome(weight, standard_error=np.ones((3, 3))), neurons, ("x_um", "y_um"))
    assert table.caption == "2 of the 2 connections of the map, the surest"  # c has no position
    assert [column.name for column in table.columns][1:4] == ["distance (µm)", "from x (µm)", "from y (µm)"]
    assert [(row.label, [cell.value for cell in row.cells]) for row in table.rows] == [
        ("b → a", [-9, 50, 30, 40, 0, 0]),
        ("a → b", [8, 50, 0, 0, 30, 40]),
    ]


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_table_of_the_forecasts_loses_nothing(modality: str) -> None:
    run = make_run(modality=modality)
    assert run.example is not None
    table = example_table(run, 1, MODEL)
    assert len(table.rows) == N_INTERVALS
    assert [column.name for column in table.columns][:2] == [
        "excitatory neuron 0, observed",
        "excitatory neuron 0, SynapsNet",
    ]
    pooled = np.array([[cell.value for cell in row.cells] for row in table.rows]).sum(axis=0)
    shown = run.example.observed[:300], run.example.predicted[MODEL][1][:300]
    known = np.stack([each.sum(axis=0) for each in shown], axis=1).ravel()
    assert pooled == pytest.approx(known if modality == "spikes" else known / 15)  # 300 steps, 20 intervals
    if modality == "spikes":
        assert all(cell.text.isdigit() for row in table.rows for cell in row.cells[::2])


def test_table_of_the_horizon_has_every_method_and_step() -> None:
    table = horizon_table(make_run(), lambda scores: scores.skill_over_mean, "skill over mean")
    assert len(table.rows) == len(SKILL)
    assert [column.name for column in table.columns][-1] == "16 steps (80 ms)"
    assert [cell.text for cell in table.rows[0].cells] == ["0.400", "0.283", "0.200", "0.141", "0.100"]


def test_table_of_precision_and_recall() -> None:
    run = make_run()
    assert run.truth is not None
    run.inferred["perfect"] = run.truth
    table = precision_recall_table(run)
    perfect, worst = table.rows[-1], table.rows[-2]
    assert [cell.value for cell in perfect.cells] == [1.0] * len(RECALLS)
    values = [cell.value for cell in worst.cells]
    assert values == sorted(values, reverse=True) and 0 < values[-1] < 1  # type: ignore[type-var]
