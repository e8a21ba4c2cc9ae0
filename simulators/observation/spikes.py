"""Extracellular recording: spikes that a sorter missed or gave to the wrong unit, counted in bins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.recording import Recording, Simulation


def observe_spikes(
    simulation: Simulation,
    *,
    bin_s: float = 0.005,
    loss: float = 0.0,
    contamination: float = 0.0,
    seed: int = 0,
) -> Recording:
    """Binned spike counts as a spike sorter would report them.

    Parameters
    ----------
    simulation : Simulation
    bin_s : float
        Width of the time bins in seconds; what is left at the end is dropped.
    loss : float
        Probability that a spike is missed, independently of all others.
    contamination : float
        Expected fraction of a unit's reported spikes that were fired by other neurons, less than 1. To a
        unit with n spikes of its own (after losses), Poisson(n c / (1 - c)) spikes are added, drawn
        without replacement from all spikes of all other neurons. They are copies: the neuron that
        fired them keeps its own.
    seed : int
        Of losses and contamination.

    Returns
    -------
    Recording
        Of modality "spikes", with the simulation's true spike times and connectome.

    Raises
    ------
    InputError
        If a parameter is out of its range, the simulation is shorter than two bins, or a unit has no spikes.
    """
    if not (np.isfinite(bin_s) and 0 < bin_s <= simulation.duration_s / 2):
        raise InputError(
            f"The bin width must be more than 0 and at most half the duration, {simulation.duration_s / 2:g} s; "
            f"got {bin_s} s."
        )
    if not 0 <= loss <= 1:
        raise InputError(f"The loss is a probability and must lie in [0, 1]; got {loss}.")
    if not 0 <= contamination < 1:
        raise InputError(f"The contamination is a fraction and must lie in [0, 1); got {contamination}.")
    rng = np.random.default_rng(seed)
    trains = [simulation.spike_times[k].times() for k in range(simulation.n_neurons)]
    observed = [train[rng.random(len(train)) >= loss] for train in trains]
    if contamination:
        foreign = [_foreign_spikes(trains, k, len(own), contamination, rng) for k, own in enumerate(observed)]
        observed = [np.concatenate(pair) for pair in zip(observed, foreign, strict=True)]
    n_bins = int(simulation.duration_s / bin_s + 1e-6)
    counts = np.stack([_count(train, bin_s, n_bins) for train in observed], axis=1)
    return Recording.from_array(
        counts,
        bin_s,
        "spikes",
        neurons=simulation.neurons,
        connectome=simulation.connectome,
        spike_times=simulation.spike_times,
        metadata=simulation.metadata
        | {
            "observation": {
                "as": "spikes",
                "bin_s": bin_s,
                "loss": loss,
                "contamination": contamination,
                "seed": int(seed),
            }
        },
    )


def _foreign_spikes(
    trains: list[npt.NDArray[np.float64]], unit: int, n_own: int, contamination: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    pool = np.concatenate([train for k, train in enumerate(trains) if k != unit])
    wanted = rng.poisson(n_own * contamination / (1 - contamination))
    return rng.choice(pool, size=min(wanted, len(pool)), replace=False, shuffle=False)


def _count(times_s: npt.NDArray[np.float64], bin_s: float, n_bins: int) -> npt.NDArray[np.float32]:
    # A spike on the border of two bins belongs to the later one, in spite of rounding.
    index = (times_s / bin_s + 1e-6).astype(np.int64)
    return np.bincount(index[index < n_bins], minlength=n_bins).astype(np.float32)
