"""`synapsnet info`: what a file or folder holds, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synapsnet.cli.console import facts, notify
from synapsnet.cli.reading import Reading, reads_recording


@reads_recording
def info(
    path: Annotated[Path, typer.Argument(help="Simulation, recording, or run folder.", metavar="FILE")],
    *,
    reading: Reading,
) -> None:
    """Show what a file or folder holds, how it is read, and which options apply.

    Examples
    --------
    - `synapsnet info rec.nwb`
    - `synapsnet info suite2p/ --fs 6`
    """
    from synapsnet.io import describe, explain
    from synapsnet.io.nwb_file import url_of

    if (path / "run.json").is_file():
        from synapsnet.run import RECORDING, read_description

        run = read_description(path)
        facts(f"{path}: run ({'complete' if run.complete else 'interrupted'})", {"fitted to": run.source})
        path = path / RECORDING
    facts(url_of(path) or str(path), explain(path))
    facts("", describe(path, notify=notify, **reading.keywords()))
