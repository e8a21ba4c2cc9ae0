"""Spikes in SONATA, an exchange format of simulators, with their neurons if these are available.

Dai et al. 2020, PLoS Comput Biol 16:e1007696. It reads `spikes.h5` and, beside it or in a folder `network`,
`*nodes.h5` with `*node_types.csv`: cell types and positions. Edges are ground truth, see `synapsnet.io.truth`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.hdf5 import opened
from synapsnet.io.plausible import in_order
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import by_unit, recording_of_trains
from synapsnet.recording import Recording, neuron_table
from synapsnet.wording import counted

LAYOUT = "SONATA spikes (spikes.h5, or a folder that holds it)"

SPIKES = "spikes.h5"
UNITS = {"ms": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
TYPE_NAMES = ("cell_type", "pop_name", "model_name", "ei", "node_type_id")  # the first that is there is the cell type


def recognises(path: Path) -> bool:
    """Whether `path` is a SONATA file of spikes, or a folder with one."""
    import h5py

    file = _spike_file(path)
    if not (file.is_file() and file.suffix in (".h5", ".hdf5") and h5py.is_hdf5(file)):
        return False
    with opened(file) as content:
        return "spikes" in content and bool(_populations(content["spikes"]))


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    duration_s: float | None = None,
    population: str | None = None,
    nodes: str | None = None,
) -> Recording:
    """Read spikes.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds.
    duration_s : float, optional
        Simulated time, from 0 on. Default: from the first to the last spike.
    population : str, optional
        Default: all; neurons are then called `population/number`.
    nodes : str, optional
        Folder with the files of nodes. Default: that of the spikes, or `network` in it or beside it.

    Raises
    ------
    InputError
        If the file is damaged, or has no such population.
    """
    file = _spike_file(path)
    with opened(file) as content:
        groups = _populations(content["spikes"])
        if population is not None and population not in groups:
            raise InputError(f"{file} has no population {population}; it has {', '.join(groups)}.")
        selected = groups if population is None else {population: groups[population]}
        spikes = {name: _spikes(group, name, file, notify) for name, group in selected.items()}
    folder = _nodes_folder(file.parent, nodes)
    trains: list[Float64Array] = []
    tables = []
    for name, (times_s, owners) in spikes.items():
        table = _nodes(folder, name, notify)
        if table is None:
            table = neuron_table(len(np.unique(owners)), ids=[str(node) for node in np.unique(owners)])
            notify(f"The neurons of {name} are those that spike: no nodes were found (--read nodes=FOLDER).")
        ids = table["id"].astype(np.int64).to_numpy()
        if len(unlisted := np.unique(owners[~np.isin(owners, ids)])):
            whose = f"{counted(int(np.isin(owners, unlisted).sum()), 'spike')} of {counted(len(unlisted), 'neuron')}"
            if len(unlisted) == len(np.unique(owners)):
                raise InputError(
                    f"The nodes of {name} in {folder} must list the neurons that spike; they list none of them. Give "
                    "the folder of the nodes that were simulated (--read nodes=FOLDER)."
                )
            notify(f"Left out: {whose} that the nodes of {name} do not list.")
        trains += in_order(by_unit(times_s, owners, ids), notify)
        tables.append(table if len(spikes) == 1 else table.assign(id=f"{name}/" + table["id"]))
    return recording_of_trains(
        trains,
        pd.concat(tables, ignore_index=True),
        observed=duration_s,
        bin_s=bin_s,
        notify=notify,
        metadata={"source": path.name, "reader": "sonata"},
    )


def _spike_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    return next((file for file in (path / SPIKES, path / "output" / SPIKES) if file.is_file()), path / SPIKES)


def _populations(spikes: Any) -> dict[str, Any]:
    """Groups of spikes by population; files before SONATA 0.1 have a single one without a name."""
    if "timestamps" in spikes:
        return {"neurons": spikes}
    return {name: group for name, group in spikes.items() if hasattr(group, "keys") and "timestamps" in group}


def _spikes(group: Any, name: str, file: Path, notify: Notify) -> tuple[Float64Array, Any]:
    owners = group["node_ids"] if "node_ids" in group else group.get("gids")
    if owners is None:
        raise InputError(f"The population {name} in {file} lacks node_ids; it is not a whole file of spikes.")
    times = group["timestamps"]
    unit = times.attrs.get("units", "ms")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    if "units" not in times.attrs:
        notify(f"The spike times of {name} are taken to be in milliseconds, as SONATA has them.")
    if unit.lower() not in UNITS:
        raise InputError(f"The spike times of {name} in {file} are in {unit!r}; expected milliseconds or seconds.")
    times_s, ids = np.asarray(times[:], float) * UNITS[unit.lower()], np.asarray(owners[:], np.int64)
    if len(times_s) != len(ids):
        raise InputError(f"Every spike needs a time and a neuron; {name} in {file} has {len(times_s)} and {len(ids)}.")
    return times_s, ids


def _nodes_folder(beside: Path, nodes: str | None) -> Path:
    if nodes is not None:
        if not Path(nodes).is_dir():
            raise InputError(f"nodes must be a folder with SONATA nodes; {nodes} is not one.")
        return Path(nodes)
    places = (beside, beside / "network", beside.parent / "network")
    return next((place for place in places if place.is_dir() and any(place.glob("*nodes.h5"))), beside)


def _nodes(folder: Path, population: str, notify: Notify) -> pd.DataFrame | None:
    """Neuron table of a population, with its numbers as ids; None where there are no nodes of it."""
    for file in sorted(folder.glob("*nodes.h5")):
        with opened(file) as content:
            group = content.get("nodes", {}).get(population)
            if group is None:
                continue
            try:
                table = _attributes(group)
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(
                    f"The nodes of {population} in {file} are not whole ({error}); copy them again."
                ) from error
        types_file = file.with_name(file.name.replace("nodes.h5", "node_types.csv"))
        if types_file.is_file():
            types = pd.read_csv(types_file, sep=r"\s+").drop_duplicates("node_type_id")
            extra = ["node_type_id", *(name for name in types if name not in table)]
            table = table.merge(types[extra], "left", "node_type_id")
        kind = next((name for name in TYPE_NAMES if name in table and table[name].notna().all()), None)
        position = table[["x", "y", "z"]].to_numpy(float) if {"x", "y", "z"} <= set(table) else None
        notify(f"{file.name}: {counted(len(table), 'neuron')} of {population}.")
        return neuron_table(
            len(table),
            ids=table["node_id"].astype(str).tolist(),
            cell_type=None if kind is None else table[kind].astype(str).tolist(),
            position_um=position,
            area=table["area"].astype(str).tolist() if "area" in table else None,
        )
    return None


def _attributes(group: Any) -> pd.DataFrame:
    """A row for each node with all that its groups say of it."""
    n = len(group["node_type_id"])
    table = pd.DataFrame({"node_type_id": group["node_type_id"][:]})
    table["node_id"] = group["node_id"][:] if "node_id" in group else np.arange(n)
    owner = group["node_group_id"][:] if "node_group_id" in group else np.zeros(n, int)
    row = group["node_group_index"][:] if "node_group_index" in group else np.arange(n)
    for number in np.unique(owner):
        mine = owner == number
        for name, values in group[str(number)].items():
            if not hasattr(values, "shape"):  # parameters of the model
                continue
            array = np.asarray(values.asstr()[:] if values.dtype.kind in "OS" else values[:])[row[mine]]
            for column, part in zip("xyz", array.T, strict=False) if name == "positions" else [(name, array)]:
                if part.ndim == 1:
                    table.loc[mine, column] = part
    return table
