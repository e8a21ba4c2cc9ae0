"""Which pairs to report by the scores of any method: those that stand out from what most pairs have.

A method's own errors take the neurons' activity for independent except for what it models. Where neurons share more,
scores of all pairs scatter further than the errors say. The scores themselves show how far, since most pairs are not
connected: their spread, what is a product of two neurons' loadings, and which neurons scatter further than others
(`synapsnet.inference.background`). What then stands out is decided by the posterior that SynapsNet's own evidence
passes through (`synapsnet.inference.posterior`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from synapsnet.connectome import Connectome
from synapsnet.inference.background import NORMAL_MEDIAN, less_shared
from synapsnet.inference.evidence import Evidence
from synapsnet.inference.posterior import posterior

MANY_STEPS = 10**9  # sets the error at zero lag, where there is nothing


def calibrated_connectome(inferred: Connectome) -> Connectome:
    """The same weights with a `p_value` and a `local_fdr` by which connections are reported and ranked.

    Parameters
    ----------
    inferred : Connectome
        Pairs with a score of 0 in both directions are taken for not tested. A connectome that has a
        `local_fdr` already is returned as it is.
    """
    if inferred.local_fdr is not None:
        return inferred
    scores = torch.from_numpy(np.array(inferred.scores, dtype=np.float64))
    tested = ((scores != 0) | (scores.T != 0)).fill_diagonal_(False)
    if not tested.any():
        nothing = np.ones(inferred.weight.shape)
        return replace(inferred, p_value=nothing, local_fdr=nothing)
    centre = scores[tested].median()
    spread = ((scores[tested] - centre).abs().median() / NORMAL_MEDIAN).clamp(min=torch.finfo(torch.float64).tiny)
    z = torch.where(tested, ((scores - centre) / spread).clamp(-1e6, 1e6), 0.0).float()
    result = posterior(Evidence.at_lags(*less_shared(z, tested), MANY_STEPS, tested))
    # A score of the other sign is less than what neurons share would make.
    agrees = (z * torch.from_numpy(np.sign(inferred.weight)).float() > 0).numpy()
    return replace(inferred, p_value=result.p_value.numpy(), local_fdr=np.where(agrees, result.p_absent.numpy(), 1.0))
