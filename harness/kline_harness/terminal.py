"""What a person sees in the terminal: progress while a run goes on, a summary at its end."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kline_harness.comparison.compare import Class, Comparison
from kline_harness.comparison.summary import summary
from kline_harness.finding_text import finding_text
from kline_harness.replay import Outcome
from kline_harness.verdict import Finding, Severity, Validity

_STYLE = {
    Validity.VALID: "bold green",
    Validity.UNKNOWN: "bold yellow",
    Validity.INVALID: "bold red",
}
_FINDINGS_SHOWN = 8


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


def show_outcome(outcome: Outcome) -> None:
    """Print the checks, the comparison, the first findings and the verdict."""
    console = Console(highlight=False)
    console.print(_checks(outcome))
    if outcome.comparison is not None:
        console.print(_comparison(outcome.comparison))
    found = [finding for check in outcome.checks for finding in check.findings]
    _findings(found, console, f"in {outcome.directory / 'findings.ndjson'}")
    console.print(Text(outcome.sentence, style=_STYLE[outcome.validity]), soft_wrap=True)
    report = outcome.directory / "report.html"
    shown = report if report.exists() else outcome.directory
    console.print(f"{shown}  ({outcome.seconds:.1f} s)", soft_wrap=True)


def _checks(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("check")
    table.add_column("verdict")
    table.add_column("what it looked at")
    for check in outcome.checks:
        seen = ", ".join(f"{name} {count:,}" for name, count in check.counts.items() if count)
        table.add_row(
            check.check, Text(check.validity.value, style=_STYLE[check.validity]), Text(seen)
        )
    return table


def show_comparison(comparison: Comparison, full: Path | None = None) -> None:
    """Print a comparison, its first findings, and what it comes to.

    `full` is the file that holds all findings, if one was asked for.
    """
    console = Console(highlight=False)
    console.print(_comparison(comparison))
    verdict = comparison.verdict()
    where = f"in {full}" if full else "(--out FILE.ndjson writes them all)"
    _findings(list(verdict.findings), console, where)
    text = f"{verdict.validity.value.capitalize()}: {summary(comparison)}."
    console.print(Text(text, style=_STYLE[verdict.validity]), soft_wrap=True)


def _comparison(comparison: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title=None)
    table.add_column("symbol")
    table.add_column("interval")
    for klass in Class:
        table.add_column(klass.value, justify="right")
    table.add_column("outside", justify="right")
    for result in comparison.series:
        counts = [f"{result.count(klass):,}" for klass in Class]
        table.add_row(Text(result.symbol), str(result.interval), *counts, f"{result.outside:,}")
    return table


def _findings(findings: list[Finding], console: Console, where: str) -> None:
    order = [Severity.ERROR, Severity.DOUBT, Severity.NOTICE]
    findings.sort(key=lambda finding: order.index(finding.severity))
    for finding in findings[:_FINDINGS_SHOWN]:
        style = "dim" if finding.severity is Severity.NOTICE else ""
        console.print(Text(finding_text(finding), style=style), soft_wrap=True)
    if len(findings) > _FINDINGS_SHOWN:
        console.print(f"and {len(findings) - _FINDINGS_SHOWN:,} more {where}", soft_wrap=True)
