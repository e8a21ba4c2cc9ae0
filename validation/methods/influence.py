"""Influence mapping: what stimulation of single neurons does to the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synapsnet.array_types import BoolArray, FloatArray, IndexArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io.clock import true_runs
from synapsnet.recording import Recording
from validation.light.known_neurons import lit_neurons, pulses_of
from validation.light.pulses import Pulses
from validation.methods.glm import GLM

AFTER_S = 0.02  # after light: the responses to the last spikes that it evokes, and less of what others pass on
FEWEST_SPIKES = 0.1  # more or less per pulse; else the neuron was missed


class Influence:
    """Responses to light on one neuron at a time, less those to light on others; O(R N) for R pulses.

    After Chettih & Harvey 2019, Nature 567:334. What happens at the time of any pulse cancels, and input that neurons
    share does not coincide with light. The difference is divided by the target's rate and by the spikes that light
    evokes, so that it is an effect per spike, as in a GLM; its standard error is that of independent pulses. Nothing is
    said of neurons that light was never on. Effects include what is passed on until `AFTER_S` after the light.

    Parameters
    ----------
    spontaneous : bool
        Whether the evidence of `GLM` from the activity between the responses to light is added. Each z-score counts by
        how much those of its kind vary more than noise.
    """

    def __init__(self, spontaneous: bool = False) -> None:
        self.spontaneous = spontaneous

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If no light is on single neurons, or `find_pulses` refuses it.
        """
        stimulated = {name: int(on.argmax()) for name, on in lit_neurons(recording).items() if on.sum() == 1}
        if not stimulated:
            raise InputError(
                "Influence needs stimulation of single neurons: variables light_ID, with the id of a neuron, that say "
                "when that neuron was lit. The recording has none."
            )
        pulses, on = pulses_of(recording, list(stimulated))
        neuron = np.array(list(stimulated.values()))[on.argmax(axis=1)]
        influence = _influence(pulses, neuron, recording)
        if not self.spontaneous:
            return influence
        between = GLM().infer(_without_responses(recording, pulses))
        return _together(influence, between)


class InfluenceAndSpontaneous(Influence):
    """`Influence` with the evidence of spontaneous activity; O(R N + T N^2)."""

    def __init__(self) -> None:
        super().__init__(spontaneous=True)


def _stop(pulses: Pulses, dt_s: float) -> int:
    """First bin after the onset at which the response is over."""
    return min(pulses.window[0] + max(1, round(AFTER_S / dt_s)), pulses.window[1])


def _influence(pulses: Pulses, neuron: IndexArray, recording: Recording) -> Connectome:
    """Effect of each stimulated neuron; `neuron` says whose pulse each is."""
    stop = _stop(pulses, recording.dt_s)
    counts = pulses.counts[:, :, pulses.onset : pulses.onset + stop].sum(axis=2)
    per_step = pulses.counts[:, :, : pulses.onset].mean(axis=(0, 2))
    n = counts.shape[1]
    own = neuron[:, None] == np.arange(n)  # [pulse, neuron]
    number = own.sum(axis=0)
    variance = _mean((counts - _mean(counts, ~own)) ** 2, ~own)
    weight, error = np.zeros((n, n)), np.ones((n, n))
    for pre in np.flatnonzero(number):
        others = len(counts) - number[pre] - number  # pulses on neither of the two
        here = counts[own[:, pre]]
        control = _mean(counts, ~own & ~own[:, pre : pre + 1])
        extra = here[:, pre].mean() - per_step[pre] * stop
        measurable = (variance > 0) & (per_step > 0) & (others > 0)
        measurable[pre] = False
        if abs(extra) < FEWEST_SPIKES:
            continue
        per_spike = extra * np.where(measurable, per_step, 1.0)
        spread = np.sqrt(variance * (1 / number[pre] + 1 / np.maximum(others, 1)))
        weight[:, pre] = np.where(measurable, (here.mean(axis=0) - control) / per_spike, 0.0)
        error[:, pre] = np.where(measurable, spread / np.abs(per_spike), 1.0)
    return Connectome(weight, standard_error=error, unit="log rate x steps per spike")


def _mean(counts: FloatArray, among: BoolArray) -> FloatArray:
    """(N,) mean over the pulses that are `among`, `[pulse, neuron]`."""
    return np.asarray((counts * among).sum(axis=0) / np.maximum(among.sum(axis=0), 1))


def _together(*evidence: Connectome) -> Connectome:
    """Weighted sum of the z-scores of each pair (Stouffer's method), over those that say anything of it."""
    z = np.stack([connectome.scores for connectome in evidence])
    informative = z != 0
    signal = np.array(
        [
            max(one[measured].var() - 1, 0.0) if measured.any() else 0.0
            for one, measured in zip(z, informative, strict=True)
        ]
    )
    weight = np.where(informative, np.sqrt(signal if signal.any() else np.ones(len(z)))[:, None, None], 0.0)
    total = np.sqrt((weight**2).sum(axis=0))
    return Connectome(
        np.divide((weight * z).sum(axis=0), total, out=np.zeros(total.shape), where=total > 0),
        standard_error=np.ones(total.shape),
        unit="z-score",
    )


def _without_responses(recording: Recording, pulses: Pulses) -> Recording:
    """What is between the responses to light, without the light."""
    quiet = np.ones(recording.n_steps, dtype=bool)
    responding = pulses.first[:, None] + np.arange(_stop(pulses, recording.dt_s))
    quiet[responding] = False
    borders = [
        (start + int(a), start + int(b))
        for start, stop in recording.segments
        for a, b in true_runs(quiet[start:stop])
        if b - a > 1
    ]
    return replace(recording.select_rows(borders), behaviour=None)
