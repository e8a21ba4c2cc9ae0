"""A method with a threshold that is calibrated on the recording itself; see `synapsnet.inference.scores`."""

from __future__ import annotations

from typing import Any, cast

from synapsnet.connectome import Connectome
from synapsnet.inference.scores import calibrated_connectome
from synapsnet.recording import Recording
from validation.methods.base import Method


def calibrated(method: type[Method]) -> type[Method]:
    """The class of a method that infers as `method` does and reports what stands out from most pairs' scores."""

    def infer(self: Any, recording: Recording) -> Connectome:
        return calibrated_connectome(method.infer(self, recording))

    return cast(type[Method], type(f"Calibrated{method.__name__}", (method,), {"infer": infer, "__doc__": __doc__}))
