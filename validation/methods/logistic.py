"""Logistic generalised linear model: the Poisson one for bins that hold a spike or none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from synapsnet.array_types import Float32Array
from synapsnet.recording import Recording
from validation.methods.deconvolved import binary
from validation.methods.glm import GLM, PENALTY, SILENT_LOG_RATE, standard_error


class LogisticGLM(GLM):
    """Log odds of a spike: the filters of `validation.methods.glm.GLM`, solved by scikit-learn; O(T N^3).

    Truccolo et al. 2005, J Neurophysiol 93:1074, on point processes in bins that hold at most one spike. Bins with
    more count as one; calcium is seen as events of the deconvolved activity.
    """

    _UNIT = "log odds per spike"

    def _activity(self, recording: Recording) -> Float32Array:
        return binary(recording).astype(np.float32)

    def _expected(self, eta: Float32Array) -> Float32Array:
        return np.asarray(expit(eta), np.float32)

    def _solve(
        self, features: Float32Array, response: Float32Array, dispersed: bool
    ) -> tuple[Float32Array, float, npt.NDArray[np.float64]]:
        if response.min() == response.max():  # scikit-learn needs both classes
            return np.zeros(features.shape[1], np.float32), SILENT_LOG_RATE, np.ones(features.shape[1])
        strength = 1 / (PENALTY * len(response))  # scikit-learn sums the losses where the penalty is of their mean
        glm = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-3).fit(features, response)
        p = glm.predict_proba(features)[:, 1]
        return glm.coef_[0].astype(np.float32), float(glm.intercept_[0]), standard_error(features, p * (1 - p))
