"""Stretches of time without trades of a symbol of which more is known than that they are quiet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from kline_harness.arrow import int64_of
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.series_rows import chunks, distinct
from kline_harness.comparison.stored import Stored, StoredRows
from kline_harness.interval import Interval, parse_interval
from kline_harness.run_rows import StretchRow
from kline_harness.tape import Tape
from kline_harness.trade_ids import IdRuns
from kline_harness.units import NS_PER_MINUTE, Int64Array
from kline_harness.verdict import Finding

SILENCE_MIN_NS = 3 * NS_PER_MINUTE


class Why(Enum):
    """Why there are no trades, as far as it is known.

    * halted: the exchange has no kline where a quiet market has a flat one, nothing was traded
      in ours, and the trade ids before and after are contiguous.
    * lost: klines of ours without trades lie over missing trade ids.
    * silent: no symbol of the feed traded for minutes, and no kline of the exchange tells
      whether they were quiet, halted, or not received.
    """

    HALTED = "halted"
    LOST = "lost"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time [from_ns, until_ns) without trades of a symbol."""

    symbol: str
    why: Why
    from_ns: int
    until_ns: int

    def to_dict(self) -> StretchRow:
        """Return the stretch as a row of run.json."""
        return {
            "symbol": self.symbol,
            "why": self.why.value,
            "from_ns": self.from_ns,
            "until_ns": self.until_ns,
        }


def lost(findings: Iterable[Finding]) -> Iterator[Stretch]:
    """Yield what the continuity check found to be lost, and the exchange's klines do not clear."""
    for finding in findings:
        if finding.kind == "lost_stretch" and not finding.evidence["identical_to_exchange"]:
            assert finding.symbol is not None
            assert finding.interval is not None
            assert finding.open_time_ns is not None
            last_ns = finding.evidence["last_open_time_ns"]
            until_ns = parse_interval(finding.interval).close_time_ns(last_ns)
            yield Stretch(finding.symbol, Why.LOST, finding.open_time_ns, until_ns)


def absent(references: Iterable[ReferenceKlines]) -> list[tuple[int, int]]:
    """Return where some of the exchange's klines leave rows out, by time."""
    windows: set[tuple[int, int]] = set()
    for one in references:
        opens = distinct(one.rows.opens_ns())
        for some in chunks(len(opens) - 1):
            closes, following = one.interval.close_times_ns(opens[some]), opens[1:][some]
            rows = np.flatnonzero(following > closes)
            windows.update(zip(closes[rows].tolist(), following[rows].tolist(), strict=True))
    return sorted(windows)


def halted(
    symbol: str,
    windows: Iterable[tuple[int, int]],
    stored: Stored,
    interval: Interval,
    runs: IdRuns,
) -> Iterator[Stretch]:
    """Yield those of the windows without a row in which nothing was traded, and nothing lost.

    `interval` is the finest one of the symbol's klines.
    """
    ours = stored.rows_of(symbol, interval.text)
    opens, counts = ours.opens_ns(), stored.integers(symbol, interval.text, "count")
    for from_ns, until_ns in windows:
        first, stop = np.searchsorted(opens, (from_ns, until_ns)).tolist()
        if counts[first:stop].any() or not runs.span(from_ns, until_ns):
            continue
        covered = _covers(opens[first:stop], interval, from_ns, until_ns)
        if covered or _follow_on(ours, counts, first, stop):
            yield Stretch(symbol, Why.HALTED, from_ns, until_ns)


def _covers(opens: Int64Array, interval: Interval, from_ns: int, until_ns: int) -> bool:
    """Tell whether klines lie side by side from one instant to another."""
    if len(opens) == 0 or opens[0] != from_ns:
        return False
    closes = interval.close_times_ns(opens)
    return bool(closes[-1] == until_ns and np.array_equal(opens[1:], closes[:-1]))


def _follow_on(ours: StoredRows, counts: Int64Array, first: int, stop: int) -> bool:
    """Tell whether the trades of the klines before and after some rows have neighbouring ids."""
    traded = np.flatnonzero(counts)
    place = int(np.searchsorted(traded, first))
    if place == 0 or place == len(traded):
        return False
    ends = ours.take(traded[place - 1 : place + 1], ("first_trade_id", "last_trade_id"))
    before, after = int64_of(ends["last_trade_id"])[0], int64_of(ends["first_trade_id"])[1]
    return bool(traded[place] >= stop and before >= 0 and after == before + 1)


def silent(
    symbol: str, references: Iterable[ReferenceKlines], silences: Iterable[tuple[int, int]]
) -> Iterator[Stretch]:
    """Yield the silences of all symbols in which no kline of the exchange speaks for one.

    `references` are the exchange's klines of that one.
    """
    heard = []
    for one in references:
        opens = one.rows.opens_ns()
        heard.append((int(opens.min()), one.interval.close_time_ns(int(opens.max()))))
    for from_ns, until_ns in silences:
        if not any(start < until_ns and from_ns < end for start, end in heard):
            # The trades at both ends are no part of it.
            yield Stretch(symbol, Why.SILENT, from_ns + 1, until_ns)


@dataclass(slots=True)
class Silences:
    """Finds, chunk by chunk, where the trade times of all symbols together stand still."""

    found: list[tuple[int, int]] = field(default_factory=list)
    _first_ns: int | None = None
    _reached_ns: int | None = None

    def add(self, tape: Tape) -> None:
        """Take the next chunk, trades of all symbols in the order of the feed."""
        times: Int64Array = tape.event_time_ns
        if len(times) == 0:
            return
        if self._reached_ns is not None:
            times = np.append(np.int64(self._reached_ns), times)
        else:
            self._first_ns = int(times.min())
        # A trade that comes out of order ends no silence.
        reached = np.maximum.accumulate(times)
        for row in np.flatnonzero(np.diff(reached) >= SILENCE_MIN_NS).tolist():
            self.found.append((int(reached[row]), int(reached[row + 1])))
        self._reached_ns = int(reached[-1])

    def within(self, claimed: tuple[int, int] | None) -> list[tuple[int, int]]:
        """Return what was found, and the silences at the edges of the time that was claimed."""
        if claimed is None or self._first_ns is None or self._reached_ns is None:
            return list(self.found)
        edges = ((claimed[0], self._first_ns), (self._reached_ns, claimed[1]))
        before, after = ([e] if e[1] - e[0] >= SILENCE_MIN_NS else [] for e in edges)
        return [*before, *self.found, *after]
