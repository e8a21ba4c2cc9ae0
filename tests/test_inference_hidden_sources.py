"""Peaks of correlograms that are a connection, or two connections from a neuron that was not recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from synapsnet.inference.evidence import Evidence
from synapsnet.inference.hidden_sources import autocorrelation, log_direct
from synapsnet.inference.posterior import posterior

STEP_S, N_LAGS = 0.001, 121
LAGS_S = (np.arange(N_LAGS) - N_LAGS // 2) * STEP_S


def response(t, delay_s):
    since = np.clip(t - delay_s, 0, None)
    return -np.expm1(-since / 0.001) * np.exp(-since / 0.004)


def correlogram(of_hidden, at_s, size, seed):
    """Drawn here: what spikes at `at_s` after another one's, or two neurons' responses to a third, make of noise."""
    if of_hidden:
        fine = np.arange(0, 0.05, 1e-4)
        shape = [np.sum(response(fine, 0) * response(fine + lag - at_s, 0)) for lag in LAGS_S]
    else:
        shape = response(LAGS_S, at_s)
    noise = np.random.default_rng(seed).standard_normal(N_LAGS)
    return size * np.asarray(shape) / np.linalg.norm(shape) + noise


def ratios(of_hidden, at_s, size, sign=1):
    values = np.stack([sign * correlogram(of_hidden, at_s, size, seed) for seed in range(20)])
    z = torch.full((20,), float(sign * size))
    return log_direct(torch.from_numpy(values.astype(np.float32)), z, STEP_S).numpy()


@pytest.mark.parametrize("lag_s", [0.0, 0.0007, -0.003, 0.02])
def test_the_autocorrelation_is_the_integral(lag_s):
    expected, _ = quad(lambda s: response(s, 0) * response(s + lag_s, 0), 0, 0.2, points=[max(-lag_s, 0)])
    assert autocorrelation(np.array([lag_s]), 0.001, 0.004)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("at_s", [0.003, 0.008, 0.013])
def test_connections_and_hidden_neurons_are_told_apart(at_s, sign):
    direct, hidden = ratios(False, at_s, 12, sign), ratios(True, at_s, 12, sign)
    assert np.median(direct) > 3 and np.mean(direct > 0) >= 0.9
    assert np.median(hidden) < -3 and np.mean(hidden < 0) >= 0.9


def test_what_does_not_stand_out_is_not_judged():
    values = torch.from_numpy(correlogram(False, 0.005, 12, 0).astype(np.float32))
    assert log_direct(values.expand(2, -1), torch.tensor([2.9, 3.1]), STEP_S).isfinite().tolist() == [False, True]


def posteriors(log_direct_of):
    """Thirty neurons; two sends to 0 and 1, four to 3, and nothing else."""
    n = 30
    z = torch.randn(n, n, generator=torch.Generator().manual_seed(0))
    for post, pre in ((0, 2), (1, 2), (3, 4)):
        z[post, pre] = 9.0
    ratio = torch.full((n, n), torch.inf)
    for (post, pre), value in log_direct_of.items():
        ratio[post, pre] = value
    pairs = ~torch.eye(n, dtype=torch.bool)
    return tuple(
        posterior(Evidence.at_lags(z.fill_diagonal_(0), torch.ones(n, n), 60_000, pairs, told))
        for told in (None, ratio)
    )


def test_a_likely_hidden_neuron_is_no_connection_and_the_rest_stays():
    before, after = posteriors({(0, 2): -6.0, (1, 2): 8.0})
    assert before.p_absent[0, 2] < 0.01 and before.p_value[0, 2] < 1e-6
    assert after.p_absent[0, 2] > 0.9 and after.p_value[0, 2] == 1
    assert abs(after.mean[0, 2]) < 0.2 * before.mean[0, 2]
    assert after.p_absent[1, 2] < 0.01 and after.p_value[1, 2] == pytest.approx(np.exp(-8.0), rel=1e-4)
    others = torch.ones_like(before.p_absent, dtype=torch.bool)
    others[:2, 2] = others[2, :2] = False  # and the reverse, of which a connection explains a part
    for name in ("p_absent", "mean", "sd", "p_value"):
        assert torch.equal(getattr(before, name)[others], getattr(after, name)[others])


def test_the_share_of_hidden_neurons_is_learned():
    """The same doubt counts more where most peaks are a hidden neuron's."""
    alone = posteriors({(0, 2): -0.5})[1].p_absent[0, 2]
    among_others = posteriors({(0, 2): -0.5, (1, 2): -9.0, (3, 4): -9.0})[1].p_absent[0, 2]
    assert among_others > alone + 0.02
