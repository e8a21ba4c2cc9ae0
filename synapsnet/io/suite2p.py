"""suite2p output folders: `F.npy`, `Fneu.npy`, `spks.npy` and `iscell.npy`, arrays of cells x frames.

`ops.npy` and `stat.npy` are pickles, which could run any code and are never loaded, not even on request; so the frame
rate must be given, and positions come from a neuron table, if any (`synapsnet.io.sidecar`). `Fall.mat`, which suite2p
writes for MATLAB, holds the same arrays, and the frame rate.

Pachitariu et al. 2017, Suite2p: beyond 10,000 neurons with standard two-photon microscopy, bioRxiv 061507.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.mat import load_mat, variable_names
from synapsnet.io.npy import Array, load_npy
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a suite2p folder (with F.npy, or with plane0, plane1...), or its Fall.mat"

NEUROPIL_COEFFICIENT = 0.7  # suite2p's default
BASELINE_WINDOW_S = 60.0  # suite2p's default
BASELINE_PERCENTILE = 8.0  # suite2p's default

Trace = Literal["dff", "spks"]
PLANE = re.compile(r"plane(\d+)")


def recognises(path: Path) -> bool:
    """Whether `path` is the folder of a plane, the parent of such folders, or a MATLAB file with the arrays of one."""
    if path.is_file() and path.suffix == ".mat":
        return {"F", "Fneu", "spks"} <= set(variable_names(path))
    return (path / "F.npy").is_file() or (
        path.is_dir() and any(PLANE.fullmatch(folder.name) for folder in path.iterdir())
    )


def read(
    path: Path,
    *,
    notify: Notify,
    fs_hz: float | None = None,
    trace: Trace = "dff",
    min_cell_probability: float | None = None,
    plane_spacing_um: float | None = None,
) -> Recording:
    """Read a suite2p folder.

    Parameters
    ----------
    path : Path
        The folder of a plane, or its parent, of which all planes are read; or `Fall.mat`.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    fs_hz : float
        Frame rate of a plane in hertz (suite2p keeps it in `ops.npy`, a pickle). Default: that in `Fall.mat`.
    trace : {"dff", "spks"}
        Neuropil-corrected dF/F (see `dff`), or suite2p's deconvolved activity.
    min_cell_probability : float, optional
        Keep only ROIs whose probability of being a cell (second column of `iscell.npy`) is at least this.
    plane_spacing_um : float, optional
        Distance between planes: neurons of `plane2` then have a `z_um` of twice that.

    Returns
    -------
    Recording
        The ROIs that `iscell.npy` classifies as cells; `id` is the number of the ROI, after that of its plane if there
        are several (`plane1/7`).

    Raises
    ------
    InputError
        If files are missing, corrupt or of shapes that do not fit, or the frame rate is not given.
    """
    planes = _planes(path)
    fs = _frame_rate(planes[0], fs_hz)
    parts: list[npt.NDArray[np.float32]] = []
    ids: list[str] = []
    depths_um: list[float] = []
    several = len(planes) > 1
    for plane in planes:
        values, rois = _cell_traces(plane, fs, trace, min_cell_probability, _of(plane, notify) if several else notify)
        parts.append(values)
        ids += [f"{plane.name}/{k}" if several else str(k) for k in rois]
        depths_um += [_number(plane) * (plane_spacing_um if plane_spacing_um is not None else np.nan)] * len(rois)
    if trace == "spks":
        notify("spks is deconvolved, which looks ahead: forecasts of it score better than they would in real time.")
    if several:
        notify(f"{len(planes)} planes are read as if imaged at once, though within a frame one follows another.")
    frames = _common_length([part.shape[1] for part in parts], notify)
    position = np.stack([np.full(len(ids), np.nan)] * 2 + [np.array(depths_um)], axis=1)
    return Recording.from_array(
        np.concatenate([part[:, :frames] for part in parts]).T,
        1 / fs,
        "calcium",
        neurons=neuron_table(len(ids), ids=ids, position_um=position),
        metadata={"source": path.name, "reader": "suite2p", "trace": trace, "fs_hz": fs},
        deconvolved=trace == "spks",
        require_varying=False,
    )


def _cell_traces(
    plane: Path, fs_hz: float, trace: Trace, min_probability: float | None, notify: Notify
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """(cells, frames) activity of one plane, and the numbers of their ROIs."""
    fluorescence = _load(plane, "F.npy")
    kept = _cells(plane, fluorescence, min_probability, notify)
    if trace == "spks":
        return _oriented(_load(plane, "spks.npy"), "spks.npy", fluorescence, notify)[kept], kept
    neuropil = _oriented(_load(plane, "Fneu.npy"), "Fneu.npy", fluorescence, notify)
    values, positive = dff(fluorescence[kept], neuropil[kept], fs_hz)
    if not positive.all():
        if not positive.any():
            raise InputError(
                f"The baseline of F.npy in {plane} is not positive in any cell, so dF/F is not defined; "
                "use the deconvolved traces (trace='spks', --trace spks)."
            )
        notify(f"{(~positive).sum()} of {len(positive)} cells dropped: their baseline in F.npy is not positive.")
    return values[positive].astype(np.float32), kept[positive]


def dff(fluorescence: Array, neuropil: Array, fs_hz: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Neuropil-corrected dF/F with a causal running baseline.

    With `Fc = F - 0.7 Fneu`, dF/F is `(Fc - base(Fc)) / base(F)`, where `base` is the 8th percentile of
    the 60 s up to each frame (of the first 60 s, for the frames in them). The baseline looks back only,
    so that no frame of a training part depends on the test part after it. The denominator is the
    baseline of the raw fluorescence because that of `Fc` comes near zero, or below, wherever the
    neuropil is as bright as the cell.

    Parameters
    ----------
    fluorescence, neuropil : (N, T) arrays
    fs_hz : float
        Frame rate in hertz.

    Returns
    -------
    dff : (N, T) array
    positive : (N,) bool array
        Whether the raw baseline is positive throughout; otherwise dF/F is undefined.
    """
    raw = np.asarray(fluorescence, float)
    corrected = raw - NEUROPIL_COEFFICIENT * neuropil
    window = min(max(round(BASELINE_WINDOW_S * fs_hz), 1), raw.shape[1])
    denominator = _running_baseline(raw, window)
    positive: npt.NDArray[np.bool_] = ~np.any(denominator <= 0, axis=1)  # NaN passes, for Recording to refuse by name
    denominator[~positive] = np.nan
    return (corrected - _running_baseline(corrected, window)) / denominator, positive


def _running_baseline(traces: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    running = pd.DataFrame(traces.T).rolling(window).quantile(BASELINE_PERCENTILE / 100)
    return running.bfill().to_numpy().T.copy()


def _planes(path: Path) -> list[Path]:
    """The folders of the planes, by number."""
    if path.is_file() or (path / "F.npy").is_file():
        return [path]
    return sorted((folder for folder in path.iterdir() if PLANE.fullmatch(folder.name)), key=_number)


def _of(plane: Path, notify: Notify) -> Notify:
    return lambda line: notify(f"{plane.name}: {line}")


def _number(plane: Path) -> int:
    match = PLANE.fullmatch(plane.name)
    return int(match[1]) if match else 0


def _common_length(frames: list[int], notify: Notify) -> int:
    """Frames of the shortest plane: when the microscope stops, the last planes may lack one."""
    shortest, longest = min(frames), max(frames)
    if longest > shortest + 1:
        raise InputError(
            f"Planes recorded together differ by one frame at most; these have {', '.join(map(str, frames))} frames. "
            "Give the folder of one plane."
        )
    if longest > shortest:
        notify(f"The last frame of {frames.count(longest)} of {len(frames)} planes dropped: the others lack it.")
    return shortest


def _frame_rate(plane: Path, fs_hz: float | None) -> float:
    if fs_hz is None and plane.is_file():
        ops = load_mat(plane, ("ops",)).get("ops")
        stated = ops.get("fs") if isinstance(ops, dict) else None
        if stated is None or np.size(stated) != 1:
            raise InputError(f"{plane} does not say its frame rate (ops.fs); give it in hertz with --fs.")
        fs_hz = float(np.asarray(stated).item())
    if fs_hz is None:
        why = "is a pickle, which is never loaded" if (plane / "ops.npy").exists() else "is missing"
        raise InputError(f"The frame rate of {plane} is not known, because ops.npy {why}; give it in hertz with --fs.")
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise InputError(f"The frame rate must be a positive number of hertz; got {fs_hz:g}.")
    return float(fs_hz)


def _load_any(plane: Path, name: str) -> Array | None:
    """An array of a plane, from its folder or `Fall.mat`; None where there is none."""
    if plane.is_dir():
        return load_npy(plane / name) if (plane / name).is_file() else None
    variable = name.removesuffix(".npy")
    return load_mat(plane, (variable,)).get(variable)


def _load(plane: Path, name: str) -> Array:
    array = _load_any(plane, name)
    if array is None:
        raise InputError(f"The suite2p folder {plane} has no {name}; give the folder that suite2p wrote.")
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iuf":
        kind = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"{name} in {plane} must be a numeric array of cells x frames; got {kind}.")
    return array


def _cells(plane: Path, fluorescence: Array, min_probability: float | None, notify: Notify) -> npt.NDArray[np.intp]:
    """Rows that `iscell.npy` classifies as cells; all of them if there is no such file."""
    n = len(fluorescence)
    labels = _load_any(plane, "iscell.npy")
    if labels is None:
        notify(f"No iscell.npy: all {n} ROIs are kept.")
        return np.arange(n)
    if labels.ndim not in (1, 2) or len(labels) != n or labels.dtype.kind not in "iufb":
        raise InputError(
            f"iscell.npy in {plane} must have one row for each of the {n} rows of F.npy (cells x frames); "
            f"got shape {labels.shape}."
        )
    columns = labels.reshape(n, -1)
    is_cell = columns[:, 0] > 0
    notify(f"{n - is_cell.sum()} of {n} ROIs dropped by iscell.npy.")
    if min_probability is not None:
        if columns.shape[1] < 2:
            raise InputError(f"iscell.npy in {plane} has no probabilities; leave out min_cell_probability.")
        probable = columns[:, 1] >= min_probability
        dropped = (is_cell & ~probable).sum()
        notify(f"{dropped} of {is_cell.sum()} cells dropped: their probability is below {min_probability:g}.")
        is_cell &= probable
    return np.flatnonzero(is_cell)


def _oriented(array: Array, name: str, fluorescence: Array, notify: Notify) -> Array:
    """`array` as cells x frames like F.npy: some labs save it transposed."""
    cells, frames = fluorescence.shape
    if array.shape not in ((cells, frames), (frames, cells)):
        raise InputError(f"{name} must be cells x frames like F.npy, {cells} x {frames}; got shape {array.shape}.")
    if cells == frames:
        raise InputError(
            f"F.npy is square ({cells} x {frames}), so {name} may be transposed or not; give more or fewer frames."
        )
    if array.shape == (frames, cells):
        notify(f"{name} is saved transposed (frames x cells, unlike F.npy) and was turned.")
        return array.T
    return array
