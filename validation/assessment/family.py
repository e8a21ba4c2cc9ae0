"""A broad family of networks: different neurons, states, sizes, densities, strengths, delays; a fifth is unconnected.

From it come the examples by which `synapsnet assess` tells what to expect. None of the recordings by which this project
is judged is among them, and none of its seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from simulators import networks

Draw = Callable[[np.random.Generator], dict[str, Any]]
Drawn = Callable[[np.random.Generator, bool, int | None], networks.Network]

DT_MS = 0.5
SIZES, SIZE_SHARES = (60, 120, 300), (0.4, 0.35, 0.25)  # few, so that programs are compiled once
LONGEST_DELAYS_MS = (2, 3, 5, 10, 20)
SUM_MV = 40.0  # of the potentials that a neuron receives at most: stronger networks explode
WITHOUT = 5  # one network in this many has no connections


def draw(kind: str, seed: int, size: int | None = None) -> tuple[networks.Network, np.random.Generator]:
    """The network of a kind with a seed, and the generator that goes on to draw what is seen of it.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int
    size : int, optional
        Number of neurons, for kinds that exist in other sizes; the other parameters are those of the seed.
    """
    rng = np.random.default_rng(seed)
    return KINDS[kind](rng, seed % WITHOUT != 0, size), rng


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


STATES: dict[str, Draw] = {
    "asynchronous": lambda rng: {},
    "up and down": lambda rng: {
        "up-down": {"size_mv": rng.uniform(2, 7), "up_s": rng.uniform(0.3, 0.8), "down_s": rng.uniform(0.3, 0.8)}
    },
    "drift": lambda rng: {"drift": {"size_mv": rng.uniform(0.7, 2.5), "time_s": rng.uniform(40, 200)}},
    "gamma": lambda rng: {
        "gamma": {
            "size_mv": rng.uniform(1.5, 7),
            "frequency_hz": rng.uniform(25, 50),
            "phase_spread": rng.uniform(0.3, 0.8),
        }
    },
    "theta": lambda rng: {"theta": {"size_mv": rng.uniform(1.5, 5), "frequency_hz": rng.uniform(4, 10)}},
    "gain": lambda rng: {"trial-gain": {"sigma": rng.uniform(0.1, 0.4)}},
    "common input": lambda rng: {"common-input": {"size_mv": rng.uniform(0.7, 3), "time_ms": log_uniform(rng, 3, 300)}},
    "common bursts": lambda rng: {
        "episodes": {
            "size_mv": rng.uniform(4, 10),
            "pause_s": rng.uniform(2, 10),
            "active_s": rng.uniform(0.1, 0.5),
            "onset_s": 0.02,
            "n_groups": int(rng.integers(1, 4)),
        }
    },
}


def lif(states: Draw, **settings: Any) -> Drawn:
    """Networks of integrate-and-fire neurons in a state."""

    def drawn(rng: np.random.Generator, connected: bool, size: int | None) -> networks.Network:
        n = int(rng.choice(SIZES, p=SIZE_SHARES))
        density = log_uniform(rng, 0.02, 0.25)
        strength = min(log_uniform(rng, 0.15, 3.0), SUM_MV / (n * density))
        wiring = networks.LifRandom(
            n_neurons=n,
            excitatory_fraction=rng.uniform(0.65, 0.95),
            connection_probability=density if connected else 0.0,
            epsp_mv=strength,
            ipsp_mv=strength * rng.uniform(2, 6),
            weight_sigma=rng.uniform(0.2, 1.1),
            longest_delay_ms=float(rng.choice(LONGEST_DELAYS_MS)),
        )
        mean_mv, spread_mv = rng.uniform(5.5, 9.5), rng.uniform(0.3, 2.0)  # rates are about lognormal
        drive_mv = mean_mv + spread_mv * rng.normal(size=n)
        connectome, state = wiring.connect(rng), states(rng)
        if size is not None:  # wired anew, since what is drawn above is what the seed has
            weaker = min(1.0, SUM_MV / (size * density) / strength)
            sizes = {"n_neurons": size, "epsp_mv": strength * weaker, "ipsp_mv": wiring.ipsp_mv * weaker}
            connectome = wiring.model_copy(update=sizes).connect(rng)
            drive_mv = mean_mv + spread_mv * rng.normal(size=size)
        return networks.LifConnectome(
            connectome=connectome, drive_mv=drive_mv.tolist(), dt_ms=DT_MS, states=state, **settings
        )

    return drawn


def other(network: type[networks.Network], **settings: Any) -> Drawn:
    """Networks of another neuron model, with other sizes, strengths, densities and delays."""

    def drawn(rng: np.random.Generator, connected: bool, size: int | None) -> networks.Network:
        usual: Any = network(**settings)
        changed: dict[str, Any] = {}
        if "connection_probability" in type(usual).model_fields:
            n, density = int(rng.choice(SIZES, p=SIZE_SHARES)), log_uniform(rng, 0.03, 0.15)
            n = size or n
            n_inputs, n_usual = density * n, usual.connection_probability * usual.n_neurons
            factor = log_uniform(rng, 0.5, 1.5) * math.sqrt(n_usual / n_inputs)
            changed = {
                "n_neurons": n,
                "connection_probability": density if connected else 0.0,
                "epsp_mv": usual.epsp_mv * factor,
                "ipsp_mv": usual.ipsp_mv * factor,
                "longest_delay_ms": float(rng.choice(LONGEST_DELAYS_MS)),
            }
        return network(**settings | changed)

    return drawn


KINDS = {
    **{name: lif(states) for name, states in STATES.items()},
    "adapting": lif(STATES["asynchronous"], adaptation_mv=2.0, tau_adaptation_ms=300.0),
    "adex": other(networks.Adex, dt_ms=DT_MS),
    "izhikevich": other(networks.Izhikevich, dt_ms=DT_MS),
    "v1": other(networks.V1Layer23, dt_ms=DT_MS),
    "coba-small": other(networks.CobaSmall, dt_ms=DT_MS),
    "network bursts": other(networks.LifBursting, dt_ms=DT_MS),
}
