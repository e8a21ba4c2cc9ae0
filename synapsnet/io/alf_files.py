"""Files of ALF folders, found by object and attribute, whatever precedes or follows these in the name."""

from __future__ import annotations

import re
from pathlib import Path

from synapsnet.errors import InputError
from synapsnet.io.npy import Array, load_npy


def find_file(folder: Path, name: str) -> Path | None:
    """The file of `object.attribute` in a folder."""
    named = re.compile(rf"(_[a-zA-Z0-9]+_)?{re.escape(name)}(\.[\w-]+)?\.(npy|tsv|pqt)")
    return next((file for file in sorted(folder.iterdir()) if named.fullmatch(file.name)), None)


def load(folder: Path, name: str, length: int | None = None) -> Array | None:
    """The array `object.attribute`, flat if it is a single column; None where there is no such file.

    Raises
    ------
    InputError
        If the file cannot be read or does not have `length` rows.
    """
    file = find_file(folder, name)
    if file is None:
        return None
    array = load_npy(file)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if length is not None and len(array) != length:
        raise InputError(f"{file} must have a row for each of {length} clusters; it has {len(array)}.")
    return array


def load_needed(folder: Path, name: str) -> Array:
    """The array `object.attribute`; InputError if there is none."""
    array = load(folder, name)
    if array is None:
        raise InputError(f"The ALF folder {folder} has no {name}.npy; copy the whole folder.")
    return array
