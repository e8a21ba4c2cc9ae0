"""NAME=VALUE on the command line."""

from __future__ import annotations

import json
from typing import Any

from synapsnet.errors import InputError


def assignment(text: str) -> tuple[str, Any]:
    """NAME=VALUE with VALUE parsed as JSON, or kept as text if it is not JSON."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set needs NAME=VALUE; got {text!r}.")
    try:
        return name, json.loads(value)
    except RecursionError:
        raise InputError(f"The value of --set {name} is nested too deeply to be read; give a simpler one.") from None
    except ValueError:
        return name, value


def nested(assignments: list[str]) -> dict[str, Any]:
    """The assignments as a nested dictionary: A.B=VALUE sets B in the dictionary A, and so on."""
    values: dict[str, Any] = {}
    for name, value in map(assignment, assignments):
        *owners, last = name.split(".")
        inner = values
        for depth, owner in enumerate(owners):
            inner = inner.setdefault(owner, {})
            if not isinstance(inner, dict):
                whole = ".".join(owners[: depth + 1])
                raise InputError(f"--set {whole} and --set {name} exclude each other; set {whole}.name instead.")
        if isinstance(inner.get(last), dict):
            raise InputError(f"--set {name} and --set {name}.NAME exclude each other; set {name}.name instead.")
        inner[last] = value
    return values


def settings_of_fit(seed: int, epochs: int | None, assignments: list[str] | None) -> dict[str, Any]:
    """Settings of SynapsNet from the flags and from --set.

    Raises
    ------
    InputError
        If a setting is given that has its own flag, or the connectivity "none", which is always fitted as well.
    """
    more = dict(map(assignment, assignments or []))
    for name, flag in (("seed", "--seed"), ("epochs", "--epochs")):
        if name in more:
            raise InputError(f"--set cannot be used for {name}; use {flag}.")
    if more.get("connectivity") == "none":
        raise InputError("--set connectivity=none is not needed: W = 0 is always fitted as well; leave it out.")
    return {"seed": seed, "epochs": epochs, **more}
