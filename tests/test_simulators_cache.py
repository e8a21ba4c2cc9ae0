"""The cache of programs and spikes: hits, damage, interruptions, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators import cache, engine, simulate, simulate_seeds
from simulators.cost import require_possible
from simulators.model import Model
from simulators.networks import LifRandom
from synapsnet.errors import InputError
from synapsnet.recording import Simulation

NETWORK = LifRandom(n_neurons=20, connection_probability=0.15)
WITH_INPUT = LifRandom(n_neurons=20, connection_probability=0.15, inputs={"running_gain": 0.5})
RUN = {"duration_s": 2.0, "seed": 7}


def run(**options: Any) -> tuple[Simulation, list[str]]:
    lines: list[str] = []
    return simulate(NETWORK, notify=lines.append, **{**RUN, **options}), lines


def entry(folder: Path, kind: str) -> Path:
    (found,) = folder.glob(f"{kind}-*")
    return found


def same_spikes(a: Simulation, b: Simulation) -> bool:
    return all(np.array_equal(a.spike_times[k].times(), b.spike_times[k].times()) for k in range(20))


def test_a_second_run_is_taken_from_the_cache_and_says_so(own_cache):
    first, lines_first = run()
    again, lines_again = run()
    assert lines_first == ["Re-using the compiled network."]
    assert lines_again == ["Re-using the cached simulation."]
    assert same_spikes(first, again)
    assert sum(len(first.spike_times[k]) for k in range(20)) > 50


def test_the_same_seed_gives_the_same_spikes_bit_for_bit_without_the_cache(own_cache):
    first, _ = run()
    entry(own_cache, "spikes").unlink()
    again, lines = run()
    assert lines == ["Re-using the compiled network."]
    assert same_spikes(first, again)


@pytest.mark.parametrize("option", [{"seed": 8}, {"duration_s": 2.5}])
def test_another_run_is_not_taken_from_the_cache(own_cache, option):
    run()
    _, lines = run(**option)
    assert lines == ["Re-using the compiled network."]


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "a flipped bit":
        content[len(content) // 2] ^= 1
    path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2]}.get(how, content))


@pytest.mark.parametrize("how", ["a flipped bit", "truncated", "empty"])
def test_damaged_spikes_are_simulated_again_and_the_entry_is_repaired(own_cache, how):
    first, _ = run()
    damage(entry(own_cache, "spikes"), how)
    again, lines_again = run()
    _, lines_third = run()
    assert lines_again == ["Re-using the compiled network."]
    assert same_spikes(first, again)
    assert lines_third == ["Re-using the cached simulation."]


@pytest.fixture
def programs(monkeypatch: Any) -> list[bytes]:
    """The programs that are executed from now on."""
    executed: list[bytes] = []
    execute = engine._execute
    monkeypatch.setattr(engine, "_execute", lambda program, *rest: executed.append(program) or execute(program, *rest))
    return executed


def test_a_damaged_program_is_compiled_again(own_cache, programs, monkeypatch):
    first, _ = run()
    entry(own_cache, "spikes").unlink()
    for path in own_cache.glob("program-*"):
        damage(path, "a flipped bit")
        assert cache.load(path.name) is None
    monkeypatch.setattr(engine, "_compile", lambda model: programs[0])
    again, lines = run()
    assert lines == ["Compiling the network (once; about 10 s)."]
    assert same_spikes(first, again)


def test_progress_rises_from_0_to_1(own_cache):
    fractions: list[float] = []
    run(progress=fractions.append)
    assert len(fractions) > 10
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


def test_an_interruption_leaves_neither_an_entry_nor_files(own_cache):
    before = sorted(own_cache.iterdir())

    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=interrupt)
    assert sorted(own_cache.iterdir()) == before


def test_nothing_is_left_where_the_user_works(own_cache, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run()
    assert list(Path().iterdir()) == []
    assert {p.name.split("-")[0] for p in own_cache.iterdir()} == {"program", "spikes"}


def test_the_callers_random_numbers_are_not_touched(own_cache):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    run()
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.fixture(scope="module")
def compiled(simulate_once: Callable[..., Simulation]) -> Simulation:
    """With an input that varies in time; its program is that of all tests."""
    return simulate_once(WITH_INPUT, duration_s=1.0, seed=3)


def test_without_a_compiler_numpy_gives_the_same_spikes_and_a_warning(compiled, own_cache, monkeypatch, tmp_path):
    """Brian2 draws the same random numbers everywhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    lines: list[str] = []
    interpreted = simulate(WITH_INPUT, duration_s=1.0, seed=3, notify=lines.append)
    assert same_spikes(compiled, interpreted)
    assert sum(len(compiled.spike_times[k]) for k in range(20)) > 50
    assert len(lines) == 1
    assert "no C++ compiler and make: simulating with numpy, which takes about 100 times as long" in lines[0]
    assert "apt install g++ make" in lines[0]


def test_an_explosion_is_found_without_a_compiler_too(own_cache, monkeypatch, tmp_path):
    explosive = LifRandom(n_neurons=20, connection_probability=0.9, epsp_mv=20.0, ipsp_mv=0.0)
    with pytest.raises(InputError, match=r"exploded: at 0\.5 s its neurons fire at \d+ Hz.*weaken its excitation"):
        simulate(explosive, duration_s=5.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"exploded: at 0\.5 s its neurons fire at \d+ Hz.*weaken its excitation"):
        simulate(explosive, duration_s=5.0)


def test_a_silent_network_is_refused_with_what_to_change(own_cache):
    with pytest.raises(InputError, match=r"stayed silent: no spike \(0 Hz\) in 5 s; raise its drive"):
        simulate(LifRandom(n_neurons=20, drive_mv=-50.0), duration_s=5.0)


class WrongUnits(LifRandom):
    def model(self) -> Model:
        return replace(
            super().model(), equations="dv/dt = drive : volt\ndrive : volt (constant)\nI : volt\nnoise : volt"
        )


def test_wrong_units_in_a_model_become_one_sentence(own_cache):
    with pytest.raises(
        InputError, match=r"^Brian2 refuses the network's model: Expression 'drive' does not have the expected unit"
    ) as refused:
        simulate(WrongUnits(n_neurons=20), duration_s=1.0)
    assert "\n" not in str(refused.value)


SIMULATE = """
import sys, time
from pathlib import Path
from simulators import engine, simulate
from simulators.networks import LifRandom

def slow(model):
    time.sleep(2)
    return Path(sys.argv[1]).read_bytes()

engine._compile = slow
simulate(LifRandom(n_neurons=20), duration_s=0.5, seed=int(sys.argv[2]), notify=lambda line: print(line, flush=True))
"""


@pytest.fixture
def slow_compiler(own_cache: Path, programs: list[bytes], tmp_path: Path) -> Callable[[int], subprocess.Popen[str]]:
    """Starts a simulation in a process of its own, with an empty cache and a compiler that takes two seconds."""
    run()
    (tmp_path / "program").write_bytes(programs[0])
    for path in own_cache.iterdir():
        path.unlink()
    command = [sys.executable, "-c", SIMULATE, str(tmp_path / "program")]
    return lambda seed: subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True)


def test_concurrent_processes_compile_a_network_once(slow_compiler):
    processes = [slow_compiler(seed) for seed in range(2)]
    lines = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(line.split()[0] for line in lines) == ["Compiling", "Re-using"]


def test_a_killed_build_leaves_nothing_that_breaks_the_next(slow_compiler):
    killed = slow_compiler(1)
    assert killed.stdout is not None
    assert killed.stdout.readline().startswith("Compiling")
    killed.kill()
    killed.communicate()
    after = slow_compiler(1)
    assert after.communicate()[0].startswith("Compiling")
    assert after.returncode == 0


def test_seeds_side_by_side_are_those_of_single_runs(own_cache):
    several = list(simulate_seeds(NETWORK, [3, 1, 2], duration_s=2.0, processes=2))
    assert [simulation.metadata["seed"] for simulation in several] == [3, 1, 2]
    for path in own_cache.glob("spikes-*"):
        path.unlink()
    assert same_spikes(several[0], run(seed=3)[0])
    assert not same_spikes(several[0], several[1])


def test_a_failing_program_is_reported_with_its_complaint(own_cache, tmp_path):
    with pytest.raises(InputError, match="sh failed with exit code 3: no luck"):
        engine._call(["sh", "-c", "echo no luck >&2; exit 3"], tmp_path)


def test_bytes_come_back_and_a_missing_key_is_none(own_cache):
    cache.store("some-key", b"payload")
    assert cache.load("some-key") == b"payload"
    assert cache.load("other-key") is None


def test_a_cache_that_cannot_be_made_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYNAPSNET_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="set SYNAPSNET_CACHE to a writable folder"):
        cache.cache_dir()


def test_abandoned_work_folders_are_removed_and_those_in_use_are_not(own_cache):
    (own_cache / "work-old" / "results").mkdir(parents=True)
    with cache.work_folder() as first:
        assert [path.name for path in own_cache.glob("work-*")] == [first.name]
        with cache.work_folder() as second:
            assert first.is_dir() and second.is_dir()
    assert not list(own_cache.glob("work-*"))


def test_entries_that_we_did_not_make_are_absent(own_cache, monkeypatch):
    """A checksum without the key, another entry's content, a link, a file that others may write to."""
    cache.store("mine", b"payload")
    (own_cache / "planted").write_bytes(hashlib.sha256(b"payload").digest() + b"payload")
    (own_cache / "renamed").write_bytes((own_cache / "mine").read_bytes())
    (own_cache / "link").symlink_to(own_cache / "mine")
    assert [cache.load(key) for key in ("planted", "renamed", "link", "mine")] == [None, None, None, b"payload"]
    (own_cache / "mine").chmod(0o666)
    assert cache.load("mine") is None


def test_links_in_a_cache_are_not_followed_when_it_is_written_to(own_cache, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (own_cache / "some-key").symlink_to(tmp_path / "precious")
    cache.store("some-key", b"payload")
    assert (tmp_path / "precious").read_text() == "precious"
    assert cache.load("some-key") == b"payload"


def test_a_cache_of_another_user_or_that_others_can_write_to_is_refused(own_cache, monkeypatch):
    own_cache.chmod(0o777)
    with pytest.raises(InputError, match="can be written to by others"):
        cache.load("some-key")
    own_cache.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: own_cache.stat().st_uid + 1)
    with pytest.raises(InputError, match="is not yours"):
        cache.store("some-key", b"payload")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_simulation_ends_with_who_started_it(number, own_cache, tmp_path):
    """What is compiled once would otherwise go on alone for hours."""
    command = [sys.executable, "-c", "from synapsnet.cli import main; main()", "simulate", "--duration", "100000"]
    options = ["--set", "n_neurons=20", "--set", "connection_probability=0.15", "-o", str(tmp_path / "sim.nwb")]
    process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    program = None
    while program is None and process.poll() is None:
        running = Path("/proc").glob("[0-9]*/comm")
        program = next((int(path.parent.name) for path in running if _is_child(path, process.pid)), None)
        time.sleep(0.05)
    assert program is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16)
    assert all(caught >> each - 1 & 1 for each in (signal.SIGTERM, signal.SIGHUP))  # they end alike
    process.send_signal(number)
    process.wait()
    for _ in range(200):
        if not _runs(program):
            break
        time.sleep(0.05)
    assert not _runs(program)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert not list(own_cache.glob("work-*"))


def _is_child(comm: Path, parent: int) -> bool:
    try:
        return comm.read_text() == "main\n" and f"PPid:\t{parent}\n" in comm.with_name("status").read_text()
    except OSError:
        return False


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("network", "duration_s"),
    [
        (LifRandom(n_neurons=20), 1e12),
        (LifRandom(n_neurons=20), 1e300),
        (LifRandom(n_neurons=2), 1e10),
        (LifRandom(n_neurons=10**9), 1.0),
        (LifRandom(n_neurons=10**300), 1.0),
        (LifRandom(n_neurons=20, inputs={"shared_fraction": 0.5}), 1e9),
    ],
)
def test_what_could_never_end_is_refused_at_once(network, duration_s):
    with pytest.raises(InputError, match="this machine"):
        simulate(network, duration_s=duration_s)


def test_a_long_simulation_says_how_long_it_takes():
    assert "hours" in (require_possible(20, 1e6, 1e-4) or "")
    assert require_possible(20, 1200.0, 1e-4) is None


def test_a_compiler_that_fails_is_reported(own_cache, monkeypatch, tmp_path):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(InputError, match="compiler"):
        run()
