"""A run: a folder with one recording, and SynapsNet and its ablation W = 0 fitted to all but its held-out end.

run.json                the settings, versions, times, and checksums of the files below
recording.nwb           the recording, its fitted and its held-out part
synapsnet/              the model, see `synapsnet.estimator.SynapsNet.save`
synapsnet-independent/  the ablation
checkpoint/             during the fit only
replaced/               during the fit only: the run that is being replaced
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from synapsnet.devices import Device, DeviceType, Precision, kind_of_device, launch
from synapsnet.errors import InputError, border
from synapsnet.estimator import DESCRIPTION as MODEL
from synapsnet.estimator import PARAMETERS, SynapsNet
from synapsnet.files import check_folder, locked, make_folder, write_text
from synapsnet.io import read, write_recording
from synapsnet.io.reader import Notify
from synapsnet.io.truth import ELSEWHERE, Truth, with_truth
from synapsnet.memmap import blocks
from synapsnet.printable import printable
from synapsnet.progress import Progress, unheard
from synapsnet.recording import Recording
from synapsnet.settings import Settings
from synapsnet.splits import holdout

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FORMAT_VERSION = 1
DESCRIPTION, RECORDING, CHECKPOINT, REPLACED = "run.json", "recording.nwb", "checkpoint", "replaced"
# Each model of a run, with the settings in which it differs.
MODELS: dict[str, dict[str, str]] = {"synapsnet": {}, "synapsnet-independent": {"connectivity": "none"}}
SCORED = ("scores.json", "inferred.safetensors", "example.safetensors")  # added by `validation.scoring`
OURS = (DESCRIPTION, *SCORED, CHECKPOINT, *MODELS, RECORDING)
GAP_S, MIN_GAP_STEPS = 1.0, 20  # left out between the fitted and the held-out part
# What may differ although the recording is the same, and what to do then.
OTHER = {
    "neurons": "another neuron table; resume it with the same one, or fit anew with --overwrite",
    "truth": "other known connections, or none; resume it without --truth, and give them to `synapsnet score --truth`",
}
PACKAGES = ("synapsnet", "torch", "numpy", "scipy", "brian2")


class RunDescription(BaseModel):
    """Content of `run.json`."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    settings: dict[str, Any]
    test_fraction: float
    gap_steps: int
    device: DeviceType
    source: str
    pretrained: str | None = None
    precision: Precision = "32-true"
    recording_hash: str
    checksums: dict[str, str] = {}  # SHA-256 of the run's files; older runs lack them
    known: dict[str, str] = {}  # hashes of what no model depends on, "" for what is not there; older runs lack them
    versions: dict[str, str]
    seconds: dict[str, float] = {}

    @property
    def complete(self) -> bool:
        return set(self.seconds) == set(MODELS)


@dataclass(frozen=True)
class Run:
    """A complete run, read from its folder.

    Attributes
    ----------
    folder : Path
    description : RunDescription
    recording : Recording
        The whole recording, with its ground truth if it has one.
    training, test : Recording
        The fitted and the held-out part.
    models : dict of name -> SynapsNet
    """

    folder: Path
    description: RunDescription
    recording: Recording
    training: Recording
    test: Recording
    models: dict[str, SynapsNet]


def fit_run(
    recording: Recording,
    folder: str | Path,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    precision: Precision = "32-true",
    test_fraction: float = 0.1,
    source: str = "",
    pretrained: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress = unheard,
) -> None:
    """Fit SynapsNet and its ablation, and save everything in `folder`.

    Parameters
    ----------
    recording : Recording
    folder : path
    settings : Settings, optional
        `connectivity` must not be "none", which is the ablation.
    device, precision
        See `synapsnet.devices.launch`. Processes started by `torchrun` share the work; one of them writes.
    test_fraction : float
        Fraction of the recording, at its end, that is held out.
    source : str
        Where the recording comes from, for the report.
    pretrained : path, optional
        Another run, or a folder written by `synapsnet pretrain`, whose decoders are used unchanged, see
        `SynapsNet.fit`.
    resume : bool
        Continue an interrupted fit; the result is that of an uninterrupted one.
    overwrite : bool
        Replace an existing run.
    progress : callable

    Raises
    ------
    InputError
        If the folder holds another run, the recording cannot be fitted, or the pretrained model is of another kind;
        nothing is overwritten then.
    """
    folder, settings = Path(folder), settings or Settings()
    gap = max(MIN_GAP_STEPS, math.ceil(GAP_S / recording.dt_s))
    training, _ = holdout(recording, test_fraction, gap)
    models = {
        name: SynapsNet(device=device, precision=precision, **settings.model_dump() | changed)
        for name, changed in MODELS.items()
    }
    teachers = {
        name: None if pretrained is None else SynapsNet.load(Path(pretrained) / name, device=device) for name in MODELS
    }
    for name, model in models.items():
        model.check(training)
        if (teacher := teachers[name]) is not None:
            model.check_pretrained(training, teacher)
    description = RunDescription(
        settings=settings.model_dump(mode="json"),
        test_fraction=test_fraction,
        gap_steps=gap,
        device=kind_of_device(device),
        precision=precision,
        source=printable(source),
        pretrained=None if pretrained is None else str(Path(pretrained).resolve().name),
        recording_hash=_hash(recording),
        known=_known(recording),
        versions={"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    )
    fabric = launch(device, precision)
    with ExitStack() as ours:
        if fabric.is_global_zero:
            check_folder(folder)
            make_folder(folder)
            ours.enter_context(locked(folder))
            ours.enter_context(_prepared(folder, description, recording, resume, overwrite))
        fabric.barrier()
        _fit(training, folder, models, teachers, fabric, resume, progress)
        fabric.barrier()
        if fabric.is_global_zero:
            shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)


def _fit(
    training: Recording,
    folder: Path,
    models: dict[str, SynapsNet],
    teachers: dict[str, SynapsNet | None],
    fabric: Fabric,
    resume: bool,
    progress: Progress,
) -> None:
    """Fit and save the models that the run does not have yet."""
    description = read_description(folder)
    blind = training.without_ground_truth()
    for name, model in models.items():
        if name in description.seconds:
            continue
        started = time.perf_counter()
        what = "fitting SynapsNet" if name == "synapsnet" else "fitting its W = 0 ablation"
        model.fit(
            blind,
            pretrained=teachers[name],
            checkpoint=folder / CHECKPOINT / name,
            resume=resume,
            progress=lambda stage, fraction, what=what: progress(f"{what}: {stage}", fraction),  # type: ignore[misc]
        )
        description.seconds[name] = time.perf_counter() - started
        if fabric.is_global_zero:
            model.save(folder / name)
            for part in (PARAMETERS, MODEL):
                description.checksums[f"{name}/{part}"] = _checksum(folder / name / part)
            _describe(folder, description)


def load_run(folder: str | Path, *, device: Device = "auto") -> Run:
    """Read a complete run.

    Raises
    ------
    InputError
        If the folder holds no run, an interrupted one, one of another version, or files changed since the fit.
    """
    folder = Path(folder)
    with border(f"The run in {folder} is damaged; fit the recording again"):
        description = read_description(folder)
        if not description.complete or not (folder / RECORDING).is_file():
            raise InputError(f"The run in {folder} was interrupted; finish it with `synapsnet fit ... --resume`.")
        _require_whole(folder, description)
        recording = read(folder / RECORDING)
        if _hash(recording) != description.recording_hash:
            raise _not_ours(folder, RECORDING)
        description.settings = Settings.restore(description.settings).model_dump(mode="json")
        training, test = holdout(recording, description.test_fraction, description.gap_steps)
        models = {name: SynapsNet.load(folder / name, device=device) for name in MODELS}
        for name, changed in MODELS.items():
            if models[name].settings != Settings(**description.settings | changed):
                raise _not_ours(folder, name)
        return Run(folder, description, recording, training, test, models)


def add_truth(folder: str | Path, truth: Truth, *, notify: Notify = lambda line: None) -> None:
    """Add known connections among its neurons to the recording of a run, in place of those from elsewhere that it has.

    The fitted models do not depend on them. Raises `InputError` as `synapsnet.io.truth.with_truth` does.
    """
    folder = Path(folder)
    description = read_description(folder)
    with locked(folder):
        recording = read(folder / RECORDING, notify=notify)
        if recording.connectome is not None and recording.connectome.unit == ELSEWHERE:
            recording = replace(recording, connectome=None)
        with border(f"{truth.file} cannot be read as known connections; check what it holds"):
            recording = with_truth(recording, truth, Path(), notify=notify)
        description.known["truth"] = _known(recording)["truth"]
        _keep_recording(folder, description, recording)


def read_description(folder: Path) -> RunDescription:
    """Read `run.json`; InputError as in `load_run`."""
    path = folder / DESCRIPTION
    if not folder.exists():
        raise InputError(f"{folder} does not exist; make a run with `synapsnet fit ... -o {folder}`.")
    if not path.is_file():
        raise InputError(f"{folder} is not a run folder ({DESCRIPTION} is missing); make one with `synapsnet fit`.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("format_version")
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged; fit the recording again.") from error
    if version != FORMAT_VERSION:
        raise InputError(
            f"The run in {folder} is from another version of SynapsNet (format {version}, this one reads "
            f"{FORMAT_VERSION}); fit the recording again."
        )
    try:
        return RunDescription.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} is damaged ({error.errors()[0]['msg']}); fit the recording again.") from error


@contextmanager
def _prepared(
    folder: Path, description: RunDescription, recording: Recording, resume: bool, overwrite: bool
) -> Iterator[None]:
    """Prepare the folder, with this description or, if a run is resumed, with the one that it has.

    A run that is being replaced is kept until the new one is complete, and restored if the fit fails.
    """
    ours, replaced = (folder / DESCRIPTION).exists(), folder / REPLACED
    if ours and resume:
        earlier = read_description(folder)
        _require_same(folder, earlier, description)
        if not (folder / RECORDING).is_file():  # the run was interrupted while it was being written
            _keep_recording(folder, earlier, recording)
        yield
    else:
        if any(folder.iterdir()):
            if not ours:
                raise InputError(f"{folder} is not empty and not a run; give a new folder (-o).")
            if not overwrite:
                raise InputError(
                    f"{folder} holds a run already; add --overwrite to replace it or --resume to finish it."
                )
            read_description(folder)  # refuses the `run.json` of another program
        if replaced.exists():  # an earlier replacement was interrupted: remove its incomplete run
            _remove(folder)
        elif ours:
            make_folder(replaced)
            _move(folder, replaced)
        try:
            _keep_recording(folder, description, recording)
            yield
        except Exception:
            if replaced.exists():
                _remove(folder)
                _move(replaced, folder)
                replaced.rmdir()
            raise
    shutil.rmtree(replaced, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """Move our own files and nothing else; the description leaves first and arrives last."""
    for name in OURS if target.name == REPLACED else reversed(OURS):
        if (source / name).exists():
            (source / name).rename(target / name)


def _remove(folder: Path) -> None:
    for name in OURS:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def _keep_recording(folder: Path, description: RunDescription, recording: Recording) -> None:
    description.checksums.pop(RECORDING, None)  # of the one before, lest an interruption leaves it to the new one
    _describe(folder, description)
    write_recording(recording, folder / RECORDING)
    description.checksums[RECORDING] = _checksum(folder / RECORDING)
    _describe(folder, description)


def _require_whole(folder: Path, description: RunDescription) -> None:
    """Refuse a run whose files were replaced or damaged after the fit."""
    for name, checksum in description.checksums.items():
        if not (folder / name).is_file() or _checksum(folder / name) != checksum:
            raise _not_ours(folder, name)


def _not_ours(folder: Path, name: str) -> InputError:
    return InputError(f"{name} in {folder} is not the one that was fitted, by {DESCRIPTION}; fit the recording again.")


def _require_same(folder: Path, there: RunDescription, wanted: RunDescription) -> None:
    """Refuse to resume a run with another recording or other options."""
    if there.recording_hash != wanted.recording_hash:
        raise InputError(f"The run in {folder} was started with another recording; resume it with the same one.")
    was, now = (
        {
            **Settings.restore(d.settings).model_dump(mode="json"),
            **d.model_dump(include={"test_fraction", "device", "precision", "pretrained"}),
        }
        for d in (there, wanted)
    )
    for name, value in was.items():
        if now.get(name) != value:
            raise InputError(
                f"The run in {folder} was started with {name} {value}, not {now.get(name)}; "
                "resume it with the same options."
            )
    for what, kept in there.known.items():
        if wanted.known[what] not in ("", kept):
            raise InputError(f"The run in {folder} was started with {OTHER[what]}.")


def _known(recording: Recording) -> dict[str, str]:
    """Hashes of the neuron table and of the known connections."""
    table, truth = recording.neurons.to_csv(index=False), hashlib.sha256()
    if (connectome := recording.connectome) is not None:
        edges = connectome.edges
        truth.update(repr((connectome.signed, connectome.unit)).encode())
        for array in (edges.post, edges.pre, edges.weight, edges.delay_s, connectome.known):
            if array is not None:
                truth.update(np.ascontiguousarray(array).data)
    return {
        "neurons": hashlib.sha256(table.encode()).hexdigest(),
        "truth": "" if connectome is None else truth.hexdigest(),
    }


def _hash(recording: Recording) -> str:
    digest = hashlib.sha256(repr((recording.dt_s, recording.modality, recording.segments)).encode())
    for array in (recording.values, recording.behaviour_values):
        for block in blocks(array):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(folder: Path, description: RunDescription) -> None:
    write_text(folder / DESCRIPTION, description.model_dump_json(indent=1))
