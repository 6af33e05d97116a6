"""What a gate found: problems, and the results of a case and of a suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any

from kline_harness.exit_codes import EXIT_CRASH
from kline_harness.gate.suite import Suite, SuiteCase
from kline_harness.verdict import Validity

SCHEMA = "kline-harness/gate/1"
# Problems of a case that are listed; the rest is counted.
LISTED_MAX = 200


class GateStatus(Enum):
    """The four ends of a case and of a suite; on merging, the later one wins."""

    GREEN = "green"
    UNKNOWN = "unknown"
    RED = "red"
    BROKEN = "broken"

    @property
    def exit_code(self) -> int:
        """Return the exit code of the command: 0 green, 1 red, 2 bad suite or input, 3 unknown."""
        return {"green": 0, "red": 1, "broken": 2, "unknown": 3}[self.value]


_WORSE = tuple(GateStatus)


class ProblemKind(Enum):
    """What a problem is about."""

    VERDICT = "verdict"
    EXPLANATION = "explanation"
    EXCHANGE = "exchange"
    KLINE = "kline"
    DIFFERENCE = "difference"
    FIGURE = "figure"
    COUNTER = "counter"
    INPUT = "input"
    BASELINE = "baseline"
    NO_BASELINE = "no_baseline"
    TIME = "time"
    BROKEN = "broken"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a case is not green; `message` says all of it in one sentence.

    `before` is the baseline's value, or the exchange's for kind `exchange`; `now` the run's.
    Both are exact decimal text. `cause` says why, as far as it is proved.
    """

    kind: ProblemKind
    message: str
    symbol: str | None = None
    interval: str | None = None
    open_time: str | None = None
    field: str | None = None
    before: str | None = None
    now: str | None = None
    cause: str | None = None

    @property
    def status(self) -> GateStatus:
        """Return what the problem makes of its case."""
        undecided = self.kind is ProblemKind.VERDICT and self.now == Validity.UNKNOWN.value
        if undecided or self.kind is ProblemKind.NO_BASELINE:
            return GateStatus.UNKNOWN
        return GateStatus.BROKEN if self.kind is ProblemKind.BROKEN else GateStatus.RED

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as a JSON object."""
        return asdict(self) | {"kind": self.kind.value}


class Problems:
    """Problems of a case: the first are listed, as many as there are; all are counted.

    A changed aggregator can change every kline of a suite.
    """

    def __init__(self, *found: Iterable[Problem]) -> None:
        self.listed: list[Problem] = []
        self.total = 0
        self.status = GateStatus.GREEN
        for problem in chain(*found):
            self.total += 1
            self.status = max(self.status, problem.status, key=_WORSE.index)
            if self.total <= LISTED_MAX:
                self.listed.append(problem)

    def __add__(self, other: Problems) -> Problems:
        both = Problems(self.listed, other.listed)
        both.total = self.total + other.total
        both.status = max(self.status, other.status, key=_WORSE.index)
        return both

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.total - len(self.listed)

    @property
    def sentence(self) -> str:
        """Say the first, and how many there are beyond it; nothing where there is none."""
        more = f" (and {self.total - 1:,} more)" if self.total > 1 else ""
        return f"{self.listed[0].message}{more}" if self.listed else ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended.

    `problems` are what keeps it from green, `more` how many there are beyond those listed;
    `changes` and `more_changes` are what an update wrote. `ratio` is the wall time in
    yardsticks and `seconds` that time: the figures that differ from run to run, and no part of
    `to_dict`.
    """

    case: SuiteCase
    status: GateStatus
    sentence: str
    validity: Validity | None = None
    problems: tuple[Problem, ...] = ()
    more: int = 0
    changes: tuple[Problem, ...] = ()
    more_changes: int = 0
    updated: bool = False
    counters: Mapping[str, int] = field(default_factory=dict)
    ratio: float | None = None
    seconds: float = 0.0
    folder: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {
            "name": self.case.name,
            "line": self.case.line,
            "status": self.status.value,
            "sentence": self.sentence,
            "expected": self.case.verdict.value,
            "verdict": None if self.validity is None else self.validity.value,
            "problems": [problem.to_dict() for problem in self.problems],
            "more": self.more,
            "updated": self.updated,
            "changes": [change.to_dict() for change in self.changes],
            "more_changes": self.more_changes,
            "counters": dict(self.counters),
        }


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a suite ended; `orphans` are baselines of cases that it no longer has."""

    suite: Suite
    cases: tuple[CaseResult, ...]
    orphans: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def status(self) -> GateStatus:
        """Return the worst status of all cases; a baseline without a case is red."""
        worst = max((_WORSE.index(case.status) for case in self.cases), default=0)
        return max(
            _WORSE[worst], GateStatus.RED if self.orphans else GateStatus.GREEN, key=_WORSE.index
        )

    @property
    def exit_code(self) -> int:
        """Return the exit code of the command: that of the status, but 70 after a crash."""
        problems = (problem for case in self.cases for problem in case.problems)
        crashed = any(problem.kind is ProblemKind.CRASH for problem in problems)
        return EXIT_CRASH if crashed else self.status.exit_code

    def count(self, status: GateStatus) -> int:
        """Return how many cases ended so."""
        return sum(case.status is status for case in self.cases)

    @property
    def sentence(self) -> str:
        """Say how the suite ended."""
        counts = ", ".join(f"{self.count(s)} {s.value}" for s in GateStatus if self.count(s))
        cases = f"{len(self.cases)} case{'s' if len(self.cases) != 1 else ''}"
        end = f"; {len(self.orphans)} baselines without a case" if self.orphans else ""
        return f"{self.status.value.capitalize()}: {cases}, {counts}{end}."

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {
            "schema": SCHEMA,
            "suite": self.suite.path.name,
            "status": self.status.value,
            "exit_code": self.status.exit_code,
            "sentence": self.sentence,
            "cases": [case.to_dict() for case in self.cases],
            "orphans": list(self.orphans),
            "removed": list(self.removed),
        }
