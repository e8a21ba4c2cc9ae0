"""Co-smoothing: what the activity of some neurons says about others that are never seen in the held-out data.

The task of the Neural Latents Benchmark (Pei et al. 2021, arXiv 2109.04463).
Unlike a forecast it may look at the seen neurons at all times, later ones included, so it asks how much the
population shares, and not in which direction anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from sklearn.linear_model import PoissonRegressor, Ridge

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.metrics.bootstrap import draw_counts, estimate
from validation.metrics.forecasting import bits_per_spike, resample, time_blocks
from validation.metrics.results import Estimate

LOG_OFFSET = 1e-4  # smoothed spikes per bin, as in the benchmark's published baseline


class CoSmoother(Protocol):
    """Predicts neurons from other ones."""

    def fit(self, seen: Recording, unseen: Recording) -> Self:
        """Learn from the training data, in which all neurons are recorded."""
        ...

    def predict(self, seen: Recording) -> npt.NDArray[np.floating[Any]]:
        """(T, M) expected activity of the M unseen neurons at the times of `seen`."""
        ...


class SmoothedReadout:
    """Smooth the seen neurons in time and regress each unseen one on them: the benchmark's simplest baseline.

    Spikes by Poisson regression on the log of the smoothed counts, calcium by ridge regression on the smoothed values.

    Parameters
    ----------
    sd_s : float
        Of the Gaussian kernel. The benchmark's baseline takes 30 to 60 ms, by data set.
    penalty : float
        L2, on coefficients of the mean loss over steps. The benchmark's baseline takes 0.001 to 0.1.
    """

    def __init__(self, sd_s: float = 0.05, penalty: float = 0.01) -> None:
        self.sd_s = sd_s
        self.penalty = penalty

    def fit(self, seen: Recording, unseen: Recording) -> Self:
        """See `CoSmoother`."""
        features = self._features(seen)
        if seen.modality == "spikes":
            self.regressors_ = [
                PoissonRegressor(alpha=self.penalty, solver="newton-cholesky").fit(features, counts)
                for counts in unseen.values.T.astype(np.float64)
            ]
        else:
            self.regressors_ = [Ridge(alpha=self.penalty * len(features)).fit(features, unseen.values)]
        return self

    def predict(self, seen: Recording) -> npt.NDArray[np.floating[Any]]:
        """See `CoSmoother`."""
        features = self._features(seen)
        return np.column_stack([regressor.predict(features) for regressor in self.regressors_])

    def _features(self, recording: Recording) -> npt.NDArray[np.float64]:
        values, sd_steps = recording.values.astype(np.float64), self.sd_s / recording.dt_s
        smooth = [gaussian_filter1d(values[a:b], sd_steps, axis=0, mode="nearest") for a, b in recording.segments]
        features = np.concatenate(smooth)
        return np.log(features + LOG_OFFSET) if recording.modality == "spikes" else features


def score_cosmoothing(
    smoother: CoSmoother,
    training: Recording,
    test: Recording,
    unseen: Sequence[int],
    *,
    n_blocks: int = 50,
    n_resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """Fit on the training data, predict the `unseen` neurons of held-out data from all others, and score that.

    Parameters
    ----------
    smoother : CoSmoother
    training, test : Recording
        Parts of one recording.
    unseen : indices of at least 2 neurons, which leave at least 2
        The benchmark keeps about a quarter of all neurons for this.
    n_blocks, n_resamples, seed
        Of the interval, a bootstrap over blocks of time; see `validation.metrics.forecasting.score_forecasts`.

    Returns
    -------
    Estimate
        Of spikes, bits per spike over the mean rate in training; of calcium, R2 averaged over neurons. Both are defined
        in `score_forecasts`.

    Raises
    ------
    InputError
        If too few neurons are seen or unseen, an index is unusable, the unseen neurons are silent in the held-out data,
        or predictions are not finite or of the wrong shape.
    """
    chosen = np.unique(np.asarray(unseen, dtype=int))
    others = np.setdiff1d(np.arange(test.n_neurons), chosen)
    if len(chosen) < 2 or len(others) < 2 or len(chosen) + len(others) != test.n_neurons:
        raise InputError(
            f"Co-smoothing needs at least 2 of the {test.n_neurons} neurons to predict and at least 2 others to see; "
            f"got the indices {chosen.tolist()}."
        )
    training, test = training.without_ground_truth(), test.without_ground_truth()
    target = test.select_neurons(chosen).values
    learned = training.select_neurons(chosen)
    predicted = smoother.fit(training.select_neurons(others), learned).predict(test.select_neurons(others))
    if predicted.shape != target.shape or not np.isfinite(predicted).all():
        raise InputError(
            f"Co-smoothing needs finite predictions of time x unseen neurons, {target.shape}; got {predicted.shape}."
        )
    blocks = time_blocks(test.segments, n_blocks)
    counts, rows = draw_counts(len(blocks), n_resamples, seed), [np.arange(start, stop) for start, stop in blocks]
    if test.modality == "calcium":
        return estimate(resample(target, predicted, rows, counts).r2)
    bits = bits_per_spike(target, predicted, learned.values.mean(axis=0, dtype=np.float64), rows, counts)
    if bits is None:
        raise InputError("The unseen neurons fire no spike in the held-out data; hold out more or choose others.")
    return bits
