"""The options of readers: which exist, and whether the given ones are valid."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from synapsnet.errors import InputError
from synapsnet.io.reader import Reader

# The command line's own flags; it takes any other option as `--read NAME=VALUE`.
FLAGS = {
    "fs_hz": "--fs",
    "dt_s": "--dt",
    "bin_s": "--bin",
    "key": "--key",
    "modality": "--modality",
    "until": "--until",
    "behaviour": "--behaviour",
    "transpose": "--transpose",
    "trace": "--trace",
}


def options_of(reader: Reader) -> list[str]:
    """Names of the options that a reader takes."""
    return [name for name in inspect.signature(reader.read).parameters if name not in ("path", "notify")]


def validated(reader: Reader, options: dict[str, Any], path: Path) -> dict[str, Any]:
    """The options that are given (not None), converted to the types that the reader declares.

    Raises
    ------
    InputError
        If the reader has no such option, or the value has the wrong type.
    """
    given = {name: value for name, value in options.items() if value is not None}
    allowed = options_of(reader)
    if unknown := [name for name in given if name not in allowed]:
        raise InputError(
            f"{', '.join(map(_named, unknown))} cannot be used with {path}; {reader.LAYOUT} takes "
            f"{', '.join(map(_named, allowed))}."
        )
    hints = get_type_hints(reader.read)
    for name, value in given.items():
        try:
            given[name] = TypeAdapter(hints[name]).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise InputError(f"Unusable {_named(name)}: {reason[0].lower()}{reason[1:]}; got {value!r}.") from None
    return given


def listing(reader: Reader) -> str:
    """The options of a reader in command-line form, with their types and defaults."""
    hints = get_type_hints(reader.read)
    parameters = inspect.signature(reader.read).parameters
    return ", ".join(_usage(name, hints[name], parameters[name].default) for name in options_of(reader))


def _named(option: str) -> str:
    """An option's name in Python and on the command line."""
    return f"{option} ({FLAGS.get(option, f'--read {option}=...')})"


def _usage(option: str, hint: Any, default: Any) -> str:
    alternatives = get_args(hint) if type(None) in get_args(hint) else (hint,)
    kind = next(alternative for alternative in alternatives if alternative is not type(None))
    flag = FLAGS.get(option)
    if kind is bool:
        return flag or f"--read {option}=true"
    choices = "|".join(sorted(get_args(kind))) if get_origin(kind) is Literal else None
    value = choices or ("NAME" if kind is str else "NUMBER")
    usage = f"{flag} {value}" if flag else f"--read {option}={value}"
    return usage if default is None else f"{usage} (default {default})"
