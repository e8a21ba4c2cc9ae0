"""Whether connectivity inferred from spontaneous activity predicts what a perturbation does.

Light drives some units directly. Each other unit's response is predicted from its connections from them, and compared
with the measured one. Trials are split: the even ones say which units are driven and how strongly, the odd ones what
the others did, so that noise which both would share makes no correlation. A correlation here is a weak test: the light
reaches the others through units that are not recorded too, and all of them are inhibited or excited together. So it
stands beside two nulls, the baseline rate, and how well one half of the trials predicts the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from synapsnet.errors import InputError
from synapsnet.recording import Connectome
from validation.nulls import p_value

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PerturbationScore:
    """How well predicted responses agree with measured ones, over the units that are not driven.

    Attributes
    ----------
    n_driven, n_targets : int
    correlation : float
        Spearman correlation of prediction and measured modulation.
    given_rate : float
        The same as a partial correlation given the baseline rate.
    p_targets : float
        Share of shuffles in which the predictions, dealt out among the targets, correlate as highly (one-sided).
    p_sources : float
        The same, for predictions in which the drive is given to as many random units.
    reliability : float
        Spearman correlation of the modulation in the even and in the odd trials; about its square root is what a
        perfect prediction would reach.
    """

    n_driven: int
    n_targets: int
    correlation: float
    given_rate: float
    p_targets: float
    p_sources: float
    reliability: float


def directly_driven(
    counts: npt.ArrayLike, onset: int, *, n_baseline: int = 30, z: float = 5.0
) -> npt.NDArray[np.bool_]:
    """Units that fire more in the first bin of light than before it: no synapse is as fast on so many trials.

    Parameters
    ----------
    counts : (R, N, B) array
        Spike counts of R trials.
    onset : int
        First bin with light.
    n_baseline : int
        Bins before the onset that are the baseline.
    z : float
        Excess that is asked for, in standard deviations of a Poisson count; our choice, strict because a unit chosen
        in error is missed as a target and misleads as a source.

    Returns
    -------
    (N,) bool array
    """
    trials = _checked(counts, onset, n_baseline)
    expected = trials[:, :, onset - n_baseline : onset].mean(axis=(0, 2)) * len(trials)
    # A unit silent before the light needs a floor: the rate at which one spike would have been expected.
    excess = trials[:, :, onset].sum(axis=0) - expected
    return np.asarray(excess > z * np.sqrt(np.maximum(expected, 1.0)))


def modulation(counts: npt.ArrayLike, onset: int, window: tuple[int, int], *, n_baseline: int = 30) -> Array:
    """(N,) change of rate over sum of rates, (R - B) / (R + B), in bins `window` after the onset; NaN without spikes.

    Bounded, unlike a ratio of rates, and free of the unit's rate, unlike their difference.
    """
    trials = _checked(counts, onset, n_baseline)
    if not 0 <= window[0] < window[1] <= trials.shape[2] - onset:
        raise InputError(f"The window must be bins after the onset, within {trials.shape[2] - onset}; got {window}.")
    before = trials[:, :, onset - n_baseline : onset].mean(axis=(0, 2))
    after = trials[:, :, onset + window[0] : onset + window[1]].mean(axis=(0, 2))
    return np.divide(after - before, after + before, out=np.full_like(before, np.nan), where=after + before > 0)


def relative_effect(connectome: Connectome, mean: Array, spread: Array) -> Array:
    """(N, N) relative change of the postsynaptic rate per presynaptic spike, whatever the unit of the weights.

    Parameters
    ----------
    connectome : Connectome
        In log rate or log odds per spike, which is that already for small effects, or in standard deviations per
        standard deviation ("SD per SD", "correlation"), which is rescaled.
    mean, spread : (N,) arrays
        Of the counts per bin from which it was inferred.
    """
    if connectome.unit.startswith("log"):
        return connectome.weight
    return connectome.weight * np.outer(spread / mean, 1 / spread)


def score_perturbation(
    effect: Array,
    counts: npt.ArrayLike,
    onset: int,
    window: tuple[int, int] = (1, 5),
    *,
    n_baseline: int = 30,
    z: float = 5.0,
    n_shuffles: int = 1000,
    seed: int = 0,
) -> PerturbationScore:
    """Predict responses from connectivity and compare them with what was measured.

    The prediction is first order: effects of the driven units' extra spikes add up, and nothing is passed on.

    Parameters
    ----------
    effect : (N, N) array, `[post, pre]`
        Of a presynaptic spike; the diagonal is ignored.
    counts : (R, N, B) array
        Spike counts of R trials, all with the same kind of light.
    onset : int
        First bin with light.
    window : (first, stop)
        Bins after the onset in which the response is measured. The first bin, with the light, is left out by
        default: it is what driven units are chosen by.
    n_baseline, z
        See `directly_driven`.
    n_shuffles, seed : int
        Of the two nulls.

    Returns
    -------
    PerturbationScore

    Raises
    ------
    InputError
        If shapes do not match, no unit is driven, or fewer than 3 others have spikes.
    """
    trials = np.asarray(counts, dtype=np.float64)
    _checked(trials, onset, n_baseline)
    n = trials.shape[1]
    if np.shape(effect) != (n, n):
        raise InputError(f"The effects must be of the {n} units of the counts, [post, pre]; got {np.shape(effect)}.")
    chosen_on, scored_on = trials[0::2], trials[1::2]
    driven = directly_driven(chosen_on, onset, n_baseline=n_baseline, z=z)
    measured = modulation(scored_on, onset, window, n_baseline=n_baseline)
    repeated = modulation(chosen_on, onset, window, n_baseline=n_baseline)
    targets = np.flatnonzero(~driven & np.isfinite(measured) & np.isfinite(repeated))
    if not driven.any():
        raise InputError("No unit is driven directly by the light; lower z, or look at the onset.")
    if len(targets) < 3:
        raise InputError(f"At least 3 units that are not driven must have spikes; got {len(targets)}.")
    baseline = trials[:, :, onset - n_baseline : onset].mean(axis=(0, 2))
    extra = (chosen_on[:, :, onset].mean(axis=0) - baseline)[driven]  # spikes per pulse
    among = effect * ~np.eye(n, dtype=bool)
    predicted, response = among[np.ix_(targets, np.flatnonzero(driven))] @ extra, measured[targets]
    rng = np.random.default_rng(seed)
    correlation = float(_spearman(predicted, response))
    by_targets = rng.permuted(np.tile(predicted, (n_shuffles, 1)), axis=1)
    sources = [rng.choice(n, len(extra), replace=False) for _ in range(n_shuffles)]
    by_sources = np.array([among[np.ix_(targets, chosen)] @ extra for chosen in sources])
    return PerturbationScore(
        n_driven=int(driven.sum()),
        n_targets=len(targets),
        correlation=correlation,
        given_rate=_given(predicted, response, baseline[targets]),
        p_targets=p_value(correlation, _spearman(by_targets, response)),
        p_sources=p_value(correlation, _spearman(by_sources, response)),
        reliability=float(_spearman(repeated[targets], response)),
    )


def _checked(counts: npt.ArrayLike, onset: int, n_baseline: int) -> Array:
    trials = np.asarray(counts, dtype=np.float64)
    if trials.ndim != 3 or len(trials) < 2:
        raise InputError(f"Counts must be trials x units x bins, at least 2 trials; got shape {trials.shape}.")
    if not 1 <= n_baseline <= onset < trials.shape[2]:
        raise InputError(
            f"The onset must lie within the {trials.shape[2]} bins, with {n_baseline} baseline bins before it; "
            f"got bin {onset}."
        )
    return trials


def _spearman(x: Array, y: Array) -> Array:
    """Rank correlation of each row of x with y; 0 if one of them is constant: it predicts nothing."""
    x, y = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (rankdata(x, axis=-1), rankdata(y)))
    norm = np.sqrt((x**2).sum(axis=-1) * (y**2).sum())
    return np.divide(x @ y, norm, out=np.zeros_like(norm), where=norm > 0)


def _given(x: Array, y: Array, z: Array) -> float:
    """Partial rank correlation of x and y given z."""
    xy, xz, yz = _spearman(x, y), _spearman(x, z), _spearman(y, z)
    rest = (1 - xz**2) * (1 - yz**2)
    return float((xy - xz * yz) / np.sqrt(rest)) if rest > 1e-12 else 0.0
