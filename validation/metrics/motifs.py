"""Unconnected pairs that look connected because they are related otherwise.

==================  =======================================================  =================================
motif               pre and post                                             looks connected because
==================  =======================================================  =================================
chain               pre -> a third neuron -> post                            spikes pass through the third
common-input        a third neuron -> pre and post                           both follow the third
reverse             post -> pre                                              the two are related, other way round
relay               pre -> hidden neurons -> post, see `strong_effective`    spikes pass through the hidden
unequal-delays      a third neuron -> pre, and -> post later                 post follows pre as if driven by it
==================  =======================================================  =================================
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from simulators.topologies.motifs import lookalikes
from synapsnet.array_types import BoolArray
from synapsnet.connectome import Connectome


def lookalike_pairs(truth: Connectome, neurons: pd.DataFrame | None = None) -> dict[str, BoolArray]:
    """The unconnected pairs of each motif.

    Parameters
    ----------
    truth : Connectome
        "relay" needs its effective connectivity.
    neurons : DataFrame with N rows, optional
        If their ids are those of the topology "motifs", the pairs that it was built for count as well;
        "unequal-delays", and "relay" without effective connectivity, cannot be identified otherwise.

    Returns
    -------
    dict of motif -> (N, N) bool array, `[post, pre]`
        Never on the diagonal nor on a connection; one pair may belong to several.
    """
    sends = csr_array(truth.adjacency, dtype=np.int32)
    pairs = {
        "chain": (sends @ sends).toarray() > 0,
        "common-input": (sends @ sends.T).toarray() > 0,
        "reverse": truth.adjacency.T,
        "relay": np.zeros_like(truth.adjacency) if truth.effective is None else strong_effective(truth),
        "unequal-delays": np.zeros_like(truth.adjacency),
    }
    for pair in [] if neurons is None else lookalikes(neurons):
        pairs[pair.motif][pair.post, pair.pre] = True
    candidates = truth.pairs & ~truth.adjacency
    return {motif: members & candidates for motif, members in pairs.items()}


def strong_effective(truth: Connectome) -> BoolArray:
    """(N, N) pairs with the largest absolute effective connectivity, as many as there are direct connections.

    Through hidden neurons nearly every pair is weakly connected; ties with the weakest of these count as well.
    """
    if truth.effective is None or not truth.adjacency.any():
        return np.zeros_like(truth.adjacency)
    size = np.abs(truth.effective)
    return (size > 0) & (size >= np.sort(size, axis=None)[-int(truth.adjacency.sum())])
