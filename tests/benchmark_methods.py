"""Methods that behave and misbehave, for the tests of the benchmark, by the dotted path `benchmark_methods:NAME`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from synapsnet.connectome import Connectome
from synapsnet.recording import Recording


class Fast:
    """Covariance with the step before."""

    def infer(self, recording: Recording) -> Connectome:
        x = recording.values.astype(np.float64)
        x -= x.mean(axis=0)
        weight = x[1:].T @ x[:-1]
        np.fill_diagonal(weight, 0)
        return Connectome(weight)


class Seeded(Fast):
    """Noise that depends on the seed."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def infer(self, recording: Recording) -> Connectome:
        weight = np.random.default_rng(self.seed).normal(size=(recording.n_neurons, recording.n_neurons))
        np.fill_diagonal(weight, 0)
        return Connectome(weight)


class Dark(Fast):
    """Refuses to see light, or more than ten seconds."""

    def infer(self, recording: Recording) -> Connectome:
        assert recording.behaviour is None
        assert recording.n_steps * recording.dt_s == 10
        return super().infer(recording)


class Failing:
    def infer(self, recording: Recording) -> Connectome:
        raise ZeroDivisionError("nothing to divide by\nand a second line")


class Exiting:
    def infer(self, recording: Recording) -> Connectome:
        sys.exit("gone")


class Killed:
    def infer(self, recording: Recording) -> Connectome:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Sleeping:
    def infer(self, recording: Recording) -> Connectome:
        time.sleep(600)
        raise AssertionError


class Hungry(Fast):
    """Touches 300 MiB."""

    def infer(self, recording: Recording) -> Connectome:
        np.ones(300 * 2**17)
        return super().infer(recording)


class Curious(Fast):
    """Refuses a recording that shows its ground truth."""

    def infer(self, recording: Recording) -> Connectome:
        assert recording.connectome is None and not recording.metadata
        assert recording.modality == "spikes" or recording.spike_times is None
        return super().infer(recording)


class Waiting(Fast):
    """Says in a folder that it has started, and waits for the file `go`."""

    def infer(self, recording: Recording) -> Connectome:
        folder = Path(os.environ["BENCHMARK_TEST_FOLDER"])
        (folder / f"started-{os.getpid()}").write_text(f"{os.getppid()} ")
        while not (folder / "go").exists():
            time.sleep(0.05)
        return super().infer(recording)
