"""Facts about a recording or a simulation in words, for `synapsnet info`."""

from __future__ import annotations

import pandas as pd

from synapsnet.connectome import Connectome
from synapsnet.io.waveforms import NARROW_MS
from synapsnet.recording import TROUGH_TO_PEAK, Recording, Simulation
from synapsnet.weight_course import WeightCourse
from synapsnet.wording import counted

MOST_NAMES = 20


def describe_simulation(simulation: Simulation) -> dict[str, str]:
    """Facts about a simulation by name."""
    n_spikes = sum(len(simulation.spike_times[k]) for k in simulation.spike_times.index)
    rate_hz = n_spikes / simulation.n_neurons / simulation.duration_s
    return {
        "kind": "simulation (spike times and ground truth; observe it to get a recording)",
        **_source(simulation.metadata),
        "neurons": _neurons(simulation.neurons),
        "duration": _duration(simulation.duration_s),
        "mean rate": f"{rate_hz:.3g} Hz",
        "ground truth": _edges(simulation.connectome),
        **_changes(simulation.weight_course),
    }


def _changes(course: WeightCourse | None) -> dict[str, str]:
    """How many connections change, between the first and the last time; empty if none can."""
    if course is None:
        return {}
    changed = int((course.weight != course.weight[0]).any(0).sum())
    times = f"known at {counted(len(course.start_s), 'time')} from 0 to {course.start_s[-1]:g} s"
    return {"connections change": f"{changed} of {len(course.post)} weights, {times}"}


def describe_recording(recording: Recording) -> dict[str, str]:
    """Facts about a recording by name."""
    lengths_s = recording.epochs.end - recording.epochs.start
    times = recording.activity.times()
    kind = f"{recording.modality}, deconvolved" if recording.deconvolved else recording.modality
    facts = {
        "kind": f"recording ({kind})",
        **_source(recording.metadata),
        "neurons": _neurons(recording.neurons),
        **_places(recording.neurons),
        **_widths(recording.neurons),
        "duration": f"{_duration(recording.n_steps * recording.dt_s)} in {recording.n_steps} steps",
        "time step": f"{recording.dt_s * 1e3:.4g} ms ({1 / recording.dt_s:.4g} Hz)",
        "epochs": "1"
        if len(lengths_s) == 1
        else f"{len(lengths_s)} of {lengths_s.min():.3g} to {lengths_s.max():.3g} s",
    }
    if len(lengths_s) > 1 or times[0] > recording.dt_s:
        facts["clock"] = f"{times[0] - recording.dt_s / 2:.6g} to {times[-1] + recording.dt_s / 2:.6g} s"
    if recording.modality == "spikes":
        facts["mean rate"] = f"{recording.mean_activity.mean() / recording.dt_s:.3g} Hz"
    behaviour = recording.behaviour
    facts["behaviour"] = "none" if behaviour is None else ", ".join(str(name) for name in behaviour.columns)
    facts["ground truth"] = "none" if recording.connectome is None else _edges(recording.connectome)
    return facts


def _source(metadata: dict[str, object]) -> dict[str, str]:
    return {
        key: str(metadata[key])
        for key in ("network", "seed", "source", "trace", "unit")
        if metadata.get(key) is not None
    }


def _neurons(table: pd.DataFrame) -> str:
    by_type = _counted(table["cell_type"])
    return str(len(table)) if by_type is None else f"{len(table)} ({by_type})"


def _places(table: pd.DataFrame) -> dict[str, str]:
    """Areas, and which coordinates are known; empty if none are."""
    areas = _counted(table["area"])
    axes = [axis for axis in "xyz" if table[f"{axis}_um"].notna().any()]
    return ({} if areas is None else {"areas": areas}) | ({"positions": ", ".join(axes)} if axes else {})


def _widths(table: pd.DataFrame) -> dict[str, str]:
    """Widths of the units' spikes, and the number of narrow ones; empty if unknown."""
    if TROUGH_TO_PEAK not in table or table[TROUGH_TO_PEAK].isna().all():
        return {}
    widths_ms = table[TROUGH_TO_PEAK].dropna()
    low, median, high = widths_ms.quantile([0.1, 0.5, 0.9])
    return {
        "spike width": f"{int((widths_ms < NARROW_MS).sum())} of {len(widths_ms)} narrow (trough to peak below "
        f"{NARROW_MS:g} ms, as in fast-spiking cells); median {median:.2f} ms, 80% from {low:.2f} to {high:.2f} ms"
    }


def _counted(names: pd.Series[str]) -> str | None:
    """'5 VISp, 3 CA1', the most frequent first; None if none is known."""
    counts = names.value_counts()
    if list(counts.index) == ["unknown"]:
        return None
    shown = ", ".join(f"{count} {name}" for name, count in counts.head(MOST_NAMES).items())
    return shown + (f" and {len(counts) - MOST_NAMES} more" if len(counts) > MOST_NAMES else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.4g} s" if seconds < 120 else f"{seconds / 60:.4g} min"


def _edges(connectome: Connectome) -> str:
    edges, pairs = int(connectome.adjacency.sum()), int(connectome.pairs.sum())
    tested = "" if connectome.known is None else "tested "
    unsigned = "" if connectome.signed else ", without signs"
    return f"{edges} connections of {pairs} {tested}ordered pairs ({edges / max(pairs, 1):.1%}){unsigned}"
