"""Tables, CSV or Parquet: a row for each time step, a column for each neuron, perhaps one of times.

Text may be in UTF-8 or cp1252, separated by commas, semicolons or tabs, with decimal commas where semicolons separate.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from synapsnet.errors import InputError
from synapsnet.io.clock import Signal, with_behaviour
from synapsnet.io.npy import Array
from synapsnet.io.reader import Notify
from synapsnet.io.rows import TIME_NAMES, guess_modality, on_clock, refuse_transposed, time_step
from synapsnet.io.text import read_text
from synapsnet.recording import Modality, Recording, neuron_table

LAYOUT = "a table (.csv, .tsv or .parquet) with a column for each neuron"

TEXT, PARQUET = (".csv", ".tsv"), (".parquet", ".pqt")


def recognises(path: Path) -> bool:
    """Is `path` a table, judged by its name."""
    return path.is_file() and path.suffix in (*TEXT, *PARQUET)


def read(
    path: Path,
    *,
    notify: Notify,
    dt_s: float | None = None,
    fs_hz: float | None = None,
    time: str | None = None,
    modality: Modality | None = None,
    behaviour: str | None = None,
    transpose: bool = False,
    deconvolved: bool = False,
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
        Name of the column of times in seconds, or `none`. Default: one called `time`, `t` or `timestamps`, if there is.
    modality : {"calcium", "spikes"}, optional
        Default: spikes if all values are whole and not negative, else calcium.
    behaviour : str, optional
        Names of the columns that are behaviour, with commas between. All others are neurons.
    transpose : bool
        A row for each neuron, the first column their names if it is no number.
    deconvolved : bool
        Of calcium: the activity is deconvolved.

    Raises
    ------
    InputError
        If the file is damaged, a column is not numeric or not there, or the time step is not clear.
    """
    table = load_table(path)
    if transpose:
        table = _turned(table)
    times = _time_column(table, time)
    variables = [] if behaviour in (None, "none") else [name.strip() for name in str(behaviour).split(",")]
    others = variables if times is None else [*variables, times]
    if absent := [name for name in others if name not in table]:
        raise InputError(f"{path} has no column {', '.join(absent)}; it has {_listing(table)}.")
    neurons = table.drop(columns=others)
    if _is_numbering(neurons):
        notify(f"The column {neurons.columns[0]} numbers the rows and was dropped.")
        neurons = neurons.iloc[:, 1:]
    rows = _numbers(neurons, path)
    refuse_transposed(rows, str(path), transpose)
    if times is None or dt_s is not None or fs_hz is not None:
        clock: float | Array = time_step(path, dt_s, fs_hz)
    else:
        clock = _numbers(table[[times]], path)[:, 0]
    recording = on_clock(
        rows,
        clock,
        modality or guess_modality(rows, path.name, notify),
        notify=notify,
        neurons=neuron_table(rows.shape[1], ids=list(neurons.columns)),
        metadata={"source": path.name, "reader": "tables"},
        deconvolved=deconvolved,
    )
    samples_s = recording.activity.times() if isinstance(clock, float) else clock
    signals = [Signal(name, samples_s, _numbers(table[[name]], path)) for name in variables]
    return with_behaviour(recording, signals, notify=notify)


def load_table(path: Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file; a header is recognised by not being numbers.

    Raises
    ------
    InputError
        If the file is missing, damaged or empty.
    """
    if path.suffix in PARQUET:
        table = _load_parquet(path)
        return table.set_axis([str(name) for name in table.columns], axis=1)
    text = read_text(path)
    first = text.lstrip().partition("\n")[0]
    if not first:
        raise InputError(f"{path} is empty; export the table again.")
    separator = max((",", ";", "\t"), key=first.count)
    decimal = "," if separator == ";" else "."
    header = None if all(map(_is_number, first.replace(decimal, ".").split(separator))) else 0
    try:
        table = pd.read_csv(StringIO(text), sep=separator, decimal=decimal, header=header)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} is not a whole table ({str(error).strip()}); export it again.") from error
    return table.set_axis([str(name) for name in table.columns], axis=1)


def _load_parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file, engine="pyarrow")
    except ImportError as error:
        raise InputError(f"Reading {file} needs pyarrow; install it (pip install pyarrow).") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is not a whole Parquet file; copy it again.") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _turned(table: pd.DataFrame) -> pd.DataFrame:
    """A column for each neuron, from a row for each."""
    first = table.columns[0]
    named = table if pd.api.types.is_numeric_dtype(table[first]) else table.set_index(first)
    turned = named.T.reset_index(drop=True)
    return turned.set_axis([str(name) for name in turned.columns], axis=1)


def _time_column(table: pd.DataFrame, time: str | None) -> str | None:
    if time is not None:
        return None if time == "none" else time
    return next((name for name in table.columns if name.strip().lower() in TIME_NAMES), None)


def _is_numbering(table: pd.DataFrame) -> bool:
    """Does an unnamed first column count the rows, as pandas writes it."""
    return "Unnamed: 0" in table.columns[:1] and np.array_equal(table.iloc[:, 0], np.arange(len(table)))


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
    names = list(table.columns)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
