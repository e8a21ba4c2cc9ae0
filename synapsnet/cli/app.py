"""The commands of `synapsnet`. Modules that take long to import are imported where they are used."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from synapsnet.cli.assess import assess
from synapsnet.cli.assignments import nested, settings_of_fit
from synapsnet.cli.benchmark import baseline_compare, baseline_save, benchmark, leaderboard
from synapsnet.cli.check import check
from synapsnet.cli.console import OUT, complain, facts, notify, print_scores, progress
from synapsnet.cli.datasets import datasets
from synapsnet.cli.edges import edges
from synapsnet.cli.pretrain import pretrain
from synapsnet.cli.reading import Orientation, Reading, TruthFile, TruthRead, add_truth_of, reads_recording
from synapsnet.errors import InputError
from synapsnet.files import check_folder, check_output, make_folder

if TYPE_CHECKING:
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

Seed = Annotated[int, typer.Option(help="Random seed.", min=0, max=2**63 - 1)]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Device to compute on.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Output path.")]
RunFolder = Annotated[Path, typer.Argument(help="Folder written by `synapsnet fit`.")]
DEMO_NETWORK = "lif-random"


@app.command()
@reads_recording
def simulate(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Output file; with --seeds, its name must contain {seed}."),
    ],
    network: Annotated[str, typer.Option(help="Name of the network; see `synapsnet catalogue`.")] = DEMO_NETWORK,
    topology: Annotated[
        str | None, typer.Option(help="Wiring between the neurons; default: the network's own.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(help="State of the whole network (see `synapsnet catalogue`); repeatable."),
    ] = None,
    duration: Annotated[float, typer.Option(help="Simulated time in seconds.")] = 1200.0,
    seed: Seed = 0,
    seeds: Annotated[
        int, typer.Option(help="Number of seeds to simulate in parallel, starting from --seed.", min=1)
    ] = 1,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Parameter as NAME=VALUE: of the network, or topology.NAME, inputs.NAME, states.STATE.NAME or "
            "rates.NAME; repeatable.",
        ),
    ] = None,
    preview: Annotated[Path | None, typer.Option(help="Write an HTML page with the network's activity.")] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Real recording to compare with on that page (reading options: below).")
    ] = None,
    *,
    reading: Reading,
) -> None:
    """Simulate a network with known connectivity.

    Examples
    --------
    - `synapsnet simulate --network lif-random --duration 1200 --seed 1 -o sim.nwb`
    - `synapsnet simulate --network adex --topology small-world --set inputs.shared_fraction=0.3 -o sim.nwb`
    - `synapsnet simulate --state up-down --set states.up-down.size_mv=8 --set rates.median_hz=1 -o sim.nwb`
    - `synapsnet simulate --seeds 4 -o sim-{seed}.nwb`
    - `synapsnet simulate --duration 300 --preview page.html --beside suite2p/ --fs 6 -o sim.nwb`
    """
    import simulators
    from simulators.networks import network_class
    from synapsnet.io import read, write_simulation

    check_output(output, ".nwb", inputs=[] if beside is None else [beside])
    if (seeds > 1) != ("{seed}" in output.name):
        raise InputError(
            f"The name of the output must contain {{seed}} with several --seeds, and only then; got {output}."
        )
    if preview is not None:
        check_output(preview, ".html")
    if seeds > 1 and preview is not None:
        raise InputError("--preview shows one simulation; leave --seeds out.")
    if beside is not None and preview is None:
        raise InputError("--beside needs --preview FILE.html, the page to write.")
    if beside is None and reading != Reading():
        raise InputError("Reading options apply to the recording shown beside the simulation; name it (--beside).")
    parameters = nested(parameter or [])
    if topology is not None:
        more = parameters.get("topology", {})
        if not isinstance(more, dict):
            raise InputError("--topology and --set topology exclude each other; give one of them.")
        parameters["topology"] = {"name": topology} | more
    if state:
        more = parameters.get("states", {})
        if not isinstance(more, dict):
            raise InputError("--state and --set states exclude each other; give one of them.")
        parameters["states"] = {name: {} for name in state} | more
    configured = network_class(network)(**parameters)
    real = None if beside is None else read(beside, notify=notify, **reading.keywords())
    if seeds > 1:
        with progress() as steps:
            for k, simulated in enumerate(
                simulators.simulate_seeds(configured, range(seed, seed + seeds), duration_s=duration)
            ):
                write_simulation(simulated, output.with_name(output.name.replace("{seed}", str(seed + k))))
                steps("simulating", (k + 1) / seeds)
        OUT.print(f"Wrote {seeds} simulations: {output}", markup=False)
        return
    with progress() as steps:
        simulation = simulators.simulate(
            configured, duration_s=duration, seed=seed, notify=notify, progress=lambda done: steps("simulating", done)
        )
        steps("writing", None)
        write_simulation(simulation, output)
        if preview is not None:
            from reports.preview import write_preview

            write_preview(simulation, preview, beside=real)
    info(output)
    if preview is not None:
        OUT.print(f"Preview: {preview.resolve()}", markup=False, soft_wrap=True)


@app.command()
def observe(
    simulation: Annotated[Path, typer.Argument(help="File written by `synapsnet simulate`.")],
    output: Output,
    modality: Annotated[Literal["calcium", "spikes"], typer.Option("--as", help="Modality to record.")],
    seed: Seed = 0,
    bin_ms: Annotated[float | None, typer.Option("--bin", help="Spikes: bin width in ms; default 5.")] = None,
    loss: Annotated[float | None, typer.Option(help="Spikes: probability that a spike is missed; default 0.")] = None,
    contamination: Annotated[
        float | None, typer.Option(help="Spikes: fraction of a unit's spikes that other neurons fired; default 0.")
    ] = None,
    indicator: Annotated[str | None, typer.Option(help="Calcium: indicator; default GCaMP6f.")] = None,
    frame_rate: Annotated[float | None, typer.Option(help="Calcium: frames per second; default 30.")] = None,
    noise: Annotated[
        float | None, typer.Option(help="Calcium: noise level nu, % per square root of Hz; default 1.")
    ] = None,
    drift: Annotated[
        float | None, typer.Option(help="Calcium: standard deviation of the baseline in dF/F; default 0.02.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another observation parameter as NAME=VALUE; see `synapsnet catalogue`."),
    ] = None,
    visible: Annotated[float, typer.Option(help="Fraction of the neurons that are recorded.")] = 1.0,
    by: Annotated[
        Literal["random", "field", "depth", "rate", "type"],
        typer.Option(help="How the recorded neurons are chosen: at random, or by field of view, depth, rate or type."),
    ] = "random",
    cell_type: Annotated[list[str] | None, typer.Option(help="With --by type: a type to record; repeatable.")] = None,
) -> None:
    """Record a simulation as an experiment would.

    Examples
    --------
    - `synapsnet observe sim.nwb --as calcium --noise 2 --seed 1 -o rec.nwb`
    - `synapsnet observe sim.nwb --as spikes --visible 0.5 --set min_rate_hz=0.5 -o rec.nwb`
    """
    from pydantic import ConfigDict, ValidationError, validate_call

    from simulators import observe_calcium, observe_spikes, visible_part
    from simulators.catalogue import keyword_parameters
    from synapsnet.io import read_simulation, write_recording

    check_output(output, ".nwb", inputs=[simulation])
    bin_s = None if bin_ms is None else bin_ms / 1e3
    spikes = {"bin_s": bin_s, "loss": loss, "contamination": contamination}
    calcium = {"indicator": indicator, "frame_rate_hz": frame_rate, "noise_level": noise, "drift": drift}
    own, foreign = (spikes, calcium) if modality == "spikes" else (calcium, spikes)
    if unused := [name for name, value in foreign.items() if value is not None]:
        raise InputError(f"{', '.join(unused)} cannot be used with {modality}; leave it out.")
    options: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    record: Callable[..., Any] = observe_spikes if modality == "spikes" else observe_calcium
    known = [name for name in keyword_parameters(record) if name not in ("seed", "notify", *own)]
    for name, value in nested(parameter or []).items():
        if name not in known:
            raise InputError(f"--set takes no {name!r} for {modality}; it takes {', '.join(known)}.")
        options[name] = value
    if modality == "spikes":
        options["notify"] = notify
    part = read_simulation(simulation)
    if visible != 1.0 or by != "random" or cell_type:
        part = visible_part(part, fraction=visible, by=by, cell_types=tuple(cell_type or ()), seed=seed)
    try:
        recording = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(record)(part, seed=seed, **options)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"Unusable {problem['loc'][-1]}: {problem['msg']}; got {problem['input']!r}.") from None
    write_recording(recording, output)
    info(output)


@app.command()
def catalogue(
    name: Annotated[
        str | None, typer.Argument(help="A network, topology or observation model; default: list them all.")
    ] = None,
) -> None:
    """List the networks, topologies and observation models, or explain one with its parameters.

    Example: `synapsnet catalogue small-world`
    """
    from simulators.catalogue import entries, explain

    if name is not None:
        OUT.print(explain(name), markup=False)
        return
    for kind, described in entries().items():
        facts(kind, described)


@app.command()
def export(
    simulation: Annotated[Path, typer.Argument(help="File written by `synapsnet simulate`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the SONATA files.")],
) -> None:
    """Write neurons, connections and spikes of a simulation as SONATA, for other tools.

    Example: `synapsnet export sim.nwb -o network/`
    """
    from simulators.sonata import write_sonata
    from synapsnet.io import read_simulation

    check_folder(output)
    write_sonata(read_simulation(simulation), output)
    OUT.print(f"SONATA: {output}", markup=False)


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
    from synapsnet.io import read
    from synapsnet.io.nwb_file import name_of
    from synapsnet.run import fit_run, load_run
    from synapsnet.settings import Settings

    check_folder(output, inputs=[recording])
    settings = Settings(**settings_of_fit(seed, epochs, setting))
    data = read(recording, notify=notify, **reading.keywords())
    try:
        with progress() as steps, warnings.catch_warnings():
            warnings.showwarning = lambda warning, *_: notify(str(warning))
            fit_run(
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
                progress=steps,
            )
    except KeyboardInterrupt:
        complain("Interrupted. `synapsnet fit` with the same options and --resume continues to the same result.")
        raise typer.Exit(130) from None
    connectivity = load_run(output).models["synapsnet"].connectivity_
    verdict = f" {connectivity.verdict()}" if connectivity.standard_error is not None else ""
    OUT.print(f"Fitted: {output}.{verdict} Next: synapsnet score {output}", markup=False)


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
    from validation.scoring import score_run

    find_methods_in(Path.cwd())
    add_truth_of(run, truth, orientation, truth_read)
    names = None if against is None else [name.strip() for name in against.split(",") if name.strip()]
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
    OUT.print(f"Report: {output.resolve()}", markup=False, soft_wrap=True)


@app.command()
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
    check_folder(output)
    make_folder(output)
    simulation = output / "simulation.nwb"
    simulate(simulation, duration=duration, seed=seed, parameter=[f"n_neurons={neurons}"])
    runs = []
    modalities: tuple[Literal["spikes", "calcium"], ...] = ("spikes", "calcium")
    for modality in modalities:
        recording, run = output / f"{modality}.nwb", output / modality
        observe(simulation, recording, modality, seed)
        fit(recording, run, seed, device, overwrite=True)
        score(run, seed=seed, device=device)
        runs.append(run)
    report(runs, output / "report.html", "SynapsNet demo: one network, recorded as spikes and as calcium")


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
