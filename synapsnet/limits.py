"""The limits of this machine, so that a task beyond them is refused before it starts."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from synapsnet.errors import InputError

_OF_GROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container
MOST_S = 365 * 24 * 3600.0
WORTH_SAYING_S = 600.0


def memory_bytes() -> int:
    """All memory that this process could ever have."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    sizes += [] if soft == resource.RLIM_INFINITY else [soft]
    for path in _OF_GROUP:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            sizes.append(int(Path(path).read_text()))
    return min(sizes)


def require_memory(n_bytes: float, what: str, instead: str) -> None:
    """Refuse a task that needs more memory than the machine has.

    Parameters
    ----------
    n_bytes : number
        An estimate; too low is better than too high.
    what, instead : str
        Parts of the sentence: what needs the memory, and what to do instead.

    Raises
    ------
    InputError
        If the machine does not have it.
    """
    if n_bytes > (there := memory_bytes()):
        gib = min(n_bytes, 2**1000) / 2**30
        raise InputError(f"{what} takes {gib:.3g} GiB of memory, but this machine has {there / 2**30:.3g}; {instead}.")


def require_time(seconds: float, what: str, instead: str) -> str | None:
    """Refuse a task of more than a year; for a long one, return a sentence that says how long it takes.

    Parameters
    ----------
    seconds : float
        An estimate.
    what, instead : str
        See `require_memory`.

    Raises
    ------
    InputError
        If it takes more than a year.
    """
    if seconds > MOST_S:
        raise InputError(f"{what} takes about {seconds / MOST_S:.3g} years on this machine; {instead}.")
    if seconds < WORTH_SAYING_S:
        return None
    hours = seconds / 3600
    return f"{what} takes about {f'{hours / 24:.2g} days' if hours > 48 else f'{hours:.2g} hours'}."
