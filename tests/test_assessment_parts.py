"""Reliability, agreement with knowledge, and forecasts of an assessment: known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pynapple as nap
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from simulators.networks.v1 import PROBABILITY, STRENGTH_MV
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording, neuron_table
from validation.assessment.forecast_gain import _rival
from validation.assessment.knowledge import (
    areas,
    cell_types,
    distance,
    excites,
    knowledge,
    measured_type,
    signs,
    waveform,
)
from validation.assessment.reliability import Null, _blocks, _of_state, compare, null_correlations, reliability, states
from validation.assessment.results import Quartiles
from validation.methods import LaggedCorrelation
from validation.metrics.results import Estimate, ForecastScores

NO_NULL = Null([0.0, 0.1], [0.0, 0.1])


def connectome(weight: np.ndarray) -> Connectome:
    weight = np.array(weight, dtype=float)
    np.fill_diagonal(weight, 0.0)
    return Connectome(weight, standard_error=np.ones_like(weight))


def random_connectome(n: int, seed: int = 0) -> Connectome:
    return connectome(np.random.default_rng(seed).normal(size=(n, n)))


def ring(n: int, n_steps: int, seed: int = 0, behaviour: np.ndarray | None = None) -> Recording:
    """Each neuron follows its predecessor by one step."""
    rng = np.random.default_rng(seed)
    values = rng.poisson(0.2, (n_steps, n)).astype(float)
    values[1:] += rng.binomial(values[:-1].astype(int), 0.5)[:, np.arange(n) - 1]
    return Recording.from_array(values, 0.1, "spikes", behaviour=behaviour, behaviour_names=["running_speed"])


def infer(recording: Recording) -> Connectome:
    return LaggedCorrelation().infer(recording)


def test_equal_connectomes_agree_perfectly() -> None:
    same = random_connectome(12)
    found = compare(("a", "b"), 10.0, same, same, NO_NULL)
    assert found.weight_correlation is not None and found.score_correlation is not None
    assert found.weight_correlation.value == pytest.approx(1) == found.score_correlation.value
    assert found.p_weight == pytest.approx(1 / 3)  # beyond both values of the null
    assert found.n_pairs == 132


def test_comparison_by_hand() -> None:
    first, second = (connectome(np.zeros((3, 3))) for _ in range(2))
    first.weight[[0, 1], [1, 2]] = 10.0
    second.weight[[0, 2], [1, 0]] = 10.0
    found = compare(("a", "b"), 10.0, first, second, NO_NULL)
    assert found.n_reported == (2, 2)
    assert found.overlap is not None and found.overlap.value == pytest.approx(1 / 3)
    assert found.expected_overlap == pytest.approx((4 / 6) / (4 - 4 / 6))
    off = ~np.eye(3, dtype=bool)
    assert found.weight_correlation is not None
    assert found.weight_correlation.value == pytest.approx(np.corrcoef(first.weight[off], second.weight[off])[0, 1])


def test_without_anything_found_nothing_is_defined() -> None:
    none = connectome(np.zeros((4, 4)))
    found = compare(("a", "b"), 10.0, none, none, NO_NULL)
    assert found.weight_correlation is found.score_correlation is found.overlap is None
    assert (found.p_weight, found.expected_overlap) == (1.0, 0.0)


def test_true_connections_are_found_in_both_parts_and_not_in_shifted_neurons() -> None:
    recording = ring(8, 6000)
    null = null_correlations(recording, infer, 5, n_surrogates=3, seed=1)
    assert len(null.weight) == len(null.score) == 9
    assert max(np.abs(null.weight)) < 0.5
    found, arrays = reliability(recording, infer, 5, null)
    whole = infer(recording).weight
    assert np.corrcoef(arrays["halves.second.weight"].ravel(), whole.ravel())[0, 1] > 0.9
    assert len(arrays) == 8
    for each in (found.interleaved, found.halves):
        assert each.weight_correlation is not None and each.weight_correlation.value > 0.9
        assert each.p_weight == pytest.approx(0.1)
        assert each.overlap is not None and each.overlap.value > 0.8
        assert min(each.n_reported) >= 8  # the ring
    assert found.halves.duration_s == pytest.approx(300, abs=1)


def test_independent_neurons_have_no_reliable_connections() -> None:
    values = np.random.default_rng(3).poisson(0.2, (4000, 8))
    recording = Recording.from_array(values, 0.1, "spikes")
    found, _ = reliability(recording, infer, 5, null_correlations(recording, infer, 5))
    assert found.interleaved.weight_correlation is not None
    assert found.interleaved.weight_correlation.low < 0.2
    assert found.interleaved.overlap is None or found.interleaved.overlap.value < 0.3


def test_states_are_told_apart_by_the_behaviour() -> None:
    speed = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 1000)
    used: list[np.ndarray] = []

    def watch(part: Recording) -> Connectome:
        used.append(part.behaviour_values[:, 0])
        return infer(part)

    found, arrays = states(ring(5, 6000, behaviour=speed), watch, 10, NO_NULL)
    assert set(arrays) == {f"states.{part}.{what}" for part in ("first", "second") for what in ("weight", "scores")}
    assert (found.variable, found.comparison.parts) == ("running_speed", ("low running_speed", "high running_speed"))
    assert set(used[0]) == {0.0} and set(used[1]) == {1.0}
    assert len(used[0]) == 3000 - 2 * 10  # a gap after each change of state


@pytest.mark.parametrize("behaviour", [None, np.ones(600)])
def test_states_need_a_behaviour_that_changes(behaviour: np.ndarray | None) -> None:
    with pytest.raises(InputError, match=r"no behaviour|does not define two states"):
        states(ring(4, 600, behaviour=behaviour), infer, 10, NO_NULL)


def test_blocks_of_one_state_are_joined() -> None:
    blocks = _blocks([(0, 40), (50, 70)], 10)
    assert blocks == [(0, 10), (10, 20), (20, 30), (30, 40), (50, 60), (60, 70)]
    chosen = np.array([False, True, True, False, True, False])
    assert _of_state(blocks, chosen, 3, [0, 50]) == [(13, 30), (50, 60)]
    assert _of_state(blocks, chosen, 12, [0, 50]) == [(22, 30), (50, 60)]  # a gap longer than a block
    assert _of_state(blocks, chosen, 20, [0, 50]) == [(50, 60)]


def test_blocks_of_different_epochs_are_not_joined() -> None:
    blocks = [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert _of_state(blocks, np.array([True, True, False, True]), 3, [0, 10, 20, 30]) == [(0, 10), (10, 20), (30, 40)]


def test_trials_with_pauses_between_them_are_sorted_by_state_whole() -> None:
    starts = np.arange(0, 400, 20.0)
    times = np.concatenate([start + 0.1 * (np.arange(80) + 0.5) for start in starts])
    trials = nap.IntervalSet(starts, starts + 8.0)
    counts = np.random.default_rng(0).poisson(0.2, (len(times), 4))
    speed = np.repeat(np.random.default_rng(1).random(20), 80)
    recording = Recording(
        activity=nap.TsdFrame(t=times, d=counts.astype(np.float32), time_support=trials),
        modality="spikes",
        dt_s=0.1,
        neurons=neuron_table(4),
        behaviour=nap.TsdFrame(t=times, d=speed[:, None].astype(np.float32), time_support=trials, columns=["running"]),
    )
    seen: list[Recording] = []

    def watch(part: Recording) -> Connectome:
        seen.append(part)
        return infer(part)

    states(recording, watch, 100, NO_NULL)  # a gap longer than a trial: there is none between trials
    for part in seen:
        assert part.epochs.tot_length() == pytest.approx(10 * 8.0)
        assert [stop - start for start, stop in part.segments] == [80] * 10


def test_a_state_of_which_no_time_is_left_is_refused() -> None:
    speed = np.tile(np.repeat([1.0, 0.0], 200), 4)
    with pytest.raises(InputError, match="no time is left behind gaps of 250 steps"):
        states(ring(4, 1600, behaviour=speed), infer, 250, NO_NULL)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Pvalb-Tac1", False), ("PV", False), ("Sst", False), ("inhibitory", False), ("Vip", False), ("unknown", None),
     ("excitatory", True), ("Pyramidal", True), ("Rorb", True), ("L2/3 IT", True), ("", None)],
)  # fmt: skip
def test_what_the_name_of_a_type_says(name: str, expected: bool | None) -> None:
    assert excites(name) is expected


def test_types_that_were_measured() -> None:
    assert [measured_type(each) for each in ("excitatory", "Pvalb", "sst-calb2", "VIP", "Lamp5")] == [0, 1, 2, 3, None]


def test_signs_of_known_types() -> None:
    rng = np.random.default_rng(0)
    kinds = ["excitatory"] * 8 + ["Pvalb"] * 4 + ["unknown"] * 3
    found = random_connectome(15)
    found.weight[:] += np.where(np.arange(15) < 8, 0.1, -0.1)
    np.fill_diagonal(found.weight, 0)
    neurons = neuron_table(15, cell_type=rng.permuted(kinds).tolist())
    result = signs(found, neurons)
    known = neurons["cell_type"] != "unknown"
    expected = roc_auc_score(neurons["cell_type"][known] == "excitatory", found.weight.sum(axis=0)[known])
    assert (result.n_excitatory, result.n_inhibitory) == (8, 4)
    assert result.auroc.value == pytest.approx(expected)
    by_type = {each.cell_type: each for each in result.types}
    assert by_type["unknown"].excites is None and by_type["Pvalb"].n_neurons == 4
    of_type = found.weight.sum(axis=0)[neurons["cell_type"] == "Pvalb"]
    assert by_type["Pvalb"].share_excitatory == pytest.approx(np.mean(of_type > 0))


def narrow_and_broad(n_narrow: int, n_broad: int, n_unknown: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """Neurons in random order, and which have narrow spikes."""
    widths = np.r_[np.full(n_narrow, 0.2), 0.39, np.full(n_broad - 1, 0.7), 0.4, np.full(n_unknown, np.nan)]
    widths = np.random.default_rng(3).permutation(widths)
    return neuron_table(len(widths), trough_to_peak_ms=widths), widths < 0.4


def test_narrow_spikes_send_inhibition() -> None:
    neurons, narrow = narrow_and_broad(6, 12)
    known = neurons["trough_to_peak_ms"].notna().to_numpy()
    found = random_connectome(len(neurons))
    found.weight[:] += np.where(narrow, -0.4, 0.4)
    np.fill_diagonal(found.weight, 0)
    result = waveform(found, neurons)
    sent = found.weight.sum(axis=0)
    assert (result.n_excitatory, result.n_inhibitory) == (12, 7)
    assert result.auroc.value == pytest.approx(roc_auc_score(~narrow[known], sent[known]))
    assert result.auroc.value > 0.9 and result.p_value < 0.01
    assert {each.cell_type: each.excites for each in result.types} == {
        "narrow": False, "broad": True, "width unknown": None,
    }  # fmt: skip
    assert waveform(random_connectome(len(neurons)), neurons).p_value > 0.05
    assert waveform(connectome(-found.weight), neurons).p_value > 0.99
    assert knowledge(found, neurons).waveform == result


@pytest.mark.parametrize(("n_narrow", "n_broad", "counts"), [(3, 8, "4 and 8"), (6, 4, "7 and 4")])
def test_too_few_units_of_either_width(n_narrow: int, n_broad: int, counts: str) -> None:
    neurons, _ = narrow_and_broad(n_narrow, n_broad)
    with pytest.raises(InputError, match=f"At least 5 units .* {counts} have"):
        waveform(random_connectome(len(neurons)), neurons)


def test_evidence_falls_off_with_distance() -> None:
    rng = np.random.default_rng(1)
    place = rng.uniform(0, 500, (30, 3))
    place[:, 2] = np.nan  # depth is not known
    apart = np.linalg.norm(place[:, None, :2] - place[:, :2], axis=-1)
    found = connectome(10 * np.exp(-apart / 50) + rng.normal(0, 0.1, apart.shape))
    result = distance(found, neuron_table(30, position_um=place))
    off = ~np.eye(30, dtype=bool)
    assert result.correlation == pytest.approx(spearmanr(apart[off], np.abs(found.scores[off])).statistic)
    assert result.correlation < -0.5 and result.p_value == pytest.approx(0.001)
    assert result.mean_score[0] == max(result.mean_score)
    assert np.all(np.diff(result.distance_um) > 0)
    unrelated = distance(found, neuron_table(30, position_um=rng.uniform(0, 500, (30, 3))))
    assert unrelated.p_value > 0.01


def test_areas_by_hand() -> None:
    weight = np.array([[0, 4, 1, 0], [2, 0, 1, 0], [0, 0, 0, 5], [0, 0, 5, 0]])
    result = areas(connectome(weight), neuron_table(4, area=["V1", "V1", "LM", "LM"]))
    assert result.areas == ["LM", "V1"]
    assert result.mean_score == [[5.0, 0.0], [0.5, 3.0]]  # [post][pre]
    assert (result.within, result.between) == (4.0, 0.25)
    assert result.share_reported[0][0] == 1.0


def test_block_structure_is_significant_only_where_it_is() -> None:
    names = ["a"] * 10 + ["b"] * 10
    noise = random_connectome(20)
    within = np.kron(np.eye(2), np.ones((10, 10)))
    assert areas(noise, neuron_table(20, area=names)).p_value > 0.05
    assert areas(connectome(noise.weight + 2 * within), neuron_table(20, area=names)).p_value < 0.01


def test_cell_types_that_follow_the_table() -> None:
    kinds = ["excitatory"] * 6 + ["Pvalb"] * 5 + ["Sst"] * 4
    weight = np.array([[PROBABILITY[a][b] * STRENGTH_MV[a][b] for b in kinds] for a in kinds])
    result = cell_types(connectome(weight), neuron_table(15, cell_type=kinds))
    assert result.types == ["excitatory", "Pvalb", "Sst"] and result.n_blocks == 9
    assert result.correlation == pytest.approx(1) and result.p_value < 0.01
    np.testing.assert_allclose(result.inferred, result.measured)
    backwards = cell_types(connectome(-weight), neuron_table(15, cell_type=kinds))
    assert backwards.correlation == pytest.approx(-1) and backwards.p_value == 1.0


def test_a_bare_neuron_table_says_nothing_and_why() -> None:
    found = knowledge(random_connectome(5), neuron_table(5))
    assert (found.signs, found.distance, found.areas, found.cell_types) == (None,) * 4
    assert set(found.skipped) == {"waveform", "signs", "distance", "areas", "cell_types"}


def test_a_full_neuron_table_is_used() -> None:
    place = np.random.default_rng(0).uniform(0, 100, (8, 3))
    table = neuron_table(8, cell_type=["Pvalb", "excitatory"] * 4, area=["x", "x", "y", "y"] * 2, position_um=place)
    assert set(knowledge(random_connectome(8), table).skipped) == {"waveform"}


@pytest.mark.parametrize(
    ("difference", "other", "verdict"),
    [((0.1, 0.3), (0.0, 1.0), "better"), ((-0.3, -0.1), (0.0, 1.0), "worse"), ((-0.1, 0.1), (0.0, 1.0), "undecided"),
     (None, (0.1, 0.2), "better"), (None, (0.7, 0.8), "worse"), (None, (0.5, 0.7), "undecided")],
)  # fmt: skip
def test_verdicts_on_forecasts(
    difference: tuple[float, float] | None, other: tuple[float, float], verdict: str
) -> None:
    def between(limits: tuple[float, float]) -> Estimate:
        return Estimate(value=sum(limits) / 2, low=limits[0], high=limits[1])

    skill = between(other)
    scores = ForecastScores(
        method="var", horizon_steps=[1], mse=[skill], r2=[skill], correlation=[skill], skill_over_mean=[skill],
        skill_over_copy=[skill], bits_per_spike=None,
        behind_synapsnet=None if difference is None else [between(difference)],
    )  # fmt: skip
    assert _rival(scores, 0, between((0.4, 0.6))).verdict == verdict


def test_quartiles_leave_out_what_is_not_defined() -> None:
    assert Quartiles.of([1.0, 2.0, 3.0, np.nan]) == Quartiles(low=1.5, median=2.0, high=2.5)
    assert np.isnan(Quartiles.of([]).median)
