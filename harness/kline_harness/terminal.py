"""What a person sees in the terminal: progress while a run goes on, a summary at its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kline_harness.comparison.compare import Class, Comparison
from kline_harness.replay import Outcome
from kline_harness.verdict import Finding, Validity

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


def show_outcome(outcome: Outcome) -> None:
    """Print the checks, the comparison, the first findings and the verdict."""
    console = Console(highlight=False)
    console.print(_checks(outcome))
    if outcome.comparison is not None:
        console.print(_comparison(outcome.comparison))
    _findings([f for check in outcome.checks for f in check.findings], console)
    console.print(Text(outcome.sentence, style=_STYLE[outcome.validity]))
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


def show_comparison(comparison: Comparison) -> None:
    """Print a comparison, its first findings, and what it comes to."""
    console = Console(highlight=False)
    console.print(_comparison(comparison))
    verdict = comparison.verdict()
    _findings(list(verdict.findings), console)
    counts = ", ".join(f"{count:,} {name}" for name, count in verdict.counts.items())
    console.print(Text(f"{verdict.validity.value}: {counts}", style=_STYLE[verdict.validity]))


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


def _findings(findings: list[Finding], console: Console) -> None:
    findings.sort(key=lambda finding: finding.severity.value != "error")
    for finding in findings[:_FINDINGS_SHOWN]:
        place = " ".join(part for part in (finding.symbol, finding.interval) if part)
        evidence = ", ".join(f"{name} {value}" for name, value in finding.evidence.items())
        console.print(
            Text(f"{finding.severity.value}: {finding.check} {finding.kind} {place}: {evidence}"),
            style="dim" if finding.severity.value == "notice" else "",
        )
    if len(findings) > _FINDINGS_SHOWN:
        console.print(f"and {len(findings) - _FINDINGS_SHOWN:,} more in findings.ndjson")
