"""NWB files: our own, bit for bit as they were written, and those of others.

Of a file that SynapsNet did not write, the spike times in `units` are binned, or else the dF/F or
fluorescence in `processing/ophys` is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.errors import InputError
from synapsnet.io.nwb_write import FORMAT_VERSION, MODULE
from synapsnet.io.reader import Notify
from synapsnet.recording import MATRICES, Connectome, FloatArray, Recording, Simulation, neuron_table

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.core import DynamicTable
    from pynwb.ophys import RoiResponseSeries

LAYOUT = "an NWB file (.nwb)"

DEFAULT_BIN_S = 0.005


def recognises(path: Path) -> bool:
    """Is `path` an NWB file, judged by its name."""
    return path.is_file() and path.suffix == ".nwb"


def read(path: Path, *, notify: Notify, bin_s: float | None = None) -> Recording:
    """Read a recording.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times. Refused for a file that holds activity on a grid.

    Returns
    -------
    Recording
        One of our recordings comes back exactly. One of our simulations becomes its binned spikes,
        with the ground truth.

    Raises
    ------
    InputError
        If the file is not a whole NWB file, holds nothing that can be read, or comes from a newer version.
    """
    with _opened(path) as file:
        about = _about(file, path)
        if about.get("kind") == "simulation":
            return _binned(_simulation(file, about), bin_s, notify)
        if about.get("kind") != "recording" and file.units is not None and "spike_times" in file.units.colnames:
            return _foreign_units(file, path, bin_s, notify)
        if bin_s is not None:
            raise InputError(f"{path} holds no spike times to bin but activity on a grid; leave out bin_s (--bin).")
        return _recording(file, about) if about else _foreign_ophys(file, path, notify)


def read_simulation(path: str | Path) -> Simulation:
    """Read what `write_simulation` wrote, exactly.

    Raises
    ------
    InputError
        If the file is not a whole NWB file or not a simulation of ours.
    """
    with _opened(Path(path)) as file:
        about = _about(file, Path(path))
        if about.get("kind") != "simulation":
            raise InputError(
                f"{path} is not a simulation but {'a recording' if about else 'an NWB file of another program'}; "
                "make one with `synapsnet simulate`."
            )
        return _simulation(file, about)


def is_simulation(path: Path) -> bool:
    """Is the NWB file at `path` a simulation of ours; InputError as in `read`."""
    with _opened(path) as file:
        return bool(_about(file, path).get("kind") == "simulation")


@contextmanager
def _opened(path: Path) -> Iterator[NWBFile]:
    """The opened file; damage, found at once or while reading, becomes an InputError."""
    from pynwb import NWBHDF5IO

    if not path.is_file():
        raise InputError(f"{path} does not exist; check the path.")
    damaged = f"{path} is not a whole NWB file (truncated, or of another format); copy or download it again."
    try:
        io = NWBHDF5IO(str(path), "r")
        file = io.read()
    except Exception as error:  # h5py, hdmf and pynwb each have their own errors for a damaged file
        raise InputError(damaged) from error
    with io:
        try:
            yield file
        except (OSError, KeyError) as error:
            raise InputError(damaged) from error


def _about(file: NWBFile, path: Path) -> dict[str, Any]:
    """What `nwb_write` noted about the file; empty for a file of another program."""
    if MODULE not in file.processing or "about" not in file.processing[MODULE].data_interfaces:
        return {}
    table = file.processing[MODULE]["about"]
    about = {str(name): json.loads(value) for name, value in zip(table["fact"][:], table["value"][:], strict=True)}
    if about["format_version"] > FORMAT_VERSION:
        raise InputError(f"{path} was written by a newer version of SynapsNet; update SynapsNet to read it.")
    return about


def _simulation(file: NWBFile, about: dict[str, Any]) -> Simulation:
    neurons = _neurons(file)
    connectome = _connectome(file, len(neurons), about["connectome_unit"])
    assert connectome is not None
    behaviour = None
    if names := about.get("behaviour"):
        times = file.processing["behavior"][next(iter(names))].timestamps[:]
        behaviour = _behaviour(file, names, times, nap.IntervalSet(times[0], times[-1]))
    return Simulation(_spike_times(file.units), neurons, connectome, behaviour, about["metadata"])


def _behaviour(file: NWBFile, names: dict[str, Any], times: FloatArray, epochs: nap.IntervalSet) -> nap.TsdFrame | None:
    if not names:
        return None
    variables = [file.processing["behavior"][name].data[:] for name in names]
    return nap.TsdFrame(t=times, d=np.stack(variables, axis=1), time_support=epochs, columns=list(names.values()))


def _recording(file: NWBFile, about: dict[str, Any]) -> Recording:
    if about["modality"] == "calcium":
        series = file.processing["ophys"]["DfOverF"]["activity"]
    else:
        series = file.processing["ecephys"]["spike_counts"]
    intervals = file.intervals["valid_epochs"]
    epochs = nap.IntervalSet(intervals["start_time"][:], intervals["stop_time"][:])
    times = series.timestamps[:]
    neurons = _neurons(file)
    return Recording(
        activity=nap.TsdFrame(t=times, d=series.data[:], time_support=epochs),
        dt_s=about["dt_s"],
        modality=about["modality"],
        neurons=neurons,
        behaviour=_behaviour(file, about["behaviour"], times, epochs),
        spike_times=None if file.units is None else _spike_times(file.units),
        connectome=_connectome(file, len(neurons), about["connectome_unit"]),
        metadata=about["metadata"],
        deconvolved=about.get("deconvolved", False),
    )


def _neurons(file: NWBFile) -> pd.DataFrame:
    table = file.processing[MODULE]["neurons"]
    position = np.stack([table[name][:] for name in ("x_um", "y_um", "z_um")], axis=1)
    return neuron_table(
        len(table),
        ids=table["neuron_id"][:],
        cell_type=table["cell_type"][:],
        position_um=position,
        area=table["area"][:],
    )


def _connectome(file: NWBFile, n_neurons: int, unit: str) -> Connectome | None:
    if "connectome" not in file.processing[MODULE].data_interfaces:
        return None
    table = file.processing[MODULE]["connectome"]
    rows = table["post"][:], table["pre"][:]

    matrices = {}
    for name, fill in MATRICES.items():
        if name in table.colnames:
            values = table[name][:]
            matrices[name] = np.full((n_neurons, n_neurons), fill, dtype=values.dtype)
            matrices[name][rows] = values
    return Connectome(**matrices, unit=unit)


def _spike_times(units: DynamicTable) -> nap.TsGroup:
    """Spike trains 0..N-1 while all of them were observed; where that is not noted, between the outermost spikes."""
    trains = [np.sort(np.asarray(units["spike_times"][k], float)) for k in range(len(units))]
    spikes = np.concatenate([*trains, np.zeros(0)])
    if "obs_intervals" in units.colnames:
        observed = [np.asarray(units["obs_intervals"][k], float) for k in range(len(units))]
        distinct = {intervals.tobytes(): intervals for intervals in observed}.values()
        support = reduce(nap.IntervalSet.intersect, [nap.IntervalSet(each[:, 0], each[:, 1]) for each in distinct])
    elif len(np.unique(spikes)) > 1:
        support = nap.IntervalSet(spikes.min(), spikes.max())
    else:
        raise InputError("The file holds spikes at fewer than 2 times: nothing can be inferred from it.")
    return nap.TsGroup({k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}, time_support=support)


def _foreign_units(file: NWBFile, path: Path, bin_s: float | None, notify: Notify) -> Recording:
    units = file.units
    n = len(units)
    if n < 2:
        raise InputError(f"A recording needs at least 2 neurons; `units` in {path} has {n}.")
    types = [str(name) for name in units["cell_type"][:]] if "cell_type" in units.colnames else None
    spikes = _spike_times(units)
    neurons = neuron_table(n, ids=[str(k) for k in units.id[:]], cell_type=types)
    return _count(spikes, neurons, bin_s, notify, metadata={"source": path.name, "reader": "nwb"})


def _binned(simulation: Simulation, bin_s: float | None, notify: Notify) -> Recording:
    counts = _count(
        simulation.spike_times,
        simulation.neurons,
        bin_s,
        notify,
        connectome=simulation.connectome,
        metadata=simulation.metadata,
    )
    known = simulation.behaviour_on_grid(counts.dt_s, counts.n_steps)
    if known is None:
        return counts
    values, names = known
    behaviour = nap.TsdFrame(
        t=counts.activity.times(), d=values.astype(np.float32), time_support=counts.epochs, columns=names
    )
    return replace(counts, behaviour=behaviour)


def _count(
    spikes: nap.TsGroup,
    neurons: pd.DataFrame,
    bin_s: float | None,
    notify: Notify,
    *,
    metadata: dict[str, Any],
    connectome: Connectome | None = None,
) -> Recording:
    dt_s = DEFAULT_BIN_S if bin_s is None else float(bin_s)
    if not (np.isfinite(dt_s) and dt_s > 0):
        raise InputError(f"bin_s (--bin) must be a positive number of seconds; got {bin_s}.")
    epochs = spikes.time_support
    bins = np.floor((epochs.end - epochs.start) / dt_s + 1e-6)  # whole bins only: a cut one would count too few
    whole = bins > 0
    if not whole.any():
        raise InputError(f"No epoch is as long as one bin of {dt_s:g} s; use a shorter one (--bin).")
    ends = epochs.start[whole] + bins[whole] * dt_s
    counts = spikes.count(dt_s, ep=nap.IntervalSet(epochs.start[whole], ends), dtype=np.float32)
    notify(f"Spike times are binned at {dt_s * 1e3:g} ms.")
    return Recording(
        activity=counts,
        dt_s=dt_s,
        modality="spikes",
        neurons=neurons,
        spike_times=spikes,
        connectome=connectome,
        metadata=metadata,
    )


def _foreign_ophys(file: NWBFile, path: Path, notify: Notify) -> Recording:
    series = _roi_series(file, path, notify)
    times, dt_s = _frame_times(series, path)
    gaps = np.flatnonzero(np.diff(times) > 1.5 * dt_s) + 1
    first = np.concatenate([[0], gaps])
    last = np.concatenate([gaps, [len(times)]]) - 1
    epochs = nap.IntervalSet(times[first] - dt_s / 4, times[last] + dt_s / 4)
    if len(gaps):
        notify(f"{len(gaps)} gaps between frames became epoch borders.")
    values = np.asarray(series.data[:], np.float32).reshape(len(times), -1)
    return Recording(
        activity=nap.TsdFrame(t=times, d=values, time_support=epochs),
        dt_s=dt_s,
        modality="calcium",
        neurons=neuron_table(values.shape[1], ids=[str(k) for k in series.rois.data[:]]),
        metadata={"source": path.name, "reader": "nwb", "series": series.name},
    )


def _roi_series(file: NWBFile, path: Path, notify: Notify) -> RoiResponseSeries:
    """dF/F if there is one, else fluorescence."""
    interfaces = file.processing["ophys"].data_interfaces if "ophys" in file.processing else {}
    for name in ("DfOverF", "Fluorescence"):
        found = interfaces[name].roi_response_series if name in interfaces else {}
        if found:
            chosen, *others = sorted(found)
            notify(f"Reading {name}/{chosen}" + (f"; left out: {', '.join(others)}." if others else "."))
            return found[chosen]
    raise InputError(
        f"{path} has neither spike times in `units` nor DfOverF or Fluorescence in `processing/ophys`; "
        "export one of them."
    )


def _frame_times(series: RoiResponseSeries, path: Path) -> tuple[npt.NDArray[np.float64], float]:
    n = len(series.data)
    if n < 2:
        raise InputError(f"{series.name} in {path} has {n} frames; at least 2 are needed.")
    if series.timestamps is None:
        return (series.starting_time or 0.0) + np.arange(n) / series.rate, 1 / series.rate
    times = np.asarray(series.timestamps[:], float)
    dt_s = float(np.median(np.diff(times)))
    if not dt_s > 0:
        raise InputError(f"The timestamps of {series.name} in {path} do not increase; repair the file.")
    return times, dt_s
