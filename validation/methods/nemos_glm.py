"""Poisson GLM with raised-cosine coupling filters, by nemos: an independent implementation beside our own GLM."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods.base import activity_of

INFORMATION_ROWS = 40_000  # steps from which the Fisher information is estimated
RIDGE = 1e-6  # keeps silent neurons from making the problem singular
SMALLEST_RATE = 1e-6


class NemosGLM:
    """Log rate of a neuron: spikes of all neurons, each through a filter of its own; O(T N^3 n_bases^2).

    Pillow et al. 2008, Nature 454:995: filters are sums of raised cosines in log time. Bases, model and solver (L-BFGS)
    are those of nemos, https://nemos.readthedocs.io, an optional dependency. The features are whitened first, or the
    solver would need hundreds of steps. `weight` is the sum of a filter over time, and its standard error is from
    the Fisher information. Calcium goes in as in `validation.methods.glm.GLM`.

    Parameters
    ----------
    n_bases : int
        Raised cosines of a filter.
    window_s : float
        Length of the filters, but at least 2 steps.
    max_iterations : int
        Limit of the solver's iterations.
    """

    def __init__(self, n_bases: int = 3, window_s: float = 0.030, max_iterations: int = 30) -> None:
        self.n_bases, self.window_s, self.max_iterations = n_bases, window_s, max_iterations

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If nemos is not installed.
        """
        nmo = _nemos()
        values = activity_of(recording)
        length = max(2, round(self.window_s / recording.dt_s))
        # One step longer, for the last value of a raised cosine is 0.
        basis = nmo.basis.RaisedCosineLogConv(min(self.n_bases, length), window_size=length + 1)
        activity = nap.TsdFrame(t=recording.activity.times(), d=values, time_support=recording.epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # pynapple's, of an array of jax that it converts
            features = np.asarray(basis.compute_features(activity).values, np.float32)
        complete = ~np.isnan(features).any(axis=1)
        features, response = features[complete], values[complete]
        features -= features.mean(axis=0)
        whiten = _whitening(features)
        features = features @ whiten
        rate = response.mean(axis=0).clip(min=SMALLEST_RATE)
        glm = nmo.glm.PopulationGLM(
            regularizer="Ridge",
            regularizer_strength=RIDGE,
            solver_name="LBFGS",
            solver_kwargs={"maxiter": self.max_iterations, "tol": 1e-6},
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # single precision never reaches that tolerance
            glm.fit(
                features, response, init_params=(np.zeros((features.shape[1], len(rate)), np.float32), np.log(rate))
            )
        n = recording.n_neurons
        area = np.kron(np.eye(n), np.asarray(basis.kernel_).sum(axis=0)) @ whiten  # (N, features): sums of filters
        weight = (area @ np.asarray(glm.coef_)).T
        thinned = slice(None, None, -(-len(features) // INFORMATION_ROWS))
        expected = np.asarray(glm.predict(features[thinned]))
        error = np.stack([_standard_error(features[thinned], mu, len(features), area) for mu in expected.T])
        if recording.modality == "calcium":
            error *= np.sqrt(((response[thinned] - expected) ** 2 / expected).mean(axis=0))[:, None]
        np.fill_diagonal(weight, 0)
        return Connectome(weight, standard_error=error, unit="log rate x steps per spike")


def _nemos() -> Any:
    try:
        import nemos
    except ImportError as error:
        raise InputError(
            "The method nemos-glm needs the package nemos; install it with pip install 'synapsnet[nemos]'."
        ) from error
    return nemos


def _whitening(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(F, F) matrix that turns centred features into uncorrelated ones of unit variance."""
    covariance = features.T.astype(np.float64) @ features / len(features)
    covariance[np.diag_indices_from(covariance)] += RIDGE
    return np.linalg.inv(np.linalg.cholesky(covariance)).T.astype(np.float32)


def _standard_error(
    features: npt.NDArray[np.float32], rate: npt.NDArray[Any], n_steps: int, area: npt.NDArray[Any]
) -> Float64Array:
    """(N,) standard errors of the sums of a neuron's filters; the intercept is estimated too."""
    centred = features - rate @ features / rate.sum()
    information = (centred * rate[:, None]).T @ centred * (n_steps / len(features))
    information[np.diag_indices_from(information)] += RIDGE * n_steps
    return np.sqrt(np.einsum("nf,nf->n", area @ np.linalg.inv(information.astype(np.float64)), area))
