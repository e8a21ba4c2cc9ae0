"""NWB files, on this machine or at a URL: our own, bit for bit as they were written, and those of others.

Of a file that SynapsNet did not write, the spike times in `units` are binned (`nwb_units`), or else the dF/F or
fluorescence in `processing` is read (`nwb_ophys`), with the behaviour (`nwb_behaviour`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pynapple as nap

from synapsnet.errors import InputError
from synapsnet.io.clock import true_runs
from synapsnet.io.nwb_behaviour import add_behaviour, chosen_intervals
from synapsnet.io.nwb_file import name_of, opened, url_of
from synapsnet.io.nwb_ophys import read_ophys
from synapsnet.io.nwb_own import facts, own_recording, own_simulation
from synapsnet.io.nwb_tables import intervals
from synapsnet.io.nwb_units import read_units
from synapsnet.io.reader import Notify, border
from synapsnet.io.sorting import recording_of_units
from synapsnet.io.units import SECONDS, count_spikes
from synapsnet.recording import Recording, Simulation

if TYPE_CHECKING:
    from pynwb import NWBFile

LAYOUT = "an NWB file (.nwb, or a URL of one)"


def recognises(path: Path) -> bool:
    """Is `path` an NWB file, judged by its name, or a URL."""
    return (path.is_file() and path.suffix == ".nwb") or url_of(path) is not None


def read(
    path: Path,
    *,
    notify: Notify,
    bin_s: float | None = None,
    key: str | None = None,
    label: str | None = None,
    min_presence_ratio: float | None = None,
    max_isi_violations: float | None = None,
    time_unit: Literal["s", "ms", "us"] | None = None,
    fs_hz: float | None = None,
    observed: Literal["stated", "spikes"] = "stated",
    within: str | None = None,
    outside: str | None = None,
    behaviour: str | None = None,
) -> Recording:
    """Read a recording.

    Parameters
    ----------
    path : Path
        Of a file, or a URL, of which only what is needed is fetched.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times. Refused for a file that holds activity on a grid.
    key : str, optional
        Name of the series of fluorescence, or of what holds it, its module or imaging plane. Default: dF/F, or else
        the first that is no neuropil, background or baseline, nor deconvolved, with those like it of other planes.
    label : str, optional
        Units or ROIs of which labels are kept, separated by commas; `all` for any. Which columns label them, and with
        which words, is in `synapsnet.io.labels`. Default: `good`, where they are labelled, and ROIs of which nothing is
        said.
    min_presence_ratio : float, optional
        The least share of 100 equal parts of the time in which a unit spikes.
    max_isi_violations : float, optional
        The most that other neurons fire among a unit's spikes, relative to its rate, by intervals below 1.5 ms.
    time_unit : {"s", "ms", "us"}, optional
        Of spike times, or of the times of frames, where they are not in seconds as NWB wants them.
    fs_hz : float, optional
        Frame rate of imaging, in the place of the times or rate in the file.
    observed : {"stated", "spikes"}
        Units were observed in their `obs_intervals`, where the file has them, or from the first to the last spike.
    within, outside : str, optional
        Only the time within, or outside, the intervals of this name: `spontaneous`, `optogenetic_stimulation`...
    behaviour : str, optional
        Names of variables, separated by commas, or `none`. Default: running speed, pupil, wheel, motion energy,
        whisking, optogenetic series, and the tables of stimulus intervals, which are 1 while one lasts.

    Returns
    -------
    Recording
        One of our recordings comes back exactly. One of our simulations becomes its binned spikes,
        with the ground truth. Planes that were imaged at once are read together; `id` is then the ROI's, after the
        name of its plane (`plane1/7`). Values are in the units that series state (`conversion`, `offset`).

    Raises
    ------
    InputError
        If the file is not a whole NWB file, holds nothing that can be read, or comes from a newer version, an
        option is not for what it holds, or its planes were not imaged at once and none is chosen.
    """
    quality = {"min_presence_ratio": min_presence_ratio, "max_isi_violations": max_isi_violations}
    clock = {"time_unit": time_unit, "fs_hz": fs_hz}
    scaled = {} if time_unit is None else {"time_unit": time_unit}
    common = {"within": within, "outside": outside, "behaviour": behaviour}
    with opened(path, notify) as file:
        about = facts(file, path)
        if about.get("kind") == "simulation":
            _refuse(path, "is one of our simulations", {"key": key, "label": label} | clock | quality | common)
            return _binned(own_simulation(file, about), bin_s, notify)
        if about:
            options = {"bin_s": bin_s, "key": key, "label": label} | clock | quality | common
            _refuse(path, "holds activity on a grid, as we wrote it", options)
            return own_recording(file, about)
        if file.units is not None and "spike_times" in file.units.colnames:
            _refuse(path, "holds spike times", {"key": key, "fs_hz": fs_hz})
            second_s = 1.0 if time_unit is None else SECONDS[time_unit]
            units, times = read_units(file, notify, second_s=second_s, stated=observed != "spikes")
            recording = recording_of_units(
                units,
                _restricted(file, times, within, outside),
                bin_s=bin_s,
                label=label,
                min_presence_ratio=min_presence_ratio,
                max_isi_violations=max_isi_violations,
                notify=notify,
                metadata={"source": name_of(path), "reader": "nwb", "observed": observed} | scaled,
            )
        else:
            _refuse(path, "holds no spike times to bin but activity on a grid", {"bin_s": bin_s} | quality)
            recording = read_ophys(
                file, name_of(path), key=key, label=label, time_unit=time_unit, fs_hz=fs_hz, notify=notify
            )
            recording = _select_epochs(recording, _restricted(file, recording.epochs, within, outside))
        return add_behaviour(recording, file, behaviour, notify)


def _refuse(path: Path, what: str, options: dict[str, Any]) -> None:
    """Refuse options that are not for what a file holds."""
    if given := [name for name, value in options.items() if value is not None]:
        raise InputError(f"{path} {what}; leave out {', '.join(given)}{' (--bin)' if 'bin_s' in given else ''}.")


def _restricted(file: NWBFile, epochs: nap.IntervalSet, within: str | None, outside: str | None) -> nap.IntervalSet:
    """The epochs less `invalid_times`, within and outside the chosen intervals."""
    if file.invalid_times is not None:
        epochs = epochs.set_diff(intervals(file.invalid_times))
    if within is not None:
        epochs = epochs.intersect(chosen_intervals(file, within, "within"))
    if outside is not None:
        epochs = epochs.set_diff(chosen_intervals(file, outside, "outside"))
    if not len(epochs):
        raise InputError("Nothing of the recording is left; see its `invalid_times`, or choose others within, outside.")
    return epochs


def _select_epochs(recording: Recording, epochs: nap.IntervalSet) -> Recording:
    """The steps whose times lie in the epochs, each run of them an epoch."""
    inside = np.isfinite(epochs.in_interval(recording.activity))
    if inside.all():
        return recording
    if not inside.any():
        raise InputError("No frame of the recording is left; choose other intervals within, outside.")
    segments = [(start + a, start + b) for start, stop in recording.segments for a, b in true_runs(inside[start:stop])]
    return recording.select_rows(segments)


def read_simulation(path: str | Path) -> Simulation:
    """Read what `write_simulation` wrote, exactly.

    Raises
    ------
    InputError
        If the file is not a whole NWB file or not a simulation of ours.
    """
    with border(path, LAYOUT), opened(Path(path)) as file:
        about = facts(file, Path(path))
        if about.get("kind") != "simulation":
            raise InputError(
                f"{path} is not a simulation but {'a recording' if about else 'an NWB file of another program'}; "
                "make one with `synapsnet simulate`."
            )
        return own_simulation(file, about)


def is_simulation(path: Path) -> bool:
    """Is the NWB file at `path` a simulation of ours; InputError as in `read`."""
    with border(path, LAYOUT), opened(path, lambda line: None) as file:
        return bool(facts(file, path).get("kind") == "simulation")


def _binned(simulation: Simulation, bin_s: float | None, notify: Notify) -> Recording:
    spikes = simulation.spike_times
    counts = count_spikes(
        [spikes[k].times() for k in spikes.index],
        simulation.neurons,
        spikes.time_support,
        bin_s,
        notify=notify,
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
