r"""What the linear readout of forecasts misses: a network that all neurons share, and apply each to itself.

Rhythms, bursts and states make the future depend on the past in ways that are not linear. So to the linear readout
(`synapsnet.multi_step`) of neuron i at step h comes

.. math::
    s_h\, R_h\big(z_i(t),\; x_i(t-1 \ldots t-P),\; I_i(t \ldots t-P+1),\; \hat I_i(t+1 \ldots t+H),\; e_i\big)

with its features z, its own past, the currents that it receives, those that the linear forecasts of other neurons will
send (:math:`\hat I = W \hat x`), a latent embedding, and a perceptron R whose outputs are the steps. It is the
decoder's idea, for longer pasts and farther futures: other neurons enter through `W` alone. R learns what a linear
readout of the training part misses there, and is kept where it misses the validation part least; the share s of it that
is used is a regression of what was missed in the validation part.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from synapsnet.progress import Advance, unheard

N_HIDDEN = 96
EXAMPLE_VALUES = 200_000_000  # of all inputs and steps of what it learns from, at most
ENOUGH_TO_SCALE = 100_000  # examples
BATCH, UPDATES, MOST_PASSES = 2048, 1000, 60  # examples an update; updates, and passes over few examples, at most
LEARNING_RATE, WARM_UP = 8e-3, 0.1
CHECKS, PATIENCE = 12, 4  # how often the validation part is looked at, and how often in vain once it was better
SMALLEST = 1e-6

Examples = Callable[[Tensor], tuple[Tensor, Tensor]]  # inputs (B, N, D), and what was missed (B, N, H), of B windows


class NonlinearReadout(nn.Module):
    """The readout described in the module's docstring; before it is fitted it adds nothing.

    Parameters
    ----------
    n_neurons, n_inputs, n_embedding, horizon : int
        N, D, E and H.
    """

    spread: Tensor
    size: Tensor
    share: Tensor

    def __init__(self, n_neurons: int, n_inputs: int, n_embedding: int, horizon: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(n_neurons, n_embedding) / 10)
        # Smooth: with kinks, rounding grows to a tenth of the forecasts in training, and processors would disagree.
        self.network = nn.Sequential(
            nn.Linear(n_inputs + n_embedding, N_HIDDEN), nn.SiLU(),
            nn.Linear(N_HIDDEN, N_HIDDEN), nn.SiLU(),
            nn.Linear(N_HIDDEN, horizon),
        )  # fmt: skip
        self.register_buffer("spread", torch.ones(n_inputs))
        self.register_buffer("size", torch.ones(horizon))
        self.register_buffer("share", torch.zeros(horizon))

    @torch.no_grad()
    def forward(self, inputs: Tensor, horizon: int) -> Tensor:
        """(H, B, N) to be added to the linear forecasts of the next H steps, from inputs (B, N, D)."""
        embedding = self.embedding.expand(len(inputs), -1, -1)
        return (self._scaled(inputs, embedding)[..., :horizon] * (self.share * self.size)[:horizon]).permute(2, 0, 1)

    def _scaled(self, inputs: Tensor, embedding: Tensor) -> Tensor:
        """(..., H) in units of what is missed."""
        missed: Tensor = self.network(torch.cat([inputs / self.spread, embedding], -1))
        return missed

    def fit(
        self,
        examples: Examples,
        training: Sequence[Tensor],
        validation: Sequence[Tensor],
        seed: int,
        advance: Advance = unheard,
    ) -> None:
        """Learn from windows of the training part; choose the network and its share by those of the validation part.

        Parameters
        ----------
        examples : callable
            Maps the first steps (B,) after windows to inputs (B, N, D) and what the linear readout misses (B, N, H').
        training, validation : sequences of (B,) tensors
            First steps after windows, in batches.
        seed : int
            Of the examples that are drawn.
        advance : callable
            Told the fraction done.
        """
        if training and validation:
            inputs, missed = _gathered(examples, training, len(self.embedding))
            windows = inputs.view(-1, len(self.embedding), inputs.shape[1])[:: -(-len(inputs) // ENOUGH_TO_SCALE)]
            spread = windows.flatten(0, 1).std(0)
            # What never varied, as the steps before short trials, is not known to mean anything when it does.
            self.spread.copy_(spread.masked_fill(spread < SMALLEST, torch.inf))
            reach = missed.shape[1]
            self.size[:reach] = missed.square().mean(0).sqrt().clamp(min=SMALLEST)
            held_out = _gathered(examples, validation, len(self.embedding))
            if self._learn(inputs, missed, held_out, torch.Generator().manual_seed(seed), advance):
                found = self._missed(*held_out)
                self.share[:reach] = ((found * held_out[1]).sum(0) / found.square().sum(0)).clamp(0, 1)
        advance(1.0)

    def _learn(
        self,
        inputs: Tensor,
        missed: Tensor,
        held_out: tuple[Tensor, Tensor],
        generator: torch.Generator,
        advance: Advance,
    ) -> bool:
        """Train until what is held out is no longer predicted better; whether it ever was better than by nothing."""
        n_updates = min(UPDATES, math.ceil(MOST_PASSES * len(inputs) / BATCH))
        optimiser = torch.optim.Adam(self.parameters(), lr=LEARNING_RATE, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, LEARNING_RATE, total_steps=n_updates + 1, pct_start=WARM_UP, cycle_momentum=False
        )
        size = self.size[: missed.shape[1]]
        kept, lowest, in_vain = None, float(held_out[1].square().mean()), 0
        for k in range(1, n_updates + 1):
            drawn = torch.randint(len(inputs), (BATCH,), generator=generator).to(inputs.device)
            optimiser.zero_grad()
            predicted = self._scaled(inputs[drawn], self.embedding[drawn % len(self.embedding)])[:, : len(size)]
            nn.functional.mse_loss(predicted, missed[drawn] / size).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            advance(k / n_updates)
            if k % math.ceil(n_updates / CHECKS) == 0 or k == n_updates:
                error = float((held_out[1] - self._missed(*held_out)).square().mean())
                in_vain += 1
                if error < lowest:
                    kept, lowest, in_vain = copy.deepcopy(self.state_dict()), error, 0
                if kept is not None and in_vain >= PATIENCE:
                    break
        if kept is not None:
            self.load_state_dict(kept)
        return kept is not None

    @torch.no_grad()
    def _missed(self, inputs: Tensor, missed: Tensor) -> Tensor:
        """What the network expects to be missed, in the shape of what was."""
        rows = torch.split(torch.arange(len(inputs), device=inputs.device), BATCH)
        parts = [self._scaled(inputs[part], self.embedding[part % len(self.embedding)]) for part in rows]
        return torch.cat(parts)[:, : missed.shape[1]] * self.size[: missed.shape[1]]


def _gathered(examples: Examples, windows: Sequence[Tensor], n_neurons: int) -> tuple[Tensor, Tensor]:
    """(B N, D) inputs and (B N, H') what was missed; neurons follow each other as in the recording."""
    gathered: list[Tensor] = []
    row, n_rows = 0, n_neurons * sum(map(len, windows))
    for first in windows:
        parts = [part.flatten(0, 1) for part in examples(first)]
        gathered = gathered or [part.new_empty(n_rows, part.shape[1]) for part in parts]  # once, in place of a copy
        for whole, part in zip(gathered, parts, strict=True):
            whole[row : row + len(part)] = part
        row += len(parts[0])
    return gathered[0], gathered[1]
