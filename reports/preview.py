"""One page that shows what a simulated network is and does, beside a real recording where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pynapple as nap

from reports.activity_figures import (
    RATE_BIN_S,
    curve_figure,
    distribution_figure,
    lines_figure,
    raster_figure,
    trace_figure,
    type_colors,
)
from reports.figures import FloatArray, cell_type_order, matrix_figure
from reports.html import Panel
from reports.html import _flat as flat
from reports.numbers import format_duration, format_number, is_defined
from reports.page import render_page
from reports.summary import Statement
from reports.tables import Cell, Metric, Row, Table
from simulators import observe_calcium
from synapsnet.errors import InputError
from synapsnet.files import write_text
from synapsnet.recording import Recording, Simulation
from validation.likeness import Likeness, is_dff, observe_like, part_of
from validation.statistics import (
    COUNT_BIN_S,
    MIN_INTERVALS,
    CalciumStatistics,
    SpikeStatistics,
    autocorrelation,
    binned_spike_times,
    calcium_statistics,
    count_correlation,
    cv_isi,
    rates_hz,
    spike_statistics,
    synchrony,
)

MAX_SHOWN = 200  # neurons in the raster and in the matrix
N_TRACES = 6
TRACES_S = 40.0
BEHAVIOUR_S = 60.0
MAX_POINTS = 2000
MIN_DURATION_S = 1.0
SYNCHRONY_BIN_S = 0.005
SIMULATION, RECORDING = "simulation", "recording"
GREYS = ("#4a5058", "#a0a6ad")
COLORS = {SIMULATION: "#a63603", RECORDING: "#4a5058"}

SPIKE_METRICS = (
    Metric("rate_hz", "rate (Hz)", "Spikes per second of each neuron."),
    Metric(
        "cv",
        "CV of intervals",
        "Standard deviation of a neuron's interspike intervals over their mean: 0 for a clock, 1 for a Poisson "
        f"process. Not defined for fewer than {MIN_INTERVALS} intervals. Epochs shorter than the intervals make it "
        "too low.",
    ),
    Metric(
        "local_variation",
        "local variation",
        "The same of neighbouring intervals (Shinomoto et al. 2003), which slow changes of the rate leave as it is.",
    ),
    Metric(
        "correlation",
        "count correlation",
        f"Pearson correlation of the spike counts of two different neurons in bins of {COUNT_BIN_S * 1e3:g} ms.",
    ),
)
CALCIUM_METRICS = (
    Metric(
        "noise_level",
        "noise level ν (%/√Hz)",
        "Median of |F(t + 1) − F(t)| over the square root of the frame rate (Rupprecht et al. 2021). It means noise "
        "only where F is dF/F and most frames hold no activity.",
    ),
    Metric("skewness", "skewness", "Of the values of a trace: large where a quiet neuron answers rarely and strongly."),
    Metric("decay_s", "decay (s)", "Time in which a trace's autocorrelation falls to 1/e."),
    Metric("persistence", "autocorrelation at 1 s", "Correlation of a trace with itself one second later."),
    Metric("correlation", "pairwise correlation", "Pearson correlation of two different traces, frame by frame."),
)


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
        (`validation.likeness.observe_like`).
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
    likeness = None if beside is None else observe_like(simulation, beside)
    part = part_of(simulation, _shown(simulation.neurons))
    colors = _type_colors(simulation)
    sections = [
        Section("activity", "Activity", list(_activity(simulation, part, colors))),
        Section("connectivity", "Connectivity", list(_connectivity(simulation, part, colors))),
    ]
    if likeness is not None:
        sections.append(_comparison(likeness))
    return render_page(
        "preview.html",
        title=title or f"Preview of {simulation.metadata.get('network', 'a simulation')}",
        beside=likeness is not None,
        facts=_facts(simulation),
        statements=list(_statements(simulation, part)),
        sections=sections,
        setup=list(flat(simulation.metadata)),
    )


def summary_table(statistics: Mapping[str, SpikeStatistics | CalciumStatistics], caption: str) -> Table:
    """Median and quartiles of each statistic, a row for each name.

    Parameters
    ----------
    statistics : dict of name -> statistics, all of spikes or all of calcium
    caption : str
    """
    metrics = _metrics(next(iter(statistics.values())))
    rows = [
        Row(name, name, [_cell(getattr(found, metric.field)) for metric in metrics])
        for name, found in statistics.items()
    ]
    return Table(caption, metrics, rows)


def disagreements(
    simulated: SpikeStatistics | CalciumStatistics, real: SpikeStatistics | CalciumStatistics
) -> list[str]:
    """A sentence for each statistic whose quartiles, of simulation and recording, do not overlap."""
    sentences = []
    for metric in _metrics(real):
        ours, theirs = (_quartiles(getattr(found, metric.field)) for found in (simulated, real))
        if ours[2] < theirs[0] or ours[0] > theirs[2]:
            where = "lower" if ours[2] < theirs[0] else "higher"
            sentences.append(
                f"{_capital(metric.name)}: {where} in the simulation, median {format_number(ours[1])} against "
                f"{format_number(theirs[1])}; the middle halves do not overlap."
            )
    return sentences


def statistics_of(recording: Recording) -> SpikeStatistics | CalciumStatistics:
    """Statistics of what was recorded: of spikes as the bins show them, or of calcium."""
    if recording.modality == "calcium":
        found = calcium_statistics(recording)
        # In another unit than dF/F a noise level is a number without meaning
        return found if is_dff(recording) else replace(found, noise_level=np.full(recording.n_neurons, np.nan))
    return spike_statistics(binned_spike_times(recording))


def _metrics(found: SpikeStatistics | CalciumStatistics) -> tuple[Metric, ...]:
    return SPIKE_METRICS if isinstance(found, SpikeStatistics) else CALCIUM_METRICS


def _quartiles(values: FloatArray) -> FloatArray:
    known = values[np.isfinite(values)]
    return np.percentile(known, [25, 50, 75]) if len(known) else np.full(3, np.nan)


def _cell(values: FloatArray) -> Cell:
    low, median, high = _quartiles(values)
    if not is_defined(median):
        return Cell(format_number(None))
    return Cell(format_number(median), f"[{format_number(low)}, {format_number(high)}]", float(median))


def _shown(neurons: pd.DataFrame) -> npt.NDArray[np.integer[Any]]:
    """Neurons by type, at most `MAX_SHOWN`, evenly among them."""
    order = cell_type_order(neurons)
    return order[np.linspace(0, len(order) - 1, min(len(order), MAX_SHOWN)).round().astype(int)]


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
            f"The raster, the matrix and the correlations are of {part.n_neurons} of the {simulation.n_neurons} "
            "neurons, evenly from all types; everything else is of all of them."
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
        "Of single neurons. Cortical rates are skewed: most neurons fire slowly and a few fast.",
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
        f"Of spike counts in bins of {COUNT_BIN_S * 1e3:g} ms. The more the two rows overlap, the less a correlation "
        "says about a connection.",
        {"": distribution_figure(groups, "correlation", dict(zip(groups, GREYS, strict=True)))},
    )
    few = part_of(part, _examples(part.spike_times))
    seen = observe_calcium(few)
    rows = slice(0, int(TRACES_S / seen.dt_s))
    traces = trace_figure(
        seen.values[rows],
        seen.activity.times()[rows],
        _names(few.neurons),
        [colors[k] for k in _types(few.neurons)],
        "ΔF/F",
    )
    yield Panel(
        "As calcium imaging would show it",
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
    sizes = {"weight": truth.weight} | ({} if truth.delay_s is None else {"delay": truth.delay_s * 1e3})
    for name, unit, caption in (
        ("weight", truth.unit, "Of the connections that the neurons of each type send."),
        ("delay", "ms", "From a spike to its arrival, by the type of the sending neuron."),
    ):
        if name in sizes:
            yield Panel(
                f"{name.capitalize()}s",
                caption,
                {"": distribution_figure(_by_sender(simulation, sizes[name]), f"{name} ({unit})", colors)},
            )


def _by_sender(simulation: Simulation, matrix: FloatArray) -> dict[str, FloatArray]:
    """Values of the connections that each type sends; types that send none are left out."""
    adjacency, kinds = simulation.connectome.adjacency, simulation.neurons["cell_type"].to_numpy()
    sent = {
        kind: matrix[:, kinds == kind][adjacency[:, kinds == kind]]
        for kind in _by_type(simulation.neurons, np.zeros(simulation.n_neurons))
    }
    return {kind: values for kind, values in sent.items() if len(values)}


def _comparison(likeness: Likeness) -> Section:
    pair = {SIMULATION: likeness.simulated, RECORDING: likeness.real}
    found = {name: statistics_of(recording) for name, recording in pair.items()}
    source = f"{likeness.real.metadata['source']}: " if "source" in likeness.real.metadata else ""
    duration_s = likeness.real.n_steps * likeness.real.dt_s
    panels = [_example(name, recording) for name, recording in pair.items()]
    if likeness.real.modality == "calcium":
        curves = {}
        for name, recording in pair.items():
            curve = np.nanmedian(autocorrelation(recording), axis=1)
            curves[name] = (np.arange(len(curve)) * recording.dt_s, curve)
        panels.append(
            Panel(
                "Autocorrelation",
                "Median over neurons. The step at the first frame is noise, the slope after it indicator and activity.",
                {"": curve_figure(curves, "lag (s)", "correlation", COLORS)},
            )
        )
    panels += [
        Panel(
            _capital(metric.name),
            metric.meaning,
            {"": distribution_figure({n: getattr(f, metric.field) for n, f in found.items()}, metric.name, COLORS)},
        )
        for metric in _metrics(found[RECORDING])
    ]
    return Section(
        "beside",
        "Beside a real recording",
        panels,
        f"{source}{likeness.real.n_neurons} recorded and {likeness.simulated.n_neurons} simulated neurons over "
        f"{format_duration(duration_s)}. {likeness.how}",
        disagreements(found[SIMULATION], found[RECORDING])
        or ["In no statistic below do the middle halves of simulation and recording lie apart."],
        summary_table(found, "Median over neurons or pairs, and quartiles"),
    )


def _example(name: str, recording: Recording) -> Panel:
    if recording.modality == "spikes":
        kept = np.linspace(0, recording.n_neurons - 1, min(recording.n_neurons, MAX_SHOWN)).round().astype(int)
        part = binned_spike_times(recording.select_neurons(kept))
        return Panel(
            f"Spikes, {name}",
            f"{len(kept)} of {recording.n_neurons} neurons in the longest epoch.",
            {"": raster_figure(part, [name] * len(kept), COLORS)},
        )
    a, b = max(recording.segments, key=lambda segment: segment[1] - segment[0])
    spare = max(b - a - int(2 * TRACES_S / recording.dt_s), 0) // 2
    few = np.linspace(0, recording.n_neurons - 1, min(recording.n_neurons, N_TRACES)).round().astype(int)
    labels = _names(recording.neurons.iloc[few])
    return Panel(
        f"Traces, {name}",
        f"{len(few)} of {recording.n_neurons} neurons, evenly from the list, in the middle of the longest epoch.",
        {
            "": trace_figure(
                recording.values[a + spare : b - spare, few],
                recording.activity.times()[a + spare : b - spare],
                labels,
                [COLORS[name]] * len(few),
                "ΔF/F" if is_dff(recording) else "",
            )
        },
    )


def _examples(spike_times: nap.TsGroup) -> npt.NDArray[np.integer[Any]]:
    """A few neurons that fire, evenly from all."""
    firing = np.flatnonzero(rates_hz(spike_times) > 0)
    candidates = firing if len(firing) >= 2 else np.arange(len(spike_times))
    return candidates[np.linspace(0, len(candidates) - 1, min(len(candidates), N_TRACES)).round().astype(int)]


def _names(neurons: pd.DataFrame) -> list[str]:
    return [
        f"{kind} {name}" if kind != "unknown" else str(name)
        for kind, name in zip(neurons["cell_type"], neurons["id"], strict=True)
    ]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
