"""Several recordings with one decoder, and a decoder that is taken to another recording."""

from __future__ import annotations

from typing import Any

import numpy as np
import pynapple as nap
import pytest
import torch

from synapsnet import fitted, training
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.io.units import count_spikes
from synapsnet.joint_fit import fit_together
from synapsnet.recording import Recording, neuron_table
from synapsnet.splits import holdout

QUICK: dict[str, Any] = {"n_lags": 1, "n_history": 4, "epochs": 8, "batch_steps": 100, "horizon": 4, "device": "cpu"}


pytestmark = pytest.mark.usefixtures("one_thread")


def network(n_steps: int, n: int = 6, seed: int = 0, dt_s: float = 0.02, behaviour: int = 0) -> Recording:
    """Neurons that are alike, refractory and then bursting, with their own rates and connections."""
    rng = np.random.default_rng(seed)
    weight = np.where(rng.random((n, n)) < 0.25, 1.5, 0.0) * ~np.eye(n, dtype=bool)
    rate = rng.uniform(-2.2, -1.2, n)
    spikes = np.zeros((n_steps, n), np.float32)
    for t in range(4, n_steps):
        own = -4.0 * spikes[t - 1] + 2.5 * spikes[t - 2] * (1 - spikes[t - 4])
        spikes[t] = rng.random(n) < 1 / (1 + np.exp(-(rate + weight @ spikes[t - 1] + own)))
    context = rng.normal(size=(n_steps, behaviour)) if behaviour else None
    return Recording.from_array(spikes, dt_s, "spikes", behaviour=context)


def state(model: SynapsNet, part: str = "") -> dict[str, torch.Tensor]:
    found = model._fitted().model.state_dict().items()
    return {name: value for name, value in found if name.startswith(part)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def pretrained() -> SynapsNet:
    return SynapsNet(**QUICK).fit(network(6000))


def test_one_recording_is_fitted_as_ever():
    recording = network(800)
    (together,) = fit_together([recording], **QUICK)
    alone = SynapsNet(**QUICK).fit(recording)
    assert same(state(together), state(alone))
    assert np.array_equal(together.connectivity_.weight, alone.connectivity_.weight)
    assert together.history_ == alone.history_


@pytest.mark.parametrize("connectivity", ["free", "low-rank", "none"])
def test_several_share_their_decoder_and_nothing_of_single_neurons(connectivity, tmp_path):
    recordings = [network(800), network(600, n=4, seed=1), network(700, seed=2)]
    models = fit_together(recordings, **{**QUICK, "epochs": 2, "connectivity": connectivity})
    first = models[0]
    for model, recording in zip(models, recordings, strict=True):
        assert model.connectivity_.n_neurons == recording.n_neurons == len(model.embedding_)
        assert same(state(model, "decoder."), state(first, "decoder."))
        assert model.history_ == first.history_
        assert np.isfinite(model.forecast(recording, 4)[3, 10:]).all()
    assert not same(state(models[2], "embedding"), state(first, "embedding"))
    shared = {name for name in state(first) if torch.equal(state(first)[name], state(models[2])[name])}
    maps = {f"synapses.connectivity.{name}" for name in ("receiving", "sending")}
    assert (maps <= shared) == (connectivity == "low-rank")
    for k, model in enumerate(models):  # each is whole by itself
        model.save(tmp_path / str(k))
        assert same(state(SynapsNet.load(tmp_path / str(k), device="cpu")), state(model))


def test_the_validation_loss_together_is_the_mean_over_all_values(monkeypatch):
    monkeypatch.setattr(fitted.FittedModel, "_improve", lambda *decision: None)
    recordings = [network(800), network(600, n=4, seed=1)]
    models = fit_together(recordings, **{**QUICK, "epochs": 1})
    losses, sizes = [], []
    for model, recording in zip(models, recordings, strict=True):
        values, first = torch.from_numpy(recording.values), round(0.9 * recording.n_steps) + 4
        with torch.no_grad():
            loss = training.batch_loss(model._fitted().model, values, values[:, :0], [(first, len(values))])
        losses.append(float(loss))
        sizes.append(recording.n_neurons * (len(values) - first - 4))
    assert models[0].history_["forecast"].validation == [pytest.approx(np.average(losses, weights=sizes), rel=1e-5)]


def test_calcium_shares_both_decoders():
    rng = np.random.default_rng(0)
    recordings = [Recording.from_array(rng.normal(size=(500, 3)), 0.05, "calcium") for _ in range(2)]
    models = fit_together(recordings, epochs=1, horizon=2, device="cpu")
    assert set(models[0].history_) == {"forecast", "inference"}
    assert same(state(models[0], "decoder."), state(models[1], "decoder."))


def test_an_interrupted_fit_of_several_resumes_to_the_same_result(tmp_path):
    recordings = [network(600), network(500, n=4, seed=1)]

    def interrupt(stage: str, done: float) -> None:
        if stage.endswith("training") and done > 0.6:
            raise KeyboardInterrupt

    settings = {**QUICK, "epochs": 3}
    with pytest.raises(KeyboardInterrupt):
        fit_together(recordings, checkpoint=tmp_path, progress=interrupt, **settings)
    resumed = fit_together(recordings, checkpoint=tmp_path, resume=True, **settings)
    for one, other in zip(resumed, fit_together(recordings, **settings), strict=True):
        assert same(state(one), state(other))


@pytest.mark.parametrize("connectivity", ["free", "low-rank"])
def test_a_pretrained_decoder_stays_as_it_is(connectivity):
    settings = {**QUICK, "epochs": 2, "connectivity": connectivity}
    teacher = SynapsNet(**settings).fit(network(800))
    before = {name: value.clone() for name, value in state(teacher).items()}
    short = network(400, n=5, seed=3)
    model = SynapsNet(**settings).fit(short, pretrained=teacher)
    assert same(state(model, "decoder."), state(teacher, "decoder."))
    assert same(state(teacher), before)
    assert all(parameter.requires_grad for parameter in teacher._fitted().model.parameters())
    untrained = SynapsNet(**{**settings, "learning_rate": 1e-12}).fit(short)
    assert not same(state(model, "embedding"), state(untrained, "embedding"))
    assert same(state(model), state(SynapsNet(**settings).fit(short, pretrained=teacher)))


def test_a_pretrained_decoder_forecasts_a_short_recording_nearly_as_well_or_better(pretrained):
    """Decoder from a long recording of other neurons, embeddings and W from the short one: fewer parameters."""
    early, late = holdout(network(1600, seed=7), 0.5, 10)
    own = SynapsNet(**QUICK).fit(early)
    taken = SynapsNet(**QUICK).fit(early, pretrained=pretrained)
    known = slice(4, None)

    def loss(model: SynapsNet) -> float:
        p = np.clip(model.forecast(late, 1)[0, known], 1e-4, 1 - 1e-4)
        y = late.values[known]
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())

    assert loss(taken) < loss(own) + 0.001

    def trained(model: SynapsNet) -> int:
        return sum(p.numel() for p in model._fitted().model.parameters() if p.requires_grad)

    assert trained(taken) < trained(own)


OTHERS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "time step": (lambda: network(800, dt_s=0.05), {}, "the same time step in s; got 0.02 and 0.05"),
    "behaviour": (lambda: network(800, behaviour=1), {}, "number of behavioural variables; got 0 and 1"),
    "decoder": (lambda: network(800), {"decoder": "gru"}, "the same decoder; got mlp and gru"),
    "history": (lambda: network(800), {"n_history": 5}, "the same history in steps; got 4 and 5"),
    "embedding": (lambda: network(800), {"n_embedding": 5}, "the same n_embedding; got 8 and 5"),
    "hidden units": (lambda: network(800), {"n_hidden": 5}, "the same n_hidden; got 16 and 5"),
    "likelihood": (lambda: network(800), {"likelihood": "poisson"}, "likelihood; got bernoulli and poisson. Give"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_refuses_a_pretrained_model_of_another_kind(pretrained, what):
    make, settings, sentence = OTHERS[what]
    model = SynapsNet(**{**QUICK, **settings})
    with pytest.raises(InputError, match=sentence):
        model.fit(make(), pretrained=pretrained)
    with pytest.raises(InputError, match=sentence):
        model.check_pretrained(make(), pretrained)


def test_refuses_recordings_of_two_kinds():
    with pytest.raises(InputError, match=r"same time step in s; got 0.02 and 0.05"):
        fit_together([network(800), network(800, dt_s=0.05)], **QUICK)
    calcium = Recording.from_array(np.random.default_rng(0).normal(size=(500, 3)), 0.02, "calcium")
    with pytest.raises(InputError, match="must be of one modality; got spikes and calcium"):
        fit_together([network(800), calcium], **QUICK)
    with pytest.raises(InputError, match="There is no recording"):
        fit_together([])


def test_refuses_what_differs_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(fitted, "train", lambda *a, **k: pytest.fail("was trained"))
    bins = network(800)
    spikes = [np.sort(np.random.default_rng(k).uniform(0, 16, 30)) for k in range(6)]
    support = nap.IntervalSet(0, 16)
    timed = count_spikes(spikes, neuron_table(6), support, 0.02, notify=lambda _: None, metadata={})
    with pytest.raises(InputError, match="must be inferred from in one way"):
        fit_together([bins, timed], **QUICK)
    two = np.array(bins.values)
    two[5] = 2
    with pytest.raises(InputError, match="same likelihood; got bernoulli and poisson"):
        fit_together([bins, Recording.from_array(two, 0.02, "spikes")], **QUICK)


def test_refuses_a_pretrained_model_that_is_not_fitted():
    with pytest.raises(InputError, match="not fitted"):
        SynapsNet(**QUICK).fit(network(800), pretrained=SynapsNet(**QUICK))
