"""Inferred connectivity of so many neurons that only pairs which may be connected are kept, as a list.

Of 100 million pairs of neurons, nearly all are surely not connected. A pair is listed if the probability that it is not
connected, `local_fdr`, is at most `MOST_DOUBT`, or if it is among the surest, `LEAST_LISTED` of all. Of the others the
mean of that probability is kept for each presynaptic neuron, and the distribution of their p-values. Where a matrix is
asked for, they have no weight and that mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.connectome import MATRICES, MOST_PAIRS, Connectome, require_probabilities
from synapsnet.errors import InputError
from synapsnet.limits import require_memory
from synapsnet.notebook import table

MOST_DOUBT, LEAST_LISTED = 0.99, 0.05
MANY_NEURONS = 2_000  # of more, pairs are listed: 4 million pairs take 80 MB
LEVELS = np.linspace(0, 1, 1_001)  # of the quantiles of p-values of pairs that are not listed
REST_LOCAL_FDR, REST_P_VALUE = "rest_local_fdr", "rest_p_value"


def to_arrays(connectome: Connectome, every_pair: bool = False) -> dict[str, npt.NDArray[Any]]:
    """What is stored of a connectome: its matrices, or the list described in the module if there are many neurons.

    Parameters
    ----------
    connectome : Connectome
    every_pair : bool
        The matrices, however many neurons there are.
    """
    if isinstance(connectome, ListedConnectome):
        return connectome.arrays
    if every_pair or connectome.local_fdr is None or connectome.n_neurons <= MANY_NEURONS:
        return connectome.matrices
    n_surest = round(LEAST_LISTED * connectome.local_fdr.size)
    bound = max(MOST_DOUBT, np.partition(connectome.local_fdr, n_surest, axis=None)[n_surest])
    listed = connectome.local_fdr <= bound if bound < 1 else connectome.local_fdr < 1
    np.fill_diagonal(listed, False)
    post, pre = np.nonzero(listed)
    np.fill_diagonal(listed, True)  # from here on, what is not to be counted among the rest
    n_rest = np.maximum((~listed).sum(axis=0), 1)
    rest = np.where(listed, 0, connectome.local_fdr).sum(axis=0, dtype=np.float64) / n_rest
    p_value = connectome.p_values[~listed]
    p_value = p_value[:: 1 + len(p_value) // MOST_PAIRS]  # enough for their distribution
    return {
        "post": post.astype(np.int32),
        "pre": pre.astype(np.int32),
        **connectome.values_of(post, pre),
        REST_LOCAL_FDR: rest,
        REST_P_VALUE: np.quantile(p_value, LEVELS) if len(p_value) else np.ones_like(LEVELS),
    }


def from_arrays(arrays: Mapping[str, Any], unit: str) -> Connectome:
    """The connectome that `to_arrays` stored.

    Raises
    ------
    InputError
        If the arrays are not those of a connectome.
    """
    return ListedConnectome(arrays, unit) if "post" in arrays else Connectome(**arrays, unit=unit)


class ListedConnectome(Connectome):
    """Inferred connectivity as a list of pairs; its matrices are made only when someone asks for them.

    Parameters
    ----------
    arrays : dict of str -> array
        See `to_arrays`; pairs are in the order of their postsynaptic neurons, then the presynaptic ones.
    unit : str

    Raises
    ------
    InputError
        If there are no such pairs of neurons, values are not finite, or probabilities lie outside [0, 1]; or when a
        matrix is asked for and there is too little memory.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], unit: str) -> None:
        post, pre, n = arrays["post"], arrays["pre"], len(arrays[REST_LOCAL_FDR])
        index = post.astype(np.int64) * n + pre
        self.__dict__.update(arrays=dict(arrays), unit=unit, index=index)
        outside = any(((ends < 0) | (ends >= n)).any() for ends in (post, pre))
        if outside or (np.diff(index) <= 0).any() or (post == pre).any():
            raise InputError("A listed connectome must hold pairs of different neurons in order; it holds others.")
        if any(len(self.arrays[name]) != len(post) for name in self.listed) or not np.isfinite(arrays["weight"]).all():
            raise InputError("A listed connectome must hold finite weights, one for each pair; it holds others.")
        for name in {"p_value", "local_fdr", REST_LOCAL_FDR, REST_P_VALUE} & set(arrays):
            require_probabilities(name, arrays[name])

    arrays: dict[str, npt.NDArray[Any]]
    index: IndexArray  # of the pairs in the flat matrix, ascending

    def __repr__(self) -> str:
        others = ", ".join(name for name in self.listed if name != "weight")
        return (
            f"ListedConnectome({self.n_neurons} neurons, {len(self.index):,} pairs that may be connected, "
            f"in {self.unit}; with {others})"
        )

    def _repr_html_(self) -> str:
        return table(repr(self), {})

    @property
    def n_neurons(self) -> int:
        return len(self.arrays[REST_LOCAL_FDR])

    @property
    def listed(self) -> list[str]:
        """Names of the matrices that are known."""
        return [name for name in MATRICES if name in self.arrays]

    @property
    def lists_every_pair(self) -> bool:
        return False

    @property
    def judges_significance(self) -> bool:
        return True

    @property
    def has_probabilities(self) -> bool:
        return True

    @property
    def matrices(self) -> dict[str, npt.NDArray[Any]]:
        return {name: getattr(self, name) for name in self.listed}

    @property
    def scores(self) -> FloatArray:
        """See `Connectome`; made of the list, without the matrices."""
        scores = np.zeros((self.n_neurons, self.n_neurons))
        scores[self.arrays["post"], self.arrays["pre"]] = self.scores_of(self.arrays["post"], self.arrays["pre"])
        return scores

    @cached_property
    def weight(self) -> FloatArray:
        return self._matrix("weight")

    @cached_property
    def delay_s(self) -> FloatArray | None:
        return self._matrix("delay_s") if "delay_s" in self.arrays else None

    @cached_property
    def standard_error(self) -> FloatArray:
        return self._matrix("standard_error")

    @cached_property
    def p_value(self) -> FloatArray:
        """(N, N) p-values; 1 for pairs that are not listed, see `every_p_value`."""
        return self._matrix("p_value")

    @cached_property
    def local_fdr(self) -> FloatArray:
        return self._matrix("local_fdr")

    @property
    def every_p_value(self) -> FloatArray:
        n_rest = self.n_neurons * (self.n_neurons - 1) - len(self.index)
        rest = np.interp(np.linspace(0, 1, n_rest), LEVELS, self.arrays[REST_P_VALUE])
        return np.concatenate([self.arrays["p_value"], rest])

    def values_of(self, post: IndexArray, pre: IndexArray) -> dict[str, npt.NDArray[Any]]:
        """(E,) entries of each of `matrices` for some pairs, by name."""
        wanted = np.asarray(post, np.int64) * self.n_neurons + pre
        place = np.searchsorted(self.index, wanted)
        there = np.flatnonzero(np.append(self.index, -1)[place] == wanted)
        values = {}
        for name in self.listed:
            values[name] = self._of_the_rest(name, np.asarray(pre))
            values[name][there] = self.arrays[name][place[there]]
        return values

    def surest(self, most: int) -> tuple[IndexArray, IndexArray]:
        """Post- and presynaptic neurons of at most so many of the listed pairs, those with most evidence first."""
        order = np.argsort(self.arrays["local_fdr"], kind="stable")[:most]
        return self.arrays["post"][order].astype(np.intp), self.arrays["pre"][order].astype(np.intp)

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Connectome:
        """The connectome among the neurons at `indices`, in that order, as matrices."""
        selected = np.asarray(indices, dtype=int)
        post, pre = np.repeat(selected, len(selected)), np.tile(selected, len(selected))
        parts: dict[str, Any] = {}
        for name, values in self.values_of(post, pre).items():
            parts[name] = values.reshape(len(selected), len(selected))
            np.fill_diagonal(parts[name], MATRICES[name])
        return Connectome(**parts, unit=self.unit)

    def _by_doubt(self, most: float) -> tuple[IndexArray, FloatArray]:
        local_fdr = self.arrays["local_fdr"]
        if most > max(MOST_DOUBT, local_fdr.max(initial=0)):  # the others are among them
            return super()._by_doubt(most)
        chosen = local_fdr <= most
        return self._in_order(self.index[chosen], local_fdr[chosen])

    def _of_the_rest(self, name: str, pre: IndexArray) -> npt.NDArray[Any]:
        """Values of pairs with these presynaptic neurons that are not listed."""
        kind = self.arrays[name].dtype
        if name == "local_fdr":
            return self.arrays[REST_LOCAL_FDR].astype(kind)[pre]
        return np.full(len(pre), MATRICES[name], kind)

    def _matrix(self, name: str) -> npt.NDArray[Any]:
        n = self.n_neurons
        require_memory(8.0 * n**2, f"A connectivity matrix of {n} neurons", "use the list of its pairs")
        matrix = np.empty((n, n), self.arrays[name].dtype)
        matrix[:] = self._of_the_rest(name, np.arange(n))
        matrix[self.arrays["post"], self.arrays["pre"]] = self.arrays[name]
        np.fill_diagonal(matrix, MATRICES[name])
        return matrix
