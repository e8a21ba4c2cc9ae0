"""Random directed connectivity with lognormal weights and uniform delays.

Weights are the peak of the postsynaptic potential in mV; those of inhibitory neurons are negative.
Everything is `[post, pre]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synapsnet.errors import InputError
from synapsnet.recording import Connectome, FloatArray

DELAY_RANGE_S = (1e-3, 3e-3)


def erdos_renyi(
    probability: float,
    strength_mv: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    weight_sigma: float = 0.5,
    delay_range_s: tuple[float, float] = DELAY_RANGE_S,
) -> Connectome:
    """Every ordered pair of neurons is connected independently with the same probability.

    Parameters
    ----------
    probability : float
    strength_mv : (N,) array
        Mean weight of the outgoing connections of each neuron; negative for inhibitory neurons.
    rng : numpy Generator
    weight_sigma : float
        Standard deviation of the logarithm of the weights (lognormal, with the given mean).
    delay_range_s : (float, float)
        Delays are uniform between these.

    Raises
    ------
    InputError
        If the probability is not in [0, 1], or sigma or the delays are negative.
    """
    strength = np.asarray(strength_mv, dtype=float)
    n = len(strength)
    return _draw(np.full((n, n), probability), np.broadcast_to(strength, (n, n)), rng, weight_sigma, delay_range_s)


def cell_type_blocks(
    cell_type: Sequence[str],
    probability: dict[str, dict[str, float]],
    strength_mv: dict[str, dict[str, float]],
    rng: np.random.Generator,
    *,
    weight_sigma: float = 0.5,
    delay_range_s: tuple[float, float] = DELAY_RANGE_S,
) -> Connectome:
    """Probability and mean weight depend on the cell types of both neurons.

    Parameters
    ----------
    cell_type : N names
    probability, strength_mv : dict of postsynaptic type -> dict of presynaptic type -> float
        Both need an entry for every pair of types that occur.
    rng, weight_sigma, delay_range_s
        See `erdos_renyi`.

    Raises
    ------
    InputError
        If a pair of types is missing from a table; see also `erdos_renyi`.
    """

    def expand(table: dict[str, dict[str, float]]) -> FloatArray:
        types, index = np.unique(np.asarray(cell_type), return_inverse=True)
        try:
            blocks = np.array([[table[post][pre] for pre in types] for post in types], dtype=float)
        except KeyError as error:
            raise InputError(
                f"The [post][pre] tables need an entry for every pair of the cell types {', '.join(types)}; "
                f"{str(error.args[0])!r} is missing."
            ) from None
        return blocks[np.ix_(index, index)]

    return _draw(expand(probability), expand(strength_mv), rng, weight_sigma, delay_range_s)


def _draw(
    probability: FloatArray,
    strength_mv: npt.NDArray[Any],
    rng: np.random.Generator,
    weight_sigma: float,
    delay_range_s: tuple[float, float],
) -> Connectome:
    shape = probability.shape
    shortest, longest = delay_range_s
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError(f"Connection probabilities must lie in [0, 1]; got {probability.min()}..{probability.max()}.")
    if not weight_sigma >= 0:
        raise InputError(f"The sigma of lognormal weights must be 0 or more; got {weight_sigma}.")
    if not 0 <= shortest <= longest:
        raise InputError(f"Delays must lie between 0 and a longest delay in seconds; got {shortest} to {longest}.")
    connected = rng.random(shape) < probability
    np.fill_diagonal(connected, False)
    # exp(-sigma^2 / 2) makes the mean of the lognormal 1
    spread = rng.lognormal(-(weight_sigma**2) / 2, weight_sigma, shape)
    delay_s = rng.uniform(shortest, longest, shape)
    return Connectome(
        weight=np.where(connected, strength_mv * spread, 0.0), delay_s=np.where(connected, delay_s, np.nan), unit="mV"
    )
