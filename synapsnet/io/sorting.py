"""Recordings from sorted spikes: units are filtered, and their spikes counted in bins of the observed time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.io.labels import GOOD, default_labels, judged
from synapsnet.io.plausible import observed_time
from synapsnet.io.quality import keep_units
from synapsnet.io.reader import Notify
from synapsnet.io.units import Units, count_spikes
from synapsnet.recording import Recording

BETWEEN_S = 1.0  # pause that is put between segments whose clocks start again


def recording_of_units(
    units: Units,
    observed: nap.IntervalSet,
    *,
    bin_s: float | None,
    label: str | None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
    kept: str = GOOD,
    notify: Notify,
    metadata: dict[str, Any],
) -> Recording:
    """The units that pass the filters, in bins.

    Parameters
    ----------
    units : Units
    observed : pynapple.IntervalSet
        Time during which all of them were observed.
    bin_s, label, min_presence_ratio, max_isi_violations
        The user's filters, see `synapsnet.io.quality.keep_units`.
    kept : str
        Labels to keep by default.
    notify : callable
    metadata : dict
    """
    if label is None:
        labels = units.quality["label"].tolist() if "label" in units.quality else None
        label = default_labels(labels, kept, "units", notify)
    filters = {"min_presence_ratio": min_presence_ratio, "max_isi_violations": max_isi_violations}
    left = keep_units(units, observed, label=label, **filters, notify=notify)
    return count_spikes(left.trains, left.neurons, observed, bin_s, notify=notify, metadata=metadata)


def recording_of_trains(
    trains: list[Float64Array],
    neurons: pd.DataFrame,
    properties: pd.DataFrame | None = None,
    *,
    beside: Iterable[str] = (),
    observed: nap.IntervalSet | float | None = None,
    bin_s: float | None,
    label: str | None = None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
    notify: Notify,
    metadata: dict[str, Any],
) -> Recording:
    """A recording of spike trains, whose units are labelled by whatever the source says of them.

    Parameters
    ----------
    trains : N arrays
        Times in seconds, increasing.
    neurons : DataFrame with N rows
    properties : DataFrame with N rows, optional
        Columns that the source has on the units, possibly on their quality.
    beside : names, optional
        Names of files that look like quality and are not among the properties.
    observed : pynapple.IntervalSet or float, optional
        Time during which all of them were observed; a duration in seconds counts from 0. Default: from the first to the
        last spike.
    bin_s, label, min_presence_ratio, max_isi_violations, notify, metadata
        As in `recording_of_units`.
    """
    n = len(trains)
    labels = judged(pd.DataFrame(index=range(n)) if properties is None else properties, "units", notify, also=beside)
    quality = pd.DataFrame(index=range(n)) if labels is None else pd.DataFrame({"label": labels})
    if observed is None:
        observed = observed_time(trains, notify)
    elif not isinstance(observed, nap.IntervalSet):
        observed = nap.IntervalSet(0.0, float(observed))
    return recording_of_units(
        Units(trains, neurons, quality),
        observed,
        bin_s=bin_s,
        label=label,
        min_presence_ratio=min_presence_ratio,
        max_isi_violations=max_isi_violations,
        notify=notify,
        metadata=metadata,
    )


def by_unit(times_s: Float64Array, owners: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> list[Float64Array]:
    """Spike trains of the units `ids`, numbers or names, from the unit of each spike."""
    sorted_ids, place = np.unique(ids), np.argsort(ids, kind="stable")
    unit = place[np.searchsorted(sorted_ids, owners).clip(max=len(ids) - 1)]
    known = ids[unit] == owners
    order = np.argsort(unit[known], kind="stable")
    borders = np.cumsum(np.bincount(unit[known], minlength=len(ids)))[:-1]
    return np.split(times_s[known][order], borders)


def one_after_the_other(
    segments: Sequence[tuple[list[Float64Array], nap.IntervalSet]], notify: Notify
) -> tuple[list[Float64Array], nap.IntervalSet]:
    """Trains and observed time of segments; one whose clock starts again is shifted to follow the one before.

    Parameters
    ----------
    segments : sequence of (N trains, IntervalSet)
        Each with its observed time.
    notify : callable
    """
    parts: list[list[Float64Array]] = [[] for _ in segments[0][0]]
    starts: list[float] = []
    stops: list[float] = []
    for trains, inside in segments:
        overlaps = bool(stops) and inside.start[0] <= stops[-1]
        shift_s = stops[-1] + BETWEEN_S - inside.start[0] if overlaps else 0.0
        for own, train in zip(parts, trains, strict=True):
            own.append(train + shift_s)
        starts += list(inside.start + shift_s)
        stops += list(inside.end + shift_s)
    if len(segments) > 1:
        notify(f"{len(segments)} segments are read as epochs, one after the other.")
    return [np.concatenate(own) for own in parts], nap.IntervalSet(starts, stops)
