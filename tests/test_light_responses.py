"""Perturbation validation on a planted network, where what light must do is known."""

from __future__ import annotations

import numpy as np
import pytest
from planted import N_DRIVEN, ONSET, N, planted_network, simulate
from scipy.stats import spearmanr

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.light.responses import (
    directly_driven,
    modulation,
    partial_rank_correlation,
    relative_effect,
    score_perturbation,
)
from validation.methods import GLM, LaggedCorrelation


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    return planted_network()


@pytest.fixture(scope="module")
def trials(planted) -> np.ndarray:
    return simulate(planted, 300, 60, seed=2, light=ONSET)


@pytest.fixture(scope="module")
def spontaneous(planted) -> Recording:
    counts = simulate(planted, 200, 300, seed=3)
    return Recording.from_array(counts.transpose(0, 2, 1).reshape(-1, N), 0.01, "spikes", segments=[300] * 200)


def test_driven_units_are_those_with_light(trials):
    np.testing.assert_array_equal(np.flatnonzero(directly_driven(trials, ONSET)), np.arange(N_DRIVEN))
    assert not directly_driven(trials, ONSET - 5).any()


def test_modulation_by_hand():
    counts = np.zeros((2, 3, 6))
    counts[:, 0, :4] = 1  # baseline 1, response 0.5
    counts[0, 0, 4:] = 1
    counts[:, 1, 4:] = 2  # baseline 0
    found = modulation(counts, 4, (0, 2), n_baseline=4)
    np.testing.assert_allclose(found, [(0.5 - 1) / 1.5, 1.0, np.nan])


def test_the_truth_predicts_the_responses(planted, trials):
    score = score_perturbation(planted, trials, ONSET)
    assert (score.n_driven, score.n_targets) == (N_DRIVEN, N - N_DRIVEN)
    assert score.correlation > 0.7
    assert score.given_rate > 0.7
    assert score.p_targets < 0.01
    assert score.p_sources < 0.01
    assert 0.5 < score.reliability < score.correlation < score.reliability**0.5 + 0.1  # the truth has no noise


def test_the_correlation_is_that_of_the_odd_trials(planted, trials):
    score = score_perturbation(planted, trials, ONSET)
    extra = trials[0::2, :N_DRIVEN, ONSET].mean(axis=0) - trials[:, :N_DRIVEN, ONSET - 30 : ONSET].mean(axis=(0, 2))
    measured = modulation(trials[1::2], ONSET, (1, 5))
    expected = spearmanr((planted[:, :N_DRIVEN] @ extra)[N_DRIVEN:], measured[N_DRIVEN:]).statistic
    assert score.correlation == pytest.approx(expected)


@pytest.mark.parametrize("method", [GLM, LaggedCorrelation])
def test_inferred_connectivity_predicts_the_responses(method, spontaneous, trials):
    inferred = method().infer(spontaneous)
    effect = relative_effect(inferred, spontaneous.values.mean(axis=0), spontaneous.values.std(axis=0))
    score = score_perturbation(effect, trials, ONSET, n_shuffles=300)
    assert score.correlation > 0.6
    assert score.p_targets < 0.01
    assert score.p_sources < 0.02


def test_the_wrong_direction_and_the_wrong_sign_do_not(planted, trials):
    assert abs(score_perturbation(planted.T, trials, ONSET).correlation) < 0.5
    opposite = score_perturbation(-planted, trials, ONSET)
    assert opposite.correlation < -0.7
    assert opposite.p_targets > 0.99


def test_wrong_connectivity_is_significant_as_seldom_as_the_p_values_say(trials):
    rng = np.random.default_rng(0)
    scores = [score_perturbation(rng.standard_normal((N, N)), trials, ONSET, n_shuffles=99) for _ in range(40)]
    for name in ("p_targets", "p_sources"):
        # P(more than 6 of 40 below 0.05) is 0.003
        assert sum(getattr(score, name) <= 0.05 for score in scores) <= 6


def test_the_diagonal_is_ignored_and_no_connections_predict_nothing(planted, trials):
    assert score_perturbation(planted + 9 * np.eye(N), trials, ONSET) == score_perturbation(planted, trials, ONSET)
    nothing = score_perturbation(np.zeros((N, N)), trials, ONSET, n_shuffles=9)
    assert (nothing.correlation, nothing.given_rate, nothing.p_targets) == (0, 0, 1)


def test_a_prediction_that_only_follows_the_rate_has_none_given_it(trials):
    baseline = trials[:, :, ONSET - 30 : ONSET].mean(axis=(0, 2))
    score = score_perturbation(np.tile(baseline[:, None], N), trials, ONSET, n_shuffles=9)
    assert score.given_rate == pytest.approx(0, abs=1e-6)


def test_linear_weights_become_relative_effects():
    mean, spread = np.array([0.1, 0.4]), np.array([0.3, 0.6])
    weight = np.array([[0, 0.2], [0.1, 0]])
    linear = relative_effect(Connectome(weight, unit="SD per SD"), mean, spread)
    # one spike of neuron 1 adds 0.2 * 0.3 / 0.6 spikes to neuron 0, which has 0.1
    np.testing.assert_allclose(linear, [[0, 1.0], [0.1 * 0.6 / 0.3 / 0.4, 0]])
    np.testing.assert_array_equal(relative_effect(Connectome(weight, unit="log odds"), mean, spread), weight)


def test_a_silent_neuron_has_no_relative_effect_and_leaves_those_of_others():
    mean, spread = np.array([0.1, 0.4, 0.0]), np.array([0.3, 0.6, 0.0])
    effect = relative_effect(Connectome(np.full((3, 3), 0.1) * ~np.eye(3, dtype=bool), unit="SD per SD"), mean, spread)
    np.testing.assert_allclose(effect, [[0, 0.5, 0], [0.1 * 0.6 / 0.3 / 0.4, 0, 0], [0, 0, 0]])


def test_what_cannot_be_scored_is_refused(planted, trials):
    with pytest.raises(InputError, match="trials x units x bins"):
        score_perturbation(planted, trials[0], ONSET)
    with pytest.raises(InputError, match="baseline bins before it; got bin 10"):
        score_perturbation(planted, trials, 10)
    with pytest.raises(InputError, match="of the 24 units"):
        score_perturbation(planted[:5, :5], trials, ONSET)
    with pytest.raises(InputError, match="No unit is driven"):
        score_perturbation(planted, trials, ONSET - 5)
    with pytest.raises(InputError, match="The window must be bins after the onset, within 20"):
        score_perturbation(planted, trials, ONSET, (5, 21))
    with pytest.raises(InputError, match="At least 3 units"):
        score_perturbation(planted[:6, :6], trials[:, :6], ONSET)


def test_a_partial_rank_correlation_is_that_of_three_correlations():
    x, y, z = np.random.default_rng(0).normal(size=(3, 50)) + np.random.default_rng(1).normal(size=50)
    xy, xz, yz = (spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_rank_correlation(x, y, [z]) == pytest.approx(expected)
    assert partial_rank_correlation(x, y, []) == pytest.approx(xy)
    assert partial_rank_correlation(x, y, [np.exp(x)]) == 0
    assert partial_rank_correlation(x, y, [z, x]) == 0
