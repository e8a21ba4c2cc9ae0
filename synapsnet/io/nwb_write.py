"""Recordings and simulations as ordinary NWB files.

| what | where in the file |
|---|---|
| spike times, with cell types and positions | `units` |
| spike counts per bin | `processing/ecephys/spike_counts` (TimeSeries) |
| fluorescence | `processing/ophys/DfOverF/activity` (RoiResponseSeries) |
| behaviour, a TimeSeries for each variable | `processing/behavior` |
| valid epochs | `intervals/valid_epochs` |
| neuron table, ground truth, everything else | `processing/synapsnet`: `neurons`, `connectome`, `about` |
| ground truth that changes, a weight for each time | `processing/synapsnet/weight_course` |

pynwb takes over a second to import, so it is imported where it is used.

Rübel et al. 2022, The Neurodata Without Borders ecosystem for neurophysiological data science, eLife 11:e78362.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pynapple as nap

from synapsnet.array_types import IndexArray
from synapsnet.connectome import MATRICES, MOST_PAIRS, Connectome
from synapsnet.files import atomic_path
from synapsnet.memmap import give_back, is_large
from synapsnet.recording import TROUGH_TO_PEAK, Recording, Simulation
from synapsnet.weight_course import WeightCourse

if TYPE_CHECKING:
    from pynwb import NWBFile, TimeSeries
    from pynwb.core import DynamicTable
    from pynwb.ophys import PlaneSegmentation

MODULE = "synapsnet"
FORMAT_VERSION = 1
SPIKE_RESOLUTION_S = 1e-9  # pynapple rounds times to it
CHUNK_VALUES, CHUNKS_AT_ONCE = 250_000, 16  # of an array that is written block by block

NEURON_COLUMNS = {
    "neuron_id": "name of the neuron",
    "cell_type": "cell type",
    "x_um": "position in micrometres",
    "y_um": "position in micrometres",
    "z_um": "position in micrometres",
    "area": "brain area",
    TROUGH_TO_PEAK: "milliseconds from the trough of the mean waveform to the peak after it",
}


def write_recording(recording: Recording, path: str | Path) -> None:
    """Write a recording, with its ground truth if it has one, to an NWB file.

    Raises
    ------
    InputError
        If `path` cannot be written to; what was there stays.
    """
    file = _new_file(f"{recording.modality} recording of {recording.n_neurons} neurons", recording.neurons)
    names = _add_series(file, recording)
    if recording.spike_times is not None:
        _add_units(file, recording.spike_times, recording.neurons)
    if recording.connectome is not None:
        add_connectome(file, recording.connectome)
    about = {
        "modality": recording.modality,
        "dt_s": recording.dt_s,
        "behaviour": names,
        "metadata": recording.metadata,
        "deconvolved": recording.deconvolved,
        "connectome_unit": None if recording.connectome is None else recording.connectome.unit,
        "connectome_signed": recording.connectome is None or recording.connectome.signed,
    }
    _add_about(file, "recording", about)
    _write(file, path)


def write_simulation(simulation: Simulation, path: str | Path) -> None:
    """Write a simulation to an NWB file: spike times, neurons, ground truth.

    Raises
    ------
    InputError
        If `path` cannot be written to; what was there stays.
    """
    file = _new_file(f"simulated network of {simulation.n_neurons} neurons", simulation.neurons)
    _add_units(file, simulation.spike_times, simulation.neurons)
    add_connectome(file, simulation.connectome)
    names: dict[str, Any] = {}
    if simulation.behaviour is not None:
        names = _add_behaviour(file, simulation.behaviour, _compressed(simulation.behaviour.times()))
    about = {
        "behaviour": names,
        "metadata": simulation.metadata,
        "connectome_unit": simulation.connectome.unit,
    }
    if simulation.weight_course is not None:
        _add_weight_course(file, simulation.weight_course)
        about["weight_course_start_s"] = simulation.weight_course.start_s.tolist()
    _add_about(file, "simulation", about)
    _write(file, path)


def _new_file(description: str, neurons: pd.DataFrame) -> NWBFile:
    from pynwb import NWBFile
    from pynwb.file import Subject

    file = NWBFile(
        session_description=description,
        identifier=str(uuid4()),
        session_start_time=datetime.now(UTC),  # a simulation has no other date
        experiment_description="Written by the SynapsNet testbed.",
        # NWB wants a subject; "P0D/" is "any age", and "U" is unknown
        subject=Subject(subject_id="unknown", age="P0D/", sex="U", description="not stated, or a simulated network"),
    )
    file.create_processing_module(MODULE, "What a SynapsNet recording holds beyond activity and behaviour.")
    add_neurons(file, neurons)
    return file


def add_neurons(file: NWBFile, neurons: pd.DataFrame) -> None:
    """Add the table `neurons`."""
    from pynwb.core import DynamicTable

    table = DynamicTable(
        name="neurons",
        description="All neurons, in the order of the activity's columns.",
        id=list(range(len(neurons))),
    )
    _add_neuron_columns(table, neurons)
    file.processing[MODULE].add(table)


def _add_neuron_columns(table: DynamicTable, neurons: pd.DataFrame) -> None:
    for name, description in NEURON_COLUMNS.items():
        values = neurons.get("id" if name == "neuron_id" else name)
        if values is not None:
            table.add_column(name=name, description=description, data=values.tolist())


def _add_series(file: NWBFile, recording: Recording) -> dict[str, Any]:
    """Activity, behaviour and epochs; returns the variable behind each behavioural series."""
    from pynwb.epoch import TimeIntervals

    add = _add_calcium if recording.modality == "calcium" else _add_counts
    series = add(file, recording)
    names = {} if recording.behaviour is None else _add_behaviour(file, recording.behaviour, series)
    epochs = TimeIntervals(name="valid_epochs", description="Epochs without gaps: trial edges lie between them.")
    for start, end in recording.epochs.values:
        epochs.add_interval(start_time=float(start), stop_time=float(end))
    file.add_time_intervals(epochs)
    return names


def _add_behaviour(file: NWBFile, behaviour: nap.TsdFrame, timestamps: Any) -> dict[str, Any]:
    """A series for each variable; the others share the times of the first."""
    from pynwb import TimeSeries

    names: dict[str, Any] = {}
    module = file.create_processing_module("behavior", "Behavioural variables.")
    for k, column in enumerate(np.asarray(behaviour.columns).tolist()):
        name = _series_name(column, taken=set(names))
        names[name] = column
        data = _compressed(behaviour.values[:, k])
        series = TimeSeries(name=name, data=data, unit="a.u.", timestamps=timestamps, description=str(column))
        module.add(series)
        if not isinstance(timestamps, TimeSeries):
            timestamps = series
    return names


def _add_counts(file: NWBFile, recording: Recording) -> TimeSeries:
    from pynwb import TimeSeries

    series = TimeSeries(
        name="spike_counts",
        description=f"Spikes per bin of {recording.dt_s:g} s, one column a neuron; times are bin centres.",
        data=_compressed(recording.values),
        timestamps=_compressed(recording.activity.times()),
        unit="count",
    )
    file.create_processing_module("ecephys", "Binned spikes.").add(series)
    return series


def _add_calcium(file: NWBFile, recording: Recording) -> TimeSeries:
    from pynwb.ophys import DfOverF, RoiResponseSeries

    segmentation = _add_segmentation(file, recording)
    fluorescence = DfOverF()
    file.processing["ophys"].add(fluorescence)  # before the series, whose ROIs are looked up in the file
    rois = segmentation.create_roi_table_region("all neurons", region=list(range(recording.n_neurons)))
    series = RoiResponseSeries(
        name="activity",
        description="dF/F, or deconvolved activity, one column a neuron.",
        data=_compressed(recording.values),
        timestamps=_compressed(recording.activity.times()),
        rois=rois,
        unit="a.u.",
    )
    fluorescence.add_roi_response_series(series)
    return series


def _add_segmentation(file: NWBFile, recording: Recording) -> PlaneSegmentation:
    """The imaging plane that NWB requires for fluorescence; NaN where nothing is known about it."""
    from pynwb.ophys import ImageSegmentation, OpticalChannel

    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="channel", description="not stated", emission_lambda=np.nan),
        description="Plane of all neurons.",
        device=file.create_device(name="microscope", description="not stated, or simulated"),
        excitation_lambda=np.nan,
        indicator="not stated",
        location="not stated",
        imaging_rate=1 / recording.dt_s,
    )
    module = file.create_processing_module("ophys", "Fluorescence.")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    rois: PlaneSegmentation = segmentation.create_plane_segmentation(
        name="neurons",
        description="One ROI a neuron. A recording keeps no masks; NWB wants one, here a single pixel.",
        imaging_plane=plane,
    )
    for k in range(recording.n_neurons):
        rois.add_roi(pixel_mask=[(k, 0, 1.0)])
    _add_neuron_columns(rois, recording.neurons)
    return rois


def _add_units(file: NWBFile, spike_times: nap.TsGroup, neurons: pd.DataFrame) -> None:
    from pynwb.misc import Units

    units = Units(name="units", description="Spike times.", resolution=SPIKE_RESOLUTION_S)
    observed = spike_times.time_support.values
    for k in spike_times.index:
        units.add_unit(spike_times=spike_times[k].times(), obs_intervals=observed)
    _add_neuron_columns(units, neurons)
    file.units = units


def add_connectome(
    file: NWBFile,
    connectome: Connectome,
    name: str = "connectome",
    description: str = "Ground truth: one row for each connection.",
    rows: np.ndarray[Any, np.dtype[np.intp]] | None = None,
) -> None:
    """Add a table of connections between neurons, given their rows in the table `neurons` (default: all)."""
    from pynwb.core import DynamicTable

    post, pre = _worth_a_row(connectome)
    table = DynamicTable(name=name, description=description, id=list(range(len(pre))))
    for end, of in (("pre", pre), ("post", post)):
        about = f"row of the {end}synaptic neuron in the table 'neurons'"
        table.add_column(name=end, description=about, data=of if rows is None else rows[of])
    descriptions = {
        "weight": f"weight in {connectome.unit}, positive is excitatory",
        "delay_s": "transmission delay in seconds",
        "standard_error": "standard error of the weight",
        "p_value": "two-sided p-value",
        "local_fdr": "probability that there is no connection",
        "effective": f"weight in {connectome.unit} with what passes through neurons that were not recorded",
        "known": "whether the pair was tested; all pairs without a row were",
    }
    for kind, values in connectome.values_of(post, pre).items():
        table.add_column(name=kind, description=descriptions[kind], data=values)
    file.processing[MODULE].add(table)


def _worth_a_row(connectome: Connectome) -> tuple[IndexArray, IndexArray]:
    """Post- and presynaptic neurons of the pairs of which anything is known; of very many, those that are surest."""
    n = connectome.n_neurons
    if connectome.lists_every_pair:
        known = np.zeros_like(connectome.adjacency)
        for kind, matrix in connectome.matrices.items():
            nothing = MATRICES[kind]
            known |= ~np.isnan(matrix) if np.isnan(nothing) else matrix != nothing
        index = np.flatnonzero(known)
        if len(index) <= MOST_PAIRS or not connectome.judges_significance:
            return np.divmod(index, n)
    (post, pre), (also_post, also_pre, _) = connectome.surest(MOST_PAIRS), connectome.reported()
    return np.divmod(np.union1d(post * n + pre, also_post * n + also_pre), n)


def _add_weight_course(file: NWBFile, course: WeightCourse) -> None:
    from pynwb.core import DynamicTable

    table = DynamicTable(
        name="weight_course",
        description="Ground truth as a function of time: one row for each connection, 0 while there is none.",
        id=list(range(len(course.post))),
    )
    for end in ("pre", "post"):
        about = f"row of the {end}synaptic neuron in the table 'neurons'"
        table.add_column(name=end, description=about, data=getattr(course, end))
    table.add_column(name="delay_s", description="transmission delay in seconds", data=course.delay_s)
    about = f"weight in {course.unit} from each of the times weight_course_start_s of the table 'about' on"
    table.add_column(name="weight", description=about, data=_compressed(course.weight.T))
    file.processing[MODULE].add(table)


def _add_about(file: NWBFile, kind: str, facts: dict[str, Any]) -> None:
    from pynwb.core import DynamicTable

    facts = {"kind": kind, "format_version": FORMAT_VERSION, **facts}
    table = DynamicTable(name="about", description="Facts by name; values are JSON.", id=list(range(len(facts))))
    table.add_column(name="fact", description="name of the fact", data=list(facts))
    table.add_column(name="value", description="JSON", data=[json.dumps(value) for value in facts.values()])
    file.processing[MODULE].add(table)


def _series_name(variable: object, taken: set[str]) -> str:
    """A name that HDF5 and NWB accept."""
    name = re.sub(r"[^\w. -]", "_", str(variable)).strip(". ") or "variable"
    while name in taken:
        name += "_"
    return name


def _compressed(data: np.ndarray[Any, Any]) -> Any:
    from pynwb import H5DataIO

    if data.ndim == 2 and is_large(data.shape):
        return H5DataIO(_block_by_block(data), compression="gzip")
    return H5DataIO(np.ascontiguousarray(data), compression="gzip")


def _block_by_block(values: np.ndarray[Any, Any]) -> Any:
    """What writes a large array without mapping all of it into memory."""
    from hdmf.data_utils import GenericDataChunkIterator

    class Blocks(GenericDataChunkIterator):
        def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray[Any, Any]:
            block = values[selection].copy()
            give_back(values)
            return block

        def _get_maxshape(self) -> tuple[int, ...]:
            return values.shape

        def _get_dtype(self) -> np.dtype[Any]:
            return values.dtype

    n_rows, n_columns = values.shape
    chunk = max(1, min(n_rows, CHUNK_VALUES // n_columns))
    return Blocks(chunk_shape=(chunk, n_columns), buffer_shape=(min(n_rows, CHUNKS_AT_ONCE * chunk), n_columns))


def _write(file: NWBFile, path: str | Path) -> None:
    """Write the file in memory first, because HDF5 may crash the process on a full disk."""
    import h5py
    from pynwb import NWBHDF5IO

    with (
        h5py.File("memory", "w", driver="core", backing_store=False, block_size=2**24) as image,
        NWBHDF5IO(file=image, mode="w") as io,
    ):
        io.write(file)
        image.flush()
        content = image.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
