"""Runs a network: compiled once with Brian2, then any seed, connectivity, parameters and duration.

A run is a pure function of the compiled program and the files it reads, so both the program and the spikes are
cached under a hash of exactly what determines them. Where there is no compiler, Brian2 runs the same files with numpy.
"""

from __future__ import annotations

import functools
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
from simulators.inputs import Signals
from simulators.model import Model
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Edges
from synapsnet.errors import InputError

_CODEGEN = Path(__file__).with_name("codegen.py")
_LEAST_SPACE = 2**20  # bytes: with less, a complaint cannot be written either
_EXPLODED, _UNUSABLE = 70, 71  # exit codes of `codegen`, which is not imported because it imports Brian2


@dataclass(frozen=True)
class Spikes:
    """All spikes of a run in the order in which they happened: `neuron[k]` fired at `time_s[k]`.

    Where weights change, `weight` holds them all, (R, E), in SI units, at multiples of `Model.sampled_every_s`.
    """

    neuron: npt.NDArray[np.int32]
    time_s: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class RunInputs:
    """What one run of a compiled network reads.

    Attributes
    ----------
    n_neurons : int
    edges : Edges
        The connections, ordered by the presynaptic neuron.
    neuron_values : dict of variable -> (N,) array in SI units
    synapse_values : dict of variable -> (E,) array in SI units
        For the connections in the order of `edges`.
    seed : int
        Seed of the noise, 0 to 2^32 - 1.
    n_steps : int
    signals : Signals or None
        Inputs that vary in time.
    """

    n_neurons: int
    edges: Edges
    neuron_values: dict[str, FloatArray]
    synapse_values: dict[str, FloatArray]
    seed: int
    n_steps: int
    signals: Signals | None = None

    def files(self) -> dict[str, bytes]:
        """Content of the files that `codegen` documents, by name."""
        borders = np.searchsorted(self.edges.pre, np.arange(self.n_neurons + 1)).astype(np.int32)
        values = {f"neurons.{name}": value for name, value in self.neuron_values.items()}
        values |= {f"synapses.{name}": value for name, value in self.synapse_values.items()}
        inputs = {}
        if self.signals is not None:
            inputs = {
                "inputs": self.signals.signal.astype(np.float32).tobytes(),
                "input_weights": self.signals.weight_v.astype(np.float64).tobytes(),
            }
        return (
            inputs
            | {
                "run": f"{self.seed} {self.n_steps}".encode(),
                "first_edge": borders[:-1].tobytes(),
                "end_edge": borders[1:].tobytes(),
                "edge_post": self.edges.post.astype(np.int32).tobytes(),
                "edge_delay": self.edges.delay_s.astype(np.float64).tobytes(),
            }
            | {name: np.asarray(value, np.float64).tobytes() for name, value in values.items()}
        )


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
        If the network explodes, Brian2 refuses its model, or there is no writable cache.
    """
    files = inputs.files()
    described = asdict(model) | {"n_neurons": inputs.n_neurons, "has_inputs": inputs.signals is not None}
    files["model.json"] = json.dumps(described, sort_keys=True).encode()
    compiler = compiler_found()
    if compiler is None:
        notify(
            "Found no C++ compiler and make: simulating with numpy, which takes about 100 times as long. "
            "Install both (Debian and Ubuntu: apt install g++ make; macOS: xcode-select --install)."
        )
    how = _hash(_CODEGEN.read_bytes(), version("brian2"), compiler or version("numpy"))
    spikes_key = "spikes-" + _hash(how, *(part for name in sorted(files) for part in (name, files[name])))
    cached = cache.load(spikes_key)
    if cached is not None:
        notify("Re-using the cached simulation.")
        progress(1.0)
        return _decode(cached)
    program = None
    if compiler is not None:
        program = _program("program-" + _hash(how, files["model.json"]), files["model.json"], notify)
    spikes = _execute(program, files, progress)
    cache.store(spikes_key, _encode(spikes))
    return spikes


def compiler_found() -> str | None:
    """What the C++ compiler makes of a program on this processor, or None if it or make is missing.

    Its version, and the instructions that it may use: Brian2 compiles for the processor at hand, so that programs and
    their last bits differ between processors that share a cache.
    """
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None or shutil.which("make") is None:
        return None
    return _described(compiler)


@functools.cache
def _described(compiler: str) -> str:
    asked = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False, errors="replace")
    if asked.returncode:
        raise InputError(f"The C++ compiler {compiler} fails when asked for its version; set CXX to another.")
    macros = [compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    return asked.stdout + subprocess.run(macros, capture_output=True, text=True, check=False).stdout


def _program(key: str, model: bytes, notify: Callable[[str], None]) -> bytes:
    """The compiled program, from the cache if it is there; one process compiles it while the others wait."""
    program = cache.load(key)
    if program is None:
        with cache.lock(key):
            program = cache.load(key)
            if program is None:
                notify("Compiling the network (once; about 10 s).")
                program = _compile(model)
                cache.store(key, program)
                return program
    notify("Re-using the compiled network.")
    return program


def _compile(model: bytes) -> bytes:
    with cache.work_folder() as folder:
        (folder / "model.json").write_bytes(model)
        _call([sys.executable, "-P", str(_CODEGEN), "write"], folder)
        _call(["make", "SRCS=whole.cpp"], folder)
        return (folder / "main").read_bytes()


def _execute(program: bytes | None, files: dict[str, bytes], progress: Callable[[float], None]) -> Spikes:
    """Run `program`, or numpy if there is none, on `files` in a folder of its own."""
    with cache.work_folder() as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / "results").mkdir()
        if program is None:
            command = [sys.executable, "-P", str(_CODEGEN), "run"]
        else:
            (folder / "main").write_bytes(program)
            (folder / "main").chmod(0o700)
            assignments = [f"{name}={name}" for name in sorted(files) if name.startswith(("neurons.", "synapses."))]
            command = ["./main", "--results_dir", "results/", *assignments]
        complaints = _call(command, folder, lambda line: progress(float(line)))

        def result(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
            return np.fromfile(next(folder.glob(f"results/{name}_*")), dtype)

        neuron = result("_dynamic_array_spikes_i", np.int32)
        time_s = result("_dynamic_array_spikes_t", np.float64)
        count = result("_array_spikes_N", np.int32)
        n_edges = len(files["edge_post"]) // np.dtype(np.int32).itemsize
        samples = folder / "results" / "weights"
        weight = np.fromfile(samples, np.float32) if samples.exists() else None
        complete = [len(neuron)] == [len(time_s)] == count.tolist() and (weight is None or len(weight) % n_edges == 0)
        if (program is not None and complaints) or not complete:
            raise InputError(
                "The simulation could not write all its results: the disk is full; make room, or set SYNAPSNET_CACHE "
                "to a folder on another disk."
            )
        progress(1.0)
        return Spikes(neuron, time_s, None if weight is None else weight.reshape(-1, n_edges))


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
        complaints = (folder / "stderr").read_text(errors="replace")[-2000:]
    if process.returncode and ("No space left" in complaints or shutil.disk_usage(folder).free < _LEAST_SPACE):
        raise InputError(
            "There is no space left on the disk for the simulation; make room, or set SYNAPSNET_CACHE to a folder on "
            "another disk."
        )
    if process.returncode == _EXPLODED:
        time_s, rate_hz = (float(word) for word in complaints.split()[-2:])
        raise InputError(
            f"The network exploded: at {time_s:.3g} s its neurons fire at {rate_hz:.0f} Hz on average; "
            "weaken its excitation, drive or connection probability, or strengthen its inhibition."
        )
    if process.returncode == _UNUSABLE:
        raise InputError(f"Brian2 refuses the network's model: {complaints.splitlines()[-1]}")
    if process.returncode:
        lines = complaints.strip().splitlines() or ["no reason given"]
        why = next((line for line in lines if "error" in line.lower()), lines[-1])  # make's last line names no cause
        raise InputError(f"{Path(command[0]).name} failed with exit code {process.returncode}: {why}")
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
    np.savez(buffer, **{name: values for name, values in vars(spikes).items() if values is not None})
    return buffer.getvalue()


def _decode(payload: bytes) -> Spikes:
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        return Spikes(**arrays)
