"""The comparators: known answers, and what every method must do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from simulators import observe_spikes
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.inference.scores import calibrated_connectome
from synapsnet.recording import Recording
from validation.methods import (
    AR,
    GLM,
    METHODS,
    STANDARD,
    VAR,
    CopyLast,
    LaggedCorrelation,
    Mean,
    find_method,
    label,
    neural,
)
from validation.methods.base import Forecaster, Method, lagged, targets

HEAVY = ("synapsnet", "nemos", "netformer")  # whose tests are their own
INFERENCE = [
    name
    for name, entry in METHODS.items()
    if entry.infers and not entry.bound and not entry.stimulated and not name.startswith(HEAVY)
]
INFORMED = [name for name in INFERENCE if name != "random"]  # that look at the recording
OF_LONG_RECORDINGS = ("tspe",)  # of few spikes it finds little
WITHIN_A_STEP = ("correlation", "gte", "sutera")  # they need steps as long as a synapse acts
FORECASTERS = [
    (modality, name) for name, entry in METHODS.items() if not name.startswith(HEAVY) for modality in entry.forecasts
]


@pytest.fixture(params=["spikes", "calcium"])
def recording(request, spike_recording, calcium_recording) -> Recording:
    if request.param not in METHODS[request.node.callspec.params["name"]].infers:
        pytest.skip("the method refuses the modality")
    whole = spike_recording if request.param == "spikes" else calcium_recording
    stop = min(whole.n_steps, 12_000)
    return whole.select_rows([(0, stop // 3), (stop // 3 + 50, stop)]).without_ground_truth()


def noise(n_steps: int, n_neurons: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_steps, n_neurons))


def autoregressive(weight: np.ndarray, n_steps: int, seed: int = 0) -> Recording:
    """x(t) = weight x(t - 1) + noise, as spikes so that it is not deconvolved, shifted to be positive."""
    shocks = noise(n_steps, len(weight), seed)
    values = np.zeros_like(shocks)
    for t in range(1, n_steps):
        values[t] = weight @ values[t - 1] + shocks[t]
    return Recording.from_array(values + 50, 0.03, "spikes")


@pytest.fixture(scope="module")
def first_time() -> Callable[[str, Recording], Connectome]:
    """What a method infers from `recording`, inferred once for all tests that compare something with it."""
    found: dict[tuple[str, str], Connectome] = {}

    def infer(name: str, recording: Recording) -> Connectome:
        key = name, recording.modality
        if key not in found:
            found[key] = find_method(name)().infer(recording)
        return found[key]

    return infer


@pytest.mark.parametrize("name", INFERENCE)
def test_inference_gives_finite_scores_without_a_diagonal_and_the_same_every_time(name, recording, first_time):
    before = recording.values.copy()
    inferred, again = first_time(name, recording), find_method(name)().infer(recording)
    np.testing.assert_array_equal(inferred.scores, again.scores)
    assert isinstance(find_method(name)(), Method)
    assert inferred.scores.shape == (recording.n_neurons,) * 2
    assert np.isfinite(inferred.scores).all()
    assert not np.diagonal(inferred.scores).any()
    np.testing.assert_array_equal(recording.values, before)


@pytest.mark.parametrize("name", INFORMED)
def test_inference_does_not_depend_on_the_order_of_neurons(name, recording, first_time):
    order = np.random.default_rng(1).permutation(recording.n_neurons)
    straight = first_time(name, recording).scores
    permuted = find_method(name)().infer(recording.select_neurons(order)).scores
    np.testing.assert_allclose(permuted, straight[np.ix_(order, order)], rtol=0.02, atol=0.02 * np.abs(straight).max())


@pytest.mark.parametrize("name", INFORMED)
def test_inference_finds_connections_in_spikes(name, spike_recording, small_simulation):
    recording = observe_spikes(small_simulation, bin_s=0.02) if name in WITHIN_A_STEP else spike_recording
    truth = recording.connectome
    scores = np.abs(find_method(name)().infer(recording.without_ground_truth()).scores)
    pairs = ~np.eye(truth.n_neurons, dtype=bool)
    least = 0.65 if name in WITHIN_A_STEP else 0.55 if name in OF_LONG_RECORDINGS else 0.7
    assert roc_auc_score(truth.adjacency[pairs], scores[pairs]) > least


@pytest.mark.parametrize("name", INFERENCE)
def test_inference_of_unconnected_noise_is_not_significant(name):
    counts = np.random.default_rng(3).poisson(0.2, (20_000, 12))
    inferred = find_method(name)().infer(Recording.from_array(counts, 0.005, "spikes"))
    if inferred.standard_error is None:
        pytest.skip("it gives no standard errors, so it does not say what is significant")
    scores = inferred.scores[~np.eye(12, dtype=bool)]
    assert 0.7 < scores.std() < 1.3  # they are z-scores
    assert np.abs(scores).max() < 5


@pytest.mark.parametrize("name", INFORMED)
def test_inference_finds_nothing_about_a_silent_neuron(name):
    counts = np.random.default_rng(3).poisson(0.2, (5_000, 6))
    counts[:, 2] = 0
    recording = Recording.from_array(counts, 0.005, "spikes", require_varying=False)
    scores = np.abs(find_method(name)().infer(recording).scores)
    assert np.isfinite(scores).all()
    assert max(scores[2].max(), scores[:, 2].max()) <= np.delete(np.delete(scores, 2, 0), 2, 1).max()


@pytest.mark.parametrize(("modality", "name"), FORECASTERS)
def test_a_forecast_depends_on_the_past_of_its_epoch_only(
    modality, name, spike_recording, calcium_recording, monkeypatch
):
    monkeypatch.setattr(neural, "BATCHES_PER_PASS", 2)  # what a forecast sees does not depend on how good it is
    recording = {"spikes": spike_recording, "calcium": calcium_recording}[modality].without_ground_truth()
    method = METHODS[name].load()().fit(recording.select_rows([(0, 2000)]))
    assert isinstance(method, Forecaster)
    part = recording.select_rows([(2100, 2200), (2250, 2330)])
    changed = part.values.copy()
    now = 60
    changed[now:] = changed[now:][::-1] + 1
    other = Recording.from_array(changed, part.dt_s, modality, segments=[100, 80], require_varying=False)
    same = Recording.from_array(part.values, part.dt_s, modality, segments=[100, 80], require_varying=False)
    before, after = method.forecast(same, 5), method.forecast(other, 5)
    assert before.shape == (5, 180, recording.n_neurons)
    for h in range(1, 6):
        known = now + h  # forecasts of steps before this were made from the part that is the same
        np.testing.assert_array_equal(before[h - 1, :known], after[h - 1, :known])
    both = method.forecast(part, 4)
    second = method.forecast(recording.select_rows([(2250, 2330)]), 4)
    np.testing.assert_allclose(both[:, 100:], second, rtol=1e-5, atol=1e-6)


def test_lagged_correlation_is_that_of_numpy():
    recording = Recording.from_array(noise(500, 4) + 10, 0.01, "spikes")
    inferred = LaggedCorrelation(lag=2).infer(recording)
    x = recording.values.astype(float)
    for post, pre in [(0, 1), (3, 2), (1, 0)]:
        expected = np.corrcoef(x[2:, post], x[:-2, pre])[0, 1]
        assert inferred.weight[post, pre] == pytest.approx(expected, abs=1e-5)


def test_var_recovers_the_coefficients_that_made_the_data():
    weight = np.array([[0.5, 0.3, 0.0], [0.0, 0.4, -0.3], [0.2, 0.0, 0.3]])
    inferred = VAR(penalty=1e-3).infer(autoregressive(weight, 40_000))
    scale = autoregressive(weight, 40_000).values.std(axis=0)
    expected = weight * scale[None] / scale[:, None]
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(inferred.weight, expected, atol=0.02)
    assert np.abs(inferred.weight - expected)[~np.eye(3, dtype=bool)].max() < 4 * inferred.standard_error.max()


def test_var_forecasts_iterate_the_true_dynamics():
    weight = np.array([[0.6, 0.3], [0.0, 0.7]])
    recording = autoregressive(weight, 40_000)
    forecast = VAR(penalty=1e-3).fit(recording).forecast(recording.select_rows([(100, 200)]), 3)
    state = recording.values[100:200].astype(float) - 50
    for h, power in enumerate([weight, weight @ weight, weight @ weight @ weight]):
        expected = state[49] @ power.T + 50
        np.testing.assert_allclose(forecast[h, 50 + h], expected, atol=0.1)


def test_ar_ignores_the_other_neurons():
    recording = autoregressive(np.diag([0.8, -0.5]), 20_000)
    method = AR().fit(recording)
    part = recording.select_rows([(0, 100)])
    swapped = part.values.copy()
    swapped[:, 1] = swapped[::-1, 1]
    other = Recording.from_array(swapped, part.dt_s, "spikes")
    np.testing.assert_array_equal(method.forecast(part, 4)[:, :, 0], method.forecast(other, 4)[:, :, 0])
    np.testing.assert_allclose(method.forecast(part, 1)[0, 50] - 50, [0.8, -0.5] * (part.values[49] - 50), atol=0.15)


def test_glm_recovers_the_couplings_that_made_the_spikes():
    rng = np.random.default_rng(5)
    dt_s, n_steps, decay = 0.005, 60_000, np.exp(-0.5)
    coupling = np.array([[0, 0.8, 0], [0, 0, -0.8], [0.4, 0, 0]])
    spikes, trace = np.zeros((n_steps, 3)), np.zeros(3)
    for t in range(1, n_steps):
        trace = trace * decay + spikes[t - 1]
        spikes[t] = rng.poisson(np.exp(np.log(0.1) + coupling @ trace))
    glm = GLM()
    inferred = glm.infer(Recording.from_array(spikes, dt_s, "spikes"))
    error = (inferred.weight - coupling) / inferred.standard_error
    assert np.abs(error[~np.eye(3, dtype=bool)]).max() < 4
    assert inferred.standard_error[~np.eye(3, dtype=bool)].max() < 0.1
    forecast = glm.forecast(Recording.from_array(spikes[:2000], dt_s, "spikes"), 1)[0]
    assert np.nanmean(forecast, axis=0) == pytest.approx(spikes[:2000].mean(axis=0), rel=0.1)


def test_glm_leaves_a_silent_neuron_alone():
    counts = np.random.default_rng(0).poisson(0.1, (4000, 4)).astype(np.float32)
    counts[:, 2] = 0
    recording = Recording.from_array(counts, 0.005, "spikes", require_varying=False)
    glm = GLM()
    assert not glm.infer(recording).weight[2].any()
    assert glm.forecast(recording, 2)[:, 100:, 2].max() < 0.01


def test_mean_and_copy_last():
    recording = Recording.from_array(noise(50, 3), 0.1, "calcium", segments=[20, 30])
    np.testing.assert_allclose(Mean().fit(recording).forecast(recording, 2)[1, 7], recording.values.mean(axis=0), 1e-4)
    copy = CopyLast().fit(recording).forecast(recording, 3)
    np.testing.assert_array_equal(copy[2, 10], recording.values[7])
    np.testing.assert_array_equal(copy[2, 23], recording.values[20])
    assert np.isnan(copy[2, :3]).all()
    assert np.isnan(copy[2, 20:23]).all()


def test_lagged_and_targets_do_not_cross_epochs():
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    past, after = lagged(values, [(0, 4), (4, 10)], 2), targets(values, [(0, 4), (4, 10)], 2)
    np.testing.assert_array_equal(after[:, 0] / 2, [2, 3, 6, 7, 8, 9])
    np.testing.assert_array_equal(past[:, 0, 0] / 2, [1, 2, 5, 6, 7, 8])
    np.testing.assert_array_equal(past[:, 1, 0] / 2, [0, 1, 4, 5, 6, 7])


def test_a_method_of_ones_own_takes_ten_lines(spike_recording):
    class Covariance:
        def infer(self, recording: Recording) -> Connectome:
            x = recording.values - recording.values.mean(axis=0)
            weight = x[1:].T @ x[:-1]
            np.fill_diagonal(weight, 0)
            return Connectome(weight)

    assert isinstance(Covariance(), Method)
    assert Covariance().infer(spike_recording).scores.shape == (20, 20)


def test_the_registry_says_what_the_classes_can():
    for name, entry in METHODS.items():
        found = entry.load()
        assert bool(entry.infers) == hasattr(found, "infer"), name
        assert not entry.forecasts or hasattr(found, "forecast"), name
    assert len({entry.label for entry in METHODS.values()}) == len(METHODS)
    assert set(STANDARD) <= set(METHODS)
    assert isinstance(SynapsNet(device="cpu"), Forecaster)


def test_a_calibrated_threshold_reports_what_stands_out_from_what_neurons_share():
    """Scores of 50 neurons that share an input: their errors call most pairs significant, few are connected."""
    rng = np.random.default_rng(0)
    loading = rng.uniform(0, 3, (2, 50))
    connected = rng.random((50, 50)) < 0.06
    weight = np.outer(*loading) + rng.normal(0, 1, (50, 50)) + 10 * connected
    np.fill_diagonal(weight, 0)
    np.fill_diagonal(connected, False)
    found = Connectome(weight, standard_error=np.ones((50, 50)))
    assert (~connected[found.significant()]).mean() > 0.5
    better = calibrated_connectome(found)
    assert (~connected[better.significant()]).mean() < 0.1
    assert better.significant()[connected].mean() > 0.6
    np.testing.assert_array_equal(better.weight, weight)


def test_a_calibrated_threshold_of_nothing_is_nothing():
    noise = np.random.default_rng(1).normal(0, 3, (30, 30))  # three times its errors
    np.fill_diagonal(noise, 0)
    assert Connectome(noise, standard_error=np.ones((30, 30))).significant().any()
    for weight in (noise, np.zeros((30, 30))):
        calibrated = calibrated_connectome(Connectome(weight, standard_error=np.ones((30, 30))))
        assert not calibrated.significant().any()


def test_any_method_takes_a_calibrated_threshold_by_its_name(spike_recording):
    assert label("granger+calibrated") == "Granger causality, calibrated"
    blind = spike_recording.without_ground_truth()
    own, calibrated = (find_method(name)().infer(blind) for name in ("granger", "granger+calibrated"))
    np.testing.assert_array_equal(own.weight, calibrated.weight)
    assert own.local_fdr is None and calibrated.local_fdr is not None
    with pytest.raises(InputError, match="There is no method 'grange'"):
        find_method("grange+calibrated")
    with pytest.raises(InputError, match="forecasts but does not infer"):
        find_method("ar+calibrated")
