"""Progress in the terminal while a command works: on a terminal only, and on stderr."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.text import Text

from kline_harness.nouns import counted
from kline_harness.replay.observations import Fed
from kline_harness.terminal_console import Console
from kline_harness.units import NS_PER_SECOND, utc_text

T = TypeVar("T")


@contextmanager
def progress_of_trades() -> Iterator[Callable[[Fed], None] | None]:
    """Show symbols, virtual time, trades and trades a second, on a terminal only."""
    with _progress("opening files", _told_of_trades) as progress:
        yield progress


def _told_of_trades(fed: Fed, seconds: float) -> str:
    symbols = counted(fed.symbols, "symbol")
    # To the second: fractions would only flicker.
    at = utc_text(fed.at_ns // NS_PER_SECOND * NS_PER_SECOND)
    rate = f", {fed.trades / seconds:,.0f} trades/s" if seconds > 0 else ""
    return f"{symbols} at {at}, {counted(fed.trades, 'trade')}{rate}"


@contextmanager
def progress_of_seeds(seeds: int) -> Iterator[Callable[[int], None] | None]:
    """Show how many seeds were run, on a terminal only."""
    with _progress("starting", lambda done, _: f"{done:,} of {counted(seeds, 'seed')}") as progress:
        yield progress


@contextmanager
def _progress(
    first: str, describe: Callable[[T, float], str]
) -> Iterator[Callable[[T], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    # Late: a tenth of a second that nobody would see anything for.
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(first)
        shown = progress.tasks[0]
        yield lambda done: progress.update(task, description=describe(done, shown.elapsed or 0.0))


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
        task = progress.add_task(f"0 of {counted(files, 'file')}", total=None)

        def show(line: str) -> None:
            number = next(done)
            console.print(Text(f"[{number}/{files}] {line}"), soft_wrap=True)
            progress.update(task, description=f"{number:,} of {counted(files, 'file')}")

        yield show, lambda count: progress.advance(task, count)
