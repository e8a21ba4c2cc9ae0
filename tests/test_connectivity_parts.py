"""What is assumed of `W`, and of synaptic kernels: by hand, and against plain matrices."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.model.connectivity import CONNECTIVITIES, Dale, Free, LowRank, StandardErrors
from synapsnet.model.kernels import KernelPerNeuron

N, E = 6, 3


def errors() -> StandardErrors:
    return StandardErrors(torch.linspace(0.1, 0.5, N), torch.linspace(0.2, 2.0, N), 1000)


def build(name: str, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    made = CONNECTIVITIES[name](errors(), torch.nn.Parameter(torch.randn(N, E, generator=generator), False))
    made.requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    if name != "low-rank":
        made.raw_weight.fill_diagonal_(0)
    return made


def test_standard_errors_are_those_of_a_regression():
    """By hand 1 / sqrt(T information variance)."""
    found = errors()
    post, pre = found.factors()
    assert float(post[2] * pre[4]) == pytest.approx((1000 * found.information[2] * found.variance[4]) ** -0.5)
    assert torch.equal(build("free").unit, torch.outer(post, pre))
    assert all((factor == 1).all() for factor in StandardErrors.unknown(N).factors())


@pytest.mark.parametrize("name", CONNECTIVITIES)
def test_currents_are_those_of_the_weights(name):
    connectivity = build(name)
    sent = torch.randn(7, N, generator=torch.Generator().manual_seed(3))
    assert not connectivity.weight.diagonal().any()
    assert connectivity(sent) == pytest.approx(sent @ connectivity.weight.T, abs=1e-5)


@pytest.mark.parametrize("name", CONNECTIVITIES)
def test_nothing_is_connected_at_the_start_of_training(name):
    connectivity = CONNECTIVITIES[name](errors(), torch.nn.Parameter(torch.randn(N, E)))
    assert not connectivity.weight.any()
    connectivity(torch.ones(2, N)).sum().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in connectivity.in_units())


@pytest.mark.parametrize("name", CONNECTIVITIES)
def test_the_prior_counts_weights_in_standard_errors(name):
    """Laplace: by hand. Low rank: an upper bound of the singular values' sum, which balanced factors reach."""
    connectivity = build(name)
    if name == "low-rank":
        u, v = connectivity.factors()
        singular = float(torch.linalg.svdvals(u @ v.T).sum())
        assert float(connectivity.negative_log_prior()) > N**0.5 * singular
        q, s, p = torch.linalg.svd(u @ v.T)
        balanced = 0.5 * ((q * s.sqrt()).square().sum() + (p.T * s.sqrt()).square().sum())
        assert float(balanced) == pytest.approx(singular, rel=1e-4)
    else:
        by_hand = (connectivity.weight / connectivity.unit).abs().sum()
        assert float(connectivity.negative_log_prior()) == pytest.approx(float(by_hand), rel=1e-4)


def test_a_free_weight_is_what_it_is_set_to():
    connectivity, weight = build("free"), torch.randn(N, N)
    connectivity.set_weight(weight)
    assert connectivity.weight == pytest.approx(weight.fill_diagonal_(0), abs=1e-5)


@pytest.mark.parametrize("name", ["free", "dale"])
def test_no_neuron_learns_to_send_to_itself(name):
    """Not even where that would predict best."""
    connectivity = CONNECTIVITIES[name](errors(), torch.nn.Parameter(torch.randn(N, E)))
    optimiser = torch.optim.Adam(connectivity.in_units(), lr=0.1)
    sent = torch.randn(50, N, generator=torch.Generator().manual_seed(4))
    for _ in range(3):
        optimiser.zero_grad()
        (sent - connectivity(sent)).square().mean().backward()
        optimiser.step()
    assert not connectivity.raw_weight.diagonal().any()
    assert connectivity.raw_weight.any()


@given(st.integers(0, 10_000))
def test_dale_leaves_one_sign_to_each_sender_and_what_has_it_alone(seed):
    connectivity = build("dale", seed)
    before = connectivity.weight / connectivity.unit
    connectivity.constrain()
    after = connectivity.weight / connectivity.unit
    for sender in range(N):
        excites = float(before[:, sender].sum()) > 0
        allowed = (before[:, sender] > 0) == excites
        assert after[allowed, sender] == pytest.approx(before[allowed, sender])
        assert not after[~allowed, sender].any()
    again = connectivity.weight.clone()
    connectivity.constrain()
    assert torch.equal(connectivity.weight, again)


@pytest.mark.parametrize("name", ["free", "low-rank"])
def test_others_are_not_constrained(name):
    connectivity = build(name)
    before = connectivity.weight.clone()
    connectivity.constrain()
    assert torch.equal(connectivity.weight, before)


def test_low_rank_has_no_parameter_for_each_pair():
    n = 50
    embedding = torch.nn.Parameter(torch.randn(n, E))
    connectivity = LowRank(StandardErrors.unknown(n), embedding)
    assert sum(parameter.numel() for parameter in connectivity.parameters()) == 2 * E * E
    with torch.no_grad():
        connectivity.sending.normal_()
    units = connectivity.weight / torch.outer(*StandardErrors.unknown(n).factors())
    u, v = connectivity.factors()
    assert torch.linalg.matrix_rank(units + torch.diag((u * v).sum(1)), atol=1e-3) == E


def test_low_rank_weights_follow_the_embedding():
    embedding = torch.nn.Parameter(torch.randn(N, E))
    connectivity = LowRank(errors(), embedding)
    assert {name for name, _ in connectivity.named_parameters()} == {"receiving", "sending"}
    with torch.no_grad():
        connectivity.sending.normal_()
        before = connectivity.weight
        embedding[2] *= 2
    off = ~torch.eye(N, dtype=torch.bool)
    changed = (connectivity.weight != before) & off
    assert changed[2].sum() == changed[:, 2].sum() == N - 1
    assert changed.sum() == 2 * (N - 1)


@pytest.mark.parametrize("name", CONNECTIVITIES)
def test_currents_of_half_precision_stay_in_it(name):
    """What follows, the decoder, takes the precision of the current."""
    connectivity = CONNECTIVITIES[name](StandardErrors.unknown(3), torch.nn.Parameter(torch.randn(3, 2)))
    with torch.autocast("cpu", torch.bfloat16):
        assert connectivity(torch.randn(5, 3)).dtype == torch.bfloat16
    assert connectivity(torch.randn(5, 3)).dtype == torch.float32


def test_dale_is_free_but_for_the_constraint():
    assert issubclass(Dale, Free)
    assert torch.equal(build("dale").weight, build("free").weight)


# ------------------------------------------------------------------------------------------------ kernels


def test_kernels_have_a_scale_and_start_as_a_decay():
    made = KernelPerNeuron(N, 4).requires_grad_(False)
    assert made.kernel[0].tolist() == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15])
    made.raw_kernel.normal_()
    assert made.kernel.abs().sum(1) == pytest.approx(torch.ones(N), abs=1e-6)
