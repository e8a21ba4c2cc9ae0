"""`synapsnet assess`: what of a run's connectivity can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from synapsnet.cli.console import OUT, complain, progress
from synapsnet.errors import InputError


def assess(
    run: Annotated[Path, typer.Argument(help="Folder that `synapsnet fit` wrote.")],
    seeds: Annotated[int, typer.Option(help="Matched simulations of each kind.", min=1)] = 3,
    fractions: Annotated[
        str, typer.Option(help="Fractions of the network that may have been recorded, separated by commas.")
    ] = "1,0.333",
    lengths: Annotated[
        str, typer.Option(help="Lengths of the simulated recordings, in lengths of this one; 1 is one of them.")
    ] = "0.5,1,2,4",
    light: Annotated[
        Path | None,
        typer.Option(help="The recording's file, with pulses of light that were not fitted: are they predicted?"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.", min=0, max=2**31 - 1)] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")] = "auto",
) -> None:
    """Find out what of a run's connectivity can be believed: reliability, knowledge, forecasts, matched simulation.

    An interrupted assessment goes on where it was; more seeds, fractions or lengths are added to what is there.

    Example: `synapsnet assess run/ --seeds 5`
    """
    from validation.assessment.assess import ASSESSMENT, assess_run
    from validation.assessment.cautions import warnings
    from validation.assessment.findings import findings

    try:
        with progress() as steps:
            found = assess_run(
                run,
                n_seeds=seeds,
                fractions=_numbers("--fractions", fractions),
                lengths=_numbers("--lengths", lengths),
                light=light,
                seed=seed,
                device=device,
                progress=steps,
            )
    except KeyboardInterrupt:
        complain("Interrupted. `synapsnet assess` with the same options goes on.")
        raise typer.Exit(130) from None
    for sentence in findings(found):
        OUT.print(f"- {sentence}", markup=False, soft_wrap=True)
    for sentence in warnings(found):
        OUT.print(f"! {sentence}", style="yellow", markup=False, soft_wrap=True)
    OUT.print(f"Assessed: {run / ASSESSMENT}", markup=False, soft_wrap=True)


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} needs numbers separated by commas; got {text!r}.") from None
