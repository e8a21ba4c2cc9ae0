"""What happens to a run's known connections and neuron table, which no model depends on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import synapsnet.run
from synapsnet.errors import InputError
from synapsnet.io.truth import Truth, with_truth
from synapsnet.recording import Recording
from synapsnet.run import add_truth, fit_run, load_run
from synapsnet.settings import Settings

OPTIONS = {"settings": Settings(epochs=1, horizon=2, batch_steps=200), "device": "cpu"}


@pytest.fixture(scope="module")
def recording(spike_recording: Recording) -> Recording:
    return spike_recording.select_neurons(range(6)).select_rows([(0, 2500)]).without_ground_truth()


@pytest.fixture(scope="module")
def fitted_once(recording, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    fit_run(recording, folder, **OPTIONS)
    return folder


@pytest.fixture
def fitted(fitted_once, tmp_path) -> Path:
    """A run without known connections, which the test may change."""
    return Path(shutil.copytree(fitted_once, tmp_path / "run"))


@pytest.fixture
def matrix(tmp_path) -> Path:
    """A file of one excitatory and one inhibitory connection."""
    weight = np.zeros((6, 6))
    weight[1, 0], weight[2, 3] = 1.5, -2.0
    np.save(tmp_path / "truth.npy", weight)
    return tmp_path / "truth.npy"


def test_a_truth_from_a_file_takes_the_place_of_the_one_before(fitted, matrix):
    for orientation, turned in (("post-pre", False), ("pre-post", True)):
        add_truth(fitted, Truth(file=str(matrix), orientation=orientation))
        stored = load_run(fitted).recording.connectome.weight
        assert (stored.T if turned else stored).tolist() == np.load(matrix).tolist()


def test_what_a_simulation_knows_is_never_replaced(spike_recording, matrix, tmp_path):
    fit_run(spike_recording.select_neurons(range(6)).select_rows([(0, 2500)]), tmp_path / "run", **OPTIONS)
    with pytest.raises(InputError, match="holds its ground truth already"):
        add_truth(tmp_path / "run", Truth(file=str(matrix), orientation="post-pre"))


def test_an_interruption_while_a_truth_is_stored_leaves_a_whole_run(fitted, matrix, monkeypatch):
    checksum, interrupted = synapsnet.run._checksum, []

    def interrupt(path: Path) -> str:
        if path.name == "recording.nwb" and not interrupted:
            interrupted.append(path)
            raise KeyboardInterrupt
        return checksum(path)

    monkeypatch.setattr(synapsnet.run, "_checksum", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add_truth(fitted, Truth(file=str(matrix), orientation="post-pre"))
    assert load_run(fitted).recording.connectome.adjacency.sum() == 2


def test_a_run_is_not_resumed_with_other_connections(fitted, recording, matrix):
    told = with_truth(recording, Truth(file=str(matrix), orientation="post-pre"), Path(), notify=print)
    with pytest.raises(InputError, match="was started with other known connections, or none; resume it without"):
        fit_run(told, fitted, resume=True, **OPTIONS)
    add_truth(fitted, Truth(file=str(matrix), orientation="post-pre"))
    fit_run(told, fitted, resume=True, **OPTIONS)
    fit_run(recording, fitted, resume=True, **OPTIONS)  # what is not given stays
    assert load_run(fitted).recording.connectome.adjacency.sum() == 2
    turned = with_truth(recording, Truth(file=str(matrix), orientation="pre-post"), Path(), notify=print)
    with pytest.raises(InputError, match="other known connections"):
        fit_run(turned, fitted, resume=True, **OPTIONS)


def test_a_run_is_not_resumed_with_another_neuron_table(fitted, recording):
    renamed = replace(recording, neurons=recording.neurons.assign(area="VISp"))
    with pytest.raises(InputError, match="was started with another neuron table; resume it with the same one"):
        fit_run(renamed, fitted, resume=True, **OPTIONS)
