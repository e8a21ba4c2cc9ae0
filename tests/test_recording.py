"""The data model: what it refuses, and that its parts stay together when it is cut or reordered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pynapple as nap
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import NEURON_COLUMNS, Recording, Simulation, check_varying, neuron_table

N_NEURONS = 4


def make_recording(lengths: list[int] | None = None, seed: int = 0, **options: Any) -> Recording:
    """A spike recording with every optional part: each value is unique, so that a mix-up shows."""
    lengths = lengths or [30, 20]
    rng = np.random.default_rng(seed)
    n_steps = sum(lengths)
    weight = rng.normal(size=(N_NEURONS, N_NEURONS)) * (1 - np.eye(N_NEURONS))
    end_s = (n_steps + len(lengths)) * 0.1
    spikes = {k: nap.Ts(np.sort(rng.uniform(0, end_s, 15))) for k in range(N_NEURONS)}
    return Recording.from_array(
        **{
            "activity": np.arange(n_steps * N_NEURONS).reshape(n_steps, N_NEURONS),
            "dt_s": 0.1,
            "modality": "spikes",
            "segments": lengths,
            "behaviour": rng.normal(size=(n_steps, 2)),
            "behaviour_names": ["speed", "pupil"],
            "neurons": neuron_table(N_NEURONS, ids=list("abcd"), cell_type=["E", "E", "I", "I"]),
            "connectome": Connectome(weight, delay_s=np.where(weight, 0.001, np.nan)),
            "spike_times": nap.TsGroup(spikes, time_support=nap.IntervalSet(0, end_s)),
            **options,
        }
    )


@pytest.fixture
def counts() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).poisson(1.0, (50, 3)).astype(np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_refuses_values_that_are_not_finite_and_names_the_neuron(counts, value, modality):
    counts[7, 1] = value
    with pytest.raises(InputError, match="NaN or infinite values in neuron 1;"):
        Recording.from_array(counts, 0.01, modality)


def test_names_only_the_first_of_many_bad_neurons():
    with pytest.raises(InputError, match="in neurons 0, 1, 2, 3, 4 and 5 more;"):
        Recording.from_array(np.full((20, 10), np.nan), 0.01, "calcium")


def test_refuses_a_constant_neuron(counts):
    counts[:, 2] = 3
    with pytest.raises(InputError, match="never changes in neuron 2:"):
        Recording.from_array(counts, 0.01, "calcium")


def test_a_constant_neuron_is_left_to_the_caller_on_request(counts):
    counts[:, 2] = 3
    recording = Recording.from_array(counts, 0.01, "spikes", require_varying=False)
    with pytest.raises(InputError, match="neuron 2"):
        check_varying(recording)


def test_refuses_zero_spikes():
    with pytest.raises(InputError, match="no spikes at all"):
        Recording.from_array(np.zeros((50, 3)), 0.01, "spikes")


@pytest.mark.parametrize("n_neurons", [0, 1])
def test_refuses_fewer_than_two_neurons(n_neurons):
    with pytest.raises(InputError, match="at least 2 neurons"):
        Recording.from_array(np.ones((50, n_neurons)), 0.01, "calcium")


def test_refuses_fewer_than_two_steps():
    with pytest.raises(InputError, match="at least 2 time steps; got 1"):
        Recording.from_array(np.ones((1, 3)), 0.01, "calcium")


@pytest.mark.parametrize("shape", [(50,), (5, 10, 3)])
def test_refuses_activity_that_is_not_time_by_neurons(shape):
    with pytest.raises(InputError, match=f"time x neurons array; got {len(shape)} dimensions"):
        Recording.from_array(np.ones(shape), 0.01, "calcium")


def test_refuses_negative_counts_but_not_negative_fluorescence(counts):
    counts[0, 0] = -1
    assert Recording.from_array(counts, 0.01, "calcium").n_neurons == 3
    with pytest.raises(InputError, match="Spike counts must not be negative"):
        Recording.from_array(counts, 0.01, "spikes")


@pytest.mark.parametrize("dt_s", [0.0, -0.01, np.nan, np.inf])
def test_refuses_an_unusable_time_step(counts, dt_s):
    activity = nap.TsdFrame(t=np.arange(50) * 0.01, d=counts)
    with pytest.raises(InputError, match="dt_s must be a positive number"):
        Recording(activity, dt_s, "spikes", neuron_table(3))


def test_refuses_an_unknown_modality(counts):
    with pytest.raises(InputError, match="'calcium' or 'spikes'; got 'voltage'"):
        Recording.from_array(counts, 0.01, "voltage")


def test_refuses_a_gap_that_is_not_an_epoch_border(counts):
    times = np.arange(50) * 0.01
    times[30:] += 0.5
    with pytest.raises(InputError, match=r"uniform grid of 0.01 s .* found a step of 0.51 s"):
        Recording(nap.TsdFrame(t=times, d=counts), 0.01, "spikes", neuron_table(3))


def test_accepts_the_same_gap_between_two_epochs(counts):
    times = np.arange(50) * 0.01
    times[30:] += 0.5
    epochs = nap.IntervalSet([0, times[30]], [times[29], times[-1]])
    recording = Recording(nap.TsdFrame(t=times, d=counts, time_support=epochs), 0.01, "spikes", neuron_table(3))
    assert recording.segments == [(0, 30), (30, 50)]


def test_refuses_behaviour_of_another_length(counts):
    with pytest.raises(InputError, match="activity's 50 time steps; got 49"):
        Recording.from_array(counts, 0.01, "spikes", behaviour=np.ones((49, 2)))
    recording = make_recording()
    with pytest.raises(InputError, match="grid of the activity, 50 steps; got 49"):
        replace(recording, behaviour=recording.behaviour[:49])


def test_refuses_behaviour_on_another_clock():
    recording = make_recording()
    late = nap.TsdFrame(t=recording.behaviour.times() + 0.04, d=recording.behaviour.values)
    with pytest.raises(InputError, match="its times differ"):
        replace(recording, behaviour=late)


def test_refuses_behaviour_that_is_not_finite(counts):
    behaviour = np.ones((50, 1))
    behaviour[3] = np.nan
    with pytest.raises(InputError, match="Behaviour holds NaN"):
        Recording.from_array(counts, 0.01, "spikes", behaviour=behaviour)


def test_refuses_a_neuron_table_of_another_size(counts):
    with pytest.raises(InputError, match=r"must have 3 rows .* got 2 rows"):
        Recording.from_array(counts, 0.01, "spikes", neurons=neuron_table(2))


def test_refuses_a_neuron_table_without_its_columns(counts):
    with pytest.raises(InputError, match="columns id, cell_type, x_um, y_um, z_um, area; got 3 rows and id"):
        Recording.from_array(counts, 0.01, "spikes", neurons=neuron_table(3)[["id"]])


def test_durations_of_waveforms_are_a_column_only_where_one_is_known(counts):
    assert list(neuron_table(3)) == list(neuron_table(3, trough_to_peak_ms=[np.nan] * 3)) == list(NEURON_COLUMNS)
    known = neuron_table(3, trough_to_peak_ms=[0.3, np.nan, 0.7])
    assert list(known) == [*NEURON_COLUMNS, "trough_to_peak_ms"]
    recording = Recording.from_array(counts, 0.01, "spikes", neurons=known)
    kept = recording.select_neurons([2, 0]).without_ground_truth().select_rows([(0, 20)])
    assert kept.neurons["trough_to_peak_ms"].tolist() == [0.7, 0.3]


@pytest.mark.parametrize("duration_ms", [0, -0.2, np.inf])
def test_refuses_durations_of_waveforms_that_are_not_positive(duration_ms):
    with pytest.raises(InputError, match="trough_to_peak_ms must be positive, or NaN"):
        neuron_table(2, trough_to_peak_ms=[0.3, duration_ms])


def test_refuses_a_connectome_of_other_neurons(counts):
    with pytest.raises(InputError, match="of the 3 recorded neurons; got one of 2"):
        Recording.from_array(counts, 0.01, "spikes", connectome=Connectome(np.zeros((2, 2))))


def test_refuses_spike_times_of_other_neurons(counts):
    trains = nap.TsGroup({0: nap.Ts([0.1, 0.2])}, time_support=nap.IntervalSet(0, 1))
    with pytest.raises(InputError, match="of the 3 recorded neurons; got 1 train"):
        Recording.from_array(counts, 0.01, "spikes", spike_times=trains)


@pytest.mark.parametrize("segments", [[20, 20], [50, 0], [60, -10], []])
def test_refuses_segments_that_do_not_add_up(counts, segments):
    with pytest.raises(InputError, match="sum to the 50 time steps"):
        Recording.from_array(counts, 0.01, "spikes", segments=segments)


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({"weight": np.zeros((2, 3))}, "square"),
        ({"weight": np.zeros(4)}, "square"),
        ({"weight": np.array([[0.0, np.nan], [1.0, 0.0]])}, "NaN or infinite"),
        ({"weight": np.eye(2)}, "self-connections"),
        ({"weight": np.zeros((2, 2)), "delay_s": np.zeros((3, 3))}, "delay_s must have the shape"),
        ({"weight": np.zeros((2, 2)), "standard_error": np.zeros(2)}, "standard_error must have the shape"),
        ({"weight": np.zeros((2, 2)), "local_fdr": np.full((2, 2), 1.5)}, "local_fdr must lie between 0 and 1"),
        ({"weight": np.zeros((2, 2)), "p_value": np.full((2, 2), np.nan)}, "p_value must lie between 0 and 1"),
    ],
)
def test_connectome_refuses_unusable_matrices(matrices, message):
    with pytest.raises(InputError, match=message):
        Connectome(**matrices)


def test_connectome_scores_are_weights_over_their_standard_errors():
    weight = np.array([[0.0, 2.0], [-3.0, 0.0]])
    assert np.array_equal(Connectome(weight).scores, weight)
    scores = Connectome(weight, standard_error=np.array([[0.0, 4.0], [0.0, 1.0]])).scores
    assert np.array_equal(scores, [[0, 0.5], [0, 0]])  # an unknown error gives no evidence


def test_simulation_refuses_parts_of_different_sizes():
    trains = nap.TsGroup({0: nap.Ts([0.1, 0.2])}, time_support=nap.IntervalSet(0, 1))
    with pytest.raises(InputError, match=r"2 neurons needs 2 spike trains .* got 1 and 2"):
        Simulation(trains, neuron_table(2), Connectome(np.zeros((2, 2))))


lengths_of_epochs = st.lists(st.integers(1, 12), min_size=1, max_size=5).filter(lambda lengths: sum(lengths) >= 2)
dts_s = st.sampled_from([0.001, 0.005, 1 / 30, 1 / 6.3, 0.1, 7.0])


@given(lengths=lengths_of_epochs, dt_s=dts_s)
def test_segments_are_the_lengths_given_whatever_the_time_step(lengths, dt_s):
    values = np.arange(2 * sum(lengths)).reshape(-1, 2)
    recording = Recording.from_array(values, dt_s, "calcium", segments=lengths)
    stops = np.cumsum(lengths).tolist()
    assert recording.segments == list(zip([0, *stops[:-1]], stops, strict=True))
    assert np.array_equal(recording.values, values)


@st.composite
def pieces_of_epochs(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """Lengths of epochs, and at most one piece `[start, stop)` of each; two rows or more in all."""
    lengths = draw(lengths_of_epochs)
    stops = np.cumsum(lengths)
    pieces = []
    for length, stop in zip(lengths, stops.tolist(), strict=True):
        a, b = sorted(draw(st.tuples(st.integers(0, length), st.integers(0, length))))
        if b > a:
            pieces.append((stop - length + a, stop - length + b))
    assume(sum(b - a for a, b in pieces) >= 2)
    return lengths, pieces


@given(cut=pieces_of_epochs())
def test_select_rows_keeps_activity_behaviour_and_borders_together(cut):
    lengths, pieces = cut
    recording = make_recording(lengths)
    part = recording.select_rows(pieces)
    rows = np.concatenate([np.arange(a, b) for a, b in pieces])
    assert np.array_equal(part.values, recording.values[rows])
    assert np.array_equal(part.behaviour_values, recording.behaviour_values[rows])
    assert np.array_equal(part.activity.times(), recording.activity.times()[rows])
    assert [b - a for a, b in part.segments] == [b - a for a, b in pieces]
    assert list(part.behaviour.columns) == ["speed", "pupil"]


@given(cut=pieces_of_epochs())
def test_select_rows_keeps_only_spike_times_within_its_rows(cut):
    lengths, pieces = cut
    recording = make_recording(lengths)
    part = recording.select_rows(pieces)
    times = recording.activity.times()
    for k in range(N_NEURONS):
        train = recording.spike_times[k].times()
        inside = [(train >= times[a] - 0.05 - 1e-9) & (train <= times[b - 1] + 0.05 + 1e-9) for a, b in pieces]
        assert np.array_equal(part.spike_times[k].times(), train[np.any(inside, axis=0)])


orders = st.permutations(range(N_NEURONS))


@given(order=orders, n=st.integers(2, N_NEURONS))
def test_select_neurons_keeps_all_parts_of_a_neuron_together(order, n):
    chosen = order[:n]
    recording = make_recording()
    part = recording.select_neurons(chosen)
    assert np.array_equal(part.values, recording.values[:, chosen])
    assert list(part.neurons["id"]) == ["abcd"[k] for k in chosen]
    assert np.array_equal(part.connectome.weight, recording.connectome.weight[np.ix_(chosen, chosen)])
    assert np.array_equal(part.connectome.delay_s, recording.connectome.delay_s[np.ix_(chosen, chosen)], equal_nan=True)
    for new, old in enumerate(chosen):
        assert np.array_equal(part.spike_times[new].times(), recording.spike_times[old].times())
    assert part.segments == recording.segments
    assert np.array_equal(part.behaviour_values, recording.behaviour_values)


@given(order=orders)
def test_permuting_neurons_and_back_changes_nothing(order):
    recording = make_recording()
    back = recording.select_neurons(order).select_neurons(np.argsort(order))
    assert np.array_equal(back.values, recording.values)
    assert back.neurons.equals(recording.neurons)
    assert np.array_equal(back.connectome.weight, recording.connectome.weight)
    assert all(np.array_equal(back.spike_times[k].times(), recording.spike_times[k].times()) for k in range(N_NEURONS))


@given(order=orders)
def test_the_connectome_moves_with_its_neurons(order):
    connectome = make_recording().connectome
    moved = connectome.select(order)
    for post in range(N_NEURONS):
        for pre in range(N_NEURONS):
            assert moved.weight[post, pre] == connectome.weight[order[post], order[pre]]


def test_a_method_sees_no_ground_truth():
    recording = make_recording(metadata={"network": "lif-random"})
    seen = recording.without_ground_truth()
    assert seen.connectome is None
    assert seen.metadata == {}
    assert seen.spike_times is recording.spike_times  # what was sorted
    assert replace(recording, modality="calcium").without_ground_truth().spike_times is None


def test_behaviour_values_are_empty_where_there_is_no_behaviour():
    assert make_recording(behaviour=None).behaviour_values.shape == (50, 0)


def test_one_behavioural_variable_may_be_a_plain_vector():
    recording = make_recording(behaviour=np.arange(50), behaviour_names=["speed"])
    assert np.array_equal(recording.behaviour_values[:, 0], np.arange(50))


def test_significance_is_that_of_benjamini_and_hochberg_by_hand():
    """p-values .002, .01, .5 of three pairs, and three of 1: thresholds .05 k / 6 are .0083, .0167, .025."""
    z = np.zeros((3, 3))
    z[0, 1], z[1, 0], z[2, 0] = norm.isf([0.001, 0.005, 0.25])
    z[1, 0] *= -1
    inferred = Connectome(z * 2.0, standard_error=np.full((3, 3), 2.0))
    assert inferred.p_values[[0, 1, 2, 0, 0], [1, 0, 0, 2, 0]] == pytest.approx([0.002, 0.01, 0.5, 1, 1])
    assert np.argwhere(inferred.significant(0.05)).tolist() == [[0, 1], [1, 0]]
    assert np.argwhere(inferred.significant(0.02)).tolist() == [[0, 1]]


def test_significance_by_local_false_discovery_rates():
    """As many of the smallest as have a mean below the rate, by hand: 0.01, then 0.03, then 0.05, then 0.16."""
    local = np.array([[1.0, 0.01, 0.05], [0.09, 1.0, 0.5], [0.9, 0.9, 1.0]])
    weight = np.array([[0.0, 2.0, -1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    inferred = Connectome(weight, standard_error=np.ones((3, 3)), local_fdr=local)
    assert np.argwhere(inferred.significant(0.02)).tolist() == [[0, 1]]
    assert np.argwhere(inferred.significant(0.051)).tolist() == [[0, 1], [0, 2], [1, 0]]
    assert inferred.scores == pytest.approx(np.sign(weight) * -np.log(local))
    for precision in (np.float32, np.float64):
        assert np.isfinite(Connectome(weight, local_fdr=np.zeros((3, 3), precision)).scores).all()
    assert inferred.select([0, 2]).local_fdr.tolist() == [[1.0, 0.05], [0.9, 1.0]]


def test_p_values_that_are_given_are_taken():
    p_value = np.array([[1.0, 0.001], [0.2, 1.0]])
    inferred = Connectome(np.array([[0.0, 1.0], [1.0, 0.0]]), standard_error=np.ones((2, 2)), p_value=p_value)
    assert inferred.p_values is p_value
    assert np.argwhere(inferred.significant()).tolist() == [[0, 1]]


def test_noise_is_hardly_ever_significant():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200, 30, 30)) * ~np.eye(30, dtype=bool)
    found = [Connectome(each, standard_error=np.ones((30, 30))).significant().any() for each in z]
    assert 0.01 < np.mean(found) < 0.1  # without any connection, the chance to find one is the rate itself


def test_significance_needs_standard_errors_and_a_rate():
    with pytest.raises(InputError, match="no p-values or standard errors"):
        Connectome(np.zeros((2, 2))).significant()
    with pytest.raises(InputError, match=r"must lie between 0 and 1; got 1.0"):
        Connectome(np.zeros((2, 2)), standard_error=np.ones((2, 2))).significant(fdr=1.0)


def test_the_verdict_says_how_many_are_reported_or_that_none_is():
    weight = np.zeros((4, 4))
    weight[1, 0] = 10.0
    found = Connectome(weight, standard_error=np.ones((4, 4)))
    assert found.verdict() == "1 of 12 pairs are reported as connected at a false discovery rate of 5%."
    nothing = Connectome(weight, standard_error=np.full((4, 4), 9.0))
    assert nothing.verdict(0.1) == "This recording does not support any connection at a false discovery rate of 10%."


@pytest.mark.parametrize("at_once", [7, 50, 10**6])
def test_lists_of_pairs_are_those_of_the_matrices(at_once, monkeypatch):
    monkeypatch.setattr("synapsnet.connectome.BLOCK_PAIRS", at_once)
    n = 12
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.8)
    np.fill_diagonal(weight, 0)
    local_fdr = np.where(rng.random((n, n)) < 0.3, rng.random((n, n)) ** 4, 0.999)
    local_fdr[3, 5] = local_fdr[4, 1] = local_fdr[5, 4]  # equal ones, in their order
    sparse = Connectome(weight, standard_error=np.ones((n, n)), local_fdr=local_fdr)
    for connectome in (sparse, Connectome(weight, standard_error=np.ones((n, n))), Connectome(weight)):
        evidence = np.abs(connectome.scores)
        np.fill_diagonal(evidence, -1)
        for most in (0, 1, 30, n * (n - 1), 10**6):
            expected = np.argsort(-evidence.ravel(), kind="stable")[: min(most, n * (n - 1))]
            assert np.ravel_multi_index(connectome.surest(most), (n, n)).tolist() == expected.tolist()
        post, pre = connectome.surest(40)
        np.testing.assert_array_equal(connectome.scores_of(post, pre), connectome.scores[post, pre])
        if connectome.judges_significance:
            np.testing.assert_array_equal(connectome.q_values_of(post, pre), connectome.q_values[post, pre])
            for fdr in (0.01, 0.05, 0.3, 0.9):
                post, pre, q_values = connectome.reported(fdr)
                assert sorted(zip(post, pre, strict=True)) == list(
                    zip(*np.nonzero(connectome.q_values <= fdr), strict=True)
                )
                np.testing.assert_array_equal(q_values, np.sort(connectome.q_values[connectome.q_values <= fdr]))
            counts = [int((connectome.q_values <= rate).sum()) for rate in (0.01, 0.2)]
            assert connectome.n_reported((0.01, 0.2)) == counts
