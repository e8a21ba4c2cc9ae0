"""Firing rates that differ between neurons as they do in cortex."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import model_validator

from simulators.units import NotNegative, Positive
from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError
from synapsnet.parameters import Parameters


class Rates(Parameters):
    """Rates that the neurons are to fire at; the input of each is tuned until it does (`simulators.tuning`).

    Lognormal over neurons, as rates in cortex are (Mizuseki & Buzsaki 2013, Cell Rep 4:1010), within limits; median and
    sigma are our choice.

    Parameters
    ----------
    median_hz : float
    sigma : float
        Standard deviation of the logarithm of the rate.
    lowest_hz, highest_hz : float
        Rates beyond are set to these.
    hz : list of float, optional
        A rate for each neuron, instead of the lognormal ones.
    """

    title = "the rates"

    median_hz: Positive = 2.0
    sigma: NotNegative = 1.1
    lowest_hz: Positive = 0.1
    highest_hz: Positive = 20.0
    hz: list[Positive] | None = None

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if self.lowest_hz > self.highest_hz:
            raise ValueError(
                f"The lowest rate must not exceed the highest; got {self.lowest_hz} Hz and {self.highest_hz} Hz"
            )
        return self

    def draw(self, n_neurons: int, rng: np.random.Generator) -> FloatArray:
        """(N,) rates in Hz.

        Raises
        ------
        InputError
            If `hz` does not hold one rate for each neuron.
        """
        if self.hz is not None:
            if len(self.hz) != n_neurons:
                raise InputError(f"Rates of {n_neurons} neurons are needed; got {len(self.hz)} in hz.")
            return np.array(self.hz)
        drawn = self.median_hz * rng.lognormal(0.0, self.sigma, n_neurons)
        return np.clip(drawn, self.lowest_hz, self.highest_hz)
