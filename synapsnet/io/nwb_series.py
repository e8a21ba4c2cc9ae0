"""Times and values of series in NWB files, in seconds and in the stated unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError

if TYPE_CHECKING:
    from pynwb import TimeSeries


def times_of(series: TimeSeries, n_samples: int | None = None) -> Any:
    """Times of the samples, by default of all; times listed in the file are not read yet."""
    if series.timestamps is not None:
        return series.timestamps
    if not (series.rate and np.isfinite(series.rate) and series.rate > 0):
        raise InputError(f"{series.name} states a rate of {series.rate:g} Hz; give that of the frames (--fs).")
    return (series.starting_time or 0.0) + np.arange(len(series.data) if n_samples is None else n_samples) / series.rate


class InUnits:
    """The data of a series in its stated unit, read on conversion to an array.

    That is `data * conversion * channel_conversion + offset`, as far as the file states these; a conversion that is 0
    or not a number is ignored. Data that need no conversion keep their type.
    """

    def __init__(self, series: TimeSeries) -> None:
        self.series = series

    def __array__(self, dtype: npt.DTypeLike = None, copy: bool | None = None) -> npt.NDArray[Any]:
        series = self.series
        values = np.asarray(series.data[:])
        channels = getattr(series, "channel_conversion", None)
        factor = np.asarray(_usable(series.conversion) * (1.0 if channels is None else np.asarray(channels[:], float)))
        offset = float(getattr(series, "offset", None) or 0.0)
        if (factor != 1).any() or offset != 0:
            values = values * (factor[0] if factor.shape == (1,) else factor) + offset
        return values if dtype is None else values.astype(dtype, copy=False)


def _usable(conversion: float | None) -> float:
    return float(conversion) if conversion and np.isfinite(conversion) else 1.0
