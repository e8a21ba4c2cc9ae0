"""Connectivity as linear attention between neurons, after NetFormer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from synapsnet.connectome import Connectome
from synapsnet.errors import InputError
from synapsnet.recording import Recording
from synapsnet.splits import split_rows
from validation.methods.base import activity_of
from validation.methods.neural import VALIDATION, train, window_starts

AVERAGE_WINDOWS = 4096
BATCH, PASSES = 256, 30  # more than forecasters: single connections are faint


class NetFormer:
    r"""Time-averaged attention of a linear transformer that predicts the next step; O(T N D) per pass over the data.

    In the style of Lu et al. 2025, ICLR, "NetFormer: An interpretable model for recovering dynamical connectivity in
    neuronal population dynamics". A token is a neuron: its last `n_past` steps and a learned embedding. Queries and
    keys are linear in it, and the attention, without a softmax, is the connectivity at that time:

    .. math:: x_i(t + 1) = w_i^\top x_i(t - n + 1 \ldots t) + \sum_{j \ne i} A_{ij}(t) x_j(t), \quad
              A_{ij}(t) = q_i(t)^\top k_j(t) / \sqrt D

    It is our reading of the paper, not its code: every neuron has a linear filter w of its own past, so that A is
    left with what comes from others; activity (of calcium, deconvolved) is z-scored; training is that of the
    forecasters (`validation.methods.neural`). The rank of the part of A that is constant in time is at most the size
    of the embeddings: with less than about the number of neurons, far fewer connections are found. There are no
    standard errors.

    Parameters
    ----------
    n_past : int
        Steps of a token.
    n_embedding, n_attention : int
        Sizes of embeddings and of queries and keys (D); chosen, like the training, on seed 1 of "lif-random".
    seed : int
    """

    def __init__(self, n_past: int = 6, n_embedding: int = 128, n_attention: int = 128, seed: int = 0) -> None:
        self.n_past, self.n_embedding, self.n_attention, self.seed = n_past, n_embedding, n_attention, seed

    def infer(self, recording: Recording) -> Connectome:
        """See `validation.methods.base.Method`.

        Raises
        ------
        InputError
            If no epoch is long enough.
        """
        span = self.n_past + 1
        training, validation = split_rows(recording.segments, VALIDATION, gap=span)
        starts, held_out = window_starts(training, span), window_starts(validation, span)
        if not len(starts) or not len(held_out):
            raise InputError(
                f"NetFormer needs epochs of {span} steps, to train on and to decide when to stop; record longer ones."
            )
        activity = activity_of(recording)
        spread = activity.std(axis=0)
        values = torch.from_numpy((activity - activity.mean(axis=0)) / np.where(spread > 0, spread, 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = _Network(recording.n_neurons, self.n_past, self.n_embedding, self.n_attention)
            train(network, values, starts, held_out, self.n_past, 1, batch=BATCH, passes=PASSES)
        evenly = torch.from_numpy(
            starts[np.linspace(0, len(starts) - 1, min(len(starts), AVERAGE_WINDOWS)).astype(int)]
        )
        with torch.no_grad():
            attention = network.mean_attention(values[evenly[:, None] + torch.arange(self.n_past)])
        weight = attention.numpy().astype(float)
        np.fill_diagonal(weight, 0)
        return Connectome(weight, unit="SD per SD")


class _Network(nn.Module):
    def __init__(self, n_neurons: int, n_past: int, n_embedding: int, n_attention: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(n_neurons, n_embedding))
        self.query = nn.Linear(n_past + n_embedding, n_attention)
        nn.init.zeros_(self.query.weight)  # no attention to start with: a random one is worse than none
        nn.init.zeros_(self.query.bias)
        self.key = nn.Linear(n_past + n_embedding, n_attention)
        self.own = nn.Parameter(torch.zeros(n_past, n_neurons))

    def forward(self, past: Tensor) -> Tensor:
        """(B, 1, N) next step from windows (B, n_past, N)."""
        query, key = self._attend(past)
        last = past[:, -1]
        # Without a softmax the sum over senders comes first: N x D instead of N x N operations.
        sent = torch.einsum("bnd,bn->bd", key, last)
        received = torch.einsum("bnd,bd->bn", query, sent) - (query * key).sum(-1) * last
        return ((past * self.own).sum(1) + received)[:, None]

    def mean_attention(self, past: Tensor) -> Tensor:
        """(N, N) attention `[post, pre]`, averaged over windows."""
        query, key = self._attend(past)
        return torch.einsum("bnd,bmd->nm", query, key) / len(past)

    def _attend(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys, (B, N, D)."""
        token = torch.cat([past.mT, self.embedding.expand(len(past), -1, -1)], dim=-1)
        query, key = self.query(token), self.key(token)
        return query / query.shape[-1] ** 0.5, key
