"""The check of the feed: trades that did not come, came twice, late or in another order."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kline_harness.columns import by_symbol
from kline_harness.interfaces import FeedSlice, JudgingObserver
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import Int64Array
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "feed"
NOT_CHECKED = (
    "prices and quantities: that is the comparison's part",
    "trades whose ids the exchange never gave out: a missing id may be a fund trade",
    "a trade time that is wrong by less than the largest latency",
)
FINDINGS_PER_KIND = 1_000
NONE = -1


@dataclass(slots=True)
class FeedGaps:
    """Ids not seen between others, as ranges [start, stop) with the instant each was noticed."""

    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    noticed_ns: list[int] = field(default_factory=list)

    def add(self, start: int, stop: int, at_ns: int) -> None:
        """Add a range above all others."""
        self.starts.append(start)
        self.stops.append(stop)
        self.noticed_ns.append(at_ns)

    def fill(self, trade_id: int) -> bool:
        """Take an id out; tell whether it was in a gap."""
        place = bisect_right(self.starts, trade_id) - 1
        if place < 0 or trade_id >= self.stops[place]:
            return False
        stop, at_ns = self.stops[place], self.noticed_ns[place]
        self.stops[place] = trade_id
        if trade_id + 1 < stop:
            self.starts.insert(place + 1, trade_id + 1)
            self.stops.insert(place + 1, stop)
            self.noticed_ns.insert(place + 1, at_ns)
        if self.starts[place] == self.stops[place]:
            del self.starts[place], self.stops[place], self.noticed_ns[place]
        return True


@dataclass(slots=True)
class SymbolFeed:
    """What came of one symbol: the first and highest id, the time of the highest, the gaps."""

    first_id: int = NONE
    highest_id: int = NONE
    highest_time_ns: int = NONE
    gaps: FeedGaps = field(default_factory=FeedGaps)


class FeedCheck(JudgingObserver):
    """Looks at every trade on its way to the aggregator; what it finds is reported as notices.

    The numbers of a trade are not judged, only whether the trades are all there, once, in order
    and in time: a latency outside of 0 to `latency_max_ns` is reported, which is known once the
    first trades were read. What the source holds names the ids at the edges, where no later id
    betrays a gap.
    """

    def __init__(self, latency_max_ns: Callable[[], int]) -> None:
        self._latency_max_ns = latency_max_ns
        self._ids_read: dict[str, tuple[int, int]] = {}
        self._symbols: dict[str, SymbolFeed] = {}
        self._kept: dict[tuple[str, str], list[Finding]] = {}
        self._counts: Counter[str] = Counter()
        self._trades = 0
        self._closed = False

    def on_read(self, trades: Tape) -> None:
        """Note the lowest and the highest id of each symbol that the source holds."""
        for code, mine in by_symbol(trades):
            symbol = trades.instruments[code].symbol
            low, high = int(mine.trade_id.min()), int(mine.trade_id.max())
            before = self._ids_read.get(symbol, (low, high))
            self._ids_read[symbol] = (min(low, before[0]), max(high, before[1]))

    def on_slice(self, feed: FeedSlice) -> None:
        """Look at the trades of a slice."""
        self._look(feed.trades)

    def verdict(self) -> Verdict:
        """Return what was found."""
        if not self._closed:
            self._closed = True
            self._close()
        counts = {
            "trades": self._trades,
            "symbols": len(self._symbols),
            **dict(sorted(self._counts.items())),
        }
        return Verdict.of(CHECK, counts, self._found(), NOT_CHECKED)

    def _look(self, trades: Tape) -> None:
        self._trades += len(trades)
        for code in np.unique(trades.symbol).tolist():
            mine = trades.symbol == code
            rows = trades if mine.all() else trades.take(mine)
            symbol = trades.instruments[code].symbol
            known = self._symbols.setdefault(symbol, SymbolFeed())
            self._judge_ids(symbol, known, rows)
            self._judge_times(symbol, rows)

    def _judge_ids(self, symbol: str, known: SymbolFeed, rows: Tape) -> None:
        ids, times = rows.trade_id, rows.event_time_ns
        if known.first_id == NONE:
            known.first_id = int(ids[0])
            known.highest_id, known.highest_time_ns = int(ids[0]) - 1, int(times[0])
        before = np.maximum.accumulate(np.concatenate([[known.highest_id], ids]))
        rising = ids > before[:-1]
        for row in np.flatnonzero(ids != before[:-1] + 1).tolist():
            trade_id, at_ns = int(ids[row]), int(rows.arrival_ns[row])
            if rising[row]:
                known.gaps.add(int(before[row]) + 1, trade_id, at_ns)
            elif known.gaps.fill(trade_id) or trade_id < known.first_id:
                self._find("trade_out_of_order", symbol, at_ns, trade_id=trade_id)
            else:
                self._find("trade_repeated", symbol, at_ns, trade_id=trade_id)
        self._judge_progress(symbol, known, rows, np.flatnonzero(rising))
        known.highest_id = int(before[-1])
        known.first_id = min(known.first_id, int(ids.min()))

    def _judge_progress(
        self, symbol: str, known: SymbolFeed, rows: Tape, rising: Int64Array
    ) -> None:
        """Tell where a higher id has an earlier time than the one before it."""
        if len(rising) == 0:
            return
        times = rows.event_time_ns[rising]
        previous = np.concatenate([[known.highest_time_ns], times[:-1]])
        ids = rows.trade_id[rising]
        neighbours = np.concatenate([[known.highest_id], ids[:-1]])
        for place in np.flatnonzero(times < previous).tolist():
            row = int(rising[place])
            self._find(
                "trade_time_backwards",
                symbol,
                int(rows.arrival_ns[row]),
                trade_id=int(ids[place]),
                previous_id=int(neighbours[place]),
                by_ns=int(previous[place] - times[place]),
            )
        known.highest_time_ns = int(times[-1])

    def _judge_times(self, symbol: str, rows: Tape) -> None:
        latency = rows.arrival_ns - rows.event_time_ns
        kinds = (
            ("trade_delayed", latency > self._latency_max_ns()),
            ("time_after_arrival", latency < 0),
        )
        for kind, wrong in kinds:
            for row in np.flatnonzero(wrong).tolist():
                trade_id = int(rows.trade_id[row])
                at_ns, by_ns = int(rows.arrival_ns[row]), int(latency[row])
                self._find(kind, symbol, at_ns, trade_id=trade_id, latency_ns=by_ns)
        for row in np.flatnonzero(rows.kind != TradeKind.MARKET).tolist():
            name = TradeKind(int(rows.kind[row])).name.lower()
            at_ns, trade_id = int(rows.arrival_ns[row]), int(rows.trade_id[row])
            self._find("not_market", symbol, at_ns, trade_id=trade_id, trade_kind=name)

    def _close(self) -> None:
        for symbol, one in self._symbols.items():
            gaps = one.gaps
            for start, stop, at_ns in zip(gaps.starts, gaps.stops, gaps.noticed_ns, strict=True):
                self._find("trade_id_gap", symbol, at_ns, first_id=start, last_id=stop - 1)
        for symbol, (lowest, highest) in self._ids_read.items():
            known = self._symbols.get(symbol)
            if known is None:
                self._find_edge(symbol, lowest, highest)
                continue
            if known.first_id > lowest:
                self._find_edge(symbol, lowest, known.first_id - 1)
            if known.highest_id < highest:
                self._find_edge(symbol, known.highest_id + 1, highest)

    def _find_edge(self, symbol: str, first_id: int, last_id: int) -> None:
        self._find("trades_missing_at_edge", symbol, None, first_id=first_id, last_id=last_id)

    def _find(self, kind: str, symbol: str, at_ns: int | None, **evidence: Any) -> None:
        self._counts[kind] += 1
        kept = self._kept.setdefault((kind, symbol), [])
        if len(kept) < FINDINGS_PER_KIND:
            kept.append(
                Finding(CHECK, kind, Severity.NOTICE, symbol, at_ns=at_ns, evidence=evidence)
            )

    def _found(self) -> Iterator[Finding]:
        """Yield the first findings of each kind, by kind and instant, however the feed was cut."""
        for kind in sorted(self._counts):
            mine = [one for (other, _), kept in self._kept.items() if other == kind for one in kept]
            mine.sort(key=lambda one: (-1 if one.at_ns is None else one.at_ns, one.symbol))
            yield from mine[:FINDINGS_PER_KIND]
