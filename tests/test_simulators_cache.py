"""The cache of programs and spikes: hits, damage, interruptions, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulators import cache, engine, simulate
from simulators.networks import LifRandom
from synapsnet.errors import InputError
from synapsnet.recording import Simulation

NETWORK = LifRandom(n_neurons=20, connection_probability=0.15)
RUN = {"duration_s": 2.0, "seed": 7}


@pytest.fixture
def own_cache(cache_folder: Path, small_simulation: Simulation, tmp_path: Path, monkeypatch: Any) -> Path:
    """A cache of this test alone, with the program of `small_simulation` and no spikes."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for program in cache_folder.glob("program-*"):
        shutil.copy(program, folder)
    monkeypatch.setenv("SYNAPSNET_CACHE", str(folder))
    return folder


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


def test_a_damaged_program_is_compiled_again(own_cache, monkeypatch):
    first, _ = run()
    entry(own_cache, "spikes").unlink()
    for program in own_cache.glob("program-*"):
        whole = cache.load(program.name)
        damage(program, "a flipped bit")
        assert cache.load(program.name) is None
        monkeypatch.setattr(engine, "_compile", lambda model, n_neurons, whole=whole: whole)
    again, lines = run()
    assert lines == ["Compiling the network (once; about 20 s)."]
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


def test_without_a_compiler_says_what_to_install(own_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler and make, .* apt install g\+\+ make"):
        run()


def test_a_failing_program_is_reported_with_its_complaint(own_cache, tmp_path):
    with pytest.raises(RuntimeError, match="sh failed with exit code 3: no luck"):
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
    for name, age_days in (("work-old", 8), ("work-new", 1)):
        (own_cache / name).mkdir()
        then = time.time() - age_days * 24 * 3600
        os.utime(own_cache / name, (then, then))
    with cache.work_folder() as folder:
        assert folder.is_dir()
    assert [p.name for p in own_cache.glob("work-*")] == ["work-new"]
