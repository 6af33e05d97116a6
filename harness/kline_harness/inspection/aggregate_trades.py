"""Aggregates against the raw trades in them: the same market in two files."""

from __future__ import annotations

from typing import Any

import numpy as np

from kline_harness.columns import concat
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.inspection.trade_reader import TradeReader
from kline_harness.ranges import Ranges, common, size, without
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_SECOND, BoolArray, Int64Array, format_exact, mask, sum_groups

# Trades are compressed that fill within 100 ms; files round times, and servers' clocks differ.
_APART_NS = NS_PER_SECOND


def check_aggregates(
    aggregates: FileReport, trades: FileReport, symbol: str, tally: Tally
) -> tuple[int, list[str]]:
    """Hold each aggregate against the raw trades of its ids: price, side, quantity, about its time.

    Only aggregates whose raw trades are all there are compared; ids that one of the two files
    lacks, between the first and the last that both have, are counted. Returns how many aggregates
    were compared, and what was not compared and why.

    Source: an aggregate is what one taker order filled at one price, trades first to last id; of
    futures within 100 ms ("Compressed/Aggregate Trades List").
    """
    inside, own = aggregates.raw_ids[symbol], trades.ids[symbol]
    shared = common(inside, own)
    if len(shared) == 0:
        return 0, []
    names = [aggregates.name, trades.name]
    if not (aggregates.in_order and trades.in_order):
        return 0, [f"{names[0]} against {names[1]}: ids not in order"]
    window = np.array([[shared[0, 0], shared[-1, 1]]], dtype=np.int64)
    _lacking("raw_ids_in_no_aggregate", own, inside, window, names, tally)
    _lacking("aggregates_without_trades", inside, own, window, names, tally)
    return _contents(aggregates, trades, symbol, tally), []


def _lacking(
    kind: str, here: Ranges, there: Ranges, window: Ranges, names: list[str], tally: Tally
) -> None:
    alone = without(common(here, window), there)
    examples = [{"first_id": int(a), "last_id": int(b) - 1, "files": names} for a, b in alone[:5]]
    tally.add(kind, size(alone), *examples)


def _contents(aggregates: FileReport, trades: FileReport, symbol: str, tally: Tally) -> int:
    """Read both files side by side, as far as both go."""
    assert aggregates.trades is not None
    assert trades.trades is not None
    left = TradeReader(aggregates.trades, symbol, "last_id")
    right = TradeReader(trades.trades, symbol, "trade_id")
    compared = 0
    while left.fill():
        until = left.last
        some = left.take(until)
        parts = []
        while right.fill() and right.last <= until:
            parts.append(right.take(right.last))
        if right.fill():
            parts.append(right.take(until))
        if not parts:
            break
        compared += _compare(some, concat(parts), (aggregates.name, trades.name), tally)
    return compared


def _compare(aggregates: Tape, raw: Tape, names: tuple[str, str], tally: Tally) -> int:
    both = concat([aggregates, raw])
    cut = len(aggregates)
    ours, parts = both[:cut], both[cut:]
    start = np.searchsorted(parts.trade_id, ours.first_id)
    stop = np.searchsorted(parts.trade_id, ours.last_id, side="right")
    market = ours.kind == TradeKind.MARKET
    # What an aggregate with its first id after its last one is made of is anybody's guess.
    stated = (ours.first_id >= 0) & (ours.first_id <= ours.last_id)
    whole = market & stated & (stop - start == ours.last_id - ours.first_id + 1)
    rows = np.flatnonzero(whole)
    if len(rows) == 0:
        return 0
    ours, start, stop = ours.take(rows), start[rows], stop[rows]
    counts = stop - start
    starts = np.cumsum(counts) - counts
    places = np.arange(int(counts.sum())) - np.repeat(starts, counts) + np.repeat(start, counts)
    inner = parts.take(places)
    quantity = sum_groups(inner.quantity, starts)
    differs = {
        "price": _any(inner.price != np.repeat(ours.price, counts), starts),
        "side": _any(inner.buyer_is_maker != np.repeat(ours.buyer_is_maker, counts), starts),
        "quantity": mask(quantity != ours.quantity),
        "time": _any(
            np.abs(inner.event_time_ns - np.repeat(ours.event_time_ns, counts)) > _APART_NS, starts
        ),
    }
    wrong = np.flatnonzero(np.logical_or.reduce(list(differs.values())))
    scale = ours.instruments[int(ours.symbol[0])].quantity_scale
    examples: list[dict[str, Any]] = [
        {
            "trade_id": int(ours.trade_id[row]),
            "fields": [name for name, rows_of in differs.items() if rows_of[row]],
            "quantity": format_exact(ours.quantity[row], scale),
            "quantity_of_trades": format_exact(quantity[row], scale),
            "files": list(names),
        }
        for row in wrong[: tally.room("aggregate_differs")].tolist()
    ]
    tally.add("aggregate_differs", len(wrong), *examples)
    return len(rows)


def _any(marks: object, starts: Int64Array) -> BoolArray:
    found: BoolArray = np.logical_or.reduceat(mask(marks), starts)
    return found
