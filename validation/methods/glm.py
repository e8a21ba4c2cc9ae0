"""Poisson generalised linear model with exponential coupling filters.

Pillow et al. 2008, Nature 454:995, with one coupling filter. Solved neuron by neuron by scikit-learn.
"""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from scipy.linalg import LinAlgWarning
from scipy.signal import lfilter
from sklearn.linear_model import PoissonRegressor
from threadpoolctl import threadpool_limits

from synapsnet.array_types import Float32Array
from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.base import activity_of, align

COUPLING_TAU_S = 0.010
OWN_TAUS_S = (0.0025, 0.030, 0.100)  # of spikes: refractoriness, bursts, slow adaptation
OWN_FRAMES = (2.0,)  # of calcium: what deconvolution leaves of the decay
PENALTY = 1e-5  # keeps silent and copied presynaptic neurons from making the problem singular
SILENT_LOG_RATE = -12.0


class GLM:
    """Log rate of a neuron: filtered spikes of all neurons and three more filters of its own; O(T N^3).

    Connectivity is the coupling over its standard error, from the Fisher information. On calcium the
    deconvolved activity takes the place of counts: it is proportional to them, so this is a
    quasi-Poisson model whose dispersion enters the standard error; coupling decays within a frame.
    Forecasts are for spikes only: deconvolved activity cannot forecast, because deconvolution looks ahead. Iterating
    an exponential runs away easily; an expected count is bounded by the highest in training.
    """

    _UNIT = "log rate per spike"

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        if getattr(self, "fitted_to_", None) is not recording:  # else fitted already, for its forecasts
            self.fit(recording)
        return self.connectivity_

    def fit(self, recording: Recording) -> Self:
        """See `validation.methods.base.Forecaster`."""
        values = self._activity(recording)
        self.decays_ = _decays(recording)
        self.mean_ = values.mean(axis=0)
        self.highest_ = np.log(values.max(axis=0).clip(min=1e-6))
        filtered = self._filtered(values, recording.segments)
        rows = np.concatenate([np.arange(a + 1, b) for a, b in recording.segments])
        design = [trace[rows - 1] for trace in filtered]
        self.scale_ = np.stack([_spread(trace) for trace in design])
        design = [trace / scale for trace, scale in zip(design, self.scale_, strict=True)]
        n = values.shape[1]

        def solve(k: int) -> tuple[Float32Array, float, npt.NDArray[np.float64]]:
            features = np.concatenate([design[0], *(trace[:, k : k + 1] for trace in design[1:])], axis=1)
            return self._solve(features, values[rows, k], dispersed=recording.modality == "calcium")

        def attempt(k: int) -> tuple[Float32Array, float, npt.NDArray[np.float64]] | None:
            try:
                return solve(k)
            except LinAlgWarning:  # which the solver makes an error for a moment, and so in all threads
                return None

        # A neuron per core: one matrix product over all cores stalls whenever anything else wants a core.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", LinAlgWarning)  # of a Newton step that is singular; lbfgs goes on
            attempts = Parallel(n_jobs=-1, prefer="threads")(delayed(attempt)(k) for k in range(n))
            warnings.simplefilter("ignore", LinAlgWarning)  # again: threads may leave each other's filters behind
            solved = [solve(k) if done is None else done for k, done in enumerate(attempts)]
        coefficients = np.stack([coefficient for coefficient, _, _ in solved])
        self.coupling_, self.own_ = coefficients[:, :n], coefficients[:, n:].T
        self.intercept_ = np.array([intercept for _, intercept, _ in solved], np.float32)
        error = np.stack([errors[:n] for _, _, errors in solved])
        weight = self.coupling_.copy()
        np.fill_diagonal(weight, 0)  # of itself, every neuron sees all filters
        scale = self.scale_[0]  # to log rate per filtered spike
        self.connectivity_ = Connectome(weight / scale, standard_error=error / scale, unit=self._UNIT)
        self.fitted_to_ = recording
        return self

    def forecast(self, recording: Recording, horizon: int) -> Float32Array:
        """See `validation.methods.base.Forecaster`."""
        result = np.full((horizon, *recording.values.shape), np.nan, np.float32)
        filtered = self._filtered(self._activity(recording), recording.segments)
        for start, stop in recording.segments:
            state = np.stack([trace[start : stop - 1] for trace in filtered])  # (filters, R, N)
            steps = []
            for _ in range(horizon):
                coupling, own = state[0] / self.scale_[0], state[1:] / self.scale_[1:, None]
                log_rate = coupling @ self.coupling_.T + (own * self.own_[:, None]).sum(axis=0) + self.intercept_
                steps.append(self._expected(log_rate))
                state = state * self.decays_[:, None, None] + steps[-1]
            align(steps, result, start, stop, order=1)
        return result

    def _activity(self, recording: Recording) -> Float32Array:
        return activity_of(recording)

    def _expected(self, eta: Float32Array) -> Float32Array:
        return np.exp(np.minimum(eta, self.highest_))

    def _solve(
        self, features: Float32Array, response: Float32Array, dispersed: bool
    ) -> tuple[Float32Array, float, npt.NDArray[np.float64]]:
        """Coefficients, intercept, and standard errors of the coefficients."""
        if not response.any():  # silent throughout: nothing to learn
            return np.zeros(features.shape[1], np.float32), SILENT_LOG_RATE, np.ones(features.shape[1])
        # The solver's tolerance is absolute, the scale of deconvolved activity is arbitrary.
        scale = response.mean() if dispersed else 1.0
        response = response / scale
        glm = PoissonRegressor(alpha=PENALTY, solver="newton-cholesky", tol=1e-3, warm_start=True)
        glm.coef_, glm.intercept_ = np.zeros(features.shape[1], np.float32), np.log(response.mean())
        # Newton steps on a part of the data first: close to the solution few are needed on all of it.
        start = len(response) // 8
        start_is_enough = np.count_nonzero(response[:start]) > 2 * features.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):  # a Newton step too far, which the line search takes back
            if start_is_enough:
                glm.fit(features[:start], response[:start])
            glm.fit(features, response)
        rate = glm.predict(features)
        dispersion = float(np.mean((response - rate) ** 2 / rate)) if dispersed else 1.0
        intercept = float(glm.intercept_ + np.log(scale))
        return glm.coef_.astype(np.float32), intercept, standard_error(features, rate, dispersion)

    def _filtered(self, values: Float32Array, segments: list[tuple[int, int]]) -> list[Float32Array]:
        """Exponentially filtered activity up to and including each step; every epoch starts at the training mean."""
        traces = []
        for decay in self.decays_:
            trace = np.empty_like(values)
            before = decay / (1 - decay) * self.mean_[None]
            for start, stop in segments:
                trace[start:stop] = lfilter([1.0], [1.0, -decay], values[start:stop], axis=0, zi=before)[0]
            traces.append(trace)
        return traces


def _spread(trace: Float32Array) -> Float32Array:
    """Standard deviation of each neuron's filtered activity; that of one without any leaves no trace of it."""
    spread = trace.std(axis=0)
    return np.where(spread > 1e-6 * np.abs(trace).max(axis=0), spread, np.inf).astype(np.float32)


def _decays(recording: Recording) -> Float32Array:
    """Fraction that each filter keeps from step to step: first that of couplings, then those of the neuron's own."""
    dt_s = recording.dt_s
    if recording.modality == "calcium":
        own = [frames * dt_s for frames in OWN_FRAMES]
    else:
        own = [tau for tau in OWN_TAUS_S if tau >= dt_s / 2]  # faster ones cannot be told from the coupling filter
    return np.exp(-dt_s / np.array([COUPLING_TAU_S, *own])).astype(np.float32)


def standard_error(features: Float32Array, variance: Float32Array, dispersion: float = 1.0) -> npt.NDArray[np.float64]:
    """Standard error of each coefficient, from the Fisher information; the intercept is estimated too.

    Parameters
    ----------
    features : (R, F) array
    variance : (R,) array
        Variance of the response by the model with a canonical link: the rate, or p (1 - p).
    dispersion : float
        How much larger the variance really is.
    """
    weighted = features * variance[:, None]
    total = variance.sum(dtype=np.float64)
    centre = weighted.sum(axis=0, dtype=np.float64) / total
    information = (weighted.T @ features).astype(np.float64) - total * np.outer(centre, centre)
    information[np.diag_indices_from(information)] += PENALTY * len(variance)
    return np.sqrt(dispersion * np.diag(np.linalg.inv(information)).clip(min=0))
