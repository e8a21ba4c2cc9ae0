"""Outputs are checked before the work, whole or absent, and written by one process at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.errors import InputError, sentence
from synapsnet.files import atomic_path, atomic_paths, check_folder, check_output, locked, write_text
from synapsnet.printable import printable


def test_an_output_that_is_an_input_is_refused_by_any_of_its_names(tmp_path):
    source = tmp_path / "a.nwb"
    source.write_text("precious")
    (tmp_path / "link.nwb").symlink_to(source)
    (tmp_path / "hard.nwb").hardlink_to(source)
    for name in ("a.nwb", "link.nwb", "hard.nwb", "../" + tmp_path.name + "/a.nwb"):
        with pytest.raises(InputError, match="is the input and would be replaced"):
            check_output(tmp_path / name, ".nwb", inputs=[tmp_path / "absent", source])
    check_output(tmp_path / "b.nwb", ".nwb", inputs=[source])
    with pytest.raises(InputError, match="lies in"):
        check_folder(tmp_path, inputs=[source])


@pytest.mark.parametrize("name", ["a" * 300, "absent/x.nwb", "loop", "folder", "file/x.nwb"])
def test_what_cannot_be_written_is_refused_before_the_work_and_leaves_nothing(name, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    for refuse in (check_output, lambda path: write_text(path, "text")):
        with pytest.raises(InputError):
            refuse(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["a" * 300 + "/b", "loop/b", "file", "file/b"])
def test_folders_that_cannot_be_made_are_refused(name, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        check_folder(tmp_path / name)


def test_files_that_belong_together_are_replaced_together_or_not_at_all(tmp_path):
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_paths(*paths) as (one, _):
        one.write_text("new")
        raise KeyboardInterrupt
    assert [path.read_text() for path in paths] == ["old", "old"]
    with atomic_paths(*paths) as temporary:
        for path in temporary:
            path.write_text("new")
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_library_that_cannot_write_is_reported_like_the_system(tmp_path):
    """`SafetensorError` is no `OSError`; /dev/full has no space left."""
    (tmp_path / "model").write_text("old")
    with pytest.raises(InputError, match="no space left"), atomic_path(tmp_path / "model") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(safetensors.numpy.save({}) * 10_000)
    with pytest.raises(InputError, match="Cannot write"), atomic_path(tmp_path / "model"):
        safetensors.numpy.save_file({}, tmp_path / "absent" / "model")
    assert (tmp_path / "model").read_text() == "old"


def test_a_folder_is_written_by_one_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(InputError, match="Another process is at work"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_shown(text):
    shown = printable(text)
    assert not any((ord(each) < 32 and each not in "\t\n") or 127 <= ord(each) < 160 for each in shown)
    assert printable(shown) == shown
    shown.encode("utf-8")


@given(st.from_regex(r"[A-Za-z0-9._~-]{1,20}", fullmatch=True))
def test_secrets_of_addresses_are_not_shown(secret):
    secret = f"Zq{secret}Zq"
    for address in (
        f"https://me:{secret}@host.org/a.nwb",
        f"https://{secret}@host.org/a.nwb",
        f"cannot read https:/host.org/a.nwb?sig={secret}&x={secret}; check",
        f"s3://key:{secret}@bucket/a.nwb#token={secret}",
    ):
        assert secret not in printable(address)
        assert secret not in str(InputError(address))
        assert "a.nwb" in printable(address) and "***" in printable(address)


def test_coloured_and_titled_text_keeps_its_letters():
    assert printable("a\x1b[31mred\x1b[0m\x1b]0;title\x07 \x9b1mneuron\u202e") == "ared neuron"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "more memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "more memory"),
        (RuntimeError("Storage size calculation overflowed with sizes=[9]"), "more memory"),
        (OSError(28, "No space left on device", "x"), "no space left on the disk for x"),
        (PermissionError(13, "Permission denied", "x"), "Cannot use x: Permission denied"),
        (RecursionError("maximum"), "nested too deeply"),
        (KeyError("x"), "please report"),
    ],
)
def test_every_error_has_one_sentence(error, words):
    said = str(sentence(error))
    assert words in said and "\n" not in said
    assert str(sentence(InputError("as it is"))) == "as it is"


def test_paths_of_any_bytes_are_written_to(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xe4us.json"))
    check_output(path, ".json")
    write_text(path, "{}")
    assert path.read_text() == "{}"
