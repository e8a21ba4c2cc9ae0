"""What a newcomer meets first: names at the top of the packages, and how objects show."""

from __future__ import annotations

import base64
import importlib
import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
import sklearn.exceptions
from sklearn.base import clone

import synapsnet
from synapsnet import Connectome, InputError, Recording, Settings, SynapsNet


@pytest.mark.parametrize("package", ["synapsnet", "validation", "simulators"])
def test_what_a_package_offers_is_there(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


def test_nothing_is_imported_before_it_is_asked_for():
    script = "import sys, synapsnet, validation; print({'torch', 'numpy', 'sklearn', 'hypothesis'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
    assert re.fullmatch(r"\d+\.\d+.*", synapsnet.__version__)


def test_the_signature_has_the_settings_and_their_defaults():
    parameters = inspect.signature(SynapsNet).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert defaults == {"device": "auto", "precision": "32-true", **Settings().model_dump()}


def test_it_is_an_estimator_of_scikit_learn():
    model = SynapsNet(seed=3, n_hidden=4, n_lags=None)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert copy.set_params(epochs=2, device="cpu").settings == Settings(seed=3, n_hidden=4, epochs=2)
    assert model.settings.epochs is None
    with pytest.raises(InputError, match="'epochs' of SynapsNet"):
        model.set_params(epochs=0)
    assert repr(SynapsNet(seed=3)) == "SynapsNet(seed=3)"


@pytest.mark.parametrize("name", ["connectivity_", "embedding_", "history_", "kernel_", "weight_"])
def test_what_a_fit_finds_is_not_there_before_it(name):
    with pytest.raises(sklearn.exceptions.NotFittedError, match="not fitted") as caught:
        getattr(SynapsNet(), name)
    assert isinstance(caught.value, InputError)
    assert not hasattr(SynapsNet(), name)
    assert not hasattr(SynapsNet(), "nonsense")


def test_a_recording_shows_what_it_holds():
    weight = np.array([[0, 1.5, 0], [0, 0, -2], [0, 0, 0]])
    values = np.tile([[1, 0, 1], [0, 1, 0]], (50, 1))
    running = np.arange(100)
    recording = Recording.from_array(
        values, 0.005, "spikes", segments=[40, 60], connectome=Connectome(weight), behaviour=running,
        behaviour_names=["<running>"],
    )  # fmt: skip
    text = repr(recording)
    assert "\n" not in text
    for fact in ("spikes", "neurons: 3", "0.5 s in 2 epochs", "5 ms", "100 Hz", "<running>", "2 weights other than 0"):
        assert fact in text
    assert "<td style='text-align:left'>&lt;running&gt;</td>" in recording._repr_html_()


@pytest.mark.parametrize(("n", "pixels"), [(2, 2), (3, 3), (700, 234)])
def test_a_connectome_shows_as_a_picture(n, pixels):
    """Red where it excites, blue where it inhibits, white elsewhere; what is large is shown in blocks."""
    weight = np.zeros((n, n))
    weight[0, 1], weight[n - 1, 0] = 2.0, -2.0
    shown = Connectome(weight, standard_error=np.ones((n, n)))
    assert repr(shown) == f"Connectome({n} neurons, 2 weights other than 0, in mV; with standard_error)"
    data = base64.b64decode(re.search(r"base64,([^']*)'", shown._repr_html_())[1])
    size, start, width, height = (int.from_bytes(data[k : k + 4], "little") for k in (2, 10, 18, 22))
    assert (size, width, height) == (len(data), pixels, pixels)
    row = (3 * width + 3) // 4 * 4
    rgb = (
        np.frombuffer(data[start:], np.uint8)
        .reshape(height, row)[::-1, : 3 * width]
        .reshape(height, width, 3)[..., ::-1]
    )
    assert rgb[0, 1 // (-(-n // 300))].tolist() == [178, 24, 43]
    assert rgb[-1, 0].tolist() == [33, 102, 172]
    assert (rgb == 255).all(-1).sum() == pixels**2 - 2
