"""Nothing is read, run or begun that was not named, and nothing that was there is lost when something fails."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from simulators import simulate_seeds
from simulators.networks import LifRandom
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.io.hdf5 import open_hdf5
from synapsnet.limits import memory_bytes, require_memory, require_time
from synapsnet.processes import rank, sizes
from synapsnet.recording import Recording
from synapsnet.run import DESCRIPTION, MODELS, RECORDING, RunDescription, _prepared
from validation.benchmark.runner import connect
from validation.benchmark.table import COLUMNS, with_earlier
from validation.properties.subject import Violation, infer_with


def test_hdf5_files_that_lead_to_others_are_refused_and_others_are_not(tmp_path):
    (tmp_path / "secret").write_text("-----BEGIN PRIVATE KEY-----" * 10)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.arange(5)
    layout = h5py.VirtualLayout((5,), int)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", (5,))
    ways = {
        "storage": lambda file: file.create_dataset("a/b", (9,), "u1", external=[(str(tmp_path / "secret"), 0, 9)]),
        "link": lambda file: file.create_group("a").__setitem__("b", h5py.ExternalLink("other.h5", "x")),
        "virtual": lambda file: file.create_group("a").create_virtual_dataset("b", layout),
    }
    for name, make in ways.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            make(file)
        with pytest.raises(InputError, match=r"a/b in .* refers to another file") as refusal:
            open_hdf5(tmp_path / f"{name}.h5")
        assert "PRIVATE" not in str(refusal.value)
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["x"] = np.arange(5)
        file["same"], file["soft"] = file["x"], h5py.SoftLink("/x")
        file["loop"] = file["/"]
    with open_hdf5(tmp_path / "good.h5") as file:
        assert file["soft"][4] == 4


def test_stray_variables_of_other_programs_do_not_make_a_process_silent(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert (rank(), sizes()) == (0, (1, 1))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert (rank(), sizes()) == (1, (2, 2))


def test_a_method_that_ends_the_process_has_failed():
    class Quits:
        def infer(self, recording):
            raise SystemExit(0)

    with pytest.raises(Violation, match="SystemExit"):
        infer_with(Quits(), None)


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ("os._exit(0)", 2),
        ("os.execv('/bin/true', ['true'])", 2),
        ("ctypes.CDLL(None).exit(0)", 2),
        ("os.kill(os.getpid(), signal.SIGKILL)", 2),
        ("sys.exit(0)", 0),  # so ends a command that has come to its end
        ("sys.exit(1)", 1),
    ],
)
def test_a_check_that_its_method_ends_whichever_way_has_not_passed(ends, code):
    script = (
        "import ctypes, os, signal, sys; import synapsnet.cli as cli; sys.argv = ['synapsnet', 'check', 'x']\n"
        f"def main(): {ends}\n"
        "cli.main = main; cli.start()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == code
    assert ("There is no result" in done.stderr) == (code == 2)


def test_whoever_ends_a_watched_command_ends_all_of_it():
    script = "import sys, time; import synapsnet.cli as cli; sys.argv = ['synapsnet', 'check', 'x']\n" + (
        "def main(): print(cli.os.getpid(), flush=True); time.sleep(1000)\ncli.main = main; cli.start()"
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            child = int(process.stdout.readline())
            process.send_signal(number)
            process.stdout.read()  # until the child has ended, too
        assert child != process.pid
        assert process.returncode != 0


def test_the_installed_command_is_the_watched_one():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"]["synapsnet"] == "synapsnet.cli:start"


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_numbers_whose_squares_do_not_exist_are_refused(size):
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[:, 1] *= size
    with pytest.raises(InputError, match="Activity of neuron 1 reaches"):
        Recording.from_array(values, 0.1, "calcium")
    behaviour = np.linspace(0, size, 50)[:, None]
    with pytest.raises(InputError, match="Behaviour"):
        Recording.from_array(np.random.default_rng(0).normal(size=(50, 3)), 0.1, "calcium", behaviour=behaviour)


def test_what_the_machine_does_not_have_is_refused():
    require_memory(memory_bytes() / 2, "This", "do less")
    for much in (2 * memory_bytes(), 10**400, float("inf")):
        with pytest.raises(InputError, match=r"This takes .* GiB of memory"):
            require_memory(much, "This", "do less")
    with pytest.raises(InputError, match="years"):
        require_time(1e9, "This", "do less")
    assert require_time(7200.0, "This", "do less") == "This takes about 2 hours."


@pytest.mark.parametrize("many", [10**9, 10**30])
def test_counts_that_could_never_be_reached_are_refused(many, spike_recording):
    with pytest.raises(InputError, match=r"times, takes .* years"):
        simulate_seeds(LifRandom(n_neurons=20), range(3, 3 + many), duration_s=1.0)
    for slurm in (False, True):
        with pytest.raises(InputError, match=r"workers at once takes .* GiB"), connect(workers=many, slurm=slurm):
            pass
    with pytest.raises(InputError, match=r"passes takes .* years"):
        SynapsNet(epochs=10**6 * many, patience=10**6 * many).fit(spike_recording)


def test_a_second_suite_keeps_the_results_of_the_first():
    def table(method: str, seed: int, value: float) -> pd.DataFrame:
        row = dict.fromkeys(COLUMNS, "x") | {"method": method, "seed": seed, "value": value}
        return pd.DataFrame([row])

    earlier = pd.concat([table("var", 1, 0.1), table("glm", 1, 0.2)])
    both = with_earlier(table("var", 1, 0.3), earlier)
    assert both[["method", "value"]].values.tolist() == [["glm", 0.2], ["var", 0.3]]
    assert with_earlier(earlier, None) is earlier


def test_a_run_that_is_replaced_comes_back_when_the_new_one_fails(tmp_path):
    recording = Recording.from_array(np.random.default_rng(0).normal(size=(50, 3)), 0.1, "calcium")

    def described(source: str) -> RunDescription:
        return RunDescription(
            settings={}, test_fraction=0.1, gap_steps=1, device="cpu", source=source, recording_hash="", versions={}
        )

    with _prepared(tmp_path, described("first"), recording, False, False):
        for name in MODELS:
            (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("the user's own")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {DESCRIPTION, RECORDING} < set(before)
    with pytest.raises(InputError), _prepared(tmp_path, described("second"), recording, False, True):
        assert '"second"' in (tmp_path / DESCRIPTION).read_text()
        assert not (tmp_path / "synapsnet").exists()
        raise InputError("There is no space left.")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert all((tmp_path / name).is_dir() for name in MODELS)
    with _prepared(tmp_path, described("second"), recording, False, True):
        pass
    assert '"second"' in (tmp_path / DESCRIPTION).read_text()
    assert not (tmp_path / "replaced").exists()
