"""A network of the catalogue whose recording resembles a given one: neurons, rates, noise and epochs.

The network is "lif-random". What a recording determines is matched:

- every recorded neuron has a partner with its firing rate, set by its own external drive;
- the mean correlation of pairs, by noise that all neurons share, unless the recording is no more correlated without it;
- time step, epochs and length;
- of calcium, the noise level nu (Rupprecht et al. 2021, Nat Neurosci 24:1324), and how large responses are beside it,
  by the indicator's peak. Where values cannot be dF/F, the noise follows from the peak instead.

Drives and shared noise are found together by stochastic approximation (Robbins & Monro 1951, Ann Math Stat 22:400):
short simulations, after each of which every drive moves by what its neuron's log rate lacks, and the shared fraction
by what the correlation lacks. Neurons that are not recorded have rates drawn from those of the recorded ones.

What a recording does not determine is assumed: how many pairs are connected, and how strongly. Both are those of
"lif-random" up to 100 neurons; in larger networks weights shrink as 1 / sqrt(N), which keeps the fluctuations of the
summed input (van Vreeswijk & Sompolinsky 1996, Science 274:1724).

Calcium does not determine rates either. They are taken from the skewness of the traces: that of a Poisson process seen
through a linear indicator falls as 1 / sqrt(rate) (Campbell's theorem; Rice 1944, Bell Syst Tech J 23:282). A burst
looks like one large response, so that rates of bursting neurons are those of their bursts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import skew

from simulators import observe_calcium, observe_spikes, simulate
from simulators.inputs import Inputs
from simulators.networks import LifConnectome, LifRandom
from simulators.observation.indicators import Indicator, named_indicator
from simulators.observation.optics import resting_noise_sd
from synapsnet.errors import InputError
from synapsnet.recording import FloatArray, IndexArray, Recording, Simulation
from validation.activity.observe_like import is_dff
from validation.activity.statistics import (
    binned_spike_times,
    calcium_statistics,
    noise_level,
    noise_share,
    rates_hz,
    spike_statistics,
)

NETWORK = "lif-random"
INDICATOR = "GCaMP6s"
DT_MS = 0.5  # delays and time constants are longer; five times as fast as the default
LARGE = 100  # number of neurons above which weights shrink
RATE_RANGE_HZ = (0.02, 50.0)  # rates that can be matched
CALCIUM_RATE_RANGE_HZ = (0.02, 10.0)  # outside it, skewness is uninformative
NOISE_SHARE_RANGE = (1e-4, 0.95)  # fraction of a trace's variance
DRIVE_RANGE_MV = (-10.0, 60.0)
SHARED_RANGE = (1e-3, 0.9)  # never without an input, so that one program serves all
LEAST_SHARED = 0.02  # less is none
SEARCH_S, N_ROUNDS = 60.0, 8
LOG_RATE_PER_MV = 0.4  # how steeply the log rate of these neurons rises with the drive, at a few Hz
MOST_STEP_MV = 4.0

Advance = Callable[[float], None]


@dataclass(frozen=True)
class Optics:
    """Parameters of calcium imaging; see `simulators.observe_calcium`."""

    indicator: Indicator
    noise_level: float


@dataclass(frozen=True)
class Match:
    """A network that matches a recording.

    Attributes
    ----------
    network : LifConnectome
    visible : (N,) array of indices
        Neurons that are recorded.
    optics : Optics or None
        Imaging parameters, for calcium.
    shared_fraction : float
        Fraction of the noise that is shared; 0 if the recording requires none.
    parameters : dict
        The main parameters of the network.
    """

    network: LifConnectome
    visible: IndexArray
    optics: Optics | None
    shared_fraction: float
    parameters: dict[str, Any]

    def simulate(self, duration_s: float, seed: int) -> Simulation:
        """The recorded neurons of the network for some time."""
        return simulate(self.network, duration_s=duration_s, seed=seed).select_neurons(self.visible)


def match(
    recording: Recording,
    visible_fraction: float,
    *,
    seed: int = 0,
    progress: Advance = lambda fraction: None,
) -> Match:
    """Find a network that matches `recording` if the given fraction of it is recorded.

    Parameters
    ----------
    recording : Recording
    visible_fraction : float in (0, 1]
    seed : int
        Seed of the connectome and of the search.
    progress : callable

    Raises
    ------
    InputError
        If the fraction is out of its range or the recording is deconvolved, which hides its noise.
    """
    if not 0 < visible_fraction <= 1:
        raise InputError(f"The fraction of neurons recorded must be above 0 and at most 1; got {visible_fraction:g}.")
    if recording.deconvolved:
        raise InputError("The recording is deconvolved, which hides its noise; assess a run on the fluorescence.")
    rng = np.random.default_rng(seed)
    n = round(recording.n_neurons / visible_fraction)
    visible = np.sort(rng.choice(n, recording.n_neurons, replace=False))
    rate_hz = recorded_rates(recording)
    target_hz = rng.choice(rate_hz, n)
    target_hz[visible] = rate_hz
    target_hz = np.clip(target_hz, *RATE_RANGE_HZ)
    wanted = float(np.nanmean(pair_correlation(recording)))
    optics = None if recording.modality == "spikes" else recorded_optics(recording)
    length = min(1.0, SEARCH_S / (recording.n_steps * recording.dt_s))
    wiring = LifRandom(n_neurons=n)
    scale = min(1.0, np.sqrt(LARGE / n))
    wiring = LifRandom(n_neurons=n, epsp_mv=scale * wiring.epsp_mv, ipsp_mv=scale * wiring.ipsp_mv)
    connectome = wiring.connect(rng)
    drive, shared = np.full(n, wiring.drive_mv), SHARED_RANGE[0]

    def network() -> LifConnectome:
        return LifConnectome(
            connectome=connectome, drive_mv=drive.tolist(), dt_ms=DT_MS, inputs=Inputs(shared_fraction=shared)
        )

    for k in range(N_ROUNDS):
        whole = simulate(network(), duration_s=SEARCH_S, seed=1000 * (seed + 1) + k)
        step = 1 / (1 + k / 2)
        counts = rates_hz(whole.spike_times) * SEARCH_S
        lacking = np.log((target_hz * SEARCH_S + 0.5) / (counts + 0.5)) / LOG_RATE_PER_MV
        drive = np.clip(drive + np.clip(step * lacking, -MOST_STEP_MV, MOST_STEP_MV), *DRIVE_RANGE_MV)
        seen = observe_as(whole.select_neurons(visible), recording, length, optics, seed)
        missing = wanted - float(np.nanmean(pair_correlation(seen)))
        shared = float(np.clip(shared + step * missing, *SHARED_RANGE)) if k else shared  # rates first
        progress((k + 1) / N_ROUNDS)
    if shared < LEAST_SHARED:
        shared = SHARED_RANGE[0]
    return Match(
        network=network(),
        visible=visible,
        optics=optics,
        shared_fraction=shared if shared >= LEAST_SHARED else 0.0,
        parameters={
            "n_neurons": n,
            "connection_probability": wiring.connection_probability,
            "epsp_mv": wiring.epsp_mv,
            "ipsp_mv": wiring.ipsp_mv,
            "drive_mv": np.percentile(drive, [25, 50, 75]).tolist(),
        },
    )


def observe_as(
    simulation: Simulation, recording: Recording, length: float, optics: Optics | None, seed: int
) -> Recording:
    """The beginning of a simulation in the time steps and epochs of a recording, which are repeated where it ends.

    Parameters
    ----------
    simulation : Simulation
        At least so long.
    recording : Recording
    length : float
        In durations of the recording.
    optics, seed
        Imaging parameters and seed of the noise, for calcium.

    Returns
    -------
    Recording
        With its ground truth; neurons that never change are left out.

    Raises
    ------
    InputError
        If fewer than two neurons change.
    """
    n_steps = round(length * recording.n_steps)
    if optics is None:
        firing = [k for k in range(simulation.n_neurons) if len(simulation.spike_times[k])]
        seen = observe_spikes(simulation.select_neurons(firing), bin_s=recording.dt_s)
    else:
        seen = observe_calcium(
            simulation,
            indicator=optics.indicator,
            frame_rate_hz=1 / recording.dt_s,
            noise_level=optics.noise_level,
            seed=seed,
        )
    values = seen.values[:n_steps]
    changing = np.flatnonzero(np.ptp(values, axis=0) > 0)
    seen = seen.select_neurons(changing)
    return Recording.from_array(
        values[:, changing],
        recording.dt_s,
        recording.modality,
        segments=_repeated([stop - start for start, stop in recording.segments], n_steps),
        neurons=seen.neurons,
        connectome=seen.connectome,
    )


def recorded_rates(recording: Recording) -> FloatArray:
    """(N,) firing rates in Hz: counted, or of calcium from the skewness of the traces (see the module)."""
    if recording.modality == "spikes":
        return recording.values.mean(axis=0, dtype=np.float64) / recording.dt_s
    squares, cubes = _integrals(named_indicator(INDICATOR))
    of_signal = skew(recording.values.astype(np.float64), axis=0) / np.maximum(1 - noise_share(recording), 0.05) ** 1.5
    return np.clip((cubes / squares**1.5 / np.maximum(of_signal, 1e-3)) ** 2, *CALCIUM_RATE_RANGE_HZ)


def recorded_optics(recording: Recording) -> Optics:
    """Noise level and peak of the indicator with which the median neuron is as noisy as it was recorded."""
    indicator, frame_rate_hz = named_indicator(INDICATOR), 1 / recording.dt_s
    share = float(np.clip(np.nanmedian(noise_share(recording)), *NOISE_SHARE_RANGE))
    squares, _ = _integrals(indicator)
    signal_sd = indicator.peak * np.sqrt(np.median(recorded_rates(recording)) * squares)
    noise_sd = signal_sd * np.sqrt(share / (1 - share))
    matching = float(noise_sd / resting_noise_sd(1.0, frame_rate_hz))  # the noise level for this peak
    if not is_dff(recording):
        return Optics(indicator, matching)
    level = float(np.nanmedian(noise_level(recording)))
    return Optics(replace(indicator, peak=indicator.peak * level / matching), level)


def pair_correlation(recording: Recording) -> FloatArray:
    """(N (N - 1) / 2,) correlation of pairs: of spike counts in bins of 0.1 s, or of traces."""
    if recording.modality == "spikes":
        return spike_statistics(binned_spike_times(recording)).correlation
    return calcium_statistics(recording).correlation


def _integrals(indicator: Indicator) -> tuple[float, float]:
    """Integrals over time, in seconds, of the square and the cube of an indicator's response with a peak of 1."""
    time_s = np.arange(0, 20 * indicator.decay_s, 1e-3)
    kernel = indicator.kernel(time_s)
    return float(np.trapezoid(kernel**2, time_s)), float(np.trapezoid(kernel**3, time_s))


def _repeated(lengths: list[int], n_steps: int) -> list[int]:
    """Lengths of epochs, repeated until they hold `n_steps`."""
    ends = np.cumsum(np.tile(lengths, -(-n_steps // sum(lengths))))
    ends = np.append(ends[ends < n_steps], n_steps)
    return np.diff(ends, prepend=0).tolist()
