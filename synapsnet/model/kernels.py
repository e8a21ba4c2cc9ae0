"""Synaptic kernels: how the current that a neuron sends depends on its past activity."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synapsnet.model.connectivity import Connectivity


class KernelPerNeuron(nn.Module):
    """One kernel for each presynaptic neuron.

    Parameters
    ----------
    n_neurons : int
    n_lags : int
        Length L of the kernels in steps.
    """

    def __init__(self, n_neurons: int, n_lags: int) -> None:
        super().__init__()
        # To begin with it halves with every step, like a current that decays.
        self.raw_kernel = nn.Parameter((0.5 ** torch.arange(n_lags)).repeat(n_neurons, 1))

    @property
    def kernel(self) -> Tensor:
        """(N, L) kernels over lags 1..L, each with a sum of absolute values of 1, so that `W` has a scale."""
        return self.raw_kernel / self.raw_kernel.abs().sum(-1, keepdim=True)

    def filtered(self, past: Tensor) -> Tensor:
        """(B, N) presynaptic activity after its kernel, from windows (B, N, M) of past activity."""
        kernel, n_steps = self.kernel, past.shape[-1]
        # One pass over the activity for each lag: a convolution would filter steps that are then thrown away.
        return sum(
            (kernel[:, lag - 1] * past[..., n_steps - lag] for lag in range(1, kernel.shape[1] + 1)),
            start=torch.zeros_like(past[..., 0]),
        )

    def current(self, past: Tensor, connectivity: Connectivity) -> Tensor:
        """(B, N) input current of each neuron from windows (B, N, M) of everybody's past."""
        current: Tensor = connectivity(self.filtered(past))
        return current
