"""Surrogates: recordings without connections, made from a given recording.

Each surrogate preserves some of the structure and destroys the rest; connections still found in it are false.

==================  =============================================  ==============================================
surrogate           keeps                                          breaks
==================  =============================================  ==============================================
`jitter`            spike counts of each neuron in each window     timing within a window
`circular_shift`    each neuron's activity, its autocorrelation    timing between neurons
==================  =============================================  ==============================================

Surrogates have no connectome, since that of the recording no longer applies; only those by `circular_shift` have spike
times.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError
from synapsnet.recording import Recording

ROUNDING = 1e-12  # scores that differ by less are ties


def p_value(score: float, null: FloatArray) -> float:
    """One-sided p-value: fraction of the null's scores that reach the observed one.

    The data count as one of the shuffles, so it is never 0 (Phipson & Smyth 2010, Stat Appl Genet Mol Biol 9:39).
    """
    return float((1 + np.count_nonzero(null >= score - ROUNDING)) / (1 + len(null)))


def jitter(recording: Recording, window_s: float, rng: np.random.Generator) -> Recording:
    """Move every spike to a random bin of its window: the interval jitter.

    Amarasingham, Harrison, Hatsopoulos & Geman 2012, J Neurophysiol 107:517. Windows are fixed, not centred on the
    spikes, which makes a test against it exact (Platkiewicz, Stark & Amarasingham 2017, Neural Comput 29:783).

    Parameters
    ----------
    recording : Recording
        A recording of spikes.
    window_s : float
        The finest time scale on which rates may differ in the null: finer structure is destroyed. The last
        window of an epoch may be shorter.
    rng : numpy Generator

    Raises
    ------
    InputError
        If the recording is of calcium, or a window is shorter than two bins.
    """
    if recording.modality != "spikes":
        raise InputError("Jitter moves spikes, and this is a calcium recording; use circular_shift instead.")
    length = round(window_s / recording.dt_s) if np.isfinite(window_s) else 0
    if length < 2:
        raise InputError(f"A jitter window must hold at least two bins of {recording.dt_s:g} s; got {window_s} s.")
    values = np.zeros_like(recording.values)
    for start, stop in recording.segments:
        row, neuron = np.nonzero(recording.values[start:stop])
        counts = recording.values[start:stop][row, neuron].astype(int)
        row, neuron = row.repeat(counts), neuron.repeat(counts)
        first = row // length * length
        moved = start + rng.integers(first, np.minimum(first + length, stop - start))
        np.add.at(values, (moved, neuron), 1)
    return _surrogate(recording, values)


def circular_shift(recording: Recording, min_shift_s: float, rng: np.random.Generator) -> Recording:
    """Shift each neuron in time by a different amount, circularly within each epoch.

    Parameters
    ----------
    recording : Recording
    min_shift_s : float
        Smallest shift of each neuron, in either direction. Two neurons may still, by chance, be shifted by nearly the
        same amount.
    rng : numpy Generator

    Raises
    ------
    InputError
        If the shift is negative or an epoch is not longer than twice the shift.
    """
    least = max(1, round(min_shift_s / recording.dt_s)) if np.isfinite(min_shift_s) else 0
    shortest = min(stop - start for start, stop in recording.segments)
    if min_shift_s < 0 or not 0 < least <= shortest // 2:
        raise InputError(
            f"The shift must be at least 0 s and at most half of the shortest epoch, {shortest * recording.dt_s:g} s; "
            f"got {min_shift_s} s."
        )
    values, shifts = np.empty_like(recording.values), []
    for start, stop in recording.segments:
        length = stop - start
        shift = rng.integers(least, length - least, size=recording.n_neurons, endpoint=True)
        rows = (np.arange(length)[:, None] - shift) % length
        values[start:stop] = np.take_along_axis(recording.values[start:stop], rows, axis=0)
        shifts.append(shift * recording.dt_s)
    surrogate = _surrogate(recording, values)
    if recording.spike_times is None:
        return surrogate
    return replace(surrogate, spike_times=_shifted(recording.spike_times, recording.epochs, np.array(shifts)))


def _shifted(spike_times: nap.TsGroup, epochs: nap.IntervalSet, shift_s: FloatArray) -> nap.TsGroup:
    """Spike times within these epochs, shifted circularly by (epochs, N) seconds."""
    trains = {}
    for k in range(len(spike_times)):
        times, moved = spike_times[k].times(), []
        for (start, end), by in zip(epochs.values, shift_s[:, k], strict=True):
            here = times[(times >= start) & (times < end)]
            moved.append(np.sort(start + (here - start + by) % (end - start)))
        trains[k] = nap.Ts(np.concatenate(moved), time_support=epochs)
    return nap.TsGroup(trains, time_support=epochs)


def _surrogate(recording: Recording, values: npt.NDArray[np.float32]) -> Recording:
    activity = nap.TsdFrame(t=recording.activity.times(), d=values, time_support=recording.epochs)
    return replace(recording, activity=activity, connectome=None, spike_times=None)
