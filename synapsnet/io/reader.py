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
        What it reads, for the message that lists everything understood.
    recognises : callable
        Is this existing path in the layout? Judged cheaply, by names.
    read : callable
        `read(path, *, notify, ...options)` returns the Recording, constant neurons included: the
        caller filters and checks. Its keyword-only parameters are the options a user may give, each
        a number, a text, a Literal or a bool;
        `notify` receives one line for every assumption made and everything dropped.
    """

    __name__: str
    LAYOUT: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Recording]


def border(path: str | Path, layout: str) -> AbstractContextManager[None]:
    """The border of every reader, see `synapsnet.errors.border`; `layout` says as what the path was read."""
    return errors.border(f"{path} cannot be read as {layout}; it is damaged or holds something else: export it again")
