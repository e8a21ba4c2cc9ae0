"""SynapsNetModel: `W` is the only pathway between neurons, nothing looks ahead, and the densities are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from synapsnet.model import MAX_LOG_RATE, SynapsNetModel
from synapsnet.training import batch_loss, windows

N, LAGS, STEPS, VARIABLES = 5, 3, 4, 2
LIKELIHOODS = ("bernoulli", "poisson", "gaussian")


def build(likelihood: str = "bernoulli", *, connected: bool = True, n: int = N, n_behaviour: int = VARIABLES) -> Any:
    """A model whose every parameter is random, so that no zero at the start of training hides a pathway."""
    generator = torch.Generator().manual_seed(1)
    model = SynapsNetModel(
        torch.zeros(n),
        likelihood,
        n_lags=LAGS,
        n_steps=STEPS,
        n_embedding=3,
        n_hidden=6,
        n_behaviour=n_behaviour,
        weight_unit=torch.rand(n, n, generator=generator) + 0.5 if connected else None,
        sparsity=2.0,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        if model.synapses is not None:
            model.synapses.raw_weight.mul_(0.5)
    return model.requires_grad_(False)


def inputs(n_windows: int = 7, n: int = N, n_behaviour: int = VARIABLES, seed: int = 2) -> Any:
    generator = torch.Generator().manual_seed(seed)
    past = torch.rand(n_windows, n, STEPS, generator=generator)
    return past, torch.randn(n_windows, n_behaviour, generator=generator)


def influence(model: Any, *, on: str = "eta") -> Any:
    """(N, N) bool `[post, pre]`: does changing all of the past of `pre` change the prediction of `post`?"""
    past, behaviour = inputs()
    before = model(past, behaviour) if on == "eta" else model.current(past)
    changed = torch.zeros(N, N, dtype=torch.bool)
    for pre in range(N):
        other = past.clone()
        other[:, pre] += 1.0
        after = model(other, behaviour) if on == "eta" else model.current(other)
        changed[:, pre] = (after != before).any(0)
    return changed


def test_no_neuron_connects_to_itself():
    weight = build().synapses.weight
    assert not weight.diagonal().any()
    assert weight[~torch.eye(N, dtype=torch.bool)].all()
    assert not influence(build(), on="current").diagonal().any()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_without_connectivity_no_neuron_sees_another(likelihood):
    assert torch.equal(influence(build(likelihood, connected=False)), torch.eye(N, dtype=torch.bool))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_w_is_the_only_pathway(likelihood):
    """A neuron's past reaches exactly itself and the neurons to which it connects."""
    model = build(likelihood)
    adjacency = torch.rand(N, N, generator=torch.Generator().manual_seed(3)) < 0.4
    adjacency.fill_diagonal_(False)
    model.synapses.raw_weight.mul_(adjacency)
    assert adjacency.any()
    assert torch.equal(influence(model), adjacency | torch.eye(N, dtype=torch.bool))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_relabelling_the_neurons_relabels_the_prediction(likelihood):
    model, (past, behaviour) = build(likelihood), inputs()
    order = torch.tensor([3, 0, 4, 1, 2])
    relabelled = build(likelihood)
    for name in ("embedding", "log_noise", "offset"):
        getattr(relabelled, name).copy_(getattr(model, name)[order])
    relabelled.synapses.raw_weight.copy_(model.synapses.raw_weight[order][:, order])
    relabelled.synapses.unit.copy_(model.synapses.unit[order][:, order])
    relabelled.synapses.raw_kernel.copy_(model.synapses.raw_kernel[order])
    eta = model(past, behaviour)
    after = relabelled(past[:, order], behaviour)
    assert after == pytest.approx(eta[:, order], abs=1e-5)
    assert after != pytest.approx(eta, abs=1e-2)
    target = torch.bernoulli(torch.full((7, N), 0.5), generator=torch.Generator().manual_seed(5))
    loss = float(model.negative_log_likelihood(eta, target))
    assert float(relabelled.negative_log_likelihood(after, target[:, order])) == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_prediction_depends_on_nothing_at_or_after_its_step(likelihood):
    model = build(likelihood)
    generator = torch.Generator().manual_seed(6)
    values, behaviour = torch.rand(30, N, generator=generator), torch.randn(30, VARIABLES, generator=generator)
    past, context, target = windows(values, behaviour, STEPS)
    before = model(past, context)
    assert torch.equal(target, values[STEPS:])
    for step in (STEPS, 17, 29):
        future, later = values.clone(), behaviour.clone()
        future[step:] += 100.0
        later[step:] -= 100.0
        past, context, _ = windows(future, later, STEPS)
        after = model(past, context)
        assert torch.equal(after[: step - STEPS + 1], before[: step - STEPS + 1])  # of the steps up to `step` itself
        assert (after[step - STEPS + 1 :] != before[step - STEPS + 1 :]).all()


def test_kernels_have_a_scale():
    kernel = build().synapses.kernel
    assert kernel.shape == (N, LAGS)
    assert kernel.abs().sum(1) == pytest.approx(torch.ones(N), abs=1e-6)


def test_a_current_is_the_weighted_sum_of_filtered_pasts():
    model, (past, _) = build(), inputs()
    weight, kernel = model.synapses.weight, model.synapses.kernel
    expected = torch.zeros(7, N)
    for post in range(N):
        for pre in range(N):
            for lag in range(1, LAGS + 1):
                expected[:, post] += weight[post, pre] * kernel[pre, lag - 1] * past[:, pre, STEPS - lag]
    assert model.current(past) == pytest.approx(expected, abs=1e-5)


def test_calcium_is_linear_in_the_current_and_spikes_are_not():
    past, behaviour = inputs()
    current = torch.full((7, N), 3.0)
    for likelihood in LIKELIHOODS:
        model = build(likelihood)
        at = [model.decode(k * current, past, behaviour) for k in (0, 1, 2)]
        assert torch.allclose(at[2] - at[1], at[1] - at[0], atol=1e-5) == (likelihood == "gaussian")


def test_behaviour_moves_the_prediction():
    model, (past, behaviour) = build(), inputs()
    assert (model(past, behaviour) != model(past, behaviour + 1)).all()
    alone = build(n_behaviour=0)
    assert alone(past, torch.zeros(7, 0)).shape == (7, N)


def test_likelihood_of_calcium_is_a_normal_density():
    model = build("gaussian")
    generator = torch.Generator().manual_seed(8)
    eta, target = torch.randn(6, N, generator=generator), torch.randn(6, N, generator=generator)
    logpdf = stats.norm.logpdf(target.numpy(), eta.numpy(), np.exp(model.log_noise.numpy()))
    expected = -logpdf.mean() - 0.5 * np.log(2 * np.pi)
    assert float(model.negative_log_likelihood(eta, target)) == pytest.approx(expected, abs=1e-5)


def test_likelihoods_of_spikes_are_those_of_scipy():
    generator = torch.Generator().manual_seed(9)
    eta = torch.randn(50, N, generator=generator)
    target = torch.poisson(torch.full((50, N), 0.8), generator=generator)
    poisson = -stats.poisson.logpmf(target.numpy(), np.exp(eta.numpy()))
    constant = torch.lgamma(target + 1).mean()  # of the factorial: depends on no parameter
    loss = build("poisson").negative_log_likelihood(eta, target) + constant
    assert float(loss) == pytest.approx(poisson.mean(), abs=1e-5)
    target = target.clamp(max=1)
    bernoulli = -stats.bernoulli.logpmf(target.numpy(), 1 / (1 + np.exp(-eta.double().numpy())))
    assert float(build().negative_log_likelihood(eta, target)) == pytest.approx(bernoulli.mean(), abs=1e-5)


def test_expected_activity():
    eta = torch.tensor([[-1.0, 0.0, 2.0, 1000.0, -1000.0]])
    assert build("gaussian").mean(eta) is eta
    assert build().mean(eta)[0].tolist() == pytest.approx([0.268941, 0.5, 0.880797, 1.0, 0.0], abs=1e-5)
    bound = float(np.exp(MAX_LOG_RATE))
    assert build("poisson").mean(eta)[0].tolist() == pytest.approx([0.367879, 1.0, 7.389056, bound, 0.0], rel=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_fisher_information_is_the_expected_curvature_of_the_likelihood(likelihood):
    """By hand p(1-p), the rate and 1/sigma^2; by differentiation the Hessian, whose expectation is at the mean."""
    model = build(likelihood, connected=False)
    eta = torch.linspace(-2, 2, N).reshape(1, N)
    information = model.fisher_information(eta)
    p, rate = torch.sigmoid(eta), torch.exp(eta)
    by_hand = {"bernoulli": p * (1 - p), "poisson": rate, "gaussian": torch.exp(-2 * model.log_noise).expand_as(eta)}
    assert information == pytest.approx(by_hand[likelihood], rel=1e-5)
    hessian = torch.autograd.functional.hessian(
        lambda x: N * model.negative_log_likelihood(x.reshape(1, N), model.mean(eta)), eta[0]
    )
    assert information[0] == pytest.approx(hessian.diagonal(), rel=1e-4)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_score_is_the_slope_of_the_likelihood(likelihood):
    model = build(likelihood)
    generator = torch.Generator().manual_seed(11)
    eta = torch.randn(3, N, generator=generator).requires_grad_()
    target = torch.bernoulli(torch.full((3, N), 0.5), generator=generator)
    with torch.enable_grad():
        loss = model.negative_log_likelihood(eta, target) * eta.numel()  # a mean over steps and neurons
        slope = torch.autograd.grad(loss, eta)[0]
    assert model.score(eta.detach(), target) == pytest.approx(-slope, abs=1e-5)


def test_the_prior_is_laplace_in_units_of_the_standard_error():
    model = build()
    off_diagonal = ~torch.eye(N, dtype=torch.bool)
    in_units = (model.synapses.weight / model.synapses.unit.clamp(min=1e-9))[off_diagonal]
    model.synapses.raw_weight.fill_diagonal_(0)
    assert float(model.negative_log_prior()) == pytest.approx(2.0 * float(in_units.abs().sum()), rel=1e-5)
    assert float(build(connected=False).negative_log_prior()) == 0


def test_a_batch_of_several_stretches_is_their_mean():
    model = build("poisson")
    generator = torch.Generator().manual_seed(10)
    values, behaviour = torch.rand(40, N, generator=generator), torch.randn(40, VARIABLES, generator=generator)
    first, second = (0, 20), (20, 28)
    sizes = [stop - start - STEPS for start, stop in (first, second)]
    losses = [float(batch_loss(model, values, behaviour, [part])) for part in (first, second)]
    both = float(batch_loss(model, values, behaviour, [first, second]))
    assert both == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)
