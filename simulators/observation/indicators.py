"""Calcium indicators: what a spike does to fluorescence, by published kinetics and a Hill curve."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.signal import lfilter

from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError, unknown_name


@dataclass(frozen=True)
class Indicator:
    """How a calcium indicator responds to spikes.

    Calcium after a spike is exp(-t / decay) + w exp(-t / slow decay) - (1 + w) exp(-t / rise), scaled to a
    peak of 1. That of several spikes adds up, and fluorescence is a Hill curve of it.

    Attributes
    ----------
    peak : float
        Peak dF/F of the response to a single spike.
    rise_s, decay_s : float
        Time constants.
    half_saturation : float
        Calcium, in units of the peak that one spike causes, at which fluorescence is half its maximum.
    hill : float
        Hill exponent; with 1, fluorescence is linear in calcium far below `half_saturation`.
    resting : float
        Calcium at rest, in the same unit; it is part of the calcium that the Hill curve sees.
    slow_weight, slow_decay_s : float
        Weight w and time constant of a second, slower decay; none with a weight of 0.

    Raises
    ------
    InputError
        If a value is out of its range, or the time constants are not in the order rise, decay, slow decay.
    """

    peak: float
    rise_s: float
    decay_s: float
    half_saturation: float
    hill: float = 1.0
    resting: float = 0.0
    slow_weight: float = 0.0
    slow_decay_s: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            may_be_zero = name in ("resting", "slow_weight")
            if not (np.isfinite(value) and (value > 0 or (may_be_zero and value == 0))):
                expected = "0 or more" if may_be_zero else "a positive number"
                raise InputError(f"An indicator's {name} must be {expected}; got {value}.")
        if not self.rise_s < self.decay_s:
            raise InputError(f"An indicator must rise faster than it decays; got {self.rise_s} s and {self.decay_s} s.")
        if self.slow_weight and not self.decay_s < self.slow_decay_s:
            raise InputError(
                f"An indicator's slow decay must be slower than its decay of {self.decay_s} s; "
                f"got {self.slow_decay_s} s."
            )

    @property
    def exponentials(self) -> tuple[tuple[float, float], ...]:
        """Weight and time constant in seconds of the exponentials whose sum is the kernel, but for `scale`."""
        slow = ((self.slow_weight, self.slow_decay_s),) if self.slow_weight else ()
        return ((1.0, self.decay_s), *slow, (-(1.0 + self.slow_weight), self.rise_s))

    @property
    def time_to_peak_s(self) -> float:
        """Time from a spike to the peak of the response."""

        def alone(decay_s: float) -> float:
            ratio = decay_s / self.rise_s
            return float(decay_s * np.log(ratio) / (ratio - 1))

        def slope(time_s: float) -> float:
            return float(sum(-weight / tau_s * np.exp(-time_s / tau_s) for weight, tau_s in self.exponentials))

        if not self.slow_weight:
            return alone(self.decay_s)
        # Between the peaks that each of the two decays would have alone
        return float(brentq(slope, alone(self.decay_s), alone(self.slow_decay_s)))

    @property
    def scale(self) -> float:
        """Factor that gives the sum of the exponentials a peak of 1."""
        return float(1 / sum(weight * np.exp(-self.time_to_peak_s / tau_s) for weight, tau_s in self.exponentials))

    def kernel(self, time_s: npt.ArrayLike) -> FloatArray:
        """Calcium at `time_s` after a spike, with a peak of 1; 0 before it."""
        after_s = np.maximum(np.asarray(time_s, float), 0.0)
        return self.scale * sum(weight * np.exp(-after_s / tau_s) for weight, tau_s in self.exponentials)

    def fluorescence(self, calcium: FloatArray) -> FloatArray:
        """dF/F at a concentration of calcium above rest, by the Hill equation; a single spike's 1 gives `peak`."""
        power = (calcium + self.resting) ** self.hill
        rest, one = self.resting**self.hill, (1 + self.resting) ** self.hill
        half = self.half_saturation**self.hill
        return self.peak * (one + half) / (one - rest) * (power - rest) / (power + half)


# GCaMP6: peak, time to peak (45 and 179 ms) and half decay after it (142 and 550 ms) for one spike in mouse V1 are
# those of Chen et al. 2013, Nature 499:295; the time constants are the ones that yield them in calcium. Published
# somatic responses stay near linear over the spike counts of a sparsely active neuron: saturation at 30 spikes is our
# choice, and makes the half decay of fluorescence 3% longer.
#
# jGCaMP7f (Dana et al. 2019, Nat Methods 16:649) and jGCaMP8 (Zhang et al. 2023, Nature 615:884): time constants and
# peak are those of the spike-to-fluorescence models that Zhang et al. fitted to cell-attached recordings in mouse V1
# (their Supplementary Table 8). Calcium there is (exp(-t / decay) + w exp(-t / slow)) (1 - exp(-t / rise)); with one
# rise time, ours is within 0.1% of it. Their non-linearity is a logistic curve; ours is the nearest Hill curve, within
# 8% of every response up to that of 10 spikes. Its exponent of 2.5 is our choice.
INDICATORS = {
    "GCaMP6f": Indicator(peak=0.19, rise_s=0.01747, decay_s=0.17835, half_saturation=30.0),
    "GCaMP6s": Indicator(peak=0.23, rise_s=0.07063, decay_s=0.68605, half_saturation=30.0),
    "jGCaMP7f": Indicator(
        peak=0.213,
        rise_s=0.01418,
        decay_s=0.09527,
        half_saturation=18.33,
        hill=2.5,
        resting=3.67,
        slow_weight=0.24,
        slow_decay_s=0.39822,
    ),
    "jGCaMP8f": Indicator(
        peak=0.480,
        rise_s=0.00178,
        decay_s=0.03407,
        half_saturation=6.94,
        hill=2.5,
        resting=2.14,
        slow_weight=0.48,
        slow_decay_s=0.2637,
    ),
    "jGCaMP8m": Indicator(
        peak=0.609,
        rise_s=0.00235,
        decay_s=0.04164,
        half_saturation=7.68,
        hill=2.5,
        resting=3.32,
        slow_weight=0.28,
        slow_decay_s=0.2458,
    ),
    "jGCaMP8s": Indicator(
        peak=0.599,
        rise_s=0.00535,
        decay_s=0.08626,
        half_saturation=7.72,
        hill=2.5,
        resting=4.19,
        slow_weight=0.19,
        slow_decay_s=0.46545,
    ),
}


def named_indicator(name: str) -> Indicator:
    """The indicator of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name in INDICATORS:
        return INDICATORS[name]
    raise unknown_name("indicator", name, INDICATORS)


def calcium_trace(
    spike_times_s: npt.NDArray[np.float64], indicator: Indicator, dt_s: float, n_frames: int, phase: float = 0.5
) -> FloatArray:
    """Sum of the kernels of all spikes at the times (k + phase) dt, exactly and in one pass.

    Each of the kernel's exponentials decays by a constant factor from frame to frame, and a spike
    enters at the first frame after it with what has decayed by then.
    """
    first_frame = np.ceil(spike_times_s / dt_s - phase).astype(np.int64)
    in_time = (first_frame < n_frames) & (spike_times_s >= 0)
    first_frame = first_frame[in_time]
    since_spike = (first_frame + phase) * dt_s - spike_times_s[in_time]

    def exponential(tau_s: float) -> FloatArray:
        entering = np.bincount(first_frame, weights=np.exp(-since_spike / tau_s), minlength=n_frames)
        return lfilter([1.0], [1.0, -np.exp(-dt_s / tau_s)], entering)

    # Rounding can leave less than nothing long after a spike
    total = sum(weight * exponential(tau_s) for weight, tau_s in indicator.exponentials)
    return indicator.scale * np.maximum(total, 0.0)
