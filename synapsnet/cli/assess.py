"""`synapsnet assess`: how far a run's connectivity can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from synapsnet.cli.console import complain, line, notify, progress, say

if TYPE_CHECKING:
    from validation.assessment.results import Assessment


def assess(
    run: Annotated[Path, typer.Argument(help="Folder written by `synapsnet fit`.")],
    light: Annotated[
        Path | None,
        typer.Option(
            help="File of the recording, if it has light stimulation that was not fitted: are its effects predicted?"
        ),
    ] = None,
    simulate: Annotated[
        float,
        typer.Option(
            help="Minutes for which networks are simulated if the recording is unlike all stored ones; 0 for none. The "
            "same command adds more.",
            min=0,
        ),
    ] = 2.0,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=2**31 - 1)] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Device to compute on.")] = "auto",
) -> None:
    """Find out how far a run's connectivity can be believed. Prints findings with numbers, then warnings.

    - **Simulated recordings** like this one, whose connections are known: how many of them does SynapsNet find, and how
      much of what it reports is false?
    - **Reliability**: does another part of the recording, or another state of the animal, give the same result?
    - **Forecasts**: do connections improve them? Needs a scored run.
    - **Prior knowledge** in the neuron table: cell types, spike widths, positions, areas.
    - **Light**: are responses to optogenetic stimulation predicted?

    What to expect is printed first, within seconds; connectivity is then inferred ten times, from parts of the
    recording. If no stored simulation is like it, networks are simulated for it, and each narrows the intervals. It may
    be stopped with Ctrl-C at any time: what is known by then is kept, and the same command continues.

    Examples
    --------
    - `synapsnet assess run/`
    - `synapsnet assess run/ --light session.nwb`
    """
    from validation.assessment.assess import ASSESSMENT, assess_run, load_assessment

    try:
        with progress() as steps:
            assessed = assess_run(
                run,
                light=light,
                simulate_s=60 * simulate,
                seed=seed,
                device=device,
                progress=steps,
                tell=notify,
            )
    except KeyboardInterrupt:
        if (so_far := load_assessment(run)) is not None:
            _say(so_far)
        complain(f"Interrupted; what is known so far is in {run / ASSESSMENT}. The same command continues.")
        raise typer.Exit(130) from None
    _say(assessed)
    then = "" if "forecasts" in assessed.skipped else f". Next: {line('report', run)}"
    say(f"Assessed: {run / ASSESSMENT}{then}")


def _say(assessed: Assessment) -> None:
    from validation.assessment.cautions import warnings
    from validation.assessment.findings import findings

    for sentence in findings(assessed):
        say(f"- {sentence}")
    for sentence in warnings(assessed):
        say(f"! {sentence}", style="yellow")
