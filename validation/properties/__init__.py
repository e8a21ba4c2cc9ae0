"""The public property suite: what any method that infers connectivity must do; see docs/properties.md."""

from validation.properties.check import MODALITIES, Examiner, PropertyResult, assert_method, check_method, iter_check
from validation.properties.subject import NotApplicable, Subject, Violation
from validation.properties.suite import PROPERTIES, Property

__all__ = [
    "MODALITIES",
    "PROPERTIES",
    "Examiner",
    "NotApplicable",
    "Property",
    "PropertyResult",
    "Subject",
    "Violation",
    "assert_method",
    "check_method",
    "iter_check",
]
