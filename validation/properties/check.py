"""Check a method for all properties, as scikit-learn's `check_estimator` does for estimators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from synapsnet.errors import InputError, first_line, unknown_name
from synapsnet.recording import Modality
from validation.methods.base import Method
from validation.properties.planted import EXCITATORY, Planted
from validation.properties.requirements import SHORT
from validation.properties.subject import NotApplicable, Refusal, Subject, Violation
from validation.properties.suite import PROPERTIES, Level, Property

MODALITIES: tuple[Modality, ...] = ("spikes", "calcium")


@dataclass(frozen=True)
class PropertyResult:
    """Whether a method has a property.

    Attributes
    ----------
    name, reason : str
        Name of the property, and why it is asked for.
    level : {"must", "should"}
    modality : {"spikes", "calcium"}
    outcome : {"passed", "failed", "skipped"}
    message : str
        How it failed, with the smallest network found, or why it was skipped; empty if it passed.
    """

    name: str
    level: Level
    modality: Modality
    outcome: Literal["passed", "failed", "skipped"]
    reason: str
    message: str = ""

    def __str__(self) -> str:
        why = f": {self.message}" if self.message else ""
        return f"{self.outcome} {self.name} ({self.level}, {self.modality}){why}"


def check_method(
    method: Callable[..., Method],
    *,
    properties: Sequence[str] | None = None,
    modalities: Sequence[Modality] = MODALITIES,
    quick: bool = False,
) -> list[PropertyResult]:
    """Check a method of inferring connectivity for every property.

    Deterministic, on surrogate recordings of a few neurons: seconds for a method that fits in milliseconds. A method
    that refuses an ordinary recording of a modality with an `InputError` is not checked on that modality.

    Parameters
    ----------
    method : callable
        The class, or a function without required arguments that makes an instance, such as
        `functools.partial(MyMethod, lag=2)`. A parameter named `seed` is used if there is one.
    properties : names among `PROPERTIES`, optional
        Default all.
    modalities : sequence of {"spikes", "calcium"}
    quick : bool
        Two networks instead of ten and fewer recordings, for slow methods.

    Returns
    -------
    list of PropertyResult

    Raises
    ------
    InputError
        If a property is unknown, or `method` does not make objects with `infer`.

    Examples
    --------
    >>> from validation import check_method
    >>> [result for result in check_method(MyMethod) if result.outcome == "failed"]  # doctest: +SKIP
    """
    return list(iter_check(method, properties=properties, modalities=modalities, quick=quick))


def iter_check(
    method: Callable[..., Method],
    *,
    properties: Sequence[str] | None = None,
    modalities: Sequence[Modality] = MODALITIES,
    quick: bool = False,
) -> Iterator[PropertyResult]:
    """`check_method`, one result after the other."""
    for name in properties or ():
        if name not in PROPERTIES:
            raise unknown_name("property", name, list(PROPERTIES))
    selected = [PROPERTIES[name] for name in properties or PROPERTIES]
    examiner = Examiner(method, quick=quick)
    for modality in modalities:
        for prop in selected:
            if modality in prop.modalities:
                yield examiner.examine(prop, modality)


def assert_method(method: Callable[..., Method], *, quick: bool = False, level: Level = "must") -> None:
    """`check_method` for a test: raise if a property is missing.

    Parameters
    ----------
    method, quick
        See `check_method`.
    level : {"must", "should"}
        "should" demands both.

    Raises
    ------
    AssertionError
        If a property of that level is missing, or both modalities are refused; the message lists what failed.
    """
    results = check_method(method, quick=quick)
    failed = [
        result for result in results if result.outcome == "failed" and (result.level == "must" or level == "should")
    ]
    if failed:
        raise AssertionError("\n".join(map(str, failed)))
    if all(result.outcome == "skipped" for result in results):
        raise AssertionError(f"Nothing could be checked: {results[0].message}")


class Examiner:
    """Examines one method; what it inferred and which modalities it refuses are found out once."""

    def __init__(self, method: Callable[..., Method], *, quick: bool = False) -> None:
        self.subject, self.quick = _subject(method), quick
        self._refusals: dict[Modality, str | None] = {}

    def examine(self, prop: Property, modality: Modality) -> PropertyResult:
        def result(outcome: Literal["passed", "failed", "skipped"], message: str = "") -> PropertyResult:
            return PropertyResult(prop.name, prop.level, modality, outcome, prop.reason, message)

        if refusal := self._refusal(modality):
            return result("skipped", refusal)
        try:
            prop.check(self.subject, modality, self.quick)
        except NotApplicable as why:
            return result("skipped", str(why))
        except Violation as violation:
            return result("failed", str(violation))
        return result("passed")

    def _refusal(self, modality: Modality) -> str | None:
        """Why it does not take this modality, if it says so."""
        if modality not in self._refusals:
            self._refusals[modality] = None
            try:
                self.subject.of(Planted(3, ((0, 1, EXCITATORY),), modality, SHORT, seed=0))
            except Refusal as refusal:
                self._refusals[modality] = str(refusal)
            except Violation:
                pass  # the properties will say so
        return self._refusals[modality]


def _subject(method: Callable[..., Method]) -> Subject:
    """The method as a subject, if an instance of it can be made."""
    made: object = None
    if callable(method):
        try:
            subject = Subject(method)
            made = subject.make()
        except (Exception, SystemExit) as error:
            raise InputError(f"The method {method!r} cannot be made: {first_line(error)}.") from error
    if not isinstance(made, Method):
        raise InputError(f"A method is a class with infer(recording); got {method!r}. See CONTRIBUTING.md.")
    return subject
