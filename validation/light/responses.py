"""Whether connectivity inferred from spontaneous activity predicts the effect of a perturbation.

Light drives some units directly. Each other unit's response is predicted from its connections from them, and compared
with the measured one. Trials are split: the even ones say which units are driven and how strongly, the odd ones what
the others did, so that noise which both would share makes no correlation. A correlation here is a weak test: the light
reaches the others through units that are not recorded too, and all of them are inhibited or excited together. So it
stands beside two nulls, the baseline rate, and how well one half of the trials predicts the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from synapsnet.array_types import BoolArray, FloatArray, IndexArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from validation.activity.surrogates import p_value

CLEAR = 3.0


@dataclass(frozen=True, eq=False)
class Responses:
    """What light did to whom.

    Attributes
    ----------
    driven, targets : (D,) and (M,) arrays of indices
        Neurons that light drives directly, and others with spikes.
    extra : (D,) array
        Extra spikes per pulse, in the even trials.
    baseline : (M,) array
        Spikes per bin of the targets before light.
    measured, repeated : (M,) arrays
        Modulation of the targets in the odd and in the even trials.
    clear : (M,) bool array
        Whether the spikes in the even trials differ from what was expected by `CLEAR` standard deviations.
    """

    driven: IndexArray
    targets: IndexArray
    extra: FloatArray
    baseline: FloatArray
    measured: FloatArray
    repeated: FloatArray
    clear: BoolArray

    def predict(self, effect: FloatArray, sources: IndexArray | None = None) -> FloatArray:
        """(M,) sum of the effects of the extra spikes, of the driven neurons or of as many others.

        Parameters
        ----------
        effect : (N, N) array, `[post, pre]`
            Effect of a presynaptic spike; the diagonal is ignored.
        sources : (D,) array of indices, optional
        """
        senders = self.driven if sources is None else sources
        among = np.where(self.targets[:, None] == senders, 0.0, effect[np.ix_(self.targets, senders)])
        return np.asarray(among @ self.extra)

    def predict_passed_on(self, effect: FloatArray) -> FloatArray:
        """(M,) as `predict`, with what the targets pass on to each other until nothing changes any more.

        What the driven neurons receive is left out: what they fire was measured, feedback included. NaN if the targets
        would excite each other without end.

        Parameters
        ----------
        effect : (N, N) array, `[post, pre]`
            Relative change of the postsynaptic rate per presynaptic spike, in steps of the counts.
        """
        among = effect[np.ix_(self.targets, self.targets)] * self.baseline  # per relative change of presynaptic rates
        np.fill_diagonal(among, 0.0)
        if np.linalg.eigvals(among).real.max() >= 1:
            return np.full(len(self.targets), np.nan)
        return np.linalg.solve(np.eye(len(among)) - among, self.predict(effect))


@dataclass(frozen=True)
class PerturbationScore:
    """How well predicted responses agree with measured ones, over the units that are not driven.

    Attributes
    ----------
    n_driven, n_targets : int
        Of all perturbations together.
    correlation : float
        Spearman correlation of prediction and measured modulation.
    given_rate : float
        The same as a partial correlation given the baseline rate.
    p_targets : float
        Fraction of shuffles in which the predictions, dealt out among the targets, correlate as highly (one-sided).
    p_sources : float
        The same, for predictions in which the extra spikes are assigned to as many random units.
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
    counts: npt.ArrayLike, onset: int, *, n_light: int = 1, n_baseline: int = 30, z: float = 5.0
) -> npt.NDArray[np.bool_]:
    """Units that fire more in the first bins of light than before it: no synapse is as fast on every trial.

    Parameters
    ----------
    counts : (R, N, B) array
        Spike counts of R trials.
    onset : int
        First bin with light.
    n_light : int
        Bins that are looked at, from the onset on.
    n_baseline : int
        Bins before the onset that are the baseline.
    z : float
        Excess that is required, in standard deviations of a Poisson count; our choice, strict because a unit chosen
        in error is missed as a target and misleads as a source.

    Returns
    -------
    (N,) bool array
    """
    trials = _checked(counts, onset, n_baseline)
    expected = trials[:, :, onset - n_baseline : onset].mean(axis=(0, 2)) * len(trials) * n_light
    # A unit silent before the light needs a floor: the rate at which one spike would have been expected.
    excess = trials[:, :, onset : onset + n_light].sum(axis=(0, 2)) - expected
    return np.asarray(excess > z * np.sqrt(np.maximum(expected, 1.0)))


def modulation(counts: npt.ArrayLike, onset: int, window: tuple[int, int], *, n_baseline: int = 30) -> FloatArray:
    """(N,) change of rate over sum of rates, (R - B) / (R + B), in bins `window` after the onset; NaN without spikes.

    Bounded, unlike a ratio of rates, and free of the unit's rate, unlike their difference.
    """
    trials = _checked(counts, onset, n_baseline)
    if not 0 <= window[0] < window[1] <= trials.shape[2] - onset:
        raise InputError(f"The window must be bins after the onset, within {trials.shape[2] - onset}; got {window}.")
    before = trials[:, :, onset - n_baseline : onset].mean(axis=(0, 2))
    after = trials[:, :, onset + window[0] : onset + window[1]].mean(axis=(0, 2))
    return np.divide(after - before, after + before, out=np.full_like(before, np.nan), where=after + before > 0)


def relative_effect(connectome: Connectome, mean: FloatArray, spread: FloatArray) -> FloatArray:
    """(N, N) relative change of the postsynaptic rate per presynaptic spike, whatever the unit of the weights.

    Parameters
    ----------
    connectome : Connectome
        In log rate or log odds per spike, which is that already for small effects, or in standard deviations per
        standard deviation ("SD per SD", "correlation"), which is rescaled.
    mean, spread : (N,) arrays
        Counts per bin from which it was inferred. Of a neuron that was silent, nothing is known: its effects are 0.
    """
    if connectome.unit.startswith("log"):
        return connectome.weight
    per_mean, per_spread = (np.divide(1, x, out=np.zeros_like(x), where=x > 0) for x in (mean, spread))
    return connectome.weight * np.outer(spread * per_mean, per_spread)


def measure_responses(
    counts: npt.ArrayLike,
    onset: int,
    window: tuple[int, int] = (1, 5),
    *,
    n_baseline: int = 30,
    z: float = 5.0,
    driven: BoolArray | None = None,
) -> Responses:
    """Whom light drives, and what the others do then.

    Parameters
    ----------
    counts : (R, N, B) array
        Spike counts of R trials, all with the same kind of light.
    onset : int
        First bin with light.
    window : (first, stop)
        Bins after the onset in which the response is measured. Those before the first, with the light, are left out:
        they are what driven units are chosen by.
    n_baseline, z
        See `directly_driven`.
    driven : (N,) bool array, optional
        Neurons that light is known to be on; default those that `directly_driven` finds.

    Raises
    ------
    InputError
        If shapes do not match, no unit is driven, or fewer than 3 others have spikes.
    """
    trials = np.asarray(counts, dtype=np.float64)
    _checked(trials, onset, n_baseline)
    n_light = max(1, window[0]) if driven is None else window[1]
    chosen_on, scored_on = trials[0::2], trials[1::2]
    if driven is None:
        driven = directly_driven(chosen_on, onset, n_light=n_light, n_baseline=n_baseline, z=z)
    measured = modulation(scored_on, onset, window, n_baseline=n_baseline)
    repeated = modulation(chosen_on, onset, window, n_baseline=n_baseline)
    targets = np.flatnonzero(~driven & np.isfinite(measured) & np.isfinite(repeated))
    if not driven.any():
        raise InputError("No unit is driven directly by the light; lower z, or check the onset.")
    if len(targets) < 3:
        raise InputError(f"At least 3 units that are not driven must have spikes; got {len(targets)}.")
    baseline = trials[:, :, onset - n_baseline : onset].mean(axis=(0, 2))
    lit = chosen_on[:, :, onset : onset + n_light].sum(axis=2).mean(axis=0)
    expected = baseline * len(chosen_on) * (window[1] - window[0])
    observed = chosen_on[:, :, onset + window[0] : onset + window[1]].sum(axis=(0, 2))
    clear = np.abs(observed - expected) > CLEAR * np.sqrt(np.maximum(expected, 1.0))
    return Responses(
        driven=np.flatnonzero(driven),
        targets=targets,
        extra=(lit - n_light * baseline)[driven],
        baseline=baseline[targets],
        measured=measured[targets],
        repeated=repeated[targets],
        clear=clear[targets],
    )


def score_responses(
    effect: FloatArray, responses: Sequence[Responses], *, n_shuffles: int = 1000, seed: int = 0
) -> PerturbationScore:
    """Predict the responses to all perturbations from connectivity, and compare them with what was measured.

    The prediction is first order: effects of the driven units' extra spikes add up, and nothing is passed on.

    Parameters
    ----------
    effect : (N, N) array, `[post, pre]`
        Effect of a presynaptic spike; the diagonal is ignored.
    responses : sequence of Responses
        One for each perturbation.
    n_shuffles, seed : int
        Number of shuffles and seed of the two nulls.
    """
    measured, repeated, baseline = (
        np.concatenate([getattr(response, name) for response in responses])
        for name in ("measured", "repeated", "baseline")
    )
    predicted = [response.predict(effect) for response in responses]
    rng, n = np.random.default_rng(seed), len(effect)

    def agreement(predictions: Sequence[FloatArray]) -> float:
        return float(spearman(np.concatenate(predictions), measured))

    def from_others(response: Responses) -> FloatArray:
        return response.predict(effect, rng.choice(n, len(response.extra), replace=False))

    correlation = agreement(predicted)
    by_targets = [agreement([rng.permutation(each) for each in predicted]) for _ in range(n_shuffles)]
    by_sources = [agreement([from_others(response) for response in responses]) for _ in range(n_shuffles)]
    return PerturbationScore(
        n_driven=sum(len(r.driven) for r in responses),
        n_targets=len(measured),
        correlation=correlation,
        given_rate=partial_rank_correlation(np.concatenate(predicted), measured, [baseline]),
        p_targets=p_value(correlation, np.array(by_targets)),
        p_sources=p_value(correlation, np.array(by_sources)),
        reliability=float(spearman(repeated, measured)),
    )


def score_perturbation(
    effect: FloatArray,
    counts: npt.ArrayLike,
    onset: int,
    window: tuple[int, int] = (1, 5),
    *,
    n_baseline: int = 30,
    z: float = 5.0,
    n_shuffles: int = 1000,
    seed: int = 0,
) -> PerturbationScore:
    """Measure responses and score a prediction of them; see `measure_responses` and `score_responses`.

    Raises
    ------
    InputError
        As `measure_responses`, and if the effects are not of the same units.
    """
    n = np.shape(counts)[1] if np.ndim(counts) == 3 else 0
    if n and np.shape(effect) != (n, n):
        raise InputError(f"The effects must be [post, pre] of the {n} units counted; got shape {np.shape(effect)}.")
    responses = measure_responses(counts, onset, window, n_baseline=n_baseline, z=z)
    return score_responses(effect, [responses], n_shuffles=n_shuffles, seed=seed)


def partial_rank_correlation(x: FloatArray, y: FloatArray, given: Sequence[FloatArray]) -> float:
    """Correlation of what is left of the ranks of x and y after regression on those of others; 0 if nothing is left.

    Parameters
    ----------
    x, y : (M,) arrays
    given : sequence of (M,) arrays
    """
    others = np.stack([np.ones(len(x)), *(rankdata(covariate) for covariate in given)], axis=1)
    ranks = np.stack([rankdata(x), rankdata(y)], axis=1)
    left = ranks - others @ np.linalg.lstsq(others, ranks)[0]
    norm = np.linalg.norm(left, axis=0)
    nothing = 1e-6 * len(x)  # of rounding
    return float(left[:, 0] @ left[:, 1] / norm.prod()) if (norm > nothing).all() else 0.0


def _checked(counts: npt.ArrayLike, onset: int, n_baseline: int) -> FloatArray:
    trials = np.asarray(counts, dtype=np.float64)
    if trials.ndim != 3 or len(trials) < 2:
        raise InputError(f"Counts must be trials x units x bins, at least 2 trials; got shape {trials.shape}.")
    if not 1 <= n_baseline <= onset < trials.shape[2]:
        raise InputError(
            f"The onset must lie within the {trials.shape[2]} bins, with {n_baseline} baseline bins before it; "
            f"got bin {onset}."
        )
    return trials


def spearman(x: FloatArray, y: FloatArray) -> FloatArray:
    """Rank correlation, otherwise as `pearson`."""
    return pearson(rankdata(x, axis=-1), rankdata(y))


def pearson(x: FloatArray, y: FloatArray) -> FloatArray:
    """Correlation of each row of x with y; 0 if one of them is constant: it predicts nothing."""
    x, y = (values - values.mean(axis=-1, keepdims=True) for values in (x, y))
    norm = np.sqrt((x**2).sum(axis=-1) * (y**2).sum())
    return np.divide(x @ y, norm, out=np.zeros_like(norm), where=norm > 0)
