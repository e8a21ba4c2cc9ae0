r"""Evidence for connections from spikes, in steps as fine as their times or bins are.

A connection is fast and has a direction: after a delay of milliseconds the postsynaptic rate jumps and decays. What
neurons share is broad, or goes both ways, or shows in all the others. The evidence is the first without the second:

1. partial correlograms of each pair, given all other neurons at all times (`synapsnet.inference.spectra`),
2. in units of their noise, which is larger where both neurons fire more (`synapsnet.inference.correlograms`),
3. in them the size of a response of one shape, or two where excitation and inhibition clearly differ, or of delays that
   differ from connection to connection where these explain more (`synapsnet.inference.responses`),
4. beside the background that is learned from all pairs (`synapsnet.inference.background`),
5. less what common targets make of pairs that are not connected (`synapsnet.inference.common_targets`).

Where delays differ, a peak may be due to a hidden neuron that sends to both: see `synapsnet.inference.hidden_sources`.
Few coincidences are skewed: z-scores are those of a gamma distribution with the same skewness, and a pair in which
fewer than `LEAST_COINCIDENCES` are expected says nothing either way.

The constants were chosen on the recordings with known connections that `docs/variants.md` names, and judged on others.
"""

from __future__ import annotations

import math

import torch

from synapsnet.inference.background import less_shared
from synapsnet.inference.common_targets import without_common_targets
from synapsnet.inference.correlograms import Correlograms
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.hidden_sources import HiddenSources
from synapsnet.inference.responses import Responses, displaced
from synapsnet.inference.spectra import SEGMENT_S, cross_spectra, time_resolution_s
from synapsnet.progress import Advance, Counter, unheard
from synapsnet.recording import Recording, binned_spike_times

STEP_S = 0.001  # resolution of correlograms, or that of the spikes where it is coarser
LONGEST_STEP_S = 0.010  # in longer ones a connection acts within a step, and has no direction
ROUNDING = 1e-6  # by which a step may be longer than one of these, as a fraction
MOST_OPERATIONS, MOST_BYTES = 3e13, 1e10  # of cross-spectra; beyond them the resolution is halved
SPECTRA_SHARE = 0.6  # of the time
LEAST_COINCIDENCES = 2.0  # expected under a response


def resolves(recording: Recording) -> bool:
    """Whether spikes are there, in steps that are fine enough, and of few enough neurons for their spectra."""
    several_trains = recording.modality == "spikes" and recording.n_neurons > 1
    return several_trains and _step_s(recording) <= LONGEST_STEP_S * (1 + ROUNDING)


def inferred_in_bins(recording: Recording, likelihood: str) -> bool:
    """Whether spikes are inferred from as if they were calcium; not so if a likelihood is named."""
    return recording.modality == "spikes" and likelihood == "auto" and not resolves(recording)


def _step_s(recording: Recording) -> float:
    step_s = max(STEP_S, resolution_s(recording))
    operations = 8 * recording.n_neurons**2 * recording.n_steps * recording.dt_s / step_s
    excess = max(operations / MOST_OPERATIONS, _spectra_bytes(recording.n_neurons, step_s) / MOST_BYTES, 1)
    return step_s * 2.0 ** math.ceil(math.log2(excess))


def spectra_bytes(recording: Recording) -> float:
    """The memory that the spectra of a recording that `resolves` take."""
    return _spectra_bytes(recording.n_neurons, _step_s(recording))


def _spectra_bytes(n_neurons: int, step_s: float) -> float:
    return 8 * n_neurons**2 * SEGMENT_S / (2 * step_s)


def resolution_s(recording: Recording) -> float:
    """The steps in which spikes are known, in seconds: a grid of their times, or bins; 0 if it is below 1 ms."""
    spikes = recording.spike_times
    return recording.dt_s if spikes is None else time_resolution_s(spikes)


@torch.no_grad()
def spike_evidence(recording: Recording, device: torch.device, advance: Advance = unheard) -> Evidence:
    """Evidence for every pair of neurons of a recording that `resolves`.

    Parameters
    ----------
    recording : Recording
    device : torch.device
    advance : callable
        Told the fraction done.

    Returns
    -------
    Evidence
        At the lags alone: what a connection does at lag 0 is part of its response. Weights are in log rate per
        presynaptic spike, summed over the bins of the recording.
    """
    trains = binned_spike_times(recording) if recording.spike_times is None else recording.spike_times
    spectra = cross_spectra(trains, _step_s(recording), device, lambda done: advance(SPECTRA_SHARE * done))
    correlograms = Correlograms.learn(spectra)
    responses = Responses.learn(correlograms)
    n = len(spectra.rate_hz)
    z, error, expected = (torch.zeros(n, n, device=device) for _ in range(3))
    z_displaced = torch.zeros(2, n, n, device=device)
    displaced_filters = displaced(responses.response, len(spectra.lags), spectra.step_s)
    hidden = HiddenSources(n, correlograms.learning, spectra) if responses.differing_delays else None
    everyone = torch.arange(n, device=device)
    blocks = correlograms.blocks()
    for rows in Counter(len(blocks), lambda done: advance(SPECTRA_SHARE + (1 - SPECTRA_SHARE) * done))(blocks):
        values, noise, coincidences = correlograms(rows, everyone)
        flat = values.flatten(0, 1)
        estimate, size_error = responses(flat, coincidences.flatten())
        z[rows] = estimate.view(-1, n)
        error[rows] = size_error.view(-1, n) * noise
        expected[rows] = coincidences
        if hidden is None:
            z_displaced[:, rows] = (flat @ displaced_filters).T.view(2, -1, n)
        else:
            hidden.add(rows, values, z[rows])
    expected = torch.minimum(expected, expected.T) * responses.effective_lags
    informative = (expected >= LEAST_COINCIDENCES).fill_diagonal_(False)
    z = torch.where(informative, z, 0.0)
    scales = torch.ones_like(z)
    if informative.any() and not responses.differing_delays:
        z = without_common_targets(z, informative, responses.response, spectra.n_samples)
        z, scales = less_shared(z, informative, z_displaced)
    # A partial coherence of q at each lag is q (r_i r_j)^(1/2) / r_i more spikes a bin, of a rate r_i.
    rate = spectra.rate_hz.clamp(min=1e-6)
    per_weight = responses.sum / (spectra.n_samples**0.5 * (rate[:, None] * rate).sqrt() * recording.dt_s)
    error = (error * per_weight).clamp(min=1e-9)
    log_direct = None if hidden is None else hidden.log_direct()
    return Evidence.at_lags((z * error).fill_diagonal_(0), error * scales, spectra.n_samples, informative, log_direct)
