"""How wide the spikes of sorted units are: from the trough of the mean waveform to the peak that follows it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import Float64Array
from synapsnet.io.reader import Notify

# Widths in mouse cortex have two modes: that of fast-spiking units, most of them Pvalb interneurons, and that of all
# others (Senzai, Fernandez-Ruiz & Buzsaki 2019, Neuron 101:500; Siegle et al. 2021, Nature 592:86).
NARROW_MS = 0.4
LONGEST_MS = 3.0  # a larger median is in samples: no spike lasts longer, and none is only 3 samples wide


def durations_ms(
    durations: npt.ArrayLike, fs_hz: npt.ArrayLike | None, what: str, notify: Notify
) -> Float64Array | None:
    """(N,) durations in milliseconds from what a source states, which may be samples.

    Parameters
    ----------
    durations : (N,) array
        In milliseconds, or in samples, as their median shows. Those that are not positive, because the peak came before
        the trough, become NaN.
    fs_hz : float or (N,) array, optional
        Sampling rate; without it, durations in samples are left out.
    what : str
        Name of the durations, for the notices.
    notify : callable
        Receives a line if they are samples.

    Returns
    -------
    (N,) array, or None where nothing is known.
    """
    values = np.asarray(durations, float)
    values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    if np.isnan(values).all():
        return None
    median = np.nanmedian(values)
    if median <= LONGEST_MS:
        return values
    rates = np.asarray(np.nan if fs_hz is None else fs_hz, float)
    rates = np.where(rates > 0, rates, np.nan)
    if np.isnan(rates).all():
        notify(f"{what} is left out: with a median of {median:.3g} it cannot be in milliseconds.")
        return None
    notify(f"{what} is taken to be in samples at {np.nanmedian(rates):.6g} Hz.")
    return values / rates * 1e3


def trough_to_peak_ms(waveforms: npt.ArrayLike, fs_hz: float) -> Float64Array:
    """(N,) time from the lowest sample to the highest one after it.

    NaN for a waveform that has none after it, or whose largest deflection is upwards: such spikes are not those of
    somata, and their troughs follow the spike.

    Parameters
    ----------
    waveforms : (N, S) array
        The waveform of each unit on the channel on which it is largest.
    fs_hz : float
        Samples per second.
    """
    waves = np.asarray(waveforms, float)
    trough = waves.argmin(axis=1)
    after = np.arange(waves.shape[1]) > trough[:, None]
    peak = np.where(after, waves, -np.inf).argmax(axis=1)
    usual = after.any(axis=1) & (-waves.min(axis=1) > waves.max(axis=1))
    return np.where(usual, (peak - trough) / fs_hz * 1e3, np.nan)
