"""Observing a simulation as a recording was observed, so that differences are due to the neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators import observe_calcium, observe_spikes
from synapsnet.errors import InputError
from synapsnet.recording import Recording, Simulation
from validation.activity.statistics import noise_fraction, noise_level

MAX_NOISE_LEVEL = 30.0  # in % per square root of Hz; data sets of CASCADE have 1 to 9, and larger values cannot be dF/F


@dataclass(frozen=True)
class ComparablePair:
    """Two recordings of the same time step, epochs and length.

    Attributes
    ----------
    simulated, real : Recording
    how : str
        A sentence that says what was equated.
    """

    simulated: Recording
    real: Recording
    how: str


def observe_like(
    simulation: Simulation, recording: Recording, *, indicator: str = "GCaMP6s", seed: int = 0
) -> ComparablePair:
    """Observe `simulation` with the step, epochs, length and noise of `recording`.

    Both are cut to the shorter of the two. Spikes are counted in the recording's bins, for neurons that fire, because
    a sorter never finds the others. Calcium gets the median noise level of the recording's neurons or, if its unit
    cannot be dF/F, the median fraction of noise in their variance.

    Parameters
    ----------
    simulation : Simulation
    recording : Recording
    indicator : str
        Indicator of calcium; see `simulators.observation.calcium`.
    seed : int
        Seed of the noise.

    Raises
    ------
    InputError
        If the simulation is shorter than two steps of the recording, or fewer than two neurons fire.
    """
    if recording.modality == "spikes":
        end_s = int(simulation.duration_s / recording.dt_s + 1e-6) * recording.dt_s  # of the last whole bin
        firing = [k for k in range(simulation.n_neurons) if np.any(simulation.spike_times[k].times() < end_s)]
        if len(firing) < 2:
            raise InputError(
                f"A comparison needs at least 2 simulated neurons that fire; {len(firing)} of {simulation.n_neurons} "
                "do. Simulate longer, or drive the network more strongly."
            )
        observed = observe_spikes(simulation.select_neurons(firing), bin_s=recording.dt_s)
        how = f"Spikes are in bins of {recording.dt_s * 1e3:g} ms; simulated neurons that never fire are left out."
    else:
        level = float(np.nanmedian(noise_level(recording)))
        how = f"Both have {1 / recording.dt_s:.3g} frames per second; the simulation is imaged with {indicator}"
        if is_dff(recording):
            how += f" at the recording's median noise level, {level:.2g}%/√Hz."
        else:
            fraction = float(np.nanmedian(noise_fraction(recording)))
            level = _level_of_noise(simulation, fraction, 1 / recording.dt_s, indicator)
            how += (
                f". The recording is not dF/F, so its noise level is undefined; noise makes up the "
                f"same fraction of the variance of the simulation instead, {fraction:.1%}."
            )
        observed = observe_calcium(
            simulation, indicator=indicator, frame_rate_hz=1 / recording.dt_s, noise_level=level, seed=seed
        )
    n_steps = min(recording.n_steps, observed.n_steps)
    real = recording.select_rows(_beginning(recording, n_steps))
    simulated = Recording.from_array(
        observed.values[:n_steps],
        recording.dt_s,
        recording.modality,
        segments=[b - a for a, b in real.segments],
        neurons=observed.neurons,
        metadata=observed.metadata,
        require_varying=False,
    )
    return ComparablePair(simulated, real, how)


def is_dff(recording: Recording) -> bool:
    """Whether the values of a calcium recording can be dF/F, judged by their noise."""
    return bool(np.nanmedian(noise_level(recording)) <= MAX_NOISE_LEVEL)


def _level_of_noise(simulation: Simulation, fraction: float, frame_rate_hz: float, indicator: str) -> float:
    """Noise level at which noise makes up this `fraction` of the variance of the median neuron's trace."""
    silent = observe_calcium(simulation, indicator=indicator, frame_rate_hz=frame_rate_hz, noise_level=0.0)
    noisy = observe_calcium(simulation, indicator=indicator, frame_rate_hz=frame_rate_hz, noise_level=1.0)
    signal, noise = silent.values.var(axis=0), (noisy.values - silent.values).var(axis=0)
    return float(np.sqrt(fraction / (1 - fraction) * np.median(signal) / np.median(noise)))


def _beginning(recording: Recording, n_steps: int) -> list[tuple[int, int]]:
    return [(a, min(b, n_steps)) for a, b in recording.segments if a < n_steps]
