"""Reading any recording by its path, and writing recordings and simulations as NWB.

A new reader is one module with the three names of `synapsnet.io.reader.Reader`, and an entry in `READERS`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from synapsnet.errors import InputError
from synapsnet.io import (
    alf,
    arrays,
    bugeon,
    caiman,
    kilosort,
    matlab,
    minian,
    neo_files,
    nest,
    nwb,
    sonata,
    spike_lists,
    spikeinterface,
    stringer,
    suite2p,
    tables,
    zarr_arrays,
)
from synapsnet.io.contents import contents
from synapsnet.io.describe import describe_recording, describe_simulation
from synapsnet.io.nwb import read_simulation
from synapsnet.io.nwb_write import write_recording, write_simulation
from synapsnet.io.options import listing, validated
from synapsnet.io.plausible import check_recording
from synapsnet.io.reader import Notify, Reader, border
from synapsnet.io.selection import select
from synapsnet.io.sidecar import complete, find_sidecar, load_sidecar
from synapsnet.io.truth import Truth, with_truth
from synapsnet.printable import printable
from synapsnet.recording import Recording, check_varying

__all__ = ["READERS", "describe", "explain", "read", "read_simulation", "write_recording", "write_simulation"]

# The first reader that recognises a path reads it.
_OF_FOLDERS = (suite2p, alf, kilosort, nest, sonata, spikeinterface, minian, zarr_arrays)
_OF_FILES = (nwb, caiman, bugeon, stringer, matlab, neo_files, spike_lists, arrays, tables)
READERS = cast(tuple[Reader, ...], (*_OF_FOLDERS, *_OF_FILES))


def _silent(line: str) -> None:
    """Drop a notice."""


def read(
    path: str | Path,
    *,
    min_rate_hz: float = 0.0,
    areas: Sequence[str] = (),
    cell_types: Sequence[str] = (),
    from_s: float | None = None,
    to_s: float | None = None,
    n_neurons: int | None = None,
    seed: int = 0,
    truth: Truth | None = None,
    notify: Notify = _silent,
    **options: Any,
) -> Recording:
    """Read a recording in any known layout.

    Parameters
    ----------
    path : path
        A file or folder in the layout of one of `READERS`; a TOML file beside it may describe it
        (`synapsnet.io.sidecar`).
    min_rate_hz : float
        For spikes: drop neurons that fire more slowly than this in the selected time.
    areas, cell_types : names, optional
        Keep only neurons in these areas, and of these types; `*` matches anything.
    from_s, to_s : float, optional
        Keep only this stretch of time, in seconds on the recording's clock.
    n_neurons, seed : int, optional
        Keep only this many neurons, drawn at random from those left.
    truth : Truth, optional
        A file of known connections.
    notify : callable
        Receives one line for every assumption made and everything dropped.
    **options
        Options of the reader, such as `fs_hz` (`synapsnet.io.suite2p.read`), `bin_s`
        (`synapsnet.io.nwb.read`) or `key` (`synapsnet.io.arrays.read`). None counts as not given.

    Raises
    ------
    InputError
        If the path is missing or in no known layout, its reader lacks an option, the data cannot be used (see the
        reader and `Recording`), or a neuron is constant.

    Examples
    --------
    >>> recording = read("mouse/suite2p", fs_hz=6.0, notify=print)  # doctest: +SKIP
    """
    whole = _read_whole(Path(path), truth, notify, options)
    recording = select(
        whole,
        areas=areas,
        cell_types=cell_types,
        from_s=from_s,
        to_s=to_s,
        min_rate_hz=min_rate_hz,
        n_neurons=n_neurons,
        seed=seed,
        notify=notify,
    )
    check_varying(recording)
    check_recording(recording, notify)
    return recording


def describe(
    path: str | Path, *, truth: Truth | None = None, notify: Notify = _silent, **options: Any
) -> dict[str, str]:
    """Facts about a recording or a simulation, by name, ready to print.

    Raises the errors of `read`, but accepts constant neurons.

    Parameters
    ----------
    path, truth, notify, **options
        As in `read`.
    """
    path = Path(path)
    if nwb.recognises(path) and not any(options.values()) and nwb.is_simulation(path):
        return describe_simulation(read_simulation(path))
    part = {name: options.pop(name) for name in inspect.signature(select).parameters if name in options}
    recording = select(_read_whole(path, truth, notify, options), notify=notify, **part)
    check_recording(recording, notify)
    return describe_recording(recording)


def explain(path: str | Path) -> dict[str, str]:
    """What a path holds, which reader reads it, and the options of that reader, ready to print; no data are read.

    Raises
    ------
    InputError
        If the path is missing, damaged or of no known layout.
    """
    data, described = _with_sidecar(Path(path))
    reader = _reader_of(data)
    beside = {} if described is None else {"described by": str(described)}
    with border(data, reader.LAYOUT):
        names = contents(data)
    return {
        **({"found": names} if names else {}),
        "reader": f"{reader.__name__.rpartition('.')[2]}, for {reader.LAYOUT}",
        **beside,
        "options": listing(reader),
    }


def _read_whole(path: Path, truth: Truth | None, notify: Notify, options: dict[str, Any]) -> Recording:
    """The whole recording, with the content of its sidecar file and the known connections that were given."""
    recording = _described(path, notify, options)
    if truth is None:
        return recording
    with border(path, "a recording with known connections"):
        return with_truth(recording, truth, Path(), notify=notify)


def _described(path: Path, notify: Notify, options: dict[str, Any]) -> Recording:
    path, described = _with_sidecar(path)
    reader = _reader_of(path)
    with border(path, reader.LAYOUT):
        return _printable_recording(_read(reader, path, described, notify, options))


def _read(reader: Reader, path: Path, described: Path | None, notify: Notify, options: dict[str, Any]) -> Recording:
    if described is None:
        return reader.read(path, notify=notify, **validated(reader, options, path))
    notify(f"{path.name} is described by {described.name}.")
    sidecar = load_sidecar(described)
    given = {name: value for name, value in options.items() if value is not None}
    recording = reader.read(path, notify=notify, **validated(reader, sidecar.read | given, path))
    return complete(recording, sidecar, described.parent, notify=notify)


def _printable_recording(recording: Recording) -> Recording:
    """The recording with printable names, because names of neurons and facts appear in tables, pages and terminals."""
    neurons = recording.neurons.map(_printable)
    metadata = _printable(recording.metadata)
    if neurons.equals(recording.neurons) and metadata == recording.metadata:
        return recording
    return replace(recording, neurons=neurons, metadata=metadata)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


def _with_sidecar(path: Path) -> tuple[Path, Path | None]:
    """The path of the data, and the sidecar file that describes them."""
    described = find_sidecar(path)
    if described is None or not path.is_dir():
        return path, described
    return path / (load_sidecar(described).file or ""), described


def _reader_of(path: Path) -> Reader:
    with border(path, "any recording"):  # some readers have to look into the file
        for reader in READERS:
            if reader.recognises(path):
                return reader
    if not path.exists():
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        if path.is_symlink():
            raise InputError(f"{path} is a link that leads to no file; check where it points to.")
        close = difflib.get_close_matches(path.name, names, n=1)
        raise InputError(f"{path} does not exist; " + (f"did you mean {close[0]}?" if close else "check the path."))
    raise InputError(
        f"{path} is in no layout that can be read; expected {'; '.join(reader.LAYOUT for reader in READERS)}."
    )
