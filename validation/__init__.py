"""Methods under one protocol, their scores, and what any method must do: `check_method`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validation.properties import assert_method, check_method

__all__ = ["assert_method", "check_method"]


def __getattr__(name: str) -> Any:
    """Import the property suite, and hypothesis with it, only for those who ask for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from validation import properties

    return getattr(properties, name)
