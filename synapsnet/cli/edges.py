"""`synapsnet edges`: export the inferred connectivity for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synapsnet.cli.console import notify, say
from synapsnet.files import check_folder


def edges(
    run: Annotated[Path, typer.Argument(help="Folder written by `synapsnet fit`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")],
    fdr: Annotated[float, typer.Option(help="False discovery rate of the reported connections.")] = 0.05,
    correct: Annotated[
        bool,
        typer.Option(
            "--correct",
            help="Leave out more where `synapsnet assess` found that networks like this exceed the rate of --fdr.",
        ),
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            help="The NWB file that was fitted; the results go into a copy of it. Default: the run's recording."
        ),
    ] = None,
) -> None:
    """Write inferred connections as a table (CSV), as a graph (GraphML), and into a copy of the recording (NWB).

    Examples
    --------
    - `synapsnet edges run/ -o edges/`
    - `synapsnet edges run/ --correct -o edges/`
    - `synapsnet edges run/ --into session.nwb -o edges/`
    """
    from reports.exports import EDGES, GRAPH, NWB, write_exports
    from synapsnet.recording import has_little_data
    from synapsnet.run import load_run

    check_folder(output)
    at = fdr
    if correct:
        from validation.assessment.assess import corrected_fdr

        at = corrected_fdr(run, fdr)
        notify(
            f"Networks like this keep to {fdr:.1%}: nothing is corrected."
            if at == fdr
            else f"In networks like this more than {fdr:.1%} are false; only pairs reported at a nominal {at:.1%} "
            "are kept."
        )
    fitted = load_run(run, device="cpu")
    write_exports(fitted, output, fdr=at, recording=into)
    if few := int(has_little_data(fitted.recording).sum()):
        notify(
            f"{few} of {fitted.recording.n_neurons} neurons have too few spikes, or spikes in one part of the time "
            f"only, to say anything about their connections: `little_data` in {EDGES} marks these pairs."
        )
    say(f"Wrote {', '.join(str(output / name) for name in (EDGES, GRAPH, NWB))}")
