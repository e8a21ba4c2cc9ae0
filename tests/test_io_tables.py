"""CSV and Parquet tables: neurons, times, behaviour, and how programs and countries write them."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.io.table_files import load_table

T = 60


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(T, 3)).round(6), columns=["a", "b", "ü"])


@pytest.fixture(params=["csv", "tsv", "parquet", "pqt"])
def save(request, tmp_path):
    def write(table):
        path = tmp_path / f"data.{request.param}"
        if request.param in ("csv", "tsv"):
            table.to_csv(path, index=False, sep="," if request.param == "csv" else "\t")
        else:
            table.to_parquet(path)
        return path

    return write


def test_columns_are_neurons(save, table):
    recording = read(save(table), dt_s=0.1)
    assert np.allclose(recording.values, table.to_numpy(), atol=1e-6)
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]
    assert (recording.modality, recording.deconvolved, recording.dt_s) == ("calcium", False, 0.1)
    assert read(save(table), fs_hz=20, deconvolved=True).deconvolved


def test_whole_numbers_are_spikes(save, table):
    counts = table.abs().round().astype(int)
    assert read(save(counts), dt_s=0.1).modality == "spikes"
    assert read(save(counts), dt_s=0.1, modality="calcium").modality == "calcium"


@pytest.mark.parametrize("name", ["time", "Time", "t", "timestamps"])
def test_a_column_of_times_is_the_clock(save, table, name):
    times = np.delete(3 + 0.2 * np.arange(T + 2), [30, 31])
    recording = read(save(table.assign(**{name: times})))
    assert recording.dt_s == pytest.approx(0.2)
    assert recording.segments == [(0, 30), (30, 60)]
    assert np.allclose(recording.activity.times(), times)
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]


def test_the_column_of_times_may_be_named_or_denied(save, table):
    path = save(table.assign(clock=0.5 * np.arange(T), t=np.random.default_rng(1).normal(size=T)))
    recording = read(path, time="clock")
    assert recording.dt_s == 0.5
    assert recording.neurons["id"].tolist() == ["a", "b", "ü", "t"]
    assert read(path, time="none", dt_s=0.1).n_neurons == 5
    with pytest.raises(InputError, match="has no column clok; it has a, b, ü, clock, t"):
        read(path, time="clok")


def test_a_given_time_step_is_preferred_to_times(save, table):
    recording = read(save(table.assign(time=np.arange(T))), dt_s=0.1)
    assert recording.dt_s == 0.1
    assert recording.n_neurons == 3


def test_behaviour_is_named_and_its_gaps_are_bridged(save, table):
    speed = np.arange(float(T))
    path = save(table.assign(speed=np.where((speed > 10) & (speed < 14), np.nan, speed), lick=1.0))
    recording = read(path, dt_s=0.1, behaviour="speed, lick")
    assert list(recording.behaviour.columns) == ["speed", "lick"]
    assert np.allclose(recording.behaviour_values[:, 0], speed, atol=1e-4)
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]
    with pytest.raises(InputError, match="has no column sped"):
        read(path, dt_s=0.1, behaviour="sped")


def test_a_row_for_each_neuron(save, table):
    turned = table.T.set_axis([f"frame {k}" for k in range(T)], axis=1)
    with pytest.raises(InputError, match=r"looks transposed; .* \(--transpose\)"):
        read(save(turned), dt_s=0.1)
    assert np.allclose(read(save(turned), dt_s=0.1, transpose=True).values, table, atol=1e-6)
    named = turned.reset_index(names="cell")
    recording = read(save(named), dt_s=0.1, transpose=True)
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]
    assert np.allclose(recording.values, table, atol=1e-6)


def test_refuses_columns_that_are_no_numbers(save, table):
    with pytest.raises(InputError, match="must be numbers; note is not"):
        read(save(table.assign(note="x")), dt_s=0.1)


def test_refuses_counts_at_times_that_drift(save, table):
    counts = table.abs().round().astype(int).assign(time=np.cumsum(np.linspace(0.09, 0.12, T)))
    with pytest.raises(InputError, match="must be at even times, and these drift"):
        read(save(counts))
    assert read(save(counts), modality="calcium").modality == "calcium"


def test_refuses_missing_activity(save, table):
    table.loc[3, "b"] = np.nan
    with pytest.raises(InputError, match="NaN or infinite values in neuron 1"):
        read(save(table), dt_s=0.1)


def test_asks_for_the_time_step(save, table):
    with pytest.raises(InputError, match=r"does not say its time step; give it in seconds \(--dt\)"):
        read(save(table))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_decimal_commas_and_old_encodings(tmp_path, table, encoding):
    table.to_csv(tmp_path / "x.csv", sep=";", decimal=",", index=False, encoding=encoding)
    recording = read(tmp_path / "x.csv", dt_s=0.1)
    assert np.allclose(recording.values, table, atol=1e-6)
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]


def test_a_table_without_header(tmp_path, table):
    table.to_csv(tmp_path / "x.csv", header=False, index=False)
    recording = read(tmp_path / "x.csv", dt_s=0.1)
    assert recording.n_steps == T
    assert recording.neurons["id"].tolist() == ["0", "1", "2"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_header_of_numbers_is_no_time_step(tmp_path, table, first):
    table.set_axis(range(first, first + 3), axis=1).to_csv(tmp_path / "x.csv", index=False)
    recording, lines = told(tmp_path / "x.csv", dt_s=0.1)
    assert np.allclose(recording.values, table, atol=1e-6)
    assert f"The first row, {first} to {first + 2}, numbers the columns: it is the header." in lines


def test_a_first_row_that_counts_like_the_second_is_a_time_step(tmp_path):
    counts = pd.DataFrame([[0, 1, 2], [1, 2, 3], [4, 0, 2], [1, 1, 0]])
    counts.to_csv(tmp_path / "x.csv", header=False, index=False)
    assert read(tmp_path / "x.csv", dt_s=0.1).n_steps == 4


@pytest.mark.parametrize(
    ("columns", "ids"),
    [
        ({"": range(3)}, ["0", "1", "2"]),
        ({"neuron_id": [4, 2, 7]}, ["4", "2", "7"]),
        ({"": range(3), "roi": [4, 2, 7]}, ["4", "2", "7"]),
        ({"cell": ["a", "b", "c"], "id": [4, 2, 7]}, ["a", "b", "c"]),
        ({"roi": [4, 4, 7]}, None),  # these number nothing
    ],
)
def test_numbers_of_neurons_are_no_time_step(save, table, columns, ids):
    turned = pd.DataFrame(table.to_numpy().T, columns=[f"frame {k}" for k in range(T)])
    path = save(pd.concat([pd.DataFrame(columns), turned], axis=1))
    recording = read(path, dt_s=0.1, transpose=True)
    assert recording.n_steps == (T if ids else T + 1)
    if ids:
        assert recording.neurons["id"].tolist() == ids
        assert np.allclose(recording.values, table, atol=1e-6)


def test_the_numbering_that_pandas_adds_is_dropped(tmp_path, table):
    table.to_csv(tmp_path / "x.csv")
    lines: list[str] = []
    assert read(tmp_path / "x.csv", dt_s=0.1, notify=lines.append).n_neurons == 3
    assert "The column Unnamed: 0 numbers the rows and was dropped." in lines


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b\n1,2\n1,2,3,4\n"])
def test_refuses_broken_text(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"is empty|is not a whole table"):
        load_table(tmp_path / "x.csv")


def test_refuses_broken_parquet(tmp_path, table):
    table.to_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:300])
    with pytest.raises(InputError, match="is not a whole Parquet file"):
        read(tmp_path / "x.parquet", dt_s=0.1)


@given(text=st.text(alphabet="01.,;\t\n\r\"'abé\0 -", max_size=60))
def test_any_text_is_a_table_or_refused(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", newline="")
    with suppress(InputError):  # any other exception fails the test
        read(path, dt_s=0.1)


def told(path, **options):
    lines: list[str] = []
    return read(path, notify=lines.append, **options), lines


@pytest.mark.parametrize(
    ("name", "scale"), [("Time (s)", 1), ("Time(ms)", 1e3), ("time [ms]", 1e3), ("timestamp_us", 1e6), ("t_s", 1)]
)
def test_times_have_units_in_their_names(tmp_path, table, name, scale):
    table.insert(0, name, scale * np.arange(T) / 20)
    table.to_csv(tmp_path / "x.csv", index=False)
    recording, lines = told(tmp_path / "x.csv")
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]
    assert recording.dt_s == pytest.approx(0.05)
    assert any("taken to be times" in line for line in lines)
    recording, lines = told(tmp_path / "x.csv", fs_hz=10)
    assert recording.n_neurons == 3 and any(line.startswith("Warning: by ") for line in lines)


@pytest.mark.parametrize("name", [" ", "", "frame", "Frame #", "counter"])
def test_row_numbers_are_not_neurons(tmp_path, table, name):
    table.insert(0, name, np.arange(1, T + 1))
    table.to_csv(tmp_path / "x.csv", index=False)
    recording, lines = told(tmp_path / "x.csv", fs_hz=20)
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]
    assert any("numbers the rows" in line for line in lines)


def test_a_column_that_only_rises_is_times(tmp_path, table):
    table.assign(clock=3 + np.arange(T) / 20).to_csv(tmp_path / "x.csv", index=False)
    recording, lines = told(tmp_path / "x.csv")
    assert recording.dt_s == pytest.approx(0.05) and recording.n_neurons == 3
    assert any("'clock' only rises, and is taken to be times, in s" in line for line in lines)


def test_frames_that_are_missing_are_gaps(tmp_path, table):
    table.insert(0, "frame", np.r_[np.arange(30), np.arange(40, 40 + T - 30)])
    table.to_csv(tmp_path / "x.csv", index=False)
    assert read(tmp_path / "x.csv", fs_hz=20).segments == [(0, 30), (30, 60)]


@pytest.mark.parametrize(
    "how",
    [
        {"sep": ";"},
        {"sep": "\t", "decimal": ","},
        {"decimal": ",", "quoting": 1},
        {"encoding": "utf-16"},
        {"sep": "|"},
    ],
)
def test_dialects(tmp_path, table, how):
    table.assign(time=np.arange(T) / 20).to_csv(tmp_path / "x.csv", index=False, **how)
    recording = read(tmp_path / "x.csv")
    assert np.allclose(recording.values, table, atol=1e-6)
    assert recording.dt_s == pytest.approx(0.05)


def test_lines_above_and_a_second_row_of_the_header(tmp_path, table):
    """As Inscopix writes: the status of each cell below its name."""
    rows = [f"{t / 20:.3f}, " + ", ".join(f"{v:.6f}" for v in row) for t, row in enumerate(table.to_numpy())]
    above = "# exported\n , C0, C1, C2\nTime(s)/Cell Status, accepted, rejected, undecided\n"
    (tmp_path / "x.csv").write_text(above + "\n".join(rows))
    recording, lines = told(tmp_path / "x.csv")
    assert recording.neurons["id"].tolist() == ["C0", "C2"]
    assert recording.dt_s == pytest.approx(0.05)
    assert "Not used: 1 line above the table, '# exported'" in lines
    assert read(tmp_path / "x.csv", label="all").n_neurons == 3


def spikes():
    rng = np.random.default_rng(0)
    return {k: np.sort(rng.uniform(0, 20, 60 + k)) for k in range(3)}


def test_lists_of_spikes(tmp_path):
    rows = [(k, t) for k, train in spikes().items() for t in train]
    pd.DataFrame(rows, columns=["unit_id", "spike_time"]).to_csv(tmp_path / "long.csv", index=False)
    pd.DataFrame(rows).sort_values(1).to_csv(tmp_path / "bare.csv", index=False, header=False)
    pd.DataFrame({f"u{k}": pd.Series(train) for k, train in spikes().items()}).to_csv(tmp_path / "w.csv", index=False)
    for name, ids in (("long.csv", "0 1 2"), ("bare.csv", "0 1 2"), ("w.csv", "u0 u1 u2")):
        recording = read(tmp_path / name)
        assert recording.modality == "spikes" and recording.neurons["id"].tolist() == ids.split()
        assert [len(recording.spike_times[k]) for k in range(3)] == [60, 61, 62]


def test_lists_of_spikes_with_many_properties(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame([(t, k) for k, train in spikes().items() for t in train], columns=["spike_time", "unit_id"])
    others = {name: rng.normal(size=len(rows)) for name in ("amplitude", "depth", "x", "y")}
    rows.assign(channel=rows["unit_id"], id=range(len(rows)), **others).to_csv(tmp_path / "x.csv")
    recording = read(tmp_path / "x.csv")
    assert recording.modality == "spikes"
    assert [len(recording.spike_times[k]) for k in range(3)] == [60, 61, 62]


def test_traces_beside_numbers_of_trials_are_not_spikes(tmp_path, table):
    table.assign(time=np.arange(T) / 20, id=np.arange(T) // 20).to_csv(tmp_path / "x.csv", index=False)
    recording = read(tmp_path / "x.csv", behaviour="id")
    assert recording.neurons["id"].tolist() == ["a", "b", "ü"]
    assert np.allclose(recording.values, table, atol=1e-6)


def test_a_row_for_each_neuron_and_time(tmp_path, table):
    long = table.assign(time=np.arange(T) / 20).melt("time", var_name="cell", value_name="dff")
    long.to_csv(tmp_path / "x.csv", index=False)
    recording = read(tmp_path / "x.csv")
    assert np.allclose(recording.values, table, atol=1e-6)
    assert recording.dt_s == pytest.approx(0.05)
