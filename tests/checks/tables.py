"""Kline tables in a tiny language, and a plain roll-up.

``series("0 1 2q 4")`` is a run of 1m klines at steps 0, 1, 2 and 4 since 2024-01-01, a Monday and
the first of a month; ``q`` means that nothing traded. Prices, volumes and ids follow from the
step, so two runs with the same steps agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from kline_harness.columns import Instrument, Rows
from kline_harness.interval import CODE, INTERVALS, parse_interval
from kline_harness.kline import KlineBatch, Trigger
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_SECOND

BASE_NS = 1_704_067_200 * NS_PER_SECOND
GRACE_NS = 110 * NS_PER_MILLISECOND
Row = dict[str, Any]


def opening(interval: str, step: int) -> int:
    """Return the open time of the kline `step` klines after the one that holds the base."""
    kind = parse_interval(interval)
    open_ns = kind.open_time_ns(BASE_NS)
    if kind.length_ns is not None:
        return open_ns + step * kind.length_ns
    for _ in range(step):
        open_ns = kind.close_time_ns(open_ns)
    return open_ns


def series(text: str, interval: str = "1m", symbol: str = "ALFAUSDT") -> list[Row]:
    """Return the klines of one series at the steps of a text."""
    rows: list[Row] = []
    close = 10_000
    for token in text.split():
        step = int(token.rstrip("q"))
        row = quiet_at(interval, step, close) if token.endswith("q") else traded(interval, step)
        rows.append(row | {"symbol": symbol})
        close = row["close"]
    return rows


def traded(interval: str, step: int) -> Row:
    """Return a kline with three trades."""
    price = 10_000 + 7 * (step % 5)
    volume = 10 + step % 7
    return _timed(interval, step) | {
        "open": price,
        "high": price + 3,
        "low": price - 2,
        "close": price + 1,
        "volume": volume,
        "quote_volume": volume * price,
        "count": 3,
        "taker_buy_volume": volume - 4,
        "taker_buy_quote_volume": (volume - 4) * price,
        "first_trade_id": 10 * step + 1,
        "last_trade_id": 10 * step + 3,
    }


def quiet_at(interval: str, step: int, close: int) -> Row:
    """Return a kline in which nothing traded."""
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    amounts = ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
    ids = {"first_trade_id": -1, "last_trade_id": -1}
    return _timed(interval, step) | prices | dict.fromkeys(amounts, 0) | ids


def _timed(interval: str, step: int) -> Row:
    open_ns = opening(interval, step)
    at_ns = parse_interval(interval).close_time_ns(open_ns) + GRACE_NS
    times = {"open_time_ns": open_ns, "at_ns": at_ns, "trigger": Trigger.TICK}
    return {"interval": interval, **times}


def rolled(rows: Iterable[Row], interval: str) -> list[Row]:
    """Put the klines of one series together to a higher interval, the plain way."""
    kind = parse_interval(interval)
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(kind.open_time_ns(row["open_time_ns"]), []).append(row)
    return [_one(members, interval, open_ns) for open_ns, members in groups.items()]


def _one(members: list[Row], interval: str, open_ns: int) -> Row:
    priced = [row for row in members if row["count"]] or members
    sums = ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
    return {
        "symbol": members[0]["symbol"],
        "interval": interval,
        "open_time_ns": open_ns,
        "open": min(priced, key=lambda row: (row["first_trade_id"], row["open_time_ns"]))["open"],
        "close": max(priced, key=lambda row: (row["last_trade_id"], row["open_time_ns"]))["close"],
        "high": max(row["high"] for row in priced),
        "low": min(row["low"] for row in priced),
        **{name: sum(row[name] for row in members) for name in sums},
        "first_trade_id": min(row["first_trade_id"] for row in priced),
        "last_trade_id": max(row["last_trade_id"] for row in priced),
        "at_ns": max(row["at_ns"] for row in members),
        "trigger": members[-1]["trigger"],
    }


def published(*runs: list[Row]) -> list[Row]:
    """Merge series into the order of publication: by instant, then symbol and interval."""
    rows = [row for run in runs for row in run]
    return sorted(
        rows, key=lambda r: (r["at_ns"], r["symbol"], CODE[parse_interval(r["interval"])])
    )


def table(rows: Sequence[Row], scales: dict[str, tuple[int, int]] | None = None) -> KlineBatch:
    """Build a table of klines in the given order; prices have 2 and quantities 3 decimals."""
    symbols = list(dict.fromkeys(row["symbol"] for row in rows))
    instruments = tuple(Instrument.of(s, *(scales or {}).get(s, (2, 3))) for s in symbols)
    codes: dict[str, Callable[[Row], int]] = {
        "symbol": lambda row: symbols.index(row["symbol"]),
        "interval": lambda row: CODE[parse_interval(row["interval"])],
    }
    columns = {}
    nothing = KlineBatch.empty()
    for name in KlineBatch.column_names():
        values = [codes[name](row) if name in codes else row[name] for row in rows]
        wide = any(abs(value) >= 2**63 for value in values)
        columns[name] = np.array(values, dtype=object if wide else getattr(nothing, name).dtype)
    return KlineBatch.build(instruments, columns)


def pieces(batch: KlineBatch, cuts: Iterable[int]) -> list[Rows[KlineBatch]]:
    """Cut a table into deliveries at some of its rows."""
    edges = sorted({0, len(batch), *(cut % (len(batch) + 1) for cut in cuts)})
    return [Rows(batch, a, b) for a, b in pairwise(edges)]


INTERVAL_TEXTS = tuple(interval.text for interval in INTERVALS)
