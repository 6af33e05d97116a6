"""Defects of trade files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from tests.inspection.zoo import (
    AGGREGATES,
    DATE,
    DAY,
    DAY_MS,
    EVERY,
    FIRST_ID,
    HOUR,
    MINUTE,
    NEXT_AGGREGATES,
    NEXT_DATE,
    TRADES,
    Case,
    aggregates,
    case,
    checksum,
    day,
    sentinel,
    spot_aggregates,
    trades,
    without,
    zipped,
)

NEXT_DAY = DAY_MS + DAY
RECORDED = "ALFAUSDT-trade-stream.txt"


def missing() -> Iterator[Case]:
    """Ids, hours and days that are not there."""
    rows = day()
    yield case(
        "ids-missing",
        "Aggregate ids jump by seven in the middle of the day.",
        "#378; #193; #291; #440; #458",
        {AGGREGATES: aggregates(without(rows, 20, 26))},
        {AGGREGATES: "ids_missing"},
    )
    yield case(
        "trade-ids-missing",
        "Hours of raw trades are missing.",
        "#190; #179; #363; #213; #262",
        {TRADES: trades(without(rows, 10, 30))},
        {TRADES: "ids_missing"},
    )
    yield case(
        "days-missing",
        "Two days' files are whole, but ids between them are in neither.",
        "#161; #230; #111; #28",
        {
            AGGREGATES: aggregates(rows),
            NEXT_AGGREGATES: aggregates(day(NEXT_DAY, first=FIRST_ID + 60)),
        },
        {"same_trades": "ids_missing_between"},
    )
    late = day(DAY_MS + 20 * HOUR, length=4 * HOUR, first=FIRST_ID + 50)
    yield case(
        "ids-missing-after",
        "Two files without a day in their names: ids between them are in neither.",
        "",
        {
            "ALFAUSDT-trades.csv": trades(day(length=20 * HOUR)),
            "ALFAUSDT_trades.csv": trades(late),
        },
        {"same_trades": "ids_missing_after"},
        "unknown",
    )
    yield case(
        "many-lone-ids-missing",
        "Every eighth id is missing: no market has so many insurance fund trades.",
        "",
        {TRADES: trades(row for n, row in enumerate(rows) if n % 8 != 3)},
        {TRADES: "many_lone_ids_missing"},
        "unknown",
    )
    yield case(
        "raw-ids-missing",
        "Aggregate ids are whole, yet raw trades are in no aggregate.",
        "binance/binance-spot-api-docs CHANGELOG 2022-04-12",
        {
            f"ALFAETH-aggTrades-{DATE}.csv": spot_aggregates(
                replace(r, first=r.first + 5 * (n > 9), last=r.last + 5 * (n > 9))
                for n, r in enumerate(rows)
            )
        },
        {f"ALFAETH-aggTrades-{DATE}.csv": "raw_ids_missing"},
    )
    yield case(
        "fund-trade-left-out",
        "A single id is missing, as where the archive leaves an insurance fund trade out.",
        "binance developer community 18342; 20484",
        {TRADES: trades(without(rows, 20, 21))},
        {TRADES: "lone_ids_missing"},
        "valid",
    )
    yield case(
        "truncated-day",
        "The day's file stops at 09:29.",
        "#354; #413",
        {AGGREGATES: aggregates(rows[:19])},
        {AGGREGATES: "stops_early"},
        "unknown",
    )
    yield case(
        "late-day",
        "The day's file starts at 15:00.",
        "#413",
        {AGGREGATES: aggregates(rows[30:])},
        {AGGREGATES: "starts_late"},
        "unknown",
    )


def out_of_place() -> Iterator[Case]:
    """Order, duplicates, times, and the same id in two files."""
    rows = day()
    yield case(
        "not-in-order",
        "Rows are interleaved: a later part comes first.",
        "#12; #288; #293; #301; #339",
        {AGGREGATES: aggregates(rows[:10] + rows[20:30] + rows[10:20] + rows[30:])},
        {AGGREGATES: "ids_backwards"},
    )
    yield case(
        "time-backwards",
        "A higher aggregate id with an earlier time.",
        "ccxt/ccxt#8329",
        {
            AGGREGATES: aggregates(
                replace(r, time=r.time - EVERY - 1) if n == 20 else r for n, r in enumerate(rows)
            )
        },
        {AGGREGATES: "time_backwards"},
    )
    yield case(
        "duplicate-ids",
        "Rows are there twice.",
        "#353",
        {TRADES: trades(rows[:21] + rows[18:])},
        {TRADES: "duplicate_ids ids_backwards"},
    )
    following = day(NEXT_DAY, first=FIRST_ID + len(rows))
    yield case(
        "id-in-two-days",
        "The last aggregate of a day is also the first of the next day's file.",
        "#353",
        {AGGREGATES: aggregates(rows), NEXT_AGGREGATES: aggregates([rows[-1], *following])},
        {NEXT_AGGREGATES: "time_outside_name", "same_trades": "id_in_two_files"},
    )
    messages = [
        f'{(r.time + 5) * 1_000_000} {{"e":"trade","E":{r.time + 2},"T":{r.time},"s":"ALFAUSDT",'
        f'"t":{r.id},"p":"{r.price}","q":"{r.quantity}","X":"MARKET","m":{str(r.sell).lower()}}}'
        for r in day(every=MINUTE, length=HOUR)
    ]
    messages[20:22] = reversed(messages[20:22])
    yield case(
        "received-out-of-order",
        "A recording in which a trade was received after a later one: recordings are like that.",
        "binance developer community 5652",
        {RECORDED: ("\n".join(messages) + "\n").encode()},
        {RECORDED: "received_out_of_order"},
        "valid",
    )
    odd = [m.replace("MARKET", "BLOCK") if n % 9 == 4 else m for n, m in enumerate(messages)]
    yield case(
        "kind-not-known",
        "A recording with trades of a kind that no document names.",
        "",
        {RECORDED: ("\n".join(odd) + "\n").encode()},
        {RECORDED: "received_out_of_order kind_not_known"},
        "unknown",
    )
    yield case(
        "lost-while-disconnected",
        "A recording that lacks the trades of a disconnection.",
        "binance developer community 5652",
        {RECORDED: ("\n".join(messages[:30] + messages[45:]) + "\n").encode()},
        {RECORDED: "ids_missing received_out_of_order"},
    )


def wrong_rows() -> Iterator[Case]:
    """Rows that state what cannot be."""
    rows = day()
    yield case(
        "sentinel-rows",
        "Rows marked invalid in an audit: price 0, quantity 0, first and last id -1.",
        "binance/binance-spot-api-docs CHANGELOG 2022-04-12",
        {
            f"ALFAETH-aggTrades-{DATE}.csv": spot_aggregates(
                sentinel(r)
                if n in (5, 6)
                else replace(r, first=r.first - 2, last=r.last - 2)
                if n > 6
                else r
                for n, r in enumerate(rows)
            )
        },
        {f"ALFAETH-aggTrades-{DATE}.csv": "sentinel_rows"},
        "valid",
    )
    yield case(
        "nothing-but-sentinels",
        "Every row is one that the exchange marked invalid: no kline can be made of them.",
        "",
        {f"ALFAETH-aggTrades-{DATE}.csv": spot_aggregates(map(sentinel, day()))},
        {f"ALFAETH-aggTrades-{DATE}.csv": "sentinel_rows nothing_applied"},
        "unknown",
    )
    yield case(
        "zero-quantity",
        "Trades of no quantity.",
        "#263; #342",
        {
            TRADES: trades(
                replace(r, quantity="0.000") if n % 3 == 0 else r for n, r in enumerate(rows)
            )
        },
        {TRADES: "zero_quantity"},
    )
    yield case(
        "zero-price",
        "A trade at the price 0.",
        "",
        {TRADES: trades(replace(r, price="0") if n == 9 else r for n, r in enumerate(rows))},
        {TRADES: "zero_price"},
    )
    yield case(
        "first-after-last",
        "An aggregate whose first trade id is after its last.",
        "",
        {
            AGGREGATES: aggregates(
                replace(r, first=r.last + 3) if n == 9 else r for n, r in enumerate(rows)
            )
        },
        {AGGREGATES: "first_id_after_last lone_ids_missing"},
    )
    yield case(
        "overlapping-aggregates",
        "Two aggregates hold the same raw trades.",
        "ccxt/ccxt#28672",
        {
            AGGREGATES: aggregates(
                replace(r, first=r.first - 1) if n == 9 else r for n, r in enumerate(rows)
            )
        },
        {AGGREGATES: "overlapping_aggregates"},
    )
    yield case(
        "quote-not-product",
        "The quote quantity is not price x quantity.",
        "",
        {
            TRADES: trades(
                rows,
                lambda r: Decimal(r.price) * Decimal(r.quantity) + (r.id == FIRST_ID + 9),
            )
        },
        {TRADES: "quote_not_product"},
    )
    text = trades(rows).decode().splitlines(keepends=True)
    text[10] = text[10].replace(",", ",-", 1)
    yield case(
        "negative-price",
        "A price below 0: what follows is not read.",
        "",
        {TRADES: "".join(text).encode()},
        {TRADES: "unreadable"},
    )


def two_versions() -> Iterator[Case]:
    """A daily and a monthly file, or the archive and a recording of the same aggregates."""
    rows = day()
    monthly = f"ALFAUSDT-trades-{DATE[:7]}.csv"
    month = day(DAY_MS - 14 * DAY, 12 * HOUR, 14 * DAY, FIRST_ID - 28)
    month += rows + day(NEXT_DAY, 12 * HOUR, 16 * DAY, FIRST_ID + 48)
    other = [replace(r, quantity="9.000") if n == 30 else r for n, r in enumerate(month)]
    yield case(
        "monthly-is-not-daily",
        "The monthly file states another quantity for a trade than the daily one.",
        "#140; #475; #375; ccxt/ccxt#28672",
        {TRADES: trades(rows), monthly: trades(other)},
        {"same_trades": "trades_conflict"},
    )
    yield case(
        "monthly-lacks-trades",
        "The monthly file lacks trades that the daily one has.",
        "#115; #103",
        {TRADES: trades(rows), monthly: trades(without(month, 40, 44))},
        {monthly: "ids_missing", "same_trades": "trades_only_in_one"},
    )
    yield case(
        "aggregates-stop-at-midnight",
        "The two files of neighbouring days fit together.",
        "",
        {
            AGGREGATES: aggregates(rows),
            f"ALFAUSDT-aggTrades-{NEXT_DATE}.csv": aggregates(
                day(NEXT_DAY, first=FIRST_ID + len(rows))
            ),
        },
        {},
        "valid",
    )


def without_ids() -> Iterator[Case]:
    """Kraken's files of time, price and volume."""
    lines = [f"{row.time // 1000},{row.price},{row.quantity}" for row in day()]
    halves = {
        "XBTUSD_Q1.csv": "\n".join(lines[:24]).encode() + b"\n",
        "XBTUSD_Q2.csv": "\n".join(lines[24:]).encode() + b"\n",
    }
    yield case(
        "no-ids-one-after-the-other",
        "Two quarters of trades without ids that follow each other.",
        "freqtrade/freqtrade#9232",
        halves,
        {},
        "valid",
    )
    yield case(
        "no-ids-one-time",
        "Two files of trades without ids that share an hour.",
        "",
        {**halves, "XBTUSD_Q2.csv": "\n".join(lines[22:]).encode() + b"\n"},
        {"same_trades": "same_time_without_ids"},
        "unknown",
    )
    yield case(
        "no-ids-apart",
        "Two files of trades without ids, with four hours between them that neither holds.",
        "",
        {**halves, "XBTUSD_Q2.csv": "\n".join(lines[31:]).encode() + b"\n"},
        {"same_trades": "files_apart"},
        "unknown",
    )


def packing() -> Iterator[Case]:
    """Checksums and broken files."""
    header = b"open_time,open,high,low,close,volume\n"
    yield case(
        "a-header-alone",
        "Klines that are a header and no row, beside trades.",
        "",
        {AGGREGATES: aggregates(day()), "ALFAUSDT-1m.csv": header},
        {"ALFAUSDT-1m.csv": "no_rows"},
        "unknown",
    )
    name = AGGREGATES.replace(".csv", ".zip")
    whole = zipped(name, aggregates(day()))
    right = checksum(name, whole)
    beside = f"{name}.CHECKSUM"
    yield case(
        "zip-of-another-symbol",
        "The zip is named for one symbol, the file in it for another.",
        "",
        {name: zipped(name.replace("ALFA", "BRAVO"), aggregates(day()))},
        {name: "names_contradict"},
        "unknown",
    )
    yield case(
        "checksum-matches",
        "A clean file with its CHECKSUM file.",
        "",
        right,
        {},
        "valid",
    )
    yield case(
        "checksum-mismatch",
        "The file was replaced, its CHECKSUM file was not.",
        "#249; #241; #40; #405",
        {**right, name: zipped(name, aggregates(day()[:-1]))},
        {name: "checksum_mismatch"},
    )
    yield case(
        "checksum-malformed",
        "The CHECKSUM file holds an error page.",
        "#469",
        {name: whole, beside: b"<Error><Code>NoSuchKey</Code></Error>\n"},
        {name: "checksum_malformed"},
    )
    yield case(
        "checksum-of-another",
        "The CHECKSUM file names another day's file.",
        "#469",
        {name: whole, beside: right[beside].replace(DATE.encode(), NEXT_DATE.encode())},
        {name: "checksum_of_another_file"},
        "unknown",
    )
    yield case(
        "broken-zip",
        "The zip lacks its end; its CHECKSUM file is absent too.",
        "#469",
        {name: whole[:1500]},
        {name: "unreadable"},
    )


def cases() -> list[Case]:
    """All of them."""
    return [*missing(), *out_of_place(), *wrong_rows(), *two_versions(), *without_ids(), *packing()]
