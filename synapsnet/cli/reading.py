"""The options of every command that reads a recording: how to read it, and which part of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from synapsnet.cli.console import notify
from synapsnet.errors import InputError
from synapsnet.io.truth import Truth


def _option(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel="Reading the recording", **more)


def _truth(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel="Known connections")


def truth_of(file: Path | None, orientation: str | None, more: Sequence[str] | None) -> Truth | None:
    """The ground truth that the user names, if any."""
    if file is None:
        if orientation or more:
            raise InputError("--orientation and --truth-read say how --truth FILE is read; give the file as well.")
        return None
    options: dict[str, Any] = {"orientation": orientation} if orientation else {}
    for text in more or []:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise InputError(f"--truth-read needs NAME=VALUE; got {text!r}.")
        options[name] = value
    return Truth(file=str(file), **options)


TruthFile = Annotated[Path | None, _truth("File of known connections: pairs by id, a matrix, SONATA edges.", "--truth")]
Orientation = Annotated[
    str | None, _truth("Order of the axes of a connectivity matrix: post-pre or pre-post.", "--orientation")
]
TruthRead = Annotated[
    list[str] | None,
    _truth(
        "Option of --truth as NAME=VALUE; repeatable: key, delay_key, signed, unlisted, unrecorded, duplicates.",
        "--truth-read",
    ),
]


def add_truth_of(run: Path, file: Path | None, orientation: str | None, more: Sequence[str] | None) -> None:
    """Add to a run the ground truth that the user names, if any."""
    if (truth := truth_of(file, orientation, more)) is not None:
        from synapsnet.run import add_truth

        add_truth(run, truth, notify=notify)


@dataclass(frozen=True)
class Reading:
    """Reading options, as the user gives them."""

    fs: Annotated[float | None, _option("Frame rate in Hz, if the file does not state it.")] = None
    dt: Annotated[float | None, _option("Time step in seconds, if the file does not state it.")] = None
    bin_ms: Annotated[float | None, _option("Spike times: bin width in ms.", "--bin")] = None
    key: Annotated[str | None, _option("npz: name of the activity array; NWB: name of an ROI series or a plane.")] = (
        None
    )
    modality: Annotated[str | None, _option("Arrays and tables: calcium or spikes.")] = None
    until: Annotated[
        str | None, _option("npz: name of a trials x bins array; each trial is used up to its first non-zero bin.")
    ] = None
    behaviour: Annotated[
        str | None, _option("Behavioural variables to read (comma-separated, or none); npz: name of the array.")
    ] = None
    transpose: Annotated[bool, _option("Arrays and tables: stored as neurons x time.", "--transpose")] = False
    trace: Annotated[str | None, _option("Imaging: which trace, such as dff or spks.")] = None
    read: Annotated[
        list[str] | None,
        _option("Another reader option as NAME=VALUE; repeatable. `synapsnet info` lists them.", "--read"),
    ] = None
    truth: TruthFile = None
    orientation: Orientation = None
    truth_read: TruthRead = None
    min_rate: Annotated[float, _option("Spikes: drop neurons that fire below this rate, in Hz.")] = 0.0
    area: Annotated[list[str] | None, _option("Only neurons in this area (VIS*); repeatable.", "--area")] = None
    type: Annotated[list[str] | None, _option("Only neurons of this type (Pvalb*); repeatable.", "--type")] = None
    from_s: Annotated[float | None, _option("Start at this time, in seconds of the recording's clock.", "--from")] = (
        None
    )
    to_s: Annotated[float | None, _option("Stop at this time, in seconds of the recording's clock.", "--to")] = None
    neurons: Annotated[int | None, _option("Use only this many neurons, drawn at random.")] = None
    sample_seed: Annotated[int, _option("Seed of --neurons.", min=0)] = 0

    def keywords(self) -> dict[str, Any]:
        """Keyword parameters of `synapsnet.io.read`."""
        return self._reader_options() | {
            "min_rate_hz": self.min_rate,
            "areas": self.area or (),
            "cell_types": self.type or (),
            "from_s": self.from_s,
            "to_s": self.to_s,
            "n_neurons": self.neurons,
            "seed": self.sample_seed,
            "truth": truth_of(self.truth, self.orientation, self.truth_read),
        }

    def _reader_options(self) -> dict[str, Any]:
        """Options of the reader; None for those that the user did not give."""
        options = {
            "fs_hz": self.fs,
            "dt_s": self.dt,
            "bin_s": None if self.bin_ms is None else self.bin_ms / 1e3,
            "key": self.key,
            "modality": self.modality,
            "until": self.until,
            "behaviour": self.behaviour,
            "transpose": self.transpose or None,
            "trace": self.trace,
        }
        for text in self.read or []:
            name, equals, value = text.partition("=")
            if not (equals and name):
                raise InputError(f"--read needs NAME=VALUE; got {text!r}.")
            if options.get(name) is not None:
                raise InputError(f"--read {name} was given twice, or together with its own flag; give it once.")
            options[name] = value
        return options


def reads_recording(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Reading` to a command, which receives them as its keyword parameter `reading`."""

    @functools.wraps(command)
    def with_options(*arguments: Any, **given: Any) -> None:
        chosen = {option.name: given.pop(option.name) for option in fields(Reading) if option.name in given}
        command(*arguments, **given, reading=Reading(**chosen))

    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Reading, include_extras=True)
    options = [
        inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=hints[option.name]
        )
        for option in fields(Reading)
    ]
    parameters = [parameter for name, parameter in own.parameters.items() if name != "reading"]
    with_options.__signature__ = own.replace(parameters=[*parameters, *options])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in [*parameters, *options]}
    return with_options
