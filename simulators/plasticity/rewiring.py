"""Connections are replaced at one moment of the simulation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from simulators.model import Model
from simulators.plasticity.base import Plasticity, Synapses
from simulators.units import Probability
from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.connectome import Connectome, Edges
from synapsnet.weight_course import WeightCourse

ALWAYS_S = 1e12  # later than any simulation ends


class Rewiring(Plasticity):
    """Some connections end at one moment, and as many others begin.

    The new ones are drawn as the network draws its own, between neurons that are not connected in this direction or
    whose connection ends; fewer begin where it draws fewer of these. A wiring without a choice, such as a chain or a
    ring attractor, connects the same neurons again with new weights and delays, and a connectome of your own stays as
    it is. A spike that is on its way when they change has the effect of the connection that is there when it arrives.

    Parameters
    ----------
    at : float
        When, as a fraction of the duration.
    fraction : float
        Fraction of the connections that are replaced.
    """

    name: ClassVar[str] = "rewiring"

    at: Annotated[float, Field(gt=0, lt=1)] = 0.5
    fraction: Probability = 0.5

    def plastic(self, model: Model) -> Model:
        return replace(
            model,
            synapse=model.synapse + "\nbegins : second (constant)\nends : second (constant)",
            on_pre=re.sub(r"\bw\b", "(w*int(t >= begins)*int(t < ends))", model.on_pre),
        )

    def synapses(
        self,
        connectome: Connectome,
        draw_again: Callable[[np.random.Generator], Connectome],
        values: Callable[[Edges], dict[str, FloatArray]],
        duration_s: float,
        rng: np.random.Generator,
    ) -> Synapses:
        for_connectome, for_choice = rng.spawn(2)
        first, second = connectome.edges, draw_again(for_connectome).edges
        n, change_s = connectome.n_neurons, self.at * duration_s
        stays = for_choice.random(len(first.post)) >= self.fraction
        # A pair that stays connected and is drawn again would have two connections.
        free = np.flatnonzero(~np.isin(_pair(second, n), _pair(first, n)[stays]))
        begins = for_choice.choice(free, min(int(np.sum(~stays)), len(free)), replace=False)
        begins_s = np.append(np.zeros(len(first.post)), np.full(len(begins), change_s))
        ends_s = np.append(np.where(stays, ALWAYS_S, change_s), np.full(len(begins), ALWAYS_S))
        post, pre, weight, delay_s = (
            np.append(getattr(first, name), getattr(second, name)[begins]) for name in vars(first)
        )
        order = np.argsort(pre, kind="stable")
        edges = Edges(post[order], pre[order], weight[order], delay_s[order])
        return Synapses(edges, values(edges) | {"begins": begins_s[order], "ends": ends_s[order]})

    def course(self, n_neurons: int, synapses: Synapses, relative: Float64Array | None) -> WeightCourse:
        edges, begins, ends = synapses.edges, synapses.values["begins"], synapses.values["ends"]
        start_s = np.unique(np.concatenate([[0.0], begins, ends[ends < ALWAYS_S]]))  # from 0 on without connections too
        there = (begins <= start_s[:, None]) & (start_s[:, None] < ends)
        return WeightCourse(n_neurons, start_s, edges.post, edges.pre, there * edges.weight, edges.delay_s)


def _pair(edges: Edges, n_neurons: int) -> npt.NDArray[np.int64]:
    return edges.pre.astype(np.int64) * n_neurons + edges.post
