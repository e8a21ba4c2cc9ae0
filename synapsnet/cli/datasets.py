"""`synapsnet datasets`: public recordings by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synapsnet.cli.console import complain, facts, line, notify, progress, say
from synapsnet.wording import counted

datasets = typer.Typer(invoke_without_command=True)

Name = Annotated[str, typer.Argument(help="A data set; see `synapsnet datasets`.")]


@datasets.callback()
def list_datasets(context: typer.Context) -> None:
    """List the public recordings that can be fetched and read.

    Examples
    --------
    - `synapsnet datasets`
    - `synapsnet datasets files steinmetz-2019`
    - `synapsnet datasets fetch allen-neuropixels --session ses-721123822 -o allen/`
    """
    if context.invoked_subcommand is not None:
        return
    from synapsnet.datasets import registry

    for dataset in registry().values():
        facts(
            dataset.name,
            {
                "what": dataset.what,
                "good for": dataset.good_for,
                "size": dataset.size or "see `synapsnet datasets files`",
                "licence": dataset.licence or "stated when fetched",
                "from": f"{dataset.archive} {dataset.identifier} {dataset.version}".rstrip() + f", {dataset.address}",
                "cite": dataset.citation,
                "read by": dataset.reader,
            },
        )


@datasets.command("files")
def list_dataset_files(name: Name) -> None:
    """List the files of a data set in its archive, with their sizes and the licence.

    Example: `synapsnet datasets files stringer-2019`
    """
    from synapsnet.datasets import find_dataset, list_files

    listing = list_files(find_dataset(name))
    for file in listing.files:
        say(f"{file.size / 1e6:12,.1f} MB  {file.path}")
    total = sum(file.size for file in listing.files) / 1e9
    n_files = counted(len(listing.files), "file")
    say(f"{n_files}, {total:,.1f} GB; licence: {listing.licence or 'not stated'}.")


@datasets.command("fetch")
def fetch_dataset(
    name: Name,
    session: Annotated[
        str | None, typer.Option(help="Only files whose path contains this text, such as a subject or a date.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output folder; default: the data set's name.")
    ] = None,
) -> None:
    """Download a data set, or one session of it; an interrupted download resumes.

    Example: `synapsnet datasets fetch allen-neuropixels --session ses-721123822 -o allen/`
    """
    from synapsnet.datasets import fetch, find_dataset

    folder = output or Path(name)
    try:
        with progress() as steps:
            fetched = fetch(find_dataset(name), folder, session=session, notify=notify, progress=steps)
    except KeyboardInterrupt:
        complain("Interrupted. The same command continues where it stopped.")
        raise typer.Exit(130) from None
    for path in fetched:
        say(f"Fetched: {path}. Next: {line('info', path)}")
