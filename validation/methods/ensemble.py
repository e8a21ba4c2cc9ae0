"""Several methods, and the average of what they infer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.base import Method
from validation.methods.correlation import LaggedCorrelation
from validation.methods.correlogram import CrossCorrelogram
from validation.methods.granger import Granger
from validation.methods.sttc import DirectedSTTC
from validation.methods.tspe import TSPE

ANY: tuple[Callable[[], Method], ...] = (LaggedCorrelation, CrossCorrelogram, Granger)
OF_SPIKES: tuple[Callable[[], Method], ...] = (TSPE, DirectedSTTC)


class Ensemble:
    """Mean evidence of classical methods, each in units of its typical score; O(T N^2 p^2 + N^3 p^3).

    Donner et al. 2024, PLoS Comput Biol 20:e1011964, found that methods err differently, so that together they err
    less; theirs is a network that is trained on simulations, this one has no parameters. Scores of a
    method are divided by their root mean square and averaged over methods: lagged correlation, cross-correlogram,
    Granger causality and, of spikes, TSPE and the directed STTC. It has no standard error, because the errors of its
    members are not independent.
    """

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        members = ANY + OF_SPIKES if recording.modality == "spikes" else ANY
        scores = [_scaled(member().infer(recording).scores) for member in members]
        return Connectome(np.mean(scores, axis=0), unit="a.u.")


def _scaled(scores: FloatArray) -> FloatArray:
    """Scores with a root mean square of 1 over pairs; all 0 stay 0."""
    size = np.sqrt(np.mean(scores[~np.eye(len(scores), dtype=bool)] ** 2))
    return scores / size if size > 0 else scores
