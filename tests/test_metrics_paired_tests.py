"""Comparisons over seeds: known answers, scipy, and how often a true difference or none is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synapsnet.errors import InputError
from validation.metrics.paired_tests import fraction_interval, holm, paired_tests, rank_stability, seed_interval

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def table(scores: dict[str, list[float]]) -> pd.DataFrame:
    """Every value of a method is of another seed of one network."""
    rows = [("net", "spikes", seed, m, v) for m, values in scores.items() for seed, v in enumerate(values)]
    return pd.DataFrame(rows, columns=["network", "observation", "seed", "method", "auprc"])


def draws(effect: float, n: int, seed: int) -> pd.DataFrame:
    """Two methods on networks that differ in how hard they are."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n)
    return table({"a": list(hard + effect + 0.1 * rng.normal(size=n)), "b": list(hard + 0.1 * rng.normal(size=n))})


def test_interval_of_student_by_hand() -> None:
    # Mean 2, standard error 1 / sqrt(3), t(2) = 4.303
    found = seed_interval([1.0, 2.0, 3.0])
    assert (found.value, found.low, found.high) == pytest.approx(
        (2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4
    )


def test_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    found = [seed_interval(rng.normal(size=5)) for _ in range(400)]
    assert 0.92 < np.mean([e.low <= 0 <= e.high for e in found]) < 0.98


def test_bootstrap_interval_stays_within_the_range_of_the_data() -> None:
    values = 1 - np.random.default_rng(0).exponential(0.02, 30)
    bca, t = seed_interval(values, "bca"), seed_interval(values)
    assert values.min() < bca.low < bca.value < bca.high < values.max()
    assert bca.value == t.value
    assert bca == seed_interval(values, "bca") != seed_interval(values, "bca", seed=1)


@pytest.mark.parametrize("method", ["t", "bca"])
def test_degenerate_intervals(method: str) -> None:
    same = seed_interval([0.7, 0.7, np.nan, 0.7], method)
    assert (same.value, same.low, same.high) == pytest.approx((0.7, 0.7, 0.7))
    single = seed_interval([0.7], method)
    assert single.value == 0.7 and np.isnan(single.low)
    assert np.isnan(seed_interval([], method).value)


def test_holm_by_hand() -> None:
    found = holm(np.array([0.01, 0.04, 0.03, np.nan, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, np.nan, 0.02])


@given(values=p_values)
def test_holm_is_between_no_correction_and_bonferroni(values: list[float]) -> None:
    p = np.array(values)
    found = holm(p)
    assert (found >= p).all()
    assert (found <= np.minimum(p * len(p), 1)).all()
    assert found[p.argmin()] == min(p.min() * len(p), 1)
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("test", ["wilcoxon", "t"])
def test_agrees_with_scipy(test: str) -> None:
    rng = np.random.default_rng(0)
    scores = {m: list(rng.normal(k / 3, 1, 12)) for k, m in enumerate("abc")}
    found = paired_tests(table(scores), "auprc", test=test).set_index(["method", "other"])
    assert list(found.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    reference = stats.wilcoxon if test == "wilcoxon" else stats.ttest_rel
    for (method, other), row in found.iterrows():
        assert row["p_value"] == pytest.approx(reference(scores[method], scores[other]).pvalue)
        low, high = stats.ttest_rel(scores[method], scores[other]).confidence_interval()
        assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert list(found["p_holm"]) == pytest.approx(holm(found["p_value"].to_numpy()))


def test_pairing_removes_what_makes_networks_hard() -> None:
    row = paired_tests(draws(0.2, 10, seed=0), "auprc").iloc[0]
    assert row["p_value"] < 0.01 and row["low"] < 0.2 < row["high"]
    scores = draws(0.2, 10, seed=0).pivot(index="seed", columns="method", values="auprc")
    assert stats.ttest_ind(scores["a"], scores["b"]).pvalue > 0.3  # unpaired, nothing is seen


@pytest.mark.parametrize("test", ["wilcoxon", "t"])
def test_no_difference_is_found_where_there_is_none(test: str) -> None:
    found = [paired_tests(draws(0.0, 10, seed), "auprc", test=test)["p_value"].iloc[0] for seed in range(150)]
    assert np.mean(np.array(found) < 0.05) < 0.1


def test_order_of_rows_does_not_matter_and_of_methods_only_for_the_sign() -> None:
    scores = draws(0.1, 8, seed=1)
    row = paired_tests(scores, "auprc").iloc[0]
    shuffled = paired_tests(scores.iloc[::-1], "auprc").iloc[0]
    assert (shuffled["method"], shuffled["difference"]) == ("b", pytest.approx(-row["difference"]))
    assert shuffled["p_value"] == row["p_value"]


def test_units_without_both_scores_are_left_out() -> None:
    scores = table({"a": [1, 2, 3, 4], "b": [0, 0, np.nan, 1], "c": [1.0]})
    found = paired_tests(scores, "auprc", test="t").set_index(["method", "other"])
    assert found.loc[("a", "b"), "n"] == 3
    assert found.loc[("a", "b"), "difference"] == pytest.approx(2)
    assert found.loc[("a", "c"), "n"] == 1 and np.isnan(found.loc[("a", "c"), "p_holm"])


def test_observations_of_one_simulation_can_be_averaged() -> None:
    calcium = table({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 5.0]}).assign(observation="calcium")
    both = pd.concat([table({"a": [3.0, 4.0, np.nan], "b": [0.0, 0.0, 0.0]}), calcium])
    assert paired_tests(both, "auprc")["n"].iloc[0] == 5
    row = paired_tests(both, "auprc", units=("network", "seed")).iloc[0]
    assert row["n"] == 2  # the third seed lacks one observation by one method: a mean of the rest would not compare
    assert row["difference"] == pytest.approx(np.mean([2 - 0, 3 - 0.5]))


def test_equal_methods_are_equal() -> None:
    row = paired_tests(table({"a": [1, 2, 3], "b": [1, 2, 3]}), "auprc").iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)


def test_two_units_are_enough_for_a_paired_t_test_and_a_constant_difference_is_certain() -> None:
    two = paired_tests(table({"a": [1, 4], "b": [0, 1]}), "auprc", test="t").iloc[0]
    assert two["p_value"] == pytest.approx(0.2951672)  # t = 2 with one degree of freedom
    constant = paired_tests(table({"a": [2, 3], "b": [1, 2]}), "auprc", test="t").iloc[0]
    assert constant["p_value"] == 0


def test_ranking_by_hand() -> None:
    found = rank_stability(table({"a": [1, 1, 1], "b": [3, 3, 3], "c": [2, 2, np.nan]}), "auprc")
    assert list(found["method"]) == ["b", "c", "a"]
    assert list(found["rank"]) == list(found["rank_low"]) == list(found["rank_high"]) == [1, 2, 3]
    assert list(found["first"]) == [1, 0, 0]
    assert list(found["n"]) == [2, 2, 2]
    errors = rank_stability(table({"a": [1, 1], "b": [3, 3]}), "auprc", lower_is_better=True)
    assert list(errors["method"]) == ["a", "b"]


def test_the_rank_is_that_of_the_data_and_not_of_a_resample() -> None:
    scores = table({"a": [0.9, 0.1, 0.1], "b": [0.0, 0.3, 0.3]})  # a third of the resamples prefer b
    for seed in range(10):
        found = rank_stability(scores, "auprc", n_resamples=5, seed=seed)
        assert list(found["method"]) == ["a", "b"]
        assert list(found["rank"]) == [1, 2]


def test_ranking_of_equals_is_shared() -> None:
    found = rank_stability(table({"a": [0.1, 0.2, 0.7], "b": [0.7, 0.1, 0.2]}), "auprc", n_resamples=4000)
    assert list(found["rank"]) == [1.5, 1.5]
    assert found["first"].sum() == pytest.approx(1)
    same = rank_stability(table({"a": [0.1, 0.2], "b": [0.1, 0.2]}), "auprc")
    assert list(same["first"]) == [0.5, 0.5]


def test_how_often_a_method_ranks_first() -> None:
    """b wins one of two units by more than it loses the other: all but the resample of the other alone, 3 of 4."""
    found = rank_stability(table({"a": [1.0, 0.0], "b": [0.0, 3.0]}), "auprc", n_resamples=4000).set_index("method")
    assert found.loc["b", "first"] == pytest.approx(0.75, abs=0.03)


def test_wrong_input() -> None:
    good = draws(0, 4, 0)
    with pytest.raises(InputError, match="lacks the column 'auroc'"):
        paired_tests(good, "auroc")
    with pytest.raises(InputError, match="at least two methods; got a"):
        paired_tests(good[good["method"] == "a"], "auprc")
    with pytest.raises(InputError, match="mann"):
        paired_tests(good, "auprc", test="mann")
    with pytest.raises(InputError, match="normal"):
        seed_interval([1, 2], "normal")
    with pytest.raises(InputError, match="No unit has a value of 'auprc' by every method"):
        rank_stability(table({"a": [1, np.nan], "b": [np.nan, 1]}), "auprc")
    with pytest.raises(InputError, match="at least 1 resample"):
        rank_stability(good, "auprc", n_resamples=0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_the_interval_of_a_fraction_stays_within_its_range(values):
    found = fraction_interval(values)
    assert 0 <= found.low <= found.high <= 1
    assert found.value == pytest.approx(np.mean(values))
