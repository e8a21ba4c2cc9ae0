"""Validated, immutable parameters of networks, models and methods, whose errors are sentences."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synapsnet.errors import InputError


class Parameters(BaseModel):
    """Base class of everything that is configured.

    A subclass declares its parameters as annotated fields, and its own name for error messages, such as "network 'x'",
    in `title`.

    Raises
    ------
    InputError
        If a parameter is unknown or out of its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)
    title: ClassVar[str] = "the model"

    def __init__(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            if hasattr(value, "dim"):  # a Brian2 quantity, whose value in SI units pydantic would accept
                raise InputError(
                    f"Parameter {name!r} of {self.title} must be a plain number in the unit of its name; got {value}."
                )
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise InputError(_sentence(type(self), error)) from None

    def parameters(self) -> dict[str, Any]:
        """The parameters as JSON-serialisable values."""
        return self.model_dump(mode="json")


def _sentence(kind: type[Parameters], error: ValidationError) -> str:
    problem = error.errors()[0]
    parameter = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        who = kind.title[0].upper() + kind.title[1:]
        return f"{who} has no parameter {parameter!r}; it has {', '.join(kind.model_fields)}."
    reason = problem["msg"].removeprefix("Value error, ")
    what = f"parameter {parameter!r} of {kind.title}" if parameter else kind.title.removeprefix("the ")
    got = f"; got {problem['input']!r}" if parameter else ""
    return f"Unusable {what}: {reason[0].lower()}{reason[1:].rstrip('.')}{got}."
