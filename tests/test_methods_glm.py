"""GLMs of populations and of correlograms: planted couplings, and agreement between independent solvers."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import LogisticRegression

from synapsnet.errors import InputError
from synapsnet.recording import Connectome, Recording
from validation.methods import GLM, GLMCC, Deconvolved, LogisticGLM
from validation.methods.deconvolved import binary, events
from validation.methods.glmcc import _solve_tridiagonal, correlograms
from validation.methods.nemos_glm import NemosGLM

COUPLING = np.array([[0, 0.8, 0, 0], [0, 0, -0.8, 0], [0.4, 0, 0, 0], [0, 0, 0, 0]])
PAIRS = ~np.eye(4, dtype=bool)


@pytest.fixture(scope="module")
def coupled() -> Recording:
    """Poisson neurons with exponential filters of 10 ms, COUPLING[post, pre] in log rate."""
    rng = np.random.default_rng(5)
    decay, n_steps = np.exp(-0.5), 40_000
    spikes, trace = np.zeros((n_steps, 4)), np.zeros(4)
    for t in range(1, n_steps):
        trace = trace * decay + spikes[t - 1]
        spikes[t] = rng.poisson(np.exp(np.log(0.1) + COUPLING @ trace))
    return Recording.from_array(spikes, 0.005, "spikes")


def test_a_warning_that_another_thread_makes_an_error_is_no_obstacle(coupled, monkeypatch):
    calls = []

    def fails_at_first(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            warnings.simplefilter("error", LinAlgWarning)  # as the solver leaves it in another thread
            raise LinAlgWarning
        if len(calls) == 5:
            warnings.warn("singular", LinAlgWarning, stacklevel=1)
        return original(self, *args, **kwargs)

    original = GLM._solve
    expected = GLM().infer(coupled).weight
    monkeypatch.setattr(GLM, "_solve", fails_at_first)
    assert GLM().infer(coupled).weight == pytest.approx(expected)
    assert len(calls) == 5


def planted_pair(coupling: float, dt_s: float, delay_s: float = 0.002, seed: int = 0) -> Recording:
    """Neuron 0 excites or inhibits neuron 1 as GLMCC has it, in steps of 0.2 ms; then counted in steps of dt_s."""
    rng = np.random.default_rng(seed)
    n_steps, step_s, rate = 4_000_000, 0.0002, 0.004
    first = rng.random(n_steps, np.float32) < rate
    since = np.arange(200) * step_s
    kernel = np.where(since >= delay_s, coupling * np.exp(-(since - delay_s) / 0.004), 0)
    expected = rate * np.exp(np.convolve(first, kernel)[:n_steps])
    spikes = np.stack([first, rng.random(n_steps, np.float32) < expected, rng.random(n_steps) < rate], axis=1)
    width = round(dt_s / step_s)
    return Recording.from_array(spikes.reshape(-1, width, 3).sum(axis=1), dt_s, "spikes")


@pytest.mark.parametrize("coupling", [0.6, -0.6])
@pytest.mark.parametrize("dt_s", [0.001, 0.005])
def test_glmcc_finds_sign_and_strength_of_a_planted_connection(coupling, dt_s):
    inferred = GLMCC().infer(planted_pair(coupling, dt_s))
    assert abs(inferred.weight[1, 0] - coupling) < 3 * inferred.standard_error[1, 0]
    others = np.abs(inferred.scores[[0, 0, 2, 1, 2], [1, 2, 0, 2, 1]])
    assert abs(inferred.scores[1, 0]) > 4.5 > 3 > others.max()


def test_glmcc_gives_a_common_slow_fluctuation_to_the_background():
    rng = np.random.default_rng(1)
    n_steps = 400_000
    slow = np.exp(0.5 * np.sin(2 * np.pi * np.arange(n_steps) * 0.001 / 0.3))  # a cycle of 300 ms
    spikes = rng.random((n_steps, 4)) < 0.03 * slow[:, None]
    recording = Recording.from_array(spikes, 0.001, "spikes")
    assert np.abs(GLMCC().infer(recording).scores).max() < 4


def test_correlograms_count_pairs_of_spikes_within_epochs():
    spikes = np.zeros((40, 2))
    spikes[[3, 10, 25], 0] = 1
    spikes[[5, 10, 21], 1] = 2
    recording = Recording.from_array(spikes, 0.005, "spikes", segments=[20, 20])
    lags, counts, exposure = correlograms(recording)
    expected = np.zeros(len(lags))
    for i in (3, 10, 25):
        for j in (5, 10, 21):
            if (i < 20) == (j < 20) and abs(j - i) <= 10:
                expected[lags == j - i] += 2
    np.testing.assert_array_equal(counts[:, 0, 1], expected)
    np.testing.assert_array_equal(counts[:, 1, 0], expected[::-1])
    np.testing.assert_allclose(exposure, 1 - np.abs(lags) / 20)


def test_tridiagonal_systems_are_solved():
    rng = np.random.default_rng(0)
    diagonal, right = rng.uniform(3, 4, (6, 2)), rng.standard_normal((6, 3, 2))
    solved = _solve_tridiagonal(diagonal, -1.0, right)
    for p in range(2):
        matrix = np.diag(diagonal[:, p]) - np.eye(6, k=1) - np.eye(6, k=-1)
        np.testing.assert_allclose(matrix @ solved[:, :, p], right[:, :, p], atol=1e-12)


def test_glmcc_refuses_what_it_cannot_see(calcium_recording):
    with pytest.raises(InputError, match="spikes in bins of at most 5 ms; got calcium"):
        GLMCC().infer(calcium_recording)
    counts = np.random.default_rng(0).poisson(1, (100, 2))
    with pytest.raises(InputError, match="got spikes in steps of 10 ms"):
        GLMCC().infer(Recording.from_array(counts, 0.010, "spikes"))


@pytest.fixture(scope="module")
def theirs(coupled) -> Connectome:
    """Jax compiles each fit anew, so nemos fits this one once."""
    return NemosGLM(window_s=0.040).infer(coupled)


def test_nemos_and_our_glm_agree(coupled, theirs):
    """Sums of filters: ours is an exponential, nemos' three raised cosines, so they differ by more than rounding."""
    ours = GLM().infer(coupled)
    area = 1 / (1 - np.exp(-0.5))
    np.testing.assert_allclose(theirs.weight[PAIRS], COUPLING[PAIRS] * area, atol=0.35)
    error = (theirs.weight - area * ours.weight)[PAIRS] / theirs.standard_error[PAIRS]
    assert np.abs(error).max() < 3
    assert np.corrcoef(ours.scores[PAIRS], theirs.scores[PAIRS])[0, 1] > 0.98


def test_nemos_does_not_depend_on_the_order_of_neurons(coupled, theirs):
    order = [2, 0, 3, 1]
    permuted = NemosGLM(window_s=0.040).infer(coupled.select_neurons(order))
    np.testing.assert_allclose(permuted.scores, theirs.scores[np.ix_(order, order)], atol=0.05)


def test_without_nemos_a_sentence_says_how_to_install_it(coupled, monkeypatch):
    monkeypatch.setitem(sys.modules, "nemos", None)
    with pytest.raises(InputError, match=r"pip install 'synapsnet\[nemos\]'"):
        NemosGLM().infer(coupled)


def test_logistic_glm_is_that_of_scikit_learn(coupled):
    recording = coupled.select_rows([(0, 10_000)])
    glm = LogisticGLM()
    inferred = glm.infer(recording)
    spikes = (recording.values > 0).astype(float)
    traces = np.zeros((len(spikes), 4, 4))  # filters: coupling, then three of the neuron's own
    for k, tau in enumerate((0.010, 0.0025, 0.030, 0.100)):
        decay = np.exp(-0.005 / tau)
        trace = decay / (1 - decay) * spikes.mean(axis=0)
        for t in range(len(spikes) - 1):
            trace = trace * decay + spikes[t]
            traces[t + 1, k] = trace
    features = np.concatenate([traces[1:, 0], traces[1:, 1:, 2]], axis=1)
    reference = LogisticRegression(C=1e3, tol=1e-8, max_iter=1000).fit(features, spikes[1:, 2])
    np.testing.assert_allclose(inferred.weight[2, [0, 1, 3]], reference.coef_[0, [0, 1, 3]], atol=0.02)


def test_logistic_glm_finds_the_planted_couplings(coupled):
    inferred = LogisticGLM().infer(coupled)
    planted = COUPLING != 0
    assert (np.sign(inferred.weight) == np.sign(COUPLING))[planted].all()
    assert np.abs(inferred.scores[planted]).min() > 4 > np.abs(inferred.scores[~planted & PAIRS]).max()


def test_events_are_found_where_the_calcium_jumps():
    rng = np.random.default_rng(0)
    jumps = np.zeros((600, 3))
    for neuron in range(3):
        jumps[50 + 10 * neuron :: 60, neuron] = 1
    calcium = np.zeros_like(jumps)
    for t in range(1, len(jumps)):
        calcium[t] = 0.9 * calcium[t - 1] + jumps[t]
    recording = Recording.from_array(calcium + 0.05 * rng.standard_normal(calcium.shape), 1 / 30, "calcium")
    found = events(recording, threshold=6)
    np.testing.assert_array_equal(found, jumps)
    np.testing.assert_array_equal(binary(recording) >= found, np.ones_like(found, bool))


def test_deconvolved_hands_events_to_a_method_for_spikes(calcium_recording, spike_recording):
    seen = []

    class Spy:
        def infer(self, recording):
            seen.append(recording)
            return GLM().infer(recording)

    part = calcium_recording.select_rows([(0, 800), (900, 1500)]).without_ground_truth()
    Deconvolved(Spy()).infer(part)
    assert seen[0].modality == "spikes"
    assert set(np.unique(seen[0].values)) == {0, 1}
    assert seen[0].segments == part.segments
    Deconvolved(Spy()).infer(spike_recording)
    assert seen[1] is spike_recording
