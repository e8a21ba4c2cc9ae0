"""Methods under one protocol, their scores, and what any method must do: `check_method`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validation.methods import find_method
    from validation.metrics.connectivity import score_connectivity
    from validation.metrics.forecasting import score_forecasts
    from validation.properties import assert_method, check_method

_PLACES = {
    "assert_method": "validation.properties",
    "check_method": "validation.properties",
    "find_method": "validation.methods",
    "score_connectivity": "validation.metrics.connectivity",
    "score_forecasts": "validation.metrics.forecasting",
}
__all__ = ["assert_method", "check_method", "find_method", "score_connectivity", "score_forecasts"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: the property suite brings hypothesis, methods bring scikit-learn."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
