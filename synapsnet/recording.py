"""The data model: what every simulator makes, every reader returns and every method receives.

Times are in seconds, positions in micrometres, connectivity matrices are `[post, pre]` and their
diagonal (self-connections) is never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.activity_checks import (
    check_activity,
    check_grid,
    check_magnitude,
    check_size,
    extremes,
    names_of,
    rows_of_epochs,
)
from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.memmap import blocks, filled, give_back
from synapsnet.notebook import table
from synapsnet.weight_course import WeightCourse
from synapsnet.wording import counted

FEW_SPIKES = 50
PARTS, SILENT_PARTS = 10, 5

Modality = Literal["calcium", "spikes"]

NEURON_COLUMNS = ("id", "cell_type", "x_um", "y_um", "z_um", "area")
TROUGH_TO_PEAK = "trough_to_peak_ms"  # one more column, where it is known of any neuron


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated network and all of its spikes, before anyone observes it.

    Attributes
    ----------
    spike_times : pynapple.TsGroup
        All spikes of neurons 0..N-1 in seconds; its time support is the simulated duration.
    neurons : DataFrame with N rows
        Columns `id`, `cell_type`, `x_um`, `y_um`, `z_um`, `area`; see `neuron_table`.
    connectome : Connectome
        Ground truth; where it changes, the mean over the duration.
    behaviour : pynapple.TsdFrame, (T, B), or None
        What an experimenter would know of the inputs, on a clock of its own: running speed, stimuli, light.
    metadata : dict
        JSON-serialisable facts about how it was made (network name, parameters, seed, versions).
    weight_course : WeightCourse or None
        Ground truth as a function of time, where it changes.
    """

    spike_times: nap.TsGroup
    neurons: pd.DataFrame
    connectome: Connectome
    behaviour: nap.TsdFrame | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    weight_course: WeightCourse | None = None

    def __post_init__(self) -> None:
        n = self.connectome.n_neurons
        if len(self.spike_times) != n or len(self.neurons) != n:
            raise InputError(
                f"A simulation of {n} neurons needs {n} spike trains and {n} rows in its neuron table; "
                f"got {len(self.spike_times)} and {len(self.neurons)}."
            )

    @property
    def n_neurons(self) -> int:
        return self.connectome.n_neurons

    @property
    def duration_s(self) -> float:
        return float(self.spike_times.time_support.tot_length())

    def select_neurons(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Simulation:
        """The simulation of the neurons at `indices`, in that order."""
        selected = [int(k) for k in indices]
        return replace(
            self,
            spike_times=_select_trains(self.spike_times, selected),
            neurons=self.neurons.iloc[selected].reset_index(drop=True),
            connectome=self.connectome.select(selected),
            weight_course=None if self.weight_course is None else self.weight_course.select(selected),
        )

    def between(self, start_s: float, stop_s: float) -> Simulation:
        """The simulation from one time to another, which becomes time 0; the truth is that of this time.

        Raises
        ------
        InputError
            If the simulation does not last from the one to the other.
        """
        if not 0 <= start_s < stop_s <= self.duration_s * (1 + 1e-9):
            raise InputError(
                f"A window must lie within the simulation's {self.duration_s:g} s; got {start_s:g} to {stop_s:g} s."
            )
        if self.connectome.effective is not None:
            raise InputError("This simulation is the visible part of another one; take a window of the whole.")
        behaviour = self.behaviour
        if behaviour is not None:
            times = behaviour.times()
            there = (times >= start_s) & (times < stop_s)
            behaviour = nap.TsdFrame(t=times[there] - start_s, d=behaviour.values[there], columns=behaviour.columns)
        course = self.weight_course
        return replace(
            self,
            spike_times=trains_between(self.spike_times, start_s, stop_s),
            connectome=self.connectome if course is None else course.mean(start_s, stop_s),
            behaviour=behaviour,
            metadata=self.metadata | {"window_s": [start_s, stop_s]},
            weight_course=None if course is None else course.between(start_s, stop_s),
        )

    def behaviour_on_grid(self, dt_s: float, n_steps: int) -> tuple[FloatArray, list[str]] | None:
        """(n_steps, B) mean of the behaviour in each time bin, and its names; None if there is no behaviour.

        A bin without a sample, as where bins are shorter than the behaviour's clock, has the one nearest to its middle.
        """
        if self.behaviour is None:
            return None
        times, values = self.behaviour.times(), self.behaviour.values
        step = np.minimum((times / dt_s + 1e-6).astype(int), n_steps)
        samples = np.bincount(step, minlength=n_steps + 1)[:n_steps]
        sums = [np.bincount(step, weights=column, minlength=n_steps + 1)[:n_steps] for column in values.T]
        means = np.stack(sums, axis=1) / np.maximum(samples, 1)[:, None]
        empty = np.flatnonzero(samples == 0)
        means[empty] = values[np.searchsorted((times[1:] + times[:-1]) / 2, (empty + 0.5) * dt_s)]
        return means, [str(name) for name in self.behaviour.columns]


@dataclass(frozen=True, eq=False)
class Recording:
    """Activity of N neurons on a uniform time grid, simulated or real.

    Attributes
    ----------
    activity : pynapple.TsdFrame, (T, N) float32
        Spike counts per bin, or fluorescence (dF/F or deconvolved). Times are bin centres. Its time
        support is the valid epochs: no window of a model may cross the border of one.
    dt_s : float
        Time step of the grid in seconds.
    modality : {"calcium", "spikes"}
    neurons : DataFrame with N rows
        Columns `id`, `cell_type`, `x_um`, `y_um`, `z_um`, `area`, and `trough_to_peak_ms` where it is known; see
        `neuron_table`.
    behaviour : pynapple.TsdFrame, (T, B), or None
        Behavioural variables on the same grid.
    spike_times : pynapple.TsGroup or None
        Spike times in seconds, where known: for spikes what was sorted, finer than the bins; for calcium ground truth,
        which only simulations have.
    connectome : Connectome or None
        Ground truth, of a simulation or from elsewhere (`synapsnet.io.truth`).
    metadata : dict
        JSON-serialisable facts about where it comes from.
    deconvolved : bool
        For calcium: whether the activity is deconvolved already, rather than fluorescence.

    Raises
    ------
    InputError
        If there are fewer than 2 neurons, NaN or infinite values, negative spike counts, steps within
        an epoch that differ from `dt_s`, or parts whose sizes do not match. `from_array` and every
        reader also refuse constant neurons (`check_varying`); a part of a recording may have them.
    """

    activity: nap.TsdFrame
    dt_s: float
    modality: Modality
    neurons: pd.DataFrame
    behaviour: nap.TsdFrame | None = None
    spike_times: nap.TsGroup | None = None
    connectome: Connectome | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    deconvolved: bool = False

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality):
            raise InputError(f"Recording modality must be 'calcium' or 'spikes'; got {self.modality!r}.")
        if not (np.isfinite(self.dt_s) and self.dt_s > 0):
            raise InputError(f"Recording dt_s must be a positive number of seconds; got {self.dt_s}.")
        check_activity(self.values, self.modality)
        check_grid(self.activity, self.dt_s)
        columns = list(self.neurons.columns)
        expected = [*NEURON_COLUMNS, TROUGH_TO_PEAK] if TROUGH_TO_PEAK in columns else list(NEURON_COLUMNS)
        if len(self.neurons) != self.n_neurons or columns != expected:
            raise InputError(
                f"The neuron table must have {self.n_neurons} rows and the columns {', '.join(expected)}; "
                f"got {counted(len(self.neurons), 'row')} and {', '.join(map(str, columns))}."
            )
        if self.behaviour is not None:
            if len(self.behaviour) != self.n_steps:
                raise InputError(
                    f"Behaviour must be on the grid of the activity, {self.n_steps} steps; got {len(self.behaviour)}. "
                    "Interpolate it onto the activity's times first."
                )
            if np.abs(self.behaviour.times() - self.activity.times()).max() > 0.01 * self.dt_s:
                raise InputError(
                    "Behaviour must be on the grid of the activity, but its times differ. "
                    "Interpolate it onto the activity's times first."
                )
            if not np.isfinite(self.behaviour.values).all():
                raise InputError("Behaviour holds NaN or infinite values; interpolate or drop them first.")
            if self.behaviour.values.size:
                check_magnitude(self.behaviour.values.min(axis=0), self.behaviour.values.max(axis=0), "Behaviour")
        if self.spike_times is not None and len(self.spike_times) != self.n_neurons:
            raise InputError(
                f"The spike times must be those of the {self.n_neurons} recorded neurons; got "
                f"{counted(len(self.spike_times), 'train')}."
            )
        if self.connectome is not None and self.connectome.n_neurons != self.n_neurons:
            raise InputError(
                f"The connectome must be that of the {self.n_neurons} recorded neurons; got one of "
                f"{self.connectome.n_neurons}."
            )

    def __repr__(self) -> str:
        return f"Recording({', '.join(f'{name}: {value}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        return table("Recording", self._facts())

    def _facts(self) -> dict[str, str]:
        """What a line of text or a notebook says of it."""
        n_epochs = len(self.segments)
        facts = {
            "activity": f"deconvolved {self.modality}" if self.deconvolved else self.modality,
            "neurons": str(self.n_neurons),
            "duration": f"{self.n_steps * self.dt_s:.6g} s in {counted(n_epochs, 'epoch')}",
            "time step": f"{self.dt_s * 1e3:.4g} ms",
        }
        if self.modality == "spikes":
            facts["mean rate"] = f"{self.mean_activity.mean() / self.dt_s:.3g} Hz"
        if self.behaviour is not None:
            facts["behaviour"] = ", ".join(map(str, self.behaviour.columns))
        facts["ground truth"] = "none" if self.connectome is None else repr(self.connectome)
        return facts

    @classmethod
    def from_array(
        cls,
        activity: npt.ArrayLike,
        dt_s: float,
        modality: Modality,
        *,
        segments: Sequence[int] | None = None,
        behaviour: npt.ArrayLike | None = None,
        behaviour_names: Sequence[str] | None = None,
        neurons: pd.DataFrame | None = None,
        connectome: Connectome | None = None,
        spike_times: nap.TsGroup | None = None,
        metadata: dict[str, Any] | None = None,
        deconvolved: bool = False,
        require_varying: bool = True,
    ) -> Recording:
        """A recording from plain arrays.

        Parameters
        ----------
        activity : (T, N) array
        dt_s : float
            Time step in seconds.
        modality : {"calcium", "spikes"}
        segments : sequence of int, optional
            Lengths in steps of the valid epochs (trials), in order; they sum to T. Epochs are laid out
            in time one step apart. Default: one epoch.
        behaviour : (T, B) array, optional
        behaviour_names : B names, optional
        neurons, connectome, spike_times, metadata, deconvolved
            As in the class.
        require_varying : bool
            Refuse constant neurons. A reader leaves that to `synapsnet.io.read`, which first drops
            the neurons that the user asked to drop.

        Raises
        ------
        InputError
            See the class; also if `activity` is not two-dimensional or `segments` do not sum to T.
        """
        values = np.asarray(activity, dtype=np.float32)
        if values.ndim != 2:
            raise InputError(f"Activity must be a time x neurons array; got {values.ndim} dimensions.")
        lengths = [len(values)] if segments is None else [int(n) for n in segments]
        if sum(lengths) != len(values) or min(lengths, default=0) < 1:
            raise InputError(
                f"Segment lengths must be positive and sum to the {len(values)} time steps; they sum to {sum(lengths)}."
            )
        # One empty step between epochs keeps them apart: pynapple merges epochs that touch.
        offsets = np.cumsum([0] + [n + 1 for n in lengths[:-1]])
        times = np.concatenate([(k + np.arange(n) + 0.5) * dt_s for k, n in zip(offsets, lengths, strict=True)])
        epochs = nap.IntervalSet(offsets * dt_s, (offsets + lengths) * dt_s)
        frame = None
        if behaviour is not None:
            matrix = np.asarray(behaviour, dtype=np.float32).reshape(len(np.atleast_1d(behaviour)), -1)
            if len(matrix) != len(times):
                raise InputError(f"Behaviour must have the activity's {len(times)} time steps; got {len(matrix)}.")
            names = list(behaviour_names or [f"behaviour_{k}" for k in range(matrix.shape[1])])
            frame = nap.TsdFrame(t=times, d=matrix, time_support=epochs, columns=names)
        recording = cls(
            activity=nap.TsdFrame(t=times, d=values, time_support=epochs),
            dt_s=float(dt_s),
            modality=modality,
            neurons=neuron_table(values.shape[1]) if neurons is None else neurons,
            behaviour=frame,
            spike_times=spike_times,
            connectome=connectome,
            metadata=metadata or {},
            deconvolved=deconvolved,
        )
        if require_varying:
            check_varying(recording)
        return recording

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """(T, N) activity as a plain array (not a copy)."""
        return cast(npt.NDArray[np.float32], self.activity.values)

    @property
    def mean_activity(self) -> npt.NDArray[np.float64]:
        """(N,) mean of each neuron, for spikes in spikes per step."""
        return np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks(self.values)], axis=0) / self.n_steps

    @property
    def behaviour_values(self) -> npt.NDArray[np.float32]:
        """(T, B) behaviour as a plain array; B is 0 if there is none."""
        if self.behaviour is None:
            return np.zeros((self.n_steps, 0), np.float32)
        return self.behaviour.values.astype(np.float32, copy=False)

    @property
    def n_steps(self) -> int:
        return int(self.activity.shape[0])

    @property
    def n_neurons(self) -> int:
        return int(self.activity.shape[1])

    @property
    def position_um(self) -> Float64Array:
        """(N, 3) positions in micrometres, NaN where they are not known."""
        return self.neurons[["x_um", "y_um", "z_um"]].to_numpy(dtype=np.float64)

    @property
    def epochs(self) -> nap.IntervalSet:
        """Valid epochs: gaps and trial edges lie between them."""
        return self.activity.time_support

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Rows `[start, stop)` of `values` that belong to each valid epoch."""
        return rows_of_epochs(self.activity)

    def select_rows(self, segments: Sequence[tuple[int, int]]) -> Recording:
        """The recording restricted to row ranges `[start, stop)`, each a part of one epoch."""
        times = self.activity.times()
        half = self.dt_s / 2
        epochs = nap.IntervalSet([times[a] - half for a, _ in segments], [times[b - 1] + half for _, b in segments])
        rows = np.concatenate([np.arange(a, b) for a, b in segments])

        def restrict(frame: nap.TsdFrame) -> nap.TsdFrame:
            values = _taken(frame.values, rows=rows)
            return nap.TsdFrame(t=times[rows], d=values, time_support=epochs, columns=frame.columns)

        return self._part(
            activity=restrict(self.activity),
            behaviour=None if self.behaviour is None else restrict(self.behaviour),
            spike_times=None if self.spike_times is None else self.spike_times.restrict(epochs),
        )

    def select_neurons(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Recording:
        """The recording of the neurons at `indices`, in that order."""
        selected = [int(k) for k in indices]
        values = _taken(self.values, columns=selected)
        return self._part(
            activity=nap.TsdFrame(t=self.activity.times(), d=values, time_support=self.epochs),
            neurons=self.neurons.iloc[selected].reset_index(drop=True),
            connectome=None if self.connectome is None else self.connectome.select(selected),
            spike_times=None if self.spike_times is None else _select_trains(self.spike_times, selected),
        )

    def without_ground_truth(self) -> Recording:
        """What a method may see: no connectome, no spikes behind calcium, no account of how the data were made."""
        sorted_spikes = self.spike_times if self.modality == "spikes" else None
        return self._part(connectome=None, spike_times=sorted_spikes, metadata={})

    def _part(self, **changes: Any) -> Recording:
        """Like `dataclasses.replace`, for what was checked as a whole: a part of it has nothing new but its size."""
        part = object.__new__(Recording)
        part.__dict__.update({**self.__dict__, **changes})
        check_size(part.values)
        return part


def neuron_table(
    n_neurons: int,
    *,
    ids: Sequence[str] | None = None,
    cell_type: Sequence[str] | None = None,
    position_um: FloatArray | None = None,
    area: Sequence[str] | None = None,
    trough_to_peak_ms: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Neuron table with the columns `NEURON_COLUMNS`, and `trough_to_peak_ms` where that is known.

    Parameters
    ----------
    n_neurons : int
    ids : N names, default "0".."N-1"
    cell_type, area : N names, default "unknown"
    position_um : (N, 3) array in micrometres, default NaN (unknown)
    trough_to_peak_ms : N numbers, optional
        For extracellular spikes: milliseconds from the trough of the mean waveform to the peak that follows it; NaN
        where not known. The waveforms of fast-spiking interneurons are narrow: below 0.4 ms in mouse cortex
        (Siegle et al. 2021, Nature 592:86).

    Raises
    ------
    InputError
        If a duration is not a positive number of milliseconds.
    """
    position = np.full((n_neurons, 3), np.nan) if position_um is None else np.asarray(position_um, float)
    table = pd.DataFrame(
        {
            "id": [str(k) for k in (range(n_neurons) if ids is None else ids)],
            "cell_type": ["unknown"] * n_neurons if cell_type is None else [str(k) for k in cell_type],
            "x_um": position[:, 0],
            "y_um": position[:, 1],
            "z_um": position[:, 2],
            "area": ["unknown"] * n_neurons if area is None else [str(k) for k in area],
        }
    )
    if trough_to_peak_ms is None:
        return table
    duration_ms = np.asarray(trough_to_peak_ms, float)
    if (duration_ms <= 0).any() or np.isinf(duration_ms).any():
        raise InputError("trough_to_peak_ms must be positive, or NaN where it is not known; other values were given.")
    return table if np.isnan(duration_ms).all() else table.assign(**{TROUGH_TO_PEAK: duration_ms})


def check_varying(recording: Recording) -> None:
    """Refuse a recording in which a neuron never changes.

    Raises
    ------
    InputError
        If a spike recording holds no spikes, or any neuron is constant.
    """
    lowest, highest = extremes(recording.values)
    if recording.modality == "spikes" and not (lowest.any() or highest.any()):
        raise InputError("The recording holds no spikes at all; check the bin size, the units and the epochs.")
    constant = lowest == highest
    if constant.any():
        raise InputError(
            f"Activity never changes in {names_of(constant)}: nothing can be inferred from a constant neuron; "
            "drop it (--min-rate does so for spikes) or record longer."
        )


def has_little_data(recording: Recording) -> npt.NDArray[np.bool_]:
    """(N,) which neurons have too few spikes to say anything of their connections, or all in one part of the time.

    That is fewer than `FEW_SPIKES`, or none in `SILENT_PARTS` of `PARTS` equal parts of the recording. What is inferred
    from normal distributions does not hold there. In a calcium recording, no neuron is marked.
    """
    if recording.modality != "spikes":
        return np.zeros(recording.n_neurons, bool)
    borders = np.unique(np.linspace(0, recording.n_steps, PARTS + 1).astype(int))
    counts = []
    for start, stop in pairwise(borders):
        part = recording.values[start:stop]
        counts.append(np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks(part)], axis=0))
    spikes = np.array(counts)
    return cast(npt.NDArray[np.bool_], (spikes.sum(axis=0) < FEW_SPIKES) | ((spikes == 0).sum(axis=0) >= SILENT_PARTS))


def _select_trains(spikes: nap.TsGroup, chosen: list[int]) -> nap.TsGroup:
    trains = {new: spikes[old] for new, old in enumerate(chosen)}
    return nap.TsGroup(trains, time_support=spikes.time_support)


def _taken(
    values: FloatArray, rows: npt.NDArray[np.intp] | None = None, columns: list[int] | None = None
) -> FloatArray:
    """A copy of these rows and columns, by default all of them."""
    if values.dtype != np.float32:
        part_of_rows = values if rows is None else values[rows]
        return part_of_rows if columns is None else part_of_rows[:, columns]
    n_rows = len(values) if rows is None else len(rows)

    def fill(block: npt.NDArray[np.float32], start: int) -> None:
        here = slice(start, start + len(block))
        part = values[here if rows is None else rows[here]]
        block[:] = part if columns is None else part[:, columns]
        give_back(values)

    return filled((n_rows, values.shape[1] if columns is None else len(columns)), fill)


def trains_between(spike_times: nap.TsGroup, start_s: float, stop_s: float) -> nap.TsGroup:
    """The spikes from one time to another, which becomes time 0."""
    trains = {}
    for k in spike_times.index:
        times = spike_times[k].times()
        trains[k] = nap.Ts(times[(times >= start_s) & (times < stop_s)] - start_s)
    return nap.TsGroup(trains, time_support=nap.IntervalSet(0.0, stop_s - start_s))


def binned_spike_times(recording: Recording) -> nap.TsGroup:
    """Approximate spike times of binned counts: the spikes of a bin, spread evenly over it.

    Interval statistics are accurate only if few intervals are shorter than a bin.
    """
    times, dt_s, epochs = recording.activity.times(), recording.dt_s, recording.epochs
    n_bins = np.sum([np.count_nonzero(block, axis=0) for block in blocks(recording.values)], axis=0)
    ends = np.cumsum(n_bins)
    steps, counts = np.empty((2, n_bins.sum()), np.int32)  # of one neuron after the other
    filled_to, start = ends - n_bins, 0
    for block in blocks(recording.values):  # which is read row by row
        neuron, step = np.nonzero(block.T)
        here = filled_to[neuron] + np.arange(len(neuron)) - np.searchsorted(neuron, neuron)
        steps[here], counts[here] = step + start, np.rint(block[step, neuron])
        filled_to += np.bincount(neuron, minlength=len(ends))
        start += len(block)
    trains = {}
    for k, (first, last) in enumerate(zip(ends - n_bins, ends, strict=True)):
        bins, n_spikes = steps[first:last], counts[first:last]
        rank = np.arange(n_spikes.sum()) - np.repeat(np.cumsum(n_spikes) - n_spikes, n_spikes)
        within = (rank + 0.5) / np.repeat(n_spikes, n_spikes) - 0.5
        trains[k] = nap.Ts(np.repeat(times[bins], n_spikes) + dt_s * within, time_support=epochs)
    return nap.TsGroup(trains, time_support=epochs)
