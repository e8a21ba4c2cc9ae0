"""Run a suite with Dask: on the cores of this machine, on a cluster that is there, or on Slurm.

FOLDER/cases/HASH.json    `validation.benchmark.subprocess.Outcome` of each case that is done
FOLDER/results.parquet    the table (`validation.benchmark.table`)

Dask schedules the cases and repeats those whose worker died. Results are saved as they come in, so an interrupted run
continues where it stopped, and only what has changed is computed again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import joblib
import pandas as pd
from distributed import Client, Future, LocalCluster, as_completed
from distributed.deploy import Cluster
from pydantic import ValidationError

from synapsnet.errors import InputError
from synapsnet.files import locked, write_text
from synapsnet.limits import require_memory
from synapsnet.wording import counted
from validation.benchmark.sources import case_key, versions
from validation.benchmark.subprocess import Outcome, run_in_child
from validation.benchmark.suite import Case, Suite
from validation.benchmark.table import read_earlier, tidy, with_earlier, write_table

CASES = "cases"
RETRIES = 2  # for a case that could not even be started
SLURM_MEMORY = "8 GiB"
WORKER_BYTES, SLURM_WORKER_BYTES = 2**28, 2**20  # here: the worker with a small case; what the scheduler knows of it


@contextmanager
def connect(*, scheduler: str | None = None, slurm: bool = False, workers: int | None = None) -> Iterator[Client]:
    """Workers to run cases on.

    Parameters
    ----------
    scheduler : str, optional
        Address of a Dask scheduler that is running, for example "tcp://10.0.0.1:8786". Its workers need this package
        and the methods installed.
    slurm : bool
        Submit each worker as a Slurm job of one core, configured in Dask's `jobqueue.yaml` (queue, walltime, memory).
    workers : int, optional
        How many to start. Default: as many as this machine has cores; Slurm needs a number.

    Raises
    ------
    InputError
        If the scheduler does not answer, there are more workers than this machine could hold, or what Slurm needs is
        not installed.
    """
    if scheduler is not None and (slurm or workers is not None):
        raise InputError("A scheduler that is running has its own workers; leave out --slurm and --workers.")
    if workers is not None:
        worker_bytes = SLURM_WORKER_BYTES if slurm else WORKER_BYTES
        require_memory(worker_bytes * workers, f"{workers:.6g} workers at once", "start fewer (--workers)")
    with ExitStack() as stack:
        if scheduler is not None:
            try:
                client = Client(scheduler, timeout="30s")
            except (OSError, ValueError) as error:
                raise InputError(f"No Dask scheduler answers at {scheduler}; check the address.") from error
        else:
            client = Client(stack.enter_context(_slurm(workers) if slurm else _local(workers)))
        yield stack.enter_context(client)


def run_suite(
    suite: Suite,
    folder: str | Path,
    client: Client,
    *,
    more_methods: Sequence[str] = (),
    progress: Callable[[str, float | None], None] = lambda what, fraction: None,
    notify: Callable[[str], None] = lambda sentence: None,
) -> pd.DataFrame:
    """Compute what is not done yet, and write the table.

    Parameters
    ----------
    suite : Suite
    folder : path
        Created if it does not exist.
    client : distributed.Client
        See `connect`.
    more_methods : sequence of str
        See `Suite.cases`.
    progress : callable
        Gets a step and the fraction done.
    notify : callable
        Gets a sentence for each case that failed.

    Returns
    -------
    DataFrame
        See `validation.benchmark.table`; with what the folder has of other cases already.

    Raises
    ------
    InputError
        If a method does not exist, the folder cannot be written to, or it holds other settings under the same names.
    """
    for label, why in suite.absent().items():
        notify(f"{label} is skipped: {why}")
    cases = [(case, case_key(case)) for case in suite.cases(more_methods)]
    folder = Path(folder)
    kept = _folder(folder)
    with locked(folder):
        return _run_cases(cases, suite.time_limit_s, folder, kept, client, progress, notify)


def _run_cases(
    cases: list[tuple[Case, str]],
    time_limit_s: float,
    folder: Path,
    kept: Path,
    client: Client,
    progress: Callable[[str, float | None], None],
    notify: Callable[[str], None],
) -> pd.DataFrame:
    earlier = read_earlier(folder, [case for case, _ in cases])
    saved = {key: _load(kept / f"{key}.json") for _, key in cases}
    outcomes = {key: outcome for key, outcome in saved.items() if outcome and outcome.final(time_limit_s)}
    missing = {key: case for case, key in cases if key not in outcomes}
    if outcomes:
        notify(f"Done already: {counted(len(outcomes), 'case')}.")
    step = f"running {counted(len(missing), 'case')}"
    progress(step, 0.0)
    futures = {
        client.submit(run_in_child, case.model_dump_json(), time_limit_s, key=key, retries=RETRIES): key
        for key, case in missing.items()
    }
    for n_done, future in enumerate(as_completed(futures), start=1):
        key = futures[future]
        outcomes[key] = outcome = _outcome(future)
        if outcome.final(time_limit_s):
            write_text(kept / f"{key}.json", outcome.model_dump_json())
        if outcome.status != "ok":
            notify(f"{missing[key]}: {outcome.status}, {outcome.reason}")
        progress(step, n_done / len(futures))
    new = tidy(((case, key, outcomes[key]) for case, key in cases), versions())
    table = with_earlier(new, earlier)
    if len(table) > len(new):
        notify(f"Results of other methods or settings that were in {folder} are kept beside these.")
    write_table(table, folder)
    return table


def _local(workers: int | None) -> LocalCluster:
    """Processes on this machine; memory and threads are the business of the cases' own processes."""
    return LocalCluster(
        n_workers=workers or joblib.cpu_count(),
        threads_per_worker=1,
        processes=True,
        memory_limit=0,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,  # a worker that died is reported by its case
    )


def _slurm(workers: int | None) -> Cluster:
    if workers is None:
        raise InputError("Say with --workers how many Slurm jobs to submit.")
    try:
        from dask_jobqueue import SLURMCluster
    except ModuleNotFoundError as error:
        raise InputError("Slurm needs dask-jobqueue; install it with `pip install synapsnet[slurm]`.") from error
    memory = dask.config.get("jobqueue.slurm.memory", None) or SLURM_MEMORY
    cluster = SLURMCluster(cores=1, processes=1, memory=memory)
    cluster.scale(jobs=workers)
    return cluster


def _folder(folder: Path) -> Path:
    try:
        (folder / CASES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot write into {folder}: {error.strerror}; give another folder (-o).") from error
    return folder / CASES


def _load(path: Path) -> Outcome | None:
    """What is kept of a case; None if there is nothing, or it is damaged."""
    try:
        return Outcome.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _outcome(future: Future) -> Outcome:
    error = future.exception()
    if error is None:
        return Outcome.model_validate_json(future.result())
    return Outcome(status="killed", reason=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
