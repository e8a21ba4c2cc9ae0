"""Every variant of the model by the estimator: recovery, forecasts that do not look ahead, save and load."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.recording import Connectome, Recording, neuron_table

N = 8
PAIRS = ~np.eye(N, dtype=bool)
VARIANTS: dict[str, dict[str, Any]] = {
    "low-rank": {"connectivity": "low-rank"},
    "dale": {"connectivity": "dale"},
    "gru": {"decoder": "gru", "n_hidden": 4},
    "distance": {"kernels": "distance"},
    "negative-binomial": {"likelihood": "negative-binomial"},
    "zero-inflated": {"likelihood": "zero-inflated"},
    "all": {"connectivity": "dale", "decoder": "gru", "n_hidden": 4, "kernels": "distance", "likelihood": "poisson"},
}


pytestmark = pytest.mark.usefixtures("one_thread")


def network(variant: str, n_steps: int = 3000, seed: int = 0) -> Recording:
    """What a SynapsNet of the variant's likelihood generates: log odds or log rates that are linear in the current."""
    rng = np.random.default_rng(seed)
    sign = np.where(np.arange(N) < 5, 1.0, -1.0)
    weight = np.where(rng.random((N, N)) < 0.25, sign, 0.0) * PAIRS
    values = np.zeros((n_steps, N), np.float32)
    for t in range(1, n_steps):
        eta = np.clip(weight @ np.minimum(values[t - 1], 2) - 1.2, -8, 1)
        chance = 1 / (1 + np.exp(-eta))
        if variant == "zero-inflated":
            values[t] = np.where(rng.random(N) < chance, rng.gamma(2.0, 0.5, N), 0)
        elif variant == "negative-binomial":
            values[t] = rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, N))
        elif variant == "all":
            values[t] = rng.poisson(np.exp(eta))
        else:
            values[t] = rng.random(N) < chance
    zero_inflated = variant == "zero-inflated"
    return Recording.from_array(
        values,
        0.02,
        "calcium" if zero_inflated else "spikes",
        neurons=neuron_table(N, position_um=rng.uniform(0, 100, (N, 3))),
        connectome=Connectome(weight),
        deconvolved=zero_inflated,
    )


def fit(variant: str, recording: Recording, **more: Any) -> SynapsNet:
    settings = {"n_lags": 2, "n_history": 3, "epochs": 6, "batch_steps": 100, "horizon": 4, "device": "cpu"}
    return SynapsNet(**{**settings, **VARIANTS[variant], **more}).fit(recording.without_ground_truth())


@pytest.fixture(scope="module")
def fitted() -> dict[str, tuple[SynapsNet, Recording]]:
    found = {}
    for variant in VARIANTS:
        recording = network(variant)
        found[variant] = fit(variant, recording), recording
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_recovers_a_network_that_it_generates(fitted, variant):
    """Of each variant; chance is the density, about a quarter."""
    model, recording = fitted[variant]
    true = recording.connectome.adjacency[PAIRS]
    assert true.mean() < 0.35
    assert average_precision_score(true, np.abs(model.connectivity_.scores)[PAIRS]) > 0.75
    trained = model._fitted().model.synapses.weight.detach().numpy()
    assert average_precision_score(true, np.abs(trained)[PAIRS]) > (0.45 if variant == "low-rank" else 0.7)


@pytest.mark.parametrize("variant", VARIANTS)
def test_forecasts_better_than_without_connections(fitted, variant):
    model, recording = fitted[variant]
    alone = fit(variant, recording, connectivity="none")
    assert min(model.history_["forecast"].validation) < min(alone.history_["forecast"].validation)


@pytest.mark.parametrize("variant", VARIANTS)
def test_forecasts_depend_on_nothing_after_the_step_they_are_made_at(fitted, variant):
    model, recording = fitted[variant]
    recording = recording.select_rows([(0, 60)])
    values = recording.values.copy()
    values[40:] = 1 - np.minimum(values[40:], 1)
    changed = Recording.from_array(
        values, 0.02, recording.modality, neurons=recording.neurons, deconvolved=recording.deconvolved
    )
    before, after = model.forecast(recording, 4), model.forecast(changed, 4)
    for h in range(1, 5):
        assert np.array_equal(before[h - 1, : 40 + h], after[h - 1, : 40 + h], equal_nan=True)
    assert not np.array_equal(before[0, 41:], after[0, 41:])


@pytest.mark.parametrize("variant", VARIANTS)
def test_save_and_load_are_exact(fitted, variant, tmp_path):
    model, recording = fitted[variant]
    model.save(tmp_path)
    loaded = SynapsNet.load(tmp_path, device="cpu")
    assert loaded.settings == model.settings
    state, before = loaded._fitted().state_dict(), model._fitted().state_dict()
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], value) for name, value in before.items())
    assert np.array_equal(loaded.forecast(recording, 4), model.forecast(recording, 4), equal_nan=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_fit_resumes_to_the_same_result(tmp_path, variant):
    recording = network(variant, 500)

    def interrupt(done: float) -> None:
        if done > 0.3:
            raise KeyboardInterrupt

    settings = {"n_lags": 2, "n_history": 3, "epochs": 3, "batch_steps": 100, "horizon": 4, "device": "cpu"}
    model = SynapsNet(**{**settings, **VARIANTS[variant]})
    with pytest.raises(KeyboardInterrupt):
        model.fit(recording, checkpoint=tmp_path, progress=interrupt)
    resumed = model.fit(recording, checkpoint=tmp_path, resume=True)._fitted().state_dict()
    whole = fit(variant, recording, epochs=3)._fitted().state_dict()
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_dale_gives_every_sender_one_sign(fitted):
    for variant in ("dale", "all"):
        weight = fitted[variant][0]._fitted().model.synapses.weight.detach().numpy()
        assert weight.any()
        assert not ((weight > 0).any(0) & (weight < 0).any(0)).any()


def test_the_sign_of_dale_is_the_true_one(fitted):
    model, recording = fitted["dale"]
    sent = model._fitted().model.synapses.weight.detach().numpy().sum(0)
    connects = recording.connectome.adjacency.any(0)
    assert (np.sign(sent) == np.sign(recording.connectome.weight.sum(0)))[connects].mean() > 0.8


def test_dale_holds_where_the_best_epoch_lies_in_the_warm_up():
    """With steps that are far too large the first epoch, which is not constrained yet, is the best."""
    model = fit("dale", network("dale", 400), epochs=30, batch_steps=400, learning_rate=0.5, patience=1)
    assert model.history_["forecast"].best_epoch < 3
    weight = model._fitted().model.synapses.weight.detach().numpy()
    assert not ((weight > 0).any(0) & (weight < 0).any(0)).any()


def test_forecasts_of_deconvolved_calcium_are_never_negative(fitted):
    model, recording = fitted["zero-inflated"]
    forecast = model.forecast(recording, 4)
    assert np.nanmin(forecast) >= 0
    assert np.nanmean(forecast[0]) == pytest.approx(recording.values.mean(), rel=0.1)
    assert model.connectivity_.unit == "log odds per SD"
    assert set(model.history_) == {"forecast", "inference"}


def test_a_delay_that_grows_with_distance_is_found():
    """Near pairs act after one step, far ones after three: so do the kernels, which then forecast better."""
    rng = np.random.default_rng(1)
    position = np.zeros((N, 3))
    position[:, 0] = np.sort(rng.uniform(0, 100, N))
    apart = np.abs(position[:, None, 0] - position[:, 0])
    far = apart > np.median(apart[PAIRS])
    weight = np.where(rng.random((N, N)) < 0.4, 1.5, 0.0) * PAIRS
    spikes = np.zeros((4000, N), np.float32)
    for t in range(3, len(spikes)):
        eta = (weight * ~far) @ spikes[t - 1] + (weight * far) @ spikes[t - 3] - 3.0
        spikes[t] = rng.random(N) < 1 / (1 + np.exp(-eta))
    recording = Recording.from_array(spikes, 0.005, "spikes", neurons=neuron_table(N, position_um=position))
    loss = {}
    for variant in ("distance", "low-rank"):
        kernels = {"n_lags": 3, "connectivity": "free", "learning_rate": 0.02, "epochs": 10}
        model = fit(variant, recording, **kernels)
        loss[variant] = min(model.history_["forecast"].validation)
        if variant == "distance":
            kernel = model._fitted().model.synapses.kernels.kernels().mean(1)
            assert kernel[0].argmax() == 0
            assert kernel[3].argmax() == 2
    assert loss["distance"] < loss["low-rank"]


@pytest.mark.parametrize(
    ("settings", "modality", "deconvolved", "sentence"),
    [
        ({"likelihood": "zero-inflated"}, "calcium", False, "needs calcium that is deconvolved and never negative"),
        ({"likelihood": "zero-inflated"}, "spikes", False, "negative binomial likelihood; got 'zero-inflated'"),
        ({"likelihood": "negative-binomial"}, "calcium", False, "Calcium needs the Gaussian or the zero-inflated"),
        ({"kernels": "distance"}, "spikes", False, "need the position of every neuron; 3 of 3 neurons have none"),
    ],
)
def test_refuses_a_variant_that_does_not_fit_the_data(settings, modality, deconvolved, sentence):
    values = np.random.default_rng(0).poisson(0.3, (600, 3))
    recording = Recording.from_array(values, 0.02, modality, deconvolved=deconvolved)
    with pytest.raises(InputError, match=sentence):
        SynapsNet(**settings).check(recording)


def test_refuses_negative_values_as_events():
    values = np.random.default_rng(0).normal(size=(600, 3))
    recording = Recording.from_array(values, 0.02, "calcium", deconvolved=True)
    with pytest.raises(InputError, match="never negative"):
        SynapsNet(likelihood="zero-inflated").fit(recording)
