import numpy as np
import pytest
import statsmodels.api as sm
import torch

from synapsnet.estimator import SynapsNet
from synapsnet.inference import evidence as module
from synapsnet.inference.evidence import Evidence, gather_evidence
from synapsnet.inference.posterior import posterior
from synapsnet.recording import Recording
from synapsnet.training import Task
from synapsnet.windows import windows

OFF_DIAGONAL = ~np.eye(20, dtype=bool)


@pytest.fixture(scope="module")
def unconnected():
    """Twenty neurons that fire at random, each at its own rate."""
    rng = np.random.default_rng(0)
    spikes = rng.random((30_000, 20)) < rng.uniform(0.02, 0.06, 20)
    recording = Recording.from_array(spikes, 0.005, "spikes")
    return recording, SynapsNet(seed=0, prior="none", epochs=4).fit(recording)


def test_where_there_are_no_connections_estimates_scatter_as_their_errors_say(unconnected):
    """The decoder learns there to pass on next to nothing, which must not matter."""
    found = unconnected[1].connectivity_
    z = (found.weight / found.standard_error)[OFF_DIAGONAL]
    assert z.std() == pytest.approx(1, abs=0.12)  # 0.04 is the standard error of 380 z-scores
    assert abs(z.mean()) < 0.15
    assert abs(((z - z.mean()) ** 3).mean() / z.std() ** 3) < 0.4


def test_what_the_decoder_passes_on_of_a_current_changes_no_estimate(unconnected):
    """However strong: where nothing is sent yet, the evidence is the same."""
    recording, model = unconnected
    fitted = model._forecaster
    x, b = fitted.normalise(recording.values, recording.behaviour_values)
    todo = Task(fitted.model, x, b, [(0, 27_000)], [(27_100, 30_000)]).batches(512)
    assert fitted.model.synapses is not None
    with torch.no_grad():
        fitted.model.synapses.connectivity.raw_weight.zero_()
    estimates, gains = [], []
    for factor in (50.0, -1.0):
        with torch.no_grad():
            fitted.model.decoder.hidden.current.mul_(factor)
        seen, gain = gather_evidence(fitted.model, x, b, todo, model.fabric)
        estimates.append(seen.estimate.numpy())
        gains.append(gain.numpy())
    assert estimates[0] == pytest.approx(estimates[1], abs=1e-6)
    assert np.abs(gains[0] - gains[1]).max() > 0.05


def test_without_zero_lag_the_lags_decide(unconnected):
    recording, _ = unconnected
    rng = np.random.default_rng(1)
    values = recording.values[:4000].copy()
    values[:, 1] = values[:, 0] * (rng.random(4000) < 0.9)  # together, at no lag
    together = Recording.from_array(values, 0.02, "spikes")  # too coarse for correlograms
    lags = SynapsNet(seed=0, epochs=2, prior="lags").infer(together).local_fdr
    assert lags is not None
    assert min(lags[0, 1], lags[1, 0]) > 0.5


def test_without_zero_lag_all_else_stays():
    torch.manual_seed(0)
    n = 6
    one = torch.ones(n, n)
    zero_lag = torch.rand(n, n)
    seen = Evidence(torch.randn(n, n), one, zero_lag, one, 100, flank_estimate=one, flank_error=one, skewness=one)
    assert not seen.without_zero_lag().zero_lag.any()
    assert seen.without_zero_lag().estimate is seen.estimate
    assert posterior(seen.without_zero_lag()).p_absent.shape == (n, n)


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
    # Of bins of 20 ms, this likelihood is that of the trained model; of shorter ones, correlograms are the evidence.
    recording = Recording.from_array(spikes, 0.020, "spikes")
    few = SynapsNet(seed=0, epochs=2, prior="none", likelihood="bernoulli").infer(recording).weight[OFF_DIAGONAL]
    monkeypatch.setattr(module, "NEWTON_STEPS", 12)
    many = SynapsNet(seed=0, epochs=2, prior="none", likelihood="bernoulli").infer(recording).weight[OFF_DIAGONAL]
    assert (few != many).any()
    assert np.corrcoef(few, many)[0, 1] > 0.98
    assert np.corrcoef(many, weight[OFF_DIAGONAL])[0, 1] > 0.7


def test_standard_errors_are_those_of_least_squares_beside_the_other_neurons():
    """Neurons that share half of their variance: an error is larger than if each were alone, by the others."""
    rng = np.random.default_rng(0)
    n, n_steps = 6, 500
    sent = rng.normal(size=(n_steps, n)) * rng.uniform(1, 3, n) + rng.normal(size=(n_steps, 1))
    sent += 0.7 - sent.mean(0)  # an offset explains their mean as well
    information = rng.uniform(1, 2, n)  # the same in each step, so that the formula is exact
    found = module._standard_error(
        torch.from_numpy(np.outer(information, sent.sum(0))),
        torch.from_numpy(np.outer(information, (sent**2).sum(0))),
        torch.from_numpy(information * n_steps)[:, None],
        torch.from_numpy(np.linalg.inv(np.cov(sent.T, bias=True))),
        torch.from_numpy(sent.std(0)),
    ).numpy()
    for post in range(n):
        others = np.delete(np.arange(n), post)
        design = sm.add_constant(sent[:, others])
        covariance = np.linalg.inv(information[post] * design.T @ design)
        assert found[post, others] == pytest.approx(np.sqrt(np.diag(covariance))[1:], rel=1e-6)


def test_estimates_are_the_maximum_of_the_likelihood(monkeypatch):
    """Of a logistic regression that statsmodels fits, with the trained model's prediction as an offset."""
    monkeypatch.setattr(module, "NEWTON_STEPS", 20)
    rng = np.random.default_rng(5)
    n, n_steps = 8, 12_000
    spikes = rng.random((n_steps, n)) < 0.05
    for k in range(4):  # 4 to 7 follow 0 to 3 with a delay of a step
        spikes[1:, k + 4] |= spikes[:-1, k] & (rng.random(n_steps - 1) < 0.15)
    recording = Recording.from_array(spikes, 0.005, "spikes")
    trained = SynapsNet(seed=0, epochs=1).fit(recording)
    model = trained._forecaster.model
    assert model.synapses is not None
    x, b = trained._forecaster.normalise(recording.values, recording.behaviour_values)
    evidence, gain = gather_evidence(model, x, b, [[(0, n_steps)]], trained.fabric)
    with torch.no_grad():
        past, context, target = windows(x, b, model.n_steps)
        eta, sent = model(past, context), model.synapses.filtered(past)
        start = (gain[:, None] * model.synapses.weight).numpy()
    for post in (0, 4, 7):
        others = np.delete(np.arange(n), post)
        design = sm.add_constant(sent[:, others].numpy())
        fit = sm.GLM(target[:, post].numpy(), design, sm.families.Binomial(), offset=eta[:, post].numpy()).fit()
        added = evidence.estimate.numpy()[post, others] - start[post, others]
        assert added == pytest.approx(fit.params[1:], abs=0.1 * fit.bse[1:].min())
        assert evidence.standard_error.numpy()[post, others] == pytest.approx(fit.bse[1:], rel=0.1)


def test_where_information_never_changes_one_step_and_half_of_the_products_say_the_same(monkeypatch):
    """A Gaussian likelihood is a parabola in the weights."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3000, 12)).astype(np.float32)
    values[1:, 0] += 0.3 * values[:-1, 1]
    recording = Recording.from_array(values, 0.03, "calcium")
    model = SynapsNet(seed=0, epochs=2, device="cpu").fit(recording)
    fitted = model._forecaster
    x, b = fitted.normalise(recording.values, recording.behaviour_values)
    todo = Task(fitted.model, x, b, [(0, 2700)], [(2710, 3000)]).batches(256)
    short, _ = gather_evidence(fitted.model, x, b, todo, model.fabric)
    likelihood = fitted.model.likelihood
    monkeypatch.setattr(type(likelihood), "constant_information", False)
    constant = likelihood.fisher_information
    monkeypatch.setattr(likelihood, "fisher_information", lambda eta: constant(eta).contiguous())
    whole, _ = gather_evidence(fitted.model, x, b, todo, model.fabric)
    assert short.estimate[0, 1] > 5 * short.standard_error[0, 1]
    error = whole.standard_error[~torch.eye(12, dtype=torch.bool)].min()
    for name in ("estimate", "standard_error", "zero_lag", "flank_estimate", "flank_error"):
        assert (getattr(short, name) - getattr(whole, name)).abs().max() < 1e-3 * error, name


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_variances_of_a_part_of_the_steps_are_those_of_all(monkeypatch, modality):
    """Rates drift, so that variances do change; what is not a variance stays as it is, to the last digit."""
    rng = np.random.default_rng(4)
    rate = np.linspace(0.02, 0.1, 40_000)[:, None] * rng.uniform(0.5, 2, 20)
    values = (rng.random((40_000, 20)) < rate).astype(np.float32)
    recording = Recording.from_array(values, 0.02, modality)
    model = SynapsNet(seed=0, epochs=2, device="cpu", likelihood="bernoulli" if modality == "spikes" else "auto")
    fitted = model.fit(recording)._forecaster
    x, b = fitted.normalise(recording.values, recording.behaviour_values)
    todo = Task(fitted.model, x, b, [(0, 36_000)], [(36_100, 40_000)]).batches(2048)
    of_all, _ = gather_evidence(fitted.model, x, b, todo, model.fabric)
    monkeypatch.setattr(module, "ENOUGH_STEPS", 12_000)  # a third of each stretch
    of_some, _ = gather_evidence(fitted.model, x, b, todo, model.fabric)
    apart = torch.from_numpy(OFF_DIAGONAL)
    for name in ("estimate", "skewness", "correlation_per_weight"):
        assert torch.equal(getattr(of_some, name), getattr(of_all, name)), name
    assert (of_some.flank_estimate - of_all.flank_estimate)[apart].abs().max() < 0.05 * of_all.flank_error[apart].min()
    for name in ("standard_error", "flank_error"):
        ratio = (getattr(of_some, name) / getattr(of_all, name))[apart]
        assert ratio.mean() == pytest.approx(1, abs=0.01), name
        assert 0 < (ratio - 1).abs().max() < 0.1, name


def test_parts_of_stretches_lie_early_and_late_and_are_not_too_short_for_variances():
    lengths = [1600] * 300 + [60] * 3
    ends = np.cumsum([4 + n for n in lengths])
    segments = [(int(stop) - n - 4, int(stop)) for stop, n in zip(ends, lengths, strict=True)]
    stretches = module.Stretches(torch.zeros(segments[-1][1], 1), 4, segments)
    parts = stretches.parts(4)
    begins = np.array([part.start for part in parts[:300]])
    assert {part.stop - part.start for part in parts[:300]} == {400}
    assert np.unique(begins, return_counts=True)[1] == pytest.approx(75, abs=2)
    assert np.unique(begins[::2], return_counts=True)[1] == pytest.approx(37.5, abs=4)  # of every second trial as well
    assert parts[300:] == [slice(0, 60)] * 3
    assert stretches.parts(1) == [slice(0, n) for n in lengths]


@pytest.mark.parametrize("trial", [60, 1200])
def test_standard_errors_of_trials_are_those_of_their_whole_length(monkeypatch, trial):
    """Half of the neurons vary early in a trial, the others late."""
    n_trials, n = 36_000 // trial, 8
    early = np.arange(trial)[:, None] < trial / 2
    sd = np.where(early == (np.arange(n) < n / 2), 1.0, 0.3)
    values = np.random.default_rng(5).normal(size=(n_trials, trial, n)) * sd
    recording = Recording.from_array(values.reshape(-1, n), 0.03, "calcium", segments=[trial] * n_trials)
    model = SynapsNet(seed=0, epochs=1, device="cpu").fit(recording)
    fitted = model._forecaster
    x, b = fitted.normalise(recording.values, recording.behaviour_values)
    todo = Task(fitted.model, x, b, recording.segments[1:], recording.segments[:1]).batches(1200)
    of_all, _ = gather_evidence(fitted.model, x, b, todo, model.fabric)
    monkeypatch.setattr(module, "ENOUGH_STEPS", 12_000)
    of_some, _ = gather_evidence(fitted.model, x, b, todo, model.fabric)
    apart = ~torch.eye(n, dtype=torch.bool)
    assert (of_some.standard_error / of_all.standard_error)[apart].log().abs().max() < 0.15


def test_neurons_that_are_silent_while_it_is_trained_are_connected_to_none():
    rng = np.random.default_rng(6)
    values = (rng.random((6000, 12)) < 0.05).astype(np.float32)
    values[:5500, 3] = 0
    recording = Recording.from_array(values, 0.02, "spikes")
    found = SynapsNet(seed=0, device="cpu", epochs=2).fit(recording).connectivity_
    assert not found.weight[:, 3].any() and not found.weight[3].any()
    assert (found.local_fdr[3] == 1).all()
    assert found.weight.any()
