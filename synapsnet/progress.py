"""How far a long computation is: whom to tell, and how loops tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Advance = Callable[[float], None]  # told the fraction done
Progress = Callable[[str, float | None], None]  # told what is being done, and the fraction done (None: unknown)
Thing = TypeVar("Thing")


def unheard(*told: object) -> None:
    """An `Advance` and a `Progress` that nobody listens to."""


class Counter:
    """Counts what several loops go through, and tells the fraction done.

    Parameters
    ----------
    total : int
        Of all loops together.
    advance : callable
    """

    def __init__(self, total: int, advance: Advance) -> None:
        self._total, self._advance, self._done = total, advance, 0

    def __call__(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The things, one by one; each counts as done when the next is asked for."""
        for thing in things:
            yield thing
            self._done += 1
            self._advance(min(self._done / self._total, 1.0))
