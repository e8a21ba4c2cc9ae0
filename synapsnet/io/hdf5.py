"""HDF5 files of others, opened so that damage ends in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from synapsnet.errors import InputError

if TYPE_CHECKING:
    import h5py


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The opened file.

    Raises
    ------
    InputError
        If it is damaged, which may show at once or while reading.
    """
    import h5py

    damaged = f"{path} is not a whole HDF5 file (truncated, or of another format); copy or download it again."
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(damaged) from error
    with file:
        try:
            yield file
        except OSError as error:
            raise InputError(damaged) from error
