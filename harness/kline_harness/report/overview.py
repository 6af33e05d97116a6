"""What a page says before its tables: what was tested, what is wrong, and like rows as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from kline_harness.finding_text import evidence_text
from kline_harness.kline import FIELDS
from kline_harness.report.differences import DifferenceRow, plain_decimal
from kline_harness.report.evidence import SEVERITIES
from kline_harness.report.format import flatten, number, words
from kline_harness.report.klines import interval_order
from kline_harness.run_record import RunRecord
from kline_harness.run_rows import CheckRow, FaultRow, FindingRow, InputRow, NotComparedRow

# Verdicts in the order in which pages list them.
WORST_FIRST = ("invalid", "unknown", "valid")
_NAMED = 4
# With more fields, amounts would be another line for each kline.
_FIELDS_SAID = 2
# A difference so many times smaller than its value is what sums of binary floats leave.
_DUST = 10**10
_ROUNDING = "rounding of binary floats"
_GROUPS_SAID = 10
_EVIDENCE_SAID = 160
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
# No field has as many digits, so that a difference is exact.
_DIGITS = 100


@dataclass(frozen=True, slots=True)
class Uncompared:
    """Klines that were not compared for one reason: how many, and of which series."""

    side: str
    why: str
    klines: int
    series: str


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that is not valid.

    `what` are its kinds of findings as text, errors first, each with its name.
    """

    check: str
    verdict: str
    what: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Differences of one class and cause, with the same fields by the same amounts.

    `interval` names theirs, each with how many they are where there are several; `first` is the
    number of the first of them, from 1, in the order of the page.
    """

    kind: str
    cause: str
    interval: str
    what: str
    count: int
    first: int


def tested(run: RunRecord, symbols: Sequence[str]) -> list[tuple[str, str]]:
    """Return what was tested, as (what, text): subject, scenario, faults, market, files."""
    scenario, inputs = run.scenario, run.inputs
    trades = [row for row in inputs if row.get("role") == "trades"]
    klines = [row for row in inputs if row.get("role") == "klines"]
    intervals = [str(one.get("text", one)) for one in _mappings(scenario.get("intervals"))]
    markets = sorted({str(row["market"]) for row in trades if row.get("market")})
    rows = [
        ("Subject", scenario.get("aggregator")),
        ("Market", ", ".join(markets) or None),
        ("Symbols", _some(symbols)),
        ("Intervals", ", ".join(intervals) or None),
        ("Scenario", _changed(run)),
        ("Broken on purpose", _faults(run.faults)),
        ("Trades from", _files(trades)),
        ("Our klines from", _files([row for row in inputs if row.get("role") == "ours"])),
        ("Compared with", _files(klines) or "nothing: no klines of the exchange were given"),
    ]
    return [(name, str(text)) for name, text in rows if text]


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    listed = values if isinstance(values, list) else []
    return [one if isinstance(one, Mapping) else {"text": one} for one in listed]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {number(more)} more" if more > 0 else "")


def _files(rows: Sequence[InputRow]) -> str:
    if len(rows) <= 2:
        return ", ".join(str(row["path"]) for row in rows)
    return f"{rows[0]['path']} and {number(len(rows) - 1)} more files"


def _faults(faults: Sequence[FaultRow]) -> str:
    counts: dict[str, int] = {}
    for row in faults:
        name = words(row.get("fault"))
        counts[name] = counts.get(name, 0) + 1
    texts = [name if count == 1 else f"{number(count)} × {name}" for name, count in counts.items()]
    return ", ".join(texts)


def _changed(run: RunRecord) -> str:
    """Say which options are not the defaults; folders of older versions do not tell."""
    changed = run.changed_options
    if changed is None:
        return ""
    options = {name: value for name, value in changed.items() if name not in _SAID_ELSEWHERE}
    return ", ".join(f"{name} {text}" for name, text in flatten(options)) or "all defaults"


_SAID_ELSEWHERE = ("aggregator", "intervals", "faults", "market")


def worst_first(checks: Iterable[CheckRow]) -> list[CheckRow]:
    """Return the checks, those that failed first."""
    return sorted(checks, key=lambda row: WORST_FIRST.index(row["verdict"]))


def worst_findings(findings: Iterable[FindingRow]) -> tuple[FindingRow, ...]:
    """Return findings, the worst severity first, and else in the order of the run."""
    return tuple(sorted(findings, key=_severity))


def _severity(row: FindingRow) -> int:
    return _RANK.get(str(row.get("severity")), len(_RANK))


def failures(checks: Iterable[CheckRow], findings: Sequence[FindingRow]) -> list[FailedCheck]:
    """Return the checks that are not valid, the worst first, and what each found."""
    first: dict[tuple[str, str], int] = {}
    for place, row in enumerate(findings, start=1):
        first.setdefault((str(row.get("check")), str(row.get("kind"))), place)
    found = []
    for check in worst_first(checks):
        ranked: list[tuple[int, str, str]] = []
        for kind, count in check["findings"].items():
            at = first.get((check["check"], kind))
            one: FindingRow = findings[at - 1] if at is not None else {}
            text = words(kind) if count == 1 else f"{number(count)} × {words(kind)}"
            text += _evidence_said(one.get("evidence") or {}) if count == 1 else ""
            ranked.append((_severity(one), text, kind))
        if check["verdict"] != "valid":
            ranked.sort(key=lambda one: one[0])
            what = tuple((text, kind) for _, text, kind in ranked)
            found.append(FailedCheck(check["check"], check["verdict"], what))
    return found


def _evidence_said(evidence: Mapping[str, Any]) -> str:
    """Say the evidence of a single finding, where that is short; a differing kline's is below."""
    if "fields" in evidence:
        return ""
    text = str(evidence.get("sentence") or evidence_text(evidence))
    return f": {text}" if 0 < len(text) <= _EVIDENCE_SAID else ""


def patterns(differences: Sequence[DifferenceRow]) -> list[Pattern]:
    """Return the differences grouped, in order of class and then the largest group first."""
    found = _groups(differences, _FIELDS_SAID)
    if len(found) > _GROUPS_SAID:
        found = _groups(differences, 0)
    order = {kind: place for place, kind in enumerate(dict.fromkeys(one.kind for one in found))}
    alike: dict[tuple[str, str, str], list[Pattern]] = {}
    for one in found:
        alike.setdefault((one.kind, one.cause, one.what), []).append(one)
    joined = [_joined(group) for group in alike.values()]
    return sorted(joined, key=lambda one: (order[one.kind], -one.count, one.first))


def _joined(alike: Sequence[Pattern]) -> Pattern:
    """Return patterns that differ in the interval alone as one."""
    if len(alike) == 1:
        return alike[0]
    group = sorted(alike, key=lambda one: interval_order(one.interval))
    named = ", ".join(f"{one.interval} ({number(one.count)})" for one in group)
    count, first = sum(one.count for one in group), min(one.first for one in group)
    return replace(group[0], interval=named, count=count, first=first)


def _groups(differences: Sequence[DifferenceRow], amounts: int) -> list[Pattern]:
    """Group differences by their fields, and by amounts where at most so many fields differ.

    Where the amounts are not the same, a group says from where to where they go.
    """
    groups: dict[tuple[str, str, str, str, bool], list[int]] = {}
    reach: dict[tuple[str, str, str, str, bool], dict[str, list[Decimal]]] = {}
    for place, row in enumerate(differences, start=1):
        by, dust = _amounts(row)
        exact = {name: [value] for name, value in by.items()}
        what = _magnitudes(exact) if len(by) <= amounts else ", ".join(by)
        key = row.kind, row.cause or "", row.interval, what or _one_sided(row, dust), dust
        groups.setdefault(key, []).append(place)
        for name, value in by.items():
            reach.setdefault(key, {}).setdefault(name, []).append(value)
    found = []
    for key, places in groups.items():
        kind, cause, interval, what, dust = key
        if key in reach:
            what = _magnitudes(reach[key]) + (f", {_ROUNDING}" if dust else "")
        found.append(Pattern(kind, cause, interval, what, len(places), places[0]))
    return found


def _amounts(row: DifferenceRow) -> tuple[dict[str, Decimal], bool]:
    """Return by how much fields of ours differ, and whether others do by next to nothing."""
    sides: dict[str, tuple[Any, Any]] = dict(
        zip(FIELDS, zip(row.ours, row.theirs, strict=True), strict=True)
    )
    found: dict[str, Decimal] = {}
    dust = False
    for name in row.differing:
        try:
            ours, theirs = map(Decimal, sides[name])
        except (KeyError, TypeError, InvalidOperation):
            continue  # a side without this field, or a folder that somebody changed
        with localcontext(prec=_DIGITS):
            by = ours - theirs
            if abs(by) * _DUST < abs(theirs):
                dust = True
            else:
                found[name] = by
    return found, dust


def _one_sided(row: DifferenceRow, dust: bool) -> str:
    if dust:
        return _ROUNDING
    if row.differing:
        return ", ".join(map(words, row.differing))
    return "no kline of ours" if row.kind == "missing" else "no kline of the exchange's"


def _magnitudes(reach: Mapping[str, Sequence[Decimal]]) -> str:
    """Say from where to where the amounts of each field go."""
    texts = []
    for name, values in reach.items():
        low, high = _signed(min(values)), _signed(max(values))
        texts.append(f"{words(name)} {low if low == high else f'{low} to {high}'}")
    return ", ".join(texts)


def _signed(value: Decimal) -> str:
    text = plain_decimal(str(value)) or "0"
    return text if text.startswith("-") else f"+{text}"


@dataclass(frozen=True, slots=True)
class SelfContradiction:
    """The exchange's klines of one interval that do not add up to its longer ones."""

    symbol: str
    parts: str
    wholes: str
    count: int


def contradictions(findings: Iterable[FindingRow]) -> list[SelfContradiction]:
    """Return where the exchange contradicts itself: symbol and shorter interval, most first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in findings:
        if row.get("kind") == "exchange_contradicts_itself":
            key = str(row["symbol"]), str(row["evidence"]["parts_interval"])
            groups.setdefault(key, []).append(str(row["interval"]))
    found = [
        SelfContradiction(*key, ", ".join(sorted(set(wholes), key=interval_order)), len(wholes))
        for key, wholes in groups.items()
    ]
    return sorted(found, key=lambda one: -one.count)


def uncompared(run: RunRecord) -> list[Uncompared]:
    """Return the klines that were not compared, those of one side and reason together."""
    rows = run.comparison.get("not_compared", []) if run.comparison else []
    groups: dict[tuple[str, str], list[NotComparedRow]] = {}
    for row in rows:
        names = ", ".join(row.get("names") or ())
        why = f"{row.get('why', '')}{': ' * bool(names)}{names}"
        groups.setdefault((str(row.get("side", "")), why), []).append(row)
    return [
        Uncompared(side, why, sum(row["klines"] for row in found), _series(found))
        for (side, why), found in groups.items()
    ]


def _series(rows: Sequence[NotComparedRow]) -> str:
    """Name series: all symbols that lack the same intervals together."""
    by_symbol: dict[str, list[str]] = {}
    for row in rows:
        by_symbol.setdefault(str(row["symbol"]), []).append(str(row["interval"]))
    by_intervals: dict[str, list[str]] = {}
    for symbol, intervals in by_symbol.items():
        text = ", ".join(sorted(set(intervals), key=interval_order))
        by_intervals.setdefault(text, []).append(symbol)
    texts = [f"{_some(symbols)}: {text}" for text, symbols in by_intervals.items()]
    return "; ".join(texts[:_NAMED]) + ("; and others" if len(texts) > _NAMED else "")
