"""suite2p output folders: `F.npy`, `Fneu.npy`, `spks.npy` and `iscell.npy`, arrays of cells x frames.

`ops.npy` and `stat.npy` are pickles, which are never loaded; so the frame rate is asked for.

Pachitariu et al. 2017, Suite2p: beyond 10,000 neurons with standard two-photon microscopy, bioRxiv 061507.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.npy import Array, load_npy
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a suite2p folder (with F.npy, or with plane0)"

NEUROPIL_COEFFICIENT = 0.7  # suite2p's default
BASELINE_WINDOW_S = 60.0  # suite2p's default
BASELINE_PERCENTILE = 8.0  # suite2p's default

Trace = Literal["dff", "spks"]


def recognises(path: Path) -> bool:
    """Is `path` a suite2p plane folder, or the parent of one."""
    return (path / "F.npy").is_file() or (path / "plane0").is_dir()


def read(path: Path, *, notify: Notify, fs_hz: float | None = None, trace: Trace = "dff") -> Recording:
    """Read a suite2p folder.

    Parameters
    ----------
    path : Path
        The folder of a plane, or its parent, of which `plane0` is read.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    fs_hz : float
        Frame rate of the plane in hertz (suite2p keeps it in `ops.npy`, a pickle).
    trace : {"dff", "spks"}
        Neuropil-corrected dF/F (see `dff`), or suite2p's deconvolved activity.

    Returns
    -------
    Recording
        Of the ROIs that `iscell.npy` calls cells; `id` is the number of the ROI.

    Raises
    ------
    InputError
        If files are missing, corrupt or of shapes that do not fit, or the frame rate is not given.
    """
    if trace not in ("dff", "spks"):
        raise InputError(f"trace must be 'dff' or 'spks'; got {trace!r}.")
    plane = _plane(path, notify)
    fs = _frame_rate(plane, fs_hz)
    fluorescence = _load(plane, "F.npy")
    kept = _cells(plane, fluorescence, notify)
    if trace == "spks":
        notify("spks is deconvolved, which looks ahead: forecasts of it score better than they would in real time.")
        values = _oriented(_load(plane, "spks.npy"), "spks.npy", fluorescence, notify)[kept]
    else:
        neuropil = _oriented(_load(plane, "Fneu.npy"), "Fneu.npy", fluorescence, notify)
        values, positive = dff(fluorescence[kept], neuropil[kept], fs)
        if not positive.all():
            if not positive.any():
                raise InputError(
                    f"The baseline of F.npy in {plane} is not positive in any cell, so dF/F is not defined; "
                    "use the deconvolved traces (trace='spks', --trace spks)."
                )
            notify(f"{(~positive).sum()} of {len(positive)} cells dropped: their baseline in F.npy is not positive.")
            values, kept = values[positive], kept[positive]
    return Recording.from_array(
        values.T,
        1 / fs,
        "calcium",
        neurons=neuron_table(len(kept), ids=[str(k) for k in kept]),
        metadata={"source": path.name, "reader": "suite2p", "trace": trace, "fs_hz": fs},
        deconvolved=trace == "spks",
        require_varying=False,
    )


def dff(fluorescence: Array, neuropil: Array, fs_hz: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Neuropil-corrected dF/F with a causal running baseline.

    With `Fc = F - 0.7 Fneu`, dF/F is `(Fc - base(Fc)) / base(F)`, where `base` is the 8th percentile of
    the 60 s up to each frame (of the first 60 s, for the frames in them). The baseline looks back only,
    so that no frame of a training part depends on the test part behind it. The denominator is the
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
        Is the raw baseline positive throughout; where it is not, dF/F means nothing.
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


def _plane(path: Path, notify: Notify) -> Path:
    if (path / "F.npy").is_file():
        return path
    others = sorted(p.name for p in path.glob("plane[0-9]*") if p.is_dir() and p.name != "plane0")
    if others:
        notify(f"Reading plane0 only; give the folder of a plane to read {', '.join(others)}.")
    return path / "plane0"


def _frame_rate(plane: Path, fs_hz: float | None) -> float:
    if fs_hz is None:
        why = "is a pickle, which is never loaded" if (plane / "ops.npy").exists() else "is missing"
        raise InputError(f"The frame rate of {plane} is not known, because ops.npy {why}; give it in hertz with --fs.")
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise InputError(f"The frame rate must be a positive number of hertz; got {fs_hz:g}.")
    return float(fs_hz)


def _load(plane: Path, name: str) -> Array:
    if not (plane / name).is_file():
        raise InputError(f"The suite2p folder {plane} has no {name}; give the folder that suite2p wrote.")
    array = load_npy(plane / name)
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise InputError(
            f"{name} in {plane} must be a numeric array of cells x frames; got {array.dtype} of shape {array.shape}."
        )
    return array


def _cells(plane: Path, fluorescence: Array, notify: Notify) -> npt.NDArray[np.intp]:
    """Rows that `iscell.npy` calls cells: all of them where there is no such file."""
    n = len(fluorescence)
    if not (plane / "iscell.npy").is_file():
        notify(f"No iscell.npy: all {n} ROIs are kept.")
        return np.arange(n)
    labels = load_npy(plane / "iscell.npy")
    if labels.ndim not in (1, 2) or len(labels) != n or labels.dtype.kind not in "iufb":
        raise InputError(
            f"iscell.npy in {plane} must have one row for each of the {n} rows of F.npy (cells x frames); "
            f"got shape {labels.shape}."
        )
    is_cell = labels.reshape(n, -1)[:, 0] > 0
    notify(f"{n - is_cell.sum()} of {n} ROIs dropped by iscell.npy.")
    return np.flatnonzero(is_cell)


def _oriented(array: Array, name: str, fluorescence: Array, notify: Notify) -> Array:
    """`array` as cells x frames like F.npy: some labs save it transposed."""
    cells, frames = fluorescence.shape
    if array.shape not in ((cells, frames), (frames, cells)):
        raise InputError(f"{name} must be cells x frames like F.npy, {cells} x {frames}; got shape {array.shape}.")
    if cells == frames:
        raise InputError(
            f"F.npy is square ({cells} x {frames}), so whether {name} is transposed cannot be told; "
            "give more or fewer frames."
        )
    if array.shape == (frames, cells):
        notify(f"{name} is saved transposed (frames x cells, unlike F.npy) and was turned.")
        return array.T
    return array
