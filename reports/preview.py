"""A page on a simulated network and its activity, optionally compared with a real recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from reports.activity_figures import (
    RATE_BIN_S,
    distribution_figure,
    lines_figure,
    raster_figure,
    trace_figure,
    type_colors,
)
from reports.comparison import DIFFERENCES, MAX_SHOWN, N_TRACES, compare, evenly, names_of
from reports.figures import cell_type_order, matrix_figure
from reports.numbers import format_duration, format_number
from reports.page import Panel, flat, render_page
from reports.summary import Statement
from reports.tables import Table
from simulators import observe_calcium
from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError
from synapsnet.files import write_text
from synapsnet.recording import Recording, Simulation
from validation.activity.observe_like import ComparablePair, observe_like
from validation.activity.statistics import (
    COUNT_BIN_S,
    MIN_INTERVALS,
    count_correlation,
    cv_isi,
    rates_hz,
    synchrony,
)

MAX_COMPARED = 1000  # real neurons: all pairs of more need gigabytes
TRACES_S = 40.0
BEHAVIOUR_S = 60.0
MAX_POINTS = 2000
MIN_DURATION_S = 1.0
SYNCHRONY_BIN_S = 0.005
GREYS = ("#4a5058", "#a0a6ad")


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    anchor: str
    title: str
    panels: list[Panel]
    text: str = ""
    statements: list[str] = field(default_factory=list)
    table: Table | None = None


def write_preview(
    simulation: Simulation, output: str | Path, *, beside: Recording | None = None, title: str | None = None
) -> None:
    """Write a self-contained HTML page to `output`, whole or not at all.

    Parameters
    ----------
    simulation : Simulation
    output : str or Path
    beside : Recording, optional
        A real recording: its traces and statistics are shown next to those of the simulation, observed as it was
        (`validation.activity.observe_like.observe_like`).
    title : str, optional
        Default: the network's name.

    Raises
    ------
    InputError
        If `output` cannot be written to, or the simulation cannot be observed like `beside` (see `observe_like`).
    """
    write_text(output, render_preview(simulation, beside=beside, title=title))


def render_preview(simulation: Simulation, *, beside: Recording | None = None, title: str | None = None) -> str:
    """The page as text; see `write_preview`."""
    if simulation.duration_s < MIN_DURATION_S:
        raise InputError(
            f"A preview needs at least {MIN_DURATION_S:g} s of simulation; got {simulation.duration_s:g} s. "
            "Simulate longer (--duration)."
        )
    part = simulation.select_neurons(evenly(cell_type_order(simulation.neurons), MAX_SHOWN))
    likeness = None if beside is None else observe_like(part, _at_most(beside, MAX_COMPARED))
    colors = _type_colors(simulation)
    sections = [
        Section("activity", "Activity", list(_activity(simulation, part, colors))),
        Section("connectivity", "Connectivity", list(_connectivity(simulation, part, colors))),
    ]
    if likeness is not None:
        sections.append(_beside(likeness))
    return render_page(
        "preview.html",
        title=title or f"Preview of {simulation.metadata.get('network', 'a simulation')}",
        beside=likeness is not None,
        facts=_facts(simulation),
        statements=list(_statements(simulation, part)),
        sections=sections,
        setup=list(flat(simulation.metadata)),
    )


def _beside(likeness: ComparablePair) -> Section:
    table, sentences, panels = compare(likeness)
    source = f"{likeness.real.metadata['source']}: " if "source" in likeness.real.metadata else ""
    return Section(
        "beside",
        "Beside a real recording",
        panels,
        f"{source}{likeness.real.n_neurons} recorded and {likeness.simulated.n_neurons} simulated neurons over "
        f"{format_duration(likeness.real.n_steps * likeness.real.dt_s)}. {likeness.how} {DIFFERENCES}",
        sentences or ["No clear difference in the statistics below."],
        table,
    )


def _at_most(recording: Recording, n: int) -> Recording:
    neurons = np.arange(recording.n_neurons)
    return recording if len(neurons) <= n else recording.select_neurons(evenly(neurons, n))


def _types(neurons: pd.DataFrame) -> list[str]:
    return [str(kind) for kind in neurons["cell_type"]]


def _by_type(neurons: pd.DataFrame, values: FloatArray) -> dict[str, FloatArray]:
    """Values of the neurons of each type, in the order of the figures."""
    kinds = neurons["cell_type"].to_numpy()
    return {str(kind): values[kinds == kind] for kind in dict.fromkeys(kinds[cell_type_order(neurons)])}


def _type_colors(simulation: Simulation) -> dict[str, str]:
    weight = simulation.connectome.weight
    return type_colors(_types(simulation.neurons), np.any(weight > 0, axis=0), np.any(weight < 0, axis=0))


def _facts(simulation: Simulation) -> dict[str, str]:
    n, rates = simulation.n_neurons, rates_hz(simulation.spike_times)
    edges = int(simulation.connectome.adjacency.sum())
    kinds = {kind: len(values) for kind, values in _by_type(simulation.neurons, rates).items()}
    by_kind = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    chi = synchrony(simulation.spike_times, SYNCHRONY_BIN_S)
    cv = cv_isi(simulation.spike_times)
    return {
        "Neurons": f"{n}: {by_kind}" if len(kinds) > 1 else str(n),
        "Connections": f"{edges:,} ({format_number(100 * edges / (n * (n - 1)))}% of all directed pairs)",
        "Length": format_duration(simulation.duration_s),
        "Mean rate": f"{format_number(float(rates.mean()))} Hz",
        "Mean CV of intervals": format_number(float(cv[np.isfinite(cv)].mean()) if np.isfinite(cv).any() else None),
        f"Synchrony χ in {SYNCHRONY_BIN_S * 1e3:g} ms": f"{format_number(chi)} (independent: {format_number(n**-0.5)})",
    }


def _statements(simulation: Simulation, part: Simulation) -> Iterator[Statement]:
    silent = int((rates_hz(simulation.spike_times) == 0).sum())
    if silent:
        yield Statement(f"{silent} of the {simulation.n_neurons} neurons never fire.", warning=True)
    if part.n_neurons < simulation.n_neurons:
        yield Statement(
            f"The raster, the matrix, the correlations and any comparison are of {part.n_neurons} of the "
            f"{simulation.n_neurons} neurons, evenly from all types; everything else is of all of them."
        )


def _activity(simulation: Simulation, part: Simulation, colors: dict[str, str]) -> Iterator[Panel]:
    types = _types(part.neurons)
    yield Panel(
        "Spikes",
        f"Each row is a neuron, ordered by type, each line a spike; below, the rate of these neurons in bins of "
        f"{RATE_BIN_S * 1e3:g} ms. Stripes from top to bottom are synchrony. Drag to zoom.",
        {"": raster_figure(part.spike_times, types, colors)},
        shape="wide",
    )
    if simulation.behaviour is not None:
        yield _behaviour(simulation.behaviour)
    yield Panel(
        "Rates",
        "Rates of single neurons. Cortical rates are skewed: most neurons fire slowly and a few fast.",
        {"": distribution_figure(_by_type(simulation.neurons, rates_hz(simulation.spike_times)), "rate (Hz)", colors)},
    )
    yield Panel(
        "Irregularity",
        f"Coefficient of variation of the intervals of each neuron with at least {MIN_INTERVALS} of them: 0 for a "
        "clock, 1 for a Poisson process.",
        {"": distribution_figure(_by_type(simulation.neurons, cv_isi(simulation.spike_times)), "CV", colors)},
    )
    correlation = count_correlation(part.spike_times)
    pairs = np.triu_indices(part.n_neurons, 1)
    joined = (part.connectome.adjacency | part.connectome.adjacency.T)[pairs]
    groups = {"connected pairs": correlation[joined], "other pairs": correlation[~joined]}
    yield Panel(
        "Correlation of pairs",
        f"Correlations of spike counts in bins of {COUNT_BIN_S * 1e3:g} ms. The more the rows overlap, the less a "
        "correlation says about a connection.",
        {"": distribution_figure(groups, "correlation", dict(zip(groups, GREYS, strict=True)))},
    )
    examples = part.select_neurons(_examples(part.spike_times))
    imaged = observe_calcium(examples)
    rows = slice(0, int(TRACES_S / imaged.dt_s))
    traces = trace_figure(
        imaged.values[rows],
        imaged.activity.times()[rows],
        names_of(examples.neurons),
        [colors[k] for k in _types(examples.neurons)],
        "ΔF/F",
    )
    yield Panel(
        "As seen by calcium imaging",
        "ΔF/F of a few neurons with the observation model's defaults (GCaMP6f, 30 Hz, noise level 1).",
        {"": traces},
    )


def _behaviour(behaviour: nap.TsdFrame) -> Panel:
    times = behaviour.times()
    kept = times < times[0] + BEHAVIOUR_S
    step = -(-int(kept.sum()) // MAX_POINTS)
    starts = np.arange(0, int(kept.sum()), step)
    highest = np.maximum.reduceat(behaviour.values[kept], starts)  # so that short pulses of light stay
    return Panel(
        "Inputs and behaviour",
        f"What an experimenter would know of the inputs, in the first {format_duration(BEHAVIOUR_S)} at most.",
        {"": lines_figure(times[starts], highest, [str(name) for name in behaviour.columns])},
        shape="wide",
    )


def _connectivity(simulation: Simulation, part: Simulation, colors: dict[str, str]) -> Iterator[Panel]:
    truth = simulation.connectome
    yield Panel(
        "Connections",
        "Each column is a sending neuron, each row a receiving one, ordered by type (lines); red excites, blue "
        "inhibits, white is no connection.",
        {"": matrix_figure(part.connectome.weight, part.neurons, f"weight ({truth.unit})")},
        shape="matrix",
    )
    if not truth.adjacency.any():
        return
    weights = _by_sender(simulation, truth.weight)
    yield Panel(
        "Weights",
        "Weights of the outgoing connections of each cell type.",
        {"": distribution_figure(weights, f"weight ({truth.unit})", colors)},
    )
    if truth.delay_s is not None:
        delays = {kind: 1e3 * delay_s for kind, delay_s in _by_sender(simulation, truth.delay_s).items()}
        yield Panel(
            "Delays",
            "From a spike to its arrival, by the type of the sending neuron.",
            {"": distribution_figure(delays, "delay (ms)", colors)},
        )


def _by_sender(simulation: Simulation, matrix: FloatArray) -> dict[str, FloatArray]:
    """Values of the connections that each type sends; types that send none are left out."""
    post, pre = np.nonzero(simulation.connectome.adjacency)
    values, sender = matrix[post, pre], simulation.neurons["cell_type"].to_numpy()[pre]
    kinds = _by_type(simulation.neurons, np.zeros(simulation.n_neurons))
    return {kind: values[sender == kind] for kind in kinds if (sender == kind).any()}


def _examples(spike_times: nap.TsGroup) -> npt.NDArray[np.integer[Any]]:
    """A few neurons that fire, evenly from all."""
    firing = np.flatnonzero(rates_hz(spike_times) > 0)
    return evenly(firing if len(firing) >= 2 else np.arange(len(spike_times)), N_TRACES)
