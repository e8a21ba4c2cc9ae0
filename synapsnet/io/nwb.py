"""NWB files, local or at a URL: our own, read back bit for bit, and those of other programs.

From a file of another program, the spike times in `units` are binned (`nwb_units`), or else the dF/F or fluorescence
in `processing` is read (`nwb_ophys`), together with the behaviour (`nwb_behaviour`).
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
    """Whether `path` is an NWB file, judged by its name, or a URL."""
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
        A file, or a URL, from which only the needed parts are fetched.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    bin_s : float, default 0.005
        Bin in seconds for spike times. Refused for a file that holds binned activity.
    key : str, optional
        Name of the fluorescence series, of its container or module, or of its imaging plane. Default: dF/F, or else
        the first series that is not neuropil, background, baseline or deconvolved, together with those like it of
        other planes.
    label : str, optional
        Labels of the units or ROIs to keep, separated by commas; `all` keeps any. The columns and words that count as
        labels are in `synapsnet.io.labels`. Default: `good`, where they are labelled, and ROIs without a label.
    min_presence_ratio : float, optional
        Minimum fraction of 100 equal parts of the time in which a unit must spike.
    max_isi_violations : float, optional
        Maximum rate of spikes from other neurons, relative to the unit's own, judged by intervals below 1.5 ms.
    time_unit : {"s", "ms", "us"}, optional
        Unit of spike times or frame times, if they are not in seconds as NWB requires.
    fs_hz : float, optional
        Frame rate of imaging, instead of the times or rate in the file.
    observed : {"stated", "spikes"}
        Whether units were observed during their `obs_intervals`, if the file has them, or from the first to the last
        spike.
    within, outside : str, optional
        Only the time within, or outside, the intervals of this name: `spontaneous`, `optogenetic_stimulation`...
    behaviour : str, optional
        Names of variables, separated by commas, or `none`. Default: running speed, pupil, wheel, motion energy,
        whisking, optogenetic series, of which a value that comes irregularly or seldom holds until the next, and the
        tables of stimulus intervals, which are 1 while one lasts.

    Returns
    -------
    Recording
        Our own recordings are returned exactly. Our own simulations become binned spikes with the ground truth. Planes
        that were imaged simultaneously are read together; `id` is then the ROI's, after the name of its plane
        (`plane1/7`). Values are in the units stated by the series (`conversion`, `offset`).

    Raises
    ------
    InputError
        If the file is not a complete NWB file, holds nothing that can be read, or comes from a newer version, an
        option does not apply to it, or its planes were not imaged simultaneously and none is chosen.
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
            _refuse(path, "holds activity on a grid, and no spike times to bin", {"bin_s": bin_s} | quality)
            recording = read_ophys(
                file, name_of(path), key=key, label=label, time_unit=time_unit, fs_hz=fs_hz, notify=notify
            )
            recording = _select_epochs(recording, _restricted(file, recording.epochs, within, outside))
        return add_behaviour(recording, file, behaviour, notify)


def _refuse(path: Path, what: str, options: dict[str, Any]) -> None:
    """Refuse options that do not apply to the content of the file."""
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
        raise InputError(
            "Nothing of the recording is left; see its `invalid_times`, or choose other intervals (within, outside)."
        )
    return epochs


def _select_epochs(recording: Recording, epochs: nap.IntervalSet) -> Recording:
    """The steps whose times lie in the epochs; each run of consecutive steps becomes an epoch."""
    inside = np.isfinite(epochs.in_interval(recording.activity))
    if inside.all():
        return recording
    if not inside.any():
        raise InputError("No frame of the recording is left; choose other intervals (within, outside).")
    segments = [(start + a, start + b) for start, stop in recording.segments for a, b in true_runs(inside[start:stop])]
    return recording.select_rows(segments)


def read_simulation(path: str | Path) -> Simulation:
    """Read back a simulation written by `write_simulation`, exactly.

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
    """Whether the NWB file at `path` is a simulation of ours; InputError as in `read`."""
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
    on_grid = simulation.behaviour_on_grid(counts.dt_s, counts.n_steps)
    if on_grid is None:
        return counts
    values, names = on_grid
    behaviour = nap.TsdFrame(
        t=counts.activity.times(), d=values.astype(np.float32), time_support=counts.epochs, columns=names
    )
    return replace(counts, behaviour=behaviour)
