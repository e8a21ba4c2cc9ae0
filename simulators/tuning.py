"""A constant input for each neuron, with which it fires at the rate that is asked for.

Stochastic approximation (Robbins & Monro 1951, Ann Math Stat 22:400) in one pass through the run: in each of a few
rounds the network is simulated for some seconds, and the input of every neuron then moves by what its log rate lacks,
less and less from round to round. The seconds of a round are spread evenly over the whole run and no two rounds share
one, so that every round meets the states and stimuli in the proportion in which they come. The rounds are runs like any
other, and so cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from simulators import engine
from simulators.inputs import STEP_S, Signals
from simulators.model import Model
from simulators.units import MILLI
from synapsnet.array_types import FloatArray, IndexArray

N_ROUNDS = 12
ROUND_S = (10, 30)  # least and most that is simulated in one
MV_PER_LOG_RATE = 2.0  # how far the input moves; LIF neurons of a few Hz need about this much
MOST_LACKING = 1.5  # in log rate: one round counts few spikes
FULL_ROUNDS = 4  # from then on steps shrink as 1 / round


def tuned_input(
    model: Model,
    run: engine.RunInputs,
    rate_hz: FloatArray,
    *,
    progress: Callable[[float], None],
    notify: Callable[[str], None],
) -> FloatArray:
    """(N,) constant input in volts with which the neurons of a run fire at the given rates.

    Parameters
    ----------
    model : Model
    run : RunInputs
        What is to be run, with its signals.
    rate_hz : (N,) array
    progress, notify : callable
        See `engine.run`.
    """
    assert run.signals is not None
    tuned_v = np.zeros(len(rate_hz))
    for k in range(N_ROUNDS):
        seconds = _seconds_of_round(k, int(run.n_steps * model.dt_s))
        part = replace(
            run,
            seed=(run.seed + k + 1) % 2**32,
            n_steps=round(len(seconds) / model.dt_s),
            signals=with_constant(_at_seconds(run.signals, seconds), tuned_v),
        )
        spikes = engine.run(model, part, progress=lambda done: None, notify=notify if k == 0 else lambda sentence: None)
        counts = np.bincount(spikes.neuron, minlength=len(rate_hz))
        lacking = np.log((rate_hz * len(seconds) + 0.5) / (counts + 0.5))
        step_v = MV_PER_LOG_RATE * MILLI / max(1, k + 2 - FULL_ROUNDS)
        tuned_v += step_v * np.clip(lacking, -MOST_LACKING, MOST_LACKING)
        progress((k + 1) / N_ROUNDS)
    return tuned_v


def with_constant(signals: Signals, input_v: FloatArray) -> Signals:
    """The signals and a constant input for each neuron."""
    return signals.with_signals(np.ones((len(signals.signal), 1), np.float32), input_v[:, None], [])


def _seconds_of_round(k: int, duration_s: int) -> IndexArray:
    """Which seconds of the run round k simulates; a short run is gone through several times."""
    least, most = ROUND_S
    own = np.arange(k, max(duration_s, least * N_ROUNDS), N_ROUNDS)
    seconds = own[np.linspace(0, len(own) - 1, min(len(own), most)).round().astype(int)]
    return np.asarray(seconds % max(duration_s, 1))


def _at_seconds(signals: Signals, seconds: IndexArray) -> Signals:
    per_second = round(1 / STEP_S)
    rows = np.minimum((seconds[:, None] * per_second + np.arange(per_second)).ravel(), len(signals.signal) - 1)
    return replace(signals, signal=signals.signal[rows], behaviour=signals.behaviour[rows])
