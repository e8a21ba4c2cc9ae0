"""What the linear readout misses: found where there is something, and nothing added where there is not."""

import numpy as np
import pytest
import torch

from synapsnet import nonlinear_readout
from synapsnet.forecast_features import PAST, ForecastFeatures
from synapsnet.model import Architecture, SynapsNetModel
from synapsnet.nonlinear_readout import NonlinearReadout


def fitted(inputs, missed, seed=0):
    """A readout fitted to (T, N, D) inputs and (T, N, H) of what was missed, whose last quarter is held out."""
    torch.manual_seed(0)
    readout = NonlinearReadout(inputs.shape[1], inputs.shape[2], 2, missed.shape[2])
    earlier, later = torch.arange(len(inputs)).split([len(inputs) * 3 // 4, len(inputs) - len(inputs) * 3 // 4])
    readout.fit(lambda first: (inputs[first], missed[first]), [earlier], [later], seed)
    return readout


@pytest.fixture(scope="module")
def drawn():
    """Of 4 neurons, inputs; the product of two of them, by each neuron's own factor; and noise."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(2000, 4, 3, generator=generator)
    product = torch.tensor([1.0, 1.0, -1.0, 0.0]) * inputs[..., 0] * inputs[..., 1]
    return inputs, product, torch.randn(2000, 4, generator=generator)


def test_inputs_are_scaled_by_those_of_all_neurons(drawn, monkeypatch):
    """Of every fourth example all would be of the first of four neurons, which is silent here."""
    monkeypatch.setattr(nonlinear_readout, "ENOUGH_TO_SCALE", 1500)
    inputs, product, _ = drawn
    inputs = inputs * torch.tensor([0.0, 1.0, 1.0, 1.0])[:, None]
    assert fitted(inputs, product[..., None]).spread.numpy() == pytest.approx(0.75**0.5, abs=0.05)


def test_an_input_that_never_varied_means_nothing_when_it_does(drawn):
    """As the steps before short trials: whatever they are later, forecasts stay as they are."""
    inputs, product, _ = drawn
    inputs = inputs.clone()
    inputs[..., 2] = 0
    readout = fitted(inputs, product[..., None])
    assert readout.share[0] > 0.5
    later = inputs + torch.tensor([0.0, 0.0, 7.0])
    assert (readout(later, 1) == readout(inputs, 1)).all()


def test_before_it_is_fitted_it_adds_nothing(drawn):
    readout = NonlinearReadout(4, 3, 2, 5)
    assert (readout(drawn[0][:7], 3) == torch.zeros(3, 7, 4)).all()


def test_it_finds_what_is_not_linear_and_differs_between_neurons_and_leaves_noise_alone(drawn):
    inputs, product, noise = drawn
    readout = fitted(inputs, torch.stack([product + 0.1 * noise, noise], dim=-1))
    found = readout(inputs, 2)
    assert found.shape == (2, 2000, 4)
    assert (found[0] - product).square().mean() < 0.25 * product.square().mean()
    assert found[1].square().mean() < 0.05 * noise.square().mean()
    assert 0.8 < readout.share[0] <= 1


def test_it_is_not_given_up_before_it_was_ever_better_and_soon_after(drawn, monkeypatch):
    """Networks are often worse than none until the learning rate falls."""
    inputs, product, _ = drawn
    looked = []

    def missed(self, inputs, truth):
        looked.append(len(looked))
        return truth if len(looked) > 6 else -truth

    monkeypatch.setattr(NonlinearReadout, "_missed", missed)
    assert fitted(inputs, product[..., None]).share[0] == 1
    assert len(looked) == 6 + 1 + nonlinear_readout.PATIENCE + 1  # the last for its share


def test_of_noise_alone_nothing_is_used(drawn):
    """Nor does a scale matter, nor an input that never changes."""
    inputs, _, noise = drawn
    inputs = inputs.clone()
    inputs[..., 2] = 5
    readout = fitted(inputs, 1000 * noise[..., None])
    assert readout(inputs, 1).square().mean() < 0.01 * 1000**2


def test_the_seed_decides(drawn):
    inputs, product, noise = drawn
    one, again, other = (fitted(inputs, (product + noise)[..., None], seed)(inputs[:50], 1) for seed in (3, 3, 4))
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize("missing", ["training", "validation"])
def test_without_windows_it_adds_nothing(drawn, missing):
    readout = NonlinearReadout(4, 3, 2, 1)
    windows = {"training": [torch.arange(5)], "validation": [torch.arange(5)]} | {missing: []}
    readout.fit(lambda first: (drawn[0][first], drawn[1][first, :, None]), **windows, seed=0)
    assert not readout.share.any()


def test_it_is_given_the_past_of_its_epoch_alone_and_the_currents_that_the_model_computes():
    """By hand: activity and currents of the last steps; before the epoch activity is usual and currents are 0.

    And what forecasts that differ from usual activity will send.
    """
    torch.manual_seed(0)
    n, m = 3, 4
    model = SynapsNetModel(
        Architecture(
            likelihood="gaussian", n_neurons=n, n_lags=2, n_steps=m, n_embedding=2, n_hidden=4, n_behaviour=1,
            sparsity=1.0, connectivity="free", decoder="mlp", own_past=True,
        )
    )  # fmt: skip
    with torch.no_grad():
        model.synapses.connectivity.set_weight(torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0], [0.0, -1.0, 0.0]]))
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(200, n)).astype(np.float32))
    behaviour = torch.arange(200.0)[:, None]
    rest = torch.full((n,), 0.5)
    known = ForecastFeatures.of(model, x, behaviour, [(0, 80), (80, 200)], rest, batch=7)
    first = torch.tensor([90, 150])
    features = known.features(first)
    forecasts = torch.arange(2.0 * 2 * n).view(2, 2, n)  # of two steps after two windows
    inputs = known.inputs(first, features, forecasts)
    n_features = features.shape[2]
    own, currents, to_come, shown = inputs[..., n_features:].split([PAST, PAST, 2, 1], dim=-1)
    assert (inputs[..., :n_features] == features).all()
    assert (own[0, :, : PAST - 10] == 0.5).all()
    assert (own[0, :, PAST - 10 :] == x[80:90].T).all()
    assert (own[1] == x[150 - PAST : 150].T).all()
    assert (shown == (first - 1)[:, None, None]).all()
    weight = model.synapses.connectivity.weight
    for step, window in np.ndindex(2, 2):
        assert torch.allclose(to_come[window, :, step], weight @ (forecasts[step, window] - 0.5))
    for k, t in enumerate(first.tolist()):
        for back in range(PAST):
            step = t - back
            expected = model.current(x[step - m : step].T[None])[0] if step >= 80 + m else torch.zeros(n)
            assert torch.allclose(currents[k, :, PAST - 1 - back], expected, atol=1e-5)
