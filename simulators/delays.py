"""Delays between a shortest and a longest one: parameters that wirings share."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from simulators.units import MILLI, NotNegative
from synapsnet.parameters import Parameters


class DelayRange(Parameters):
    """Delays that do not depend on who is connected to whom.

    Parameters
    ----------
    shortest_delay_ms, longest_delay_ms : float
        Delays are uniform between these.
    """

    shortest_delay_ms: NotNegative = 1.0
    longest_delay_ms: NotNegative = 3.0

    @model_validator(mode="after")
    def _delays_are_a_range(self) -> Self:
        if self.shortest_delay_ms > self.longest_delay_ms:
            raise ValueError(
                f"The shortest delay, {self.shortest_delay_ms} ms, must not exceed the longest, "
                f"{self.longest_delay_ms} ms"
            )
        return self

    @property
    def delay_range_s(self) -> tuple[float, float]:
        """The shortest and the longest delay in seconds."""
        return self.shortest_delay_ms * MILLI, self.longest_delay_ms * MILLI
