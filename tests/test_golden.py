"""Scores that must not change unnoticed, on data that NumPy draws alike on every machine."""

from __future__ import annotations

import numpy as np
import pytest

from synapsnet.connectome import Connectome
from synapsnet.estimator import SynapsNet
from synapsnet.recording import Recording
from validation.methods import find_method
from validation.metrics.connectivity import score_connectivity

N, N_STEPS = 12, 16_000

# AUPRC and correlation of weights; chance is the density, about 0.25.
GOLDEN = {
    "lagged-correlation": (0.909, 0.863),
    "var": (0.908, 0.864),
    "glm": (0.955, 0.958),
    "synapsnet": (0.943, 0.910),
}


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Bernoulli neurons that excite and inhibit each other through exponential currents."""
    rng = np.random.default_rng(2024)
    weight = np.where(rng.random((N, N)) < 0.25, rng.lognormal(-0.5, 0.5, (N, N)), 0.0)
    weight[:, -3:] *= -1.5
    np.fill_diagonal(weight, 0.0)
    spikes, current = np.zeros((N_STEPS, N), np.float32), np.zeros(N)
    for t in range(1, N_STEPS):
        current = 0.6 * current + spikes[t - 1]
        spikes[t] = rng.random(N) < 1 / (1 + np.exp(3.3 - weight @ current))
    return Recording.from_array(spikes, 0.005, "spikes", connectome=Connectome(weight))


@pytest.mark.parametrize("name", GOLDEN)
def test_recovery(name, recording):
    hidden = recording.without_ground_truth()
    if name == "synapsnet":
        inferred = SynapsNet(seed=0, device="cpu", epochs=6).fit(hidden).connectivity_
    else:
        inferred = find_method(name)().infer(hidden)
    scores = score_connectivity(name, recording.connectome, inferred, n_resamples=20)
    assert (scores.auprc.value, scores.weight_correlation.value) == pytest.approx(GOLDEN[name], abs=0.02)
