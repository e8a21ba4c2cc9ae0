"""`synapsnet pretrain`, and fits of other recordings with what it, or another fit, learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from synapsnet.cli.app import fit
from synapsnet.cli.pretrain import pretrain
from synapsnet.errors import InputError
from synapsnet.io import write_recording
from synapsnet.recording import Recording
from synapsnet.run import MODELS, fit_run, load_run
from synapsnet.settings import Settings

SET: list[str] = ["horizon=2", "batch_steps=200"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any, spike_recording: Recording) -> Path:
    """Two recordings of different neurons and lengths, `a.nwb` and `b.nwb`."""
    folder = tmp_path_factory.mktemp("files")
    write_recording(spike_recording.select_neurons(range(8)).select_rows([(0, 2500)]), folder / "a.nwb")
    write_recording(spike_recording.select_neurons(range(8, 20)).select_rows([(0, 3000)]), folder / "b.nwb")
    return folder


@pytest.fixture(scope="module")
def pretrained(files: Path) -> Path:
    folder = files / "pretrained"
    pretrain([files / "a.nwb", files / "b.nwb"], folder, epochs=1, device="cpu", setting=SET)
    return folder


def decoder(folder: Path) -> dict[str, torch.Tensor]:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    return {name: value for name, value in tensors.items() if ".decoder." in name}


def test_a_fit_keeps_both_pretrained_decoders_and_says_so(files, pretrained, tmp_path, capsys):
    fit(files / "b.nwb", tmp_path / "run", device="cpu", epochs=1, setting=SET, pretrained=pretrained)
    assert "Fitted" in capsys.readouterr().out
    for name in MODELS:
        before, after = decoder(pretrained / name), decoder(tmp_path / "run" / name)
        assert len(before) > 3
        assert before.keys() == after.keys()
        assert all(torch.equal(before[tensor], after[tensor]) for tensor in before)
    assert load_run(tmp_path / "run").description.pretrained == "pretrained"


def test_the_decoder_of_a_run_serves_as_well(files, tmp_path):
    settings = {"epochs": 1, "setting": SET, "device": "cpu"}
    fit(files / "a.nwb", tmp_path / "first", **settings)
    fit(files / "b.nwb", tmp_path / "second", pretrained=tmp_path / "first", **settings)
    first, second = (decoder(tmp_path / run / "synapsnet") for run in ("first", "second"))
    readout = "forecaster.model.decoder.hidden.readout"
    assert torch.equal(first[readout], second[readout])
    described = json.loads((tmp_path / "second" / "run.json").read_text())
    assert described["pretrained"] == "first"


def test_a_run_has_the_variant_that_is_asked_for_beside_its_ablation(files, tmp_path):
    variant = [*SET, "connectivity=dale", "decoder=gru", "n_hidden=3"]
    fit(files / "a.nwb", tmp_path / "run", device="cpu", epochs=1, setting=variant)
    models = load_run(tmp_path / "run").models
    assert {name: model.settings.connectivity for name, model in models.items()} == {
        "synapsnet": "dale",
        "synapsnet-independent": "none",
    }
    assert all(model.settings.decoder == "gru" for model in models.values())


def test_refuses_to_pretrain_where_something_is(files, pretrained, tmp_path):
    before = (pretrained / "synapsnet" / "model.safetensors").read_bytes()
    (tmp_path / "file").write_text("mine")
    for taken, reason in ((pretrained, "is not empty; give a new folder"), (tmp_path / "file", "it is a file; give a")):
        with pytest.raises(InputError, match=reason):
            pretrain([files / "a.nwb"], taken, epochs=1)
    assert (pretrained / "synapsnet" / "model.safetensors").read_bytes() == before


def test_a_pretrained_model_of_another_kind_is_refused_before_anything_is_written(files, pretrained, tmp_path):
    for setting, sentence in (("decoder=gru", "same decoder; got mlp and gru"), ("n_history=3", "history in steps")):
        with pytest.raises(InputError, match=sentence):
            fit(files / "b.nwb", tmp_path / "run", epochs=1, setting=[setting], pretrained=pretrained)
    with pytest.raises(InputError, match="holds no fitted model"):
        fit(files / "b.nwb", tmp_path / "run", epochs=1, pretrained=files)
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_resumed_with_another_decoder(files, pretrained, tmp_path, spike_recording):
    options = {"settings": Settings(epochs=1, horizon=2, batch_steps=200), "device": "cpu"}
    recording = spike_recording.select_neurons(range(8)).select_rows([(0, 2500)])
    fit_run(recording, tmp_path / "run", **options)
    with pytest.raises(InputError, match="was started with pretrained None, not pretrained"):
        fit_run(recording, tmp_path / "run", pretrained=pretrained, resume=True, **options)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("seed=3", "cannot be used for seed; use --seed"),
        ("epochs=3", "cannot be used for epochs; use --epochs"),
        ("connectivity=none", "W = 0 is always fitted"),
        ("n_hidden", "needs NAME=VALUE"),
    ],
)
def test_refuses_settings_that_have_a_flag(files, tmp_path, setting, sentence):
    with pytest.raises(InputError, match=sentence):
        pretrain([files / "a.nwb"], tmp_path / "new", setting=[setting])
    with pytest.raises(InputError, match=sentence):
        fit(files / "a.nwb", tmp_path / "new", setting=[setting])
    assert not (tmp_path / "new").exists()
