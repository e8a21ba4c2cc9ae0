"""Spikes in bins, and filters of units: known answers by hand and by NumPy's histogram."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.errors import InputError
from synapsnet.io.quality import isi_violations, keep_units, presence_ratio
from synapsnet.io.units import Units, count_spikes, sort_spikes, spiking_time, within
from synapsnet.recording import neuron_table


def count(trains: list[Any], epochs: nap.IntervalSet, bin_s: float = 0.5, **options: Any):
    arrays = [np.asarray(train, float) for train in trains]
    return count_spikes(
        arrays, neuron_table(len(trains)), epochs, bin_s, notify=lambda line: None, metadata={}, **options
    )


@given(
    spikes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 6)), max_size=40),
    ids=st.permutations([0, 2, 3, 5]),
    column=st.booleans(),
    dtype=st.sampled_from([np.int32, np.uint32, np.uint8, np.float64]),
)
def test_spikes_in_any_order_are_sorted_into_the_trains_of_their_clusters(spikes, ids, column, dtype):
    times, clusters = np.array(spikes, float).reshape(-1, 2).T
    clusters = clusters.astype(dtype)
    shape = (-1, 1) if column else (-1,)
    trains = sort_spikes(times.reshape(shape), clusters.reshape(shape), ids)
    assert [train.tolist() for train in trains] == [sorted(times[clusters == k]) for k in ids]


def test_spikes_without_a_time_are_left_out():
    trains = sort_spikes([2.0, np.nan, 1.0], [7, 7, 7], [7, 8])
    assert [train.tolist() for train in trains] == [[1.0, 2.0], []]


@pytest.mark.parametrize(
    ("times", "clusters", "message"),
    [
        ([1.0, 2.0], [1], "got 2 and 1"),
        ([1.0], [-1], "whole numbers from 0 on"),
        ([1.0], [0.5], "whole numbers from 0 on"),
    ],
)
def test_refuses_spikes_that_belong_to_no_cluster(times, clusters, message):
    with pytest.raises(InputError, match=message):
        sort_spikes(times, clusters, [0, 1])


@given(
    times=st.lists(st.floats(-1, 12, allow_nan=False), min_size=1, max_size=60),
    starts=st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
)
def test_counts_are_those_of_a_histogram_in_each_epoch(times, starts):
    train = np.sort(np.array(times) + 1e-4 * np.pi)  # on no border of bins
    begins = 2.0 * np.sort(starts)
    recording = count([train, [0.1]], nap.IntervalSet(begins, begins + 1.7), bin_s=0.25)
    expected = [np.histogram(train, begin + 0.25 * np.arange(7))[0] for begin in begins]  # 0.2 s is no bin
    assert recording.values[:, 0].tolist() == np.concatenate(expected).tolist()
    centres = np.concatenate([begin + 0.25 * (np.arange(6) + 0.5) for begin in begins])
    assert recording.activity.times() == pytest.approx(centres)


def test_many_units_keep_their_columns():
    trains = [[0.1 * k + 0.05] for k in range(100)]  # more than are counted together
    assert np.array_equal(count(trains, nap.IntervalSet(0, 10), bin_s=0.1).values, np.eye(100))


def test_a_spike_on_a_border_belongs_to_the_later_bin_in_spite_of_rounding():
    borders = np.arange(10) * 0.1
    assert count([borders, borders], nap.IntervalSet(0, 1), bin_s=0.1).values[:, 0].tolist() == [1] * 10


def test_counts_that_fit_nowhere_are_refused():
    with pytest.raises(InputError, match=r"do not fit into a temporary file .* wider bins"):
        count([[0.0, 1e12], [1.0]], nap.IntervalSet(0, 1e12), bin_s=0.001)


def test_counts_on_disk_are_announced(monkeypatch):
    monkeypatch.setattr("synapsnet.memmap.LARGE_BYTES", 1)
    lines: list[str] = []
    trains = [np.array([0.1]), np.array([0.7])]
    count_spikes(trains, neuron_table(2), nap.IntervalSet(0, 1), 0.5, notify=lines.append, metadata={})
    assert re.search(r"are kept in a temporary file in .*wider bins \(--bin\) or fewer units take less", lines[-1])


def test_spikes_within_epochs_include_those_on_borders():
    train = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 3.5])
    assert within(train, nap.IntervalSet([1, 3], [2, 3.2])).tolist() == [1.0, 1.5, 2.0, 3.0]


def test_the_time_of_spiking_needs_two_times():
    assert spiking_time([np.array([1.0, 4.0]), np.zeros(0)]).values.tolist() == [[1.0, 4.0]]
    for trains in ([], [np.zeros(0)], [np.array([2.0]), np.array([2.0])]):
        with pytest.raises(InputError, match="All spikes are at one time"):
            spiking_time(trains)


def test_presence_ratio_counts_hundredths_of_the_observed_time():
    observed = nap.IntervalSet([0, 100], [50, 150])
    assert presence_ratio(np.array([0.1, 0.2, 1.5, 149.9]), observed) == 0.03
    assert presence_ratio(np.array([49.5, 100.0, 150.0]), observed) == 0.03
    assert presence_ratio(np.arange(50) + 0.5, observed) == 0.5


def test_isi_violations_of_foreign_poisson_spikes_are_their_fraction():
    """A perfect clock at 20 Hz, with foreign spikes at a tenth of its rate, far fewer than it takes to collide."""
    rng = np.random.default_rng(0)
    duration_s, own_hz = 20_000.0, 20.0
    own = np.arange(0, duration_s, 1 / own_hz)
    foreign = rng.uniform(0, duration_s, len(own) // 10)
    train = np.sort(np.concatenate([own, foreign]))
    # n = 2 r N_own N_foreign / T and N = 1.1 N_own: the ratio is 0.1 / 1.1^2 (pairs of foreign spikes add 0.005)
    assert isi_violations(train, duration_s) == pytest.approx(0.1 / 1.21 + 0.005, rel=0.1)
    assert isi_violations(own, duration_s) == 0


@pytest.fixture
def units() -> Units:
    """Good and steady; good, steady and contaminated; noise; good but silent; good, but only at the beginning."""
    clock = np.arange(0.05, 100, 0.5)
    trains = [clock, np.sort(np.concatenate([clock, clock + 0.001])), clock, np.zeros(0), clock[:20]]
    labels = ["good", "good", "noise", "good", "mua"]
    return Units(trains, neuron_table(5, ids=list("abcde")), pd.DataFrame({"label": labels}))


def kept(units: Units, **filters: Any) -> tuple[str, list[str]]:
    lines: list[str] = []
    defaults: dict[str, Any] = {"label": None, "min_presence_ratio": None, "max_isi_violations": None}
    left = keep_units(units, nap.IntervalSet(0, 100), **(defaults | filters), notify=lines.append)
    assert len(left.trains) == len(left.neurons) == len(left.quality)
    return "".join(left.neurons["id"]), lines


SILENT = "they have no spikes while observed."


@pytest.mark.parametrize(
    ("filters", "ids", "lines"),
    [
        ({}, "abce", [f"1 of 5 units dropped: {SILENT}"]),
        ({"label": "all"}, "abce", [f"1 of 5 units dropped: {SILENT}"]),
        ({"label": "good"}, "ab", ["2 of 5 units dropped: their label is not good.",
                                   f"1 of 3 units dropped: {SILENT}"]),
        ({"label": "good, mua"}, "abe", ["1 of 5 units dropped: their label is not good or mua.",
                                         f"1 of 4 units dropped: {SILENT}"]),
        ({"min_presence_ratio": 0.9}, "abc", [f"1 of 5 units dropped: {SILENT}",
                                              "1 of 4 units dropped: their presence ratio is below 0.9."]),
        ({"max_isi_violations": 0.5}, "ace", [f"1 of 5 units dropped: {SILENT}",
                                              "1 of 4 units dropped: their ISI violations are above 0.5."]),
    ],
)  # fmt: skip
def test_each_filter_says_how_many_it_drops(units, filters, ids, lines):
    assert kept(units, **filters) == (ids, lines)


def test_spikes_outside_the_observed_time_are_counted_and_left_out(units):
    lines: list[str] = []
    filters: dict[str, Any] = {"label": None, "min_presence_ratio": None, "max_isi_violations": None}
    left = keep_units(units, nap.IntervalSet([0, 50], [10, 60]), **filters, notify=lines.append)
    assert [len(train) for train in left.trains] == [40, 80, 40, 20]
    assert lines[0] == "640 of 820 spikes left out: they are not in the observed time."


def test_measures_that_the_source_states_are_used(units):
    stated = Units(units.trains, units.neurons, pd.DataFrame({"presence_ratio": [0.1, 0.95, np.nan, 0.99, 1.0]}))
    assert kept(stated, min_presence_ratio=0.9)[0] == "be"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"label": "mua"}, "Only 1 of 5 units would be left"),
        ({"label": "god"}, "No unit is labelled god; the labels are good, mua, noise"),
    ],
)
def test_refuses_to_keep_fewer_than_two_units(units, filters, message):
    with pytest.raises(InputError, match=message):
        kept(units, **filters)


def test_refuses_labels_where_there_are_none(units):
    with pytest.raises(InputError, match="units have no labels"):
        kept(Units(units.trains, units.neurons, pd.DataFrame(index=range(5))), label="good")
