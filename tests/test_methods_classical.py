"""Known answers of the methods from correlation, regression and correlograms."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from itertools import permutations, product

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Lasso
from statsmodels.tsa.api import VAR
from statsmodels.tsa.stattools import grangercausalitytests

import validation.methods
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods import (
    METHODS,
    Correlation,
    CrossCorrelogram,
    Granger,
    GraphicalLasso,
    LaggedCorrelation,
    LassoVAR,
    Oracle,
    PartialCorrelation,
    Random,
    Sutera,
    find_method,
)
from validation.methods.correlogram import _jittered
from validation.methods.granger import _f_statistics, _log_p
from validation.methods.significance import best_of, with_z, z_of_log_p
from validation.methods.sutera import _damped, _peaks, _precedence
from validation.metrics.connectivity import score_connectivity

COUPLING = np.array([[0.4, 0.3, 0.0, 0.0], [0.0, 0.3, -0.3, 0.0], [0.2, 0.0, 0.2, 0.2], [0.0, 0.0, 0.0, 0.5]])


def autoregressive(n_steps: int = 2000, seed: int = 0, coupling: np.ndarray = COUPLING) -> np.ndarray:
    """x(t) = coupling x(t - 1) + noise, far from zero so that it passes as spikes, which nobody deconvolves."""
    shocks = np.random.default_rng(seed).standard_normal((n_steps, len(coupling)))
    values = np.zeros_like(shocks)
    for t in range(1, n_steps):
        values[t] = coupling @ values[t - 1] + shocks[t]
    return (values + 50).astype(np.float32)


def spikes(values: np.ndarray, **options: object) -> Recording:
    return Recording.from_array(values, 0.005, "spikes", **options)


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def test_correlation_is_that_of_numpy():
    values = autoregressive()
    inferred = Correlation().infer(spikes(values))
    np.testing.assert_allclose(off_diagonal(inferred.weight), off_diagonal(np.corrcoef(values.T)), atol=1e-5)
    assert (inferred.scores == inferred.scores.T).all()


def test_a_perfect_correlation_is_the_most_significant():
    values = autoregressive()
    values[:, 1] = 2 * values[:, 0]
    assert Correlation().infer(spikes(values)).scores[1, 0] > 1e4


def test_partial_correlation_is_that_of_what_regressions_on_the_rest_leave():
    values = autoregressive()
    weight = PartialCorrelation(penalty=0).infer(spikes(values)).weight
    both = np.hstack([values[1:], values[:-1]]).astype(float)
    for post, pre in permutations(range(4), 2):
        rest = sm.add_constant(np.delete(both, [post, 4 + pre], axis=1))
        left = [sm.OLS(both[:, k], rest).fit().resid for k in (post, 4 + pre)]
        assert weight[post, pre] == pytest.approx(np.corrcoef(left)[0, 1], abs=1e-4)


def test_graphical_lasso_lies_between_partial_correlation_and_nothing():
    recording = spikes(autoregressive(4000))
    nearly = GraphicalLasso(penalty=0.01).infer(recording).weight
    np.testing.assert_allclose(nearly, PartialCorrelation(penalty=0).infer(recording).weight, atol=0.01)
    assert not GraphicalLasso(penalty=1000).infer(recording).weight.any()
    absent = (COUPLING == 0) & ~np.eye(4, dtype=bool)
    found = GraphicalLasso(penalty=4).infer(recording).weight
    assert not found[absent].any()
    assert (np.sign(off_diagonal(found)) == np.sign(off_diagonal(COUPLING))).all()


def test_graphical_lasso_solves_strongly_correlated_activity_too():
    rng = np.random.default_rng(0)
    drift = 0.01 * (rng.standard_normal((3000, 2)) @ rng.standard_normal((2, 40))).cumsum(axis=0)
    scores = GraphicalLasso().infer(spikes(drift + 100)).scores
    assert np.isfinite(scores).all()
    assert scores.any()


def test_lasso_var_is_the_lasso_of_every_neuron_on_all_steps():
    values = autoregressive()
    weight = LassoVAR(penalty=2).infer(spikes(values)).weight
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    for post in range(4):
        expected = Lasso(2 / np.sqrt(len(z) - 1)).fit(z[:-1], z[1:, post]).coef_
        expected[post] = 0
        np.testing.assert_allclose(weight[post], expected, atol=1e-3)


@pytest.mark.parametrize("order", [1, 3])
def test_granger_is_the_f_test_of_a_regression_without_and_with_the_other_neuron(order):
    values = autoregressive(800)
    inferred = Granger(n_lags=order).infer(spikes(values))
    past = np.hstack([values[order - lag : -lag] for lag in range(1, order + 1)])
    for post, pre in permutations(range(4), 2):
        full = sm.OLS(values[order:, post], sm.add_constant(past)).fit()
        lags = np.arange(order) * 4 + pre
        reduced = sm.OLS(values[order:, post], sm.add_constant(np.delete(past, lags, axis=1))).fit()
        _, p, _ = full.compare_f_test(reduced)
        assert abs(inferred.weight[post, pre]) == pytest.approx(np.log(reduced.ssr / full.ssr), rel=1e-4)
        assert inferred.p_values[post, pre] == pytest.approx(p, rel=1e-3)
        assert np.sign(inferred.scores[post, pre]) == np.sign(full.params[1 + lags].sum())


def test_granger_agrees_with_statsmodels_for_pairs_and_for_all():
    values = autoregressive(800)
    pair = Granger(n_lags=2).infer(spikes(values[:, :2]))
    of_pair = grangercausalitytests(values[:, :2].astype(float), [2])[2][0]["ssr_ftest"]
    assert pair.p_values[0, 1] == pytest.approx(of_pair[1], rel=1e-3)
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    f, _ = _f_statistics(z, [(0, len(z))], order=2, df=len(z) - 2 - 8 - 1)
    fitted = VAR(z).fit(2, trend="c")
    for post, pre in permutations(range(4), 2):
        assert f[post, pre] == pytest.approx(fitted.test_causality(post, pre, kind="f").test_statistic, rel=1e-4)


def test_granger_does_not_look_across_epochs():
    values = autoregressive(1000)
    halves = [
        Granger(n_lags=2).infer(spikes(v, segments=[500, 500])).weight for v in (values, values[np.r_[500:1000, :500]])
    ]
    np.testing.assert_allclose(halves[0], halves[1], rtol=1e-6, atol=1e-12)


def test_granger_in_pieces_is_granger_at_once(monkeypatch):
    recording = spikes(autoregressive(1000), segments=[400, 600])
    at_once = Granger(n_lags=3).infer(recording).scores
    monkeypatch.setattr("validation.methods.granger.CHUNK", 70)
    np.testing.assert_allclose(Granger(n_lags=3).infer(recording).scores, at_once, rtol=1e-8)


def test_granger_needs_more_steps_than_coefficients():
    with pytest.raises(InputError, match="4 neurons at 3 lags needs at least 1 more step;"):
        Granger(n_lags=3).infer(spikes(autoregressive(16)))
    assert np.isfinite(Granger(n_lags=3).infer(spikes(autoregressive(17))).scores).all()


@pytest.mark.parametrize(("f", "order", "df"), [(3.0, 2, 50), (450.0, 4, 200_000), (900.0, 1, 5000), (5e4, 3, 200_000)])
def test_p_values_of_f_are_right_far_beyond_underflow(f, order, df):
    with mpmath.workdps(50):
        x = mpmath.mpf(df) / (df + order * mpmath.mpf(f))
        expected = float(mpmath.log(mpmath.betainc(df / 2, order / 2, 0, x, regularized=True)))
    assert _log_p(np.array([f]), order, df)[0] == pytest.approx(expected, rel=1e-3)


def test_excess_and_variance_of_a_correlogram_are_those_over_all_orders_of_bins():
    rng = np.random.default_rng(0)
    values = rng.poisson(0.8, (9, 2)).astype(np.float32)  # two windows of 4 bins at a lag of 1
    excess, variance = _jittered(values, [(0, 9)], lag=1, width=4)
    pre, post = values[:8, 0], values[1:9, 1]
    orders = [list(permutations(window)) for window in (post[:4], post[4:])]
    counts = np.array([np.concatenate(both) @ pre for both in product(*orders)])
    assert excess[1, 0] == pytest.approx(post @ pre - counts.mean(), abs=1e-5)
    assert variance[1, 0] == pytest.approx(counts.var(), rel=1e-5)


def test_a_correlogram_finds_a_synapse_and_not_a_common_rate():
    rng = np.random.default_rng(1)
    n_steps = 60_000
    rate = 0.05 * (1 + np.sin(np.arange(n_steps) * 2 * np.pi / 1000))  # 5 s
    counts = rng.poisson(rate[:, None], (n_steps, 4))
    counts[2:, 1] += rng.random(n_steps - 2) < 0.1 * counts[:-2, 0]  # 0 -> 1, 10 ms later
    recording = spikes(counts)
    inferred = CrossCorrelogram().infer(recording)
    assert np.argwhere(inferred.significant()).tolist() == [[1, 0]]
    assert inferred.weight[1, 0] == pytest.approx(0.1, abs=0.02)
    assert LaggedCorrelation().infer(recording).significant().sum() == 12


def test_steps_that_fill_no_window_are_left_out():
    counts = np.random.default_rng(0).poisson(0.5, (100, 3))
    inferred = CrossCorrelogram().infer(spikes(counts, segments=[20] * 5))  # the longest lag leaves 19 of 20
    assert not inferred.scores.any()


def test_damped_peaks_by_hand():
    peaks = np.zeros((3, 1000), np.float32)
    peaks[1, :2] = 0.5  # 0.5 + 0.5 in all
    peaks[2, :] = 0.5
    damped = _damped(peaks)
    assert (damped[0] == 1).all()
    assert damped[1, 0] == pytest.approx(1.5**2)
    assert damped[2, 0] == pytest.approx(1.5 ** (1 + 1 / 500))


def test_peaks_are_smoothed_rises_above_the_threshold():
    trace = np.random.default_rng(0).normal(0, 1, (400, 2)).astype(np.float32)
    trace[200:, 0] += 100
    share, peaks = next(_peaks(Recording.from_array(trace, 0.03, "calcium")))
    steps = np.abs(np.diff(trace[:, 1]))
    scale = 0.1 * stats.norm.ppf(0.75) * np.sqrt(2) / np.median(steps)
    rise = (trace[3:, 1] - trace[:-3, 1]) * scale / np.sqrt(2)  # the difference of two means of three
    assert share == 1
    np.testing.assert_allclose(peaks[0][:, 1], np.where(rise >= 0.1, np.abs(rise) ** 0.9, 0), rtol=1e-4)
    assert np.flatnonzero(peaks[0][:, 0] > 5).tolist() == [197, 198, 199]


def test_precedence_by_hand():
    epoch = np.array([[1, 0], [0, 1], [1, 0], [0, 2]], np.float32)  # 0, 1, 0, 1
    np.testing.assert_array_equal(_precedence([epoch]), [[0, -1], [1, 0]])
    np.testing.assert_array_equal(_precedence([epoch[:2], epoch[2:]]), [[0, -2], [2, 0]])


def test_sutera_finds_a_pair_in_fluorescence_of_any_unit():
    rng = np.random.default_rng(2)
    events = rng.poisson(0.02, (6000, 6))
    events[:, 1] += rng.random(6000) < 0.5 * events[:, 0]
    late = np.roll(rng.random(6000) < 0.3 * events[:, 0], 1)
    events[:, 1] += late
    trace = np.zeros(events.shape)
    for t in range(1, len(trace)):
        trace[t] = 0.95 * trace[t - 1] + events[t]
    trace += 0.2 * rng.standard_normal(trace.shape)
    scores = Sutera().infer(Recording.from_array(trace, 0.03, "calcium")).scores
    assert np.unravel_index(scores.argmax(), scores.shape) == (1, 0)
    assert np.sort(off_diagonal(scores))[-3] < 0.3 * scores[0, 1]
    other = Sutera().infer(Recording.from_array(1000 * trace + 5000, 0.03, "calcium")).scores
    np.testing.assert_allclose(other, scores, atol=0.01)


def test_sutera_needs_epochs_longer_than_its_filters():
    values = np.random.default_rng(0).standard_normal((20, 3))
    with pytest.raises(InputError, match="No epoch is longer than the filters, 4 frames"):
        Sutera().infer(Recording.from_array(values, 0.03, "calcium", segments=[4] * 5))


@given(z=st.floats(0.01, 8), n=st.integers(1, 20))
def test_the_best_of_several_tests_is_corrected_as_sidak_says(z, n):
    p = 2 * stats.norm.sf(z)
    expected = stats.norm.isf(-np.expm1(n * np.log1p(-p)) / 2)
    assert best_of(np.array([-z]), n)[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_best_of_several_tests_in_the_far_tail_and_at_nothing():
    z = np.array([0.0, 5.0, 7.0, 9.0, 38.0, 100.0])
    corrected = best_of(z, 5)
    assert (np.diff(corrected) > 0).all()
    assert (corrected <= z).all()
    assert corrected[-1] == pytest.approx(100, rel=1e-3)
    np.testing.assert_array_equal(best_of(z, 1), z)


@given(z=st.floats(0, 300))
def test_a_z_score_survives_its_p_value(z):
    log_p = np.log(2) + stats.norm.logsf(z)
    assert z_of_log_p(np.array([log_p]))[0] == pytest.approx(z, rel=1e-6, abs=1e-9)


def test_scores_have_the_sign_of_the_effect_and_nothing_has_none():
    effect = np.array([[0, -2.0, 0], [3.0, 0, 1.0], [1e-9, -1, 7.0]])
    z = np.array([[5, 4.0, 3], [2.0, 0, 0], [1.0, 6.0, 1]])
    inferred = with_z(effect, z, unit="a.u.")
    np.testing.assert_allclose(inferred.scores, [[0, -4, 0], [2, 0, 0], [1, -6, 0]])
    assert inferred.weight[0, 1] == -2


def test_random_depends_on_its_seed_alone():
    recording = spikes(autoregressive(50))
    assert (Random(seed=1).infer(recording).scores == Random(seed=1).infer(recording).scores).all()
    assert (Random(seed=1).infer(recording).scores != Random(seed=2).infer(recording).scores).any()


def test_the_oracle_is_never_wrong():
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((10, 10)) < 0.2, rng.normal(0, 1, (10, 10)), 0.0)
    np.fill_diagonal(weight, 0)
    truth = Connectome(weight)
    scores = score_connectivity("oracle", truth, Oracle(truth).infer(spikes(autoregressive(50))), n_resamples=2)
    perfect = (scores.auroc, scores.auprc, scores.signed_auroc, scores.sign_accuracy, scores.weight_correlation)
    assert [estimate.value for estimate in perfect] == pytest.approx([1] * 5)


class OnesOwn:
    """A method that is not registered."""

    def infer(self, recording: Recording) -> Connectome:
        return Connectome(np.zeros((recording.n_neurons,) * 2))


class Needy(OnesOwn):
    """A method that cannot be made without arguments."""

    def __init__(self, order: int) -> None:
        self.order = order


HERE = __name__


def test_a_method_is_found_by_its_name_and_by_its_place():
    assert find_method("granger") is Granger
    assert find_method(f"{HERE}:OnesOwn") is OnesOwn


def test_a_method_of_an_installed_package_is_found_by_the_name_that_it_declares(monkeypatch):
    point = EntryPoint(name="ones-own", value=f"{HERE}:OnesOwn", group="synapsnet.methods")
    taken = EntryPoint(name="var", value=f"{HERE}:OnesOwn", group="synapsnet.methods")
    points = {"synapsnet.methods": [point, taken]}
    monkeypatch.setattr(validation.methods, "entry_points", lambda group: points[group])
    assert find_method("ones-own") is OnesOwn
    assert find_method("var") is METHODS["var"].load()  # nobody replaces what is here
    with pytest.raises(InputError, match="did you mean 'ones-own'"):
        find_method("ones-ow")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("grange", "There is no method 'grange'; did you mean 'granger'"),
        (
            "no.such.module:Method",
            "needs a module 'no.such.module' that can be imported: ModuleNotFoundError",
        ),
        (":Method", "needs a module '' that can be imported"),
        (f"{HERE}:Nobody", f"The module '{HERE}' has no class 'Nobody'"),
        (f"{HERE}:spikes", f"The module '{HERE}' has no class 'spikes'"),
        ("collections:OrderedDict", "must have infer"),
        ("ar", "'ar' forecasts but does not infer"),
        (f"{HERE}:Needy", "must be constructible without arguments: missing a required argument: 'order'"),
    ],
)
def test_a_method_that_cannot_be_used_is_refused_with_a_sentence(name, reason):
    with pytest.raises(InputError, match=reason) as refused:
        find_method(name)
    assert "\n" not in str(refused.value)
