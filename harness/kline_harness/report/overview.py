"""What a page says before its tables: what was tested, what is wrong, and like rows as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from kline_harness.kline import FIELDS
from kline_harness.report.differences import DifferenceRow, plain_decimal
from kline_harness.report.format import flatten, number, words
from kline_harness.report.klines import interval_order
from kline_harness.run_record import RunRecord
from kline_harness.run_rows import CheckRow, FaultRow, FindingRow, InputRow, NotComparedRow

_WORST_FIRST = ("invalid", "unknown", "valid")
_NAMED = 4
# With more fields, amounts would be another line for each kline.
_FIELDS_SAID = 2
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
class Pattern:
    """Differences of one class, cause, interval, and the same fields by the same amounts.

    `first` is the number of the first of them, from 1, in the order of the page.
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
        ("Compared with", _files(klines) or "nothing: no klines of the exchange were given"),
    ]
    return [(name, str(text)) for name, text in rows if text]


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    return [one if isinstance(one, Mapping) else {"text": one} for one in values or ()]


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
    texts = [name if count == 1 else f"{number(count)} x {name}" for name, count in counts.items()]
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
    return sorted(checks, key=lambda row: _WORST_FIRST.index(row["verdict"]))


def patterns(differences: Sequence[DifferenceRow]) -> list[Pattern]:
    """Return the differences grouped, in order of class and then the largest group first."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for place, row in enumerate(differences, start=1):
        key = row.kind, row.cause or "", row.interval, _what(row)
        groups.setdefault(key, []).append(place)
    found = [Pattern(*key, len(places), places[0]) for key, places in groups.items()]
    order = {kind: place for place, kind in enumerate(dict.fromkeys(one.kind for one in found))}
    return sorted(found, key=lambda one: (order[one.kind], -one.count, one.first))


def _what(row: DifferenceRow) -> str:
    """Say by how much our fields are above or below the exchange's."""
    if not row.differing:
        return "no kline of ours" if row.kind == "missing" else "no kline of the exchange's"
    sides = dict(zip(FIELDS, zip(row.ours, row.theirs, strict=True), strict=True))
    texts = []
    for name in row.differing:
        ours, theirs = sides.get(name, (None, None))
        by = ""
        if ours is not None and theirs is not None and len(row.differing) <= _FIELDS_SAID:
            with localcontext(prec=_DIGITS):
                by = f" {_signed(Decimal(ours) - Decimal(theirs))}"
        texts.append(f"{words(name)}{by}")
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
    """Return where the exchange contradicts itself: a line for each symbol and shorter interval."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in findings:
        if row.get("kind") == "exchange_contradicts_itself":
            key = str(row["symbol"]), str(row["evidence"]["parts_interval"])
            groups.setdefault(key, []).append(str(row["interval"]))
    return [
        SelfContradiction(*key, ", ".join(sorted(set(wholes), key=interval_order)), len(wholes))
        for key, wholes in groups.items()
    ]


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
