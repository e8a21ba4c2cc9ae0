"""Fetching a data set: its files into a folder, each complete and checked, or not there."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from synapsnet.datasets.archives import Listing, RemoteFile, list_files, with_checksum
from synapsnet.datasets.download import Resuming
from synapsnet.datasets.registry import Dataset
from synapsnet.datasets.unpack import unpack, unpacked_folder
from synapsnet.errors import InputError
from synapsnet.files import write_text

CHECKSUMS = "checksums.json"

Notify = Callable[[str], None]
Progress = Callable[[str, float], None]


def fetch(dataset: Dataset, folder: Path, *, session: str | None, notify: Notify, progress: Progress) -> list[Path]:
    """Download a data set, or one session of it, into `folder`, and unpack what is packed.

    What is there already is checked and not downloaded again. An interrupted download goes on where it stopped. The
    checksum of a file is the archive's, where that states one; after the first fetch it is kept in `checksums.json`,
    and a file that differs from it is refused.

    Parameters
    ----------
    session : str or None
        Part of the path of the files that are wanted, for example a subject or a date; None is all.
    notify : callable
        Receives the licence, the citation, and a line for what is done.
    progress : callable
        Receives a file's path and the fraction of it that is there.

    Returns
    -------
    list of path
        The files, and the folders of what was unpacked.

    Raises
    ------
    InputError
        If the session is unknown, the disk has no room, the archive cannot be reached or sends something else, or
        `pooch` is not installed.
    """
    _pooch()
    listing = list_files(dataset)
    files = choose(dataset, listing, session)
    licence = listing.licence or dataset.licence or "not stated"
    notify(f"Licence: {licence}. Cite {dataset.citation}; the data are at {dataset.address}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire()  # two at once would write into the same partial file
    except OSError as error:
        raise InputError(f"Cannot write to {folder}: {error.strerror}; give another folder (-o).") from error
    with lock:
        _require_room(folder, files)
        return [_fetch_file(file, folder, notify, progress) for file in files]


def choose(dataset: Dataset, listing: Listing, session: str | None) -> list[RemoteFile]:
    """The files whose path contains `session`, in upper or lower case; all without one.

    Raises
    ------
    InputError
        If there is none.
    """
    selected = [file for file in listing.files if session is None or session.lower() in file.path.lower()]
    if not selected:
        examples = ", ".join(file.path for file in listing.files[:10])
        more = f" and {len(listing.files) - 10} more" if len(listing.files) > 10 else ""
        raise InputError(f"No file of {dataset.name} matches {session!r}; its files are {examples or 'none'}{more}.")
    return selected


def _require_room(folder: Path, files: list[RemoteFile]) -> None:
    missing = sum(file.size for file in files if not (folder / file.path).exists())
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise InputError(
            f"{missing / 1e9:,.1f} GB are still to be fetched, but only {free / 1e9:,.1f} GB are free at {folder}; "
            "make room, or choose a part with --session."
        )


def _fetch_file(file: RemoteFile, folder: Path, notify: Notify, progress: Progress) -> Path:
    """A file of the data set on the disk, checked, or the folder of what was packed in it."""
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    recorded = _checksums(folder).get(file.path)
    checksum = recorded or with_checksum(file).checksum
    if path.exists() and recorded is None and not _matches(path, file.size, checksum):
        raise InputError(
            f"{path} exists and differs from the archive's file; move it away, or give another folder (-o)."
        )
    resuming = Resuming(
        path.with_name(f".{path.name}.part"), file.size, lambda there: progress(file.path, there / max(file.size, 1))
    )
    try:
        _pooch().retrieve(file.url, checksum, fname=file.path, path=folder, downloader=resuming)
    except InputError:
        raise
    except ValueError as error:
        whose = f"first fetched (see {folder / CHECKSUMS})" if recorded else "announced by the archive"
        raise InputError(f"{file.url} sent a {file.path} that is not the one {whose}; it was deleted.") from error
    if recorded is None:
        _record(folder, file.path, f"sha256:{_pooch().file_hash(str(path))}")
    notify(f"{path}: {file.size / 1e6:,.1f} MB, checked.")
    target = unpacked_folder(path)
    if target is None or target.is_dir():
        return target or path
    return unpack(path, named=PurePosixPath(urlsplit(file.url).path).name)


def _matches(path: Path, size: int, checksum: str | None) -> bool:
    """Whether a file that somebody put there can be the one that is wanted."""
    if path.stat().st_size != size or checksum is None:
        return path.stat().st_size == size
    algorithm, _, digest = checksum.partition(":")
    return bool(_pooch().file_hash(str(path), alg=algorithm) == digest)


def _checksums(folder: Path) -> dict[str, str]:
    """Checksums by path, of what was fetched into this folder before."""
    try:
        checksums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        if not isinstance(checksums, dict) or not all(isinstance(value, str) for value in checksums.values()):
            raise ValueError("it is no table of checksums")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(
            f"{folder / CHECKSUMS} is damaged ({error}); delete it to have the files checked again."
        ) from error
    return checksums


def _record(folder: Path, path: str, checksum: str) -> None:
    write_text(folder / CHECKSUMS, json.dumps(_checksums(folder) | {path: checksum}, indent=2, sort_keys=True) + "\n")


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise InputError("Fetching needs pooch; install it with `pip install synapsnet[datasets]`.") from error
    pooch.get_logger().setLevel(logging.WARNING)  # the caller is told, not the log
    return pooch
