"""Zarr groups as arrays by name, without the codecs that run what a file brings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synapsnet.errors import InputError
from synapsnet.io.npy import Array
from synapsnet.io.text import read_text

UNSAFE = re.compile(r'"(numcodecs\.)?pickle"')  # the codec that unpickles, by its names in formats 2 and 3
MARKS = (".zgroup", ".zarray", "zarr.json")


class Group(NamedTuple):
    """Arrays by name, with `/` after the name of a group, the names of their axes, and the attributes of the group."""

    arrays: dict[str, Array]
    axes: dict[str, tuple[str, ...]]
    attributes: dict[str, Any]


def is_zarr(path: Path) -> bool:
    """Whether `path` is the folder of a Zarr group or array."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def array_names(path: Path) -> list[str]:
    """Names of the arrays in a group, by its files; that of a single array is empty."""
    return sorted(mark.parent.relative_to(path).as_posix().removeprefix(".") for mark in _marks(path))


def load_zarr(path: Path, *, at_most: int = 2**34) -> Group:
    """All arrays of a group.

    Parameters
    ----------
    path : Path
    at_most : int
        Largest size in bytes of an array that is read; larger ones are left out.

    Raises
    ------
    InputError
        If zarr is not installed, the group is damaged, or an array is pickled.
    """
    try:
        import zarr
    except ImportError as error:
        raise InputError(f"Reading {path} needs an extra; pip install 'synapsnet[zarr]'.") from error
    arrays, axes = {}, {}
    try:
        for mark in _marks(path):
            name = mark.parent.relative_to(path).as_posix().removeprefix(".") or path.stem
            if UNSAFE.search(read_text(mark)):  # before zarr opens it
                raise InputError(f"{name} in {path} is pickled, which could run any code; save it as a plain array.")
            item = zarr.open_array(str(mark.parent), mode="r")
            if item.nbytes <= at_most:
                arrays[name] = np.asarray(item[...])
                named = (
                    item.attrs.get("_ARRAY_DIMENSIONS")
                    or getattr(getattr(item, "metadata", None), "dimension_names", None)
                    or ()
                )
                axes[name] = tuple(map(str, named))
        return Group(arrays, axes, dict(zarr.open(str(path), mode="r").attrs))
    except InputError:
        raise
    except Exception as error:  # zarr and its codecs have many errors for damaged groups
        raise InputError(
            f"{path} is not a whole Zarr group ({type(error).__name__}: {error}); copy it again."
        ) from error


def _marks(path: Path) -> list[Path]:
    """Files that describe the arrays in a group, of versions 2 and 3 of Zarr."""
    third = [mark for mark in path.glob("**/zarr.json") if '"array"' in read_text(mark)]
    return sorted([*path.glob("**/.zarray"), *third])
