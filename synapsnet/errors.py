"""The one exception that reaches a user as a sentence instead of a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used as given.

    The message is one sentence that says what was expected, what came and what to do. The command
    line prints it and exits with code 2; Python callers catch it as a `ValueError`.
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that does not exist; its sentence offers the nearest of those that do."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
    return InputError(f"There is no {kind} {name!r}; did you mean {nearest!r}? There are: {', '.join(names)}.")
