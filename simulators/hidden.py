"""A part of a simulated network, as an experiment sees it that records some of the neurons and not the others.

Neurons that are not recorded still have an effect: a spike that passes from A to B through a hidden neuron is,
to the recording, a connection from A to B. In the linear response of a network (for the dynamics: Trousdale et al.
2012, PLoS Comput Biol 8:e1002408; for the sum over paths: Pernice et al. 2011, PLoS Comput Biol 7:e1002059), an
additional spike of the observed neuron o makes the hidden neurons fire e more spikes, which are those that its
postsynaptic potentials evoke, and those that the hidden neurons evoke in each other::

    e = G (W_ho + W_hh e)        and so        e = G (I - W_hh G)^-1 W_ho

where the diagonal of G holds each hidden neuron's gain. What the other observed neurons receive through them adds to
the direct connections::

    W_effective = W_oo + W_oh G (I - W_hh G)^-1 W_ho

Brinkman, Rieke, Shea-Brown & Buice 2018, PLoS Comput Biol 14:e1006490, derive this sum over all paths through hidden
neurons; here it is taken at zero frequency, that is, summed over all lags. It holds for potentials that are small
beside the distance to threshold.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Literal, get_args

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.sparse import csr_array
from scipy.sparse.linalg import eigs

from simulators.positions import positions_um
from synapsnet.array_types import FloatArray, IndexArray
from synapsnet.connectome import Edges
from synapsnet.errors import InputError, unknown_name
from synapsnet.recording import Simulation

By = Literal["random", "field", "depth", "rate", "type"]

GAIN_BIN_S = 0.005
GAIN_WINDOW_S = 0.1  # five time constants of a membrane of 20 ms
MOST_OF_A_TYPE = 150  # neurons whose gain is measured; the others of their type have the mean
MOST_FOR_ALL_EIGENVALUES = 500


def visible_part(
    simulation: Simulation,
    *,
    fraction: float = 0.5,
    by: By = "random",
    cell_types: tuple[str, ...] = (),
    seed: int = 0,
) -> Simulation:
    """The simulation reduced to the neurons that an experiment records, with its direct and its effective connectome.

    Parameters
    ----------
    simulation : Simulation
    fraction : float
        Fraction of all neurons that is visible; not used by "type".
    by : {"random", "field", "depth", "rate", "type"}
        Which neurons are visible: drawn at random; those nearest to the middle of all neurons, seen from above (x and
        y); those nearest to their middle in depth (z), as a thin plane; those that fire most; or those of `cell_types`.
    cell_types : tuple of str
        For "type".
    seed : int
        Seed of "random".

    Returns
    -------
    Simulation
        The visible neurons in their order. `connectome.weight` holds the connections between them,
        `connectome.effective` adds what passes through the hidden ones, with gains estimated from the spikes of
        the whole simulation (see `response_gain`). `metadata["visible"]` says which neurons these are.

    Raises
    ------
    InputError
        If fewer than two neurons would be visible, an argument is unknown or does not apply, positions are needed
        and unknown, the simulation is such a part itself, or see `effective_weight`.
    """
    if simulation.connectome.effective is not None:
        raise InputError(
            "This simulation is the visible part of another one; take a part of the whole network instead."
        )
    visible = _chosen(simulation, fraction, by, cell_types, seed)
    if len(visible) < 2:
        raise InputError(
            f"A recording needs at least 2 neurons, and {len(visible)} of {simulation.n_neurons} would be visible; "
            "raise the fraction or name more cell types."
        )
    hidden = np.setdiff1d(np.arange(simulation.n_neurons), visible)
    gain = np.zeros(simulation.n_neurons)
    gain[hidden] = response_gain(simulation, hidden)
    edges = simulation.connectome.edges
    weight = csr_array((edges.weight, (edges.post, edges.pre)), shape=(simulation.n_neurons, simulation.n_neurons))
    effective = effective_weight(weight, gain, visible)
    part = simulation.select_neurons(visible)
    return replace(
        part,
        connectome=replace(part.connectome, effective=effective),
        metadata=simulation.metadata
        | {
            "visible": {
                "by": by,
                "cell_types": list(cell_types),
                "seed": int(seed),
                "n_simulated": simulation.n_neurons,
                "indices": visible.tolist(),
                "ids": part.neurons["id"].tolist(),
            }
        },
    )


def effective_weight(weight: FloatArray | csr_array, gain: FloatArray, visible: IndexArray) -> FloatArray:
    """Connectivity of the visible neurons, with what passes through the others.

    Parameters
    ----------
    weight : (N, N) array or sparse array, `[post, pre]`
        Usually in mV.
    gain : (N,) array
        Spikes that a neuron fires in addition per unit of weight received; only those of hidden neurons are used.
    visible : (M,) array of indices

    Returns
    -------
    (M, M) array, `[post, pre]`
        In the unit of `weight`; paths from a neuron to itself are left out.

    Raises
    ------
    InputError
        If the hidden neurons excite each other so strongly that they have no stationary response.
    """
    weight = csr_array(weight)
    hidden = np.setdiff1d(np.arange(weight.shape[0]), visible)

    def between(post: IndexArray, pre: IndexArray) -> FloatArray:
        return np.asarray(weight[post][:, pre].toarray())

    among_hidden = between(hidden, hidden) * gain[hidden]
    growth = _growth(among_hidden)
    if growth >= 1:
        raise InputError(
            f"The {len(hidden)} hidden neurons excite each other so strongly, {growth:.2g} spikes per spike where less "
            "than 1 is needed, that no effective connectivity exists; make more or other neurons visible."
        )
    np.negative(among_hidden, out=among_hidden)
    np.einsum("ii->i", among_hidden)[:] += 1.0
    through_hidden = np.linalg.solve(among_hidden, between(hidden, visible))
    effective = between(visible, visible) + between(visible, hidden) * gain[hidden] @ through_hidden
    np.fill_diagonal(effective, 0.0)
    return effective


def _growth(matrix: FloatArray) -> float:
    """The largest real part of an eigenvalue; 0 for an empty matrix."""
    if not matrix.any():
        return 0.0
    if len(matrix) <= MOST_FOR_ALL_EIGENVALUES:
        return float(max(np.linalg.eigvals(matrix).real))
    start = np.ones(len(matrix))  # not a random one
    eigenvalues = eigs(csr_array(matrix), k=1, which="LR", v0=start, tol=1e-3, return_eigenvectors=False)
    return float(eigenvalues[0].real)


def response_gain(simulation: Simulation, neurons: IndexArray) -> FloatArray:
    """How many more spikes a neuron fires per unit of weight (usually mV of postsynaptic potential) that it receives.

    The spike count of a neuron is regressed on what arrives at its synapses (each presynaptic spike with its weight,
    after its delay) up to `GAIN_WINDOW_S` before and after; the gain is the sum of the responses to what came before,
    less that to what came after. With all inputs in one regression, what a presynaptic neuron does through others
    is not taken for its own effect; and an input from outside that moves slowly, and drives a neuron and its
    presynaptic neurons alike, shows before and after and cancels. Each estimate is then drawn towards the mean
    of its cell type, more strongly the less certain it is.

    Parameters
    ----------
    simulation : Simulation
    neurons : (H,) array of indices

    Returns
    -------
    (H,) array
        0 where no neuron of the type receives anything.

    Raises
    ------
    InputError
        If the simulation is not longer than the window.
    """
    if len(neurons) and simulation.duration_s <= 2 * GAIN_WINDOW_S:
        raise InputError(
            f"How hidden neurons respond is estimated from the spikes, which takes more than {2 * GAIN_WINDOW_S:g} s; "
            f"got {simulation.duration_s:g} s: simulate for longer, a minute or more."
        )
    edges = simulation.connectome.edges
    order = np.argsort(edges.post, kind="stable")
    borders = np.searchsorted(edges.post[order], np.arange(simulation.n_neurons + 1))
    cell_type = simulation.neurons["cell_type"].to_numpy()[neurons]
    gain = np.zeros(len(neurons))
    for name in np.unique(cell_type):
        members = np.flatnonzero(cell_type == name)
        asked = members[np.linspace(0, len(members) - 1, min(len(members), MOST_OF_A_TYPE)).round().astype(int)]
        estimates = []
        for neuron in neurons[asked].tolist():
            own = order[borders[neuron] : borders[neuron + 1]]
            inputs = Edges(edges.post[own], edges.pre[own], edges.weight[own], edges.delay_s[own])
            estimates.append(_regressed_gain(simulation, neuron, inputs))
        shrunk = _shrunk(*np.array(estimates).T)
        gain[members] = shrunk.mean()
        gain[asked] = shrunk
    return gain


def _regressed_gain(simulation: Simulation, neuron: int, inputs: Edges) -> tuple[float, float]:
    """Gain of one neuron and the variance of this estimate: infinite if the neuron receives nothing."""
    trains = simulation.spike_times
    arrival_s = [trains[k].times() + delay for k, delay in zip(inputs.pre.tolist(), inputs.delay_s, strict=True)]
    weight = np.repeat(inputs.weight, [len(times_s) for times_s in arrival_s])
    n_bins, n_lags = int(simulation.duration_s / GAIN_BIN_S + 1e-6), round(GAIN_WINDOW_S / GAIN_BIN_S)
    received = _binned(np.concatenate([np.zeros(0), *arrival_s]), weight, n_bins)
    if not received.any():
        return 0.0, np.inf
    fired = _binned(trains[neuron].times(), None, n_bins)
    lags = range(-n_lags, n_lags)  # a response in the bin of the arrival counts as one
    covariance = np.array([_lagged_product(received, fired, lag) for lag in lags])
    autocovariance = np.array([_lagged_product(received, received, lag) for lag in range(2 * n_lags)])
    # The coefficients are R^-1 c, with the Toeplitz matrix R, and the gain is their sum with these signs
    signs = np.repeat([-1.0, 1.0], n_lags)
    contrast = solve_toeplitz(autocovariance, signs)
    noise = max(float(fired.var()), 1 / n_bins)  # treat a silent neuron as if it had fired once
    return float(contrast @ covariance), noise * float(signs @ contrast) / n_bins


def _binned(time_s: FloatArray, weight: FloatArray | None, n_bins: int) -> FloatArray:
    """Sum of the weights in each bin, less its mean; what arrives after the end counts in the last bin."""
    index = np.minimum((time_s / GAIN_BIN_S + 1e-6).astype(np.intp), n_bins - 1)
    sums = np.bincount(index, weight, n_bins)
    return sums - sums.mean()


def _lagged_product(early: FloatArray, late: FloatArray, lag: int) -> float:
    """Mean of early(t) late(t + lag)."""
    if lag < 0:
        return _lagged_product(late, early, -lag)
    return float(early[: len(early) - lag] @ late[lag:] / len(early))


def _shrunk(estimate: FloatArray, variance: FloatArray) -> FloatArray:
    """Posterior mean of normally distributed values that were estimated with an error of known variance.

    The variance between the values is what the estimates scatter more than their errors explain.
    """
    finite = np.isfinite(variance)
    if not finite.any():
        return np.zeros(len(estimate))
    between = max(0.0, float(estimate[finite].var() - variance[finite].mean()))
    precision = 1 / (between + variance)
    mean = float(precision @ estimate / precision.sum())
    return mean + (estimate - mean) * between * precision


def _chosen(simulation: Simulation, fraction: float, by: str, cell_types: tuple[str, ...], seed: int) -> IndexArray:
    """Indices of the visible neurons in ascending order."""
    if by not in get_args(By):
        raise unknown_name("way to choose neurons", by, get_args(By))
    if (by == "type") != bool(cell_types):
        raise InputError(f"Give cell types if by='type', and only then; got by={by!r} and {list(cell_types)}.")
    if not 0 < fraction <= 1:
        raise InputError(f"The fraction of visible neurons must be more than 0 and at most 1; got {fraction}.")
    if by == "type":
        names = simulation.neurons["cell_type"]
        for name in cell_types:
            if name not in set(names):
                raise unknown_name("cell type", name, sorted(set(names)))
        return np.flatnonzero(names.isin(cell_types))
    n_visible = round(fraction * simulation.n_neurons)
    if by == "random":
        if not (isinstance(seed, Integral) and seed >= 0):
            raise InputError(f"The seed must be a whole number of 0 or more; got {seed}.")
        return np.sort(np.random.default_rng(seed).choice(simulation.n_neurons, n_visible, replace=False))
    if by == "rate":
        silence = -np.array([len(simulation.spike_times[k]) for k in range(simulation.n_neurons)])
        return np.sort(np.argsort(silence, kind="stable")[:n_visible])
    axes = slice(0, 2) if by == "field" else slice(2, 3)
    place_um = positions_um(simulation, "A field of view")[:, axes]
    distance_um = np.linalg.norm(place_um - place_um.mean(axis=0), axis=1)
    return np.sort(np.argsort(distance_um, kind="stable")[:n_visible])
