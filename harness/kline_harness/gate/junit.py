"""A result as JUnit XML, which every CI server reads."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from kline_harness.gate.results import CaseResult, GateResult, GateStatus

# What XML 1.0 cannot hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: GateResult) -> str:
    """Return the result as one test suite with a test per case.

    Red and unknown cases are failures, broken ones errors; baselines without a case are one
    failure of their own. Times are seconds of wall time.
    """
    suite = ElementTree.Element("testsuite", name=_xml(result.suite.path.stem))
    for case in result.cases:
        _add_case(suite, result, case)
    if result.orphans:
        test = _test(suite, result, "baselines")
        message = f"baselines without a case: {', '.join(result.orphans)}"
        ElementTree.SubElement(test, "failure", type="baseline", message=_xml(message))
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": 0,
    }
    root = ElementTree.Element("testsuites")
    for element in (root, suite):
        element.set("time", f"{sum(case.seconds for case in result.cases):.3f}")
        for name, count in counts.items():
            element.set(name, str(count))
    root.append(suite)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _add_case(suite: ElementTree.Element, result: GateResult, case: CaseResult) -> None:
    test = _test(suite, result, case.case.name)
    test.set("time", f"{case.seconds:.3f}")
    if case.status is GateStatus.GREEN:
        return
    tag = "error" if case.status is GateStatus.BROKEN else "failure"
    failure = ElementTree.SubElement(test, tag, type=case.status.value, message=_xml(case.sentence))
    lines = [problem.message for problem in case.problems]
    lines += [f"and {case.more:,} more"] if case.more else []
    failure.text = _xml("\n".join(lines))


def _test(suite: ElementTree.Element, result: GateResult, name: str) -> ElementTree.Element:
    attributes = {"classname": _xml(result.suite.path.stem), "name": _xml(name)}
    return ElementTree.SubElement(suite, "testcase", attributes)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
