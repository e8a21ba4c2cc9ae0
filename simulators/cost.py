"""How much memory and time a simulation takes, so that one that could never end is not begun."""

from __future__ import annotations

from synapsnet.limits import require_memory, require_time

BYTES_PER_PAIR = 40  # bytes per pair of neurons: a dense connectome, and copies of it
BYTES_PER_SPIKE = 24.0
LEAST_HZ = 1.0  # networks hardly ever fire less
SECONDS_PER_STEP, SECONDS_PER_NEURON_STEP = 5e-7, 2e-8  # for LIF neurons; others take up to ten times as long
LEAST_S = 0.1  # a simulation, however short


def seconds(n_neurons: int, duration_s: float, dt_s: float) -> float:
    """Roughly how long a simulation takes; see `require_possible`."""
    return LEAST_S + duration_s / dt_s * (SECONDS_PER_STEP + SECONDS_PER_NEURON_STEP * n_neurons)


def require_possible(n_neurons: int, duration_s: float, dt_s: float, n_simulations: int = 1) -> str | None:
    """Refuse simulations of which this machine could not hold one, or that would take years.

    Parameters
    ----------
    n_neurons : int
    duration_s, dt_s : float
        Biological time and step of the integration.
    n_simulations : int
        One after the other.

    Returns
    -------
    str or None
        The sentence that says how long they take, if that is long.

    Raises
    ------
    InputError
        If it takes more memory than there is, or more than a year.
    """
    instead = "simulate fewer neurons, or less time"
    require_memory(BYTES_PER_PAIR * n_neurons**2, f"A network of {min(n_neurons, 10**99):.6g} neurons", instead)
    what = f"A simulation of {n_neurons} neurons for {duration_s:.6g} s"
    require_memory(BYTES_PER_SPIKE * LEAST_HZ * n_neurons * duration_s, what, instead)
    if n_simulations > 1:
        what, instead = f"{what}, {n_simulations} times,", "simulate fewer neurons, less time or fewer seeds"
    return require_time(min(n_simulations, 10**99) * seconds(n_neurons, duration_s, dt_s), what, instead)
