"""Runs a network: compiled once with Brian2, then any seed, connectivity, parameters and duration.

A run is a pure function of the compiled program and the files it reads, so both the program and the spikes are
cached under a hash of exactly what determines them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators import cache
from simulators.base import Model
from synapsnet.errors import InputError
from synapsnet.recording import Connectome, FloatArray

_CODEGEN = Path(__file__).with_name("codegen.py")


@dataclass(frozen=True)
class Spikes:
    """All spikes of a run in the order in which they happened: `neuron[k]` fired at `time_s[k]`."""

    neuron: npt.NDArray[np.int32]
    time_s: npt.NDArray[np.float64]


@dataclass(frozen=True)
class RunInputs:
    """What one run of a compiled network reads.

    Attributes
    ----------
    connectome : Connectome
    neuron_values : dict of variable -> (N,) array in SI units
    synapse_values : dict of variable -> (E,) array in SI units
        For the connections in the order of `edges`.
    seed : int
        Of the noise, 0 to 2^32 - 1.
    n_steps : int
    """

    connectome: Connectome
    neuron_values: dict[str, FloatArray]
    synapse_values: dict[str, FloatArray]
    seed: int
    n_steps: int

    def files(self) -> dict[str, bytes]:
        """Content of the files that `codegen` documents, by name."""
        post, pre = edges(self.connectome)
        borders = np.searchsorted(pre, np.arange(self.connectome.n_neurons + 1)).astype(np.int32)
        delay_s = np.zeros(len(post)) if self.connectome.delay_s is None else self.connectome.delay_s[post, pre]
        values = {f"neurons.{name}": value for name, value in self.neuron_values.items()}
        values |= {f"synapses.{name}": value for name, value in self.synapse_values.items()}
        values["synapses.delay"] = delay_s
        return {
            "run": f"{self.seed} {self.n_steps}".encode(),
            "first_edge": borders[:-1].tobytes(),
            "end_edge": borders[1:].tobytes(),
            "edge_post": post.astype(np.int32).tobytes(),
        } | {name: np.asarray(value, np.float64).tobytes() for name, value in values.items()}


def edges(connectome: Connectome) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Postsynaptic and presynaptic neuron of each connection, ordered by the presynaptic one."""
    pre, post = np.nonzero(connectome.adjacency.T)
    return post, pre


def run(model: Model, inputs: RunInputs, *, progress: Callable[[float], None], notify: Callable[[str], None]) -> Spikes:
    """Simulate, or take the result from the cache.

    Parameters
    ----------
    model : Model
    inputs : RunInputs
    progress : callable
        Gets the fraction done, 0 to 1.
    notify : callable
        Gets a sentence when something is compiled or taken from the cache.

    Raises
    ------
    InputError
        If there is no C++ compiler or no writable cache.
    """
    files = inputs.files()
    program_key = _program_key(model, inputs.connectome.n_neurons)
    spikes_key = "spikes-" + _hash(program_key, *(part for name in sorted(files) for part in (name, files[name])))
    cached = cache.load(spikes_key)
    if cached is not None:
        notify("Re-using the cached simulation.")
        progress(1.0)
        return _decode(cached)
    program = cache.load(program_key)
    if program is None:
        notify("Compiling the network (once; about 20 s).")
        program = _compile(model, inputs.connectome.n_neurons)
        cache.store(program_key, program)
    else:
        notify("Re-using the compiled network.")
    spikes = _execute(program, files, progress)
    cache.store(spikes_key, _encode(spikes))
    return spikes


def _program_key(model: Model, n_neurons: int) -> str:
    """Name of the cached program: a hash of all that its code depends on."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    make = shutil.which("make")
    if compiler is None or make is None:
        raise InputError(
            f"Simulating needs a C++ compiler and make, and found no {'make' if compiler else 'g++'}; "
            "install both (Debian and Ubuntu: apt install g++ make; macOS: xcode-select --install)."
        )
    compiler_version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    described = json.dumps(asdict(model) | {"n_neurons": n_neurons}, sort_keys=True)
    return "program-" + _hash(described, _CODEGEN.read_bytes(), version("brian2"), compiler_version)


def _compile(model: Model, n_neurons: int) -> bytes:
    """The bytes of the program that simulates `model`."""
    with cache.work_folder() as folder:
        (folder / "model.json").write_text(json.dumps(asdict(model) | {"n_neurons": n_neurons}))
        _call([sys.executable, "-P", str(_CODEGEN), "."], folder)
        _call(["make", f"-j{os.cpu_count() or 1}"], folder)
        return (folder / "main").read_bytes()


def _execute(program: bytes, files: dict[str, bytes], progress: Callable[[float], None]) -> Spikes:
    """Run `program` on `files` in a folder of its own."""
    with cache.work_folder() as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "main").write_bytes(program)
        (folder / "main").chmod(0o700)
        (folder / "results").mkdir()
        assignments = [f"{name}={name}" for name in sorted(files) if "." in name]
        complaints = _call(
            ["./main", "--results_dir", "results/", *assignments], folder, lambda line: progress(float(line))
        )

        def result(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
            return np.fromfile(next(folder.glob(f"results/{name}_*")), dtype)

        neuron = result("_dynamic_array_spikes_i", np.int32)
        time_s = result("_dynamic_array_spikes_t", np.float64)
        count = result("_array_spikes_N", np.int32)
        if complaints or not len(neuron) == len(time_s) == count[0]:
            raise RuntimeError(f"The simulation did not write all its spikes; is the disk full? {complaints}")
        progress(1.0)
        return Spikes(neuron, time_s)


def _call(command: list[str], folder: Path, on_line: Callable[[str], None] = lambda line: None) -> str:
    """Run a program in `folder` and return its standard error; an interruption ends it and its children."""
    with (folder / "stderr").open("w+") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,  # a group of its own: Ctrl-C reaches us first, and we end all of it
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                on_line(line)
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            process.stdout.close()
        complaints = (folder / "stderr").read_text()[-2000:]
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}: {complaints}")
    return complaints


def _hash(*parts: str | bytes) -> str:
    """Hash of the parts and of where one ends and the next begins."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(content)}:".encode() + content)
    return digest.hexdigest()[:32]


def _encode(spikes: Spikes) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, neuron=spikes.neuron, time_s=spikes.time_s)
    return buffer.getvalue()


def _decode(payload: bytes) -> Spikes:
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        return Spikes(arrays["neuron"], arrays["time_s"])
