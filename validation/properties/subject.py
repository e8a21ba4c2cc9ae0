"""A method under examination, and what it can do wrong whatever the property."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods.base import Method
from validation.properties.planted import Planted


class Violation(AssertionError):
    """A method lacks a property; the message is a sentence that says how, and on which network."""


class Refusal(Violation):
    """A method declines a recording with an `InputError`, whose sentence is the message."""


class NotApplicable(Exception):
    """The property says nothing about this method; the message says why."""


class Subject:
    """A method under examination: makes fresh instances of it, and remembers what it inferred.

    Parameters
    ----------
    method : callable
        The class, or a function without required arguments that makes an instance. A parameter named `seed` is
        passed if there is one.
    """

    def __init__(self, method: Callable[..., Method]) -> None:
        self.method = method
        self.has_seed = "seed" in inspect.signature(method).parameters
        self._inferred: dict[Planted, Connectome] = {}

    def make(self, seed: int = 0) -> Method:
        return self.method(seed=seed) if self.has_seed else self.method()

    def infer(self, recording: Recording, seed: int = 0) -> Connectome:
        """What a fresh instance infers.

        Raises
        ------
        Refusal
            If it raises an `InputError`.
        Violation
            If it raises anything else or returns something else than a connectome of finite scores.
        """
        return well_formed(infer_with(self.make(seed), recording), recording.n_neurons)

    def of(self, planted: Planted) -> Connectome:
        """What it infers from a planted network; inferred once."""
        if planted not in self._inferred:
            self._inferred[planted] = self.infer(planted.record())
        return self._inferred[planted]


def require(holds: bool | np.bool_, otherwise: str) -> None:
    """Raise a violation unless it holds."""
    if not holds:
        raise Violation(f"{otherwise}.")


def infer_with(method: Method, recording: Recording) -> Any:
    """What `method.infer` returns; whatever it raises is a violation."""
    try:
        return method.infer(recording)
    except (Exception, SystemExit) as error:  # which would end the check as if all were well
        if isinstance(error, InputError) and not _of_result(error):
            raise Refusal(str(error)) from error
        raise Violation(f"infer raised {type(error).__name__}: {error}") from error


def _of_result(error: BaseException) -> bool:
    """Whether the method's connectome was refused, rather than the recording by the method."""
    steps = list(traceback.walk_tb(error.__traceback__))
    return isinstance(steps[-1][0].f_locals.get("self"), Connectome)


def well_formed(inferred: Any, n_neurons: int) -> Connectome:
    """The connectome, if it is one with finite scores."""
    if not isinstance(inferred, Connectome):
        raise Violation(f"infer must return a Connectome; it returned {type(inferred).__name__}.")
    require(inferred.n_neurons == n_neurons, f"of {n_neurons} neurons, infer returned {inferred.n_neurons}")
    require(np.isfinite(inferred.scores).all(), "scores are NaN or infinite")
    error = inferred.standard_error
    off = ~np.eye(n_neurons, dtype=bool)
    require(error is None or (error[off] >= 0).all(), "standard errors are negative or NaN")
    return inferred
