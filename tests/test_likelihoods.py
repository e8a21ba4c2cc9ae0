"""Likelihoods: densities as scipy has them, scores and informations that belong to them, and where training starts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synapsnet.model.likelihoods import LIKELIHOODS, MAX_LOG_RATE, Likelihood
from synapsnet.model.summary import Summary

N = 3
COUNTS = np.arange(1000)
etas = st.lists(st.floats(-3, 3), min_size=N, max_size=N)
own = st.floats(-1, 1)


def build(name: str, value: float = 0.3) -> Any:
    """With own parameters that differ between neurons."""
    likelihood = LIKELIHOODS[name](N).double()
    with torch.no_grad():
        for k, parameter in enumerate(likelihood.parameters()):
            parameter.copy_(value + 0.2 * k + 0.3 * torch.arange(N))
    return likelihood.requires_grad_(False)


def distribution(name: str, likelihood: Any, eta: Any) -> Any:
    """What scipy has for it."""
    eta = eta.numpy()
    if name == "bernoulli":
        return stats.bernoulli(1 / (1 + np.exp(-eta)))
    if name == "poisson":
        return stats.poisson(np.exp(eta))
    if name == "negative-binomial":
        size = 1 / likelihood.dispersion.numpy()
        return stats.nbinom(size, size / (size + np.exp(eta)))
    return stats.norm(eta, np.exp(likelihood.log_noise.numpy()))


def draw(name: str, likelihood: Any, eta: Any, n: int, seed: int = 0) -> Any:
    values = distribution(name, likelihood, eta).rvs((n, N), random_state=np.random.default_rng(seed))
    return torch.from_numpy(values.astype(float))


def log_density(name: str, likelihood: Any, eta: Any, target: Any) -> Any:
    there = distribution(name, likelihood, eta)
    return there.logpdf(target) if name == "gaussian" else there.logpmf(target)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_density_is_that_of_scipy_up_to_a_constant_of_the_data(name):
    one, other = build(name), build(name, -0.2)
    first, second = torch.tensor([-1.0, 0.2, 0.8]).double(), torch.tensor([0.5, -0.7, 0.1]).double()
    target = draw(name, one, first, 50)
    difference = one.negative_log_likelihood(first.expand(50, N), target) - other.negative_log_likelihood(
        second.expand(50, N), target
    )
    by_scipy = log_density(name, other, second, target.numpy()) - log_density(name, one, first, target.numpy())
    assert float(difference) == pytest.approx(by_scipy.mean(), rel=1e-6)


@given(st.sampled_from(sorted(LIKELIHOODS)), etas, own)
def test_the_score_is_the_slope_of_the_density(name, eta, value):
    likelihood = build(name, value)
    eta = torch.tensor([eta]).double().requires_grad_()
    target = draw(name, likelihood, eta.detach()[0], 1)
    slope = torch.autograd.grad(likelihood.negative_log_likelihood(eta, target) * N, eta)[0]
    assert likelihood.score(eta.detach(), target) == pytest.approx(-slope, abs=1e-9)


@given(st.sampled_from(sorted(LIKELIHOODS)), etas, own)
def test_the_information_is_the_variance_of_the_score_whose_mean_is_zero(name, eta, value):
    """And the mean is the mean: expectations by sums over counts, or over quantiles."""
    likelihood, eta = build(name, value), torch.tensor(eta).double()

    def expected(of: Any) -> Any:
        there = distribution(name, likelihood, eta)
        if name == "gaussian":
            quantiles = there.ppf((np.arange(5000)[:, None] + 0.5) / 5000)  # equally likely values
            return of(torch.from_numpy(quantiles)).numpy().mean(0)
        return (there.pmf(COUNTS[:, None]) * of(torch.from_numpy(COUNTS[:, None] + 0.0)).numpy()).sum(0)

    def score(x: Any) -> Any:
        return likelihood.score(eta.expand(len(x), N), x)

    assert expected(score) == pytest.approx(np.zeros(N), abs=1e-3)
    assert expected(lambda x: score(x).square()) == pytest.approx(likelihood.fisher_information(eta), rel=1e-2)
    assert expected(lambda x: x.expand(len(x), N)) == pytest.approx(likelihood.mean(eta), rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_training_starts_at_the_moments_of_the_data(name):
    """Drawn from the likelihood, its own parameters come back, and the prediction of the mean."""
    truth, eta = build(name), torch.tensor([-0.5, 0.0, 0.5]).double()
    values = draw(name, truth, eta, 40_000)
    started = LIKELIHOODS[name](N).requires_grad_(False)
    centre, scale = started.normalisation(Summary.of([values]))
    offset, errors = started.start(Summary.of([(values - centre) / scale]))
    if name == "gaussian":
        assert centre == pytest.approx(eta, abs=0.05)
        assert scale == pytest.approx(torch.exp(truth.log_noise), rel=0.02)
        assert not offset.any()
    else:
        assert not centre.any()
        assert offset == pytest.approx(eta, abs=0.06)
        assert errors.information == pytest.approx(truth.fisher_information(eta), rel=0.1)
    assert (scale == 1).all() == (name != "gaussian")
    if name == "negative-binomial":
        assert started.dispersion == pytest.approx(truth.dispersion, rel=0.15)
    assert errors.variance == pytest.approx((values / scale).var(0), rel=0.02)
    assert errors.n_steps == 40_000


@pytest.mark.parametrize("name", ["negative-binomial", "gaussian"])
def test_gradient_descent_recovers_the_parameters(name):
    truth, eta = build(name), torch.tensor([-0.5, 0.0, 0.5]).double()
    values = draw(name, truth, eta, 10_000)
    fitted, predicted = LIKELIHOODS[name](N).double(), torch.zeros(N).double().requires_grad_()
    optimiser = torch.optim.Adam([predicted, *fitted.parameters()], lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        fitted.negative_log_likelihood(predicted.expand(len(values), N), values).backward()
        optimiser.step()
    assert predicted.detach() == pytest.approx(eta, abs=0.1)
    for one, other in zip(fitted.parameters(), truth.parameters(), strict=True):
        assert one.detach() == pytest.approx(other, abs=0.15)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_a_neuron_that_never_changes_starts_finite(name, constant):
    values = torch.full((50, N), constant)
    values[::2, 0] = 1.0 - constant
    likelihood = LIKELIHOODS[name](N)
    centre, scale = likelihood.normalisation(Summary.of([values]))
    offset, errors = likelihood.start(Summary.of([(values - centre) / scale]))
    eta = offset.expand(50, N)
    for found in (
        offset,
        scale,
        *errors.factors(),
        likelihood.mean(eta),
        likelihood.score(eta, (values - centre) / scale),
    ):
        assert found.isfinite().all()
    assert (scale > 0).all()


def test_a_negative_binomial_with_little_dispersion_is_a_poisson():
    one, other = LIKELIHOODS["negative-binomial"](N).double(), LIKELIHOODS["poisson"](N)
    with torch.no_grad():
        one.log_dispersion.fill_(-30)
    eta = torch.linspace(-3, 1, 20 * N, dtype=torch.float64).view(20, N)
    target = torch.ones_like(eta)
    assert one.score(eta, target).detach() == pytest.approx(other.score(eta, target), rel=0.1, abs=0.05)
    assert one.fisher_information(eta).detach() == pytest.approx(other.fisher_information(eta), rel=0.2)


def test_expected_activity():
    eta = torch.tensor([[-1.0, 0.0, 1000.0]])
    assert LIKELIHOODS["gaussian"](N).mean(eta) is eta
    assert LIKELIHOODS["bernoulli"](N).mean(eta)[0].tolist() == pytest.approx([0.268941, 0.5, 1.0], abs=1e-5)
    bound = float(np.exp(MAX_LOG_RATE))
    for name in ("poisson", "negative-binomial"):
        assert LIKELIHOODS[name](N).mean(eta)[0].tolist() == pytest.approx([0.367879, 1.0, bound], rel=1e-5)


def test_every_likelihood_says_what_it_is_for():
    for name, kind in LIKELIHOODS.items():
        assert issubclass(kind, Likelihood)
        assert kind.modality == ("calcium" if name == "gaussian" else "spikes")
        assert " per " in kind.unit
