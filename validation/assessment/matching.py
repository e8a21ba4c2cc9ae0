"""A network of the catalogue whose recording is like a given one: as many neurons, the same rates, noise and epochs.

The network is "lif-random". What a recording says of it is matched:

- every recorded neuron has a partner with its firing rate, by a drive of its own;
- the mean correlation of pairs, by noise that all neurons share; without it, where the recording has no more of it;
- time step, epochs and length, and of calcium the noise (`validation.likeness`).

Drives and shared noise are found together by stochastic approximation (Robbins & Monro 1951, Ann Math Stat 22:400):
short simulations, after each of which every drive moves by what its neuron's log rate lacks, and the shared fraction
by what the correlation lacks. Neurons that are not recorded have rates drawn from those of the recorded ones.

What a recording does not say is assumed: how many pairs are connected, and how strongly. Both are those of "lif-random"
up to 100 neurons; in larger networks weights shrink as 1 / sqrt(N), which keeps the fluctuations of the summed input
(van Vreeswijk & Sompolinsky 1996, Science 274:1724).

Calcium does not say rates either. They are taken from the skewness of the traces: that of a Poisson process seen
through a linear indicator falls as 1 / sqrt(rate) (Campbell's theorem; Rice 1944, Bell Syst Tech J 23:282). Bursts
raise it, so that rates of bursting neurons come out too low.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import skew

from simulators import observe_calcium, observe_spikes, simulate
from simulators.inputs import Inputs
from simulators.networks import LifConnectome, LifRandom
from simulators.observation.indicators import named_indicator
from synapsnet.errors import InputError
from synapsnet.recording import FloatArray, Recording, Simulation
from validation.likeness import observe_like
from validation.statistics import binned_spike_times, calcium_statistics, noise_share, rates_hz, spike_statistics

NETWORK = "lif-random"
INDICATOR = "GCaMP6s"
DT_MS = 0.5  # delays and time constants are longer; five times as fast as the default
LARGE = 100  # neurons, from which on weights shrink
RATE_RANGE_HZ = (0.02, 50.0)  # that can be asked for
CALCIUM_RATE_RANGE_HZ = (0.02, 10.0)  # beyond it, skewness tells little
DRIVE_RANGE_MV = (-10.0, 60.0)
SHARED_RANGE = (1e-3, 0.9)  # never without an input, so that one program serves all
LEAST_SHARED = 0.02  # less is none
SEARCH_S, N_ROUNDS = 60.0, 8
LOG_RATE_PER_MV = 0.4  # how steeply the log rate of these neurons rises with the drive, at a few Hz
MOST_STEP_MV = 4.0

IndexArray = npt.NDArray[np.intp]
Advance = Callable[[float], None]


@dataclass(frozen=True)
class Match:
    """A network like a recording.

    Attributes
    ----------
    network : LifConnectome
    visible : (N,) array of indices
        Neurons that are recorded.
    noise_level : float
        Of calcium, see `simulators.observe_calcium`; 0 for spikes.
    shared_fraction : float
        Of the noise; 0 where the recording asks for none.
    parameters : dict
        Of the network, in short.
    """

    network: LifConnectome
    visible: IndexArray
    noise_level: float
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
    """Find a network like `recording`, of which so large a fraction is recorded.

    Parameters
    ----------
    recording : Recording
    visible_fraction : float in (0, 1]
    seed : int
        Of the connectome and of the search.
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
    target_hz = rng.choice(recorded_rates(recording), n)
    target_hz[visible] = recorded_rates(recording)
    target_hz = np.clip(target_hz, *RATE_RANGE_HZ)
    wanted = float(np.nanmean(pair_correlation(recording)))
    wiring = LifRandom(n_neurons=n)
    scale = min(1.0, np.sqrt(LARGE / n))
    wiring = LifRandom(n_neurons=n, epsp_mv=scale * wiring.epsp_mv, ipsp_mv=scale * wiring.ipsp_mv)
    connectome = wiring.connect(rng)
    drive, shared, noise_level = np.full(n, wiring.drive_mv), SHARED_RANGE[0], 0.0

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
        seen = observe_like(whole.select_neurons(visible), recording, indicator=INDICATOR, seed=seed).simulated
        noise_level = _noise_level(seen)
        missing = wanted - float(np.nanmean(pair_correlation(seen)))
        shared = float(np.clip(shared + step * missing, *SHARED_RANGE)) if k else shared  # rates first
        progress((k + 1) / N_ROUNDS)
    if shared < LEAST_SHARED:
        shared = SHARED_RANGE[0]
    return Match(
        network=network(),
        visible=visible,
        noise_level=noise_level,
        shared_fraction=shared if shared >= LEAST_SHARED else 0.0,
        parameters={
            "n_neurons": n,
            "connection_probability": wiring.connection_probability,
            "epsp_mv": wiring.epsp_mv,
            "ipsp_mv": wiring.ipsp_mv,
            "drive_mv": np.percentile(drive, [25, 50, 75]).tolist(),
        },
    )


def observe_as(simulation: Simulation, recording: Recording, length: float, noise_level: float, seed: int) -> Recording:
    """The beginning of a simulation in the time steps and epochs of a recording, which are repeated where it ends.

    Parameters
    ----------
    simulation : Simulation
        At least so long.
    recording : Recording
    length : float
        In durations of the recording.
    noise_level, seed
        Of calcium.

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
    if recording.modality == "spikes":
        firing = [k for k in range(simulation.n_neurons) if len(simulation.spike_times[k])]
        seen = observe_spikes(simulation.select_neurons(firing), bin_s=recording.dt_s)
    else:
        seen = observe_calcium(
            simulation, indicator=INDICATOR, frame_rate_hz=1 / recording.dt_s, noise_level=noise_level, seed=seed
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
    indicator = named_indicator(INDICATOR)
    time_s = np.arange(0, 20 * indicator.decay_s, 1e-3)
    kernel = indicator.kernel(time_s)
    squares, cubes = (float(np.trapezoid(kernel**power, time_s)) for power in (2, 3))
    of_signal = skew(recording.values.astype(np.float64), axis=0) / np.maximum(1 - noise_share(recording), 0.05) ** 1.5
    return np.clip((cubes / squares**1.5 / np.maximum(of_signal, 1e-3)) ** 2, *CALCIUM_RATE_RANGE_HZ)


def pair_correlation(recording: Recording) -> FloatArray:
    """(N (N - 1) / 2,) correlation of pairs: of spike counts in bins of 0.1 s, or of traces."""
    if recording.modality == "spikes":
        return spike_statistics(binned_spike_times(recording)).correlation
    return calcium_statistics(recording).correlation


def _noise_level(seen: Recording) -> float:
    return float(seen.metadata["observation"]["noise_level"]) if seen.modality == "calcium" else 0.0


def _repeated(lengths: list[int], n_steps: int) -> list[int]:
    """Lengths of epochs, again and again, until they hold `n_steps`."""
    ends = np.cumsum(np.tile(lengths, -(-n_steps // sum(lengths))))
    ends = np.append(ends[ends < n_steps], n_steps)
    return np.diff(ends, prepend=0).tolist()
