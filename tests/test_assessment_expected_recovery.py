"""What to expect: regression adjustment has known answers, and signatures do not depend on the order of neurons."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.assessment.expected_recovery import (
    INFERRED,
    LONGER,
    OUTCOMES,
    Promises,
    _unlike,
    examples,
    expected,
    statistics,
)
from validation.assessment.regression_adjustment import (
    Adjustment,
    Plausible,
    fraction_of_logit,
    logit_of_fraction,
    weighted_quantiles,
)
from validation.assessment.results import Threshold, corrected
from validation.assessment.signature import RATES, promised_auprc, signature
from validation.metrics.results import Estimate

NOMINAL = "false 0.05"
NOISE = (0.5, 1.0, 2.0)  # of three statistics of one quantity


def toy(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A standard normal quantity, and statistics that are the quantity and noise: the posterior is known."""
    quantity = rng.normal(size=n)
    return quantity, quantity[:, None] + rng.normal(size=(n, 3)) * NOISE


def learned(n: int, rng: np.random.Generator) -> Adjustment:
    quantity, statistics_ = toy(n, rng)
    return Adjustment.learn(
        statistics_, quantity, np.arange(n).astype(str) if n < 20 else (np.arange(n) % 10).astype(str)
    )


def test_the_posterior_of_a_linear_gaussian_model() -> None:
    rng = np.random.default_rng(0)
    adjustment = learned(3000, rng)
    precision = 1 + np.sum(1 / np.square(NOISE))
    for at in ([0.0, 0.0, 0.0], [1.0, 0.5, -1.0], [-1.5, -1.0, 0.0]):
        found = adjustment.plausible(np.array(at), n_near=600).estimate()
        mean, half = float(np.sum(at / np.square(NOISE)) / precision), 1.96 / math.sqrt(precision)
        assert found.value == pytest.approx(mean, abs=0.08)
        assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)


@pytest.mark.parametrize("at", [3.0, 10.0, -1e6])
def test_a_statistic_that_no_example_varies_in_says_nothing(at: float) -> None:
    rng = np.random.default_rng(1)
    quantity, statistics_ = toy(60, rng)
    kinds = (np.arange(60) % 10).astype(str)
    without = Adjustment.learn(statistics_, quantity, kinds).plausible(np.zeros(3))
    constant = np.column_stack([statistics_, np.full(60, 3.0)])
    found = Adjustment.learn(constant, quantity, kinds).plausible(np.array([0.0, 0.0, 0.0, at]))
    assert found.estimate().value == pytest.approx(without.estimate().value, abs=0.3)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.sampled_from([40, 100, 400]))
def test_intervals_hold_however_few_the_examples_are(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    quantity, statistics_ = toy(300, rng)
    adjustment = learned(n, rng)
    found = [adjustment.plausible(each).estimate() for each in statistics_]
    held = np.mean([each.low <= value <= each.high for each, value in zip(found, quantity, strict=True)])
    assert held > 0.85  # 0.95 of what few examples can tell


def test_more_examples_narrow_the_interval() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for n in (30, 1000):
        found = learned(n, rng).plausible(np.zeros(3)).estimate()
        widths.append(found.high - found.low)
    assert widths[1] < widths[0]


def test_quantiles_by_hand() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    assert weighted_quantiles(values, weights, np.array([0.125, 0.5, 0.875])) == pytest.approx([1, 2, 3])


@given(st.floats(0.02, 0.98))
def test_fractions_survive_the_logit(share: float) -> None:
    logit = float(logit_of_fraction(np.array([share]))[0])
    assert fraction_of_logit(np.array([logit - 9, logit, logit + 9])) == pytest.approx([0, share, 1])


def test_promised_recovery_by_hand() -> None:
    """Probabilities 1, 1/2 and 0: the expected precision is 1 at the first connection, 3/4 at the second."""
    assert promised_auprc(np.array([0.0, 0.5, 1.0])) == pytest.approx((1 + 0.5 * 0.75) / 1.5)
    assert promised_auprc(np.ones(3)) == 0


def inferred_from(n: int, rng: np.random.Generator) -> Connectome:
    weight = np.where(np.eye(n, dtype=bool), 0.0, rng.normal(size=(n, n)))
    local = np.where(np.eye(n, dtype=bool), 1.0, rng.uniform(size=(n, n)) ** 8)
    return Connectome(weight, standard_error=np.ones((n, n)), p_value=local, local_fdr=local)


def spikes(n: int, rng: np.random.Generator) -> Recording:
    return Recording.from_array(
        rng.poisson(0.05 * (1 + np.arange(n)), (4000, n)), 0.005, "spikes", segments=[2500, 1500]
    )


def test_signatures_are_finite_and_do_not_depend_on_the_order_of_neurons() -> None:
    rng = np.random.default_rng(2)
    recording, inferred = spikes(8, rng), inferred_from(8, rng)
    order = rng.permutation(8)
    found = signature(recording, inferred)
    again = signature(recording.select_neurons(order), inferred.select(order))
    assert all(map(math.isfinite, found.values()))
    assert again == pytest.approx(found, rel=1e-6, abs=1e-9)


def test_signatures_of_nothing_are_finite() -> None:
    rng = np.random.default_rng(3)
    nothing = Connectome(np.zeros((8, 8)), standard_error=np.ones((8, 8)), local_fdr=np.ones((8, 8)))
    for recording in (spikes(8, rng), Recording.from_array(rng.normal(size=(200, 8)), 0.1, "calcium")):
        assert all(map(math.isfinite, signature(recording, nothing).values()))


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_the_table_that_is_shipped(modality: str) -> None:
    """Every kind several times, none of the seeds on which results are reported, and all the signature's numbers."""
    table = examples(modality)  # type: ignore[arg-type]
    assert table["kind"].nunique() >= 8 and table["seed"].min() >= 10_000
    rng = np.random.default_rng(4)
    recording = (
        spikes(8, rng) if modality == "spikes" else Recording.from_array(rng.normal(size=(200, 8)), 0.1, "calcium")
    )
    assert set(statistics(table)) == set(signature(recording, inferred_from(8, rng)))
    assert np.isfinite(table[statistics(table)].to_numpy()).all()
    assert {*OUTCOMES, LONGER} <= set(table.columns)


def test_an_example_is_promised_what_it_had_and_something_strange_is_called_so() -> None:
    table = examples("spikes")
    known = table[table["auprc"].notna()].iloc[::10]
    inside = []
    for _, one in known.iterrows():
        promises = Promises(table, {name: float(one[name]) for name in statistics(table)})
        auprc = promises.estimate("auprc")
        inside.append(auprc.low <= one["auprc"] <= auprc.high)
        assert promises.atypical == 0  # it is an example itself
    assert np.mean(inside) > 0.85
    strange = {name: float(known.iloc[0][name]) + 30 for name in statistics(table)}
    assert Promises(table, strange).atypical > 2


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_what_is_strange_is_said_in_words(modality: Literal["spikes", "calcium"]) -> None:
    table = examples(modality)
    usual = table[statistics(table)].median()
    told = {name: _unlike(table, {**usual, name: usual[name] + 100}) for name in statistics(table)}
    assert all(len(words) == 1 for words in told.values())
    assert not set(told) & {words for [words] in told.values()} - {"noise", "skewness"}  # words already
    evidence = {name: usual[name] + 100 for name in ("upper", "top", "last")}
    assert _unlike(table, {**usual, **evidence}) == ["how far the evidence of some pairs exceeds that of most"]


def test_what_is_expected_of_a_recording(spike_recording: Recording) -> None:
    rng = np.random.default_rng(5)
    recording = spike_recording.without_ground_truth()
    found = expected(recording, inferred_from(recording.n_neurons, rng))
    assert found.n_examples == len(examples("spikes"))
    assert [each.n_reported for each in found.thresholds] == sorted(each.n_reported for each in found.thresholds)
    assert 0 <= found.auprc.low <= found.auprc.value <= found.auprc.high <= 1
    assert set(found.untold) <= set(INFERRED)
    assert found.longer.duration_s == pytest.approx(4 * recording.n_steps * recording.dt_s)


def sample(fractions: list[float], kinds: str) -> Plausible:
    """Equally plausible fractions, of kinds of which each is a letter."""
    return Plausible(logit_of_fraction(np.array(fractions)), np.ones(len(fractions)), np.array(list(kinds)))


def test_of_one_pair_none_or_all_is_false_and_of_many_about_the_fraction() -> None:
    shares = sample([0.05, 0.1, 0.15, 0.3] * 50, "abcd" * 50)
    one, many = shares.fraction_of(1), shares.fraction_of(10_000)
    assert (one.low, one.high) == (0, 1) and [one.value, many.value] == pytest.approx([0.15] * 2)
    assert (many.low, many.high) == (pytest.approx(0.05, abs=0.01), pytest.approx(0.3, abs=0.02))


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0.02, 0.98), n=st.integers(1, 300))
def test_with_one_share_the_number_is_binomial(share: float, n: int) -> None:
    found = sample([share] * 1000, "a" * 1000).fraction_of(n)
    tail = 0.025 - 0.95 / 2000
    assert found.low * n == pytest.approx(binom.ppf(tail, n, share))
    assert found.high * n == pytest.approx(binom.ppf(1 - tail, n, share))


def test_a_mean_is_as_certain_as_kinds_agree() -> None:
    """By hand: means of two kinds of .1 and .3 are .2, give or take an error of .1; more of the same tells no more."""
    few, many = (sample([0.1, 0.3] * n, "ab" * n).mean_fraction() for n in (1, 100))
    for found in (few, many):
        assert found.value == pytest.approx(0.2) and found.high - found.value == pytest.approx(1.96 * 0.1, rel=1e-3)
    agreeing = sample([0.1, 0.3] * 2, "aabb").mean_fraction()
    assert agreeing.low == pytest.approx(agreeing.high)


@pytest.mark.parametrize(("modality", "every"), [("spikes", 3), ("calcium", 1)])
def test_what_is_corrected_keeps_to_the_rate_on_kinds_that_it_has_not_seen(modality: str, every: int) -> None:
    """Examples promised from the other kinds: where more is false than 5% it is less than that after.

    Of what stays as it is little is false: the mean over examples of spikes, and of all pairs of calcium, where half of
    the false ones are of one network of Izhikevich neurons.
    """
    table = examples(modality)  # type: ignore[arg-type]
    before, after, kept, n_kept = [], [], [], []
    for _, one in table[table[NOMINAL].notna()].iloc[::every].iterrows():
        promises = Promises(table[table["kind"] != one["kind"]], {name: one[name] for name in statistics(table)})
        entries = corrected([promises.threshold(rate, 1) for rate in RATES if rate <= 0.05])
        if entries[-1].instead == 0.05:
            kept.append(one[NOMINAL])
            n_kept.append(np.expm1(one["number reported"]))
        else:
            before.append(one[NOMINAL])
            after.append(0.0 if entries[-1].instead is None else one[f"false {entries[-1].instead:g}"])
    assert np.mean(before) > 0.1 and np.nanmean(after) < 0.05  # where nothing is reported it is NaN
    assert len(before) > 10 and np.average(kept, weights=n_kept if modality == "calcium" else None) < 0.07


def test_what_has_no_probabilities_is_refused(spike_recording: Recording) -> None:
    n = spike_recording.n_neurons
    with pytest.raises(InputError, match="no probabilities"):
        expected(spike_recording, Connectome(np.zeros((n, n))))


def entry(nominal: float, n_reported: int, rate: float, half: float = 0.03) -> Threshold:
    around = Estimate(value=rate, low=rate - half, high=rate + half)
    return Threshold(nominal=nominal, n_reported=n_reported, false=around, rate=around)


@pytest.mark.parametrize(
    ("at_5", "at_1", "instead"),
    [(0.2, 0.04, 0.01), (0.2, 0.1, None), (0.07, 0.01, 0.05)],  # mended; beyond repair; as good as its word
)
def test_a_threshold_is_corrected_where_it_must_be_and_can(at_5: float, at_1: float, instead: float | None) -> None:
    assert corrected([entry(0.01, 10, at_1), entry(0.05, 30, at_5)])[1].instead == instead


@given(rates=st.lists(st.floats(0, 1), min_size=len(RATES), max_size=len(RATES)), seed=st.integers(0, 10**6))
def test_what_stands_is_the_surest_of_what_was_reported(rates: list[float], seed: int) -> None:
    """Whatever the rates are: never more than before, by q-value, and where nothing deviates all of it."""
    inferred = inferred_from(12, np.random.default_rng(seed))
    found = corrected([entry(*each) for each in zip(RATES, inferred.n_reported(RATES), rates, strict=True)])
    for each in found:
        before = inferred.significant(each.nominal)
        after = np.zeros_like(before) if each.instead is None else inferred.significant(each.instead)
        assert not (after & ~before).any()
        assert inferred.q_values[after].max(initial=0.0) <= inferred.q_values[before & ~after].min(initial=1.0)
        assert each.deviates or (after == before).all()
