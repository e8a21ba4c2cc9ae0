"""Folders of Kilosort, curated with phy or not: `spike_times.npy`, `spike_clusters.npy`, `params.py`.

Spike times are samples; the sampling rate is read from `params.py`, which is parsed for numbers and arithmetic but
never executed.

Pachitariu et al. 2024, Spike sorting with Kilosort4, Nat Methods 21:914; Rossant et al. 2016, Spike sorting for large,
dense electrode arrays, Nat Neurosci 19:634.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.clock import restarts
from synapsnet.io.labels import looks_like_quality
from synapsnet.io.npy import Array, load_npy
from synapsnet.io.plausible import STARTS_AGAIN
from synapsnet.io.reader import Notify
from synapsnet.io.sorting import recording_of_trains
from synapsnet.io.table_files import load_table
from synapsnet.io.text import assigned_number, read_text
from synapsnet.io.units import sort_spikes
from synapsnet.io.waveforms import trough_to_peak_ms
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a Kilosort or phy folder (with spike_times.npy)"

SPIKES_AT_ONCE = 10_000_000
TABLES = re.compile(r"cluster_(\w+)\.(tsv|csv)")  # written by phy and for phy
SPARSE = ("template_ind.npy", "templates_ind.npy")  # names in SpikeInterface and in Kilosort


class _Shapes(NamedTuple):
    """(N, S) mean waveform of each cluster on the channel on which it is largest, and (N,) that channel."""

    waveform: Array
    channel: npt.NDArray[np.intp]


def recognises(path: Path) -> bool:
    """Whether `path` is a folder with `spike_times.npy`."""
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
        Labels of the units to keep, separated by commas; `all` keeps any. The label of a cluster is that given in
        phy (`cluster_group.tsv` or `cluster_info.tsv`), or, where there is none or it is `unsorted`, that of another
        table `cluster_*` (see `synapsnet.io.labels`), such as Kilosort's own (`cluster_KSLabel.tsv`). Default: `good`,
        where clusters are labelled.
    min_presence_ratio : float, optional
        Minimum fraction of 100 equal parts of the time in which a unit must spike.
    max_isi_violations : float, optional
        Maximum rate of spikes from other neurons, relative to the unit's own, judged by intervals below 1.5 ms.

    Returns
    -------
    Recording
        From the first to the last spike. `id` is the cluster; `x_um` and `z_um` are the place of its largest channel,
        across and along the probe, and `trough_to_peak_ms` the width of its template there.

    Raises
    ------
    InputError
        If files are missing, corrupt, pickled or inconsistent with each other.
    """
    samples = _load(path, "spike_times.npy")
    clusters = _load(path, "spike_clusters.npy" if (path / "spike_clusters.npy").is_file() else "spike_templates.npy")
    ids = np.unique(clusters).astype(np.int64)
    rate_hz = _sample_rate(path, fs_hz)
    times_s = samples / rate_hz
    if samples.dtype.kind == "f" and (samples[np.isfinite(samples)] % 1 != 0).any():
        notify("spike_times.npy holds fractions, and is taken to be in seconds, not in samples.")
        times_s = samples
    if restarts(times_s):
        notify(f"Warning: the times in spike_times.npy {STARTS_AGAIN}")
    shapes = _shapes(path, clusters, ids)
    neurons = neuron_table(
        len(ids),
        ids=[str(k) for k in ids],
        position_um=None if shapes is None else _positions(path, shapes.channel),
        trough_to_peak_ms=None if shapes is None else trough_to_peak_ms(shapes.waveform, rate_hz),
    )
    properties, beside = _properties(path, ids)
    return recording_of_trains(
        sort_spikes(times_s, clusters, ids, notify=notify),
        neurons,
        properties,
        beside=beside,
        bin_s=bin_s,
        label=label,
        min_presence_ratio=min_presence_ratio,
        max_isi_violations=max_isi_violations,
        notify=notify,
        metadata={"source": path.name, "reader": "kilosort"},
    )


def _load(path: Path, name: str) -> Array:
    """The (n,) array with one number per spike, which may be saved as a column."""
    if not (path / name).is_file():
        raise InputError(f"The Kilosort folder {path} has no {name}; copy the whole folder.")
    return load_npy(path / name).reshape(-1)


def _sample_rate(path: Path, fs_hz: float | None) -> float:
    if fs_hz is None:
        params = path / "params.py"
        stated = assigned_number(read_text(params), "sample_rate") if params.is_file() else None
        if stated is None or isinstance(stated, str):
            what = (
                "does not state a sample_rate" if stated is None else f"states {stated!r}, which is not a plain number"
            )
            raise InputError(f"{params} {what}; give the samples per second of the raw recording (--fs).")
        fs_hz = stated
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise InputError(f"The sampling rate must be a positive number of hertz; got {fs_hz:g}.")
    return fs_hz


def _properties(path: Path, ids: Array) -> tuple[pd.DataFrame, list[str]]:
    """What all tables of clusters in the folder say, and the files beside them that look like quality."""
    columns: dict[str, pd.Series[Any]] = {}
    files = {file: TABLES.fullmatch(file.name) for file in sorted(path.iterdir())}
    for file in (name for name, is_table in files.items() if is_table):
        for name, column in _table(file).items():
            columns[str(name) if name not in columns else f"{name} ({file.name})"] = column
    beside = [file.name for file, named in files.items() if not named and looks_like_quality(file.stem)]
    table = pd.DataFrame({name: column.reindex(ids).to_numpy() for name, column in columns.items()})
    return table.reindex(range(len(ids))), beside


def _table(file: Path) -> pd.DataFrame:
    """A table by cluster; empty where there is none."""
    if not file.is_file():
        return pd.DataFrame()
    table = load_table(file)
    key = next((name for name in ("cluster_id", "id") if name in table), None)
    if key is None:
        raise InputError(f"{file} must have a column cluster_id; it has {', '.join(table.columns)}.")
    return table.drop_duplicates(key, keep="last").set_index(key)


def _shapes(path: Path, clusters: Array, ids: Array) -> _Shapes | None:
    """Waveform and channel of the commonest template of each cluster, where it is largest; None without templates."""
    if not (path / "templates.npy").is_file():
        return None
    templates = load_npy(path / "templates.npy")
    template = _load(path, "spike_templates.npy") if (path / "spike_templates.npy").is_file() else clusters
    if templates.ndim != 3 or len(template) != len(clusters) or template.max(initial=0) >= len(templates):
        raise InputError(
            f"The templates in {path} do not fit its spikes: {len(template)} of {len(clusters)} have a template, and "
            f"the templates have the shape {templates.shape}; copy the whole folder."
        )
    commonest = _commonest(clusters, template, ids, len(templates))
    column = np.ptp(templates, axis=1).argmax(axis=1)[commonest]
    channel = column
    sparse = next((path / name for name in SPARSE if (path / name).is_file()), None)
    if sparse is not None:  # templates are stored on some of the channels
        channel = load_npy(sparse).astype(int)[commonest, column]
    return _Shapes(templates[commonest, :, column], channel)


def _positions(path: Path, channel: npt.NDArray[np.intp]) -> npt.NDArray[np.float64] | None:
    """(N, 3) place of these channels; None if it is not known."""
    if not (path / "channel_positions.npy").is_file():
        return None
    sites = load_npy(path / "channel_positions.npy")
    if channel.max() >= len(sites):
        raise InputError(
            f"The templates in {path} do not fit its channels: there are {len(sites)} channels, and templates on "
            f"channel {channel.max()}; copy the whole folder."
        )
    place = sites[channel].astype(float)
    return np.column_stack([place[:, 0], np.full(len(channel), np.nan), place[:, 1]])


def _commonest(clusters: Array, template: Array, ids: Array, n_templates: int) -> npt.NDArray[np.intp]:
    """(N,) template that most spikes of each cluster have."""
    spikes = np.zeros(len(ids) * n_templates, np.int64)
    for start in range(0, len(clusters), SPIKES_AT_ONCE):
        part = slice(start, start + SPIKES_AT_ONCE)
        pair = np.searchsorted(ids, clusters[part]) * n_templates + template[part].astype(np.int64)
        spikes += np.bincount(pair, minlength=len(spikes))
    return spikes.reshape(len(ids), n_templates).argmax(axis=1)
