"""Fluorescence of ROIs in NWB files of other programs, wherever in `processing` it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io.clock import even_frames
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording, neuron_table

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.ophys import PlaneSegmentation, RoiResponseSeries

CELLS = ("iscell", "valid_roi", "accepted")  # columns of suite2p, the Allen Institute and CaImAn
NEUROPIL = re.compile("neuropil", re.IGNORECASE)
DFF = re.compile(r"df_?(over)?_?f|dff", re.IGNORECASE)
DECONVOLVED = re.compile("deconv|event|spike", re.IGNORECASE)
UM = {"meters": 1e6, "meter": 1e6, "m": 1e6, "millimeters": 1e3, "mm": 1e3} | dict.fromkeys(
    ("micrometers", "micrometer", "microns", "micron", "um", "µm"), 1.0
)


class _Trace(NamedTuple):
    """A series, and its name with that of what holds it."""

    name: str
    series: RoiResponseSeries


def read_ophys(file: NWBFile, source: str, *, key: str | None, label: str | None, notify: Notify) -> Recording:
    """Read dF/F, or else fluorescence.

    Parameters
    ----------
    file : NWBFile
    source : str
        Name of the file.
    key : str, optional
        Name of the series, or of what holds it. Default: the first that is dF/F, or else the first that is neither
        neuropil nor deconvolved.
    label : str, optional
        `all` keeps the ROIs that the file does not call cells.
    notify : callable

    Raises
    ------
    InputError
        If there is no such series, it has no frames, or their times do not increase.
    """
    trace = _chosen(_traces(file), source, key, notify)
    series = trace.series
    rois = np.asarray(series.rois.data[:], int)
    table = series.rois.table
    values = _frames_by_rois(series, len(rois), notify)
    kept = _cells(table, rois, label, notify) & _with_values(values, notify)
    values, rois = values[:, kept], rois[kept]
    times = series.timestamps
    if times is None:
        times = (series.starting_time or 0.0) + np.arange(len(values)) / series.rate
    missing: npt.NDArray[np.bool_] = np.any(np.isnan(values), axis=1)
    if missing.any():
        notify(f"{missing.sum()} of {len(missing)} frames left out: an ROI has no value there (NaN).")
        times, values = np.asarray(times, float)[~missing], values[~missing]
    activity, dt_s = even_frames(times, values, notify=notify)
    plane = table.imaging_plane
    return Recording(
        activity=activity,
        dt_s=dt_s,
        modality="calcium",
        neurons=neuron_table(
            len(rois),
            ids=[str(k) for k in table.id[:][rois]],
            area=[str(plane.location)] * len(rois),
            position_um=_positions_um(table, rois),
        ),
        metadata={"source": source, "reader": "nwb", "series": trace.name},
        deconvolved=bool(DECONVOLVED.search(trace.name)),
    )


def _traces(file: NWBFile) -> list[_Trace]:
    """All series of ROIs: dF/F first, then fluorescence, then the deconvolved."""
    from pynwb.ophys import DfOverF, RoiResponseSeries

    ranked = []
    for module in file.processing.values():
        for held in module.data_interfaces.values():
            inner = [held] if isinstance(held, RoiResponseSeries) else getattr(held, "roi_response_series", {}).values()
            for series in inner:
                name = series.name if series is held else f"{held.name}/{series.name}"
                is_dff = isinstance(held, DfOverF) or bool(DFF.search(name))
                ranked.append((bool(DECONVOLVED.search(name)), not is_dff, name, series))
    return [_Trace(name, series) for _, _, name, series in sorted(ranked, key=lambda row: row[:3])]


def _chosen(traces: list[_Trace], source: str, key: str | None, notify: Notify) -> _Trace:
    names = ", ".join(trace.name for trace in traces)
    if key is not None:
        fitting = [trace for trace in traces if key == trace.name or key in trace.name.split("/")]
        if not fitting:
            raise InputError(f"{source} has no series {key!r} of ROIs; it has {names or 'none'} (--key).")
    else:
        fitting = [trace for trace in traces if not NEUROPIL.search(trace.name)]
        if not fitting:
            raise InputError(
                f"{source} has neither spike times in `units` nor DfOverF or Fluorescence in `processing`; "
                "export one of them."
            )
    chosen = fitting[0]
    others = [trace.name for trace in traces if trace is not chosen]
    notify(f"Reading {chosen.name}" + (f"; left out: {', '.join(others)} (--key)." if others else "."))
    return chosen


def _frames_by_rois(series: RoiResponseSeries, n_rois: int, notify: Notify) -> npt.NDArray[np.float32]:
    values = np.asarray(series.data[:], np.float32)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or n_rois not in values.shape:
        raise InputError(f"{series.name} must be frames x {n_rois} ROIs; got shape {values.shape}.")
    if values.shape[1] != n_rois:
        notify(f"{series.name} is saved transposed (ROIs x frames) and was turned.")
        values = values.T
    return values


def _cells(
    table: PlaneSegmentation, rois: npt.NDArray[Any], label: str | None, notify: Notify
) -> npt.NDArray[np.bool_]:
    column = next((name for name in CELLS if name in table.colnames), None)
    if label not in (None, "all"):
        raise InputError(f"ROIs are either cells or not, so label={label} cannot be used; say label=all for both.")
    if column is None or label == "all":
        return np.ones(len(rois), bool)
    flags = np.asarray(table[column].data[:], float)
    is_cell = (flags if flags.ndim == 1 else flags[:, 0])[rois] > 0
    if not is_cell.all():
        notify(f"{(~is_cell).sum()} of {len(rois)} ROIs dropped by {column}; label=all keeps them.")
    return is_cell


def _with_values(values: npt.NDArray[np.float32], notify: Notify) -> npt.NDArray[np.bool_]:
    """Which ROIs have values in any frame."""
    known: npt.NDArray[np.bool_] = ~np.all(np.isnan(values), axis=0)
    if not known.all():
        notify(f"{(~known).sum()} of {len(known)} ROIs dropped: they have no values (NaN).")
    return known


def _positions_um(table: PlaneSegmentation, rois: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """(N, 3) centre of each ROI in its plane, from its mask and the size of a pixel; None where these are not known."""
    plane = table.imaging_plane
    scale = UM.get(str(plane.grid_spacing_unit))
    mask = next((name for name in ("pixel_mask", "voxel_mask", "image_mask") if name in table.colnames), None)
    if plane.grid_spacing is None or scale is None or mask is None:
        return None
    pixel_um = np.ones(3)
    spacing = np.asarray(plane.grid_spacing[:], float) * scale
    pixel_um[: len(spacing)] = spacing
    position = np.full((len(rois), 3), np.nan)
    for place, roi in zip(position, rois, strict=True):
        centre = _centre(table[mask][int(roi)])
        place[: len(centre)] = centre * pixel_um[: len(centre)]
    return position


def _centre(mask: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Centre of mass in pixels: (x, y) of an image [y, x] or a list of pixels, (x, y, z) of a list of voxels."""
    if mask.dtype.names:
        *axes, weight = (mask[name].astype(float) for name in mask.dtype.names)
    else:
        y, x = np.nonzero(mask)
        axes, weight = [x, y], mask[y, x].astype(float)
    return np.array([(axis * weight).sum() / weight.sum() for axis in axes])
