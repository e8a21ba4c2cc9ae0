"""Processes: those that `torchrun` started, and one that is watched because it runs foreign code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

_OF_TORCHRUN = "TORCHELASTIC_RUN_ID"  # only torchrun sets it; RANK and WORLD_SIZE are set by many programs


def rank() -> int:
    """Number of this process among those that `torchrun` started; 0 if it started none."""
    return int(os.environ["RANK"]) if _OF_TORCHRUN in os.environ else 0


def sizes() -> tuple[int, int]:
    """How many processes `torchrun` started on this machine, and on all machines; 1 and 1 if it started none."""
    if _OF_TORCHRUN not in os.environ:
        return 1, 1
    return int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])


def watched(complain: Callable[[str], None]) -> Callable[[int], None]:
    """Go on in a child process, while this one waits and ends with the exit code that the child reports.

    Code of others can end a process in ways that look like success: `os._exit(0)`, `exec`, a library's `exit`. The
    child's own exit code is therefore not believed.

    Parameters
    ----------
    complain : callable
        Gets the sentence for the case that the child ends without a report; the exit code is then 2.

    Returns
    -------
    callable
        In the child, which goes on here: to be called with the exit code when all is done.
    """
    reported, report = os.pipe()
    alive, living = os.pipe()  # nothing is ever written: it closes when the parent has ended
    child = os.fork()
    if child == 0:
        os.close(reported)
        os.close(living)
        threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()
        return lambda code: _report(report, code)
    os.close(report)
    os.close(alive)

    def forward(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT or not _in_foreground():  # a terminal sends it to the child, too
            os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    _, status = os.waitpid(child, 0)
    os.set_blocking(reported, False)  # a process that the child has left behind may hold the other end
    try:
        code = os.read(reported, 1)
    except BlockingIOError:
        code = b""
    if not code:
        how = os.waitstatus_to_exitcode(status)
        ended = f"exit code {how}" if how >= 0 else f"signal {signal.Signals(-how).name}"
        complain(f"There is no result: the process was ended ({ended}), by a method or for lack of memory; fix that.")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code[0] if code else 2)


def _report(pipe: int, code: int) -> None:
    os.write(pipe, bytes([code & 0xFF]))


def _end_with_parent(alive: int) -> None:
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _in_foreground() -> bool:
    """Whether this process is one of those to which a terminal sends Ctrl-C."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
