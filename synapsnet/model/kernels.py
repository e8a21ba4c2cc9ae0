"""Synaptic kernels: how what a neuron sends depends on its past. One class per assumption."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapsnet.errors import InputError
from synapsnet.model.connectivity import Connectivity

N_GROUPS = 4  # of pairs by distance


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
        self.raw_kernel = nn.Parameter((0.5 ** torch.arange(n_lags)).repeat(n_neurons, 1))

    @property
    def kernel(self) -> Tensor:
        """(N, L) kernels over lags 1..L, each with a sum of absolute values of 1, so that `W` has a scale."""
        return _to_one(self.raw_kernel)

    def filtered(self, past: Tensor) -> Tensor:
        """(B, N) presynaptic activity after its kernel, from windows (B, N, M) of past activity."""
        return _filtered(past, self.kernel)

    def current(self, past: Tensor, connectivity: Connectivity) -> Tensor:
        """(B, N) input current of each neuron from windows (B, N, M) of everybody's past."""
        current: Tensor = connectivity(self.filtered(past))
        return current


class KernelByDistance(KernelPerNeuron):
    """The kernel of a presynaptic neuron times one of the pair's distance, so that delays may grow with it.

    Pairs are in `N_GROUPS` groups, see `distance_groups`; each has one factor for each lag, shared by its pairs.
    """

    def __init__(self, n_neurons: int, n_lags: int) -> None:
        super().__init__(n_neurons, n_lags)
        self.log_factor = nn.Parameter(torch.zeros(N_GROUPS, n_lags))
        self.register_buffer("group", torch.zeros(n_neurons, n_neurons, dtype=torch.uint8))
        self.group: Tensor

    def kernels(self) -> Tensor:
        """(G, N, L) kernels of each presynaptic neuron to the neurons at each distance."""
        return _to_one(self.raw_kernel * torch.exp(self.log_factor)[:, None])

    @property
    def kernel(self) -> Tensor:
        """(N, L) mean over distances, which have as many pairs each; a sum of absolute values of 1 again."""
        return _to_one(self.kernels().mean(0))

    def current(self, past: Tensor, connectivity: Connectivity) -> Tensor:
        """(B, N) input current, each connection with the kernel of its distance.

        `filtered`, by which evidence of connections is added to the trained ones, has the mean kernel instead.
        """
        weight = connectivity.weight
        return sum(
            (
                _filtered(past, kernel) @ torch.where(self.group == group, weight, 0.0).T
                for group, kernel in enumerate(self.kernels())
            ),
            start=torch.zeros_like(past[..., 0]),
        )


KERNELS: dict[str, type[KernelPerNeuron]] = {"neuron": KernelPerNeuron, "distance": KernelByDistance}


def distance_groups(position_um: npt.NDArray[np.float64]) -> Tensor:
    """(N, N) group of each pair by its distance, 0 to `N_GROUPS` - 1, as many pairs in each.

    Parameters
    ----------
    position_um : (N, 3) array
        Columns that are NaN throughout (the depth, often) are not used.

    Raises
    ------
    InputError
        If the position of a neuron is not known, or all are the same.
    """
    position = position_um[:, np.isfinite(position_um).any(axis=0)]
    unplaced = int((~np.isfinite(position)).any(axis=1).sum()) if position.shape[1] else len(position)
    if unplaced or not np.ptp(position, axis=0).any():
        raise InputError(
            f"Kernels by distance need the position of every neuron; {unplaced or 'all'} of {len(position)} neurons "
            f"have {'none' if unplaced else 'the same'}. Use kernels='neuron', or give positions."
        )
    apart = np.linalg.norm(position[:, None] - position, axis=-1)
    pairs = apart[~np.eye(len(apart), dtype=bool)]
    borders = np.quantile(pairs, np.arange(1, N_GROUPS) / N_GROUPS)
    return torch.from_numpy(np.searchsorted(borders, apart).astype(np.uint8))


def _to_one(raw: Tensor) -> Tensor:
    return raw / raw.abs().sum(-1, keepdim=True)


def _filtered(past: Tensor, kernel: Tensor) -> Tensor:
    n_steps = past.shape[-1]
    return sum(
        (kernel[:, lag - 1] * past[..., n_steps - lag] for lag in range(1, kernel.shape[1] + 1)),
        start=torch.zeros_like(past[..., 0]),
    )
