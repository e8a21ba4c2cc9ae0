"""Recordings with a planted network, made in milliseconds: what the properties are checked on.

A discrete-time autoregression in the manner of Pillow et al. 2008 (Nature 454:995): the log probability of a spike is a
constant plus exponentially filtered spikes of the neuron's inputs. A step of the recording is two of these, so that an
effect falls partly into the same step and partly into the next ones. It is an easy case on purpose: strong, without
delay and slower than a step, for calcium too, where synapses are faster than a frame. All numbers are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from scipy.signal import lfilter

from synapsnet.connectome import Connectome
from synapsnet.recording import Modality, Recording

STEP_S: dict[Modality, float] = {"spikes": 0.010, "calcium": 1 / 30}
SUBSTEPS = 2
KEPT = np.exp(-0.5)  # of an input's effect from one substep to the next
RATES = (0.15, 0.25)  # probability of a spike per substep without input, the range over neurons
UNCONNECTED_RATES = (0.02, 0.25)  # where there is nothing to find but differences of rate
MAX_RATE = 0.5
EXCITATORY, INHIBITORY = 1.5, -3.0  # log probability per spike: both are found without doubt in 6,000 steps
CALCIUM_KEPT = np.exp(-1 / 15)  # from frame to frame, a decay of 0.5 s
CALCIUM_NOISE = 0.1  # standard deviation, in units of a spike's amplitude

Edge = tuple[int, int, float]


@dataclass(frozen=True)
class Planted:
    """A network and its recording, determined by a few numbers.

    Attributes
    ----------
    n_neurons : int
    edges : tuple of (pre, post, weight)
        Weight in log probability per filtered presynaptic spike; a neuron may excite itself.
    modality : {"spikes", "calcium"}
    n_steps : int
    seed : int
        Seed of the base rates, the spikes and the noise.
    """

    n_neurons: int
    edges: tuple[Edge, ...]
    modality: Modality
    n_steps: int
    seed: int

    def __str__(self) -> str:
        edges = ", ".join(f"{pre} -> {post} ({weight:+g})" for pre, post, weight in self.edges) or "no connections"
        return f"{self.n_neurons} neurons, {edges}, {self.n_steps} steps of {self.modality}, seed {self.seed}"

    @property
    def weight(self) -> npt.NDArray[np.float64]:
        """(N, N) planted weights, `[post, pre]`, self-connections included."""
        matrix = np.zeros((self.n_neurons, self.n_neurons))
        for pre, post, weight in self.edges:
            matrix[post, pre] = weight
        return matrix

    @property
    def connectome(self) -> Connectome:
        weight = self.weight
        np.fill_diagonal(weight, 0)
        return Connectome(weight, unit="log probability per spike")

    def values(self) -> npt.NDArray[np.float32]:
        """(T, N) spike counts or fluorescence; the same array, not to be changed, at every call."""
        return _values(replace(self, edges=tuple(sorted(self.edges))))

    def record(self, values: npt.NDArray[np.floating] | None = None) -> Recording:
        """A recording without ground truth, of the planted activity or of another in its place."""
        activity = self.values() if values is None else values
        return Recording.from_array(
            np.array(activity, np.float32), STEP_S[self.modality], self.modality, require_varying=False
        )


def base_rates(planted: Planted) -> npt.NDArray[np.float64]:
    """(N,) probability of a spike per substep of each neuron without input."""
    low, high = RATES if planted.edges else UNCONNECTED_RATES
    return np.random.default_rng(planted.seed).uniform(low, high, planted.n_neurons)


@lru_cache(maxsize=256)
def _values(planted: Planted) -> npt.NDArray[np.float32]:
    base, weight = np.log(base_rates(planted)), planted.weight
    rng = np.random.default_rng([planted.seed, 1])
    chance = rng.random((planted.n_steps * SUBSTEPS, planted.n_neurons))
    spikes, trace = np.zeros_like(chance), np.zeros(planted.n_neurons)
    for t, limit in enumerate(chance):
        spikes[t] = limit < np.minimum(np.exp(base + weight @ trace), MAX_RATE)
        trace = KEPT * trace + spikes[t]
    counts = spikes.reshape(planted.n_steps, SUBSTEPS, -1).sum(axis=1)
    if planted.modality == "calcium":
        fluorescence = lfilter([1.0], [1.0, -CALCIUM_KEPT], counts, axis=0)
        counts = 1 + fluorescence + CALCIUM_NOISE * rng.standard_normal(counts.shape)
    values = counts.astype(np.float32)
    values.flags.writeable = False
    return values


def networks(modality: Modality, n_steps: int, max_edges: int = 3) -> st.SearchStrategy[Planted]:
    """Networks of 3 to 6 neurons with one edge or a few; failures shrink to few neurons and edges."""

    @st.composite
    def draw(choose: st.DrawFn) -> Planted:
        n = choose(st.integers(3, 6))
        pairs = [(pre, post) for pre in range(n) for post in range(n) if pre != post]
        drawn = choose(st.lists(st.sampled_from(pairs), min_size=1, max_size=max_edges, unique_by=frozenset))
        signs = [choose(st.sampled_from((EXCITATORY, INHIBITORY))) for _ in drawn]
        edges = tuple((*pair, sign) for pair, sign in zip(drawn, signs, strict=True))
        return Planted(n, edges, modality, n_steps, seed=choose(st.integers(0, 99)))

    return draw()


def random_network(modality: Modality, n_neurons: int, n_edges: int, n_steps: int, seed: int, scale: float) -> Planted:
    """A network with `n_edges` connections between random pairs, half inhibitory, `scale` times as strong as usual."""
    rng = np.random.default_rng([seed, 2])
    pairs = [(pre, post) for pre in range(n_neurons) for post in range(n_neurons) if pre != post]
    drawn = rng.choice(len(pairs), n_edges, replace=False)
    edges = tuple((*pairs[k], scale * (EXCITATORY, INHIBITORY)[i % 2]) for i, k in enumerate(drawn))
    return Planted(n_neurons, edges, modality, n_steps, seed)
