"""Ranges of parameters, and the factor between what users write and what Brian2 reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

MILLI = 1e-3  # mV to V and ms to s: models are in SI units
