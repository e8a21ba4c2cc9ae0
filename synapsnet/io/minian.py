"""Results of minian: a folder with a Zarr group per variable (`C.zarr`, `S.zarr`), or one group with all of them.

`C` is denoised fluorescence, `S` is deconvolved, both units x frames, as the names of their axes say; `unit_labels` is
-1 for units that were discarded by hand, and the same for those that were merged.

Dong et al. 2022, Minian, an open-source miniscope analysis pipeline, eLife 11:e70661.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io.clock import even_frames
from synapsnet.io.npy import Array
from synapsnet.io.reader import Notify
from synapsnet.io.zarr_groups import Group, array_names, is_zarr, load_zarr
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a minian folder (with C.zarr, or a Zarr group with C, S and unit_id)"

Trace = Literal["denoised", "spks"]
VARIABLES = {"denoised": "C", "spks": "S"}
UNIT, FRAME, LABELS = "unit_id", "frame", "unit_labels"
NOTICES = {
    "denoised": "C is denoised, which looks ahead: forecasts of it score better than they would in real time.",
    "spks": "S is deconvolved, which looks ahead: forecasts of it score better than they would in real time.",
}


def recognises(path: Path) -> bool:
    """Whether `path` is a folder of minian's groups, or one of its groups."""
    if path.is_dir() and any(is_zarr(path / f"{name}.zarr") for name in VARIABLES.values()):
        return True
    return is_zarr(path) and (path / UNIT).is_dir() and bool({*VARIABLES.values()} & {*array_names(path)})


def read(path: Path, *, notify: Notify, fs_hz: float | None = None, trace: Trace = "denoised") -> Recording:
    """Read a folder.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    fs_hz : float
        Rate of the frames that are there in hertz, which minian does not save. Missing ones (by the numbers in
        `frame`, or NaN) start a new epoch.
    trace : {"denoised", "spks"}
        `C` or `S`.

    Raises
    ------
    InputError
        If the trace is not there, the frame rate is not given, or shapes do not fit.
    """
    name = VARIABLES[trace]
    group = load_zarr(path / f"{name}.zarr" if (path / f"{name}.zarr").is_dir() else path)
    if name not in group.arrays:
        raise InputError(f"{path} has no {name}; it has {', '.join(group.arrays)}. Choose another trace (--trace).")
    if fs_hz is None:
        raise InputError(f"{path} does not say its frame rate; give it in hertz with --fs.")
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise InputError(f"The frame rate must be a positive number of hertz; got {fs_hz:g}.")
    values, ids, frames = _frames_by_units(group, name, path)
    labels = group.arrays.get(LABELS)
    known_labels = labels is not None and labels.shape == ids.shape
    kept = np.asarray(labels != -1 if known_labels else np.ones(len(ids)), bool)
    if not kept.all():
        notify(f"{(~kept).sum()} of {len(kept)} units dropped: they were discarded (unit_labels).")
    if labels is not None and known_labels and len(np.unique(labels[kept])) < kept.sum():
        notify("Units that were merged (unit_labels) are read one by one.")
    known: npt.NDArray[np.bool_] = np.all(np.isfinite(values), axis=1)
    if not known.all():
        notify(f"{(~known).sum()} of {len(known)} frames left out: a unit has no value there (NaN).")
    notify(NOTICES[trace])
    activity, dt_s = even_frames(frames[known] / fs_hz, values[known][:, kept], notify=notify)
    return Recording(
        activity=activity,
        dt_s=dt_s,
        modality="calcium",
        neurons=neuron_table(int(kept.sum()), ids=[str(k) for k in ids[kept]]),
        metadata={"source": path.name, "reader": "minian", "trace": trace, "fs_hz": fs_hz},
        deconvolved=trace == "spks",
    )


def _frames_by_units(group: Group, name: str, path: Path) -> tuple[Array, Array, Array]:
    """(T, N) values, the (N,) ids of the units, and the (T,) numbers of the frames in steps of those that are there."""
    values, axes = group.arrays[name], group.axes[name] or (UNIT, FRAME)
    if values.ndim != 2 or set(axes) != {UNIT, FRAME}:
        raise InputError(f"{name} in {path} must be {UNIT} x {FRAME}; got {' x '.join(axes)}, {values.shape}.")
    turned = values.T if axes[0] == UNIT else values
    ids = group.arrays.get(UNIT, np.arange(turned.shape[1]))
    if ids.shape != turned.shape[1:]:
        raise InputError(f"{UNIT} in {path} must name each of the {turned.shape[1]} units; got shape {ids.shape}.")
    frames = group.arrays.get(FRAME, np.arange(len(turned)))
    if frames.shape != turned.shape[:1]:
        raise InputError(f"{FRAME} in {path} must number each of the {len(turned)} frames; got shape {frames.shape}.")
    every = np.median(np.diff(frames)) if len(frames) > 1 else 1  # more than 1 where the video was thinned out
    return turned, ids, frames / every
