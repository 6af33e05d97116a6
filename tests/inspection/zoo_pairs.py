"""Files that were given together, and rows that the numbers in them cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.inspection.zoo import (
    AGGREGATES,
    DAY_MS,
    HOUR,
    HOURS,
    MINUTE,
    TRADES,
    Case,
    Row,
    aggregates,
    case,
    changed,
    day,
    kline_file,
    kline_rows,
    trades,
)

ROWS = day()
HOURLY = kline_rows(ROWS, "1h")


def apart() -> Iterator[Case]:
    """Klines of one market, told in two time zones."""
    early = HOURLY[:5]
    later = [
        [str(int(row[0]) + 8 * HOUR), *row[1:6], str(int(row[6]) + 8 * HOUR), *row[7:]]
        for row in early
    ]
    yield case(
        "klines-of-another-time-zone",
        "Five hours of klines, and the same ones eight hours later: no hour is in both files.",
        "#34",
        {"ALFAUSDT-1h.csv": kline_file(early), "ALFAUSDT_1h.csv": kline_file(later)},
        {"common_time": "times_apart"},
        "unknown",
    )


def alone() -> Iterator[Case]:
    """Trades of one symbol with klines of another."""
    yield case(
        "klines-of-another-symbol",
        "Trades of ALFAUSDT, and klines of BRAVOUSDT: nothing can be held against the trades.",
        "",
        {TRADES: trades(ROWS), "BRAVOUSDT-1h-2024-05-15.csv": kline_file(HOURLY)},
        {"common_time": "symbol_without_klines"},
        "unknown",
    )


def reach() -> Iterator[Case]:
    """Trades and klines without a day in their names that share a part of their time."""
    undated = {"trades": "ALFAUSDT-trades.csv", "hours": "ALFAUSDT-1h.csv"}
    yield case(
        "klines-of-a-part-of-the-trades",
        "Trades of a day, and the klines of 03:00 to 15:00: nobody says why no more.",
        "",
        {undated["trades"]: trades(ROWS), undated["hours"]: kline_file(HOURLY[3:15])},
        {"common_time": "beyond_klines"},
        "unknown",
    )
    yield case(
        "trades-of-no-whole-kline",
        "Trades of 10:00 to 10:30, and the klines of 09:00 to 12:00: no hour is whole.",
        "",
        {undated["trades"]: trades(ROWS[20:22]), undated["hours"]: kline_file(HOURLY[9:12])},
        {"common_time": "beyond_trades nothing_whole"},
        "unknown",
    )


def columns() -> Iterator[Case]:
    """Headers that are not the exchange's."""
    named = "open_time,open,high,low,close,vol,close_time,turnover,n,tb,tbq,ignore"
    yield case(
        "columns-of-unknown-names",
        "Five of nine fields stand under names that nobody knows.",
        "",
        {HOURS: kline_file(HOURLY, named)},
        {HOURS: "columns_not_read"},
        "unknown",
    )
    header, *rows = trades(ROWS).decode().splitlines()
    more = [f"{header},venue", *(f"{row},7" for row in rows)]
    yield case(
        "a-column-too-many",
        "A file of trades with a column of its maker's own.",
        "",
        {TRADES: ("\n".join(more) + "\n").encode()},
        {TRADES: "columns_unknown"},
        "valid",
    )
    first, *hours = kline_file(HOURLY).decode().splitlines()
    site = ["https://www.example.com", first, *reversed(hours)]
    yield case(
        "newest-first-under-an-address",
        "A site's address in line 1, and the newest row first.",
        "",
        {HOURS: ("\n".join(site) + "\n").encode()},
        {HOURS: "lines_before_header newest_first"},
        "valid",
    )
    halves = [kline_file(HOURLY[:9]), kline_file(HOURLY[9:])]
    yield case(
        "header-again",
        "Two files put together with cat: the second one's header is in line 11.",
        "#177",
        {HOURS: b"".join(halves)},
        {HOURS: "header_again"},
    )


def sides() -> Iterator[Case]:
    """The taker's side."""
    stuck = [replace(row, sell=True) for row in ROWS]
    yield case(
        "maker-never-changes",
        "In each of 48 trades the buyer is the maker.",
        "",
        {TRADES: trades(stuck)},
        {TRADES: "maker_never_changes"},
        "unknown",
    )


def impossible() -> Iterator[Case]:
    """Quote volumes that no trades at these prices can have."""
    yield case(
        "quote-outside-of-prices",
        "A quote volume more than the volume at the highest price.",
        "",
        {HOURS: kline_file(changed(HOURLY, 8, quote_volume="9999.00000"))},
        {HOURS: "quote_outside_of_prices"},
    )


def raw_and_aggregated() -> Iterator[Case]:
    """Aggregates beside the raw trades in them."""
    joined = [_joined(k, ROWS[2 * k : 2 * k + 2]) for k in range(len(ROWS) // 2)]
    raw = [r for k, one in enumerate(joined) for r in _apart(one, ROWS[2 * k : 2 * k + 2])]
    yield case(
        "aggregates-of-raw-trades",
        "A day's aggregates of two trades each, and the trades.",
        "",
        {AGGREGATES: aggregates(joined), TRADES: trades(raw)},
        {},
        "valid",
    )
    other = [*joined[:5], replace(joined[5], quantity="9.000"), *joined[6:]]
    yield case(
        "aggregate-differs",
        "An aggregate of another quantity than its trades.",
        "",
        {AGGREGATES: aggregates(other), TRADES: trades(raw)},
        {"aggregates_and_trades": "aggregate_differs"},
    )
    yield case(
        "aggregate-lacking",
        "Two trades are in no aggregate.",
        "",
        {AGGREGATES: aggregates([*joined[:7], *joined[8:]]), TRADES: trades(raw)},
        {AGGREGATES: "ids_missing", "aggregates_and_trades": "raw_ids_in_no_aggregate"},
    )
    yield case(
        "raw-trades-lacking",
        "Two trades of an aggregate are not in the file of trades.",
        "",
        {AGGREGATES: aggregates(joined), TRADES: trades([*raw[:14], *raw[16:]])},
        {TRADES: "ids_missing", "aggregates_and_trades": "aggregates_without_trades"},
    )


def _joined(number: int, pair: list[Row]) -> Row:
    """One aggregate of two trades, at the first one's time and price."""
    one, two = pair
    quantity = f"{2 * float(one.quantity):.3f}"
    joined = replace(one, id=700 + number, first=one.id, last=two.id)
    return replace(joined, quantity=quantity, sell=number % 2 > 0)


def _apart(one: Row, pair: list[Row]) -> list[Row]:
    """The two trades, each with half of the aggregate."""
    half = f"{float(one.quantity) / 2:.3f}"
    return [
        replace(one, id=raw.id, first=raw.id, last=raw.id, quantity=half, time=one.time)
        for raw in pair
    ]


def recorded() -> Iterator[Case]:
    """A recording of trades with klines of its own."""
    messages = [
        f'{{"e":"trade","E":{row.time},"T":{row.time},"s":"ALFAUSDT","t":{row.id},"X":"MARKET",'
        f'"p":"{row.price}","q":"{row.quantity}","m":{str(row.sell).lower()}}}'
        for row in day(every=MINUTE // 2, length=3 * MINUTE)
    ]
    bars = ((DAY_MS, "true"), (DAY_MS + MINUTE, "true"), (DAY_MS + 2 * MINUTE, "false"))
    messages += [
        f'{{"e":"kline","E":{at + MINUTE},"s":"ALFAUSDT","k":{{"t":{at},"T":{at + MINUTE - 1},'
        f'"s":"ALFAUSDT","i":"1m","o":"1","h":"1","l":"1","c":"1","v":"2","q":"2","n":1,"V":"0",'
        f'"Q":"0","x":{is_closed}}}}}'
        for at, is_closed in bars
    ]
    lines = (f"{(DAY_MS + HOUR + n) * 1_000_000} {text}\n" for n, text in enumerate(messages))
    name = "ALFAUSDT-stream.txt"
    yield case(
        "recorded-klines",
        "A recording of trades with two closed klines of other prices, and one not over.",
        "",
        {name: "".join(lines).encode()},
        {name: "klines_not_compared"},
        "valid",
    )


def cases() -> list[Case]:
    """All of them."""
    return [
        *apart(),
        *alone(),
        *reach(),
        *columns(),
        *sides(),
        *impossible(),
        *raw_and_aggregated(),
        *recorded(),
    ]
