"""Neural forecasters and NetFormer on data whose answer is known; leakage is tested in test_methods.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synapsnet.errors import InputError
from synapsnet.recording import Recording
from validation.methods import METHODS, neural
from validation.methods.dlinear import DLinear
from validation.methods.gru import GRU
from validation.methods.netformer import NetFormer, _Network
from validation.methods.poco import POCO
from validation.methods.synapsnet import Independent, LagsOnly, OneLag, SynapsNetInference, WithoutPrior
from validation.methods.transformer import Transformer
from validation.methods.tsmixer import TSMixer

NEURAL = [GRU, Transformer, DLinear, TSMixer, POCO]
POPULATION = [GRU, Transformer, TSMixer, POCO]


def linear(weight: np.ndarray, n_steps: int, seed: int = 0, level: float = 0.0) -> Recording:
    """x(t) = weight x(t - 1) + noise, as calcium."""
    shocks = np.random.default_rng(seed).standard_normal((n_steps, len(weight)))
    values = np.zeros_like(shocks)
    for t in range(1, n_steps):
        values[t] = weight @ values[t - 1] + shocks[t]
    return Recording.from_array(values + level, 1 / 30, "calcium")


def skill(method: type[neural.NeuralForecaster], recording: Recording) -> list[float]:
    """1 - MSE / variance on the last fifth, one to four steps ahead."""
    cut = int(0.8 * recording.n_steps)
    training, test = recording.select_rows([(0, cut)]), recording.select_rows([(cut + 50, recording.n_steps)])
    skills = []
    for forecast in method(n_past=8, horizon=4).fit(training).forecast(test, 4):
        known = np.isfinite(forecast[:, 0])
        skills.append(1 - ((forecast - test.values)[known] ** 2).mean() / test.values[known].var(axis=0).mean())
    return skills


@pytest.mark.parametrize("method", NEURAL)
def test_forecasts_of_slow_neurons_are_nearly_as_good_as_can_be(method):
    """Of x(t) = 0.9 x(t - 1) + noise, 0.81 of the variance can be forecast one step ahead, 0.43 four steps."""
    recording = linear(np.diag([0.9, 0.9, 0.9]), 4000, level=5)
    skills = skill(method, recording)
    assert 0.74 < skills[0] < 0.83
    assert 0.3 < skills[3] < 0.5


@pytest.mark.parametrize("method", POPULATION)
def test_population_forecasters_use_the_other_neurons(method):
    """Neuron 1 is what neuron 0 was, and neuron 0 is white: half of the variance, and none from the own past."""
    weight = np.array([[0.0, 0.0], [3.0, 0.0]])
    assert skill(method, linear(weight, 3000))[0] > 0.7


def test_a_forecaster_of_single_neurons_does_not_use_the_others():
    assert skill(DLinear, linear(np.array([[0.0, 0.0], [3.0, 0.0]]), 6000))[0] < 0.05


@pytest.mark.parametrize("method", NEURAL)
def test_forecasts_depend_on_the_seed_and_on_nothing_else(method):
    recording = linear(np.diag([0.9, 0.5]), 200)
    state = torch.random.get_rng_state()
    first, again, other = (method(n_past=4, horizon=2, seed=s).fit(recording).forecast(recording, 2) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.nanmax(np.abs(first - other)) > 0
    assert torch.equal(torch.random.get_rng_state(), state)


def test_normalisation_and_training_end_before_the_part_that_training_is_stopped_on():
    recording = linear(np.diag([0.9, 0.5]), 600)
    changed = recording.values.copy()
    changed[-60:] += 100  # the last tenth
    other = Recording.from_array(changed, 1 / 30, "calcium")
    fits = [DLinear(n_past=4, horizon=2).fit(r) for r in (recording, other)]
    np.testing.assert_array_equal(fits[0].centre_, fits[1].centre_)
    np.testing.assert_array_equal(fits[0].spread_, fits[1].spread_)


def test_no_window_crosses_an_epoch():
    np.testing.assert_array_equal(neural.window_starts([(0, 5), (5, 7), (7, 11)], 4), [0, 1, 7])


def test_horizons_that_were_not_trained_and_steps_without_history_are_nan():
    recording = linear(np.diag([0.9, 0.5]), 400)
    forecast = DLinear(n_past=4, horizon=2).fit(recording).forecast(recording.select_rows([(0, 20), (30, 34)]), 3)
    assert np.isnan(forecast[0, :4]).all()
    assert np.isfinite(forecast[0, 4:20]).all()
    assert np.isnan(forecast[1, :5]).all()
    assert np.isfinite(forecast[1, 5:20]).all()
    assert np.isnan(forecast[:, 20:]).all()
    assert np.isnan(forecast[2]).all()


def test_short_epochs_shorten_the_past_and_then_end_in_a_sentence():
    values = np.random.default_rng(0).standard_normal((400, 2))
    trials = Recording.from_array(values, 1 / 30, "calcium", segments=[20] * 20)
    forecast = DLinear().fit(trials).forecast(trials, 10)
    assert np.isfinite(forecast[9, 19]).all()
    with pytest.raises(InputError, match="epochs of 20 steps, to train on and to decide when to stop"):
        DLinear().fit(trials.select_rows([(0, 20), (20, 40), (40, 43)]))


def test_all_neural_forecasters_are_registered_for_both_modalities():
    registered = {entry.load() for entry in METHODS.values() if set(entry.forecasts) == {"spikes", "calcium"}}
    assert set(NEURAL) <= registered


def test_netformer_finds_planted_connections_with_their_sign():
    weight = np.zeros((6, 6))
    weight[[1, 3, 5], [0, 2, 4]] = 0.5, -0.5, 0.3
    shocks = linear(weight, 8000).values
    inferred = NetFormer(n_embedding=16, n_attention=16).infer(Recording.from_array(shocks + 50, 0.01, "spikes"))
    np.testing.assert_array_equal(np.sign(inferred.weight[weight != 0]), np.sign(weight[weight != 0]))
    absent = (weight == 0) & ~np.eye(6, dtype=bool)
    assert np.abs(inferred.weight[weight != 0]).min() > 2 * np.abs(inferred.weight[absent]).max()
    assert not np.diagonal(inferred.weight).any()


def test_netformer_predicts_with_the_attention_that_it_reports():
    torch.manual_seed(0)
    network = _Network(4, 3, 5, 6)
    torch.nn.init.normal_(network.query.weight)
    torch.nn.init.normal_(network.own)
    past = torch.randn(1, 3, 4)
    attention = network.mean_attention(past)
    attention.fill_diagonal_(0)
    expected = attention @ past[0, -1] + (network.own * past[0]).sum(0)
    torch.testing.assert_close(network(past)[0, 0], expected)


def test_netformer_depends_on_its_seed():
    recording = linear(np.diag([0.9, 0.5, 0.1]), 400)
    first, again, other = (NetFormer(seed=s, n_embedding=4, n_attention=4).infer(recording).weight for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_ablations_of_synapsnet_differ_in_what_they_leave_out(spike_recording):
    assert SynapsNetInference(seed=3).model.settings.seed == 3
    assert (WithoutPrior().model.settings.prior, OneLag().model.settings.n_lags) == ("none", 1)
    assert LagsOnly().model.settings.prior == "lags"
    part = spike_recording.select_rows([(0, 2000)]).without_ground_truth()
    assert not Independent(epochs=1).infer(part).weight.any()
    assert SynapsNetInference(epochs=1).infer(spike_recording.without_ground_truth()).weight.any()
