"""Two-photon calcium imaging: indicator kinetics, saturation, noise and a slowly drifting baseline."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from synapsnet.errors import InputError, unknown_name
from synapsnet.recording import FloatArray, Recording, Simulation

# Median of |x - y| for independent x, y of a normal distribution with standard deviation 1
_MEDIAN_ABSOLUTE_DIFFERENCE = 0.674490 * np.sqrt(2)


@dataclass(frozen=True)
class Indicator:
    """How a calcium indicator answers to spikes.

    Attributes
    ----------
    peak : float
        Peak dF/F of the answer to a single spike.
    rise_s, decay_s : float
        Time constants: the answer is exp(-t / decay) - exp(-t / rise), scaled to its peak.
    half_saturation : float
        Calcium, in units of the peak that one spike causes, at which fluorescence is half its maximum.
    hill : float
        Hill exponent; with 1, fluorescence is linear in calcium far below `half_saturation`.

    Raises
    ------
    InputError
        If a value is not positive, or the rise is not faster than the decay.
    """

    peak: float
    rise_s: float
    decay_s: float
    half_saturation: float
    hill: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"An indicator's {name} must be a positive number; got {value}.")
        if not self.rise_s < self.decay_s:
            raise InputError(f"An indicator must rise faster than it decays; got {self.rise_s} s and {self.decay_s} s.")

    @property
    def time_to_peak_s(self) -> float:
        """Time from a spike to the peak of its answer."""
        ratio = self.decay_s / self.rise_s
        return float(self.decay_s * np.log(ratio) / (ratio - 1))

    @property
    def scale(self) -> float:
        """Factor that gives the difference of the two exponentials a peak of 1."""
        peak_s = self.time_to_peak_s
        return float(1 / (np.exp(-peak_s / self.decay_s) - np.exp(-peak_s / self.rise_s)))

    def kernel(self, time_s: npt.ArrayLike) -> FloatArray:
        """Calcium at `time_s` after a spike, with a peak of 1; 0 before it."""
        after_s = np.maximum(np.asarray(time_s, float), 0.0)
        return self.scale * (np.exp(-after_s / self.decay_s) - np.exp(-after_s / self.rise_s))

    def fluorescence(self, calcium: FloatArray) -> FloatArray:
        """dF/F at a concentration of calcium, by the Hill equation; a single spike's 1 gives `peak`."""
        power = calcium**self.hill
        half = self.half_saturation**self.hill
        return self.peak * (1 + half) * power / (power + half)


# Peak, time to peak (45 and 179 ms) and half decay after it (142 and 550 ms) for one spike in mouse V1 are those of
# Chen et al. 2013, Nature 499:295; the time constants are the ones that yield them in calcium. Published somatic
# answers stay near linear over the spike counts of a sparsely active neuron: saturation at 30 spikes is our choice, and
# makes the half decay of fluorescence 3% longer.
INDICATORS = {
    "GCaMP6f": Indicator(peak=0.19, rise_s=0.01747, decay_s=0.17835, half_saturation=30.0),
    "GCaMP6s": Indicator(peak=0.23, rise_s=0.07063, decay_s=0.68605, half_saturation=30.0),
}


def observe_calcium(
    simulation: Simulation,
    *,
    indicator: str | Indicator = "GCaMP6f",
    frame_rate_hz: float = 30.0,
    noise_level: float = 1.0,
    drift: float = 0.02,
    drift_time_s: float = 60.0,
    seed: int = 0,
) -> Recording:
    """DF/F of every neuron, sampled once a frame.

    Parameters
    ----------
    simulation : Simulation
    indicator : str or Indicator
        A name in `INDICATORS`, or your own.
    frame_rate_hz : float
    noise_level : float
        nu of Rupprecht et al. 2021 (CASCADE): the median of |dF/F(t + 1) - dF/F(t)| over the square root of
        the frame rate, in percent per square root of Hz. Around 1 is a good recording of single
        neurons, 3 or more is typical of large fields of view. The noise is Gaussian and white.
    drift : float
        Standard deviation of the baseline in dF/F.
    drift_time_s : float
        Correlation time of the baseline (an Ornstein-Uhlenbeck process).
    seed : int
        Of noise and drift.

    Returns
    -------
    Recording
        Of modality "calcium", with the simulation's true spike times and connectome. Each frame is one
        instant, in the middle of its time bin.

    Raises
    ------
    InputError
        If a parameter is out of its range, the indicator is unknown, or there are fewer than two frames.
    """
    if isinstance(indicator, str):
        indicator = _named(indicator)
    if not (np.isfinite(frame_rate_hz) and simulation.duration_s * frame_rate_hz >= 2):
        raise InputError(
            f"The frame rate must give at least 2 frames in the {simulation.duration_s:g} s; got {frame_rate_hz} Hz."
        )
    for name, value in (("noise level", noise_level), ("drift", drift)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"The {name} must be 0 or more; got {value}.")
    if not (np.isfinite(drift_time_s) and drift_time_s > 0):
        raise InputError(f"The drift time must be a positive number of seconds; got {drift_time_s}.")
    rng = np.random.default_rng(seed)
    dt_s = 1 / frame_rate_hz
    n_frames = int(simulation.duration_s * frame_rate_hz + 1e-6)
    noise_sd = noise_level / 100 * np.sqrt(frame_rate_hz) / _MEDIAN_ABSOLUTE_DIFFERENCE
    activity = np.empty((n_frames, simulation.n_neurons), np.float32)
    for k in range(simulation.n_neurons):
        calcium = calcium_trace(simulation.spike_times[k].times(), indicator, dt_s, n_frames)
        baseline = drift * _ornstein_uhlenbeck(n_frames, dt_s / drift_time_s, rng)
        activity[:, k] = indicator.fluorescence(calcium) + baseline + noise_sd * rng.standard_normal(n_frames)
    return Recording.from_array(
        activity,
        dt_s,
        "calcium",
        neurons=simulation.neurons,
        connectome=simulation.connectome,
        spike_times=simulation.spike_times,
        metadata=simulation.metadata
        | {
            "observation": {
                "as": "calcium",
                "indicator": asdict(indicator),
                "frame_rate_hz": frame_rate_hz,
                "noise_level": noise_level,
                "drift": drift,
                "drift_time_s": drift_time_s,
                "seed": int(seed),
            }
        },
    )


def calcium_trace(
    spike_times_s: npt.NDArray[np.float64], indicator: Indicator, dt_s: float, n_frames: int
) -> FloatArray:
    """Sum of the kernels of all spikes at the times (k + 1/2) dt, exactly and in one pass.

    Each of the kernel's two exponentials decays by a constant factor from frame to frame, and a
    spike enters at the first frame after it with what has decayed by then.
    """
    first_frame = np.ceil(spike_times_s / dt_s - 0.5).astype(np.int64)
    seen = (first_frame < n_frames) & (spike_times_s >= 0)
    first_frame = first_frame[seen]
    since_spike = (first_frame + 0.5) * dt_s - spike_times_s[seen]

    def exponential(tau_s: float) -> FloatArray:
        entering = np.bincount(first_frame, weights=np.exp(-since_spike / tau_s), minlength=n_frames)
        return lfilter([1.0], [1.0, -np.exp(-dt_s / tau_s)], entering)

    # Rounding can leave less than nothing long after a spike
    return indicator.scale * np.maximum(exponential(indicator.decay_s) - exponential(indicator.rise_s), 0.0)


def _ornstein_uhlenbeck(n_steps: int, step: float, rng: np.random.Generator) -> FloatArray:
    """Stationary process of standard deviation 1 in steps of `step` correlation times."""
    keep = np.exp(-step)
    shocks = np.sqrt(1 - keep**2) * rng.standard_normal(n_steps)
    shocks[0] = rng.standard_normal()  # starts in its stationary distribution
    return lfilter([1.0], [1.0, -keep], shocks)


def _named(name: str) -> Indicator:
    if name in INDICATORS:
        return INDICATORS[name]
    raise unknown_name("indicator", name, INDICATORS)
