"""The market as far as virtual time has come: trades, klines and tickers, slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import concat
from kline_harness.exchange.kline_store import KlineStore, split_rows
from kline_harness.exchange.kline_text import at_finest, texts_of
from kline_harness.exchange.open_kline import UPDATE_NS, FormingKline
from kline_harness.exchange.parts import parts
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.spool import BUCKET_NS, SpoolReader
from kline_harness.exchange.tickers import Tickers
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.interval import CODE, INTERVALS, Interval, parse_interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND

# How many trades are made into frames at a time, and how much time a slice may span: what is done
# once for a symbol and a slice is much where a slice has few trades of many symbols.
SLICE_ROWS = 32_768
SLICE_NS = NS_PER_HOUR
# The same where klines are subscribed to: each change of one is a message.
MESSAGE_ROWS = 8_192
MESSAGE_NS = 15 * NS_PER_MINUTE
MINI_TICKERS = "!miniTicker@arr"


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A message of a stream other than a trade: its time, its stream, and its text.

    `closes_ns` is when the kline opened whose last message it is.
    """

    at_ns: int
    order: int
    stream: str
    text: str
    closes_ns: int | None = None


@dataclass(slots=True)
class Slice:
    """What is sent for [start_ns, end_ns): trades by kind of stream, and other messages."""

    start_ns: int
    end_ns: int
    trades: dict[str, Tape]
    messages: list[StreamMessage] = field(default_factory=list)


class MarketState:
    """Follows the recorded trades through virtual time; has the state that REST replies show.

    Klines are made by the exact aggregator; one is over at its close time, before any trade of
    that instant. A message of an instant covers the trades before it.
    """

    def __init__(self, recorded: Recorded, start_ns: int) -> None:
        self.recorded = recorded
        self.reached_ns = start_ns
        self.symbols = [one.symbol for one in recorded.trades.instruments]
        # Source: the exchange's documents: klines of a second are of spot alone.
        self.intervals = INTERVALS if recorded.market == "spot" else INTERVALS[1:]
        self.store = KlineStore()
        self.tickers = Tickers(recorded.trades.instruments)
        self._readers = {kind: SpoolReader(spool) for kind, spool in recorded.spools.items()}
        self._exact = ExactAggregator(self.intervals)
        # Trades since the last tick: many short slices are one for the aggregator.
        self._unfed: list[Tape] = []
        self._tick_ns = NS_PER_SECOND if recorded.market == "spot" else NS_PER_MINUTE
        self._forming: dict[tuple[str, str], FormingKline] = {}
        # Trades since the last instant at which klines were sent.
        self._unsent = recorded.trades.read(-1)
        self._open: tuple[int, KlineBatch] | None = None
        self._history()
        self._catch_up(start_ns)

    def next_end_ns(self, most_ns: int | None) -> int:
        """Return where the next slice ends, at most `most_ns` of time further."""
        rows, span = (MESSAGE_ROWS, MESSAGE_NS) if self._forming else (SLICE_ROWS, SLICE_NS)
        span = min(span, most_ns or span)
        end_ns = self.reached_ns + span
        if span < UPDATE_NS:
            # No instant at which messages are due lies inside of a shorter slice.
            return min(end_ns, self.reached_ns // UPDATE_NS * UPDATE_NS + UPDATE_NS)
        ahead = [reader.time_ahead_ns(rows, end_ns) for reader in self._readers.values()]
        times = [time for time in ahead if time is not None]
        if times:
            # Up to the next instant at which messages are due: a slice has a length.
            least = max(min(times), self.reached_ns) // UPDATE_NS * UPDATE_NS + UPDATE_NS
            end_ns = min(end_ns, max(least, self.reached_ns + 1))
        return end_ns

    def advance(self, end_ns: int, series: Iterable[tuple[str, str, str]], minis: bool) -> Slice:
        """Move on to an instant; return what happened.

        `series` are the streams of klines that are subscribed to, as (kind, symbol, interval).
        """
        start_ns, self.reached_ns = self.reached_ns, end_ns
        taken = {kind: reader.take(end_ns) for kind, reader in self._readers.items()}
        main = taken.get("aggTrade", next(iter(taken.values())))
        if start_ns % UPDATE_NS == 0:
            self._follow(list(series))
        wanted = [one for one in series if one[1:] in self._forming]
        messages = list(self._updates(main, wanted, end_ns))
        messages += self._closed(main, start_ns, end_ns, wanted)
        messages += self._minis(main, end_ns, minis)
        self._open = None
        trades = {kind: taken.get(kind, main) for kind in self.recorded.kinds()}
        return Slice(start_ns, end_ns, trades, sorted(messages, key=lambda s: (s.at_ns, s.order)))

    def open_kline(self, symbol: str, interval: str) -> KlineBatch:
        """Return the kline of a symbol and interval that is forming, if there is one."""
        if self._open is None or self._open[0] != self.reached_ns:
            self._feed(())
            batch = self._exact.open_klines(self.reached_ns)
            self._open = self.reached_ns, at_finest(batch, self.recorded.trades.instruments)
        batch = self._open[1]
        chosen = batch.of_symbol(symbol) & (batch.interval == CODE[parse_interval(interval)])
        return batch.take(chosen)

    def klines(
        self, symbol: str, interval: Interval, from_ns: int | None, until_ns: int | None, limit: int
    ) -> list[bytes]:
        """Return rows of REST: klines that are over, then the one that is forming."""
        rows = self.store.rows(symbol, interval, from_ns, until_ns, limit)
        forming = self.open_kline(symbol, interval.text)
        opens = forming.open_time_ns
        inside = (opens >= (from_ns or 0)) & (
            opens <= (INT64_MAX if until_ns is None else until_ns)
        )
        rows += split_rows(forming.take(inside))
        return rows[-limit:] if from_ns is None else rows[:limit]

    def trades(
        self,
        kind: str,
        symbol: str,
        *,
        from_ns: int = 0,
        until_ns: int = INT64_MAX,
        from_id: int = 0,
        limit: int,
        last: bool,
    ) -> Tape:
        """Return trades of a symbol that were made by now: the first, or the last, of a window."""
        spool = self.recorded.spool_of(kind)
        until_ns = min(until_ns, self.reached_ns)
        first, stop = from_ns // BUCKET_NS, -(-until_ns // BUCKET_NS)
        near = [bucket for bucket in spool.buckets() if first <= bucket < stop]
        parts: list[Tape] = []
        rows = 0
        for bucket in reversed(near) if last else near:
            tape = spool.read(bucket, symbol)
            times = tape.event_time_ns
            tape = tape.take((times >= from_ns) & (times < until_ns) & (tape.trade_id >= from_id))
            if len(tape):
                parts.append(tape)
                rows += len(tape)
            if rows >= limit:
                break
        if not parts:
            return Tape.empty(spool.instruments)
        whole = concat(parts[::-1] if last else parts)
        return whole[-limit:] if last else whole[:limit]

    def _history(self) -> None:
        """Take the exchange's own klines from before the trades."""
        first_ns = self.recorded.trades.first_ns or 0
        for file in self.recorded.klines:
            if file.fields != FIELDS:
                # What a file does not say is not made up.
                continue
            shift = self.recorded.shift_ns
            batch = file.batch.with_columns({"open_time_ns": file.batch.open_time_ns + shift})
            ends = batch.close_time_ns()
            before = batch.take(ends <= first_ns)
            self.store.add(at_finest(before, self.recorded.trades.instruments))

    def _catch_up(self, start_ns: int) -> None:
        """Make the klines of the trades before the start, which are history."""
        first_ns = self.recorded.trades.first_ns
        if first_ns is None or first_ns >= start_ns:
            return
        self.reached_ns = first_ns // NS_PER_MINUTE * NS_PER_MINUTE
        while self.reached_ns < start_ns:
            self.advance(min(start_ns, self.next_end_ns(None)), (), False)

    def _follow(self, wanted: list[tuple[str, str, str]]) -> None:
        """Begin to fold the klines that are subscribed to, and drop those that are no more."""
        keys = {(symbol, interval) for _, symbol, interval in wanted}
        for key in [key for key in self._forming if key not in keys]:
            del self._forming[key]
        instruments = {one.symbol: one for one in self.recorded.trades.instruments}
        for symbol, interval in sorted(keys - self._forming.keys()):
            now = texts_of(self.open_kline(symbol, interval), self.recorded.trades.instruments)
            self._forming[symbol, interval] = FormingKline(
                instruments[symbol], parse_interval(interval), *now
            )

    def _updates(
        self, main: Tape, wanted: list[tuple[str, str, str]], end_ns: int
    ) -> Iterator[StreamMessage]:
        main = concat([self._unsent, main]) if len(self._unsent) else main
        cut = int(np.searchsorted(main.event_time_ns, end_ns // UPDATE_NS * UPDATE_NS))
        main, self._unsent = main[:cut], main[cut:]
        if not wanted:
            return
        kinds: dict[tuple[str, str], list[str]] = {}
        for kind, symbol, interval in wanted:
            kinds.setdefault((symbol, interval), []).append(kind)
        of_symbol: dict[str, list[str]] = {}
        for symbol, interval in kinds:
            of_symbol.setdefault(symbol, []).append(interval)
        asked = [of_symbol.get(one.symbol, ()) for one in main.instruments]
        if not all(asked):
            main = main.take(np.array([bool(one) for one in asked])[main.symbol])
        for part in parts(main, UPDATE_NS):
            symbol = main.instruments[part.code].symbol
            for interval in asked[part.code]:
                now = self._forming[symbol, interval].add(part)
                if now.close_ns == part.at_ns:
                    continue
                for kind in kinds[symbol, interval]:
                    text = now.event(part.at_ns, kind, closed=False)
                    yield StreamMessage(part.at_ns, 1, stream_of(kind, symbol, interval), text)

    def _closed(
        self, main: Tape, start_ns: int, end_ns: int, wanted: list[tuple[str, str, str]]
    ) -> list[StreamMessage]:
        self._unfed.append(main)
        first = start_ns // self._tick_ns * self._tick_ns + self._tick_ns
        ticks = range(first, end_ns + 1, self._tick_ns)
        if not ticks:
            return []
        klines = self._feed(ticks)
        if len(klines) == 0:
            return []
        klines = at_finest(klines, self.recorded.trades.instruments)
        self.store.add(klines)
        asked: dict[tuple[str, str], list[str]] = {}
        for kind, symbol, interval in wanted:
            asked.setdefault((symbol, interval), []).append(kind)
        names = {symbol for symbol, _ in asked}
        of_asked = np.array([one.symbol in names for one in klines.instruments])
        texts = texts_of(klines.take(of_asked[klines.symbol]), klines.instruments) if asked else []
        return [
            StreamMessage(
                one.close_ns,
                0,
                stream_of(kind, one.instrument.symbol, one.interval),
                one.event(one.close_ns, kind, closed=True),
                one.open_ns,
            )
            for one in texts
            for kind in asked.get((one.instrument.symbol, one.interval), ())
        ]

    def _feed(self, ticks: Sequence[int]) -> KlineBatch:
        """Give the aggregator the trades it has not seen, and ticks; return what is over.

        Without a tick nothing is: a kline is over before any trade of the next one.
        """
        trades = concat(self._unfed) if self._unfed else self._unsent[:0]
        self._unfed = []
        places = np.searchsorted(trades.event_time_ns, ticks, side="left").tolist()
        feed = FeedSlice(trades, tuple(Tick(t, t) for t in ticks), tuple(places))
        return self._exact.advance(feed).klines

    def _minis(self, main: Tape, end_ns: int, minis: bool) -> Iterator[StreamMessage]:
        if not minis:
            self.tickers.add(main)
            return
        for at_ns, texts in self.tickers.minis(main, end_ns):
            yield StreamMessage(at_ns, 2, MINI_TICKERS, f"[{','.join(texts)}]")


def stream_of(kind: str, symbol: str, interval: str) -> str:
    """Return the name of a stream of klines."""
    if kind == "continuousKline":
        return f"{symbol.lower()}_perpetual@{kind}_{interval}"
    return f"{symbol.lower()}@{kind}_{interval}"
