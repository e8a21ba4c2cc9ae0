"""Damaged and foreign files, over a thousand of them: each is read, or refused in one sentence, and none is changed.

A case is a good file or folder in which one thing was done: bytes were flipped, cut or put in, or an array, a table or
a description became one of another kind. It is made by a seed that a failure names.
"""

from __future__ import annotations

import io
import json
import resource
import shutil
import string
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
from nwb_files import save, with_fluorescence, with_units

from synapsnet.errors import InputError
from synapsnet.io import describe, explain, read, write_recording
from synapsnet.printable import printable
from synapsnet.recording import Recording
from synapsnet.run import read_description
from validation.benchmark.suite import load_suite
from validation.benchmark.table import read_table

N, T = 4, 400
Random = np.random.Generator


@pytest.fixture(scope="module", autouse=True)
def small_machine() -> Iterator[None]:
    """What would fill the memory or the disk fails at once here."""
    kinds = {resource.RLIMIT_AS: _in_use() + 6 * 2**30, resource.RLIMIT_FSIZE: 2**26}
    before = {kind: resource.getrlimit(kind) for kind in kinds}
    for kind, most in kinds.items():
        resource.setrlimit(kind, (most, before[kind][1]))
    yield
    for kind, limits in before.items():
        resource.setrlimit(kind, limits)


def _in_use() -> int:
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 2**40


def kilosort(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    n = 300
    arrays = {
        "spike_times": np.sort(rng.integers(0, 300_000, n)),
        "spike_clusters": rng.integers(0, N, n),
        "spike_templates": rng.integers(0, N, n),
        "templates": rng.normal(size=(N, 20, 3)),
        "channel_positions": rng.uniform(0, 100, (3, 2)),
    }
    _save(folder, arrays)
    (folder / "params.py").write_text("sample_rate = 30000.\nn_channels_dat = 3\n")
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tgood\n1\tgood\n2\tmua\n3\tgood\n")
    return folder, {"bin_s": 0.1}


def alf(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    n = 300
    _save(
        folder,
        {
            "spikes.times": np.sort(rng.uniform(0, 10, n)),
            "spikes.clusters": rng.integers(0, N, n),
            "clusters._phy_annotation": np.array([2, 3, 2, 2]),
            "clusters.depths": rng.uniform(0, 100, N),
            "wheel.position": rng.normal(size=50),
            "wheel.timestamps": np.linspace(0, 10, 50),
            "face.motionEnergy": rng.normal(size=50),
            "face.timestamps": np.linspace(0, 10, 50),
        },
    )
    return folder, {"bin_s": 0.1}


def suite2p(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    arrays = {name: rng.uniform(level, level + 9, (N, T)) for name, level in (("F", 90), ("Fneu", 1), ("spks", 0))}
    _save(folder, arrays | {"iscell": np.ones((N, 2))})
    return folder, {"fs_hz": 10.0}


def npz(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    activity, light = rng.poisson(0.3, (10, N, 40)), np.zeros((10, 40))
    np.savez_compressed(folder / "trials.npz", z=activity, dt=0.01, light=light, behaviour=rng.normal(size=(10, 40)))
    return folder / "trials.npz", {"key": "z", "until": "light"}


def npy(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    _save(folder, {"traces": rng.normal(size=(T, N))})
    return folder / "traces.npy", {"fs_hz": 10.0}


def csv(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    table = pd.DataFrame(rng.normal(size=(60, N)), columns=list("abcd")).assign(time=np.arange(60) / 10)
    table.to_csv(folder / "table.csv", index=False)
    (folder / "table.toml").write_text('[read]\nmodality = "calcium"\n')
    return folder / "table.csv", {}


def parquet(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    table = pd.DataFrame(rng.normal(size=(60, N)), columns=list("abcd"))
    table.to_parquet(folder / "table.parquet", index=False)
    return folder / "table.parquet", {"fs_hz": 10.0}


def caiman(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    with h5py.File(folder / "results.hdf5", "w") as file:
        for name in ("C", "F_dff", "S"):
            file[f"estimates/{name}"] = rng.normal(size=(N, T))
        file["estimates/idx_components"] = np.arange(3)
        file["params/data/fr"] = 15
    return folder / "results.hdf5", {}


def matlab(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    behaviour = {"runSpeed": rng.normal(size=(T, 1)), "pupil": {"area": rng.normal(size=(T, 1))}}
    traces = rng.exponential(size=(N, T)).astype(np.float32)
    scipy.io.savemat(folder / "session.mat", {"Fsp": traces, "med": rng.uniform(0, 9, (N, 3)), "beh": behaviour})
    return folder / "session.mat", {"fs_hz": 3.0}


def own_nwb(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    write_recording(Recording.from_array(rng.poisson(0.3, (T, N)), 0.01, "spikes"), folder / "own.nwb")
    return folder / "own.nwb", {}


def units_nwb(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    return save(with_units([np.sort(rng.uniform(0, 10, 60)).tolist() for _ in range(N)]), folder / "units.nwb"), {}


def imaging_nwb(folder: Path, rng: Random) -> tuple[Path, dict[str, Any]]:
    return save(with_fluorescence(rng.normal(size=(T, N)), rate=10.0), folder / "imaging.nwb"), {}


def _save(folder: Path, arrays: dict[str, Any]) -> None:
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)


# How often each: what is quick more often.
LAYOUTS: dict[Callable[[Path, Random], tuple[Path, dict[str, Any]]], int] = {
    kilosort: 150,
    alf: 150,
    suite2p: 200,
    npz: 150,
    npy: 80,
    csv: 150,
    parquet: 80,
    caiman: 100,
    matlab: 100,
    own_nwb: 12,
    units_nwb: 12,
    imaging_nwb: 12,
}


@pytest.mark.parametrize("make", LAYOUTS, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore")
def test_any_file_is_read_or_refused_in_a_sentence(make, tmp_path):
    good = tmp_path / "good"
    good.mkdir()
    path, options = make(good, np.random.default_rng(0))
    read(path, **options)
    explain(path)
    refused = 0
    for seed in range(LAYOUTS[make]):
        rng = np.random.default_rng(seed)
        bad = tmp_path / "bad"
        shutil.copytree(good, bad)
        victim = rng.choice(sorted(p for p in bad.rglob("*") if p.is_file()))
        change = rng.choice(CHANGES[victim.suffix])
        change(victim, rng)
        before = {p.name: p.read_bytes() for p in bad.iterdir() if p.is_file()}
        subject = bad / path.relative_to(good)
        for look in (explain, lambda p: read(p, **options), describe)[: 2 if seed % 4 else 3]:
            refused += refuses(look, subject, f"seed {seed}: {change.__name__} of {victim.name}")
        assert {p.name: p.read_bytes() for p in bad.iterdir() if p.is_file()} == before
        shutil.rmtree(bad)
    assert refused > LAYOUTS[make] / 10  # or nothing was damaged


def refuses(look: Callable[[Path], object], subject: Path, case: str) -> bool:
    try:
        look(subject)
    except InputError as error:
        said = str(error)
        assert said.endswith(".") and "\n" not in said and said == printable(said), f"{case}: {said!r}"
        assert "please report" not in said, f"{case}: {said!r}"
        return True
    except BaseException as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {error}") from error
    return False


# What is done to a file


def flip(path: Path, rng: Random) -> None:
    content = bytearray(path.read_bytes())
    for k in rng.integers(0, len(content), rng.integers(1, 20)):
        content[k] ^= int(rng.integers(1, 256))
    path.write_bytes(content)


def flip_head(path: Path, rng: Random) -> None:
    content = bytearray(path.read_bytes())
    for k in rng.integers(0, min(len(content), 200), rng.integers(1, 5)):
        content[k] = int(rng.integers(0, 256))
    path.write_bytes(content)


def cut(path: Path, rng: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(0, len(content))])


def put_in(path: Path, rng: Random) -> None:
    content, k = path.read_bytes(), int(rng.integers(0, 60))
    path.write_bytes(content[:k] + rng.bytes(rng.integers(1, 50)) + content[k:])


def noise(path: Path, rng: Random) -> None:
    path.write_bytes(rng.bytes(rng.integers(0, 500)))


def remove(path: Path, rng: Random) -> None:
    path.unlink()


def another_array(path: Path, rng: Random) -> None:
    path.write_bytes(b"")
    with path.open("wb") as stream:
        np.save(stream, odd(np.load(io.BytesIO(_good(path))), rng), allow_pickle=True)


def another_member(path: Path, rng: Random) -> None:
    arrays = dict(np.load(io.BytesIO(_good(path))))
    name = rng.choice(sorted(arrays))
    arrays[name] = odd(arrays[name], rng)
    np.savez(path, **arrays)


def another_dataset(path: Path, rng: Random) -> None:
    """Another array, a group, an external link or external storage in the place of a dataset."""
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = rng.choice(names)
        values, attributes = file[name][()], dict(file[name].attrs)
        del file[name]
        what = rng.integers(0, 6)
        if what == 0:
            file.create_group(name)
        elif what == 1:
            file[name] = h5py.ExternalLink("other.h5", "/x")
        elif what == 2:
            file.create_dataset(name, (10,), "u1", external=[("/etc/hostname", 0, 10)])
        elif what > 3:
            array = odd(np.asarray(values), rng)
            if array.dtype.kind not in "OUM":
                file[name] = array
                file[name].attrs.update(attributes)


def another_variable(path: Path, rng: Random) -> None:
    content = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    name = rng.choice(sorted(content))
    array = odd(np.asarray(content[name]), rng)
    content[name] = array if array.dtype.kind != "M" else np.zeros(0)
    scipy.io.savemat(path, content)


def another_column(path: Path, rng: Random) -> None:
    table = pd.read_csv(path, dtype=object) if path.suffix == ".csv" else pd.read_parquet(path).astype(object)
    name = rng.choice(table.columns)
    cells = [None, "text", "", "1e400", "\x1b[31m", -1, 1e30, "NaN", "inf", "2024-01-01", True, "9" * 400]
    rows = rng.random(len(table)) < rng.choice([0.02, 1.0])
    table.loc[rows, name] = cells[rng.integers(0, len(cells))]
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
        return
    kinds = ["string", "Int64", "Float64", "boolean", "category"]
    try:
        table[name] = table[name].astype(rng.choice(kinds))
    except (ValueError, TypeError):
        table[name] = table[name].astype("string")
    table.to_parquet(path, index=False)


def another_word(path: Path, rng: Random) -> None:
    words = ["", "[" * 3000, "9" * 5000, "true", "nan", "\x00", "\x1b]0;x\x07", "'", "\ufeff", "-1", "1e999", "é"]
    text = path.read_text()
    k = int(rng.integers(0, len(text)))
    path.write_text(text[:k] + str(rng.choice(words)) + text[k + int(rng.integers(0, 9)) :])


def odd(array: np.ndarray[Any, Any], rng: Random) -> np.ndarray[Any, Any]:
    """An array of another kind, shape or size, or with values that cannot be."""
    array = np.array(array)
    numeric = array.dtype.kind in "iuf"
    flat = array.astype(float) if numeric else np.zeros(array.shape)
    value = rng.choice([np.nan, np.inf, -np.inf, -1.0, 1e30, 2.0**62, 4294967295.0, 0.5, 1e-30, -1e9])
    if flat.size:
        flat.reshape(-1)[rng.integers(0, flat.size, rng.integers(1, 4))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kinds: list[Callable[[], np.ndarray[Any, Any]]] = [
            lambda: flat,
            lambda: flat.astype(np.int64),
            lambda: flat.astype(np.uint32),
            lambda: np.full(array.shape, "a"),
            lambda: np.full(array.shape, b"a"),
            lambda: np.array([None, "x"], object),
            lambda: np.zeros(array.shape, complex),
            lambda: np.zeros(array.shape, bool),
            lambda: np.zeros(array.shape, "M8[s]"),
            lambda: np.zeros(array.shape, [("a", float), ("b", int)]),
            lambda: np.zeros(array.shape, np.float16),
            lambda: array[:0],
            lambda: array[: len(array) // 2] if array.ndim else array,
            lambda: np.concatenate([array, array]) if array.ndim else np.zeros(3),
            lambda: np.zeros(()),
            lambda: array[..., None],
            lambda: array.reshape(-1),
            lambda: array.T,
            lambda: np.broadcast_to(array, (2, *array.shape)).copy(),
            lambda: np.zeros((0, 0)),
            lambda: np.full(array.shape, value),
        ]
        return kinds[rng.integers(0, len(kinds))]()


def _good(path: Path) -> bytes:
    """The file as it was before it was changed."""
    return (path.parents[1] / "good" / path.name).read_bytes()


BYTES = [flip, flip_head, cut, put_in, noise]
CHANGES: dict[str, list[Callable[[Path, Random], None]]] = {
    ".npy": [another_array, another_array, another_array, *BYTES, remove],
    ".npz": [another_member, another_member, *BYTES],
    ".csv": [another_column, another_column, another_word, *BYTES],
    ".parquet": [another_column, another_column, *BYTES],
    ".hdf5": [another_dataset, another_dataset, *BYTES],
    ".nwb": [another_dataset, another_dataset, another_dataset, flip, cut],
    ".mat": [another_variable, another_variable, *BYTES],
    ".toml": [another_word, another_word, *BYTES],
    ".tsv": [another_word, *BYTES, remove],
    ".py": [another_word, *BYTES, remove],
}


@pytest.mark.filterwarnings("ignore")
def test_descriptions_of_runs_and_suites_are_read_or_refused(tmp_path):
    """Our own files, edited or damaged."""
    description = {"format_version": 1, "settings": {}, "recording_hash": "", "versions": {}, "source": "x"}
    suite = 'methods = ["var"]\nseeds = [1]\n[networks.a]\nname = "lif-random"\n[observations.s]\nas = "spikes"\n'
    tomllib.loads(suite)
    run = tmp_path / "run"
    run.mkdir()
    values = [None, [], {}, "x", -1, 1e999, "\x1b[2J", True, [[]]]
    deep = ["[" * 100_000, '{"a":' * 100_000, "a = " + "[" * 20_000, string.printable, ""]
    for seed in range(200):
        rng = np.random.default_rng(seed)
        changed = dict(description, test_fraction=0.1, gap_steps=20, device="cpu")
        for name in rng.choice(sorted(changed), rng.integers(1, 3)):
            changed[name] = values[rng.integers(0, len(values))]
        text = deep[seed] if seed < len(deep) else json.dumps(changed)
        (run / "run.json").write_text(text)
        refuses(read_description, run, f"run.json, seed {seed}")
        for name, content in (("suite.toml", suite), ("results.parquet", "PAR1" + suite)):
            (tmp_path / name).write_text(text if seed < len(deep) else content)
            if seed >= len(deep):
                rng.choice([another_word, *BYTES])(tmp_path / name, rng)
        refuses(lambda path: load_suite(str(path)), tmp_path / "suite.toml", f"suite, seed {seed}")
        refuses(read_table, tmp_path / "results.parquet", f"table, seed {seed}")
