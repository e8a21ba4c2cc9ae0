"""Vector autoregression with few couplings."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Lasso
from sklearn.preprocessing import StandardScaler

from synapsnet.connectome import Connectome
from synapsnet.recording import Recording
from validation.methods.base import activity_of, lagged, targets

RIDGE = 1e-6  # keeps the covariance of silent neurons invertible


class LassoVAR:
    """Vector autoregression at lag 1, lasso penalty, z-scored; for calcium, deconvolved; O(T N^2 + N^3).

    Tibshirani 1996, J R Stat Soc B 58:267, and Fujita et al. 2007, BMC Syst Biol 1:39, for autoregression. No standard
    errors.

    Parameters
    ----------
    penalty : float
        In standard errors of a coefficient of independent steps. One is our choice, made on the development network:
        the theory's sqrt(2 log N), and still more so BIC, find fewer false connections but miss more.
    """

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = penalty

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`."""
        values = StandardScaler().fit_transform(activity_of(recording))
        before, after = lagged(values, recording.segments, 1)[:, 0], targets(values, recording.segments, 1)
        n = values.shape[1]
        covariance = (before.T @ before).astype(np.float64) / len(before) + RIDGE * np.eye(n)
        across = (before.T @ after).astype(np.float64) / len(before)
        # N made-up steps with the covariances of all T have the same solution.
        root = np.linalg.cholesky(covariance)
        lasso = Lasso(self.penalty / np.sqrt(len(before)), fit_intercept=False)
        weight = lasso.fit(np.sqrt(n) * root.T, np.sqrt(n) * np.linalg.solve(root, across)).coef_
        np.fill_diagonal(weight, 0)
        return Connectome(weight, unit="SD per SD")
