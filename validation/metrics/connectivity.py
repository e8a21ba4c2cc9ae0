"""How well an inferred connectome agrees with the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from synapsnet.array_types import BoolArray, Float64Array
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from validation.metrics.bootstrap import correlation, draw_counts, fraction, optional, pearson, ratio, row_blocks
from validation.metrics.detection import decide, rank, rank_signed, settled
from validation.metrics.motifs import lookalike_pairs, strong_effective
from validation.metrics.p_values import LEVEL, false_positive_rate, p_value_distance
from validation.metrics.results import ConnectivityScores

UNSIGNED_LACKS = ("signed_auroc", "sign_accuracy", "weight_correlation")  # of a truth without signs; others default


def score_connectivity(
    method: str,
    truth: Connectome,
    inferred: Connectome,
    *,
    neurons: pd.DataFrame | None = None,
    n_resamples: int = 200,
    seed: int = 0,
) -> ConnectivityScores:
    """Score inferred connectivity against the ground truth, off-diagonal pairs only.

    With s the inferred `scores`, tied where rounding alone tells them apart (`validation.metrics.detection.settled`),
    and w the true weights (an edge is a pair with w != 0), which pairs are connected:

    - `auroc`, `auprc`, `precision_at_k`: edges against absent pairs, ranked by abs(s). AUPRC is the average precision:
      the sum over thresholds of precision times gain in recall, without interpolation. Its chance level is the edge
      density, and `auprc_lift` is how many times that it is. Precision is at k the number of edges.
    - `signed_auroc`, `signed_auprc`: the mean of two, excitatory edges (w > 0) against all other pairs ranked by s, and
      inhibitory edges (w < 0) against all other pairs ranked by -s; only one of them if the other is not defined.

    At the method's own threshold, if it has standard errors or probabilities (`Connectome.significant` at 5%):

    - `mcc`, `f1`, and `false_discovery_rate`, the fraction of absent pairs among those found, which should be 5%.
    - `n_reported`: how many pairs are found; where nothing is connected, all of them are false.
    - `false_positive_rate`, `p_value_distance`: see `validation.metrics.p_values`.

    Signs, weights, directions and delays:

    - `sign_accuracy`: fraction of the edges with sign(s) = sign(w); s = 0 is wrong.
    - `ei_accuracy`, `ei_auroc`: whether a neuron excites or inhibits (the sign of its summed outgoing w), by the sign
      of its summed outgoing s; the AUROC of that sum. Neurons without outgoing edges do not count.
    - `weight_correlation`, `edge_weight_correlation`: Pearson correlation of w and the inferred `weight` over all
      pairs, absent ones included; over the edges.
    - `block_correlation`: Pearson correlation of the mean of w and of `weight` over all pairs of each [post type][pre
      type] of `neurons`.
    - `direction_accuracy`: fraction of the pairs connected in one direction only whose abs(s) is larger in that
      direction than in the reverse one; ties count half.
    - `delay_error_s`, `delay_correlation`: mean absolute error and Spearman correlation of the delay over the edges for
      which the method gives one.

    What it takes for connections:

    - `fooled_by_chain` and others: among absent pairs, the AUROC by abs(s) of those of one of the motifs of
      `validation.metrics.motifs` against the others. 0.5 if the motif does not matter, 1 if it always looks connected.

    Where only some pairs were tested (`truth.known`), all of this is over those alone; motifs, and what a neuron sends,
    are those of the known pairs. Where the truth has no signs (`truth.signed`), the metrics of signs and weights are
    None.

    In a part of a network, against what passes through its hidden neurons as well (`truth.effective`):

    - `effective_auprc`: as `auprc`, with an edge where effective connectivity is strong (`strong_effective`).
    - `effective_weight_correlation`: as `weight_correlation`.

    Intervals are 95% percentile intervals of a bootstrap over postsynaptic neurons (`ei_*`: over the neurons that are
    classified). Methods fit the inputs of each neuron apart from those of all others, so the rows of W are the units
    whose errors are nearly independent; pairs within a row are not, since they share the neuron's activity. A one-way
    pair belongs to the neuron that receives the connection. The intervals hold for this network and recording: they do
    not cover another simulation's draw.

    Parameters
    ----------
    method : str
        Name of the method that inferred.
    truth, inferred : Connectome
        Connectomes of the same N neurons, `[post, pre]`.
    neurons : DataFrame with N rows, optional
        Neuron table, for `block_correlation` and designed motifs.
    n_resamples : int
    seed : int

    Returns
    -------
    ConnectivityScores
        A metric is None where it is not defined: without edges, if all pairs are edges (AUROC, AUPRC; the signed
        AUROC if they have one sign), without one-way pairs, if the inferred weights are all equal (weight
        correlation), without standard errors, delays, types or motifs. Scores that are all equal rank at chance.

    Raises
    ------
    InputError
        If the connectomes or the neuron table differ in size, or scores are NaN or infinite.
    """
    _check(method, truth, inferred, neurons)
    n = truth.n_neurons
    evidence = settled(inferred.scores)
    weight, guess, score = (off_diagonal(matrix) for matrix in (truth.weight, inferred.weight, evidence))
    counts = draw_counts(n, n_resamples, seed)
    known, edge = off_diagonal(truth.pairs), weight != 0
    absent = known & ~edge
    post = np.arange(n, dtype=np.int32).repeat(n - 1).reshape(known.shape)
    ranking = rank(np.abs(score[known]), edge[known], post[known], counts)
    values = {
        "auroc": ranking.auroc,
        "auprc": ranking.auprc,
        "auprc_lift": ratio(ranking.auprc, fraction(edge, known, counts)),
        "precision_at_k": ranking.precision_at_k,
        "direction_accuracy": _direction(truth, evidence, counts),
    }
    types = _cell_types(truth, evidence, counts) if truth.signed else {}
    del evidence  # a matrix of a large network
    if truth.signed:
        signed = rank_signed(weight[known], score[known], post[known], counts)
        values |= {
            "signed_auroc": signed.auroc,
            "signed_auprc": signed.auprc,
            "sign_accuracy": fraction(np.sign(score) == np.sign(weight), edge, counts),
            "weight_correlation": correlation(weight, guess, known, counts),
            "edge_weight_correlation": correlation(weight, guess, edge, counts),
        }
        values |= types
        if neurons is not None:
            kinds = neurons["cell_type"].tolist()
            values["block_correlation"] = _block_correlation(truth, inferred, kinds, counts)
    if inferred.judges_significance and n > 1:
        reported = off_diagonal(inferred.significant(LEVEL))
        values |= decide(reported, edge, known, counts)._asdict()
        values["n_reported"] = np.array([float((reported & known).sum())])
    if inferred.lists_every_pair and (inferred.standard_error is not None or inferred.p_value is not None) and n > 1:
        p_values = off_diagonal(inferred.p_values).astype(np.float64)
        values["false_positive_rate"] = false_positive_rate(p_values, absent, counts)
        values["p_value_distance"] = np.array([p_value_distance(p_values[absent])])
    if truth.delay_s is not None and inferred.delay_s is not None:
        delay, guessed = off_diagonal(truth.delay_s), off_diagonal(inferred.delay_s)
        values |= _delays(delay, guessed, edge & np.isfinite(delay) & np.isfinite(guessed), counts)
    for motif, members in lookalike_pairs(truth, neurons).items():
        fooled = rank(np.abs(score[absent]), off_diagonal(members)[absent], post[absent], counts).auroc
        values[f"fooled_by_{motif.replace('-', '_')}"] = fooled
    if truth.effective is not None:
        strong = off_diagonal(strong_effective(truth))
        values["effective_auprc"] = rank(np.abs(score[known]), strong[known], post[known], counts).auprc
        effective = off_diagonal(truth.effective)
        values["effective_weight_correlation"] = correlation(effective, guess, known, counts)
    scores = {name: optional(resampled) for name, resampled in values.items()}
    return ConnectivityScores(method=method, **(dict.fromkeys(UNSIGNED_LACKS) | scores))


def _check(method: str, truth: Connectome, inferred: Connectome, neurons: pd.DataFrame | None) -> None:
    """Refuse what cannot be scored; see `score_connectivity`."""
    n = truth.n_neurons
    if n != inferred.n_neurons:
        raise InputError(
            f"Connectivity inferred by {method} is of {inferred.n_neurons} neurons, but the true one is of "
            f"{n}; score the same neurons."
        )
    if neurons is not None and len(neurons) != n:
        raise InputError(f"The neuron table must have a row for each of the {n} neurons; got {len(neurons)}.")
    if not np.isfinite(inferred.scores).all():
        raise InputError(f"Connectivity inferred by {method} holds NaN or infinite scores; use 0 for 'no evidence'.")


def off_diagonal(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(N, N - 1) array: each row of an (N, N) matrix without its diagonal entry."""
    n = len(matrix)
    # From the second entry on, the diagonal is the last of n + 1 columns.
    return matrix.ravel()[1:].reshape(n - 1, n + 1)[:, :-1].reshape(n, n - 1)


def _direction(truth: Connectome, evidence: Float64Array, counts: Float64Array) -> Float64Array:
    """(R,) how often the evidence of pairs that are connected one way only is larger that way."""
    one_way = truth.adjacency & truth.pairs.T & ~truth.adjacency.T
    post, pre = np.nonzero(one_way)
    there, back = np.abs(evidence[post, pre]), np.abs(evidence[pre, post])
    right = np.bincount(post, np.where(there == back, 0.5, there > back), minlength=len(one_way))
    return ratio(counts @ right, counts @ one_way.sum(axis=1))


def _cell_types(truth: Connectome, evidence: Float64Array, counts: Float64Array) -> dict[str, Float64Array]:
    """Which neurons excite, from what is inferred of their outgoing connections."""
    outgoing = truth.weight.sum(axis=0)
    sums = settled(evidence.sum(axis=0, where=truth.pairs))
    sending = np.flatnonzero(outgoing)
    right = np.sign(sums) == np.sign(outgoing)
    return {
        "ei_accuracy": fraction(right[:, None], (outgoing != 0)[:, None], counts),
        "ei_auroc": rank(sums[sending], outgoing[sending] > 0, sending, counts).auroc,
    }


def _delays(
    delay: Float64Array, guess: Float64Array, among: BoolArray, counts: Float64Array
) -> dict[str, Float64Array]:
    error, ranks, guessed_ranks = np.zeros((3, *delay.shape))
    error[among] = np.abs(guess - delay)[among]
    # Ranks are among all edges, in every resample: ranking each anew would change the interval only, and little.
    ranks[among], guessed_ranks[among] = rankdata(delay[among]), rankdata(guess[among])
    return {
        "delay_error_s": fraction(error, among, counts),
        "delay_correlation": correlation(ranks, guessed_ranks, among, counts),
    }


def _block_correlation(
    truth: Connectome, inferred: Connectome, types: Sequence[str], counts: Float64Array
) -> Float64Array:
    """(R,) Pearson correlation, over blocks of cell types, of mean weights; NaN with fewer than 3 blocks."""
    kind = np.unique(np.asarray(types, dtype=str), return_inverse=True)[1]
    member = np.eye(kind.max() + 1)[kind]  # (N, K)
    tested = truth.pairs

    def received(values: npt.NDArray[Any]) -> Float64Array:
        """(N, K) sums over the tested inputs of each neuron, by the type of their neurons."""
        blocks = row_blocks(values.shape)
        return np.concatenate([np.where(tested[rows], values[rows], 0.0) @ member for rows in blocks])

    pairs = received(tested)  # of each neuron with the other ones of each type

    def means(weight: npt.NDArray[Any]) -> Float64Array:
        of_types = received(weight)
        blocks = [ratio(counts[:, rows] @ of_types[rows], counts[:, rows] @ pairs[rows]) for rows in member.T > 0]
        return np.concatenate(blocks, axis=1)

    x, y = means(truth.weight), means(inferred.weight)
    defined = ~np.isnan(x)  # a resample may lack a type
    x, y = np.where(defined, x, 0.0), np.where(defined, y, 0.0)
    n_blocks = defined.sum(axis=1).astype(np.float64)
    result = pearson(n_blocks, *(values.sum(axis=1) for values in (x, y, x * x, y * y, x * y)))
    return np.where(n_blocks > 2, result, np.nan)
