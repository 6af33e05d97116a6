"""The lifecycle rules one event at a time, over the whole stream: what the checker is held to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kline_harness.checks.life_table import AFTER, TRANSITIONS, KlineState
from kline_harness.interval import Interval, parse_interval
from kline_harness.kline import Life, Trigger

from tests.checks.lives import Event

EmissionRows = tuple[str, str, str, int]
OPENINGS = (Life.OPENED_PROVISIONAL, Life.OPENED_LIVE)


@dataclass
class PlainLife:
    """One series: the state of every kline it ever had, and where each became known."""

    states: dict[int, KlineState] = field(default_factory=dict)
    since: dict[int, int] = field(default_factory=dict)
    until: dict[int, int] = field(default_factory=dict)


def check(events: list[Event]) -> Counter[EmissionRows]:
    """Return every finding as (kind, symbol, interval, open time), with how often it occurs."""
    found: Counter[EmissionRows] = Counter()
    book: dict[tuple[str, str], PlainLife] = {}
    for place, event in enumerate(events):
        if event["life"] is Life.TICK:
            continue
        one = book.setdefault((event["symbol"], event["interval"]), PlainLife())
        for kind in _kinds(place, event, one, events):
            found[kind, event["symbol"], event["interval"], event["open_time_ns"]] += 1
    for (symbol, interval), one in book.items():
        for open_ns in one.since:
            if _overdue(parse_interval(interval), open_ns, one, events):
                found["overdue", symbol, interval, open_ns] += 1
    return found


def _kinds(place: int, event: Event, one: PlainLife, events: list[Event]) -> list[str]:
    open_ns, life, interval = (
        event["open_time_ns"],
        event["life"],
        parse_interval(event["interval"]),
    )
    state = one.states.get(open_ns, KlineState.ABSENT)
    kinds = _transition(state, life, event["trigger"])
    if life in OPENINGS:
        if state is KlineState.ABSENT and one.states:
            expected_ns = interval.close_time_ns(max(one.states))
            kinds += ["open_time_step"] if open_ns != expected_ns else []
        if open_ns - event["at_ns"] > (interval.length_ns or 0):
            kinds.append("future_open")
    if state is not KlineState.FINAL:
        one.states[open_ns] = AFTER[life]
        one.since.setdefault(open_ns, place)
        if life is Life.FINALIZED:
            one.until[open_ns] = place
            kinds += _finalized(place, event, events)
    if life is Life.OPENED_PROVISIONAL and event["trigger"] is Trigger.TRADE:
        after = _next(place, events, (Life.FINALIZED,))
        same = after is not None and after["open_time_ns"] == open_ns
        if not (same and after is not None and after["at_ns"] == event["at_ns"]):
            kinds.append("filler_left_open")
    return kinds


def _transition(state: KlineState, life: Life, trigger: Trigger) -> list[str]:
    if (state, life, trigger) in TRANSITIONS:
        return []
    if state is KlineState.FINAL:
        return ["finalized_twice" if life is Life.FINALIZED else "changed_after_final"]
    return ["illegal_transition"]


def _finalized(place: int, event: Event, events: list[Event]) -> list[str]:
    close_ns = parse_interval(event["interval"]).close_time_ns(event["open_time_ns"])
    if event["trigger"] is Trigger.TICK:
        tick = next((e for e in events[place:] if e["life"] is Life.TICK), None)
        if tick is None:
            return ["tick_not_seen"]
        return ["tick_finalized_unexpired"] if close_ns > tick["open_time_ns"] else []
    if event["trigger"] is Trigger.TRADE:
        after = _next(place, events, OPENINGS)
        later = after is not None and after["open_time_ns"] > event["open_time_ns"]
        if not (later and after is not None and after["at_ns"] == event["at_ns"]):
            return ["trade_finalized_not_outrun"]
    return []


def _next(place: int, events: list[Event], wanted: tuple[Life, ...]) -> Event | None:
    series = events[place]["symbol"], events[place]["interval"]
    for event in events[place + 1 :]:
        if (event["symbol"], event["interval"]) == series and event["life"] in wanted:
            return event
    return None


def _overdue(interval: Interval, open_ns: int, one: PlainLife, events: list[Event]) -> bool:
    close_ns = interval.close_time_ns(open_ns)
    stop = one.until.get(open_ns, len(events))
    return any(
        event["life"] is Life.TICK and event["open_time_ns"] >= close_ns
        for event in events[one.since[open_ns] : stop]
    )
