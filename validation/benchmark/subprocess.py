"""One case of a benchmark in a separate process, which may raise, hang or be killed without harming anything else.

This module imports little: it is what the workers load.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

# One thread: cases run side by side, their times can be compared, and results do not depend on the number of workers.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMBA_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
    ),
    "1",
)


class Score(BaseModel):
    """One metric with its interval within the case; NaN where it is not defined."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    metric: str
    value: float
    low: float
    high: float


class Outcome(BaseModel):
    """The outcome of a case of a benchmark.

    Attributes
    ----------
    status : {"ok", "failed", "timeout", "killed", "unrecorded"}
        The method raised ("failed") or ran out of time, its process or worker died, or there was no recording.
    reason : str
        Reason for anything but "ok", in one line.
    seconds : float or None
        Wall time of the inference, on one thread; if it ran out of time, how much there was.
    peak_mib : float or None
        Largest resident memory of the process, the libraries that it imports included.
    scores : list of Score
    """

    status: Literal["ok", "failed", "timeout", "killed", "unrecorded"]
    reason: str = ""
    seconds: float | None = None
    peak_mib: float | None = None
    scores: list[Score] = []

    def final(self, time_limit_s: float) -> bool:
        """Whether a repetition would end in the same way: what is not the method's doing may be the machine's fault."""
        if self.status == "timeout":
            return self.seconds is not None and self.seconds >= time_limit_s
        return self.status in ("ok", "failed")


def run_in_child(case: str, time_limit_s: float) -> str:
    """Run a case and wait for it.

    Parameters
    ----------
    case : str
        `validation.benchmark.suite.Case` as JSON.
    time_limit_s : float

    Returns
    -------
    str
        `Outcome` as JSON.
    """
    with tempfile.TemporaryDirectory(prefix="synapsnet-case-") as folder:
        result, log = Path(folder) / "outcome.json", Path(folder) / "stderr"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "validation.benchmark.case", str(result)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=os.environ
                | ONE_THREAD
                | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
                start_new_session=True,  # Ctrl-C stops the runner, which then ends the case
            )
        assert process.stdin is not None
        try:
            process.stdin.write(case.encode() + b"\n")
            process.stdin.flush()  # and stays open: when it closes, this process has died, and so does the case
            process.wait(timeout=time_limit_s)
        except BrokenPipeError:
            process.wait()
        except subprocess.TimeoutExpired:
            reason = f"not done after {time_limit_s:g} s"
            return Outcome(status="timeout", reason=reason, seconds=time_limit_s).model_dump_json()
        finally:
            _end(process)
        if result.exists():
            return result.read_text(encoding="utf-8")
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        how = f"ended by {signal.Signals(-process.returncode).name}" if process.returncode < 0 else "ended"
        reason = f"its process {how} without a result{': ' if last else ''}{''.join(last)}"
        return Outcome(status="killed", reason=reason).model_dump_json()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and those that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
