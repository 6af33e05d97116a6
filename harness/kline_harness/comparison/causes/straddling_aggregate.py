"""Aggregates whose raw trades lie on both sides of a kline's boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from kline_harness.columns import concat
from kline_harness.comparison.causes.rounded_quote import within_bound
from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis
from kline_harness.comparison.retention import BORDER_NS
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import decimal_text, format_exact

NAME = "straddling_aggregate"
MEANING = "an aggregate holds trades of both sides of a boundary"

# No longer runs of klines are explained together.
_CHAIN_MAX = 100

# All states of a case with some causes undone from a state on, the smallest sets first.
Options = Callable[[DifferingKline, Hypothesis], Iterable[Hypothesis]]


class UnrecordedCause(Protocol):
    """A cause of what is left when all splits are applied: trades that were not recorded."""

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether the cause can be one of a case."""
        ...

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield the settled states with the cause undone."""
        ...


@dataclass(frozen=True, slots=True)
class Flow:
    """A part of one aggregate on the other side of the boundary at `boundary_ns`.

    `count` raw trades with `volume` (scaled) of the aggregate `trade_id` belong to the kline
    before the boundary (`into_next` false: its time is after it) or to the one after.
    """

    boundary_ns: int
    trade_id: int
    count: int
    volume: int
    into_next: bool
    aggregate: Tape


def solve(
    cases: Sequence[DifferingKline], options: Options, unrecorded: Sequence[UnrecordedCause] = ()
) -> dict[int, tuple[Hypothesis, tuple[DifferingKline, ...]]]:
    """Explain neighbouring klines of one series by aggregates split over their boundaries.

    A split follows from the kline before its boundary, or from the one after it: what theirs
    has more or less. A chain of klines is accepted only if every one of them is equal with its
    splits, or differs by a rounding within its bound or by an excess that one of `unrecorded`
    allows, and nothing is left over at its end, but what goes into a kline after the recorded
    time; so both neighbours of each boundary are explained.
    Returns, by place, the state and the chain of cases that had to hold together.
    """
    search = _Search(cases, options, unrecorded)
    solved: dict[int, tuple[Hypothesis, tuple[DifferingKline, ...]]] = {}
    place = 0
    while place < len(cases):
        chain = search.chain(place, None)
        members = tuple(cases[place : place + len(chain)])
        for number, state in enumerate(chain, start=place):
            solved[number] = (state, members)
        place += max(1, len(chain))
    return solved


class _Search:
    """Follows splits from kline to kline, and back from those after them."""

    def __init__(
        self,
        cases: Sequence[DifferingKline],
        options: Options,
        unrecorded: Sequence[UnrecordedCause],
    ) -> None:
        self._cases = cases
        self._options = options
        self._unrecorded = unrecorded
        self._into: dict[int, list[Flow]] = {}

    def chain(self, place: int, flow_in: Flow | None, length: int = 1) -> list[Hypothesis]:
        """Return the states from one kline to where its splits end; none where they do not fit."""
        case = self._cases[place]
        start = case.start() if flow_in is None else _apply(case, case.start(), flow_in)
        states = [] if start is None else list(self._options(case, start))
        for state in states:
            done = None if flow_in is None else _equal(case, state)
            if done is not None:
                return [done]
            for flow in self._flows_out(place, state):
                split = _apply(case, state, flow)
                done = None if split is None else self._finished(case, split)
                if done is None:
                    continue
                if _goes_out(case, flow):
                    return [done]
                deeper = length < _CHAIN_MAX and self._adjacent(place)
                after = self.chain(place + 1, flow, length + 1) if deeper else []
                if after:
                    return [done, *after]
        # An excess can hide a split, so splits are followed first.
        done = None if flow_in is None else next(self._by_unrecorded(case, states), None)
        return [] if done is None else [done]

    def _finished(self, case: DifferingKline, state: Hypothesis) -> Hypothesis | None:
        """Return the state if it explains the kline: by equality, a bound, or an excess."""
        done = _equal(case, state)
        return next(self._by_unrecorded(case, [state]), None) if done is None else done

    def _by_unrecorded(
        self, case: DifferingKline, states: Sequence[Hypothesis]
    ) -> Iterator[Hypothesis]:
        able = [cause for cause in self._unrecorded if cause.applies(case)]
        return (done for state in states for cause in able for done in cause.undo(case, state))

    def _flows_out(self, place: int, state: Hypothesis) -> Iterator[Flow]:
        case = self._cases[place]
        for flow in (_needed(case, state, case.kline.close_time_ns), _agreed(case, state)):
            if flow is not None:
                yield flow
        if self._adjacent(place) and any(cause.applies(case) for cause in self._unrecorded):
            yield from self._flows_into(place + 1)

    def _flows_into(self, place: int) -> list[Flow]:
        """Return the splits at a kline's open that make it whole, with those at its close."""
        last = place
        while last not in self._into and self._adjacent(last) and last - place < _CHAIN_MAX:
            last += 1
        for number in range(last, place - 1, -1):
            if number not in self._into:
                self._into[number] = list(self._flows_at_open(number))
        return self._into[place]

    def _flows_at_open(self, place: int) -> Iterator[Flow]:
        case = self._cases[place]
        states = list(self._options(case, case.start()))
        later = self._into.get(place + 1, []) if self._adjacent(place) else []
        split = [_apply(case, state, flow) for flow in later for state in states]
        for state in (*states, *split):
            flow_in = None if state is None else _needed(case, state, case.kline.open_time_ns)
            if flow_in is not None:
                yield flow_in

    def _adjacent(self, place: int) -> bool:
        """Tell whether the next case is the kline right after one."""
        following = self._cases[place + 1 : place + 2]
        closed_ns = self._cases[place].kline.close_time_ns
        return any(one.kline.open_time_ns == closed_ns for one in following)


def _equal(case: DifferingKline, state: Hypothesis) -> Hypothesis | None:
    """Return the state if it is theirs, or differs by a rounding within its bound."""
    return state if state.equals_theirs(case) else within_bound(case, state)


def _goes_out(case: DifferingKline, flow: Flow) -> bool:
    """Tell whether a split goes into a kline that was not recorded and can have it."""
    kline, following = case.kline, case.context.row.following
    recorded = any(end > kline.close_time_ns for _, end in case.context.coverage.windows)
    if recorded or not flow.into_next or flow.boundary_ns != kline.close_time_ns:
        return False
    if following is None or not {"count", "volume"} <= set(following):
        return following is None
    volume = Decimal(following["volume"]).scaleb(case.instrument.quantity_scale)
    return int(following["count"]) >= flow.count and volume >= flow.volume


def _needed(case: DifferingKline, state: Hypothesis, boundary_ns: int) -> Flow | None:
    """Return the split at a boundary that makes count and volume equal theirs."""
    theirs, part = case.kline.theirs, state.part(case)
    if theirs is None or not {"count", "volume"} <= set(theirs):
        return None
    count = int(theirs["count"]) - (0 if part is None else part["count"])
    exact = Decimal(theirs["volume"]).scaleb(case.instrument.quantity_scale)
    volume = int(exact) - (0 if part is None else part["volume"])
    if exact != int(exact) or count == 0 or (count > 0) != (volume > 0) or volume == 0:
        return None
    into_next = (count < 0) == (boundary_ns == case.kline.close_time_ns)
    row = _at_boundary(state, boundary_ns, before=into_next)
    if row is None:
        return None
    aggregate = state.rows.take(np.array([row]))
    size, quantity = _size(aggregate), int(aggregate.quantity[0])
    count, volume = abs(count), abs(volume)
    if not _can_move(count, volume, size, quantity):
        return None
    if int(aggregate.quote[0]) != int(aggregate.price[0]) * quantity:
        return None
    return Flow(boundary_ns, int(aggregate.trade_id[0]), count, volume, into_next, aggregate)


def _can_move(count: int, volume: int, size: int, quantity: int) -> bool:
    """Tell whether so many raw trades of an aggregate, but not all, can have so much of it.

    Every raw trade has at least one step of quantity, those that stay behind as well.
    """
    return 0 < count < size and count <= volume <= quantity - (size - count)


def _uneven(flow: Flow) -> str | None:
    """Return a doubt where a tenth of an aggregate's raw trades would have nine tenths of it."""
    size, quantity = _size(flow.aggregate), int(flow.aggregate.quantity[0])
    count, volume = flow.count, flow.volume
    if count * 2 > size:
        count, volume = size - count, quantity - volume
    if count * 10 > size or volume * 10 < quantity * 9:
        return None
    return f"{count} of {size} raw trades of aggregate {flow.trade_id} would have nearly all of it"


def _agreed(case: DifferingKline, state: Hypothesis) -> Flow | None:
    """Return the split at the kline's close that a shorter interval has settled."""
    split = case.context.agreed.splits.get(case.kline.close_time_ns)
    if split is None:
        return None
    place = np.flatnonzero(state.rows.trade_id == split.trade_id)
    if len(place) != 1:
        return None
    aggregate = state.rows.take(place)
    volume = int(split.quantity.scaleb(case.instrument.quantity_scale))
    return Flow(split.boundary_ns, split.trade_id, split.count, volume, split.into_next, aggregate)


def _size(aggregate: Tape) -> int:
    return int(aggregate.last_id[0] - aggregate.first_id[0]) + 1


def _at_boundary(state: Hypothesis, close_ns: int, *, before: bool) -> int | None:
    """Return the last aggregate before a boundary, or the first after it, if near."""
    rows = state.rows
    times = rows.event_time_ns
    side = times < close_ns if before else times >= close_ns
    usable = state.included & (rows.kind == TradeKind.MARKET) & (rows.first_id >= 0) & side
    usable &= np.abs(times - close_ns) <= BORDER_NS
    places = np.flatnonzero(usable)
    if len(places) == 0:
        return None
    ids = rows.trade_id[places]
    return int(places[np.argmax(ids) if before else np.argmin(ids)])


def _apply(case: DifferingKline, state: Hypothesis, flow: Flow) -> Hypothesis | None:
    """Return the state with an aggregate split at one of the kline's boundaries."""
    own_is_before = flow.boundary_ns == case.kline.close_time_ns
    rows = state.rows
    place = np.flatnonzero((rows.trade_id == flow.trade_id) & state.included)
    gains = own_is_before != flow.into_next
    evidence = {
        "boundary_ns": flow.boundary_ns,
        "aggregate_id": flow.trade_id,
        "raw_trades": _size(flow.aggregate),
        "price": format_exact(int(flow.aggregate.price[0]), case.instrument.price_scale),
        "moved_raw_trades": flow.count,
        "moved_quantity": format_exact(flow.volume, case.instrument.quantity_scale),
        "moved_into": "this kline" if gains else "the neighbour",
        "moved_into_next": flow.into_next,
        "trades": 1,
    }
    # Only where every raw trade has one step there is no other way to split it.
    forced = _size(flow.aggregate) == int(flow.aggregate.quantity[0])
    changes: dict[str, Any] = {
        "settled": state.settled if forced else {"split_possible": True},
        "doubt": state.doubt or _uneven(flow),
    }
    if gains:
        inside_ns = case.kline.close_time_ns - 1 if own_is_before else case.kline.open_time_ns
        piece = _piece(flow.aggregate, flow.count, flow.volume, inside_ns, head=own_is_before)
        included = np.append(state.included, True)
        rows = concat([rows, piece])
        return state.after(NAME, evidence, rows=rows, included=included, **changes)
    if len(place) != 1:
        return None
    row = flow.aggregate
    remainder = _piece(
        row,
        _size(row) - flow.count,
        int(row.quantity[0]) - flow.volume,
        int(row.event_time_ns[0]),
        head=own_is_before,
    )
    keep = np.ones(len(rows), dtype=np.bool_)
    keep[place] = False
    kept = np.append(state.included[keep], True)
    rows = concat([rows.take(keep), remainder])
    return state.after(NAME, evidence, rows=rows, included=kept, **changes)


def _piece(aggregate: Tape, count: int, volume: int, time_ns: int, *, head: bool) -> Tape:
    """Return the first or last raw trades of an aggregate as a trade of its own."""
    first, last = aggregate.first_id, aggregate.last_id
    quantity = np.array([volume], dtype=aggregate.quantity.dtype)
    columns: dict[str, Any] = {
        "quantity": quantity,
        "quote": aggregate.price * quantity,
        "event_time_ns": np.array([time_ns], dtype=np.int64),
        "first_id": first if head else last - count + 1,
        "last_id": first + count - 1 if head else last,
    }
    return aggregate.with_columns(columns)


def neighbours(chain: Sequence[DifferingKline]) -> list[dict[str, Any]]:
    """Return the klines of a chain as data: those that a split proof stands or falls with."""
    return [
        {
            "open_time_ns": case.kline.open_time_ns,
            "ours": _texts(case.kline.ours),
            "theirs": _texts(case.kline.theirs),
        }
        for case in chain
    ]


def _texts(values: Any) -> dict[str, str] | None:
    return None if values is None else {name: decimal_text(value) for name, value in values.items()}
