"""The oracle against cases worked out by hand; `test_oracle_real_data.py` has the real ones."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.oracle import (
    INTERVALS,
    OracleEvent,
    OracleFeed,
    OracleKline,
    OracleSeries,
    OracleTick,
    OracleTrade,
    feed_klines,
    klines,
    next_open,
    open_time,
)

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str) -> int:
    """The instant in nanoseconds, from ISO text taken as UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1_000


def trade(
    trade_id: int,
    seconds: str,
    price: str = "100",
    quantity: str = "1",
    *,
    sell: bool = False,
    ids: tuple[int, int] | None = None,
    kind: str = "MARKET",
    symbol: str = "ALFAUSDT",
) -> OracleTrade:
    """A trade so many seconds after the epoch; `ids` makes it an aggregate."""
    first_id, last_id = ids or (trade_id, trade_id)
    return OracleTrade(
        id=trade_id,
        price=Decimal(price),
        quantity=Decimal(quantity),
        first_id=first_id,
        last_id=last_id,
        time_ns=int(Decimal(seconds) * SECOND),
        buyer_is_maker=sell,
        kind=kind,
        symbol=symbol,
    )


def tick(seconds: str) -> OracleTick:
    """A tick so many seconds after the epoch."""
    return OracleTick(int(Decimal(seconds) * SECOND))


def minute(events: list[OracleEvent]) -> OracleSeries:
    """The one-minute series of a feed of one symbol."""
    return feed_klines(events, ["1m"])[("ALFAUSDT", "1m")]


def told(series: OracleSeries) -> list[tuple[int, str, str, int, str, int]]:
    """Each final as (minute, open, close, count, trigger, event index)."""
    return [
        (
            final.kline.open_time_ns // MINUTE,
            str(final.kline.open),
            str(final.kline.close),
            final.kline.count,
            final.trigger,
            final.event_index,
        )
        for final in series.finals
    ]


# --- the calendar ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "instant", "opened", "closed"),
    [
        ("1s", "2024-05-15T12:34:56.789", "2024-05-15T12:34:56", "2024-05-15T12:34:57"),
        ("1m", "2024-05-15T12:34:59.999", "2024-05-15T12:34:00", "2024-05-15T12:35:00"),
        ("1m", "2024-05-15T12:35:00.000", "2024-05-15T12:35:00", "2024-05-15T12:36:00"),
        ("3m", "2024-05-15T12:34:56", "2024-05-15T12:33:00", "2024-05-15T12:36:00"),
        ("5m", "2024-05-15T12:34:56", "2024-05-15T12:30:00", "2024-05-15T12:35:00"),
        ("15m", "2024-05-15T12:34:56", "2024-05-15T12:30:00", "2024-05-15T12:45:00"),
        ("30m", "2024-05-15T12:34:56", "2024-05-15T12:30:00", "2024-05-15T13:00:00"),
        ("1h", "2024-05-15T12:34:56", "2024-05-15T12:00:00", "2024-05-15T13:00:00"),
        ("2h", "2024-05-15T11:34:56", "2024-05-15T10:00:00", "2024-05-15T12:00:00"),
        ("4h", "2024-05-15T11:34:56", "2024-05-15T08:00:00", "2024-05-15T12:00:00"),
        ("6h", "2024-05-15T11:34:56", "2024-05-15T06:00:00", "2024-05-15T12:00:00"),
        ("8h", "2024-05-15T23:34:56", "2024-05-15T16:00:00", "2024-05-16T00:00:00"),
        ("12h", "2024-05-15T12:00:00", "2024-05-15T12:00:00", "2024-05-16T00:00:00"),
        ("1d", "2024-02-29T23:59:59.999", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("3d", "2024-05-15T12:34:56", "2024-05-14T00:00:00", "2024-05-17T00:00:00"),
        ("1w", "2024-05-12T23:59:59.999", "2024-05-06T00:00:00", "2024-05-13T00:00:00"),
        ("1w", "2024-05-13T00:00:00", "2024-05-13T00:00:00", "2024-05-20T00:00:00"),
        ("1w", "1970-01-01T00:00:00", "1969-12-29T00:00:00", "1970-01-05T00:00:00"),
        ("1M", "2024-02-29T23:59:59.999", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("1M", "2024-12-31T12:00:00", "2024-12-01T00:00:00", "2025-01-01T00:00:00"),
    ],
)
def test_an_instant_lies_in_its_kline(
    interval: str, instant: str, opened: str, closed: str
) -> None:
    assert open_time(interval, at(instant)) == at(opened)
    assert next_open(interval, at(instant)) == at(closed)


@pytest.mark.parametrize("interval", INTERVALS)
def test_klines_follow_each_other_without_gap_or_overlap(interval: str) -> None:
    opened = open_time(interval, at("2023-12-30T23:59:59.999"))
    for _ in range(40):
        closed = next_open(interval, opened)
        assert opened < closed
        assert open_time(interval, opened) == opened
        assert open_time(interval, closed - 1) == opened
        assert open_time(interval, closed) == closed
        opened = closed


@pytest.mark.parametrize("interval", [i for i in INTERVALS if i not in ("1w", "1M")])
def test_fixed_intervals_count_from_the_epoch(interval: str) -> None:
    unit = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}[interval[-1]]
    length = int(interval[:-1]) * unit
    for instant in (at("2024-05-15T12:34:56.789"), at("2017-08-17T04:00:00"), at("1970-01-01")):
        assert open_time(interval, instant) == instant - instant % length
        assert next_open(interval, instant) == instant - instant % length + length


def test_an_unknown_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="2x"):
        open_time("2x", 0)


# --- klines by hand ----------------------------------------------------------------------------


def test_one_minute_by_hand() -> None:
    rows = klines(
        [
            trade(12, "59.999", "9.5", "2", sell=True, ids=(32, 34)),
            trade(10, "0", "10.0", "1", ids=(30, 30)),
            trade(11, "0", "11.25", "0.1", ids=(31, 31)),
        ],
        "1m",
    )
    assert rows == [
        OracleKline(
            open_time_ns=0,
            close_time_ns=MINUTE,
            open=Decimal("10.0"),
            high=Decimal("11.25"),
            low=Decimal("9.5"),
            close=Decimal("9.5"),
            volume=Decimal("3.1"),
            quote_volume=Decimal("30.125"),
            count=5,
            taker_buy_volume=Decimal("1.1"),
            taker_buy_quote_volume=Decimal("11.125"),
            first_trade_id=30,
            last_trade_id=34,
        )
    ]


def test_quiet_minutes_are_flat_at_the_previous_close() -> None:
    rows = klines([trade(1, "0", "5"), trade(2, "1", "7"), trade(3, "180", "6")], "1m")
    assert [row.open_time_ns // MINUTE for row in rows] == [0, 1, 2, 3]
    for row in rows[1:3]:
        assert (row.open, row.high, row.low, row.close) == (Decimal(7),) * 4
        amounts = (row.volume, row.quote_volume, row.taker_buy_volume, row.taker_buy_quote_volume)
        assert amounts == (Decimal(0),) * 4
        assert row.count == 0
        assert (row.first_trade_id, row.last_trade_id) == (-1, -1)


def test_only_the_first_of_an_id_counts_and_only_market_trades() -> None:
    rows = klines(
        [
            trade(1, "0", "5"),
            trade(2, "1", "500", kind="INSURANCE_FUND"),
            trade(2, "1", "6"),
            trade(2, "61", "7"),
        ],
        "1m",
    )
    assert len(rows) == 1
    assert (rows[0].high, rows[0].count) == (Decimal(6), 2)


def test_no_trades_no_klines_and_symbols_do_not_mix() -> None:
    assert klines([], "1m") == []
    with pytest.raises(ValueError, match="several symbols"):
        klines([trade(1, "0"), trade(2, "0", symbol="BRAVOUSDT")], "1m")


def test_amounts_stay_exact_whatever_their_size() -> None:
    rows = klines(
        [
            trade(1, "0", "123456789012345678.12345678", "987654321098765432.12345678"),
            trade(2, "0", "0.00000001", "0.00000001"),
        ],
        "1m",
    )
    scaled = 12345678901234567812345678 * 98765432109876543212345678 + 1
    assert Fraction(rows[0].quote_volume) == Fraction(scaled, 10**16)


# --- feeds by hand -----------------------------------------------------------------------------


def test_a_tick_finalizes_what_has_expired_and_opens_flat_klines() -> None:
    series = minute(
        [tick("0"), trade(1, "1", "5"), tick("59.999"), tick("60"), tick("185"), tick("60")]
    )
    assert told(series) == [
        (0, "5", "5", 1, "tick", 3),
        (1, "5", "5", 0, "tick", 4),
        (2, "5", "5", 0, "tick", 4),
    ]


def test_a_trade_finalizes_what_it_outruns() -> None:
    series = minute([trade(1, "1", "5"), trade(2, "60", "6"), trade(3, "239.999", "7")])
    assert told(series) == [
        (0, "5", "5", 1, "trade", 1),
        (1, "6", "6", 1, "trade", 2),
        (2, "6", "6", 0, "trade", 2),
        (3, "7", "7", 1, "end", 3),
    ]


def test_the_first_trade_of_a_provisional_kline_replaces_its_prices() -> None:
    series = minute([trade(1, "1", "5"), tick("60"), trade(2, "61", "9"), tick("120")])
    assert told(series)[:2] == [(0, "5", "5", 1, "tick", 1), (1, "9", "9", 1, "tick", 3)]


def test_ids_decide_open_and_close_whatever_the_arrival() -> None:
    series = minute([trade(2, "1", "6"), trade(3, "2", "7"), trade(1, "0", "5")])
    assert told(series) == [(0, "5", "7", 3, "end", 3)]


def test_late_is_decided_by_each_interval() -> None:
    events: list[OracleEvent] = [trade(1, "1", "5"), tick("60"), trade(2, "59.999", "6")]
    result = feed_klines(events, ["1m", "5m"])
    one, five = result[("ALFAUSDT", "1m")], result[("ALFAUSDT", "5m")]
    assert (one.applied, one.late) == ([1], [2])
    assert (five.applied, five.late) == ([1, 2], [])
    assert [row.close for row in five.klines] == [Decimal(6)]
    assert [row.close for row in one.klines] == [Decimal(5)]


def test_every_received_trade_is_accounted_for() -> None:
    series = minute(
        [
            trade(9, "61", "1", kind="ADL"),
            tick("70"),
            trade(1, "61"),
            trade(2, "59"),
            trade(2, "62"),
            trade(1, "61"),
            trade(9, "61", "1", kind="ADL"),
            trade(3, "62"),
        ]
    )
    assert series.received == [9, 1, 2, 2, 1, 9, 3]
    assert series.applied == [1, 3]
    assert series.late == [2]
    assert series.duplicate == [2, 1]
    assert series.rejected == [9, 9]
    assert [row.count for row in series.klines] == [2]


def test_symbols_are_apart_and_ticks_are_for_all() -> None:
    result = feed_klines(
        [trade(1, "0"), trade(1, "30", "7", symbol="BRAVOUSDT"), tick("60")], ["1m"]
    )
    assert [len(series.finals) for series in result.values()] == [1, 1]
    assert result[("BRAVOUSDT", "1m")].finals[0].kline.close == Decimal(7)


def test_a_symbol_with_only_rejected_trades_has_no_klines() -> None:
    series = minute([trade(1, "0", kind="ADL"), tick("60")])
    assert (series.finals, series.rejected) == ([], [1])


def test_a_feed_may_come_event_by_event() -> None:
    feed = OracleFeed(["1m"])
    for event in (trade(1, "0"), tick("60"), trade(2, "61")):
        feed.event(event)
    whole = feed_klines([trade(1, "0"), tick("60"), trade(2, "61")], ["1m"])
    assert feed.finish() == whole
