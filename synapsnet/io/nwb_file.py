"""Opening NWB files, on this machine or at a URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from synapsnet.errors import InputError
from synapsnet.io.hdf5 import open_hdf5
from synapsnet.io.reader import Notify

if TYPE_CHECKING:
    from pynwb import NWBFile

BLOCK_S, SILENT_S = 45.0, 15.0  # time limits for one block, and for the server's first answer
URL = re.compile(r"(https?):/+(.+)")  # a Path keeps only one slash
BLOCK_BYTES = 2**20
DISPENSABLE = ("processing/", "acquisition/", "stimulus/", "intervals/", "analysis/", "scratch/")
MOST_BROKEN, MOST_REPAIRED_BYTES = 20, 2**31


def url_of(path: Path) -> str | None:
    """The URL that was converted to a path; None for an ordinary path."""
    url = URL.fullmatch(path.as_posix())
    return None if url is None else f"{url[1]}://{url[2]}"


def name_of(path: Path) -> str:
    """The name of a file, without the query of a URL, which may be secret."""
    url = url_of(path)
    return path.resolve().name if url is None else Path(urlsplit(url).path).name


@contextmanager
def opened(path: Path, notify: Notify | None = None) -> Iterator[NWBFile]:
    """The opened file; damage or a lost connection, found at once or while reading, becomes an InputError.

    Series that break the rules of NWB are left out and reported to `notify`.
    """
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
                    file = _read(stack, path, notify)
                else:
                    remote = stack.enter_context(open_hdf5(stack.enter_context(_remote(url))))
                    file = stack.enter_context(NWBHDF5IO(file=remote)).read()
            except InputError:
                raise
            except lost:
                raise
            except Exception as error:  # h5py, hdmf and pynwb each have their own errors for a damaged file
                raise InputError(damaged if url is not None else _cause(path) or damaged) from error
            try:
                yield file
            except lost:
                raise
            except (OSError, KeyError) as error:
                raise InputError(damaged) from error
    except lost as error:
        raise InputError(f"Cannot read {url} ({type(error).__name__}); check the address and the network.") from error


def _read(stack: ExitStack, path: Path, notify: Notify | None) -> NWBFile:
    """The file, without the series that pynwb refuses, which are taken out of a copy in memory."""
    from hdmf.build.errors import ConstructError
    from pynwb import NWBHDF5IO

    source, in_memory = stack.enter_context(open_hdf5(path)), False
    for _ in range(MOST_BROKEN):
        try:
            return stack.enter_context(NWBHDF5IO(file=source, mode="r")).read()
        except ConstructError as error:
            builder, reason = error.args
            series, reason = builder.path.removeprefix("root/"), str(reason).rpartition("due to: ")[2]
            if notify is None or not series.startswith(DISPENSABLE) or path.stat().st_size > MOST_REPAIRED_BYTES:
                raise InputError(f"{series} in {path} breaks the rules of NWB ({reason}); repair it.") from error
            notify(f"Warning: {series} is left out, because it breaks the rules of NWB ({reason}).")
            if not in_memory:
                source, in_memory = stack.enter_context(open_hdf5(BytesIO(path.read_bytes()), "a")), True
            del source[series]
    raise InputError(f"{path} has more than {MOST_BROKEN} series that break the rules of NWB; export it again.")


def _cause(path: Path) -> str | None:
    """Why a complete file cannot be read; None if it is damaged or the reason is unknown."""
    try:
        with open_hdf5(path) as file:
            version = file["nwb_version"][()] if "nwb_version" in file else None
    except (OSError, KeyError, TypeError):
        return None
    if version is None:
        return None
    name = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
    return (
        f"{path} is in version {name.removeprefix('NWB-')} of NWB, from before 2019, which differs from NWB 2 and is "
        "not read; look for the session in NWB 2 (on DANDI), or save its activity as .npz or .csv."
    )


def _lost_connection(url: str) -> tuple[type[Exception], ...]:
    """The errors raised if a URL does not exist or does not respond."""
    try:
        import aiohttp
        import fsspec  # noqa: F401
    except ImportError as error:
        raise InputError(f"Reading {url} needs an extra; pip install 'synapsnet[remote]', or download it.") from error
    return FileNotFoundError, TimeoutError, aiohttp.ClientError


def _remote(url: str) -> IO[bytes]:
    """A file at a URL, of which blocks are fetched as they are needed."""
    import aiohttp
    import fsspec

    patience = {"timeout": aiohttp.ClientTimeout(total=BLOCK_S, sock_connect=SILENT_S, sock_read=SILENT_S)}
    return fsspec.filesystem("http", client_kwargs=patience).open(url, cache_type="blockcache", block_size=BLOCK_BYTES)
