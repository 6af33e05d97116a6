"""A result as annotations at the suite's lines: GitHub's commands, GitLab's code quality."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from kline_harness.gate.output import printable
from kline_harness.gate.results import GateResult, GateStatus, Problem

# GitHub shows ten errors a step, so a case is one of them with its first problems.
_SHOWN = 10
_GITLAB_SEVERITY = {
    GateStatus.UNKNOWN: "major",
    GateStatus.RED: "critical",
    GateStatus.BROKEN: "blocker",
}


def to_github(result: GateResult) -> str:
    """Return a workflow command per case that is not green.

    Source: GitHub's workflow commands: `%`, CR and LF are escaped everywhere, `:` and `,` in
    properties too.
    """
    return "".join(f"{command}\n" for command in _github(result))


def to_gitlab(result: GateResult) -> str:
    """Return a code quality report with an issue per problem.

    Fingerprints depend on case, kind and place, so that GitLab tells old issues from new ones.

    Source: GitLab's code quality report format: description, check_name, fingerprint, severity,
    location.
    """
    issues = []
    for case in result.cases:
        for problem in case.problems:
            text = f"{case.case.name}: {printable(problem.message)}"
            identity = _identity(case.case.name, problem)
            severity = _GITLAB_SEVERITY[problem.status]
            kind = problem.kind.value
            issues.append(_issue(result, text, kind, identity, severity, case.case.line))
    for name in result.orphans:
        text = f"baseline without a case: {printable(name)}"
        issues.append(_issue(result, text, "baseline", f"orphan {name}", "critical", 1))
    return json.dumps(issues, indent=1, ensure_ascii=False) + "\n"


def _github(result: GateResult) -> Iterator[str]:
    file = _property(_path(result))
    for case in result.cases:
        if case.status is not GateStatus.GREEN:
            lines = [printable(problem.message) for problem in case.problems[:_SHOWN]]
            hidden = len(case.problems) - len(lines) + case.more
            lines += [f"and {hidden:,} more"] if hidden else []
            title = _property(f"{case.case.name} is {case.status.value}")
            place = f"file={file},line={case.case.line},title={title}"
            yield f"::error {place}::{_data(chr(10).join(lines))}"
    for name in result.orphans:
        yield f"::error file={file},title=baseline without a case::{_data(name)}"


def _issue(
    result: GateResult, text: str, kind: str, identity: str, severity: str, line: int
) -> dict[str, object]:
    return {
        "description": text,
        "check_name": f"kline-gate/{kind}",
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
        "severity": severity,
        "location": {"path": _path(result), "lines": {"begin": line}},
    }


def _identity(name: str, problem: Problem) -> str:
    words = (problem.symbol, problem.interval, problem.open_time, problem.field)
    place = [word or "" for word in words]
    return "\n".join([name, problem.kind.value, *place] if any(place) else [name, problem.message])


def _path(result: GateResult) -> str:
    """Return the suite's path as CI wants it: relative to where the gate runs, if it is below."""
    path = result.suite.path.resolve()
    here = Path.cwd().resolve()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
