"""The stages of a fit after its training: each reports its progress, and its result is kept until the fit is complete.

A fit that was interrupted reads the results of finished stages and goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import safetensors.torch
from torch import Tensor

from synapsnet.errors import InputError, first_line
from synapsnet.files import atomic_path, make_folder
from synapsnet.progress import Advance, Progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Stages:
    """See the module.

    Attributes
    ----------
    progress : callable
        Called with the name of a stage and the fraction of it that is done.
    fabric : Fabric
        One of its processes writes; all read.
    folder : Path or None
        Where results are kept; None: nowhere.
    resume : bool
        Whether to read what an interrupted fit has left there.
    identity : str
        Hash of everything that results depend on. Those of another fit are computed anew.
    """

    progress: Progress
    fabric: Fabric
    folder: Path | None = None
    resume: bool = False
    identity: str = ""

    def result(self, name: str, compute: Callable[[Advance], Tensors]) -> Tensors:
        """What `compute` returns, now or before the fit was interrupted.

        Parameters
        ----------
        name : str
            Of the stage, and of the file without its ending.
        compute : callable
            Called with what is to be told the fraction done.

        Raises
        ------
        InputError
            If the file is damaged, or cannot be written.
        """
        path = None if self.folder is None else self.folder / f"{name}.safetensors"
        kept = None if path is None or not self.resume else self._read(path)
        if kept is None:
            # In the order of their indices, as they are read again: sums over them round in the same way.
            kept = {k: v.contiguous() for k, v in compute(lambda done: self.progress(name, done)).items()}
            if path is not None and self.fabric.is_global_zero:
                make_folder(path.parent)
                with atomic_path(path) as temporary:
                    safetensors.torch.save_file(kept, temporary, {"identity": self.identity})
        self.progress(name, 1.0)
        return kept

    def _read(self, path: Path) -> Tensors | None:
        """The result in a file; None if there is none, or that of another fit."""
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, "pt") as file:
                if file.metadata()["identity"] != self.identity:
                    return None
            return safetensors.torch.load_file(path, device=str(self.fabric.device))
        except (OSError, safetensors.SafetensorError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({first_line(error)}); fit again without --resume.") from error
