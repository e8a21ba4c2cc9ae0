"""The posterior of connections, on evidence that was drawn from its own model and on evidence that was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm
from sklearn.metrics import average_precision_score

from synapsnet.connectome import Connectome
from synapsnet.inference import pair_model
from synapsnet.inference import posterior as module
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.posterior import posterior

N, STEPS = 40, 20_000
PAIRS = ~np.eye(N, dtype=bool)


def draw(seed, density=0.12, size=5.0, excess=1.0, offset=0.0, n=N, gain=0.8, within_step=0.0, blur=0.0, scatter=0.0):
    """True weights, of excitatory and inhibitory neurons, and evidence with errors of 1 / sqrt(STEPS).

    A fraction ``within_step`` of pairs shows at the lags, in both directions, what blurs: a part ``blur`` of the weight
    on average, with the standard deviation ``scatter``.
    """
    rng = np.random.default_rng(seed)
    error = STEPS**-0.5
    sign = np.where(np.arange(n) < 0.75 * n, 1.0, -1.5)
    weight = (rng.random((n, n)) < density) * sign * rng.gamma(4, size * error / 4, (n, n))
    np.fill_diagonal(weight, 0)
    noise = rng.normal(0, excess * error, (2, n, n))
    within = gain * (weight + weight.T) + (noise[1] + noise[1].T) / 2**0.5
    at_lags = np.triu(rng.random((n, n)) >= within_step)
    blurred = (weight + weight.T) * (blur + scatter * rng.normal(size=(n, n)))
    estimate = np.where(at_lags | at_lags.T, weight, blurred)
    evidence = Evidence(
        estimate=torch.from_numpy(estimate + noise[0] + offset * error),
        standard_error=torch.full((n, n), error, dtype=torch.float64),
        zero_lag=torch.from_numpy(within + offset * error),
        correlation_per_weight=torch.ones(n, n, dtype=torch.float64),
        n_steps=STEPS,
        flank_estimate=torch.zeros(n, n, dtype=torch.float64),
        flank_error=torch.full((n, n), error, dtype=torch.float64),
        skewness=torch.zeros(n, n, dtype=torch.float64),
    )
    return weight, evidence


def auprc(weight, evidence):
    pairs = ~np.eye(len(weight), dtype=bool)
    return average_precision_score(weight[pairs] != 0, -posterior(evidence).p_absent.numpy()[pairs])


def false_discoveries(weight, found, fdr):
    chosen = Connectome(found.mean.numpy(), local_fdr=found.p_absent.numpy()).significant(fdr)
    return (weight[chosen] == 0).sum(), chosen.sum()


def test_probabilities_are_frequencies():
    """Over ten networks, as many connections as the probabilities say, and as many false ones among those found."""
    drawn = [(weight, posterior(evidence)) for weight, evidence in map(draw, range(10))]
    expected = sum((1 - found.p_absent.numpy())[PAIRS].sum() for _, found in drawn)
    true = sum(np.count_nonzero(weight) for weight, _ in drawn)
    assert expected == pytest.approx(true, rel=0.15)
    for fdr in (0.05, 0.2):
        false, chosen = np.sum([false_discoveries(weight, found, fdr) for weight, found in drawn], axis=0)
        assert chosen > 0.5 * true
        assert 0.3 * fdr < false / chosen < 1.6 * fdr


def test_a_connection_within_a_step_is_not_given_a_direction():
    """Where most connections show nothing at the lags, so that noise there would give them one."""
    networks = (draw(seed, size=3.0, gain=6.0, within_step=0.95) for seed in range(10))
    drawn = [(weight, posterior(evidence)) for weight, evidence in networks]
    false, chosen = np.sum([false_discoveries(weight, found, 0.05) for weight, found in drawn], axis=0)
    assert chosen > 250
    assert false / chosen < 0.05


def test_neither_is_one_that_is_blurred_to_both_sides(monkeypatch):
    """By as much as its weight, and more or less: what reaches two traces at once seems to go either way."""
    networks = [draw(seed, gain=2.0, within_step=0.95, blur=0.5, scatter=0.4) for seed in range(5)]

    def false_of_chosen():
        found = [false_discoveries(weight, posterior(evidence), 0.05) for weight, evidence in networks]
        return np.sum(found, axis=0)

    false, chosen = false_of_chosen()
    assert false <= 0.08 * chosen + 1
    monkeypatch.setattr(pair_model, "FIRST_SCATTER", 1e-6)
    monkeypatch.setattr(module, "MOST_SCATTER", 1e-6)
    false, chosen = false_of_chosen()
    assert chosen > 20
    assert false > 0.2 * chosen


def test_a_larger_error_in_one_direction_is_no_direction():
    """Of two excitatory neurons correlated within the step, whose estimates at the lags are 0 and errors unequal."""
    _, evidence = draw(3, gain=2.0)
    evidence.estimate[0, 1] = evidence.estimate[1, 0] = 0.0
    evidence.zero_lag[0, 1] = evidence.zero_lag[1, 0] = 15 * STEPS**-0.5
    evidence.standard_error[0, 1] *= 4
    found = posterior(evidence).p_absent
    assert found[0, 1] + found[1, 0] == pytest.approx(1, abs=0.1)
    assert found[0, 1] == pytest.approx(0.5, abs=0.2)


def test_probabilities_of_strong_connections_keep_their_order():
    weight, evidence = draw(0, size=16.0, n=24)
    sign = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], weight.shape))  # so that none is discounted
    mixed = replace(evidence, estimate=evidence.estimate * sign, zero_lag=torch.zeros_like(evidence.zero_lag))
    p_absent = posterior(mixed).p_absent.numpy()
    assert ((p_absent >= 0) & (p_absent <= 1)).all()
    size = np.abs(weight) * STEPS**0.5
    strong = p_absent[(size > 7) & (size < 10)]  # still larger than the smallest number in single precision
    assert len(np.unique(strong)) == len(strong) > 5


def test_it_ranks_better_than_the_evidence_at_the_lags_alone():
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


def test_correlation_at_zero_lag_goes_to_the_direction_that_the_lags_show():
    weight, evidence = draw(0, size=8.0)
    found = posterior(evidence)
    one_way = (weight != 0) & (weight.T == 0)
    assert (found.p_absent.numpy() < found.p_absent.numpy().T)[one_way].mean() > 0.9


@settings(max_examples=8)
@given(seed=st.integers(0, 5), order=st.permutations(range(12)))
def test_relabelling_the_neurons_relabels_the_posterior(seed, order):
    _, evidence = draw(seed, n=12)
    grid = np.ix_(order, order)
    relabelled = replace(
        evidence,
        **{
            name: getattr(evidence, name)[grid]
            for name in ("estimate", "standard_error", "zero_lag", "correlation_per_weight")
        },
    )
    assert posterior(relabelled).p_absent.numpy() == pytest.approx(posterior(evidence).p_absent.numpy()[grid], abs=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 0.3, 1e3])
def test_the_unit_of_weights_does_not_matter(scale):
    _, evidence = draw(1, n=12)
    scaled = replace(
        evidence,
        estimate=evidence.estimate * scale,
        standard_error=evidence.standard_error * scale,
        correlation_per_weight=evidence.correlation_per_weight / scale,
    )
    before, after = posterior(evidence), posterior(scaled)
    assert after.p_absent.numpy() == pytest.approx(before.p_absent.numpy(), abs=1e-4)
    assert after.mean.numpy() / scale == pytest.approx(before.mean.numpy(), abs=1e-4 * float(before.mean.abs().max()))


def test_excitation_and_inhibition_are_treated_alike():
    _, evidence = draw(2)
    opposite = posterior(replace(evidence, estimate=-evidence.estimate, zero_lag=-evidence.zero_lag))
    # What passes through a third neuron keeps its sign, so this holds on the whole only.
    assert (opposite.p_absent - posterior(evidence).p_absent).abs().mean() < 0.02


def test_it_does_not_matter_how_many_pairs_are_worked_on_at_a_time(monkeypatch):
    _, evidence = draw(0)
    whole = posterior(evidence)
    monkeypatch.setattr(pair_model, "BLOCK_PAIRS", 7 * N)
    monkeypatch.setattr(pair_model, "CHUNK_VALUES", 5_000)
    parts = posterior(evidence)
    for name in ("p_absent", "mean", "sd", "p_value"):
        assert getattr(parts, name).numpy() == pytest.approx(getattr(whole, name).numpy(), abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_neurons_are_no_obstacle(n):
    _, evidence = draw(0, n=n)
    found = posterior(evidence)
    for matrix in (found.p_absent, found.mean, found.sd, found.p_value):
        assert matrix.shape == (n, n)
        assert torch.isfinite(matrix).all()


def test_of_two_neurons_a_strong_connection_is_found():
    _, evidence = draw(0, n=2, density=0)
    evidence.estimate[1, 0] = 8 * STEPS**-0.5
    found = posterior(evidence)
    assert found.p_absent[1, 0] < 1e-3 < 0.5 < found.p_absent[0, 1]


def test_where_no_pair_is_informative_nothing_is_connected():
    _, evidence = draw(0, n=6)
    found = posterior(replace(evidence, informative=torch.zeros(6, 6, dtype=torch.bool)))
    assert (found.p_absent == 1).all()
    assert (found.p_value == 1).all()
    assert not found.mean.any()
    assert found.sd.numpy() == pytest.approx(evidence.standard_error.numpy())


def test_a_silent_neuron_breaks_nothing():
    weight, evidence = draw(0)
    evidence.estimate[:, 3] = evidence.estimate[3] = 0
    evidence.standard_error[:, 3] = evidence.standard_error[3] = 1e6
    evidence.zero_lag[:, 3] = evidence.zero_lag[3] = 0
    evidence.correlation_per_weight[:, 3] = evidence.correlation_per_weight[3] = 0
    found = posterior(evidence)
    assert torch.isfinite(found.mean).all()
    assert found.p_absent[3].min() > 0.5
    others = np.arange(N) != 3
    rest = weight[others][:, others]
    pairs = ~np.eye(N - 1, dtype=bool)
    assert average_precision_score(rest[pairs] != 0, -found.p_absent.numpy()[others][:, others][pairs]) > 0.7


@pytest.mark.parametrize("seed", range(4))
def test_types_that_are_not_told_apart_have_no_offsets_of_their_own(seed):
    """Of eight neurons without connections; offsets that cancel in each of them would grow without a bound."""
    _, evidence = draw(seed, density=0, n=8)
    error = evidence.standard_error.float()
    fit = module._Fit(
        evidence.estimate.float() / error, evidence.zero_lag.float(), error, STEPS, ~torch.eye(8, dtype=bool)
    )
    for _ in range(module.MOST_ITERATIONS):
        fit.update()
    assert fit.lag_offset.abs().max() < 1.5
    assert fit.zero_lag_offset.abs().max() < 1.5 * fit.zero_lag_error


def test_what_leaks_from_the_reverse_connection_is_neither_a_connection_nor_significant():
    """A quarter of each weight is in the estimate of the reverse pair, where there is mostly no connection."""
    weight, evidence = draw(0, size=20.0)
    leaky = replace(evidence, estimate=evidence.estimate + 0.25 * torch.from_numpy(weight.T))
    found = posterior(leaky)
    reverse = (weight == 0) & (weight.T != 0)
    z = (leaky.estimate / leaky.standard_error).numpy()[reverse]
    assert np.mean(np.abs(z) > 1.96) > 0.5
    assert np.mean(found.p_value.numpy()[reverse] < 0.05) < 0.12
    assert found.p_absent.numpy()[reverse].mean() > 0.8


def test_what_connections_pass_on_within_a_step_is_neither_a_connection_nor_significant():
    """Each pair gets the sums over chains, and over common targets, of the module's docstring."""
    weight, evidence = draw(0, size=10.0)
    gain, u = 0.8, 4.0  # of zero lag, and correlation per weight: then indirect effects are several standard errors
    noise = 0.1 * (evidence.zero_lag.numpy() - gain * (weight + weight.T))
    chain, common_target = gain * u * weight @ weight, gain**2 * u**2 * weight.T @ weight
    np.fill_diagonal(chain, 0)
    np.fill_diagonal(common_target, 0)
    passed_on = replace(
        evidence,
        estimate=evidence.estimate + torch.from_numpy(chain),
        zero_lag=torch.from_numpy(gain * u * (weight + weight.T) - common_target + noise),
        correlation_per_weight=torch.full((N, N), u, dtype=torch.float64),
    )
    found = posterior(passed_on)
    chained = (weight == 0) & (np.abs(chain) > 4 * evidence.standard_error.numpy())
    assert chained.sum() > 100
    assert np.mean(found.p_value.numpy()[chained] < 0.05) < 0.1
    assert auprc(weight, passed_on) > 0.95


def test_indirect_effects_by_hand():
    """0 sends to 1 and 1 to 2; 3 sends to 2 as well. Gains differ by the type of the neuron that sends."""
    pairs = ~torch.eye(4, dtype=torch.bool)
    fit = module._Fit(torch.randn(4, 4), torch.zeros(4, 4), torch.full((4, 4), 0.5), STEPS, pairs)
    fit.mean = torch.zeros(4, 4)
    fit.mean[1, 0], fit.mean[2, 1], fit.mean[2, 3] = 3.0, 2.0, -4.0
    fit.p_type = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    fit.zero_lag_gain = torch.tensor([0.2, 0.6], dtype=torch.float64)
    fit._update_indirect_effects()
    lag, zero_lag = torch.zeros(4, 4), torch.zeros(4, 4)
    lag[2, 0] = 0.2 * (0.5 * 2.0) * (0.5 * 3.0) / 0.5
    zero_lag[1, 3] = zero_lag[3, 1] = -(0.2 * 0.5 * 2.0) * (0.6 * 0.5 * -4.0)
    torch.testing.assert_close(fit.indirect_lag, lag)
    torch.testing.assert_close(fit.indirect_zero_lag, zero_lag)


def fit_to(z):
    """What is fitted, before its first iteration, to estimates z in standard errors."""
    n = len(z)
    return module._Fit(z, torch.zeros(n, n), torch.ones(n, n), STEPS, ~torch.eye(n, dtype=torch.bool))


def test_a_neurons_first_type_is_the_sign_of_what_it_sends():
    z = torch.randn(10, 10, generator=torch.Generator().manual_seed(0))
    z[:, 3], z[:, 5] = 1.0, -1.0
    fit = fit_to(z)
    standard = (z - fit.lag_offset[0]) / fit.lag_sd
    sent = (standard * fit.pairs).sum(0) / 3
    assert fit.p_type[:, 0].numpy() == pytest.approx(torch.sigmoid(2 * sent).numpy(), rel=1e-5)
    assert fit.p_type[3, 0] > 0.9 > 0.1 > fit.p_type[5, 0]


def test_a_type_connects_to_no_more_than_allowed_and_hardly_with_the_other_sign():
    fit = fit_to(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))
    prior = torch.rand(fit.prior.shape, generator=torch.Generator().manual_seed(1)).double() + 0.1
    prior[0, : fit.zero] *= 3  # the first type inhibits, the second excites
    prior[1, fit.zero + 1 :] *= 3
    fit.prior = prior / prior.sum(1, keepdim=True)
    before = fit.prior.clone()
    fit._bound_prior()
    negative, positive = fit.prior[:, : fit.zero].sum(1), fit.prior[:, fit.zero + 1 :].sum(1)
    assert (negative + positive).tolist() == pytest.approx([pair_model.MOST_DENSE] * 2)
    assert [positive[0] / negative[0], negative[1] / positive[1]] == pytest.approx([module.MOST_MIXED] * 2)
    assert fit.prior.sum(1).tolist() == pytest.approx([1, 1])
    for sizes in (slice(0, fit.zero), slice(fit.zero + 1, None)):  # all sizes of a sign shrink alike
        ratio = fit.prior[:, sizes] / before[:, sizes]
        assert ratio.numpy() == pytest.approx(ratio[:, :1].expand_as(ratio).numpy())


def test_an_iteration_learns_types_and_sizes_by_bayes_theorem(monkeypatch):
    """A type is as likely as what a neuron sends says, times how common it is; sizes are counted beside a few pairs."""
    monkeypatch.setattr(module._Fit, "_bound_prior", lambda fit: None)
    fit = fit_to(2 * torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))
    p_excites = torch.linspace(0.6, 0.95, 12).double()
    fit.p_type = torch.stack([p_excites, 1 - p_excites], dim=1)
    expected, common = fit.expectations(), fit.p_type.mean(0)
    fit.update()
    p_type = expected.log_evidence.exp().T * common
    p_type /= p_type.sum(1, keepdim=True)
    assert fit.p_type.numpy() == pytest.approx(p_type.numpy(), rel=1e-6)
    prior = sum(p_type[j, :, None] * expected.counts[:, :, j] for j in range(12))
    density = pair_model.PRIOR_DENSITY
    zero = torch.arange(len(fit.weights)) == fit.zero
    prior += pair_model.PRIOR_PAIRS * torch.where(zero, 1 - density, density / (len(zero) - 1))
    assert fit.prior.numpy() == pytest.approx((prior / prior.sum(1, keepdim=True)).numpy(), rel=1e-6)


@pytest.mark.parametrize("n_strong", [0, 3])
def test_the_density_is_bounded_by_what_stands_out_one_by_one(n_strong):
    """Against the Benjamini-Hochberg procedure of scipy."""
    noise = norm.ppf(np.linspace(0, 1, 402)[1:-1])  # in which nothing stands out
    z = torch.from_numpy(np.random.default_rng(0).permutation(noise).reshape(20, 20)).float()
    z[0, 1 : 1 + n_strong] = 7.0
    fit = fit_to(z)
    fit.bound_density()
    passing = false_discovery_control(fit.p_value()[fit.pairs].numpy()) <= module.NOTICED_RATE
    assert passing.sum() == n_strong
    assert fit.most_dense == pytest.approx(module.MOST_TO_NOTICED * n_strong / (20 * 19))


def test_moments_of_a_weight_from_sums_over_sizes():
    """The factors of a polynomial in the estimate against the moments of normal distributions about each size."""
    fit = fit_to(3 * torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))
    fit.spurious = torch.rand(fit.prior.shape, generator=torch.Generator().manual_seed(1)).double()
    assert fit.lag_sd > 2
    estimate, variance = 1.7 * fit.lag_sd, fit.width.square()
    fraction = variance / (variance + fit.lag_sd**2)
    centre = fit.weights + fraction * (estimate - fit.weights)
    connected = fit.prior * (1 - fit.spurious)
    total, absent, *powers = fit._sums_over_sizes(slice(None)).sum(2).double()
    assert total.tolist() == pytest.approx([1, 1])
    assert absent.numpy() == pytest.approx((fit.prior * fit.spurious).sum(1).numpy(), rel=1e-5)
    mean, square = powers[0] + powers[1] * estimate, powers[2] + (powers[3] + powers[4] * estimate) * estimate
    assert mean.numpy() == pytest.approx((connected @ centre).numpy(), rel=1e-5)
    assert square.numpy() == pytest.approx((connected @ (centre**2 + fraction * fit.lag_sd**2)).numpy(), rel=1e-5)


def contaminated(seed, signs):
    """Estimates of 60 neurons' connections in standard errors, and others as large between pairs without one."""
    rng = np.random.default_rng(seed)
    sign = signs(rng)
    connected, disturbed = rng.random((60, 60)) < 0.1, rng.random((60, 60)) < 0.04
    weight = connected * sign * rng.uniform(4, 8, (60, 60))
    np.fill_diagonal(weight, 0)
    spurious = disturbed * ~connected * rng.choice([-1, 1], (60, 60)) * rng.uniform(4, 8, (60, 60))
    z = torch.from_numpy(weight + spurious + rng.normal(0, 1, (60, 60))).float()
    pairs = ~torch.eye(60, dtype=torch.bool)
    return weight, Evidence.at_lags(z, torch.ones(60, 60), STEPS, pairs)


@pytest.mark.parametrize("seed", range(3))
def test_weights_of_the_other_sign_show_how_many_of_a_neurons_own_sign_are_spurious(seed):
    """About a sixth of what stands out with a neuron's own sign is made by something else."""
    weight, evidence = contaminated(seed, lambda rng: np.where(rng.random(60) < 0.7, 1.0, -1.0))
    of_own_sign = np.sign(evidence.estimate.numpy()) == np.sign(weight.sum(0))
    clear = (np.abs(evidence.estimate.numpy()) > 5) & of_own_sign & ~np.eye(60, dtype=bool)
    true = (weight[clear] != 0).mean()
    assert true < 0.9
    assert (1 - posterior(evidence).p_absent.numpy()[clear]).mean() == pytest.approx(true, abs=0.06)


def test_signs_dealt_at_random_are_no_evidence_against_connections():
    """Dale's principle is not assumed of a network that breaks it."""
    weight, evidence = contaminated(0, lambda rng: rng.choice([-1.0, 1.0], (60, 60)))
    clear = np.abs(evidence.estimate.numpy()) > 5
    assert (1 - posterior(evidence).p_absent.numpy()[clear & (weight != 0)]).mean() > 0.9


def test_weights_of_a_pair_inferred_separately_are_those_inferred_jointly(monkeypatch):
    """In a large network that is a short cut, and most of its pairs take it."""
    _, evidence = draw(0, n=320, density=0.02, within_step=0.1)
    find, shares = pair_model.PairModel._find_separate, []

    def counted(fit):
        find(fit)
        shares.append(float(fit.separate.double().mean()))

    monkeypatch.setattr(pair_model.PairModel, "_find_separate", counted)
    short = posterior(evidence)
    assert min(shares) > 0.5
    monkeypatch.setattr(pair_model, "FEW_NEURONS", 320)
    whole = posterior(evidence)
    assert shares[-1] == 0
    assert (short.p_absent - whole.p_absent).abs().max() < 1e-3
    assert (short.p_value - whole.p_value).abs().max() < 1e-3
    assert ((short.mean - whole.mean) / evidence.standard_error).abs().max() < 0.01
