"""On a CUDA device: everything is what the CPU makes of it, and the same again to the bit.

Nothing here needs a simulator, so that a machine with CUDA needs no more than what a fit imports; `make gpu` runs it.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pynapple as nap
import pytest
import safetensors.torch
import torch

from synapsnet.errors import sentence
from synapsnet.estimator import SynapsNet
from synapsnet.inference.calibration import calibrated
from synapsnet.inference.evidence import Evidence, gather_evidence
from synapsnet.inference.posterior import posterior
from synapsnet.recording import Recording, neuron_table
from synapsnet.training import Task

CUDA = "cuda"
N, N_BINS, BIN_S = 30, 24_000, 0.005
QUICK = {"epochs": 2, "seed": 1}
VARIANTS = [
    {"connectivity": "low-rank"},
    {"connectivity": "dale"},
    {"connectivity": "none"},
    {"decoder": "gru"},
    {"likelihood": "poisson"},
    {"likelihood": "negative-binomial"},
    {"prior": "lags"},
]

if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device here that PyTorch can use", allow_module_level=True)


@pytest.fixture(scope="module")
def spikes() -> Recording:
    """A planted network of neurons that fire at random, with spike times and positions."""
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((N, N)) < 0.1, 1.2, 0.0) * np.where(np.arange(N) < 0.75 * N, 1.0, -1.5)
    np.fill_diagonal(weight, 0)
    counts, trace = np.zeros((N_BINS, N)), np.zeros(N)
    for t in range(N_BINS):
        counts[t] = rng.random(N) < 1 / (1 + np.exp(3.2 - weight @ trace))
        trace = 0.5 * trace + counts[t]
    epoch = nap.IntervalSet(0, N_BINS * BIN_S)
    times = [BIN_S * (fired + rng.random(len(fired))) for fired in map(np.flatnonzero, counts.T)]
    trains = {k: nap.Ts(train, time_support=epoch) for k, train in enumerate(times)}
    return Recording.from_array(
        counts,
        BIN_S,
        "spikes",
        behaviour=rng.normal(size=(N_BINS, 1)),
        neurons=neuron_table(N, position_um=rng.uniform(0, 500, (N, 3))),
        spike_times=nap.TsGroup(trains, time_support=epoch),
    )


@pytest.fixture(scope="module")
def calcium(spikes: Recording) -> Recording:
    """Frames of 1/30 s: what the spikes leave behind, and noise."""
    frames = spikes.values[: N_BINS // 6 * 6].reshape(-1, 6, N).sum(1)
    for t in range(1, len(frames)):
        frames[t] += 0.9 * frames[t - 1]
    noise = np.random.default_rng(1).normal(0, 0.3, frames.shape)
    return Recording.from_array(frames + noise, 1 / 30, "calcium")


@pytest.fixture(scope="module")
def fitted(spikes: Recording, calcium: Recording) -> dict[str, dict[str, SynapsNet]]:
    """By modality and device."""
    return {
        recording.modality: {device: SynapsNet(device=device, **QUICK).fit(recording) for device in ("cpu", CUDA)}
        for recording in (spikes, calcium)
    }


def relative(one: np.ndarray, other: np.ndarray) -> float:
    """How much `one` differs from `other`, as a share of its size; NaN must be where it is there."""
    assert np.array_equal(np.isnan(one), np.isnan(other))
    return float(np.linalg.norm(np.nan_to_num(one - other)) / np.linalg.norm(np.nan_to_num(other)))


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_a_fit_is_that_of_the_cpu(fitted, modality):
    cpu, cuda = fitted[modality]["cpu"], fitted[modality][CUDA]
    assert cuda.fabric.device.type == CUDA
    for part, history in cpu.history_.items():
        assert cuda.history_[part].validation == pytest.approx(history.validation, rel=1e-3)
    assert relative(cuda.connectivity_.weight, cpu.connectivity_.weight) < 0.02
    assert np.abs(cuda.connectivity_.local_fdr - cpu.connectivity_.local_fdr).max() < 0.05
    assert np.array_equal(cuda.connectivity_.significant(0.05), cpu.connectivity_.significant(0.05))
    assert cpu.connectivity_.significant(0.05).sum() > N


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_forecasts_are_those_of_the_cpu(fitted, spikes, calcium, modality):
    recording = {"spikes": spikes, "calcium": calcium}[modality]
    ours = {device: model.forecast(recording, 16) for device, model in fitted[modality].items()}
    level = np.nanmean(ours["cpu"], axis=(0, 1))
    assert relative(ours[CUDA] - level, ours["cpu"] - level) < 0.03


def test_delays_are_those_of_the_cpu(fitted):
    cpu, cuda = (fitted["spikes"][device].connectivity_ for device in ("cpu", CUDA))
    both = np.isfinite(cpu.delay_s) & np.isfinite(cuda.delay_s)
    assert both.sum() > N
    assert (np.isfinite(cpu.delay_s) != np.isfinite(cuda.delay_s)).mean() < 0.01
    assert np.abs(cuda.delay_s - cpu.delay_s)[both].max() < 1e-4


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_a_saved_model_forecasts_on_the_other_device(fitted, spikes, calcium, modality, tmp_path):
    recording = {"spikes": spikes, "calcium": calcium}[modality].select_rows([(0, 2000)])
    model = fitted[modality][CUDA]
    model.save(tmp_path)
    assert relative(SynapsNet.load(tmp_path, device="cpu").forecast(recording, 4), model.forecast(recording, 4)) < 1e-4


def on(device: str, seen: Evidence) -> Evidence:
    tensors = {each.name: getattr(seen, each.name) for each in fields(Evidence)}
    return Evidence(**{k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in tensors.items()})


@pytest.fixture(scope="module")
def seen(fitted, spikes) -> dict[str, Evidence]:
    """Evidence of one model on each device."""
    fit = fitted["spikes"]["cpu"]._forecaster
    found = {}
    for device in ("cpu", CUDA):
        fit = fit.to(device)
        x, b = fit.normalise(spikes.values, spikes.behaviour_values)
        todo = Task(fit.model, x, b, [(0, 21_000)], [(21_100, N_BINS)]).batches(512)
        found[device] = gather_evidence(fit.model, x, b, todo, fitted["spikes"][device].fabric)[0]
    fit.to("cpu")
    return found


def test_evidence_is_that_of_the_cpu(seen):
    for each in fields(Evidence):
        ours, theirs = (getattr(seen[device], each.name) for device in (CUDA, "cpu"))
        if isinstance(ours, torch.Tensor):
            assert ours.device.type == CUDA
            assert relative(ours.cpu().numpy(), theirs.numpy()) < 2e-3, each.name


def test_calibration_and_posterior_are_those_of_the_cpu_and_stay_on_the_device(seen):
    ours, theirs = calibrated(on(CUDA, seen["cpu"])), calibrated(seen["cpu"])
    assert relative(ours.estimate.cpu().numpy(), theirs.estimate.numpy()) < 1e-3
    here, there = posterior(ours), posterior(on("cpu", ours))
    assert here.p_absent.device.type == CUDA
    for each in fields(here):
        assert relative(getattr(here, each.name).cpu().numpy(), getattr(there, each.name).numpy()) < 1e-3, each.name


def test_the_same_fit_again_is_the_same_to_the_bit(fitted, spikes):
    again, before = SynapsNet(device=CUDA, **QUICK).fit(spikes), fitted["spikes"][CUDA]
    assert again.history_ == before.history_
    for name, matrix in before.connectivity_.matrices.items():
        assert np.array_equal(again.connectivity_.matrices[name], matrix, equal_nan=True), name
    assert np.array_equal(again.forecast(spikes, 4), before.forecast(spikes, 4), equal_nan=True)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_an_interrupted_fit_resumes_to_the_same_result(spikes, tmp_path, precision):
    def interrupt(stage: str, done: float) -> None:
        if stage.endswith("training") and done > 0.7:
            raise KeyboardInterrupt

    def fit(**options: object) -> SynapsNet:
        return SynapsNet(device=CUDA, precision=precision, **QUICK).fit(spikes, checkpoint=tmp_path, **options)

    with pytest.raises(KeyboardInterrupt):
        fit(progress=interrupt)
    resumed = fit(resume=True)
    whole = SynapsNet(device=CUDA, precision=precision, **QUICK).fit(spikes)
    assert resumed.history_ == whole.history_
    assert np.array_equal(resumed.connectivity_.weight, whole.connectivity_.weight)


@pytest.mark.parametrize("modality", ["spikes", "calcium"])
def test_mixed_precision_comes_close(fitted, spikes, calcium, modality):
    recording = {"spikes": spikes, "calcium": calcium}[modality]
    mixed = SynapsNet(device=CUDA, precision="bf16-mixed", **QUICK).fit(recording)
    full = fitted[modality][CUDA]
    for part, history in full.history_.items():
        assert mixed.history_[part].validation != history.validation
        assert mixed.history_[part].validation == pytest.approx(history.validation, rel=0.02)
    differ = mixed.connectivity_.significant(0.05) != full.connectivity_.significant(0.05)
    assert differ.sum() <= 0.1 * full.connectivity_.significant(0.05).sum()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(variant.values()))
def test_variants_train_as_on_the_cpu(spikes, variant):
    short = spikes.select_rows([(0, 6000)])
    cpu, cuda = (SynapsNet(device=device, epochs=1, seed=1, **variant).fit(short) for device in ("cpu", CUDA))
    assert cuda.history_["forecast"].validation == pytest.approx(cpu.history_["forecast"].validation, rel=1e-3)
    assert np.isfinite(cuda.connectivity_.weight).all()
    assert np.isfinite(cuda.forecast(short, 2)[:, 100:]).all()


def test_too_little_memory_ends_in_a_sentence(spikes):
    wide = Recording.from_array(np.tile(spikes.values[:2000], (1, 100)), BIN_S, "spikes")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**27 / torch.cuda.mem_get_info()[1])
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            SynapsNet(device=CUDA, epochs=1).fit(wide)
        assert str(sentence(caught.value)).startswith("This needs more memory than is available; use fewer neurons")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


SHARED = """
import sys, torch, safetensors.torch
from synapsnet.estimator import SynapsNet
from synapsnet.inference.calibration import calibrated
from synapsnet.inference.evidence import Evidence, gather_evidence
from synapsnet.inference.posterior import posterior
from synapsnet.recording import Recording
values = safetensors.torch.load_file(sys.argv[1])["values"].numpy()
model = SynapsNet(device="cuda", epochs=2, seed=1).fit(Recording.from_array(values, 0.005, "spikes"))
if model.fabric.is_global_zero:
    model.save(sys.argv[2])
"""


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one CUDA device; two processes need two")
def test_two_devices_find_what_one_does(spikes, tmp_path):
    safetensors.torch.save_file({"values": torch.from_numpy(spikes.values.copy())}, tmp_path / "values")
    script = tmp_path / "shared.py"
    script.write_text(SHARED)
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    subprocess.run([*two, str(tmp_path / "values"), str(tmp_path / "both")], check=True, timeout=300)
    shared = SynapsNet.load(Path(tmp_path / "both"), device=CUDA)
    alone = SynapsNet(device=CUDA, **QUICK).fit(Recording.from_array(spikes.values, BIN_S, "spikes"))
    loss = alone.history_["forecast"].validation
    assert shared.history_["forecast"].validation == pytest.approx(loss, rel=1e-4)
    assert relative(shared.connectivity_.weight, alone.connectivity_.weight) < 0.02
