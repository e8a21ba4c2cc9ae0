"""The motifs that fool inference: small circuits in which neurons are related without being connected.

====================  ==================================  ==================================================
motif                 connections                         looks like
====================  ==================================  ==================================================
chain                 A -> B -> C                         A -> C
common-input          A -> B and A -> C, equal delays     B -> C and C -> B
unequal-delays        A -> B, and A -> C later            B -> C
relay                 A -> hidden -> B                    A -> B, also to a method that accounts for all
                                                          recorded neurons once `hidden` is not among them
====================  ==================================  ==================================================

A neuron's id says what it is: "chain-0-A", "relay-3-hidden". In LIF networks at their default parameters, 10 minutes of
spikes in bins of 5 ms give the pairs that only look connected a lagged correlation of 4 to 5 standard errors.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from simulators.topologies.base import Topology
from simulators.units import MILLI, NotNegative, Positive
from simulators.wiring import lognormal_weights
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError


class Motif(NamedTuple):
    """A circuit of three neurons.

    Attributes
    ----------
    roles : names of its neurons
    early, late : (pre, post) pairs that are connected, with the usual and the late delay
    lookalikes : (pre, post) pairs that are not connected but look connected
    """

    roles: tuple[str, str, str]
    early: tuple[tuple[str, str], ...]
    late: tuple[tuple[str, str], ...]
    lookalikes: tuple[tuple[str, str], ...]


MOTIFS = {
    "chain": Motif(("A", "B", "C"), (("A", "B"), ("B", "C")), (), (("A", "C"),)),
    "common-input": Motif(("A", "B", "C"), (("A", "B"), ("A", "C")), (), (("B", "C"), ("C", "B"))),
    "unequal-delays": Motif(("A", "B", "C"), (("A", "B"),), (("A", "C"),), (("B", "C"),)),
    "relay": Motif(("A", "hidden", "B"), (("A", "hidden"), ("hidden", "B")), (), (("A", "B"),)),
}
_NEURONS_PER_COPY = sum(len(motif.roles) for motif in MOTIFS.values())
_ID = rf"^({'|'.join(MOTIFS)})-(\d+)-(A|B|C|hidden)$"


class Lookalike(NamedTuple):
    """A pair of neurons that is not connected but looks connected: indices into the neuron table, and why."""

    post: int
    pre: int
    motif: str


class Motifs(Topology):
    """As many disjoint copies of all motifs as there are excitatory neurons for; the others are unconnected.

    Parameters
    ----------
    weight_factor : float
        Factor of the weights: in a motif a few connections stand for the many of a network.
    delay_ms : float
        Delay of all connections but the late one of "unequal-delays".
    late_delay_ms : float
    weight_sigma : float
        See `Topology`; by default the weights of all copies are equal.
    """

    name: ClassVar[str] = "motifs"

    weight_factor: Positive = 5.0
    delay_ms: NotNegative = 1.5
    late_delay_ms: NotNegative = 6.0
    weight_sigma: NotNegative = 0.0

    @model_validator(mode="after")
    def _late_is_later(self) -> Self:
        if self.late_delay_ms <= self.delay_ms:
            raise ValueError(
                f"The late delay must be longer than the other, {self.delay_ms} ms; got {self.late_delay_ms} ms"
            )
        return self

    def arrange(self, neurons: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The excitatory neurons get the ids of the motifs, in the order of the table."""
        excitatory = np.flatnonzero(neurons["cell_type"] == "excitatory")
        copies = len(excitatory) // _NEURONS_PER_COPY
        if copies == 0:
            raise InputError(
                f"The topology 'motifs' needs at least {_NEURONS_PER_COPY} neurons of the cell type 'excitatory'; "
                f"got {len(excitatory)}. Simulate more neurons."
            )
        names = [
            f"{name}-{copy}-{role}" for copy in range(copies) for name, motif in MOTIFS.items() for role in motif.roles
        ]
        ids = neurons["id"].to_numpy(dtype=object, copy=True)
        ids[excitatory[: len(names)]] = names
        return neurons.assign(id=ids)

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        copies = _copies(neurons)
        if not copies or any(set(index) != set(MOTIFS[name].roles) for name, index in copies):
            raise InputError(
                "The topology 'motifs' needs neurons with the ids of complete motifs; call its arrange() first."
            )
        delay_s = np.full((len(neurons), len(neurons)), np.nan)
        for name, index in copies:
            motif = MOTIFS[name]
            for pre, post in motif.early + motif.late:
                delay_ms = self.late_delay_ms if (pre, post) in motif.late else self.delay_ms
                delay_s[index[post], index[pre]] = delay_ms * MILLI
        connected = np.isfinite(delay_s)
        if not (strength_mv[connected.any(axis=0)] > 0).all():
            raise InputError(
                "The topology 'motifs' needs a positive strength of every neuron of the cell type 'excitatory'; some "
                "have none. Choose a network whose excitatory neurons excite."
            )
        weight = lognormal_weights(connected, self.weight_factor * strength_mv, rng, weight_sigma=self.weight_sigma)
        return Connectome(weight=weight, delay_s=delay_s, unit="mV")


def lookalikes(neurons: pd.DataFrame) -> list[Lookalike]:
    """The pairs that are not connected but look connected, among these neurons.

    Parameters
    ----------
    neurons : DataFrame with N rows
        A neuron table whose ids come from `Motifs.arrange`; it may lack neurons, for example the hidden ones.

    Returns
    -------
    list of Lookalike
        Empty if there are no motifs among the neurons.
    """
    return [
        Lookalike(index[post], index[pre], name)
        for name, index in _copies(neurons)
        for pre, post in MOTIFS[name].lookalikes
        if pre in index and post in index
    ]


def _copies(neurons: pd.DataFrame) -> list[tuple[str, dict[str, int]]]:
    """The motifs in a neuron table: the name of each, and the rows of the neurons by their roles."""
    parts = neurons["id"].str.extract(_ID).set_axis(["motif", "copy", "role"], axis=1)
    parts["row"] = np.arange(len(parts))
    return [
        (str(motif), dict(zip(copy["role"], copy["row"].tolist(), strict=True)))
        for (motif, _), copy in parts.groupby(["motif", "copy"], sort=False)
    ]
