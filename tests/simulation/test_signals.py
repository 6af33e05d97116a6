"""Signals between trades: their order, ticks that are missed or coalesce, outages, shutdown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kline_harness.interfaces import FeedSlice, Pull, Pulls, Tick
from kline_harness.simulation.clock import ClockOptions
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.signals import LoopOptions, ScriptedCommand, SignalOptions, Signals
from kline_harness.simulation.trade_filter import FilterOptions, Outage, TradeFilter
from kline_harness.units import Window

from tests.feeds import MINUTE, SECOND, T0, at, feed

GRACE = 110_000_000
CLOCK = ClockOptions(grace_ns=GRACE)


def told(signals: Signals, until: str) -> list[tuple[str, float]]:
    """Return what is handed out before an instant, as kind and seconds after T0."""
    return [(_kind(signal), (signal.at_ns - T0) / SECOND) for signal in signals.before(at(until))]


def _kind(signal: object) -> str:
    if isinstance(signal, Pull):
        return "snapshot" if signal.full else "deltas"
    return type(signal).__name__


def test_the_order_within_an_instant() -> None:
    tick_ns = T0 + MINUTE + GRACE
    commands = (ScriptedCommand(tick_ns, add="NEWA"), ScriptedCommand(tick_ns, remove="ALFA"))
    options = SignalOptions(CLOCK, LoopOptions(), commands, Pulls(MINUTE, True))
    assert told(Signals(options, T0 + GRACE, 0), "1:01") == [
        *(("deltas", 0.11), ("Tick", 60.11), ("snapshot", 60.11), ("deltas", 60.11)),
        *(("AddSymbol", 60.11), ("RemoveSymbol", 60.11)),
    ]
    handed = Signals(options, T0 + GRACE, 0).before(at("1:01"))
    asked_ns = [one.asked_ns for one in handed if isinstance(one, Pull)]
    assert asked_ns == [T0 + GRACE, tick_ns, tick_ns]


def test_a_busy_loop_sees_the_last_tick_only() -> None:
    busy = (Window(at("0:59"), at("3:05")),)
    commands = (ScriptedCommand(at("2:00"), remove="ALFA"),)
    signals = Signals(SignalOptions(CLOCK, LoopOptions(busy), commands, Pulls(MINUTE)), T0, 0)
    # The end of the window is not before itself.
    assert told(signals, "3:05") == [("deltas", 0)]
    handed = signals.before(at("3:06"))
    assert [signal.at_ns for signal in handed] == [at("3:05")] * 5
    assert handed[0] == Tick(at("3:05"), at("3:00.110"))
    assert [_kind(signal) for signal in handed[1:]] == ["deltas"] * 3 + ["RemoveSymbol"]
    assert signals.coalesced == 2
    asked_ns = [one.asked_ns for one in handed if isinstance(one, Pull)]
    assert asked_ns == [T0 + k * MINUTE for k in range(1, 4)]


def test_missed_ticks_and_a_late_synchronisation() -> None:
    clock = ClockOptions(
        grace_ns=GRACE, sync_delay_ns=5_000_000, missed=(Window(at("2:00"), at("3:00")),)
    )
    signals = Signals(SignalOptions(clock), T0, 0)
    assert signals.before(at("4:00")) == [
        Tick(at("1:00.115"), at("1:00.110")),
        Tick(at("3:00.115"), at("3:00.110")),
    ]
    assert signals.missed == 1


@given(cuts=st.lists(st.integers(0, 5 * 60), max_size=8), busy=st.booleans())
def test_how_often_it_is_asked_changes_nothing(cuts: list[int], busy: bool) -> None:
    loop = LoopOptions((Window(at("0:59"), at("3:05")),) if busy else ())
    commands = tuple(ScriptedCommand(at(f"{m}:30"), add=f"S{m}") for m in range(5))
    options = SignalOptions(CLOCK, loop, commands, Pulls(7 * SECOND, True))
    whole, pieces = Signals(options, T0, 0), Signals(options, T0, 0)
    in_pieces = []
    for cut in sorted(cuts):
        # Trades that arrive while the loop is busy are processed at the end of that.
        in_pieces += pieces.before(loop.processed_ns(T0 + cut * SECOND))
    end_ns = at("6:00")
    in_pieces += pieces.rest(end_ns, None)
    assert in_pieces == whole.rest(end_ns, None)
    assert pieces.coalesced == whole.coalesced


def slices(options: FilterOptions, loop: LoopOptions | None = None) -> tuple[Feed, list[FeedSlice]]:
    text = "; ".join(
        f"{s} {m}:{10 + k} 100x1" for m in range(4) for k, s in enumerate(("ALFA", "NEWA"))
    )
    signals = SignalOptions(CLOCK, loop or LoopOptions())
    whole = Feed(iter([feed(text).trades]), signals, trade_filter=TradeFilter(options, ["NEWA"]))
    return whole, list(whole)


def test_an_outage_and_what_the_next_connection_forgets() -> None:
    for forgets, kept in ((False, 6), (True, 4)):
        outage = Outage(at("1:00"), at("2:00"), forgets)
        made, pieces = slices(FilterOptions((outage,)))
        assert sum(len(piece.trades) for piece in pieces) == kept
        expected = {("ALFA", "outage"): 1, ("NEWA", "outage"): 1}
        assert made.trade_filter.lost == expected | (
            {("NEWA", "unsubscribed"): 2} if forgets else {}
        )
        assert made.trades == 8


def test_a_shutdown_ends_trades_and_ticks() -> None:
    made, pieces = slices(FilterOptions(shutdown_ns=at("2:10")))
    assert sum(len(piece.trades) for piece in pieces) == 5
    assert [s.at_ns for piece in pieces for s in piece.signals] == [at("1:00.110"), at("2:00.110")]
    assert made.end_ns == at("2:10")
    assert sum(made.trade_filter.lost.values()) == 3


def test_trades_wait_for_a_busy_loop_before_its_tick() -> None:
    loop = LoopOptions((Window(at("0:59"), at("2:30")),))
    _, pieces = slices(FilterOptions(), loop)
    events = [
        (event.at_ns if isinstance(event, Tick) else int(event.tape.arrival_ns[event.row]))  # type: ignore[union-attr]
        for piece in pieces
        for event in piece.events()
    ]
    assert events == sorted(events)
    first = pieces[0]
    assert (len(first.trades), first.positions) == (8, (6, 6))
