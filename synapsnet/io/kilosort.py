"""Folders of Kilosort, curated with phy or not: `spike_times.npy`, `spike_clusters.npy`, `params.py`.

Spike times are samples; the sampling rate is read from the text of `params.py`, which is never executed.

Pachitariu et al. 2024, Spike sorting with Kilosort4, Nat Methods 21:914; Rossant et al. 2016, Spike sorting for large,
dense electrode arrays, Nat Neurosci 19:634.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.npy import Array, load_npy
from synapsnet.io.quality import keep_units
from synapsnet.io.reader import Notify
from synapsnet.io.tables import load_table
from synapsnet.io.text import read_text
from synapsnet.io.units import Units, count_spikes, sort_spikes, spiking_time
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a Kilosort or phy folder (with spike_times.npy)"

KEPT = "good"
SPIKES_AT_ONCE = 10_000_000
SAMPLE_RATE = re.compile(r"^\s*sample_rate\s*=\s*([0-9.eE+]+)", re.MULTILINE)


def recognises(path: Path) -> bool:
    """Is `path` a folder with `spike_times.npy`."""
    return (path / "spike_times.npy").is_file()


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    fs_hz: float | None = None,
    label: str | None = None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
) -> Recording:
    """Read a folder of Kilosort or phy.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times.
    fs_hz : float, optional
        Samples per second of the raw recording. Default: `sample_rate` in `params.py`.
    label : str, optional
        Units of which labels are kept, separated by commas; `all` for any. The label of a cluster is that given in
        phy (`cluster_group.tsv` or `cluster_info.tsv`), or else Kilosort's own (`cluster_KSLabel.tsv`). Default:
        `good`, where clusters are labelled.
    min_presence_ratio : float, optional
        The least share of 100 equal parts of the time in which a unit spikes.
    max_isi_violations : float, optional
        The most that other neurons fire among a unit's spikes, relative to its rate, by intervals below 1.5 ms.

    Returns
    -------
    Recording
        From the first to the last spike. `id` is the cluster; `x_um` and `z_um` are the place of its largest channel,
        across and along the probe.

    Raises
    ------
    InputError
        If files are missing, corrupt, pickled or do not fit each other.
    """
    samples = _load(path, "spike_times.npy")
    clusters = _load(path, "spike_clusters.npy" if (path / "spike_clusters.npy").is_file() else "spike_templates.npy")
    ids = np.unique(clusters).astype(np.int64)
    position = _positions(path, clusters, ids)
    units = Units(
        sort_spikes(samples / _sample_rate(path, fs_hz), clusters, ids),
        neuron_table(len(ids), ids=[str(k) for k in ids], position_um=position),
        _labels(path, ids),
    )
    observed = spiking_time(units.trains)
    kept = keep_units(
        units,
        observed,
        label=KEPT if label is None and "label" in units.quality else label,
        min_presence_ratio=min_presence_ratio,
        max_isi_violations=max_isi_violations,
        notify=notify,
    )
    metadata = {"source": path.name, "reader": "kilosort"}
    return count_spikes(kept.trains, kept.neurons, observed, bin_s, notify=notify, metadata=metadata)


def _load(path: Path, name: str) -> Array:
    """The (n,) array of one number for each spike, which may be saved as a column."""
    if not (path / name).is_file():
        raise InputError(f"The Kilosort folder {path} has no {name}; copy the whole folder.")
    return load_npy(path / name).reshape(-1)


def _sample_rate(path: Path, fs_hz: float | None) -> float:
    if fs_hz is None:
        params = path / "params.py"
        stated = SAMPLE_RATE.search(read_text(params)) if params.is_file() else None
        if stated is None:
            raise InputError(
                f"{params} does not state a sample_rate; give the samples per second of the raw recording (--fs)."
            )
        fs_hz = float(stated[1])
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise InputError(f"The sampling rate must be a positive number of hertz; got {fs_hz:g}.")
    return fs_hz


def _labels(path: Path, ids: Array) -> pd.DataFrame:
    """Label of each cluster: of the first table in which it has one."""
    label = pd.Series(np.nan, index=ids, dtype=object)
    for table, column in (("group", "group"), ("info", "group"), ("KSLabel", "KSLabel"), ("info", "KSLabel")):
        labels = _table(path / f"cluster_{table}.tsv")
        if column in labels:
            label = label.fillna(labels[column])
    if label.isna().all():
        return pd.DataFrame(index=range(len(ids)))
    return pd.DataFrame({"label": label.fillna("unsorted").astype(str).to_numpy()})


def _table(file: Path) -> pd.DataFrame:
    """A table by cluster; empty where there is none."""
    if not file.is_file():
        return pd.DataFrame()
    table = load_table(file)
    key = next((name for name in ("cluster_id", "id") if name in table), None)
    if key is None:
        raise InputError(f"{file} must have a column cluster_id; it has {', '.join(table.columns)}.")
    return table.drop_duplicates(key, keep="last").set_index(key)


def _positions(path: Path, clusters: Array, ids: Array) -> npt.NDArray[np.float64] | None:
    """(N, 3) place of the channel on which the commonest template of each cluster is largest; None if not known."""
    if not all((path / name).is_file() for name in ("channel_positions.npy", "templates.npy")):
        return None
    sites, templates = load_npy(path / "channel_positions.npy"), load_npy(path / "templates.npy")
    channel = np.ptp(templates, axis=1).argmax(axis=1)
    if (path / "templates_ind.npy").is_file():  # templates are stored on some of the channels
        channel = load_npy(path / "templates_ind.npy").astype(int)[np.arange(len(channel)), channel]
    template = _load(path, "spike_templates.npy") if (path / "spike_templates.npy").is_file() else clusters
    if len(template) != len(clusters) or template.max(initial=0) >= len(channel) or channel.max() >= len(sites):
        raise InputError(
            f"The templates in {path} do not fit its spikes or channels: there are {len(template)} of {len(clusters)} "
            f"spikes' templates, {len(channel)} templates and {len(sites)} channels; copy the whole folder."
        )
    place = sites[channel[_commonest(clusters, template, ids, len(channel))]].astype(float)
    return np.column_stack([place[:, 0], np.full(len(ids), np.nan), place[:, 1]])


def _commonest(clusters: Array, template: Array, ids: Array, n_templates: int) -> npt.NDArray[np.intp]:
    """(N,) template that most spikes of each cluster have."""
    spikes = np.zeros(len(ids) * n_templates, np.int64)
    for start in range(0, len(clusters), SPIKES_AT_ONCE):
        part = slice(start, start + SPIKES_AT_ONCE)
        pair = np.searchsorted(ids, clusters[part]) * n_templates + template[part].astype(np.int64)
        spikes += np.bincount(pair, minlength=len(spikes))
    return spikes.reshape(len(ids), n_templates).argmax(axis=1)
