"""Files written by `nwb_write`, read back exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from synapsnet.array_types import FloatArray
from synapsnet.connectome import MATRICES, Connectome
from synapsnet.errors import InputError
from synapsnet.io.nwb_tables import ragged
from synapsnet.io.nwb_units import stated_time
from synapsnet.io.nwb_write import FORMAT_VERSION, MODULE
from synapsnet.io.plausible import increasing
from synapsnet.memmap import filled, is_large
from synapsnet.recording import TROUGH_TO_PEAK, Recording, Simulation, neuron_table
from synapsnet.weight_course import WeightCourse

if TYPE_CHECKING:
    from pynwb import NWBFile
    from pynwb.core import DynamicTable


def facts(file: NWBFile, path: Path) -> dict[str, Any]:
    """The facts that `nwb_write` stored about the file; empty for a file of another program."""
    if MODULE not in file.processing or "about" not in file.processing[MODULE].data_interfaces:
        return {}
    table = file.processing[MODULE]["about"]
    about = {str(name): json.loads(value) for name, value in zip(table["fact"][:], table["value"][:], strict=True)}
    if about["format_version"] > FORMAT_VERSION:
        raise InputError(f"{path} was written by a newer version of SynapsNet; update SynapsNet to read it.")
    return about


def own_simulation(file: NWBFile, about: dict[str, Any]) -> Simulation:
    """The simulation in a file with these facts."""
    neurons = _neurons(file)
    connectome = _connectome(file, len(neurons), about)
    assert connectome is not None
    behaviour = None
    if names := about.get("behaviour"):
        times = file.processing["behavior"][next(iter(names))].timestamps[:]
        behaviour = _behaviour(file, names, times, nap.IntervalSet(times[0], times[-1]))
    course = None
    if start_s := about.get("weight_course_start_s"):
        table = file.processing[MODULE]["weight_course"]
        course = WeightCourse(
            n_neurons=len(neurons),
            start_s=np.array(start_s),
            post=table["post"][:],
            pre=table["pre"][:],
            weight=np.asarray(table["weight"][:]).reshape(-1, len(start_s)).T,
            delay_s=table["delay_s"][:],
            unit=connectome.unit,
        )
    return Simulation(_spike_times(file.units), neurons, connectome, behaviour, about["metadata"], course)


def _behaviour(file: NWBFile, names: dict[str, Any], times: FloatArray, epochs: nap.IntervalSet) -> nap.TsdFrame | None:
    if not names:
        return None
    variables = [file.processing["behavior"][name].data[:] for name in names]
    return nap.TsdFrame(t=times, d=np.stack(variables, axis=1), time_support=epochs, columns=list(names.values()))


def own_recording(file: NWBFile, about: dict[str, Any]) -> Recording:
    """The recording in a file with these facts."""
    if about["modality"] == "calcium":
        series = file.processing["ophys"]["DfOverF"]["activity"]
    else:
        series = file.processing["ecephys"]["spike_counts"]
    intervals = file.intervals["valid_epochs"]
    epochs = nap.IntervalSet(intervals["start_time"][:], intervals["stop_time"][:])
    times = series.timestamps[:]
    neurons = _neurons(file)
    return Recording(
        activity=nap.TsdFrame(t=times, d=_activity(series.data), time_support=epochs),
        dt_s=about["dt_s"],
        modality=about["modality"],
        neurons=neurons,
        behaviour=_behaviour(file, about["behaviour"], times, epochs),
        spike_times=None if file.units is None else _spike_times(file.units),
        connectome=_connectome(file, len(neurons), about),
        metadata=about["metadata"],
        deconvolved=about.get("deconvolved", False),
    )


def _activity(data: Any) -> npt.NDArray[np.float32]:
    """(T, N) values, read in blocks only if they may not fit into memory, because that decompresses some twice."""
    if not is_large(data.shape):
        return cast(npt.NDArray[np.float32], data[:])

    def fill(block: npt.NDArray[np.float32], start: int) -> None:
        block[:] = data[start : start + len(block)]

    return filled(data.shape, fill)


def _neurons(file: NWBFile) -> pd.DataFrame:
    table = file.processing[MODULE]["neurons"]
    position = np.stack([table[name][:] for name in ("x_um", "y_um", "z_um")], axis=1)
    return neuron_table(
        len(table),
        ids=table["neuron_id"][:],
        cell_type=table["cell_type"][:],
        position_um=position,
        area=table["area"][:],
        trough_to_peak_ms=table[TROUGH_TO_PEAK][:] if TROUGH_TO_PEAK in table.colnames else None,
    )


def _connectome(file: NWBFile, n_neurons: int, about: dict[str, Any]) -> Connectome | None:
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
    return Connectome(**matrices, signed=about.get("connectome_signed", True), unit=about["connectome_unit"])


def _spike_times(units: DynamicTable) -> nap.TsGroup:
    """Spike trains 0..N-1 while all of them were observed."""
    trains = [increasing(train) for train in ragged(units, "spike_times")]
    support = stated_time(units, trains)
    return nap.TsGroup({k: nap.Ts(train, time_support=support) for k, train in enumerate(trains)}, time_support=support)
