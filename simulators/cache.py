"""A cache of bytes on disk: compiled networks, which are run, and simulated spikes.

An entry is one file that starts with a keyed checksum of its name and the rest. It is written atomically, so concurrent
processes and killed ones cannot leave half an entry, and one that was damaged, or that another user or another program
put there, reads as absent. The folder belongs to the user, and nobody else may write to it.
"""

from __future__ import annotations

import functools
import hmac
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock

from synapsnet.errors import InputError
from synapsnet.files import atomic_path, locked

_KEY_BYTES = _CHECKSUM_BYTES = 32


def cache_dir() -> Path:
    """Folder of the cache: `$SYNAPSNET_CACHE`, or the user's cache folder.

    Raises
    ------
    InputError
        If it cannot be created, belongs to another user, or others may write to it: what lies there is run.
    """
    folder = Path(os.environ.get("SYNAPSNET_CACHE") or platformdirs.user_cache_dir("synapsnet"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise InputError(
            f"Cannot use the cache folder {folder}: {error.strerror}; set SYNAPSNET_CACHE to a writable folder."
        ) from error
    if not _ours(status):
        why = "is not yours" if status.st_uid != os.getuid() else f"can be written to by others (chmod go-w {folder})"
        raise InputError(
            f"The cache folder {folder} {why}, but programs in it are run; set SYNAPSNET_CACHE to one of your own."
        )
    return folder


def load(key: str) -> bytes | None:
    """The bytes stored under `key`, or None if there are none, they are damaged, or we did not store them."""
    try:
        handle = os.open(cache_dir() / key, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # absent, or a link
        return None
    with open(handle, "rb") as file:  # noqa: PTH123
        if not _ours(os.fstat(file.fileno())):
            return None
        entry = file.read()
    checksum, payload = entry[:_CHECKSUM_BYTES], entry[_CHECKSUM_BYTES:]
    return payload if hmac.compare_digest(_checksum(key, payload), checksum) else None


def store(key: str, payload: bytes) -> None:
    """Keep `payload` under `key`, replacing what was there."""
    path = cache_dir() / key
    if path.is_symlink():
        path.unlink()  # it is replaced, and not what it points to
    with atomic_path(path) as temporary:
        temporary.write_bytes(_checksum(key, payload) + payload)


def lock(key: str) -> FileLock:
    """A lock of all processes on `key`; the system releases that of a killed one."""
    return FileLock(cache_dir() / f"lock-{key}")


@contextmanager
def work_folder() -> Iterator[Path]:
    """A private folder that is removed afterwards, whatever happens.

    Those of killed processes are removed by the next call: nobody holds the lock on them any more.
    """
    parent = cache_dir()
    for leftover in parent.glob("work-*"):
        with suppress(InputError, OSError), locked(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
    with locked(made):
        folder = made.rename(parent / made.name.replace("new-", "work-", 1))  # by this name it is locked from the start
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _ours(status: os.stat_result) -> bool:
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _checksum(key: str, payload: bytes) -> bytes:
    return hmac.digest(_secret(), key.encode() + b"\0" + payload, "sha256")


@functools.cache
def _secret() -> bytes:
    """Only this user can read it, and without it nobody makes an entry. If not kept, entries last as long as we do."""
    path = Path(platformdirs.user_state_dir("synapsnet")) / "cache-key"
    with suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                with atomic_path(path) as temporary:
                    temporary.write_bytes(secrets.token_bytes(_KEY_BYTES))
                path.chmod(0o600)
            kept = path.read_bytes()
            if len(kept) == _KEY_BYTES and _ours(path.stat()):
                return kept
    return secrets.token_bytes(_KEY_BYTES)
