"""The attainable ceiling: known answers, what bounds it, and what it makes of networks that have nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from simulators import observe_calcium, observe_spikes
from simulators.networks import LifRandom
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods import BOUNDS, GLM, METHODS, Ceiling, find_method
from validation.methods.ceiling import observe

N = 12


def network(seed: int = 0, strength: float = 1.0, density: float = 0.2) -> Connectome:
    """Every fourth neuron inhibits, twice as strongly as the others excite."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 1.5, (N, N)) * (rng.random((N, N)) < density)
    weight[:, ::4] *= -2
    np.fill_diagonal(weight, 0)
    return Connectome(strength * weight)


def spikes(truth: Connectome, n_steps: int, seed: int = 0) -> Recording:
    """Poisson neurons that see the spikes of the step before."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((n_steps, N))
    for t in range(1, n_steps):
        counts[t] = rng.poisson(np.exp((np.log(0.15) + 0.6 * truth.weight @ counts[t - 1]).clip(max=0.5)))
    return Recording.from_array(counts, 0.005, "spikes", require_varying=False)


def auprc(truth: Connectome, inferred: Connectome) -> float:
    pairs = ~np.eye(truth.n_neurons, dtype=bool)
    return float(average_precision_score(truth.adjacency[pairs], np.abs(inferred.scores[pairs])))


def mean_auprc(truth: Connectome, recording: Recording, n_draws: int = 4) -> float:
    return float(np.mean([auprc(truth, Ceiling(truth, seed).infer(recording)) for seed in range(n_draws)]))


def test_a_long_recording_tells_everything():
    truth = network()
    inferred = Ceiling(truth).infer(spikes(truth, 40_000))
    assert auprc(truth, inferred) > 0.999
    assert (np.sign(inferred.weight) == np.sign(truth.weight))[truth.adjacency].all()
    assert np.abs(inferred.weight).max() <= 1 + 1e-9 and inferred.standard_error is None


def test_a_short_recording_tells_nothing():
    above_chance = []
    for seed in range(5):
        truth = network(seed, density=0.4)
        chance = truth.adjacency.sum() / (N * (N - 1))
        above_chance.append(mean_auprc(truth, spikes(truth, 40, seed), 2) - chance)
    assert 0 < np.mean(above_chance) < 0.12


def test_longer_recordings_tell_more():
    truth = network()
    scores = [mean_auprc(truth, spikes(truth, n_steps)) for n_steps in (50, 200, 1000)]
    assert scores[0] + 0.1 < scores[1] < scores[2] - 0.1


def test_noise_tells_less(small_simulation):
    truth = small_simulation.connectome
    noisy = [observe_calcium(small_simulation, noise_level=level).without_ground_truth() for level in (1.0, 8.0)]
    clear, blurred = (mean_auprc(truth, recording) for recording in noisy)
    assert blurred < clear - 0.1


def test_no_less_than_the_glm(simulate_once):
    reached = []
    for seed in (1, 2, 3):
        simulation = simulate_once(LifRandom(n_neurons=20, connection_probability=0.15), duration_s=60.0, seed=seed)
        recording = observe_spikes(simulation).without_ground_truth()
        truth = simulation.connectome
        reached.append((auprc(truth, GLM().infer(recording)), auprc(truth, Ceiling(truth).infer(recording))))
    glm, ceiling = np.mean(reached, axis=0)
    assert ceiling > glm - 0.01


def test_probabilities_are_right():
    """Of connections that have a probability of p, a share of p exists."""
    expected, found = [], []
    for seed in range(10):
        truth = network(seed, strength=0.7)
        probability = np.abs(Ceiling(truth, seed).infer(spikes(truth, 800, seed)).weight)
        unsure = (probability > 0.2) & (probability < 0.8)
        expected.append(probability[unsure])
        found.append(truth.adjacency[unsure])
    assert np.concatenate(found).mean() == pytest.approx(np.concatenate(expected).mean(), abs=0.06)


def evidence(seed: int = 0, n: int = 5) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    values = np.concatenate([np.zeros((n, 1)), rng.uniform(1, 2, (n, 2))], axis=1)
    within = rng.normal(size=(n, n))
    effects = rng.uniform(0, 2, (2, n, n, 1)) * values
    log_prior = np.log(np.tile([0.7, 0.2, 0.1], (n, 1)))
    return rng.normal(size=(n, n)), effects[0], within + within.T, effects[1], log_prior, values


def test_the_observer_by_hand():
    at_lag, lag, within, step, log_prior, values = evidence()
    i, j = 3, 1
    p = np.zeros((3, 3))
    for a in range(3):  # weight from j to i, and from i to j
        for b in range(3):
            misfit = (
                (at_lag[i, j] - lag[i, j, a]) ** 2
                + (at_lag[j, i] - lag[j, i, b]) ** 2
                + (within[i, j] - step[i, j, a] - step[j, i, b]) ** 2
            )
            p[a, b] = np.exp(log_prior[j, a] + log_prior[i, b] - misfit / 2)
    p /= p.sum()
    probability, expected = observe(at_lag, lag, within, step, log_prior, values)
    assert probability[i, j] == pytest.approx(p[1:].sum())
    assert probability[j, i] == pytest.approx(p[:, 1:].sum())
    assert expected[i, j] == pytest.approx((p.sum(axis=1) * values[j]).sum())


def test_the_observer_does_not_depend_on_the_order_of_neurons():
    seen, order = evidence(), np.array([3, 0, 4, 1, 2])
    both = np.ix_(order, order)
    permuted = observe(*(part[both] for part in seen[:4]), *(part[order] for part in seen[4:]))
    for straight, other in zip(observe(*seen), permuted, strict=True):
        np.testing.assert_allclose(other, straight[both], rtol=1e-12)


def test_the_order_of_neurons_changes_the_noise_only():
    truth, order = network(), np.random.default_rng(0).permutation(N)
    recording = spikes(truth, 1500)
    straight = mean_auprc(truth, recording, 10)
    permuted = mean_auprc(truth.select(order), recording.select_neurons(order), 10)
    assert permuted == pytest.approx(straight, abs=0.05)


def test_who_knows_nothing_says_how_many_connections_there_are():
    truth = network()
    silent = Recording.from_array(np.zeros((1000, N)), 0.005, "spikes", require_varying=False)
    probability = np.abs(Ceiling(truth).infer(silent).weight)
    for kind in (truth.weight.sum(axis=0) < 0, truth.weight.sum(axis=0) >= 0):
        pairs = np.broadcast_to(kind, (N, N)) & ~np.eye(N, dtype=bool)
        np.testing.assert_allclose(probability[pairs], truth.adjacency[pairs].mean())


def test_neurons_that_send_both_signs():
    weight = np.abs(network().weight) * np.random.default_rng(1).choice([-1.5, 1.5], (N, N))
    truth = Connectome(weight)
    inferred = Ceiling(truth).infer(spikes(truth, 40_000))
    assert auprc(truth, inferred) > 0.99
    assert (np.sign(inferred.weight) == np.sign(truth.weight))[truth.adjacency].mean() > 0.97


@pytest.mark.parametrize("density", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("n_steps", [3, 30, 300])
def test_degenerate_networks_and_recordings(density, n_steps):
    truth = network(density=density)
    recording = spikes(truth, n_steps)
    recording.values[:, :2] = 0
    weight = Ceiling(truth).infer(recording).weight
    assert np.isfinite(weight).all() and (np.abs(weight) <= 1 + 1e-9).all()
    if density in (0, 1):
        np.testing.assert_allclose(np.abs(weight[~np.eye(N, dtype=bool)]), density)


def test_one_kind_of_neuron():
    truth = Connectome(np.abs(network().weight))
    assert auprc(truth, Ceiling(truth).infer(spikes(truth, 20_000))) > 0.99


def test_the_same_seed_draws_the_same_noise():
    truth = network()
    recording = spikes(truth, 500)
    first, again, other = (Ceiling(truth, seed).infer(recording).weight for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_truth_of_other_neurons_is_refused():
    with pytest.raises(InputError, match="of the recording's 5 neurons; got 12"):
        Ceiling(network()).infer(spikes(network(), 50).select_neurons(range(5)))


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_have_a_label_and_are_no_methods(name):
    assert METHODS[name].label
    with pytest.raises(InputError, match="There is no method"):
        find_method(name)
