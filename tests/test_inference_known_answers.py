"""Formulas of the inference against an independent computation: delays, flanks, skewed errors, scales of neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import optimize
from scipy.stats import norm
from test_inference_posterior import PAIRS, STEPS, draw

from synapsnet.inference import delays, evidence, pair_model, uncertain_regression
from synapsnet.inference.calibration import FARTHEST, _regression_coefficient, calibrated, centre_and_spread


@pytest.mark.parametrize("expected", [0.02, 3.0])
def test_the_amplitude_and_base_rate_of_each_delay_maximise_the_posterior(expected):
    """Newton's method by hand against scipy's minimiser, also where there is hardly a spike and the prior decides."""
    rng = np.random.default_rng(0)
    response = delays._responses(0.001, 0.005, delays.DELAYS_S)[[1, 5]]
    counts = rng.poisson(expected * np.exp(1.5 * response)).astype(float)
    found = delays._log_likelihood(counts, np.full(2, expected), response)

    def negative(parameters, row, shape):
        a, b = parameters
        log_rate = a * shape + b
        prior = 0.5 * ((a / delays.AMPLITUDE_SD) ** 2 + (b / delays.BASE_SD) ** 2)
        return -(row @ log_rate - expected * np.exp(log_rate).sum() - prior)

    for row, values in zip(counts, found, strict=True):
        best = [-optimize.minimize(negative, np.zeros(2), (row, shape)).fun for shape in response]
        assert values == pytest.approx(best, abs=1e-4)


def test_a_flank_weight_is_the_same_covariance_as_a_weight_at_the_lags():
    """Of neurons that are independent: covariances are diagonal, and everything is a division."""
    variance, flank_variance = torch.tensor([0.5, 2.0, 4.0]).double(), torch.tensor([0.1, 0.3, 0.2]).double()
    information = torch.tensor([[10.0], [20.0], [40.0]]).double()
    gradient = torch.arange(9.0).double().view(3, 3)
    estimate, error = evidence._flank_estimate(
        gradient, torch.diag(flank_variance), torch.diag(1 / variance), information
    )
    expected = (gradient / information / variance).fill_diagonal_(0)
    assert estimate == pytest.approx(expected, rel=1e-5)
    assert error == pytest.approx((flank_variance * information).rsqrt() * flank_variance / variance, rel=1e-4)


def test_skewed_errors_by_hand():
    """Errors grow on the side of the long tail: by a sixth of the skewness for each standard deviation."""
    _, drawn = draw(3, density=0.0, excess=1.5, n=12)
    skewness = 2.0
    found = calibrated(replace(drawn, skewness=torch.full_like(drawn.estimate, skewness)))
    pairs = ~torch.eye(12, dtype=torch.bool)
    z = (drawn.estimate / drawn.standard_error)[pairs]
    centre, spread = centre_and_spread(z)
    assert spread > 1.2
    correction = 1 + skewness / spread**3 * ((z - centre) / spread).clamp(-FARTHEST, FARTHEST) / 6
    assert (found.standard_error / drawn.standard_error)[pairs] == pytest.approx(correction, rel=1e-4)


def test_a_neuron_that_scatters_more_within_a_step_counts_for_less():
    """Coincidences of one of 40 neurons scatter three times as much: most of that is taken away, the others stay."""
    _, drawn = draw(4, density=0.0)
    scale = torch.ones(len(drawn.estimate)).double()
    scale[7] = 3.0
    zero_lag = drawn.zero_lag * torch.outer(scale, scale)
    found = calibrated(replace(drawn, zero_lag=zero_lag)).zero_lag.double() * STEPS**0.5
    spread = torch.stack([row[pairs].std() for row, pairs in zip(found, torch.from_numpy(PAIRS), strict=True)])
    others = torch.cat([spread[:7], spread[8:]])
    assert 0.8 < spread[7] < 2.0
    assert float(others.mean()) == pytest.approx(1.0, rel=0.1)


def test_the_response_to_a_spike_is_a_difference_of_exponentials_after_its_delay():
    rise_s, decay_s = 0.001, 0.005
    lag_s = (np.arange(round(delays.WINDOW_S / delays.STEP_S)) + 0.5) * delays.STEP_S
    for delay_s, response in zip(delays.DELAYS_S, delays._responses(rise_s, decay_s, delays.DELAYS_S), strict=True):
        t = np.maximum(lag_s - delay_s, 0)
        expected = (1 - np.exp(-t / rise_s)) * np.exp(-t / decay_s)
        assert response == pytest.approx(expected / expected.max())


def test_a_likelihood_is_that_of_normal_evidence_which_may_lack_the_lags():
    """For one size of either weight or none; the two directions' sizes are free."""
    rng = np.random.default_rng(4)
    sizes, width = np.array([-2.0, 0.0, 2.0]), np.array([0.3, 0.0, 0.3])
    scatter, gain_scatter, blur, p_within_step = 0.4, 0.6, 0.3, 0.2
    evidence, forward, reverse = rng.normal(0, 2, (3, 5)), rng.random((3, 5)), rng.random((3, 5))
    both, within_step = pair_model._likelihood(
        *(torch.from_numpy(x) for x in (evidence, forward, reverse)),
        *(torch.from_numpy(x)[:, None] for x in (sizes, width)),
        scatter=scatter,
        gain_scatter=gain_scatter,
        blur=blur,
        p_within_step=p_within_step,
    )
    w, v = sizes[:, None], sizes[None]
    for pair in range(5):
        of_gains = gain_scatter * np.hypot(forward[2, pair] * w, reverse[2, pair] * v)
        scattered = scatter * v, scatter * w, of_gains  # at the lags, that of the reverse weight
        normal = [
            norm.pdf(x, f * w + b * v, np.sqrt(1 + (f * width[:, None]) ** 2 + (b * width[None]) ** 2 + sd**2))
            for x, f, b, sd in zip(evidence[:, pair], forward[:, pair], reverse[:, pair], scattered, strict=True)
        ]
        blurred = [norm.pdf(x, blur * (w + v), np.sqrt(1 + scatter**2 * (w**2 + v**2))) for x in evidence[:2, pair]]
        at_lags, alone = normal[0] * normal[1], blurred[0] * blurred[1]
        expected = ((1 - p_within_step) * at_lags + p_within_step * alone) * normal[2]
        fraction = p_within_step * alone * normal[2] / expected
        fraction[1, 1] = 0
        assert (both[..., pair] / both[..., pair].sum()).numpy() == pytest.approx(expected / expected.sum(), rel=1e-4)
        assert (within_step / both)[..., pair].numpy() == pytest.approx(fraction, rel=1e-4)


def test_expected_products_are_means_over_what_the_weights_may_be():
    """Weights that take either of two values, by enumeration."""
    rng = np.random.default_rng(5)
    forward, reverse = torch.from_numpy(rng.normal(size=(2, 2, 3, 4)))  # (outcomes, rows, columns)
    pairs = torch.from_numpy(rng.random((3, 4)) < 0.7)
    effects = [tuple(torch.from_numpy(rng.normal(size=(2, 3, 4)))) for _ in range(2)]
    constants = [torch.from_numpy(rng.normal(size=(3, 4)))]
    observed = torch.from_numpy(rng.normal(size=(3, 4)))
    covariance = (forward * reverse).mean(0) - forward.mean(0) * reverse.mean(0)
    variances = forward.var(0, unbiased=False), reverse.var(0, unbiased=False)
    found = uncertain_regression.expected_products(
        observed, pairs, [forward.mean(0), reverse.mean(0), *variances, covariance], effects, constants
    )
    expected = torch.zeros(4, 4).double()
    for w_ij, w_ji in zip(forward, reverse, strict=True):
        columns = torch.stack([*(f * w_ij + b * w_ji for f, b in effects), *constants, observed])
        expected += torch.einsum("krc,mrc,rc->km", columns, columns, pairs.double()) / 2
    torch.testing.assert_close(found, expected)


def test_effects_and_offsets_are_a_ridge_regression():
    """With so few pairs the priors count: against the normal equations, an effect of 1 known beforehand."""
    rng = np.random.default_rng(6)
    design, noise = np.abs(rng.normal(size=(12, 5))), 0.1 * rng.normal(size=12)
    observed = design @ [1.0, 0.5, 0.3, -0.4, 0.2] + noise
    columns = np.c_[design, observed]
    effects, offsets, spread = uncertain_regression.regress(
        torch.from_numpy(columns.T @ columns), 12, 0.5, 0.7, known=1
    )
    rest = design[:, 1:]
    penalty = np.diag([0.5**-2] * 2 + [0.7**-2] * 2)
    solution = np.linalg.solve(rest.T @ rest + penalty, rest.T @ (observed - design[:, 0]))
    assert (solution[:2] > 0).all()
    assert [*effects, *offsets] == pytest.approx(solution)
    assert spread == pytest.approx(np.sqrt(np.mean((observed - design[:, 0] - rest @ solution) ** 2)))


def test_the_slow_part_is_found_whatever_offset_all_pairs_share():
    slow = torch.linspace(0, 2, 21).double()
    penalised = 0.5 * (slow @ slow - slow.sum() * slow.median()) / (slow @ slow + 1)
    assert float(_regression_coefficient(slow, 3.0 + 0.5 * slow)) == pytest.approx(float(penalised))
    assert float(_regression_coefficient(slow, -3.0 + 0.5 * slow)) == pytest.approx(float(penalised))
