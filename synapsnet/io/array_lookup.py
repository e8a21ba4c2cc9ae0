"""Finding arrays by name among those of a file, for `synapsnet.io.arrays`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from synapsnet.errors import InputError
from synapsnet.io.labels import looks_like_quality
from synapsnet.io.npy import Array

Arrays = Mapping[str, Array | None]  # by name; None for those that are pickled


def obvious_activity(arrays: Arrays, path: Path, exclude: set[str | None]) -> str:
    """Name of the array called `activity`, or else of the only one that can be it; three dimensions come first."""
    numeric = {
        name: a
        for name, a in arrays.items()
        if a is not None and a.dtype.kind in "iufb" and name not in exclude and not looks_like_quality(name)
    }
    if "activity" in numeric:
        return "activity"
    for ndim in (3, 2):
        names = [name for name, array in numeric.items() if array.ndim == ndim]
        if len(names) == 1:
            return names[0]
        if names:
            break
    if not numeric:
        held = f"; it holds {_listing(arrays)}" if arrays else ""
        raise InputError(f"{path} has no array of numbers that could be the activity{held}; save one, time x neurons.")
    raise InputError(
        f"{path} has no single array that is obviously the activity; choose one with key (--key) among "
        f"{_listing(arrays)}."
    )


def numeric(arrays: Arrays, name: str, path: Path) -> Array:
    """The array of that name; InputError if there is none, or it is not one of numbers."""
    if name not in arrays:
        raise InputError(f"{path} has no array {name!r}; it holds {_listing(arrays)}.")
    array = arrays[name]
    if array is None or array.dtype.kind not in "iufb":
        kind = "pickled Python objects, which are never loaded" if array is None else f"values of type {array.dtype}"
        raise InputError(f"The array {name} in {path} must be numeric; it holds {kind}.")
    return array


def is_column(array: Array | None, length: int) -> bool:
    """Whether it is a list of so many numbers."""
    return array is not None and array.dtype.kind in "iuf" and array.shape in ((length,), (length, 1))


def scalar(arrays: Arrays, names: tuple[str, ...]) -> float | None:
    """The first number under one of these names; None if there is none."""
    for name in names:
        array = arrays.get(name)
        if array is not None and array.size == 1 and array.dtype.kind in "iuf":
            return float(array.item())
    return None


def _listing(arrays: Arrays) -> str:
    return ", ".join(
        f"{name} ({'pickled' if array is None else 'x'.join(map(str, array.shape)) or 'scalar'})"
        for name, array in arrays.items()
    )
