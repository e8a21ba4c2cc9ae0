"""NumPy files without pickle: loading a pickle can run any code, so none is ever loaded."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError

Array = npt.NDArray[Any]


class PickledArrayError(InputError):
    """An array of Python objects, which only pickle could load."""


def load_npy(path: Path) -> Array:
    """The array in a `.npy` file.

    Raises
    ------
    InputError
        If the file is missing, truncated or not a NumPy file, or needs pickle (`PickledArrayError`).
    """
    try:
        with path.open("rb") as stream:
            return _read(stream, str(path))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}; check the path.") from error


def load_npz(path: Path) -> dict[str, Array | None]:
    """The arrays in a `.npz` file by name; None for those that need pickle.

    Raises
    ------
    InputError
        If the file or one of its arrays is corrupt.
    """
    arrays: dict[str, Array | None] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                name = member.removesuffix(".npy")
                with archive.open(member) as stream:
                    try:
                        arrays[name] = _read(stream, f"{name} in {path}")
                    except PickledArrayError:
                        arrays[name] = None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path} is not a whole .npz file ({error}); copy it again or save it with numpy.savez."
        ) from error
    return arrays


def array_headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shapes and types of the arrays in a `.npz` file, by name; their values are not read.

    Raises
    ------
    InputError
        If the file is corrupt.
    """
    form: Any = np.lib.format
    headers = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    major, _ = form.read_magic(stream)
                    header = form.read_array_header_1_0 if major == 1 else form.read_array_header_2_0
                    shape, _, dtype = header(stream)
                    headers[member.removesuffix(".npy")] = shape, dtype
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is not a whole .npz file ({error}); copy it again.") from error
    return headers


def _read(stream: IO[bytes], what: str) -> Array:
    try:
        return cast(Array, np.lib.format.read_array(stream, allow_pickle=False))  # type: ignore[no-untyped-call]
    except (ValueError, EOFError, TokenError) as error:  # NumPy parses the header as Python
        if "Object arrays" in str(error):
            raise PickledArrayError(
                f"{what} holds pickled Python objects, which could run any code when opened and are never loaded; "
                "save it as a plain numeric array."
            ) from error
        raise InputError(
            f"{what} is truncated or not a NumPy array; copy it again or save it with numpy.save."
        ) from error
