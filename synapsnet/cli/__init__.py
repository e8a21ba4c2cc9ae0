"""The command line: the only part that knows all others."""

from __future__ import annotations

import errno
import os
import sys

# Threads that wait by spinning are several times slower as soon as anything else wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before PyTorch is imported

from synapsnet.cli.app import app
from synapsnet.cli.console import complain
from synapsnet.errors import InputError

__all__ = ["app", "main"]


def main() -> None:
    """Run `synapsnet`; input that cannot be used ends in one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        complain(str(error))
        sys.exit(2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        complain(f"There is no space left on the disk{f' for {error.filename}' if error.filename else ''}; make room.")
        sys.exit(2)
    except MemoryError:
        complain("This needs more memory than there is; use fewer neurons, larger time steps or a shorter recording.")
        sys.exit(2)
