"""Activity that may be larger than the memory at hand.

Small arrays are in memory. Large ones lie in a temporary file that has no name and is mapped into memory: the operating
system keeps as much of it in memory as there is room for, writes the rest to disk, and removes all of it with the
array. The folder is that of Python's `tempfile`, which the variable TMPDIR chooses; where it is itself in memory
(tmpfs), nothing is gained. What goes through a whole array does so block by block (`blocks`).
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError

LARGE_BYTES = 2**30
BLOCK_BYTES = 2**25

Float32 = npt.NDArray[np.float32]
Fill = Callable[[Float32, int], None]


class _Pages(mmap.mmap):
    """Memory that is backed by a temporary file."""


def filled(shape: tuple[int, int], fill: Fill) -> Float32:
    """A new array, filled block by block; one of more than `LARGE_BYTES` lies in a temporary file.

    Parameters
    ----------
    shape : (T, N)
    fill : callable
        `fill(block, start)` writes into all of `block` the rows that begin with the row `start` of the array.

    Returns
    -------
    (T, N) float32 array, which may be written to.

    Raises
    ------
    InputError
        If the folder of temporary files has no room for a large array.
    """
    if not is_large(shape):
        array = np.empty(shape, np.float32)
        for rows in rows_in_blocks(*shape):
            fill(array[rows], rows.start)
        return array
    return np.frombuffer(_pages(shape, fill), np.float32).reshape(shape)


def zeros(shape: tuple[int, int]) -> Float32:
    """A new array of zeros, to be written to; see `filled`."""
    return filled(shape, lambda block, start: block.fill(0))


def is_large(shape: tuple[int, int]) -> bool:
    """Whether an array of this shape would lie in a temporary file."""
    return 4 * shape[0] * shape[1] > LARGE_BYTES


def blocks(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """The rows of an array, block by block; of a large array only one block is in memory at a time."""
    for rows in rows_in_blocks(*array.shape):
        yield array[rows]
        give_back(array)


def rows_in_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """The rows of each block of an array of this shape."""
    at_once = _rows_at_once(n_columns)
    for start in range(0, n_rows, at_once):
        yield slice(start, min(start + at_once, n_rows))


def give_back(array: npt.NDArray[Any]) -> None:
    """Release the memory of a large array; it is read from its file again when next used."""
    owner: Any = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if isinstance(owner, _Pages) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _pages(shape: tuple[int, int], fill: Fill) -> _Pages:
    """The rows of an array, in a temporary file. Errors that `fill` raises are passed on."""
    n_rows, n_columns = shape
    n_bytes = 4 * n_rows * n_columns
    with _needs_room(shape):
        if shutil.disk_usage(tempfile.gettempdir()).free < n_bytes:
            raise OSError("there is not so much room")
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    try:
        buffer = np.empty((min(_rows_at_once(n_columns), n_rows), n_columns), np.float32)
        for rows in rows_in_blocks(*shape):
            block = buffer[: rows.stop - rows.start]
            fill(block, rows.start)
            with _needs_room(shape):
                file.write(block.data)
        with _needs_room(shape):
            file.flush()
            return _Pages(file.fileno(), n_bytes)
    finally:
        with _needs_room(shape):
            file.close()


@contextmanager
def _needs_room(shape: tuple[int, int]) -> Iterator[None]:
    """Turn an OSError about disk space into a sentence that says what to do."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{shape[0]} time steps of {shape[1]} neurons, {4 * shape[0] * shape[1] / 2**30:.3g} GiB, do not fit into "
            f"a temporary file in {tempfile.gettempdir()} ({error.strerror or error}); choose another folder (TMPDIR), "
            "wider bins (--bin), fewer neurons or less time."
        ) from error


def _rows_at_once(n_columns: int) -> int:
    return max(BLOCK_BYTES // (4 * max(n_columns, 1)), 1)
