"""What is assumed of `W`, and of synaptic kernels: by hand, and against plain matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synapsnet.errors import InputError
from synapsnet.model.connectivity import CONNECTIVITIES, Dale, Free, LowRank, StandardErrors
from synapsnet.model.kernels import N_GROUPS, KernelByDistance, KernelPerNeuron, distance_groups

N, E = 6, 3


def errors() -> StandardErrors:
    return StandardErrors(torch.linspace(0.1, 0.5, N), torch.linspace(0.2, 2.0, N), 1000)


def build(name: str, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    made = CONNECTIVITIES[name](errors(), torch.nn.Parameter(torch.randn(N, E, generator=generator), False))
    made.requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def test_standard_errors_are_those_of_a_regression():
    """By hand 1 / sqrt(T information variance); as a matrix and as its two factors."""
    found = errors()
    assert float(found.matrix()[2, 4]) == pytest.approx((1000 * found.information[2] * found.variance[4]) ** -0.5)
    assert torch.outer(*found.factors()) == pytest.approx(found.matrix(), rel=1e-5)
    assert (StandardErrors.unknown(N).matrix() == 1).all()


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
        by_hand = (connectivity.weight / errors().matrix()).abs().sum() + connectivity.raw_weight.diagonal().abs().sum()
        assert float(connectivity.negative_log_prior()) == pytest.approx(float(by_hand), rel=1e-4)


def test_a_free_weight_is_what_it_is_set_to():
    connectivity, weight = build("free"), torch.randn(N, N)
    connectivity.set_weight(weight)
    assert connectivity.weight == pytest.approx(weight.fill_diagonal_(0), abs=1e-5)


@given(st.integers(0, 10_000))
def test_dale_leaves_one_sign_to_each_sender_and_what_has_it_alone(seed):
    connectivity = build("dale", seed)
    before = connectivity.weight / errors().matrix()
    connectivity.constrain()
    after = connectivity.weight / errors().matrix()
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


def test_dale_is_free_but_for_the_constraint():
    assert issubclass(Dale, Free)
    assert torch.equal(build("dale").weight, build("free").weight)


# ------------------------------------------------------------------------------------------------ kernels


@pytest.mark.parametrize("kind", [KernelPerNeuron, KernelByDistance])
def test_kernels_have_a_scale_and_start_alike(kind):
    made = kind(N, 4).requires_grad_(False)
    assert made.kernel.shape == (N, 4)
    assert made.kernel == pytest.approx(KernelPerNeuron(N, 4).kernel.detach())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    assert made.kernel.abs().sum(1) == pytest.approx(torch.ones(N), abs=1e-6)


def test_kernels_of_all_distances_have_a_scale():
    made = KernelByDistance(N, 4).requires_grad_(False)
    made.log_factor.normal_()
    assert made.kernels().shape == (N_GROUPS, N, 4)
    assert made.kernels().abs().sum(2) == pytest.approx(torch.ones(N_GROUPS, N), abs=1e-6)


def test_a_kernel_by_distance_can_be_a_delay():
    """A factor that leaves one lag alone: the current of far pairs comes later."""
    made = KernelByDistance(2, 3).requires_grad_(False)
    made.group[:] = torch.tensor([[0, 0], [3, 0]])
    made.log_factor[0] = torch.tensor([0.0, -50.0, -50.0])
    made.log_factor[3] = torch.tensor([-50.0, -50.0, 0.0])
    connectivity = Free(StandardErrors.unknown(2), torch.nn.Parameter(torch.zeros(2, 1))).requires_grad_(False)
    connectivity.set_weight(torch.tensor([[0.0, 2.0], [5.0, 0.0]]))
    past = torch.arange(6.0).reshape(1, 2, 3)  # oldest first
    current = made.current(past, connectivity)
    assert current[0].tolist() == pytest.approx([2 * 5.0, 5 * 0.0])


def test_groups_of_distance_hold_as_many_pairs_and_are_in_order():
    rng = np.random.default_rng(0)
    position = np.c_[rng.uniform(0, 300, (30, 2)), np.full(30, np.nan)]
    group = distance_groups(position).numpy()
    apart = np.linalg.norm(position[:, None, :2] - position[:, :2], axis=-1)
    pairs = ~np.eye(30, dtype=bool)
    assert np.array_equal(group, group.T)
    counts = np.bincount(group[pairs])
    assert counts.sum() == 30 * 29
    assert np.ptp(counts) <= 4
    for k in range(N_GROUPS - 1):
        assert apart[pairs & (group == k)].max() <= apart[pairs & (group == k + 1)].min()


@pytest.mark.parametrize(
    ("position", "sentence"),
    [
        (np.full((4, 3), np.nan), "position of every neuron; 4 of 4 neurons have none"),
        (np.array([[0, 0, 0], [np.nan] * 3, [1, 1, 1], [2, 2, 2]]), "1 of 4 neurons have none. Use kernels='neuron'"),
        (np.ones((4, 3)), "all of 4 neurons have the same"),
    ],
)
def test_refuses_kernels_by_distance_without_positions(position, sentence):
    with pytest.raises(InputError, match=sentence):
        distance_groups(position)
