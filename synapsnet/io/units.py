"""Sorted units: their spike trains, and spike counts in bins. All readers of spikes use this module."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.io.plausible import NO_SPAN, check_rates, increasing
from synapsnet.io.reader import Notify
from synapsnet.memmap import filled, is_large
from synapsnet.recording import Recording

DEFAULT_BIN_S = 0.005
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}  # units that times may have
ROUNDING = 1e-6  # fraction of a bin


@dataclass(frozen=True, eq=False)
class Units:
    """Units as returned by a spike sorter.

    Attributes
    ----------
    trains : N arrays
        Spike times of each unit in seconds, increasing.
    neurons : DataFrame with N rows
        See `synapsnet.recording.neuron_table`.
    quality : DataFrame with N rows
        Quality of each unit as stated by the source; any of the columns `label`, `presence_ratio` and `isi_violations`.
    """

    trains: list[Float64Array]
    neurons: pd.DataFrame
    quality: pd.DataFrame

    def select(self, kept: npt.NDArray[np.bool_]) -> Units:
        """The units where `kept` is true."""
        rows = np.flatnonzero(kept)
        return Units(
            [self.trains[k] for k in rows],
            self.neurons.iloc[rows].reset_index(drop=True),
            self.quality.iloc[rows].reset_index(drop=True),
        )


def sort_spikes(
    times_s: npt.ArrayLike, clusters: npt.ArrayLike, ids: npt.ArrayLike, *, notify: Notify | None = None
) -> list[Float64Array]:
    """Spike trains of the clusters `ids`, from spikes in any order.

    Parameters
    ----------
    times_s : (n,) or (n, 1) array
        Time of each spike in seconds; spikes without a time (NaN) are left out.
    clusters : (n,) or (n, 1) array of whole numbers
        Cluster of each spike; those that are not in `ids` are left out.
    ids : (N,) integer array
        In the order in which trains are returned; a cluster may have no spikes.
    notify : callable, optional
        Receives how many spikes are left out because they have no time.

    Raises
    ------
    InputError
        If there are not as many times as clusters, or clusters are not whole numbers from 0 on.
    """
    times, labels, wanted = np.asarray(times_s, float).reshape(-1), np.asarray(clusters).reshape(-1), np.asarray(ids)
    if len(times) != len(labels):
        raise InputError(f"Every spike needs a time and a cluster; got {len(times)} and {len(labels)}.")
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():  # MATLAB saves whole numbers so
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iu" or min(labels.min(initial=0), wanted.min(initial=0)) < 0:
        raise InputError("Clusters must be whole numbers from 0 on; some of these are not.")
    unit_of = np.full(max(labels.max(initial=0), wanted.max(initial=0)) + 1, len(wanted), np.int64)
    unit_of[wanted] = np.arange(len(wanted))
    small = np.uint16 if len(wanted) < 2**16 else np.int64  # which sort fast
    unit = unit_of.astype(small)[labels]
    timed = np.isfinite(times)
    if notify is not None and not timed.all():
        notify(f"{(~timed).sum()} of {len(times)} spikes left out: they have no time (NaN).")
    wanted_spikes = (unit < len(wanted)) & timed
    if not wanted_spikes.all():
        times, unit = times[wanted_spikes], unit[wanted_spikes]
    by_unit = times[np.argsort(unit, kind="stable")]
    borders = np.cumsum(np.bincount(unit, minlength=len(wanted)))[:-1]
    return [increasing(train) for train in np.split(by_unit, borders)]


def spiking_time(trains: Sequence[Float64Array]) -> nap.IntervalSet:
    """From the first to the last spike: the observed time, where nothing else is known of it.

    Raises
    ------
    InputError
        If there are no spikes at two different times.
    """
    ends = np.array([t for train in trains if len(train) for t in (train[0], train[-1])])
    if not len(ends) or ends.min() == ends.max():
        raise InputError(NO_SPAN)
    return nap.IntervalSet(ends.min(), ends.max())


def count_spikes(
    trains: Sequence[Float64Array],
    neurons: pd.DataFrame,
    observed: nap.IntervalSet,
    bin_s: float | None,
    *,
    notify: Notify,
    metadata: dict[str, Any],
    connectome: Connectome | None = None,
) -> Recording:
    """Spike counts in bins, from the start of each epoch on; what is shorter than a bin at its end is left out.

    Parameters
    ----------
    trains : N arrays
        Spike times in seconds, increasing. Those outside `observed` are not counted.
    neurons : DataFrame with N rows
    observed : pynapple.IntervalSet
        Becomes the recording's epochs.
    bin_s : float, default 0.005
    notify : callable
    metadata, connectome
        As in `Recording`.

    Raises
    ------
    InputError
        If the bin is not a positive number, no epoch is as long as a bin, or the counts do not fit in memory.
    """
    dt_s = DEFAULT_BIN_S if bin_s is None else float(bin_s)
    if not (np.isfinite(dt_s) and dt_s > 0):
        raise InputError(f"bin_s (--bin) must be a positive number of seconds; got {bin_s}.")
    bins = np.floor((observed.end - observed.start) / dt_s + ROUNDING).astype(np.int64)
    whole = bins > 0
    if not whole.any():
        raise InputError(f"No epoch is as long as one bin of {dt_s:g} s; use a shorter one (--bin).")
    starts, bins = observed.start[whole], bins[whole]
    check_rates(trains, float(bins.sum() * dt_s), int(bins.sum()), notify)
    epochs = nap.IntervalSet(starts, starts + bins * dt_s)
    try:
        counts = _counts(trains, starts, bins, dt_s)
        times = np.repeat(starts - (np.cumsum(bins) - bins) * dt_s, bins) + (np.arange(len(counts)) + 0.5) * dt_s
    except MemoryError as error:
        raise InputError(
            f"{bins.sum()} bins of {len(trains)} units do not fit in memory; use wider bins (--bin), fewer units, "
            "or remove stray spikes far away in time."
        ) from error
    notify(f"Spike times are binned at {dt_s * 1e3:g} ms.")
    if is_large(counts.shape):
        notify(
            f"The counts, {counts.nbytes / 2**30:.2g} GiB, are kept in a temporary file in {tempfile.gettempdir()} "
            "(TMPDIR); wider bins (--bin) or fewer units take less."
        )
    support = nap.IntervalSet(observed.start, observed.end)
    spike_times = nap.TsGroup(
        {k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}, time_support=support
    )
    return Recording(
        activity=nap.TsdFrame(t=times, d=counts, time_support=epochs),
        dt_s=dt_s,
        modality="spikes",
        neurons=neurons,
        spike_times=spike_times,
        connectome=connectome,
        metadata=metadata,
    )


def within(train: Float64Array, epochs: nap.IntervalSet) -> Float64Array:
    """The spikes of a train that lie in the epochs, borders included."""
    epoch = np.searchsorted(epochs.start, train, side="right") - 1
    inside = (epoch >= 0) & (train <= epochs.end[epoch])
    return train if inside.all() else train[inside]


def _counts(
    trains: Sequence[Float64Array], starts_s: Float64Array, bins: npt.NDArray[np.int64], dt_s: float
) -> npt.NDArray[np.float32]:
    """(sum of bins, N) counts of spikes in the bins that begin at each start."""
    shape = int(bins.sum()), len(trains)
    bin_of = [_bins_of(train, starts_s, bins, dt_s) for train in trains]

    def fill(block: npt.NDArray[np.float32], start: int) -> None:
        block[:] = 0
        cells = []
        for unit, bins_of_spikes in enumerate(bin_of):
            first, last = np.searchsorted(bins_of_spikes, (start, start + len(block)))
            cells.append((bins_of_spikes[first:last] - start) * len(bin_of) + unit)
        np.add.at(block.reshape(-1), np.concatenate(cells), np.float32(1))

    return filled(shape, fill)


def _bins_of(
    train: Float64Array, starts_s: Float64Array, bins: npt.NDArray[np.int64], dt_s: float
) -> npt.NDArray[np.int64]:
    """Number of the bin of each spike, increasing; spikes in no bin are left out."""
    epoch = np.maximum(np.searchsorted(starts_s, train + ROUNDING * dt_s, side="right") - 1, 0)
    # A spike on the border of two bins belongs to the later one, in spite of rounding.
    step = np.floor((train - starts_s[epoch]) / dt_s + ROUNDING).astype(np.int64)
    inside = (step >= 0) & (step < bins[epoch])
    return ((np.cumsum(bins) - bins)[epoch] + step)[inside]
