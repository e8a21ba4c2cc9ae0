"""Tables, CSV or Parquet: a row for each time step, a column for each neuron, possibly a column of times.

Long tables, with a row for each spike (its time and unit) or for each neuron and time, are read as well, and tables
with the spike times of a unit in each column.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.clock import Signal, with_behaviour
from synapsnet.io.columns import NUMBERS, find_clock, is_time, unit_s
from synapsnet.io.labels import LABEL_OF, judged, kept_by_label, label_of
from synapsnet.io.npy import Array
from synapsnet.io.plausible import in_order
from synapsnet.io.reader import Notify
from synapsnet.io.rows import guess_modality, on_clock, refuse_transposed, time_step
from synapsnet.io.sorting import by_unit, recording_of_trains
from synapsnet.io.table_files import PARQUET, TEXT, load_whole
from synapsnet.io.units import SECONDS
from synapsnet.recording import Modality, Recording, neuron_table
from synapsnet.wording import counted, listed

LAYOUT = "a table (.csv, .tsv or .parquet) with a column for each neuron, or a row for each spike"

UNIT = re.compile(
    r"(unit|neuron|cell|cluster|roi|sender|node|gid|spike_?unit|spike_?cluster)s?[\s_-]*(ids?|name|nr|index|number)?|ids?",
    re.I,
)
FEWEST_SPIKES = 20


def recognises(path: Path) -> bool:
    """Whether `path` is a table, judged by its name."""
    return path.is_file() and path.suffix in (*TEXT, *PARQUET)


def read(
    path: Path,
    *,
    notify: Notify,
    dt_s: float | None = None,
    fs_hz: float | None = None,
    time: str | None = None,
    time_unit: Literal["s", "ms", "us"] | None = None,
    modality: Modality | None = None,
    behaviour: str | None = None,
    transpose: bool = False,
    deconvolved: bool = False,
    label: str | None = None,
    bin_s: float | None = None,
) -> Recording:
    """Read a table.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    dt_s, fs_hz : float, optional
        Time step in seconds or frame rate in hertz, where there is no column of times.
    time : str, optional
        Name of the column of times, or `none`. Default: one called `time`, `t`, `timestamps` or the like, possibly
        with its unit (`Time (ms)`), else one that only increases.
    time_unit : {"s", "ms", "us"}, optional
        Unit of the times. Default: as the name of the column says, else seconds.
    modality : {"calcium", "spikes"}, optional
        Default: spikes if all values are whole and not negative, else calcium.
    behaviour : str, optional
        Names of the columns that are behaviour, separated by commas. All others are neurons.
    transpose : bool
        The table has a row for each neuron; the first column holds their names if it is text, or whole numbers under a
        name such as `neuron_id` or none.
    deconvolved : bool
        Whether calcium activity is deconvolved.
    label : str, optional
        Labels of the neurons to keep, if a second header row (Inscopix) or a column of a table of spikes labels them;
        `all` keeps every neuron. Default: `good` (also called accepted) and undecided ones.
    bin_s : float, default 0.005
        Bin in seconds for tables of spike times.

    Raises
    ------
    InputError
        If the file is damaged, a column is missing or not numeric, or the time step is unclear.
    """
    table, below, above, numbered = load_whole(path)
    if numbered:
        notify(f"The first row, {table.columns[0]} to {table.columns[-1]}, numbers the columns: it is the header.")
    if above:
        first = f"{above[0][:60]!r}{'...' if len(above) > 1 else ''}"
        notify(f"Not used: {counted(len(above), 'line')} above the table, {first}")
    table = _without_empty(table, notify)
    metadata = {"source": path.name, "reader": "tables"}
    if transpose:
        table = _turned(table, notify)
    elif (spikes := _spikes(table, time, notify)) is not None:
        trains, ids, properties, column = spikes
        factor = SECONDS[time_unit] if time_unit is not None else unit_s(column) or 1.0
        trains = in_order([factor * train for train in trains], notify)
        scaled = {} if time_unit is None else {"time_unit": time_unit}
        return recording_of_trains(
            trains,
            neuron_table(len(ids), ids=ids),
            properties,
            bin_s=bin_s,
            label=label,
            notify=notify,
            metadata=metadata | scaled,
        )
    elif (wide := _pivoted(table, notify)) is not None:
        table = wide
    variables = [] if behaviour in (None, "none") else [name.strip() for name in str(behaviour).split(",")]
    named = variables if time in (None, "none") else [*variables, str(time)]
    if absent := [name for name in named if name not in table]:
        raise InputError(f"{path} has no column {', '.join(absent)}; it has {_listing(table)}.")
    table, labels = _without_headers(table, below, notify)
    names = [str(name) for name in table.columns]
    columns = {name: table.iloc[:, k].to_numpy() for k, name in enumerate(names) if name not in variables}
    clock = find_clock(columns, time, time_unit, notify)
    neurons = table[[name for name in names if name not in (*variables, *clock.columns)]]
    if labels is not None:
        status = pd.DataFrame({"status": [labels.get(str(name), "") for name in neurons.columns]})
        own = judged(status, "neurons", notify)
        neurons = neurons.loc[:, kept_by_label(own, neurons.shape[1], label, "neurons", notify)]
    rows = _numbers(neurons, path)
    refuse_transposed(rows, str(path), transpose)
    if dt_s is None and fs_hz is None and clock.times_s is not None:
        moments: float | Array = clock.times_s
    else:
        step_s = time_step(path, dt_s, fs_hz)
        if clock.times_s is not None:
            _compare(clock.times_s, step_s, clock.columns[0], notify)
        moments = step_s if clock.frames is None else clock.frames * step_s
    recording = on_clock(
        rows,
        moments,
        modality or guess_modality(rows, path.name, notify),
        notify=notify,
        neurons=neuron_table(rows.shape[1], ids=list(neurons.columns)),
        metadata=metadata,
        deconvolved=deconvolved,
    )
    samples_s = recording.activity.times() if isinstance(moments, float) else moments
    signals = [Signal(name, samples_s, _numbers(table[[name]], path)) for name in variables]
    return with_behaviour(recording, signals, notify=notify)


def _without_empty(table: pd.DataFrame, notify: Notify) -> pd.DataFrame:
    """The table without empty rows and columns, such as trailing separators produce."""
    full = table.notna().to_numpy()
    rows: npt.NDArray[np.bool_] = np.any(full, axis=1)
    columns: npt.NDArray[np.bool_] = np.any(full, axis=0)
    if (rows.all() and columns.all()) or not full.any():
        return table
    empty = counted(int((~rows).sum()), "row"), counted(int((~columns).sum()), "column")
    notify(f"Dropped from the table, as they are empty: {' and '.join(empty)}.")
    return table.iloc[np.flatnonzero(rows), np.flatnonzero(columns)].reset_index(drop=True)


def _without_headers(
    table: pd.DataFrame, below: list[list[str]], notify: Notify
) -> tuple[pd.DataFrame, dict[str, str] | None]:
    """The table with units and names from further header rows, and the label of each column given there."""
    labels = None
    for row in below:
        words = dict(zip([str(name) for name in table.columns], row, strict=True))
        others = list(words.values())[1:]
        if any(label_of(word) in set(LABEL_OF.values()) for word in others if word):
            labels = {name: label_of(word) for name, word in words.items()}
        else:
            notify(f"The second row of the header is not used: {', '.join(row[:5])}...")
        first = str(table.columns[0])
        if row[0] and (is_time(row[0]) or is_time(f"time ({row[0]})")):
            table = table.rename(columns={first: row[0] if is_time(row[0]) else f"{first} ({row[0]})"})
    return table, labels


def _compare(times_s: Array, step_s: float, name: str, notify: Notify) -> None:
    """Warn if the times and the given time step differ."""
    own = float(np.median(np.diff(times_s))) if len(times_s) > 1 else step_s
    if abs(own / step_s - 1) > 0.01:
        notify(f"Warning: by {name!r} rows are {own:.6g} s apart, and by what was given {step_s:.6g} s, which is used.")
    else:
        notify(f"The times in {name!r} are not used, because the time step was given.")


def _spikes(
    table: pd.DataFrame, time: str | None, notify: Notify
) -> tuple[list[Array], list[str], pd.DataFrame, str] | None:
    """Trains, ids and properties of units, and the column of times, of a table of spikes; None for other tables."""
    names = [str(name) for name in table.columns]
    times = [name for name in names if name == time or (time is None and is_time(name))]
    owners = [name for name in names if UNIT.fullmatch(name) and name not in times and _repeats(table[name])]
    if not times and len(names) == 2 and len(table) >= FEWEST_SPIKES:
        owners = [name for name in names if _repeats(table[name])][:1]
        times = [name for name in names if name not in owners and _rises_by(table, name, owners)]
    if len(times) >= 1 and len(owners) == 1:
        unit, moments = table[owners[0]], table[times[0]]
        if not pd.api.types.is_numeric_dtype(moments) or _is_grid(table, owners[0], times[0]):
            return None
        if len(names) > len(times) + 1 and _are_frames(moments.to_numpy(float)):
            return None
        known = unit.notna()
        owner = unit[known].astype(str).str.replace(r"\.0$", "", regex=True).to_numpy(str)
        ids = sorted(set(owner), key=lambda k: (not k.isdigit(), int(k) if k.isdigit() else 0, k))
        notify(f"Read as a list of spikes: {times[0]!r} are their times, {owners[0]!r} the unit of each.")
        others = table.loc[known].drop(columns=[owners[0], times[0]])
        properties = others.groupby(owner).first().reindex(ids).reset_index(drop=True)
        if len(properties.columns):
            notify(f"Not used: {', '.join(map(str, properties.columns))}, unless it labels units.")
        return by_unit(moments[known].to_numpy(float), owner, np.array(ids)), ids, properties, times[0]
    if time is None and _columns_are_trains(table):
        notify("Every column only rises, and is read as the spike times of a unit.")
        trains = [table.iloc[:, k].dropna().to_numpy(float) for k in range(len(names))]
        return trains, names, pd.DataFrame(index=range(len(names))), ""
    return None


def _repeats(column: pd.Series[float]) -> bool:
    """Whether a column holds the units of spikes: words or whole numbers, each more than once on average."""
    known = column.dropna()
    whole = not pd.api.types.is_numeric_dtype(known) or bool((known % 1 == 0).all())
    return whole and len(known) > 0 and 2 * known.nunique() <= len(known)


def _rises_by(table: pd.DataFrame, name: str, owners: list[str]) -> bool:
    """Whether fractional numbers increase, over all rows or over those of each unit."""
    column = table[name]
    if not owners or not pd.api.types.is_numeric_dtype(column) or bool((column % 1 == 0).all()):
        return False
    return bool(column.is_monotonic_increasing or column.groupby(table[owners[0]]).is_monotonic_increasing.all())


def _columns_are_trains(table: pd.DataFrame) -> bool:
    """Whether every column is increasing numbers, of different lengths or unevenly spaced."""
    if table.shape[1] < 2 or not all(pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes):
        return False
    trains = [table.iloc[:, k].dropna().to_numpy(float) for k in range(table.shape[1])]
    if sum(map(len, trains)) < FEWEST_SPIKES or max(map(len, trains)) < FEWEST_SPIKES:
        return False
    steps = [np.diff(train) for train in trains]
    return all((step >= 0).all() for step in steps) and any(len(s) and np.ptp(s) > 0.5 * np.median(s) for s in steps)


def _are_frames(times: Array) -> bool:
    """Whether times increase, most of them by the same step, as those of spikes never do."""
    steps = np.diff(times)
    usual = np.median(steps) if len(steps) else 0.0
    return bool(usual > 0 and (steps > 0).all() and np.mean(np.abs(steps - usual) < 0.1 * usual) > 0.5)


def _is_grid(table: pd.DataFrame, owner: str, moment: str) -> bool:
    """Whether every neuron has a row for each time."""
    return (
        len(table) == table[owner].nunique() * table[moment].nunique() and not table[[owner, moment]].duplicated().any()
    )


def _pivoted(table: pd.DataFrame, notify: Notify) -> pd.DataFrame | None:
    """A column for each neuron, from a table with a row for each neuron and time; None for other tables."""
    names = [str(name) for name in table.columns]
    owner, moment = (next((n for n in names if test(n)), None) for test in (UNIT.fullmatch, is_time))
    values = [n for n in names if n not in (owner, moment) and pd.api.types.is_numeric_dtype(table[n])]
    if owner is None or moment is None or not 3 <= len(names) <= 6 or not values:
        return None
    if table[owner].nunique() < 2 or not _is_grid(table, owner, moment):
        return None
    notify(f"Read as a row for each {owner!r} and {moment!r}, with the values {values[0]!r}.")
    wide = table.pivot(index=moment, columns=owner, values=values[0]).reset_index()
    return wide.set_axis([str(name) for name in wide.columns], axis=1)


def _turned(table: pd.DataFrame, notify: Notify) -> pd.DataFrame:
    """The table with a column for each neuron, from one with a row for each."""
    first = str(table.columns[0])
    numbering = [name for name in map(str, table.columns) if _numbers_neurons(table, name)]
    numbering = sorted(numbering, key=lambda name: not UNIT.fullmatch(name))
    naming = numbering if pd.api.types.is_numeric_dtype(table[first]) else [first, *numbering]
    for name in naming[1:]:
        notify(f"The column {name} numbers the rows and was dropped.")
    if naming:
        notify(f"The column {naming[0]} names the neurons.")
        whole = table.astype({naming[0]: np.int64}) if naming[0] in numbering else table
        table = whole.drop(columns=naming[1:]).set_index(naming[0])
    turned = table.T.reset_index(drop=True)
    return turned.set_axis([str(name) for name in turned.columns], axis=1)


def _numbers_neurons(table: pd.DataFrame, name: str) -> bool:
    """Whether a column holds a whole number for each row, and its name says that these are numbers of neurons."""
    if not (UNIT.fullmatch(name) or NUMBERS.fullmatch(name)) or not pd.api.types.is_numeric_dtype(table[name]):
        return False
    return bool((table[name] % 1 == 0).all() and table[name].is_unique)


def _numbers(table: pd.DataFrame, path: Path) -> Array:
    """(T, columns) array."""
    text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise InputError(
            f"The columns of {path} must be numbers; {', '.join(text[:5])} {'is' if len(text) == 1 else 'are'} not. "
            "Leave them out of the table, or describe neurons in a table of their own (see synapsnet.io.sidecar)."
        )
    return table.to_numpy()


def _listing(table: pd.DataFrame) -> str:
    return listed(list(table.columns), 20)
