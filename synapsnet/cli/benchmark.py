"""`synapsnet benchmark`, `leaderboard` and `baseline`: methods compared on the same networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synapsnet.cli.console import complain, line, notify, print_scores, progress, say
from synapsnet.errors import InputError
from synapsnet.files import check_folder, check_output, make_folder, write_text
from synapsnet.wording import counted, listed

if TYPE_CHECKING:
    from reports.leaderboard import Leaderboard

# The metrics that fit into a terminal; the page has all of them.
IN_TERMINAL = ("rank", "auprc", "of_ceiling", "auroc", "weight_correlation", "seconds", "peak_mib", "failed")

Folder = Annotated[
    Path,
    typer.Option("--output", "-o", help="Folder for results; results that it holds already are not computed again."),
]
Results = Annotated[
    Path, typer.Argument(help="Folder written by `synapsnet benchmark`, a .parquet file, or a folder of them.")
]
Baselines = Annotated[Path, typer.Option("--folder", help="Folder of baselines, one NAME.json each.")]


def benchmark(
    suite: Annotated[
        str,
        typer.Argument(
            help="smoke, away, recovery, perturbation, strong-recurrence, changing, ablation, curves, forecast, "
            "standard, full; or a TOML file"
        ),
    ],
    output: Folder = Path("results"),
    method: Annotated[
        list[str] | None,
        typer.Option(help="Additional method: a registered name, or your own as pkg.module:Class; repeatable."),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:PORT.")] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Run as Slurm jobs; see dask-jobqueue.")] = False,
    workers: Annotated[
        int | None, typer.Option(help="Number of parallel workers; default: one per core.", min=1)
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download missing public recordings into data/.")] = False,
) -> None:
    """Run a suite of networks, observations, methods and seeds; an interrupted run continues where it stopped.

    Examples
    --------
    - `synapsnet benchmark smoke -o results/`
    - `synapsnet benchmark standard --method mypkg.mymodule:MyMethod -o results/`
    - `synapsnet benchmark away --fetch -o away/`
    - `synapsnet benchmark forecast -o forecasts/`
    """
    from reports.forecast_benchmark import forecast_tables
    from reports.leaderboard import leaderboard as ranked
    from validation.benchmark.runner import connect, run_suite
    from validation.benchmark.suite import load_suite
    from validation.benchmark.table import is_of_forecasts
    from validation.methods import find_methods_in

    find_methods_in(Path.cwd())
    check_folder(output)
    loaded_suite = load_suite(suite)
    try:
        if fetch:
            with progress() as steps:
                for recording in loaded_suite.recordings.values():
                    recording.fetch(notify=notify, progress=steps)
        with progress() as steps, connect(scheduler=scheduler, slurm=slurm, workers=workers) as client:
            results = run_suite(loaded_suite, output, client, more_methods=method or (), progress=steps, notify=notify)
    except KeyboardInterrupt:
        complain("Interrupted. `synapsnet benchmark` with the same options continues where it stopped.")
        raise typer.Exit(130) from None
    if is_of_forecasts(results):
        say(forecast_tables(results))
        say(f"Results: {output}.")
        return
    _print(ranked(results))
    say(f"Results: {output}. Next: {line('leaderboard', output)}")


def leaderboard(
    results: Results = Path("results"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML page to write; default: leaderboard.html.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Write a figure of scores by setting and against cost: .svg, .png or .pdf.")
    ] = None,
    curves: Annotated[
        Path | None, typer.Option(help="Write curves over the quantity that the suite varies: .svg, .png or .pdf.")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(help="Write AUPRC and realised FDR by setting as Markdown, .md; for forecasts, their skill."),
    ] = None,
) -> None:
    """Rank methods by their benchmark scores: by setting, with intervals over seeds, and against their cost.

    Examples
    --------
    - `synapsnet leaderboard results/ -o leaderboard.html --figure leaderboard.svg`
    - `synapsnet leaderboard results/ --curves curves.svg`
    - `synapsnet leaderboard reports/results/away/ --markdown away.md`
    """
    from reports.forecast_benchmark import forecast_tables
    from reports.leaderboard import FIGURE_SUFFIXES, write_curves, write_figure, write_markdown, write_page
    from reports.leaderboard import leaderboard as ranked
    from validation.benchmark.table import is_of_forecasts, read_table

    page = output or Path("leaderboard.html")
    check_output(page, ".html")
    for drawn in (figure, curves):
        if drawn is not None:
            check_output(drawn, *FIGURE_SUFFIXES)
    if markdown is not None:
        check_output(markdown, ".md")
    table = read_table(results, notify=notify)
    if is_of_forecasts(table):
        given = {"--output": output, "--figure": figure, "--curves": curves}
        unused = [name for name, path in given.items() if path is not None]
        if unused or markdown is None:
            raise InputError(
                f"{results} holds forecasts, which have tables only, no page and no figures; "
                f"{f'leave out {listed(unused)}, and ' if unused else ''}give --markdown FILE.md."
            )
        write_text(markdown, forecast_tables(table))
        say(f"Tables: {markdown.resolve()}")
        return
    board = ranked(table)
    write_page(board, page)
    if figure is not None:
        write_figure(board, figure)
    if curves is not None:
        write_curves(board, curves)
    if markdown is not None:
        write_markdown(board, markdown)
    _print(board)
    if board.differences is not None:
        print_scores(board.differences, "setting", intervals=True)
    for lost in board.losses:
        say(f"{lost.caption}. {lost.verdict}")
    say(f"Leaderboard: {page.resolve()}")


def baseline_save(
    name: Annotated[str, typer.Argument(help="Name of the baseline.")],
    method: Annotated[str, typer.Option(help="Method whose scores are saved.")],
    results: Results = Path("results"),
    folder: Baselines = Path("baselines"),
) -> None:
    """Save a method's scores on a suite, to compare later versions with.

    Example: `synapsnet baseline save var-1.0 results/ --method var`
    """
    from validation.benchmark.baseline import make_baseline, save_baseline
    from validation.benchmark.table import read_table

    path = _baseline(folder, name)
    check_folder(folder)
    made = make_baseline(read_table(results), method)
    make_folder(folder)
    save_baseline(made, path)
    say(f"Baseline: {method} in {counted(len(made.settings), 'setting')}, {path}")


def baseline_compare(
    name: Annotated[str, typer.Argument(help="Name of the baseline.")],
    results: Results = Path("results"),
    folder: Baselines = Path("baselines"),
) -> None:
    """Compare a method with its baseline, case by case; exit 1 if any score is significantly worse.

    Example: `synapsnet baseline compare var-1.0 results/`
    """
    from validation.benchmark.baseline import compare, load_baseline
    from validation.benchmark.table import read_table

    changes = compare(read_table(results), load_baseline(_baseline(folder, name)))
    worse = [change for change in changes if change.worse]
    for change in worse:
        complain(f"worse, {change}")
    say(f"{counted(len(changes), 'score')} compared with {name}, {len(worse)} significantly worse.")
    if worse:
        raise typer.Exit(1)


def _baseline(folder: Path, name: str) -> Path:
    """The file of a baseline, which lies in the folder whatever its name."""
    if Path(name).name != name:
        raise InputError(f"The name of a baseline must not be a path; got {name!r}. Give its folder with --folder.")
    return folder / f"{name}.json"


def _print(board: Leaderboard) -> None:
    print_scores(board.standing, "method", fields=IN_TERMINAL, intervals=True)
    if board.verdict:
        say(board.verdict)
    print_scores(next(iter(board.by_setting.values())), "setting", intervals=True)
    for failure in board.failures.itertuples():
        notify(f"{failure.method} on {failure.setting}, seeds: {failure.seeds}: {failure.status}, {failure.reason}")
