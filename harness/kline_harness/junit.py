"""Results as JUnit XML, which every CI server reads."""

from __future__ import annotations

import re
from xml.etree import ElementTree

# What XML 1.0 cannot hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


class JUnitSuite:
    """One test suite; without times, in seconds, the same results are the same bytes."""

    def __init__(self, name: str) -> None:
        self._suite = ElementTree.Element("testsuite", name=_xml(name))

    def add(
        self,
        group: str,
        name: str,
        outcome: str | None = None,
        *,
        seconds: float | None = None,
        text: str = "",
        **attributes: str,
    ) -> None:
        """Add a test; `outcome` is "failure", "error" or "skipped", with attributes and a text."""
        test = ElementTree.SubElement(self._suite, "testcase", classname=_xml(group))
        test.set("name", _xml(name))
        if seconds is not None:
            test.set("time", f"{seconds:.3f}")
        if outcome is not None:
            safe = {key: _xml(value) for key, value in attributes.items()}
            ElementTree.SubElement(test, outcome, safe).text = _xml(text)

    def to_xml(self, seconds: float | None = None) -> str:
        """Return the suite as a document."""
        suite, root = self._suite, ElementTree.Element("testsuites")
        counts = {name: len(suite.findall(f"testcase/{tag}")) for name, tag in _COUNTED.items()}
        for element in (root, suite):
            if seconds is not None:
                element.set("time", f"{seconds:.3f}")
            for name, count in {"tests": len(suite), **counts}.items():
                element.set(name, str(count))
        root.append(suite)
        ElementTree.indent(root)
        body = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
