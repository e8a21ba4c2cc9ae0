"""Terminal output: progress, notices, tables."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from synapsnet.printable import printable
from synapsnet.processes import rank

if TYPE_CHECKING:
    from reports.tables import Table as Scores


class _Safe(Console):
    """A console that never prints control sequences: printed text may come from a file."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(printable_text(renderable), options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def plain(text: str, style: str = "") -> Text:
    """Text that is shown as it is: rich reads brackets in a string as markup, and names come from files."""
    return Text(printable(text), style)


def printable_text(renderable: RenderableType) -> RenderableType:
    """Text made printable as a whole, because line breaks and styles may split an address from its secrets."""
    return printable(renderable) if isinstance(renderable, str) else renderable


for _name in ("stdout", "stderr"):
    if (_stream := getattr(sys, _name)) is None:  # closed: `synapsnet ... >&-`
        setattr(sys, _name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    elif hasattr(_stream, "reconfigure"):
        _stream.reconfigure(errors="replace")  # a terminal need not know all letters
SILENT = rank() > 0  # only the first of the processes that torchrun started prints
OUT = _Safe(highlight=False, quiet=SILENT, width=None if sys.stdout.isatty() else 120)
ERR = _Safe(stderr=True, quiet=SILENT, highlight=False, soft_wrap=True)
PLAIN_EVERY_S = 15.0  # seconds between lines where there is no terminal (a log file, CI)


def complain(sentence: str) -> None:
    """Print an error."""
    ERR.print("Error:", style="bold red", end=" ")
    ERR.print(sentence, markup=False)


def notify(sentence: str) -> None:
    """Print what was assumed, dropped or done."""
    ERR.print(sentence, style="yellow" if sentence.startswith("Warning:") else "dim", markup=False)


def say(sentence: str, style: str = "") -> None:
    """Print a result on a line of its own, which a terminal wraps and a pipe does not."""
    OUT.print(sentence, style=style, markup=False, soft_wrap=True)


def line(*words: object) -> str:
    """A command of ours as it is typed, whatever the names of the files."""
    return shlex.join(["synapsnet", *map(str, words)])


class Steps:
    """Progress over named steps, one line each; call it with a step and its fraction done (None: unknown)."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._what = ""
        self._started = self._printed = time.monotonic()

    def __call__(self, what: str, fraction: float | None) -> None:
        """Report that the step `what` is `fraction` done."""
        if what != self._what:
            self.finish()
            self._what, self._started = what, time.monotonic()
            self._task = self._bars.add_task(what, total=None if fraction is None else 1.0)
        assert self._task is not None
        if fraction is not None:
            self._bars.update(self._task, total=1.0, completed=fraction)
            if not ERR.is_terminal and time.monotonic() - self._printed > PLAIN_EVERY_S:
                self._printed = time.monotonic()
                notify(f"{what}: {fraction:.0%}")

    def finish(self) -> None:
        """Close the current step and say how long it took."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            notify(f"{self._what}: {time.monotonic() - self._started:.1f} s")
        self._task = None


@contextmanager
def progress() -> Iterator[Steps]:
    """Show progress bars on a terminal, plain lines elsewhere."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bars:
        steps = Steps(bars)
        yield steps
        steps.finish()


def facts(title: str, values: dict[str, str]) -> None:
    """Print facts by name."""
    table = Table(title=plain(title, "bold"), show_header=False, box=None, title_justify="left")
    for name, value in values.items():
        table.add_row(plain(name), plain(value))
    OUT.print(table)


def print_scores(scores: Scores, rows: str, *, fields: Sequence[str] | None = None, intervals: bool = False) -> None:
    """Print a table of a report; `rows` says what its rows are, `fields` which metrics are shown (default all)."""
    shown = [k for k, metric in enumerate(scores.columns) if fields is None or metric.field in fields]
    table = Table(title=plain(scores.caption, "bold"), title_justify="left")
    table.add_column(rows, overflow="fold")
    for k in shown:
        table.add_column(scores.columns[k].name, justify="right")
    for row in scores.rows:
        texts = [Text(row.cells[k].text, "bold" if row.cells[k].best else "") for k in shown]
        if intervals:
            texts = [text.append(f"\n{row.cells[k].interval}", "dim") for k, text in zip(shown, texts, strict=True)]
        table.add_row(plain(row.label), *texts)
    OUT.print(table)
