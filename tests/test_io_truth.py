"""Known connections from outside: every kind of file, what they cannot say, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io import read, write_recording
from synapsnet.io.truth import Truth, with_truth
from synapsnet.recording import Recording, neuron_table

IDS = ["a", "b", "c", "7"]
WEIGHT = np.array([[0, 2, 0, 0], [0, 0, -1, 0], [0, 0.5, 0, 0], [3, 0, -2, 0.0]])  # [post, pre], Dale's principle holds
EXTERNAL = Path(__file__).parents[2] / "shared/data/external"


@pytest.fixture(scope="module")
def recording() -> Recording:
    counts = np.random.default_rng(0).poisson(0.3, (200, 4))
    return Recording.from_array(counts, 0.005, "spikes", neurons=neuron_table(4, ids=IDS))


def attached(recording: Recording, path: Path, **options) -> tuple[Connectome, list[str]]:
    said: list[str] = []
    return with_truth(recording, Truth(file=path.name, **options), path.parent, notify=said.append).connectome, said


def pairs(weight: np.ndarray) -> pd.DataFrame:
    post, pre = np.nonzero(weight)
    names = np.array(IDS)
    return pd.DataFrame({"pre": names[pre], "post": names[post], "weight": weight[post, pre], "delay_ms": 2.0})


def write_npz(path: Path, matrix: np.ndarray) -> None:
    np.savez(path, other=np.arange(3), weights=matrix)


def write_text(path: Path, matrix: np.ndarray) -> None:
    np.savetxt(path, matrix, fmt="%.4f", delimiter="\t", header="weights")


MATRIX_WRITERS = {
    "m.npy": np.save,
    "m.npz": write_npz,
    "m.dat": write_text,
    "m.txt": write_text,
    "m.csv": lambda path, matrix: np.savetxt(path, matrix, delimiter=","),
    "pandas.csv": lambda path, matrix: pd.DataFrame(matrix).to_csv(path, index=False),
    "m.mat": lambda path, matrix: savemat(path, {"data": {"SWM": matrix}}),
}


@pytest.mark.parametrize("name", MATRIX_WRITERS)
@pytest.mark.parametrize("orientation", ["post-pre", "pre-post"])
def test_a_matrix_is_read_in_the_orientation_that_is_stated(recording, tmp_path, name, orientation):
    path = tmp_path / name
    MATRIX_WRITERS[name](path, WEIGHT if orientation == "post-pre" else WEIGHT.T)
    found, _ = attached(recording, path, orientation=orientation)
    np.testing.assert_array_equal(found.weight, WEIGHT)
    assert found.signed
    assert found.known is None


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_is_read_by_the_ids_of_neurons(recording, tmp_path, suffix):
    path, table = tmp_path / f"edges.{suffix}", pairs(WEIGHT).sample(frac=1, random_state=0)
    if suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
    found, _ = attached(recording, path)
    np.testing.assert_array_equal(found.weight, WEIGHT)
    np.testing.assert_array_equal(found.delay_s, np.where(WEIGHT != 0, 0.002, np.nan))


@given(st.permutations(range(4)), st.sets(st.integers(0, 3), min_size=2))
def test_a_truth_follows_its_neurons(order, chosen):
    counts = np.random.default_rng(0).poisson(0.3, (50, 4))
    whole = Recording.from_array(counts, 0.005, "spikes", connectome=Connectome(WEIGHT, known=WEIGHT != 0))
    part = whole.select_neurons([k for k in order if k in chosen]).connectome
    kept = np.ix_(*[[k for k in order if k in chosen]] * 2)
    np.testing.assert_array_equal(part.weight, WEIGHT[kept])
    np.testing.assert_array_equal(part.known, (WEIGHT != 0)[kept])


def test_pairs_that_were_not_tested_are_not_known(recording, tmp_path):
    partial = WEIGHT.copy()
    partial[0, 2] = np.nan
    np.save(tmp_path / "m.npy", partial)
    found, said = attached(recording, tmp_path / "m.npy", orientation="post-pre")
    assert found.pairs.sum() == 11
    assert not found.known[0, 2]
    assert "Not tested in m.npy: 1 pair;" in said[0]
    tested = pd.DataFrame({"pre": ["a", "b"], "post": ["b", "c"], "weight": [0, 1]})
    tested.to_csv(tmp_path / "tested.csv", index=False)
    found, _ = attached(recording, tmp_path / "tested.csv", unlisted="unknown")
    assert found.pairs.sum() == 2
    assert found.adjacency.sum() == 1


def test_what_is_kept_on_the_disk_is_read_back(recording, tmp_path):
    partial = np.abs(WEIGHT)
    partial[0, 2] = np.nan
    np.save(tmp_path / "m.npy", partial)
    write_recording(recording, tmp_path / "rec.nwb")
    told = read(tmp_path / "rec.nwb", truth=Truth(file=str(tmp_path / "m.npy"), orientation="post-pre"))
    write_recording(told, tmp_path / "told.nwb")
    again = read(tmp_path / "told.nwb").connectome
    np.testing.assert_array_equal(again.weight, told.connectome.weight)
    np.testing.assert_array_equal(again.known, told.connectome.known)
    assert not again.signed
    assert told.without_ground_truth().connectome is None


def test_a_sidecar_names_the_truth(recording, tmp_path):
    np.save(tmp_path / "rec.npy", recording.values)
    pairs(WEIGHT).replace({"a": "0", "b": "1", "c": "2", "7": "3"}).to_csv(tmp_path / "edges.csv", index=False)
    (tmp_path / "rec.toml").write_text('[read]\ndt_s = 0.005\n[truth]\nfile = "edges.csv"\n')
    np.testing.assert_array_equal(read(tmp_path / "rec.npy").connectome.weight, WEIGHT)
    with pytest.raises(InputError, match="holds its ground truth already"):
        read(tmp_path / "rec.npy", truth=Truth(file=str(tmp_path / "edges.csv")))


def test_self_connections_are_left_out_and_reported(recording, tmp_path):
    np.save(tmp_path / "m.npy", WEIGHT + np.diag([1, 0, -1, 0]))
    found, said = attached(recording, tmp_path / "m.npy", orientation="post-pre")
    np.testing.assert_array_equal(found.weight, WEIGHT)
    assert said == ["Left out: 2 self-connections of m.npy, which are never scored."]


BAD = {
    "is not stated; say which axis": ({"m.npy": WEIGHT}, {}),
    "contradicts pre-post: 1 neuron would both excite and inhibit": ({"m.npy": WEIGHT}, {"orientation": "pre-post"}),
    r"has the shape \(3, 3\)": ({"m.npy": WEIGHT[1:, 1:]}, {"orientation": "post-pre"}),
    "are infinite in places": ({"m.npy": np.full((4, 4), np.inf)}, {"orientation": "post-pre"}),
    "that the recording lacks, e, d": ({"e.csv": "pre,post\na,d\ne,b\n"}, {}),
    "the pair a to b more than once": ({"e.csv": "pre,post\na,b\na,b\n"}, {}),
    "lists no pair of the recording": ({"e.csv": "pre,post\nx,y\n"}, {"unrecorded": "leave-out"}),
    "is not a matrix: its rows have different lengths": ({"m.dat": "1 2\n3\n"}, {"orientation": "post-pre"}),
    "Connections are not read from files such as": ({"m.xls": "x"}, {}),
    "Unusable parameter 'orientation'": ({"m.npy": WEIGHT}, {"orientation": "rows"}),
    "is not a whole HDF5 file": ({"edges.h5": "x"}, {}),
    "column weight of .* must hold numbers; it holds 'strong'": ({"e.csv": "pre,post,weight\na,b,1\nb,c,strong\n"}, {}),
    "column delay_ms of .* must hold numbers": ({"e.csv": "pre,post,delay_ms\na,b,1\nb,c,soon\n"}, {}),
    "delays below 0": ({"e.csv": "pre,post,delay_ms\na,b,-1\nb,c,1\n"}, {}),
    "are infinite in place": ({"e.csv": "pre,post,weight\na,b,inf\nb,c,1\n"}, {}),
    "connections with one end blank": ({"e.csv": "pre,post\na,b\n,c\n"}, {}),
    "names only one end": ({"e.csv": "pre,weight\na,1\nb,2\n"}, {}),
    "says nothing about any pair": ({"m.npy": np.full((4, 4), np.nan)}, {"orientation": "post-pre"}),
    "is empty": ({"m.txt": ""}, {"orientation": "post-pre"}),
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_does_not_fit_ends_in_a_sentence(recording, tmp_path, sentence):
    (name, content), options = next(iter(BAD[sentence][0].items())), BAD[sentence][1]
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(InputError, match=sentence):
        attached(recording, tmp_path / name, **options)


def test_a_second_row_of_a_header_is_reported(recording, tmp_path):
    (tmp_path / "e.csv").write_text("pre,post,weight\nid,id,mV\na,b,2\nb,c,-1\n")
    found, said = attached(recording, tmp_path / "e.csv")
    assert found.adjacency.sum() == 2
    assert said == ["The header of e.csv is taken to go on with id, id, mV."]


def test_synapses_of_a_pair_can_be_summed(recording, tmp_path):
    (tmp_path / "e.csv").write_text("pre_pt_root_id,post_pt_root_id,size\na,b,2\na,b,3\na,z,1\n")
    found, said = attached(recording, tmp_path / "e.csv", duplicates="sum", unrecorded="leave-out")
    assert found.weight[1, 0] == 5
    assert not found.signed
    assert "1 of 3 connections in e.csv left out: of neurons not recorded" in said[0]


def test_signs_that_fit_neither_orientation_are_reported(recording, tmp_path):
    np.save(tmp_path / "m.npy", np.random.default_rng(0).standard_normal((4, 4)))
    _, said = attached(recording, tmp_path / "m.npy", orientation="post-pre")
    assert any("signs cannot confirm the orientation" in line for line in said)


@pytest.mark.skipif(not EXTERNAL.is_dir(), reason="recordings of others are not here")
@pytest.mark.parametrize(
    ("recorded", "file", "options", "edges"),
    [
        ("nest_casadiego", "nest_casadiego/connectivity.dat", {"orientation": "post-pre"}, 964),
        ("tspe/new_sim7_100.mat", None, {"key": "data.SWM", "orientation": "pre-post", "delay_key": "data.DM"}, 214),
        ("mismatch/bursting.npz", None, {"key": "weights", "orientation": "post-pre"}, None),
    ],
)
def test_recordings_of_others_come_with_their_truth(recorded, file, options, edges):
    truth = Truth(file=str(EXTERNAL / (file or recorded)), **options)
    found = read(EXTERNAL / recorded, truth=truth, **({"key": "data.TS_ms"} if recorded.endswith(".mat") else {}))
    assert found.connectome.signed
    assert edges in (None, found.connectome.adjacency.sum())


# Electron microscopy: synapses between cells, some of which were recorded


def microns(folder: Path) -> None:
    """Units 1 to 4: cells 100, 200 and 300, and two cells for one unit; 300 was not traced, 900 not recorded."""
    base = 864691135639556411  # as large as root ids are: floats would confuse them
    cells = [100, 200, 300, 400, 401]
    match = {"session": 5, "scan_idx": 7, "unit_id": [1, 2, 3, 4, 4], "pt_root_id": [base + each for each in cells]}
    other = {"session": 6, "scan_idx": 2, "unit_id": [1], "pt_root_id": [base + 300]}
    unmatched = {"session": 5, "scan_idx": 7, "unit_id": [9], "pt_root_id": [0]}
    tables = [pd.DataFrame(each) for each in (match, other, unmatched)]
    pd.concat(tables, ignore_index=True).to_csv(folder / "coregistration.csv", index=False)
    synapses = pd.DataFrame({"pre": [100, 100, 100, 200, 900, 401], "post": [200, 200, 900, 100, 300, 100]}) + base
    named = synapses.rename(columns={"pre": "pre_pt_root_id", "post": "post_pt_root_id"})
    named.assign(size=[1000, 500, 10, 70, 5, 3]).to_csv(folder / "synapses.csv", index=False)


SCAN = {"coregistration": "coregistration.csv", "session": 5, "scan_idx": 7}


def test_synapses_of_microns_are_a_truth_of_the_traced_pairs(tmp_path):
    microns(tmp_path)
    counts = np.random.default_rng(0).poisson(0.3, (200, 4))
    units = Recording.from_array(counts, 0.005, "spikes", neurons=neuron_table(4, ids=["1", "2", "3", "4"]))
    found, said = attached(units, tmp_path / "synapses.csv", **SCAN)
    expected = np.zeros((4, 4))
    expected[1, 0], expected[0, 1] = 1500, 70  # [post, pre]; two synapses of a pair are summed
    np.testing.assert_array_equal(found.weight, expected)
    known = np.eye(4, dtype=bool)
    known[:3, :2] = True  # of the outputs of units 1 and 2, to all that are matched
    np.testing.assert_array_equal(found.known, known)
    assert not found.signed
    assert "3 of 4 units are matched to cells in coregistration.csv; the outputs of 2 of them are known" in said[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"session": None}, "is of 2 scans"),
        ({"session": 8}, "matches none of the recording's units"),
        ({"coregistration": "synapses.csv"}, "lacks the columns session, scan_idx"),
    ],
)
def test_what_does_not_join_units_and_cells_is_refused(options, message, recording, tmp_path):
    microns(tmp_path)
    counts = np.random.default_rng(0).poisson(0.3, (200, 2))
    units = Recording.from_array(counts, 0.005, "spikes", neurons=neuron_table(2, ids=["1", "2"]))
    with pytest.raises(InputError, match=message):
        attached(units, tmp_path / "synapses.csv", **(SCAN | {"scan_idx": None} | options))


def test_ids_that_a_missing_one_has_rounded_are_refused(recording, tmp_path):
    table = pd.DataFrame({"pre": [864691135639556411, None], "post": ["a", "b"]}, dtype=object)
    table.to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(InputError, match=r"column pre of pairs\.csv holds ids that were rounded"):
        attached(recording, tmp_path / "pairs.csv")
