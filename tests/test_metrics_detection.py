"""The finer connectivity metrics: known answers, scikit-learn and scipy, invariants."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm, spearmanr
from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

from simulators.topologies import topology
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import neuron_table
from validation.metrics.bootstrap import draw_counts
from validation.metrics.connectivity import score_connectivity
from validation.metrics.detection import decide, rank, settled
from validation.metrics.glossary import BITS, CONNECTIVITY_METRICS, FORECAST_METRICS
from validation.metrics.motifs import lookalike_pairs, strong_effective
from validation.metrics.p_values import false_positive_rate, p_value_distance
from validation.metrics.results import ConnectivityScores, ForecastScores

seeds = st.integers(0, 10_000)
N = 14


def without_diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(matrix), dtype=bool), 0.0, matrix)


def pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def network(seed: int, n: int = N, density: float = 0.3, inhibitory: int = 4) -> Connectome:
    """Neurons that only excite or only inhibit, with delays."""
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(size=(n, n)) * (rng.random((n, n)) < density)
    weight[:, n - inhibitory :] *= -2
    weight = without_diagonal(weight)
    return Connectome(weight, delay_s=np.where(weight != 0, rng.uniform(0.001, 0.02, (n, n)), np.nan))


def noisy(truth: Connectome, seed: int, noise: float = 1.0) -> Connectome:
    """Inferred with ties, standard errors and delays; in eighths, whose sums are exact in any order."""
    rng = np.random.default_rng(seed)
    shape = truth.weight.shape
    weight = without_diagonal(np.round(8 * (truth.weight + noise * rng.normal(size=shape))) / 8)
    return Connectome(weight, standard_error=np.full(shape, noise), delay_s=rng.uniform(0, 0.02, shape))


def types(n: int = N, inhibitory: int = 4) -> pd.DataFrame:
    return neuron_table(n, cell_type=["excitatory"] * (n - inhibitory) + ["inhibitory"] * inhibitory)


def values(scores: ConnectivityScores) -> dict[str, float | None]:
    content = scores.model_dump(exclude={"method"})
    return {name: None if estimate is None else estimate["value"] for name, estimate in content.items()}


@settings(max_examples=15)
@given(seed=seeds)
def test_agrees_with_scikit_learn_and_scipy(seed: int) -> None:
    truth = network(seed)
    guess = noisy(truth, seed + 1)
    w, s, found = pairs(truth.weight), pairs(guess.scores), pairs(guess.significant(0.05))
    scores = values(score_connectivity("m", truth, guess, n_resamples=0))
    assert scores["auprc_lift"] == pytest.approx(average_precision_score(w != 0, abs(s)) / np.mean(w != 0))
    signed = [average_precision_score(w > 0, s), average_precision_score(w < 0, -s)]
    assert scores["signed_auprc"] == pytest.approx(np.mean(signed))
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(w != 0, found))
    assert scores["f1"] == pytest.approx(f1_score(w != 0, found))
    assert scores["false_discovery_rate"] == pytest.approx(np.mean(w[found] == 0) if found.any() else 0)
    p_values = 2 * norm.sf(abs(s[w == 0]))
    assert scores["false_positive_rate"] == pytest.approx(np.mean(p_values < 0.05))
    assert scores["p_value_distance"] == pytest.approx(kstest(p_values, "uniform").statistic)
    edge = w != 0
    delay, guessed = pairs(truth.delay_s)[edge], pairs(guess.delay_s)[edge]
    assert scores["delay_error_s"] == pytest.approx(np.mean(abs(delay - guessed)))
    assert scores["delay_correlation"] == pytest.approx(spearmanr(delay, guessed)[0])
    assert scores["edge_weight_correlation"] == pytest.approx(np.corrcoef(w[edge], pairs(guess.weight)[edge])[0, 1])
    outgoing, evidence = truth.weight.sum(axis=0), guess.scores.sum(axis=0)
    sends = outgoing != 0
    assert scores["ei_auroc"] == pytest.approx(roc_auc_score(outgoing[sends] > 0, evidence[sends]))


@given(seeds, st.sampled_from([np.float32, np.float64]))
@settings(max_examples=8)  # each scores twice, motifs included
def test_rounding_moves_no_score(seed: int, precision: type) -> None:
    truth, tied = network(seed), noisy(network(seed), seed).weight.astype(precision)
    rounding = np.finfo(np.float32).eps / 2 * np.random.default_rng(seed).normal(size=tied.shape)
    rounded = without_diagonal(tied * (1 + rounding) + rounding.T).astype(precision)  # zeros are no longer 0
    assert np.unique(rounded).size > 1.5 * np.unique(tied).size
    given = (Connectome(weight) for weight in (tied, rounded))
    scores = (score_connectivity("m", truth, each, neurons=types(), n_resamples=0) for each in given)
    before, after = (values(each) for each in scores)
    for name in before.keys() - {"weight_correlation", "edge_weight_correlation", "block_correlation"}:
        assert before[name] == after[name], name


def test_dense_values_are_not_ties() -> None:
    dense = np.linspace(0.5, 1, 1_000_001).astype(np.float32)
    assert np.array_equal(settled(dense), dense)
    assert settled(np.array([0.0, 0.0])).tolist() == [0.0, 0.0]
    assert settled(np.array([-1.0, 1 + 1e-7, 2, 1e-7, -3])).tolist() == [-1, 1, 2, 0, -3]


def test_precision_at_k_by_hand() -> None:
    key = np.array([5.0, 4.0, 4.0, 4.0, 1.0, 0.0])
    positive = np.array([True, True, False, False, True, False])
    # k = 3: the first is right, and of three tied ones, of which one is right, two fit.
    assert rank(key, positive, np.arange(6), np.ones((1, 6))).precision_at_k[0] == pytest.approx((1 + 2 / 3) / 3)
    # Counting the last two twice: k = 4, all ties fit; counting the first one three times: k = 5, all ties fit as well.
    counts = np.array([[1, 1, 1, 1, 2, 2], [3, 1, 1, 1, 1, 1]])
    assert rank(key, positive, np.arange(6), counts).precision_at_k == pytest.approx([2 / 4, (3 + 2 / 3) / 5])


@given(seed=seeds)
def test_a_resample_is_a_ranking_of_copies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    key, positive = rng.integers(0, 8, 30).astype(float), rng.random(30) < 0.4
    counts = draw_counts(30, 5, seed)
    ranking = rank(key, positive, np.arange(30), counts)
    for r, count in enumerate(counts.astype(int)):
        copied, right = key.repeat(count), positive.repeat(count)
        if 0 < right.sum() < len(right):
            assert ranking.auroc[r] == pytest.approx(roc_auc_score(right, copied))
            assert ranking.auprc[r] == pytest.approx(average_precision_score(right, copied))
            k = right.sum()
            border = np.sort(copied)[-k]
            above, tied = copied > border, copied == border
            expected = right[above].sum() + (k - above.sum()) * right[tied].mean()
            assert ranking.precision_at_k[r] == pytest.approx(expected / k)
        else:
            assert np.isnan(ranking.auroc[r])


@settings(max_examples=15)
@given(seed=seeds)
def test_perfect_scores(seed: int) -> None:
    truth = network(seed)
    exact = Connectome(truth.weight, standard_error=np.full((N, N), 1e-3), delay_s=truth.delay_s)
    scores = values(score_connectivity("m", truth, exact, neurons=types(), n_resamples=0))
    for name in (
        "precision_at_k", "signed_auprc", "mcc", "f1", "ei_accuracy", "ei_auroc",
        "edge_weight_correlation", "block_correlation", "delay_correlation",
    ):  # fmt: skip
        assert scores[name] == pytest.approx(1), name
    assert scores["false_discovery_rate"] == scores["delay_error_s"] == scores["false_positive_rate"] == 0
    assert scores["auprc_lift"] == pytest.approx(1 / np.mean(pairs(truth.adjacency)))


def test_random_scores_are_at_chance_and_calibrated() -> None:
    truth = network(0, n=80, density=0.2, inhibitory=30)
    z = without_diagonal(np.random.default_rng(1).normal(size=(80, 80)))
    guess = Connectome(z, standard_error=np.ones((80, 80)))
    scores = score_connectivity("m", truth, guess, neurons=types(80, 30))
    density = float(np.mean(pairs(truth.adjacency)))
    chance = {
        "precision_at_k": density, "signed_auprc": density / 2, "auprc_lift": 1.0, "mcc": 0.0, "ei_auroc": 0.5,
        "edge_weight_correlation": 0.0, "false_positive_rate": 0.05, "p_value_distance": 0.0,
        "fooled_by_chain": 0.5, "fooled_by_common_input": 0.5, "fooled_by_reverse": 0.5,
    }  # fmt: skip
    for name, expected in chance.items():
        assert getattr(scores, name).value == pytest.approx(expected, abs=0.15 if name == "ei_auroc" else 0.05), name


@settings(max_examples=15)
@given(seed=seeds)
def test_names_of_neurons_do_not_matter(seed: int) -> None:
    truth, order = network(seed), np.random.default_rng(seed).permutation(N)
    guess = noisy(truth, seed + 1)
    before = values(score_connectivity("m", truth, guess, neurons=types(), n_resamples=0))
    shuffled = types().iloc[order].reset_index(drop=True)
    after = values(score_connectivity("m", truth.select(order), guess.select(order), neurons=shuffled, n_resamples=0))
    assert after == pytest.approx(before)


@settings(max_examples=15)
@given(seed=seeds, scale=st.sampled_from([0.25, 8.0]))
def test_unit_of_weights_does_not_matter(seed: int, scale: float) -> None:
    truth = network(seed)
    guess = noisy(truth, seed + 1)
    scaled = Connectome(guess.weight * scale, standard_error=guess.standard_error * scale, delay_s=guess.delay_s)
    before, after = (score_connectivity("m", truth, g, neurons=types(), n_resamples=10) for g in (guess, scaled))
    assert values(after) == pytest.approx(values(before))


@settings(max_examples=15)
@given(seed=seeds)
def test_intervals_contain_the_value(seed: int) -> None:
    truth = network(seed, n=40)
    scores = score_connectivity("m", truth, noisy(truth, seed + 1), neurons=types(40), n_resamples=100, seed=seed)
    for name in ("precision_at_k", "signed_auprc", "mcc", "false_positive_rate", "ei_auroc", "delay_correlation"):
        estimate = getattr(scores, name)
        assert estimate.low <= estimate.value <= estimate.high


def test_cell_types_by_hand() -> None:
    weight = np.zeros((4, 4))
    weight[1, 0], weight[2, 0], weight[0, 1], weight[0, 2] = 3, -1, 2, -2  # 0 and 1 excite, 2 inhibits, 3 does nothing
    guess = np.zeros((4, 4))
    guess[1, 0], guess[2, 0], guess[3, 1], guess[0, 2], guess[0, 3] = 1, 1, -3, -1, 9  # 1 is taken for inhibitory
    scores = values(score_connectivity("m", Connectome(weight), Connectome(guess)))
    assert scores["ei_accuracy"] == pytest.approx(2 / 3)
    assert scores["ei_auroc"] == 0.5  # sums 2 and -3 against -1


def test_block_correlation_by_hand() -> None:
    truth, guess = network(3), noisy(network(3), 4)
    kind = np.arange(N) >= N - 4
    means = [
        [m.weight[np.ix_(kind == post, kind == pre)].sum() / (n_post * (n_pre - (post == pre)))
         for post, n_post in ((0, N - 4), (1, 4)) for pre, n_pre in ((0, N - 4), (1, 4))]
        for m in (truth, guess)
    ]  # fmt: skip
    scores = values(score_connectivity("m", truth, guess, neurons=types()))
    assert scores["block_correlation"] == pytest.approx(np.corrcoef(*means)[0, 1])


def test_what_a_method_does_not_give_is_none() -> None:
    truth = network(0)
    bare = Connectome(noisy(truth, 1).weight)
    scores = values(score_connectivity("m", truth, bare, neurons=neuron_table(N)))
    missing = {name for name, value in scores.items() if value is None}
    assert missing == {
        "mcc", "f1", "false_discovery_rate", "false_positive_rate", "n_reported", "p_value_distance",
        "delay_error_s", "delay_correlation", "block_correlation", "fooled_by_relay", "fooled_by_unequal_delays",
        "effective_auprc", "effective_weight_correlation",
    }  # fmt: skip


def test_a_resample_of_one_class_only_has_no_scores() -> None:
    """Units 0 and 1 are all positive, or not."""
    counts = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    ranking = rank(np.array([2.0, 1.0]), np.array([True, False]), np.array([0, 1]), counts)
    for scores in ranking:
        assert np.isnan(scores).tolist() == [False, True, True]


def test_decisions_on_one_absent_pair_count() -> None:
    edge, reported = np.array([[True, False]]), np.array([[True, True]])
    found = decide(reported, edge, np.ones((1, 2), bool), np.ones((1, 1)))
    assert [found.mcc[0], found.f1[0], found.false_discovery_rate[0]] == pytest.approx([0, 2 / 3, 1 / 2])
    assert np.isnan(decide(reported, edge, edge, np.ones((1, 1))).f1)  # without an absent pair


def test_p_values_below_five_percent_by_hand() -> None:
    p_values, absent = np.array([[0.01, 0.05], [0.2, 0.01]]), np.array([[True, True], [True, False]])
    assert false_positive_rate(p_values, absent, np.ones((1, 2))) == pytest.approx([1 / 3])
    assert p_value_distance(np.array([0.25, 0.5, 0.75])) == pytest.approx(0.25)
    assert np.isnan(p_value_distance(np.array([])))


def test_nothing_found_is_no_false_discovery() -> None:
    truth = network(0)
    silent = Connectome(np.zeros((N, N)), standard_error=np.ones((N, N)))
    scores = values(score_connectivity("m", truth, silent))
    assert scores["mcc"] == scores["f1"] == scores["false_discovery_rate"] == scores["false_positive_rate"] == 0
    assert scores["p_value_distance"] == 1  # all p-values are 1


def test_errors_that_are_too_small_show() -> None:
    truth, z = network(0, n=60, density=0.1), without_diagonal(np.random.default_rng(0).normal(size=(60, 60)))
    honest = Connectome(truth.weight * 5 + z, standard_error=np.ones((60, 60)))
    bold = Connectome(honest.weight, standard_error=np.full((60, 60), 0.3))
    right, wrong = (values(score_connectivity("m", truth, g, n_resamples=0)) for g in (honest, bold))
    assert right["false_discovery_rate"] < 0.08 < 0.5 < wrong["false_discovery_rate"]
    assert right["false_positive_rate"] == pytest.approx(0.05, abs=0.02)
    assert wrong["false_positive_rate"] == pytest.approx(2 * norm.sf(1.96 * 0.3), abs=0.03)
    assert right["p_value_distance"] < 0.05 < 0.3 < wrong["p_value_distance"]
    assert right["auroc"] == wrong["auroc"]


def test_delays_are_scored_where_given() -> None:
    truth = network(0)
    guess = noisy(truth, 1)
    post, pre = (index[0] for index in np.nonzero(truth.weight))
    delay_s = np.full((N, N), np.nan)
    delay_s[post, pre] = truth.delay_s[post, pre] + 0.002
    scores = values(score_connectivity("m", truth, Connectome(guess.weight, delay_s=delay_s)))
    assert scores["delay_error_s"] == pytest.approx(0.002)
    assert scores["delay_correlation"] is None  # of one edge


# Motifs


def members(pairs_of_motif: np.ndarray) -> set[tuple[int, int]]:
    return {(int(post), int(pre)) for post, pre in zip(*np.nonzero(pairs_of_motif), strict=True)}


def test_lookalikes_by_hand() -> None:
    weight = np.zeros((5, 5))
    weight[1, 0] = weight[2, 1] = weight[3, 0] = 1.0  # 0 -> 1 -> 2 and 0 -> 3; 4 is alone
    found = lookalike_pairs(Connectome(weight))
    assert members(found["chain"]) == {(2, 0)}
    assert members(found["common-input"]) == {(1, 3), (3, 1)}
    assert members(found["reverse"]) == {(0, 1), (1, 2), (0, 3)}
    assert not found["relay"].any() and not found["unequal-delays"].any()


def test_pairs_without_effective_connectivity_are_never_strong() -> None:
    """Where paths that cancel leave fewer effective connections than direct ones, not all pairs tie with the least."""
    weight, effective = np.zeros((3, 3)), np.zeros((3, 3))
    weight[1, 0] = weight[2, 0] = effective[1, 0] = 1.0
    assert members(strong_effective(Connectome(weight, effective=effective))) == {(1, 0)}


def test_relays_are_the_strong_effective_connections() -> None:
    weight, effective = np.zeros((4, 4)), np.full((4, 4), 0.01)
    weight[1, 0] = weight[2, 0] = 1.0
    effective[1, 0], effective[2, 0], effective[3, 2] = 1.0, 0.005, -0.5  # the second edge is cancelled
    truth = Connectome(weight, effective=without_diagonal(effective))
    assert members(strong_effective(truth)) == {(1, 0), (3, 2)}
    assert members(lookalike_pairs(truth)["relay"]) == {(3, 2)}
    scores = values(score_connectivity("m", truth, Connectome(truth.effective)))
    assert scores["effective_auprc"] == scores["fooled_by_relay"] == 1
    assert scores["effective_weight_correlation"] == pytest.approx(1)
    assert scores["auprc"] < 1


def test_designed_motifs_are_those_of_the_topology() -> None:
    motifs = topology("motifs")
    rng = np.random.default_rng(0)
    neurons = motifs.arrange(neuron_table(26, cell_type=["excitatory"] * 24 + ["inhibitory"] * 2), rng)
    truth = motifs.connect(neurons, np.where(np.arange(26) < 24, 1.0, -1.0), rng)
    found = lookalike_pairs(truth, neurons)
    visible = np.flatnonzero(~neurons["id"].str.endswith("hidden"))
    assert members(found["unequal-delays"]) <= members(found["common-input"])
    assert found["unequal-delays"].sum() == 2
    assert lookalike_pairs(truth)["unequal-delays"].sum() == 0
    seen = neurons.iloc[visible].reset_index(drop=True)
    part = truth.select(visible)
    assert lookalike_pairs(part, seen)["relay"].sum() == 2
    # A method that takes every lookalike of one motif for a connection is fooled by that one.
    guess = part.weight + lookalike_pairs(part, seen)["relay"]
    scores = values(score_connectivity("m", part, Connectome(guess), neurons=seen))
    assert scores["fooled_by_relay"] == 1
    assert scores["fooled_by_chain"] < 0.5


@given(seed=seeds)
def test_lookalikes_are_never_connections(seed: int) -> None:
    truth = network(seed)
    for found in lookalike_pairs(truth, types()).values():
        assert not (found & truth.adjacency).any()
        assert not np.diagonal(found).any()


# Files and tables


def test_scores_of_old_runs_still_load() -> None:
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    names = ("auroc", "auprc", "signed_auroc", "sign_accuracy", "weight_correlation", "direction_accuracy")
    old = ConnectivityScores.model_validate_json(json.dumps({"method": "m", **dict.fromkeys(names, estimate)}))
    assert old.auprc is not None and old.mcc is None
    names = ("mse", "r2", "correlation", "skill_over_mean", "skill_over_copy")
    content = {"method": "m", "horizon_steps": [1], "bits_per_spike": None, **{name: [estimate] for name in names}}
    assert ForecastScores.model_validate_json(json.dumps(content)).mae is None


def test_scores_survive_a_file_and_stay_small() -> None:
    truth = network(0)
    scores = score_connectivity("m", truth, noisy(truth, 1), neurons=types())
    text = scores.model_dump_json()
    assert ConnectivityScores.model_validate_json(text).model_dump_json() == text
    assert len(text) < 4000


def test_every_metric_is_explained_once() -> None:
    fields = [metric.field for metric in CONNECTIVITY_METRICS]
    assert sorted(fields) == sorted(set(ConnectivityScores.model_fields) - {"method"})
    fields = [metric.field for metric in (*FORECAST_METRICS, BITS)]
    assert sorted(fields) == sorted(set(ForecastScores.model_fields) - {"method", "horizon_steps"})
    assert sum(metric.shown for metric in CONNECTIVITY_METRICS) <= 6
    names = [metric.name for metric in (*CONNECTIVITY_METRICS, *FORECAST_METRICS)]
    assert len(names) == len(set(names))


def test_wrong_input() -> None:
    truth = network(0)
    with pytest.raises(InputError, match="a row for each of the 14 neurons; got 5"):
        score_connectivity("m", truth, truth, neurons=types(5))


@given(st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_pairs_without_evidence_are_ranked_as_any_other_tie(n_ties: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    key = np.append(rng.integers(-3, 4, 20).astype(float), np.zeros(n_ties))
    unit, counts = rng.integers(0, 5, len(key)).astype(np.int32), draw_counts(5, 4, seed)
    positive = rng.random(len(key)) < 0.4
    for one, other in zip(rank(key, positive, unit, counts), rank(key + 10, positive, unit, counts), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
