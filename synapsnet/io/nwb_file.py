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
    """The opened file; damage, found at once or while reading, becomes an InputError."""
    from pynwb import NWBHDF5IO

    url = url_of(path)
    damaged = f"{url or path} is not a whole NWB file (truncated, or of another format); copy or download it again."
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
        except Exception as error:  # h5py, hdmf and pynwb each have their own errors for a damaged file
            raise InputError(damaged) from error
        try:
            yield file
        except (OSError, KeyError) as error:
            raise InputError(damaged) from error


def _remote(url: str) -> IO[bytes]:
    """A file at a URL, of which blocks are fetched as they are needed."""
    try:
        import aiohttp
        import fsspec
    except ImportError as error:
        raise InputError(f"Reading {url} needs an extra; pip install 'synapsnet[remote]', or download it.") from error
    try:
        return fsspec.filesystem("http").open(url, cache_type="blockcache", block_size=BLOCK_BYTES)
    except (OSError, ValueError, aiohttp.ClientError) as error:
        raise InputError(f"Cannot reach {url} ({type(error).__name__}); check the address and the network.") from error
