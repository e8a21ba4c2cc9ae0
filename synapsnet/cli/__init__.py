"""The command line: the only part that imports all others."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

# Threads that wait by spinning become several times slower as soon as another program needs a core.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before PyTorch is imported
# The working directory may hold a random.py or a queue.py, so our processes do not import from it first.
os.environ.setdefault("PYTHONSAFEPATH", "1")

from synapsnet.cli.console import complain
from synapsnet.errors import sentence
from synapsnet.processes import watched

__all__ = ["main", "start"]

RUN_METHODS = ("check", "score", "benchmark")  # they run methods of others, which may do anything


class _Ended(BaseException):
    """Somebody wants this process to end: no error, and nothing that a method's `sys.exit` would be taken for."""


def start() -> None:
    """Run `synapsnet` as a command; what runs methods of others is watched."""
    if sys.argv[1:2] and sys.argv[1] in RUN_METHODS:
        report = watched(complain)  # before anything is imported that has threads
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        report(code if isinstance(code, int) else int(code is not None))
        sys.exit(code)  # type: ignore[arg-type]
    main()


def main() -> None:
    """Run `synapsnet`; every error ends in one sentence and exit code 2.

    If SYNAPSNET_TRACEBACK is set in the environment, the traceback is shown.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not where `nohup` says otherwise
            with suppress(ValueError):  # not the main thread
                signal.signal(number, _end)
    try:
        from synapsnet.cli.app import app

        app()
    except _Ended as ended:
        sys.exit(ended.args[0])
    except BrokenPipeError:  # nobody reads on, as in `synapsnet catalogue | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a method of others may raise what is no Exception
        if os.environ.get("SYNAPSNET_TRACEBACK"):
            raise
        complain(str(sentence(error)))
        sys.exit(2)


def _end(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: children are ended and what is unfinished is removed."""
    raise _Ended(128 + number)
