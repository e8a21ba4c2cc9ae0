"""The command line: the only part that knows all others."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

# Threads that wait by spinning are several times slower as soon as anything else wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before PyTorch is imported
# A user's folder may hold a random.py or a queue.py: processes of ours do not look for modules in it first.
os.environ.setdefault("PYTHONSAFEPATH", "1")

from synapsnet.cli.app import app
from synapsnet.cli.console import complain
from synapsnet.errors import sentence

__all__ = ["app", "main"]


def main() -> None:
    """Run `synapsnet`; what cannot be done ends in one sentence and exit code 2.

    With SYNAPSNET_TRACEBACK in the environment, in a traceback.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not where `nohup` says otherwise
            with suppress(ValueError):  # not the main thread
                signal.signal(number, _end)
    try:
        app()
    except BrokenPipeError:  # nobody reads on, as in `synapsnet catalogue | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes
        sys.exit(1)
    except Exception as error:
        if os.environ.get("SYNAPSNET_TRACEBACK"):
            raise
        complain(str(sentence(error)))
        sys.exit(2)


def _end(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: children are ended and what is unfinished is removed."""
    sys.exit(128 + number)
