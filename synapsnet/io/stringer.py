"""Spontaneous activity of ten thousand neurons in mouse V1 (Stringer et al. 2019): `spont_*.mat`.

`Fsp` is deconvolved activity, neurons x frames; `med` the neurons' centres; `beh` has running speed, pupil area and the
principal components of facial motion, one value for each frame.

Stringer et al. 2019, Spontaneous behaviors drive multidimensional, brainwide activity, Science 364:eaav7893;
data: figshare 6163622.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io.clock import Signal, choose, with_behaviour
from synapsnet.io.mat import Variables, load_mat, variable_names
from synapsnet.io.reader import Notify
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a MATLAB file of Stringer 2019 (.mat with Fsp)"

VARIABLES = ("Fsp", "med", "beh")
BEHAVIOUR = {"running": ("runSpeed",), "pupil": ("pupil", "area"), "face": ("face", "motionSVD")}


def recognises(path: Path) -> bool:
    """Whether `path` is a MATLAB file with `Fsp`."""
    return path.is_file() and path.suffix == ".mat" and "Fsp" in variable_names(path)


def read(
    path: Path,
    *,
    notify: Notify,
    fs_hz: float | None = None,
    behaviour: str | None = None,
    face_components: int = 3,
) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    notify : callable
        Receives a line for every assumption made and everything dropped.
    fs_hz : float
        Frame rate in hertz, which the files do not hold.
    behaviour : str, optional
        Any of `running`, `pupil` and `face`, separated by commas, or `none`; default: all that are there.
    face_components : int
        Number of principal components of facial motion.

    Raises
    ------
    InputError
        If the file is damaged or lacks `Fsp`, the frame rate is not given, or shapes do not fit.
    """
    variables = load_mat(path, VARIABLES)
    activity = variables.get("Fsp")
    if not isinstance(activity, np.ndarray) or activity.ndim != 2:
        available = ", ".join(variables) or "none"
        raise InputError(f"{path} must hold Fsp, neurons x frames; it holds {available} of {', '.join(VARIABLES)}.")
    if fs_hz is None:
        raise InputError(f"The frame rate of {path} is not in the file; give it in hertz with --fs.")
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise InputError(f"The frame rate must be a positive number of hertz; got {fs_hz:g}.")
    n = len(activity)
    notify("Fsp is deconvolved, which looks ahead: forecasts of it score better than they would in real time.")
    recording = Recording.from_array(
        activity.T,
        1 / fs_hz,
        "calcium",
        neurons=neuron_table(n, position_um=_positions(variables, n, path, notify), area=["V1"] * n),
        metadata={"source": path.name, "reader": "stringer", "fs_hz": fs_hz},
        deconvolved=True,
        require_varying=False,
    )
    signals = _signals(variables, recording.activity.times(), face_components, path)
    return with_behaviour(recording, choose(signals, behaviour), notify=notify)


def _positions(variables: Variables, n: int, path: Path, notify: Notify) -> npt.NDArray[np.float64] | None:
    if "med" not in variables:
        return None
    centres = np.asarray(variables["med"], float)
    if centres.shape != (n, 3):
        raise InputError(f"med in {path} must be neurons x 3, {n} x 3; got shape {centres.shape}.")
    notify("The centres of the neurons (med) are taken to be in micrometres.")
    return centres


def _signals(variables: Variables, times_s: npt.NDArray[Any], face_components: int, path: Path) -> list[Signal]:
    signals = []
    for name, fields in BEHAVIOUR.items():
        variable: Any = variables.get("beh")
        for field in fields:
            variable = variable.get(field) if isinstance(variable, dict) else None
        if variable is None or not np.size(variable):
            continue
        values = np.asarray(variable, float)
        values = values.reshape(len(times_s), -1) if values.size == len(times_s) else values
        if len(values) != len(times_s):
            raise InputError(
                f"beh.{'.'.join(fields)} in {path} must have a value for each of the {len(times_s)} frames; "
                f"got shape {values.shape}. Leave it out with --behaviour."
            )
        signals.append(Signal(name, times_s, values[:, :face_components]))
    return signals
