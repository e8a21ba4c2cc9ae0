"""ALF folders of spikes: Steinmetz et al. 2019 and the International Brain Laboratory (IBL).

A file is named `object.attribute.npy`, in the IBL also with a namespace before it and more parts after it
(`_ibl_wheel.position.npy`, `spikes.times.<uuid>.npy`). A session has one folder for all probes (Steinmetz), or
`alf/probe00/pykilosort/` for each, perhaps with the date of a revision (`#2024-05-06#`). Behaviour that lies
beside the spikes is read on its own clock.

Steinmetz et al. 2019, Distributed coding of choice, action and engagement across the mouse brain, Nature 576:266;
International Brain Laboratory 2023, A modular architecture for organizing, processing and sharing neurophysiology
data, Nat Methods 20:403.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.alf_behaviour import read_intervals, read_signals
from synapsnet.io.alf_files import find_file, load, load_needed
from synapsnet.io.clock import choose, with_behaviour
from synapsnet.io.labels import judged, looks_like_quality
from synapsnet.io.npy import Array
from synapsnet.io.plausible import observed_time
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import recording_of_units
from synapsnet.io.table_files import load_table
from synapsnet.io.units import Units, sort_spikes
from synapsnet.io.waveforms import durations_ms
from synapsnet.recording import Recording, neuron_table

LAYOUT = "an ALF folder of spikes (with spikes.times.npy, or with alf/probe00)"

KEPT = "good,unsorted"  # the annotations 2 and 3 of Steinmetz et al. 2019
# In milliseconds (IBL), and in samples of Neuropixels probes (Steinmetz et al.).
WIDTHS = (("clusters.peakToTrough", None), ("clusters.waveformDuration", 30_000.0))
SORTINGS = ("", "#*#/", "*sort*/", "*sort*/#*#/")  # folders in that of a probe: a revision, pykilosort, its revision


class _Sites(NamedTuple):
    """Location of the C channels of a probe: (C,) areas and (C, 3) positions, None where unknown."""

    area: Array
    position_um: Float64Array | None


def recognises(path: Path) -> bool:
    """Whether `path` is a folder with the spikes of a session or a probe, named as in ALF."""
    return path.is_dir() and bool(_sortings(path))


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    label: str | None = None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
    within: str | None = None,
    behaviour: str | None = None,
) -> Recording:
    """Read a session, with all its probes.

    Parameters
    ----------
    path : Path
        Folder of a session, its `alf` folder, or the folder of a probe.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times.
    label : str, optional
        Labels of the units to keep, separated by commas; `all` keeps any. Default: `good` and `unsorted`, where units
        are labelled. These are the annotations 2 and 3 of Steinmetz et al.; in the IBL a unit is `good` if its `label`
        is 1, else `failed`.
    min_presence_ratio : float, optional
        Minimum fraction of 100 equal parts of the time in which a unit must spike.
    max_isi_violations : float, optional
        Maximum rate of spikes from other neurons, relative to the unit's own, judged by intervals below 1.5 ms.
    within : str, optional
        Only the intervals of this name: `spontaneous` for those in `spontaneous.intervals.npy`.
    behaviour : str, optional
        Names of the variables, separated by commas, or `none`. Default: wheel velocity, pupil area, motion of face and
        cameras, and running speed, where there are files of them.

    Returns
    -------
    Recording
        From the first to the last spike. `area` is the acronym, or in the IBL the number, of the Allen ontology at
        the unit's largest channel. Positions are in the Allen common coordinate framework (left-right,
        anterior-posterior, dorso-ventral), or else only `z_um`, the distance from the tip of the probe.
        `trough_to_peak_ms` is `clusters.peakToTrough` (IBL) or `clusters.waveformDuration` (Steinmetz et al.).

    Raises
    ------
    InputError
        If files are missing, corrupt, pickled or inconsistent with each other.
    """
    session = path / "alf" if (path / "alf").is_dir() else path
    sortings = _sortings(path)
    probes = {name: _units(folder, notify) for name, folder in sortings.items()}
    observed = reduce(nap.IntervalSet.intersect, [observed_time(units.trains, notify) for units in probes.values()])
    if within is not None:
        observed = observed.intersect(read_intervals(session, within))
    for name, units in probes.items():
        if len(probes) > 1:
            units.neurons["id"] = name + "/" + units.neurons["id"]
    units = Units(
        [train for units in probes.values() for train in units.trains],
        pd.concat([units.neurons for units in probes.values()], ignore_index=True),
        pd.concat([units.quality for units in probes.values()], ignore_index=True),
    )
    recording = recording_of_units(
        units,
        observed,
        bin_s=bin_s,
        label=label,
        min_presence_ratio=min_presence_ratio,
        max_isi_violations=max_isi_violations,
        kept=KEPT,
        notify=notify,
        metadata={"source": path.name, "reader": "alf"},
    )
    return with_behaviour(recording, choose(read_signals(session, notify), behaviour), notify=notify)


def _sortings(path: Path) -> dict[str, Path]:
    """Folders with spikes, by probe: of several sortings the one in the deepest folder, and its last revision."""
    folders = {}
    for base, probe, sorting in product((path, path / "alf"), ("", "probe*/"), SORTINGS):
        for file in sorted(base.glob(f"{probe}{sorting}*spikes.times*.npy")):
            folders[file.relative_to(base).parts[0] if probe else ""] = file.parent
    return folders


def _units(folder: Path, notify: Notify) -> Units:
    """All clusters of a folder."""
    times, clusters = load_needed(folder, "spikes.times"), load_needed(folder, "spikes.clusters")
    tables = [load(folder, f"clusters.{name}") for name in ("_phy_annotation", "depths", "peakChannel", "channels")]
    tables += [load(folder, name) for name, _ in WIDTHS]
    n = max([int(clusters.max(initial=0)) + 1] + [len(table) for table in tables if table is not None])
    area, position = _places(folder, n, notify)
    neurons = neuron_table(n, area=area, position_um=position, trough_to_peak_ms=_widths_ms(folder, n, notify))
    trains = sort_spikes(times, clusters, np.arange(n), notify=notify)
    return Units(trains, neurons, _quality(folder, n, notify))


def _quality(folder: Path, n: int, notify: Notify) -> pd.DataFrame:
    """(n,) labels, and presence ratios where they are known."""
    annotation, file = load(folder, "clusters._phy_annotation", n), find_file(folder, "clusters.metrics")
    table = pd.DataFrame(index=range(n))
    if file is not None:
        metrics = load_table(file)
        table = metrics.set_index("cluster_id" if "cluster_id" in metrics else metrics.index).reindex(range(n))
        if "label" in table:
            table["label"] = table["label"].fillna(0)  # clusters for which no metrics were computed
    if annotation is not None:
        table["_phy_annotation"] = annotation
    read_above = ("clusters.metrics", "clusters._phy_annotation")
    beside = [other.name for other in sorted(folder.glob("*clusters.*")) if looks_like_quality(other.name)]
    unread = [name for name in beside if not any(part in name for part in read_above)]
    labels = judged(table, "units", notify, also=unread)
    quality = table.reindex(columns=["presence_ratio"]) if file is not None else pd.DataFrame(index=range(n))
    return quality if labels is None else quality.assign(label=labels)


def _widths_ms(folder: Path, n: int, notify: Notify) -> Float64Array | None:
    """(n,) time from trough to peak of each cluster's waveform; None where it is not known."""
    for name, fs_hz in WIDTHS:
        widths = load(folder, name, n)
        if widths is not None:
            return durations_ms(widths, fs_hz, name, notify)
    return None


def _places(folder: Path, n: int, notify: Notify) -> tuple[list[str] | None, Float64Array | None]:
    """Area and (n, 3) position of each cluster, None where unknown."""
    sites = _sites(folder)
    depth = load(folder, "clusters.depths", n)
    position = None
    if depth is not None:
        position = np.column_stack([np.full((n, 2), np.nan), depth])
    if sites is None:
        return None, position
    peak = _peak_channels(folder, n, len(sites.area), depth, notify)
    if peak is None:
        return None, position
    return [str(sites.area[k]) for k in peak], position if sites.position_um is None else sites.position_um[peak]


def _sites(folder: Path) -> _Sites | None:
    table = find_file(folder, "channels.brainLocation")
    if table is not None:
        columns = load_table(table)
        if "allen_ontology" not in columns:
            raise InputError(f"{table} must have a column allen_ontology; it has {', '.join(columns.columns)}.")
        position = [name for name in ("ccf_lr", "ccf_ap", "ccf_dv") if name in columns]
        acronyms = columns["allen_ontology"].fillna("unknown").str.strip().to_numpy()
        return _Sites(acronyms, columns[position].to_numpy(float) if len(position) == 3 else None)
    for place, sites in [(folder, "channels"), *((f, "electrodeSites") for f in (folder, *folder.parents[:2]))]:
        area = load(place, f"{sites}.brainLocationIds_ccf_2017")
        if area is not None:
            return _Sites(area, load(place, f"{sites}.mlapdv"))
    return None


def _peak_channels(
    folder: Path, n: int, n_sites: int, depth_um: Array | None, notify: Notify
) -> npt.NDArray[np.intp] | None:
    """Index of the channel on which each cluster is largest: `clusters.peakChannel` may count from 0 or from 1."""
    channels = load(folder, "clusters.channels", n)
    if channels is not None:
        first = 0
    else:
        channels = load(folder, "clusters.peakChannel", n)
        if channels is None:
            return None
        first = _first_channel(channels, n_sites, depth_um, load(folder, "channels.sitePositions"))
        notify(f"clusters.peakChannel is taken to count from {first}.")
    index = channels.astype(np.intp) - first
    if len(index) and not (index.min() >= 0 and index.max() < n_sites):
        raise InputError(
            f"The largest channels of the clusters in {folder} must be among the {n_sites} channels; they are "
            f"{int(channels.min())} to {int(channels.max())}."
        )
    return index


def _first_channel(channels: Array, n_sites: int, depth_um: Array | None, site_um: Array | None) -> int:
    """Whether channels are counted from 0 or 1: judged by their range, else by the clusters' depths, else 1."""
    if not len(channels) or channels.min() == 0:
        return 0
    if channels.max() >= n_sites or depth_um is None or site_um is None or len(site_um) != n_sites:
        return 1
    distance = [np.abs(site_um[channels.astype(int) - first, 1] - depth_um).mean() for first in (0, 1)]
    return 0 if distance[0] < distance[1] else 1
