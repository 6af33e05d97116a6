"""Digests of trades: a few rows a minute that every part of a replay takes for the trades.

A digest row is one of the trades and stands for the trades after it up to the next row. Kept are,
of each minute and wherever ids jump: the first and the last trade, the first of the highest and
of the lowest price, and the first of each side; the amounts of the others are added to the first
row of their side. So every kline of a minute or longer, its first trade's instant, every run of
ids and every silence of a minute or longer is that of the trades themselves. Digests of
neighbouring stretches, one after the other, are a digest of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kline_harness.errors import ContractError
from kline_harness.interval import Interval
from kline_harness.ranges import RangeSet
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import BoolArray, ExactArray, Int64Array, sum_groups


class NeedsTrades(Exception):
    """A replay needs single trades where it has a digest: it has to read the trades themselves."""


@dataclass(frozen=True, eq=False, repr=False)
class Digest(Tape):
    """A tape whose rows stand for `rows` trades each, of ids that follow one another."""

    rows: Int64Array

    @staticmethod
    def made(trades: Tape, rows: Int64Array, columns: dict[str, ExactArray]) -> Digest:
        """Build a digest of columns, with those left out taken from `trades`."""
        kept = {name: getattr(trades, name) for name in trades.column_names()}
        return Digest.build(trades.instruments, {**kept, **columns, "rows": rows})

    def recorded(self, starts: Int64Array) -> Int64Array:
        """Return how many trades each run of rows that begins at `starts` stands for."""
        return sum_groups(self.rows, starts)

    def id_stops(self) -> Int64Array:
        """Return, for each row, the id after the last one that it stands for."""
        return self.trade_id + self.rows

    def note_ids(self, seen: RangeSet) -> BoolArray:
        """Add the ids that the rows stand for to those seen; all of them are new.

        Raises ContractError where one is not.
        """
        if len(seen.add(self.trade_id, self.id_stops())):
            raise ContractError("digests of trades that share ids: expected each id once")
        return np.ones(len(self), dtype=np.bool_)

    def single(self) -> Tape:
        """Return the rows where each is one trade.

        Raises NeedsTrades where one stands for several.
        """
        if (self.rows > 1).any():
            raise NeedsTrades
        return self


def digest_of(trades: Tape, frame: Interval) -> Digest | None:
    """Return the digest of trades of one symbol in order, None where they are not plain.

    `frame` is the stretch of time that is not looked into: a minute, or the shortest interval of
    the klines to come. Plain trades are all of the market, arrive when they are made, and have
    ids that rise with their time and numbers that int64 holds.
    """
    if len(trades) == 0:
        return Digest.made(trades, np.empty(0, dtype=np.int64), {})
    if not _is_plain(trades):
        return None
    starts = _starts(trades, frame)
    heads = {side: _first_of(trades.buyer_is_maker == side, starts) for side in (False, True)}
    kept = _kept(trades, starts, heads)
    segment = np.searchsorted(starts, kept, side="right") - 1
    ends = np.append(kept[1:], len(trades)) - 1
    rows = trades.take(kept)
    columns = {
        name: _amounts(getattr(trades, name), trades.buyer_is_maker, starts, kept, segment, heads)
        for name in ("quantity", "quote")
    }
    if any(column.dtype == object for column in columns.values()):
        return None
    columns["last_id"] = trades.last_id[ends]
    return Digest.made(rows, ends - kept + 1, columns)


def _is_plain(trades: Tape) -> bool:
    numbers = (trades.price, trades.quantity, trades.quote)
    if np.any(trades.kind != TradeKind.MARKET) or any(column.dtype == object for column in numbers):
        return False
    times, ids = trades.event_time_ns, trades.trade_id
    first, last = trades.first_id, trades.last_id
    return bool(
        np.array_equal(times, trades.arrival_ns)
        and np.all(times[1:] >= times[:-1])
        and np.all(ids[1:] > ids[:-1])
        and np.all(first >= 0)
        and np.all(last >= first)
        and np.all(first[1:] > last[:-1])
    )


def _starts(trades: Tape, frame: Interval) -> Int64Array:
    """Return where a new stretch begins, or the ids of rows or of raw trades jump."""
    opens, ids = frame.open_times_ns(trades.event_time_ns), trades.trade_id
    new = opens[1:] != opens[:-1]
    new |= ids[1:] != ids[:-1] + 1
    new |= trades.first_id[1:] != trades.last_id[:-1] + 1
    return np.concatenate([[0], np.flatnonzero(new) + 1]).astype(np.int64)


def _first_of(mask: BoolArray, starts: Int64Array) -> Int64Array:
    """Return the first row of the mask in each stretch, -1 where it has none."""
    hits = np.flatnonzero(mask)
    if len(hits) == 0:
        return np.full(len(starts), -1, dtype=np.int64)
    found = hits[np.minimum(np.searchsorted(hits, starts), len(hits) - 1)]
    stops = np.append(starts[1:], len(mask))
    return np.where((found >= starts) & (found < stops), found, -1)


def _kept(trades: Tape, starts: Int64Array, heads: dict[bool, Int64Array]) -> NDArray[np.intp]:
    stops = np.append(starts[1:], len(trades))
    keep = np.zeros(len(trades), dtype=np.bool_)
    keep[starts] = keep[stops - 1] = True
    for extreme in (np.maximum, np.minimum):
        ends = extreme.reduceat(trades.price, starts)
        keep[_first_of(trades.price == np.repeat(ends, stops - starts), starts)] = True
    for head in heads.values():
        keep[head[head >= 0]] = True
    return np.flatnonzero(keep)


def _amounts(
    amounts: ExactArray,
    makers: BoolArray,
    starts: Int64Array,
    kept: NDArray[np.intp],
    segment: NDArray[np.intp],
    heads: dict[bool, Int64Array],
) -> ExactArray:
    """Return the rows' amounts: those of a side's first row with all of its side not kept."""
    result = amounts[kept]
    firsts = np.searchsorted(kept, starts)
    for side, head in heads.items():
        is_head = head[segment] == kept
        of_side = makers[kept] == side
        whole = sum_groups(amounts * (makers == side), starts)
        others = sum_groups(amounts[kept] * (of_side & ~is_head), firsts)
        rest = whole - others
        if rest.dtype == object and result.dtype != object:
            result = result.astype(object)
        result[is_head] = rest[segment[is_head]]
    return result
