"""`synapsnet simulate`, `observe`, `catalogue` and `export`: simulated networks, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from synapsnet.cli.assignments import nested
from synapsnet.cli.console import OUT, facts, notify, progress, say
from synapsnet.cli.flags import Output, Seed
from synapsnet.cli.info import info
from synapsnet.cli.reading import Reading, reads_recording
from synapsnet.errors import InputError
from synapsnet.files import check_folder, check_output

DEMO_NETWORK = "lif-random"


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
    plasticity: Annotated[
        str | None, typer.Option(help="How the connectivity changes (see `synapsnet catalogue`); default: it does not.")
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
            help="Parameter as NAME=VALUE: of the network, or topology.NAME, inputs.NAME, states.STATE.NAME, "
            "rates.NAME or plasticity.NAME; repeatable.",
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
    - `synapsnet simulate --plasticity rewiring --set plasticity.fraction=0.2 -o sim.nwb`
    - `synapsnet simulate --seeds 4 -o sim-{seed}.nwb`
    - `synapsnet simulate --duration 300 --preview page.html --beside suite2p/ --fs 6 -o sim.nwb`
    """
    import simulators
    from simulators.networks import network_class
    from synapsnet.io import read, write_simulation

    check_output(output, ".nwb", inputs=[] if beside is None else [beside])
    if (seeds > 1) != ("{seed}" in output.name):
        raise InputError(
            f"The name of the output must contain {{seed}} if there are several --seeds, and only then; got {output}."
        )
    if preview is not None:
        check_output(preview, ".html")
    if seeds > 1 and preview is not None:
        raise InputError("--preview shows one simulation; leave --seeds out.")
    if beside is not None and preview is None:
        raise InputError("--beside needs --preview FILE.html, the page to write.")
    if beside is None and reading != Reading():
        raise InputError("Reading options apply to the recording shown beside the simulation; name that with --beside.")
    parameters = nested(parameter or [])
    for name, chosen in (("topology", topology), ("plasticity", plasticity)):
        if chosen is not None:
            more = parameters.get(name, {})
            if not isinstance(more, dict):
                raise InputError(f"--{name} and --set {name} exclude each other; give one of them.")
            parameters[name] = {"name": chosen} | more
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
        say(f"Wrote {seeds} simulations: {output}")
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
        say(f"Preview: {preview.resolve()}")


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
    from_s: Annotated[
        float | None,
        typer.Option("--from", help="Record from this time on, in seconds; connections are those of then."),
    ] = None,
    to_s: Annotated[float | None, typer.Option("--to", help="Record up to this time, in seconds.")] = None,
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
    - `synapsnet observe sim.nwb --as spikes --from 600 -o second-half.nwb`
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
    if from_s is not None or to_s is not None:
        part = part.between(from_s or 0.0, part.duration_s if to_s is None else to_s)
    if visible != 1.0 or by != "random" or cell_type:
        part = visible_part(part, fraction=visible, by=by, cell_types=tuple(cell_type or ()), seed=seed)
    try:
        recording = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(record)(part, seed=seed, **options)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"Unusable {problem['loc'][-1]}: {problem['msg']}; got {problem['input']!r}.") from None
    write_recording(recording, output)
    info(output)


def catalogue(
    name: Annotated[
        str | None, typer.Argument(help="Any name of the list, but not an indicator's; default: list them all.")
    ] = None,
) -> None:
    """List networks, topologies, inputs, states, rates, plasticity, observation models and indicators, or explain one.

    Example: `synapsnet catalogue small-world`
    """
    from simulators.catalogue import entries, explain

    if name is not None:
        OUT.print(explain(name), markup=False)
        return
    for kind, described in entries().items():
        facts(kind, described)


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
    say(f"SONATA: {output}")
