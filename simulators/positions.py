"""Where the neurons of a simulation are."""

from __future__ import annotations

import numpy as np

from synapsnet.array_types import FloatArray
from synapsnet.errors import InputError
from synapsnet.recording import Simulation


def positions_um(simulation: Simulation, purpose: str) -> FloatArray:
    """(N, 3) positions in micrometres.

    Raises
    ------
    InputError
        If one is unknown; its sentence says that `purpose` needs them.
    """
    position = simulation.neurons[["x_um", "y_um", "z_um"]].to_numpy(float)
    unknown = int((~np.isfinite(position)).any(axis=1).sum())
    if unknown:
        raise InputError(
            f"{purpose} needs the positions of all neurons, but {unknown} of {len(position)} are unknown; "
            "leave it out, or give the neuron table x_um, y_um and z_um."
        )
    return position
