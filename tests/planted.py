"""A planted network of Poisson neurons, in which what light must do is known."""

from __future__ import annotations

import numpy as np

from synapsnet.recording import Recording, neuron_table

N, N_DRIVEN, ONSET, KEPT = 24, 4, 40, 0.5
DT_S, EVERY = 0.01, 45
TYPES = ["inhibitory"] * N_DRIVEN + ["excitatory"] * (N - N_DRIVEN)


def planted_network() -> np.ndarray:
    """(N, N) log rate per filtered spike: four inhibitory neurons, each onto half of the others; weak excitation."""
    rng = np.random.default_rng(7)
    weight = np.where(rng.random((N, N)) < 0.1, 0.3, 0.0)
    weight[:, :N_DRIVEN] = np.where(rng.random((N, N_DRIVEN)) < 0.5, -rng.uniform(0.3, 1.5, (N, N_DRIVEN)), 0)
    np.fill_diagonal(weight, 0)
    return weight


def simulate(weight: np.ndarray, n_trials: int, n_bins: int, seed: int, light: int | None = None) -> np.ndarray:
    """(trials, N, bins) Poisson counts; in bin `light` the driven neurons fire two more."""
    rng = np.random.default_rng(seed)
    base = np.log(np.random.default_rng(1).uniform(0.05, 0.3, N))
    counts, trace = np.zeros((n_trials, N, n_bins)), np.zeros((n_trials, N))
    for t in range(n_bins):
        counts[:, :, t] = rng.poisson(np.exp(np.minimum(base + trace @ weight.T, 0)))
        if t == light:
            counts[:, :N_DRIVEN, t] += 2
        trace = KEPT * trace + counts[:, :, t]
    return counts


def lit(weight: np.ndarray, lights: dict[str, np.ndarray], n_pulses: int, seed: int) -> Recording:
    """Poisson neurons; every `EVERY` bins one of the lights makes its neurons fire three spikes more in a bin."""
    rng = np.random.default_rng(seed)
    n_bins = n_pulses * EVERY
    counts, light, trace = np.zeros((n_bins, N)), np.zeros((n_bins, len(lights))), np.zeros(N)
    for t in range(n_bins):
        counts[t] = rng.poisson(np.exp(np.minimum(np.log(0.2) + weight @ trace, 0)))
        if t % EVERY == EVERY - 8:
            which = t // EVERY % len(lights)
            light[t, which] = 1
            counts[t] += 3 * list(lights.values())[which]
        trace = 0.5 * trace + counts[t]
    table = neuron_table(N, cell_type=TYPES)
    return Recording.from_array(
        counts, DT_S, "spikes", behaviour=light, behaviour_names=[f"light_{name}" for name in lights], neurons=table
    )
