"""Text of other programs, whose encoding is not stated."""

from __future__ import annotations

from pathlib import Path

from synapsnet.errors import InputError


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or else in Windows' cp1252, which older programs write.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}; check the path.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
