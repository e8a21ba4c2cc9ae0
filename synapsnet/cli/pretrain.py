"""`synapsnet pretrain`: one decoder from several recordings, for `synapsnet fit --pretrained`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from synapsnet.cli.assignments import settings_of_fit
from synapsnet.cli.console import line, notify, progress, say
from synapsnet.cli.reading import Reading, reads_recording
from synapsnet.errors import InputError
from synapsnet.files import check_folder, locked, make_folder
from synapsnet.wording import counted


@reads_recording
def pretrain(
    recordings: Annotated[list[Path], typer.Argument(help="Recordings of one kind, each with its own neurons.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the models.")],
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=2**63 - 1)] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Device to compute on.")] = "auto",
    epochs: Annotated[int | None, typer.Option(help="Maximum number of passes over the training parts.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of SynapsNet as NAME=VALUE; repeatable.")
    ] = None,
    *,
    reading: Reading,
) -> None:
    """Fit several recordings together, with one decoder that other recordings can reuse.

    It cannot be resumed: after an interruption remove its folder, and give the same command again.

    Examples
    --------
    - `synapsnet pretrain monday.nwb tuesday.nwb -o pretrained/`
    - `synapsnet fit short.nwb --pretrained pretrained/ -o run/`
    """
    from synapsnet.io import read
    from synapsnet.joint_fit import fit_together
    from synapsnet.run import MODELS

    check_folder(output, inputs=recordings)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} is not empty; give a new folder (-o).")
    settings = settings_of_fit(seed, epochs, setting)
    data = [read(path, notify=notify, **reading.keywords()).without_ground_truth() for path in recordings]
    make_folder(output)
    with progress() as steps, locked(output):
        for name, changed in MODELS.items():
            what = f"fitting {name} to {counted(len(data), 'recording')}"
            models = fit_together(
                data,
                device=device,
                progress=lambda stage, fraction, what=what: steps(f"{what}: {stage}", fraction),  # type: ignore[misc]
                **settings | changed,
            )
            models[0].save(output / name)  # all models have the same decoder
    say(f"Pretrained: {output}. Next: {line('fit', 'REC', '--pretrained', output, '-o', 'run/')}")
