"""A copy of any NWB file that also holds the connectivity inferred from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synapsnet.connectome import MOST_PAIRS, Connectome
from synapsnet.errors import InputError
from synapsnet.files import atomic_path
from synapsnet.io.hdf5 import open_hdf5
from synapsnet.io.nwb_write import MODULE, add_connectome, add_neurons
from synapsnet.io.reader import border

INFERRED = "inferred"


def add_inferred(source: str | Path, path: str | Path, connectome: Connectome, neurons: pd.DataFrame) -> None:
    """Write a copy of any NWB file that also holds the connectivity inferred from it.

    `processing/synapsnet` gets the table `inferred`, with a row for each connection, and the table `neurons` that its
    indices refer to, unless that exists already; then neurons are matched by their ids. The copy reads as the same
    recording.

    Parameters
    ----------
    source : path
        An NWB file.
    path : path
        The copy to write.
    connectome : Connectome
        The inferred connectivity.
    neurons : DataFrame with N rows
        Table of its neurons; their ids are those of the file's units or ROIs.

    Raises
    ------
    InputError
        If `source` is no NWB file that can be read, holds results already or lacks one of the neurons, or `path` cannot
        be written to.
    """
    from pynwb import NWBHDF5IO

    if Path(source).resolve() == Path(path).resolve():
        raise InputError(f"The results go into a copy of {source}; give the copy another name.")
    _check_room(Path(source), Path(path), connectome)
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
        with (
            border(source, "an NWB file"),
            open_hdf5(temporary, "a") as hdf5,
            NWBHDF5IO(file=hdf5, mode="a") as io,
        ):
            file = io.read()
            if MODULE not in file.processing:
                file.create_processing_module(MODULE, "What SynapsNet inferred.")
            module = file.processing[MODULE].data_interfaces
            if INFERRED in module:
                raise InputError(f"{source} holds inferred connectivity already; give the recording itself.")
            if "neurons" not in module:
                add_neurons(file, neurons)
            rows = _rows(module["neurons"]["neuron_id"][:], neurons["id"].astype(str).tolist(), source)
            about = "Inferred by SynapsNet: one row for each pair of neurons."
            add_connectome(file, connectome, INFERRED, about, rows)
            io.write(file)


def _check_room(source: Path, path: Path, connectome: Connectome) -> None:
    """Refuse a full disk in advance, because HDF5 would crash the whole process on it."""
    if not source.is_file():
        raise InputError(f"{source} cannot be read as an NWB file: it does not exist; give the one that was fitted.")
    n_rows = connectome.n_neurons**2
    if n_rows > MOST_PAIRS and connectome.judges_significance:
        n_rows = min(n_rows, MOST_PAIRS + len(connectome.reported()[0]))
    n_bytes = 2**20 + source.stat().st_size + 8 * (3 + len(connectome.matrices)) * n_rows
    if path.parent.is_dir() and (free := shutil.disk_usage(path.parent).free) < n_bytes:
        raise InputError(
            f"There is too little space on the disk for {path}: it may take {n_bytes / 1e6:.3g} MB, and "
            f"{free / 1e6:.3g} MB are free; make room."
        )


def _rows(there: Any, ids: list[str], source: str | Path) -> np.ndarray[Any, np.dtype[np.intp]]:
    """(N,) rows of neurons in a table that has these ids."""
    names = [str(name) for name in there]
    if names == ids:  # ids need not be unique then
        return np.arange(len(ids))
    row_of = {name: row for row, name in enumerate(names)}
    if absent := [name for name in ids if name not in row_of]:
        raise InputError(f"{source} has no neuron {absent[0]}, which the connectivity has; give the file it came from.")
    return np.array([row_of[name] for name in ids])
