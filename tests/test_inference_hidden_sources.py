"""Peaks of correlograms that are a connection, or two connections from a neuron that was not recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from synapsnet.connectome import Connectome
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.hidden_sources import (
    TYPICAL_AGREEMENT,
    autocorrelation,
    log_direct,
    log_same_source,
    peaks,
)
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
    assert log_direct(values.expand(2, -1), torch.tensor([1.9, 2.1]), STEP_S).isfinite().tolist() == [False, True]


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
    assert after.p_absent[0, 2] > 0.8 and after.p_value[0, 2] == 1
    assert abs(after.mean[0, 2]) < 0.2 * before.mean[0, 2]
    direct = float((1 - after.p_absent[0, 2]) / (1 - before.p_absent[0, 2]))
    assert after.mean[0, 2] == pytest.approx(direct * float(before.mean[0, 2]), rel=1e-3)
    square = float(before.sd[0, 2] ** 2 + before.mean[0, 2] ** 2)  # of the weight, if it is a connection
    assert after.sd[0, 2] ** 2 == pytest.approx(direct * square - float(after.mean[0, 2] ** 2), rel=1e-3)
    assert after.p_absent[1, 2] < 0.01 and after.p_value[1, 2] == pytest.approx(np.exp(-8.0), rel=1e-4)
    others = torch.ones_like(before.p_absent, dtype=torch.bool)
    others[:2, 2] = others[2, :2] = False  # and the reverse, of which a connection explains a part
    for name in ("p_absent", "mean", "sd", "p_value"):
        assert torch.equal(getattr(before, name)[others], getattr(after, name)[others])


def test_the_fraction_of_peaks_due_to_hidden_neurons_is_learned():
    """The same doubt counts more where most peaks are a hidden neuron's."""
    alone = posteriors({(0, 2): -0.5})[1].p_absent[0, 2]
    among_others = posteriors({(0, 2): -0.5, (1, 2): -9.0, (3, 4): -9.0})[1].p_absent[0, 2]
    assert among_others > alone + 0.02


def test_log_ratios_that_chance_makes_do_not_pass_for_connections():
    """Of 60 connections log ratios are exponential about 10, of 120 others they reach L in exp(-L) of the cases."""
    false = n_reported = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n = 60
        z, ratio = rng.standard_normal((n, n)), np.full((n, n), np.inf)
        np.fill_diagonal(z, 0)
        stand_out = rng.permutation(np.flatnonzero(~np.eye(n, dtype=bool)))[:180]
        connected, others = stand_out[:60], stand_out[60:]
        z.flat[stand_out] = 9.0
        ratio.flat[connected] = rng.exponential(10, 60)
        ratio.flat[others] = -np.log(rng.random(120))
        pairs = ~torch.eye(n, dtype=torch.bool)
        evidence = Evidence.at_lags(*(torch.from_numpy(x).float() for x in (z, np.ones((n, n)))), 60_000, pairs)
        p_absent = posterior(replace(evidence, log_direct=torch.from_numpy(ratio).float())).p_absent.numpy()
        reported = np.isin(stand_out, np.flatnonzero(Connectome(z, local_fdr=p_absent).significant(0.05)))
        n_reported += reported.sum()
        false += reported[60:].sum()
    assert n_reported > 100
    assert false / n_reported < 0.08


def correlograms_of_two_hidden_neurons(seed):
    """Drawn here: 24 neurons of which two hidden ones send to six each, and three send to another recorded one."""
    rng = np.random.default_rng(seed)
    n = 24
    values = rng.standard_normal((n, n, N_LAGS))
    delay = rng.integers(1, 20, n)
    targets = [(post, pre, delay[post] - delay[pre]) for one in (range(6), range(6, 12)) for post in one for pre in one]
    direct = [(post, pre, rng.integers(3, 18)) for post, pre in ((12, 13), (14, 15), (16, 0))]
    for post, pre, lag in targets + direct:
        if post != pre:
            peak = 5 * np.exp(-0.5 * ((LAGS_S / STEP_S - lag) / 2) ** 2)
            values[post, pre] += peak
            if (post, pre, lag) in direct:
                values[pre, post] += peak[::-1]
    return values, [t for t in targets if t[0] != t[1] and t[2] >= 0], direct


def test_targets_of_one_hidden_neuron_agree_about_everyone_else():
    of_hidden, of_direct = [], []
    for seed in range(5):
        values, targets, direct = correlograms_of_two_hidden_neurons(seed)
        with_others = peaks(torch.from_numpy(values.astype(np.float32)), STEP_S)
        n = len(values)
        with_others[range(n), range(n)] = 0
        lag = torch.zeros(n, n, dtype=torch.int64)
        for post, pre, at in targets + direct:
            lag[post, pre] = int(at)
        ratio = log_same_source(with_others, lag, STEP_S)
        of_hidden += [float(ratio[post, pre]) for post, pre, _ in targets]
        of_direct += [float(ratio[post, pre]) for post, pre, _ in direct]
    assert np.mean(np.array(of_hidden) > 2) > 0.9
    assert np.mean(np.array(of_direct) < 0) > 0.8 and np.max(of_direct) < 2


def test_the_ratio_is_an_average_over_half_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    with_others = torch.from_numpy(rng.standard_normal((8, 8, N_LAGS)).astype(np.float32))
    with_others[range(8), range(8)] = 0
    lag = torch.full((8, 8), 4)
    ratio = log_same_source(with_others, lag, STEP_S)
    shifted = {k: np.einsum("ikt,jkt->ij", with_others[..., k:], with_others[..., : N_LAGS - k]) for k in range(41)}
    far = np.concatenate([shifted[k][~np.eye(8, dtype=bool)] for k in range(21, 41)])
    z = shifted[4] / np.sqrt(np.mean(far**2))
    for post, pre in ((0, 1), (3, 2), (6, 7)):
        likelihood = lambda a, x=z[post, pre]: 2 * norm.pdf(a, 0, TYPICAL_AGREEMENT) * norm.pdf(x, a)  # noqa: E731
        expected = quad(likelihood, 0, 40)[0] / norm.pdf(z[post, pre])
        assert float(ratio[post, pre]) == pytest.approx(np.log(expected), abs=1e-3)
