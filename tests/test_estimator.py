"""The estimator: recovery, forecasts that do not look ahead, no leaks from what is held out, save and load."""

from __future__ import annotations

import json
import pickletools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pynapple as nap
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from synapsnet import fitted, multi_step
from synapsnet.devices import launch
from synapsnet.errors import InputError
from synapsnet.estimator import DESCRIPTION, FORMAT_VERSION, PARAMETERS, SynapsNet
from synapsnet.inference import spike_evidence
from synapsnet.inference.posterior import posterior
from synapsnet.model.likelihoods import Bernoulli
from synapsnet.recording import Recording
from synapsnet.settings import Settings
from synapsnet.splits import holdout, split_rows
from synapsnet.training import mean_loss, train
from synapsnet.windows import batches
from validation.methods.autoregression import AR

N = 20
OFF_DIAGONAL = ~np.eye(N, dtype=bool)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def fitted_spikes(spike_recording: Recording) -> SynapsNet:
    return SynapsNet(seed=0).fit(spike_recording.without_ground_truth())


@pytest.fixture(scope="module")
def fitted_calcium(calcium_recording: Recording) -> SynapsNet:
    return SynapsNet(seed=0).fit(calcium_recording.without_ground_truth())


def quick(recording: Recording, **settings: Any) -> SynapsNet:
    """One pass over the data, or as many as asked for."""
    return SynapsNet(**{"epochs": 1, "horizon": 4, **settings}).fit(recording)


def start_of(recording: Recording, n_steps: int = 1500) -> Recording:
    return recording.select_rows([(0, n_steps)])


def with_values(recording: Recording, values: Any) -> Recording:
    """The same recording of other activity."""
    lengths = [stop - start for start, stop in recording.segments]
    behaviour = None if recording.behaviour is None else recording.behaviour_values
    return Recording.from_array(
        values,
        recording.dt_s,
        recording.modality,
        segments=lengths,
        behaviour=behaviour,
        neurons=recording.neurons,
        require_varying=False,
    )


def toy(
    modality: Any = "calcium", n_steps: int = 600, n: int = 3, seed: int = 0, dt_s: float = 0.02, **more: Any
) -> Recording:
    """Independent neurons: noise, or spikes that come several in a bin."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_steps, n)) if modality == "calcium" else rng.poisson(0.3, (n_steps, n))
    return Recording.from_array(values, dt_s, modality, **more)


def everything(model: SynapsNet) -> dict[str, Any]:
    """All that was fitted, as arrays."""
    found = {name: value.numpy() for name, value in model._forecaster.state_dict().items()}
    found |= {"weight": model.connectivity_.weight, "error": model.connectivity_.standard_error}
    found["embedding_"] = model.embedding_
    found |= {f"losses of {k}": np.array(h.train + h.validation) for k, h in model.history_.items()}
    return found


def identical(one: SynapsNet, other: SynapsNet) -> bool:
    first, second = everything(one), everything(other)
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


# ------------------------------------------------------------------------------------------ connectivity


def test_recovers_the_connectome_from_spikes(fitted_spikes, small_simulation):
    """Seeds 0, 1, 2 of the fit have AUPRC .70, .69, .65 and AUROC .86, .83, .81; chance is .15 and .5."""
    true, found = small_simulation.connectome.adjacency, np.abs(fitted_spikes.connectivity_.scores)
    assert true[OFF_DIAGONAL].mean() < 0.2
    assert average_precision_score(true[OFF_DIAGONAL], found[OFF_DIAGONAL]) > 0.55
    assert roc_auc_score(true[OFF_DIAGONAL], found[OFF_DIAGONAL]) > 0.75
    assert (
        average_precision_score(true.T[OFF_DIAGONAL], found[OFF_DIAGONAL]) < 0.3
    )  # it is [post, pre], not its transpose


def test_the_signs_of_recovered_connections_are_true(fitted_spikes, small_simulation):
    weight, found = small_simulation.connectome.weight, fitted_spikes.connectivity_
    sure = (weight != 0) & (np.abs(found.scores) > 3)
    assert sure.sum() > 8
    assert (np.sign(found.weight[sure]) == np.sign(weight[sure])).mean() > 0.9


def test_recovers_something_of_the_connectome_from_calcium(fitted_calcium, small_simulation):
    """Seeds 0, 1, 2 of the fit have AUPRC .41, .46, .42; chance is .15."""
    true, found = small_simulation.connectome.adjacency, np.abs(fitted_calcium.connectivity_.scores)
    assert average_precision_score(true[OFF_DIAGONAL], found[OFF_DIAGONAL]) > 0.3


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_what_is_fitted_has_its_shape_and_unit(request, modality):
    model = request.getfixturevalue(f"fitted_{modality}")
    found = model.connectivity_
    assert {matrix.shape for matrix in found.matrices.values()} == {(N, N)}
    always = {"weight", "standard_error", "p_value", "local_fdr"}
    assert set(found.matrices) == (always | {"delay_s"} if modality == "spikes" else always)
    assert not np.diagonal(found.weight).any()
    assert found.weight[OFF_DIAGONAL].all()
    assert (found.standard_error[OFF_DIAGONAL] > 0).all()
    for probability in (found.p_value, found.local_fdr):
        assert (np.diagonal(probability) == 1).all()
        assert ((probability >= 0) & (probability <= 1)).all()
    assert found.unit == {"spikes": "log odds per presynaptic spike", "calcium": "SD per SD"}[modality]
    assert model.embedding_.shape == (N, 8)
    assert set(model.history_) == ({"forecast"} if modality == "spikes" else {"forecast", "inference"})
    for history in model.history_.values():
        assert history.validation[history.best_epoch] == min(history.validation)


def test_the_evidence_has_the_standard_errors_of_the_fisher_information(monkeypatch):
    """Independent Poisson neurons and a single lag: by hand 1 / sqrt(T rate var(pre)), but for what chance adds."""
    seen = []
    monkeypatch.setattr(fitted, "posterior", lambda evidence, *_: seen.append(evidence) or posterior(evidence))
    recording = toy("spikes", 8000)
    found = quick(recording, likelihood="poisson", n_lags=1, n_history=1, epochs=2).connectivity_
    training = recording.values[: round(0.9 * 8000)]
    by_hand = 1 / np.sqrt(len(training) * np.outer(training.mean(0), training.var(0)))
    error = seen[0].standard_error.numpy()
    assert error == pytest.approx(by_hand, rel=0.08)
    z = seen[0].estimate.numpy() / error
    assert np.abs(z).max() < 4
    assert found.local_fdr.min() > 0.2  # there is nothing to find
    assert not found.significant().any()


def test_the_evidence_is_the_maximum_of_the_likelihood(monkeypatch):
    """Whatever the prior of training, the weights onto a neuron are those of an unpenalised logistic regression."""
    seen = []
    monkeypatch.setattr(fitted, "posterior", lambda evidence, *_: seen.append(evidence) or posterior(evidence))
    spikes = np.zeros((4000, 3))
    rng = np.random.default_rng(0)
    for t in range(1, len(spikes)):
        spikes[t] = rng.random(3) < 1 / (1 + np.exp(1.5 - np.array([0.0, 1.5 * spikes[t - 1, 0], 0.0])))
    recording = Recording.from_array(spikes, 0.02, "spikes")
    quick(recording, likelihood="bernoulli", n_lags=1, n_history=1, epochs=20, batch_steps=100, sparsity=20.0)
    train = spikes[: round(0.9 * len(spikes))]
    regression = LogisticRegression(C=1e6).fit(train[:-1], train[1:, 1])
    assert seen[0].estimate[1, [0, 2]].numpy() == pytest.approx(regression.coef_[0, [0, 2]], abs=0.12)  # of a mean gain


def test_spikes_of_too_many_neurons_for_correlograms_are_inferred_as_if_they_were_calcium(
    spike_recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    evidence = fitted.gather_evidence

    def spy(model: Any, *given: Any) -> Any:
        seen.append(type(model.likelihood).__name__)
        return evidence(model, *given)

    monkeypatch.setattr(fitted, "gather_evidence", spy)
    monkeypatch.setattr(spike_evidence, "MOST_BYTES", 1.0)
    recording = spike_recording.without_ground_truth()
    model = quick(recording)
    assert seen == ["Gaussian"]  # the model that forecasts needs none
    assert model.connectivity_.unit == "SD per SD"
    assert set(model.history_) == {"forecast", "inference"}
    assert np.array_equal(model.infer(recording).weight, SynapsNet(epochs=1).infer(recording).weight)
    quick(recording, likelihood="bernoulli")
    assert seen[-1] == "Bernoulli"  # the one that was asked for


def test_weights_inferred_as_if_of_calcium_are_known_in_log_rates_per_spike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rare spikes: those that a spike with the weight w makes more likely are exp(w) times as many."""
    tried: list[np.ndarray] = []
    monkeypatch.setattr(
        fitted.FittedModel, "_weight_per_spike",
        lambda model, get=fitted.FittedModel._weight_per_spike: tried.append(get(model).numpy()) or get(model),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    spikes = np.zeros((60_000, 3))
    for t in range(1, len(spikes)):
        spikes[t] = rng.random(3) < np.exp([-2.5, -3.0 + 0.4 * spikes[t - 1, 0], -2.0])
    quick(Recording.from_array(spikes, 0.02, "spikes"), n_lags=1, n_history=1, epochs=4)
    assert tried[0][1, 0] == pytest.approx(np.expm1(0.4), abs=0.12)
    assert np.abs(np.delete(tried[0], 3)).max() < 0.12


def test_a_known_weight_is_found_with_its_size():
    """Neuron 1 follows each spike of neuron 0 with log odds raised by 2; nobody follows neuron 1."""
    rng = np.random.default_rng(0)
    spikes = np.zeros((6000, 3))
    for t in range(1, len(spikes)):
        odds = np.array([-1.5, -2.0 + 2.0 * spikes[t - 1, 0], -1.5])
        spikes[t] = rng.random(3) < 1 / (1 + np.exp(-odds))
    recording = Recording.from_array(spikes, 0.02, "spikes")
    found = quick(recording, n_lags=1, n_history=1, epochs=8, batch_steps=100, likelihood="bernoulli").connectivity_
    assert found.weight[1, 0] == pytest.approx(2.0, abs=3.5 * float(found.standard_error[1, 0]))
    others = found.scores.copy()
    others[1, 0] = 0
    assert np.abs(others).max() < 1 < 10 < found.scores[1, 0]
    assert np.argwhere(found.significant()).tolist() == [[1, 0]]


def test_more_threads_infer_the_same_connections(calcium_recording: Recording) -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            model = SynapsNet(seed=0, epochs=2, device="cpu")
            found.append(model.infer(calcium_recording.without_ground_truth()).local_fdr)
    finally:
        torch.set_num_threads(threads)
    assert found[0] == pytest.approx(found[1], abs=1e-3)


@pytest.mark.parametrize("name", ["spike_recording", "calcium_recording"])
def test_without_connectivity_it_is_zero_and_neurons_forecast_themselves_alone(request, name):
    recording = start_of(request.getfixturevalue(name))
    model = quick(recording, connectivity="none")
    assert model.connectivity_.weight.shape == (N, N)
    assert not model.connectivity_.weight.any()
    assert not model.connectivity_.scores.any()
    assert set(model.history_) == {"forecast"}
    values = recording.values.copy()
    values[:, 3] = 1 - values[:, 3]
    before, after = model.forecast(recording, 4), model.forecast(with_values(recording, values), 4)
    others = np.arange(N) != 3
    assert np.array_equal(before[..., others], after[..., others], equal_nan=True)
    assert not np.array_equal(before[..., 3], after[..., 3], equal_nan=True)


def test_scale_and_offset_of_calcium_hardly_change_the_connectivity(calcium_recording):
    recording = start_of(calcium_recording, 2500)
    rng = np.random.default_rng(0)
    changed = recording.values * rng.uniform(0.1, 30, N) + rng.uniform(-5, 5, N)
    settings = {"epochs": 4}
    one = quick(recording, **settings).connectivity_.scores
    other = quick(with_values(recording, changed), **settings).connectivity_.scores
    assert np.corrcoef(one[OFF_DIAGONAL], other[OFF_DIAGONAL])[0, 1] > 0.99


def test_another_order_of_neurons_gives_statistically_the_same_connectivity(fitted_spikes, spike_recording):
    order = np.random.default_rng(0).permutation(N)
    other = SynapsNet(seed=0).infer(spike_recording.select_neurons(order).without_ground_truth())
    expected = fitted_spikes.connectivity_.select(order)
    assert np.corrcoef(other.scores[OFF_DIAGONAL], expected.scores[OFF_DIAGONAL])[0, 1] > 0.95
    assert np.corrcoef(other.scores[OFF_DIAGONAL], fitted_spikes.connectivity_.scores[OFF_DIAGONAL])[0, 1] < 0.5


# ---------------------------------------------------------------------------------------------- forecasts


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_forecasts_depend_on_nothing_after_the_step_they_are_made_at(request, modality):
    """`[h - 1, t]` sees data up to t - h: whatever comes later leaves it as it is, bit for bit."""
    model = request.getfixturevalue(f"fitted_{modality}")
    recording = start_of(
        request.getfixturevalue("spike_recording" if modality == "spikes" else "calcium_recording"), 300
    )
    before = model.forecast(recording, 5)
    for step in (100, 299):
        values = recording.values.copy()
        values[step:] = np.random.default_rng(0).integers(0, 2, values[step:].shape)
        after = model.forecast(with_values(recording, values), 5)
        for h in range(1, 6):
            assert np.array_equal(before[h - 1, : step + h], after[h - 1, : step + h], equal_nan=True)
            if step + h < 300:
                assert (before[h - 1, step + h] != after[h - 1, step + h]).all()


def test_forecasts_further_ahead_start_from_the_same_last_step(fitted_spikes, spike_recording):
    """What is known at t - h, and no less: its last step changes the forecast of t."""
    recording = start_of(spike_recording, 100)
    values = recording.values.copy()
    values[50] = 1 - values[50]
    before, after = fitted_spikes.forecast(recording, 5), fitted_spikes.forecast(with_values(recording, values), 5)
    for h in range(1, 6):
        differs = (before[h - 1] != after[h - 1]) & np.isfinite(before[h - 1])
        assert np.flatnonzero(differs.any(1))[0] == 50 + h


def test_forecasts_are_nan_exactly_where_the_epoch_has_not_enough_history():
    lengths = [40, 9, 8, 3, 60]
    recording = toy("calcium", 120, segments=lengths)
    model = quick(toy("calcium"), n_history=8)
    forecast = model.forecast(recording, 4)
    assert forecast.shape == (4, 120, 3)
    assert forecast.dtype == np.float32
    for h in range(1, 5):
        expected = np.concatenate([np.arange(length) >= 8 + h - 1 for length in lengths])
        assert np.array_equal(np.isfinite(forecast[h - 1]).all(1), expected)
        assert np.array_equal(np.isnan(forecast[h - 1]).all(1), ~expected)


def test_an_epoch_is_forecast_as_if_it_were_alone():
    recording = toy("calcium", 100, segments=[60, 40])
    model = quick(toy("calcium"))
    both, second = model.forecast(recording, 4), model.forecast(recording.select_rows([(60, 100)]), 4)
    assert both[:, 60:] == pytest.approx(second, abs=1e-6, nan_ok=True)


def test_forecasts_do_not_depend_on_how_they_are_batched(monkeypatch, fitted_spikes, spike_recording):
    recording = start_of(spike_recording, 200)
    whole = fitted_spikes.forecast(recording, 4)
    monkeypatch.setattr("synapsnet.fitted.FORECAST_BATCH_VALUES", 7 * N * 10)
    seen: list[float] = []
    assert fitted_spikes.forecast(recording, 4, progress=seen.append) == pytest.approx(whole, abs=1e-6, nan_ok=True)
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("horizon", [0, -1, 5])
def test_refuses_a_horizon_out_of_reach(horizon):
    with pytest.raises(InputError, match=f"horizon must lie between 1 and the 4 steps of the fit; got {horizon}"):
        quick(toy()).forecast(toy(), horizon)


def test_forecasts_of_calcium_beat_the_mean_at_every_horizon_and_the_last_value(calcium_recording):
    """On held-out data, and the first step best."""
    early, late = holdout(calcium_recording, 0.3, 16)
    model = SynapsNet(epochs=6, seed=0).fit(early)
    forecast = model.forecast(late, 8)
    known = np.isfinite(forecast[7]).all(1)
    target, mean = late.values[known], early.values.mean(0)
    error = [np.mean((forecast[h - 1][known] - target) ** 2) for h in range(1, 9)]
    last = [np.mean((late.values[np.flatnonzero(known) - h] - target) ** 2) for h in range(1, 9)]
    assert max(error) < np.mean((mean - target) ** 2)
    assert all(ours < copied for ours, copied in zip(error, last, strict=True))
    assert error == sorted(error)


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_at_every_horizon_w_is_the_only_pathway(modality):
    """Whatever the readout: a neuron's past reaches itself, those it connects to and those that these connect to."""
    recording = toy(modality)
    forecaster = (model := quick(recording))._forecaster
    forecaster.ahead.coefficients.uniform_(0.1, 0.2, generator=torch.Generator().manual_seed(0))
    forecaster.beyond_linear.share.fill_(1.0)
    forecaster.lowest.fill_(-100.0), forecaster.highest.fill_(100.0)
    whole = torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0], [-0.5, 0.0, 0.0]])
    for weight in (whole, whole.triu(), 0 * whole):
        with torch.no_grad():
            forecaster.model.synapses.connectivity.set_weight(weight)
        connected = (weight != 0).numpy()
        reaches = np.eye(3, dtype=bool) | connected | (connected @ connected)
        before = model.forecast(recording, 4)
        for sender in range(3):
            values = recording.values.copy()
            values[300, sender] += 1
            changed = model.forecast(with_values(recording, values), 4) != before
            reached = (changed & np.isfinite(before)).any(1)  # [horizon, neuron]
            assert (reached == reaches[:, sender]).all()


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_without_its_own_past_a_neuron_is_forecast_from_others_alone(modality):
    recording = toy(modality)
    forecaster = (model := quick(recording, own_past=False))._forecaster
    with torch.no_grad():
        forecaster.model.synapses.connectivity.set_weight(torch.full((3, 3), 0.5))
    forecaster.lowest.fill_(-100.0), forecaster.highest.fill_(100.0)
    forecaster.ahead.coefficients.uniform_(0.1, 0.2, generator=torch.Generator().manual_seed(0))
    forecaster.beyond_linear.share.fill_(1.0)
    before, values = model.forecast(recording, 4), recording.values.copy()
    values[300, 1] += 1
    changed = (model.forecast(with_values(recording, values), 4) != before) & np.isfinite(before)
    assert not changed[..., 1].any()
    assert changed[..., 0].any()


def test_without_embeddings_neurons_that_do_the_same_are_forecast_alike():
    recording = toy(n_steps=1000, n=2)
    same = Recording.from_array(np.repeat(recording.values[:, :1], 2, axis=1), 0.02, "calcium")
    model = quick(same, n_embedding=0, connectivity="none")
    assert model.embedding_.shape == (2, 0)
    forecast = model.forecast(same, 4)
    assert forecast[..., 0] == pytest.approx(forecast[..., 1], abs=1e-5, nan_ok=True)


def test_forecasts_know_states_that_outlast_the_window():
    """A slow state of each neuron under noise: the last eight steps tell little of it, the last hundred much."""
    rng = np.random.default_rng(0)
    state = np.zeros((6000, 4))
    for t in range(1, 6000):
        state[t] = 0.995 * state[t - 1] + 0.1 * rng.normal(size=4)
    early, late = holdout(Recording.from_array(state + 2 * rng.normal(size=(6000, 4)), 0.1, "calcium"), 0.3, 16)
    ours, linear = SynapsNet(epochs=2).fit(early).forecast(late, 8), AR().fit(early).forecast(late, 8)
    known = np.isfinite(linear[7]).all(1)
    error, of_linear = (np.mean((forecast[7][known] - late.values[known]) ** 2) for forecast in (ours, linear))
    assert error < 0.95 * of_linear


def test_forecasts_of_spikes_are_probabilities_or_counts(fitted_spikes, spike_recording):
    forecast = fitted_spikes.forecast(start_of(spike_recording, 500), 16)
    assert np.nanmin(forecast) >= 0
    assert np.nanmax(forecast) <= 1
    counting = quick(toy("spikes"), likelihood="poisson")
    counts = Recording.from_array(np.minimum(toy("spikes").values, 1), 0.02, "spikes")
    chances = quick(counts)
    assert isinstance(chances._forecaster.model.likelihood, Bernoulli)
    for push in (-10.0, 10.0):  # however far the readout goes
        for one in (counting, chances):
            one._forecaster.ahead.level.fill_(push)
            assert np.nanmin(one.forecast(counts, 4)) >= 0
        assert np.nanmax(chances.forecast(counts, 4)) <= 1
    assert np.nanmax(counting.forecast(counts, 4)) == counting._forecaster.highest.max() > 1  # the most in training


def test_several_spikes_in_a_bin_are_poisson():
    """One neuron fires more after a busy bin of the other; the forecast is a count and knows it."""
    rng = np.random.default_rng(0)
    driver = rng.poisson(1.0, 3000)
    follower = rng.poisson(np.exp(-0.5 + 0.4 * np.concatenate([[0], driver[:-1]])))
    recording = Recording.from_array(np.stack([driver, follower], axis=1), 0.05, "spikes")
    assert SynapsNet().check(recording)[0] == "poisson"
    model = quick(recording, epochs=6, batch_steps=50, likelihood="poisson")  # whose weights are those of the rate
    assert model.connectivity_.unit == "log rate per presynaptic spike"
    assert model.connectivity_.weight[1, 0] == pytest.approx(0.4, abs=0.1)
    assert abs(model.connectivity_.scores[0, 1]) < 4 < model.connectivity_.scores[1, 0]
    forecast = model.forecast(recording, 1)[0]
    known = np.isfinite(forecast[:, 1])
    assert forecast[known].mean(0) == pytest.approx(recording.values[known].mean(0), rel=0.1)
    assert np.corrcoef(forecast[known, 1], recording.values[known, 1])[0, 1] > 0.3
    assert forecast[known].max() > 1


def test_behaviour_improves_forecasts_of_what_it_drives():
    rng = np.random.default_rng(0)
    behaviour = np.cumsum(rng.normal(size=1500))
    behaviour = 40 + 7 * behaviour / behaviour.std()  # in its own unit, far from zero
    drive = np.outer(np.concatenate([[0], (behaviour[:-1] - 40) / 7]), [1.0, -1.0, 0.0])
    values = drive + rng.normal(size=(1500, 3))
    error = {}
    for name, known in (("with", behaviour[:, None]), ("without", None)):
        recording = Recording.from_array(values, 0.02, "calcium", behaviour=known)
        early, late = holdout(recording, 0.3, 8)
        forecast = quick(early, epochs=15, connectivity="none", n_history=1, n_lags=1).forecast(late, 1)[0, 1:]
        error[name] = ((forecast - late.values[1:]) ** 2).mean(0)
    assert (error["with"][:2] < 0.95 * error["without"][:2]).all()
    assert error["with"][2] == pytest.approx(error["without"][2], rel=0.1)


# ------------------------------------------------------------------------------------------------- leakage


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_nothing_fitted_knows_what_is_held_out(request, modality):
    recording = start_of(request.getfixturevalue("spike_recording" if modality == "spikes" else "calcium_recording"))
    early, _ = holdout(recording, 0.3, 16)
    values = recording.values.copy()
    values[early.n_steps :] = np.random.default_rng(0).integers(0, 2, values[early.n_steps :].shape) * 1000
    other, _ = holdout(replace(with_values(recording, values), spike_times=_shifted(recording, early)), 0.3, 16)
    assert identical(quick(early), quick(other))


def _shifted(recording: Recording, early: Recording) -> nap.TsGroup | None:
    """The recording's spikes, those after `early` at other times."""
    if recording.spike_times is None or recording.modality == "calcium":
        return None
    end = early.epochs.end[-1]
    trains = {k: train.times() for k, train in recording.spike_times.items()}
    moved = {k: nap.Ts(np.where(t > end, end + (t - end) * 0.97, t)) for k, t in trains.items()}
    return nap.TsGroup(moved, time_support=recording.spike_times.time_support)


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_the_validation_part_changes_no_normalisation_and_trains_nothing(monkeypatch, modality):
    """It decides when to stop, with which W to forecast, and how far to draw neurons together; nothing else."""
    inferred = []
    monkeypatch.setattr(fitted.FittedModel, "_improve", lambda model, weight, *decision: inferred.append(weight))
    monkeypatch.setattr(fitted.FittedModel, "_fit_readouts", lambda *decision: None)
    recording = toy(modality, behaviour=np.arange(600.0)[:, None])
    values = recording.values.copy()
    values[540:] = np.random.default_rng(1).integers(0, 3, (60, 3))
    changed = Recording.from_array(values, 0.02, modality, behaviour=np.r_[np.arange(540.0), np.full(60, 9e3)][:, None])
    one, other = quick(recording)._forecaster, quick(changed)._forecaster
    assert one.history.train == other.history.train
    assert one.history.validation != other.history.validation
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    assert torch.equal(*inferred)
    assert one.behaviour_centre == pytest.approx(recording.behaviour_values[:540].mean(), rel=1e-5)
    if modality == "calcium":
        assert one.centre.numpy() == pytest.approx(recording.values[:540].mean(0), abs=1e-5)
        assert one.scale.numpy() == pytest.approx(recording.values[:540].std(0), rel=1e-2)


def test_what_the_linear_readout_misses_is_learned_from_the_training_part_alone(monkeypatch):
    """Neither the linear readout nor the steps that follow a window are of the validation part."""
    learned = []

    def spy(readout: Any, examples: Any, training: Any, validation: Any, *more: Any) -> None:
        first = torch.cat(list(training))
        learned.append((first, *examples(first), torch.cat(list(validation))))

    candidates = multi_step._candidates
    monkeypatch.setattr(fitted.NonlinearReadout, "fit", spy)
    monkeypatch.setattr(multi_step, "_candidates", lambda *given: candidates(*given)[-1:])  # nothing is left to choose
    recording = toy("calcium")
    values = recording.values.copy()
    values[540:] += np.random.default_rng(1).normal(size=(60, 3))
    for each in (recording, with_values(recording, values)):
        quick(each, connectivity="none")
    (first, inputs, missed, later), (_, inputs_then, missed_then, _) = learned
    assert first.max() + 4 <= 540 < later.min()
    assert torch.equal(inputs, inputs_then)
    assert torch.equal(missed, missed_then)


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_no_window_of_validation_reaches_into_training(monkeypatch, modality):
    parts = []

    def spy(tasks: Any, *more: Any, **options: Any) -> Any:
        parts.extend((task.training, task.validation, task.model.n_steps) for task in tasks)
        return train(tasks, *more, **options)

    monkeypatch.setattr("synapsnet.fitted.train", spy)
    quick(toy(modality))
    assert len(parts) == 2  # spikes in these long bins, too, are inferred from by a model of their own
    for training, validation, n_steps in parts:
        assert training == [(0, 540)]
        assert validation == [(540 + n_steps, 600)]


def test_the_ground_truth_is_not_looked_at(spike_recording):
    recording = start_of(spike_recording)
    assert recording.connectome is not None
    assert identical(quick(recording), quick(recording.without_ground_truth()))


def test_same_seed_same_result_other_seed_other_result(calcium_recording):
    recording = start_of(calcium_recording)
    one = quick(recording, seed=1)
    torch.rand(7)  # the global generator has no part in it
    assert identical(one, quick(recording, seed=1))
    assert not identical(one, quick(recording, seed=2))


def test_fitting_leaves_the_global_generators_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    quick(toy())
    assert torch.equal(torch.rand(1), expected)


# ------------------------------------------------------------------------------------ interrupt and resume


STAGES = [
    f"{part}: {stage}" for part in ("forecasts", "connections") for stage in ("training", "evidence", "posterior")
]


def interrupt_at(stage: str, fraction: float) -> Callable[[str, float], None]:
    def progress(now: str, done: float) -> None:
        if now == stage and done >= fraction:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(
    ("stage", "fraction"),
    [*((stage, 0.3) for stage in STAGES), *((stage, 1.0) for stage in (*STAGES, "forecasts: readouts"))],
)
def test_an_interrupted_fit_resumes_to_the_same_result(tmp_path, stage, fraction):
    """Within each stage of both models, and between two."""
    recording, settings = toy(n_steps=1500), {"epochs": 3, "horizon": 4}
    with pytest.raises(KeyboardInterrupt):
        SynapsNet(**settings).fit(recording, checkpoint=tmp_path, progress=interrupt_at(stage, fraction))
    resumed = SynapsNet(**settings).fit(recording, checkpoint=tmp_path, resume=True)
    assert identical(resumed, SynapsNet(**settings).fit(recording))


@pytest.mark.parametrize(("modality", "dt_s"), [("calcium", 0.02), ("spikes", 0.02), ("spikes", 0.005)])
def test_finished_stages_are_not_computed_again(tmp_path, monkeypatch, modality, dt_s):
    recording, settings = toy(modality, n_steps=1500, dt_s=dt_s), {"epochs": 3, "horizon": 4}
    whole = SynapsNet(**settings).fit(recording, checkpoint=tmp_path)
    for owner, name in [
        (fitted, "spike_evidence"), (fitted, "gather_evidence"), (fitted, "calibrated"), (fitted, "posterior"),
        (fitted.FittedModel, "_improve"), (fitted.MultiStep, "fit"),
    ]:  # fmt: skip
        monkeypatch.setattr(owner, name, None)
    assert identical(SynapsNet(**settings).fit(recording, checkpoint=tmp_path, resume=True), whole)


@pytest.mark.parametrize("other", [{"prior": "lags"}, {"horizon": 2}])
def test_stages_of_other_settings_are_computed_anew(tmp_path, other):
    """The training is the same with these settings, so it is resumed."""
    recording = toy()
    SynapsNet(**{"epochs": 1, "horizon": 4}).fit(recording, checkpoint=tmp_path)
    settings = {"epochs": 1, "horizon": 4} | other
    assert identical(
        SynapsNet(**settings).fit(recording, checkpoint=tmp_path, resume=True), SynapsNet(**settings).fit(recording)
    )


def test_refuses_a_damaged_result_of_a_stage(tmp_path):
    SynapsNet(epochs=1).fit(toy(), checkpoint=tmp_path)
    file = tmp_path / "inference" / "0" / "posterior.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"posterior.safetensors is damaged .* without --resume"):
        SynapsNet(epochs=1).fit(toy(), checkpoint=tmp_path, resume=True)


def test_refuses_to_resume_from_another_recording(tmp_path):
    SynapsNet(epochs=1).fit(toy(), checkpoint=tmp_path)
    with pytest.raises(InputError, match="does not belong to this fit"):
        SynapsNet(epochs=1).fit(toy(seed=1), checkpoint=tmp_path, resume=True)


def test_progress_of_each_stage_rises_to_one():
    seen: dict[str, list[float]] = {}
    SynapsNet(epochs=2).fit(toy(), progress=lambda stage, done: seen.setdefault(stage, []).append(done))
    assert list(seen) == [*STAGES[:3], "forecasts: readouts", "connections: deconvolution", *STAGES[3:]]
    for fractions in seen.values():
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0


def test_a_refit_that_is_interrupted_leaves_the_earlier_fit_whole():
    model = quick(toy())
    before = everything(model)

    with pytest.raises(KeyboardInterrupt):
        model.fit(toy(seed=1), progress=interrupt_at("connections: training", 0.5))
    after = everything(model)
    assert all(np.array_equal(before[name], after[name]) for name in before)


# ------------------------------------------------------------------------------------------- save and load


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
@pytest.mark.parametrize("connectivity", ["free", "none"])
def test_save_and_load_are_exact(tmp_path, modality, connectivity):
    recording = toy(modality, behaviour=np.random.default_rng(1).normal(size=(600, 2)))
    model = quick(recording, connectivity=connectivity, n_hidden=5, seed=3)
    model.save(tmp_path / "new" / "model")
    loaded = SynapsNet.load(tmp_path / "new" / "model", device="cpu")
    assert identical(loaded, model)
    assert loaded.settings == model.settings
    assert loaded.history_ == model.history_
    assert loaded.connectivity_.unit == model.connectivity_.unit
    assert np.array_equal(loaded.forecast(recording, 4), model.forecast(recording, 4), equal_nan=True)


def test_nothing_saved_is_a_pickle(tmp_path):
    SynapsNet(epochs=1).fit(toy(), checkpoint=tmp_path / "checkpoint").save(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert len(files) == 9
    for path in files:
        with pytest.raises(Exception, match=r"."), path.open("rb") as file:
            list(pickletools.genops(file))
    source = Path(__file__).parents[1] / "synapsnet"
    for path in source.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("import pickle", "torch.load(", "torch.save(", "import joblib")), path


def _describe(folder: Path, **changes: Any) -> None:
    described = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**described, **changes}))


def _without(folder: Path, name: str) -> None:
    described = json.loads((folder / DESCRIPTION).read_text())
    del described[name]
    (folder / DESCRIPTION).write_text(json.dumps(described))


def _drop(folder: Path, name: str) -> None:
    tensors = safetensors.torch.load_file(folder / PARAMETERS)
    del tensors[name]
    safetensors.torch.save_file(tensors, folder / PARAMETERS)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no description": (lambda f: (f / DESCRIPTION).unlink(), "holds no fitted model .*json is missing"),
    "broken description": (lambda f: _truncate(f / DESCRIPTION), "json is damaged"),
    "binary description": (lambda f: (f / DESCRIPTION).write_bytes(b"\xff\xfe\x00"), "json is damaged"),
    "a list": (lambda f: (f / DESCRIPTION).write_text("[]"), "has format None, but this version reads 8"),
    "other version": (lambda f: _describe(f, format_version=99), "has format 99, but this version reads 8; fit it"),
    "no version": (lambda f: _without(f, "format_version"), "has format None"),
    "no settings": (lambda f: _without(f, "settings"), "is damaged .*settings"),
    "other settings": (lambda f: _describe(f, settings={"colour": 3}), "no parameter 'colour'"),
    "settings of another kind": (lambda f: _describe(f, settings=[]), "is damaged"),
    "no sizes": (lambda f: _without(f, "model"), "is damaged .*model"),
    "other sizes": (lambda f: _describe(f, model={"n_neurons": 3}), "is damaged"),
    "no history": (lambda f: _without(f, "history"), "is damaged .*history"),
    "other history": (lambda f: _describe(f, history={"forecast": {"x": 1}}), "is damaged"),
    "history of another kind": (lambda f: _describe(f, history=[]), "is damaged"),
    "no parameters": (lambda f: (f / PARAMETERS).unlink(), "is damaged"),
    "broken parameters": (lambda f: _truncate(f / PARAMETERS), "is damaged"),
    "a missing parameter": (lambda f: _drop(f, "forecaster.model.embedding"), "is damaged"),
    "no connectivity": (lambda f: _drop(f, "connectivity.weight"), "is damaged .*weight"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_refuses_a_damaged_folder(tmp_path, what):
    quick(toy()).save(tmp_path)
    SynapsNet.load(tmp_path)
    damage, sentence = DAMAGE[what]
    damage(tmp_path)
    with pytest.raises(InputError, match=sentence):
        SynapsNet.load(tmp_path)


def test_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"holds no fitted model .* fit one first"):
        SynapsNet.load(tmp_path / "absent")


def test_refuses_to_save_where_a_file_is(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match=r"Cannot write .*taken"):
        quick(toy()).save(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_an_interrupted_save_over_another_model_leaves_no_mixture(tmp_path, monkeypatch):
    quick(toy()).save(tmp_path)
    other = quick(toy(), seed=1)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    before = (tmp_path / PARAMETERS).read_bytes()
    monkeypatch.setattr("synapsnet.estimator.json.dumps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.save(tmp_path)
    assert (tmp_path / PARAMETERS).read_bytes() == before
    assert SynapsNet.load(tmp_path).settings.seed != 1


def test_the_description_is_readable(tmp_path):
    quick(toy()).save(tmp_path)
    described = json.loads((tmp_path / DESCRIPTION).read_text())
    assert described["format_version"] == FORMAT_VERSION
    assert described["settings"]["epochs"] == 1
    assert described["model"]["n_neurons"] == 3


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 0}, "parameter 'epochs' of SynapsNet: input should be greater than or equal to 1; got 0"),
        ({"sparsity": -1}, "parameter 'sparsity' of SynapsNet: .*; got -1"),
        ({"learning_rate": float("nan")}, "parameter 'learning_rate' of SynapsNet"),
        ({"validation_fraction": 1}, "parameter 'validation_fraction' of SynapsNet: .* less than 1; got 1"),
        (
            {"connectivity": "full"},
            "'connectivity' of SynapsNet: .*'free', 'low-rank', 'dale' or 'none'; got 'full'",
        ),
        ({"likelihood": "normal"}, "parameter 'likelihood' of SynapsNet: .*; got 'normal'"),
        ({"device": "tpu"}, "device must be auto, cpu, cuda or mps; got 'tpu'"),
    ],
)
def test_refuses_unusable_settings(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        SynapsNet(**settings)


def test_refuses_settings_that_there_are_not():
    with pytest.raises(InputError, match=r"SynapsNet has no parameter 'n_hiden'; it has connectivity, .*seed"):
        Settings(n_hiden=3)
    with pytest.raises(TypeError, match="n_hiden"):
        SynapsNet(n_hiden=3)


def test_refuses_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"no CUDA device .* --device cpu or --device auto"):
        SynapsNet(device="cuda")
    assert SynapsNet(device="auto").fabric.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("modality", "likelihood", "sentence"),
    [
        ("calcium", "poisson", "Calcium needs the Gaussian likelihood; got 'poisson'"),
        ("spikes", "gaussian", "Spikes need the Bernoulli, the Poisson or the negative binomial likelihood"),
        ("spikes", "bernoulli", "at most one spike per bin; there are [2-9]. Use shorter bins or likelihood='poisson'"),
    ],
)
def test_refuses_a_likelihood_that_does_not_fit_the_data(modality, likelihood, sentence):
    with pytest.raises(InputError, match=sentence):
        SynapsNet(likelihood=likelihood).fit(toy(modality))


def test_refuses_kernels_longer_than_the_history():
    with pytest.raises(InputError, match="kernels of 5 steps need a history at least as long; got 3"):
        SynapsNet(n_lags=5, n_history=3).fit(toy())


def test_a_short_history_shortens_the_default_kernels(spike_recording):
    model = quick(start_of(spike_recording), n_history=2)
    assert model._forecaster.shape["n_lags"] == model._forecaster.shape["n_steps"] == 2


def test_the_default_history_and_kernels_are_in_seconds(spike_recording, calcium_recording):
    shape = quick(start_of(spike_recording))._forecaster.shape
    assert (shape["n_lags"], shape["n_steps"]) == (6, 10)
    assert (quick(toy("spikes"))._forecaster.shape["n_lags"], shape["dt_s"]) == (2, 0.005)
    slow = Recording.from_array(toy("spikes").values, 0.5, "spikes")
    assert quick(slow)._forecaster.shape["n_steps"] == 1


def test_refuses_epochs_shorter_than_the_history():
    trials = toy("spikes", 600, segments=[6] * 100)
    with pytest.raises(
        InputError, match=r"training part is too short for the history window: .* 6 steps, 11 are needed"
    ):
        SynapsNet(n_history=10).fit(trials)
    with pytest.raises(InputError, match="too short to hold out"):
        SynapsNet(n_history=10).fit(toy(n_steps=20))


def test_refuses_what_only_its_second_model_could_not_fit():
    """In bins of 100 ms a neuron's own past is one step, but connections are inferred from four."""
    trials = toy("spikes", 400, segments=[4] * 100)
    long_bins = Recording.from_array(trials.values, 0.1, "spikes", segments=[4] * 100)
    with pytest.raises(InputError, match=r"has 4 steps, 5 are needed"):
        SynapsNet().check(long_bins)


def test_refuses_low_rank_weights_without_embeddings():
    with pytest.raises(InputError, match=r"low-rank weights are read from embeddings, so n_embedding must .* got 0"):
        SynapsNet(connectivity="low-rank", n_embedding=0)


def test_fits_trials_of_which_some_are_too_short():
    trials = toy("spikes", 600, segments=[20, 2, 28] * 12)
    assert np.isfinite(quick(trials).connectivity_.scores).all()


def test_epochs_too_short_for_the_horizon_are_no_obstacle():
    trials = toy("calcium", 600, segments=[12] * 50)
    model = quick(trials, horizon=16, n_history=8)
    forecast = model.forecast(trials, 16)
    assert np.isfinite(forecast[3]).any()
    assert np.isnan(forecast[4:]).all()


def test_says_so_when_training_diverges():
    values = np.random.default_rng(0).normal(size=(600, 3))
    with pytest.raises(InputError, match=r"diverged .* use a learning rate below"):
        quick(Recording.from_array(values, 0.02, "calcium"), learning_rate=1e30)


@pytest.mark.parametrize("use", [lambda model: model.forecast(toy(), 1), lambda model: model.save("nowhere")])
def test_refuses_to_use_what_is_not_fitted(use):
    with pytest.raises(InputError, match="not fitted"):
        use(SynapsNet())


def test_refuses_to_forecast_another_kind_of_recording():
    model = quick(toy())
    with pytest.raises(InputError, match=r"fitted to 3 neurons and 0 .* has 4 and 0"):
        model.forecast(toy(n=4), 1)
    with pytest.raises(InputError, match="0 behavioural variables; the recording has 3 and 1"):
        model.forecast(toy(behaviour=np.zeros((600, 1))), 1)
    with pytest.raises(InputError, match=r"fitted to calcium in steps of 0.02 s; the recording holds spikes in"):
        model.forecast(toy("spikes"), 1)
    with pytest.raises(InputError, match=r"holds calcium in steps of 0.05 s"):
        model.forecast(Recording.from_array(toy().values, 0.05, "calcium"), 1)


# ------------------------------------------------------------------------------- silent and constant neurons


@pytest.mark.parametrize("likelihood", ["bernoulli", "poisson"])
def test_a_neuron_silent_in_the_training_part_breaks_nothing(likelihood):
    values = np.minimum(toy("spikes", 2000).values, 1)
    values[:1850, 1] = 0
    values[1850::10, 1] = 1
    model = quick(Recording.from_array(values, 0.02, "spikes"), likelihood=likelihood, epochs=3)
    for name, array in everything(model).items():
        assert np.isfinite(array).all(), name
    assert np.abs(model.connectivity_.scores[1]).max() < 2  # there is no evidence on it
    assert np.abs(model.connectivity_.scores[:, 1]).max() < 2
    forecast = model.forecast(Recording.from_array(values, 0.02, "spikes"), 4)
    assert np.isfinite(forecast[3, 20:]).all()
    assert np.nanmax(forecast[:, :1800, 1]) < 0.05


def test_a_trace_constant_in_the_training_part_breaks_nothing():
    """The mean of a constant in single precision is not that constant: its spread must not be taken for a scale."""
    recording = toy("calcium", 2000)
    values = recording.values.copy()
    values[:1850, 1] = 0.1
    model = quick(with_values(recording, values), epochs=3)
    assert model._forecaster.scale[1] == 1
    for name, array in everything(model).items():  # inputs that never vary, as constant forecasts, spread infinitely
        assert (np.isposinf(array) | np.isfinite(array) if name == "beyond_linear.spread" else np.isfinite(array)).all()
    without = quick(recording.select_neurons([0, 2]), epochs=3)
    forecast = model.forecast(with_values(recording, values), 4)
    assert np.abs(forecast[0, 100:1800, 1] - 0.1).max() < 0.1
    alone = without.forecast(recording.select_neurons([0, 2]), 4)
    assert np.nanmax(np.abs(forecast[0, 100:1800][:, [0, 2]] - alone[0, 100:1800])) < 0.3  # the others hardly notice


def test_behaviour_constant_in_the_training_part_breaks_nothing():
    behaviour = np.full((600, 1), 0.1)
    behaviour[580:] = 5.0
    recording = toy(behaviour=behaviour)
    model = quick(recording)
    assert model._forecaster.behaviour_scale.tolist() == [1]
    assert np.isfinite(model.forecast(recording, 4)[3, 20:]).all()


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
@pytest.mark.parametrize("connectivity", ["free", "none"])
def test_infer_finds_what_fit_finds(modality, connectivity):
    recording = toy(modality)
    inferred = SynapsNet(epochs=2, connectivity=connectivity, device="cpu").infer(recording)
    fitted_ = SynapsNet(epochs=2, connectivity=connectivity, device="cpu").fit(recording).connectivity_
    for name, matrix in fitted_.matrices.items():
        assert np.array_equal(getattr(inferred, name), matrix)


def test_another_weight_is_forecast_with_only_if_it_forecasts_better(spike_recording):
    one = SynapsNet(epochs=1, device="cpu").fit(spike_recording)._fitted()
    model, fabric = one.model, launch("cpu")
    data = one.normalise(spike_recording.values, spike_recording.behaviour_values)
    training, validation = split_rows(spike_recording.segments, 0.1, gap=model.n_steps)
    todo, check = batches(training, model.n_steps, 512), batches(validation, model.n_steps, 512)
    good, before = model.synapses.weight.detach().clone(), mean_loss(model, *data, check, fabric)
    generator = torch.Generator().manual_seed(0)
    bad = torch.randn(N, N, generator=generator)
    one._improve(bad, *data, todo, check, fabric)
    assert torch.equal(model.synapses.weight, good)
    assert mean_loss(model, *data, check, fabric) == before
    with torch.no_grad():
        model.synapses.connectivity.set_weight(bad)
    worse = mean_loss(model, *data, check, fabric)
    one._improve(good, *data, todo, check, fabric)
    torch.testing.assert_close(model.synapses.weight.detach(), good)
    assert mean_loss(model, *data, check, fabric) < worse


def test_what_is_inferred_is_what_a_fit_would_find(spike_recording: Recording) -> None:
    """Delays included, without what only forecasts need."""
    recording = spike_recording.select_rows([(0, 4000)])
    settings = {"epochs": 1, "n_hidden": 2, "device": "cpu"}
    inferred, fitted = SynapsNet(**settings).infer(recording), SynapsNet(**settings).fit(recording).connectivity_
    assert set(inferred.matrices) == set(fitted.matrices)
    for name, matrix in inferred.matrices.items():
        np.testing.assert_array_equal(matrix, fitted.matrices[name])
