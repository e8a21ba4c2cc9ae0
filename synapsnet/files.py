"""Outputs: checked before the work, whole or absent, and written by one process at a time.

New content is written under a temporary name and then renamed, so the old content survives until the new is complete.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from safetensors import SafetensorError

from synapsnet.errors import InputError, first_line


def check_output(path: str | Path, *suffixes: str, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse an output file that cannot be written, before the work starts.

    Parameters
    ----------
    path : path
    *suffixes : str
        Permitted endings of its name; by default any.
    inputs : paths
        Files that are read, which the output must not replace.

    Raises
    ------
    InputError
        If the name has another ending or is too long, `path` is a folder, a device or one of the inputs, or it or its
        folder is missing or not writable.
    """
    path = Path(path)
    if suffixes and path.suffix not in suffixes:
        raise InputError(f"The output must be named *{' or *'.join(suffixes)}; got {path}.")
    target = _target(path)
    with _cannot_write(path):
        if not target.parent.is_dir():
            raise InputError(f"The folder of {path} does not exist; create it first.")
        if not (os.access(target.parent, os.W_OK | os.X_OK) and (os.access(target, os.W_OK) or not target.exists())):
            raise InputError(f"Cannot write {path}: permission denied; choose a folder that is writable.")
        if any(target.exists() and os.path.exists(source) and target.samefile(source) for source in inputs):  # noqa: PTH110
            raise InputError(f"{path} is the input and would be replaced; give the output another name.")


def check_folder(folder: str | Path, *, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse an output folder that cannot be made or written to, before the work starts; the folder is not made yet.

    Parameters
    ----------
    folder : path
    inputs : paths
        Files that are read, which must not lie in the folder.

    Raises
    ------
    InputError
        If it is a file, cannot be made or written to, or an input lies in it.
    """
    folder = Path(folder)
    with _cannot_write(folder):
        existing = folder.absolute()
        while not (existing.exists() or existing.is_symlink()):
            existing = existing.parent
        if not existing.is_dir():
            what = "it is a file" if existing == folder.absolute() else f"{existing} is a file"
            raise InputError(f"Cannot write into {folder}: {what}; give a folder (-o).")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise InputError(f"Cannot write into {folder}: permission denied; choose another folder.")
        inside = folder.resolve()
        for source in inputs:
            if inside in Path(source).resolve().parents:
                raise InputError(f"The input {source} lies in {folder}; write into another folder.")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds.

    An interruption leaves the previous content, never half a file. The temporary name keeps the suffix, because some
    writers choose the format by it.

    Raises
    ------
    InputError
        If `path` is a folder or a device, the folder it lies in does not exist or cannot be written to, or there is no
        space left on the disk.
    """
    with atomic_paths(path) as (temporary,):
        yield temporary


@contextmanager
def atomic_paths(*paths: str | Path) -> Iterator[tuple[Path, ...]]:
    """`atomic_path` for files that belong together: all are written before any is replaced, in the order given."""
    temporary: list[Path] = []
    with ExitStack() as unfinished:
        targets = [_target(Path(path)) for path in paths]
        for path, target in zip(paths, targets, strict=True):
            with _cannot_write(path):
                # short, so that the temporary name is never too long where the name itself is not
                handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:20]}-", suffix=target.suffix)
            os.close(handle)
            temporary.append(Path(name))
            unfinished.callback(temporary[-1].unlink, missing_ok=True)
        with _cannot_write(paths[0]):
            yield tuple(temporary)
            umask = os.umask(0)
            os.umask(umask)
            for file in temporary:
                file.chmod(0o666 & ~umask)  # mkstemp makes it private
            for file, target in zip(temporary, targets, strict=True):
                file.replace(target)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents if they do not exist; InputError if that fails."""
    with _cannot_write(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` atomically as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes that ask for the same lock; the system releases that of a killed process.

    Raises
    ------
    InputError
        If another process is at work in it.
    """
    handle = os.open(folder, os.O_RDONLY)  # locks the folder itself, so that no lock file is left behind
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another process is at work in {folder}; wait until it has ended, or give another folder."
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)


def _target(path: Path) -> Path:
    """The regular file that is to be replaced, with links followed."""
    with _cannot_write(path):
        try:
            path.stat()  # which refuses names that are too long, and loops of links
        except FileNotFoundError:
            return path.resolve()
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            raise InputError(f"Cannot write {path}: it is {what}; give the name of a file.")
        return path.resolve()


@contextmanager
def _cannot_write(path: str | Path) -> Iterator[None]:
    """Turn the error of the system, or of a library that writes a file, into a sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:  # a SafetensorError is no OSError, on a full disk either
        if "No space left" in str(error) or "quota" in str(error).lower():
            raise InputError(f"There is no space left on the disk for {path}; make room.") from error
        why = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise InputError(f"Cannot write {path}: {why}; choose a folder that exists and is writable.") from error
