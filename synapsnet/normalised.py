"""Activity as a model sees it, and what is computed of it step by step, which may be larger than memory.

Activity is normalised: in memory as a tensor or, where it is large, as it is read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synapsnet.memmap import give_back, is_large, zeros


class Normalised:
    """Activity that may be larger than memory. It is indexed by time steps, as a tensor is, and gives tensors.

    Parameters
    ----------
    values : (T, N) float32 array
        See `synapsnet.memmap`.
    centre, scale : (N,) tensors
        What is subtracted and what is divided by, on the device on which the activity is wanted.
    """

    def __init__(self, values: npt.NDArray[np.float32], centre: Tensor, scale: Tensor) -> None:
        self._values, self._centre, self._scale = values, centre, scale
        self.shape, self.device = values.shape, centre.device

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, steps: slice | Tensor) -> Tensor:
        rows = steps if isinstance(steps, slice) else steps.cpu().numpy()
        read = torch.from_numpy(self._values[rows]).to(self.device)
        normal = (read - self._centre).div_(self._scale)
        give_back(self._values)
        return normal


Activity = Tensor | Normalised


def normalised(values: npt.NDArray[np.float32], centre: Tensor, scale: Tensor) -> Activity:
    """Activity as a model sees it, on the device of `centre`, see `Normalised`."""
    if is_large(values.shape):
        return Normalised(values, centre, scale)
    return (torch.from_numpy(values).to(centre.device) - centre).div_(scale)


class Scratch:
    """(T, N) zeros to be written to, which are indexed by a slice of steps; large ones lie in a temporary file.

    Parameters
    ----------
    shape : (T, N)
    device : torch.device
        On a GPU they lie in its memory, however large they are.
    """

    def __init__(self, shape: tuple[int, int], device: torch.device) -> None:
        self._array = zeros(shape) if device.type == "cpu" else None
        self._values = torch.zeros(shape, device=device) if self._array is None else torch.from_numpy(self._array)

    def __getitem__(self, steps: slice) -> Tensor:
        if self._array is not None:
            give_back(self._array)
        return self._values[steps]
