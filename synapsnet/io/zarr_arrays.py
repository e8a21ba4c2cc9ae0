"""Zarr groups (or single arrays) with what a `.npz` file would hold: activity on a grid, or lists of spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from synapsnet.io.arrays import recording_of_arrays
from synapsnet.io.reader import Notify
from synapsnet.io.spike_lists import list_pair, recording_of_lists
from synapsnet.io.zarr_groups import is_zarr, load_zarr
from synapsnet.recording import Modality, Recording

LAYOUT = "a Zarr folder with an array time x neurons, or times and ids of spikes"


def recognises(path: Path) -> bool:
    """Whether `path` is a Zarr folder."""
    return is_zarr(path)


def read(
    path: Path,
    *,
    notify: Notify,
    key: str | None = None,
    dt_s: float | None = None,
    fs_hz: float | None = None,
    modality: Modality | None = None,
    until: str | None = None,
    behaviour: str | None = None,
    transpose: bool = False,
    deconvolved: bool | None = None,
    time_unit: Literal["s", "ms", "us"] | None = None,
    label: str | None = None,
    bin_s: float | None = None,
) -> Recording:
    """Read a group; the options are those of `synapsnet.io.arrays` and `synapsnet.io.spike_lists`."""
    group = load_zarr(path)
    scalars = {name: value for name, value in group.attributes.items() if isinstance(value, int | float)}
    arrays = group.arrays | {name: np.asarray(value) for name, value in scalars.items()}
    metadata = {"source": path.name, "reader": "zarr_arrays"}
    if key is None and list_pair({name: array.shape for name, array in arrays.items()}) is not None:
        return recording_of_lists(
            arrays, bin_s=bin_s, time_unit=time_unit, fs_hz=fs_hz, label=label, notify=notify, metadata=metadata
        )
    return recording_of_arrays(
        arrays,
        path,
        key=key,
        dt_s=dt_s,
        fs_hz=fs_hz,
        modality=modality,
        until=until,
        behaviour=behaviour,
        transpose=transpose,
        deconvolved=deconvolved,
        time_unit=time_unit,
        label=label,
        notify=notify,
    )[1]
