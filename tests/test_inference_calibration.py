"""What would pass for connections in pairs without one: slow correlations, and errors that are skewed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from test_inference_posterior import PAIRS, STEPS, draw

from synapsnet import fitted
from synapsnet.estimator import SynapsNet
from synapsnet.inference.calibration import calibrated, shrunk
from synapsnet.inference.changing_variance import AT_THE_STEP, NEARBY_STEPS, ChangingVariance, mean_around
from synapsnet.inference.evidence import FLANK_GAP, flanks
from synapsnet.recording import Recording


def test_flanks_are_the_mean_before_and_after_as_far_as_it_is_there():
    sent = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)))
    near, far = 3 + FLANK_GAP, 2 * (3 + FLANK_GAP)
    for step, row in enumerate(flanks(sent, n_lags=3)):
        there = [t for t in range(40) if near < abs(t - step) <= far]
        torch.testing.assert_close(row, sent[there].mean(0))


def test_where_nothing_is_far_enough_the_flanks_are_silent():
    assert not flanks(torch.ones(4, 2), n_lags=6).any()


def test_estimates_scatter_as_far_as_variances_that_change_together_say():
    """Products of independent values scatter by the root of the sum of products of their variances."""
    rng = np.random.default_rng(5)
    n, n_steps, n_draws = 6, 8000, 300
    loudness = np.exp(0.7 * rng.normal(size=(8, n))).repeat(1000, axis=0)  # of each neuron, changes every 1,000 steps
    product, ratios, zero_lag = [], [], []
    for _ in range(n_draws):
        sent, score = (torch.from_numpy(loudness * rng.normal(size=(n_steps, n))).float() for _ in range(2))
        variance = ChangingVariance(torch.eye(n))
        variance.add(sent, score, torch.ones_like(score), score)
        ratios.append(variance.of_estimates().numpy())
        zero_lag.append(variance.of_zero_lag().numpy())
        product.append(
            (score.T @ sent).numpy() / np.sqrt(np.outer(score.square().sum(0), sent.square().sum(0)) / n_steps)
        )
    found = np.square(product).mean(0)
    assert found.max() > 1.8 and found.min() < 0.7
    assert np.mean(ratios, 0) == pytest.approx(found, rel=0.3)
    apart = ~np.eye(n, dtype=bool)  # a neuron's square holds that of the same step
    assert np.mean(zero_lag, 0)[apart] == pytest.approx(found[apart], rel=0.3)


def test_coincidences_count_a_little_at_the_lags_and_not_at_zero_lag():
    """Spikes at the same steps, far apart: whatever is nearby says nothing of them."""
    spikes = torch.zeros(4000, 2)
    spikes[::400] = 1
    variance = ChangingVariance(torch.eye(2))
    variance.add(spikes, spikes, torch.ones_like(spikes), spikes)
    assert not variance.of_zero_lag().any()
    mean_square = (AT_THE_STEP * spikes + (1 - AT_THE_STEP) * mean_around(spikes, *NEARBY_STEPS)).mean()
    assert variance.of_estimates().numpy() == pytest.approx(AT_THE_STEP / float(mean_square), rel=1e-3)


def test_effects_that_are_noise_are_shrunk_to_nothing():
    mean, variance = shrunk(torch.from_numpy(np.random.default_rng(0).normal(size=5000)))
    assert mean.abs().max() < 1
    assert variance.mean() < 0.05


def test_effects_have_the_posterior_of_their_distribution():
    """A tenth has a spread of 4: the posterior that knows that is closed."""
    rng = np.random.default_rng(1)
    effect = rng.normal(0, 4, 20_000) * (rng.random(20_000) < 0.1)
    z = effect + rng.normal(size=20_000)
    there = 0.1 * stats.norm.pdf(z, scale=17**0.5)
    there = there / (there + 0.9 * stats.norm.pdf(z))
    expected = there * 16 / 17 * z
    of_square = there * (16 / 17 + (16 / 17 * z) ** 2)
    mean, variance = shrunk(torch.from_numpy(z))
    assert np.abs(mean.numpy() - expected).mean() < 0.02
    assert variance.numpy().mean() == pytest.approx((of_square - expected**2).mean(), rel=0.1)


def test_many_pairs_are_shrunk_in_parts():
    z = torch.from_numpy(np.random.default_rng(2).normal(0, 3, 250_001))
    mean, variance = shrunk(z)
    torch.testing.assert_close(mean, 8 / 9 * z, rtol=0.1, atol=0.1)
    assert variance.mean() == pytest.approx(8 / 9, rel=0.05)


def test_of_one_neuron_there_is_nothing_to_calibrate():
    _, evidence = draw(0, n=1)
    assert calibrated(evidence) is evidence


def slow_pairs(seed):
    """No connections; a tenth of the pairs is slowly correlated: as much within a step, in the flanks a third of it."""
    _, evidence = draw(seed, density=0)
    rng = np.random.default_rng(seed + 100)
    slow = 6 * rng.normal(size=PAIRS.shape) * (rng.random(PAIRS.shape) < 0.1) * STEPS**-0.5
    seen = (slow + rng.normal(size=PAIRS.shape) * STEPS**-0.5) / 3
    return replace(
        evidence,
        estimate=evidence.estimate + torch.from_numpy(slow),
        zero_lag=evidence.zero_lag + torch.from_numpy(slow + slow.T),
        flank_estimate=torch.from_numpy(seen),
        flank_error=evidence.standard_error / 3,
    )


def test_what_is_slow_is_taken_away_as_far_as_it_is_known():
    before = slow_pairs(0)
    after = calibrated(before)
    z = {name: (each.estimate / each.standard_error).numpy()[PAIRS] for name, each in
         (("before", before), ("after", after))}  # fmt: skip
    assert np.abs(z["before"]).max() > 8
    assert np.abs(z["after"]).max() < 4.5
    assert z["after"].std() == pytest.approx(1, abs=0.1)
    within = [STEPS**0.5 * each.zero_lag.numpy()[PAIRS] for each in (before, after)]
    # Within a step what is not known of it stays: of two slow parts, each with an error of 1, a fifth of the pairs.
    assert within[0].std() > 2.5
    assert within[1].std() < (0.8 + 0.2 * 3) ** 0.5
    again = calibrated(after)
    torch.testing.assert_close(again.estimate, after.estimate)
    torch.testing.assert_close(again.standard_error, after.standard_error)
    torch.testing.assert_close(again.zero_lag, after.zero_lag)


def test_where_nothing_is_slow_estimates_stay():
    weight, evidence = draw(0)
    rng = np.random.default_rng(5)
    noise = torch.from_numpy(rng.normal(size=PAIRS.shape)) * evidence.flank_error
    same = calibrated(replace(evidence, flank_estimate=noise))
    reference = calibrated(replace(evidence, flank_estimate=torch.zeros_like(noise)))
    assert weight.any()
    torch.testing.assert_close(same.estimate, evidence.estimate, rtol=0, atol=0.1 * STEPS**-0.5)
    torch.testing.assert_close(same.standard_error, reference.standard_error, rtol=0.025, atol=0)
    torch.testing.assert_close(same.zero_lag, reference.zero_lag, rtol=0, atol=0.1 * STEPS**-0.5)


def test_skewed_errors_have_even_tails_afterwards():
    """Errors of a gamma distribution of skewness 0.3 are 3 standard deviations too high, hardly ever too low."""
    _, evidence = draw(0, density=0, n=200)
    shape = (2 / 0.3) ** 2
    error = (np.random.default_rng(2).gamma(shape, size=(200, 200)) - shape) / shape**0.5
    skewed = replace(
        evidence,
        estimate=torch.from_numpy(error) * evidence.standard_error,
        skewness=torch.full((200, 200), 0.3, dtype=torch.float64),
    )
    pairs = ~np.eye(200, dtype=bool)
    after = calibrated(skewed)
    expected = pairs.sum() * stats.norm.sf(3)  # 54 on either side
    up, down = (error[pairs] > 3).sum(), (error[pairs] < -3).sum()
    assert up > 2 * expected
    assert down < expected / 2
    z = (after.estimate / after.standard_error).numpy()[pairs]
    z = z - np.median(z)
    assert (z > 3).sum() == pytest.approx(expected, rel=0.4)
    assert (z < -3).sum() == pytest.approx(expected, rel=0.4)


def test_neurons_that_follow_the_same_slow_rhythm_are_not_connected(monkeypatch):
    """In pairs, each with a rhythm of its own, whose weights stand out where nobody looks at the flanks."""
    rng = np.random.default_rng(4)
    n_steps, n = 40_000, 20
    wave = rng.normal(size=(n_steps // 40, n // 2)).repeat(40, axis=0).repeat(2, axis=1)
    spikes = rng.random((n_steps, n)) < 0.03 * np.exp(0.9 * wave - 0.4)
    recording = Recording.from_array(spikes, 0.02, "spikes")  # too coarse for correlograms
    model = SynapsNet(seed=0, epochs=2, likelihood="bernoulli")
    seen = []
    monkeypatch.setattr(fitted, "calibrated", lambda *of: [seen.append(of[0]), calibrated(*of)][-1])
    assert model.infer(recording).significant(0.05).sum() <= 1
    before, after = ((each.estimate / each.standard_error).abs() > 4 for each in (seen[0], calibrated(seen[0])))
    assert before.sum() >= 10
    assert after.sum() <= 1
