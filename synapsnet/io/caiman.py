"""CaImAn's results of a CNMF or CNMF-E analysis: HDF5 files with `estimates` and `params`.

`estimates/C`, `F_dff` and `S` are cells x frames; `A` holds the footprints as a sparse matrix of pixels x cells in
compressed columns, pixels counted along the first image axis first; what is unknown is the text `NoneType`.

Giovannucci et al. 2019, CaImAn an open source tool for scalable calcium imaging data analysis, eLife 8:e38173.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io.hdf5 import opened
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording, neuron_table
from synapsnet.wording import counted

if TYPE_CHECKING:
    import h5py

LAYOUT = "a CaImAn file (.hdf5 or .h5 with estimates)"

Trace = Literal["dff", "denoised", "spks"]
DATASETS = {"dff": "F_dff", "denoised": "C", "spks": "S"}
NOTICES = {
    "dff": "F_dff is relative to a baseline that looks ahead as well as back: forecasts of it score a little too well.",
    "denoised": "C is denoised, which looks ahead: forecasts of it score better than they would in real time.",
    "spks": "S is deconvolved, which looks ahead: forecasts of it score better than they would in real time.",
}


def recognises(path: Path) -> bool:
    """Whether `path` is an HDF5 file, judged by its name."""
    return path.is_file() and path.suffix in (".hdf5", ".h5")


def read(
    path: Path,
    *,
    notify: Notify,
    fs_hz: float | None = None,
    trace: Trace | None = None,
    um_per_pixel: float | None = None,
) -> Recording:
    """Read a CaImAn file.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    fs_hz : float, optional
        Frame rate in hertz; default `params/data/fr`.
    trace : {"dff", "denoised", "spks"}, optional
        `F_dff`, `C` or `S`. Default: `F_dff`, or `C` where it was not computed.
    um_per_pixel : float, optional
        Size of a pixel; with it, the position of a neuron is the centre of its footprint.

    Returns
    -------
    Recording
        The accepted components (`idx_components`); `id` is the number of the component.

    Raises
    ------
    InputError
        If the file is damaged or lacks what is asked for, or shapes do not fit.
    """
    with opened(path) as file:
        if "estimates" not in file:
            raise InputError(
                f"{path} has no group `estimates`, so CaImAn did not write it; give a file that CaImAn saved."
            )
        trace = trace or _best_trace(file, notify)
        name = DATASETS[trace]
        values = _dataset(file, f"estimates/{name}")
        if values is None or values.ndim != 2:
            available = ", ".join(
                key for key, held in DATASETS.items() if _dataset(file, f"estimates/{held}") is not None
            )
            raise InputError(
                f"estimates/{name} in {path} is not cells x frames; choose a trace (--trace) among {available}."
            )
        notify(NOTICES[trace])
        kept = _accepted(file, len(values), path, notify)
        fs = _frame_rate(file, fs_hz, path)
        position = _positions(file, len(values), um_per_pixel, notify)
    return Recording.from_array(
        values[kept].T,
        1 / fs,
        "calcium",
        neurons=neuron_table(
            len(kept), ids=[str(k) for k in kept], position_um=None if position is None else position[kept]
        ),
        metadata={"source": path.name, "reader": "caiman", "trace": trace, "fs_hz": fs},
        deconvolved=trace == "spks",
        require_varying=False,
    )


def _dataset(file: h5py.File, name: str) -> npt.NDArray[Any] | None:
    """A numeric array; None if it is missing, or stored as unknown."""
    if name not in file or not hasattr(file[name], "dtype") or file[name].dtype.kind not in "iuf":
        return None
    return np.asarray(file[name][()])


def _best_trace(file: h5py.File, notify: Notify) -> Trace:
    if _dataset(file, "estimates/F_dff") is not None:
        return "dff"
    notify("There is no F_dff: the denoised traces C are read; compute it with detrend_df_f in CaImAn.")
    return "denoised"


def _accepted(file: h5py.File, n_components: int, path: Path, notify: Notify) -> npt.NDArray[np.intp]:
    indices = _dataset(file, "estimates/idx_components")
    if indices is None:
        notify(f"No idx_components: all {n_components} components are kept.")
        return np.arange(n_components)
    by_hand = [_dataset(file, f"estimates/{name}_list") for name in ("accepted", "rejected")]
    accepted, rejected = (np.zeros(0) if indices is None else indices.reshape(-1) for indices in by_hand)
    if len(accepted) or len(rejected):
        notify(f"Chosen by hand: {counted(len(accepted), 'component')} accepted, {len(rejected)} rejected.")
    kept = np.setdiff1d(np.union1d(indices.reshape(-1), accepted), rejected).astype(np.intp)
    if len(kept) and not (kept[0] >= 0 and kept[-1] < n_components):
        raise InputError(
            f"estimates/idx_components in {path} goes up to {kept[-1]}, but there are {n_components} components; "
            "save the file again."
        )
    notify(f"{n_components - len(kept)} of {n_components} components dropped by idx_components.")
    return kept


def _frame_rate(file: h5py.File, fs_hz: float | None, path: Path) -> float:
    stored = _dataset(file, "params/data/fr")
    value = fs_hz if fs_hz is not None else None if stored is None or stored.size != 1 else float(stored.item())
    if value is None:
        raise InputError(f"{path} does not say its frame rate (params/data/fr); give it in hertz with --fs.")
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"The frame rate of {path} must be a positive number of hertz; got {value:g}.")
    return value


def _positions(
    file: h5py.File, n_components: int, um_per_pixel: float | None, notify: Notify
) -> npt.NDArray[np.float64] | None:
    """(components, 3) centres of the footprints in micrometres; z is not known."""
    from scipy.sparse import csc_matrix

    parts = [_dataset(file, f"estimates/A/{name}") for name in ("data", "indices", "indptr", "shape")]
    dims = next((d for d in (_dataset(file, "dims"), _dataset(file, "estimates/dims")) if d is not None), None)
    data, indices, indptr, shape = parts
    if data is None or indices is None or indptr is None or shape is None or dims is None:
        return None
    if um_per_pixel is None:
        notify("Positions are left out, because the size of a pixel is not known; give it with --read um_per_pixel=...")
        return None
    footprints = csc_matrix((data, indices, indptr), shape=tuple(shape))
    if footprints.shape != (np.prod(dims), n_components):
        notify(f"Positions are left out: the footprints have shape {footprints.shape}, unlike image and traces.")
        return None
    pixel = np.arange(footprints.shape[0])
    row, column = pixel % dims[0], pixel // dims[0] % dims[1]
    weight = np.asarray(footprints.sum(axis=0)).ravel()
    y, x = ((footprints.T @ axis) / np.where(weight > 0, weight, np.nan) for axis in (row, column))
    return np.stack([x * um_per_pixel, y * um_per_pixel, np.full(n_components, np.nan)], axis=1)
