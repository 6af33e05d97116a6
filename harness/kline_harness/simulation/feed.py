"""From trades as recorded to the feed of an aggregator: arrival, merging, ticks in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kline_harness.columns import gathered
from kline_harness.errors import InputError, UsageError
from kline_harness.interfaces import FeedSlice, Observer, Signal
from kline_harness.simulation.merge import SLICE_ROWS
from kline_harness.simulation.signals import SignalOptions, Signals
from kline_harness.simulation.trade_filter import FilterOptions, TradeFilter
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_DAY, NS_PER_MINUTE, utc_text

# Klines of one interval that a slice may make while no trade comes.
SLICE_KLINES = 1 << 15
# Ticks and klines of one silence: 303 days at the default intervals and clock.
SILENCE_MAX = 1_000_000


class Disorder(Exception):
    """A source that was to be streamed is not in order: it has to be read whole and sorted."""


@dataclass(frozen=True, slots=True)
class Reception:
    """How a recording was received.

    `clock_offset_ns` is the smallest arrival minus trade time: the receiver's clock against the
    exchange's, plus the fastest way between them, which nobody can tell apart. Latencies are
    measured from it. `early` trades arrived before they were made, by an offset that was given.
    """

    path: str
    clock_offset_ns: int
    latency_mean_ns: int
    latency_p50_ns: int
    latency_p99_ns: int
    latency_max_ns: int
    early: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data for JSON."""
        return asdict(self)


def received(
    path: str, recording: Tape, clock_offset_ns: int | None = None
) -> tuple[Tape, Reception]:
    """Put a recording into order of arrival, with the clock offset removed.

    Without an offset that is known, the smallest arrival minus trade time is taken for it.

    Raises InputError where a trade's time and its arrival are more than a day further apart.
    """
    delays = recording.arrival_ns - recording.event_time_ns
    offset = int(delays.min()) if clock_offset_ns is None else clock_offset_ns
    latency = np.sort(delays - offset)
    rows = len(latency)
    if latency[0] < -NS_PER_DAY or latency[-1] > NS_PER_DAY:
        raise _far_apart(path, recording, int(latency[rows // 2]) + offset)
    reception = Reception(
        path,
        offset,
        int(latency.sum()) // rows,
        int(latency[rows // 2]),
        int(latency[min(rows - 1, rows * 99 // 100)]),
        int(latency[-1]),
        int(np.searchsorted(latency, 0)),
    )
    arrived = recording.with_columns({"arrival_ns": recording.arrival_ns - offset})
    return arrived.take(np.argsort(arrived.arrival_ns, kind="stable")), reception


def _far_apart(path: str, recording: Tape, usual_ns: int) -> InputError:
    """Name the trade whose delay is the furthest from the usual one."""
    delays = recording.arrival_ns - recording.event_time_ns
    row = int(np.abs(delays - usual_ns).argmax())
    times = (recording.event_time_ns[row], recording.arrival_ns[row])
    at, arrival = (utc_text(int(instant_ns)) for instant_ns in times)
    symbol = recording.instruments[int(recording.symbol[row])].symbol
    found = f"{symbol}, trade {int(recording.trade_id[row])} at {at}, received at {arrival}"
    return InputError(path, "trade times and arrivals less than a day apart", found)


def streamed(chunks: Iterable[Tape]) -> Iterator[Tape]:
    """Yield an archive's chunks in order of (trade time, trade id), chunk by chunk.

    Raises Disorder when a chunk reaches back behind the one before it.
    """
    last: tuple[int, int] | None = None
    for chunk in chunks:
        if len(chunk) == 0:
            continue
        ordered = in_order(chunk)
        first = (int(ordered.event_time_ns[0]), int(ordered.trade_id[0]))
        if last is not None and first < last:
            raise Disorder
        last = (int(ordered.event_time_ns[-1]), int(ordered.trade_id[-1]))
        held, ordered, chunk = [ordered], Tape.empty(), Tape.empty()
        # Nothing is held of what is handed on: many files may be read side by side.
        yield held.pop()


def in_order(tape: Tape) -> Tape:
    """Return trades sorted by (trade time, trade id); unchanged when they already are."""
    times, ids = tape.event_time_ns, tape.trade_id
    later = times[1:] > times[:-1]
    if np.all(later | ((times[1:] == times[:-1]) & (ids[1:] >= ids[:-1]))):
        return tape
    return tape.take(np.lexsort((ids, times)))


def symbol_alone(symbol: str, trade_id: int, event_time_ns: int) -> str:
    """Return the symbol alone, where a trade is in no file."""
    return symbol


@dataclass(slots=True)
class Feed:
    """Yields the feed slice by slice: trades by arrival with signals in between.

    `delay_ns` gives the average latency, asked for once the first trade is there. The clock
    starts with the first trade. It runs through `until_ns` where the sources claim to
    cover time up to there, else it stops with the last trade. `end_ns` is known after the last
    slice: the instant at which the feed is over.

    `observers` are offered every slice as it would be had no outage kept a trade back. The
    klines made of it take `lengths_ns`: a slice is no longer than many of the shortest, or than as
    many ticks, and a silence of more than `silence_max` ticks and klines of one symbol is
    refused, as are silences of more than a day that come to so many together (`quiet`). `place_of`
    finds a trade in its file, given symbol, trade id and trade time, for saying so.
    """

    tapes: Iterator[Tape]
    options: SignalOptions
    delay_ns: Callable[[], int] = int
    until_ns: int | None = None
    slice_rows: int = SLICE_ROWS
    trade_filter: TradeFilter = field(default_factory=lambda: TradeFilter(FilterOptions()))
    observers: Sequence[Observer] = ()
    lengths_ns: Sequence[int] = (NS_PER_MINUTE,)
    silence_max: int = SILENCE_MAX
    place_of: Callable[[str, int, int], str] = symbol_alone
    start_ns: int = 0
    end_ns: int = 0
    trades: int = 0
    quiet: int = 0
    signals: Signals | None = None

    def __iter__(self) -> Iterator[FeedSlice]:
        for tape in gathered(self.tapes, self.slice_rows // 2):
            for start in range(0, len(tape), self.slice_rows):
                yield from self._slices(tape[start : start + self.slice_rows])
        if self.signals is None:
            return
        yield from self._silence()
        last = self._running(self.signals.rest(self.end_ns, self.until_ns))
        if last:
            self.end_ns = max(self.end_ns, last[-1].at_ns)
            yield self._shown(Tape.empty(), last)
        if self.trade_filter.shutdown_ns is not None:
            self.end_ns = min(self.end_ns, self.trade_filter.shutdown_ns)

    def _slices(self, trades: Tape) -> Iterator[FeedSlice]:
        """Yield trades with the signals before the last of them, in more slices where it is long.

        Raises UsageError for a trade that comes too long after what came before it.
        """
        loop = self.options.loop
        if loop.busy:
            arrival_ns = loop.processed(trades.arrival_ns)
            trades = trades.with_columns({"arrival_ns": arrival_ns})
        if self.signals is None:
            self.start_ns = int(trades.arrival_ns[0])
            self.signals = Signals(self.options, self.start_ns, self.delay_ns())
        self._refuse_silence(trades)
        self.end_ns = int(trades.arrival_ns[-1])
        self.trades += int(trades.recorded(np.zeros(1, dtype=np.int64))[0])
        span_ns = SLICE_KLINES * self._shortest_ns() // max(1, len(trades.instruments))
        for cut_ns in self.signals.cuts_before(self.end_ns, span_ns):
            stop = int(np.searchsorted(trades.arrival_ns, cut_ns, side="left"))
            yield self._slice(trades[:stop], cut_ns)
            trades = trades[stop:]
        yield self._slice(trades, self.end_ns)

    def _slice(self, trades: Tape, until_ns: int) -> FeedSlice:
        assert self.signals is not None
        signals = self._running(self.signals.before(until_ns))
        return self._shown(self.trade_filter.running(trades), signals)

    def _silence(self) -> Iterator[FeedSlice]:
        """Yield what the clock does after the last trade, but for its end.

        Raises UsageError where the clock is to run on for too long.
        """
        assert self.signals is not None
        until_ns = self.end_ns if self.until_ns is None else self.until_ns
        made = self._made_in(until_ns - self.end_ns)
        if made > self.silence_max:
            raise UsageError(
                f"the clock runs on until {utc_text(until_ns)}: expected {self._most()} after the "
                f"last trade at {utc_text(self.end_ns)}, found {made:,}"
            )
        for cut_ns in self.signals.cuts_before(until_ns, SLICE_KLINES * self._shortest_ns()):
            piece = self._slice(Tape.empty(), cut_ns)
            if piece.signals:
                self.end_ns = max(self.end_ns, piece.signals[-1].at_ns)
            yield piece

    def _refuse_silence(self, trades: Tape) -> None:
        arrivals = np.append(self.end_ns or self.start_ns, trades.arrival_ns)
        gaps = arrivals[1:] - arrivals[:-1]
        row = int(gaps.argmax())
        made = self._made_in(int(gaps[row]))
        if made <= self.silence_max:
            # What is made of each is held to the end: many such silences are as much as one.
            for row in np.flatnonzero(gaps > NS_PER_DAY).tolist():
                self.quiet += self._made_in(int(gaps[row]))
                if self.quiet > self.silence_max:
                    made = self.quiet
                    break
        if made > self.silence_max:
            trade = trades.symbol_text(row), int(trades.trade_id[row])
            place = self.place_of(*trade, int(trades.event_time_ns[row]))
            before, at = (utc_text(int(instant_ns)) for instant_ns in arrivals[row : row + 2])
            earlier = " and in earlier silences of more than a day" if made == self.quiet else ""
            raise UsageError(
                f"{place}, trade {trade[1]} at {at}: expected {self._most()} after the trade "
                f"before it at {before}{earlier}, found {made:,}"
            )

    def _made_in(self, silence_ns: int) -> int:
        """Return how many ticks, and klines of one symbol, a silence comes to."""
        return sum(silence_ns // ns for ns in (self.options.clock.period_ns, *self.lengths_ns))

    def _shortest_ns(self) -> int:
        """Return the shortest of a tick and the klines: of days alone there are many ticks."""
        return min(self.options.clock.period_ns, *self.lengths_ns)

    def _most(self) -> str:
        return f"at most {self.silence_max:,} ticks and klines of quiet (silence_max)"

    def _running(self, signals: list[Signal]) -> list[Signal]:
        """Return the signals that come before the shutdown, which a loop looks at first."""
        shutdown_ns = self.trade_filter.shutdown_ns
        if shutdown_ns is None:
            return signals
        return [signal for signal in signals if signal.at_ns < shutdown_ns]

    def _shown(self, trades: Tape, signals: list[Signal]) -> FeedSlice:
        whole = with_signals(trades, signals)
        for observer in self.observers:
            observer.on_offered(whole)
        delivered = self.trade_filter.connected(trades)
        return whole if delivered is trades else with_signals(delivered, signals)


def with_signals(trades: Tape, signals: Sequence[Signal]) -> FeedSlice:
    """Put signals between trades; what arrives at the instant of a signal goes before it."""
    at_ns = np.array([signal.at_ns for signal in signals], dtype=np.int64)
    positions = np.searchsorted(trades.arrival_ns, at_ns, side="right")
    return FeedSlice(trades, tuple(signals), tuple(positions.tolist()))
