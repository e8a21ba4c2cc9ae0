"""Errors that reach a user as a sentence instead of a traceback."""

from __future__ import annotations

import difflib
import errno
import os
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from synapsnet.printable import printable

_LONGEST = 300  # characters of another library's message
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# PyTorch has no MemoryError: it raises RuntimeErrors, in these words
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "storage size", "buffer size")
# Which extra of the package brings a module, see pyproject.toml
EXTRAS = {
    "plotly": "report",
    "jinja2": "report",
    "markupsafe": "report",
    "hypothesis": "check",
    "dask": "benchmark",
    "distributed": "benchmark",
    "pyarrow": "benchmark",
    "matplotlib": "benchmark",
}


class InputError(ValueError):
    """Input that cannot be used as given.

    The message is one sentence that says what was expected, what was given and what to do. The command line prints it
    and exits with code 2; Python callers catch it as a `ValueError`. It is made printable, see `synapsnet.printable`.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(printable(sentence))


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for an unknown name; its sentence suggests the closest known one."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
    return InputError(f"There is no {kind} {name!r}; did you mean {nearest!r}? There are: {', '.join(names)}.")


def sentence(error: BaseException, otherwise: str | None = None) -> InputError:
    """Turn an error of any library into a sentence, where a file is read and at the very end of a command.

    Parameters
    ----------
    error : exception
    otherwise : str, optional
        How to introduce an error that is not about memory, disk space, files or a missing extra. Default: that the
        fault is SynapsNet's.
    """
    if isinstance(error, InputError):
        return error
    words = first_line(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _NO_MEMORY)
    ):
        return InputError(
            "This needs more memory than is available; use fewer neurons, larger time steps or a shorter recording "
            f"({words})."
        )
    if (isinstance(error, OSError) and error.errno in _NO_ROOM) or "No space left on device" in str(error):
        where = f" for {error.filename}" if isinstance(error, OSError) and error.filename else ""
        return InputError(f"There is no space left on the disk{where}; make room.")
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return InputError(f"Cannot use {os.fsdecode(error.filename)}: {error.strerror or error}; choose another.")
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").partition(".")[0])):
        return InputError(f"This needs {error.name}, which is not installed: pip install 'synapsnet[{extra}]'.")
    if isinstance(error, RecursionError):
        words = "it is nested too deeply"
    if otherwise is not None:
        return InputError(f"{otherwise} ({words}).")
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in last)
    return InputError(
        f"SynapsNet failed where it should not have ({words}{place}); please report it, with what the command prints "
        "when SYNAPSNET_TRACEBACK=1 is set."
    )


@contextmanager
def border(otherwise: str) -> Iterator[None]:
    """Wrap the reading of files from elsewhere: whatever a library raises becomes a sentence.

    Problems that can be foreseen are refused by the reader itself, which can give better advice.

    Parameters
    ----------
    otherwise : str
        See `sentence`.

    Raises
    ------
    InputError
        If the block raises anything.
    """
    try:
        yield
    except Exception as error:
        raise sentence(error, otherwise) from error


def first_line(error: BaseException) -> str:
    """The error's own words: its type and the first line of its message."""
    first = (str(error).strip().splitlines() or [""])[0]
    first = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}..."
    return f"{type(error).__name__}: {first}".rstrip(".") if first else type(error).__name__
