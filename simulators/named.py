"""What the command line knows by name: networks, topologies, states and plasticity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, cast

from synapsnet.errors import InputError, unknown_name
from synapsnet.parameters import Parameters

T = TypeVar("T", bound="Named")


class Named(Parameters):
    """Parameters of something that has a name, by which errors call it."""

    kind: ClassVar[str]
    name: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" in vars(cls):
            cls.title = f"{cls.kind} {cls.name!r}"


def by_name(
    described: T | str | Mapping[str, Any], base: type[Named], registry: Mapping[str, type[T]], subject: str
) -> T:
    """One of a registry from its name, or from a dictionary of its `name` and parameters.

    Raises
    ------
    InputError
        If there is none of that name, or a parameter is unusable; `subject` begins the sentence where no name is given.
    """
    if isinstance(described, base):
        return described
    parameters = {"name": described} if isinstance(described, str) else dict(cast(Mapping[str, Any], described))
    name = parameters.pop("name", None)
    if name is None:
        raise InputError(f"{subject} needs a name; there are {', '.join(registry)}.")
    if name not in registry:
        raise unknown_name(base.kind, str(name), registry)
    return registry[name](**parameters)
