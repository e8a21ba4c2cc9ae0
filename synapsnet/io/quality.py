"""Which sorted units are kept: filters with the same names and meanings for every source of spikes."""

from __future__ import annotations

import numpy as np
import pynapple as nap

from synapsnet.array_types import BoolArray, Float64Array
from synapsnet.errors import InputError
from synapsnet.io.labels import either, has_label
from synapsnet.io.reader import Notify
from synapsnet.io.units import Units, within

REFRACTORY_S = 0.0015  # Hill et al. 2011
PRESENCE_PARTS = 100  # Siegle et al. 2021


def keep_units(
    units: Units,
    observed: nap.IntervalSet,
    *,
    label: str | None,
    min_presence_ratio: float | None,
    max_isi_violations: float | None,
    notify: Notify,
) -> Units:
    """The units that pass the filters and spike during the observed time.

    Presence ratios and violations are taken from the source if it states them, else computed from the spikes.

    Parameters
    ----------
    units : Units
    observed : pynapple.IntervalSet
        Time during which all units were observed.
    label : str, optional
        Labels to keep, separated by commas. Default, and `all`: any.
    min_presence_ratio : float, optional
        See `presence_ratio`.
    max_isi_violations : float, optional
        See `isi_violations`.
    notify : callable
        Receives how many units are dropped by which filter.

    Raises
    ------
    InputError
        If there is no observed time, labels are asked for that the source does not have, or fewer than 2 units are
        left.
    """
    if not len(observed):
        raise InputError("There is no time at which all units were observed; check their intervals.")
    n_before = len(units.trains)
    if label not in (None, "all"):
        labels = units.quality["label"].tolist() if "label" in units.quality else None
        units = _drop(units, has_label(labels, str(label), "units"), f"their label is not {either(str(label))}", notify)
    spikes = [within(train, observed) for train in units.trains]
    outside = sum(map(len, units.trains)) - sum(map(len, spikes))
    if outside:
        notify(f"{outside} of {sum(map(len, units.trains))} spikes left out: they are not in the observed time.")
    units = _drop(
        Units(spikes, units.neurons, units.quality),
        np.array([len(train) > 0 for train in spikes], bool),
        "they have no spikes while observed",
        notify,
    )
    if min_presence_ratio is not None:
        ratios = _stated(units, "presence_ratio")
        ratios = np.array([presence_ratio(t, observed) for t in units.trains]) if ratios is None else ratios
        reason = f"their presence ratio is below {min_presence_ratio:g}"
        units = _drop(units, ratios >= min_presence_ratio, reason, notify)
    if max_isi_violations is not None:
        duration_s = float(observed.tot_length())
        ratios = _stated(units, "isi_violations")
        ratios = np.array([isi_violations(t, duration_s) for t in units.trains]) if ratios is None else ratios
        reason = f"their ISI violations are above {max_isi_violations:g}"
        units = _drop(units, ratios <= max_isi_violations, reason, notify)
    if len(units.trains) < 2:
        raise InputError(
            f"Only {len(units.trains)} of {n_before} units would be left, and at least 2 are needed; loosen the "
            "filters (label=all keeps any label)."
        )
    return units


def presence_ratio(train: Float64Array, observed: nap.IntervalSet) -> float:
    """Fraction of 100 equal parts of the observed time in which the unit spikes (Siegle et al. 2021, Nature 592:86)."""
    lengths = observed.end - observed.start
    epoch = np.searchsorted(observed.start, train, side="right") - 1
    elapsed = train - observed.start[epoch] + (np.cumsum(lengths) - lengths)[epoch]
    part = np.minimum((elapsed / lengths.sum() * PRESENCE_PARTS).astype(int), PRESENCE_PARTS - 1)
    return len(np.unique(part)) / PRESENCE_PARTS


def isi_violations(train: Float64Array, duration_s: float) -> float:
    """Estimated rate of contaminating spikes from other neurons, relative to the unit's own rate.

    If n of N spikes in a time T follow another within r = 1.5 ms, it is n T / (2 r N^2), which may exceed 1
    (Hill et al. 2011, J Neurosci 31:8699).
    """
    violations = int((np.diff(train) < REFRACTORY_S).sum())
    return violations * duration_s / (2 * len(train) ** 2 * REFRACTORY_S)


def _drop(units: Units, kept: BoolArray, reason: str, notify: Notify) -> Units:
    if kept.all():
        return units
    notify(f"{(~kept).sum()} of {len(kept)} units dropped: {reason}.")
    return units.select(kept)


def _stated(units: Units, name: str) -> Float64Array | None:
    """A quality measure stated by the source; None if it states none."""
    if name not in units.quality or units.quality[name].isna().all():
        return None
    return units.quality[name].to_numpy(float)
