"""Directed connectivity between neurons, true or inferred, as matrices `[post, pre]` or as a list.

The diagonal of a matrix (self-connections) is never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from synapsnet.array_types import Float64Array, FloatArray, IndexArray
from synapsnet.errors import InputError
from synapsnet.limits import require_memory
from synapsnet.notebook import picture, table

LEAST_LOCAL_FDR = 1e-38  # so that evidence stays finite; about the smallest number in float32
MOST_PAIRS = 1_000_000  # that are listed: all of 1,000 neurons, of more the surest
BLOCK_PAIRS = 2_000_000  # that are looked at together, so that large networks need little more than their matrices
# The matrices of a connectome, and what each holds where there is no connection and nothing was inferred.
MATRICES = {
    "weight": 0.0,
    "delay_s": np.nan,
    "standard_error": 0.0,
    "p_value": 1.0,
    "local_fdr": 1.0,
    "effective": 0.0,
    "known": True,
}


@dataclass(frozen=True, eq=False)
class Edges:
    """The connections of a network as a list, ordered by the presynaptic neuron.

    Attributes
    ----------
    post, pre : (E,) int32 arrays
        Indices of the neurons that connection k leads to and comes from.
    weight : (E,) array
        Not zero.
    delay_s : (E,) array
        0 where none is known.
    """

    post: npt.NDArray[np.int32]
    pre: npt.NDArray[np.int32]
    weight: Float64Array
    delay_s: Float64Array


@dataclass(frozen=True, eq=False)
class Connectome:
    """Directed connectivity between N neurons, true or inferred.

    Attributes
    ----------
    weight : (N, N) float array, `[post, pre]`
        Zero where there is no connection; positive is excitatory. The diagonal must be zero.
    delay_s : (N, N) float array or None
        Transmission delay in seconds where known, NaN where there is no connection.
    standard_error : (N, N) float array or None
        Standard error of `weight`, for connectivity that was inferred.
    p_value : (N, N) float array or None
        Two-sided, where it is not simply that of weight over standard error.
    local_fdr : (N, N) float array or None
        Probability that there is no connection, the local false discovery rate (Efron 2008, Statistical Science
        23:1), for connectivity that was inferred with a prior on which connections there are.
    effective : (N, N) float array or None
        For a part of a network: `weight` plus what passes through the neurons that are not in this part,
        in the same unit. The diagonal must be zero.
    known : (N, N) bool array or None
        For a truth that comes from an experiment: the pairs that were tested. `weight` is zero elsewhere, and nothing
        is said about these pairs. None: all were.
    signed : bool
        Whether positive weights say that a connection excites; not so of a truth that counts synapses or only says
        which connections there are.
    unit : str
        Unit of `weight`.

    Raises
    ------
    InputError
        If the matrices are not square and of one shape, hold NaN, have a non-zero diagonal, hold probabilities outside
        [0, 1], or there are weights of pairs that are not known.
    """

    weight: FloatArray
    delay_s: FloatArray | None = None
    standard_error: FloatArray | None = None
    p_value: FloatArray | None = None
    local_fdr: FloatArray | None = None
    effective: FloatArray | None = None
    known: npt.NDArray[np.bool_] | None = None
    signed: bool = True
    unit: str = "mV"

    def __post_init__(self) -> None:
        shape = self.weight.shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise InputError(f"Connectome weight must be a square [post, pre] matrix; got shape {shape}.")
        if not np.isfinite(self.weight).all():
            raise InputError("Connectome weight holds NaN or infinite values; use 0 for 'no connection'.")
        if np.diagonal(self.weight).any():
            raise InputError("Connectome weight has self-connections; set its diagonal to 0.")
        for name, matrix in self.matrices.items():
            if matrix.shape != shape:
                raise InputError(f"Connectome {name} must have the shape of weight, {shape}; got {matrix.shape}.")
            if name in ("p_value", "local_fdr"):
                require_probabilities(name, matrix)
        if self.known is not None and self.weight[~self.known].any():
            raise InputError("Connectome weight must be 0 for pairs that are not known; set theirs to 0.")

    def __repr__(self) -> str:
        others = ", ".join(name for name in self.matrices if name != "weight")
        return (
            f"Connectome({self.n_neurons} neurons, {np.count_nonzero(self.weight):,} weights other than 0, "
            f"in {self.unit}{f'; with {others}' if others else ''})"
        )

    def _repr_html_(self) -> str:
        return picture(self.weight, repr(self))

    @property
    def n_neurons(self) -> int:
        return int(self.weight.shape[0])

    @property
    def matrices(self) -> dict[str, npt.NDArray[Any]]:
        """Those of `MATRICES` that are known, by name."""
        return {name: matrix for name in MATRICES if (matrix := getattr(self, name)) is not None}

    @property
    def adjacency(self) -> npt.NDArray[np.bool_]:
        """(N, N) bool array, `[post, pre]`: whether there is a connection."""
        return self.weight != 0

    @property
    def edges(self) -> Edges:
        """The connections as a list."""
        pre, post = np.nonzero(self.adjacency.T)
        delay_s = np.zeros(len(post)) if self.delay_s is None else np.asarray(self.delay_s[post, pre], np.float64)
        weight = np.asarray(self.weight[post, pre], np.float64)
        return Edges(post.astype(np.int32), pre.astype(np.int32), weight, delay_s)

    @property
    def pairs(self) -> npt.NDArray[np.bool_]:
        """(N, N) bool array, `[post, pre]`: which pairs of different neurons are known to be connected or not."""
        different = ~np.eye(self.n_neurons, dtype=bool)
        return different if self.known is None else different & self.known

    @property
    def scores(self) -> FloatArray:
        """(N, N) signed evidence for each connection.

        The negative log of `local_fdr` where that is known, else weight over standard error, else the weight.
        """
        return _evidence(self.matrices)

    def scores_of(self, post: IndexArray, pre: IndexArray) -> FloatArray:
        """(E,) `scores` of some pairs."""
        return _evidence(self.values_of(post, pre))

    def values_of(self, post: IndexArray, pre: IndexArray) -> dict[str, npt.NDArray[Any]]:
        """(E,) entries of each of `matrices` for some pairs, by name."""
        return {name: matrix[post, pre] for name, matrix in self.matrices.items()}

    @property
    def lists_every_pair(self) -> bool:
        """Whether every pair has values of its own; not so of a `ListedConnectome`."""
        return True

    @property
    def judges_significance(self) -> bool:
        """Whether there are errors or probabilities that say which connections are significant."""
        return self.standard_error is not None or self.has_probabilities

    @property
    def has_probabilities(self) -> bool:
        """Whether `local_fdr` is known."""
        return self.local_fdr is not None

    @property
    def p_values(self) -> FloatArray:
        """(N, N) two-sided p-value of each connection, 1 on the diagonal.

        `p_value` where that is known, else by a normal distribution of weight over standard error.

        Raises
        ------
        InputError
            If the standard errors are not known.
        """
        if self.p_value is not None:
            return self.p_value
        if self.standard_error is None:
            raise InputError(
                "This connectivity has no p-values or standard errors, so significance is unknown; rank its scores."
            )
        z = _evidence({"weight": self.weight, "standard_error": self.standard_error})
        p_values = 2 * ndtr(-np.abs(z))
        np.fill_diagonal(p_values, 1.0)
        return cast(FloatArray, p_values)

    @property
    def every_p_value(self) -> FloatArray:
        """(N (N - 1),) `p_values` of all pairs of different neurons, in no particular order."""
        return self.p_values[~np.eye(self.n_neurons, dtype=bool)]

    @cached_property
    def q_values(self) -> FloatArray:
        """(N, N) least false discovery rate at which each connection is significant, 1 on the diagonal.

        Over all pairs of different neurons: the mean of all `local_fdr` that are as small (Newton et al. 2004,
        Biostatistics 5:155), or from the p-values where these are not known (Benjamini & Hochberg 1995, J R Stat Soc B
        57:289).

        Raises
        ------
        InputError
            If the standard errors are not known.
        """
        pairs = ~np.eye(self.n_neurons, dtype=bool)
        q = np.ones(pairs.shape)
        if self.local_fdr is not None:
            index, rate = self._by_doubt(1.0)
            q.flat[index] = rate
        else:
            from scipy.stats import false_discovery_control  # every command would wait for it when it starts

            q[pairs] = false_discovery_control(self.p_values[pairs])
        return q

    def q_values_of(self, post: IndexArray, pre: IndexArray) -> FloatArray:
        """(E,) `q_values` of some pairs of different neurons, without the matrix where there are probabilities."""
        if not self.has_probabilities or not len(post):
            return self.q_values[post, pre]
        index, rate = self._by_doubt(float(self.values_of(post, pre)["local_fdr"].max()))
        by_index = np.argsort(index)
        return rate[by_index[np.searchsorted(index, post * self.n_neurons + pre, sorter=by_index)]]

    def _by_doubt(self, most: float) -> tuple[IndexArray, FloatArray]:
        """Pairs with a `local_fdr` of at most that, the surest first, by index in the flat matrix; and `q_values`."""
        assert self.local_fdr is not None
        index = np.flatnonzero(self.local_fdr <= most)
        index = index[index % (self.n_neurons + 1) != 0]  # pairs of different neurons
        return self._in_order(index, self.local_fdr[np.divmod(index, self.n_neurons)])

    @staticmethod
    def _in_order(index: IndexArray, local_fdr: FloatArray) -> tuple[IndexArray, FloatArray]:
        """Pairs in the order of their `local_fdr`, and the mean of it over all up to there."""
        order = np.argsort(local_fdr, kind="stable")
        return index[order], np.cumsum(local_fdr[order], dtype=np.float64) / np.arange(1, len(order) + 1)

    def reported(self, fdr: float = 0.05) -> tuple[IndexArray, IndexArray, FloatArray]:
        """The connections that are significant at a false discovery rate, see `q_values`, as a list.

        Parameters
        ----------
        fdr : float
            Expected fraction of absent connections among those reported.

        Returns
        -------
        post, pre : (E,) arrays
            The surest first.
        q_values : (E,) array

        Raises
        ------
        InputError
            If the rate is not in (0, 1) or the standard errors are not known.
        """
        if not 0 < fdr < 1:
            raise InputError(f"The false discovery rate must lie between 0 and 1; got {fdr}.")
        index: IndexArray
        if not self.has_probabilities:
            index = np.flatnonzero(self.q_values <= fdr)
            rate = self.q_values.ravel()[index]
            order = np.argsort(rate, kind="stable")
            index, rate = index[order], rate[order]
        else:
            # The rate never falls from one pair to the next: those that are surely absent need not be sorted.
            for most in (max(fdr, 0.5), 0.9, 0.99, 1.0):
                index, rate = self._by_doubt(most)
                if not len(rate) or rate[-1] > fdr:
                    break
            last = np.searchsorted(rate, fdr, side="right")
            index, rate = index[:last], rate[:last]
        post, pre = np.divmod(index, self.n_neurons)
        return post, pre, rate

    def n_reported(self, rates: Sequence[float]) -> list[int]:
        """How many connections are `reported` at each of some false discovery rates, which raises the same."""
        _, _, rate = self.reported(max(rates))
        return [int(n) for n in np.searchsorted(rate, rates, side="right")]

    def significant(self, fdr: float = 0.05) -> npt.NDArray[np.bool_]:
        """(N, N) which connections are significant at a false discovery rate; see `reported`, which raises the same."""
        post, pre, _ = self.reported(fdr)
        significant = np.zeros(self.weight.shape, dtype=bool)
        significant[post, pre] = True
        return significant

    def surest(self, most: int) -> tuple[IndexArray, IndexArray]:
        """Post- and presynaptic neurons of at most so many pairs, those with most evidence first, see `scores`."""
        n = self.n_neurons
        index, evidence = np.empty(0, np.intp), np.empty(0)
        least = 0.0  # evidence of pairs that may be among them
        for start in range(0, n, at_once := max(1, BLOCK_PAIRS // n)):
            of_rows = np.abs(_evidence({k: matrix[start : start + at_once] for k, matrix in self.matrices.items()}))
            np.fill_diagonal(of_rows[:, start:], -1)  # no pairs
            chosen = np.flatnonzero(of_rows >= least)
            index = np.append(index, start * n + chosen)
            evidence = np.append(evidence, of_rows.ravel()[chosen])
            if 0 < most < len(evidence):
                least = np.partition(evidence, -most)[-most]
                index, evidence = index[evidence >= least], evidence[evidence >= least]
        post, pre = np.divmod(index[np.argsort(-evidence, kind="stable")[:most]], n)
        return post, pre

    def verdict(self, fdr: float = 0.05) -> str:
        """How many connections are `significant`, in a sentence."""
        (n_reported,), n_pairs = self.n_reported([fdr]), self.n_neurons * (self.n_neurons - 1)
        if not n_reported:
            return f"This recording does not support any connection at a false discovery rate of {fdr:.0%}."
        return f"{n_reported:,} of {n_pairs:,} pairs are reported as connected at a false discovery rate of {fdr:.0%}."

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Connectome:
        """The connectome among the neurons at `indices`, in that order."""
        selected = np.asarray(indices, dtype=int)
        grid = np.ix_(selected, selected)
        return replace(self, **{name: matrix[grid] for name, matrix in self.matrices.items()})


def require_probabilities(name: str, values: npt.NDArray[Any]) -> None:
    """Refuse what is no probability."""
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"Connectome {name} must lie between 0 and 1; it holds other values, or NaN.")


def _evidence(values: dict[str, npt.NDArray[Any]]) -> FloatArray:
    """Signed evidence from the values of some pairs, see `Connectome.scores`."""
    weight = values["weight"]
    if "local_fdr" in values:
        evidence = -np.log(np.clip(values["local_fdr"].astype(np.float64), LEAST_LOCAL_FDR, 1.0))
        return cast(FloatArray, np.sign(weight) * evidence)
    if "standard_error" not in values:
        return cast(FloatArray, weight)
    error = values["standard_error"]
    return cast(FloatArray, np.divide(weight, error, out=np.zeros_like(weight), where=error > 0))


class SparseConnectome(Connectome):
    """The connectome of a network so large that its matrices are made only when someone asks for them.

    Parameters
    ----------
    n_neurons : int
    edges : Edges
        At most one connection for each ordered pair of neurons.
    unit : str

    Raises
    ------
    InputError
        When a matrix is asked for, and there is too little memory.
    """

    def __init__(self, n_neurons: int, edges: Edges, unit: str = "mV") -> None:
        self.__dict__.update(_n_neurons=n_neurons, _edges=edges, unit=unit)

    def __repr__(self) -> str:
        return f"SparseConnectome({self.n_neurons} neurons, {len(self.edges.post):,} connections, in {self.unit})"

    def _repr_html_(self) -> str:
        return table(repr(self), {})

    @property
    def n_neurons(self) -> int:
        return int(self.__dict__["_n_neurons"])

    @property
    def edges(self) -> Edges:
        found: Edges = self.__dict__["_edges"]
        return found

    @cached_property
    def weight(self) -> FloatArray:
        return self._matrix(0.0, self.edges.weight)

    @cached_property
    def delay_s(self) -> FloatArray:
        return self._matrix(np.nan, self.edges.delay_s)

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Connectome:
        """The connectome among the neurons at `indices`, in that order, as matrices."""
        edges = self.edges
        post, pre, inside = ends_among(indices, edges.post, edges.pre, self.n_neurons)
        part = Edges(post, pre, edges.weight[inside], edges.delay_s[inside])
        small = SparseConnectome(len(indices), part, self.unit)
        return Connectome(small.weight, delay_s=small.delay_s, unit=self.unit)

    def _matrix(self, nothing: float, values: FloatArray) -> FloatArray:
        n = self.n_neurons
        require_memory(16.0 * n**2, f"The connectivity matrix of {n} neurons", "take the part of it that is recorded")
        matrix = np.full((n, n), nothing)
        matrix[self.edges.post, self.edges.pre] = values
        return matrix


def ends_among(
    indices: Sequence[int] | npt.NDArray[np.integer[Any]],
    post: npt.NDArray[np.int32],
    pre: npt.NDArray[np.int32],
    n_neurons: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Ends of the connections among the neurons at `indices`, numbered in that order; and (E,) which ones these are."""
    place = np.full(n_neurons, -1, np.int32)
    place[np.asarray(indices, dtype=int)] = np.arange(len(indices))
    post, pre = place[post], place[pre]
    inside = (post >= 0) & (pre >= 0)
    return post[inside], pre[inside], inside
