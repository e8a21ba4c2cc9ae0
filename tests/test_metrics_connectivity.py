"""Connectivity metrics: known answers, scikit-learn and scipy, and what must not change a score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, roc_auc_score

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from validation.metrics.connectivity import score_connectivity
from validation.metrics.results import ConnectivityScores, Estimate

METRICS = ("auroc", "auprc", "signed_auroc", "sign_accuracy", "weight_correlation", "direction_accuracy")
RANK_METRICS = ("auroc", "auprc", "signed_auroc", "sign_accuracy", "direction_accuracy")
seeds = st.integers(0, 10_000)


def connectome(weight: object, standard_error: np.ndarray | None = None) -> Connectome:
    weight = np.array(weight, dtype=float)
    np.fill_diagonal(weight, 0)
    return Connectome(weight, standard_error=standard_error)


def network(seed: int, n: int = 12, density: float = 0.3) -> Connectome:
    rng = np.random.default_rng(seed)
    return connectome(rng.normal(size=(n, n)) * (rng.random((n, n)) < density))


def noisy(truth: Connectome, seed: int, noise: float = 0.7) -> Connectome:
    """Inferred connectivity with ties: rounded to one decimal."""
    return connectome(np.round(truth.weight + noise * np.random.default_rng(seed).normal(size=truth.weight.shape), 1))


def values(scores: ConnectivityScores) -> dict[str, float | None]:
    return {m: None if getattr(scores, m) is None else getattr(scores, m).value for m in METRICS}


def pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def test_three_neurons_by_hand() -> None:
    truth = connectome([[0, 2, 0], [0, 0, -1], [0, 1, 0]])  # edges 0<-1, 1<-2, 2<-1; one-way: 0<-1
    guess = connectome([[0, 3, 1], [0, 0, 0.5], [-2, 1, 0]])
    # By absolute score: 3 (edge), 2, 1 (edge) tied with 1, 0.5 (edge), 0.
    scores = values(score_connectivity("m", truth, guess))
    assert scores["auroc"] == pytest.approx((3 + 1.5 + 1) / 9)
    assert scores["auprc"] == pytest.approx((1 / 1 + 2 / 4 + 3 / 5) / 3)
    # Excitatory edges 3 and 1 against 1, 0, 0.5, -2; the inhibitory edge at -0.5 against -3, -1, 0, 2, -1.
    assert scores["signed_auroc"] == pytest.approx(((4 + 3.5) / 8 + 3 / 5) / 2)
    assert scores["sign_accuracy"] == pytest.approx(2 / 3)
    assert scores["direction_accuracy"] == 1
    assert scores["weight_correlation"] == pytest.approx(pearsonr([2, 0, 0, -1, 0, 1], [3, 1, 0, 0.5, -2, 1])[0])


@given(seed=seeds)
def test_agrees_with_scikit_learn_and_scipy(seed: int) -> None:
    truth = network(seed)
    guess = noisy(truth, seed + 1)
    weight, score = pairs(truth.weight), pairs(guess.weight)
    scores = values(score_connectivity("m", truth, guess, n_resamples=0))
    assert scores["auroc"] == pytest.approx(roc_auc_score(weight != 0, abs(score)))
    assert scores["auprc"] == pytest.approx(average_precision_score(weight != 0, abs(score)))
    signed = [roc_auc_score(weight > 0, score), roc_auc_score(weight < 0, -score)]
    assert scores["signed_auroc"] == pytest.approx(np.mean(signed))
    assert scores["weight_correlation"] == pytest.approx(pearsonr(weight, score)[0])


def test_interval_is_that_of_resampled_rows() -> None:
    truth, n = network(0), 12
    guess = noisy(truth, 1)
    counts = np.random.default_rng(7).multinomial(n, np.full(n, 1 / n), size=50)
    weight, score = pairs(truth.weight), pairs(guess.weight)
    drawn = [np.repeat(np.arange(len(score)), np.repeat(c, n - 1)) for c in counts]  # copies of whole rows
    scores = score_connectivity("m", truth, guess, n_resamples=50, seed=7)

    def check(estimate: Estimate | None, resampled: list[float]) -> None:
        assert estimate is not None
        assert [estimate.low, estimate.high] == pytest.approx(list(np.percentile(resampled, [2.5, 97.5])))

    check(scores.auroc, [roc_auc_score(weight[d] != 0, abs(score[d])) for d in drawn])
    check(scores.auprc, [average_precision_score(weight[d] != 0, abs(score[d])) for d in drawn])
    check(scores.weight_correlation, [pearsonr(weight[d], score[d])[0] for d in drawn])
    right, edge = np.sign(score) == np.sign(weight), weight != 0
    check(scores.sign_accuracy, [right[d][edge[d]].mean() for d in drawn])


@given(seed=seeds, scale=st.sampled_from([0.5, 4.0, 1024.0]))
def test_scale_of_scores_does_not_matter(seed: int, scale: float) -> None:
    truth = network(seed)
    guess = noisy(truth, seed + 1)
    scaled = connectome(guess.weight * scale)
    before, after = (score_connectivity("m", truth, g, n_resamples=20) for g in (guess, scaled))
    for metric in RANK_METRICS:
        assert getattr(before, metric) == getattr(after, metric)
    assert values(after)["weight_correlation"] == pytest.approx(values(before)["weight_correlation"])


@given(seed=seeds)
def test_names_of_neurons_do_not_matter(seed: int) -> None:
    truth = network(seed)
    guess = noisy(truth, seed + 1)
    order = np.random.default_rng(seed).permutation(truth.n_neurons)
    before = values(score_connectivity("m", truth, guess, n_resamples=0))
    after = values(score_connectivity("m", truth.select(order), guess.select(order), n_resamples=0))
    assert after == pytest.approx(before)


@given(seed=seeds)
def test_post_and_pre_matter(seed: int) -> None:
    """The transpose of the truth finds every one-way connection in the wrong direction."""
    truth = network(seed)
    assert values(score_connectivity("m", truth, connectome(truth.weight.T), n_resamples=0))["direction_accuracy"] == 0


@given(seed=seeds)
def test_diagonal_is_never_scored(seed: int) -> None:
    truth = network(seed)
    guess = noisy(truth, seed + 1)

    class WithSelfConnections(Connectome):
        @property
        def scores(self) -> np.ndarray:
            return self.weight + 100 * np.eye(self.n_neurons)

    assert score_connectivity("m", truth, WithSelfConnections(guess.weight), n_resamples=20) == score_connectivity(
        "m", truth, guess, n_resamples=20
    )


@given(seed=seeds)
def test_truth_itself_is_perfect_and_its_negative_has_only_the_signs_wrong(seed: int) -> None:
    truth = network(seed)
    perfect = values(score_connectivity("m", truth, truth, n_resamples=0))
    assert perfect == pytest.approx(dict.fromkeys(METRICS, 1.0))
    negative = values(score_connectivity("m", truth, connectome(-truth.weight), n_resamples=0))
    assert negative["auroc"] == negative["auprc"] == negative["direction_accuracy"] == 1
    assert negative["sign_accuracy"] == 0
    assert negative["signed_auroc"] == 0
    assert negative["weight_correlation"] == pytest.approx(-1)


def test_random_scores_are_at_chance_within_their_intervals() -> None:
    truth = network(0, n=80, density=0.2)
    scores = score_connectivity("m", truth, network(1, n=80, density=1), seed=3)
    density = float(np.mean(pairs(truth.adjacency)))
    chance = {**dict.fromkeys(METRICS, 0.5), "auprc": density, "weight_correlation": 0.0}
    for metric, expected in chance.items():
        estimate = getattr(scores, metric)
        assert abs(estimate.value - expected) < 0.05
        assert estimate.low - 0.02 < expected < estimate.high + 0.02


@settings(max_examples=8)  # each scores 100 resamples
@given(seed=seeds)
def test_interval_contains_the_value(seed: int) -> None:
    truth = network(seed, n=40)
    scores = score_connectivity("m", truth, noisy(truth, seed + 1), n_resamples=100, seed=seed)
    for metric in METRICS:
        estimate = getattr(scores, metric)
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low < estimate.high


def test_evidence_is_ranked_but_weights_are_correlated() -> None:
    truth = connectome([[0, 1, 0], [0, 0, 2], [0, 0, 0]])
    error = np.ones((3, 3))
    error[0, 1] = 100.0  # this weight is right but means nothing
    scores = values(score_connectivity("m", truth, connectome(truth.weight + 0.1, error)))
    assert scores["weight_correlation"] == pytest.approx(1)
    assert scores["auroc"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("weight", "undefined"),
    [
        (np.zeros((5, 5)), set(METRICS)),
        (np.ones((5, 5)), {"auroc", "auprc", "signed_auroc", "weight_correlation", "direction_accuracy"}),
        (np.eye(5, k=1) + np.eye(5, k=-1), {"direction_accuracy"}),
        (np.zeros((1, 1)), set(METRICS)),
    ],
    ids=["no edges", "all edges", "no one-way pairs", "one neuron"],
)
def test_undefined_metrics_are_none(weight: np.ndarray, undefined: set[str]) -> None:
    truth = connectome(weight)
    guess = network(3, n=len(weight), density=1)
    scores = values(score_connectivity("m", truth, guess, n_resamples=5))
    assert {m for m, v in scores.items() if v is None} == undefined


def test_only_signs_that_are_present_count() -> None:
    truth = connectome(np.abs(network(0).weight))
    guess = noisy(truth, 1)
    expected = roc_auc_score(pairs(truth.weight) > 0, pairs(guess.weight))
    assert values(score_connectivity("m", truth, guess))["signed_auroc"] == pytest.approx(expected)


@pytest.mark.parametrize("constant", [0.0, 0.3])
def test_constant_scores_are_at_chance(constant: float) -> None:
    truth = network(0)
    scores = values(score_connectivity("m", truth, connectome(np.full((12, 12), constant))))
    assert scores["auroc"] == scores["signed_auroc"] == scores["direction_accuracy"] == 0.5
    assert scores["auprc"] == pytest.approx(np.mean(pairs(truth.adjacency)))
    assert scores["weight_correlation"] is None
    if constant == 0:
        assert scores["sign_accuracy"] == 0


def test_seed_decides_the_interval_only() -> None:
    truth = network(0)
    guess = noisy(truth, 1)
    first, again, other = (score_connectivity("m", truth, guess, seed=s) for s in (1, 1, 2))
    assert first == again
    assert values(first) == values(other)
    assert first != other


def test_wrong_input() -> None:
    with pytest.raises(InputError, match="by m is of 12 neurons, but the true one is of 5"):
        score_connectivity("m", network(0, n=5), network(0))
    with pytest.raises(InputError, match="must not be negative"):
        score_connectivity("m", network(0), network(0), n_resamples=-1)


def test_only_known_pairs_are_scored():
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((8, 8)) < 0.3, rng.standard_normal((8, 8)), 0)
    np.fill_diagonal(weight, 0)
    known = rng.random((8, 8)) < 0.6
    guess = weight + 0.5 * rng.standard_normal((8, 8))
    np.fill_diagonal(guess, 0)
    error = np.full((8, 8), 0.5)
    truth = Connectome(np.where(known, weight, 0), known=known)
    scores = score_connectivity("x", truth, Connectome(guess, standard_error=error), n_resamples=0)
    pairs = known & ~np.eye(8, dtype=bool)
    assert scores.auprc.value == pytest.approx(average_precision_score(weight[pairs] != 0, np.abs(guess)[pairs]))
    assert scores.weight_correlation.value == pytest.approx(np.corrcoef(weight[pairs], guess[pairs])[0, 1])
    found = Connectome(guess, standard_error=error).significant(0.05) & pairs
    assert scores.false_discovery_rate.value == pytest.approx((weight[found] == 0).mean())
    elsewhere = np.where(known, guess, 100 * rng.standard_normal((8, 8)))  # unknown pairs may say anything
    np.fill_diagonal(elsewhere, 0)
    other = score_connectivity("x", truth, Connectome(elsewhere), n_resamples=0)
    for name in ("auprc", "ei_auroc", "direction_accuracy"):
        assert getattr(other, name).value == getattr(scores, name).value


def test_a_truth_without_signs_has_no_metrics_of_signs_and_weights():
    weight = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0.0]])
    scores = score_connectivity("x", Connectome(weight, signed=False), Connectome(-weight))
    assert scores.auprc.value == 1
    for name in ("signed_auroc", "signed_auprc", "sign_accuracy", "ei_auroc", "ei_accuracy", "weight_correlation"):
        assert getattr(scores, name) is None
