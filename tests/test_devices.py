"""Where a model is fitted: one process or several, and in which precision."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from simulators import observe_spikes
from synapsnet.devices import add_up_gradients, launch
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet
from synapsnet.io import read, write_recording
from synapsnet.run import fit_run
from synapsnet.settings import Settings

COMMAND = Path(sys.executable).with_name("synapsnet")


@pytest.fixture(scope="module")
def recorded(small_simulation, tmp_path_factory):
    path = tmp_path_factory.mktemp("devices") / "rec.nwb"
    write_recording(observe_spikes(small_simulation, bin_s=0.01, seed=0).select_rows([(0, 4000)]), path)
    return path


def fit(recorded: Path, run: Path, *launcher: str) -> subprocess.CompletedProcess[str]:
    command = [*launcher, str(COMMAND), "fit", str(recorded), "-o", str(run), "--epochs", "2", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def test_two_processes_find_what_one_does(recorded, tmp_path):
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    one, both = tmp_path / "one", tmp_path / "both"
    fit_run(read(recorded), one, settings=Settings(epochs=2), device="cpu")
    result = fit(recorded, both, *two)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Fitted") == 1  # one of them speaks
    histories = [json.loads((run / "synapsnet" / "model.json").read_text())["history"] for run in (one, both)]
    assert histories[1]["forecast"]["validation"] == pytest.approx(histories[0]["forecast"]["validation"], rel=1e-4)
    alone, shared = (safetensors.numpy.load_file(run / "synapsnet" / "model.safetensors") for run in (one, both))
    weight = alone["connectivity.weight"]
    np.testing.assert_allclose(shared["connectivity.weight"], weight, atol=0.01 * np.abs(weight).max())
    assert not np.array_equal(shared["forecaster.model.embedding"], alone["forecaster.model.embedding"])  # not in one
    assert not (both / "checkpoint").exists()


def test_a_process_without_a_share_of_the_batch_gets_the_gradient_of_the_others():
    """Stand-in for two processes: what the other one has is all ones."""

    class Fabric:
        world_size = 2

        def all_reduce(self, value, reduce_op):
            return value + torch.ones(7)  # as many as the other process sends

    model = torch.nn.ModuleDict({"used": torch.nn.Linear(2, 1, bias=False), "unused": torch.nn.Linear(4, 1)})
    model["frozen"] = torch.nn.Linear(3, 1).requires_grad_(False)
    (5 * model["used"].weight.sum()).backward()
    add_up_gradients(Fabric(), model)
    assert (model["used"].weight.grad == 6).all()
    assert all((p.grad == 1).all() for p in model["unused"].parameters())
    assert all(p.grad is None for p in model["frozen"].parameters())


def test_mixed_precision_comes_close(small_simulation):
    recording = observe_spikes(small_simulation, bin_s=0.01, seed=0).select_rows([(0, 4000)])
    full = SynapsNet(epochs=2, device="cpu").fit(recording)
    mixed = SynapsNet(epochs=2, device="cpu", precision="bf16-mixed").fit(recording)
    losses, others = (model.history_["forecast"].validation for model in (full, mixed))
    assert losses != others
    assert others == pytest.approx(losses, rel=0.02)
    assert all(parameter.dtype == torch.float32 for parameter in mixed._fitted().parameters())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("tpu", "32-true"), "device must be auto, cpu, cuda or mps; got 'tpu'"),
        (("cpu", "16"), "precision must be 32-true or bf16-mixed; got '16'"),
    ],
)
def test_refuses_what_it_does_not_know(options, sentence):
    with pytest.raises(InputError, match=sentence):
        launch(*options)
