"""Text that is safe to show: names and messages come from files, and a terminal obeys control sequences in them."""

from __future__ import annotations

import re

# Control sequences with their arguments, and characters that change the reading direction.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*:/{1,2})([^\s/?#'\"]*@)?([^\s'\"<>]*)", re.IGNORECASE)
_SECRET = re.compile(r"([?&;#][^=&;#]*)=[^&;#]*")
HIDDEN = "***"


def printable(text: str) -> str:
    """The text without control sequences, without secrets in addresses, and in valid UTF-8.

    In an address (`https://name:password@host/file?token=...`), the user and the values of the query are masked.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")  # file names need not be UTF-8
    return _ADDRESS.sub(_without_secrets, _ESCAPES.sub("", text))


def _without_secrets(address: re.Match[str]) -> str:
    scheme, user, rest = address.groups()
    return scheme + (f"{HIDDEN}@" if user else "") + _SECRET.sub(rf"\1={HIDDEN}", rest)
