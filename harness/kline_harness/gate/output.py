"""A result for people and programs: text, JSON, Markdown. The same result, the same bytes."""

from __future__ import annotations

import html
import json
import re

from kline_harness.gate.results import CaseResult, GateResult, GateStatus, Problem

SHOWN = 20
_MARKS = {
    GateStatus.GREEN: "✅",
    GateStatus.UNKNOWN: "❔",
    GateStatus.RED: "❌",
    GateStatus.BROKEN: "⛔",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# What begins markup, a table cell, a mention, a reference or a link.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~])|([@#]|:(?=/))")


def to_text(result: GateResult) -> str:
    """Return the result for a terminal or a log: a line a case, its problems below."""
    width = max(len(case.case.name) for case in result.cases)
    lines = []
    for case in result.cases:
        sentence = case.sentence if case.status is GateStatus.GREEN else ""
        head = f"{case.status.value:<7} {case.case.name:<{width}}  {printable(sentence)}"
        lines.append(head.rstrip())
        lines += _listed(case.problems, case.more)
        lines += _listed(case.changes, case.more_changes)
        page = None if case.folder is None else case.folder / "report.html"
        if case.status is not GateStatus.GREEN and page is not None and page.is_file():
            lines.append(f"        see {printable(str(page))}")
    lines += [f"red     baseline without a case: {name}" for name in result.orphans]
    lines += [f"deleted the baseline of {name}, a case no more" for name in result.removed]
    return "\n".join([*lines, result.sentence]) + "\n"


def to_json(result: GateResult) -> str:
    """Return the result as JSON, schema kline-harness/gate/1."""
    return json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"


def to_markdown(result: GateResult) -> str:
    """Return the result as a summary for a pull request or a job's page."""
    mark = _MARKS[result.status]
    lines = [f"## {mark} Kline gate: {escape_markdown(result.suite.path.name)}", ""]
    lines += [escape_markdown(result.sentence), ""]
    lines += ["| | case | verdict | expected | klines | trades |", "|---|---|---|---|--:|--:|"]
    lines += [_row(case) for case in result.cases]
    for case in result.cases:
        lines += _section(case)
    for name in result.orphans:
        lines += ["", f"❌ baseline without a case: {escape_markdown(name)}"]
    for name in result.removed:
        lines += ["", f"Deleted the baseline of {escape_markdown(name)}, a case no more."]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Write text so that Markdown and HTML show it as it is, on one line."""
    escaped = html.escape(printable(text), quote=False)
    return _MARKDOWN.sub(lambda m: f"\\{m[1]}" if m[1] else f"&#{ord(m[2])};", escaped)


def printable(text: str) -> str:
    """Return text on one line without control characters."""
    return _CONTROL.sub("\ufffd", text.replace("\r", " ").replace("\n", " ").replace("\t", " "))


def _listed(problems: tuple[Problem, ...], more: int) -> list[str]:
    lines = [f"        {printable(problem.message)}" for problem in problems[:SHOWN]]
    hidden = len(problems) - len(lines) + more
    return [*lines, f"        and {hidden:,} more"] if hidden else lines


def _row(case: CaseResult) -> str:
    verdict = "none" if case.validity is None else case.validity.value
    counts = [
        f"{case.counters[name]:,}" if case.counters else "" for name in ("klines", "rows_fed")
    ]
    name = escape_markdown(case.case.name)
    cells = [_MARKS[case.status], name, verdict, case.case.verdict.value, *counts]
    return f"| {' | '.join(cells)} |"


def _section(case: CaseResult) -> list[str]:
    title = case.case.name + (": baseline written" if case.updated else "")
    lines = []
    for problems, more in ((case.problems, case.more), (case.changes, case.more_changes)):
        if problems:
            lines += ["", f"### {escape_markdown(title)}", ""]
            lines += [f"- {escape_markdown(problem.message)}" for problem in problems[:SHOWN]]
            hidden = max(0, len(problems) - SHOWN) + more
            lines += [f"- and {hidden:,} more"] if hidden else []
    return lines
