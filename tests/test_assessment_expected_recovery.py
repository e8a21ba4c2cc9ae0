"""What to expect: regression adjustment has known answers, and signatures do not depend on the order of neurons."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.assessment.expected_recovery import (
    INFERRED,
    LONGER,
    OUTCOMES,
    among,
    examples,
    expected,
    promises,
    statistics,
)
from validation.assessment.regression_adjustment import Adjustment, as_fraction, logit_of_fraction, weighted_quantiles
from validation.assessment.results import Expected, Threshold
from validation.assessment.signature import promised_auprc, signature
from validation.metrics.results import Estimate

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
    back = as_fraction(Estimate(value=logit, low=logit - 9, high=logit + 9))
    assert back.value == pytest.approx(share) and (back.low, back.high) == (0, 1)


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
        estimates, atypical = promises(table, {name: float(one[name]) for name in statistics(table)})
        inside.append(estimates["auprc"].low <= one["auprc"] <= estimates["auprc"].high)
        assert atypical == 0  # it is an example itself
    assert np.mean(inside) > 0.85
    strange = {name: float(known.iloc[0][name]) + 30 for name in statistics(table)}
    assert promises(table, strange)[1] > 2


def test_what_is_expected_of_a_recording(spike_recording: Recording) -> None:
    rng = np.random.default_rng(5)
    recording = spike_recording.without_ground_truth()
    found = expected(recording, inferred_from(recording.n_neurons, rng))
    assert found.n_examples == len(examples("spikes"))
    assert [each.n_reported for each in found.thresholds] == sorted(each.n_reported for each in found.thresholds)
    assert 0 <= found.auprc.low <= found.auprc.value <= found.auprc.high <= 1
    assert set(found.untold) <= set(INFERRED)
    assert found.longer.duration_s == pytest.approx(4 * recording.n_steps * recording.dt_s)


def test_of_one_pair_none_or_all_is_false_and_of_many_about_the_fraction() -> None:
    share = Estimate(value=0.1, low=0.05, high=0.3)
    one, many = among(share, 1), among(share, 10_000)
    assert (one.low, one.high) == (0, 1) and among(share, 0) == share
    assert (many.low, many.high) == (pytest.approx(0.05, abs=0.01), pytest.approx(0.3, abs=0.02))


def test_what_has_no_probabilities_is_refused(spike_recording: Recording) -> None:
    n = spike_recording.n_neurons
    with pytest.raises(InputError, match="no probabilities"):
        expected(spike_recording, Connectome(np.zeros((n, n))))


def around(value: float, half: float) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half)


@pytest.mark.parametrize(
    ("at_5", "at_1", "kept"),
    [(0.2, 0.04, 0.01), (0.2, 0.1, None), (0.06, 0.01, None)],  # mended; beyond repair; as good as its word
)
def test_another_threshold_is_offered_where_one_is_needed_and_known(
    at_5: float, at_1: float, kept: float | None
) -> None:
    half = around(0.5, 0.1)
    found = Expected.model_construct(
        auprc=half, thresholds=[
            Threshold(nominal=0.01, n_reported=10, false=around(at_1, 0.02)),
            Threshold(nominal=0.05, n_reported=30, false=around(at_5, 0.05)),
        ],
    )  # fmt: skip
    offered = found.stricter(0.05, 0.05)
    assert (None if offered is None else offered.nominal) == kept
