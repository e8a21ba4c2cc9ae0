"""What a reader is: a module with these three names, listed in `synapsnet.io.READERS`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from synapsnet import errors
from synapsnet.recording import Recording

Notify = Callable[[str], None]


class Reader(Protocol):
    """A module that reads one layout.

    Attributes
    ----------
    LAYOUT : str
        Name of the layout, for the message that lists all layouts.
    recognises : callable
        Whether this existing path is in the layout, judged cheaply by names.
    read : callable
        `read(path, *, notify, ...options)` returns the Recording, constant neurons included: the caller filters and
        checks. Its keyword-only parameters are the options that a user may give, each a number, a text, a Literal or a
        bool; `notify` receives one line for every assumption made and everything dropped.
    """

    __name__: str
    LAYOUT: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Recording]


def border(path: str | Path, layout: str) -> AbstractContextManager[None]:
    """Wraps every reader, see `synapsnet.errors.border`; `layout` is the layout that the path was read as."""
    return errors.border(f"{path} cannot be read as {layout}; it is damaged or holds something else: export it again")
