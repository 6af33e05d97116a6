"""Defects of kline files, alone and against other files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.inspection.zoo import (
    DATE,
    DAY,
    DAY_MS,
    EVERY,
    FOUR_HOURS,
    HOUR,
    HOURS,
    MINUTE,
    TRADES,
    Case,
    Row,
    case,
    changed,
    day,
    kline_file,
    kline_rows,
    trades,
)

MINUTES = f"ALFAUSDT-1m-{DATE}.csv"
FIVES = f"ALFAUSDT-5m-{DATE}.csv"
SECONDS = f"ALFAUSDT-1s-{DATE}.csv"
MONTHLY = f"ALFAUSDT-1d-{DATE[:7]}.csv"
DAILY = f"ALFAUSDT-1d-{DATE}.csv"
ROWS = day()
HOURLY = kline_rows(ROWS, "1h")
MONTH = kline_rows(day(DAY_MS - 14 * DAY, 4 * HOUR, 31 * DAY), "1d")


def clean() -> Iterator[Case]:
    """What is as it should be."""
    yield case(
        "klines-clean",
        "Klines of four intervals that add up, and their trades.",
        "",
        {
            HOURS: kline_file(HOURLY),
            FOUR_HOURS: kline_file(kline_rows(ROWS, "4h")),
            DAILY: kline_file(kline_rows(ROWS, "1d")),
            TRADES: trades(ROWS),
        },
        {},
        "valid",
    )
    quiet = kline_rows([row for row in ROWS if not 10 * HOUR < row.time - DAY_MS < 14 * HOUR], "1h")
    yield case(
        "quiet-is-flat",
        "Nothing traded for four hours: flat rows at the previous close.",
        "#386",
        {HOURS: kline_file(quiet)},
        {},
        "valid",
    )
    seconds = [
        [f"{row[0]}000", *row[1:6], f"{row[6]}999", *row[7:]] for row in kline_rows(ROWS, "1h")
    ]
    yield case(
        "microseconds",
        "Spot files count in microseconds from 2025 on: no defect.",
        "#386; #387; #404; #474; freqtrade/freqtrade#11465",
        {HOURS: kline_file(seconds, "")},
        {},
        "valid",
    )


def missing() -> Iterator[Case]:
    """Rows that are not there."""
    busy = kline_rows(day(every=2 * MINUTE), "5m")
    yield case(
        "outage",
        "A 35-minute hole: no kline is made while trading is suspended.",
        "#153; #368; #365; #84; #169",
        {FIVES: kline_file(busy[:100] + busy[107:])},
        {FIVES: "rows_missing"},
        "unknown",
    )
    calm = [row for row in ROWS if not 10 * HOUR < row.time - DAY_MS < 14 * HOUR]
    resumed = kline_rows(calm, "1h")
    yield case(
        "quiet-after-outage",
        "A quiet row after a hole is flat at a close that is not in the file: no defect of a row.",
        "#169",
        {HOURS: kline_file(resumed[:8] + resumed[10:])},
        {HOURS: "rows_missing"},
        "unknown",
    )
    halted = [row for row in ROWS if not 10 * HOUR < row.time - DAY_MS < 13 * HOUR]
    gone = [row for row in HOURLY if not 10 * HOUR <= int(row[0]) - DAY_MS < 13 * HOUR]
    yield case(
        "outage-with-trades",
        "Hours without a row, in which no trade exists either.",
        "#169",
        {HOURS: kline_file(gone), TRADES: trades(_numbered(halted))},
        {HOURS: "rows_missing", "klines_and_trades": "nothing_traded_in_gap"},
        "unknown",
    )
    yield case(
        "row-lost",
        "An hour without a row, though trades exist.",
        "#365",
        {HOURS: kline_file(HOURLY[:9] + HOURLY[10:]), TRADES: trades(ROWS)},
        {HOURS: "rows_missing", "klines_and_trades": "no_row_though_traded"},
    )
    yield case(
        "row-lost-of-lower",
        "Four hours without a row, though the hours have theirs.",
        "#365",
        {
            HOURS: kline_file(HOURLY),
            FOUR_HOURS: kline_file(_but(kline_rows(ROWS, "4h"), 3)),
        },
        {FOUR_HOURS: "rows_missing", "levels": "row_missing_though_lower"},
    )
    short = kline_rows(day(every=1000, length=5 * MINUTE), "1s")
    yield case(
        "truncated-seconds",
        "A 1s file that stops: 300 of 86,400 rows.",
        "#367",
        {SECONDS: kline_file(short)},
        {SECONDS: "rows_end_early"},
    )
    yield case(
        "late-start",
        "The first rows of the day are missing.",
        "#84",
        {HOURS: kline_file(HOURLY[5:])},
        {HOURS: "rows_start_late"},
        "unknown",
    )
    prices = [[*row[:5], "0", row[6], "0", "0", "0", "0", "0"] for row in HOURLY]
    yield case(
        "index-price-missing",
        "Index price klines, which are never quiet, lack a row.",
        "#483",
        {HOURS: kline_file(_but(prices, 9))},
        {HOURS: "prices_missing"},
    )
    header = "date,open,high,low,close,volume"
    sparse = [row[:6] for row in kline_rows(ROWS, "5m") if float(row[5])]
    yield case(
        "quiet-rows-left-out",
        "A trading bot's file: rows only where something traded.",
        "",
        {FIVES: kline_file(sparse, header)},
        {FIVES: "quiet_rows_left_out rows_end_early"},
    )
    stopped = ROWS[:16]
    yield case(
        "truncated-day-with-klines",
        "Trades stop at 07:36, the klines do not.",
        "#413",
        {HOURS: kline_file(HOURLY), TRADES: trades(stopped)},
        {
            TRADES: "stops_early",
            "klines_and_trades": "no_trades_though_volume",
            "common_time": "beyond_trades",
        },
    )


def wrong_rows() -> Iterator[Case]:
    """Rows that state what cannot be."""
    one = HOURLY[8]
    opened = int(one[0])
    yield case(
        "misaligned-open",
        "Open times are 14 s off.",
        "#14; Mynt#16",
        {HOURS: kline_file(changed(HOURLY, 8, open_time=str(opened + 14_000)))},
        {HOURS: "misaligned_open_time wrong_close_time"},
    )
    yield case(
        "close-before-open",
        "An open time within the hour, and a close time before it.",
        "#77",
        {HOURS: kline_file(changed(HOURLY, 8, close_time=str(opened - 1)))},
        {HOURS: "wrong_close_time"},
    )
    rules = [
        ("ohlc-order", {"high": "1.00"}, "ohlc_order"),
        ("price-zero", {"low": "0"}, "non_positive_price"),
        ("taker-exceeds-total", {"taker_buy_volume": "999.000"}, "taker_exceeds_total"),
        ("count-without-volume", {"count": "0"}, "count_volume_mismatch quiet_not_level"),
    ]
    for name, fields, kinds in rules:
        rows = changed(HOURLY, 8, **fields)
        what = f"A kline with {' and '.join(f'{k} {v}' for k, v in fields.items())}."
        yield case(name, what, "", {HOURS: kline_file(rows)}, {HOURS: kinds})
    yield case(
        "duplicate-row",
        "A kline is there twice.",
        "",
        {HOURS: kline_file([*HOURLY[:9], *HOURLY[8:]])},
        {HOURS: "duplicate_rows"},
    )
    yield case(
        "conflicting-row",
        "Two different klines of one open time.",
        "",
        {HOURS: kline_file([*HOURLY[:9], *changed(HOURLY, 8, count="77")[8:]])},
        {HOURS: "conflicting_rows"},
    )
    yield case(
        "rows-backwards",
        "Rows are not in order of time.",
        "#12",
        {HOURS: kline_file(HOURLY[:5] + HOURLY[9:] + HOURLY[5:9])},
        {HOURS: "rows_backwards"},
    )
    yield case(
        "kline-of-another-day",
        "The first kline of the next day is in the file.",
        "#293",
        {HOURS: kline_file(kline_rows(day(length=DAY + HOUR), "1h"))},
        {HOURS: "time_outside_name"},
    )
    yield case(
        "negative-volume",
        "A volume below 0: what follows is not read.",
        "",
        {HOURS: kline_file(changed(HOURLY, 8, volume="-1.000"))},
        {HOURS: "unreadable"},
    )


def forming() -> Iterator[Case]:
    """Rows saved before they were final."""
    cut = [row for row in ROWS if row.time < DAY_MS + DAY - EVERY]
    yield case(
        "forming-last-row",
        "The last row of the 4h file was saved while it was forming.",
        "",
        {HOURS: kline_file(HOURLY), FOUR_HOURS: kline_file(kline_rows(cut, "4h"))},
        {"levels": "forming_row"},
    )
    quiet = [row for row in ROWS if not 10 * HOUR < row.time - DAY_MS < 14 * HOUR]
    saved = changed(kline_rows(quiet, "1h"), 9, close=kline_rows(quiet, "1h")[9][1])
    yield case(
        "forming-before-quiet",
        "A quiet row is flat at another price than the close before it.",
        "",
        {HOURS: kline_file(saved)},
        {HOURS: "forming_row"},
    )


def against_others() -> Iterator[Case]:
    """Daily against monthly, lower against higher, klines against trades."""
    yield case(
        "kline-monthly-is-not-daily",
        "The monthly file states another volume for a day than the daily one.",
        "#140; #475; #375; #115; #103",
        {
            DAILY: kline_file([MONTH[14]]),
            MONTHLY: kline_file(changed(MONTH, 14, volume="1.000", taker_buy_volume="0.500")),
        },
        {MONTHLY: "quote_outside_of_prices", "same_klines": "versions_conflict"},
    )
    yield case(
        "kline-only-in-one",
        "Two downloads of a day: one lacks a row.",
        "#103",
        {HOURS: kline_file(HOURLY), f"ALFAUSDT_1h-{DATE}.csv": kline_file(_but(HOURLY, 9))},
        {f"ALFAUSDT_1h-{DATE}.csv": "rows_missing", "same_klines": "rows_only_in_one"},
    )
    yield case(
        "levels-disagree",
        "Four hours are not the sum of their hours: the high is higher, the volume more.",
        "#475",
        {
            HOURS: kline_file(HOURLY),
            FOUR_HOURS: kline_file(
                changed(kline_rows(ROWS, "4h"), 2, high="200.00", volume="99.000")
            ),
        },
        {FOUR_HOURS: "quote_outside_of_prices", "levels": "levels_disagree"},
    )
    flat = changed(
        HOURLY,
        8,
        **dict.fromkeys(("open", "high", "low", "close"), HOURLY[7][4]),
        **dict.fromkeys(
            ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume"), "0"
        ),
    )
    yield case(
        "zero-volume",
        "A kline without volume where trades exist.",
        "#395",
        {HOURS: kline_file(flat), TRADES: trades(ROWS)},
        {"klines_and_trades": "zero_volume_though_traded"},
    )
    yield case(
        "volume-differs",
        "A kline's volume is not that of the trades: twice, as is its quote volume.",
        "binance developer community 19793",
        {HOURS: kline_file(_twice(HOURLY, 8)), TRADES: trades(ROWS)},
        {"klines_and_trades": "volume_differs"},
        "unknown",
    )


def _numbered(rows: list[Row]) -> list[Row]:
    """With ids in a row."""
    first = rows[0].id
    return [replace(r, id=first + n, first=first + n, last=first + n) for n, r in enumerate(rows)]


def _twice(rows: list[list[str]], row: int) -> list[list[str]]:
    """With all amounts of one kline doubled."""
    line = rows[row]
    amounts = {
        "volume": f"{2 * float(line[5]):.3f}",
        "quote_volume": f"{2 * float(line[7]):.5f}",
        "taker_buy_volume": f"{2 * float(line[9]):.3f}",
        "taker_buy_quote_volume": f"{2 * float(line[10]):.5f}",
    }
    return changed(rows, row, **amounts)


def _but(rows: list[list[str]], row: int) -> list[list[str]]:
    return rows[:row] + rows[row + 1 :]


def cases() -> list[Case]:
    """All of them."""
    return [*clean(), *missing(), *wrong_rows(), *forming(), *against_others()]
