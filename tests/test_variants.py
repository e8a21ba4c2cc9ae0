"""Every variant of the model by the estimator: recovery, forecasts that do not look ahead, save and load."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.recording import Recording, neuron_table

N = 8
PAIRS = ~np.eye(N, dtype=bool)
VARIANTS: dict[str, dict[str, Any]] = {
    "low-rank": {"connectivity": "low-rank"},
    "dale": {"connectivity": "dale"},
    "gru": {"decoder": "gru", "n_hidden": 4},
    "negative-binomial": {"likelihood": "negative-binomial"},
    "all": {"connectivity": "dale", "decoder": "gru", "n_hidden": 4, "likelihood": "poisson"},
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
        if variant == "negative-binomial":
            values[t] = rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, N))
        elif variant == "all":
            values[t] = rng.poisson(np.exp(eta))
        else:
            values[t] = rng.random(N) < chance
    return Recording.from_array(
        values,
        0.02,
        "spikes",
        neurons=neuron_table(N, position_um=rng.uniform(0, 100, (N, 3))),
        connectome=Connectome(weight),
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
    changed = Recording.from_array(values, 0.02, "spikes", neurons=recording.neurons)
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

    def interrupt(stage: str, done: float) -> None:
        if stage.endswith("training") and done > 0.3:
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


def test_dale_holds_where_the_best_pass_lies_in_the_warm_up():
    """With steps that are far too large the first epoch, which is not constrained yet, is the best."""
    model = fit("dale", network("dale", 400), epochs=30, batch_steps=400, learning_rate=0.5, patience=1)
    assert model.history_["forecast"].best_epoch < 3
    weight = model._fitted().model.synapses.weight.detach().numpy()
    assert not ((weight > 0).any(0) & (weight < 0).any(0)).any()


@pytest.mark.parametrize(
    ("settings", "modality", "sentence"),
    [
        ({"likelihood": "gaussian"}, "spikes", "negative binomial likelihood; got 'gaussian'"),
        (
            {"likelihood": "negative-binomial"},
            "calcium",
            "Calcium needs the Gaussian likelihood; got 'negative-binomial'",
        ),
    ],
)
def test_refuses_a_variant_that_does_not_fit_the_data(settings, modality, sentence):
    values = np.random.default_rng(0).poisson(0.3, (600, 3))
    with pytest.raises(InputError, match=sentence):
        SynapsNet(**settings).check(Recording.from_array(values, 0.02, modality))


@pytest.mark.parametrize(("name", "removed"), [("kernels", "distance"), ("likelihood", "zero-inflated")])
def test_what_an_earlier_version_saved_loads_unless_its_variant_is_gone(fitted, tmp_path, name, removed):
    model, recording = fitted["dale"]
    model.save(tmp_path)
    saved = json.loads((tmp_path / "model.json").read_text())
    saved["settings"]["kernels"] = saved["model"]["kernels"] = "neuron"  # as versions up to 0.2.0 wrote it
    (tmp_path / "model.json").write_text(json.dumps(saved))
    loaded = SynapsNet.load(tmp_path, device="cpu")
    assert loaded.settings == model.settings
    assert np.array_equal(loaded.forecast(recording, 4), model.forecast(recording, 4), equal_nan=True)
    saved["settings"][name] = removed
    (tmp_path / "model.json").write_text(json.dumps(saved))
    with pytest.raises(InputError, match=rf"fitted with {name}='{removed}', which has been removed; fit it again"):
        SynapsNet.load(tmp_path, device="cpu")
