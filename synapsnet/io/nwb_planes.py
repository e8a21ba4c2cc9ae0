"""Which ROI series of an NWB file are read: one, or one per plane that was imaged simultaneously with others.

Planes hold different neurons: series of other imaging planes, or of other rows of one table of ROIs. All other series
(raw beside dF/F, neuropil, deconvolved, a second segmentation of a plane) are of the same neurons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import Float64Array
from synapsnet.errors import InputError
from synapsnet.io.clock import interpolate
from synapsnet.io.nwb_series import times_of
from synapsnet.io.reader import Notify
from synapsnet.wording import counted

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.ophys import RoiResponseSeries

NO_ACTIVITY = re.compile(r"neuropil|background|baseline|surround|(^|[/_])f0($|_)|(^|[/_])fneu($|_)", re.IGNORECASE)
CORRECTED = re.compile("correct|subtract|removed", re.IGNORECASE)  # for neuropil or background
DFF = re.compile(r"df_?(over)?_?f|dff", re.IGNORECASE)
DECONVOLVED = re.compile("deconv|event|spike", re.IGNORECASE)
SAME_OFFSET = 0.5  # fraction of a frame by which the offset of planes imaged in turn may vary


@dataclass(frozen=True, eq=False)
class Trace:
    """A series of ROIs.

    Attributes
    ----------
    name : str
        Includes the container's name, and the module's where needed to tell series apart.
    module : str
    series : RoiResponseSeries
    is_dff : bool
    """

    name: str
    module: str
    series: RoiResponseSeries
    is_dff: bool

    @property
    def is_activity(self) -> bool:
        """Whether it is of the ROIs themselves, not of their neuropil, background or baseline."""
        return not NO_ACTIVITY.search(self.name) or bool(CORRECTED.search(self.name))

    @property
    def deconvolved(self) -> bool:
        return bool(DECONVOLVED.search(self.name))

    @property
    def kind(self) -> tuple[object, ...]:
        """The properties that traces of planes read together must share."""
        indicator = self.series.rois.table.imaging_plane.indicator
        return self.is_dff, self.deconvolved, self.is_activity, indicator

    @property
    def rois(self) -> npt.NDArray[np.int64]:
        """Rows of the table of ROIs."""
        return np.asarray(self.series.rois.data[:], np.int64)

    def is_called(self, name: str) -> bool:
        """Whether it is the name of the series, its container, its module or its imaging plane."""
        plane = str(self.series.rois.table.imaging_plane.name)
        return name in (self.name, *self.name.split("/"), self.module, plane)

    def is_of_other_neurons(self, other: Trace) -> bool:
        table, others = self.series.rois.table, other.series.rois.table
        if table is others:
            return not np.isin(self.rois, other.rois).any()
        return table.imaging_plane is not others.imaging_plane


def all_traces(file: NWBFile) -> list[Trace]:
    """All series of ROIs: dF/F first, then fluorescence, then the deconvolved."""
    from pynwb.ophys import DfOverF, RoiResponseSeries

    traces = []
    held_by = {name: processed.data_interfaces.values() for name, processed in file.processing.items()}
    for module, containers in (held_by | {"acquisition": file.acquisition.values()}).items():
        for held in containers:
            inner = [held] if isinstance(held, RoiResponseSeries) else getattr(held, "roi_response_series", {}).values()
            for series in inner:
                name = series.name if series is held else f"{held.name}/{series.name}"
                is_dff = isinstance(held, DfOverF) or bool(DFF.search(name))
                traces.append(Trace(name, module, series, is_dff))
    names = [trace.name for trace in traces]
    if len(set(names)) < len(names):
        traces = [replace(trace, name=f"{trace.module}/{trace.name}") for trace in traces]
    return sorted(traces, key=lambda trace: (trace.deconvolved, not trace.is_dff, _by_number(trace.name)))


def chosen(traces: list[Trace], source: str, key: str | None, notify: Notify) -> list[Trace]:
    """The first series that the key names, or that is activity, and the corresponding ones of other planes.

    Raises
    ------
    InputError
        If there is none.
    """
    if key is not None:
        fitting = [trace for trace in traces if trace.is_called(key)]
        if not fitting:
            names = ", ".join(trace.name for trace in traces) or "none"
            raise InputError(f"{source} has no series {key!r} of ROIs; it has {names} (--key).")
    else:
        fitting = [trace for trace in traces if trace.is_activity]
        if traces and not fitting:
            names = ", ".join(trace.name for trace in traces)
            raise InputError(f"{source} has no activity of ROIs but only {names}; read one of these with --key.")
        if not fitting:
            raise InputError(
                f"{source} has neither spike times in `units` nor DfOverF or Fluorescence in `processing`; "
                "export one of them."
            )
    planes = fitting[:1]
    for trace in fitting[1:]:
        if trace.kind == planes[0].kind and all(trace.is_of_other_neurons(other) for other in planes):
            planes.append(trace)
    others = [trace.name for trace in traces if trace not in planes]
    notify(
        f"Reading {', '.join(trace.name for trace in planes)}"
        + (f", {len(planes)} planes, together" if len(planes) > 1 else "")
        + (f"; left out: {', '.join(others)} (--key)." if others else ".")
    )
    return planes


def plane_names(traces: Sequence[Trace]) -> list[str]:
    """Names of the planes: those of the imaging planes, or else the shortest that tell the series apart."""
    naming: list[Callable[[Trace], str]] = [
        lambda trace: str(trace.series.rois.table.imaging_plane.name),
        lambda trace: str(trace.series.name),
        lambda trace: trace.module,
    ]
    for name in naming:
        names = [name(trace) for trace in traces]
        if len(set(names)) == len(names):
            return names
    return [trace.name for trace in traces]


def on_one_clock(
    traces: Sequence[Trace],
    values: Sequence[npt.NDArray[np.float32]],
    source: str,
    notify: Notify,
    fs_hz: float | None = None,
) -> tuple[npt.NDArray[np.float32], Float64Array]:
    """All planes on the same frames.

    Planes whose frames alternate are taken to be simultaneous, as in suite2p's own folders; others are interpolated
    linearly onto the frames of the plane with the most, if each of these is within one frame of theirs.

    Parameters
    ----------
    traces : sequence of Trace
    values : sequence of (T_k, N_k) arrays
        Values of each trace.
    source : str
        Name of the file.
    notify : callable
    fs_hz : float, optional
        Frame rate, instead of the times in the file.

    Returns
    -------
    values : (T, sum of N_k) float32 array
    times_s : (T,) array

    Raises
    ------
    InputError
        If the planes were not imaged at once, or a frame has no time.
    """
    if fs_hz is None:
        clocks = [_clock(trace, len(frames)) for trace, frames in zip(traces, values, strict=True)]
    else:
        clocks = [np.arange(len(frames)) / fs_hz for frames in values]
    if len(traces) == 1:
        return values[0], clocks[0]
    shortest, longest = min(map(len, clocks)), max(map(len, clocks))
    reference = clocks[[len(clock) for clock in clocks].index(longest)]
    frame_s = float(np.median(np.diff(reference))) if longest > 1 else 0.0
    if shortest > 1 and longest <= shortest + 1 and all(_in_turn(clock, clocks[0], frame_s) for clock in clocks):
        if longest > shortest:
            n_longest = [*map(len, clocks)].count(longest)
            notify(f"The last frame of {n_longest} of {len(traces)} planes dropped: the others lack it.")
        notify(f"{len(traces)} planes are read as if imaged at once, though within a frame one may follow another.")
        return np.concatenate([frames[:shortest] for frames in values], axis=1), clocks[0][:shortest]
    if not all(_within_a_frame(clock, reference, frame_s) for clock in clocks):
        raise InputError(
            f"{source} has planes that were not imaged at the same times: "
            f"{'; '.join(_described(name, clock) for name, clock in zip(plane_names(traces), clocks, strict=True))}. "
            "Read one of them (--key with its name)."
        )
    notify(
        f"{len(traces)} planes are interpolated onto the frames of the one that has most, which smooths the others; "
        "one of them can be read alone (--key)."
    )
    together = [
        frames if clock is reference else interpolate(reference, clock, frames)
        for clock, frames in zip(clocks, values, strict=True)
    ]
    return np.concatenate(together, axis=1).astype(np.float32, copy=False), reference


def _clock(trace: Trace, n_frames: int) -> Float64Array:
    clock = np.asarray(times_of(trace.series, n_frames), float)
    if len(clock) != n_frames:
        raise InputError(
            f"{trace.name} needs a time for each frame; got {counted(len(clock), 'time')} for "
            f"{counted(n_frames, 'frame')}."
        )
    return clock


def _in_turn(clock: Float64Array, first: Float64Array, frame_s: float) -> bool:
    """Whether the frames of a plane follow or precede those of the first at a constant offset below one frame."""
    n = min(len(clock), len(first))
    offset = clock[:n] - first[:n]
    return bool(np.ptp(offset) <= SAME_OFFSET * frame_s and np.abs(offset).max() < frame_s)


def _within_a_frame(clock: Float64Array, reference: Float64Array, frame_s: float) -> bool:
    """Whether every frame of the reference is at most one frame away from one of the clock."""
    if len(clock) < 2 or not (np.diff(clock) > 0).all():
        return False
    after = np.clip(np.searchsorted(clock, reference), 1, len(clock) - 1)
    distance = np.minimum(np.abs(reference - clock[after - 1]), np.abs(clock[after] - reference))
    return bool((distance <= 1.01 * frame_s).all())


def _described(name: str, clock: Float64Array) -> str:
    rate = f" at {1 / np.median(np.diff(clock)):.4g} Hz" if len(clock) > 1 else ""
    return (
        f"{name} has {counted(len(clock), 'frame')}{rate} from {clock[0]:.4g} s"
        if len(clock)
        else f"{name} has no frames"
    )


def _by_number(name: str) -> list[Any]:
    """A sort key that places plane10 after plane2."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
