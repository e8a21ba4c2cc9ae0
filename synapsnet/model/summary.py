"""Mean, spread and range of each neuron, block by block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Summary:
    """What `n_steps` steps of activity or behaviour are like.

    Attributes
    ----------
    n_steps : int
    mean, spread : (N,) tensor
        Mean and standard deviation; the latter is exactly 0 if a column is constant, despite rounding.
    lowest, highest : (N,) tensor
    """

    n_steps: int
    mean: Tensor
    spread: Tensor
    lowest: Tensor
    highest: Tensor

    @classmethod
    def of(cls, blocks: Iterable[Tensor]) -> Summary:
        """The summary of blocks of rows, (B, N).

        Their moments are put together as by Chan, Golub & LeVeque 1983, Am Stat 37:242.
        """
        n, mean, squares = 0, torch.zeros(()).double(), torch.zeros(()).double()
        least, most = torch.tensor(torch.inf), torch.tensor(-torch.inf)
        for block in blocks:
            here = block.to(torch.float64, copy=True)
            n_here, mean_here = len(here), here.mean(0)
            apart = mean_here - mean
            # In place: with one more block at a time, blocks that were freed fill the memory (glibc before 2.38).
            squares = squares + here.sub_(mean_here).square_().sum(0) + apart.square() * n * n_here / (n + n_here)
            mean = mean + apart * n_here / (n + n_here)
            n += n_here
            least, most = torch.minimum(least, block.amin(0)), torch.maximum(most, block.amax(0))
        spread = torch.where(most > least, (squares / max(n - 1, 1)).sqrt(), 0.0)
        return cls(n, mean.to(least), spread.to(least), least, most)

    @property
    def scale(self) -> Tensor:
        """(N,) standard deviation; 1 for a constant column, which is only centred."""
        return torch.where(self.spread > 0, self.spread, 1.0)

    def normalised(self, centre: Tensor, scale: Tensor) -> Summary:
        """The summary after `centre` was subtracted, and the rest divided by `scale`; (N,) each."""
        mean, lowest, highest = ((value - centre) / scale for value in (self.mean, self.lowest, self.highest))
        return replace(self, mean=mean, spread=self.spread / scale, lowest=lowest, highest=highest)
