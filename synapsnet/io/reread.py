"""Reading the file of a recording again, to verify that it is the same one and to get what else it holds.

The first reading may have dropped neurons, stretches of time, or what follows the onset of light in each trial. It is
read with the same options, and the recording is located in the file by the neurons' ids, the clock and the activity.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io import READERS, arrays, nwb, read
from synapsnet.io.nwb_file import opened
from synapsnet.io.nwb_own import facts
from synapsnet.io.options import options_of
from synapsnet.recording import Recording
from synapsnet.wording import listed

LEAST_COVERED = 0.99  # fraction of the recording's time that the file must have
MOST_COUNTS_APART = (5.0, 0.1)  # spikes, and fraction of them: bins may be shifted within epochs
LEAST_CORRELATION = 0.1  # between two traces of the same neuron; traces of different neurons have less
REMEMBERED = ("key", "time_unit", "fs_hz", "observed")  # reading options that a recording remembers
ARRAY_OPTIONS = ("key", "until", "transpose")

Indices = npt.NDArray[np.intp]


def read_again(path: str | Path, like: Recording, *, behaviour: str | None = None) -> Recording:
    """Read the file that a recording came from, with all of its neurons and all of its time.

    Parameters
    ----------
    path : path
    like : Recording
        What was read of it.
    behaviour : str, optional
        For NWB files and arrays, see their readers; others read all they have.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    return read(path, **_options(path, like, behaviour))


def find_neurons(path: str | Path, again: Recording, like: Recording) -> Indices:
    """(N,) indices of the neurons of a recording in the file that it came from.

    Parameters
    ----------
    path : path
        For messages.
    again : Recording
        The file, from `read_again`.
    like : Recording
        What was read of it.

    Raises
    ------
    InputError
        If it is not the file: it lacks neurons or time, or the neurons were not as active.
    """

    def refuse(reason: str) -> InputError:
        return InputError(f"{path} is not the recording that the run was fitted to: {reason}.")

    if again.modality != like.modality:
        raise refuse(f"it holds {again.modality}, and the run {like.modality}")
    names, wanted = (recording.neurons["id"].astype(str).tolist() for recording in (again, like))
    place = {name: k for k, name in enumerate(names)}
    if absent := [name for name in wanted if name not in place]:
        raise refuse(f"of the run's {len(wanted)} neurons, its {again.n_neurons} do not include {listed(absent, 3)}")
    if abs(again.dt_s / like.dt_s - 1) > 0.01:
        raise refuse(f"its time step is {again.dt_s:.4g} s, and the run's {like.dt_s:.4g} s")
    shared = [_inside(again, like), _inside(like, again)]
    if shared[1].sum() < LEAST_COVERED * like.n_steps:
        raise refuse(f"it lacks {(~shared[1]).sum() * like.dt_s:.4g} s of the run's {like.n_steps * like.dt_s:.4g} s")
    # two probes may use the same ids, so that only the order distinguishes them
    columns = np.arange(len(names)) if names == wanted else np.array([place[name] for name in wanted])
    in_file, in_run = again.values[shared[0]][:, columns], like.values[shared[1]]
    if like.modality == "spikes":
        apart = _counts_apart(in_file, in_run)
        if apart.any():
            k = int(apart.argmax())
            rates_hz = [counts[:, k].mean(dtype=np.float64) / like.dt_s for counts in (in_file, in_run)]
            raise refuse(
                f"neuron {wanted[k]} fires at {rates_hz[0]:.3g} Hz in it, and at {rates_hz[1]:.3g} Hz in the run"
            )
    elif _correlation(in_file, in_run) < LEAST_CORRELATION:
        raise refuse("traces of the same neurons differ")
    return columns


def _options(path: Path, like: Recording, behaviour: str | None) -> dict[str, Any]:
    """The reader's options, as far as the first reading is known."""
    reader = next((module for module in READERS if module.recognises(path)), None)
    if reader is None:
        return {}  # `read` says why
    step: dict[str, Any] = {"bin_s": like.dt_s} if like.modality == "spikes" else {"fs_hz": 1 / like.dt_s}
    as_arrays = like.metadata.get("reader") == "arrays"  # MATLAB's and Zarr's are read so, too
    if reader.recognises is arrays.recognises or (as_arrays and "dt_s" in options_of(reader)):
        first = like.metadata if as_arrays else {}
        step = {name: first.get(name) for name in ARRAY_OPTIONS}
        step |= {"dt_s": like.dt_s, "modality": like.modality, "behaviour": behaviour}
    elif reader.recognises is nwb.recognises:
        with opened(path, lambda line: None) as file:
            kind = facts(file, path).get("kind")
            has_spikes = file.units is not None and "spike_times" in file.units.colnames
        if kind == "recording":
            return {}
        step = step if kind or has_spikes else {}
        key = like.metadata.get("key") if like.metadata.get("reader") == "nwb" else None
        step |= {} if kind else {"label": "all", "behaviour": behaviour, "key": key}
    elif "label" in options_of(reader):
        step["label"] = "all"
    if like.metadata.get("reader") in (reader.__name__.rpartition(".")[2], "arrays"):
        step |= {name: like.metadata[name] for name in REMEMBERED if name in like.metadata}
    return {name: value for name, value in step.items() if name in options_of(reader)}


def _inside(recording: Recording, other: Recording) -> npt.NDArray[np.bool_]:
    """(T,) steps of a recording that lie in the epochs of another."""
    return np.isfinite(np.asarray(other.epochs.in_interval(recording.activity), dtype=np.float64))


def _counts_apart(there: npt.NDArray[np.float32], here: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(N,) which neurons have different numbers of spikes."""
    n_steps = len(here)
    a, b = (counts.mean(axis=0, dtype=np.float64) * n_steps for counts in (there, here))
    number, fraction = MOST_COUNTS_APART
    return np.asarray(np.abs(a - b) > number + fraction * np.maximum(a, b))


def _correlation(there: npt.NDArray[np.float32], here: npt.NDArray[np.float32]) -> float:
    """Median correlation of the traces of the same neurons; 0 if their lengths differ."""
    if there.shape != here.shape:
        return 0.0
    a, b = (traces.astype(np.float64) - traces.mean(axis=0, dtype=np.float64) for traces in (there, here))
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return float(np.median(np.divide((a * b).sum(axis=0), norm, out=np.zeros_like(norm), where=norm > 0)))
