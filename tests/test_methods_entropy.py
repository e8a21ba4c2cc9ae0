"""Transfer entropy: analytic values, chance, and what it is conditioned on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm
from sklearn.metrics import mutual_info_score

from synapsnet.recording import Recording
from validation.methods import GeneralisedTransferEntropy, TransferEntropy
from validation.methods.transfer_entropy import _any_of, _log_tail, _z_value, conditional_information


def entropy_bits(p: float) -> float:
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def copying(n_steps: int, flip: float, delay: int = 1, seed: int = 0) -> np.ndarray:
    """Neuron 0 is a fair coin; neuron 1 copies it `delay` steps later, but for a fraction of errors."""
    rng = np.random.default_rng(seed)
    coin = rng.integers(0, 2, n_steps)
    copy = np.roll(coin, delay) ^ (rng.random(n_steps) < flip)
    return np.stack([coin, copy, rng.integers(0, 2, n_steps)], axis=1)


@pytest.mark.parametrize("delay", [1, 3])
def test_transfer_entropy_of_a_noisy_copy_is_the_capacity_of_its_channel(delay):
    """A binary symmetric channel: 1 - H(flip) bits, all of it in one direction and at one delay."""
    recording = Recording.from_array(copying(100_000, 0.1, delay), 0.005, "spikes")
    inferred = TransferEntropy(max_delay_s=0.015).infer(recording)
    assert inferred.weight[1, 0] == pytest.approx(1 - entropy_bits(0.1), abs=0.01)
    other = np.abs(inferred.weight)
    other[1, 0] = 0
    assert other.max() < 3e-4
    assert np.abs(inferred.scores[[0, 0, 2, 1, 2], [1, 2, 0, 2, 1]]).max() < 4


def test_the_own_past_can_be_longer_than_a_byte():
    recording = Recording.from_array(copying(100_000, 0.1), 0.005, "spikes")
    inferred = TransferEntropy(order=9, max_delay_s=0.005).infer(recording)
    assert inferred.weight[1, 0] == pytest.approx(1 - entropy_bits(0.1), abs=0.01)


def test_transfer_entropy_of_a_markov_chain_is_what_its_transitions_say():
    """x(t) spikes with a probability that depends on its own last step and on y's: the sum over states by hand."""
    rng = np.random.default_rng(2)
    spiking = np.array([[0.1, 0.3], [0.05, 0.6]])  # [own last step, y's last step]
    n_steps = 200_000
    y = (rng.random(n_steps) < 0.25).astype(int)
    x, draws = np.zeros(n_steps, int), rng.random(n_steps)
    for t in range(1, n_steps):
        x[t] = draws[t] < spiking[x[t - 1], y[t - 1]]
    mean = spiking @ [0.75, 0.25]  # given the own last step alone
    stationary = mean[0] / (1 - mean[1] + mean[0])
    expected = sum(
        p_own * (entropy_bits(mean[own]) - 0.75 * entropy_bits(spiking[own, 0]) - 0.25 * entropy_bits(spiking[own, 1]))
        for own, p_own in enumerate((1 - stationary, stationary))
    )
    recording = Recording.from_array(np.stack([x, y], axis=1), 0.005, "spikes")
    inferred = TransferEntropy(order=1, max_delay_s=0.005).infer(recording)
    assert inferred.weight[0, 1] == pytest.approx(expected, rel=0.03)
    assert abs(inferred.weight[1, 0]) < 1e-4


def test_the_sign_tells_suppression_from_excitation():
    rng = np.random.default_rng(0)
    y = rng.random(50_000) < 0.2
    probability = np.where(np.roll(y, 1), 0.02, 0.2)
    recording = Recording.from_array(np.stack([rng.random(50_000) < probability, y], axis=1), 0.005, "spikes")
    assert TransferEntropy().infer(recording).scores[0, 1] < -10
    flipped = Recording.from_array(np.stack([rng.random(50_000) > probability, y], axis=1), 0.005, "spikes")
    assert TransferEntropy().infer(flipped).scores[0, 1] > 10


def test_the_scores_of_independent_neurons_are_normal():
    counts = np.random.default_rng(1).poisson(0.2, (20_000, 25))
    inferred = TransferEntropy(max_delay_s=0.015).infer(Recording.from_array(counts, 0.005, "spikes"))
    score = np.abs(inferred.scores[~np.eye(25, dtype=bool)])
    tail = score[score > 1]  # information below its bias is set to 0, and with it the score
    expected = norm.sf(1) * 2 * 600
    assert len(tail) == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert kstest((norm.cdf(tail) - norm.cdf(1)) / norm.sf(1), "uniform").pvalue > 1e-3


def test_conditional_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(4)
    target, past = rng.integers(0, 3, (3000, 2)), rng.integers(0, 2, (3000, 2))
    source = (target + rng.integers(0, 2, (3000, 2)) + past) % 3
    found = conditional_information(target, past, source, range(3))
    for post, pre in [(0, 1), (1, 0), (0, 0)]:
        expected = sum(
            (past[:, post] == p).mean()
            * mutual_info_score(target[past[:, post] == p, post], source[past[:, post] == p, pre])
            for p in (0, 1)
        )
        assert found.nats[post, pre] == pytest.approx(expected, abs=1e-6)
    assert (found.degrees == 2 * 2 * 2).all()


def test_no_pair_of_steps_crosses_an_epoch():
    spikes = copying(4000, 0.0)
    spikes[np.arange(0, 4000, 2), 1] = 1  # the copy is right only where no epoch starts
    lengths = [2] * 2000
    epochs = Recording.from_array(spikes, 0.005, "spikes", segments=lengths)
    inferred = TransferEntropy(order=1, max_delay_s=0.005).infer(epochs)
    assert inferred.weight[1, 0] == pytest.approx(1, abs=0.01)


def test_probabilities_far_in_the_tail_keep_their_order():
    log_p = np.array([-1e-3, -1.0, -30.0, -900.0, -1e5])
    statistic = np.array([3.0, 100.0, 1300.0, 1400.0, 5000.0])
    np.testing.assert_allclose(_log_tail(statistic, np.full(5, 2.0)), -statistic / 2)  # exactly, for 2 degrees
    np.testing.assert_allclose(
        _log_tail(statistic, np.full(5, 4.0)), np.log1p(statistic / 2) - statistic / 2, atol=2e-3
    )
    assert (np.diff(_z_value(_any_of(3, log_p))) > 0).all()
    np.testing.assert_allclose(_any_of(1, log_p), log_p, rtol=1e-9)
    assert _any_of(3, np.log([0.1]))[0] == pytest.approx(np.log(1 - 0.9**3))
    assert _z_value(np.log([0.05]))[0] == pytest.approx(1.96, abs=1e-3)


def fluorescence(seed: int = 0, bursts: bool = False) -> Recording:
    """Jumps of neuron 0 are followed by jumps of neuron 1 in the same frame; neuron 2 is alone."""
    rng = np.random.default_rng(seed)
    jumps = (rng.random((20_000, 3)) < 0.05).astype(float)
    jumps[:, 1] = np.maximum(jumps[:, 1], jumps[:, 0] * (rng.random(20_000) < 0.5))
    if bursts:
        jumps[rng.random(20_000) < 0.02] = 3
    calcium = np.zeros_like(jumps)
    for t in range(1, len(jumps)):
        calcium[t] = 0.95 * calcium[t - 1] + jumps[t]
    return Recording.from_array(calcium + 0.1 * rng.standard_normal(calcium.shape), 1 / 30, "calcium")


def test_gte_sees_interactions_within_a_frame():
    weight = GeneralisedTransferEntropy().infer(fluorescence()).weight
    assert weight[1, 0] > 0.01
    assert np.abs(weight[[0, 1, 2, 2], [2, 2, 0, 1]]).max() < 0.1 * weight[1, 0]


def test_gte_in_calm_times_is_less_misled_by_bursts():
    def misled(calm: float) -> float:
        weight = np.abs(GeneralisedTransferEntropy(calm=calm).infer(fluorescence(bursts=True)).weight)
        return weight[2, 0] / weight[1, 0]

    assert misled(calm=0.5) < 0.5 * misled(calm=1.0)


@pytest.mark.parametrize("method", [TransferEntropy, GeneralisedTransferEntropy])
@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_entropies_do_not_depend_on_the_order_of_neurons(method, modality, spike_recording, calcium_recording):
    recording = {"spikes": spike_recording, "calcium": calcium_recording}[modality].select_rows([(0, 3000)])
    order = np.random.default_rng(1).permutation(recording.n_neurons)
    straight, permuted = method().infer(recording), method().infer(recording.select_neurons(order))
    np.testing.assert_allclose(permuted.scores, straight.scores[np.ix_(order, order)], atol=1e-6)
