"""Spikes in the order in which they happened, sorted into the train of each neuron."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pynapple as nap


def spike_trains(
    neuron: npt.NDArray[np.integer[Any]], time_s: npt.NDArray[np.float64], n_neurons: int, duration_s: float
) -> nap.TsGroup:
    """The trains of neurons 0..N-1: `neuron[k]` fired at `time_s[k]`; some may be silent."""
    order = np.argsort(neuron, kind="stable")
    borders = np.searchsorted(neuron[order], np.arange(1, n_neurons))
    trains = np.split(time_s[order], borders)
    epoch = nap.IntervalSet(0, duration_s)
    return nap.TsGroup({k: nap.Ts(train, time_support=epoch) for k, train in enumerate(trains)}, time_support=epoch)
