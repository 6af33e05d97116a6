"""Higher klines against the roll-up of lower ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.series import INTERVAL_CODES, NONE, series_key, small
from kline_harness.columns import concat
from kline_harness.compiled.groups import Fold, What, fold_groups
from kline_harness.compiled.roll_ups import RollUpPlan
from kline_harness.interval import INTERVALS, close_times_by_code
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.units import (
    INT64_MAX,
    NS_PER_SECOND,
    BoolArray,
    ExactArray,
    Int64Array,
    mask,
    sum_groups,
)

# REFINERS[parent]: the codes of the intervals it is made of, longest first.
REFINERS: tuple[tuple[int, ...], ...] = tuple(
    tuple(c for c in reversed(range(code)) if INTERVALS[c].refines(INTERVALS[code]))
    for code in range(INTERVAL_CODES)
)


def _nearest(code: int, parent: int) -> int:
    """Return the longest interval made of one that another is made of, -1 where there is none."""
    made = (c for c in REFINERS[parent] if c == code or code in REFINERS[c])
    return next(made, NONE)


_NEAREST = [
    [_nearest(c, parent) for parent in range(INTERVAL_CODES)] for c in range(INTERVAL_CODES)
]
_PLAN = RollUpPlan(
    [interval.length_ns or 0 for interval in INTERVALS],
    [interval.offset_ns for interval in INTERVALS],
    _NEAREST,
)
_SUMS = ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
_SECONDS_BITS = 34
_SMALL = ("symbol", "interval", "trigger", "parent")
_FOLDS = {
    **dict.fromkeys(("open_time_ns", "parent_open_ns"), Fold(What.FIRST)),
    **dict.fromkeys(("open", "first_trade_id"), Fold(What.AT_LOW, "first_trade_id")),
    **dict.fromkeys(("close", "last_trade_id"), Fold(What.AT_HIGH, "last_trade_id")),
    "high": Fold(What.HIGH),
    "low": Fold(What.LOW),
    **dict.fromkeys((*_SUMS, "children"), Fold(What.SUM_OF_EVERY)),
    "at_ns": Fold(What.HIGH_OF_EVERY),
}


@dataclass(frozen=True, eq=False)
class RollUps(KlineBatch):
    """Lower klines put together to higher ones, finished or not.

    A row is `children` klines of `interval` inside the kline of interval `parent` that opens at
    `parent_open_ns`; `open_time_ns` is the first child's, `at_ns` the last child's publication.
    """

    parent: NDArray[np.int8]
    parent_open_ns: Int64Array
    children: Int64Array

    def identity(self) -> Int64Array:
        """Return a number for each (symbol, child interval, parent interval, parent open)."""
        return _identity(self.symbol, self.interval, self.parent, self.parent_open_ns)


@dataclass(frozen=True, slots=True, eq=False)
class RollUpResult:
    """Higher klines beside the roll-ups of the same span, row by row."""

    klines: KlineBatch
    rows: NDArray[np.intp]
    roll_ups: RollUps

    def differing(self) -> dict[str, BoolArray]:
        """Mark, per field, where the two differ."""
        return {
            name: mask(getattr(self.klines, name)[self.rows] != getattr(self.roll_ups, name))
            for name in FIELDS
        }


class RollUpBook:
    """Puts lower klines together and hands out those that a higher kline can be held to.

    A kline that moves its series forward is compared with the roll-up of the longest interval of
    which every kline inside it was published no later than itself. A roll-up is forgotten once
    its parent's series is past it, or once its own series is two parent lengths past it.
    """

    def __init__(self) -> None:
        self._open = RollUps.empty()
        self._latest_ns: Int64Array = np.empty(0, dtype=np.int64)

    def add(self, klines: KlineBatch, advancing: BoolArray) -> RollUpResult:
        """Take klines, each delivered for the first time, and all of every instant in them.

        Those that do not advance their series count as lower klines only.
        """
        merged = _reduce(concat([self._open.over(klines.instruments), *_all_levels(klines)]))
        spans = close_times_by_code(merged.parent, merged.parent_open_ns) - merged.parent_open_ns
        comparison = _match(klines, advancing, merged, spans)
        self._note_latest(klines)
        self._open = merged.take(self._unfinished(merged, spans))
        return comparison

    def _note_latest(self, klines: KlineBatch) -> None:
        missing = len(klines.instruments) * INTERVAL_CODES - len(self._latest_ns)
        if missing > 0:
            self._latest_ns = np.append(self._latest_ns, np.full(missing, NONE, dtype=np.int64))
        np.maximum.at(self._latest_ns, series_key(klines), klines.open_time_ns)

    def _unfinished(self, roll_ups: RollUps, spans: Int64Array) -> BoolArray:
        series = roll_ups.symbol.astype(np.int32) * INTERVAL_CODES
        far = 3 * spans + roll_ups.parent_open_ns
        kept: BoolArray = self._latest_ns[series + roll_ups.interval] < far
        kept &= self._latest_ns[series + roll_ups.parent] < roll_ups.parent_open_ns
        return kept


def _distinct(codes: NDArray[np.int8]) -> list[int]:
    found: list[int] = np.flatnonzero(np.bincount(codes)).tolist()
    return found


def _all_levels(klines: KlineBatch) -> list[RollUps]:
    """Roll klines of all intervals up to all that are made of them."""
    order = np.argsort(small(series_key(klines)), kind="stable")
    columns = {name: getattr(klines, name) for name in klines.column_names()}
    made = _PLAN.roll_up(columns, order)
    if made is not None:
        return [RollUps.build(klines.instruments, made)]
    parts = _as_roll_ups(klines)
    return [level for code in _distinct(klines.interval) for level in _levels(parts, code)]


def _levels(klines: RollUps, code: int) -> list[RollUps]:
    """Roll the klines of one interval up to every interval made of it, each from the nearest."""
    rows = np.flatnonzero(klines.interval == code)
    levels: dict[int, RollUps] = {}
    for parent, nearest in enumerate(_NEAREST[code]):
        if nearest == code:
            levels[parent] = _rolled(klines, rows, parent)
        elif nearest != NONE:
            source = levels[nearest]
            levels[parent] = _rolled(source, np.arange(len(source)), parent)
    return list(levels.values())


def _as_roll_ups(klines: KlineBatch) -> RollUps:
    columns = {name: getattr(klines, name) for name in klines.column_names()}
    more = {
        "parent": klines.interval,
        "parent_open_ns": klines.open_time_ns,
        "children": np.ones(len(klines), dtype=np.int64),
    }
    return RollUps.build(klines.instruments, columns | more)


def _rolled(parts: RollUps, rows: Int64Array, parent: int) -> RollUps:
    """Roll some parts of one interval up to a longer one."""
    opens = INTERVALS[parent].open_times_ns(parts.parent_open_ns[rows])
    # They are of one pair of intervals.
    identity = _identity(parts.symbol[rows], 0, 0, opens)
    order = _order(identity, parts.open_time_ns[rows])
    if order is not None:
        rows, opens, identity = rows[order], opens[order], identity[order]
    starts = np.flatnonzero(np.diff(identity, prepend=NONE))
    made = _put_together(parts, starts, rows)
    codes = np.full(len(starts), parent, dtype=np.int8)
    return made.with_columns({"parent": codes, "parent_open_ns": opens[starts]})


def _reduce(parts: RollUps) -> RollUps:
    """Put together all parts of the same roll-up."""
    if len(parts) == 0:
        return parts
    identity = parts.identity()
    order = _order(identity, parts.open_time_ns)
    if order is not None:
        identity = identity[order]
    starts = np.flatnonzero(np.diff(identity, prepend=NONE))
    if len(starts) == len(parts):
        return parts if order is None else parts.take(order)
    return _put_together(parts, starts, order)


def _order(identity: Int64Array, opens: Int64Array) -> NDArray[np.intp] | None:
    """Return the order of parts by identity and time, None where they are in it."""
    order, ordered = None, identity
    if np.any(identity[1:] < identity[:-1]):
        # Runs that are in order are merged, which lexsort does not do.
        order = np.argsort(identity, kind="stable")
        ordered, opens_in_order = identity[order], opens[order]
    else:
        opens_in_order = opens
    same = ordered[1:] == ordered[:-1]
    if np.any(same & (opens_in_order[1:] < opens_in_order[:-1])):
        return np.lexsort((opens, identity))
    return order


def _put_together(
    parts: RollUps, starts: NDArray[np.intp], order: NDArray[np.intp] | None
) -> RollUps:
    """Return a row for each group of parts that begins at `starts`; `order` are the parts' rows.

    Prices come from parts with trades, if there are any: the open from the lowest first trade
    id, the close from the highest last one; by time where ids are unknown or nothing traded.
    """
    columns = {name: getattr(parts, name) for name in _FOLDS}
    # The key of the open is a first trade id, or where there is none the time.
    folded = fold_groups(columns, _FOLDS, starts, parts.count > 0, keeps_first=False, order=order)
    if folded is None:
        return _reduced(parts if order is None else parts.take(order), starts)
    heads = starts if order is None else order[starts]
    small = {name: getattr(parts, name)[heads] for name in _SMALL}
    return RollUps.build(parts.instruments, folded | small)


def _reduced(parts: RollUps, starts: NDArray[np.intp]) -> RollUps:
    """Do what `_put_together` does, with parts in order, column by column, of any size."""
    sizes = np.diff(starts, append=len(parts))
    traded = parts.count > 0
    any_traded = np.repeat(np.logical_or.reduceat(traded, starts), sizes)
    priced = traded | ~any_traded
    opener = _pick(np.where(priced, parts.first_trade_id, INT64_MAX), starts, sizes, first=True)
    closer = _pick(np.where(priced, parts.last_trade_id, -2), starts, sizes, first=False)
    columns = {name: getattr(parts, name)[starts] for name in parts.column_names()}
    columns |= {name: sum_groups(getattr(parts, name), starts) for name in (*_SUMS, "children")}
    columns |= {
        "open": parts.open[opener],
        "close": parts.close[closer],
        "high": _extreme(np.maximum, parts.high, priced, opener, starts),
        "low": _extreme(np.minimum, parts.low, priced, opener, starts),
        "first_trade_id": parts.first_trade_id[opener],
        "last_trade_id": parts.last_trade_id[closer],
        "at_ns": np.maximum.reduceat(parts.at_ns, starts),
    }
    return RollUps.build(parts.instruments, columns)


def _extreme(
    choose: np.ufunc,
    prices: ExactArray,
    priced: BoolArray,
    opener: NDArray[np.intp],
    starts: NDArray[np.intp],
) -> ExactArray:
    """Return, per group, the highest or lowest price of the parts that have prices of their own."""
    if not priced.all():
        sizes = np.diff(starts, append=len(prices))
        prices = np.where(priced, prices, np.repeat(prices[opener], sizes))
    extreme: ExactArray = choose.reduceat(prices, starts)
    return extreme


def _pick(
    values: ExactArray, starts: NDArray[np.intp], sizes: NDArray[np.intp], *, first: bool
) -> NDArray[np.intp]:
    """Return, per group, the first row of the smallest value or the last row of the largest."""
    choose = np.minimum if first else np.maximum
    best = np.repeat(choose.reduceat(values, starts), sizes)
    rows = np.arange(len(values), dtype=np.intp)
    rows = np.where(values == best, rows, len(values) if first else NONE)
    picked: NDArray[np.intp] = choose.reduceat(rows, starts)
    return picked


def _match(
    klines: KlineBatch, wanted: BoolArray, roll_ups: RollUps, spans: Int64Array
) -> RollUpResult:
    """Find for each kline the complete roll-up of the longest interval.

    `spans` are how long the klines last that the roll-ups are to become.
    """
    lengths = np.array([i.length_ns or INT64_MAX for i in INTERVALS], dtype=np.int64)
    complete = np.flatnonzero(roll_ups.children * lengths[roll_ups.interval] == spans)
    identity, at_ns = roll_ups.identity()[complete], roll_ups.at_ns[complete]
    found = np.full(len(klines), NONE, dtype=np.intp)
    for parent in _distinct(klines.interval) if len(complete) else []:
        missing = np.flatnonzero((klines.interval == parent) & wanted)
        for child in REFINERS[parent]:
            if len(missing) == 0:
                break
            some = klines.symbol[missing], klines.open_time_ns[missing]
            sought = _identity(some[0], child, parent, some[1])
            place = np.minimum(np.searchsorted(identity, sought), len(identity) - 1)
            hit = (identity[place] == sought) & (at_ns[place] <= klines.at_ns[missing])
            found[missing[hit]] = place[hit]
            missing = missing[~hit]
    rows = np.flatnonzero(found != NONE)
    return RollUpResult(klines, rows, roll_ups.take(complete[found[rows]]))


def _identity(
    symbol: NDArray[np.int16],
    child: NDArray[np.int8] | int,
    parent: NDArray[np.int8] | int,
    parent_open_ns: Int64Array,
) -> Int64Array:
    # Open times are whole seconds before the year 2500: 34 bits.
    pair = (symbol.astype(np.int64) * INTERVAL_CODES + child) * INTERVAL_CODES + parent
    return (pair << _SECONDS_BITS) + parent_open_ns // NS_PER_SECOND
