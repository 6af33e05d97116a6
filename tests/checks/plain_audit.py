"""The completeness rules one kline at a time: slow, short, and what the bulk version is held to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kline_harness.interval import INTERVALS, Interval, parse_interval
from kline_harness.kline import FIELDS, Trigger

from tests.checks.tables import Row, rolled

EmissionRows = tuple[str, str, str, int]


@dataclass
class PlainSeries:
    """What is known of one series."""

    latest: Row | None = None
    last_traded: Row | None = None
    accepted: list[Row] = field(default_factory=list)
    reached_ns: int = -1


def audit(rows: list[Row]) -> Counter[EmissionRows]:
    """Return every finding as (kind, symbol, interval, open time), with how often it occurs."""
    found: Counter[EmissionRows] = Counter()
    book: dict[tuple[str, str], PlainSeries] = {}
    for row in rows:
        one = book.setdefault((row["symbol"], row["interval"]), PlainSeries())
        for kind in (*_kinds_alone(row), *_kinds_in_series(row, one)):
            found[_told(kind, row)] += 1
    for row in rows:
        if row.get("advancing") and _differs(row, rows):
            found[_told("cross_interval_mismatch", row)] += 1
    for (symbol, interval), one in book.items():
        others = [o.reached_ns for (s, _), o in book.items() if s == symbol]
        length = parse_interval(interval)
        if one.latest and length.close_time_ns(_close(one.latest)) <= max(others):
            found[_told("series_stopped", one.latest)] += 1
    return found


def _told(kind: str, row: Row) -> EmissionRows:
    return kind, row["symbol"], row["interval"], row["open_time_ns"]


def _close(row: Row) -> int:
    return parse_interval(row["interval"]).close_time_ns(row["open_time_ns"])


def _kinds_alone(row: Row) -> list[str]:
    prices = [row[name] for name in ("open", "high", "low", "close")]
    volumes = (row["volume"], row["quote_volume"])
    takers = (row["taker_buy_volume"], row["taker_buy_quote_volume"])
    quiet = row["count"] == 0
    broken = {
        "ohlc_order": max(prices) != row["high"] or min(prices) != row["low"],
        "non_positive_price": min(prices) <= 0,
        "negative_volume": min(row["count"], *volumes, *takers) < 0,
        "taker_exceeds_total": any(t > v for t, v in zip(takers, volumes, strict=True)),
        "count_volume_mismatch": any((v == 0) != quiet for v in volumes),
    }
    simpler = any(wrong for kind, wrong in broken.items() if kind != "non_positive_price")
    broken["quote_outside_of_prices"] = not simpler and _quote_is_impossible(row)
    return [kind for kind, wrong in broken.items() if wrong]


def _quote_is_impossible(row: Row) -> bool:
    """Tell whether no trades can add up to it; quotes here have the digits of the product."""
    whole = (row["volume"], row["quote_volume"])
    taker = (row["taker_buy_volume"], row["taker_buy_quote_volume"])
    rest = (whole[0] - taker[0], whole[1] - taker[1])
    return any(not v * row["low"] <= q <= v * row["high"] for v, q in (whole, taker, rest))


def _kinds_in_series(row: Row, one: PlainSeries) -> list[str]:
    kinds = _place(row, one)
    latest, quiet = one.latest, row["count"] == 0
    prices = {row["open"], row["high"], row["low"], row["close"]}
    follows = row["advancing"] and latest is not None and _close(latest) == row["open_time_ns"]
    if follows and latest is not None:
        prices.add(latest["close"])
    if quiet and len(prices) > 1:
        kinds.append("quiet_not_flat")
    if row["advancing"]:
        one.latest = row
        if not quiet:
            ids = row["first_trade_id"], row["last_trade_id"]
            before = one.last_traded["last_trade_id"] if one.last_traded else -1
            if ids[0] <= before or ids[1] < ids[0]:
                kinds.append("trade_id_backwards")
            one.last_traded = row
    return kinds


def _place(row: Row, one: PlainSeries) -> list[str]:
    """Say how the row follows its series; marks it as accepted, advancing or neither."""
    interval: Interval = parse_interval(row["interval"])
    open_ns = row["open_time_ns"]
    row["accepted"] = row["advancing"] = False
    if interval.open_time_ns(open_ns) != open_ns:
        return ["misaligned"]
    if any(other["open_time_ns"] == open_ns for other in one.accepted):
        return ["duplicate"]
    one.accepted.append(row)
    row["accepted"] = True
    if row["trigger"] != Trigger.END:
        one.reached_ns = max(one.reached_ns, _close(row))
    if one.latest is not None and open_ns < one.latest["open_time_ns"]:
        return ["backwards"]
    row["advancing"] = True
    return ["gap"] if one.latest is not None and _close(one.latest) != open_ns else []


def _differs(row: Row, rows: list[Row]) -> bool:
    """Compare with the longest interval whose klines fill the row's, published no later."""
    parent = parse_interval(row["interval"])
    for child in reversed(INTERVALS):
        if child == parent or not child.refines(parent):
            continue
        members = [
            other
            for other in rows
            if other["symbol"] == row["symbol"]
            and other["interval"] == child.text
            and other.get("accepted")
            and other["at_ns"] <= row["at_ns"]
            and row["open_time_ns"] <= other["open_time_ns"] < _close(row)
        ]
        if len(members) == child.count_between(row["open_time_ns"], _close(row)):
            (roll_up,) = rolled(members, row["interval"])
            return any(roll_up[name] != row[name] for name in FIELDS)
    return False
