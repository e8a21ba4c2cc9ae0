"""How well evidence tells connections from absent pairs: as a ranking, and at a threshold.

All functions take flat or row-wise arrays of pairs (or neurons) and the resamples of `validation.metrics.bootstrap`,
and return a score on the data, first, and on every resample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synapsnet.array_types import BoolArray, Float64Array, FloatArray, IndexArray
from validation.metrics.bootstrap import BLOCK_ENTRIES, ratio

ROUNDING = 50 * float(np.finfo(np.float32).eps)  # 6e-6: sums of many terms lose more than one digit


class Ranking(NamedTuple):
    """(R,) arrays, NaN where a resample has no positive or no negative item.

    Attributes
    ----------
    auroc : area under the receiver operating characteristic; ties count half
    auprc : average precision, the sum over thresholds of precision times gain in recall, without interpolation
    precision_at_k : fraction of positives among the first k items, with k the number of positives; where k falls within
        ties, the mean over their orders
    """

    auroc: Float64Array
    auprc: Float64Array
    precision_at_k: Float64Array


def settled(values: FloatArray) -> Float64Array:
    """Evidence without what is rounding alone: values that only it tells apart become equal, and those near 0 become 0.

    Sums taken in another order, by another number of threads or on another processor, differ in their last digits; ties
    must stay ties, or they break at random. Recordings are in single precision, and so is what is inferred from them,
    whatever its type: neighbours in size tie if they are closer than `ROUNDING` of themselves and of the median. Where
    very many values lie so close that this would go on from neighbour to neighbour, they are dense, and no ties.

    Parameters
    ----------
    values : array of any shape
        Signed evidence.
    """
    result = values.astype(np.float64)
    other = np.flatnonzero(values)  # than 0, which stays 0: of large networks that is most
    if not len(other):
        return result
    signed = result.ravel()[other]
    size = np.abs(signed)
    if len(other) < values.size:
        size = np.append(size, 0.0)  # next to which values may lie that are 0 by rounding
    order = np.argsort(size)
    ranked = size[order]
    slack = ROUNDING * (ranked + np.median(ranked[ranked > 0]))
    new = np.diff(ranked, prepend=0.0) > slack
    start = np.flatnonzero(new | (np.arange(len(ranked)) == 0))
    end = np.append(start[1:], len(ranked))
    common = np.where(new[start], ranked[start], 0.0)
    dense = ranked[end - 1] - common > 4 * slack[start]
    settled_size = np.empty_like(ranked)
    settled_size[order] = np.where(np.repeat(dense, end - start), ranked, np.repeat(common, end - start))
    result.ravel()[other] = np.sign(signed) * settled_size[: len(other)]
    return result


def rank(key: Float64Array, positive: BoolArray, unit: IndexArray, counts: Float64Array) -> Ranking:
    """Scores of a ranking in every resample of units, from one sort.

    Parameters
    ----------
    key : (P,) array
        Evidence that an item is positive.
    positive : (P,) bool array
    unit : (P,) array of indices
        The resampled unit (a postsynaptic neuron, say) that each item belongs to.
    counts : (R, U) array
        How often each unit is drawn, see `validation.metrics.bootstrap.draw_counts`.
    """
    scores = np.full((3, len(counts)), np.nan)
    if positive.all() or not positive.any():
        return Ranking(*scores)
    # Items without evidence tie, and in large networks most pairs are among them: those that are not positive are taken
    # for one item, of a unit of its own that is drawn as often as all of them.
    order = np.flatnonzero((key != 0) | positive)
    order = order[np.argsort(-key[order], kind="stable")]
    place = np.searchsorted(-key[order], 0.0, side="right")
    nothing = _count(unit, counts.shape[1]) - _count(unit[order], counts.shape[1])
    ranked, hit = np.insert(key[order], place, 0.0), np.flatnonzero(np.insert(positive[order], place, False))
    unit = np.insert(unit[order], place, counts.shape[1])
    borders = np.flatnonzero(np.diff(ranked, prepend=np.inf, append=-np.inf))  # of tied items, which enter together
    tie = np.searchsorted(borders, hit, side="right") - 1
    above, through = borders[tie], borders[tie + 1]  # for each positive, ranks above its ties and with them
    hits_above, hits_through = np.searchsorted(hit, above), np.searchsorted(hit, through)
    # One resample at a time, so that its arrays stay in the processor's cache; only positives need terms.
    items, hits = np.zeros(len(unit) + 1), np.zeros(len(hit) + 1)
    for r, count in enumerate(counts):
        weight = np.append(count, count @ nothing)[unit]
        np.cumsum(weight, out=items[1:])
        weight = weight[hit]
        np.cumsum(weight, out=hits[1:])
        n_positive, n_negative = hits[-1], items[-1] - hits[-1]
        if n_positive > 0 and n_negative > 0:
            selected, right = items[through], hits[hits_through]
            false_alarms = (items[above] - hits[hits_above] + selected - right) / 2  # ties count half
            # Sums, not dot products: a threaded BLAS spends longer on waking its threads than on such short ones.
            auroc = 1 - np.sum(weight * false_alarms) / (n_positive * n_negative)
            auprc = np.sum(weight * right / np.maximum(selected, 1)) / n_positive
            group = np.searchsorted(borders, np.searchsorted(items, n_positive) - 1, side="right") - 1
            ends = borders[group : group + 2]
            hits_at_k = np.interp(n_positive, items[ends], hits[np.searchsorted(hit, ends)])
            scores[:, r] = auroc, auprc, hits_at_k / n_positive
    return Ranking(*scores)


def _count(units: IndexArray, n_units: int) -> IndexArray:
    """(U,) how often each unit occurs."""
    parts = np.array_split(units, 1 + len(units) // BLOCK_ENTRIES)  # which `bincount` copies
    return np.sum([np.bincount(part, minlength=n_units) for part in parts], axis=0)


def rank_signed(value: Float64Array, score: Float64Array, unit: IndexArray, counts: Float64Array) -> Ranking:
    """Mean of two rankings: positive values against all others by `score`, and negative ones by minus `score`.

    Only one of them if the data lack a sign; a resample that lacks a sign which the data have is NaN.
    """
    both = [rank(sign * score, sign * value > 0, unit, counts) for sign in (1, -1)]
    defined = [one for one in both if not np.isnan(one.auroc[0])]
    return Ranking(*np.mean(defined, axis=0)) if defined else both[0]


class Decisions(NamedTuple):
    """(R,) arrays: how good yes-or-no decisions are.

    Attributes
    ----------
    mcc : Matthews correlation coefficient; 0 where nothing, or everything, is found
    f1 : harmonic mean of precision and recall
    false_discovery_rate : fraction of absent pairs among those found; 0 if nothing is found
    """

    mcc: Float64Array
    f1: Float64Array
    false_discovery_rate: Float64Array


def decide(reported: BoolArray, edge: BoolArray, known: BoolArray, counts: Float64Array) -> Decisions:
    """Scores of what was `reported` of what is `known`, of (units, entries) arrays.

    NaN in a resample that has no edge or only edges.
    """
    cells = ((reported & edge), (reported & known & ~edge), (~reported & edge), (~reported & known & ~edge))
    tp, fp, fn, tn = (counts @ cell.sum(axis=1).astype(np.float64) for cell in cells)
    defined = (tp + fn > 0) & (fp + tn > 0)
    spread = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    mcc = np.where(spread > 0, ratio(tp * tn - fp * fn, spread), 0.0)
    scores = (mcc, ratio(2 * tp, 2 * tp + fp + fn), fp / np.maximum(tp + fp, 1))
    return Decisions(*(np.where(defined, score, np.nan) for score in scores))
