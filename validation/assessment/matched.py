"""Networks like that of a recording, simulated for it: examples where the stored ones are unlike it.

A stored example is of at most 110 neurons, whose spikes are known in time. Where a recording is larger, or its spikes
are known in bins only, the networks of the examples that it resembles most are simulated anew, one after another: with
as many neurons, of which as many are seen, for as long, and observed in the same way, as far as that takes seconds.
SynapsNet infers their connections, which are known, and each becomes one more row in the table of examples
(`expected_recovery`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from simulators import observe_spikes, simulate
from simulators.engine import compiler_found
from simulators.networks import Network
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.inference.spike_evidence import STEP_S, resolution_s
from synapsnet.recording import Recording, Simulation
from validation.activity.observe_like import observe_like
from validation.assessment.example import Example, row_of
from validation.assessment.expected_recovery import examples, in_bins, statistics, values_of
from validation.assessment.family import draw
from validation.assessment.regression_adjustment import Standard
from validation.assessment.signature import Signature, signature

Infer = Callable[[Recording], Connectome]
MOST_NEURONS, MOST_S = 300, 1200.0  # that are simulated of larger and longer recordings
MOST_AGAIN = 120  # neurons from which connectivity is inferred many times, in steps of 1 ms
SIZES = (60, 120, 300, 600)  # of networks: few, so that programs are compiled once
LEAST_SPIKES, LEAST_NEURONS = 5, 5
TRIED_S, MOST_FASTER = 10.0, 4.0  # how long a network is tried, and how many times as fast as the recording it may fire
SEED = 100_000  # is added to that of an example: another network with its parameters


def matched(
    recording: Recording, inferred: Connectome, infer: Infer, done: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Rows of the table of examples, of networks simulated for a recording, one after another.

    Parameters
    ----------
    recording : Recording
    inferred : Connectome
        Inferred by SynapsNet from all of it.
    infer : callable
        Maps a recording to its connectivity.
    done : list of dicts
        Rows that there are already, of which the caller may add those that it gets.

    Yields
    ------
    dict
        See `validation.assessment.example.row_of`; empty for a network that explodes, fires much more than the
        recording or stays silent.

    Raises
    ------
    InputError
        If there is no compiler, without which a network would take hours.
    """
    if compiler_found() is None:
        raise InputError("There is no C++ compiler and make to simulate networks like this one; install both.")
    part, table, observed = beginning(recording), examples(recording.modality), signature(recording, inferred)
    tried = {int(row["seed"]) - SEED for row in done}
    while len(left := table[~table["seed"].isin(tried)]):
        example = left.iloc[_nearest(left, table, observed, done)]
        tried.add(int(example["seed"]))
        try:
            yield row_of(_simulated(part, example, infer))
        except InputError:
            yield {}


def _nearest(left: pd.DataFrame, table: pd.DataFrame, observed: Signature, done: list[dict[str, Any]]) -> int:
    """Row of the example whose network will resemble a recording most, once it is simulated for it.

    What simulating changes in the signature, for example because more neurons are seen, is the mean over those that
    were simulated, and one that did not change.
    """
    names = statistics(table)
    standard, at = Standard.of(table[names].to_numpy(float)), values_of(observed, names)
    change = np.zeros(len(names))
    for row in done:
        stored = table.loc[table["seed"] == row["seed"] - SEED, names].to_numpy(float)
        before = stored[np.argmin(standard.apart(stored, at))]
        after = np.array([row[name] for name in names], dtype=np.float64)
        change += (after - before) / (1 + len(done))
    return int(np.argmin(standard.apart(left[names].to_numpy(float) + change, at)))


def beginning(recording: Recording) -> Recording:
    """The part of a recording that networks are simulated for."""
    n_steps = round(MOST_S / recording.dt_s)
    rows = [(start, min(stop, n_steps)) for start, stop in recording.segments if start < n_steps]
    return recording if recording.n_steps <= n_steps else recording.select_rows(rows)


def most_again(recording: Recording) -> int:
    """Neurons of a recording from which connectivity is inferred in some ten seconds, so that it can be many times.

    It takes as long as there are pairs and steps of their correlograms.
    """
    step_s = max(resolution_s(recording), STEP_S)
    return min(recording.n_neurons, round(MOST_AGAIN * math.sqrt(step_s / STEP_S)))


def seen_as(simulation: Simulation, recording: Recording) -> Recording:
    """A simulation with the steps, epochs and length of a recording, its noise, and its ground truth."""
    if recording.modality == "calcium" or in_bins(recording):
        return replace(observe_like(simulation, recording).simulated, connectome=simulation.connectome)
    whole = observe_spikes(simulation, bin_s=recording.dt_s)
    return whole.select_rows([(start + k, stop + k) for k, (start, stop) in enumerate(recording.segments)])


def _simulated(recording: Recording, example: pd.Series, infer: Infer) -> Example:
    """A network with the parameters of an example, seen as the recording is."""
    seed = int(example["seed"]) + SEED
    n = min(most_again(recording), MOST_NEURONS)
    wanted = n / (1 - float(example["hidden"]))
    size = next((size for size in SIZES if size >= wanted), SIZES[-1])
    network, _ = draw(str(example["kind"]), int(example["seed"]), size)
    duration_s = (recording.n_steps + len(recording.segments)) * recording.dt_s  # a step lies between epochs
    _refuse_fast(network, recording, min(TRIED_S, duration_s), seed)
    simulation = simulate(network, duration_s=duration_s, seed=seed)
    firing = [k for k in range(simulation.n_neurons) if len(simulation.spike_times[k]) >= LEAST_SPIKES]
    if len(firing) < LEAST_NEURONS:
        raise InputError(f"At least {LEAST_NEURONS} simulated neurons must fire; {len(firing)} do.")
    chosen = np.random.default_rng(seed).choice(firing, min(n, len(firing)), replace=False)
    seen = seen_as(simulation.select_neurons(np.sort(chosen)), recording)
    inferred = infer(seen.without_ground_truth())
    return Example(str(example["kind"]), seed, 0, seen, inferred, simulation.n_neurons)


def _refuse_fast(network: Network, recording: Recording, duration_s: float, seed: int) -> None:
    """Refuse a network that fires far more than a recording of spikes: it would be unlike it, and take minutes.

    So do some that are made larger, in which excitation then grows.
    """
    if recording.modality != "spikes":
        return
    rate_hz = float(np.mean(simulate(network, duration_s=duration_s, seed=seed).spike_times.rates))
    most_hz = MOST_FASTER * float(recording.mean_activity.mean()) / recording.dt_s
    if rate_hz > most_hz:
        raise InputError(f"Simulated neurons must fire at {most_hz:.3g} Hz at most; they fire at {rate_hz:.3g} Hz.")
