import numpy as np
import pytest
import torch

from synapsnet.estimator import SynapsNet
from synapsnet.inference import evidence as module
from synapsnet.inference.evidence import Evidence, evidence
from synapsnet.inference.posterior import posterior
from synapsnet.recording import Recording
from synapsnet.training import Task

OFF_DIAGONAL = ~np.eye(20, dtype=bool)


@pytest.fixture(scope="module")
def unconnected():
    """Twenty neurons that fire at random, each at its own rate."""
    rng = np.random.default_rng(0)
    spikes = rng.random((30_000, 20)) < rng.uniform(0.02, 0.06, 20)
    recording = Recording.from_array(spikes, 0.005, "spikes")
    return recording, SynapsNet(seed=0, prior="none").fit(recording)


def test_where_there_are_no_connections_estimates_scatter_as_their_errors_say(unconnected):
    """The decoder learns there to pass on next to nothing, which must not matter."""
    found = unconnected[1].connectivity_
    z = (found.weight / found.standard_error)[OFF_DIAGONAL]
    assert z.std() == pytest.approx(1, abs=0.1)
    assert abs(z.mean()) < 0.15
    assert abs(((z - z.mean()) ** 3).mean() / z.std() ** 3) < 0.4


def test_what_the_decoder_passes_on_of_a_current_changes_no_estimate(unconnected):
    """However strong: where nothing is sent yet, the evidence is the same."""
    recording, model = unconnected
    fitted = model._forecaster
    x, b = fitted.normalise(torch.from_numpy(recording.values), torch.zeros(len(recording.values), 0))
    todo = Task(fitted.model, x, b, [(0, 27_000)], [(27_100, 30_000)]).batches(512)
    assert fitted.model.synapses is not None
    with torch.no_grad():
        fitted.model.synapses.connectivity.raw_weight.zero_()
    estimates, gains = [], []
    for factor in (50.0, -1.0):
        with torch.no_grad():
            fitted.model.decoder.hidden.current.mul_(factor)
        seen, gain = evidence(fitted.model, x, b, todo, model.fabric)
        estimates.append(seen.estimate.numpy())
        gains.append(gain.numpy())
    assert estimates[0] == pytest.approx(estimates[1], abs=1e-6)
    assert np.abs(gains[0] - gains[1]).max() > 0.05


def test_without_what_is_seen_within_a_step_the_lags_decide(unconnected):
    recording, _ = unconnected
    rng = np.random.default_rng(1)
    values = recording.values[:4000].copy()
    values[:, 1] = values[:, 0] * (rng.random(4000) < 0.9)  # together, at no lag
    together = Recording.from_array(values, 0.005, "spikes")
    lags = SynapsNet(seed=0, epochs=2, prior="lags").infer(together).local_fdr
    assert lags is not None
    assert min(lags[0, 1], lags[1, 0]) > 0.5


def test_of_lags_keeps_all_but_what_is_within_a_step():
    torch.manual_seed(0)
    n = 6
    one = torch.ones(n, n)
    seen = Evidence(torch.randn(n, n), one, torch.rand(n, n), one, 100, slow=one, slow_error=one, skewness=one)
    assert not seen.of_lags().within.any()
    assert seen.of_lags().estimate is seen.estimate
    assert posterior(seen.of_lags()).absent.shape == (n, n)


def test_more_steps_of_newtons_method_change_little(monkeypatch):
    """Strong weights and a drive that all share: steps that are too long would diverge."""
    rng = np.random.default_rng(3)
    n, n_steps = 20, 12_000
    weight = np.where(rng.random((n, n)) < 0.2, 1.2, 0.0) * np.where(np.arange(n) < 15, 1, -1)
    np.fill_diagonal(weight, 0)
    spikes, current = np.zeros((n_steps, n)), np.zeros(n)
    shared = rng.normal(size=n_steps)
    for t in range(1, n_steps):
        current = 0.5 * current + spikes[t - 1]
        spikes[t] = rng.random(n) < 1 / (1 + np.exp(3.5 - weight @ current - shared[t]))
    recording = Recording.from_array(spikes, 0.005, "spikes")
    few = SynapsNet(seed=0, epochs=2, prior="none").infer(recording).weight[OFF_DIAGONAL]
    monkeypatch.setattr(module, "NEWTON_STEPS", 12)
    many = SynapsNet(seed=0, epochs=2, prior="none").infer(recording).weight[OFF_DIAGONAL]
    assert np.corrcoef(few, many)[0, 1] > 0.98
    assert np.corrcoef(many, weight[OFF_DIAGONAL])[0, 1] > 0.7
