"""Progress in the terminal while a command works: on a terminal only, and on stderr."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text


@contextmanager
def progress_of_trades() -> Iterator[Callable[[int], None] | None]:
    """Show how many trades were fed, on a terminal only."""
    with _progress("opening files", "{:,} trades".format) as progress:
        yield progress


@contextmanager
def progress_of_seeds(seeds: int) -> Iterator[Callable[[int], None] | None]:
    """Show how many seeds were run, on a terminal only."""
    with _progress("starting", lambda done: f"{done:,} of {seeds:,} seeds") as progress:
        yield progress


@contextmanager
def _progress(first: str, told: Callable[[int], str]) -> Iterator[Callable[[int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    # Late: a tenth of a second that nobody would see anything for.
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(first)
        yield lambda count: progress.update(task, description=told(count))


@contextmanager
def progress_of_files(
    files: int,
) -> Iterator[tuple[Callable[[str], None], Callable[[int], None] | None]]:
    """Yield what shows a line for a file that is done, and on a terminal what counts bytes.

    There a line below them shows files, bytes and bytes a second. Lines go to stderr.
    """
    done = itertools.count(1)
    if not sys.stderr.isatty():
        yield lambda line: print(f"[{next(done)}/{files}] {line}", file=sys.stderr), None
        return
    from rich import progress as bars

    columns = (
        *(bars.SpinnerColumn(), bars.TextColumn("{task.description}")),
        *(bars.FileSizeColumn(), bars.TransferSpeedColumn()),
        bars.TimeElapsedColumn(),
    )
    console = Console(stderr=True, highlight=False)
    with bars.Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"0 of {files:,} files", total=None)

        def show(line: str) -> None:
            number = next(done)
            console.print(Text(f"[{number}/{files}] {line}"), soft_wrap=True)
            progress.update(task, description=f"{number:,} of {files:,} files")

        yield show, lambda count: progress.advance(task, count)
