"""What happens to fluorescence on its way to a trace: neighbours, planes, noise, lost frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.special import softmax

from synapsnet.array_types import FloatArray

# Median of |x - y| for independent x, y of a normal distribution with standard deviation 1
_MEDIAN_ABSOLUTE_DIFFERENCE = 0.674490 * np.sqrt(2)


def resting_noise_sd(noise_level: float, frame_rate_hz: float) -> float:
    """Standard deviation in dF/F of white noise whose nu (Rupprecht et al. 2021) is `noise_level`."""
    return float(noise_level / 100 * np.sqrt(frame_rate_hz) / _MEDIAN_ABSOLUTE_DIFFERENCE)


def relative_noise(brightness: FloatArray, shot_fraction: float) -> FloatArray:
    """Standard deviation of the noise at a brightness, relative to that at the resting brightness of 1.

    At rest, `shot_fraction` of the variance is photon noise, which grows with the brightness; the rest is read
    noise, which does not.
    """
    return np.sqrt(1 - shot_fraction + shot_fraction * np.maximum(brightness, 0.0))


def planes_by_depth(depth_um: FloatArray, n_planes: int) -> npt.NDArray[np.intp]:
    """(N,) plane of each neuron: as many neurons in each, the shallowest in plane 0.

    Neurons of equal or unknown (NaN) depth are ordered by index.
    """
    n = len(depth_um)
    planes = np.empty(n, np.intp)
    planes[np.argsort(depth_um, kind="stable")] = np.arange(n) * n_planes // n
    return planes


def neuropil_weights(position_um: FloatArray, length_um: float, shared: float) -> FloatArray:
    """(N, N) share of each neuron (column) in the neuropil around each other (row); rows sum to 1.

    Local neuropil is a mean over all other neurons with weight exp(-distance / length). A fraction `shared`
    of the neuropil is the plain mean over them.
    """
    distance_um = cdist(position_um, position_um)
    np.fill_diagonal(distance_um, np.inf)
    n_others = max(len(position_um) - 1, 1)
    weights = (1 - shared) * softmax(-distance_um / length_um, axis=1) + shared / n_others
    np.fill_diagonal(weights, 0.0)
    return weights


def kept_frames(
    n_frames: int, dropout: float, bout_frames: float, shortest: float, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Row ranges `[start, stop)` between bouts of motion.

    Bouts and the pauses between them have geometrically distributed lengths.

    Parameters
    ----------
    n_frames : int
    dropout : float
        Expected fraction of frames in bouts, in (0, 1).
    bout_frames : float
        Mean length of a bout; longer where that fraction would leave less than one frame between bouts.
    shortest : float
        Ranges with fewer frames are left out.
    rng : numpy Generator
    """
    ends = 1 / max(bout_frames, 1.0, dropout / (1 - dropout))
    begins = np.clip(ends * dropout / (1 - dropout), np.finfo(float).tiny, 1.0)
    most = n_frames // 2 + 1  # enough even if each lasts one frame
    lengths = np.minimum(rng.geometric([begins, ends], (most, 2)), n_frames)
    pauses, stops = lengths[:, 0], np.cumsum(lengths).reshape(most, 2)[:, 0]
    starts = stops - pauses
    ranges = ((int(a), int(min(b, n_frames))) for a, b in zip(starts, stops, strict=True) if a < n_frames)
    return [(a, b) for a, b in ranges if b - a >= shortest]
