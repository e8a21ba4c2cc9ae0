"""`.npz` and `.npy` files: which array is the activity, trials, behaviour, and what is refused."""

from __future__ import annotations

import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pynapple as nap
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.io.npy import load_npy, load_npz

N_TRIALS, N_UNITS, N_BINS = 6, 3, 10


@pytest.fixture
def counts() -> Any:
    """(time, neurons)"""
    return np.random.default_rng(0).poisson(1.0, (40, N_UNITS))


@pytest.fixture
def trials() -> Any:
    """(trials, units, bins)"""
    return np.random.default_rng(1).poisson(1.0, (N_TRIALS, N_UNITS, N_BINS))


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def save_npz(**named: Any) -> Path:
        np.savez(tmp_path / "data.npz", **named)
        return tmp_path / "data.npz"

    return save_npz


def test_two_dimensions_are_time_by_neurons(save, counts):
    recording = read(save(z=counts), dt_s=0.01)
    assert np.array_equal(recording.values, counts)
    assert recording.dt_s == 0.01
    assert recording.segments == [(0, 40)]


def test_npy_is_read_like_npz(tmp_path, counts):
    np.save(tmp_path / "data.npy", counts)
    assert np.array_equal(read(tmp_path / "data.npy", dt_s=0.01).values, counts)


def test_trials_become_epochs(save, trials):
    recording = read(save(z=trials), dt_s=0.01)
    assert recording.segments == [(k * N_BINS, (k + 1) * N_BINS) for k in range(N_TRIALS)]
    for (start, stop), trial in zip(recording.segments, trials, strict=True):
        assert np.array_equal(recording.values[start:stop], trial.T)


def test_until_cuts_each_trial_at_the_first_bin_of_the_event(save, trials):
    light = np.zeros((N_TRIALS, N_BINS))
    light[1, 4:6] = 1.0
    light[2, 0] = 0.5
    lines: list[str] = []
    recording = read(save(z=trials, light=light), key="z", dt_s=0.01, until="light", notify=lines.append)
    assert [stop - start for start, stop in recording.segments] == [10, 4, 10, 10, 10]
    assert np.array_equal(recording.values[10:14], trials[1, :, :4].T)
    assert np.array_equal(recording.values[14:24], trials[3].T)
    assert "2 of 6 trials are used only until light, the others whole." in lines
    assert "1 trial dropped: light is non-zero from the first bin on." in lines


def test_until_none_reads_whole_trials_whatever_a_sidecar_file_says(save, trials):
    path = save(z=trials, light=np.eye(N_TRIALS, N_BINS))
    path.with_suffix(".toml").write_text('[read]\nkey = "z"\ndt_s = 0.01\nuntil = "light"\n')
    assert read(path).n_steps == sum(range(1, N_TRIALS))
    assert read(path, until="none").n_steps == N_TRIALS * N_BINS


@given(light=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=2, max_size=5))
def test_until_leaves_exactly_the_bins_before_the_event(light, tmp_path_factory):
    kept = [(trial, k) for trial, bins in enumerate(light) for k in range(4) if not any(bins[: k + 1])]
    assume(len(kept) >= 2)
    trials = np.arange(len(light) * 2 * 4).reshape(len(light), 2, 4)
    path = tmp_path_factory.getbasetemp() / "until.npz"
    np.savez(path, z=trials, light=light, speed=-trials[:, 0])
    recording = read(path, key="z", dt_s=0.1, until="light", behaviour="speed")
    assert np.array_equal(recording.values, [trials[trial, :, k] for trial, k in kept])
    assert np.array_equal(recording.behaviour_values[:, 0], -recording.values[:, 0])
    assert len(recording.segments) == len({trial for trial, _ in kept})


def test_refuses_until_that_leaves_nothing(save, trials):
    with pytest.raises(InputError, match="nothing is left to read"):
        read(save(z=trials, light=np.ones((N_TRIALS, N_BINS))), key="z", dt_s=0.01, until="light")


def test_refuses_until_of_another_shape(save, trials):
    with pytest.raises(InputError, match="light must be trials x bins, 6 x 10; got shape"):
        read(save(z=trials, light=np.zeros((N_TRIALS, 9))), dt_s=0.01, until="light")


def test_refuses_until_without_trials(save, counts):
    with pytest.raises(InputError, match="until=light needs trials x neurons x bins"):
        read(save(z=counts, light=np.zeros(40)), key="z", dt_s=0.01, until="light")


@pytest.mark.parametrize("name", ["behaviour", "behavior", "running"])
def test_behaviour_is_taken_by_its_name(save, counts, name):
    values = np.random.default_rng(2).normal(size=(40, 2)).astype(np.float32)
    option = {"behaviour": "running"} if name == "running" else {}
    recording = read(save(z=counts, **{name: values}), key="z", dt_s=0.01, **option)
    assert np.array_equal(recording.behaviour_values, values)
    assert list(recording.behaviour.columns) == [f"{name}_0", f"{name}_1"]


def test_behaviour_of_trials_is_cut_like_the_activity(save, trials):
    speed = np.arange(N_TRIALS * N_BINS, dtype=np.float32).reshape(N_TRIALS, N_BINS)
    light = np.zeros((N_TRIALS, N_BINS))
    light[:, 7] = 1
    path = save(z=trials, speed=speed, light=light)
    recording = read(path, key="z", dt_s=0.01, until="light", behaviour="speed")
    assert np.array_equal(recording.behaviour_values[:, 0], speed[:, :7].ravel())
    assert list(recording.behaviour.columns) == ["speed"]


@pytest.mark.parametrize("shape", [(39,), (41, 2), (40, 2, 2)])
def test_refuses_behaviour_of_another_length(save, counts, shape):
    with pytest.raises(InputError, match="behaviour must have the activity's 40 time steps"):
        read(save(z=counts, behaviour=np.ones(shape)), key="z", dt_s=0.01)


def test_refuses_behaviour_of_other_trials(save, trials):
    with pytest.raises(InputError, match="activity's 6 trials and 10 bins; got shape"):
        read(save(z=trials, behaviour=np.ones((N_TRIALS, 2, 9))), key="z", dt_s=0.01)


def test_refuses_an_array_that_looks_transposed_and_says_how_to_read_it(save, counts):
    path = save(z=counts.T)
    with pytest.raises(InputError, match=r"40 neurons and only 3 time steps: .* with transpose=True \(--transpose\)"):
        read(path, dt_s=0.01)
    assert np.array_equal(read(path, dt_s=0.01, transpose=True).values, counts)


def test_refuses_to_transpose_what_was_not_transposed(save, counts):
    with pytest.raises(InputError, match="read it without transpose"):
        read(save(z=counts), dt_s=0.01, transpose=True)


def test_an_array_as_long_as_the_longer_axis_tells_which_one_is_time(save, counts):
    lines: list[str] = []
    recording = read(save(z=counts.T, background=np.ones(40)), dt_s=0.01, notify=lines.append)
    assert np.array_equal(recording.values, counts)
    assert "z is read as neurons x time, because background has a value for each of its columns." in lines


def test_times_of_frames_become_the_clock_and_gaps_borders(save, counts):
    times = np.delete(5 + 0.1 * np.arange(43), [20, 21, 22])
    recording = read(save(z=counts, times=times[:, None], behaviour=2 * times))
    assert recording.dt_s == pytest.approx(0.1)
    assert recording.segments == [(0, 20), (20, 40)]
    assert np.allclose(recording.activity.times(), times)
    assert np.allclose(recording.behaviour_values[:, 0], 2 * times)


def test_a_given_time_step_is_preferred_to_times(save, counts):
    recording = read(save(z=counts, times=np.arange(40.0)), dt_s=0.5)
    assert recording.activity.times()[1] - recording.activity.times()[0] == pytest.approx(0.5)


def test_times_of_another_length_are_not_those_of_the_frames(save, counts):
    assert read(save(z=counts, times=np.arange(7.0), dt=0.2)).dt_s == 0.2


def test_missing_samples_of_behaviour_are_bridged(save, counts):
    pupil = np.arange(40.0)
    pupil[10:13] = np.nan
    assert np.allclose(
        read(save(z=counts, pupil=pupil), dt_s=0.1, key="z", behaviour="pupil").behaviour_values[:, 0], np.arange(40)
    )


def test_behaviour_may_be_left_out(save, counts):
    assert read(save(z=counts, behaviour=np.ones(40)), dt_s=0.1, behaviour="none", key="z").behaviour is None


@pytest.mark.parametrize(
    ("name", "given", "expected"), [("spks", None, True), ("spks", False, False), ("z", None, False), ("z", True, True)]
)
def test_deconvolved_activity_is_recognised_by_its_name_or_stated(save, name, given, expected):
    values = np.random.default_rng(0).exponential(size=(40, 3))
    assert read(save(**{name: values}), dt_s=0.1, deconvolved=given).deconvolved is expected


def test_trials_may_be_transposed_too(save, trials):
    turned = read(save(z=trials.swapaxes(1, 2)), dt_s=0.01, transpose=True)
    assert np.array_equal(turned.values[:N_BINS], trials[0].T)


@pytest.mark.parametrize(
    ("named", "dt_s"), [({"dt": 0.02}, 0.02), ({"dt_s": 0.02}, 0.02), ({"fs": 50}, 0.02), ({"fps": [6.25]}, 0.16)]
)
def test_the_time_step_may_be_in_the_file(save, counts, named, dt_s):
    assert read(save(z=counts, **named)).dt_s == pytest.approx(dt_s)


def test_an_option_overrules_the_time_step_in_the_file(save, counts):
    assert read(save(z=counts, dt=0.02), fs_hz=10.0).dt_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"does not say its time step; .*\(--dt\) .* \(--fs\)"),
        ({"dt_s": 0.1, "fs_hz": 10.0}, "not both"),
        ({"dt_s": 0.0}, "must be a positive number; got 0"),
        ({"fs_hz": -1.0}, "must be a positive number; got -1"),
        ({"dt_s": float("nan")}, "must be a positive number; got nan"),
    ],
)
def test_refuses_an_unclear_time_step(save, counts, options, message):
    with pytest.raises(InputError, match=message):
        read(save(z=counts), **options)


@pytest.mark.parametrize(
    ("values", "modality"),
    [
        ([[0, 1], [1, 0], [2, 3]], "spikes"),
        ([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]], "spikes"),
        ([[True, False], [False, True], [True, True]], "spikes"),
        ([[0.5, 1], [1, 0], [2, 3]], "calcium"),
        ([[-1, 1], [1, 0], [2, 3]], "calcium"),
    ],
)
def test_modality_is_guessed_from_the_values_and_reported(save, values, modality):
    lines: list[str] = []
    assert read(save(z=np.array(values)), dt_s=0.1, notify=lines.append).modality == modality
    assert lines[0].startswith(f"z is read as {modality}, because")


def test_modality_may_be_given(save, counts):
    assert read(save(z=counts), dt_s=0.1, modality="calcium").modality == "calcium"


def test_the_activity_is_the_array_of_that_name_or_of_most_dimensions(save, counts, trials):
    assert read(save(a=trials, b=counts), dt_s=0.1).n_steps == N_TRIALS * N_BINS
    assert read(save(a=trials, activity=counts), dt_s=0.1).n_steps == 40


def test_refuses_to_guess_between_two_arrays(save, counts):
    with pytest.raises(InputError, match=r"choose one with key \(--key\) among a \(40x3\), b \(40x3\)"):
        read(save(a=counts, b=counts), dt_s=0.1)


def test_names_the_arrays_where_the_key_is_wrong(save, counts):
    with pytest.raises(InputError, match=r"no array 'y'; it holds z \(40x3\), dt \(scalar\)"):
        read(save(z=counts, dt=0.1), key="y")


@pytest.mark.parametrize("array", [np.array(["a", "b"]), np.ones(3, complex)])
def test_refuses_arrays_that_are_not_numbers(save, array):
    with pytest.raises(InputError, match="must be numeric; it holds values of type"):
        read(save(z=array), key="z", dt_s=0.1)


@pytest.mark.parametrize("shape", [(30,), (2, 3, 4, 5)])
def test_refuses_arrays_of_other_dimensions(save, shape):
    with pytest.raises(InputError, match="time x neurons or trials x neurons x bins; z"):
        read(save(z=np.ones(shape)), key="z", dt_s=0.1)


class Bomb:
    """Unpickling this would be noticed."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


def test_never_loads_a_pickle(tmp_path, counts):
    objects = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "data.npz", z=counts, notes=objects)
    np.save(tmp_path / "data.npy", objects, allow_pickle=True)
    assert read(tmp_path / "data.npz", dt_s=0.1).n_steps == 40  # beside it, the numbers can be read
    with pytest.raises(InputError, match=r"notes .* pickled Python objects, which are never loaded"):
        read(tmp_path / "data.npz", key="notes", dt_s=0.1)
    with pytest.raises(InputError, match=r"holds pickled Python objects, .* never loaded"):
        read(tmp_path / "data.npy", dt_s=0.1)


def test_refuses_a_bare_pickle_with_the_name_of_an_array(tmp_path):
    (tmp_path / "data.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="truncated or not a NumPy array"):
        read(tmp_path / "data.npy", dt_s=0.1)


@pytest.mark.parametrize(
    ("arrays", "held"),
    [
        ({}, "activity; save"),
        ({"a": np.array(["x"]), "b": np.array([None])}, r"activity; it holds a \(1\), b \(pickled\); save"),
    ],
)
def test_refuses_a_file_without_numbers(tmp_path, arrays, held):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=f"no array of numbers that could be the {held}"):
        read(tmp_path / "x.npz", dt_s=0.1)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.99])
def test_refuses_a_truncated_npz(save, counts, kept):
    path = save(z=counts)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError, match=r"is not a whole \.npz file"):
        read(path, dt_s=0.1)


def test_refuses_a_zip_that_is_not_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(InputError, match=r"notes.txt in .* is truncated or not a NumPy array"):
        read(tmp_path / "data.npz", dt_s=0.1)


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
@given(cut=st.integers(0, 100), changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
def test_a_damaged_file_is_read_or_refused_but_never_crashes(kind, cut, changes, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    values = np.arange(60.0).reshape(20, 3)
    with path.open("wb") as stream:
        if kind == "npy":
            np.save(stream, values)
        else:
            (np.savez if kind == "npz" else np.savez_compressed)(stream, z=values)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: len(content) * cut // 100])
    load = load_npy if kind == "npy" else load_npz
    with suppress(InputError):  # any other exception fails the test
        load(path)


def test_labels_and_names_beside_the_activity_are_used(save):
    values = np.random.default_rng(0).normal(size=(50, 4))
    path = save(
        F=values, iscell=np.array([[1, 0.9], [0, 0.1], [1, 0.8], [1, 0.7]]), ids=np.array(list("abcd")), fs=10.0
    )
    lines: list[str] = []
    assert list(read(path, notify=lines.append).neurons["id"]) == ["a", "c", "d"]
    assert "The neurons are labelled by iscell: 3 good, 1 failed." in lines
    assert read(path, label="all").n_neurons == 4


def test_names_that_pynapple_pickles_are_missed(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 3))
    nap.TsdFrame(t=np.arange(100) / 10, d=rows, columns=["a", "b", "c"]).save(str(tmp_path / "f.npz"))
    lines: list[str] = []
    assert list(read(tmp_path / "f.npz", notify=lines.append).neurons["id"]) == ["0", "1", "2"]
    assert "Names of the neurons (columns) are pickled, and never loaded: the neurons are numbered." in lines


def test_a_column_of_times_in_the_matrix_is_the_clock(save):
    values = np.random.default_rng(0).normal(size=(50, 3))
    recording = read(save(z=np.c_[np.arange(50) / 20, values]))
    assert recording.values == pytest.approx(values, rel=1e-6)
    assert recording.dt_s == pytest.approx(0.05)
