r"""How any two neurons' spikes follow each other, given what all the other neurons do at all times.

With :math:`S(f)` the matrix of cross-spectra of N spike trains, the partial coherence of neurons i and j is

.. math::
    Q_{ij}(f) = -\frac{P_{ij}(f)}{\sqrt{P_{ii}(f)\, P_{jj}(f)}}, \qquad P(f) = S(f)^{-1}

(Brillinger 1975; Dahlhaus 1997, J Neurosci Methods 77:93). Transformed back to time it is a correlogram of what remains
of i and j when everything that is linear in the other neurons, earlier and later, has been taken out. Input that all
neurons share, slow or rhythmic, shows in the others and is removed; the effect of j on i stays, at the lags at which it
acts. A neuron's own past, through its autospectrum, is taken out as well.

Spectra are means over overlapping segments of `SEGMENT_S`, under a Hann window (Welch 1967). If trains are
independent and white, each lag of the correlogram is then 0 with a known standard deviation, and lags are independent.

Of thousands of neurons these matrices fill the memory. Both are Hermitian, so one array holds both: cross-spectra on
the diagonal and above it, partial coherence below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pynapple as nap
import torch
from torch import Tensor

from synapsnet.progress import Advance, Counter, unheard

SEGMENT_S = 0.256  # of spectra: four times as long as the lags that are looked at
SEGMENTS_AT_ONCE = 4  # overlapping at any time: every coincidence then counts the same, wherever it lies
LONGEST_LAG_S = 0.060
RIDGE = 1e-4  # of the autospectrum: keeps the inverse of a silent neuron's finite
SHRINKAGE = 0.1  # times the square of the number of neurons over that of segments
CHUNK_VALUES = 5_000_000  # of binned spikes at a time: with more they leave the cache, and take twice as long
SPIKES_AT_ONCE = 1_000_000
ROUND_GRIDS_S = (0.1, 0.05, 0.04, 0.025, 0.02, 0.01, 0.005, 0.004, 0.0025, 0.002)  # on which spike times may lie
FINEST_GRID_S = 0.00101  # a millisecond is fine enough, and its estimate may be a little larger
LEAST_GAPS = 20  # between spikes, to show a grid
ENOUGH_SPIKES = 100_000  # to find that grid


@dataclass(frozen=True)
class CrossSpectra:
    """Cross-spectra of N spike trains, means over segments, and their partial coherence.

    Attributes
    ----------
    both : (F, N, N) complex64 tensor
        `[f, post, pre]`, see the module.
    step_s : float
        Width of the bins into which spikes were counted.
    n_segments : int
    rate_hz : (N,) float32 tensor
    """

    both: Tensor
    step_s: float
    n_segments: int
    rate_hz: Tensor

    @property
    def n_samples(self) -> int:
        """Bins that the segments, which overlap, cover."""
        return self.n_segments * self.segment // SEGMENTS_AT_ONCE

    @property
    def segment(self) -> int:
        """Bins in a segment."""
        return 2 * (len(self.both) - 1)

    @property
    def lags(self) -> npt.NDArray[np.intp]:
        """(K,) lags of correlograms in bins, the postsynaptic neuron later where they are positive."""
        longest = round(LONGEST_LAG_S / self.step_s)
        return np.arange(-longest, longest + 1)

    def of(self, post: Tensor, pre: Tensor) -> tuple[Tensor, Tensor]:
        """(F, R, C) cross-spectra of R postsynaptic and C presynaptic neurons, and their partial coherence.

        The partial coherence of a neuron with itself is 0.
        """
        here, there = self.both[:, post][:, :, pre], self.both[:, :, post][:, pre].mT.conj()
        ordered = post[:, None] <= pre
        cross, partial = torch.where(ordered, here, there), torch.where(ordered, there, here)
        return cross, partial.masked_fill_(post[:, None] == pre, 0)


def partial_coherence(matrix: Tensor, n_segments: int) -> Tensor:
    """(N, N) partial coherence at a frequency, from cross-spectra; 0 between a neuron and itself.

    With hardly more segments than neurons, the matrix is shrunk towards its diagonal, the more so the fewer there are.
    """
    shrinkage = max(RIDGE, min(0.5, SHRINKAGE * (len(matrix) / n_segments) ** 2))
    auto = matrix.diagonal().real.clamp(min=1e-12).sqrt()
    scaled = matrix / auto[:, None] / auto
    scaled.diagonal().add_(shrinkage)
    inverse = torch.linalg.inv(scaled)
    size = inverse.diagonal().real.clamp(min=1e-12).sqrt()
    return (-inverse / size[:, None] / size).fill_diagonal_(0)


def cross_spectra(
    spike_times: nap.TsGroup, step_s: float, device: torch.device, advance: Advance = unheard
) -> CrossSpectra:
    """Cross-spectra of all pairs of neurons, segments within epochs.

    Parameters
    ----------
    spike_times : TsGroup
        Spikes of N neurons. Epochs are those of its time support; one that is shorter than a segment is filled up with
        zeros.
    step_s : float
    device : torch.device
    advance : callable
        Told the fraction done.

    Returns
    -------
    CrossSpectra
    """
    times, neuron = in_order(spike_times)
    n, segment = len(spike_times), SEGMENTS_AT_ONCE * round(SEGMENT_S / step_s / SEGMENTS_AT_ONCE)
    rate = np.bincount(neuron, minlength=n) / spike_times.time_support.tot_length()
    mean = torch.from_numpy((rate * step_s).astype(np.float32)).to(device)
    window = hann(segment).to(device, torch.float32)
    total = torch.zeros(segment // 2 + 1, n, n, dtype=torch.complex64, device=device)
    n_segments = 0
    hop, at_once = segment // SEGMENTS_AT_ONCE, max(1, CHUNK_VALUES // (segment * n))
    for start, end in spike_times.time_support.values:
        n_bins = max(1, int((end - start) / step_s + 1e-6))
        first, last = np.searchsorted(times, [start, end])
        bins = np.empty(last - first, np.int32)  # filled part by part, as of many spikes numbers of 8 bytes fill memory
        for a in range(first, last, SPIKES_AT_ONCE):
            here = slice(a, min(a + SPIKES_AT_ONCE, last))
            bins[a - first : here.stop - first] = ((times[here] - start) / step_s + 1e-6).astype(int)
        np.minimum(bins, n_bins - 1, out=bins)
        starts = np.arange(0, max(n_bins - segment, 0) + 1, hop)
        for chunk in np.array_split(starts, max(1, -(-len(starts) // at_once))):
            here = slice(*np.searchsorted(bins, np.array([chunk[0], chunk[-1] + segment], bins.dtype)))
            index = (bins[here] - chunk[0]).astype(np.int64) * n + neuron[first:last][here]
            stretch = torch.zeros(chunk[-1] + segment - chunk[0], n, device=device)
            stretch.view(-1).index_add_(0, torch.from_numpy(index).to(device), torch.ones(len(index), device=device))
            stretch[: n_bins - chunk[0]] -= mean
            segments = stretch.unfold(0, segment, hop)  # (S, N, segment)
            spectrum = torch.fft.rfft(segments * window, dim=2).permute(2, 1, 0).contiguous()  # (F, N, S)
            total.baddbmm_(spectrum, spectrum.mH)
            n_segments += len(chunk)
    for matrix in Counter(len(total), advance)(total.div_(n_segments)):
        partial = partial_coherence(matrix, n_segments)
        matrix.triu_().add_(partial.tril_(-1))
    return CrossSpectra(total, step_s, n_segments, torch.from_numpy(rate.astype(np.float32)).to(device))


def in_order(spike_times: nap.TsGroup) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """(S,) times of all spikes in their order, and (S,) which neuron fired each, from 0 on."""
    trains = [spike_times[k].times() for k in spike_times.index]
    n_spikes = sum(map(len, trains))
    times, neuron = np.empty(n_spikes), np.empty(n_spikes, np.int32)
    whole = spike_times.time_support
    borders = np.linspace(whole.start[0], whole.end[-1], 1 + n_spikes // SPIKES_AT_ONCE, endpoint=False)
    first, done = np.zeros(len(trains), np.intp), 0
    for until in [*borders[1:], np.inf]:  # a part of the time after the other, which takes little more memory
        last = np.array([np.searchsorted(train, until) for train in trains])
        here = np.concatenate([train[a:b] for train, a, b in zip(trains, first, last, strict=True)])
        order, stop = np.argsort(here, kind="stable"), done + len(here)
        times[done:stop] = here[order]
        neuron[done:stop] = np.repeat(np.arange(len(trains), dtype=np.int32), last - first)[order]
        first, done = last, stop
    return times, neuron


def hann(segment: int) -> Tensor:
    """(segment,) periodic Hann window with a mean square of 1."""
    window = torch.hann_window(segment, dtype=torch.float64)
    return window / window.square().mean().sqrt()


def welch(segment: int, lags: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What overlapping windowed segments make of a correlogram, see the module.

    Returns
    -------
    kept : (K,) array
        Fraction of a correlation that remains at each lag.
    noise : (K,) array
        Standard deviation at each lag of a correlogram of independent white series, over that of a plain one.
    """
    window, hop = hann(segment).numpy(), segment // SEGMENTS_AT_ONCE
    t = np.arange(segment)
    kept, noise = np.zeros(len(lags)), np.zeros(len(lags))
    for k, lag in enumerate(lags):
        other = (t + lag) % segment
        product = window * window[other]
        kept[k] = product[other - t == lag].sum() / segment
        # Segments overlap, so two of them share products; those that wrap around are different ones.
        for apart in np.unique(other - t):
            shared = np.bincount(t % hop, np.where(other - t == apart, product, 0), minlength=hop)
            noise[k] += np.square(shared).sum() * hop / segment**2
    return kept, np.sqrt(noise)


def time_resolution_s(spike_times: nap.TsGroup) -> float:
    """The grid on which spike times lie, in seconds; 0 if they lie on none that is coarser than a millisecond.

    Bins, or the frames of any camera: all gaps between the spikes of a few neurons are multiples of one gap then.
    """
    trains: list[npt.NDArray[np.float64]] = []
    for k in spike_times.index:
        trains.append(spike_times[k].times())
        if sum(map(len, trains)) >= ENOUGH_SPIKES:
            break
    gaps = np.diff(np.unique(np.round(np.concatenate(trains), 6))) if trains else np.empty(0)
    if len(gaps) < LEAST_GAPS:
        return 0.0
    lengths, counts = np.unique(np.round(gaps, 4), return_counts=True)
    commonest = gaps[np.abs(gaps - lengths[counts.argmax()]) < 2e-4].mean()
    for width in sorted((*ROUND_GRIDS_S, *(commonest / k for k in (1, 2, 3))), reverse=True):
        n_widths = gaps / width
        multiples = np.abs(n_widths - np.round(n_widths).clip(min=1)) < 0.05
        # A spike that lies elsewhere, as one in forty may, spoils the gaps on both sides of it.
        if width > FINEST_GRID_S and np.mean(multiples) > 0.95:
            return round(float(width), 6)
    return 0.0
