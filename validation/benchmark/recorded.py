"""Recordings of others, which suites list beside networks: with known connections, or to be forecast."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from synapsnet.datasets import fetch, find_dataset, registry
from synapsnet.errors import InputError
from synapsnet.io import read
from synapsnet.io.truth import Truth
from synapsnet.parameters import Parameters
from synapsnet.recording import Recording, Simulation, trains_between

DATA = "data"  # where data sets are fetched to, each into a folder of its own
# Where recordings are looked for, after `$SYNAPSNET_DATA`; relative to where the command is called.
FOLDERS = (".", DATA, *(f"{DATA}/{name}" for name in registry()), "../shared/data/external", "../shared/data")


class Recorded(Parameters):
    """A recording, and what is known of its connections.

    Parameters
    ----------
    recording : str
        Path of a file or folder that `synapsnet.io.read` takes, in one of `FOLDERS`.
    truth : Truth, optional
        Its `file` is beside it, in the same of `FOLDERS`. Forecasts need none.
    read : dict
        Options of reading.
    dataset : str, optional
        The public data set that contains it (`synapsnet datasets`).
    """

    title: ClassVar[str] = "a recording of the suite"
    recording: str
    truth: Truth | None = None
    read: dict[str, Any] = Field(default_factory=dict)
    dataset: str | None = None

    @property
    def absent(self) -> str:
        """Why it cannot be used, in a sentence; empty if it is there."""
        if _folder(self.recording) is not None:
            return ""
        fetched = f", or fetch it with --fetch (`synapsnet datasets`: {self.dataset})" if self.dataset else ""
        place = f"put it there, or name its folder in SYNAPSNET_DATA{fetched}"
        return f"{self.recording} is neither here nor in {DATA}/; {place}."

    def fetch(self, *, notify: Callable[[str], None], progress: Callable[[str, float], None]) -> None:
        """Fetch the data set that contains it, if it is absent and there is one.

        Raises
        ------
        InputError
            If that fails, see `synapsnet.datasets.fetch`.
        """
        if self.absent and self.dataset is not None:
            fetch(find_dataset(self.dataset), Path(DATA) / self.dataset, session=None, notify=notify, progress=progress)

    def complete(self) -> dict[str, Any]:
        """All that it depends on as JSON-serialisable values: what it is called, and the content of its files."""
        folder = _folder(self.recording)
        assert folder is not None
        named = () if self.truth is None else (self.truth.file, self.truth.coregistration)
        truth = [name for name in named if name is not None]
        files = sorted({file for name in (self.recording, *truth) for file in _files(folder / name)})
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
        described = self.model_dump(
            mode="json", exclude={"dataset"}
        )  # the content says what it is, not where it comes from
        return described | {"sha256": digest}

    def load(self) -> Recording:
        """The recording, with its ground truth if that is known.

        Raises
        ------
        InputError
            If it is absent, or cannot be read.
        """
        folder = _folder(self.recording)
        if folder is None:
            raise InputError(self.absent)
        truth = None if self.truth is None else self.truth.within(folder)
        return read(folder / self.recording, truth=truth, **self.read)


def as_simulation(recording: Recording, duration_s: float) -> Simulation:
    """What was recorded as if it had been simulated, so that it can be observed in another way.

    Raises
    ------
    InputError
        If spike times are not known, or not without breaks.
    """
    if recording.spike_times is None or recording.modality != "spikes" or recording.connectome is None:
        raise InputError(
            "Only spike times with known connections can be observed in another way; use as = 'recorded' for others."
        )
    support = recording.spike_times.time_support
    if len(support) > 1:
        raise InputError("A recording with breaks cannot be observed in another way; choose a part (from_s, to_s).")
    start_s, stop_s = float(support.start[0]), float(min(support.end[0], support.start[0] + duration_s))
    spikes = trains_between(recording.spike_times, start_s, stop_s)
    return Simulation(spikes, recording.neurons, recording.connectome)


def _folders() -> list[Path]:
    users_folder = os.environ.get("SYNAPSNET_DATA")
    return [Path(folder) for folder in ((users_folder,) if users_folder else ()) + FOLDERS]


def _folder(path: str) -> Path | None:
    return next((folder for folder in _folders() if (folder / path).exists()), None)


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
