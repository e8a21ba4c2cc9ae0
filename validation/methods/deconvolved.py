"""Deconvolution, then any method for spikes.

Methods see calcium through `validation.methods.base.activity_of`: deconvolution of each trace, without a threshold, in
place of spike counts. What is here goes one step further and decides in each frame whether there was an event.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.connectome import Connectome
from synapsnet.deconvolution import deconvolve
from synapsnet.recording import Recording
from validation.methods.base import Method
from validation.methods.glm import GLM

THRESHOLD = 1.0


def events(recording: Recording, threshold: float = THRESHOLD) -> npt.NDArray[np.float32]:
    """(T, N) of 0 and 1: frames whose deconvolved activity exceeds the noise of the trace.

    Parameters
    ----------
    recording : Recording
        Calcium.
    threshold : float
        In standard deviations of the noise between neighbouring frames, from the median of their absolute
        differences. 1 was the best of 0.5, 1, 1.5, 2 and 3 on seed 1 of the network "lif-random".
    """
    change = np.concatenate([np.diff(recording.values[a:b], axis=0) for a, b in recording.segments])
    noise = np.median(np.abs(change), axis=0) / (0.6745 * np.sqrt(2))  # the median of a normal distribution
    return (deconvolve(recording) > threshold * noise).astype(np.float32)


def binary(recording: Recording) -> npt.NDArray[np.int8]:
    """(T, N) of 0 and 1: whether there is a spike in a bin, or an event in a frame of calcium."""
    activity = events(recording) if recording.modality == "calcium" else recording.values
    return (activity > 0).astype(np.int8)


class Deconvolved:
    """A method for spikes, by default the GLM, on the events of calcium; O(T N) and what the method takes.

    Events are those of the deconvolved activity; spikes are left as they are.

    Parameters
    ----------
    method : Method, default the GLM
    threshold : float
        See `events`.
    """

    def __init__(self, method: Method | None = None, threshold: float = THRESHOLD) -> None:
        self.method, self.threshold = method or GLM(), threshold

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        if recording.modality == "spikes":
            return self.method.infer(recording)
        activity = nap.TsdFrame(
            t=recording.activity.times(), d=events(recording, self.threshold), time_support=recording.epochs
        )
        return self.method.infer(replace(recording, activity=activity, modality="spikes"))
