"""`synapsnet check`: run the property suite on a method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from synapsnet.cli.console import OUT, say

STYLES = {"passed": "green", "failed": "red", "skipped": "dim"}


def check(
    method: Annotated[str, typer.Argument(help="A registered name, or your own as pkg.module:Class.")],
    modality: Annotated[
        Literal["spikes", "calcium"] | None, typer.Option("--as", help="Check on this modality only.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer examples, for a slow method.")] = False,
) -> None:
    """Check that a connectivity inference method has the properties that any should have; exit 1 if it fails a "must".

    Example: `synapsnet check mypkg.mymodule:MyMethod`
    """
    from validation.methods import find_method, find_methods_in
    from validation.properties import MODALITIES, iter_check

    find_methods_in(Path.cwd())
    results = []
    for result in iter_check(find_method(method), modalities=(modality,) if modality else MODALITIES, quick=quick):
        results.append(result)
        OUT.print(f"[{STYLES[result.outcome]}]{result.outcome:7}[/]", end=" ")
        OUT.print(f"{result.modality:7} {result.level:6} {result.name}", markup=False, end="")
        say(f": {result.message}" if result.message else "")
    lacking = [result for result in results if result.outcome == "failed"]
    wrong = [result for result in lacking if result.level == "must"]
    passed = sum(result.outcome == "passed" for result in results)
    say(f"{passed} of {len(results)} passed; {len(lacking)} failed, of which {len(wrong)} are a must.")
    if wrong or not passed:
        raise typer.Exit(1)
