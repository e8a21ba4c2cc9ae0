"""Curves over what a suite varies, and what is lost along them: by hand."""

from __future__ import annotations

import pandas as pd
import pytest
from results_table import results
from scipy import stats

from validation.benchmark.curves import Curve, curves, losses
from validation.benchmark.ranking import CEILING, over_seeds
from validation.benchmark.subprocess import Outcome, Score
from validation.benchmark.suite import load_suite
from validation.benchmark.table import tidy

VISIBLE, LENGTH, SHARED = (
    "fraction of the neurons recorded",
    "recording length (min)",
    "shared fraction of the noise input",
)


def curve(title: str, scores: dict[str, dict[float, list[float]]]) -> Curve:
    """Of AUPRC by method and x, one for each seed."""
    rows = [
        (method, seed, x, value)
        for method, points in scores.items()
        for x, values in points.items()
        for seed, value in enumerate(values)
    ]
    cases = pd.DataFrame(rows, columns=["method", "seed", "x", "value"]).sort_values("x", kind="stable")
    return Curve(title, "random, spikes", cases, over_seeds(cases, ["method", "x"]), pd.DataFrame())


def row(table: pd.DataFrame, method: str, x: float) -> dict[str, float]:
    (found,) = table[(table["method"] == method) & (table["x"] == x)].to_dict("records")
    return found


def interval(values: list[float]) -> tuple[float, ...]:
    return sum(values) / len(values), *stats.ttest_1samp(values, 0).confidence_interval(0.95)


def test_curves_are_found_in_what_varies_by_itself():
    found = {curve.title: curve for curve in curves(results())}
    assert set(found) == {LENGTH, SHARED}
    length = found[LENGTH]
    assert (length.base, length.axis.logarithmic) == ("random, long", True)
    points = length.points[length.points["method"] == "var"]
    assert points["x"].tolist() == [2.5, 10.0]
    assert points["value"].tolist() == pytest.approx([0.7, 0.8])
    assert found[SHARED].points["x"].drop_duplicates().tolist() == [0.0, 0.5]


def test_chance_is_the_fraction_of_pairs_that_are_connected():
    table = results()
    assert [c.chance["value"].tolist() for c in curves(table)] == [pytest.approx([0.1, 0.1])] * 2
    assert all(c.chance.empty for c in curves(table[table["metric"] != "auprc_lift"]))


def test_nothing_varies_in_a_single_setting():
    table = results()
    assert not list(curves(table[(table["network"] == "random") & (table["observation"] == "long")]))
    assert not list(curves(table[table["metric"] != "auprc"]))


def test_the_suite_draws_its_curves():
    outcome = Outcome(status="ok", scores=[Score(metric="auprc", value=0.5, low=0.4, high=0.6)])
    table = tidy(((case, str(case), outcome) for case in load_suite("curves").cases()), {})
    lengths, fractions, shared = [2, 5, 10, 20, 60, 120], [0.1, 0.25, 0.5, 1], [0, 0.25, 0.5, 0.75]
    found = {(curve.title, curve.base): curve.points for curve in curves(table)}
    assert {key: sorted(points["x"].unique()) for key, points in found.items()} == {
        (title, f"random, {modality}"): xs
        for modality in ("spikes", "calcium")
        for title, xs in ((LENGTH, lengths), (VISIBLE, fractions), (SHARED, shared))
    }
    assert all(
        (points["n"] >= 3).all() and set(points["method"]) >= {"synapsnet", CEILING} for points in found.values()
    )


def test_losses_and_their_comparison_are_of_the_same_seed():
    # The seeds differ by more than the methods lose, which must not matter.
    of_a, of_b = [0.8, 0.4, 0.6], [0.5, 0.2, 0.4]
    half_a, half_b = [0.72, 0.36, 0.54], [0.4, 0.15, 0.32]
    found = losses(curve(VISIBLE, {"a": {0.5: half_a, 1: of_a}, "b": {0.5: half_b, 1: of_b}}), "a")
    assert found[["method", "x", "n"]].to_numpy().tolist() == [["a", 0.5, 3], ["b", 0.5, 3]]
    a, b = row(found, "a", 0.5), row(found, "b", 0.5)
    assert (a["value"], a["low"], a["high"]) == pytest.approx((0.1, 0.1, 0.1))
    assert a["more"] != a["more"]  # nothing to compare with
    assert (b["value"], b["low"], b["high"]) == pytest.approx(interval([0.2, 0.25, 0.2]))
    assert (b["more"], b["more_low"], b["more_high"]) == pytest.approx(interval([0.1, 0.15, 0.1]))


def test_losses_start_where_it_is_easiest():
    scores = {"a": {0: [0.9], 0.5: [0.6], 0.25: [0.8]}}
    assert losses(curve(SHARED, scores), "a")["x"].tolist() == [0.25, 0.5]
    assert losses(curve(VISIBLE, {"a": {1: [0.9], 0.1: [0.6], 0.5: [0.8]}}), "a")["x"].tolist() == [0.5, 0.1]


def test_losses_start_where_all_methods_have_a_score():
    scores = {"a": {120: [0.9], 60: [0.8], 2: [0.6]}, "slow": {60: [0.8], 2: [0.4]}}
    found = losses(curve(LENGTH, scores), "a")
    assert found[["method", "x", "value"]].to_numpy().tolist() == [
        ["a", 2, pytest.approx(0.25)],
        ["slow", 2, pytest.approx(0.5)],
    ]
    assert losses(curve(LENGTH, {"a": {60: [0.8]}, "slow": {2: [0.4]}}), "a").empty


def test_a_seed_without_one_of_the_scores_does_not_count():
    gone = float("nan")
    scores = {"a": {1: [0.8, 0.8, 0.8], 0.5: [0.4, 0.6, 0.6]}, "b": {1: [0.5, 0.5, gone], 0.5: [gone, 0.25, 0.5]}}
    found = row(losses(curve(VISIBLE, scores), "a"), "b", 0.5)
    assert (found["n"], found["value"], found["more"]) == pytest.approx((1, 0.5, 0.25))
    assert found["more_low"] != found["more_low"]  # a single seed has no interval


def test_without_the_reference_there_is_nothing_to_compare_with():
    found = losses(curve(VISIBLE, {"b": {1: [0.5, 0.4], 0.5: [0.25, 0.3]}}), "a")
    assert found["value"].tolist() == pytest.approx([0.375])
    assert found["more"].isna().all()
