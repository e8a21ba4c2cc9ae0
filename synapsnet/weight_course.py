"""Connectivity that changes while it is recorded: the true weight of each connection as a function of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import Float64Array
from synapsnet.connectome import Connectome, Edges, SparseConnectome, ends_among
from synapsnet.errors import InputError


@dataclass(frozen=True, eq=False)
class WeightCourse:
    """Weights of E connections between N neurons over time.

    Attributes
    ----------
    n_neurons : int
    start_s : (R,) array
        From when each row of weights holds, in ascending order from 0 on.
    post, pre : (E,) int32 arrays
    weight : (R, E) array
        In `unit`; 0 while there is no connection. Two connections of the same neurons, of which one replaces the
        other, have a column each.
    delay_s : (E,) array
    unit : str
    """

    n_neurons: int
    start_s: Float64Array
    post: npt.NDArray[np.int32]
    pre: npt.NDArray[np.int32]
    weight: Float64Array
    delay_s: Float64Array
    unit: str = "mV"

    def at(self, time_s: float) -> Connectome:
        """The connectome at a time."""
        row = max(int(np.searchsorted(self.start_s, time_s, side="right")) - 1, 0)
        return self._connectome(self.weight[row])

    def mean(self, start_s: float, stop_s: float) -> Connectome:
        """The connectome whose weights are the means from one time to another.

        Raises
        ------
        InputError
            If the times are not in order.
        """
        if not start_s < stop_s:
            raise InputError(f"A window must start before it stops; got {start_s:g} to {stop_s:g} s.")
        borders = np.append(self.start_s, np.inf).clip(start_s, stop_s)
        borders[0] = start_s
        return self._connectome(np.diff(borders) / (stop_s - start_s) @ self.weight)

    def between(self, start_s: float, stop_s: float) -> WeightCourse:
        """The course from one time to another, which becomes time 0."""
        first = max(int(np.searchsorted(self.start_s, start_s, side="right")) - 1, 0)
        rows = slice(first, int(np.searchsorted(self.start_s, stop_s)))
        return replace(self, start_s=(self.start_s[rows] - start_s).clip(0), weight=self.weight[rows])

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> WeightCourse:
        """The course of the connections among the neurons at `indices`, in that order."""
        post, pre, inside = ends_among(indices, self.post, self.pre, self.n_neurons)
        return replace(
            self,
            n_neurons=len(indices),
            post=post,
            pre=pre,
            weight=self.weight[:, inside],
            delay_s=self.delay_s[inside],
        )

    def _connectome(self, weight: Float64Array) -> Connectome:
        pair = self.pre.astype(np.int64) * self.n_neurons + self.post
        pair, delay_s, weight = (values[weight != 0] for values in (pair, self.delay_s, weight))
        unique, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
        pre, post = np.divmod(unique, self.n_neurons)
        edges = Edges(
            post=post.astype(np.int32),
            pre=pre.astype(np.int32),
            weight=np.bincount(inverse, weight, len(unique)).astype(np.float64),
            delay_s=delay_s[first],
        )
        return SparseConnectome(self.n_neurons, edges, self.unit)
