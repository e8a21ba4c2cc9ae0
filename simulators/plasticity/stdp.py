"""Spike-timing-dependent plasticity of the connections between excitatory neurons."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from simulators.model import Model
from simulators.plasticity.base import Plasticity, Synapses
from simulators.units import MILLI, NotNegative, Positive
from synapsnet.array_types import Float64Array, FloatArray
from synapsnet.connectome import Connectome, Edges
from synapsnet.weight_course import WeightCourse

SYNAPSE = """
dpresynaptic_trace/dt = -presynaptic_trace/tau_potentiation : 1 (event-driven)
dpostsynaptic_trace/dt = -postsynaptic_trace/tau_depression : 1 (event-driven)
plastic : 1 (constant)
balanced : {unit} (constant)
"""
ON_PRE = """
w -= plastic*learning_rate*w*postsynaptic_trace
presynaptic_trace += 1
"""
ON_POST = """
w += plastic*learning_rate*balanced*(w/balanced)**exponent*presynaptic_trace
postsynaptic_trace += 1
"""


class Stdp(Plasticity):
    r"""Weights between excitatory neurons grow with causal pairs of spikes and shrink with others.

    The rule of Morrison, Aertsen & Diesmann 2007, Neural Comput 19:1437: potentiation grows with a power of the weight,
    depression in proportion to it, over all pairs of spikes,

    .. math::
        \Delta w_+ = \eta\, w^* (w / w^*)^\mu\, e^{-|\Delta t| / \tau_+}, \qquad
        \Delta w_- = -\eta\, w\, e^{-|\Delta t| / \tau_-}

    so that, with equal time constants, the weight of two independent neurons comes to rest at :math:`w^*`, here the
    mean weight of these connections at the start; a connection that makes its target fire comes to rest above.

    Parameters
    ----------
    learning_rate : float
        The fraction :math:`\eta` of the weight by which one pair of coincident spikes changes it at rest.
    exponent : float
        The :math:`\mu` of potentiation.
    tau_potentiation_ms, tau_depression_ms : float
        Time constants of potentiation, after a presynaptic spike, and of depression, after a postsynaptic one.
    sampled_every_s : float
        Interval at which the weights are recorded.
    """

    name: ClassVar[str] = "stdp"

    learning_rate: NotNegative = 0.011
    exponent: Annotated[float, Field(ge=0, lt=1)] = 0.4
    tau_potentiation_ms: Positive = 20.0
    tau_depression_ms: Positive = 20.0
    sampled_every_s: Annotated[float, Field(ge=0.1)] = 10.0

    def plastic(self, model: Model) -> Model:
        unit = re.search(r"\bw : (\w+)", model.synapse)
        assert unit is not None
        return replace(
            model,
            synapse=model.synapse + SYNAPSE.format(unit=unit[1]),
            on_pre=model.on_pre + ON_PRE,
            on_post=ON_POST,
            sampled_every_s=self.sampled_every_s,
            constants=model.constants
            | {
                "learning_rate": (self.learning_rate, "1"),
                "exponent": (self.exponent, "1"),
                "tau_potentiation": (self.tau_potentiation_ms * MILLI, "second"),
                "tau_depression": (self.tau_depression_ms * MILLI, "second"),
            },
        )

    def synapses(
        self,
        connectome: Connectome,
        draw_again: Callable[[np.random.Generator], Connectome],
        values: Callable[[Edges], dict[str, FloatArray]],
        duration_s: float,
        rng: np.random.Generator,
    ) -> Synapses:
        edges = connectome.edges
        excites = np.bincount(edges.pre, edges.weight, connectome.n_neurons) > 0
        plastic = excites[edges.pre] & excites[edges.post] & (edges.weight > 0)
        known = values(edges)
        # Where nothing is plastic, w over itself: a number of which a power can be taken.
        balanced = np.where(plastic, known["w"][plastic].mean() if plastic.any() else 0.0, known["w"])
        return Synapses(edges, known | {"plastic": plastic.astype(float), "balanced": balanced})

    def course(self, n_neurons: int, synapses: Synapses, relative: Float64Array | None) -> WeightCourse:
        if relative is None:  # nothing is recorded where there is no connection
            relative = np.ones((1, len(synapses.edges.post)))
        edges, start_s = synapses.edges, np.arange(len(relative), dtype=np.float64) * self.sampled_every_s
        return WeightCourse(n_neurons, start_s, edges.post, edges.pre, relative * edges.weight, edges.delay_s)
