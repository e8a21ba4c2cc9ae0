"""The errors of spike sorting: spikes that are missed, and spikes that are given to the wrong unit.

The spikes of all units lie in two arrays, unit by unit: `unit[k]` fired at `time_s[k]`. Sizes of spikes are in units
of the standard deviation of the electrode's noise. Rates of these errors, and how to see them in recordings: Hill,
Mehta & Kleinfeld 2011, J Neurosci 31:8699. What is not cited is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import FloatArray, IndexArray

THRESHOLD = 4.0  # noise standard deviations, Quian Quiroga, Nadasdy & Ben-Shaul 2004, Neural Comput 16:1661
AMPLITUDE_SIGMA = 0.5  # standard deviation of the logarithm of the units' amplitudes
DRIFT_PERIOD_S = 600.0
SYNCHRONY_S = 0.4e-3  # two spikes overlap if they are no further apart
_ROUNDING_S = 1e-9


@dataclass(frozen=True)
class Neighbourhood:
    """How much of one neuron's signal there is where another is recorded: exp(-distance / length).

    Attributes
    ----------
    position_um : (N, 3) array
    length_um : float
    """

    position_um: FloatArray
    length_um: float

    def nearness(self, one: IndexArray | int, other: IndexArray) -> FloatArray:
        """(n,) for pairs of neurons: 1 at the same place, 0 far away."""
        distance_um = np.linalg.norm(self.position_um[one] - self.position_um[other], axis=-1)
        return np.exp(-distance_um / self.length_um)


def unit_amplitudes(n_units: int, median: float, rng: np.random.Generator) -> FloatArray:
    """(n_units,) mean size of each unit's spikes: lognormal, most are small."""
    return median * rng.lognormal(0.0, AMPLITUDE_SIGMA, n_units)


def falloff(position_um: FloatArray, length_um: float) -> FloatArray:
    """(N,) fraction of a spike that reaches the probe, a shank that goes down (along z) amid the neurons."""
    lateral_um = position_um[:, :2] - position_um[:, :2].mean(axis=0)
    return np.exp(-np.linalg.norm(lateral_um, axis=1) / length_um)


def spike_sizes(
    unit: IndexArray, time_s: FloatArray, amplitude: FloatArray, drift: float, rng: np.random.Generator
) -> FloatArray:
    """(n,) size of each spike as the electrode picks it up: the unit's amplitude, which drifts, plus the noise.

    The tissue moves as one along the probe, which brings some units nearer to its contacts and others away from
    them: the logarithm of unit i's amplitude is shifted by a_i sqrt(2) sin(2 pi t / T + phase), with a_i drawn from
    N(0, drift) and one period and phase for all.
    """
    towards = drift * rng.standard_normal(len(amplitude))
    phase = rng.uniform(0, 2 * np.pi)
    moved = np.sqrt(2) * np.sin(2 * np.pi * time_s / DRIFT_PERIOD_S + phase)
    return amplitude[unit] * np.exp(towards[unit] * moved) + rng.standard_normal(len(unit))


def overlapped(
    unit: IndexArray,
    time_s: FloatArray,
    size: FloatArray,
    probability: float,
    neighbourhood: Neighbourhood | None,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """(n,) which spikes are lost because they overlap with a larger spike of another unit.

    Sorters that cluster waveforms, or subtract templates one after the other, fail on the sum of two waveforms,
    and so leave a false dip around zero lag in the cross-correlogram of neighbouring units (Pillow, Shlens,
    Chichilnisky & Simoncelli 2013, PLoS One 8:e62123). Of two spikes of different units that are at most
    `SYNCHRONY_S` apart, the smaller one is lost with `probability`, times the nearness of the two where there
    is a `neighbourhood`.
    """
    order = np.argsort(time_s, kind="stable")
    unit, time_s, size = unit[order], time_s[order], size[order]
    lost = np.zeros(len(unit), bool)
    early, apart = np.arange(len(unit)), 0
    while len(early):  # pairs of a spike and the next one, then the next but one, and so on
        apart += 1
        early = early[early + apart < len(unit)]
        early = early[time_s[early + apart] - time_s[early] <= SYNCHRONY_S + _ROUNDING_S]
        late = early + apart
        chance = probability * (unit[early] != unit[late])
        if neighbourhood is not None:
            chance *= neighbourhood.nearness(unit[early], unit[late])
        fails = rng.random(len(early)) < chance
        lost[np.where(size[early] < size[late], early, late)[fails]] = True
    result = np.empty_like(lost)
    result[order] = lost
    return result


def foreign_spikes(
    n_wanted: int,
    unit: int,
    borders: IndexArray,
    neighbourhood: Neighbourhood | None,
    rng: np.random.Generator,
) -> IndexArray:
    """Which spikes of other neurons are given to `unit` too, each at most once.

    Parameters
    ----------
    n_wanted : int
        How many; fewer if the others do not have as many.
    unit : int
    borders : (N + 1,) array
        The spikes of neuron k are those from `borders[k]` up to `borders[k + 1]`.
    neighbourhood : Neighbourhood or None
        A spike is taken in proportion to the nearness of its neuron. None: all spikes are alike.
    rng : numpy Generator
    """
    n_spikes = np.diff(borders)
    if neighbourhood is None:
        n_others = int(borders[-1] - n_spikes[unit])
        index = rng.choice(n_others, size=min(n_wanted, n_others), replace=False, shuffle=False)
        return index + n_spikes[unit] * (index >= borders[unit])  # passes over the unit's own
    weight = n_spikes * neighbourhood.nearness(unit, np.arange(len(n_spikes)))
    weight[unit] = 0.0
    if not weight.any():
        return np.zeros(0, np.intp)
    taken = np.minimum(rng.multinomial(n_wanted, weight / weight.sum()), n_spikes)
    sources = np.flatnonzero(taken)
    picked = [borders[k] + rng.choice(n_spikes[k], size=taken[k], replace=False, shuffle=False) for k in sources]
    return np.concatenate([np.zeros(0, np.intp), *picked])


def censor(time_s: FloatArray, period_s: float) -> FloatArray:
    """The spikes of one unit without those that follow the last one kept by less than `period_s`."""
    time_s = np.sort(time_s)
    following = np.searchsorted(time_s, time_s + period_s - _ROUNDING_S)
    following = np.maximum(following, np.arange(1, len(time_s) + 1)).tolist()
    kept, k = [], 0
    while k < len(time_s):
        kept.append(k)
        k = following[k]
    return time_s[kept]
