"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """`1 spike`, `2 spikes`; the plural has an s unless it is given."""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[object], most: int = 5) -> str:
    """`a, b, c and 7 more`: the first names, without flooding the screen."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in names[:most]) + more
