"""Linear autoregression by ridge regression: of the population (VAR), and of each neuron by itself (AR).

Lütkepohl 2005, New Introduction to Multiple Time Series Analysis, chapters 2 and 3.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge

from synapsnet.array_types import Float32Array
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.base import activity_of, align, lagged, targets

SPIKE_HISTORY_S, CALCIUM_FRAMES = 0.03, 8  # of forecasts: what SynapsNet's synapses and own past span


class _Autoregression:
    """Forecasts by iterating a linear function of the last `order_` steps of z-scored activity.

    Parameters
    ----------
    penalty : float
        Penalty of the ridge, on z-scored activity.
    """

    def __init__(self, penalty: float = 100.0) -> None:
        self.penalty = penalty

    def fit(self, recording: Recording) -> Self:
        """See `validation.methods.base.Forecaster`."""
        spikes = recording.modality == "spikes"
        order = max(1, round(SPIKE_HISTORY_S / recording.dt_s)) if spikes else CALCIUM_FRAMES
        longest = max(stop - start for start, stop in recording.segments)
        self.order_ = min(order, longest - 1)
        past = lagged(recording.values, recording.segments, self.order_)
        after = targets(recording.values, recording.segments, self.order_)
        self.centre_, spread = after.mean(axis=0), after.std(axis=0)
        self.spread_ = np.where(spread > 0, spread, 1)
        self.coef_ = self._coefficients((past - self.centre_) / self.spread_, (after - self.centre_) / self.spread_)
        return self

    def forecast(self, recording: Recording, horizon: int) -> npt.NDArray[np.float32]:
        """See `validation.methods.base.Forecaster`."""
        values = (recording.values - self.centre_) / self.spread_
        result = np.full((horizon, *values.shape), np.nan, np.float32)
        for start, stop in recording.segments:
            past = lagged(values, [(start, stop)], self.order_)
            steps = []
            for _ in range(horizon):
                following = self._next(past)
                steps.append(following * self.spread_ + self.centre_)
                past = np.concatenate([following[:, None], past[:, :-1]], axis=1)
            align(steps, result, start, stop, self.order_)
        return result

    def _coefficients(self, past: Float32Array, after: Float32Array) -> Float32Array:
        raise NotImplementedError

    def _next(self, past: Float32Array) -> Float32Array:
        raise NotImplementedError


class VAR(_Autoregression):
    """Vector autoregression, ridge penalty, z-scored; O(T N^2 p^2) with p lags.

    Connectivity is the coefficient at lag 1 (for calcium, of the deconvolved activity) over its standard
    error. On the development network more lags, summed, were worse: they add noise faster than signal.
    Forecasts iterate a model of higher order of the recorded activity itself.

    Parameters
    ----------
    penalty : float
        Penalty of the ridge, on z-scored activity.
    """

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        values = _standardised(activity_of(recording))
        before, after = lagged(values, recording.segments, 1)[:, 0], targets(values, recording.segments, 1)
        ridge = Ridge(self.penalty).fit(before, after)
        residual = (after - ridge.predict(before)).var(axis=0)
        centred = before - before.mean(axis=0)
        inverse = np.linalg.inv(centred.T @ centred + self.penalty * np.eye(len(residual)))
        weight = np.array(ridge.coef_)
        np.fill_diagonal(weight, 0)
        return Connectome(weight, standard_error=np.sqrt(np.outer(residual, np.diag(inverse))), unit="SD per SD")

    def _coefficients(self, past: Float32Array, after: Float32Array) -> Float32Array:
        flat = past.reshape(len(past), -1)
        return Ridge(self.penalty, fit_intercept=False).fit(flat, after).coef_.astype(np.float32)

    def _next(self, past: Float32Array) -> Float32Array:
        return past.reshape(len(past), -1) @ self.coef_.T


class AR(_Autoregression):
    """Autoregression of each neuron by itself: what its own past says of its future; O(T N p^2).

    Parameters
    ----------
    penalty : float
        Penalty of the ridge, on z-scored activity.
    """

    def _coefficients(self, past: Float32Array, after: Float32Array) -> Float32Array:
        ridge = Ridge(self.penalty, fit_intercept=False)
        return np.stack([ridge.fit(past[:, :, k], after[:, k]).coef_ for k in range(after.shape[1])]).astype(np.float32)

    def _next(self, past: Float32Array) -> Float32Array:
        return np.einsum("rpn,np->rn", past, self.coef_)


def _standardised(values: Float32Array) -> Float32Array:
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
