"""Two-photon recordings of mouse V1 with transcriptomic cell types (Bugeon et al. 2022).

`<root>/<mouse>/<date>/` describes the neurons, `<stimulus>/<NN>/` in it the recordings; arrays are (n, 1) where others
have (n,). Frames, running and eye have clocks of their own. `frame.states` is left out: it is computed from the
activity itself, so a forecast that uses it would know what it has to forecast.

Bugeon et al. 2022, A transcriptomic axis predicts state modulation of cortical interneurons, Nature 607:330;
data: figshare 19448531.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.io.clock import Signal, choose, even_frames, with_behaviour
from synapsnet.io.npy import Array, load_npy
from synapsnet.io.reader import Notify
from synapsnet.io.text import read_text
from synapsnet.recording import Recording, neuron_table

LAYOUT = "a recording of Bugeon 2022 (a folder with frame.neuralActivity.npy, or its session with neuron.ttype.txt)"

ACTIVITY, TYPES = "frame.neuralActivity.npy", "neuron.ttype.txt"
BEHAVIOUR = {"running": ("running.times.npy", "running.speed.npy"), "pupil": ("eye.times.npy", "eye.size.npy")}
UNSPECIFIC = ("EC", "IN")  # excitatory cell, interneuron
MOST_ZEROS_IN_FLUORESCENCE = 0.1


def recognises(path: Path) -> bool:
    """Whether `path` is a recording, or a session of recordings."""
    return (path / ACTIVITY).is_file() or (path / TYPES).is_file()


def read(
    path: Path,
    *,
    notify: Notify,
    behaviour: str | None = None,
    min_type_probability: float | None = None,
    matched: bool = False,
    deconvolved: bool | None = None,
    um_per_unit: float = 1.0,
) -> Recording:
    """Read a recording.

    Parameters
    ----------
    path : Path
        Its folder (`<stimulus>/<NN>`), or that of a session with only one.
    notify : callable
        Receives a line for every assumption made and everything dropped.
    behaviour : str, optional
        `running`, `pupil`, both, or `none`; default: all that are there.
    min_type_probability : float, optional
        Interneurons whose most likely type is less probable (`neuron.prob_ttypes`) are of type `IN`.
    matched : bool
        Keep only neurons that were matched to the transcriptomics (`neuron.UniqueID`).
    deconvolved : bool, optional
        Whether the activity is deconvolved. Default: yes if it is never negative and often zero.
    um_per_unit : float
        Size in micrometres of a unit of `neuron.stackPosCorrected`.

    Raises
    ------
    InputError
        If files are missing, corrupt or inconsistent with each other.
    """
    folder = _recording_folder(path)
    session = next((place for place in (folder, *folder.parents[:2]) if (place / TYPES).is_file()), None)
    values = _load(folder, ACTIVITY)
    if values.ndim != 2:
        raise InputError(f"{ACTIVITY} in {folder} must be frames x neurons; got shape {values.shape}.")
    frames, dt_s = even_frames(_load(folder, "frame.times.npy"), values, notify=notify)
    if deconvolved is None:
        deconvolved = bool(frames.values.min() >= 0 and (frames.values == 0).mean() > MOST_ZEROS_IN_FLUORESCENCE)
        kind = "deconvolved" if deconvolved else "fluorescence"
        notify(f"{ACTIVITY} is read as {kind}, by its zeros and signs; say --read deconvolved=... if it is not.")
    n = values.shape[1]
    types = position = None
    kept = np.arange(n)
    if session is None:
        notify(f"No {TYPES} here or in the folders above: types and positions are not known.")
    else:
        types = _types(session, n, min_type_probability, notify)
        position = _positions(session, n, um_per_unit, notify)
        if matched:
            kept = np.flatnonzero(np.isfinite(_per_neuron(session, "neuron.UniqueID.npy", n).reshape(n)))
            notify(f"{n - len(kept)} of {n} neurons dropped: they were not matched to the transcriptomics.")
    recording = Recording(
        activity=frames,
        dt_s=dt_s,
        modality="calcium",
        neurons=neuron_table(n, cell_type=types, position_um=position, area=["V1"] * n),
        metadata={"source": "/".join(folder.resolve().parts[-4:]), "reader": "bugeon"},
        deconvolved=deconvolved,
    )
    if matched:
        recording = recording.select_neurons(kept)
    return with_behaviour(recording, choose(_signals(folder), behaviour), notify=notify)


def _recording_folder(path: Path) -> Path:
    if (path / ACTIVITY).is_file():
        return path
    folders = sorted(file.parent for file in path.glob(f"*/*/{ACTIVITY}"))
    if not folders:
        raise InputError(f"{path} is a session without recordings ({ACTIVITY}); download it again.")
    if len(folders) > 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in folders)
        raise InputError(f"{path} is a session with {len(folders)} recordings; give the folder of one: {names}.")
    return folders[0]


def _load(folder: Path, name: str) -> Array:
    if not (folder / name).is_file():
        raise InputError(f"{folder} has no {name}; download the recording again.")
    array = load_npy(folder / name)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} in {folder} must be numeric; it holds {array.dtype}.")
    return array


def _per_neuron(session: Path, name: str, n: int) -> Array:
    array = _load(session, name)
    if len(array) != n:
        raise InputError(
            f"{name} in {session} must have a row for each of the {n} neurons; got {len(array)}. "
            "Some recordings of a session are of other neurons; read another one."
        )
    return array


def _types(session: Path, n: int, min_probability: float | None, notify: Notify) -> list[str]:
    types = [line.strip() for line in read_text(session / TYPES).splitlines() if line.strip()]
    if len(types) != n:
        raise InputError(
            f"{TYPES} in {session} must have a line for each of the {n} neurons; got {len(types)}. "
            "Some recordings of a session are of other neurons; read another one."
        )
    if min_probability is None:
        return types
    best = np.nan_to_num(_per_neuron(session, "neuron.prob_ttypes.npy", n)).reshape(n, -1).max(axis=1)
    unsure = [name not in UNSPECIFIC and p < min_probability for name, p in zip(types, best, strict=True)]
    notify(f"{sum(unsure)} of {n} neurons set to type IN: their own type is less probable than {min_probability:g}.")
    return ["IN" if is_unsure else name for name, is_unsure in zip(types, unsure, strict=True)]


def _positions(session: Path, n: int, um_per_unit: float, notify: Notify) -> npt.NDArray[np.float64] | None:
    name = "neuron.stackPosCorrected.npy"
    if not (session / name).is_file():
        return None
    stored = np.asarray(_per_neuron(session, name, n), float).reshape(n, -1)[:, :3]
    notify(f"Positions are taken to be in units of {um_per_unit:g} micrometres; say --read um_per_unit=... if not.")
    return np.pad(stored * um_per_unit, ((0, 0), (0, 3 - stored.shape[1])), constant_values=np.nan)


def _signals(folder: Path) -> list[Signal]:
    return [
        Signal(name, _load(folder, times), _load(folder, values))
        for name, (times, values) in BEHAVIOUR.items()
        if (folder / values).is_file()
    ]
