"""suite.toml to a frozen Suite: every key checked before anything runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kline_harness.comparison.causes.registry import MEANINGS
from kline_harness.comparison.compare import Class
from kline_harness.errors import UsageError, UserError
from kline_harness.history.held_files import files_of
from kline_harness.history.selection import is_selection
from kline_harness.interval import Interval, parse_intervals
from kline_harness.replay import Audit, Scenario
from kline_harness.replay.decode import decode
from kline_harness.replay.scenario_file import scenario_of
from kline_harness.run_record import RECORD_FILE
from kline_harness.toml_file import read_toml
from kline_harness.verdict import Validity

_SUITE_KEYS = ("baseline", "max_ratio", "case")
_CASE_KEYS = (
    *("name", "trades", "klines", "intervals", "aggregator", "scenario", "verdict", "allow"),
    *("audit", "market", "symbol", "ours"),
)
# What only a replay knows.
_REPLAY_KEYS = ("trades", "intervals", "aggregator", "scenario", "audit", "market")
# Names are file names of baselines and run folders on every system, and test ids.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# What may stand before the name of a cause; nothing allows it in both classes.
_WORDS = ("", Class.PROVED.value, Class.CONSISTENT.value)
_HEADER = re.compile(r"^\s*\[\[\s*case\s*\]\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One replay of a suite.

    `scenario` is the scenario file's, with what the case itself says on top; `options` are the
    command line's words for that. `verdict` is the one expected; `allow` the causes by which
    klines may differ from the exchange's; `line` where the case begins in the suite's file.
    A case with `ours`, klines that a service made, has no trades and replays nothing.
    """

    name: str
    trades: tuple[Path, ...]
    klines: tuple[Path, ...]
    scenario: Scenario
    options: tuple[str, ...] = ()
    verdict: Validity = Validity.VALID
    allow: tuple[str, ...] = ()
    line: int = 1
    ours: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """The cases of a suite file in its order, and the directory of their baselines.

    `max_ratio` bounds a case's wall time in yardsticks; None leaves it a mere report. A suite
    that is not `whole` lacks cases of its file.
    """

    path: Path
    baseline: Path
    cases: tuple[SuiteCase, ...]
    max_ratio: float | None = None
    whole: bool = True


def load_suite(path: Path) -> Suite:
    """Read a suite file, or the suite.toml of a folder; the paths in it are relative to it.

    Raises UsageError, one sentence with file, table and key, for anything that is wrong.
    """
    path = path / "suite.toml" if path.is_dir() else path
    content = read_toml(path)
    top = _Table(str(path), path.parent, content)
    top.refuse_unknown(_SUITE_KEYS)
    tables = content.get("case")
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise UsageError(f"{path}: expected at least one table [[case]], found none")
    lines = _case_lines(path, len(tables))
    cases = tuple(
        _case(path, number, table, line)
        for number, (table, line) in enumerate(zip(tables, lines, strict=True), start=1)
    )
    _refuse_repeated(path, cases)
    baseline = top.text("baseline")
    return Suite(
        path,
        path.with_suffix(".baseline") if baseline is None else path.parent / baseline,
        cases,
        top.ratio("max_ratio"),
    )


def chosen(suite: Suite, names: Sequence[str]) -> Suite:
    """Return the suite with only the cases that one of the names or patterns (``btc-*``) is of.

    Raises UsageError for a name or pattern that no case has.
    """
    for name in names:
        if not any(fnmatchcase(case.name, name) for case in suite.cases):
            known = ", ".join(case.name for case in suite.cases)
            raise UsageError(f"{suite.path}: no case {name!r}; expected one of {known}")
    cases = (one for one in suite.cases if any(fnmatchcase(one.name, name) for name in names))
    return replace(suite, cases=tuple(cases), whole=False)


def _case_lines(path: Path, cases: int) -> list[int]:
    """Return the line of each [[case]]; 1 where the file writes its cases in another way."""
    source = path.read_text(encoding="utf-8")
    found = [source.count("\n", 0, match.end()) + 1 for match in _HEADER.finditer(source)]
    return found if len(found) == cases else [1] * cases


def _case(path: Path, number: int, content: Mapping[str, Any], line: int) -> SuiteCase:
    name = content.get("name")
    label = f"{path}, case {number}" + (f" ({name})" if isinstance(name, str) else "")
    table = _Table(label, path.parent, content)
    table.refuse_unknown(_CASE_KEYS)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise table.wrong("name", "letters, digits and . _ - only, at most 100 of them", name)
    given = "ours" in content
    for key in _REPLAY_KEYS if given else ():
        if key in content:
            raise table.wrong(key, "nothing beside ours, which is compared as it is", content[key])
    scenario, options = _scenario(table)
    return SuiteCase(
        name=name,
        trades=() if given else tuple(table.files("trades", required=True)),
        klines=tuple(table.files("klines", required=given)),
        ours=tuple(table.files("ours", required=True, folders=True)) if given else (),
        scenario=scenario,
        options=options,
        verdict=Validity(table.choice("verdict", [v.value for v in Validity]) or "valid"),
        allow=table.causes(),
        line=line,
    )


def _scenario(table: _Table) -> tuple[Scenario, tuple[str, ...]]:
    """Return the scenario of a case, and the command line's options for it."""
    given: dict[str, Any] = {
        "intervals": table.intervals(),
        "aggregator": table.text("aggregator"),
        "audit": table.choice("audit", [audit.value for audit in Audit]),
        "market": table.choice("market", ["spot", "um", "cm"]),
        "symbol": table.text("symbol"),
    }
    given = {key: value for key, value in given.items() if value is not None}
    file = table.text("scenario")
    options = [] if file is None else ["--scenario", Path(file).name]
    for key, value in given.items():
        options += [f"--{key}", value if isinstance(value, str) else ",".join(map(str, value))]
    if "audit" in given:
        given["audit"] = Audit(given["audit"])
    try:
        if file is None:
            scenario = replace(Scenario(), **given)
        else:
            scenario = scenario_of(table.folder / file, **given)
    except UserError as error:
        raise UsageError(f"{table.label}, key scenario: {error}") from error
    try:
        scenario.make_aggregator()
    except UserError as error:
        raise UsageError(f"{table.label}, key aggregator: {error}") from error
    return scenario, tuple(options)


def _refuse_repeated(path: Path, cases: Sequence[SuiteCase]) -> None:
    seen: set[str] = set()
    for case in cases:
        # Upper and lower case are one in the file names of some systems.
        if case.name.lower() in seen:
            raise UsageError(f"{path}, case {case.name}: expected a name of its own, found twice")
        seen.add(case.name.lower())


def _is_text(value: object) -> bool:
    """Tell whether a value is text that a file's name may hold."""
    return isinstance(value, str) and value != "" and "\0" not in value


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of the file: `label` says which, `folder` is what its paths are relative to."""

    label: str
    folder: Path
    content: Mapping[str, Any]

    def wrong(self, key: str, expected: str, found: object) -> UsageError:
        shown = "nothing" if found is None else repr(found)
        return UsageError(f"{self.label}, key {key}: expected {expected}, found {shown}")

    def refuse_unknown(self, known: Sequence[str]) -> None:
        for key in self.content:
            if key not in known:
                names = ", ".join(known)
                raise UsageError(f"{self.label}, key {key!r}: unknown; expected one of {names}")

    def text(self, key: str) -> str | None:
        value = self.content.get(key)
        if value is not None and not _is_text(value):
            raise self.wrong(key, "text", value)
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str | None:
        value = self.content.get(key)
        if value is not None and value not in choices:
            raise self.wrong(key, f"one of {' '.join(choices)}", value)
        return value

    def ratio(self, key: str) -> float | None:
        value = self.content.get(key)
        if value is None:
            return None
        ratio: float = decode(float, value, f"{self.label}, key {key}")
        if not 0 < ratio < math.inf:
            raise self.wrong(key, "a number above 0 and up to 2**62", value)
        return ratio

    def texts(self, key: str) -> list[str]:
        value = self.content.get(key, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(map(_is_text, value)):
            raise self.wrong(key, "text or a list of texts", value)
        return value

    def intervals(self) -> tuple[Interval, ...] | None:
        chosen = self.texts("intervals")
        if "intervals" not in self.content:
            return None
        try:
            return parse_intervals(",".join(chosen))
        except UsageError as error:
            raise UsageError(f"{self.label}, key intervals: {error}") from error

    def causes(self) -> tuple[str, ...]:
        causes = self.texts("allow")
        for cause in causes:
            word, _, name = cause.rpartition(":")
            if name not in MEANINGS or word not in _WORDS:
                names = ", ".join(sorted(MEANINGS))
                expected = f"a cause ({names}), with proved: or consistent: before it"
                raise self.wrong("allow", f"{expected} to allow it only so", cause)
        return tuple(sorted(set(causes)))

    def files(self, key: str, *, required: bool = False, folders: bool = False) -> list[Path]:
        """Return the files that a key's patterns match, run folders too where `folders` says."""
        patterns = self.texts(key)
        if required and not patterns:
            raise self.wrong(key, "at least one file", self.content.get(key))
        found: dict[Path, None] = {}
        for pattern in patterns:
            if is_selection(pattern):
                found |= dict.fromkeys(self._catalogued(key, pattern))
                continue
            try:
                matches = [
                    path
                    for path in self._matches(key, pattern)
                    if path.is_file() or (folders and (path / RECORD_FILE).is_file())
                ]
            except (OSError, ValueError, NotImplementedError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise self.wrong(key, f"a file or a pattern ({reason})", pattern) from error
            if not matches:
                raise self.wrong(key, "a file there is", pattern)
            found |= dict.fromkeys(matches)
        return list(found)

    def _catalogued(self, key: str, days: str) -> list[Path]:
        try:
            trades, klines = files_of([Path(days)], [])
        except UserError as error:
            raise UsageError(f"{self.label}, key {key}: {error}") from error
        if key == "klines" and not klines:
            raise self.wrong(key, "klines of these days in the catalogue", days)
        return klines if key == "klines" else trades

    def _matches(self, key: str, pattern: str) -> Iterator[Path]:
        plain = self.folder / pattern
        if plain.is_file():
            return iter([plain])
        if Path(pattern).is_absolute():
            raise self.wrong(key, "a path relative to the suite", pattern)
        # Path.glob does not go up: what leads with .. is walked by hand.
        folder, parts = self.folder, Path(pattern).parts
        while parts and parts[0] == "..":
            folder, parts = folder / "..", parts[1:]
        return iter(sorted(folder.glob("/".join(parts)))) if parts else iter(())
