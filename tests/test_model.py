"""SynapsNetModel: `W` is the only pathway between neurons, nothing looks ahead, each part does what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from synapsnet.model import Architecture, SynapsNetModel
from synapsnet.model.connectivity import StandardErrors
from synapsnet.training import batch_loss
from synapsnet.windows import windows

N, LAGS, STEPS, VARIABLES = 5, 3, 4, 2
LIKELIHOODS = ("bernoulli", "poisson", "negative-binomial", "gaussian")
VARIANTS: dict[str, dict[str, str]] = {
    **{likelihood: {"likelihood": likelihood} for likelihood in LIKELIHOODS},
    "low-rank": {"connectivity": "low-rank"},
    "dale": {"connectivity": "dale"},
    "gru": {"decoder": "gru"},
    "all": {"connectivity": "low-rank", "decoder": "gru", "likelihood": "poisson"},
}
MASKABLE = [name for name in VARIANTS if name not in ("low-rank", "all")]  # whose weights can be set one by one


def build(likelihood: str = "bernoulli", *, n_behaviour: int = VARIABLES, **parts: str) -> Any:
    """A model whose every parameter is random, so that no zero at the start of training hides a pathway."""
    generator = torch.Generator().manual_seed(1)
    architecture = Architecture(
        likelihood, N, n_lags=LAGS, n_steps=STEPS, n_embedding=3, n_hidden=6, n_behaviour=n_behaviour, sparsity=2.0,
        **parts,
    )  # fmt: skip
    information, variance = torch.rand(2, N, generator=generator) + 0.5
    model = SynapsNetModel(architecture, StandardErrors(information, variance, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        for parameter in model.in_units():
            parameter.mul_(0.5)
            if parameter.shape == (N, N):
                parameter.fill_diagonal_(0)  # as it is before training
    model.constrain()
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_neuron_connects_to_itself(variant):
    model = build(**VARIANTS[variant])
    weight = model.synapses.weight
    assert not weight.diagonal().any()
    if variant != "dale":
        assert weight[~torch.eye(N, dtype=torch.bool)].all()
    past, _ = inputs()
    for pre in range(N):
        other = past.clone()
        other[:, pre] += 1.0
        assert model.current(other)[:, pre] == pytest.approx(model.current(past)[:, pre], abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_connectivity_no_neuron_sees_another(variant):
    alone = build(**{**VARIANTS[variant], "connectivity": "none"})
    assert torch.equal(influence(alone), torch.eye(N, dtype=torch.bool))
    assert alone.in_units() == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_weight_of_zero_is_the_same_as_no_connectivity(variant):
    """Whatever the parts: what a neuron predicts is what it predicts by itself."""
    silent = build(**VARIANTS[variant])
    for parameter in silent.in_units():
        parameter.zero_()
    alone = build(**{**VARIANTS[variant], "connectivity": "none"})
    alone.load_state_dict({k: v for k, v in silent.state_dict().items() if not k.startswith("synapses.")})
    assert silent(*inputs()) == pytest.approx(alone(*inputs()), abs=1e-6)


@pytest.mark.parametrize("variant", MASKABLE)
def test_w_is_the_only_pathway(variant):
    """A neuron's past reaches exactly itself and the neurons to which it connects."""
    model = build(**VARIANTS[variant])
    adjacency = torch.rand(N, N, generator=torch.Generator().manual_seed(3)) < 0.4
    adjacency.fill_diagonal_(False)
    model.synapses.connectivity.raw_weight.mul_(adjacency)
    adjacency &= model.synapses.weight != 0  # those that Dale's principle leaves
    assert adjacency.any()
    assert torch.equal(influence(model), adjacency | torch.eye(N, dtype=torch.bool))


ORDER = torch.tensor([3, 0, 4, 1, 2])


def relabel(model: Any) -> None:
    """Put what belongs to a neuron, in place, where the neuron is now."""
    for name, value in {**dict(model.named_parameters()), **dict(model.named_buffers())}.items():
        last = name.split(".")[-1]
        if last == "raw_weight":
            value.copy_(value[ORDER][:, ORDER].clone())
        elif not name.startswith("decoder.") and last not in ("receiving", "sending", "log_factor"):
            value.copy_(value[ORDER].clone())


@pytest.mark.parametrize("variant", VARIANTS)
def test_relabelling_the_neurons_relabels_the_prediction(variant):
    model, relabelled, (past, behaviour) = build(**VARIANTS[variant]), build(**VARIANTS[variant]), inputs()
    relabel(relabelled)
    eta = model(past, behaviour)
    after = relabelled(past[:, ORDER], behaviour)
    assert after == pytest.approx(eta[:, ORDER], abs=1e-5)
    assert after != pytest.approx(eta, abs=1e-2)
    target = torch.bernoulli(torch.full((7, N), 0.5), generator=torch.Generator().manual_seed(5))
    loss = float(model.negative_log_likelihood(eta, target))
    assert float(relabelled.negative_log_likelihood(after, target[:, ORDER])) == pytest.approx(loss, abs=1e-5)
    assert float(relabelled.negative_log_prior()) == pytest.approx(float(model.negative_log_prior()), rel=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_prediction_depends_on_nothing_at_or_after_its_step(variant):
    model = build(**VARIANTS[variant])
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gradient_is_that_of_finite_differences(variant):
    """Of the loss and of the prior by every parameter, in double precision."""
    model = build(**VARIANTS[variant]).double().requires_grad_(True)
    past, behaviour = (tensor.double() for tensor in inputs(3))
    generator = torch.Generator().manual_seed(12)
    target = torch.poisson(torch.full((3, N), 0.7, dtype=torch.float64), generator=generator).clamp(max=1)

    def objective() -> torch.Tensor:
        return model.negative_log_likelihood(model(past, behaviour), target) + model.negative_log_prior()

    objective().backward()
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if name == "synapses.connectivity.raw_weight":
            direction.fill_diagonal_(0)
        slope = 0.0 if parameter.grad is None else float((parameter.grad * direction).sum())
        kept, ends = parameter.detach().clone(), []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                parameter.copy_(kept + step * direction)
            ends.append(float(objective().detach()))
        with torch.no_grad():
            parameter.copy_(kept)
        if name == "synapses.connectivity.raw_weight" and variant == "dale":
            continue  # where it is 0 the prior has no slope
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-6), name


def test_kernels_have_a_scale():
    kernel = build().synapses.kernel
    assert kernel.shape == (N, LAGS)
    assert kernel.abs().sum(1) == pytest.approx(torch.ones(N), abs=1e-6)


@pytest.mark.parametrize("variant", ["bernoulli", "low-rank", "dale"])
def test_a_current_is_the_weighted_sum_of_filtered_pasts(variant):
    model, (past, _) = build(**VARIANTS[variant]), inputs()
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
        for decoder in ("mlp", "gru"):
            model = build(likelihood, decoder=decoder)
            at = [model.decode(k * current, past, behaviour) for k in (0, 1, 2)]
            assert torch.allclose(at[2] - at[1], at[1] - at[0], atol=1e-5) == (likelihood == "gaussian")


def test_a_recurrent_decoder_sees_the_order_of_the_past_at_every_step():
    model, (past, behaviour) = build(decoder="gru"), inputs()
    model.decoder.hidden.linear_past.zero_()
    before = model.decode(torch.zeros(7, N), past, behaviour)
    for step in range(STEPS):
        other = past.clone()
        other[..., step] += 1.0
        assert (model.decode(torch.zeros(7, N), other, behaviour) != before).all()
    assert (model.decode(torch.zeros(7, N), past.flip(-1), behaviour) != before).all()


def test_behaviour_moves_the_prediction():
    model, (past, behaviour) = build(), inputs()
    assert (model(past, behaviour) != model(past, behaviour + 1)).all()
    alone = build(n_behaviour=0)
    assert alone(past, torch.zeros(7, 0)).shape == (7, N)


def test_the_prior_is_laplace_in_units_of_the_standard_error():
    model = build()
    off_diagonal = ~torch.eye(N, dtype=torch.bool)
    connectivity = model.synapses.connectivity
    in_units = (model.synapses.weight / connectivity.unit.clamp(min=1e-9))[off_diagonal]
    connectivity.raw_weight.fill_diagonal_(0)
    assert float(model.negative_log_prior()) == pytest.approx(2.0 * float(in_units.abs().sum()), rel=1e-5)
    assert float(build(connectivity="none").negative_log_prior()) == 0


def test_a_batch_of_several_stretches_is_their_mean():
    model = build("poisson")
    generator = torch.Generator().manual_seed(10)
    values, behaviour = torch.rand(40, N, generator=generator), torch.randn(40, VARIABLES, generator=generator)
    first, second = (0, 20), (20, 28)
    sizes = [stop - start - STEPS for start, stop in (first, second)]
    losses = [float(batch_loss(model, values, behaviour, [part])) for part in (first, second)]
    both = float(batch_loss(model, values, behaviour, [first, second]))
    assert both == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)
