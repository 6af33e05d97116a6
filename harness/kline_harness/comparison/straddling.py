"""Aggregates whose raw trades lie on both sides of a kline's boundary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.columns import concat
from kline_harness.comparison.case import Case, State
from kline_harness.comparison.compare import plain
from kline_harness.comparison.wanted import BORDER_NS
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import format_exact

NAME = "straddling_aggregate"

# All states of a case with some causes undone, the smallest sets first.
Options = Callable[[Case], Iterable[State]]


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


def solve(cases: Sequence[Case], options: Options) -> dict[int, tuple[State, tuple[Case, ...]]]:
    """Explain neighbouring klines of one series by aggregates split over their boundaries.

    The split at each boundary follows from the kline before it: what theirs has more or less.
    A chain of klines is accepted only if every one of them is equal with its splits and nothing
    is left over at its end; so both neighbours of each boundary are proved. Returns, by place, the
    state that equals and the chain of cases that had to hold together.
    """
    solved: dict[int, tuple[State, tuple[Case, ...]]] = {}
    place = 0
    while place < len(cases):
        chain = _chain(cases, place, options)
        members = tuple(member for member, _ in chain)
        for number, (_, state) in enumerate(chain, start=place):
            solved[number] = (state, members)
        place += max(1, len(chain))
    return solved


def _chain(cases: Sequence[Case], start: int, options: Options) -> list[tuple[Case, State]]:
    """Follow the splits from one kline to where they end; nothing where they do not fit."""
    chain: list[tuple[Case, State]] = []
    flow: Flow | None = None
    for place in range(start, len(cases)):
        case = cases[place]
        if chain and chain[-1][0].kline.close_time_ns != case.kline.open_time_ns:
            return []
        step = _step(case, flow, options)
        if step is None:
            return []
        state, flow_out = step
        chain.append((case, state))
        if flow_out is None:
            return chain if len(chain) > 1 else []
        flow = flow_out
    return []


def _step(case: Case, flow_in: Flow | None, options: Options) -> tuple[State, Flow | None] | None:
    """Return a state of one kline that equals theirs with the flow in and, if need be, one out."""
    for option in options(case):
        state = option if flow_in is None else _apply(case, option, flow_in)
        if state is None:
            continue
        if flow_in is not None and state.equals_theirs(case):
            return state, None
        flow = _needed(case, state)
        if flow is None:
            continue
        done = _apply(case, state, flow)
        if done is not None and done.equals_theirs(case):
            return done, flow
    return None


def _needed(case: Case, state: State) -> Flow | None:
    """Return the split at the kline's end that makes count and volume equal theirs."""
    theirs, part = case.kline.theirs, state.part(case)
    if theirs is None or part is None or not {"count", "volume"} <= set(theirs):
        return None
    count = int(theirs["count"]) - part["count"]
    exact = Decimal(theirs["volume"]).scaleb(case.instrument.quantity_scale)
    volume = int(exact) - part["volume"]
    if exact != int(exact) or count == 0 or (count > 0) != (volume > 0) or volume == 0:
        return None
    into_next = count < 0
    row = _at_boundary(case, state, before=into_next)
    if row is None:
        return None
    aggregate = state.rows.take(np.array([row]))
    size = int(aggregate.last_id[0]) - int(aggregate.first_id[0]) + 1
    if not 0 < abs(count) < size or not 0 < abs(volume) < int(aggregate.quantity[0]):
        return None
    if int(aggregate.quote[0]) != int(aggregate.price[0]) * int(aggregate.quantity[0]):
        return None
    boundary_ns = case.kline.close_time_ns
    ids = int(aggregate.trade_id[0])
    return Flow(boundary_ns, ids, abs(count), abs(volume), into_next, aggregate)


def _at_boundary(case: Case, state: State, *, before: bool) -> int | None:
    """Return the last aggregate before the kline's close, or the first after it, if near."""
    rows, close_ns = state.rows, case.kline.close_time_ns
    times = rows.event_time_ns
    side = times < close_ns if before else times >= close_ns
    usable = state.included & (rows.kind == TradeKind.MARKET) & (rows.first_id >= 0) & side
    usable &= np.abs(times - close_ns) <= BORDER_NS
    places = np.flatnonzero(usable)
    if len(places) == 0:
        return None
    ids = rows.trade_id[places]
    return int(places[np.argmax(ids) if before else np.argmin(ids)])


def _apply(case: Case, state: State, flow: Flow) -> State | None:
    """Return the state with an aggregate split at one of the kline's boundaries."""
    own_is_before = flow.boundary_ns == case.kline.close_time_ns
    rows = state.rows
    place = np.flatnonzero((rows.trade_id == flow.trade_id) & state.included)
    gains = own_is_before != flow.into_next
    evidence = {
        "boundary_ns": flow.boundary_ns,
        "aggregate_id": flow.trade_id,
        "raw_trades": int(flow.aggregate.last_id[0] - flow.aggregate.first_id[0]) + 1,
        "price": format_exact(int(flow.aggregate.price[0]), case.instrument.price_scale),
        "moved_raw_trades": flow.count,
        "moved_quantity": format_exact(flow.volume, case.instrument.quantity_scale),
        "moved_into": "this kline" if gains else "the neighbour",
        "trades": 1,
    }
    if gains:
        inside_ns = case.kline.close_time_ns - 1 if own_is_before else case.kline.open_time_ns
        piece = _piece(flow.aggregate, flow.count, flow.volume, inside_ns, head=own_is_before)
        included = np.append(state.included, True)
        return state.after(NAME, evidence, rows=concat([rows, piece]), included=included)
    if len(place) != 1:
        return None
    row = flow.aggregate
    rest = _piece(
        row,
        int(row.last_id[0] - row.first_id[0]) + 1 - flow.count,
        int(row.quantity[0]) - flow.volume,
        int(row.event_time_ns[0]),
        head=own_is_before,
    )
    keep = np.ones(len(rows), dtype=np.bool_)
    keep[place] = False
    kept = np.append(state.included[keep], True)
    return state.after(NAME, evidence, rows=concat([rows.take(keep), rest]), included=kept)


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


def neighbours(chain: Sequence[Case]) -> list[dict[str, Any]]:
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
    return None if values is None else {name: plain(value) for name, value in values.items()}
