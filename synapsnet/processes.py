"""The processes that `torchrun` started, told from stray variables of other programs' jobs."""

from __future__ import annotations

import os

_OF_TORCHRUN = "TORCHELASTIC_RUN_ID"  # which nothing else sets; RANK and WORLD_SIZE have many masters


def rank() -> int:
    """Number of this process among those that `torchrun` started; 0 if it started none."""
    return int(os.environ["RANK"]) if _OF_TORCHRUN in os.environ else 0


def sizes() -> tuple[int, int]:
    """How many processes `torchrun` started on this machine, and on all; 1 and 1 if it started none."""
    if _OF_TORCHRUN not in os.environ:
        return 1, 1
    return int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
