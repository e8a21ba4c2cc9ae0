r"""Partial correlograms of all pairs, in units of their noise.

Coincidences are counts, and their variance is their number: where two neurons fire in the same bursts or phases of a
rhythm, noise is larger about lag 0 than far from it. So it follows the level of the plain correlogram, coincidences
over chance, to a power that is fitted: 1 for counts, less where the other neurons explain some of the variance. Its
size is measured for each pair at lags of `FAR_S` and more, where no connection acts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from synapsnet.inference.spectra import CrossSpectra, welch

FAR_S, NEAR_S = 0.030, 0.020  # lags from which on no connection acts, and up to which most do
LEVEL_SMOOTHING_S = 0.004  # of a pair's level
LEVEL_COINCIDENCES = 30.0  # weight of the mean profile in it
LEAST_LEVEL = 0.2  # of coincidences over chance, as a level of noise
MOST_WEIGHT = 50.0  # of a pair in the mean profile, in coincidences per bin
NOISE_LAGS = 40.0  # how many lags of a typical pair are in the noise of each
CLIP_NOISE, CLIP_SIGNAL = 4.0, 3.0  # so that connections do not pass for noise
EXPONENT_PRIOR = 0.02  # for each lag, towards counts
LEARNING_NEURONS = 300  # from whose pairs the noise is learned
BLOCK_PAIRS = 100_000  # whose correlograms are in memory at a time


@dataclass
class Correlograms:
    """See the module; `Correlograms.learn(spectra)` makes one.

    Attributes
    ----------
    spectra : CrossSpectra
    learning : (L,) int64 tensor
        The neurons that noise is learned from.
    kept, noise : (K,) tensor
        See `synapsnet.inference.spectra.welch`.
    profile : (K,) tensor
        Mean level of coincidences over chance.
    exponent, typical_noise : float
        Power of the level that the noise follows; variance of the typical pair's noise over that of white trains.
    """

    spectra: CrossSpectra
    learning: Tensor
    kept: Tensor
    noise: Tensor
    profile: Tensor
    exponent: float = 1.0
    typical_noise: float = 1.0
    far: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.far = self.lags_s.abs() >= FAR_S - 1e-9

    @classmethod
    def learn(cls, spectra: CrossSpectra) -> Correlograms:
        """Partial correlograms of these spectra, and their noise."""
        rate = spectra.rate_hz
        order = torch.randperm(len(rate), generator=torch.Generator().manual_seed(0))
        learning = order[:LEARNING_NEURONS].sort().values.to(rate.device)
        kept, noise = (torch.from_numpy(part).to(rate) for part in welch(spectra.segment, spectra.lags))
        new = cls(spectra, learning, kept, noise, profile=torch.ones_like(kept))
        new._learn_noise()
        return new

    @property
    def lags_s(self) -> Tensor:
        """(K,) lags in seconds, the postsynaptic neuron later where they are positive."""
        return torch.from_numpy(self.spectra.lags).to(self.noise) * self.spectra.step_s

    def blocks(self) -> tuple[Tensor, ...]:
        """All postsynaptic neurons, as many at a time as `BLOCK_PAIRS` allows."""
        n = len(self.spectra.rate_hz)
        return torch.split(torch.arange(n, device=self.noise.device), max(1, BLOCK_PAIRS // n))

    def __call__(self, post: Tensor, pre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The correlograms of some pairs, and their noise.

        Returns
        -------
        values : (R, C, K) tensor
            Correlograms in units of their noise.
        noise : (R, C) tensor
            Its standard deviation at the lags of a connection, over that of white trains.
        coincidences : (R, C) tensor
            Expected number per bin about lag 0.
        """
        cross, partial = self.spectra.of(post, pre)
        level, chance = self._level(cross, post, pre)
        shape = self._noise_shape(level)
        values = self._plain(partial) / shape
        far = values[..., self.far]
        size = ((far.square().sum(-1) + NOISE_LAGS * self.typical_noise) / (far.shape[-1] + NOISE_LAGS)).sqrt()
        acting, about = (self.lags_s >= 0) & (self.lags_s <= NEAR_S), self.lags_s.abs() <= NEAR_S
        return values / size[..., None], size * shape[..., acting].mean(-1), level[..., about].mean(-1) * chance

    def to_learn_from(self) -> tuple[Tensor, Tensor]:
        """(P, K) correlograms and (P,) coincidences of all pairs of the neurons that are learned from."""
        values, _, coincidences = self(self.learning, self.learning)
        return values[self._pairs], coincidences[self._pairs]

    @property
    def _pairs(self) -> Tensor:
        return ~torch.eye(len(self.learning), dtype=torch.bool, device=self.noise.device)

    def _plain(self, partial: Tensor) -> Tensor:
        """(R, C, K) partial correlograms in the noise of white trains."""
        return self._in_time(partial) * self.spectra.n_samples**0.5 / self.noise

    def _level(self, cross: Tensor, post: Tensor, pre: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C, K) coincidences over chance, smoothed, and (R, C) chance coincidences per bin."""
        step, rate = self.spectra.step_s, self.spectra.rate_hz.clamp(min=1e-6)
        product = rate[post][:, None] * rate[pre] * step**2
        covariance = self._in_time(cross) / self.spectra.segment / self.kept
        level = (1 + covariance / product[..., None]).clamp(min=0)
        chance = product * self.spectra.n_samples
        width = LEVEL_SMOOTHING_S / step
        own = chance[..., None] * width * math.sqrt(4 * math.pi)  # independent counts under the Gaussian
        level = (smoothed(level, width) * own + LEVEL_COINCIDENCES * self.profile) / (own + LEVEL_COINCIDENCES)
        return level.clamp(min=LEAST_LEVEL), chance

    def _noise_shape(self, level: Tensor) -> Tensor:
        """(..., K) standard deviation of the noise at each lag, over that at far lags."""
        return (level / level[..., self.far].mean(-1, keepdim=True)) ** (self.exponent / 2)

    def _in_time(self, spectra: Tensor) -> Tensor:
        """(R, C, K) these (F, R, C) spectra in the time domain."""
        in_time = torch.fft.irfft(spectra, n=self.spectra.segment, dim=0)
        return in_time[torch.from_numpy(self.spectra.lags % self.spectra.segment).to(spectra.device)].permute(1, 2, 0)

    def _learn_noise(self) -> None:
        """Learn the mean level by lag, how closely noise follows it, and the typical noise."""
        cross, partial = self.spectra.of(self.learning, self.learning)
        level, chance = (part[self._pairs] for part in self._level(cross, self.learning, self.learning))
        weight = chance.clamp(max=MOST_WEIGHT)
        self.profile = smoothed(_symmetric(weight @ level / weight.sum()), 2.0)
        level = self._level(cross, self.learning, self.learning)[0][self._pairs]
        plain = self._plain(partial)[self._pairs]
        size = plain[:, self.far].clamp(-CLIP_NOISE, CLIP_NOISE).square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)
        variance = smoothed(_symmetric((plain / size).clamp(-CLIP_SIGNAL, CLIP_SIGNAL).square().mean(0)), 3.0)
        log_level = (level / level[:, self.far].mean(1, keepdim=True)).log().mean(0)[~self.far]
        log_variance = (variance / variance[self.far].mean()).log()[~self.far]
        prior = EXPONENT_PRIOR * len(log_level)
        slope = (log_level @ log_variance + prior) / (log_level @ log_level + prior)
        self.exponent = float(slope.clamp(0, 1))
        in_shape = plain / self._noise_shape(level)
        of_pairs = in_shape[:, self.far].square().mean(1)
        firing = of_pairs > 0  # a neuron may be silent in a part of a recording
        self.typical_noise = float(of_pairs[firing].median()) if firing.any() else 1.0


def smoothed(values: Tensor, width: float) -> Tensor:
    """Values smoothed along the last axis by a Gaussian of that width in bins; the outermost continue outwards."""
    reach = math.ceil(4 * width)
    offsets = torch.arange(-reach, reach + 1, device=values.device)
    kernel = torch.exp(-0.5 * (offsets / width) ** 2).to(values)
    index = (torch.arange(values.shape[-1], device=values.device)[:, None] + offsets).clamp(0, values.shape[-1] - 1)
    weights = torch.zeros(values.shape[-1], values.shape[-1], device=values.device, dtype=values.dtype)
    weights.scatter_add_(1, index, (kernel / kernel.sum()).expand(len(index), -1))
    return values @ weights.T


def _symmetric(profile: Tensor) -> Tensor:
    return (profile + profile.flip(0)) / 2
