"""The brute-force oracle: klines made one trade at a time, in the plainest way there is.

Tests hold the harness to this file, so it shares nothing with the package: calendar arithmetic
instead of integer division, decimals instead of scaled integers, lists instead of columns.
All times are nanoseconds UTC; prices and quantities are exact decimals. Slow on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Literal

Trigger = Literal["trade", "tick", "end"]

INTERVALS: tuple[str, ...] = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"),
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NS_PER_SECOND = 1_000_000_000
ZERO = Decimal(0)

# Wide enough for every product and sum, and loud if that is ever wrong: no rounding can hide here.
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])


@dataclass(frozen=True)
class OracleTrade:
    """One trade or aggregate trade.

    `id` orders and identifies it within its symbol; `first_id`..`last_id` are the raw trades inside
    (both equal to `id` for a raw trade). `quote_quantity` is given only where the exchange's own
    figure is not price times quantity (COIN-M); `arrival_ns` is for the tests that make feeds.
    """

    id: int
    price: Decimal
    quantity: Decimal
    first_id: int
    last_id: int
    time_ns: int
    buyer_is_maker: bool
    symbol: str = "ALFAUSDT"
    arrival_ns: int | None = None
    kind: str = "MARKET"
    quote_quantity: Decimal | None = None

    @property
    def quote(self) -> Decimal:
        """The quote quantity, exact."""
        if self.quote_quantity is not None:
            return self.quote_quantity
        return EXACT.multiply(self.price, self.quantity)


@dataclass(frozen=True)
class OracleTick:
    """The aggregator's clock signal, saying that it is now `time_ns`."""

    time_ns: int


@dataclass(frozen=True)
class OracleKline:
    """One kline over [open_time_ns, close_time_ns): the close time is the next kline's open time.

    Where nothing traded the four prices are the previous close, all amounts 0, both trade ids -1.
    """

    open_time_ns: int
    close_time_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    count: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    first_trade_id: int
    last_trade_id: int


# --- the calendar ------------------------------------------------------------------------------


def _datetime(t_ns: int) -> datetime:
    """The whole second that holds the instant: every interval opens on a whole second."""
    return EPOCH + timedelta(seconds=t_ns // NS_PER_SECOND)


def _nanoseconds(moment: datetime) -> int:
    """Nanoseconds since the epoch, by integers only (`timestamp()` would be a float)."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_SECOND


def open_time(interval: str, t_ns: int) -> int:
    """The open time of the interval's kline that holds the instant.

    The opening instant belongs to the kline, the closing one to the next. Every interval up to 12h
    divides the day, so counting from midnight or from the epoch is the same; 3d counts from the
    epoch, 1w starts on Monday 00:00 UTC, 1M on the first of the month.
    """
    moment = _datetime(t_ns)
    midnight = moment.replace(hour=0, minute=0, second=0)
    count, unit = int(interval[:-1]), interval[-1]
    if interval == "1s":
        opened = moment
    elif unit == "m":
        opened = moment.replace(minute=moment.minute - moment.minute % count, second=0)
    elif unit == "h":
        opened = midnight.replace(hour=moment.hour - moment.hour % count)
    elif unit == "d":
        opened = midnight - timedelta(days=(midnight - EPOCH).days % count)
    elif interval == "1w":
        opened = midnight - timedelta(days=midnight.weekday())
    elif interval == "1M":
        opened = midnight.replace(day=1)
    else:
        raise ValueError(f"unknown interval {interval!r}")
    return _nanoseconds(opened)


def next_open(interval: str, t_ns: int) -> int:
    """The open time of the kline after the one that holds the instant: where that one closes."""
    opened = _datetime(open_time(interval, t_ns))
    if interval == "1M":
        # 32 days after the first is always in the next month.
        return _nanoseconds((opened + timedelta(days=32)).replace(day=1))
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[interval[-1]]
    return _nanoseconds(opened + timedelta(**{unit: int(interval[:-1])}))


# --- one kline ---------------------------------------------------------------------------------


def _total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _traded_kline(interval: str, opened_ns: int, trades: Sequence[OracleTrade]) -> OracleKline:
    """The kline of one bucket's trades, in whatever order they came: ids decide open and close."""
    by_id = sorted(trades, key=lambda trade: trade.id)
    taker_buys = [trade for trade in by_id if not trade.buyer_is_maker]
    return OracleKline(
        open_time_ns=opened_ns,
        close_time_ns=next_open(interval, opened_ns),
        open=by_id[0].price,
        high=max(trade.price for trade in by_id),
        low=min(trade.price for trade in by_id),
        close=by_id[-1].price,
        volume=_total(trade.quantity for trade in by_id),
        quote_volume=_total(trade.quote for trade in by_id),
        count=sum(trade.last_id - trade.first_id + 1 for trade in by_id),
        taker_buy_volume=_total(trade.quantity for trade in taker_buys),
        taker_buy_quote_volume=_total(trade.quote for trade in taker_buys),
        first_trade_id=by_id[0].first_id,
        last_trade_id=by_id[-1].last_id,
    )


def _flat_kline(interval: str, opened_ns: int, previous_close: Decimal) -> OracleKline:
    """The kline of a bucket in which nothing traded."""
    return OracleKline(
        open_time_ns=opened_ns,
        close_time_ns=next_open(interval, opened_ns),
        open=previous_close,
        high=previous_close,
        low=previous_close,
        close=previous_close,
        volume=ZERO,
        quote_volume=ZERO,
        count=0,
        taker_buy_volume=ZERO,
        taker_buy_quote_volume=ZERO,
        first_trade_id=-1,
        last_trade_id=-1,
    )


# --- klines of a set of trades -----------------------------------------------------------------


def klines(trades: Iterable[OracleTrade], interval: str) -> list[OracleKline]:
    """The exchange's klines of one symbol's trades, from its first traded bucket to its last.

    Trades that are not MARKET do not count; of trades with one id only the first does; a bucket
    without a trade between two that have some is flat. The order of the trades does not matter.
    """
    first_of_id: dict[int, OracleTrade] = {}
    for trade in trades:
        if trade.kind == "MARKET" and trade.id not in first_of_id:
            first_of_id[trade.id] = trade
    if len({trade.symbol for trade in first_of_id.values()}) > 1:
        raise ValueError("the klines of several symbols cannot be one list")
    buckets: dict[int, list[OracleTrade]] = {}
    for trade in first_of_id.values():
        buckets.setdefault(open_time(interval, trade.time_ns), []).append(trade)
    if not buckets:
        return []
    rows: list[OracleKline] = []
    opened_ns = min(buckets)
    while opened_ns <= max(buckets):
        if opened_ns in buckets:
            rows.append(_traded_kline(interval, opened_ns, buckets[opened_ns]))
        else:
            rows.append(_flat_kline(interval, opened_ns, rows[-1].close))
        opened_ns = next_open(interval, opened_ns)
    return rows


# --- klines of a feed --------------------------------------------------------------------------


@dataclass(frozen=True)
class OracleFinal:
    """A final kline, what finalized it, and the index of that event in the feed.

    At the end of the feed the index is the number of events.
    """

    kline: OracleKline
    trigger: Trigger
    event_index: int


@dataclass
class OracleSeries:
    """What one symbol's interval must come to: its finals in order, and where each trade went.

    The five lists hold trade ids in feed order, and balance:
    received = applied + late + duplicate + rejected.
    applied: counted in the kline of its bucket. late: its bucket was already final. duplicate: its
    id had been received before. rejected: not MARKET.
    """

    finals: list[OracleFinal] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    applied: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    duplicate: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)

    @property
    def klines(self) -> list[OracleKline]:
        """The finals without their circumstances."""
        return [final.kline for final in self.finals]


@dataclass
class _Forming:
    """The one open kline of a symbol's interval: its bucket, and its trades so far (maybe none)."""

    opened_ns: int
    trades: list[OracleTrade]
    previous_close: Decimal | None


OracleEvent = OracleTrade | OracleTick


class OracleFeed:
    """The streaming truth: trades and ticks in processing order, by these rules.

    1. A trade that is not MARKET is rejected, every time, and does nothing else.
    2. A trade whose id the symbol has had is a duplicate, in every interval, whatever became of the
       first one, and does nothing else.
    3. The symbol's first other trade opens one kline per interval. Before it, ticks do nothing.
    4. A later trade in a later bucket finalizes the open kline and the flat ones skipped, then
       opens its own; in the open bucket it is applied; in an earlier bucket it is late. Each
       interval decides for itself: late in 1m may well be on time in 1h.
    5. A tick at t finalizes every kline that closes at or before t, and opens the bucket of t (flat
       until a trade comes). A tick inside or before the open bucket does nothing.
    6. A flat kline carries the close of the kline before it.
    """

    def __init__(self, intervals: Sequence[str]) -> None:
        self.intervals = tuple(intervals)
        self.series: dict[tuple[str, str], OracleSeries] = {}
        self._forming: dict[tuple[str, str], _Forming] = {}
        self._seen: dict[str, set[int]] = {}
        self._events = 0

    def event(self, event: OracleEvent) -> None:
        """Process the next event."""
        if isinstance(event, OracleTick):
            for key in self._forming:
                self._advance(key, event.time_ns, "tick")
        else:
            self._trade(event)
        self._events += 1

    def finish(self) -> dict[tuple[str, str], OracleSeries]:
        """Publish what is still open and has trades, and return all series.

        A flat kline that is still open says nothing yet: its time is not over and nothing
        happened in it.
        """
        for key, forming in list(self._forming.items()):
            if forming.trades:
                self._finalize(key, "end")
            del self._forming[key]
        return self.series

    def _trade(self, trade: OracleTrade) -> None:
        seen = self._seen.setdefault(trade.symbol, set())
        for interval in self.intervals:
            series = self.series.setdefault((trade.symbol, interval), OracleSeries())
            series.received.append(trade.id)
            if trade.kind != "MARKET":
                series.rejected.append(trade.id)
            elif trade.id in seen:
                series.duplicate.append(trade.id)
            else:
                self._accepted(interval, trade, series)
        if trade.kind == "MARKET":
            seen.add(trade.id)

    def _accepted(self, interval: str, trade: OracleTrade, series: OracleSeries) -> None:
        """Rules 3 and 4."""
        key = (trade.symbol, interval)
        bucket_ns = open_time(interval, trade.time_ns)
        if key not in self._forming:
            self._forming[key] = _Forming(bucket_ns, [], previous_close=None)
        self._advance(key, trade.time_ns, "trade")
        if bucket_ns < self._forming[key].opened_ns:
            series.late.append(trade.id)
        else:
            series.applied.append(trade.id)
            self._forming[key].trades.append(trade)

    def _advance(self, key: tuple[str, str], now_ns: int, trigger: Trigger) -> None:
        """Finalize and reopen until the open kline is the one that holds `now_ns`, or a later."""
        interval = key[1]
        while next_open(interval, self._forming[key].opened_ns) <= now_ns:
            final = self._finalize(key, trigger)
            self._forming[key] = _Forming(final.close_time_ns, [], final.close)

    def _finalize(self, key: tuple[str, str], trigger: Trigger) -> OracleKline:
        forming = self._forming[key]
        if forming.trades:
            kline = _traded_kline(key[1], forming.opened_ns, forming.trades)
        else:
            # Only a symbol's first kline has no close before it, and a trade opened that one.
            assert forming.previous_close is not None
            kline = _flat_kline(key[1], forming.opened_ns, forming.previous_close)
        self.series[key].finals.append(OracleFinal(kline, trigger, self._events))
        return kline


def feed_klines(
    events: Iterable[OracleEvent], intervals: Sequence[str]
) -> dict[tuple[str, str], OracleSeries]:
    """The finals and the ledger of a whole feed, by (symbol, interval); see `OracleFeed`."""
    feed = OracleFeed(intervals)
    for event in events:
        feed.event(event)
    return feed.finish()
