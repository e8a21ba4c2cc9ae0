"""`synapsnet assess`: how far a run's connectivity can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from synapsnet.cli.console import OUT, complain, progress
from synapsnet.cli.reading import Orientation, TruthFile, TruthRead, add_truth_of
from synapsnet.errors import InputError


def assess(
    run: Annotated[Path, typer.Argument(help="Folder written by `synapsnet fit`.")],
    seeds: Annotated[
        int, typer.Option(help="Simulated networks per fraction; more networks give narrower intervals.", min=1)
    ] = 3,
    fractions: Annotated[
        str,
        typer.Option(
            help="Fractions of the network that your neurons may be, comma-separated: 1 is all of it, 0.333 a third."
        ),
    ] = "1,0.333",
    lengths: Annotated[
        str,
        typer.Option(
            help="Lengths of the simulated recordings, relative to yours: 4 shows what a recording four times as long "
            "would yield. Must include 1."
        ),
    ] = "0.5,1,2,4",
    light: Annotated[
        Path | None,
        typer.Option(
            help="Your recording's file, if it has light stimulation that was not fitted: are responses predicted?"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=2**31 - 1)] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Device to compute on.")] = "auto",
    truth: TruthFile = None,
    orientation: Orientation = None,
    truth_read: TruthRead = None,
) -> None:
    """Find out how far a run's connectivity can be believed. Prints findings with numbers, then warnings.

    - **Matched simulations**, whose connections are known: how many of them does SynapsNet find?
    - **Reliability**: does another part of the recording, or another state of the animal, give the same result?
    - **Forecasts**: do connections improve them? Needs a scored run.
    - **Prior knowledge** in the neuron table: cell types, spike widths, positions, areas.
    - **Light**: are responses to optogenetic stimulation predicted?
    - **Known connections**, if the run has them or `--truth` gives them: what was recovered, and what was expected?

    It takes as long as about 30 fits of the run. It may be stopped with Ctrl-C at any time: finished parts are
    kept, the same command continues, and more seeds, fractions or lengths are added to them.

    Examples
    --------
    - `synapsnet assess run/`
    - `synapsnet assess run/ --seeds 1 --lengths 1`
    - `synapsnet assess run/ --light session.nwb`
    """
    from validation.assessment.assess import ASSESSMENT, assess_run
    from validation.assessment.cautions import warnings
    from validation.assessment.findings import findings

    add_truth_of(run, truth, orientation, truth_read)
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
        complain("Interrupted. `synapsnet assess` with the same options continues.")
        raise typer.Exit(130) from None
    for sentence in findings(found):
        OUT.print(f"- {sentence}", markup=False, soft_wrap=True)
    for sentence in warnings(found):
        OUT.print(f"! {sentence}", style="yellow", markup=False, soft_wrap=True)
    then = "" if "forecasts" in found.skipped else f". Next: synapsnet report {run}"
    OUT.print(f"Assessed: {run / ASSESSMENT}{then}", markup=False, soft_wrap=True)


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} needs numbers separated by commas; got {text!r}.") from None
