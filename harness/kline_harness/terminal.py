"""What a person sees in the terminal at the end of a replay or a comparison."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from kline_harness.comparison.compare import Class, Comparison, SeriesResult
from kline_harness.comparison.summary import sentence_of
from kline_harness.finding_text import count_text, finding_text
from kline_harness.interval import INTERVALS
from kline_harness.nouns import counted
from kline_harness.replay import Outcome
from kline_harness.terminal_console import STYLE, Console
from kline_harness.verdict import OMITTED, Finding, Severity, Verdict

_SEVERITIES = tuple(Severity)
_KINDS_SHOWN = 8
_OF_A_KIND_SHOWN = 3
_SERIES_SHOWN = 12
# Wider than any table.
_ANY = 1_000


def show_outcome(outcome: Outcome) -> None:
    """Print the checks, the comparison, the first findings of each kind and the verdict."""
    console = Console(highlight=False)
    console.print(_checks(outcome))
    console.print()
    if outcome.comparison is not None:
        _show_series(outcome.comparison, console)
        console.print()
    _show_findings(outcome.checks, console, outcome.directory / "findings.ndjson")
    show_sentence(outcome)
    report = outcome.directory / "report.html"
    shown = report if report.exists() else outcome.directory
    console.print(f"{shown}  ({outcome.seconds:.1f} s)", soft_wrap=True)


def show_sentence(outcome: Outcome) -> None:
    """Print the verdict with what it rests on, one line."""
    console = Console(highlight=False)
    console.print(Text(outcome.sentence, style=STYLE[outcome.validity]), soft_wrap=True)


def show_json(outcome: Outcome) -> None:
    """Print a replay's summary as one JSON object: verdict, checks, series, run folder."""
    compared = outcome.comparison
    content: dict[str, Any] = {
        "verdict": outcome.validity.value,
        "exit_code": outcome.validity.exit_code,
        "sentence": outcome.sentence,
        "trades": outcome.trades,
        "klines": outcome.klines,
        "checks": [check.to_dict() for check in outcome.checks],
        "comparison": None if compared is None else [one.to_dict() for one in compared.series],
        "directory": str(outcome.directory),
    }
    json.dump(content, sys.stdout, indent=2, ensure_ascii=False)
    print()


def _checks(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what it looked at")
    for check in outcome.checks:
        seen = ", ".join(count_text(name, count) for name, count in check.counts.items() if count)
        table.add_row(
            check.check, Text(check.validity.value, style=STYLE[check.validity]), Text(seen)
        )
    return table


def show_comparison(comparison: Comparison, full: Path | None = None) -> None:
    """Print a comparison, its first findings of each kind, and what it comes to.

    `full` is the file that holds all findings, if one was asked for.
    """
    console = Console(highlight=False)
    _show_series(comparison, console)
    verdict = comparison.verdict()
    console.print()
    _show_findings([verdict], console, full)
    console.print(Text(sentence_of(comparison), style=STYLE[verdict.validity]), soft_wrap=True)


def _show_series(comparison: Comparison, console: Console) -> None:
    """Print the series that differ, a line each, and those that do not in one line."""
    differing = [one for one in comparison.series if one.differences]
    same = [one for one in comparison.series if not one.differences]
    if differing:
        table = _series_table(differing[:_SERIES_SHOWN])
        if console.measure(table, options=console.options.update(max_width=_ANY)).maximum <= (
            console.width
        ):
            console.print(table)
        else:
            # Cut numbers would be other numbers.
            for one in differing[:_SERIES_SHOWN]:
                outside = [f"{one.outside:,} outside"] if one.outside else []
                counts = ", ".join([*_class_counts([one]), *outside])
                console.print(Text(f"{one.symbol} {one.interval}: {counts}"), soft_wrap=True)
    if len(differing) > _SERIES_SHOWN:
        rest = differing[_SERIES_SHOWN:]
        found = ", ".join(_class_counts(rest))
        console.print(f"and {_series(rest)}: {found}", soft_wrap=True)
    if same:
        words = "nothing compared"
        if any(one.identical for one in same):
            words = f"all {counted(sum(one.identical for one in same), 'kline')} identical"
        console.print(f"{_series(same)}: {words}", soft_wrap=True)


def _series_table(series: Sequence[SeriesResult]) -> Table:
    """Return a line for each series, with the classes that any of them has."""
    table = Table(box=None, pad_edge=False, header_style="dim", title=None)
    table.add_column("symbol", no_wrap=True)
    table.add_column("interval", no_wrap=True)
    classes = [category for category in Class if any(one.count(category) for one in series)]
    outside = any(one.outside for one in series)
    for name in [*(category.value for category in classes), *(["outside"] if outside else [])]:
        table.add_column(name, justify="right", no_wrap=True)
    for one in series:
        counts = [f"{one.count(category):,}" for category in classes]
        counts += [f"{one.outside:,}"] if outside else []
        table.add_row(Text(one.symbol), str(one.interval), *counts)
    return table


def _series(series: Sequence[SeriesResult]) -> str:
    symbols = list(dict.fromkeys(one.symbol for one in series))
    asked = {str(one.interval) for one in series}
    intervals = [interval.text for interval in INTERVALS if interval.text in asked]
    who = symbols[0] if len(symbols) == 1 else counted(len(symbols), "symbol")
    which = intervals[0] if len(intervals) == 1 else f"{intervals[0]} to {intervals[-1]}"
    return f"{len(series):,} series of {who}, {which}" if len(series) > 1 else f"{who} {which}"


def _class_counts(series: Iterable[SeriesResult]) -> list[str]:
    rows = list(series)
    sums = {category: sum(one.count(category) for one in rows) for category in Class}
    return [f"{count:,} {category.value}" for category, count in sums.items() if count]


def _show_findings(checks: Iterable[Verdict], console: Console, full: Path | None) -> None:
    """Print the first findings of each kind, errors first, each kind with how many there are.

    `full` is the file with those that are kept, if there is one: of some kinds the first thousand.
    """
    groups: list[tuple[Severity, str, list[Finding], int]] = []
    for check in checks:
        kinds: dict[tuple[Severity, str], list[Finding]] = {}
        for finding in check.findings:
            if finding.kind != OMITTED:
                kinds.setdefault((finding.severity, finding.kind), []).append(finding)
        for (severity, kind), found in kinds.items():
            groups.append((severity, kind, found, len(found) + check.omitted(severity, kind)))
    groups.sort(key=lambda group: _SEVERITIES.index(group[0]))
    for severity, kind, found, total in groups[:_KINDS_SHOWN]:
        style = "dim" if severity is Severity.NOTICE else ""
        for finding in found[:_OF_A_KIND_SHOWN]:
            console.print(Text(finding_text(finding), style=style), soft_wrap=True)
        if total > _OF_A_KIND_SHOWN:
            more = f"  and {total - _OF_A_KIND_SHOWN:,} more of {found[0].check} {kind}"
            more += f" ({total:,}; {_where(len(found), total, full)})"
            console.print(Text(more, style=style), soft_wrap=True)
    if len(groups) > _KINDS_SHOWN:
        rest = groups[_KINDS_SHOWN:]
        kept, count = sum(len(found) for _, _, found, _ in rest), sum(total for *_, total in rest)
        where = _where(kept, count, full)
        console.print(f"and {count:,} of {len(rest):,} other kinds ({where})", soft_wrap=True)


def _where(kept: int, total: int, full: Path | None) -> str:
    if full is None:
        return "--out FILE.ndjson writes them all"
    return f"all in {full}" if kept == total else f"{kept:,} of them in {full}"
