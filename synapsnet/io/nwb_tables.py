"""Columns of tables in NWB files as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.io.clock import merged
from synapsnet.io.labels import looks_like_quality
from synapsnet.io.nwb_write import MODULE

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.core import DynamicTable
    from pynwb.epoch import TimeIntervals


def names(column: Any) -> list[str]:
    """A column as text."""
    return [str(value) for value in column.data[:]]


def is_ragged(table: DynamicTable, name: str) -> bool:
    """Whether a column holds several values per row."""
    return hasattr(table[name], "target")


def ragged(table: DynamicTable, name: str) -> list[npt.NDArray[Any]]:
    """One array per row of a column that holds several values per row."""
    index = table[name]
    return np.split(np.asarray(index.target.data[:]), np.asarray(index.data[:])[:-1].astype(np.int64))


def intervals(table: DynamicTable) -> nap.IntervalSet:
    """The intervals of a table, see `merged`."""
    return merged(table["start_time"][:], table["stop_time"][:])


def plain_columns(table: DynamicTable) -> pd.DataFrame:
    """The columns with one word, flag or number per row, and the first of two numbers per row (`iscell`)."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        if is_ragged(table, name) or hasattr(column, "table"):
            continue
        data = column.data
        shape = getattr(data, "shape", None) or np.shape(data)
        if len(shape) == 1 or (len(shape) == 2 and shape[1] == 2 and looks_like_quality(name)):
            values = np.asarray(data[:])
            if values.dtype.kind in "biufSUO" and (values.dtype.kind in "SUO" or looks_like_quality(name)):
                columns[str(name)] = _as_words(values if values.ndim == 1 else values[:, 0])
    return pd.DataFrame(columns, index=range(len(table)))


def interval_tables(file: NWBFile) -> dict[str, TimeIntervals]:
    """Tables of intervals by name, wherever they are, without the suffix `_presentations` (Allen)."""
    from pynwb.epoch import TimeIntervals

    tables = dict(file.intervals or {}) | {
        name: held
        for module in file.processing.values()
        if module.name != MODULE
        for name, held in module.data_interfaces.items()
        if isinstance(held, TimeIntervals)
    }
    return {name.removesuffix("_presentations"): table for name, table in tables.items()}


def _as_words(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values with bytes, and anything else that is not a number, converted to text."""
    if values.dtype.kind not in "SO":
        return values
    return np.array([v.decode(errors="replace") if isinstance(v, bytes) else v for v in values], dtype=object)
