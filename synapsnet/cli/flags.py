"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Seed = Annotated[int, typer.Option(help="Random seed.", min=0, max=2**63 - 1)]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Device to compute on.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Output path.")]
RunFolder = Annotated[Path, typer.Argument(help="Folder written by `synapsnet fit`.")]
