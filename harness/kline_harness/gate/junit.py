"""A result as JUnit XML."""

from __future__ import annotations

from kline_harness.gate.results import GateResult, GateStatus
from kline_harness.junit import JUnitSuite


def to_junit(result: GateResult) -> str:
    """Return the result as one test suite with a test per case.

    Red and unknown cases are failures, broken ones errors; baselines without a case are one
    failure of their own. Times are seconds of wall time.
    """
    group = result.suite.path.stem
    suite = JUnitSuite(group)
    for case in result.cases:
        name, kind, outcome = case.case.name, case.status.value, "failure"
        if case.status is GateStatus.GREEN:
            suite.add(group, name, seconds=case.seconds)
            continue
        if case.status is GateStatus.BROKEN:
            outcome = "error"
        lines = [problem.message for problem in case.problems]
        lines += [f"and {case.more:,} more"] if case.more else []
        said = {"type": kind, "message": case.sentence}
        suite.add(group, name, outcome, seconds=case.seconds, text="\n".join(lines), **said)
    if result.orphans:
        message = f"baselines without a case: {', '.join(result.orphans)}"
        suite.add(group, "baselines", "failure", type="baseline", message=message)
    return suite.to_xml(sum(case.seconds for case in result.cases))
