"""Parts of a recording: by area, type and time, and random samples."""

from __future__ import annotations

import numpy as np
import pytest

from synapsnet.errors import InputError
from synapsnet.io import read, write_recording
from synapsnet.recording import Recording, neuron_table

AREAS = ["VISp", "VISp", "VISl", "VISl", "CA1", "unknown"]
TYPES = ["Pvalb-Tac1", "EC", "EC", "Pvalb-Reln", "Sst-Chodl", "EC"]


@pytest.fixture
def path(tmp_path):
    """Two trials of 10 s at 2 Hz; neuron k fires k + 1 spikes per bin on average."""
    rng = np.random.default_rng(0)
    recording = Recording.from_array(
        rng.poisson(np.arange(1, 7), (40, 6)),
        0.5,
        "spikes",
        segments=[20, 20],
        behaviour=np.arange(40.0),
        neurons=neuron_table(6, cell_type=TYPES, area=AREAS),
    )
    write_recording(recording, tmp_path / "r.nwb")
    return tmp_path / "r.nwb"


def chosen(path, **options):
    lines: list[str] = []
    ids = list(read(path, notify=lines.append, **options).neurons["id"])
    return ids, [line for line in lines if "too few spikes" not in line]  # there are few of most neurons here


@pytest.mark.parametrize(
    ("options", "kept", "told"),
    [
        ({"areas": ["VISl"]}, "23", ["4 of 6 neurons dropped: their area is not VISl."]),
        ({"areas": ["CA1", "VISp"]}, "014", ["3 of 6 neurons dropped: their area is not CA1 or VISp."]),
        ({"areas": ["VIS*"]}, "0123", ["2 of 6 neurons dropped: their area is not VIS*."]),
        ({"cell_types": ["Pvalb*"]}, "03", ["4 of 6 neurons dropped: their type is not Pvalb*."]),
        (
            {"areas": ["VIS*"], "cell_types": ["EC"]},
            "12",
            ["2 of 6 neurons dropped: their area is not VIS*.", "2 of 4 neurons dropped: their type is not EC."],
        ),
    ],
)
def test_neurons_by_area_and_type_and_how_many_are_dropped_by_which(path, options, kept, told):
    assert chosen(path, **options) == (list(kept), told)


def test_a_name_that_nobody_has_is_refused_with_those_there_are(path):
    with pytest.raises(InputError, match="No neuron is of area 'V1'; there are CA1, VISl, VISp, unknown"):
        read(path, areas=["V1"])
    with pytest.raises(InputError, match="No neuron is of type 'Pvalb'; there are EC, Pvalb-Reln"):
        read(path, cell_types=["Pvalb"])


def test_unknown_areas_are_named(tmp_path):
    np.savez(tmp_path / "x.npz", activity=np.random.default_rng(0).random((40, 3)), dt_s=0.5)
    with pytest.raises(InputError, match="The area of no neuron is known, so none is 'V1'"):
        read(tmp_path / "x.npz", areas=["V1"])
    assert read(tmp_path / "x.npz", areas=["*"]).n_neurons == 3


def test_refuses_to_leave_fewer_than_two_neurons(path):
    with pytest.raises(InputError, match="Only 1 of 6 neurons would be left"):
        read(path, areas=["CA1"])
    with pytest.raises(InputError, match="Only 0 of 6 neurons would be left"):
        read(path, areas=["CA1"], cell_types=["EC"])
    with pytest.raises(InputError, match="Only 1 of 6 neurons would be left"):
        read(path, n_neurons=1)


def test_a_stretch_of_time_keeps_the_borders_of_trials(path):
    lines: list[str] = []
    whole, part = read(path), read(path, from_s=8.0, to_s=12.5, notify=lines.append)
    assert whole.activity.times()[[0, 19, 20]] == pytest.approx([0.25, 9.75, 10.75])
    assert part.segments == [(0, 4), (4, 8)]  # 8.25 ... 9.75 and 10.75 ... 12.25 s
    assert np.array_equal(part.values, whole.values[16:24])
    assert np.array_equal(part.behaviour_values[:, 0], np.arange(16, 24))
    assert lines[0] == "16 s dropped: what is before 8 s or from 12.5 s on."


def test_one_end_of_time_is_enough(path):
    assert read(path, from_s=10.0).segments == [(0, 20)]
    assert read(path, to_s=10.0).segments == [(0, 20)]
    assert read(path, from_s=-5.0, to_s=1e9).n_steps == 40


@pytest.mark.parametrize(
    ("stretch", "said"),
    [
        ({"from_s": 30.0}, "from 30 s on"),
        ({"to_s": 0.5}, "before 0.5 s"),
        ({"from_s": 8.0, "to_s": 7.0}, "from 8 s on and before 7 s"),
    ],
)
def test_refuses_an_empty_stretch(path, stretch, said):
    with pytest.raises(InputError, match=rf"to 20.25 s on its clock, has fewer than 2 steps {said}; .*--from, --to"):
        read(path, **stretch)


def test_a_sample_is_random_ordered_and_repeatable(path):
    samples = [chosen(path, n_neurons=3, seed=seed)[0] for seed in range(15)]
    assert samples[7] == chosen(path, n_neurons=3, seed=7)[0]
    assert all(len(sample) == 3 and sample == sorted(sample) for sample in samples)
    assert {name for sample in samples for name in sample} == set("012345")
    assert chosen(path, n_neurons=4, seed=1)[1] == ["2 of 6 neurons dropped at random (seed 1)."]


def test_a_sample_of_more_than_there_are_is_all(path):
    assert chosen(path, n_neurons=10) == (list("012345"), [])


def test_samples_are_drawn_from_what_other_filters_leave(path):
    kept, lines = chosen(path, areas=["VIS*"], min_rate_hz=3.0, n_neurons=2)
    assert set(kept) <= set("123")
    assert [line.split(" of ")[0] for line in lines] == ["2", "1", "1"]
