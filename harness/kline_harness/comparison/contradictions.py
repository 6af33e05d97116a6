"""The exchange's own intervals against each other: of one time they must add up to the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from kline_harness.comparison.compare import CHECK, Comparison, Difference, SeriesResult
from kline_harness.comparison.exchange_rows import ExchangeRows, Row
from kline_harness.interval import CODE, Interval
from kline_harness.kline import FIELDS
from kline_harness.units import decimal_text, utc_text
from kline_harness.verdict import Finding, Severity

# A row that was saved while it was forming has its reason not to add up.
_FORMING = "forming_row"
# What counts in one kline counts in every kline of its time, be it proved or not.
_COUNTED = {"injected_fault", "fund_trade", "sentinel_row", "zero_quantity", "late_trade"}
_PRICES = ("open", "high", "low", "close")
# Intervals of which neither is made of the other meet again within so many klines of the longer:
# 3d and 1w after three weeks. Weeks and months, which hardly ever do, are not compared.
_MEET_MAX = 10


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Klines of the exchange's in [open, close) that its shorter ones do not add up to."""

    whole: int
    parts: int
    open_ns: int
    close_ns: int
    values: Row
    added: Row

    def fields(self) -> list[str]:
        """Return the fields that are not equal."""
        return [name for name in FIELDS if name in self.added and self._unequal(name)]

    def _unequal(self, name: str) -> bool:
        return name in self.values and self.values[name] != self.added[name]


def without_contradicted(found: Comparison, theirs: ExchangeRows) -> Comparison:
    """Return the comparison without the explanations that the exchange itself contradicts.

    Those that rest on what nobody saw, or on which trades the exchange counts, cannot stand
    where its klines of another interval say something else of the same time. Every such pair of
    klines is a notice.
    """
    own = _OwnIntervals(found, theirs)
    results = []
    for place, result in enumerate(found.series):
        differences = tuple(own.judged(place, kline) for kline in result.differences)
        results.append(replace(result, differences=differences))
    notes = (*found.notes, *own.findings())
    return replace(found, series=tuple(results), notes=notes)


def _checked(kline: Difference) -> bool:
    """Tell whether a kline is not the exchange's for a reason that its other klines can deny.

    That is one that was not seen, or one that says which trades the exchange has counted.
    """
    if kline.theirs is None:
        return False
    if kline.proof is None or not _COUNTED.isdisjoint(kline.proof.cause.split("+")):
        return True
    return kline.proof.consistent and not _forming(kline)


def _forming(kline: Difference) -> bool:
    return kline.proof is not None and _FORMING in kline.proof.cause.split("+")


class _OwnIntervals:
    """Holds the exchange's klines of one symbol against each other, each pair once."""

    def __init__(self, found: Comparison, theirs: ExchangeRows) -> None:
        self._series = found.series
        self._theirs = theirs
        self._of_symbol: dict[str, list[tuple[int, SeriesResult]]] = {}
        for place, result in enumerate(found.series):
            self._of_symbol.setdefault(result.symbol, []).append((place, result))
        self._known: dict[tuple[int, int, int, int], Contradiction | None] = {}
        self._forming = {
            (place, kline.open_time_ns)
            for place, result in enumerate(found.series)
            for kline in result.differences
            if _forming(kline)
        }

    def judged(self, place: int, kline: Difference) -> Difference:
        """Return a kline without an explanation that is contradicted, or a doubt that is not.

        How much an edge can hold is no question where shorter klines add up to it.
        """
        if not _checked(kline):
            return kline
        if self.contradict(place, kline):
            return replace(kline, proof=None)
        proof = kline.proof
        if proof is None or proof.doubt is None or "edge" not in proof.cause.split("+"):
            return kline
        return (
            replace(kline, proof=replace(proof, doubt=None)) if self._added(place, kline) else kline
        )

    def _added(self, place: int, kline: Difference) -> bool:
        """Tell whether a shorter interval has every part of a kline; none contradicts it then."""
        mine = self._series[place]
        return any(
            other.interval != mine.interval
            and other.interval.refines(mine.interval)
            and self._parts(number, kline.open_time_ns, kline.close_time_ns) is not None
            for number, other in self._of_symbol[mine.symbol]
        )

    def _parts(self, parts: int, open_ns: int, close_ns: int) -> list[tuple[int, Row]] | None:
        """Return the rows of a series in a time; None where one is lacking or forming."""
        rows = self._theirs.rows(parts, open_ns, close_ns)
        due = self._series[parts].interval.opens_between(open_ns, close_ns).tolist()
        whole = [at_ns for at_ns, _ in rows] == due
        forming = any((parts, at_ns) in self._forming for at_ns, _ in rows)
        return rows if whole and not forming else None

    def contradict(self, place: int, kline: Difference) -> bool:
        """Tell whether klines of another interval contradict it.

        Of intervals of which neither is made of the other, all klines up to where both meet are
        added up.
        """
        against = False
        for other, result in self._of_symbol[kline.symbol]:
            if result.interval == kline.interval:
                continue
            window = common_window(
                kline.interval, result.interval, kline.open_time_ns, kline.close_time_ns
            )
            if window is None:
                continue
            longer = CODE[kline.interval] > CODE[result.interval]
            key = (place, other, *window) if longer else (other, place, *window)
            if key not in self._known:
                self._known[key] = self._contradiction(*key)
            against |= self._known[key] is not None
        return against

    def _contradiction(
        self, whole: int, parts: int, open_ns: int, close_ns: int
    ) -> Contradiction | None:
        sides = [self._parts(place, open_ns, close_ns) for place in (whole, parts)]
        if not sides[0] or not sides[1]:
            return None
        # A kline is held to what is added up as it stands, whatever of it can be added.
        values = sides[0][0][1] if len(sides[0]) == 1 else added([row for _, row in sides[0]])
        one = Contradiction(
            whole, parts, open_ns, close_ns, values, added([row for _, row in sides[1]])
        )
        return one if one.fields() else None

    def findings(self) -> Iterator[Finding]:
        """Yield what was found, by series and time."""
        for _, one in sorted(self._known.items(), key=lambda item: item[0]):
            if one is not None:
                yield self._finding(one)

    def _finding(self, one: Contradiction) -> Finding:
        whole, parts = self._series[one.whole], self._series[one.parts]
        differing = ", ".join(
            f"{name} {decimal_text(one.values[name])}, added up {decimal_text(one.added[name])}"
            for name in one.fields()
        )
        evidence: dict[str, Any] = {
            "sentence": f"the exchange's {parts.interval} klines ({parts.source}) do not add up "
            f"to its {whole.interval} {_named(whole, one)} ({whole.source}): {differing}",
            "source": whole.source,
            "parts_source": parts.source,
            "parts_interval": parts.interval.text,
            "unequal": one.fields(),
        }
        for name in one.fields():
            evidence[name] = decimal_text(one.values[name])
            evidence[f"{name}_of_parts"] = decimal_text(one.added[name])
        place = (whole.symbol, whole.interval.text, one.open_ns)
        kind = "exchange_contradicts_itself"
        return Finding(CHECK, kind, Severity.NOTICE, *place, evidence=evidence)


def _named(whole: SeriesResult, one: Contradiction) -> str:
    if whole.interval.close_time_ns(one.open_ns) == one.close_ns:
        return "kline"
    return f"klines up to {utc_text(one.close_ns)}"


def common_window(
    first: Interval, second: Interval, open_ns: int, close_ns: int
) -> tuple[int, int] | None:
    """Return the shortest time around [open, close) that klines of both intervals fill.

    None where they do not meet within a few klines.
    """
    both = (first, second)
    most_ns = _MEET_MAX * max(
        one.close_time_ns(open_ns) - one.open_time_ns(open_ns) for one in both
    )
    start_ns, end_ns = open_ns, close_ns
    while end_ns - start_ns <= most_ns:
        starts = [one.open_time_ns(start_ns) for one in both]
        ends = [one.close_time_ns(end_ns - 1) for one in both]
        if starts == [start_ns] * 2 and ends == [end_ns] * 2:
            return start_ns, end_ns
        start_ns, end_ns = min(starts), max(ends)
    return None


def added(rows: Sequence[Row]) -> Row:
    """Add up klines that follow each other; a quiet one has no price of its own."""
    size = "count" if "count" in rows[0] else "volume"
    if size not in rows[0]:
        return {}
    traded = [row for row in rows if row[size] != 0] or rows[:1]
    total: dict[str, Decimal | int] = {
        "open": traded[0]["open"],
        "high": max(row["high"] for row in traded),
        "low": min(row["low"] for row in traded),
        "close": traded[-1]["close"],
    }
    for name in FIELDS:
        if name not in _PRICES and name in rows[0]:
            total[name] = sum((row[name] for row in rows), 0)
    return total
