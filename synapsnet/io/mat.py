"""MATLAB files, of the older format (SciPy) and of version 7.3, which is HDF5 with all axes reversed (h5py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet.errors import InputError
from synapsnet.io.hdf5 import opened

Variables = dict[str, Any]  # arrays, lists of the contents of cells, texts, and dictionaries of them for structs


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
    if isinstance(item, list) or (isinstance(item, np.ndarray) and item.dtype == object):
        return _cells([_from_scipy(value) for value in np.asarray(item, object).reshape(-1)])
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
        return _cells([_from_hdf5(file[reference], file) for reference in np.asarray(values).T.reshape(-1)])
    if item.attrs.get("MATLAB_class", b"") == b"char":
        return "".join(map(chr, np.asarray(values).T.reshape(-1)))
    return np.asarray(values).T


def _cells(contents: list[Any]) -> Any:
    """The contents of cells; of an array of structs a struct of lists."""
    if contents and all(isinstance(cell, dict) for cell in contents):
        return {name: [cell.get(name) for cell in contents] for name in contents[0]}
    return contents
