"""Two-photon calcium imaging of a simulation: indicator, neuropil, drift, bleaching, noise and lost frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
import pynapple as nap
from pydantic import Field

from simulators.observation.indicators import Indicator, calcium_trace, named_indicator
from simulators.observation.optics import (
    kept_frames,
    neuropil_weights,
    planes_by_depth,
    relative_noise,
    resting_noise_sd,
)
from simulators.ornstein_uhlenbeck import ornstein_uhlenbeck
from simulators.positions import positions_um
from simulators.units import NotNegative, Positive, Probability
from synapsnet.array_types import Float32Array, FloatArray
from synapsnet.deconvolution import deconvolve
from synapsnet.errors import InputError
from synapsnet.parameters import Parameters
from synapsnet.recording import Recording, Simulation, check_varying

Trace = Literal["dff", "fluorescence", "deconvolved"]

MOTION_S = 0.5  # mean duration of a bout of motion; our choice


class _Microscope(Parameters):
    """Parameters of imaging, see `observe_calcium`."""

    title = "the microscope"

    frame_rate_hz: Positive
    noise_level: NotNegative
    shot_fraction: Probability
    drift: NotNegative
    drift_time_s: Positive
    bleaching_half_time_s: Positive | None
    neuropil: NotNegative
    neuropil_length_um: Positive
    neuropil_shared: Probability
    n_planes: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    min_epoch_s: NotNegative
    trace: Trace
    seed: int = Field(ge=0)


def observe_calcium(
    simulation: Simulation,
    *,
    indicator: str | Indicator = "GCaMP6f",
    frame_rate_hz: float = 30.0,
    noise_level: float = 1.0,
    shot_fraction: float = 0.0,
    drift: float = 0.02,
    drift_time_s: float = 60.0,
    bleaching_half_time_s: float | None = None,
    neuropil: float = 0.0,
    neuropil_length_um: float = 50.0,
    neuropil_shared: float = 0.3,
    n_planes: int = 1,
    dropout: float = 0.0,
    min_epoch_s: float = 0.0,
    trace: Trace = "dff",
    seed: int = 0,
) -> Recording:
    """Fluorescence of every neuron, sampled once a frame.

    With brightness b(t) = 2^(-t / half time), which is 1 at the start::

        signal = indicator's dF/F + neuropil * (dF/F of the surroundings) + drift
        fluorescence = b (1 + signal) + noise
        dF/F = signal + noise / b

    so that F0 is the resting fluorescence at that time, as a running baseline estimates it: bleaching leaves the
    signal in dF/F unchanged and raises the noise.

    Parameters
    ----------
    simulation : Simulation
    indicator : str or Indicator
        A name in `INDICATORS`, or your own indicator.
    frame_rate_hz : float
        Frame rate of the whole volume, if there are several planes.
    noise_level : float
        nu of Rupprecht et al. 2021 (CASCADE): the median of |dF/F(t + 1) - dF/F(t)| over the square root of
        the frame rate, in percent per square root of Hz, at rest and before bleaching. Around 1 is a good
        recording of single neurons, 3 or more is typical of large fields of view. The noise is white.
    shot_fraction : float
        Fraction of the resting noise's variance that is photon noise, whose variance is proportional to
        fluorescence. It is normal instead of Poisson, which is close where a resting neuron sends many
        photons per frame: 1 / (shot_fraction * variance in dF/F).
    drift : float
        Standard deviation of the baseline in dF/F.
    drift_time_s : float
        Correlation time of the baseline (an Ornstein-Uhlenbeck process).
    bleaching_half_time_s : float, optional
        After this time, half of the brightness is gone; at least a hundredth of the duration. Default: no bleaching.
    neuropil : float
        Contamination: the factor of the surroundings' dF/F. Chen et al. 2013, Nature 499:295, correct for it by
        subtracting 0.7 of the neuropil's fluorescence, so 0.7 stands for an uncorrected recording. The light
        of the resting neuropil is left out, both of F0 and of the noise.
    neuropil_length_um : float
        Other neurons contribute to the neuropil around a neuron by exp(-distance / length). The default is our
        choice.
    neuropil_shared : float
        Fraction of the neuropil that is the mean over the field of view, near or far. The default is our choice.
    n_planes : int
        Planes that are imaged one after the other. Neurons are assigned to them by depth, as many to each
        plane; plane p is sampled p / n_planes of a frame after plane 0.
    dropout : float
        Fraction of frames lost to motion, in bouts of 0.5 s on average. They become gaps between epochs.
    min_epoch_s : float
        Shorter stretches between two bouts are left out as well.
    trace : {"dff", "fluorescence", "deconvolved"}
        "fluorescence" is in units of the resting brightness at the start; "deconvolved" is the result of
        `synapsnet.deconvolution` on the dF/F, which depends on later frames.
    seed : int
        Seed of noise, drift and dropout.

    Returns
    -------
    Recording
        A recording of modality "calcium", with the simulation's behaviour, true spike times and connectome. Each frame
        samples one instant, in the middle of its time bin or of its plane's part of it.

    Raises
    ------
    InputError
        If a parameter is out of its range, the indicator is unknown, there are fewer than two frames, a neuron
        never changes, or contamination is asked for without positions.
    """
    if isinstance(indicator, str):
        indicator = named_indicator(indicator)
    if not (np.isfinite(frame_rate_hz) and simulation.duration_s * frame_rate_hz >= 2):
        raise InputError(
            f"The frame rate must give at least 2 frames in the {simulation.duration_s:g} s; got {frame_rate_hz} Hz."
        )
    microscope = _Microscope(
        frame_rate_hz=frame_rate_hz,
        noise_level=noise_level,
        shot_fraction=shot_fraction,
        drift=drift,
        drift_time_s=drift_time_s,
        bleaching_half_time_s=bleaching_half_time_s,
        neuropil=neuropil,
        neuropil_length_um=neuropil_length_um,
        neuropil_shared=neuropil_shared,
        n_planes=n_planes,
        dropout=dropout,
        min_epoch_s=min_epoch_s,
        trace=trace,
        seed=seed,
    )
    shortest_s = simulation.duration_s / 100  # what is left of the brightness must still be a float32
    if bleaching_half_time_s is not None and bleaching_half_time_s < shortest_s:
        raise InputError(f"The bleaching half time must be {shortest_s:g} s or more; got {bleaching_half_time_s}.")
    dt_s = 1 / frame_rate_hz
    n_frames = int(simulation.duration_s * frame_rate_hz + 1e-6)
    rng = np.random.default_rng(seed)
    activity = _imaged(simulation, indicator, microscope, n_frames, rng)
    behaviour, behaviour_names = simulation.behaviour_on_grid(dt_s, n_frames) or (None, None)
    recording = Recording.from_array(
        activity,
        dt_s,
        "calcium",
        behaviour=behaviour,
        behaviour_names=behaviour_names,
        neurons=simulation.neurons,
        connectome=simulation.connectome,
        spike_times=simulation.spike_times,
        metadata=simulation.metadata
        | {"observation": {"as": "calcium", "indicator": asdict(indicator), **microscope.parameters()}},
        require_varying=False,
    )
    if dropout:
        kept = kept_frames(n_frames, dropout, MOTION_S / dt_s, min_epoch_s / dt_s - 1e-6, rng)
        if not kept:
            raise InputError(
                f"A dropout of {dropout} leaves no epoch of {min_epoch_s:g} s; lose fewer frames or lower min_epoch_s."
            )
        recording = recording.select_rows(kept)
    if trace == "deconvolved":
        traces = nap.TsdFrame(t=recording.activity.times(), d=deconvolve(recording), time_support=recording.epochs)
        recording = replace(recording, activity=traces, deconvolved=True)
    check_varying(recording)
    return recording


def _imaged(
    simulation: Simulation, indicator: Indicator, microscope: _Microscope, n_frames: int, rng: np.random.Generator
) -> Float32Array:
    """(T, N) fluorescence, or dF/F, of all frames."""
    dt_s, n_neurons = 1 / microscope.frame_rate_hz, simulation.n_neurons
    # Each plane is sampled in the middle of its part of the frame
    depth_um = simulation.neurons["z_um"].to_numpy(float)
    phases = (planes_by_depth(depth_um, microscope.n_planes) + 0.5) / microscope.n_planes

    def response(neuron: int, phase: float) -> FloatArray:
        spikes = simulation.spike_times[neuron].times()
        return indicator.fluorescence(calcium_trace(spikes, indicator, dt_s, n_frames, phase))

    surroundings: FloatArray = np.zeros((1, n_neurons))
    if microscope.neuropil:
        position_um = positions_um(simulation, "Neuropil contamination")
        weights = neuropil_weights(position_um, microscope.neuropil_length_um, microscope.neuropil_shared)
        surroundings = _mixtures(response, microscope.neuropil * weights, phases, n_frames)
    noise_sd = resting_noise_sd(microscope.noise_level, microscope.frame_rate_hz)
    brightness = 0.5 ** ((np.arange(n_frames) + 0.5) * dt_s / (microscope.bleaching_half_time_s or np.inf))
    activity = np.empty((n_frames, n_neurons), np.float32)
    for k in range(n_neurons):
        baseline = microscope.drift * ornstein_uhlenbeck(n_frames, dt_s / microscope.drift_time_s, rng)
        signal = response(k, phases[k]) + surroundings[:, k] + baseline
        light = brightness * (1 + signal)
        noise = noise_sd * relative_noise(light, microscope.shot_fraction) * rng.standard_normal(n_frames)
        activity[:, k] = light + noise if microscope.trace == "fluorescence" else signal + noise / brightness
    return activity


def _mixtures(
    response: Callable[[int, float], FloatArray], weights: FloatArray, phases: FloatArray, n_frames: int
) -> Float32Array:
    """(T, N) mixtures of all neurons' responses, each at the time at which the neuron that sees it is sampled."""
    mixtures = np.empty((n_frames, len(phases)), np.float32)
    responses = np.empty_like(mixtures)
    for phase in np.unique(phases):
        for k in range(len(phases)):
            responses[:, k] = response(k, phase)
        here = phases == phase
        mixtures[:, here] = responses @ weights[here].T.astype(np.float32)
    return mixtures
