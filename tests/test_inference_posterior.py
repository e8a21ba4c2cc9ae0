"""The posterior of edges, on evidence that was drawn from its own model and on evidence that was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from synapsnet.inference import posterior as module
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.posterior import posterior
from synapsnet.recording import Connectome

N, STEPS = 40, 20_000
PAIRS = ~np.eye(N, dtype=bool)


def draw(seed, density=0.12, size=5.0, excess=1.0, offset=0.0, n=N):
    """True weights, of excitatory and inhibitory neurons, and evidence with errors of 1 / sqrt(STEPS)."""
    rng = np.random.default_rng(seed)
    error = STEPS**-0.5
    sign = np.where(np.arange(n) < 0.75 * n, 1.0, -1.5)
    weight = (rng.random((n, n)) < density) * sign * rng.gamma(4, size * error / 4, (n, n))
    np.fill_diagonal(weight, 0)
    noise = rng.normal(0, excess * error, (2, n, n))
    within = 0.8 * (weight + weight.T) + (noise[1] + noise[1].T) / 2**0.5
    evidence = Evidence(
        estimate=torch.from_numpy(weight + noise[0] + offset * error),
        standard_error=torch.full((n, n), error, dtype=torch.float64),
        within=torch.from_numpy(within + offset * error),
        unit=torch.ones(n, n, dtype=torch.float64),
        n_steps=STEPS,
        slow=torch.zeros(n, n, dtype=torch.float64),
        slow_error=torch.full((n, n), error, dtype=torch.float64),
        skewness=torch.zeros(n, n, dtype=torch.float64),
    )
    return weight, evidence


def auprc(weight, evidence):
    pairs = ~np.eye(len(weight), dtype=bool)
    return average_precision_score(weight[pairs] != 0, -posterior(evidence).absent.numpy()[pairs])


def false_discoveries(weight, found, fdr):
    chosen = Connectome(found.mean.numpy(), local_fdr=found.absent.numpy()).significant(fdr)
    return (weight[chosen] == 0).sum(), chosen.sum()


def test_probabilities_are_frequencies():
    """Over ten networks, as many connections as the probabilities say, and as many false ones among those found."""
    drawn = [(weight, posterior(evidence)) for weight, evidence in map(draw, range(10))]
    expected = sum((1 - found.absent.numpy())[PAIRS].sum() for _, found in drawn)
    true = sum(np.count_nonzero(weight) for weight, _ in drawn)
    assert expected == pytest.approx(true, rel=0.15)
    for fdr in (0.05, 0.2):
        false, chosen = np.sum([false_discoveries(weight, found, fdr) for weight, found in drawn], axis=0)
        assert chosen > 0.5 * true
        assert 0.3 * fdr < false / chosen < 1.6 * fdr


def test_it_tells_more_than_the_evidence_at_a_lag():
    for seed in range(3):
        weight, evidence = draw(seed)
        z = (evidence.estimate / evidence.standard_error).abs().numpy()
        assert auprc(weight, evidence) > average_precision_score(weight[PAIRS] != 0, z[PAIRS]) + 0.03


def test_weights_are_nearer_to_the_truth_than_their_estimates():
    weight, evidence = draw(0)
    found = posterior(evidence)
    before, after = (evidence.estimate.numpy() - weight)[PAIRS], (found.mean.numpy() - weight)[PAIRS]
    assert (after**2).mean() < 0.5 * (before**2).mean()
    assert ((after / found.sd.numpy()[PAIRS]) ** 2).mean() == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_without_connections_it_finds_none(offset):
    """A common input raises the evidence of all pairs; that is no connection."""
    n_found = 0
    for seed in range(10):
        weight, evidence = draw(seed, density=0.0, offset=offset)
        n_found += false_discoveries(weight, posterior(evidence), 0.05)[1]
    assert n_found <= 3


def test_errors_that_are_too_small_are_noticed():
    false, chosen = np.sum(
        [
            false_discoveries(weight, posterior(evidence), 0.05)
            for weight, evidence in (draw(seed, size=15.0, excess=2.5) for seed in range(5))
        ],
        axis=0,
    )
    assert false / chosen < 0.1


def test_p_values_of_absent_pairs_are_uniform():
    p_values = []
    for seed in range(5):
        weight, evidence = draw(seed, excess=1.5, offset=2.0)
        p_values.append(posterior(evidence).p_value.numpy()[(weight == 0) & PAIRS])
    counts = np.histogram(np.concatenate(p_values), bins=10, range=(0, 1))[0]
    assert counts / counts.sum() == pytest.approx(np.full(10, 0.1), abs=0.02)


def test_what_is_seen_within_a_step_goes_to_the_direction_that_the_lag_shows():
    weight, evidence = draw(0, size=8.0)
    found = posterior(evidence)
    one_way = (weight != 0) & (weight.T == 0)
    assert (found.absent.numpy() < found.absent.numpy().T)[one_way].mean() > 0.9


@given(seed=st.integers(0, 5), order=st.permutations(range(12)))
def test_relabelling_the_neurons_relabels_the_posterior(seed, order):
    _, evidence = draw(seed, n=12)
    grid = np.ix_(order, order)
    relabelled = replace(
        evidence, **{name: getattr(evidence, name)[grid] for name in ("estimate", "standard_error", "within", "unit")}
    )
    assert posterior(relabelled).absent.numpy() == pytest.approx(posterior(evidence).absent.numpy()[grid], abs=1e-6)


@given(scale=st.floats(1e-3, 1e3))
def test_the_unit_of_weights_does_not_matter(scale):
    _, evidence = draw(1, n=12)
    scaled = replace(
        evidence,
        estimate=evidence.estimate * scale,
        standard_error=evidence.standard_error * scale,
        unit=evidence.unit / scale,
    )
    before, after = posterior(evidence), posterior(scaled)
    assert after.absent.numpy() == pytest.approx(before.absent.numpy(), abs=1e-4)
    assert after.mean.numpy() / scale == pytest.approx(before.mean.numpy(), abs=1e-4 * float(before.mean.abs().max()))


def test_excitation_and_inhibition_are_treated_alike():
    _, evidence = draw(2)
    opposite = posterior(replace(evidence, estimate=-evidence.estimate, within=-evidence.within))
    # What passes through a third neuron keeps its sign, so this holds on the whole only.
    assert (opposite.absent - posterior(evidence).absent).abs().mean() < 0.02


def test_it_does_not_matter_how_many_pairs_are_worked_on_at_a_time(monkeypatch):
    _, evidence = draw(0)
    whole = posterior(evidence)
    monkeypatch.setattr(module, "BLOCK_PAIRS", 7 * N)
    monkeypatch.setattr(module, "CHUNK_VALUES", 5_000)
    parts = posterior(evidence)
    for name in ("absent", "mean", "sd", "p_value"):
        assert getattr(parts, name).numpy() == pytest.approx(getattr(whole, name).numpy(), abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_neurons_are_no_obstacle(n):
    _, evidence = draw(0, n=n)
    found = posterior(evidence)
    for matrix in (found.absent, found.mean, found.sd, found.p_value):
        assert matrix.shape == (n, n)
        assert torch.isfinite(matrix).all()


def test_a_silent_neuron_breaks_nothing():
    weight, evidence = draw(0)
    evidence.estimate[:, 3] = evidence.estimate[3] = 0
    evidence.standard_error[:, 3] = evidence.standard_error[3] = 1e6
    evidence.within[:, 3] = evidence.within[3] = 0
    evidence.unit[:, 3] = evidence.unit[3] = 0
    found = posterior(evidence)
    assert torch.isfinite(found.mean).all()
    assert found.absent[3].min() > 0.5
    others = np.arange(N) != 3
    rest = weight[others][:, others]
    pairs = ~np.eye(N - 1, dtype=bool)
    assert average_precision_score(rest[pairs] != 0, -found.absent.numpy()[others][:, others][pairs]) > 0.7


@pytest.mark.parametrize("seed", range(4))
def test_types_that_are_not_told_apart_have_no_offsets_of_their_own(seed):
    """Of eight neurons without connections; offsets that cancel in each of them would grow without a bound."""
    _, evidence = draw(seed, density=0, n=8)
    error = evidence.standard_error.float()
    fit = module._Fit(evidence.estimate.float() / error, evidence.within.float(), error, STEPS)
    for _ in range(module.MOST_ITERATIONS):
        fit.update()
    assert fit.lag_offset.abs().max() < 1.5
    assert fit.within_offset.abs().max() < 1.5 * fit.within_error
