"""Spike times of neurons that share an input, fire seldom, or are connected within milliseconds: made in a moment.

A neuron is a Poisson process whose rate follows the shared input as strongly as is drawn for it; a connection adds or
removes spikes after a delay. All numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pynapple as nap
from scipy.signal import lfilter

from synapsnet.array_types import Float64Array
from synapsnet.io.units import count_spikes
from synapsnet.recording import Recording, neuron_table

N_NEURONS, DURATION_S, BIN_S, GRID_S = 10, 60.0, 0.005, 0.005
RATES_HZ = (3.0, 15.0)
INPUT_STEP_S = 0.001
SLOW_S = 0.3
BURST_S, BURSTS_HZ, BURST = 0.1, 0.5, 2.5  # length, rate, and how much they add to the log rate
RHYTHM_HZ, PHASE_NOISE = 12.0, 0.05  # radians per step
LOADINGS = (0.4, 1.2)
FEW_SPIKES, N_SELDOM = (8, 29), 4  # of a neuron that fires seldom; how many do
DELAY_S, MEAN_DECAY_S = 0.0015, 0.002
TRANSMITTED, SUPPRESSED, SUPPRESSED_S = 0.3, 0.7, 0.010  # of spikes that make one; of those removed, for how long
CONNECTIONS = ((0, 1, 1), (2, 3, 1), (4, 5, -1), (6, 7, 1))  # pre, post, sign: none passes on what another sends

SharedInput = Literal["slow", "bursts", "rhythm"]
SHARED_INPUTS: tuple[SharedInput, ...] = get_args(SharedInput)


def record(trains: list[Float64Array], bin_s: float = BIN_S) -> Recording:
    """A recording of these spike times, in seconds, with them and their counts in bins."""
    epoch = nap.IntervalSet(0, DURATION_S)
    return count_spikes(
        [np.sort(train) for train in trains],
        neuron_table(len(trains)),
        epoch,
        bin_s,
        notify=lambda _: None,
        metadata={},
    )


def comodulated(kind: SharedInput, seed: int) -> list[Float64Array]:
    """Spike times of neurons that follow one shared input and are not connected."""
    rng = np.random.default_rng([seed, 4])
    shared = _shared_input(kind, round(DURATION_S / INPUT_STEP_S), rng)
    trains = []
    for rate, loading in zip(rng.uniform(*RATES_HZ, N_NEURONS), rng.uniform(*LOADINGS, N_NEURONS), strict=True):
        relative = np.exp(loading * shared)
        counts = rng.poisson(rate * INPUT_STEP_S * relative / relative.mean())
        steps = np.repeat(np.arange(len(counts)), counts)
        trains.append((steps + rng.random(len(steps))) * INPUT_STEP_S)
    return trains


def _shared_input(kind: SharedInput, n_steps: int, rng: np.random.Generator) -> Float64Array:
    """(T,) in steps of `INPUT_STEP_S`: a walk that returns within `SLOW_S`, bursts, or a rhythm whose phase drifts."""
    noise = rng.standard_normal(n_steps)
    if kind == "slow":
        kept = np.exp(-INPUT_STEP_S / SLOW_S)
        return np.asarray(lfilter([np.sqrt(1 - kept**2)], [1, -kept], noise))
    if kind == "bursts":
        begins = rng.random(n_steps) < BURSTS_HZ * INPUT_STEP_S
        return BURST * np.convolve(begins, np.ones(round(BURST_S / INPUT_STEP_S)))[:n_steps].clip(max=1)
    return np.sin(2 * np.pi * RHYTHM_HZ * INPUT_STEP_S * np.arange(n_steps) + PHASE_NOISE * np.cumsum(noise))


def independent(seed: int) -> list[Float64Array]:
    """Spike times of independent neurons, the last of which fire seldom, and only part of the time."""
    rng = np.random.default_rng([seed, 5])
    trains = [rng.uniform(0, DURATION_S, rng.poisson(DURATION_S * rate)) for rate in np.geomspace(1, 50, N_NEURONS)]
    for n_spikes in rng.integers(*FEW_SPIKES, N_SELDOM):
        begin, end = np.sort(rng.uniform(0, DURATION_S, 2))
        trains.append(rng.uniform(begin, end, n_spikes))
    return trains


def connected(seed: int) -> list[Float64Array]:
    """Spike times of independent neurons except for `CONNECTIONS`."""
    rng = np.random.default_rng([seed, 6])
    trains = [np.sort(rng.uniform(0, DURATION_S, rng.poisson(DURATION_S * rate))) for rate in rng.uniform(*RATES_HZ, 8)]
    for pre, post, sign in CONNECTIONS:
        sent, received = trains[pre], trains[post]
        if sign > 0:
            transmitted = sent[rng.random(len(sent)) < TRANSMITTED]
            made = transmitted + DELAY_S + rng.exponential(MEAN_DECAY_S, len(transmitted))
            trains[post] = np.sort(np.append(received, made[made < DURATION_S]))
        else:
            since = received - np.append(-np.inf, sent)[np.searchsorted(sent, received)]
            hit = (since > DELAY_S) & (since < DELAY_S + SUPPRESSED_S)
            trains[post] = received[~(hit & (rng.random(len(received)) < SUPPRESSED))]
    return trains


def adjacency() -> npt.NDArray[np.bool_]:
    """(N, N) `CONNECTIONS`, `[post, pre]`."""
    matrix = np.zeros((8, 8), dtype=bool)
    for pre, post, _ in CONNECTIONS:
        matrix[post, pre] = True
    return matrix


def on_grid(trains: list[Float64Array]) -> list[Float64Array]:
    """Spike times of which only the step of `GRID_S` is known: its middle."""
    return [(np.floor(train / GRID_S) + 0.5) * GRID_S for train in trains]


RESOLUTIONS: dict[str, Callable[[list[Float64Array]], Recording]] = {
    "spike times, in bins of 5 ms": record,
    "spike times, in bins of 10 ms": lambda trains: record(trains, bin_s=2 * BIN_S),
    "spike times on a grid of 5 ms": lambda trains: record(on_grid(trains)),
}
