"""The commands of `synapsnet`. Modules that take long to import are imported where they are used."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from synapsnet.cli.assess import assess
from synapsnet.cli.assignments import settings_of_fit
from synapsnet.cli.benchmark import baseline_compare, baseline_save, benchmark, leaderboard
from synapsnet.cli.check import check
from synapsnet.cli.console import complain, line, notify, print_scores, progress, say
from synapsnet.cli.datasets import datasets
from synapsnet.cli.edges import edges
from synapsnet.cli.flags import Device, Output, RunFolder, Seed
from synapsnet.cli.info import info
from synapsnet.cli.pretrain import pretrain
from synapsnet.cli.reading import Orientation, Reading, TruthFile, TruthRead, add_truth_of, reads_recording
from synapsnet.cli.simulations import catalogue, export, observe, simulate
from synapsnet.files import check_folder, check_output, locked, make_folder
from synapsnet.processes import sizes

if TYPE_CHECKING:
    from synapsnet.recording import Recording
    from validation.metrics.results import RunResults

app = typer.Typer(
    help="Can connectivity inferred from population activity be believed? "
    "Simulate, observe, fit, score, report; check and benchmark methods.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from synapsnet import __version__

        typer.echo(f"synapsnet {__version__}")
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


baseline = typer.Typer(help="Save a method's scores, and find out when a later version is worse.", no_args_is_help=True)
baseline.command("save")(baseline_save)
baseline.command("compare")(baseline_compare)

for command in (simulate, observe, catalogue, export):
    app.command()(command)


@app.command()
@reads_recording
def fit(
    recording: Annotated[Path, typer.Argument(help="A file or folder; `synapsnet info` shows how it is read.")],
    output: Output,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Annotated[
        Literal["32-true", "bf16-mixed"], typer.Option(help="Precision of training; bf16 is for GPUs that support it.")
    ] = "32-true",
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted fit.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing run.")] = False,
    test_fraction: Annotated[float, typer.Option(help="Fraction of the recording that is held out, at its end.")] = 0.1,
    epochs: Annotated[int | None, typer.Option(help="Maximum number of passes over the training part.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of SynapsNet as NAME=VALUE; repeatable.")
    ] = None,
    pretrained: Annotated[
        Path | None, typer.Option(help="Run, or output of `synapsnet pretrain`, whose decoder is reused unchanged.")
    ] = None,
    *,
    reading: Reading,
) -> None:
    """Fit SynapsNet and its ablation W = 0 to a recording, simulated or real.

    On several GPUs or computers: `torchrun --nproc-per-node 4 --no-python synapsnet fit rec.nwb -o run/`.

    Examples
    --------
    - `synapsnet fit rec.nwb -o run/`
    - `synapsnet fit suite2p/ --fs 6 -o run/`
    - `synapsnet fit session.npz --key z --dt 0.01 --until light --min-rate 1 -o run/`
    - `synapsnet fit rec.nwb --set connectivity=dale --set decoder=gru -o run/`
    - `synapsnet fit short.nwb --pretrained run/ -o new/`
    """
    check_folder(output, inputs=[recording])
    if output.is_dir() and sizes() == (1, 1):  # what `torchrun` started shares the folder
        with locked(output):  # another process at work is told now, before imports that take seconds
            pass

    from synapsnet.io import read
    from synapsnet.io.nwb_file import name_of
    from synapsnet.settings import Settings

    settings = Settings(**settings_of_fit(seed, epochs, setting))
    data = read(recording, notify=notify, **reading.keywords())
    try:
        _fit(
            data,
            output,
            settings=settings,
            device=device,
            precision=precision,
            test_fraction=test_fraction,
            source=name_of(recording),
            pretrained=pretrained,
            resume=resume,
            overwrite=overwrite,
        )
    except KeyboardInterrupt:
        complain("Interrupted. `synapsnet fit` with the same options and --resume continues to the same result.")
        raise typer.Exit(130) from None


def _fit(data: Recording, output: Path, **options: Any) -> None:
    """Fit a run with the options of `fit_run`, and say what was found."""
    from synapsnet.run import fit_run, load_run

    with progress() as steps, warnings.catch_warnings():
        warnings.showwarning = lambda warning, *_: notify(str(warning))
        fit_run(data, output, progress=steps, **options)
    connectivity = load_run(output).models["synapsnet"].connectivity_
    verdict = f" {connectivity.verdict()}" if connectivity.standard_error is not None else ""
    say(f"Fitted: {output}.{verdict} Next: {line('score', output)}")


@app.command()
def score(
    run: RunFolder,
    against: Annotated[
        str | None,
        typer.Option(
            help="Comparators, comma-separated: names, or pkg.mod:Class. Default: four of them.",
            metavar="NAMES",
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    truth: TruthFile = None,
    orientation: Orientation = None,
    truth_read: TruthRead = None,
) -> None:
    """Fit comparators to the same data, and score all methods: connectivity and forecasts of the held-out part.

    Examples
    --------
    - `synapsnet score run/ --against lagged-correlation,var`
    - `synapsnet score run/ --truth connections.csv`
    """
    from validation.methods import find_methods_in
    from validation.scoring import find_comparator, score_run

    find_methods_in(Path.cwd())
    names = None if against is None else [name.strip() for name in against.split(",") if name.strip()]
    for name in names or ():
        find_comparator(name)  # before the truth is stored
    add_truth_of(run, truth, orientation, truth_read)
    with progress() as steps:
        results = score_run(run, against=names, seed=seed, device=device, progress=steps)
    _print_scores(results)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Scored runs; each becomes a section of the page.")],
    output: Output = Path("report.html"),
    title: Annotated[str, typer.Option(help="Title of the page.")] = "SynapsNet report",
) -> None:
    """Write one self-contained HTML page from scored runs.

    Example: `synapsnet report run/ -o report.html`
    """
    from reports.details import load_details
    from reports.html import write_report
    from synapsnet.run import load_run
    from validation.scoring import load_results

    check_output(output, ".html")
    loaded = [load_run(run, device="cpu") for run in runs]
    write_report([load_results(run) for run in loaded], output, title, [load_details(run) for run in loaded])
    say(f"Report: {output.resolve()}")


app.command()(info)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for all results.")] = Path("demo"),
    duration: Annotated[float, typer.Option(help="Simulated time in seconds.")] = 1200.0,
    neurons: Annotated[int, typer.Option(help="Size of the network.")] = 100,
    seed: Seed = 1,
    device: Device = "auto",
) -> None:
    """Run everything once: simulate, record as spikes and as calcium, fit, score, report.

    Example: `synapsnet demo --seed 1 -o demo`
    """
    from synapsnet.io import read
    from synapsnet.settings import Settings

    check_folder(output)
    make_folder(output)
    simulation = output / "simulation.nwb"
    runs = []
    modalities: tuple[Literal["spikes", "calcium"], ...] = ("spikes", "calcium")
    try:
        simulate(simulation, duration=duration, seed=seed, parameter=[f"n_neurons={neurons}"])
        for modality in modalities:
            recording, run = output / f"{modality}.nwb", output / modality
            observe(simulation, recording, modality, seed)
            options = {"settings": Settings(seed=seed), "device": device, "source": recording.name}
            _fit(read(recording, notify=notify), run, overwrite=True, **options)
            score(run, seed=seed, device=device)
            runs.append(run)
        report(runs, output / "report.html", "SynapsNet demo: one network, recorded as spikes and as calcium")
    except KeyboardInterrupt:
        complain("Interrupted. `synapsnet demo` with the same options starts again; a finished simulation is kept.")
        raise typer.Exit(130) from None


for command in (assess, edges, check, pretrain, benchmark, leaderboard):
    app.command()(command)
app.add_typer(baseline, name="baseline")
app.add_typer(datasets, name="datasets")


def _print_scores(results: RunResults) -> None:
    from reports.tables import connectivity_table, forecast_table, timing_table

    horizons = results.scores.forecast[0].horizon_steps
    tables = [connectivity_table(results), forecast_table(results, 0), forecast_table(results, len(horizons) - 1)]
    for content in [*tables, timing_table(results)]:
        if content is None:
            continue
        print_scores(content, "method")
