"""The inferred network in the report: its groups, its map, its list."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from test_report import HOSTILE, make_run

from reports.figures import cell_type_order, matrix_figure
from reports.html import render
from reports.network_figures import MAX_EDGES, MAX_LISTED, MAX_MARKED, cluster_names, map_figure, plane, surest_table
from synapsnet.connectome import Connectome
from synapsnet.recording import neuron_table


def two_groups(n: int = 20) -> np.ndarray:
    """Odd neurons excite odd ones, even neurons inhibit even ones; the last quarter is odd."""
    odd = np.arange(n) % 2 == 1
    odd[3 * n // 4 :] = True
    weight = np.where(odd[:, None] & odd, 5.0, 0.0) - np.where(~odd[:, None] & ~odd, 5.0, 0.0)
    np.fill_diagonal(weight, 0)
    return weight


def test_clusters_are_groups_that_are_connected_alike() -> None:
    weight = two_groups()
    names = np.array(cluster_names(weight + 0.01 * np.random.default_rng(0).normal(size=weight.shape)))
    sends = weight.sum(axis=0) > 0
    assert not set(names[sends]) & set(names[~sends])
    sizes = [int((names == f"cluster {k}").sum()) for k in range(1, 1 + len(set(names)))]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == 20


def test_neurons_without_connections_are_one_cluster() -> None:
    assert set(cluster_names(np.zeros((20, 20)))) == {"cluster 1"}
    assert set(cluster_names(np.zeros((2, 2)))) == {"cluster 1"}


def test_matrix_is_ordered_by_the_column_asked_for() -> None:
    neurons = neuron_table(4, area=["VISp", "unknown", "ECT", "VISp"], cell_type=["exc"] * 4)
    assert cell_type_order(neurons, by="area").tolist() == [2, 0, 3, 1]
    weight = np.zeros((4, 4))
    weight[3, 2] = 1.0
    figure = matrix_figure(weight, neurons, "weight", by="area")
    assert figure.data[0].z[2, 0] == 1.0 and figure.data[0].x[0].startswith("ECT")


@pytest.mark.parametrize(
    ("position", "axes"),
    [
        ([[0, 0, 5], [1, 9, 100], [2, 3, 7]], ("y_um", "z_um")),
        ([[0, 1, np.nan], [5, 2, np.nan], [np.nan] * 3], ("x_um", "y_um")),
        ([[np.nan, np.nan, 10], [np.nan, np.nan, 20], [np.nan] * 3], ("x_um", "z_um")),
        ([[np.nan] * 3] * 3, None),
        ([[1, 2, 3]] * 3, None),
    ],
)
def test_map_shows_the_axes_along_which_neurons_lie_apart(
    position: list[list[float]], axes: tuple[str, str] | None
) -> None:
    assert plane(neuron_table(3, position_um=np.array(position, float))) == axes


def test_map_by_hand() -> None:
    weight = np.zeros((3, 3))
    weight[1, 0], weight[0, 1], weight[2, 0] = 8.0, -8.0, 8.0
    neurons = neuron_table(
        3,
        ids=["a", "<b>", "c"],
        position_um=np.array([[0, 0, 0], [100, 0, 0], [np.nan] * 3]),
        cell_type=["e", "i", "e"],
    )
    figure = map_figure(Connectome(weight, standard_error=np.ones((3, 3))), neurons, ("x_um", "y_um"))
    excites, inhibits, *types = figure.data
    assert excites.x[:2].tolist() == [0, 100] and inhibits.x[:2].tolist() == [100, 0]  # c has no position
    assert excites.text == ("", "a → &lt;b&gt;: 8", "") and inhibits.text[1] == "&lt;b&gt; → a: -8"
    assert [size > 0 for size in excites.marker.size] == [False, True, False]  # marked where it ends
    assert [list(trace.x) for trace in types] == [[0], [100]]
    assert types[0].marker.symbol != types[1].marker.symbol
    assert excites.line.dash != inhibits.line.dash and excites.marker.symbol != inhibits.marker.symbol


def test_map_of_depths_alone() -> None:
    neurons = neuron_table(2, position_um=np.array([[np.nan, np.nan, 10], [np.nan, np.nan, 20]]))
    figure = map_figure(Connectome(np.zeros((2, 2)), standard_error=np.ones((2, 2))), neurons, ("x_um", "z_um"))
    assert list(figure.data[-1].y) == [10, 20]


def test_map_draws_the_surest_of_many_connections() -> None:
    n = 40
    weight = np.random.default_rng(0).uniform(10, 100, size=(n, n)) * (1 - np.eye(n))
    neurons = neuron_table(n, position_um=np.random.default_rng(1).uniform(size=(n, 3)))
    figure = map_figure(Connectome(weight, standard_error=np.ones((n, n))), neurons, ("x_um", "y_um"))
    drawn = [float(text.split(": ")[1]) for text in figure.data[0].text if text]
    assert sorted(drawn) == pytest.approx(sorted(weight.ravel())[-MAX_EDGES:], rel=0.01)


def test_map_of_a_large_network_marks_the_neurons_at_the_ends_of_its_connections() -> None:
    n = MAX_MARKED + 1
    weight = np.zeros((n, n))
    weight[3, 8], weight[5, 900] = 90.0, -90.0
    kinds = np.where(np.arange(n) == 900, "inhibitory", "excitatory").tolist()
    neurons = neuron_table(n, cell_type=kinds, position_um=np.random.default_rng(1).uniform(size=(n, 3)))
    figure = map_figure(Connectome(weight, standard_error=np.ones((n, n))), neurons, ("x_um", "y_um"))
    assert {trace.name: list(trace.text) for trace in figure.data[2:]} == {
        "excitatory": ["3", "5", "8"],
        "inhibitory": ["900"],
    }


def test_list_of_the_surest_connections() -> None:
    weight = two_groups()
    weight[1, 3] = -50.0
    delay = np.full_like(weight, np.nan)
    delay[1, 3] = 0.002
    inferred = Connectome(weight, standard_error=np.ones((20, 20)), delay_s=delay)
    table = surest_table(inferred, neuron_table(20))
    assert len(table.rows) == MAX_LISTED
    assert table.rows[0].label == "3 → 1"
    assert [cell.text for cell in table.rows[0].cells] == ["−50.0", "1.00", "–", "2.00"]
    table = surest_table(Connectome(weight, standard_error=np.ones((20, 20))), neuron_table(20))
    assert "delay (ms)" not in [column.name for column in table.columns]


def test_page_has_the_orders_and_the_map_where_the_table_of_neurons_allows() -> None:
    run = make_run(truth=False)
    n = run.n_neurons
    bare = re.sub(r"<script.*?</script>", "", render([run], "Report"), flags=re.DOTALL)
    assert "SynapsNet, by cluster" in bare and "SynapsNet, by area" not in bare and "Map of the network" not in bare
    neurons = neuron_table(
        n,
        ids=[HOSTILE] * n,
        area=[HOSTILE, "VISp"] * (n // 2),
        position_um=np.random.default_rng(0).uniform(size=(n, 3)),
    )
    page = render([replace(run, neurons=neurons)], "Report")
    assert "SynapsNet, by area" in page and "Map of the network" in page and "<script>alert" not in page
