"""Columns of tables in NWB files as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pynapple as nap

if TYPE_CHECKING:
    from pynwb.core import DynamicTable


def names(column: Any) -> list[str]:
    """A column as text."""
    return [str(value) for value in column.data[:]]


def is_ragged(table: DynamicTable, name: str) -> bool:
    """Does a column hold several values in a row."""
    return hasattr(table[name], "target")


def ragged(table: DynamicTable, name: str) -> list[npt.NDArray[Any]]:
    """One array for each row of a column that holds several values in a row."""
    index = table[name]
    return np.split(np.asarray(index.target.data[:]), np.asarray(index.data[:])[:-1].astype(np.int64))


def intervals(table: DynamicTable) -> nap.IntervalSet:
    """The intervals of a table; those that overlap or touch are one, and those without length are left out."""
    start, stop = np.asarray(table["start_time"][:], float), np.asarray(table["stop_time"][:], float)
    order = np.argsort(start, kind="stable")
    start, stop = start[order], stop[order]
    valid = stop > start
    start, stop = start[valid], np.maximum.accumulate(stop[valid])
    first = np.concatenate([[True], start[1:] > stop[:-1]]) if len(start) else np.zeros(0, bool)
    last = np.concatenate([first[1:], [True]]) if len(start) else first
    return nap.IntervalSet(start[first], stop[last])
