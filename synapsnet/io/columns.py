"""Columns that are times or row numbers, not neurons: found by their names, or because they only increase."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.reader import Notify

MOST_UNNAMED = 2  # columns that may be recognised only because they increase throughout
FEWEST_ROWS = 20  # rows over which a column must increase to be recognised without its name

UNITS = {
    "s": 1.0,
    **dict.fromkeys(("sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "µs", "μs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
}
TIME = re.compile(
    r"(frame|relative|absolute|elapsed|recording|imaging|spike|event)?[\s_.-]*"
    r"(times?|t|timestamps?|time[\s_.-]stamps?)"
    rf"[\s_.,:-]*[\(\[{{]?\s*(in\s+)?(?P<unit>{'|'.join(sorted(UNITS, key=len, reverse=True))})?\s*[\)\]}}]?\s*(/.*)?",
    re.IGNORECASE,
)
NUMBERS = re.compile(
    r"(unnamed: \d+|#|(frame|row|sample|slice|image|scan|index|idx|line|point|number|nr|no|n)s?"
    r"([\s_.-]*(no|nr|num|number|index|idx|id|count|#))?\.?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Clock:
    """The clock in the columns of a table.

    Attributes
    ----------
    times_s : (T,) array or None
        In seconds.
    frames : (T,) array or None
        Row numbers, some of which are missing.
    columns : names
        Columns that are not neurons.
    """

    times_s: Float64Array | None
    frames: Float64Array | None
    columns: list[str]


def is_time(name: str) -> bool:
    """Whether the name of a column means time."""
    return TIME.fullmatch(name.strip()) is not None


def unit_s(name: str) -> float | None:
    """The unit in a column's name, as in `Time (ms)`, in seconds; None if it has none."""
    unit = _unit(name)
    return None if unit is None else UNITS[unit]


def find_clock(
    columns: Mapping[str, npt.NDArray[np.generic]], time: str | None, time_unit: str | None, notify: Notify
) -> Clock:
    """Find the columns that are times or row numbers.

    Parameters
    ----------
    columns : mapping of name -> (T,) array
    time : str, optional
        Name of the column of times, or `none` if there is none.
    time_unit : str, optional
        Unit of the times. Default: as the name says, else seconds.
    notify : callable
        Receives which columns were recognised, and how they are used.
    """
    rising = [name for name, column in columns.items() if _only_rises(column)]
    if len(rising) > MOST_UNNAMED or len(columns) - len(rising) < 2:  # odd activity, but not time
        rising = []
    counting = [name for name, column in columns.items() if _numbers_rows(name, column, name in rising)]
    if time == "none":
        clocks = []
    elif time is not None:
        clocks = [time]
    else:
        clocks = [name for name in columns if is_time(name)] or [name for name in rising if name not in counting]
    counting = [name for name in counting if name not in clocks]
    for name in counting:
        notify(f"The column {name} numbers the rows and was dropped.")
    for name in clocks[1:]:
        notify(f"The column {name} is times as well, and was dropped.")
    times = None
    if clocks:
        unit = time_unit or _unit(clocks[0]) or "s"
        times = _seconds(clocks[0], columns[clocks[0]]) * UNITS[unit]
        why = "is taken to be" if time is not None or is_time(clocks[0]) else "only rises, and is taken to be"
        notify(f"The column {clocks[0]!r} {why} times, in {unit} (--read time=..., time_unit=...).")
    gaps = next((columns[n].astype(float) for n in counting if (np.diff(columns[n].astype(float)) > 1).any()), None)
    return Clock(times, gaps, [*clocks, *counting])


def _unit(name: str) -> str | None:
    named = TIME.fullmatch(name.strip())
    return named["unit"].lower() if named and named["unit"] else None


def _numbers_rows(name: str, column: npt.NDArray[np.generic], rising: bool) -> bool:
    """Whether a column counts the rows: in steps of one, if few columns only increase, or by its name."""
    if column.dtype.kind not in "iuf" or len(column) < 2:
        return False
    if not np.isfinite(column.astype(float)).all():
        return False
    steps = np.diff(column.astype(float))
    whole = bool((column.astype(float) % 1 == 0).all() and (steps > 0).all())
    named = NUMBERS.fullmatch(name.strip()) is not None
    return whole and (named or (rising and not is_time(name) and bool((steps == 1).all())))


def _only_rises(column: npt.NDArray[np.generic]) -> bool:
    return column.dtype.kind in "iuf" and len(column) >= FEWEST_ROWS and bool((np.diff(column.astype(float)) > 0).all())


def _seconds(name: str, column: npt.NDArray[np.generic]) -> Float64Array:
    """Times as numbers; dates and clock times in seconds since the first."""
    if column.dtype.kind in "iuf":
        return column.astype(float)
    text = pd.Series(column).astype(str)
    for parse in (pd.to_timedelta, pd.to_datetime):
        try:
            moments: Any = pd.Series(parse(text))
        except (ValueError, TypeError, OverflowError):
            continue
        return np.asarray((moments - moments.iloc[0]) / pd.Timedelta(seconds=1), float)
    raise InputError(
        f"The column {name!r} has the name of a column of times, but holds {text.iloc[0]!r}; name another (time=)."
    )
