"""Spike deconvolution of calcium traces: the activity behind the fluorescence, frame by frame.

The solver is OASIS (Friedrich, Zhou & Paninski 2017, PLoS Comput Biol 13:e1005423) for an indicator that jumps and
then decays exponentially, an AR(1) process. The only constraint is non-negativity: for inferring connectivity of
densely firing neurons the sparse, noise-constrained solution is worse and ten times slower, and a baseline below the
resting fluorescence is better than one above it, because it keeps the noise around rest linear instead of clipping it.

The deconvolved value at a time depends on later samples, so it may be used to infer connectivity, but never to
forecast.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from oasis.oasis_methods import oasisAR1

from synapsnet.array_types import FloatArray
from synapsnet.memmap import blocks, give_back, rows_in_blocks, zeros
from synapsnet.progress import Advance, Counter, unheard
from synapsnet.recording import Recording

BASELINE_PERCENTILE = 1.0
BLOCK_VALUES = 16_000_000  # frames x neurons at a time, in float64
MAX_DECAY_S = 2.0  # no calcium indicator in use decays more slowly; anything slower is drift
MIN_DECAY_FACTOR = 0.05
DECAY_LAGS = range(2, 12)  # lag 0 holds the noise, lag 1 the indicator's rise
_DECONVOLVED: WeakKeyDictionary[Recording, npt.NDArray[np.float32]] = WeakKeyDictionary()  # several methods use it


def deconvolve(recording: Recording, advance: Advance = unheard) -> npt.NDArray[np.float32]:
    """Non-negative activity behind the fluorescence of every neuron; epochs are deconvolved separately.

    Decay and baseline of each neuron are estimated on the recording given.

    Parameters
    ----------
    recording : Recording
        Calcium, T frames of N neurons. One that is deconvolved already is returned unchanged.
    advance : callable
        Told the fraction done.

    Returns
    -------
    (T, N) float32 array
        Increase in fluorescence in each frame, in the units of the trace; proportional to the expected number of
        spikes. Constant neurons are zero. The array is cached for as long as the recording exists: do not modify it.
    """
    if recording.deconvolved:
        return recording.values
    if recording not in _DECONVOLVED:
        _DECONVOLVED[recording] = _deconvolve(recording, advance)
    return _DECONVOLVED[recording]


def _deconvolve(recording: Recording, advance: Advance) -> npt.NDArray[np.float32]:
    values, segments = recording.values, recording.segments
    activity = zeros(values.shape)
    at_once = max(1, BLOCK_VALUES // len(values))
    columns = [slice(first, first + at_once) for first in range(0, values.shape[1], at_once)]
    for here in Counter(len(columns), advance)(columns):
        traces = np.concatenate([block[:, here].astype(np.float64) for block in blocks(values)])
        found = np.zeros(traces.shape, np.float32)
        decay = decay_factor(traces, segments, recording.dt_s)
        baseline = np.percentile(traces, BASELINE_PERCENTILE, axis=0)
        for k in np.flatnonzero(np.ptp(traces, axis=0) > 0):
            factor = float(decay[k])
            for start, stop in segments:
                calcium, found[start:stop, k] = oasisAR1(traces[start:stop, k] - baseline[k], factor)
                # The first frame's calcium dates from before the epoch: assume the activity that would sustain it.
                found[start, k] = (1 - factor) * max(calcium[0], 0.0)
        for rows in rows_in_blocks(*values.shape):
            activity[rows, here] = found[rows]
            give_back(activity)
    return activity


def decay_factor(traces: FloatArray, segments: list[tuple[int, int]], dt_s: float) -> npt.NDArray[np.float64]:
    """Fraction of calcium that remains after one frame, per neuron.

    Least squares of the autocovariance at one lag on that at the lag before, over lags at which
    neither white noise nor the rise of the indicator contributes; no pair of samples crosses an
    epoch's border.

    Parameters
    ----------
    traces : (T, N) array
    segments : row ranges `[start, stop)` of the epochs
    dt_s : float
        Duration of a frame in seconds.

    Returns
    -------
    (N,) array
        Between `MIN_DECAY_FACTOR` and the factor of a decay time of `MAX_DECAY_S`.
    """
    slowest = float(np.exp(-dt_s / MAX_DECAY_S))
    centred = traces - traces.mean(axis=0)
    pieces = [centred[a:b] for a, b in segments if b - a > DECAY_LAGS.stop]
    if not pieces:  # too short to tell
        return np.full(traces.shape[1], slowest)
    covariance = np.array([sum(np.einsum("tn,tn->n", p[k:], p[:-k]) for p in pieces) for k in DECAY_LAGS])
    before, after = covariance[:-1], covariance[1:]
    power = (before**2).sum(axis=0)
    factor = np.divide((before * after).sum(axis=0), power, out=np.zeros_like(power), where=power > 0)
    return np.clip(factor, MIN_DECAY_FACTOR, slowest)
