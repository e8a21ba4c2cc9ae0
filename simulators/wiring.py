"""Parts of a wiring: weights and delays of connections, choosing partners, and blocks of cell types.

Weights are the peak of the postsynaptic potential in mV; those of inhibitory neurons are negative.
Everything is `[post, pre]`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synapsnet.array_types import BoolArray, FloatArray
from synapsnet.connectome import Connectome
from synapsnet.errors import InputError

DELAY_RANGE_S = (1e-3, 3e-3)


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
        See `weigh`.

    Raises
    ------
    InputError
        If a pair of types is missing from a table, or a probability is not in [0, 1]; see also `weigh`.
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

    chances = expand(probability)
    if not ((chances >= 0) & (chances <= 1)).all():
        raise InputError(f"Connection probabilities must lie in [0, 1]; got {chances.min()}..{chances.max()}.")
    connected = rng.random(chances.shape) < chances
    return weigh(connected, expand(strength_mv), rng, weight_sigma=weight_sigma, delay_range_s=delay_range_s)


def weigh(
    connected: BoolArray,
    strength_mv: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    weight_sigma: float = 0.5,
    delay_range_s: tuple[float, float] = DELAY_RANGE_S,
) -> Connectome:
    """Lognormal weights and uniform delays for the given connections.

    Parameters
    ----------
    connected, strength_mv, rng, weight_sigma
        See `lognormal_weights`.
    delay_range_s : (float, float)
        Delays are uniform between these.

    Raises
    ------
    InputError
        If sigma or the delays are negative.
    """
    shortest, longest = delay_range_s
    if not 0 <= shortest <= longest:
        raise InputError(f"Delays must lie between 0 and a longest delay in seconds; got {shortest} to {longest}.")
    weight = lognormal_weights(connected, strength_mv, rng, weight_sigma=weight_sigma)
    delay_s = rng.uniform(shortest, longest, connected.shape)
    delay_s[weight == 0] = np.nan
    return Connectome(weight=weight, delay_s=delay_s, unit="mV")


def lognormal_weights(
    connected: BoolArray, strength_mv: npt.ArrayLike, rng: np.random.Generator, *, weight_sigma: float
) -> FloatArray:
    """(N, N) lognormal weights of the given connections.

    Parameters
    ----------
    connected : (N, N) bool array, `[post, pre]`
        The diagonal is ignored.
    strength_mv : (N,) or (N, N) array
        Mean weight of each neuron's outgoing connections, or of each pair `[post, pre]`. Where it is zero there is
        no connection.
    rng : numpy Generator
    weight_sigma : float
        Standard deviation of the logarithm of the weights (lognormal, with the given mean).

    Raises
    ------
    InputError
        If sigma is negative.
    """
    if not weight_sigma >= 0:
        raise InputError(f"The sigma of lognormal weights must be 0 or more; got {weight_sigma}.")
    # exp(-sigma^2 / 2) makes the mean of the lognormal 1; in place, for networks of 10,000 neurons
    weight = rng.lognormal(-(weight_sigma**2) / 2, weight_sigma, connected.shape)
    weight *= np.asarray(strength_mv)
    weight[~connected] = 0.0
    np.fill_diagonal(weight, 0.0)
    return weight


def lowest(values: FloatArray, count: int) -> BoolArray:
    """Mark the `count` lowest of each row; no two values of a row may be equal."""
    last = np.partition(values, count - 1, axis=1)[:, count - 1]
    return values <= last[:, None]
