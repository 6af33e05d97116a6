"""What a person sees of an inspection: a line for each file, what was found, and the verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from kline_harness.archives import NOT_STATED, FileInfo
from kline_harness.finding_text import evidence_text
from kline_harness.inspection import FileReport, Inspection
from kline_harness.inspection.kinds import KINDS
from kline_harness.nouns import counted
from kline_harness.terminal_console import STYLE, Console
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_SECOND
from kline_harness.verdict import Finding, Severity, Validity

_MARK = {
    Severity.ERROR: Text("error ", style="red"),
    Severity.DOUBT: Text("doubt ", style="yellow"),
    Severity.NOTICE: Text("notice", style="dim"),
}
_EXAMPLES_SHOWN = 3
# The checks across files that are told with what they leave out, whatever they found.
_SAID = ("same_trades", "klines_and_trades")
_WIDTH_IN_FILES = 160
_WIDTH_OF_TABLE = 100
_SENTENCE = {
    Validity.VALID: "valid: nothing is wrong with what was looked at",
    Validity.UNKNOWN: "unknown: what was found may be as it was, or lost",
    Validity.INVALID: "invalid: at least one file is not what it should be",
}


@contextmanager
def progress_of_files() -> Iterator[Callable[[str], None] | None]:
    """Show which file is being read, on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("opening files") as status:
        yield lambda name: status.update(f"reading {name}")


def show_inspection(inspection: Inspection) -> None:
    """Print the files, the findings of each, those across files, and the verdict."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=_WIDTH_IN_FILES)
    if console.width >= _WIDTH_OF_TABLE:
        console.print(_files(inspection))
    else:
        _show_narrow(inspection, console)
    for report in inspection.files:
        _findings(report.name, report.verdict.findings, console)
    for verdict in inspection.across:
        compared = verdict.counts.get("compared", 0)
        _findings(f"{verdict.check} ({compared:,} compared)", verdict.findings, console)
        if verdict.check == "klines_and_trades" and compared:
            text = f"{counted(compared, 'kline')} held to the volume of their trades"
            console.print(Text(text, style="dim"), soft_wrap=True)
        for reason in verdict.not_checked if verdict.check in _SAID else ():
            console.print(Text(f"not checked: {reason}", style="dim"), soft_wrap=True)
    validity = inspection.validity
    left_out = sum(not report.looked_at for report in inspection.files)
    of_all = f"; {left_out} of {len(inspection.files)} files were not looked at" if left_out else ""
    some = any(report.looked_at for report in inspection.files)
    sentence = _SENTENCE[validity] if some else "unknown: nothing is known of what was given"
    console.print(Text(sentence + of_all, style=STYLE[validity]), soft_wrap=True)


def _files(inspection: Inspection) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("file", "verdict", "checksum", "holds"):
        table.add_column(name, overflow="fold")
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("from, to", overflow="fold")
    for report in inspection.files:
        table.add_row(Text(report.name), *_row(report))
    return table


def _row(report: FileReport) -> tuple[Text, str, str, str, str]:
    """Return what stands in a file's row: verdict, checksum, what it holds, rows, times."""
    is_judged = report.looked_at or report.verdict.findings
    style = STYLE[report.verdict.validity] if is_judged else "dim"
    has_none = any(found.kind == "no_rows" for found in report.verdict.findings)
    unread = report.other_kind or ("no rows" if has_none else "broken")
    known = _known(report, report.info) if report.info else (unread, "", "")
    return Text(report.verdict_text, style=style), report.checksum.value, *known


def _show_narrow(inspection: Inspection, console: Console) -> None:
    """Print a paragraph for each file, where a row of a table would be cut to pieces."""
    for report in inspection.files:
        verdict, checksum, holds, rows, times = _row(report)
        console.print(Text(report.name))
        many = "row" if rows == "1" else "rows"
        rest = [f"checksum {checksum}", holds, *([f"{rows} {many}"] if rows else [])]
        console.print(Text("  ") + verdict + Text(f", {', '.join(rest)}"), soft_wrap=True)
        if times:
            console.print(Text(f"  {times}"), soft_wrap=True)


def _known(report: FileReport, info: FileInfo) -> tuple[str, str, str]:
    holds = info.layout if report.klines is None else f"{report.klines.interval} klines"
    if info.source not in ("binance", NOT_STATED):
        holds = f"{info.source} {holds}"
    parts = [holds, info.unit, info.compression, *(["header"] if info.header else [])]
    times = (info.first_event_time_ns, info.last_event_time_ns)
    span = " to ".join(_moment(time) for time in times if time is not None)
    return ", ".join(parts), f"{info.rows:,}", span


def _findings(place: str, findings: tuple[Finding, ...], console: Console) -> None:
    if not findings:
        return
    console.print()
    console.print(Text(place, style="bold"))
    for finding in findings:
        evidence = finding.evidence
        line = Text("  ") + _MARK[finding.severity]
        line += Text(f" {finding.kind} x {evidence['count']:,}: {KINDS[finding.kind].meaning}")
        console.print(line, soft_wrap=True)
        for example in evidence["examples"][:_EXAMPLES_SHOWN]:
            console.print(Text(f"         {evidence_text(example)}", style="dim"), soft_wrap=True)


def _moment(time_ns: int) -> str:
    """Write a time in UTC to the millisecond; the seconds only where they say something."""
    moment = datetime.fromtimestamp(time_ns // NS_PER_SECOND, tz=UTC)
    rest = time_ns % NS_PER_SECOND // NS_PER_MILLISECOND
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{rest:03}" if rest else "")
