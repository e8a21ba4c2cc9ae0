"""Places on a circle, for topologies whose neighbours are those on a circle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


def spread(cell_type: pd.Series[str]) -> npt.NDArray[np.float64]:
    """(N,) places from 0 to below 1 on a circle, with the neurons of each cell type evenly around all of it."""
    of_its_type = cell_type.groupby(cell_type)
    return (of_its_type.cumcount() / of_its_type.transform("size")).to_numpy(dtype=float)
