"""Comparison of a simulation with a real recording, in numbers, words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.activity_figures import curve_figure, distribution_figure, raster_figure, trace_figure
from reports.numbers import format_number, is_defined
from reports.page import Panel
from reports.tables import Cell, Row, Table
from synapsnet.array_types import FloatArray
from synapsnet.recording import Recording, binned_spike_times
from validation.activity.observe_like import ComparablePair, is_dff
from validation.activity.statistics import (
    COUNT_BIN_S,
    MIN_INTERVALS,
    CalciumStatistics,
    SpikeStatistics,
    autocorrelation,
    binned_spike_statistics,
    calcium_statistics,
)
from validation.metrics.glossary import Metric

MAX_SHOWN = 200  # neurons in a raster or a matrix
N_TRACES = 6
TRACES_S = 80.0
SPREAD_FACTOR = 2.0
DIFFERENCES = (
    "“Lower” and “higher”: the median of the recording lies outside the middle half of the simulation. “Narrower” and "
    "“wider”: this middle half is less than half, or more than twice, as wide as that of the recording."
)
SIMULATION, RECORDING = "simulation", "recording"
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
        "The same for neighbouring intervals (Shinomoto et al. 2003), which slow changes of the rate do not affect.",
    ),
    Metric(
        "correlation",
        "count correlation",
        "Pearson correlation of the spike counts of two different neurons in windows of whole bins, about "
        f"{COUNT_BIN_S * 1e3:g} ms.",
    ),
)
CALCIUM_METRICS = (
    Metric(
        "noise_level",
        "noise level ν (%/√Hz)",
        "Median of |F(t + 1) − F(t)| over the square root of the frame rate (Rupprecht et al. 2021). It measures noise "
        "only if F is dF/F and most frames are without activity.",
    ),
    Metric(
        "skewness",
        "skewness",
        "Skewness of the values of a trace: large if a quiet neuron responds rarely and strongly.",
    ),
    Metric("decay_s", "decay (s)", "Time in which a trace's autocorrelation falls to 1/e."),
    Metric("persistence", "autocorrelation at 1 s", "Correlation of a trace with itself one second later."),
    Metric("correlation", "pairwise correlation", "Pearson correlation of two different traces, frame by frame."),
)


def compare(likeness: ComparablePair) -> tuple[Table, list[str], list[Panel]]:
    """Table, sentences and figures of a simulation and a recording that were observed alike."""
    pair = {SIMULATION: likeness.simulated, RECORDING: likeness.real}
    statistics = {name: statistics_of(recording) for name, recording in pair.items()}
    panels = [_example(name, recording) for name, recording in pair.items()]
    if likeness.real.modality == "calcium":
        curves = {}
        for name, recording in pair.items():
            curve = np.nanmedian(autocorrelation(recording), axis=1)
            curves[name] = (np.arange(len(curve)) * recording.dt_s, curve)
        panels.append(
            Panel(
                "Autocorrelation",
                "Median over neurons. The step at the first frame is noise; the later slope is indicator and activity.",
                {"": curve_figure(curves, "lag (s)", "correlation", COLORS)},
            )
        )
    panels += [
        Panel(
            capital(metric.name),
            metric.meaning,
            {
                "": distribution_figure(
                    {n: getattr(f, metric.field) for n, f in statistics.items()}, metric.name, COLORS
                )
            },
        )
        for metric in _metrics(statistics[RECORDING])
    ]
    apart = differences(statistics[SIMULATION], statistics[RECORDING])
    sentences = [f"{capital(metric.name)}: {how} in the simulation." for metric, how in apart.items()]
    return summary_table(statistics, "Median over neurons or pairs, and quartiles"), sentences, panels


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


def differences(
    simulated: SpikeStatistics | CalciumStatistics, real: SpikeStatistics | CalciumStatistics
) -> dict[Metric, str]:
    """How the simulation differs, for each statistic in which it clearly does; `DIFFERENCES` defines the words."""
    differing = {}
    for metric in _metrics(real):
        ours, theirs = (_quartiles(getattr(statistics, metric.field)) for statistics in (simulated, real))
        spread, recorded_spread = ours[2] - ours[0], theirs[2] - theirs[0]
        words = {
            "lower": ours[2] < theirs[1],
            "higher": ours[0] > theirs[1],
            "narrower": spread * SPREAD_FACTOR < recorded_spread,
            "wider": spread > SPREAD_FACTOR * recorded_spread,
        }
        if how := " and ".join(word for word, holds in words.items() if holds):
            differing[metric] = how
    return differing


def statistics_of(recording: Recording) -> SpikeStatistics | CalciumStatistics:
    """Statistics of a recording: of spikes at the resolution of the bins, or of calcium."""
    if recording.modality == "calcium":
        statistics = calcium_statistics(recording)
        # In units other than dF/F, a noise level is meaningless
        return (
            statistics if is_dff(recording) else replace(statistics, noise_level=np.full(recording.n_neurons, np.nan))
        )
    return binned_spike_statistics(recording)


def names_of(neurons: pd.DataFrame) -> list[str]:
    """What a figure calls each neuron."""
    return [
        f"{kind} {name}" if kind != "unknown" else str(name)
        for kind, name in zip(neurons["cell_type"], neurons["id"], strict=True)
    ]


def evenly(neurons: npt.NDArray[np.integer[Any]], n: int) -> npt.NDArray[np.integer[Any]]:
    """At most `n` of the neurons, evenly spread over the list."""
    return neurons[np.linspace(0, len(neurons) - 1, min(len(neurons), n)).round().astype(int)]


def _metrics(statistics: SpikeStatistics | CalciumStatistics) -> tuple[Metric, ...]:
    return SPIKE_METRICS if isinstance(statistics, SpikeStatistics) else CALCIUM_METRICS


def _quartiles(values: FloatArray) -> FloatArray:
    finite = values[np.isfinite(values)]
    return np.percentile(finite, [25, 50, 75]) if len(finite) else np.full(3, np.nan)


def _cell(values: FloatArray) -> Cell:
    low, median, high = _quartiles(values)
    if not is_defined(median):
        return Cell(format_number(None))
    return Cell(format_number(median), f"[{format_number(low)}, {format_number(high)}]", float(median))


def _example(name: str, recording: Recording) -> Panel:
    if recording.modality == "spikes":
        kept = evenly(np.arange(recording.n_neurons), MAX_SHOWN)
        part = binned_spike_times(recording.select_neurons(kept))
        return Panel(
            f"Spikes, {name}",
            f"{len(kept)} of {recording.n_neurons} neurons in the longest epoch.",
            {"": raster_figure(part, [name] * len(kept), COLORS)},
        )
    a, b = max(recording.segments, key=lambda segment: segment[1] - segment[0])
    spare = max(b - a - int(TRACES_S / recording.dt_s), 0) // 2
    examples = evenly(np.arange(recording.n_neurons), N_TRACES)
    labels = names_of(recording.neurons.iloc[examples])
    return Panel(
        f"Traces, {name}",
        f"{len(examples)} of {recording.n_neurons} neurons, evenly from the list, in the middle of the longest epoch.",
        {
            "": trace_figure(
                recording.values[a + spare : b - spare, examples],
                recording.activity.times()[a + spare : b - spare],
                labels,
                [COLORS[name]] * len(examples),
                "ΔF/F" if is_dff(recording) else "",
            )
        },
    )


def capital(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[0].upper() + text[1:]
