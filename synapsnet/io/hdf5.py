"""HDF5 files from elsewhere, opened in one place: damage ends in a clear sentence, and other files are never read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from synapsnet.errors import InputError

if TYPE_CHECKING:
    import h5py


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The opened file.

    Raises
    ------
    InputError
        If it is damaged, which may show only while reading, or refers to other files.
    """
    damaged = f"{path} is not a whole HDF5 file (truncated, or of another format); copy or download it again."
    try:
        file = open_hdf5(path)
    except OSError as error:
        raise InputError(damaged) from error
    with file:
        try:
            yield file
        except OSError as error:
            raise InputError(damaged) from error


def open_hdf5(source: str | Path | IO[bytes], mode: str = "r") -> h5py.File:
    """Open an HDF5 file, unless it refers to another one: it could make us read any file of this machine.

    Parameters
    ----------
    source : path or file
    mode : {"r", "a"}

    Raises
    ------
    InputError
        If a dataset lies in another file (external storage, a virtual dataset) or a link leads to one.
    OSError
        If it is damaged.
    """
    import h5py

    file = h5py.File(source, mode)
    try:
        outside = file.visititems_links(lambda name, link: name if _leads_away(file, name, link) else None)
    except (RuntimeError, KeyError, ValueError) as error:  # h5py's errors for damaged files
        file.close()
        raise OSError(str(error)) from error
    if outside is not None:
        file.close()
        raise InputError(
            f"{outside} in {source} refers to another file (external storage or link), which is not read; store the "
            "data in the file itself."
        )
    return file


def _leads_away(file: h5py.File, name: str, link: Any) -> bool:
    """Whether a link leads to another file, or to a dataset stored in one; no data are read."""
    import h5py

    if not isinstance(link, h5py.HardLink):
        return isinstance(link, h5py.ExternalLink)
    try:
        item = file[name]
    except Exception:  # unknown to HDF5 or damaged, so that it cannot be read anyway
        return False
    if not isinstance(item, h5py.Dataset):
        return False
    return bool(item.external) or (item.is_virtual and any(part.file_name != "." for part in item.virtual_sources()))
