"""A cache of bytes on disk: compiled networks and simulated spikes.

An entry is one file that starts with a checksum of the rest. It is written atomically, so concurrent
processes and killed ones cannot leave half an entry, and an entry that was damaged later reads as absent.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock

from synapsnet.errors import InputError
from synapsnet.files import atomic_path

_CHECKSUM_BYTES = 32
_ABANDONED_AFTER_S = 7 * 24 * 3600.0


def cache_dir() -> Path:
    """Folder of the cache: `$SYNAPSNET_CACHE`, or the user's cache folder.

    Raises
    ------
    InputError
        If it cannot be created.
    """
    folder = Path(os.environ.get("SYNAPSNET_CACHE") or platformdirs.user_cache_dir("synapsnet"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot use the cache folder {folder}: {error.strerror}; set SYNAPSNET_CACHE to a writable folder."
        ) from error
    return folder


def load(key: str) -> bytes | None:
    """The bytes stored under `key`, or None if there are none or they are damaged."""
    try:
        entry = (cache_dir() / key).read_bytes()
    except FileNotFoundError:
        return None
    checksum, payload = entry[:_CHECKSUM_BYTES], entry[_CHECKSUM_BYTES:]
    return payload if hashlib.sha256(payload).digest() == checksum else None


def store(key: str, payload: bytes) -> None:
    """Keep `payload` under `key`, replacing what was there."""
    with atomic_path(cache_dir() / key) as temporary:
        temporary.write_bytes(hashlib.sha256(payload).digest() + payload)


def lock(key: str) -> FileLock:
    """A lock of all processes on `key`; the system releases that of a killed one."""
    return FileLock(cache_dir() / f"lock-{key}")


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private folder that is removed afterwards, whatever happens.

    Those of killed processes are removed by a later call, when they are a week old.
    """
    parent = cache_dir()
    for leftover in parent.glob("work-*"):
        with suppress(FileNotFoundError):  # another process has just finished with it
            if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER_S:
                shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="work-", dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
