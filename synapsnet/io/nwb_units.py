"""Sorted units in NWB files of other programs: spike times, location and quality of each unit."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.clock import merged
from synapsnet.io.labels import judged
from synapsnet.io.nwb_tables import interval_tables, is_ragged, names, plain_columns, ragged
from synapsnet.io.plausible import in_order, observed_time
from synapsnet.io.reader import Notify
from synapsnet.io.units import Units, spiking_time
from synapsnet.io.waveforms import durations_ms
from synapsnet.recording import neuron_table

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.core import DynamicTable

# Column names of `units` in files of the Allen Institute and the IBL.
AREAS = ("area", "brain_area", "brain_region", "location", "structure_acronym")
WIDTH = "waveform_duration"
MEASURES = ("presence_ratio", "isi_violations")


def read_units(
    file: NWBFile, notify: Notify, *, second_s: float = 1.0, stated: bool = True
) -> tuple[Units, nap.IntervalSet]:
    """All units, and the time during which all of them were observed.

    Without `obs_intervals` in the file, that is from the first to the last spike, without breaks. The width of spikes
    is `waveform_duration`, as in files of the Allen Institute.

    Parameters
    ----------
    file : NWBFile
    notify : callable
    second_s : float
        Unit of the spike times, in seconds.
    stated : bool
        Whether to use the `obs_intervals` of the file.

    Raises
    ------
    InputError
        If there are fewer than 2 units, or the time of observation cannot be determined.
    """
    table = file.units
    if len(table) < 2:
        raise InputError(f"A recording needs at least 2 neurons; the table `units` has {len(table)}.")
    trains = in_order([second_s * train for train in ragged(table, "spike_times")], notify)
    area, position = _places(file)
    cell_type = names(table["cell_type"]) if "cell_type" in table.colnames else None
    neurons = neuron_table(
        len(table),
        ids=names(table.id),
        cell_type=cell_type,
        area=area,
        position_um=position,
        trough_to_peak_ms=_widths_ms(table, notify),
    )
    units = Units(trains, neurons, _quality(table, notify))
    if stated and "obs_intervals" in table.colnames:
        return units, _all_observed(table, second_s)
    tables = ", ".join(interval_tables(file))
    remedy = f"--read within={tables}, or --from, --to" if tables else "--from, --to"
    return units, observed_time(trains, notify, remedy)


def stated_time(table: DynamicTable, trains: list[Float64Array]) -> nap.IntervalSet:
    """The time during which all units of our own file were observed; by default from the first to the last spike."""
    return _all_observed(table, 1.0) if "obs_intervals" in table.colnames else spiking_time(trains)


def _all_observed(table: DynamicTable, second_s: float) -> nap.IntervalSet:
    """The intersection of the `obs_intervals` of all units."""
    every = ragged(table, "obs_intervals")
    distinct = list({rows.tobytes(): rows * second_s for rows in every}.values())
    sets = [merged(rows[:, 0], rows[:, 1]) for rows in distinct]
    common = reduce(nap.IntervalSet.intersect, sets)
    if not len(common):
        spans = "; ".join(f"{s.start[0]:.6g} to {s.end[-1]:.6g} s" for s in sets[:4] if len(s))
        raise InputError(
            f"The units were not observed at the same time: their obs_intervals ({spans or 'all empty'}) have nothing "
            "in common; export units of one of these times, or read all of the time with --read observed=spikes."
        )
    return common


def _quality(table: DynamicTable, notify: Notify) -> pd.DataFrame:
    quality = pd.DataFrame(index=range(len(table)))
    labels = judged(plain_columns(table), "units", notify)
    if labels is not None:
        quality["label"] = labels
    for name in MEASURES:
        if name in table.colnames:
            quality[name] = np.asarray(table[name].data[:], float)
    return quality


def _widths_ms(table: DynamicTable, notify: Notify) -> Float64Array | None:
    """(N,) time from trough to peak of each unit's waveform; None if unknown."""
    if WIDTH not in table.colnames:
        return None
    rates = table["sampling_rate"].data[:] if "sampling_rate" in table.colnames else None
    return durations_ms(table[WIDTH].data[:], rates, WIDTH, notify)


def _places(file: NWBFile) -> tuple[list[str] | None, Float64Array | None]:
    """Area and (N, 3) position of each unit, by its electrodes; None where they are not known."""
    table, electrodes = file.units, file.electrodes
    area = next((names(table[name]) for name in AREAS if name in table.colnames and not is_ragged(table, name)), None)
    rows = _electrode_rows(file)
    if rows is None:
        return area, None
    if area is None and "location" in electrodes.colnames:
        locations = np.array([*names(electrodes["location"]), "unknown"])
        area = [str(pd.Series(locations[own if len(own) else [-1]]).mode()[0]) for own in rows]
    if not all(axis in electrodes.colnames for axis in "xyz"):
        return area, None
    place = np.column_stack([np.asarray(electrodes[axis].data[:], float) for axis in "xyz"])
    return area, np.stack([place[own].mean(axis=0) if len(own) else np.full(3, np.nan) for own in rows])


def _electrode_rows(file: NWBFile) -> list[npt.NDArray[Any]] | None:
    """Rows of the electrode table for each unit: its largest channel (Allen), or else all its electrodes."""
    table, electrodes = file.units, file.electrodes
    if electrodes is None:
        return None
    if "peak_channel_id" in table.colnames:
        row_of = {int(k): row for row, k in enumerate(electrodes.id[:])}
        rows = [row_of.get(k) for k in table["peak_channel_id"].data[:]]
        return [np.array([] if row is None else [row], int) for row in rows]
    if "electrodes" not in table.colnames:
        return None
    if is_ragged(table, "electrodes"):
        return ragged(table, "electrodes")
    return [np.array([row]) for row in table["electrodes"].data[:]]
