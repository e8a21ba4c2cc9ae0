"""Small world: a ring lattice of which some connections are rewired at random (Watts & Strogatz 1998, Nature 393:440).

Few rewired connections suffice to make all paths short, while neighbours of neighbours stay connected (figure 2
there). The paper's graph is undirected; here each direction of a lattice edge is rewired on its own.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from simulators.topologies.base import UniformDelays
from simulators.topologies.circle import spread
from simulators.units import Probability
from simulators.wiring import lowest
from synapsnet.array_types import FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError


class SmallWorld(UniformDelays):
    """Directed Watts-Strogatz network; the neurons of each cell type are spread evenly around the ring.

    Parameters
    ----------
    in_degree : int
        Even. Before rewiring, each neuron receives from this many nearest neighbours, half of them on each side.
        Rewiring keeps the number.
    rewiring : float
        Probability that a connection comes from a neuron drawn at random instead of the neighbour.
    The others are those of `UniformDelays`.
    """

    name: ClassVar[str] = "small-world"

    in_degree: int = Field(10, ge=2, multiple_of=2)
    rewiring: Probability = 0.1

    def connect(self, neurons: pd.DataFrame, strength_mv: FloatArray, rng: np.random.Generator) -> Connectome:
        n = len(neurons)
        if self.in_degree >= n:
            raise InputError(
                f"The topology 'small-world' needs more than {self.in_degree} neurons for an in-degree of "
                f"{self.in_degree}; got {n}. Lower in_degree or simulate more neurons."
            )
        on_ring = np.argsort(spread(neurons["cell_type"]), kind="stable")
        half = self.in_degree // 2
        steps = np.concatenate([np.arange(-half, 0), np.arange(1, half + 1)])
        post = np.repeat(on_ring, self.in_degree)
        pre = on_ring[(np.arange(n)[:, None] + steps) % n].ravel()
        rewired = rng.random(len(pre)) < self.rewiring
        # The kept neighbours come first, then the others by lot; a neighbour just left only where nobody else is.
        lot = rng.random((n, n))
        lot[post, pre] += np.where(rewired, 1.0, -1.0)
        np.fill_diagonal(lot, np.inf)
        return self.weigh(lowest(lot, self.in_degree), strength_mv, rng)
