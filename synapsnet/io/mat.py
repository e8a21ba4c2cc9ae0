"""MATLAB files, of the older format (SciPy) and of version 7.3, which is HDF5 with all axes reversed (h5py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet.errors import InputError
from synapsnet.io.hdf5 import opened

# Arrays, lists of the contents of cells, or arrays of objects if these have several axes, texts, and dictionaries of
# them for structs.
Variables = dict[str, Any]


def variable_names(path: Path) -> list[str]:
    """Names of the variables in a file; empty if it is damaged."""
    import h5py
    from scipy.io import whosmat

    try:
        if h5py.is_hdf5(path):
            with opened(path) as file:
                return [name for name in file if not name.startswith("#")]
        return [name for name, _, _ in whosmat(path)]
    except Exception:  # SciPy has many errors for a damaged file; its reader reports them
        return []


def load_mat(path: Path, names: Sequence[str] | None = None) -> Variables:
    """Variables of a file by name, by default all.

    Raises
    ------
    InputError
        If it is damaged.
    """
    import h5py
    from scipy.io import loadmat

    if h5py.is_hdf5(path):
        with opened(path) as file:
            return {name: _from_hdf5(file[name], file) for name in file if _wanted(name, names)}
    try:
        variables = loadmat(path, variable_names=names, simplify_cells=True)
    except Exception as error:  # SciPy has many errors for a damaged file
        raise InputError(f"{path} is not a whole MATLAB file ({error}); copy or download it again.") from error
    return {name: _from_scipy(variables[name]) for name in variables if _wanted(name, names)}


def _wanted(name: str, names: Sequence[str] | None) -> bool:
    return not name.startswith(("#", "__")) and (names is None or name in names)


def _from_scipy(item: Any) -> Any:
    if isinstance(item, dict):
        return {name: _from_scipy(value) for name, value in item.items()}
    if hasattr(item, "_fieldnames"):  # a struct in an array of several axes
        return {name: _from_scipy(getattr(item, name)) for name in item._fieldnames}
    if isinstance(item, list) or (isinstance(item, np.ndarray) and item.dtype == object):
        cells = np.asarray(item, object)
        return _cells([_from_scipy(value) for value in cells.reshape(-1)], cells.shape)
    return item


def _from_hdf5(item: Any, file: Any) -> Any:
    """An array with its axes as in MATLAB, or what a struct or cell array holds."""
    import h5py

    if hasattr(item, "keys"):
        return {name: _from_hdf5(item[name], file) for name in item}
    values = item[()]
    if item.attrs.get("MATLAB_empty", 0):
        return np.zeros(0)
    if h5py.check_ref_dtype(item.dtype) is not None:
        cells = np.asarray(values).T
        return _cells([_from_hdf5(file[reference], file) for reference in cells.reshape(-1)], cells.shape)
    if item.attrs.get("MATLAB_class", b"") == b"char":
        return "".join(map(chr, np.asarray(values).T.reshape(-1)))
    return np.asarray(values).T


def _cells(contents: list[Any], shape: tuple[int, ...]) -> Any:
    """The contents of cells; of an array of structs a struct of cells."""
    if contents and all(isinstance(cell, dict) for cell in contents):
        return {name: _shaped([cell.get(name) for cell in contents], shape) for name in contents[0]}
    return _shaped(contents, shape)


def _shaped(contents: list[Any], shape: tuple[int, ...]) -> Any:
    """A list, or an array of objects where more than one axis is longer than 1."""
    if sum(length > 1 for length in shape) < 2:
        return contents
    cells = np.empty(shape, object)
    for place, content in zip(np.ndindex(shape), contents, strict=True):
        cells[place] = content
    return cells
