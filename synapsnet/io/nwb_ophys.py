"""Fluorescence of ROIs in NWB files of other programs, anywhere in `processing`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io.clock import even_frames
from synapsnet.io.labels import judged, kept_by_label
from synapsnet.io.nwb_planes import Trace, all_traces, chosen, on_one_clock, plane_names
from synapsnet.io.nwb_series import InUnits
from synapsnet.io.nwb_tables import plain_columns
from synapsnet.io.reader import Notify
from synapsnet.io.units import SECONDS
from synapsnet.recording import Recording, neuron_table

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.ophys import ImagingPlane, PlaneSegmentation, RoiResponseSeries

UM = {"meters": 1e6, "meter": 1e6, "m": 1e6, "millimeters": 1e3, "mm": 1e3} | dict.fromkeys(
    ("micrometers", "micrometer", "microns", "micron", "um", "µm"), 1.0
)


@dataclass(frozen=True, eq=False)
class _Plane:
    """The (T, N) activity of one plane, with the ids, area and positions of its ROIs (None where unknown)."""

    values: npt.NDArray[np.float32]
    ids: list[str]
    area: str
    position_um: npt.NDArray[np.float64] | None


def read_ophys(
    file: NWBFile,
    source: str,
    *,
    key: str | None,
    label: str | None,
    time_unit: str | None = None,
    fs_hz: float | None = None,
    notify: Notify,
) -> Recording:
    """Read dF/F, or else fluorescence, of all planes that were imaged simultaneously.

    Parameters
    ----------
    file : NWBFile
    source : str
        Name of the file.
    key : str, optional
        Name of the series, of its container or module, or of its imaging plane. Default: the first that is dF/F, or
        else the first that is not neuropil, background, baseline or deconvolved, and those like it of other planes.
    label : str, optional
        Labels of the ROIs to keep, separated by commas; `all` keeps any. Default: ROIs labelled as cells, and those
        without a label.
    time_unit : str, optional
        Unit of the frame times, if not seconds.
    fs_hz : float, optional
        Frame rate, instead of these times.
    notify : callable

    Raises
    ------
    InputError
        If there is no such series, it has no frames, their times do not increase, or planes were imaged at different
        times.
    """
    traces = chosen(all_traces(file), source, key, notify)
    names = plane_names(traces)
    several = len(traces) > 1
    origins = _origins_um(traces)
    if several and origins is None:
        notify("Positions are left out: the file does not say where the planes are (origin_coords of imaging planes).")
    planes = [
        _read(trace, label, None if origins is None else origins[k], _of(name, notify) if several else notify)
        for k, (trace, name) in enumerate(zip(traces, names, strict=True))
    ]
    values, times = on_one_clock(traces, [plane.values for plane in planes], source, notify, fs_hz)
    missing: npt.NDArray[np.bool_] = np.any(np.isnan(values), axis=1)
    if missing.any():
        notify(f"{missing.sum()} of {len(missing)} frames left out: an ROI has no value there (NaN).")
        times, values = times[~missing], values[~missing]
    activity, dt_s = even_frames(times if time_unit is None else times * SECONDS[time_unit], values, notify=notify)
    positions = [plane.position_um for plane in planes if plane.position_um is not None]
    return Recording(
        activity=activity,
        dt_s=dt_s,
        modality="calcium",
        neurons=neuron_table(
            values.shape[1],
            ids=[f"{name}/{k}" if several else k for name, plane in zip(names, planes, strict=True) for k in plane.ids],
            area=[plane.area for plane in planes for _ in plane.ids],
            position_um=np.concatenate(positions) if len(positions) == len(planes) else None,
        ),
        metadata={
            "source": source,
            "reader": "nwb",
            "series": ", ".join(trace.name for trace in traces),
            **({} if key is None else {"key": key}),
            **({} if time_unit is None else {"time_unit": time_unit}),
        },
        deconvolved=traces[0].deconvolved,
    )


def _read(trace: Trace, label: str | None, origin_um: npt.NDArray[np.float64] | None, notify: Notify) -> _Plane:
    """The cells of a plane that have values."""
    table, rois = trace.series.rois.table, trace.rois
    values = _frames_by_rois(trace.series, len(rois), notify)
    kept = _cells(table, rois, label, notify) & _with_values(values, notify)
    if not kept.all():
        values, rois = values[:, kept], rois[kept]
    return _Plane(
        values,
        ids=[str(k) for k in table.id[:][rois]],
        area=str(table.imaging_plane.location),
        position_um=None if origin_um is None else _positions_um(table, rois, origin_um),
    )


def _of(plane: str, notify: Notify) -> Notify:
    return lambda line: notify(f"{plane}: {line}")


def _frames_by_rois(series: RoiResponseSeries, n_rois: int, notify: Notify) -> npt.NDArray[np.float32]:
    values = np.asarray(InUnits(series), np.float32)
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
    labels = judged(plain_columns(table).iloc[rois], "ROIs", notify)
    return kept_by_label(labels, len(rois), label, "ROIs", notify)


def _with_values(values: npt.NDArray[np.float32], notify: Notify) -> npt.NDArray[np.bool_]:
    """Which ROIs have values in any frame."""
    known: npt.NDArray[np.bool_] = ~np.all(np.isnan(values), axis=0)
    if not known.all():
        notify(f"{(~known).sum()} of {len(known)} ROIs dropped: they have no values (NaN).")
    return known


def _origins_um(traces: Sequence[Trace]) -> list[npt.NDArray[np.float64]] | None:
    """(3,) position of each plane's first pixel, 0 for a single plane; None unless known for all in one frame."""
    planes = [trace.series.rois.table.imaging_plane for trace in traces]
    if all(plane is planes[0] for plane in planes):
        return [np.array([0.0, 0.0, np.nan])] * len(planes)
    origins = [_origin_um(plane) for plane in planes]
    known_origins = [origin for origin in origins if origin is not None]
    frames = {str(plane.reference_frame) for plane in planes}
    return known_origins if len(known_origins) == len(origins) and len(frames) == 1 else None


def _origin_um(plane: ImagingPlane) -> npt.NDArray[np.float64] | None:
    scale = UM.get(str(plane.origin_coords_unit))
    if plane.origin_coords is None or scale is None:
        return None
    origin = np.full(3, np.nan)
    stated = np.asarray(plane.origin_coords[:], float)
    origin[: len(stated)] = stated * scale
    return origin


def _positions_um(
    table: PlaneSegmentation, rois: npt.NDArray[Any], origin_um: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    """(N, 3) centre of each ROI, from its mask and the size of a pixel; None where these are unknown."""
    plane = table.imaging_plane
    scale = UM.get(str(plane.grid_spacing_unit))
    mask = next((name for name in ("pixel_mask", "voxel_mask", "image_mask") if name in table.colnames), None)
    if plane.grid_spacing is None or scale is None or mask is None:
        return None
    pixel_um = np.ones(3)
    spacing = np.asarray(plane.grid_spacing[:], float) * scale
    pixel_um[: len(spacing)] = spacing
    position = np.tile(origin_um, (len(rois), 1))
    for place, roi in zip(position, rois, strict=True):
        centre = _centre(table[mask][int(roi)])
        n = len(centre)
        place[:n] = np.nan_to_num(origin_um[:n]) + centre * pixel_um[:n]
    return position


def _centre(mask: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Centre of mass in pixels: (x, y) of an image [y, x] or a list of pixels, (x, y, z) of a list of voxels."""
    if mask.dtype.names:
        *axes, weight = (mask[name].astype(float) for name in mask.dtype.names)
    else:
        y, x = np.nonzero(mask)
        axes, weight = [x, y], mask[y, x].astype(float)
    return np.array([(axis * weight).sum() / weight.sum() for axis in axes])
