"""The contents of a file or folder: names and shapes, without reading the data."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from synapsnet.errors import InputError
from synapsnet.io.hdf5 import opened
from synapsnet.wording import listed

MOST = 20  # names that are shown
HDF5 = (".hdf5", ".h5", ".mat")


def contents(path: Path) -> str:
    """Names and shapes in a folder, or in a file of arrays; empty for files of other kinds.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    names = list(_names(path))
    return listed(names, MOST)


def _names(path: Path) -> Iterator[str]:
    import h5py

    if path.is_dir():
        yield from sorted(f"{item.name}/" if item.is_dir() else item.name for item in path.iterdir())
    elif path.suffix == ".npz":
        yield from _npz(path)
    elif path.suffix in HDF5 and h5py.is_hdf5(path):
        with opened(path) as file:
            yield from _datasets(file, "", levels=2)
    elif path.suffix == ".mat":
        yield from _matlab(path)


def _npz(path: Path) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    shape, dtype = _header(stream)
                    name = member.removesuffix(".npy")
                    yield f"{name} (pickled)" if dtype.hasobject else _shaped(name, shape)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise InputError(
            f"{path} is not a whole .npz file ({error}); copy it again or save it with numpy.savez."
        ) from error


def _matlab(path: Path) -> Iterator[str]:
    from scipy.io import whosmat

    try:
        variables = whosmat(path)
    except Exception as error:  # SciPy raises many kinds of errors for a damaged file
        raise InputError(f"{path} is not a whole MATLAB file ({error}); copy or download it again.") from error
    yield from (_shaped(name, shape) for name, shape, _ in variables)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    form: Any = np.lib.format
    major, _ = form.read_magic(stream)
    shape, _, dtype = form.read_array_header_1_0(stream) if major == 1 else form.read_array_header_2_0(stream)
    return shape, dtype


def _datasets(group: Any, prefix: str, levels: int) -> Iterator[str]:
    """The datasets that are arrays, down to the given number of levels."""
    for name, item in group.items():
        if hasattr(item, "shape"):
            if item.shape:
                yield _shaped(f"{prefix}{name}", item.shape)
        elif levels > 1:
            yield from _datasets(item, f"{prefix}{name}/", levels - 1)


def _shaped(name: str, shape: tuple[int, ...]) -> str:
    return f"{name} ({'x'.join(map(str, shape)) or 'scalar'})"
