"""Opening NWB files, on this machine or at a URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import h5py

from synapsnet.errors import InputError

if TYPE_CHECKING:
    from pynwb import NWBFile

URL = re.compile(r"(https?):/+(.+)")  # a Path has only one slash
BLOCK_BYTES = 2**20


def url_of(path: Path) -> str | None:
    """The URL that was made into a path; None if it is a path."""
    found = URL.fullmatch(path.as_posix())
    return None if found is None else f"{found[1]}://{found[2]}"


@contextmanager
def opened(path: Path) -> Iterator[NWBFile]:
    """The opened file; damage or a lost connection, found at once or while reading, becomes an InputError."""
    from pynwb import NWBHDF5IO

    url = url_of(path)
    lost: tuple[type[Exception], ...] = () if url is None else _lost_connection(url)
    damaged = f"{url or path} is not a whole NWB file (truncated, or of another format); copy or download it again."
    try:
        with ExitStack() as stack:
            try:
                if url is None:
                    if not path.is_file():
                        raise InputError(f"{path} does not exist; check the path.")
                    io = stack.enter_context(NWBHDF5IO(str(path), "r"))
                else:
                    remote = stack.enter_context(h5py.File(stack.enter_context(_remote(url)), "r"))
                    io = stack.enter_context(NWBHDF5IO(file=remote))
                file = io.read()
            except InputError:
                raise
            except lost:
                raise
            except Exception as error:  # h5py, hdmf and pynwb each have their own errors for a damaged file
                raise InputError(damaged) from error
            try:
                yield file
            except lost:
                raise
            except (OSError, KeyError) as error:
                raise InputError(damaged) from error
    except lost as error:
        raise InputError(f"Cannot read {url} ({type(error).__name__}); check the address and the network.") from error


def _lost_connection(url: str) -> tuple[type[Exception], ...]:
    """What is raised where a URL is not there, or does not answer."""
    try:
        import aiohttp
        import fsspec  # noqa: F401
    except ImportError as error:
        raise InputError(f"Reading {url} needs an extra; pip install 'synapsnet[remote]', or download it.") from error
    return FileNotFoundError, TimeoutError, aiohttp.ClientError


def _remote(url: str) -> IO[bytes]:
    """A file at a URL, of which blocks are fetched as they are needed."""
    import fsspec

    return fsspec.filesystem("http").open(url, cache_type="blockcache", block_size=BLOCK_BYTES)
