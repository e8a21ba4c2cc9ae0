"""A download that goes on where it stopped.

`pooch` downloads into a temporary file, checks it and renames it, but starts from nothing when the connection drops.
`Resuming` is a downloader for it that keeps what has come, across attempts and across runs.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synapsnet.errors import InputError

ATTEMPTS = 6
WAIT_S = 1.0
TIMEOUT_S = 60.0
CHUNK_BYTES = 1 << 16
TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})

Progress = Callable[[int], None]
"""Called with the number of bytes that are there."""


class _Dropped(Exception):
    """The connection ended before the file did; another attempt may help."""


class Resuming:
    """A downloader for `pooch` that asks only for the bytes that are missing.

    Parameters
    ----------
    partial : path
        File beside the result that keeps what has come.
    size : int
        Bytes of the whole file.
    progress : callable

    Raises
    ------
    InputError
        If the server refuses, sends another number of bytes, or drops the connection too often, or the disk is full.
    """

    def __init__(self, partial: Path, size: int, progress: Progress) -> None:
        self.partial, self.size, self.progress = partial, size, progress

    def __call__(self, url: str, output_file: Any, pooch: Any = None) -> None:
        """Download `url` and move it to `output_file`."""
        for attempt in range(ATTEMPTS):
            try:
                self._attempt(url)
                break
            except _Dropped as error:
                reason = error
                if attempt + 1 < ATTEMPTS:
                    time.sleep(WAIT_S * 2**attempt)
        else:
            raise InputError(
                f"{url} stopped {ATTEMPTS} times, at {self._there():,} of {self.size:,} bytes ({reason}); "
                "fetch again to continue from there."
            )
        self.partial.replace(output_file)

    def _there(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _attempt(self, url: str) -> None:
        """Ask for what is missing and append it; all that is there is right when this returns."""
        import requests

        n_present = self._there()
        if n_present > self.size:  # of an older version
            self.partial.unlink()
            n_present = 0
        if n_present == self.size and self.partial.exists():
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={n_present}-"} if n_present else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
                self._append(response, n_present)
        except requests.RequestException as error:
            raise _Dropped(type(error).__name__) from error
        if self._there() < self.size:
            raise _Dropped(f"only {self._there():,} bytes came")

    def _append(self, response: Any, there: int) -> None:
        """Write what comes behind what is there, or over it if the server sends the whole file again."""
        self._check(response, there)
        if response.status_code == 200:
            there = 0
        try:
            with self.partial.open("ab" if there else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    there += len(chunk)
                    self.progress(min(there, self.size))
                    if there > self.size:
                        break
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise InputError(
                f"There is no room on the disk for {self.size:,} bytes at {self.partial.parent}; make room, then fetch "
                "again to continue where it stopped."
            ) from error
        if there > self.size:
            self.partial.unlink()
            raise InputError(
                f"{response.url} sent more than the {self.size:,} bytes that the archive lists; what came was deleted."
            )

    def _check(self, response: Any, there: int) -> None:
        """Refuse an answer that is not what was asked for."""
        status = response.status_code
        if status in TEMPORARY:
            raise _Dropped(f"{status} {response.reason}")
        if status == 416:
            self.partial.unlink(missing_ok=True)
            raise InputError(
                f"{response.url} has fewer than the {self.size:,} bytes that the archive lists; what came was deleted."
            )
        if status not in (200, 206):
            raise InputError(f"{response.url} answered {status} {response.reason}; it cannot be fetched.")
        if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
            self.partial.unlink(missing_ok=True)
            raise InputError(
                f"{response.url} sent another part of the file than was asked for; what came was deleted. Fetch again."
            )
