"""Feeds for property tests: the same events as oracle objects and as columnar feed slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from hypothesis import strategies as st
from kline_harness.columns import Instrument, concat
from kline_harness.interfaces import Aggregator, FeedSlice, Tick
from kline_harness.interval import INTERVALS, Interval
from kline_harness.kline import Emission, KlineBatch, Trigger
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import to_decimal

from tests.oracle import OracleKline, OracleTick, OracleTrade

NS = 1_000_000_000
# Saturday 2024-03-02 23:55:00 UTC: five minutes before a day, an hour and an 8h boundary.
START_NS = 1_709_423_700 * NS
# Monday 2024-01-01 00:00:00 UTC minus a minute: week, month, day and 3d boundaries are near.
NEW_YEAR_NS = (1_704_067_200 - 60) * NS


@dataclass(frozen=True)
class Event:
    """A trade or, with `symbol` None, a tick, at a place in processing order."""

    at_ns: int
    time_ns: int
    symbol: str | None = None
    id: int = 0
    price: Decimal = Decimal(1)
    quantity: Decimal = Decimal(1)
    raw_trades: int = 1
    buyer_is_maker: bool = False
    kind: str = "MARKET"


@st.composite
def events(draw: st.DrawFn, symbols: Sequence[str] = ("AAA", "BBB")) -> list[Event]:
    """Draw a feed: ties, late and out of order trades, duplicates, gaps, ticks, or nothing."""
    start = draw(st.sampled_from([START_NS, NEW_YEAR_NS]))
    step = st.sampled_from([0, 0, 1_000_000, 400_000_000, 7 * NS, 59 * NS, 400 * NS, 7000 * NS])
    decimals = st.sampled_from([0, 1, 2, 5])
    out: list[Event] = []
    now, raw_id = start, 1
    for _ in range(draw(st.integers(0, 40))):
        now += draw(step)
        if draw(st.integers(0, 4)) == 0:
            out.append(Event(now, now - now % (60 * NS) if draw(st.booleans()) else now))
            continue
        jump = draw(st.sampled_from([0, 0, 0, 0, 1, 5]))
        back = draw(st.sampled_from([0, 0, 0, 1_000_000, 3 * NS, 61 * NS, 400 * NS]))
        repeated = [e.id for e in out if e.symbol is not None]
        if repeated and draw(st.integers(0, 9)) == 0:
            trade_id = draw(st.sampled_from(repeated))
        else:
            raw_id += 1 + jump
            trade_id = raw_id
        price = Decimal(draw(st.integers(1, 10**6))).scaleb(-draw(decimals))
        quantity = Decimal(draw(st.integers(1, 10**6))).scaleb(-draw(decimals))
        kind = draw(st.sampled_from(["MARKET"] * 12 + ["INSURANCE_FUND", "ADL"]))
        out.append(
            Event(
                now,
                now - back,
                draw(st.sampled_from(symbols)),
                trade_id,
                price,
                quantity,
                draw(st.sampled_from([1, 1, 3])),
                draw(st.booleans()),
                kind,
            )
        )
    if draw(st.integers(0, 3)) == 0 and len(out) > 2:
        # Arrival out of id order inside one millisecond.
        order = draw(st.permutations(range(min(6, len(out)))))
        moved = [out[i] for i in order]
        out[: len(order)] = [
            Event(**{**vars(e), "at_ns": o.at_ns}) for e, o in zip(moved, out, strict=False)
        ]
    return out


def oracle_events(feed: Sequence[Event]) -> list[OracleTrade | OracleTick]:
    """Return the feed as the oracle takes it."""
    return [
        OracleTick(e.time_ns)
        if e.symbol is None
        else OracleTrade(
            e.id,
            e.price,
            e.quantity,
            e.id * 10,
            e.id * 10 + e.raw_trades - 1,
            e.time_ns,
            e.buyer_is_maker,
            e.symbol,
            e.at_ns,
            e.kind,
        )
        for e in feed
    ]


def feed_slice(feed: Sequence[Event]) -> FeedSlice:
    """Return the feed as one columnar slice; each symbol has the scales its numbers need."""
    trades = [e for e in feed if e.symbol is not None]
    signals, positions, done = [], [], 0
    for e in feed:
        if e.symbol is None:
            signals.append(Tick(e.at_ns, e.time_ns))
            positions.append(done)
        else:
            done += 1
    tapes = [_one(e) for e in trades]
    tape = concat(tapes) if tapes else Tape.empty()
    return FeedSlice(tape, tuple(signals), tuple(positions))


def _one(e: Event) -> Tape:
    assert e.symbol is not None
    scales = [max(0, -int(d.as_tuple().exponent)) for d in (e.price, e.quantity)]

    def ints(value: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([value], dtype=np.int64)

    return Tape.of(
        Instrument.of(e.symbol, *scales),
        trade_id=ints(e.id),
        price=ints(int(e.price.scaleb(scales[0]))),
        quantity=ints(int(e.quantity.scaleb(scales[1]))),
        first_id=ints(e.id * 10),
        last_id=ints(e.id * 10 + e.raw_trades - 1),
        event_time_ns=ints(e.time_ns),
        arrival_ns=ints(e.at_ns),
        buyer_is_maker=np.array([e.buyer_is_maker]),
        kind=np.array([TradeKind[e.kind]], dtype=np.int8),
    )


def as_oracle_kline(batch: KlineBatch, row: int) -> OracleKline:
    """Return one kline in exact decimals."""
    i = batch.instruments[int(batch.symbol[row])]
    interval: Interval = INTERVALS[int(batch.interval[row])]
    opened = int(batch.open_time_ns[row])
    open_, high, low, close = (
        to_decimal(int(getattr(batch, n)[row]), i.price_scale)
        for n in ("open", "high", "low", "close")
    )
    return OracleKline(
        opened,
        interval.close_time_ns(opened),
        open_,
        high,
        low,
        close,
        volume=to_decimal(int(batch.volume[row]), i.quantity_scale),
        quote_volume=to_decimal(int(batch.quote_volume[row]), i.quote_scale),
        count=int(batch.count[row]),
        taker_buy_volume=to_decimal(int(batch.taker_buy_volume[row]), i.quantity_scale),
        taker_buy_quote_volume=to_decimal(int(batch.taker_buy_quote_volume[row]), i.quote_scale),
        first_trade_id=int(batch.first_trade_id[row]),
        last_trade_id=int(batch.last_trade_id[row]),
    )


def finals_by_series(
    emissions: Sequence[Emission],
) -> dict[tuple[str, str], list[tuple[OracleKline, str]]]:
    """Return every final with its trigger, by symbol and interval, in order of publication."""
    out: dict[tuple[str, str], list[tuple[OracleKline, str]]] = {}
    for emission in emissions:
        batch = emission.klines
        for row in range(len(batch)):
            key = (batch.symbol_text(row), INTERVALS[int(batch.interval[row])].text)
            trigger = Trigger(int(batch.trigger[row])).name.lower()
            out.setdefault(key, []).append((as_oracle_kline(batch, row), trigger))
    return out


def advanced(aggregator: Aggregator, feed: FeedSlice, cuts: Sequence[int]) -> list[Emission]:
    """Return what an aggregator gives for a feed that is cut at some places, and for its end."""
    emissions, done = [], 0
    for cut in [*sorted(cuts), len(feed)]:
        head, feed = feed.cut(max(0, cut - done))
        done = max(done, cut)
        emissions.append(aggregator.advance(head))
    emissions.append(aggregator.finish(10**19 // 10))
    return emissions
